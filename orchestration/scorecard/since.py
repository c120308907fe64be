"""What has been restated since the review before, and which editions are no longer the figures.

A period that was published and is drafted again keeps, beside its newest edition, what the draft
says otherwise: ``edition-1.since.json`` by the folder ``edition-1``. It is the list that a new
edition would be sealed with, and until there is one, the archive and the next review tell it, also
when the draft has been kept for long enough.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orchestration.lake import Lake
from orchestration.periods import Period
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import draft_folder, write_beside
from orchestration.scorecard.evidence import read_evidence
from orchestration.scorecard.restated import FILE, Restatement, from_json, restatements, to_json
from orchestration.settings import Settings
from orchestration.state import Edition
from orchestration.warehouse.late import late_feeds

LOOK_BACK = 13
"""Periods whose editions a review is held against: those on its charts."""


def restated_since(
    settings: Settings, period: Period, editions: Sequence[Edition]
) -> tuple[str, ...]:
    """Sentences for the review of ``period``: what reads otherwise than when it was last said.

    Of each earlier period: what a restating edition sealed since the review before says otherwise;
    and of the whole organisation, each figure, mark and decision of its newest draft that is no
    longer the sealed one and has not been said in a review before.

    Args:
        editions: every sealed edition of the ritual.
    """
    earlier = [each for each in editions if Period.parse(each.period_id) < period]
    if not earlier:
        return ()
    last = max(Period.parse(each.period_id) for each in earlier)
    since = min(each.sealed_at for each in earlier if each.period_id == last.id)
    own = [each.sealed_at for each in editions if each.period_id == period.id]
    until = min(own) if own else None
    said = {line for each in earlier for line in _card(each).get("restatements") or ()}
    lines: list[str] = []
    first = period.shift(-LOOK_BACK + 1)
    for each in sorted(earlier, key=lambda e: (e.period_id, e.number)):
        of = Period.parse(each.period_id)
        if of < first or each.sealed_at <= since or (until and each.sealed_at >= until):
            continue
        file = Path(each.folder) / FILE
        if file.is_file():
            lines += [one.sentence(of.label) for one in from_json(file.read_bytes())]
    for each in latest(earlier):
        of = Period.parse(each.period_id)
        if of >= first:
            whole = [one for one in moved_on(settings, each) if not one.unit]
            lines += [one.sentence(of.label) for one in whole]
    return tuple(dict.fromkeys(line for line in lines if line not in said))


def latest(editions: Sequence[Edition]) -> list[Edition]:
    """The last edition of each period, oldest period first."""
    found: dict[str, Edition] = {}
    for each in sorted(editions, key=lambda e: e.number):
        found[each.period_id] = each
    return [found[period_id] for period_id in sorted(found)]


def restating(lake: Lake, edition: Edition, folder: Path) -> list[Restatement]:
    """What the scorecard in a folder says otherwise than an edition of its period, and why."""
    period = Period.parse(edition.period_id)
    old = (Path(edition.folder) / SCORECARD).read_bytes()
    new = (folder / SCORECARD).read_bytes()
    then = read_evidence(lake, period, _hashed(old))
    return restatements(
        json.loads(old),
        json.loads(new),
        then,
        read_evidence(lake, period, _hashed(new)),
        came_late=then is None
        or then.arrivals is None
        or bool(late_feeds(lake, period, then.arrivals)),
    )


def since_file(folder: Path) -> Path:
    """By the folder of an edition, what reads otherwise than it: ``edition-<n>.since.json``."""
    return folder.with_name(f"{folder.name}.since.json")


def keep_restatements(
    settings: Settings, lake: Lake, period: Period, editions: Sequence[Edition]
) -> int:
    """Lay beside a period's newest edition what the period's draft says otherwise.

    Of what arrived since it sees what is noted (``note_arrivals``).

    Args:
        editions: the sealed editions of the ritual.

    Returns:
        How many things read otherwise; the file is there where any does.
    """
    own = latest([each for each in editions if each.period_id == period.id])
    if not own:
        return 0
    draft = draft_folder(settings, period)
    found = restating(lake, own[0], draft)
    file = since_file(Path(own[0].folder))
    if found:
        write_beside(file, to_json(found))
    else:
        file.unlink(missing_ok=True)
    (draft / FILE).unlink(missing_ok=True)  # where an older version kept it
    return len(found)


def moved_on(settings: Settings, edition: Edition) -> list[Restatement]:
    """What the newest draft of an edition's period says otherwise than the edition."""
    file = since_file(Path(edition.folder))
    if file.is_file():
        return from_json(file.read_bytes())
    draft = draft_folder(settings, Period.parse(edition.period_id))
    if not (draft / FILE).is_file():
        return []
    if _hashed((draft / SCORECARD).read_bytes()) == edition.figures_hash:
        return []  # this very draft has been sealed since
    return from_json((draft / FILE).read_bytes())


def _hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _card(edition: Edition) -> dict[str, Any]:
    try:
        card = json.loads((Path(edition.folder) / SCORECARD).read_bytes())
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}
