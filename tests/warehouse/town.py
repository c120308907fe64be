"""A small town whose deliveries come one by one, and whose periods are closed in between."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import (
    DeliveryManifest,
    delivery_id,
    initialise,
    last_arrival,
    raw_partition,
    rewrite_in_force,
    save_manifest,
)
from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.quality.close import Holdings, close_period
from orchestration.settings import FeedName, FeedSettings, Settings
from orchestration.warehouse.fold import fold
from orchestration.warehouse.late import note_arrivals, touched_periods
from orchestration.warehouse.published import (
    BUILD,
    PublishedFigures,
    figures_in_force,
    history_hash,
    initialise_published,
    publish,
)
from tests.warehouse.small_lake import PSEUDONYMS

PERIODS = [
    *map(Period.parse, ("2026-08", "2026-09", "2026-10", "2026-Q3")),
    *(Period.parse(f"2026-W{week}") for week in range(36, 46)),  # 31 August to 8 November
]
NOW = datetime(2026, 11, 9, 9, tzinfo=UTC)
Row = Mapping[str, Any]


def declared(*, changes: bool = False) -> dict[FeedName, FeedSettings]:
    """Every feed of files; enrolments perhaps as change sets."""
    feeds = {
        feed: FeedSettings(files={"f": f"{feed}_{{date}}.csv"})
        for feed in CONTRACT
        if feed != "records"
    }
    if changes:
        feeds["enrolments"] = feeds["enrolments"].model_copy(update={"delivery": "changes"})
    return feeds


class Deliveries:
    """A home to which deliveries come one by one, and whose periods are closed in between."""

    def __init__(self, settings: Settings, lake: Lake) -> None:
        self.settings, self.lake = settings, lake

    def arrive(self, feed: FeedName, day: date, rows: Iterable[Row], sequence: int = 1) -> None:
        """A delivery is published; activity lies by local day."""
        contract, name = CONTRACT[feed], delivery_id(day, sequence)
        columns = {c.name: c.sql_type for c in contract.columns}
        filled = [{**row, "delivery_id": name} for row in rows]
        by_part: dict[date, list[Row]] = {}
        for row in filled:
            part = date.fromisoformat(row["occurred_at"][:10]) if feed == "activity" else day
            by_part.setdefault(part, []).append(row)
        typed = {**columns, "delivery_id": "VARCHAR"}
        cast = ", ".join(f"CAST({n} AS {t}) AS {n}" for n, t in typed.items())
        with self.lake.connect() as connection:
            for part, some in by_part.items():
                text = [
                    [None if row.get(n) is None else str(row[n]) for row in some] for n in typed
                ]
                given = pa.table([pa.array(v, pa.string()) for v in text], names=list(typed))
                connection.register("given", given)
                folder = raw_partition(contract, part.isoformat())
                place = ("raw", feed, folder, f"{name}.parquet")
                self.lake.write_parquet(connection, f"SELECT {cast} FROM given", *place)
        manifest = DeliveryManifest(
            feed=feed,
            delivery_id=name,
            delivery_date=day,
            sequence=sequence,
            files=[],
            content_hash=f"{feed}{name}{filled}",
            rows_in=len(filled),
            rows_accepted=len(filled),
            event_days=sorted(by_part) if feed == "activity" else [],
            newest_on=day,
            verdict="promoted",
            landed_at=NOW,
            arrival=last_arrival(self.lake, feed) + 1,
        )
        save_manifest(self.lake, manifest)
        rewrite_in_force(self.lake, feed)
        if contract.kind == "snapshot":
            fold(self.lake, feed, changes=self.settings.feeds[feed].delivery == "changes")

    def close(self, *periods: Period, levels: str = "as they were") -> None:
        """Close periods on what is in force, and publish figures of them."""
        closing, holdings = periods or PERIODS, Holdings.read(self.lake)
        for grain in Grain:
            of = sorted(period for period in closing if period.grain is grain)
            known = figures_in_force(self.lake, grain)
            known |= {period.id: PublishedFigures(levels, None, {}) for period in of}
            for period in of:
                close = close_period(self.settings, self.lake, period, "c", NOW, holdings)
                said = {
                    "levels": levels,
                    "history": history_hash(known, period),
                    "arrivals": {feed: verdict.arrival for feed, verdict in close.feeds.items()},
                }
                self.lake.write_json(said, "published", grain, period.id, "b", BUILD)
            if of:
                with self.lake.connect() as connection:
                    publish(self.lake, connection, grain, [(p, "b") for p in of], [], PSEUDONYMS)

    def touched(self) -> dict[str, dict[str, tuple[str, ...]]]:
        """Period: feed: units."""
        note_arrivals(self.settings, self.lake)
        return {
            each.period.id: {late.feed: late.units for late in each.late}
            for each in touched_periods(self.lake)
        }


class Town(Deliveries):
    """Three units, a person in each of two, closed up to 8 November with what is known then."""

    def __init__(self, home: Path, *, changes: bool = False) -> None:
        feeds = declared(changes=changes)
        settings = Settings.model_validate(
            {
                "organisation": {"name": "Town", "time_zone": "Europe/London"},
                "paths": {"home": str(home)},
                "feeds": feeds,
            }
        )
        super().__init__(settings, Lake(settings.lake_url, settings.duckdb))
        initialise(self.lake)
        initialise_published(self.lake)
        self.people: dict[str, dict[str, Any]] = {
            "ann": {"org_unit_id": "east", "leader_level": "elt"},
            "bob": {"org_unit_id": "west", "leader_level": "none"},
        }
        self.courses: dict[str, dict[str, Any]] = {
            "must": {"is_mandatory": True},
            "may": {"is_mandatory": False},
            "flag": {"is_flagship": True},
        }
        self.enrolments: dict[str, dict[str, Any]] = {}
        self.arrive(
            "org_units",
            date(2026, 7, 31),
            [
                {"org_unit_id": "all"},
                {"org_unit_id": "east", "parent_org_unit_id": "all"},
                {"org_unit_id": "west", "parent_org_unit_id": "all"},
            ],
        )
        for day in (date(2026, 7, 31), date(2026, 9, 30), date(2026, 11, 8)):
            self.snapshot("people", day)
            self.snapshot("courses", day)

    def enrol(self, enrolment: str, person: str, course: str, on: str, **more: Any) -> None:
        self.enrolments[enrolment] = {
            "person_id": person,
            "course_id": course,
            "enrolled_at": f"{on} 09:00:00Z",
            "status": "open",
            **{name: f"{day} 09:00:00Z" if day and name != "status" else day
               for name, day in more.items()},
        }  # fmt: skip

    def snapshot(self, feed: FeedName, day: date, sequence: int = 1) -> None:
        """The state of the town as a delivery of that date."""
        held: Mapping[str, Row] = getattr(self, feed)
        key = CONTRACT[feed].key[0]
        self.arrive(feed, day, [{key: name, **row} for name, row in held.items()], sequence)


def event(name: str, person: str, day: str, **more: Any) -> Row:
    return {"event_id": name, "person_id": person, "verb": "v",
            "occurred_at": f"{day} 12:00:00Z", **more}  # fmt: skip
