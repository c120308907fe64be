"""Reading published figures from a real lake."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pytest

from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.scorecard.build import build_scorecard
from orchestration.scorecard.consistency import inconsistencies
from orchestration.scorecard.draft import page_json, to_json
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.leaders import pages
from orchestration.scorecard.marts import (
    GOVERNANCE_MODELS,
    Marts,
    latest_ended,
    load_marts,
    shown_grain,
)
from orchestration.warehouse.published import PublishedRows, publish
from tests.scorecard.conftest import fill
from tests.warehouse.small_lake import PSEUDONYMS

if TYPE_CHECKING:
    from tests.scorecard.conftest import Case
else:
    Case = Any

AMOUNT = pa.decimal128(18, 4)
TYPES = {
    "precision": pa.int32(),
    "headline_order": pa.int32(),
    "days": pa.int32(),
    "rebased_on": pa.date32(),
    "ends_on": pa.date32(),
    "starts_on": pa.date32(),
    "people": pa.int64(),
    "points": pa.int64(),
    "depth": pa.int64(),
    "headcount": pa.int64(),
    "eligible": pa.int64(),
    "is_active": pa.bool_(),
    "deputy_is_active": pa.bool_(),
    "period_start": pa.date32(),
    "period_end": pa.date32(),
}
AMOUNTS = {
    "numerator", "denominator", "value", "lower", "upper", "target", "charted_value", "mean",
    "lower_limit", "upper_limit", "amount_from", "amount_to", "cost",
}  # fmt: skip


def loaded(lake: Lake, period: Period) -> Marts:
    with PublishedRows(lake) as published:
        return load_marts(published, period)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    names = list(rows[0])
    types = [_type(name, rows) for name in names]
    schema = pa.schema(list(zip(names, types, strict=True)))
    typed = [
        {
            name: Decimal(value) if name in AMOUNTS and value is not None else value
            for name, value in row.items()
        }
        for row in rows
    ]
    return pa.Table.from_pylist(typed, schema=schema)


def _type(name: str, rows: list[dict[str, Any]]) -> pa.DataType:
    known = next((row[name] for row in rows if row[name] is not None), None)
    if name in AMOUNTS or isinstance(known, Decimal):
        return AMOUNT
    if name in TYPES:
        return TYPES[name]
    return pa.string() if known is None else pa.scalar(known).type


def publish_case(case: Case, lake: Lake) -> None:
    """Publish a case's rows as the warehouse does, period by period."""
    marts: Marts = case.marts
    own = case.period.grain
    quarter_units = [u for u in marts.org_units if u["period_start"] != case.period.start]
    own_units = [u for u in marts.org_units if u["period_start"] == case.period.start]
    of_period = {
        "org_units": own_units,
        "exclusions": marts.exclusions,
        "governance": marts.governance,
        "initiatives": marts.initiatives,
        **{
            name: [{"period_start": case.period.start, **row} for row in getattr(marts, name)]
            for name in ("kpi_catalogue", "decision_rights")
        },
    }
    own_models = {"kpi_values": marts.kpi_values, "kpi_signals": marts.kpi_signals, **of_period}
    publish_rows(lake, own, own_models)
    publish_rows(lake, Grain.QUARTER, {"org_units": quarter_units})
    for grain in Grain:
        at = {row["kpi_id"] for row in marts.kpi_catalogue if shown_grain(row, own) is grain}
        coarser = {"kpi_values": marts.coarser_values, "kpi_signals": marts.coarser_signals}
        of_grain = {name: [r for r in rows if r["kpi_id"] in at] for name, rows in coarser.items()}
        publish_rows(lake, grain, of_grain)


@pytest.mark.parametrize("period", ["2026-10", "2026-W45", "2026-Q3"])
def test_the_models_of_the_rituals_are_read(full_case: Case, lake: Lake, period: str) -> None:
    """What the lake gives of every model is what was published; of none that is not there."""
    full_case.period, full_case.units = Period.parse(period), []
    full_case.unit("whole", name="Acme", headcount=500)
    fill(full_case)
    publish_case(full_case, lake)
    grain = full_case.period.grain
    models = {
        name: full_case.models[name]
        for name, grains in GOVERNANCE_MODELS.items()
        if grain in grains
    }
    assert loaded(lake, full_case.period).decision_log == []  # an older lake
    publish_rows(lake, grain, {**models, **period_models(full_case)})
    if grain is Grain.QUARTER:
        september = [
            {**row, "period_start": date(2026, 9, 1)} for row in full_case.models["month_signals"]
        ]
        publish_rows(lake, Grain.MONTH, {"kpi_signals": september})
    marts = loaded(lake, full_case.period)
    for name, rows in models.items():
        found = getattr(marts, name)
        assert len(found) == len(rows), name
        assert set(found[0]) == set(rows[0]), name
    assert len(marts.outcomes) == (3 if grain is Grain.QUARTER else 0)
    assert len(marts.month_signals) == (3 if grain is Grain.QUARTER else 0)
    absent = {name for name, grains in GOVERNANCE_MODELS.items() if grain not in grains}
    assert not any(getattr(marts, name) for name in absent)
    card = build_scorecard(
        marts, full_case.period, full_case.basis, full_case.settings, full_case.charter
    )
    assert inconsistencies(card, marts) == []


def period_models(case: Case) -> dict[str, list[dict[str, Any]]]:
    """The rows of one period that its next build publishes again, the new models beside them."""
    marts: Marts = case.marts
    start = case.period.start
    given = {
        name: [row for row in getattr(marts, name) if row["period_start"] == start]
        for name in ("kpi_values", "kpi_signals", "org_units", "governance")
    }
    charter = {
        name: [{"period_start": start, **row} for row in getattr(marts, name)]
        for name in ("kpi_catalogue", "decision_rights")
    }
    return {**given, **charter, "fct_outcomes": marts.outcomes}


def publish_rows(lake: Lake, grain: Grain, models: dict[str, list[dict[str, Any]]]) -> None:
    models = {name: rows for name, rows in models.items() if rows}
    if not models:
        return
    starts = sorted({row["period_start"] for rows in models.values() for row in rows})
    builds = [(Period.containing(grain, start), f"build-{start}") for start in starts]
    with duckdb.connect() as warehouse:
        for name, rows in models.items():
            warehouse.register("given", table(rows))
            warehouse.execute(f"CREATE TABLE {name}__{grain} AS SELECT * FROM given")
            warehouse.unregister("given")
        publish(lake, warehouse, grain, builds, [f"{name}__{grain}" for name in models], PSEUDONYMS)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_the_lake_gives_the_same_scorecard_as_the_rows(full_case: Case, lake: Lake) -> None:
    full_case.unit("ops", "whole", name="=1+1", headcount=300)
    full_case.unit("whole", period=Period.parse("2026-Q3"), headcount=500)
    full_case.excluded("on_leave", 9)
    full_case.initiative("Launch", date(2026, 3, 1))
    for outside in ("2026-11", "2024-09", "2024-10"):
        full_case.value("active_learner_rate", 1, period=Period.parse(outside), numerator=1,
                        denominator=100)  # fmt: skip
    full_case.signal("active_learner_rate", "improving", period=Period.parse("2025-09"))
    full_case.value("seat_use", 1, period=Period.parse("2026-Q4"), numerator=1, denominator=100)
    publish_case(full_case, lake)
    marts = loaded(lake, full_case.period)
    assert {row["kpi_id"] for row in marts.coarser_values} == {
        "performance_improvement",
        "seat_use",
        "idle_seat_cost",
    }
    card = build_scorecard(
        marts, full_case.period, full_case.basis, full_case.settings, full_case.charter
    )
    assert to_json(card) == to_json(full_case.build())
    assert inconsistencies(card, marts) == []

    # only the periods that a page can show are read
    starts = {row["period_start"] for row in marts.kpi_values}
    assert (min(starts), max(starts)) == (date(2024, 10, 1), date(2026, 10, 1))
    assert min(row["period_start"] for row in marts.kpi_signals) == date(2025, 10, 1)
    assert max(row["period_start"] for row in marts.coarser_values) == date(2026, 7, 1)


@pytest.mark.parametrize("period", ["2026-10", "2026-W45", "2026-Q3"])
def test_what_is_not_read_of_earlier_periods_is_shown_nowhere(
    full_case: Case, lake: Lake, period: str
) -> None:
    case = full_case
    case.period, case.units, case.values, case.signals = Period.parse(period), [], {}, {}
    case.unit("whole", name="Acme", headcount=500)
    fill(case)
    for row in case.models["leader_plan"]:  # adoption is held against that of the plan's end
        row.update(launch_on=case.period.end - timedelta(days=280), day_now=280)
    for kpi in case.catalogue:
        grain = shown_grain(kpi, case.period.grain)
        if grain is None:
            continue
        last = latest_ended(grain, case.period)
        # of some the whole has no newest figure: its page shows the period before
        lacks = grain is not case.period.grain and kpi["kpi_id"] in (
            "performance_improvement",
            "certification_rate",
            "certifications_lapsing_60d",
        )
        for back in range(14):
            at = last.shift(-back)
            for unit, people in (("whole", 500), ("o", 300), ("s", 150), ("x", 4)):
                if unit == "whole" and lacks and not back:
                    continue
                case.value(kpi["kpi_id"], 40 + back, period=at, unit=unit, people=people,
                           numerator=people // 2, denominator=people, target=45)  # fmt: skip
                case.value(kpi["kpi_id"], 30, period=at, unit=unit, line="contractor",
                           people=people, numerator=3, denominator=people)  # fmt: skip
                case.signal(kpi["kpi_id"], "ordinary", period=at, unit=unit, mean=45,
                            lower=30, upper=60, basis=kpi["chart_basis"])  # fmt: skip
    publish_case(case, lake)
    grain = case.period.grain
    given = {name: case.models[name] for name, at in GOVERNANCE_MODELS.items() if grain in at}
    publish_rows(lake, grain, {**given, **period_models(case)})

    marts = loaded(lake, case.period)
    every = replace(
        marts,
        kpi_values=case.marts.kpi_values,
        kpi_signals=case.marts.kpi_signals,
        coarser_values=case.marts.coarser_values,
        coarser_signals=case.marts.coarser_signals,
    )
    assert drafted(case, marts) == drafted(case, every)
    for name in ("kpi_values", "kpi_signals"):
        assert len(getattr(marts, name)) < len(getattr(every, name)), name
    earlier = {
        row["kpi_id"]
        for rows, before in (
            (marts.kpi_values, case.period.start),
            (marts.coarser_values, date(2026, 1, 1)),
        )
        for row in rows
        if row["org_unit_id"] == "o" and row["period_start"] < before
    }
    headline = {row["kpi_id"] for row in case.catalogue if row["role"] == "headline"}
    assert earlier == (set() if grain is Grain.WEEK else headline)
    if grain is not Grain.WEEK:
        assert "as the plan ended" in drafted(case, marts)[1]
        without = [r for r in marts.kpi_values if r["org_unit_id"] == "whole"]
        assert drafted(case, replace(marts, kpi_values=without)) != drafted(case, every)


def drafted(case: Case, marts: Marts) -> tuple[str, str]:
    """The scorecard and the leaders' pages as they are written."""
    card = build_scorecard(marts, case.period, case.basis, case.settings, case.charter)
    figures = Figures(marts, case.period, case.basis, case.settings)
    own = () if case.period.grain is Grain.WEEK else pages(figures, case.charter, card)
    assert inconsistencies(card, marts, own) == []
    return to_json(card).decode(), "".join(page_json(page).decode() for page in own)


def test_a_range_reads_each_file_once_and_none_beyond_what_its_periods_look_at(
    full_case: Case, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    october = full_case.period
    september = october.shift(-1)
    for back in range(40):
        month = october.shift(-back)
        full_case.value("active_learner_rate", back, period=month, numerator=1, denominator=100)
        full_case.signal("active_learner_rate", "ordinary", period=month)
    full_case.unit("whole", period=Period.parse("2026-Q3"), headcount=500)
    publish_case(full_case, lake)
    earlier = {
        name: [{**row, "period_start": september.start} for row in rows]
        for name, rows in period_models(full_case).items()
        if name in ("org_units", "governance", "kpi_catalogue", "decision_rights")
    }
    publish_rows(lake, Grain.MONTH, earlier)
    alone = [loaded(lake, month) for month in (september, october)]

    read: list[tuple[str, str]] = []
    path = Lake.path

    def noted(self: Lake, *parts: str) -> str:
        _, _, period_id, _, file = parts
        read.append((file.removesuffix(".parquet"), period_id))
        return path(self, *parts)

    monkeypatch.setattr(Lake, "path", noted)
    with PublishedRows(lake) as published:
        assert load_marts(published, september) == alone[0]
        first = list(read)
        assert load_marts(published, october) == alone[1]

    def of(model: str, found: list[tuple[str, str]]) -> list[str]:
        return sorted(period_id for name, period_id in found if name == model)

    for model, periods in (("kpi_values__month", 25), ("kpi_signals__month", 13)):
        assert of(model, first) == sorted(september.shift(-back).id for back in range(periods))
    assert of("kpi_values__quarter", first) == of("org_units__quarter", first) == ["2026-Q3"]
    assert of("kpi_catalogue__month", first) == ["2026-09"]
    later = read[len(first) :]
    assert {"kpi_values__month", "kpi_signals__month", "kpi_catalogue__month"} <= {*dict(later)}
    assert {period_id for _, period_id in later} == {"2026-10"}
    assert len(set(read)) == len(read)


def test_an_unpublished_period_has_no_rows(lake: Lake) -> None:
    assert loaded(lake, Period.parse("2026-10")) == Marts()
