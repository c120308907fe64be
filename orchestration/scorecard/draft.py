"""The scorecard as a file: canonical JSON in the draft folder of its review."""

from __future__ import annotations

import json
import os
import uuid
from pathlib import Path

from pydantic import ValidationError

from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.scorecard.model import Scorecard
from orchestration.settings import Settings

FILE = "scorecard.json"


def draft_folder(settings: Settings, period: Period) -> Path:
    """``<home>/drafts/<ritual>/<period_id>``, where a review is drafted until it is sealed."""
    return settings.home / "drafts" / period.grain.ritual / period.id


def to_json(scorecard: Scorecard) -> bytes:
    """Canonical UTF-8 JSON: sorted keys, amounts as strings; equal scorecards, equal bytes."""
    document = scorecard.model_dump(mode="json")
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def write_scorecard(settings: Settings, period: Period, scorecard: Scorecard) -> Path:
    """Write the period's scorecard, whole or not at all; returns the file."""
    folder = draft_folder(settings, period)
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / FILE
    aside = folder / f"{FILE}.{uuid.uuid4().hex}.tmp"
    try:
        with aside.open("wb") as handle:
            handle.write(to_json(scorecard))
            handle.flush()
            os.fsync(handle.fileno())
        aside.replace(target)
    finally:
        aside.unlink(missing_ok=True)
    return target


def read_scorecard(file: Path) -> Scorecard:
    """Read and validate a scorecard file.

    Raises:
        Problem: the file is missing or is not a scorecard.
    """
    remedy = "materialize the scorecard of that period again."
    try:
        return Scorecard.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise Problem("the scorecard does not exist.", file=str(file), remedy=remedy) from error
    except ValidationError as error:
        where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
        raise Problem(
            f"not a scorecard of this version (at {where or 'its root'}).",
            file=str(file),
            remedy=remedy,
        ) from error
