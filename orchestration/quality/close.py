"""The period close: what a period's figures stand on, and whether they may be made at all.

A close is a small manifest in the lake, ``closes/<grain>/<period_id>.json``. It names, for each
feed, the deliveries in force, what they reach up to and how complete that makes the feed; from
these the period gets one verdict. Every asset behind the close calls ``require_allowed`` and
refuses unless the verdict lets it: an asset check cannot do that, since it holds back only what
runs in the same run.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from importlib import metadata
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, Field

from orchestration.feeds.contract import CONTRACT, KEPT_BY_PEOPLE
from orchestration.feeds.deliveries import DeliveryManifest, in_force, manifests
from orchestration.lake import Lake
from orchestration.periods import Grain, Period, nth_working_day
from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT, FeedName, FeedSettings, Settings

FeedState = Literal["complete", "stale", "missing", "refused", "not_connected"]
PeriodState = Literal["open", "complete", "stale", "held"]

MAX_SNAPSHOT_AGE_DAYS = 31
# Without these tables no figure can stand; a feed that its declaration calls optional may lack.
ALWAYS_NEEDED: frozenset[FeedName] = frozenset({"people", "org_units"})
NEEDED_UNLESS_OPTIONAL: frozenset[FeedName] = frozenset({"courses", "enrolments", "activity"})


class FeedVerdict(BaseModel):
    """One feed's part in a period.

    Attributes:
        verdict: ``complete`` reaches the period's end; ``stale`` does not, or has a hole;
            ``refused`` does not, because newer deliveries were refused (the last good one is in
            force); ``missing`` has nothing for the period; ``not_connected`` is optional and has
            nothing.
        required: whether the period waits for the feed, or is held without it.
        data_as_of: last day the data covers, at most the period's end; null for none.
        reason: why, one or more sentences; for ``complete``, what is worth knowing.
        deliveries: (delivery_id, content hash) in force, dated in or after the period.
        stands_on: hash over every delivery in force of the feed, older ones included.
        arrival: number of the newest publication of the feed; what has a higher one came late.
        newest_on: local date of the newest event or snapshot in force.
        rows_accepted, rows_rejected: sums over the deliveries in force, all dates.
        waits_until: the feed's deadline for this period.
    """

    verdict: FeedState
    required: bool = True
    data_as_of: date | None = None
    reason: str = ""
    deliveries: list[tuple[str, str]] = Field(default_factory=list)
    deliveries_in_force: int = 0
    stands_on: str = ""
    arrival: int = 0
    newest_on: date | None = None
    rows_accepted: int = 0
    rows_rejected: int = 0
    waits_until: date | None = None
    owner: str | None = None


class PeriodClose(BaseModel):
    """The close of one period: the verdict, and everything the figures stand on.

    Attributes:
        verdict: ``open`` (the period has not ended), ``complete``, ``stale`` (goes out marked) or
            ``held``.
        allowed: whether figures, pages and mail of the period may be made.
        data_as_of: the oldest ``data_as_of`` of the stale feeds; the period's end when complete.
        stale_note: the mark a reader sees, such as "Data as of 12 October 2026 (activity)."
    """

    period_id: str
    grain: Grain
    period_start: date
    period_end: date
    closed_at: datetime
    feeds: dict[FeedName, FeedVerdict]
    charter_hash: str
    code_version: str
    verdict: PeriodState
    reason: str
    allowed: bool
    data_as_of: date | None = None
    stale_note: str = ""

    @property
    def stands_on(self) -> dict[FeedName, str]:
        """Of each feed, the hash over its deliveries in force that the period was closed on."""
        return {feed: verdict.stands_on for feed, verdict in self.feeds.items()}


@dataclass(frozen=True)
class Holdings:
    """Every known delivery of each feed, and those in force; one reading serves many periods."""

    known: dict[FeedName, list[DeliveryManifest]]
    standing: dict[FeedName, list[DeliveryManifest]]

    @classmethod
    def read(cls, lake: Lake) -> Holdings:
        """Read the manifests and the index of every feed."""
        known = {feed: manifests(lake, feed) for feed in CONTRACT}
        ids = {feed: {row["delivery_id"] for row in in_force(lake, feed)} for feed in CONTRACT}
        return cls(
            known,
            {feed: [m for m in known[feed] if m.delivery_id in ids[feed]] for feed in CONTRACT},
        )


def close_period(
    settings: Settings,
    lake: Lake,
    period: Period,
    charter_hash: str,
    now: datetime,
    holdings: Holdings | None = None,
) -> PeriodClose:
    """Judge a period by the deliveries in force, and store the close; see :func:`judge_period`."""
    close = judge_period(settings, lake, period, charter_hash, now, holdings)
    lake.write_json(close.model_dump(mode="json"), *close_file(period))
    return close


def judge_period(
    settings: Settings,
    lake: Lake,
    period: Period,
    charter_hash: str,
    now: datetime,
    holdings: Holdings | None = None,
) -> PeriodClose:
    """What the close of a period would be, made now; stores nothing.

    Args:
        charter_hash: hash of the programme charter the figures will be made with.
        now: aware time; decides whether the period has ended and which deadlines have passed.
        holdings: the deliveries, where the caller closes several periods; else read here.
    """
    today = now.astimezone(settings.organisation.zone).date()
    holdings = holdings or Holdings.read(lake)
    feeds = {name: _feed_verdict(settings, holdings, name, period) for name in CONTRACT}
    verdict, reason = _period_verdict(settings, period, feeds, today)
    stale = {n: f for n, f in feeds.items() if f.verdict in ("stale", "refused")}
    allowed = verdict in ("complete", "stale")
    dates = [f.data_as_of for f in stale.values() if f.data_as_of is not None]
    return PeriodClose(
        period_id=period.id,
        grain=period.grain,
        period_start=period.start,
        period_end=period.end,
        closed_at=now,
        feeds=feeds,
        charter_hash=charter_hash,
        code_version=code_version(),
        verdict=verdict,
        reason=reason,
        allowed=allowed,
        data_as_of=min(dates, default=period.end if verdict == "complete" else None),
        stale_note=_stale_note(feeds, period) if verdict == "stale" else "",
    )


def read_close(lake: Lake, period: Period) -> PeriodClose | None:
    """The stored close of a period; None where it was never closed."""
    if not lake.exists(*close_file(period)):
        return None
    return PeriodClose.model_validate(lake.read_json(*close_file(period)))


def require_allowed(lake: Lake, period: Period) -> PeriodClose:
    """The period's close, where its verdict lets figures be made.

    Raises:
        Problem: the period was not closed, has not ended, or is held; says why and what to do.
    """
    close = read_close(lake, period)
    if close is None:
        raise Problem(
            f"{period.label} was not closed: nothing says what its figures would stand on.",
            file=lake.path(*close_file(period)),
            remedy=f"materialize quality/{period.grain}_close for {period.start} first.",
        )
    if not close.allowed:
        raise Problem(
            f"{period.label} is {close.verdict}: {close.reason}",
            file=lake.path(*close_file(period)),
            remedy=(
                "wait for the period's end, then close it."
                if close.verdict == "open"
                else "deliver what is named, ingest it, then materialize "
                f"quality/{period.grain}_close for {period.start} again."
            ),
        )
    return close


def stands_on_now(lake: Lake) -> dict[FeedName, str]:
    """Of each feed, the hash over every delivery in force now: what a close made now would note."""
    return {
        feed: _digest([(row["delivery_id"], row["content_hash"]) for row in in_force(lake, feed)])
        for feed in CONTRACT
    }


def manifest_hash(stands_on: Mapping[FeedName, str]) -> str:
    """One hash over every delivery in force of every feed: the raw data that figures stand on.

    Args:
        stands_on: of each feed, the hash over its deliveries in force, as a close has it.
    """
    return hashlib.sha256(json.dumps(stands_on, sort_keys=True).encode()).hexdigest()


def require_unmoved(close: PeriodClose, period: Period, now: Mapping[FeedName, str]) -> None:
    """Refuse to make figures on other data than the close judged.

    Args:
        now: what ``stands_on_now`` gives.

    Raises:
        Problem: a feed's deliveries in force changed since the close; names the feeds.
    """
    moved = [feed for feed, judged in close.stands_on.items() if judged != now[feed]]
    if moved:
        raise Problem(
            f"{period.label} was closed on other data than is in force now: "
            f"{', '.join(moved)} changed since.",
            remedy=f"materialize quality/{period.grain}_close for {period.start} again, then this.",
        )


def covered_until(feed: FeedName, deliveries: Sequence[DeliveryManifest]) -> date | None:
    """Last day that the deliveries in force speak for; None for no delivery.

    A snapshot speaks for its date. A delivery of events speaks for the days before its date, and
    for later ones as far as its events go. A delivery of outcomes speaks for the quarters of the
    outcomes in it, since these come weeks after the quarter.
    """
    if not deliveries:
        return None
    if CONTRACT[feed].kind == "snapshot":
        return max(m.delivery_date for m in deliveries)
    newest = max((m.newest_on for m in deliveries if m.newest_on is not None), default=None)
    if feed == "business_outcomes":
        return Period.containing(Grain.QUARTER, newest).end if newest else None
    delivered = max(m.delivery_date for m in deliveries) - timedelta(days=1)
    return max(newest, delivered) if newest else delivered


def needed_until(feed: FeedName, period: Period) -> date:
    """Last day a feed has to cover for a period to be complete: the period's end.

    Outcomes are a quarter's: a week or a month shows the last quarter that ended before it.
    """
    if feed == "business_outcomes" and period.grain is not Grain.QUARTER:
        return Period.containing(Grain.QUARTER, period.start).shift(-1).end
    return period.end


def deadline(settings: Settings, declared: FeedSettings, end: date) -> date:
    """The day on which a feed that does not cover a period ending on ``end`` is waited for last."""
    if not declared.deadline_days:
        return end
    return nth_working_day(end, declared.deadline_days, settings.organisation)


def holes(settings: Settings, holdings: Holdings, feed: FeedName) -> list[DeliveryManifest]:
    """Refused deliveries of events or changes that nothing stands in for, oldest first.

    What they held is missing until their date is delivered again. The next whole snapshot makes up
    for a refused one; so does the next delivery of outcomes, whose quarters are looked at one by
    one. What is older than the history falls in no period.
    """
    declared = settings.feeds.get(feed)
    changes = declared is not None and declared.delivery == "changes"
    if (CONTRACT[feed].kind == "snapshot" and not changes) or feed == "business_outcomes":
        return []
    dates = {m.delivery_date for m in holdings.standing[feed]}
    present = {day for m in holdings.standing[feed] for day in m.event_days}
    return [
        m
        for m in _refused(holdings.known[feed])
        if m.delivery_date not in dates
        and m.delivery_date >= settings.organisation.history_from
        and not (m.event_days and present.issuperset(m.event_days))
    ]


def bearing_on(
    period: Period, refused: Sequence[DeliveryManifest], standing: Sequence[DeliveryManifest]
) -> list[DeliveryManifest]:
    """Those that would have brought data of the period: up to the first in force after it."""
    after = [m.delivery_date for m in standing if m.delivery_date > period.end]
    last = min(after, default=None)
    return [
        m
        for m in refused
        if m.delivery_date >= period.start and (last is None or m.delivery_date <= last)
    ]


@cache
def code_version() -> str:
    """The git commit that runs (``+`` for local changes), else the installed package's version."""
    git = shutil.which("git")
    if git and (PROJECT_ROOT / ".git").exists():
        described = subprocess.run(  # noqa: S603 - fixed arguments, absolute program
            [git, "describe", "--always", "--abbrev=12", "--dirty=+", "--exclude=*"],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
        if described.returncode == 0:
            return described.stdout.strip()
    try:
        return metadata.version("lms-adoption-review")
    except metadata.PackageNotFoundError:
        return "unknown"


def close_file(period: Period) -> tuple[str, ...]:
    """Where the close of a period lies in the lake."""
    return ("closes", period.grain.value, f"{period.id}.json")


def _feed_verdict(
    settings: Settings, holdings: Holdings, feed: FeedName, period: Period
) -> FeedVerdict:
    """One feed's verdict for one period."""
    declared = settings.feeds.get(feed)
    known, standing = holdings.known[feed], holdings.standing[feed]
    found = FeedVerdict(
        verdict="complete",
        required=_is_required(feed, declared),
        deliveries=[
            (m.delivery_id, m.content_hash) for m in standing if m.delivery_date >= period.start
        ],
        deliveries_in_force=len(standing),
        stands_on=_digest([(m.delivery_id, m.content_hash) for m in standing]),
        arrival=max((m.arrival for m in standing), default=0),
        newest_on=max((m.newest_on for m in standing if m.newest_on is not None), default=None),
        rows_accepted=sum(m.rows_accepted for m in standing),
        rows_rejected=sum(m.rows_rejected for m in standing),
        waits_until=deadline(settings, declared, period.end) if declared else None,
        owner=declared.owner if declared else None,
    )
    refused = bearing_on(period, _refused(known), standing)
    unjudged = [m for m in known if m.verdict == "staged" and m.delivery_date >= period.start]
    named = " ".join(
        [
            *(_refusal(m) for m in refused[-3:]),
            *(
                f"Delivery {m.delivery_id} has landed but was not judged yet."
                for m in unjudged[-3:]
            ),
        ]
    )
    if declared is None and not standing:
        nothing = "The feed is not declared in the settings."
    else:
        nothing = _nothing(feed, period, standing)
    if nothing:
        verdict: FeedState = "missing" if found.required else "not_connected"
        return found.model_copy(update={"verdict": verdict, "reason": f"{nothing} {named}".strip()})
    covered = covered_until(feed, standing)
    if feed in KEPT_BY_PEOPLE:  # nobody had more to say up to the period's end
        covered = max(covered or period.end, period.end)
    as_of = min(covered, period.end) if covered else None
    faults = _staleness(feed, period, standing, covered, declared)
    if faults:
        as_of = min(
            [d for d in (as_of, *(day for _, day in faults)) if d is not None], default=None
        )
    missing = bearing_on(period, holes(settings, holdings, feed), standing)
    if missing:
        faults.append(
            (
                f"{', '.join(m.delivery_id for m in missing[:3])} refused and not delivered again: "
                "what it held is missing.",
                None,
            )
        )
    if not faults:
        return found.model_copy(update={"data_as_of": as_of, "reason": named})
    newest_refused = any(m.delivery_date > max(s.delivery_date for s in standing) for m in refused)
    return found.model_copy(
        update={
            "verdict": "refused" if newest_refused else "stale",
            "data_as_of": as_of,
            "reason": " ".join([*(text for text, _ in faults), named]).strip(),
        }
    )


def _is_required(feed: FeedName, declared: FeedSettings | None) -> bool:
    """Whether the feed may not lack: by its nature, or because its declaration says so."""
    if feed in ALWAYS_NEEDED:
        return True
    if feed in KEPT_BY_PEOPLE:
        return False
    return declared.required if declared else feed in NEEDED_UNLESS_OPTIONAL


def _nothing(feed: FeedName, period: Period, standing: Sequence[DeliveryManifest]) -> str:
    """Why there is no data for the period at all; empty where there is some."""
    if not standing:
        return "No delivery is in force."
    if feed in KEPT_BY_PEOPLE:
        return ""
    if CONTRACT[feed].kind == "snapshot":
        first = min(m.delivery_date for m in standing)
        what = "snapshot"
    elif feed == "activity":
        days = [day for m in standing for day in m.event_days]
        if not days:
            return "No delivery holds an event."
        first, what = min(days), "event"
    else:
        return ""
    if first > period.end:
        return f"The first {what} is of {_say(first)}, after the period."
    return ""


def _staleness(
    feed: FeedName,
    period: Period,
    standing: Sequence[DeliveryManifest],
    covered: date | None,
    declared: FeedSettings | None,
) -> list[tuple[str, date | None]]:
    """What makes the feed's data not reach the period's end: (why, data as of)."""
    faults: list[tuple[str, date | None]] = []
    needed = needed_until(feed, period)
    if covered is None or covered < needed:
        until = f"ends on {_say(covered)}" if covered else "has no dated row"
        faults.append((f"The data {until}, {_say(needed)} is needed.", covered))
    if CONTRACT[feed].kind == "snapshot" and feed not in KEPT_BY_PEOPLE:
        newest = max(m.delivery_date for m in standing if m.delivery_date <= period.end)
        if (period.end - newest).days > MAX_SNAPSHOT_AGE_DAYS:
            faults.append((f"The last snapshot of the period is of {_say(newest)}.", newest))
    if feed == "activity" and declared is not None:
        faults += _quiet(period, standing, declared.max_quiet_days)
    return faults


def _quiet(
    period: Period, standing: Sequence[DeliveryManifest], allowed: int
) -> list[tuple[str, date | None]]:
    """Stretches of more than ``allowed`` days without any event: late start, middle, end."""
    days = sorted({day for m in standing for day in m.event_days if day <= period.end})
    faults: list[tuple[str, date | None]] = []
    if days[0] > period.start and (days[0] - period.start).days > allowed:
        faults.append((f"The first event ever is of {_say(days[0])}.", None))
    inside = [day for day in days if day >= period.start]
    around = [*[day for day in days if day < period.start][-1:], *inside]
    for before, after in pairwise(around):
        start = max(before + timedelta(days=1), period.start)
        if (after - start).days > allowed:
            faults.append(
                (f"No event from {_say(start)} to {_say(after - timedelta(days=1))}.", None)
            )
    if (period.end - days[-1]).days > allowed:
        faults.append((f"The newest event of the period is of {_say(days[-1])}.", days[-1]))
    return faults


def _refused(known: Sequence[DeliveryManifest]) -> list[DeliveryManifest]:
    """Refused deliveries that are the newest of their date."""
    newest: dict[date, DeliveryManifest] = {}
    for manifest in known:  # in order: the highest sequence of a date comes last
        newest[manifest.delivery_date] = manifest
    return [m for m in newest.values() if m.verdict == "refused"]


def _refusal(manifest: DeliveryManifest) -> str:
    why = manifest.contract_problem or "; ".join(manifest.failed_expectations) or "no reason kept"
    return f"Delivery {manifest.delivery_id} was refused: {why}"


def _period_verdict(
    settings: Settings, period: Period, feeds: dict[FeedName, FeedVerdict], today: date
) -> tuple[PeriodState, str]:
    if today <= period.end:
        return "open", f"the period ends on {_say(period.end)}."
    behind = {n: f for n, f in feeds.items() if f.verdict in ("stale", "refused", "missing")}
    if not behind:
        return "complete", "every connected feed covers the period."
    reasons = " ".join(f"{name}: {f.reason}" for name, f in behind.items())
    lacking = [
        name
        for name, f in behind.items()
        if f.verdict == "missing" and name in ALWAYS_NEEDED | NEEDED_UNLESS_OPTIONAL
    ]
    if lacking:
        return "held", f"no figure can stand without {', '.join(lacking)}. {reasons}"
    required = {name: f for name, f in behind.items() if f.required}
    waiting = {
        name: f.waits_until
        for name, f in required.items()
        if f.waits_until is not None and today < f.waits_until
    }
    if waiting:
        until = max(waiting.values())
        return "held", f"waiting for {', '.join(waiting)} until {_say(until)}. {reasons}"
    if required and settings.review.on_stale == "hold":
        return "held", f"the setting review.on_stale is 'hold'. {reasons}"
    return "stale", reasons


def _stale_note(feeds: dict[FeedName, FeedVerdict], period: Period) -> str:
    """One line for the reader of a page: which data is as of when."""
    by_day: dict[date, list[str]] = {}
    partial, absent = [], []
    for name, feed in feeds.items():
        said = name.replace("_", " ")
        if feed.verdict == "missing" or (
            feed.verdict in ("stale", "refused") and not feed.data_as_of
        ):
            absent.append(said)
        elif feed.verdict in ("stale", "refused") and feed.data_as_of is not None:
            if feed.data_as_of < period.end:
                by_day.setdefault(feed.data_as_of, []).append(said)
            else:
                partial.append(said)
    parts = [f"{', '.join(names)} as of {_say(day)}" for day, names in sorted(by_day.items())]
    if partial:
        parts.append(f"{', '.join(partial)} incomplete")
    if absent:
        parts.append(f"no data of {', '.join(absent)}")
    return f"Data: {'; '.join(parts)}." if parts else ""


def _say(day: date) -> str:
    return f"{day.day} {day:%B %Y}"


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()
