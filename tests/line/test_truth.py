"""Every published figure against what is true of the simulated organisation.

The simulator computes its truth from its latent state in NumPy and writes raw files with faults in
them; what is published here went through landing, quarantine, folding, models and publication.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import manifests
from orchestration.periods import Grain, Period
from orchestration.sample.content import VISIBLE_KINDS
from orchestration.warehouse.published import read_published
from tests.line.reviewed import LAST, SAMPLE, Organisation

GRAINS = (Grain.MONTH, Grain.QUARTER)
RATES = {
    "active_learner_rate",
    "active_learner_rate_total",
    "certification_rate",
    "elective_completion_rate",
    "on_time_completion_rate",
}
# Contractors stand on a line of their own in the rates; the other figures are of employees.
EMPLOYEES_ONLY = {
    "adoption_velocity",
    "adoption_velocity_mandatory",
    "certifications_lapsing_60d",
    "mandatory_short_notice",
    "time_to_competency",
}

Key = tuple[str, str, str, str]


@pytest.fixture(scope="module")
def truth(organisation: Organisation) -> dict[str, Any]:
    return organisation.truth


def rows_by_period(
    organisation: Organisation, grain: Grain, model: str
) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in read_published(organisation.lake, grain, f"{model}__{grain}"):
        found[Period.containing(grain, row["period_start"]).id].append(row)
    return found


@pytest.fixture(scope="module")
def values(organisation: Organisation) -> dict[Grain, dict[Key, dict[str, Any]]]:
    """Published KPI rows by (period, KPI, employment line, unit)."""
    return {
        grain: {
            (period, row["kpi_id"], row["employment_line"], row["org_unit_id"]): row
            for period, rows in rows_by_period(organisation, grain, "kpi_values").items()
            for row in rows
        }
        for grain in GRAINS
    }


def true_figures(truth: dict[str, Any], grain: Grain) -> Iterator[tuple[Key, list[int]]]:
    for period, of_period in truth["periods"][grain.value].items():
        for kpi, lines in of_period["kpis"].items():
            for line, units in lines.items():
                for unit, figures in units.items():
                    yield (period, kpi, line, unit), figures


def test_the_whole_history_is_published(
    organisation: Organisation, truth: dict[str, Any], values: dict[Grain, Any]
) -> None:
    for grain in GRAINS:
        published = {key[0] for key in values[grain]}
        assert published == set(truth["periods"][grain.value])
    assert len(truth["periods"]["month"]) == SAMPLE.months


@pytest.mark.parametrize("grain", GRAINS)
def test_every_figure_is_the_true_one(
    grain: Grain, truth: dict[str, Any], values: dict[Grain, dict[Key, dict[str, Any]]]
) -> None:
    compared: Counter[str] = Counter()
    wrong = []
    for key, (numerator, denominator) in true_figures(truth, grain):
        _, kpi, line, _ = key
        if kpi in EMPLOYEES_ONLY and line != "employee":
            assert key not in values[grain]
            continue
        row = values[grain].get(key)
        published = row and [int(row["numerator"] or 0), int(row["denominator"] or 0)]
        compared[kpi] += 1
        if published != [numerator, denominator]:
            wrong.append((key, [numerator, denominator], published))
    assert wrong == []
    assert set(compared) == RATES | EMPLOYEES_ONLY
    units = len({key[3] for key in values[grain]})
    periods = len(truth["periods"][grain.value])
    assert all(compared[kpi] == 2 * units * periods for kpi in RATES)
    assert all(compared[kpi] == units * periods for kpi in EMPLOYEES_ONLY)


@pytest.mark.parametrize("grain", GRAINS)
def test_rates_are_the_quotient_of_the_true_numbers(
    grain: Grain, truth: dict[str, Any], values: dict[Grain, dict[Key, dict[str, Any]]]
) -> None:
    empty = 0
    for key, (numerator, denominator) in true_figures(truth, grain):
        if key[1] not in RATES:
            continue
        row = values[grain][key]
        if denominator == 0:
            empty += 1
            assert row["value"] is None
            assert row["no_data_reason"]
        else:
            rate = Decimal(100 * numerator) / Decimal(denominator)
            assert row["value"] == rate.quantize(Decimal("0.1"), ROUND_HALF_UP), key
    assert empty, "the sample should hold a unit with nothing to count"


@pytest.mark.parametrize("grain", GRAINS)
def test_medians_of_days_to_competency(
    grain: Grain, truth: dict[str, Any], values: dict[Grain, dict[Key, dict[str, Any]]]
) -> None:
    reached = 0
    for period, of_period in truth["periods"][grain.value].items():
        row = values[grain][period, "time_to_competency", "employee", "MF"]
        median = of_period["median_days_to_competency"]["employee"]
        assert row["value"] == median, period
        reached += median is not None
        if row["lower"] is not None and row["upper"] is not None:
            assert row["lower"] <= row["value"] <= row["upper"]
    assert reached > len(truth["periods"][grain.value]) // 2


@pytest.mark.parametrize("grain", GRAINS)
def test_every_clock_can_be_opened_and_is_the_true_one(
    grain: Grain, organisation: Organisation, truth: dict[str, Any]
) -> None:
    rows = rows_by_period(organisation, grain, "fct_competency_clocks")
    for period, of_period in truth["periods"][grain.value].items():
        opened = [
            [
                row["person_id"],
                row["competency_id"],
                row["clock_started_on"].isoformat(),
                row["duration_days"],
                bool(row["has_passed"]),
            ]
            for row in rows[period]
            if row["in_denominator"]
        ]
        true = [
            [organisation.pseudonyms.of(person), *clock] for person, *clock in of_period["clocks"]
        ]
        assert sorted(opened) == sorted(true), period


@pytest.mark.parametrize("grain", GRAINS)
def test_population_and_the_people_left_out(
    grain: Grain, organisation: Organisation, truth: dict[str, Any]
) -> None:
    units = rows_by_period(organisation, grain, "org_units")
    left_out = rows_by_period(organisation, grain, "exclusions")
    for period, of_period in truth["periods"][grain.value].items():
        eligible = {row["org_unit_id"]: row["eligible"] for row in units[period]}
        assert eligible == of_period["eligible"]["employee"], period
        excluded = {
            (row["reason"], row["employment_line"], row["org_unit_id"]): row["people"]
            for row in left_out[period]
        }
        for reason in ("on_leave", "not_yet_31_days"):
            for line, by_unit in of_period[reason].items():
                for unit, people in by_unit.items():
                    assert excluded.get((reason, line, unit), 0) == people, (period, reason, unit)


def test_seat_use(truth: dict[str, Any], values: dict[Grain, dict[Key, dict[str, Any]]]) -> None:
    for period, of_period in truth["periods"]["quarter"].items():
        row = values[Grain.QUARTER][period, "seat_use", "employee", "MF"]
        assert [int(row["numerator"]), int(row["denominator"])] == of_period["seat_use"], period


def test_performance_improvement_of_each_division(
    organisation: Organisation,
    truth: dict[str, Any],
    values: dict[Grain, dict[Key, dict[str, Any]]],
) -> None:
    launch = date.fromisoformat(truth["planted"]["launch_on"])
    compared = 0
    for division, metric in truth["outcomes"]["declared"].items():
        change = truth["outcomes"]["divisions"][division][metric]["change_percent"]
        for period in truth["periods"]["quarter"]:
            row = values[Grain.QUARTER][period, "performance_improvement", "employee", division]
            if division == truth["planted"]["late_division"]:
                assert row["value"] is None
                assert row["no_data_reason"] == "before launch"
            elif row["value"] is None:  # the declared lag: nothing is expected in the first quarter
                assert Period.parse(period).start <= launch
            else:
                compared += 1
                assert Period.parse(period).start > launch
                assert abs(row["value"] - Decimal(str(change[period]))) <= Decimal("0.05")
    assert compared == 3


def test_quarantined_rows_are_the_planted_ones(
    organisation: Organisation, truth: dict[str, Any]
) -> None:
    quarantined: dict[str, Counter[str]] = {}
    for feed in CONTRACT:
        in_force = [m for m in manifests(organisation.lake, feed) if m.verdict == "promoted"]
        counted: Counter[str] = Counter()
        for manifest in in_force:
            assert manifest.rows_in == manifest.rows_accepted + manifest.rows_rejected
            counted.update(manifest.rejected_by_reason)
        assert Counter(reason for *_, reason, _ in organisation.rejected(feed)) == counted
        if counted:
            quarantined[feed] = counted
    assert {
        feed: {_plain(reason): count for reason, count in reasons.items()}
        for feed, reasons in quarantined.items()
    } == truth["bad_rows"]


def _plain(reason: str) -> str:
    return reason.replace(" the ", " ").replace(" ", "_")


def test_the_executive_sponsors_visible_weeks(
    truth: dict[str, Any], values: dict[Grain, dict[Key, dict[str, Any]]]
) -> None:
    seen = {date.fromisoformat(day) for day in truth["sponsor_actions"]["MF"]["visible_on"]}
    for period in list(truth["periods"]["month"])[3:]:
        last = Period.parse(period).end
        # the thirteen ISO weeks that end with the last whole one of the month
        sunday = last - timedelta(days=(last.weekday() + 1) % 7)
        weeks = {sunday - timedelta(days=7 * n + 6) for n in range(13)}
        true_weeks = {day - timedelta(days=day.weekday()) for day in seen} & weeks
        row = values[Grain.MONTH][period, "sponsor_visible_weeks", "employee", "MF"]
        assert [int(row["numerator"]), int(row["denominator"])] == [len(true_weeks), 13], period


def test_the_silent_sponsor_is_silent_in_the_lake(
    organisation: Organisation, truth: dict[str, Any]
) -> None:
    silent = truth["planted"]["absent_sponsor"]
    with organisation.lake.connect() as connection:
        days = connection.execute(
            "SELECT person_id, list(DISTINCT happened_on ORDER BY happened_on) "
            "FROM read_parquet($1, hive_partitioning = false) "
            "WHERE list_contains($2, kind) GROUP BY person_id",
            [organisation.lake.path("raw/leader_actions/*/*.parquet"), sorted(VISIBLE_KINDS)],
        ).fetchall()
    acted = dict(days)
    since = date.fromisoformat(silent["silent_from"])
    before = [day for day in acted[silent["person_id"]] if day < since]
    assert before
    assert [day for day in acted[silent["person_id"]] if day >= since] == []
    others = {entry["person_id"] for entry in truth["sponsor_actions"].values()}
    active = {person for person in others if [d for d in acted.get(person, []) if d >= since]}
    assert len(active) >= 3


def test_the_programme_shows_in_voluntary_learning(
    truth: dict[str, Any], values: dict[Grain, dict[Key, dict[str, Any]]]
) -> None:
    launch = truth["planted"]["launch_on"][:7]

    def rate(periods: list[str]) -> Decimal:
        rows = [values[Grain.MONTH][p, "active_learner_rate", "employee", "MF"] for p in periods]
        return sum(r["numerator"] for r in rows) / sum(r["denominator"] for r in rows)

    months = sorted(truth["periods"]["month"])
    assert rate([m for m in months if m >= launch][-4:]) > rate([m for m in months if m < launch])
    assert months[-1] == LAST.id
