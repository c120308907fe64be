"""Signals in SQL against an independent implementation, on random series with many traps."""

from __future__ import annotations

import csv
import os
import random
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import duckdb
import pytest

from orchestration.periods import Grain, Period
from orchestration.settings import OrganisationSettings, PathSettings, Settings
from orchestration.warehouse.charter import SHIPPED_CHARTER, assemble_charter, charter_hash
from orchestration.warehouse.project import DBT_PROJECT, dbt_environment, dbt_executable

ANCESTORS = {"W": "W", "A": "A W", "A1": "A1 A W", "A2": "A2 A W", "B": "B W"}
KPIS = {  # unit, direction, basis: every combination that the marks treat differently
    "rate": ("percent", "up", "level"),
    "overdue": ("count", "down", "level"),
    "change": ("index_change", "up", "level"),
    "information": ("count", "none", "level"),
    "stock": ("percent", "up", "net_gain"),
    "falling_stock": ("count", "down", "net_gain"),
    "wave": ("percent", "up", "same_month_last_year"),
}
MINIMUM = 12


@dataclass(frozen=True)
class Rule:
    rule_id: str
    length: int
    of_length: int
    zone: int | None


@dataclass(frozen=True)
class Mark:
    points: int
    value: Decimal | None
    mean: Decimal | None
    lower: Decimal | None
    upper: Decimal | None
    variation: str
    assurance: str
    rules: str | None
    rebased_on: date | None


def shipped_rules() -> list[Rule]:
    with (SHIPPED_CHARTER / "signal_rules.csv").open(newline="") as file:
        return [
            Rule(
                row["rule_id"],
                int(row["length"]),
                int(row["of_length"]),
                int(row["zone"]) if row["zone"] else None,
            )
            for row in csv.DictReader(file)
        ]


def rounded(number: Fraction) -> Decimal:
    """Four decimals, half away from zero, as people round."""
    scaled = Decimal(number.numerator * 10**12 // number.denominator) / 10**12  # floor
    if Fraction(scaled) == number or number > 0:
        return scaled.quantize(Decimal("0.0001"), ROUND_HALF_UP)
    return -rounded(-number)


def process_limits(values: Sequence[Decimal]) -> tuple[Decimal, Decimal]:
    """Mean and 2.66 x mean moving range."""
    exact = [Fraction(value) for value in values]
    ranges = [abs(later - earlier) for earlier, later in pairwise(exact)]
    mean = sum(exact, Fraction()) / len(exact)
    return rounded(mean), rounded(Fraction(266, 100) * sum(ranges, Fraction()) / len(ranges))


def run_rule(rule: Rule, values: Sequence[Decimal], mean: Decimal, reach: Decimal) -> str | None:
    """'high' or 'low' when the last value completes the rule's pattern."""
    last = values[-rule.of_length :]
    if rule.zone is None:
        if len(last) == rule.of_length and all(a < b for a, b in pairwise(last)):
            return "high"
        if len(last) == rule.of_length and all(a > b for a, b in pairwise(last)):
            return "low"
        return None
    for side, sign in (("high", 1), ("low", -1)):
        beyond = [sign * (value - mean) * 3 > rule.zone * reach for value in last]
        if beyond[-1] and sum(beyond) >= rule.length:
            return side
    return None


def expected_mark(
    levels: dict[Period, Decimal | None],
    now: Period,
    kpi: str,
    target: Decimal | None,
    change_on: date | None,
    rules: Sequence[Rule],
) -> Mark:
    """The marks of one period, computed from the definition and not from the SQL."""
    unit, direction, basis = KPIS[kpi]
    plotted: dict[Period, Decimal] = {}
    for period in sorted(levels):
        level = levels[period]
        before = period.shift(-1) if basis == "net_gain" else period.same_last_year
        if level is None or period > now:
            continue
        if basis == "level":
            plotted[period] = level
        elif (earlier := levels.get(before)) is not None:
            plotted[period] = level - earlier
    first_day = change_on or date.min
    chart = {p: value for p, value in plotted.items() if p.start >= first_day}
    left_out = len(chart) < len(plotted) or not chart
    values = list(chart.values())
    current = chart.get(now)
    mean = reach = lower = upper = None
    if len(values) >= MINIMUM:
        mean, reach = process_limits(values)
        lower, upper = mean - reach, mean + reach
        if basis == "level" and unit != "index_change":
            lower = max(lower, Decimal(0))
        if basis == "level" and unit == "percent":
            upper = min(upper, Decimal(100))

    fired: list[tuple[int, str, str]] = []
    if current is not None and mean is not None and reach is not None and direction != "none":
        for rule in rules:
            if side := run_rule(rule, values, mean, reach):
                fired.append((-(rule.zone if rule.zone is not None else -1), rule.rule_id, side))
    fired.sort()
    named = [rule_id for _, rule_id, side in fired if side == fired[0][2]]
    if current is None:
        variation = "no_data"
    elif len(values) < MINIMUM:
        variation = "too_few_points"
    elif not fired:
        variation = "ordinary"
    else:
        good = (fired[0][2] == "high") == (direction == "up")
        variation = "improving" if good else "concerning"

    level_now = levels.get(now)
    known = [
        level
        for period, level in sorted(levels.items())
        if level is not None and first_day <= period.start <= now.start
    ]
    if level_now is None:
        assurance = "no_data"
    elif target is None or direction == "none":
        assurance = "no_target"
    elif basis == "level":
        if lower is None or upper is None:
            assurance = "too_few_points"
        else:
            within = (lower, upper) if direction == "up" else (-upper, -lower)
            goal = target if direction == "up" else -target
            assurance = (
                "consistently_met"
                if goal <= within[0]
                else "consistently_missed"
                if goal > within[1]
                else "hit_and_miss"
            )
    elif len(known) < MINIMUM:
        assurance = "too_few_points"
    else:
        met = [x >= target if direction == "up" else x <= target for x in known[-MINIMUM:]]
        assurance = (
            "consistently_met"
            if all(met)
            else "hit_and_miss"
            if any(met)
            else "consistently_missed"
        )
    return Mark(
        len(values),
        current,
        mean,
        lower,
        upper,
        variation,
        assurance,
        ",".join(named) or None,
        change_on if left_out else None,
    )


def random_levels(
    rng: random.Random, periods: Sequence[Period], unit: str
) -> dict[Period, Decimal | None]:
    """Noise, steps, drifts, valleys, ties, flat stretches and gaps, in tenths or whole numbers."""
    centre, noise = rng.uniform(2, 98), rng.choice([0, 0.2, 1, 5, 20])
    step_at, step = rng.randrange(len(periods)), rng.choice([0, 0, 1.5, 3]) * max(noise, 1)
    drift_from, drift = rng.randrange(len(periods)), rng.choice([0, 0, 0.4, -0.4, 2])
    gaps = rng.choice([0, 0, 0.05, 0.4])
    valley = rng.choice([0, 0, 40])  # low, and rising again: rules that point to both sides
    levels: dict[Period, Decimal | None] = {}
    for i, period in enumerate(periods):
        if rng.random() < gaps:
            if rng.random() < 0.5:
                levels[period] = None  # said to be no data; else there is no row at all
            continue
        value = centre + rng.gauss(0, noise) + (step if i >= step_at else 0)
        value += drift * max(0, i - drift_from)
        value += (i % 20 - valley) / 2 if valley and i % 20 > 9 else 0
        if unit != "index_change":
            value = max(value, 0)
        if unit == "percent":
            value = min(value, 100)
        levels[period] = Decimal(str(round(value, 0 if unit == "count" else 1)))
    return levels


@pytest.fixture(scope="module")
def organisation(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("signals")
    return Settings(organisation=OrganisationSettings(name="Test"), paths=PathSettings(home=home))


def dbt(settings: Settings, *arguments: str) -> None:
    settings.warehouse_file.parent.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [dbt_executable(), "--quiet", *arguments, "--project-dir", str(DBT_PROJECT)],
        env={**os.environ, **dbt_environment(settings)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def compiled(organisation: Settings) -> dict[Grain, str]:
    """The SQL that dbt would run, by grain."""
    assemble_charter(organisation)
    dbt(organisation, "compile", "--select", *(f"kpi_signals__{grain}" for grain in Grain))
    folder = Path(dbt_environment(organisation)["DBT_TARGET_PATH"]) / "compiled"
    return {grain: next(folder.rglob(f"kpi_signals__{grain}.sql")).read_text() for grain in Grain}


def test_dbt_loads_the_charter_and_leaves_its_files_alone(
    organisation: Settings, compiled: dict[Grain, str]
) -> None:
    """dbt writes the SQL it ran to a path made from the seed's, which here is the seed itself."""
    folder = assemble_charter(organisation)
    before = charter_hash(folder)
    dbt(organisation, "seed", "--select", "signal_rules leader_action_kinds role_requirements")
    assert charter_hash(folder) == before
    with duckdb.connect(str(organisation.warehouse_file)) as connection:
        rows = connection.execute(
            "SELECT rule_id, length, of_length, zone FROM main.signal_rules ORDER BY rowid"
        ).fetchall()
        visibility = connection.execute(
            "SELECT visibility FROM main.leader_action_kinds WHERE kind = 'review_attended'"
        ).fetchone()
        types = connection.execute("DESCRIBE main.role_requirements").fetchall()
    assert [Rule(*row) for row in rows] == shipped_rules()
    assert visibility == ("none",)
    assert {name: kind for name, kind, *_ in types}["valid_from"] == "DATE", "header-only"


def test_the_independent_limits_are_those_of_a_published_example() -> None:
    """Flow rate example of the NIST/SEMATECH e-Handbook, 6.3.2.2: 50.81, 45.8159 and 55.8041
    with 3 / 1.128 for the factor, here rounded to 2.66."""
    flow = "49.6 47.6 49.9 51.3 47.8 51.2 52.6 52.4 53.6 52.1"
    mean, reach = process_limits([Decimal(value) for value in flow.split()])
    assert mean == Decimal("50.81")
    assert float(mean - reach) == pytest.approx(45.8159, abs=0.001)
    assert float(mean + reach) == pytest.approx(55.8041, abs=0.001)


@pytest.mark.parametrize("grain", list(Grain))
def test_sql_agrees_with_the_independent_implementation(
    grain: Grain, compiled: dict[Grain, str]
) -> None:
    rng = random.Random(f"signals {grain}")
    first = Period.containing(grain, date(2019, 1, 1))
    seen: Counter[str] = Counter()
    for _ in range(2):
        timeline = [first.shift(i) for i in range(70 if grain is Grain.WEEK else 40)]
        built = sorted(rng.sample(timeline[10:-2], 6))
        rules = shipped_rules()
        if rng.random() < 0.5:
            rules.append(Rule("four_of_five", 4, 5, 1))
        series = {
            (kpi, unit, line): random_levels(rng, timeline, KPIS[kpi][0])
            for kpi in KPIS
            for unit in ANCESTORS
            for line in ("employee", "contractor")
        }
        targets = {
            key: rng.choice([None, Decimal(rng.randrange(0, 101)), Decimal("49.5")])
            for key in series
        }
        changes = [
            (rng.choice([None, "W", "A", "A1", "B"]), rng.choice(timeline).start, known_from)
            for known_from in rng.sample([p.start for p in timeline], 2)
        ]
        rows = _run(compiled[grain], grain, built, series, targets, changes, rules)
        for (kpi, unit, line), levels in series.items():
            for now in built:
                if now not in levels:
                    assert (now.start, kpi, unit, line) not in rows
                    continue
                reached = [
                    Period.containing(grain, starts_on + timedelta(days=3)).start
                    for place, starts_on, known_from in changes
                    if (place is None or place in ANCESTORS[unit].split())
                    and starts_on + timedelta(days=3) <= now.end
                    and known_from <= now.end
                ]
                wanted = expected_mark(
                    levels,
                    now,
                    kpi,
                    targets[kpi, unit, line],
                    max(reached, default=None),
                    rules if unit == "W" else [rule for rule in rules if rule.of_length == 1],
                )
                assert rows[now.start, kpi, unit, line] == wanted, (kpi, unit, line, now.id)
                seen.update([wanted.variation, wanted.assurance, *(wanted.rules or "").split(",")])
                seen["rebased"] += wanted.rebased_on is not None
    words = (
        "improving concerning ordinary too_few_points no_data consistently_met rebased "
        "consistently_missed hit_and_miss no_target outside_limits shift two_of_three trend"
    )
    assert not [word for word in words.split() if not seen[word]], seen


def _run(
    sql: str,
    grain: Grain,
    built: Sequence[Period],
    series: dict[tuple[str, str, str], dict[Period, Decimal | None]],
    targets: dict[tuple[str, str, str], Decimal | None],
    changes: Sequence[tuple[str | None, date, date]],
    rules: Sequence[Rule],
) -> dict[tuple[date, str, str, str], Mark]:
    """The compiled model on tables that hold these series; what is built again was published as
    nonsense before, and must not be seen."""
    figures: list[tuple[object, ...]] = []
    history: list[tuple[object, ...]] = []
    for key, levels in series.items():
        for period, value in levels.items():
            if period in built:
                figures.append((period.start, *key, value, targets[key]))
                history.append((period.start, *key, Decimal(77)))
            else:
                history.append((period.start, *key, value))
    series_columns = "kpi_id VARCHAR, org_unit_id VARCHAR, employment_line VARCHAR"
    amount = "DECIMAL(18,4)"
    tables: dict[str, tuple[str, list[tuple[object, ...]]]] = {
        f"stg_control__periods__{grain}": (
            "period_start DATE, period_end DATE",
            [(period.start, period.end) for period in built],
        ),
        f"int_org_tree__{grain}": (
            "period_start DATE, org_unit_id VARCHAR, ancestor_id VARCHAR, depth INTEGER",
            [
                (period.start, unit, ancestor, len(above.split()) - 1)
                for period in built
                for unit, above in ANCESTORS.items()
                for ancestor in above.split()
            ],
        ),
        f"kpi_catalogue__{grain}": (
            "period_start DATE, kpi_id VARCHAR, unit VARCHAR, direction VARCHAR, "
            "chart_basis VARCHAR",
            [(period.start, kpi, *row) for period in built for kpi, row in KPIS.items()],
        ),
        "stg_lake__initiatives": (
            "kind VARCHAR, org_unit_id VARCHAR, starts_on DATE, valid_from DATE, valid_to DATE",
            [
                ("campaign", None, built[0].start, date(2000, 1, 1), None),
                *(
                    ("process_change", unit, start + timedelta(days=3), known_from, None)
                    for unit, start, known_from in changes
                ),
            ],
        ),
        "signal_rules": (
            "rule_id VARCHAR, length INTEGER, of_length INTEGER, zone INTEGER, valid_from DATE",
            [(r.rule_id, r.length, r.of_length, r.zone, date(2000, 1, 1)) for r in rules],
        ),
        f"stg_published__kpi_values__{grain}": (
            f"period_start DATE, {series_columns}, value {amount}",
            history,
        ),
        f"kpi_values__{grain}": (
            f"period_start DATE, {series_columns}, value {amount}, target {amount}",
            figures,
        ),
    }
    with duckdb.connect() as connection:
        connection.execute("ATTACH ':memory:' AS adoption")
        for table, (columns, rows) in tables.items():
            connection.execute(f"CREATE TABLE adoption.main.{table} ({columns})")
            _insert(connection, f"adoption.main.{table}", rows)
        found = connection.execute(sql)
        names = [column[0] for column in found.description or ()]
        assert names[:5] == [
            "period_start",
            "kpi_id",
            "org_unit_id",
            "employment_line",
            "basis",
        ]
        return {row[:4]: Mark(*row[5:]) for row in found.fetchall()}


def _insert(
    connection: duckdb.DuckDBPyConnection, table: str, rows: Sequence[tuple[object, ...]]
) -> None:
    def literal(value: object) -> str:
        if value is None:
            return "NULL"
        return str(value) if isinstance(value, int | Decimal) else f"'{value}'"

    lines = [f"({', '.join(literal(value) for value in row)})" for row in rows]
    if lines:
        connection.execute(f"INSERT INTO {table} VALUES {', '.join(lines)}")
