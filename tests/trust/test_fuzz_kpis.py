"""Damaged deliveries through to the KPIs: every figure is that of the accepted rows.

A random organisation is delivered as files of many dates, most of them damaged, and goes through
landing, publication, folding and the models. Which rows were accepted is read by other readers
than the product's, folded here, and every KPI is computed from them by the independent reference.
ADOPTION_FUZZED=12 (`make soak`) takes more organisations.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.feeds.contract import CONTRACT, SNAPSHOTS
from orchestration.feeds.deliveries import DeliveryManifest, manifests
from orchestration.feeds.landing import land_range
from orchestration.lake import Lake
from orchestration.periods import Period
from orchestration.quality.publish import publish
from orchestration.settings import FeedName, Settings
from orchestration.warehouse.fold import fold
from tests.independent.random_organisation import FIRST, Organisation, Row, random_organisation
from tests.independent.reference import TOLD_BY
from tests.independent.test_kpis import PERIODS, differences
from tests.trust import damage
from tests.trust.damage import Table, written
from tests.trust.reading import converted, rows_of
from tests.warehouse.small_lake import SmallLake

SEEDS = range(101, 101 + int(os.environ.get("ADOPTION_FUZZED", "1")))
SNAPSHOTS_ON = tuple(
    date.fromisoformat(day)
    for day in (
        str(FIRST), "2025-11-30", "2026-02-28", "2026-03-31", "2026-04-14", "2026-04-30",
        "2026-05-03", "2026-05-12", "2026-05-31", "2026-06-15", "2026-06-30", "2026-07-05",
    )
)  # fmt: skip
EVENTS_ON = tuple(
    date.fromisoformat(day)
    for day in ("2025-12-31", "2026-03-31", "2026-04-10", "2026-04-30", "2026-05-15", "2026-05-31",
                "2026-06-20", "2026-08-31")
)  # fmt: skip
FORMS: dict[FeedName, str] = {
    "people": "csv",
    "org_units": "xlsx",
    "courses": "jsonl",
    "enrolments": "csv.gz",
    "decisions": "csv",
    "activity": "jsonl.gz",
    "assessments": "csv",
    "certifications": "csv.gz",
    "leader_actions": "xlsx",
    "business_outcomes": "csv",
}
IN_TABLE = (
    damage.hostile_text, damage.wrong_type, damage.duplicated_rows, damage.missing_key,
    damage.swapped_columns, damage.renamed_column, damage.dropped_column, damage.added_column,
    damage.no_header, damage.ragged_row, damage.shuffled_rows, damage.line_ends,
    damage.other_delimiter, damage.stray_lines,
)  # fmt: skip
IN_FILE = (
    damage.cut, damage.flipped, damage.hole, damage.zeros, damage.doubled, damage.empty,
    damage.junk, damage.trailing, damage.recoded,
)  # fmt: skip


def settings_of(home: Path) -> Settings:
    return Settings.model_validate(
        {
            "organisation": {"name": "Fuzz", "time_zone": "Europe/London"},
            "paths": {"home": str(home)},
            "landing": {"settle_seconds": 0},
            "feeds": {
                feed: {
                    "files": {feed: f"{feed}_{{date}}.{form}"},
                    "format": form.removesuffix(".gz"),
                }
                for feed, form in FORMS.items()
            },
        }
    )


def deliveries(organisation: Organisation, feed: FeedName) -> Iterator[tuple[date, list[Row]]]:
    """The organisation as dated files: what held on a day, or what happened since the last one."""
    rows = organisation.feeds[feed]
    if feed in SNAPSHOTS:
        for day in SNAPSHOTS_ON:
            yield day, [r for r in rows if r.get("valid_from", FIRST) <= day
                        and (r.get("valid_to") is None or r["valid_to"] > day)]  # fmt: skip
        return
    event_time = CONTRACT[feed].event_time
    assert event_time is not None
    before = ""
    for day in EVENTS_ON:
        yield day, [r for r in rows if before <= str(r[event_time])[:10] < str(day)]
        before = str(day)


def as_table(feed: FeedName, rows: Iterable[Row]) -> Table:
    columns = CONTRACT[feed].column_names
    return Table(feed, list(columns), [[_text(row.get(name)) for name in columns] for row in rows])


def _text(value: Any) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def damaged(table: Table, form: str, rng: random.Random, counts: Counter[str]) -> bytes:
    """The file, most often damaged once, in its rows or in its bytes."""
    chance = rng.random()
    if chance < 0.25 or not table.rows:
        return written(table, form, rng)
    if chance < 0.85:
        change = rng.choice(IN_TABLE)
        counts[change.__name__] += 1
        return written(change(table, rng), form, rng)
    harm = rng.choice(IN_FILE)
    counts[harm.__name__] += 1
    return harm(written(table, form, rng), form, rng)


def accepted_rows(home: Path, lake: Lake, manifest: DeliveryManifest) -> list[Row]:
    """What another reader finds in the file, without the rows that were put in quarantine."""
    form = FORMS[manifest.feed]
    content = (home / "landing" / f"{manifest.feed}_{manifest.delivery_date}.{form}").read_bytes()
    files = [
        lake.path(file)
        for file in lake.files("raw_rejected", manifest.feed, suffix=".parquet")
        if manifest.delivery_id in file
    ]
    rejected: set[int] = set()
    if files:
        with lake.connect() as connection:
            rejected = {
                number
                for (number,) in connection.execute(
                    "SELECT row_number FROM read_parquet($1, hive_partitioning = false)", [files]
                ).fetchall()
            }
    rows = rows_of(content, form)
    assert len(rows) == manifest.rows_in == manifest.rows_accepted + manifest.rows_rejected
    assert len(rejected) == manifest.rows_rejected and rejected <= rows.keys()
    names = CONTRACT[manifest.feed].column_names
    return [
        dict(zip(names, map(_plain, converted(manifest.feed, row)), strict=True))
        for number, row in rows.items()
        if number not in rejected
    ]


def _plain(value: Any) -> Any:
    """As the reference has it: moments as text, numbers as floats."""
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    return float(value) if isinstance(value, Decimal) else value


def folded(feed: FeedName, snapshots: dict[date, list[Row]]) -> list[Row]:
    """Versions of the rows of dated snapshots: from the first day they say so to the next one
    that says otherwise."""
    key = CONTRACT[feed].key
    lasting: dict[Any, Row] = {}
    found: list[Row] = []
    for day in sorted(snapshots):
        now = {tuple(row[name] for name in key): row for row in snapshots[day]}
        for name, version in list(lasting.items()):
            said = {k: v for k, v in version.items() if k not in ("valid_from", "valid_to")}
            if now.get(name) != said:
                version["valid_to"] = day
                del lasting[name]
        for name, row in now.items():
            if name not in lasting:
                lasting[name] = {**row, "valid_from": day, "valid_to": None}
                found.append(lasting[name])
    return found


def told(feed: FeedName, delivered: dict[date, list[Row]]) -> list[Row]:
    """Events, each once: of what was sent again, what was said last."""
    key = CONTRACT[feed].key
    found: dict[Any, Row] = {}
    for day in sorted(delivered):
        found |= {tuple(row[name] for name in key): row for row in delivered[day]}
    return list(found.values())


@pytest.mark.parametrize("seed", SEEDS)
def test_every_kpi_is_that_of_the_accepted_rows(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    organisation = random_organisation(seed)
    small = SmallLake(tmp_path)
    small.settings = settings_of(tmp_path)
    for name, rows in organisation.seeds.items():
        small.seed(name, rows)
    (tmp_path / "landing").mkdir()
    counts: Counter[str] = Counter()
    damages: Counter[str] = Counter()
    accepted = Organisation(seeds=organisation.seeds)
    for feed, form in FORMS.items():
        for number, (day, rows) in enumerate(deliveries(organisation, feed)):
            table = as_table(feed, rows)
            sound = number == 0  # there is something to go on from
            content = written(table, form, rng) if sound else damaged(table, form, rng, damages)
            (tmp_path / "landing" / f"{feed}_{day}.{form}").write_bytes(content)
        outcomes = land_range(
            small.settings, small.lake, feed, date(2025, 1, 1), date(2026, 12, 31)
        )
        assert all(outcome.manifest is not None for outcome in outcomes), outcomes
        publish(small.lake, feed, manifests(small.lake, feed))
        delivered: dict[date, list[Row]] = {}
        for manifest in manifests(small.lake, feed):
            counts["deliveries"] += 1
            counts["rows in"] += manifest.rows_in
            counts["accepted"] += manifest.rows_accepted
            counts["rejected"] += manifest.rows_rejected
            counts[manifest.verdict] += 1
            if manifest.contract_problem is not None:
                continue
            rows = accepted_rows(tmp_path, small.lake, manifest)
            if manifest.verdict == "promoted":
                delivered[manifest.delivery_date] = rows
        if feed in SNAPSHOTS:
            fold(small.lake, feed)
            accepted.feeds[feed] = folded(feed, delivered)
        else:
            accepted.feeds[feed] = told(feed, delivered)
        if not delivered and feed in TOLD_BY:
            accepted.never_delivered.add(feed)
        if feed == "activity":
            accepted.activity_until = max(delivered, default=date.min)
    counts["damaged"] = sum(damages.values())
    print(f"\n{dict(counts)}\ndamages: {dict(sorted(damages.items()))}")
    assert counts["rows in"] == counts["accepted"] + counts["rejected"]
    assert min(counts[each] for each in ("refused", "promoted", "rejected")) > 0
    small.build(
        *(Period.parse(period) for period in PERIODS),
        command=("build", "--exclude-resource-type", "unit_test", "test"),
    )
    found = list(differences(small, accepted))
    assert not found, f"{len(found)} differences:\n" + "\n".join(found[:40])
