"""Files of a draft, moved into their folder so that a reader never finds half of them."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

EMAIL = "email.json"
CALENDAR = "invitation.ics"


def write_files(folder: Path, files: Mapping[str, bytes | str]) -> list[Path]:
    """Write ``files`` (name to content) into ``folder``, built aside and moved in one by one.

    ``email.json``, which names the others, is removed first and comes last: a folder that has one
    is whole. Other files of the folder are left alone.

    Returns:
        The files written, in the order they were moved in.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = [name for name in files if name != EMAIL] + [EMAIL] * (EMAIL in files)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        for name in names:
            save(aside / name, files[name])
        (folder / EMAIL).unlink(missing_ok=True)
        for name in names:
            os.replace(aside / name, folder / name)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return [folder / name for name in names]


def save(file: Path, content: bytes | str) -> None:
    """Write one file and wait until the disk has it."""
    with open(file, "wb") as handle:
        handle.write(content.encode() if isinstance(content, str) else content)
        handle.flush()
        os.fsync(handle.fileno())
