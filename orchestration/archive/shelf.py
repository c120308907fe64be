"""What the archive shows: sealed editions, reviews that were never sent, the decision log.

Only the rituals' own reviews. Personal letters (previews, review sheets, communication kits) are
mailings of their own and never come here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from orchestration.delivery.editions import verify
from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.governance import Governance
from orchestration.scorecard.restated import Restatement
from orchestration.scorecard.since import moved_on
from orchestration.settings import Naming, Settings
from orchestration.state import Edition, State
from orchestration.warehouse.published import published_builds, read_published

RITUALS = {grain.ritual: grain for grain in Grain}


@dataclass(frozen=True)
class Review:
    """One period's review as the archive shows it.

    Attributes:
        number: the edition's; None for a review that was archived and not sent.
        sealed_at: aware; None where it was not sent.
        card: the scorecard as it was written, perhaps by an older version of this project.
        hashes: what it was sealed with: ``figures``, ``files``, and what the figures stand on,
            ``data`` (raw manifest), ``charter``, ``settings``, ``code`` (a version).
        erasures: numbers and times of the erasures of persons since it was sealed, each of which
            edited the raw data beneath it; ``redacted_at``: when its own files were.
        fault: why its files cannot be shown.
        since: of a period's newest edition, what a later draft says otherwise; not sealed yet.
    """

    ritual: str
    period: Period
    folder: Path
    number: int | None = None
    sealed_at: datetime | None = None
    card: Mapping[str, Any] = field(default_factory=dict, repr=False)
    hashes: Mapping[str, str] = field(default_factory=dict, repr=False)
    erasures: tuple[tuple[int, datetime], ...] = ()
    redacted_at: datetime | None = None
    fault: str | None = None
    since: tuple[Restatement, ...] = ()

    @property
    def stem(self) -> str:
        """Where it lies in the site, without a suffix: 'monthly/2026-10/edition-1'."""
        name = "not-sent" if self.number is None else f"edition-{self.number}"
        return f"{self.ritual}/{self.period.id}/{name}"


@dataclass(frozen=True)
class DecisionLog:
    """The newest published decision and action log; ``as_of`` None where none was published."""

    rows: tuple[Mapping[str, Any], ...] = ()
    units: Mapping[str, str] = field(default_factory=dict)
    as_of: date | None = None


def reviews_of(settings: Settings) -> list[Review]:
    """Every sealed edition and every review that was archived unsent, newest period first.

    A draft counts as archived once a later period of its ritual was drafted or sealed, unless an
    intent to send it is pending. The newest draft waits for its publication.
    """
    with State.open(settings) as state:
        sealed = [each for each in state.editions() if each.ritual in RITUALS]
        erasures = [(each.erasure_id, each.started_at) for each in state.erasures()]
        pending = {
            (ritual, intent.period_id)
            for ritual in RITUALS
            for intent in state.pending_intents(ritual)
        }
    newest_of_period = {(each.ritual, each.period_id): each for each in sealed}  # in order
    found = [
        _sealed(each, erasures, moved_on(settings, each))
        if newest_of_period[each.ritual, each.period_id] is each
        else _sealed(each, erasures)
        for each in sealed
    ]
    known = {(review.ritual, review.period) for review in found}
    for ritual in RITUALS:
        drafts = _drafts(settings.home / "drafts" / ritual, RITUALS[ritual])
        newest = max([*drafts, *(p for r, p in known if r == ritual)], default=None)
        found += [
            Review(ritual, period, folder, card=_card(folder) or {})
            for period, folder in drafts.items()
            if (ritual, period) not in known
            and (ritual, period.id) not in pending
            and period != newest
        ]
    order = list(RITUALS)
    return sorted(
        found,
        key=lambda r: (r.period.end, order.index(r.ritual), r.number or 0),
        reverse=True,
    )


def decision_log(lake: Lake, names: Naming) -> DecisionLog:
    """The log of the latest published period, of whichever review published last.

    An owner is named where they are a leader whom ``names`` allows; anybody else appears by role.
    """
    newest: tuple[date, Grain, str] | None = None
    for grain in reversed(Grain):  # of two that end on one day, the finer
        for period_id in published_builds(lake, grain):
            end = Period.parse(period_id).end
            if newest is None or end >= newest[0]:
                newest = (end, grain, period_id)
    if newest is None:
        return DecisionLog()
    end, grain, period_id = newest

    def published(model: str) -> list[dict[str, Any]]:
        return read_published(lake, grain, f"{model}__{grain}", period_ids={period_id})

    holders = Governance(published("governance"), {}, published("named_leaders"), names=names)
    rows = [
        {
            **row,
            "owner": holders.person(row["owner_person_id"], row["owner_role"]),
            **{
                word: holders.recorded(str(row[word]))
                for word in ("title", "outcome")
                if row.get(word)
            },
        }
        for row in published("decision_log")
    ]
    units = {str(unit["org_unit_id"]): str(unit["name"]) for unit in published("org_units")}
    return DecisionLog(tuple(rows), units, end if rows else None)


def _sealed(
    edition: Edition,
    erasures: Iterable[tuple[int, datetime]],
    since: Sequence[Restatement] = (),
) -> Review:
    folder = Path(edition.folder)
    fault: str | None = None
    card: Mapping[str, Any] | None = None
    try:
        verify(edition)
        card = _card(folder)
    except Problem as problem:
        fault = problem.message
    except OSError as error:
        fault = f"the files of edition {edition.number} cannot be read: {error.strerror}."
    return Review(
        ritual=edition.ritual,
        period=Period.parse(edition.period_id),
        folder=folder,
        number=edition.number,
        sealed_at=edition.sealed_at,
        card=card or {},
        hashes={
            "data": edition.manifest_hash,
            "charter": edition.charter_hash,
            "settings": edition.settings_hash,
            "code": edition.code_version,
            "figures": edition.figures_hash,
            "files": edition.content_hash,
        },
        erasures=tuple(each for each in erasures if each[1] > edition.sealed_at),
        redacted_at=edition.redacted_at,
        fault=fault,
        since=tuple(since),
    )


def _drafts(folder: Path, grain: Grain) -> dict[Period, Path]:
    """Whole drafts: those with an email.json, which is written last."""
    return {
        period: place
        for place in _folders(folder)
        if (place / "email.json").is_file()
        and (period := _period(place.name)) is not None
        and period.grain is grain
    }


def _folders(folder: Path) -> Iterable[Path]:
    return sorted(p for p in folder.iterdir() if p.is_dir()) if folder.is_dir() else ()


def _period(name: str) -> Period | None:
    try:
        return Period.parse(name)
    except Problem:
        return None


def _card(folder: Path) -> Mapping[str, Any] | None:
    """The scorecard as it was written; not held against today's model, which may have grown."""
    try:
        card = json.loads((folder / SCORECARD).read_bytes())
    except (OSError, ValueError):
        return None
    return card if isinstance(card, dict) else None
