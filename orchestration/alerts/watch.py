"""What is broken now: feeds whose data is late, refused deliveries, failed checks, failed runs.

Each watch gives its findings and the causes it could judge. What it cannot judge (data just being
ingested, a check whose run is still going) is left as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from dagster import (
    AssetCheckKey,
    AssetCheckSeverity,
    DagsterInstance,
    DagsterRunStatus,
    RunsFilter,
)
from dagster._core.execution.stats import StepEventStatus
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from orchestration.cadences import INGEST_JOB
from orchestration.delivery.mailings import pack
from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import DeliveryManifest, initialise
from orchestration.incidents import OPERATIONS, PROGRAMME, Finding, feed_owner
from orchestration.lake import Lake
from orchestration.periods import Grain, Period, at_hour, latest_closed
from orchestration.quality.close import Holdings, needed_until
from orchestration.quality.freshness import Freshness, freshness
from orchestration.scorecard.decisions import published_on
from orchestration.settings import FeedName, Settings
from orchestration.state import State

_PATIENCE_WITH_INGEST = timedelta(hours=2)
_NAMED = 3
_UNDER_WAY = [DagsterRunStatus.STARTING, DagsterRunStatus.STARTED]
_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE]
# what these show is told of the feed itself
_OF_THE_FEED = frozenset({"contract", "expectations", "freshness"})


@dataclass
class Seen:
    """What one watch found, and every cause it could judge."""

    findings: list[Finding] = field(default_factory=list)
    judged: set[str] = field(default_factory=set)

    def add(self, cause: str, finding: Finding | None) -> None:
        """Note one judged cause: broken as the finding says, or well."""
        self.judged.add(cause)
        if finding is not None:
            self.findings.append(finding)


@dataclass(frozen=True)
class Watch:
    """Looks at one organisation's lake and Dagster instance.

    Args:
        now: aware time of the look.
    """

    settings: Settings
    state: State
    lake: Lake
    instance: DagsterInstance
    now: datetime

    # ---- feeds ---------------------------------------------------------------------------

    def feeds(self) -> Seen:
        """Late data and refused deliveries of each declared feed.

        Nothing is judged before the first delivery ever came, nor while an ingest is under way.
        """
        seen = Seen()
        if self._ingesting():
            return seen
        initialise(self.lake)
        holdings = Holdings.read(self.lake)
        if not any(holdings.known[feed] for feed in CONTRACT if feed != "records"):
            return seen
        for feed in self.settings.feeds:
            standing = holdings.standing[feed]
            judged = freshness(self.settings, feed, standing, self.now)
            late = self._late(judged) if judged.state == "late" else None
            seen.add(f"feed {feed}", late)
            newest = max(
                holdings.known[feed], key=lambda m: (m.delivery_date, m.sequence), default=None
            )
            refused = newest is not None and newest.verdict == "refused"
            seen.add(
                f"check quality/raw_{feed}",
                self._refused(feed, newest, judged) if newest and refused else None,
            )
        return seen

    def _ingesting(self) -> bool:
        running = self.instance.get_run_records(
            RunsFilter(
                job_name=INGEST_JOB,
                statuses=_UNDER_WAY,
                created_after=self.now - _PATIENCE_WITH_INGEST,
            ),
            limit=1,
        )
        return bool(running)

    def _late(self, judged: Freshness) -> Finding:
        feed = judged.feed
        return Finding(
            cause=f"feed {feed}",
            owner=feed_owner(feed),
            title=f"the feed {feed} is late",
            detail=f"{judged.message[0].upper()}{judged.message[1:]} "
            f"It had to reach {judged.needed_until}.",
            at_risk=self._at_risk(Grain, feed, judged.covered_until),
            remedy=self._deliver(feed),
            since=at_hour(judged.due_on, 0, self.settings.organisation),
        )

    def _refused(self, feed: FeedName, newest: DeliveryManifest, judged: Freshness) -> Finding:
        broken = newest.contract_problem is not None
        what = (
            "breaks the contract (a file, a column or a type)"
            if broken
            else f"does not meet {len(newest.failed_expectations)} of its expectations"
        )
        return Finding(
            cause=f"check quality/raw_{feed}",
            owner=feed_owner(feed),
            title=f"a delivery of {feed} was refused",
            detail=f"The delivery {newest.delivery_id} {what}; the last good one stays in force.",
            at_risk=self._at_risk(Grain, feed, judged.covered_until),
            remedy=f"Read the check {'contract' if broken else 'expectations'} of the asset "
            f"quality/raw_{feed} in Dagster: it names each fault. {self._deliver(feed)}",
            since=newest.landed_at,
        )

    def _deliver(self, feed: FeedName) -> str:
        patterns = ", ".join(self.settings.feeds[feed].files.values())
        return (
            f"Put a whole delivery ({patterns}) into the landing folder; it is taken up by itself "
            "within minutes."
        )

    # ---- checks --------------------------------------------------------------------------

    def checks(self, keys: Iterable[AssetCheckKey]) -> Seen:
        """Asset checks whose newest evaluation failed as an error."""
        seen = Seen()
        wanted = [
            key
            for key in keys
            if not (key.name in _OF_THE_FEED and key.asset_key.path[-1].startswith("raw_"))
        ]
        storage = self.instance.event_log_storage
        found = storage.get_latest_asset_check_execution_by_key(wanted) if wanted else {}
        for key, record in found.items():
            if key not in wanted:  # the storage asks for assets and names apart
                continue
            cause = f"check {key.asset_key.to_user_string()} {key.name}"[:255]
            if record.status is AssetCheckExecutionRecordStatus.SUCCEEDED:
                seen.add(cause, None)
            elif record.status is AssetCheckExecutionRecordStatus.FAILED:
                seen.add(cause, self._failed_check(cause, key, record))
        return seen

    def _failed_check(
        self, cause: str, key: AssetCheckKey, record: AssetCheckExecutionRecord
    ) -> Finding | None:
        event = record.event.dagster_event if record.event else None
        if event is None:
            return None
        if event.asset_check_evaluation_data.severity is not AssetCheckSeverity.ERROR:
            return None
        asset = key.asset_key.to_user_string()
        of = f" for {record.partition}" if record.partition else ""
        closing = key.name == "complete"
        return Finding(
            cause=cause,
            owner=PROGRAMME if closing else OPERATIONS,
            title=f"the check {key.name} of {asset} failed",
            detail=f"It failed{of} in run {record.run_id[:8]}; what it found stands with it."
            + (" The period is held or has not ended." if closing else ""),
            at_risk=self._at_risk(_grains_of(asset)),
            remedy="Open the asset's checks in Dagster, mend what is named, then materialize "
            f"{asset} again.",
            since=datetime.fromtimestamp(record.create_timestamp, UTC),
        )

    # ---- runs ----------------------------------------------------------------------------

    def runs(self, jobs: Sequence[str]) -> Seen:
        """Jobs whose newest ended run failed; however often it failed, one finding."""
        seen = Seen()
        for job in jobs:
            newest = self.instance.get_run_records(
                RunsFilter(job_name=job, statuses=_ENDED), limit=1
            )
            if newest:
                run = newest[0].dagster_run
                failed = run.status is DagsterRunStatus.FAILURE
                seen.add(f"run {job}", self._failed_run(job, run.run_id) if failed else None)
        return seen

    def _failed_run(self, job: str, run_id: str) -> Finding:
        good = self.instance.get_run_records(
            RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS]), limit=1
        )
        failures = RunsFilter(
            job_name=job,
            statuses=[DagsterRunStatus.FAILURE],
            created_after=good[0].create_timestamp if good else None,
        )
        count = self.instance.get_runs_count(failures)
        first = self.instance.get_run_records(failures, limit=1, ascending=True)
        steps = [
            each.step_key
            for each in self.instance.get_run_step_stats(run_id)
            if each.status is StepEventStatus.FAILURE
        ]
        where = ", ".join(steps[:_NAMED]) + (f" and {len(steps) - _NAMED} more" * (len(steps) > 3))
        named = "a run launched by hand" if job.startswith("__") else f"the job {job}"
        times = "once" if count == 1 else f"{count} times in a row"
        return Finding(
            cause=f"run {job}",
            owner=OPERATIONS,
            title=f"{named} failed",
            detail=f"It failed {times}, last in run {run_id[:8]}"
            + (f", at {where}." if steps else ", outside its steps (its process may have died)."),
            at_risk=self._at_risk(_grains_of(job)),
            remedy=f"Open run {run_id[:8]} in Dagster, mend the cause that it names, and run it "
            "again: what was delivered stays delivered.",
            since=_aware(first[0].create_timestamp) if first else self.now,
        )

    # ---- editions ------------------------------------------------------------------------

    def _at_risk(
        self,
        grains: Iterable[Grain],
        feed: FeedName | None = None,
        covered: date | None = None,
    ) -> str:
        """The next edition of each ritual that what is broken would keep or mark."""
        found = []
        for grain in grains:
            period = self._next(grain)
            if feed is not None and covered is not None and covered >= needed_until(feed, period):
                continue
            found.append(
                f"the {pack(grain).words} of {period.label} "
                f"(due {published_on(period, self.settings)})"
            )
        if not found:
            return "No edition due next."
        named = ", ".join(found)
        if feed is None:
            return f"{named[0].upper()}{named[1:]}."
        held = covered is None or self.settings.review.on_stale == "hold"
        fate = "are held until it recovers" if held else 'go out marked "data as of"'
        return f"{named[0].upper()}{named[1:]}: as set, editions {fate}."

    def _next(self, grain: Grain) -> Period:
        today = self.now.astimezone(self.settings.organisation.zone).date()
        closed = latest_closed(grain, today)
        published = self.state.latest_edition(pack(grain).name, closed.id) is not None
        return closed.shift(1) if published else closed


def _grains_of(name: str) -> list[Grain]:
    """The rituals that a job or an asset belongs to by its name; all where it names none."""
    words = name.replace("/", "_").split("_")
    found = [grain for grain in Grain if grain.value in words or grain.ritual in words]
    return found or list(Grain)


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
