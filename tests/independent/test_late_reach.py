"""Property test: what late data changes of any published table of a random organisation lies in a
period that :func:`touched_periods` names.

Each seed makes an organisation whose deliveries come by date, publishes every period, lets a few
rows of one or two feeds arrive late (a snapshot between others, a correction, news of today about
the past, events), builds everything again and compares each period's rows of each table.
Two builds a seed are too dear for the suite: ADOPTION_SEEDS=20 (make soak) runs them.
"""

from __future__ import annotations

import os
import shutil
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestration.feeds.contract import CONTRACT
from orchestration.periods import Grain, Period
from orchestration.settings import FeedName
from tests.independent.random_organisation import COMPETENCIES, ROLES, random_organisation
from tests.independent.test_kpis import EVENTS as OTHER_EVENTS
from tests.independent.test_kpis import SEEDS, SNAPSHOTS
from tests.warehouse.small_lake import SmallLake
from tests.warehouse.town import Deliveries, declared

Row = dict[str, Any]
PERIODS = [
    *(Period.parse(f"2026-{month:02d}") for month in range(1, 7)),
    *map(Period.parse, ("2026-Q1", "2026-Q2")),
    *(Period.parse(f"2026-W{week:02d}") for week in range(2, 28)),  # 5 January to 5 July
]
TODAY = date(2026, 7, 8)
DATES = [date(2025, 12, 28) + timedelta(17 * n) for n in range(12)]  # to 3 July
EVENTS: tuple[FeedName, ...] = ("activity", *OTHER_EVENTS)
MARKS = ("kpi_signals", "change_split", "leader_indices")
"""Tables that also stand on the KPI values of earlier periods, whose restating touches them."""


@dataclass
class Change:
    """What arrived late, for the message of a failure."""

    feed: FeedName
    how: str
    day: date
    before: Row | None
    after: Row | None


class LateRows:
    """An organisation, what was delivered of it in time and what arrives late."""

    def __init__(self, home: Path, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 2026])
        self.organisation = random_organisation(seed, units=12)
        self.small = SmallLake(home)
        self.changes = seed % 3 == 2
        self.small.settings = self.small.settings.model_copy(
            update={"feeds": declared(changes=self.changes)}
        )
        # what is edited of the charter is what the models read
        paths = self.small.settings.paths.model_copy(update={"charter": home / "own"})
        for name, rows in self.organisation.seeds.items():
            self.small.seed(name, rows)
        shutil.copytree(self.small.charter, home / "own")
        self.small.settings = self.small.settings.model_copy(update={"paths": paths})
        self.home = Deliveries(self.small.settings, self.small.lake)
        self.enrich()
        self.withheld = {feed: self.pick(DATES[1:-1]) for feed in SNAPSHOTS}
        self.told: list[Change] = []

    def pick(self, among: Any) -> Any:
        return among[int(self.rng.integers(len(among)))]

    def day(self) -> date:
        return date(2025, 12, 1) + timedelta(int(self.rng.integers(215)))

    def moment(self) -> str:
        return f"{self.day()} 12:00:00+00"

    def enrich(self) -> None:
        """What warnings and stand-ups read, and the organisation leaves out."""
        for row in self.organisation.feeds["courses"]:
            row |= {"duration_minutes": 240, "published_on": self.pick([None, date(2025, 9, 1)]),
                    "review_due_on": self.pick([None, date(2026, 3, 1)])}  # fmt: skip

    def state(self, feed: FeedName, day: date) -> dict[str, Row]:
        """The rows of a snapshot feed as of a day, by key."""
        (key,) = CONTRACT[feed].key
        return {
            row[key]: {n: v for n, v in row.items() if n not in ("valid_from", "valid_to")}
            for row in self.organisation.feeds[feed]
            if row["valid_from"] <= day and not (row.get("valid_to") or date.max) <= day
        }

    def snapshot(self, feed: FeedName, day: date) -> dict[str, Row]:
        """What a delivery of that date holds: of changes, what differs since the date before."""
        now = self.state(feed, day)
        if feed != "enrolments" or not self.changes or day == DATES[0]:
            return now
        before = self.state(feed, DATES[DATES.index(day) - 1])
        return {name: row for name, row in now.items() if before.get(name) != row}

    def deliver_in_time(self) -> None:
        for feed in SNAPSHOTS:
            for day in DATES:
                if day != self.withheld[feed]:
                    self.home.arrive(feed, day, self.snapshot(feed, day).values())
        for feed in EVENTS:
            self.home.arrive(feed, date(2026, 7, 6), self.organisation.feeds[feed])

    def deliver_late(self) -> None:
        """A few rows of one or two feeds."""
        feeds = self.rng.permutation([*SNAPSHOTS, *SNAPSHOTS, *EVENTS])[: self.pick([1, 1, 2])]
        for feed in dict.fromkeys(str(each) for each in feeds):
            if feed in SNAPSHOTS:
                self.late_snapshot(feed)  # type: ignore[arg-type]
            else:
                self.late_events(feed)  # type: ignore[arg-type]

    def late_snapshot(self, feed: FeedName) -> None:
        how = self.pick(["between", "correction", "today"])
        day = {"between": self.withheld[feed], "today": TODAY}.get(how) or self.pick(
            [each for each in DATES if each != self.withheld[feed]]
        )
        named = self.snapshot(feed, DATES[-1] if how == "today" else day)
        others = self.state(feed, day)
        if how == "between":  # as it was, but for the rows below, what stood before
            earlier = max(each for each in DATES if each < day)
            named = {} if self.changes and feed == "enrolments" else self.state(feed, earlier)
        rows = {name: dict(row) for name, row in named.items()}
        for _ in range(self.pick([1, 1, 2, 3])):
            name = self.pick(sorted(others or rows))
            row = dict(rows.get(name) or others[name])
            change = self.pick([None, *(self.fields(feed))])
            if change is None:
                after = None
                rows.pop(name, None)
            else:
                after = rows[name] = {**row, **change()}
            self.told.append(Change(feed, how, day, row, after))
        self.home.arrive(feed, day, rows.values(), sequence=2)

    def late_events(self, feed: FeedName) -> None:
        held = self.organisation.feeds[feed]
        (key, *_) = CONTRACT[feed].key
        arriving = []
        for number in range(self.pick([1, 2])):
            row = self.pick(held)
            change = self.pick(self.fields(feed))
            after = {**row, **change()}
            if feed == "activity" or (feed != "business_outcomes" and self.pick([True, False])):
                after[key] = f"late{number}"
            arriving.append(after)
            self.told.append(Change(feed, "event", TODAY, row, after))
        self.home.arrive(feed, TODAY, arriving)

    def fields(self, feed: FeedName) -> list[Any]:
        """Ways in which a row of a feed can read otherwise."""
        units = sorted(self.state("org_units", DATES[0]))
        people = sorted(self.state("people", DATES[-1]))
        courses = sorted(self.state("courses", DATES[0]))
        ways: dict[str, list[tuple[str, Any]]] = {
            "people": [
                ("org_unit_id", lambda: self.pick(units)),
                ("job_role", lambda: self.pick(ROLES)),
                ("manager_id", lambda: self.pick(people)),
                ("leader_level", lambda: self.pick(["elt", "manager", "none"])),
                ("employment_type", lambda: self.pick(["employee", "contractor"])),
                ("left_on", self.day),
                ("hired_on", self.day),
                ("leave_from", self.day),
                ("role_started_on", self.day),
            ],
            "org_units": [
                ("parent_org_unit_id", lambda: "all"),
                ("sponsor_person_id", lambda: self.pick(people)),
            ],
            "courses": [
                ("is_mandatory", lambda: self.pick([True, False])),
                ("is_flagship", lambda: self.pick([True, False])),
                ("competency_id", lambda: self.pick(COMPETENCIES)),
                ("retired_on", self.day),
                ("published_on", self.day),
                ("review_due_on", self.day),
                ("duration_minutes", lambda: self.pick([0, 600])),
            ],
            "enrolments": [
                ("completed_at", self.moment),
                ("completed_at", self.moment),
                ("completed_at", lambda: None),
                ("due_at", self.moment),
                ("enrolled_at", self.moment),
                ("started_at", self.moment),
                ("status", lambda: self.pick(["enrolled", "cancelled", "failed", "completed"])),
                ("course_id", lambda: self.pick(courses)),
                ("person_id", lambda: self.pick(people)),
                ("enrolment_id", lambda: "late"),
            ],
            "decisions": [
                ("due_on", self.day),
                ("closed_on", self.day),
                ("decided_on", self.day),
                ("asked_on", self.day),
                ("owner_person_id", lambda: self.pick(people)),
                ("outcome", lambda: "withdrawn"),
            ],
            "activity": [("occurred_at", self.moment), ("course_id", lambda: self.pick(courses))],
            "assessments": [("attempted_at", self.moment), ("passed", lambda: True)],
            "certifications": [
                ("issued_at", self.moment),
                ("expires_at", self.moment),
                ("revoked_at", self.moment),
                ("competency_id", lambda: self.pick(COMPETENCIES)),
            ],
            "leader_actions": [
                ("happened_on", self.day),
                ("kind", lambda: self.pick(["town_hall", "email", "budget_approval"])),
                ("audience_org_unit_id", lambda: self.pick(units)),
            ],
            "business_outcomes": [("numerator", lambda: int(self.rng.integers(1000, 9000)))],
        }
        return [lambda name=name, way=way: {name: way()} for name, way in ways[feed]]

    def tables(self) -> dict[Period, dict[str, list[str]]]:
        """Of each period, the rows of each published table, built from nothing."""
        self.small.settings.warehouse_file.unlink(missing_ok=True)
        kinds = ("unit_test", "test")
        self.small.build(
            *PERIODS,
            command=("build", *(a for kind in kinds for a in ("--exclude-resource-type", kind))),
        )
        found: dict[Period, dict[str, list[str]]] = {period: {} for period in PERIODS}
        for grain in Grain:
            names = self.small.query(
                "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main' "
                f"AND table_name LIKE '%\\_\\_{grain}' ESCAPE '\\' AND table_name NOT LIKE 'int_%'"
            )
            by_start = {period.start: period for period in PERIODS if period.grain is grain}
            for (name,) in names:
                rows: dict[date, list[str]] = defaultdict(list)
                for start, row in self.small.query(
                    f"SELECT period_start, CAST(t AS VARCHAR) FROM {name} AS t ORDER BY 1, 2"
                ):
                    rows[start].append(row)
                for start, period in by_start.items():
                    found[period][name.split("__")[0]] = rows[start]
        return found


def explained_by_marks(changed: Mapping[Period, set[str]], period: Period) -> bool:
    """Whether all that differs stands on KPI values of an earlier period, which differ."""
    return changed[period] <= set(MARKS) and any(
        earlier < period and earlier.grain is period.grain and "kpi_values" in tables
        for earlier, tables in changed.items()
    )


@pytest.mark.skipif("ADOPTION_SEEDS" not in os.environ, reason="make soak")
@pytest.mark.parametrize("seed", SEEDS)
def test_every_period_whose_rows_change_is_touched(seed: int, tmp_path: Path) -> None:
    late = LateRows(tmp_path, seed)
    late.deliver_in_time()
    late.home.close(*PERIODS)
    assert late.home.touched() == {}
    before = late.tables()
    late.deliver_late()
    touched = set(late.home.touched())
    after = late.tables()
    changed = {
        period: {name for name, rows in tables.items() if rows != before[period][name]}
        for period, tables in after.items()
    }
    missed = {
        period.id: sorted(names)
        for period, names in changed.items()
        if names and period.id not in touched and not explained_by_marks(changed, period)
    }
    differ = sum(bool(names) for names in changed.values())
    print(
        f"seed {seed}: {sorted({c.feed for c in late.told})} late; of {len(PERIODS)} periods "
        f"{differ} differ, {len(touched)} touched"
    )
    assert not missed, f"{missed}\n" + "\n".join(map(str, late.told))
