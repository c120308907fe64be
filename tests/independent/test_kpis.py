"""Property test: every KPI of random small organisations equals an independent computation.

One dbt build holds forty units, each an organisation of its own with what is beneath it, and
six periods; every unit, line, KPI and period is compared. ADOPTION_SEEDS=20 tries more; another
organisation comes as damaged files, in tests/trust/test_fuzz_kpis.py.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from orchestration.periods import Period
from orchestration.settings import FeedName
from tests.independent.random_organisation import Organisation, random_organisation
from tests.independent.reference import Reference
from tests.warehouse.small_lake import SmallLake

PERIODS = ("2026-W18", "2026-W27", "2026-04", "2026-05", "2026-06", "2026-Q2")
SEEDS = range(1, 1 + int(os.environ.get("ADOPTION_SEEDS", "1")))
SNAPSHOTS: tuple[FeedName, ...] = ("people", "org_units", "courses", "enrolments", "decisions")
EVENTS: tuple[FeedName, ...] = (
    "assessments",
    "certifications",
    "leader_actions",
    "business_outcomes",
)


def build(home: Path, organisation: Organisation, periods: Sequence[str] = PERIODS) -> SmallLake:
    """The organisation through the models."""
    lake = SmallLake(home)
    for feed in SNAPSHOTS:
        lake.versions(feed, organisation.feeds[feed])
    for feed in EVENTS:
        lake.events(feed, "2026-08-01", organisation.feeds[feed])
    days: dict[str, list[dict[str, Any]]] = {}
    for event in organisation.feeds["activity"]:
        days.setdefault(event["occurred_at"][:10], []).append(event)
    for day, events in days.items():
        lake.events("activity", day, events)
    for seed, rows in organisation.seeds.items():
        lake.seed(seed, rows)
    lake.build(
        *(Period.parse(period) for period in periods),
        command=("build", "--exclude-resource-type", "unit_test", "test"),
    )
    return lake


def differences(lake: SmallLake, organisation: Organisation) -> Iterator[str]:
    """What the warehouse says otherwise than the reference, and how much was compared."""
    compared = valued = 0
    for period in map(Period.parse, PERIODS):
        reference = Reference(organisation, period.start, period.end)
        expected = reference.figures(period.grain.value)
        rows = lake.query(
            f"""SELECT kpi_id, org_unit_id, employment_line, numerator, denominator, value, lower,
            upper, precision FROM kpi_values__{period.grain} AS figures
            JOIN (SELECT kpi_id, max(precision) AS precision FROM kpi_catalogue GROUP BY kpi_id)
            USING (kpi_id) WHERE period_start = DATE '{period.start}'
            AND kpi_id <> 'commitments_closed_on_time'"""
        )
        units = {unit for _, unit, *_ in rows}
        assert units == set(reference.parents)
        assert {kpi for kpi, *_ in rows} == set(expected)
        for kpi, unit, line, above, below, value, lower, upper, places in rows:
            wanted = (*expected[kpi].get((unit, line), (None, None, None)), None, None)[:5]
            compared += 1
            valued += wanted[2] is not None
            found = (above, below, value, lower, upper)
            if not agree(wanted, found, places):
                shown = tuple(None if f is None else float(f) for f in found)
                yield f"{period.id} {kpi} {unit} {line}: {wanted} expected, {shown} found"
    print(f"{compared} figures compared, {valued} of them with a value")


def agree(wanted: tuple[Any, ...], found: tuple[Any, ...], places: int) -> bool:
    """Whether values are equal, the found one rounded to its places; counts where there is one."""
    above, below, value, *band = wanted
    if (value is None) != (found[2] is None):
        return False
    if value is None:
        return True
    half = 0.5 * 10**-places + 1e-9
    return (
        abs(float(found[2]) - value) <= half
        and abs(float(found[0]) - above) < 1e-3
        and abs(float(found[1]) - below) < 1e-3
        and all(
            (edge is None) == (limit is None) and (edge is None or float(limit) == edge)
            for edge, limit in zip(band, found[3:], strict=True)
        )
    )


@pytest.mark.parametrize("seed", SEEDS)
def test_every_kpi_equals_the_reference(seed: int, tmp_path: Path) -> None:
    organisation = random_organisation(seed)
    lake = build(tmp_path, organisation)
    found = list(differences(lake, organisation))
    assert not found, f"{len(found)} differences:\n" + "\n".join(found[:40])
