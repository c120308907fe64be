"""Property test: every leadership index of a random organisation, against another computation.

Forty units and about as many named leaders, each with their own actions, log and messages, over
five months. The plan has its own test (tests/warehouse/test_leadership.py).
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestration.periods import Period
from tests.independent.leadership import Leadership
from tests.independent.random_organisation import random_organisation
from tests.independent.test_kpis import build

MONTHS = ("2026-02", "2026-03", "2026-04", "2026-05", "2026-06")
SEEDS = range(11, 11 + int(os.environ.get("ADOPTION_SEEDS", "1")))
PLACES = {"decision_wait_days": 1, "velocity_before": 1, "velocity_after": 1}


def agree(wanted: tuple[Any, ...], found: tuple[Any, ...], places: int) -> bool:
    """Whether both have a value, equal when rounded, from the same counts."""
    if (wanted[2] is None) != (found[2] is None):
        return False
    if wanted[2] is None:
        return True
    half = 0.5 * 10**-places + 1e-9
    return abs(float(found[2]) - wanted[2]) <= half and all(
        (mine is None) == (theirs is None) and (mine is None or float(theirs) == mine)
        for mine, theirs in zip(wanted[:2], found[:2], strict=True)
    )


@pytest.fixture(scope="module")
def valued() -> Iterator[Counter[tuple[str, str]]]:
    """Values compared of each index, over all organisations; at the end, whether of each enough."""
    counted: Counter[tuple[str, str]] = Counter()
    yield counted
    print(f"values compared: {dict(counted)}")
    assert min(counted.values()) >= 5 * len(SEEDS)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_index_equals_the_reference(
    seed: int, tmp_path: Path, valued: Counter[tuple[str, str]]
) -> None:
    organisation = random_organisation(seed)
    periods = [Period.parse(month) for month in MONTHS]
    lake = build(tmp_path, organisation, MONTHS)
    differences: list[str] = []
    for period in periods:
        reference = Leadership(organisation, period.start, period.end)
        wanted = reference.indices({p.start for p in periods})
        rows = lake.query(
            "SELECT CASE subject WHEN 'leader' THEN person_id END, org_unit_id, index_id, "
            "numerator, denominator, value, subject "
            f"FROM leader_indices__month WHERE period_start = DATE '{period.start}' "
            "AND index_id <> 'plan_on_track'"
        )
        assert {row[:3] for row in rows} == set(wanted)
        for person, unit, index, *found, subject in rows:
            expected = wanted[person, unit, index]
            valued[subject, index] += expected[2] is not None
            if not agree(expected, tuple(found), PLACES.get(index, 0)):
                shown = [None if f is None else float(f) for f in found]
                differences.append(
                    f"{period.id} {index} {person} {unit}: {expected} expected, {shown} found"
                )
    assert not differences, f"{len(differences)} differences:\n" + "\n".join(differences[:40])
    # the KPIs of the scorecard say the same
    assert (
        lake.query(
            """SELECT * FROM kpi_values__month AS figures
            JOIN leader_indices__month AS indices ON indices.period_start = figures.period_start
            AND indices.org_unit_id = figures.org_unit_id AND indices.subject = 'unit'
            AND (figures.kpi_id, indices.index_id) IN (
                ('sponsor_visible_weeks', 'visible_weeks'),
                ('commitments_closed_on_time', 'commitments_on_time'))
            WHERE (figures.numerator, figures.denominator, figures.value) IS DISTINCT FROM
            (indices.numerator, indices.denominator, indices.value)"""
        )
        == []
    )
