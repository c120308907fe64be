"""Two years of the schedules, tick by tick: every ritual and period once, at its local time.

The clock, the lake and the runs are the test's own; the schedules, their cron lines, their time
zones, the partitions and the state database are the real ones. What is expected is worked out here
from calendars alone, not with the code under test.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import holidays
import pytest
import sqlalchemy as sa
from dagster import (
    AssetsDefinition,
    Definitions,
    RepositoryDefinition,
    asset,
    build_schedule_context,
)
from dagster._utils.schedules import schedule_execution_time_iterator

from orchestration import cadences
from orchestration.delivery import assets as delivery
from orchestration.delivery.mailings import MAILINGS, Mailing
from orchestration.periods import Grain, Period, day_partitions, period_partitions
from orchestration.quality.close import FeedVerdict, PeriodClose
from orchestration.settings import Settings
from orchestration.state import State, metadata

FIRST, LAST = date(2026, 1, 1), date(2027, 12, 31)
WINTER = (date(2026, 11, 2), date(2027, 3, 31))  # a year's end, with week 53 in it
CLOSE_TAKES, SEND_TAKES = timedelta(minutes=20), timedelta(minutes=5)
Firing = tuple[str, str, str]  # local time, what, period

PLACES = {
    "Europe/London": "GB",
    "America/New_York": "US",
    "Asia/Kolkata": "IN",
    "Pacific/Auckland": "NZ",
}
ZONES = tuple(PLACES) if "ADOPTION_ZONES" in os.environ else ("Europe/London", "Pacific/Auckland")
"""Summer time in either half of the year; `make soak` takes all."""


def make_settings(home: Path, zone: str) -> Settings:
    return Settings.model_validate(
        {
            "organisation": {
                "name": "Example",
                "time_zone": zone,
                "country": PLACES[zone],
                "history_from": "2025-01-01",
            },
            "paths": {"home": str(home)},
        }
    )


# ---- what is expected, from calendars alone ------------------------------------------------


class Calendar:
    """Working days of one country."""

    def __init__(self, country: str) -> None:
        self.off = holidays.country_holidays(country, years=range(2025, 2029))

    def works(self, day: date) -> bool:
        return day.weekday() < 5 and day not in self.off

    def days(self, after: date) -> Iterator[date]:
        day = after
        while True:
            day += timedelta(days=1)
            if self.works(day):
                yield day

    def nth(self, after: date, count: int) -> date:
        return next(day for n, day in enumerate(self.days(after), start=1) if n == count)


def expected(country: str, first: date = FIRST, last: date = LAST) -> list[Firing]:
    """Each mailing and period of the two years with its local time, in order.

    A week: the first working day from Monday on. A month: the fifth, a quarter: the tenth working
    day after it; the preview two working days before the month's. The close is asked for at 07:00,
    takes twenty minutes, and so the preview's first tick after it is 08:15; the day's second close
    is over at the first tick of publication, 07:30.
    """
    calendar = Calendar(country)
    found: list[tuple[date, str, str, str]] = []
    monday = date(2025, 9, 1)
    while monday <= last:
        day = next(calendar.days(monday + timedelta(days=6)))
        year, week, _ = monday.isocalendar()
        found.append((day, "07:30", "weekly_publish", f"{year}-W{week:02d}"))
        monday += timedelta(days=7)
    for number in range(-4, 24):  # September 2025 to December 2027
        year, month = 2026 + number // 12, number % 12 + 1
        end = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        found.append((calendar.nth(end, 3), "08:15", "monthly_preview", f"{end:%Y-%m}"))
        found.append((calendar.nth(end, 5), "07:30", "monthly_publish", f"{end:%Y-%m}"))
        if end.month % 3 == 0:
            name = f"{end.year}-Q{end.month // 3}"
            found.append((calendar.nth(end, 10), "07:30", "quarterly_publish", name))
    return sorted(
        (f"{day} {at}", what, period) for day, at, what, period in found if first <= day <= last
    )


# ---- the world around the schedules --------------------------------------------------------


class World:
    """A lake, a state database and a launcher of runs, moved by the test's clock."""

    def __init__(self, settings: Settings, state: State, repository: RepositoryDefinition) -> None:
        self.settings, self.state, self.repository = settings, state, repository
        self.zone = settings.organisation.zone
        self.now = datetime.combine(FIRST, time(), self.zone)
        self.closed: dict[str, str] = {}  # period -> the data it was closed on
        self.built: dict[Grain, dict[str, str]] = {grain: {} for grain in Grain}
        self.under_way: list[tuple[datetime, Callable[[], None], str]] = []
        self.run_keys: dict[str, str] = {}
        self.started: set[str] = set()
        self.firings: list[Firing] = []
        self.closes: list[Firing] = []
        self.feed_moves = lambda now: str(now.astimezone(self.zone).date())  # ingest, every night

    # what cadences asks the lake and the instance

    def published_builds(self, _: Any, grain: Grain) -> dict[str, str]:
        return self.built[grain]

    def read_close(self, _: Any, period: Period) -> PeriodClose | None:
        if period.id not in self.closed:
            return None
        judged = FeedVerdict.model_construct(stands_on=self.closed[period.id])
        return PeriodClose.model_construct(allowed=True, feeds={"records": judged})

    def stands_on_now(self, _: Any) -> dict[str, str]:
        return {"records": self.feed_moves(self.now)}

    def closing(self, _: Any, grain: Grain, run_key: str | None = None) -> bool:
        if run_key is not None:
            return run_key in self.run_keys
        return any(job == f"{grain.ritual}_close" for _, _, job in self.under_way)

    def is_drafted(self, mailing: Mailing, _: Settings, period: Period) -> bool:
        return period.id in self.closed

    # the clock

    def advance(self, moment: datetime) -> None:
        """Finish what ends by then."""
        for ends, finish, _ in sorted(self.under_way, key=lambda run: run[0]):
            if ends <= moment:
                self.now = ends
                finish()
        self.under_way = [run for run in self.under_way if run[0] > moment]
        self.now = moment

    def tick(self, name: str, scheduled: datetime) -> None:
        schedule = self.repository.get_schedule_def(name)
        context = build_schedule_context(
            repository_def=self.repository, scheduled_execution_time=scheduled
        )
        for request in schedule.evaluate_tick(context).run_requests or ():
            assert request.run_key is not None and request.partition_key is not None
            if self.run_keys.setdefault(request.run_key, schedule.job_name) != schedule.job_name:
                raise AssertionError(f"two jobs share the run key {request.run_key}")
            if request.run_key in self.started:
                continue  # as Dagster: one run a key
            self.started.add(request.run_key)
            self.start(schedule.job_name, self.period_of(schedule.job_name, request.partition_key))

    def period_of(self, job: str, key: str) -> Period:
        grain = next(grain for grain in Grain if job.startswith(grain.ritual))
        return Period.containing(grain, date.fromisoformat(key))

    def start(self, job: str, period: Period) -> None:
        fired = (f"{self.now.astimezone(self.zone):%Y-%m-%d %H:%M}", job, period.id)
        if job.endswith("_close"):
            self.closes.append(fired)
            self.under_way.append((self.now + CLOSE_TAKES, lambda: self.close(period), job))
            return
        self.firings.append(fired)
        names = (
            [job]
            if job in MAILINGS
            else [
                each.name
                for each in MAILINGS.values()
                if each.grain is period.grain and each.sent == "with"
            ]
        )
        for name in names:  # the publication opens every intent of its mailings
            assert self.state.pending_intent(name, period.id) is not None, (name, period.id)
        assert len(self.state.pending_intents()) >= len(names)
        self.under_way.append((self.now + SEND_TAKES, lambda: self.settle(names, period), job))

    def close(self, period: Period) -> None:
        self.closed[period.id] = self.feed_moves(self.now)
        self.built[period.grain][period.id] = "build"

    def settle(self, names: list[str], period: Period) -> None:
        for name in names:
            intent = self.state.pending_intent(name, period.id)
            assert intent is not None
            assert self.state.settle_intent(intent.intent_id)

    def settle_before(self, first: date) -> None:
        """The programme has run for a while: what was due before this day is closed and sent."""
        calendar = PLACES[self.settings.organisation.time_zone]
        for _, what, period_id in expected(calendar, date(2025, 1, 1), first - timedelta(days=1)):
            if what.endswith("_publish"):
                period = Period.parse(period_id)
                for back in range(cadences.LOOK_BACK[period.grain] + 1):
                    self.close(period.shift(-back))
                    self.send_before(period.shift(-back))

    def send_before(self, period: Period) -> None:
        for mailing in MAILINGS.values():
            if mailing.grain is period.grain:
                intent = self.state.open_intent(mailing.name, period.id, opened_by="schedule")
                self.state.settle_intent(intent.intent_id)

    def run(
        self,
        first: date = FIRST,
        last: date = LAST,
        outage: tuple[datetime, datetime] | None = None,
    ) -> None:
        """Every tick from one day to another, in order.

        In an outage nothing ticks; after it Dagster catches up on the last missed tick of each
        schedule and on no other.
        """
        self.settle_before(first)
        start = datetime.combine(first, time(), self.zone)
        end = datetime.combine(last, time(23, 59), self.zone)
        missed: dict[str, datetime] = {}
        for moment, name in all_ticks(self.repository, start, end):
            if outage is not None and outage[0] <= moment < outage[1]:
                missed[name] = moment
                continue
            if missed and outage is not None:
                self.advance(outage[1])
                for late, scheduled in sorted(missed.items(), key=lambda item: item[1]):
                    self.tick(late, scheduled)
                missed = {}
            self.advance(moment)
            self.tick(name, moment)


def all_ticks(
    repository: RepositoryDefinition, start: datetime, end: datetime
) -> Iterator[tuple[datetime, str]]:
    """Every tick of every schedule, in order, by Dagster's own reading of its cron line."""

    def of(name: str) -> Iterator[tuple[datetime, str]]:
        schedule = repository.get_schedule_def(name)
        for moment in schedule_execution_time_iterator(
            start.timestamp(), schedule.cron_schedule, schedule.execution_timezone
        ):
            if moment > end:
                return
            yield moment, name

    names = sorted(schedule.name for schedule in repository.schedule_defs)
    yield from heapq.merge(*(of(name) for name in names), key=lambda tick: (tick[0], tick[1]))


def stand_in(key: list[str], **more: Any) -> AssetsDefinition:
    @asset(key=key, **more)
    def nothing() -> None: ...

    return nothing


def repository_of(settings: Settings) -> RepositoryDefinition:
    """The real jobs, schedules and delivery assets; one asset stands for each stage before."""
    organisation = settings.organisation
    assets = [
        stand_in(["warehouse", "charter"]),
        stand_in(["feeds", "landed"], partitions_def=day_partitions(organisation)),
        *(
            stand_in(
                ["quality", f"{grain}_close"], partitions_def=period_partitions(grain, organisation)
            )
            for grain in Grain
        ),
        *delivery.build_assets(settings),
    ]
    jobs = cadences.build_jobs(settings, assets)
    return Definitions(
        assets=assets,
        jobs=jobs,
        schedules=cadences.build_schedules(settings, assets),
        sensors=cadences.build_sensors(settings, jobs),
    ).get_repository_def()


class RememberingState(State):
    """The real state in memory, which asks the database anew only after a write: forty thousand
    ticks ask the same again and again."""

    def __init__(self, home: Path) -> None:
        engine = sa.create_engine("sqlite://", poolclass=sa.pool.StaticPool)
        metadata.create_all(engine)
        super().__init__(engine, home)
        self.answers: dict[object, Any] = {}

    def _write(self, lock: str | None = None) -> Any:
        self.answers.clear()
        return super()._write(lock)

    def _remembered(self, ask: Callable[..., Any], *arguments: Any) -> Any:
        key = (ask.__name__, arguments)
        if key not in self.answers:
            self.answers[key] = ask(*arguments)
        return self.answers[key]

    def settled_periods(self, ritual: str) -> set[str]:
        found: set[str] = self._remembered(super().settled_periods, ritual)
        return found

    def pending_intents(self, ritual: str | None = None, period_id: str | None = None) -> Any:
        return self._remembered(super().pending_intents, ritual, period_id)

    def unrecorded_editions(self, ritual: str) -> Any:
        return self._remembered(super().unrecorded_editions, ritual)

    def latest_edition(self, ritual: str, period_id: str) -> Any:
        return self._remembered(super().latest_edition, ritual, period_id)


class _Lent:
    """A state database that stays open when its borrower is done."""

    def __init__(self, state: State) -> None:
        self.state = state

    def __enter__(self) -> State:
        return self.state

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture
def make_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], World]:
    def make(zone: str) -> World:
        settings = make_settings(tmp_path, zone)
        state = RememberingState(settings.home)
        world = World(settings, state, repository_of(settings))
        for name in ("published_builds", "read_close", "stands_on_now", "closing"):
            monkeypatch.setattr(cadences, name, getattr(world, name))
        monkeypatch.setattr(
            Mailing,
            "is_drafted",
            lambda mailing, settings, period: world.is_drafted(mailing, settings, period),
        )
        monkeypatch.setattr(cadences, "State", SimpleNamespace(open=lambda _: _Lent(state)))
        return world

    return make


def show(zone: str, firings: list[Firing]) -> None:
    print(f"\n{zone}: {len(firings)} firings")
    for firing in firings:
        print("  " + "  ".join(firing))


@pytest.mark.parametrize("zone", ZONES)
def test_every_ritual_and_period_fires_once_at_its_local_time(
    make_world: Callable[[str], World], zone: str
) -> None:
    world = make_world(zone)
    world.run()
    show(zone, world.firings)
    wanted = expected(PLACES[zone])
    assert sorted(world.firings) == wanted
    periods = [(what, period) for _, what, period in world.firings]
    assert len(set(periods)) == len(periods) == 104 + 24 + 24 + 8
    assert ("weekly_publish", "2026-W53") in periods and ("weekly_publish", "2027-W01") in periods
    assert closes_of(world) == expected_closes(wanted, Calendar(PLACES[zone]))


def closes_of(world: World) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for at, _, period in world.closes:
        found.setdefault(period, []).append(at)
    return found


def expected_closes(firings: list[Firing], calendar: Calendar) -> dict[str, list[str]]:
    """Closed two working days before publication and again on its day, as data move every night;
    a week is closed on the day, once."""
    found = {}
    for at, what, period in firings:
        if what.endswith("_publish"):
            day = before = date.fromisoformat(at[:10])
            for _ in range(2):
                before -= timedelta(days=1)
                while not calendar.works(before):
                    before -= timedelta(days=1)
            days = [day] if "W" in period else [before, day]
            found[period] = [f"{each} 07:00" for each in days]
    return found


@pytest.mark.parametrize("zone", ZONES)
def test_two_weeks_without_power_lose_no_review(
    make_world: Callable[[str], World], zone: str
) -> None:
    """Down from Christmas morning until ten o'clock two weeks later.

    All that fell due meanwhile goes out at the first tick of publication after it, in working
    hours; so does what is due that day. December's preview goes out late where it can still be
    answered (New Zealand publishes after the weekend), else not at all. Everything else is as
    without the outage.
    """
    down, up = "2026-12-25 06:00", "2027-01-08 10:00"
    world = make_world(zone)
    world.run(*WINTER, (local(zone, down), local(zone, up)))
    show(zone, world.firings)
    firings = expected(PLACES[zone], *WINTER)
    published = {period: at for at, what, period in firings if what == "monthly_publish"}
    wanted = []
    for at, what, period in firings:
        if not down <= at < up:
            wanted.append((at, what, period))
        elif what != "monthly_preview":
            wanted.append(("2027-01-08 10:30", what, period))
        elif published[period] > "2027-01-09":
            wanted.append(("2027-01-08 11:15", what, period))
    assert sorted(world.firings) == sorted(wanted)
    late = {period for at, _, period in world.firings if at == "2027-01-08 10:30"}
    assert late >= {"2026-W52", "2026-W53"}


def test_data_that_never_rest_hold_no_review_up(make_world: Callable[[str], World]) -> None:
    """Something arrives every minute: one more close a day, and the review goes out on its day."""
    world = make_world("Europe/London")
    world.feed_moves = lambda now: now.isoformat(timespec="minutes")
    world.run(*WINTER)
    # a week is closed and published on one day: its one more close is over at 08:20
    assert sorted(world.firings) == sorted(
        (at.replace("07:30", "08:30") if "W" in period else at, what, period)
        for at, what, period in expected("GB", *WINTER)
    )
    # what is due after the last day is closed once by then
    assert {len(closes) for closes in closes_of(world).values()} <= {1, 2}


def test_a_close_that_never_ends_holds_no_review_up(
    make_world: Callable[[str], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run whose process died stays under way for ever; what was drafted goes out at the end of
    the day."""
    world = make_world("Europe/London")
    monkeypatch.setattr(cadences, "closing", lambda context, grain, run_key=None: run_key is None)
    world.run(*WINTER)
    assert sorted(world.firings) == sorted(
        (f"{at[:10]} 18:{at[-2:]}", what, period) for at, what, period in expected("GB", *WINTER)
    )


def test_a_first_start_sends_the_latest_period_and_no_history(
    make_world: Callable[[str], World], monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world("Europe/London")
    monkeypatch.setattr(world, "settle_before", lambda first: None)
    for last in ("2026-W44", "2026-10", "2026-Q3"):
        for back in range(4):  # the history was built by hand
            world.close(Period.parse(last).shift(-back))
    world.run(date(2026, 11, 9), date(2026, 11, 13))
    assert sorted((what, period) for _, what, period in world.firings) == [
        ("monthly_publish", "2026-10"),
        ("quarterly_publish", "2026-Q3"),
        ("weekly_publish", "2026-W45"),
    ]


def local(zone: str, moment: str) -> datetime:
    return datetime.fromisoformat(moment).replace(tzinfo=ZoneInfo(zone))
