"""Reading published figures from a real lake."""

from __future__ import annotations

from datetime import date
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
from orchestration.scorecard.draft import to_json
from orchestration.scorecard.marts import GOVERNANCE_MODELS, Marts, load_marts
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
    coarser = {"kpi_values": marts.coarser_values, "kpi_signals": marts.coarser_signals}
    publish_rows(lake, Grain.QUARTER, {**coarser, "org_units": quarter_units})


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


def test_an_unpublished_period_has_no_rows(lake: Lake) -> None:
    assert loaded(lake, Period.parse("2026-10")) == Marts()
