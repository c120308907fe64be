"""What has been restated since the review before, and which editions are no longer the figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

from orchestration.lake import Lake
from orchestration.periods import Period
from orchestration.quality.close import Holdings, read_close
from orchestration.scorecard import wording
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.evidence import (
    Evidence,
    current_evidence,
    is_in_force,
    read_evidence,
)
from orchestration.scorecard.model import Unit
from orchestration.scorecard.restated import FILE, Restatement, causes, from_json
from orchestration.settings import Settings
from orchestration.state import Edition
from orchestration.warehouse.published import read_published

LOOK_BACK = 13
"""Periods whose editions a review is held against: those on its charts."""


def restated_since(
    settings: Settings, lake: Lake, period: Period, editions: Sequence[Edition]
) -> tuple[str, ...]:
    """Sentences for the review of ``period``: what reads otherwise than when it was last said.

    Of each earlier period: what a restating edition sealed since the review before says otherwise;
    and of the whole organisation, each published figure that is no longer the sealed one and has
    not been said in a review before.

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
            lines += [one.sentence(of.label) for one in moved_on(settings, lake, each)]
    return tuple(dict.fromkeys(line for line in lines if line not in said))


def latest(editions: Sequence[Edition]) -> list[Edition]:
    """The last edition of each period, oldest period first."""
    found: dict[str, Edition] = {}
    for each in sorted(editions, key=lambda e: e.number):
        found[each.period_id] = each
    return [found[period_id] for period_id in sorted(found)]


def moved_on(settings: Settings, lake: Lake, edition: Edition) -> list[Restatement]:
    """The figures and targets of the whole organisation in which an edition is no longer what is
    published for its period now; rounded as they are shown.

    What the edition withheld is not compared, and neither are units: what may be shown of them is
    for a new edition to judge.
    """
    period = Period.parse(edition.period_id)
    if is_in_force(lake, period, edition.figures_hash):
        return []
    close = read_close(lake, period)
    then = read_evidence(lake, period, edition.figures_hash)
    now = None if close is None or then is None else current_evidence(settings, lake, period, close)
    if then is None or now is None:
        return []
    root = next((unit for unit, above in now.parents.items() if above is None), "")
    card = _card(edition)
    found: list[Restatement] = []
    for kpi in [*(card.get("kpis") or ()), *(card.get("below") or ())]:
        found += _of_kpi(settings, lake, period, kpi, root, then, now)
    return found


def _of_kpi(
    settings: Settings,
    lake: Lake,
    period: Period,
    kpi: Mapping[str, Any],
    root: str,
    then: Evidence,
    now: Evidence,
) -> list[Restatement]:
    kpi_id = str(kpi["kpi_id"])
    was, is_now = then.values.get((kpi_id, root)), now.values.get((kpi_id, root))
    # a quarter's figure on a month's page is restated by the quarter's own review
    if was is None or is_now is None or was == is_now:
        return []
    catalogue = read_published(
        lake, period.grain, f"kpi_catalogue__{period.grain}", period_ids={period.id}
    )
    places = next((int(row["precision"]) for row in catalogue if row["kpi_id"] == kpi_id), 0)
    unit: Unit = kpi["unit"]
    why = causes(kpi_id, root, then, now)
    found = []
    for suffix, shown, value in (
        ("", kpi["now"], is_now.value),
        (", target", kpi["target"], is_now.target),
    ):
        if shown["state"] != "value" or value is None:
            continue
        text = wording.value_figure(value, unit, places, settings.organisation.currency).text
        if text != shown["text"]:
            found.append(Restatement(f"{kpi['name']}{suffix}", "", shown["text"], text, why))
    return found


def _card(edition: Edition) -> dict[str, Any]:
    try:
        card = json.loads((Path(edition.folder) / SCORECARD).read_bytes())
    except (OSError, ValueError):
        return {}
    return card if isinstance(card, dict) else {}


def late_deliveries(lake: Lake, edition: Edition) -> list[str]:
    """Feeds with deliveries in force that bear on an edition's period and were not when it was
    sealed, though its figures may not have been built again since."""
    period = Period.parse(edition.period_id)
    then = read_evidence(lake, period, edition.figures_hash)
    if then is None:
        return []
    late: list[str] = []
    for feed, standing in Holdings.read(lake).standing.items():
        known = then.deliveries.get(feed, frozenset())
        for manifest in standing:
            if manifest.delivery_date < period.start:
                continue
            bears = (
                any(period.start <= day <= period.end for day in manifest.event_days)
                if manifest.event_days
                else manifest.delivery_date <= period.end + timedelta(days=1)
            )
            if bears and (manifest.delivery_id, manifest.content_hash) not in known:
                late.append(feed)
                break
    return late
