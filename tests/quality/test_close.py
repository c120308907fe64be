"""The period close: verdicts by feed and by period, and the gate that obeys them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import DeliveryManifest
from orchestration.lake import Lake
from orchestration.periods import Grain, Period, at_hour, nth_working_day
from orchestration.problems import Problem
from orchestration.quality.close import (
    PeriodClose,
    close_period,
    code_version,
    deadline,
    read_close,
    require_allowed,
)
from orchestration.quality.freshness import freshness
from orchestration.settings import FeedName, Settings
from tests.quality.small_deliveries import in_place, manifest_of

MARCH = Period.parse("2026-03")
LATER = datetime(2026, 5, 20, 12, tzinfo=UTC)
SEP_30, JAN_31, FEB_28, MAR_31, APR_1 = (
    date(2025, 9, 30),
    date(2026, 1, 31),
    date(2026, 2, 28),
    date(2026, 3, 31),
    date(2026, 4, 1),
)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake that nothing was laid in: a close reads manifests and indexes only."""
    return Lake(str(tmp_path / "lake"))


def days(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


def promoted(feed: FeedName, day: date, sequence: int = 1, **fields: Any) -> DeliveryManifest:
    return manifest_of(feed, day, sequence, verdict="promoted", **fields)


def refused(feed: FeedName, day: date, sequence: int = 1, **fields: Any) -> DeliveryManifest:
    return manifest_of(
        feed,
        day,
        sequence,
        verdict="refused",
        **{"failed_expectations": ["volume_not_halved: too few."], **fields},
    )


def whole_march() -> list[DeliveryManifest]:
    """Every feed complete for March 2026: snapshots of month ends, events exported on the 1st."""
    found = [promoted("activity", APR_1, event_days=days(FEB_28, MAR_31), newest_on=MAR_31)]
    for feed, contract in CONTRACT.items():
        if contract.kind == "snapshot":
            found += [promoted(feed, FEB_28), promoted(feed, MAR_31)]
        elif feed == "business_outcomes":
            found.append(promoted(feed, APR_1, newest_on=date(2025, 10, 1)))
        elif feed != "activity":
            found.append(promoted(feed, APR_1, newest_on=date(2026, 3, 3)))
    return found


def closed(
    lake: Lake,
    settings: Settings,
    *changes: DeliveryManifest,
    without: tuple[str, ...] = (),
    period: Period = MARCH,
    now: datetime = LATER,
) -> PeriodClose:
    """Close a lake of March's deliveries: ``without`` those of a feed, then with ``changes``."""
    in_place(lake, *(m for m in whole_march() if m.feed not in without), *changes)
    return close_period(settings, lake, period, "charter", now)


def test_a_complete_period(lake: Lake, make_settings: Callable[..., Settings]) -> None:
    close = closed(lake, make_settings())
    assert {name: feed.verdict for name, feed in close.feeds.items()} == dict.fromkeys(
        CONTRACT, "complete"
    )
    assert (close.verdict, close.allowed, close.stale_note) == ("complete", True, "")
    assert close.data_as_of == MAR_31 and close.feeds["people"].data_as_of == MAR_31
    assert close.feeds["people"].deliveries == [("2026-03-31.001", "hash-of-people-2026-03-31-1")]
    assert close.feeds["people"].deliveries_in_force == 2
    assert close.feeds["people"].rows_accepted == 20
    assert close.feeds["activity"].newest_on == MAR_31
    assert (close.charter_hash, close.code_version) == ("charter", code_version())
    assert read_close(lake, MARCH) == close == require_allowed(lake, MARCH)


QUIET_SINCE_10 = days(FEB_28, date(2026, 3, 10))
Case = tuple[FeedName, list[DeliveryManifest], str, date | None, str, str]
CASES: dict[str, Case] = {
    "old snapshot": ("people", [promoted("people", FEB_28)], "stale", FEB_28, "stale", "ends on"),
    "snapshots skip the period": (
        "org_units",
        [promoted("org_units", JAN_31), promoted("org_units", date(2026, 4, 30))],
        "stale",
        JAN_31,
        "stale",
        "The last snapshot of the period is of 31 January 2026.",
    ),
    "snapshot of the next day and one month old is complete": (
        "people",
        [promoted("people", FEB_28), promoted("people", APR_1)],
        "complete",
        MAR_31,
        "complete",
        "",
    ),
    "first snapshot after the period": (
        "people",
        [promoted("people", APR_1)],
        "missing",
        None,
        "held",
        "The first snapshot is of 1 April 2026, after the period.",
    ),
    "nothing": ("courses", [], "missing", None, "held", "No delivery is in force."),
    "only refused": ("enrolments", [refused("enrolments", MAR_31)], "missing", None, "held", "too"),
    "events not exported yet": (
        "certifications",
        [promoted("certifications", date(2026, 3, 15), newest_on=date(2026, 3, 2))],
        "stale",
        date(2026, 3, 14),
        "stale",
        "The data ends on 14 March 2026, 31 March 2026 is needed.",
    ),
    "events of the last day in a delivery of that day": (
        "certifications",
        [promoted("certifications", MAR_31, newest_on=MAR_31)],
        "complete",
        MAR_31,
        "complete",
        "",
    ),
    "an export without fresh events": (
        "activity",
        [promoted("activity", APR_1, event_days=QUIET_SINCE_10, newest_on=QUIET_SINCE_10[-1])],
        "stale",
        date(2026, 3, 10),
        "stale",
        "The newest event of the period is of 10 March 2026.",
    ),
    "seven quiet days are allowed": (
        "activity",
        [promoted("activity", APR_1, event_days=days(FEB_28, date(2026, 3, 24)))],
        "complete",
        MAR_31,
        "complete",
        "",
    ),
    "a hole in the middle": (
        "activity",
        [
            promoted(
                "activity",
                APR_1,
                event_days=[*QUIET_SINCE_10, *days(date(2026, 3, 20), MAR_31)],
                newest_on=MAR_31,
            )
        ],
        "stale",
        MAR_31,
        "stale",
        "No event from 11 March 2026 to 19 March 2026.",
    ),
    "activity begins inside the period": (
        "activity",
        [promoted("activity", APR_1, event_days=days(date(2026, 3, 15), MAR_31))],
        "stale",
        MAR_31,
        "stale",
        "The first event ever is of 15 March 2026.",
    ),
    "activity begins after the period": (
        "activity",
        [promoted("activity", date(2026, 5, 1), event_days=days(APR_1, date(2026, 4, 30)))],
        "missing",
        None,
        "held",
        "The first event is of 1 April 2026, after the period.",
    ),
    "no event at all": (
        "activity",
        [promoted("activity", APR_1, event_days=[], newest_on=None)],
        "missing",
        None,
        "held",
        "No delivery holds an event.",
    ),
    "newest delivery refused": (
        "people",
        [promoted("people", FEB_28), refused("people", MAR_31)],
        "refused",
        FEB_28,
        "stale",
        "Delivery 2026-03-31.001 was refused: volume_not_halved: too few.",
    ),
    "a refused redelivery is named, the last good one counts": (
        "people",
        [promoted("people", FEB_28), promoted("people", MAR_31), refused("people", MAR_31, 2)],
        "complete",
        MAR_31,
        "complete",
        "Delivery 2026-03-31.002 was refused",
    ),
    "refused, then delivered well": (
        "people",
        [promoted("people", FEB_28), refused("people", MAR_31), promoted("people", MAR_31, 2)],
        "complete",
        MAR_31,
        "complete",
        "",
    ),
    "events of a refused delivery are a hole": (
        "leader_actions",
        [
            refused("leader_actions", date(2026, 3, 8), contract_problem="row 3: no date"),
            promoted("leader_actions", APR_1, newest_on=MAR_31),
        ],
        "stale",
        MAR_31,
        "stale",
        "2026-03-08.001 refused and not delivered again",
    ),
    "a refused delivery after the period's export is another period's": (
        "leader_actions",
        [
            promoted("leader_actions", APR_1, newest_on=MAR_31),
            refused("leader_actions", date(2026, 4, 8)),
        ],
        "complete",
        MAR_31,
        "complete",
        "",
    ),
    "landed but not judged": (
        "people",
        [promoted("people", FEB_28), manifest_of("people", MAR_31)],
        "stale",
        FEB_28,
        "stale",
        "Delivery 2026-03-31.001 has landed but was not judged yet.",
    ),
    "outcomes of the last quarter but one": (
        "business_outcomes",
        [promoted("business_outcomes", APR_1, newest_on=date(2025, 7, 1))],
        "stale",
        SEP_30,
        "stale",
        "The data ends on 30 September 2025, 31 December 2025 is needed.",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_verdicts(case: str, lake: Lake, make_settings: Callable[..., Settings]) -> None:
    feed, deliveries, verdict, as_of, overall, why = CASES[case]
    close = closed(lake, make_settings(), *deliveries, without=(feed,))
    found = close.feeds[feed]
    assert (found.verdict, found.data_as_of, close.verdict) == (verdict, as_of, overall)
    assert why in found.reason
    if verdict == "complete" and not why:
        assert found.reason == ""
    assert close.allowed is (overall != "held")
    others = {n: f.verdict for n, f in close.feeds.items() if n != feed}
    assert set(others.values()) == {"complete"}
    if overall != "complete":
        assert found.reason in close.reason


def test_a_stale_period_is_marked_with_the_age_of_its_data(
    lake: Lake, make_settings: Callable[..., Settings]
) -> None:
    close = closed(
        lake,
        make_settings(),
        promoted("people", FEB_28),
        promoted("org_units", FEB_28),
        promoted("activity", APR_1, event_days=QUIET_SINCE_10),
        refused("leader_actions", date(2026, 3, 8)),
        without=("people", "org_units", "activity", "certifications"),
    )
    assert close.data_as_of == FEB_28
    assert close.stale_note == (
        "Data: people, org units as of 28 February 2026; activity as of 10 March 2026; "
        "leader actions incomplete; no data of certifications."
    )
    assert close.allowed


def test_stale_is_held_where_the_setting_says_so(
    lake: Lake, make_settings: Callable[..., Settings]
) -> None:
    close = closed(
        lake, make_settings(on_stale="hold"), promoted("people", FEB_28), without=("people",)
    )
    assert (close.verdict, close.allowed, close.stale_note) == ("held", False, "")
    assert "review.on_stale is 'hold'" in close.reason


def test_a_feed_is_waited_for_until_its_deadline(
    lake: Lake, make_settings: Callable[..., Settings]
) -> None:
    """1, 2 and 7 April 2026: Good Friday and Easter Monday are no working days."""
    settings = make_settings(certifications={"deadline_days": 4})
    for now, verdict in (
        (datetime(2026, 3, 31, 22, 59, tzinfo=UTC), "open"),  # 23:59 in London
        (datetime(2026, 3, 31, 23, 1, tzinfo=UTC), "held"),
        (datetime(2026, 4, 6, 12, tzinfo=UTC), "held"),
        (datetime(2026, 4, 7, 12, tzinfo=UTC), "stale"),
    ):
        close = closed(lake, settings, promoted("people", FEB_28), without=("people",), now=now)
        assert close.verdict == verdict, now
        if verdict == "held":
            assert "waiting for people until 7 April 2026." in close.reason
    assert close.feeds["certifications"].waits_until == date(2026, 4, 8)


@pytest.mark.parametrize(
    ("feed", "declared", "verdict", "overall"),
    [
        ("people", {"required": False}, "missing", "held"),
        ("activity", {"required": False}, "not_connected", "complete"),
        ("certifications", {"required": False}, "not_connected", "complete"),
        ("certifications", {"required": True}, "missing", "stale"),
        ("certifications", None, "not_connected", "complete"),
        ("activity", None, "missing", "held"),
    ],
)
def test_what_may_lack(
    feed: FeedName,
    declared: dict[str, Any] | None,
    verdict: str,
    overall: str,
    lake: Lake,
    make_settings: Callable[..., Settings],
) -> None:
    settings = (
        make_settings(without=(feed,))
        if declared is None
        else make_settings(**{str(feed): declared})
    )
    close = closed(lake, settings, without=(feed,))
    assert (close.feeds[feed].verdict, close.verdict) == (verdict, overall)
    if declared is None:
        assert close.feeds[feed].reason == "The feed is not declared in the settings."


def test_an_optional_feed_that_is_stale_marks_but_never_holds(
    lake: Lake, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings(on_stale="hold", initiatives={"required": False})
    close = closed(lake, settings, promoted("initiatives", FEB_28), without=("initiatives",))
    assert (close.verdict, close.allowed) == ("stale", True)
    assert close.stale_note == "Data: initiatives as of 28 February 2026."


def test_a_refused_set_of_changes_is_a_hole_and_a_refused_snapshot_is_not(
    lake: Lake, make_settings: Callable[..., Settings]
) -> None:
    middle = refused("enrolments", date(2026, 3, 15))
    assert closed(lake, make_settings(), middle).feeds["enrolments"].verdict == "complete"
    changes = make_settings(enrolments={"delivery": "changes"})
    found = closed(lake, changes, middle).feeds["enrolments"]
    assert found.verdict == "stale"
    assert "2026-03-15.001 refused and not delivered again: what it held is missing." in (
        found.reason
    )


def test_weeks_and_quarters_close_by_their_own_end(
    lake: Lake, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings()
    week = closed(lake, settings, period=Period.parse("2026-W12"))
    assert (week.verdict, week.data_as_of) == ("complete", date(2026, 3, 22))
    quarter = closed(lake, settings, period=Period.parse("2026-Q1"))
    assert quarter.feeds["business_outcomes"].reason.startswith("The data ends on 31 December 2025")
    assert quarter.feeds["activity"].reason == "The first event ever is of 28 February 2026."
    assert (quarter.grain, quarter.verdict) == (Grain.QUARTER, "stale")


def test_late_data_changes_what_the_period_stands_on(
    lake: Lake, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings()
    before = closed(lake, settings)
    again = closed(lake, settings)
    assert again == before
    late = promoted("certifications", date(2026, 4, 20), newest_on=date(2026, 3, 30))
    after = closed(lake, settings, late)
    assert after.feeds["certifications"].stands_on != before.feeds["certifications"].stands_on
    assert after.feeds["people"].stands_on == before.feeds["people"].stands_on
    assert [d for d, _ in after.feeds["certifications"].deliveries] == [
        "2026-04-01.001",
        "2026-04-20.001",
    ]


def test_the_gate_refuses_unless_the_close_allows(
    lake: Lake, make_settings: Callable[..., Settings]
) -> None:
    settings = make_settings()
    with pytest.raises(
        Problem, match=r"March 2026 was not closed.*materialize quality/month_close"
    ):
        require_allowed(lake, MARCH)
    closed(lake, settings, now=datetime(2026, 3, 20, tzinfo=UTC))
    with pytest.raises(Problem, match=r"March 2026 is open: the period ends on 31 March 2026"):
        require_allowed(lake, MARCH)
    closed(lake, settings)
    assert require_allowed(lake, MARCH).verdict == "complete"
    held = make_settings(without=("people",))
    lake.remove("deliveries", "people")
    lake.remove("in_force", "people.parquet")
    closed(lake, held, without=("people",))
    with pytest.raises(Problem, match=r"March 2026 is held: no figure can stand without people"):
        require_allowed(lake, MARCH)


@pytest.mark.parametrize(
    ("feed", "deliveries", "now", "state"),
    [
        ("people", [], LATER, "late"),
        ("people", [promoted("people", MAR_31)], datetime(2026, 4, 6, tzinfo=UTC), "fresh"),
        # April ended; its deadline is 6 May (the 4th is a bank holiday)
        ("people", [promoted("people", MAR_31)], datetime(2026, 5, 5, tzinfo=UTC), "fresh"),
        ("people", [promoted("people", MAR_31)], datetime(2026, 5, 6, tzinfo=UTC), "late"),
        (
            "activity",
            [promoted("activity", day) for day in days(APR_1, date(2026, 4, 10))],
            datetime(2026, 4, 14, tzinfo=UTC),
            "fresh",
        ),
        # the week to 12 April was due on the third working day after it
        (
            "activity",
            [promoted("activity", day) for day in days(APR_1, date(2026, 4, 10))],
            datetime(2026, 4, 15, tzinfo=UTC),
            "late",
        ),
        # with Easter between, the week to 5 April is due on the 9th
        (
            "activity",
            [promoted("activity", day) for day in days(date(2026, 3, 20), date(2026, 4, 1))],
            datetime(2026, 4, 8, tzinfo=UTC),
            "fresh",
        ),
        (
            "activity",
            [promoted("activity", day) for day in days(date(2026, 3, 20), date(2026, 4, 2))],
            datetime(2026, 4, 9, tzinfo=UTC),
            "late",
        ),
        # what comes less than weekly is only quiet between two months' ends
        (
            "certifications",
            [promoted("certifications", date(2026, month, 1)) for month in (1, 2, 3, 4)],
            datetime(2026, 5, 5, tzinfo=UTC),
            "fresh",
        ),
        (
            "certifications",
            [promoted("certifications", APR_1 - timedelta(days=ago)) for ago in (20, 10, 0)],
            datetime(2026, 4, 20, tzinfo=UTC),
            "quiet",
        ),
        (
            "business_outcomes",
            [promoted("business_outcomes", APR_1, newest_on=date(2026, 1, 1))],
            LATER,
            "fresh",
        ),
    ],
)
def test_freshness_is_the_age_of_the_data(
    feed: FeedName,
    deliveries: list[DeliveryManifest],
    now: datetime,
    state: str,
    make_settings: Callable[..., Settings],
) -> None:
    judged = freshness(make_settings(), feed, deliveries, now)
    assert judged.state == state, judged


FROM, UNTIL = date(2025, 11, 1), date(2026, 6, 1)
ALL_DAYS = days(date(2025, 8, 1), UNTIL)
WEEKDAYS = {f"on {day:%A}s": ALL_DAYS[number::7] for number, day in enumerate(ALL_DAYS[:7])}
RHYTHMS = {
    "monthly": [day for day in ALL_DAYS if day.day == 1],
    "monthly, delivered anew for two days": [day for day in ALL_DAYS if day.day <= 3],
    "dated by the day, brought monthly": ALL_DAYS,
    "fortnightly": ALL_DAYS[::14],
    "weekly from Tuesday to Thursday": [
        day + timedelta(days=number % 3) for number, day in enumerate(WEEKDAYS["on Tuesdays"])
    ],
    "every working day": [day for day in ALL_DAYS if day.weekday() < 5],
    "every day": ALL_DAYS,
    **WEEKDAYS,
}


@pytest.mark.parametrize("name", RHYTHMS)
def test_a_week_raises_no_false_alarm(name: str, make_settings: Callable[..., Settings]) -> None:
    """Seven months with Christmas and Easter, asked at noon, before the day's delivery comes: what
    keeps its rhythm is late by no week."""
    settings = {n: make_settings(activity={"deadline_days": n}) for n in (0, 3, 5)}
    organisation = settings[0].organisation
    coming = []
    for day in RHYTHMS[name]:
        # on a day that is no working day, people bring nothing
        at = day if name in ("every day", "monthly") else nth_working_day(
            day - timedelta(days=1), 1, organisation
        )  # fmt: skip
        dated = at
        if name == "dated by the day, brought monthly":
            at, dated = Period.containing(Grain.MONTH, day).end + timedelta(days=1), day
        coming.append(promoted("activity", dated, landed_at=at_hour(at, 20, organisation)))
    for day in days(FROM, UNTIL):
        now = at_hour(day, 12, organisation)
        come = [m for m in coming if m.landed_at < now][-70:]
        for each in settings.values():
            judged = freshness(each, "activity", come, now)
            assert "Week" not in judged.message, (day, judged)


def test_a_daily_feed_is_late_when_the_weekly_close_stops_waiting(
    make_settings: Callable[..., Settings],
) -> None:
    """It stops on any day of four months: late from the deadline of the first week it lacks."""
    settings = make_settings()
    declared = settings.feeds["activity"]
    for last in days(date(2025, 12, 1), date(2026, 3, 31)):
        come = [promoted("activity", day) for day in days(last - timedelta(days=20), last)]
        week = Period.containing(Grain.WEEK, last)  # a delivery speaks for the day before
        month = Period.containing(Grain.MONTH, last)
        due = min(deadline(settings, declared, each.end) for each in (week, month))
        late = [
            day
            for day in days(last, due)
            if freshness(settings, "activity", come, at_hour(day, 0, settings.organisation)).state
            == "late"
        ]
        assert late == [due], last


@pytest.mark.parametrize("comes", ["daily", "monthly"])
def test_deliveries_without_new_events_are_late_as_the_close_has_it(
    lake: Lake, make_settings: Callable[..., Settings], comes: str
) -> None:
    """Activity is delivered on, but its newest event is of 4 March: seven days are allowed."""
    settings = make_settings()
    had = days(date(2026, 2, 1), date(2026, 3, 4))
    come = [
        promoted("activity", day, event_days=[d for d in had if d < day][-3:])
        for day in days(date(2026, 2, 10), date(2026, 4, 8))
        if comes == "daily" or day.day == 1
    ]
    if comes == "monthly":
        come += [promoted("activity", date(2026, 3, 5), event_days=had)]
        come.sort(key=lambda m: m.delivery_date)
    in_place(lake, *(m for m in whole_march() if m.feed != "activity"), *come)
    # the close of the week to 15 March is the first that calls it stale; of months, March's
    period = Period.parse("2026-W11" if comes == "daily" else "2026-03")
    for each, verdict in ((period.shift(-1), "complete"), (period, "stale")):
        feeds = close_period(settings, lake, each, "charter", LATER).feeds
        assert feeds["activity"].verdict == verdict, each
    due = deadline(settings, settings.feeds["activity"], period.end)
    for day, state in ((due - timedelta(days=1), False), (due, True)):
        now = at_hour(day, 12, settings.organisation)
        standing = [m for m in come if m.delivery_date < day]
        judged = freshness(settings, "activity", standing, now)
        assert (judged.state == "late") is state, judged
    assert judged.message.startswith("deliveries go on, and their newest event is of 2026-03-04")
    assert (judged.due_on, judged.covered_until) == (due, date(2026, 3, 4))


def test_an_optional_feed_that_never_came_is_not_late(
    make_settings: Callable[..., Settings],
) -> None:
    settings = make_settings(initiatives={"required": False})
    assert freshness(settings, "initiatives", [], LATER).state == "not_connected"


def test_figures_are_refused_on_other_data_than_the_close_judged() -> None:
    from orchestration.quality.close import FeedVerdict, PeriodClose, require_unmoved

    period = Period.parse("2026-10")
    judged = {
        name: FeedVerdict(verdict="complete", stands_on="one") for name in ("people", "activity")
    }
    close = PeriodClose.model_construct(feeds=judged)
    require_unmoved(close, period, {"people": "one", "activity": "one"})
    with pytest.raises(Problem, match=r"activity changed since.*month_close for 2026-10-01"):
        require_unmoved(close, period, {"people": "one", "activity": "two"})


QUIET_FEEDS: tuple[FeedName, ...] = ("decisions", "records")


@pytest.mark.parametrize("feed", QUIET_FEEDS)
def test_what_people_keep_may_be_silent(
    lake: Lake, make_settings: Callable[..., Settings], feed: FeedName
) -> None:
    """Nothing recorded since January, and the declaration's `required` says nothing about it."""
    old = promoted(feed, JAN_31, newest_on=JAN_31)
    in_place(lake, *(m for m in whole_march() if m.feed != feed), old)
    close = close_period(lake=lake, settings=make_settings(), period=MARCH, charter_hash="c",
                         now=LATER)  # fmt: skip
    found = close.feeds[feed]
    assert (close.verdict, close.data_as_of) == ("complete", MAR_31)
    assert (found.verdict, found.required, found.data_as_of) == ("complete", False, MAR_31)
    judged = freshness(make_settings(), feed, [old], LATER)
    assert (judged.state, judged.covered_until) == ("fresh", JAN_31)
    assert "nothing new is no fault" in judged.message


@pytest.mark.parametrize("feed", QUIET_FEEDS)
def test_what_people_keep_may_begin_after_the_period_or_never(
    lake: Lake, make_settings: Callable[..., Settings], feed: FeedName
) -> None:
    late = promoted(feed, date(2026, 4, 30), newest_on=date(2026, 4, 30))
    close = closed(lake, make_settings(), late, without=QUIET_FEEDS)
    assert close.verdict == "complete"
    assert close.feeds[feed].verdict == "complete"
    other = next(name for name in QUIET_FEEDS if name != feed)
    assert close.feeds[other].verdict == "not_connected"
    judged = freshness(make_settings(), other, [], LATER)
    assert (judged.state, judged.age_days) == ("not_connected", None)


def test_a_refused_delivery_of_records_is_not_passed_over(
    lake: Lake, make_settings: Callable[..., Settings]
) -> None:
    close = closed(lake, make_settings(), refused("records", date(2026, 3, 20)))
    assert (close.verdict, close.feeds["records"].verdict) == ("stale", "stale")
    assert "2026-03-20.001 refused and not delivered again" in close.feeds["records"].reason
