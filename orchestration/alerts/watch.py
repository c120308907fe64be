"""What is broken now: feeds whose data is late, refused deliveries, failed checks, failed runs,
mail that did not arrive, reviews that wait for a person.

Each watch gives its findings and the causes it could judge. What it cannot judge (data just being
ingested, a check whose run is still going) is left as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from dagster import (
    AssetCheckEvaluation,
    AssetCheckKey,
    AssetCheckSeverity,
    AssetKey,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    RunsFilter,
)
from dagster._core.execution.stats import StepEventStatus
from dagster._core.storage.asset_check_execution_record import (
    AssetCheckExecutionRecord,
    AssetCheckExecutionRecordStatus,
)

from orchestration.alerts.failing import PARTITION_TAG, Failure, judge
from orchestration.cadences import INGEST_JOB, RANGE_END_TAG, RANGE_START_TAG
from orchestration.delivery.mailings import MAILINGS, pack
from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import DeliveryManifest, initialise
from orchestration.incidents import (
    OPERATIONS,
    PROGRAMME,
    Finding,
    feed_owner,
    open_incidents,
)
from orchestration.lake import Lake
from orchestration.periods import Grain, Period, at_hour, latest_closed
from orchestration.quality.assets import freshness_check
from orchestration.quality.close import Holdings, bearing_on, covered_until, holes, needed_until
from orchestration.quality.freshness import Freshness, freshness
from orchestration.scorecard.decisions import published_on
from orchestration.scorecard.unreached import happened, mail_words, roles_words, undelivered
from orchestration.settings import FeedName, Settings
from orchestration.state import Intent, State, Undelivered

_PATIENCE_WITH_INGEST = timedelta(hours=2)
_NAMED = 3
_RUNS_JUDGED = 25
"""Ended runs of a job that a look reads; an older failure stays open until it is made good."""
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
        ages = []
        for feed in self.settings.feeds:
            standing = holdings.standing[feed]
            judged = freshness(self.settings, feed, standing, self.now)
            ages.append(judged)
            late = self._late(judged) if judged.state == "late" else None
            seen.add(f"feed {feed}", late)
            seen.add(f"check quality/raw_{feed}", self._refused(feed, holdings))
        self._show(ages)
        return seen

    def _show(self, judged: Sequence[Freshness]) -> None:
        """Bring the freshness checks up to what is so: data ages without a run."""
        checks = {
            AssetCheckKey(AssetKey(["quality", f"raw_{each.feed}"]), "freshness"): freshness_check(
                self.settings, each
            )
            for each in judged
        }
        storage = self.instance.event_log_storage
        found = storage.get_latest_asset_check_execution_by_key(list(checks))
        for key, result in checks.items():
            record = found.get(key)
            shown = record.evaluation if record is not None else None
            is_so = (result.passed, result.severity)
            if (shown is None and result.passed) or (
                shown is not None and (shown.passed, shown.severity) == is_so
            ):
                continue
            self.instance.report_runless_asset_event(
                AssetCheckEvaluation(
                    asset_key=key.asset_key,
                    check_name=key.name,
                    passed=result.passed,
                    severity=result.severity,
                    description=result.description,
                    metadata=result.metadata,
                )
            )

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
        feed, covered = judged.feed, judged.covered_until
        return Finding(
            cause=f"feed {feed}",
            owner=feed_owner(feed),
            title=f"the feed {feed} is late",
            detail=f"{judged.message[0].upper()}{judged.message[1:]} "
            f"It had to reach {judged.needed_until}.",
            at_risk=self._lacking(
                covered, lambda period: covered is None or covered < needed_until(feed, period)
            ),
            remedy=self._deliver(feed),
            since=at_hour(judged.due_on, 0, self.settings.organisation),
        )

    def _refused(self, feed: FeedName, holdings: Holdings) -> Finding | None:
        """What was refused and nothing has made good: the newest delivery, and every hole.

        The next snapshot makes good what was refused; of events and changes, only their own date
        does, delivered again.
        """
        standing, missing = holdings.standing[feed], holes(self.settings, holdings, feed)
        newest = max(
            holdings.known[feed], key=lambda m: (m.delivery_date, m.sequence), default=None
        )
        is_last = newest is not None and newest.verdict == "refused"
        refused = [*missing, *([newest] if newest and is_last and newest not in missing else [])]
        if not refused:
            return None
        told = [f"the delivery {m.delivery_id} {_fault(m)}" for m in refused[-_NAMED:]]
        more = f" (and {len(refused) - _NAMED} before)" * (len(refused) > _NAMED)
        checks = {"contract" if m.contract_problem else "expectations" for m in refused}
        if missing:
            ids = ", ".join(m.delivery_id for m in missing[-_NAMED:])
            follows = (
                f"No later delivery makes up for {ids}: what was in it is missing from every "
                "review of its days, and published ones are restated once it is there."
            )
        else:
            follows = "The last good one stays in force."
        covered = covered_until(feed, standing)

        def lacks(period: Period) -> bool:
            ends_early = covered is None or covered < needed_until(feed, period)
            return (is_last and ends_early) or bool(bearing_on(period, missing, standing))

        return Finding(
            cause=f"check quality/raw_{feed}",
            owner=feed_owner(feed),
            title=f"a delivery of {feed} was refused",
            detail=f"T{'; '.join(told)[1:]}{more}. {follows}",
            at_risk=self._lacking(covered, lacks),
            remedy=f"Read the check {' and '.join(sorted(checks))} of the asset quality/raw_{feed} "
            f"in Dagster: it names each fault. {self._deliver(feed, again=bool(missing))}",
            since=min(m.landed_at for m in refused),
        )

    def _deliver(self, feed: FeedName, *, again: bool = False) -> str:
        patterns = ", ".join(self.settings.feeds[feed].files.values())
        what = (
            f"Have it corrected and deliver the same date again ({patterns})"
            if again
            else f"Put a whole delivery ({patterns}) into the landing folder"
        )
        return f"{what}; it is taken up by itself within minutes."

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

    def runs(self, jobs: Mapping[str, frozenset[AssetKey]]) -> Seen:
        """Jobs that failed for some partitions and have not done them since.

        However often a job fails for the same, one finding; another period's success does not
        close it.

        Args:
            jobs: each job with its assets.
        """
        seen = Seen()
        open_causes = [each.cause for each in open_incidents(self.state)]
        for job, assets in jobs.items():
            judged = judge(
                self.instance.get_run_records(
                    RunsFilter(job_name=job, statuses=_ENDED), limit=_RUNS_JUDGED
                ),
                assets,
            )
            mine = {
                cause: partition
                for cause in open_causes
                if (partition := _partition_of(cause, job)) is not _OTHER
            }
            for failure in judged.failures:
                told = [c for c, p in mine.items() if c.endswith(_suffix(failure))
                        and failure.covers(p)]  # fmt: skip
                cause = min(told, default=_cause_of(job, failure))
                seen.add(cause, self._failed_run(cause, job, failure))
            seen.judged |= {c for c, partition in mine.items() if judged.is_well(partition)}
        return seen

    def _failed_run(self, cause: str, job: str, failure: Failure) -> Finding:
        newest = failure.runs[0].dagster_run
        count, since = len(failure.runs), _aware(failure.runs[-1].create_timestamp)
        if count > 1:  # those that were not looked at may be of the same
            alike = RunsFilter(
                job_name=job,
                statuses=[DagsterRunStatus.FAILURE],
                tags={
                    tag: value
                    for tag, value in newest.tags.items()
                    if tag in (PARTITION_TAG, RANGE_START_TAG, RANGE_END_TAG)
                },
                created_after=self._last_success(job, newest),
            )
            count = max(count, self.instance.get_runs_count(alike))
            first = self.instance.get_run_records(alike, limit=1, ascending=True)
            since = min([since, *(_aware(each.create_timestamp) for each in first)])
        steps = [
            each.step_key
            for each in self.instance.get_run_step_stats(newest.run_id)
            if each.status is StepEventStatus.FAILURE
        ]
        where = ", ".join(steps[:_NAMED]) + (f" and {len(steps) - _NAMED} more" * (len(steps) > 3))
        named = "a run launched by hand" if job.startswith("__") else f"the job {job}"
        of = _said_of(job, failure)
        times = "once" if count == 1 else f"{count} times in a row"
        run_id = newest.run_id[:8]
        return Finding(
            cause=cause,
            owner=OPERATIONS,
            title=f"{named} failed{of}",
            detail=f"It failed {times}, last in run {run_id}"
            + (f", at {where}." if steps else ", outside its steps (its process may have died)."),
            at_risk=self._at_risk(_grains_of(job)),
            remedy=f"Open run {run_id} in Dagster, mend the cause that it names, and run it "
            "again: what was delivered stays delivered.",
            since=since,
        )

    def _last_success(self, job: str, failed: DagsterRun) -> datetime | None:
        """When a run of just the same partitions last succeeded."""
        tags = {
            tag: value
            for tag, value in failed.tags.items()
            if tag in (PARTITION_TAG, RANGE_START_TAG, RANGE_END_TAG)
        }
        good = self.instance.get_run_records(
            RunsFilter(job_name=job, statuses=[DagsterRunStatus.SUCCESS], tags=tags), limit=1
        )
        return good[0].create_timestamp if good else None

    # ---- mail ----------------------------------------------------------------------------

    def mail(self) -> Seen:
        """Recipients whom a review or letter did not reach, one finding each.

        It is over once a later mail has reached them, or a person has settled it.
        """
        seen = Seen(judged={e.cause for e in open_incidents(self.state) if e.cause[:5] == "mail "})
        lost: dict[str, list[Undelivered]] = {}
        for each in undelivered(self.settings, self.state):
            lost.setdefault(each.recipient, []).append(each)
        for mails in lost.values():
            cause = f"mail {mails[0].number}"  # it is told in logs: no address
            seen.add(cause, self._lost_mail(cause, mails))
        return seen

    def waiting(self) -> Seen:
        """Reviews and letters that wait for a person's word, one finding each: held by somebody,
        or by a restore, they would be forgotten."""
        known = {e.cause for e in open_incidents(self.state) if e.cause.startswith("held ")}
        seen = Seen(judged=known)
        for intent in self.state.pending_intents():
            cause = f"held {intent.ritual} {intent.period_id}"
            seen.add(cause, self._held(cause, intent) if intent.held_by == "person" else None)
        return seen

    def _held(self, cause: str, intent: Intent) -> Finding:
        words = f"the {MAILINGS[intent.ritual].words} of {Period.parse(intent.period_id).label}"
        of = f"{intent.ritual} {intent.period_id}"
        return Finding(
            cause=cause,
            owner=PROGRAMME,
            title=f"{words} waits for a person",
            detail=f"It is held: {intent.reason or 'no reason was given'}.",
            at_risk=f"{words[0].upper()}{words[1:]}: it is not sent before somebody says so.",
            remedy=f"Where it was not sent yet, `python -m orchestration intents release {of}`; "
            f"where it was, or is not to be, `intents cancel {of} --why ...`.",
            since=intent.updated_at,
        )

    def _lost_mail(self, cause: str, mails: Sequence[Undelivered]) -> Finding:
        last = mails[-1]
        told = "; ".join(
            f"the {mail_words(each)} {happened(self.settings, each)}" for each in mails[-_NAMED:]
        )
        reason = " ".join(word for word in last.reason.split() if "@" not in word)
        numbers = " or ".join(str(each.number) for each in mails)
        return Finding(
            cause=cause,
            owner=OPERATIONS,
            title=f"mail does not reach the {roles_words(last)}",
            detail=f"{told[0].upper()}{told[1:]}." + (f" The server said: {reason}" * bool(reason)),
            at_risk=self._at_risk(_grains_of(last.ritual)),
            remedy="`python -m orchestration undelivered list` names the address. Correct it in "
            "the HR records or name another holder of the role; lift the suppression at the mail "
            "provider where there is one; hand over what they missed. It is over once a later "
            f"mail has reached them, or by `undelivered settle {numbers} --why ...`.",
            since=mails[0].happened_at,
        )

    # ---- editions ------------------------------------------------------------------------

    def _at_risk(self, grains: Iterable[Grain]) -> str:
        """The next edition of each ritual, which what is broken would keep."""
        return f"{self._named([self._next(grain) for grain in grains])}."

    def _lacking(self, covered: date | None, lacks: Callable[[Period], bool]) -> str:
        """The first edition of each ritual, next or in the making, that lacks data of a feed.

        Args:
            covered: last day that the feed speaks for.
            lacks: whether a period does, as its close judges it.
        """
        today = self.now.astimezone(self.settings.organisation.zone).date()
        found = []
        for grain in Grain:
            coming = [self._next(grain), Period.containing(grain, today)]
            found += [period for period in coming if lacks(period)][:1]
        if not found:
            return "No edition due next."
        held = covered is None or self.settings.review.on_stale == "hold"
        fate = "are held until it recovers" if held else 'go out marked "data as of"'
        return f"{self._named(found)}: as set, editions {fate}."

    def _named(self, periods: Iterable[Period]) -> str:
        named = ", ".join(
            f"the {pack(each.grain).words} of {each.label} "
            f"(due {published_on(each, self.settings)})"
            for each in periods
        )
        return f"{named[0].upper()}{named[1:]}"

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


def _fault(refused: DeliveryManifest) -> str:
    if refused.contract_problem is not None:
        return "breaks the contract (a file, a column or a type)"
    return f"does not meet {len(refused.failed_expectations)} of its expectations"


_OTHER = object()


def _cause_of(job: str, failure: Failure) -> str:
    partition = f" {failure.first}" if failure.first else ""
    return f"run {job}{partition}{_suffix(failure)}"


def _suffix(failure: Failure) -> str:
    """What tells runs of some assets only apart from those of others; empty for whole jobs."""
    if failure.assets is None:
        return ""
    names = ",".join(sorted(key.to_string() for key in failure.assets))
    return f" of {hashlib.sha256(names.encode()).hexdigest()[:8]}"


def _partition_of(cause: str, job: str) -> Any:
    """The partition that the cause of a run's incident names, None for a job without; ``_OTHER``
    where it is another job's."""
    what, _, rest = cause.partition(" ")
    name, _, of = rest.partition(" ")
    if (what, name) != ("run", job):
        return _OTHER
    return date.fromisoformat(of[:10]) if of[:1].isdigit() else None


def _said_of(job: str, failure: Failure) -> str:
    """' for October 2026', ' for 1 to 3 November 2026'; nothing for a job without partitions."""
    if failure.first is None or failure.last is None:
        return ""
    grains = [grain for grain in Grain if grain.ritual in job.split("_")]
    first, last = (
        (Period.containing(grains[0], day).label if grains else str(day))
        for day in (failure.first, failure.last)
    )
    return f" for {first}" if first == last else f" for {first} to {last}"


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
