"""Files of a draft, moved into their folder so that a reader never finds half of them."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

EMAIL = "email.json"
CALENDAR = "invitation.ics"
LETTERS = "letters.json"
PAGE = "page.json"
"""What a letter was rendered from; sealed with it and never sent."""
PREVIEW = "monthly_preview"
KITS = ("weekly_kit", "monthly_kit")
SHEETS = "quarterly_sheets"
"""Names of the mailings, as the folders beneath ``drafts/`` have them."""


@dataclass(frozen=True)
class Letter:
    """One personal letter: to whom by person id, in which role, and its files by name.

    Attributes:
        files: none where nobody can get it: it is listed, and nothing is rendered.
        occasions: what it answers, where each occasion is answered once; ``until``: the last day
            on which it may be sent.
    """

    folder: str
    to: tuple[str, ...]
    role: str
    files: Mapping[str, bytes | str]
    occasions: tuple[str, ...] = ()
    until: date | None = None

    @property
    def entry(self) -> dict[str, str | bool | list[str]]:
        """Its entry in the list of letters."""
        entry: dict[str, str | bool | list[str]] = {
            "folder": self.folder,
            "to": list(self.to),
            "role": self.role,
        }
        if self.occasions:
            entry["occasions"] = list(self.occasions)
        if self.until is not None:
            entry["until"] = self.until.isoformat()
        if not self.files:
            entry["rendered"] = False
        return entry


Reaches = Callable[[Sequence[str]], bool]
"""Whether a letter to these persons can reach any of them."""


def everybody(_: Sequence[str]) -> bool:
    """Every letter is rendered: of what was sealed, say."""
    return True


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


def letter_folder(mailing: str, period_id: str, *about: str) -> str:
    """The folder's name of one letter: a hash, so that no listing tells whom it is about.

    Args:
        about: what makes the letter the only one of its mailing and period, such as a person id.
    """
    text = "\n".join((mailing, period_id, *about))
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def write_letters(draft: Path, letters: Sequence[Letter]) -> list[Path]:
    """Write the letters of one period, a folder each, and ``letters.json``, the list of them.

    Built aside. The list is removed first and comes last: a draft that has one is whole. Folders
    of letters that are no longer written are removed.

    Returns:
        The files written.
    """
    draft.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{draft.name}.", dir=draft.parent))
    try:
        rendered = [letter for letter in letters if letter.files]
        for letter in rendered:
            (aside / letter.folder).mkdir()
            for name, content in letter.files.items():
                save(aside / letter.folder / name, content)
        listed = [each.entry for each in letters]
        save(aside / LETTERS, json.dumps(listed, indent=1, ensure_ascii=False) + "\n")
        (draft / LETTERS).unlink(missing_ok=True)
        for old in draft.iterdir():
            if old.is_dir():
                shutil.rmtree(old)
        for letter in rendered:
            os.replace(aside / letter.folder, draft / letter.folder)
        os.replace(aside / LETTERS, draft / LETTERS)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    files = [draft / each.folder / name for each in letters for name in each.files]
    return [*files, draft / LETTERS]
