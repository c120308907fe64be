"""Jobs and schedules: daily ingest, and the close, preview and publication of each ritual.

A tick asks "which closed periods are due and not yet settled?", never "is today the day?": Dagster
replays at most the last missed tick, and a review must not be lost to a weekend of downtime.

What is recorded between close and publication counts: where data moved since the close, the period
is closed once more on the day of publication, and the review goes out at a later tick of that day.

Late data (what arrives for a period after its close) closes exactly the periods that it touches
once more, drafts them anew and renews the archive; it sends nothing, and what was published stays.

A review that is held when it falls due keeps a held intent. It is closed again once its feeds have
recovered, at the next tick, and then goes out like any other, whatever was closed meanwhile.

A close that wrote its verdict and then failed leaves a draft that is not its own. The review is
held, the failed run is told, and the period is closed again once a day until its draft stands.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from dagster import (
    AssetKey,
    AssetsDefinition,
    AssetSelection,
    DagsterRunStatus,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    define_asset_job,
)

from orchestration.delivery.editions import open_intent
from orchestration.delivery.mailings import (
    EMAIL,
    MAILINGS,
    PACKS,
    Mailing,
    pack,
    published_together,
)
from orchestration.feeds.awaiting import awaiting
from orchestration.lake import Lake
from orchestration.periods import (
    Grain,
    Period,
    day_partitions,
    is_working_day,
    latest_closed,
    nth_working_day,
    partition_key,
    period_partitions,
)
from orchestration.quality.close import PeriodClose, judge_period, read_close, stands_on_now
from orchestration.scorecard.decisions import published_on
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.evidence import is_of_figures_in_force
from orchestration.settings import Settings
from orchestration.state import IntentStatus, State
from orchestration.warehouse.build import foundation_fingerprint
from orchestration.warehouse.charter import charter_in_force
from orchestration.warehouse.late import note_arrivals, ranges, touched_periods
from orchestration.warehouse.published import published_builds

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
FOUNDATION_JOB = "foundation"
INGEST_JOB = "ingest"
LOOK_BACK = {Grain.WEEK: 4, Grain.MONTH: 3, Grain.QUARTER: 2}
_CLOSE_MINUTE, _PREVIEW_MINUTE, _PUBLISH_MINUTE = 0, 15, 30
_HOURS_A_DAY = 12
_ENDED = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]
_UNDER_WAY = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
]
_RUN_KEY = "dagster/run_key"
_AFTER_SEALING = ("delivery", "archive")


def close_job_name(grain: Grain) -> str:
    """The job that closes a period and drafts its review."""
    return f"{grain.ritual}_close"


def publish_job_name(grain: Grain) -> str:
    """The job that seals and delivers a period's review."""
    return f"{grain.ritual}_publish"


def restate_job_name(grain: Grain) -> str:
    """The job that builds closed periods again which late data touches."""
    return f"{grain.ritual}_restate"


def delivered_mailings(assets: Sequence[AssetsDefinition]) -> list[Mailing]:
    """The mailings that have delivery assets, packs first."""
    keys = {key for definition in assets for key in definition.keys}
    return [
        mailing
        for mailing in MAILINGS.values()
        if AssetKey(["delivery", f"{mailing.asset}_delivery"]) in keys
    ]


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags that make one run cover the partitions ``first`` to ``last``."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}


def build_jobs(settings: Settings, assets: Sequence[AssetsDefinition]) -> list[Any]:
    """The foundation (charter and staging, unpartitioned); ingest over day partitions; for each
    ritual a close, one that builds closed periods again, and where it has pages, a publish job for
    the pack and the letters that go out with it; a job for letters that go out before.

    The foundation has a job of its own: in a run over a range of dates Dagster would note each of
    its models once for every date. The other jobs bring it up to date where it is not.
    """
    by_grain: dict[str | None, list[AssetsDefinition]] = {None: []}
    for definition in assets:
        by_grain.setdefault(_grain_of(settings, definition), []).append(definition)
    jobs = [
        define_asset_job(
            FOUNDATION_JOB,
            selection=AssetSelection.assets(*by_grain[None]),
            description="Load the programme charter, build staging; sends and publishes nothing.",
        ),
        define_asset_job(
            INGEST_JOB,
            selection=AssetSelection.assets(*by_grain["day"]),
            description="Land what has arrived, check it, fold snapshots, build the day facts.",
        ),
    ]
    for grain in Grain:
        drafted = [d for d in by_grain[grain.value] if _stage_of(d) not in _AFTER_SEALING]
        jobs.append(
            define_asset_job(
                close_job_name(grain),
                selection=AssetSelection.assets(*drafted),
                description=f"Close a {grain}: verdict, figures, draft pages. Sends nothing.",
            )
        )
        jobs.append(
            define_asset_job(
                restate_job_name(grain),
                selection=AssetSelection.assets(*drafted, *_archives(by_grain[grain.value])),
                description=(
                    f"Close {grain}s again that late data touches: figures, drafts, and in the "
                    "archive what published editions said otherwise. Sends nothing."
                ),
            )
        )
    mailings = delivered_mailings(assets)
    for grain in Grain:
        published = [each for each in mailings if each.grain is grain and each.sent == "with"]
        if published:
            archives = _archives(by_grain[grain.value])
            jobs.append(
                define_asset_job(
                    publish_job_name(grain),
                    selection=_delivery_of(*published) | AssetSelection.assets(*archives),
                    description=(
                        f"Seal the {' and the '.join(each.words for each in published)} and "
                        "deliver them, where an intent is open; archive otherwise."
                    ),
                )
            )
    jobs += [
        define_asset_job(
            mailing.name,
            selection=_delivery_of(mailing),
            description=(
                f"Seal the letters of the {mailing.words} and deliver them, where an intent is "
                "open; archive otherwise."
            ),
        )
        for mailing in mailings
        if mailing.sent == "before"
    ]
    return jobs


def _delivery_of(*mailings: Mailing) -> AssetSelection:
    return AssetSelection.assets(
        *(
            AssetKey(["delivery", f"{mailing.asset}_{what}"])
            for mailing in mailings
            for what in ("edition", "delivery")
        )
    )


def _grain_of(settings: Settings, definition: AssetsDefinition) -> str | None:
    """'day', 'week', 'month', 'quarter', or None for an unpartitioned asset."""
    if definition.partitions_def is None:
        return None
    organisation = settings.organisation
    known = {"day": day_partitions(organisation)}
    known.update({grain.value: period_partitions(grain, organisation) for grain in Grain})
    return next(name for name, known_def in known.items() if known_def == definition.partitions_def)


def _archives(definitions: Sequence[AssetsDefinition]) -> list[AssetsDefinition]:
    return [each for each in definitions if _stage_of(each) == "archive"]


def _stage_of(definition: AssetsDefinition) -> str:
    return next(iter(definition.keys)).path[0]


def due_on(settings: Settings, period: Period, *, publish: bool) -> date:
    """The day on which a period's close or publication falls due.

    A week is closed on the day it is published; a month or a quarter some working days before, but
    not before the first working day after it.
    """
    published = published_on(period, settings)
    if publish or period.grain is Grain.WEEK:
        return published
    organisation = settings.organisation
    before = settings.review.close_working_days_before
    close = nth_working_day(published, -before, organisation) if before else published
    return max(close, nth_working_day(period.end, 1, organisation))


def due_periods(settings: Settings, grain: Grain, today: date, *, publish: bool) -> list[Period]:
    """Closed periods of the recent past whose close or publication is due by ``today``."""
    newest = latest_closed(grain, today)
    recent = [newest.shift(-count) for count in reversed(range(LOOK_BACK[grain]))]
    return [
        period
        for period in recent
        if period.start >= settings.organisation.history_from
        and due_on(settings, period, publish=publish) <= today
    ]


def build_schedules(
    settings: Settings, assets: Sequence[AssetsDefinition]
) -> list[ScheduleDefinition]:
    """Hourly ticks of working hours, Monday to Friday, in the organisation's time zone."""
    schedules = [_close_schedule(settings, grain) for grain in Grain]
    mailings = delivered_mailings(assets)
    for mailing in mailings:
        if mailing.sent == "before":
            schedules.append(_preview_schedule(settings, mailing))
        elif not mailing.personal:
            riding = [m for m in mailings if m.grain is mailing.grain and m.sent == "with"]
            schedules.append(_publish_schedule(settings, mailing, riding))
    return schedules


def _cron(settings: Settings, minute: int) -> str:
    first = settings.review.hour
    return f"{minute} {first}-{_last_hour(settings)} * * 1-5"


def _last_hour(settings: Settings) -> int:
    return min(settings.review.hour + _HOURS_A_DAY - 1, 23)


def _local_day(settings: Settings, moment: datetime) -> date:
    return moment.astimezone(settings.organisation.zone).date()


def _is_last_tick(settings: Settings, moment: datetime) -> bool:
    return moment.astimezone(settings.organisation.zone).hour >= _last_hour(settings)


def _reclose_key(period: Period, today: date) -> str:
    """One for a period and day: however often data move, a period closes again once a day."""
    return f"reclose-{period.id}-{today}"


def _close_schedule(settings: Settings, grain: Grain) -> ScheduleDefinition:
    def tick(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        today = _local_day(settings, context.scheduled_execution_time)
        lake = Lake(settings.lake_url, settings.duckdb)
        built = published_builds(lake, grain)
        keys: dict[Period, str] = {}
        with State.open(settings) as state:
            due = due_periods(settings, grain, today, publish=False)
            for period in sorted({*due, *awaited_periods(state, grain)}):
                close = read_close(lake, period)
                if period.id not in built or close is None or not close.allowed:
                    keys[period] = f"close-{period.id}-{today}"
                if close is not None and _is_released(
                    settings, lake, period, close, context.scheduled_execution_time
                ):
                    keys[period] += "-released"  # at once, though it was closed today already
            for publication in publications(settings, state, lake, grain, today):
                period = publication.period
                if period in keys:
                    continue
                moved = not publication.sealed and moved_feeds(lake, period)
                if moved or _outdated(settings, lake, period, published_together(grain)):
                    keys[period] = _reclose_key(period, today)
        if not keys:
            yield SkipReason(f"every due {grain} is closed")
        for period, key in keys.items():
            yield RunRequest(run_key=key, partition_key=partition_key(period))

    return ScheduleDefinition(
        name=f"{grain.ritual}_close_schedule",
        job_name=close_job_name(grain),
        cron_schedule=_cron(settings, _CLOSE_MINUTE),
        execution_timezone=settings.organisation.time_zone,
        execution_fn=tick,
        default_status=DefaultScheduleStatus.RUNNING,
        description=(
            f"Closes each {grain} that is due and not yet closed, and once more, on the day of "
            "publication, where data moved since."
        ),
    )


def _is_released(
    settings: Settings, lake: Lake, period: Period, close: PeriodClose, now: datetime
) -> bool:
    """Whether a period that was closed as held would be allowed if it were closed now."""
    if close.allowed:
        return False
    return judge_period(settings, lake, period, close.charter_hash, now).allowed


def _outdated(settings: Settings, lake: Lake, period: Period, mailings: Iterable[Mailing]) -> str:
    """Why one of these drafts may not go out under the period's close; empty where all may."""
    close = read_close(lake, period)
    faults = (each.outdated(settings, period, close) for each in mailings) if close else ()
    return next(filter(None, faults), "")


def _publish_schedule(
    settings: Settings, mailing: Mailing, together: Sequence[Mailing]
) -> ScheduleDefinition:
    grain = mailing.grain

    def tick(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        moment = context.scheduled_execution_time
        today = _local_day(settings, moment)
        if not is_working_day(today, settings.organisation):
            yield SkipReason("no review goes out on a public holiday")
            return
        lake = Lake(settings.lake_url, settings.duckdb)
        asked, waits = [], []
        with State.open(settings) as state:
            for period, reason in hold_due(settings, state, lake, grain, today, together):
                waits.append(f"{period.id} is held: {reason}")
            for publication in publications(settings, state, lake, grain, today):
                period = publication.period
                why = _not_yet(settings, context, lake, mailing, publication, moment)
                if why:
                    waits.append(f"{period.id} {why}")
                    continue
                if publication.opens and not publication.sealed:
                    why = _outdated(settings, lake, period, together)
                if why:
                    _hold(state, together, period, f"it {why}.")
                    waits.append(f"{period.id} is held: it {why}")
                    continue
                for each in together if publication.opens else ():
                    open_intent(state, each.name, period.id, opened_by="schedule")
                asked.append(period)
        if not asked:
            yield SkipReason("; ".join(waits) or f"every due {mailing.words} is settled")
        for period in asked:
            yield RunRequest(
                run_key=f"publish-{period.id}-{today}", partition_key=partition_key(period)
            )

    return ScheduleDefinition(
        name=f"{mailing.name}_publish_schedule",
        job_name=publish_job_name(grain),
        cron_schedule=_cron(settings, _PUBLISH_MINUTE),
        execution_timezone=settings.organisation.time_zone,
        execution_fn=tick,
        default_status=DefaultScheduleStatus.RUNNING,
        description=(
            f"Opens the intent to send each {mailing.words} that is due and not settled, with the "
            "letters that go with it, and publishes it once its draft stands."
        ),
    )


def _not_yet(
    settings: Settings,
    context: ScheduleEvaluationContext,
    lake: Lake,
    mailing: Mailing,
    publication: Publication,
    moment: datetime,
) -> str:
    """Why a due review is not published at this tick; empty when it is.

    What is sealed waits for nothing any more. A close under way, and data that moved since the
    close, are waited for until it was closed again, at most until the day's last tick: a dead run
    and a feed that never rests hold nothing up.
    """
    period = publication.period
    if publication.sealed or not publication.opens:
        return ""
    close = read_close(lake, period)
    if close is not None and not close.allowed:
        return "waits for its feeds"
    if not mailing.is_drafted(settings, period):
        return "is not drafted yet"
    if _is_last_tick(settings, moment):
        return ""
    if closing(context, period.grain):
        return "is being closed"
    moved = moved_feeds(lake, period)
    if not moved or closing(
        context, period.grain, _reclose_key(period, _local_day(settings, moment))
    ):
        return ""
    return f"is to be closed again: {', '.join(moved)} changed since"


def closing(context: ScheduleEvaluationContext, grain: Grain, run_key: str | None = None) -> bool:
    """Whether a close of this grain is under way; or, with a run key, was asked for at all."""
    if run_key is None:
        return under_way(context, close_job_name(grain), restate_job_name(grain))
    return _is_asked(context, run_key)


def _is_asked(context: ScheduleEvaluationContext | SensorEvaluationContext, run_key: str) -> bool:
    wanted = RunsFilter(tags={_RUN_KEY: run_key})
    return bool(context.instance.get_run_records(wanted, limit=1))


def under_way(context: ScheduleEvaluationContext | SensorEvaluationContext, *jobs: str) -> bool:
    """Whether a run of one of these jobs waits or is at work."""
    return any(
        context.instance.get_run_records(RunsFilter(job_name=job, statuses=_UNDER_WAY), limit=1)
        for job in jobs
    )


def _last_succeeded(context: SensorEvaluationContext, job: str) -> bool:
    """Whether the newest run of a job that has ended succeeded."""
    filters = RunsFilter(job_name=job, statuses=_ENDED)
    records = context.instance.get_run_records(filters, limit=1)
    return bool(records) and records[0].dagster_run.is_success


def _preview_schedule(settings: Settings, mailing: Mailing) -> ScheduleDefinition:
    grain = mailing.grain

    def tick(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        moment = context.scheduled_execution_time
        today = _local_day(settings, moment)
        if not is_working_day(today, settings.organisation):
            yield SkipReason("no letter goes out on a public holiday")
            return
        lake = Lake(settings.lake_url, settings.duckdb)
        period = latest_closed(grain, today)
        with State.open(settings) as state:
            drop_late_previews(settings, state, mailing, today)
            why = _no_preview(settings, context, state, lake, mailing, period, moment)
            if not why:
                open_intent(state, mailing.name, period.id, opened_by="schedule")
        if why:
            yield SkipReason(f"{period.id} {why}")
        else:
            yield RunRequest(
                run_key=f"{mailing.name}-{period.id}-{today}", partition_key=partition_key(period)
            )

    return ScheduleDefinition(
        name=f"{mailing.name}_schedule",
        job_name=mailing.name,
        cron_schedule=_cron(settings, _PREVIEW_MINUTE),
        execution_timezone=settings.organisation.time_zone,
        execution_fn=tick,
        default_status=DefaultScheduleStatus.RUNNING,
        description=(
            f"Sends the {mailing.words} once its draft stands, before the review is published. "
            "What could no longer be answered is not sent."
        ),
    )


def _no_preview(
    settings: Settings,
    context: ScheduleEvaluationContext,
    state: State,
    lake: Lake,
    mailing: Mailing,
    period: Period,
    moment: datetime,
) -> str:
    """Why no preview of a period goes out now; empty when it does."""
    today = _local_day(settings, moment)
    if period.start < settings.organisation.history_from:
        return "is before the history begins"
    if today < due_on(settings, period, publish=False):
        return "is not closed yet"
    if today >= due_on(settings, period, publish=True):
        return "is published today or was before: a preview could not be answered"
    if period.id in state.settled_periods(mailing.name):
        return "is settled"
    if state.latest_edition(pack(mailing.grain).name, period.id) is not None:
        return "is published already"
    if closing(context, mailing.grain) and not _is_last_tick(settings, moment):
        return "is being closed"
    if period.id not in published_builds(lake, mailing.grain):
        return "has no figures yet"
    if not mailing.is_drafted(settings, period):
        return "is not drafted yet"
    return _outdated(settings, lake, period, [mailing])


def drop_late_previews(settings: Settings, state: State, mailing: Mailing, today: date) -> None:
    """Cancel what the schedule opened, was not sent, and could not be answered any more."""
    for intent in state.pending_intents(mailing.name):
        due = due_on(settings, Period.parse(intent.period_id), publish=True)
        if intent.opened_by == "schedule" and due <= today:
            state.cancel_intent(intent.intent_id, "the review it was to precede is due")


@dataclass(frozen=True)
class Publication:
    """A period whose publication is not over.

    Args:
        opens: whether its intents are to be open; else something is left of one that was.
        sealed: whether its pack was frozen.
    """

    period: Period
    opens: bool
    sealed: bool


def publications(
    settings: Settings, state: State, lake: Lake, grain: Grain, today: date
) -> list[Publication]:
    """Due periods with figures whose review was not sent, or not all of it, or not recorded.

    Only the latest closed period starts a programme's mail: older ones count once a review has
    been sent before them (so that a first start does not send the whole history).
    """
    name = pack(grain).name
    awaited = awaited_periods(state, grain)
    due = sorted({*due_periods(settings, grain, today, publish=True), *awaited})
    if not due:
        return []
    built = published_builds(lake, grain)
    sent = state.settled_periods(name)
    left = {
        intent.period_id
        for intent in state.pending_intents()
        if (mailing := MAILINGS.get(intent.ritual))
        and mailing.grain is grain
        and mailing.sent == "with"
        and mailing.personal
    }
    left |= {edition.period_id for edition in state.unrecorded_editions(name)}
    found = []
    for period in due:
        opens = period in awaited or _opens(grain, period, sent, today)
        if period.id in built and (opens or period.id in left):
            sealed = state.latest_edition(name, period.id) is not None
            found.append(Publication(period, opens, sealed))
    return found


def _opens(grain: Grain, period: Period, sent: Collection[str], today: date) -> bool:
    """Whether the schedule starts a due period's mail."""
    starts = period == latest_closed(grain, today) or any(earlier < period.id for earlier in sent)
    return period.id not in sent and starts


def awaited_periods(state: State, grain: Grain) -> set[Period]:
    """Periods whose review the schedule opened and that is not over, however long ago."""
    return {
        Period.parse(intent.period_id)
        for intent in state.pending_intents(pack(grain).name)
        if intent.opened_by == "schedule"
    }


def hold_due(
    settings: Settings,
    state: State,
    lake: Lake,
    grain: Grain,
    today: date,
    together: Sequence[Mailing],
) -> list[tuple[Period, str]]:
    """Open and hold the intents of due reviews whose close does not allow them yet.

    So that a review is remembered as due, and goes out when its feeds recover, also when a newer
    period has been closed and sent by then.

    Returns:
        Each held period and why.
    """
    sent = state.settled_periods(pack(grain).name)
    held = []
    for period in due_periods(settings, grain, today, publish=True):
        close = read_close(lake, period)
        if close is None or close.allowed or not _opens(grain, period, sent, today):
            continue
        _hold(state, together, period, close.reason)
        held.append((period, close.reason))
    return held


def _hold(state: State, together: Sequence[Mailing], period: Period, reason: str) -> None:
    """Open and hold the intents of one review until its close, or its draft, allows it."""
    for mailing in together:
        intent = open_intent(state, mailing.name, period.id, opened_by="schedule")
        pending = intent.status in (IntentStatus.OPEN, IntentStatus.HELD)
        # what is sealed goes out as it was sealed
        if pending and state.edition_of_intent(intent.intent_id) is None:
            state.hold_intent(intent.intent_id, reason, by="close")


def moved_feeds(lake: Lake, period: Period) -> list[str]:
    """The feeds whose deliveries in force are others than the period was closed on."""
    close = read_close(lake, period)
    if close is None:
        return []
    now = stands_on_now(lake)
    judged = close.stands_on
    return sorted(feed for feed, stands_on in now.items() if judged.get(feed) != stands_on)


def restatements_due(settings: Settings, lake: Lake) -> dict[Grain, list[tuple[Period, Period]]]:
    """What late data asks to be built again, what died while it was built included: of each grain,
    the first and last period of each unbroken stretch; quarters first, since months show them."""
    note_arrivals(settings, lake)
    touched = {each.period for each in touched_periods(lake)} | {*_outdated_drafts(settings, lake)}
    first = settings.organisation.history_from
    found = {
        grain: ranges([each for each in touched if each.grain is grain and each.start >= first])
        for grain in reversed(Grain)
    }
    return {grain: stretches for grain, stretches in found.items() if stretches}


def _outdated_drafts(settings: Settings, lake: Lake) -> Iterator[Period]:
    """Periods whose draft was not made anew when their figures were, or not to its end."""
    for mailing in PACKS:
        for file in (settings.home / "drafts" / mailing.name).glob(f"*/{SCORECARD}"):
            period = Period.parse(file.parent.name)
            figures = hashlib.sha256(file.read_bytes()).hexdigest()
            pages = file.with_name(EMAIL)
            if not is_of_figures_in_force(lake, period, figures) or (
                pages.exists() and pages.stat().st_mtime_ns < file.stat().st_mtime_ns
            ):
                yield period


def build_sensors(settings: Settings, jobs: Sequence[Any]) -> list[SensorDefinition]:
    """Arrival: lands deliveries as they appear. Charter: loads the seeds when they change. Late:
    builds closed periods again which late data touches.

    Args:
        jobs: what :func:`build_jobs` gives.
    """
    restating = {restate_job_name(grain) for grain in Grain}

    def late(context: SensorEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        lake = Lake(settings.lake_url, settings.duckdb)
        if under_way(context, INGEST_JOB):
            yield SkipReason("an ingest is under way")
            return
        known = [stands_on_now(lake), [published_builds(lake, grain) for grain in Grain]]
        standing = hashlib.sha256(str(known).encode()).hexdigest()[:16]
        if context.cursor == standing:
            yield SkipReason("nothing has arrived since the last look")
            return
        today = datetime.now(settings.organisation.zone).date()
        for grain, stretches in restatements_due(settings, lake).items():
            busy = [close_job_name(grain), publish_job_name(grain), restate_job_name(grain)]
            if under_way(context, *busy):
                yield SkipReason(f"a {grain} is being closed or published")
                return
            # asked for again where something arrived since; what failed, on the next day
            keys = {f"restate-{a.id}-{b.id}-{standing}-{today}": (a, b) for a, b in stretches}
            new = [key for key in keys if not _is_asked(context, key)]
            for key in new:
                first, last = keys[key]
                yield RunRequest(
                    run_key=key,
                    job_name=restate_job_name(grain),
                    tags=range_tags(partition_key(first), partition_key(last)),
                )
            if new:
                return  # what shows these periods is built after them
        context.update_cursor(standing)
        yield SkipReason("no late data touches a closed period")

    def arrival(context: SensorEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        if under_way(context, INGEST_JOB):  # what it has landed is not in force until it ends
            yield SkipReason("an ingest is under way")
            return
        lake = Lake(settings.lake_url, settings.duckdb)
        count, _, asked = (context.cursor or "0").partition(" ")
        found = awaiting(settings, lake)
        left = ",".join(map(str, sorted(found.unfinished)))
        # what was taken up already is not asked for again: what is wrong with it, its checks say
        tried = asked == left and _last_succeeded(context, INGEST_JOB)
        dates = found.arrived if tried else found.arrived | found.unfinished
        if not dates:
            yield SkipReason("nothing new in the landing folder")
            return
        first, last = min(dates).isoformat(), max(dates).isoformat()
        yield RunRequest(
            run_key=f"ingest-{first}-{last}-{len(dates)}-{count}",
            tags=range_tags(first, last),
        )
        context.update_cursor(f"{int(count) + 1} {left}")

    def charter(context: SensorEvaluationContext) -> RunRequest | SkipReason:
        fault = charter_in_force(settings).fault
        if fault is not None:
            raise fault  # the tick shows it; reviews go on with the last charter that passed
        fingerprint = foundation_fingerprint(settings)
        if context.cursor == fingerprint:
            return SkipReason("the charter, the models and the settings are as they were")
        context.update_cursor(fingerprint)
        return RunRequest(run_key=f"foundation-{fingerprint}")

    return [
        SensorDefinition(
            name="late_sensor",
            jobs=[job for job in jobs if job.name in restating],
            evaluation_fn=late,
            minimum_interval_seconds=60,
            default_status=DefaultSensorStatus.RUNNING,
            description="Builds closed periods again, and no others, where late data touches them.",
        ),
        SensorDefinition(
            name="charter_sensor",
            job_name=FOUNDATION_JOB,
            evaluation_fn=charter,
            minimum_interval_seconds=60,
            default_status=DefaultSensorStatus.RUNNING,
            description="Loads the programme charter again when one of its files changed.",
        ),
        SensorDefinition(
            name="arrival_sensor",
            job_name=INGEST_JOB,
            evaluation_fn=arrival,
            minimum_interval_seconds=60,
            default_status=DefaultSensorStatus.RUNNING,
            description="Starts ingest when a whole, settled delivery lies in the landing folder.",
        ),
    ]
