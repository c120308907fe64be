"""The truth planted in a sample: so far what was planted and the rows of each file."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any


def truth_of(organisation: Any, marks: Any, files: Any) -> dict[str, Any]:
    return {"planted": organisation.planted, "files": {n: asdict(r) for n, r in files.items()}}
