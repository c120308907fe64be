"""The scorecard and the leaders' pages as files: canonical JSON among the drafts of a review."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.scorecard.model import LeaderPage, Scorecard
from orchestration.settings import Settings

FILE = "scorecard.json"
STANDS_ON = "stands-on.json"
"""The raw data that a draft's figures stand on; sealed as the edition's manifest hash. It is no
part of the scorecard: data that move no figure leave a draft as it is."""
_PAGES = TypeAdapter(tuple[LeaderPage, ...])


def draft_folder(settings: Settings, period: Period) -> Path:
    """``<home>/drafts/<ritual>/<period_id>``, where a review is drafted until it is sealed."""
    return settings.home / "drafts" / period.grain.ritual / period.id


def to_json(scorecard: Scorecard) -> bytes:
    """Canonical UTF-8 JSON: sorted keys, amounts as strings; equal scorecards, equal bytes."""
    return canonical_json(scorecard.model_dump(mode="json"))


def canonical_json(document: Any) -> bytes:
    """UTF-8 JSON with sorted keys: equal documents, equal bytes."""
    text = json.dumps(document, sort_keys=True, indent=1, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def write_scorecard(settings: Settings, period: Period, scorecard: Scorecard) -> Path:
    """Write the period's scorecard, whole or not at all; returns the file."""
    return write_beside(draft_folder(settings, period) / FILE, to_json(scorecard))


def write_stands_on(settings: Settings, period: Period, raw: str) -> None:
    """Note, once the scorecard is written, the hash of the raw data that it stands on.

    A run that dies before it does so leaves the hash of the draft before, which holds the review
    until the period is drafted again.
    """
    write_beside(draft_folder(settings, period) / STANDS_ON, canonical_json({"manifest_hash": raw}))


def read_stands_on(settings: Settings, period: Period) -> str | None:
    """Hash of the raw data that a period's draft stands on; None in one of an older version."""
    file = draft_folder(settings, period) / STANDS_ON
    return json.loads(file.read_bytes())["manifest_hash"] if file.is_file() else None


def leaders_file(settings: Settings, period: Period) -> Path:
    """``<home>/drafts/leaders/<ritual>/<period_id>.json``: every named leader's own page.

    It lies beside the reviews' drafts, so that no pack can hold it.
    """
    return settings.home / "drafts" / "leaders" / period.grain.ritual / f"{period.id}.json"


def write_leaders(settings: Settings, period: Period, pages: Sequence[LeaderPage]) -> Path:
    """Write the leaders' pages of a period, whole or not at all; returns the file."""
    return write_beside(
        leaders_file(settings, period),
        canonical_json([page.model_dump(mode="json") for page in pages]),
    )


def read_leaders(file: Path) -> tuple[LeaderPage, ...]:
    """Read and validate the leaders' pages of a period.

    Raises:
        Problem: the file is missing or holds no leaders' pages.
    """
    remedy = "materialize the scorecard of that period again."
    try:
        return _PAGES.validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise Problem("the leaders' pages do not exist.", file=str(file), remedy=remedy) from error
    except ValidationError as error:
        raise Problem(
            f"not the leaders' pages of this version (at {_place(error)}).",
            file=str(file),
            remedy=remedy,
        ) from error


def page_json(page: LeaderPage) -> bytes:
    """One leader's page as canonical JSON."""
    return canonical_json(page.model_dump(mode="json"))


def read_page(file: Path) -> LeaderPage:
    """Read and validate one leader's page.

    Raises:
        Problem: the file is missing or holds no leader's page.
    """
    try:
        return LeaderPage.model_validate_json(file.read_bytes())
    except FileNotFoundError as error:
        raise Problem("the leader's page does not exist.", file=str(file)) from error
    except ValidationError as error:
        raise Problem(
            f"not a leader's page of this version (at {_place(error)}).", file=str(file)
        ) from error


def write_beside(target: Path, content: bytes) -> Path:
    """Write one file of a draft, whole or not at all; returns it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    aside = target.with_name(f"{target.name}.{uuid.uuid4().hex}.tmp")
    try:
        with aside.open("wb") as handle:
            handle.write(content)
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
        raise Problem(
            f"not a scorecard of this version (at {_place(error)}).",
            file=str(file),
            remedy=remedy,
        ) from error


def _place(error: ValidationError) -> str:
    where = ".".join(str(part) for part in error.errors(include_input=False)[0]["loc"])
    return where or "its root"
