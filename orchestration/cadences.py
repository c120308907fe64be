"""Jobs and schedules: daily ingest, and the close and publication of each ritual.

A tick asks "which closed periods are due and not yet settled?", never "is today the day?": Dagster
replays at most the last missed tick, and a review must not be lost to a weekend of downtime.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from dagster import (
    AssetsDefinition,
    AssetSelection,
    DefaultScheduleStatus,
    DefaultSensorStatus,
    RunRequest,
    ScheduleDefinition,
    ScheduleEvaluationContext,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
    define_asset_job,
)

from orchestration.delivery.editions import open_intent
from orchestration.feeds.awaiting import awaiting_dates
from orchestration.lake import Lake
from orchestration.periods import (
    Grain,
    Period,
    day_partitions,
    latest_closed,
    nth_working_day,
    partition_key,
    period_partitions,
)
from orchestration.quality.close import read_close
from orchestration.settings import Settings
from orchestration.state import State
from orchestration.warehouse.build import foundation_fingerprint
from orchestration.warehouse.published import published_builds

RANGE_START_TAG = "dagster/asset_partition_range_start"
RANGE_END_TAG = "dagster/asset_partition_range_end"
FOUNDATION_JOB = "foundation"
INGEST_JOB = "ingest"
LOOK_BACK = {Grain.WEEK: 4, Grain.MONTH: 3, Grain.QUARTER: 2}


def close_job_name(grain: Grain) -> str:
    """The job that closes a period and drafts its review."""
    return f"{grain.ritual}_close"


def publish_job_name(grain: Grain) -> str:
    """The job that seals and delivers a period's review."""
    return f"{grain.ritual}_publish"


def range_tags(first: str, last: str) -> dict[str, str]:
    """Tags that make one run cover the partitions ``first`` to ``last``."""
    return {RANGE_START_TAG: first, RANGE_END_TAG: last}


def build_jobs(settings: Settings, assets: Sequence[AssetsDefinition]) -> list[Any]:
    """The foundation (charter and staging, unpartitioned); ingest over day partitions; for each
    ritual a close, and where it has pages, a publish job.

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
        drafted = [d for d in by_grain[grain.value] if _stage_of(d) != "delivery"]
        delivered = [d for d in by_grain[grain.value] if _stage_of(d) == "delivery"]
        jobs.append(
            define_asset_job(
                close_job_name(grain),
                selection=AssetSelection.assets(*drafted),
                description=f"Close a {grain}: verdict, figures, draft pages. Sends nothing.",
            )
        )
        if delivered:
            jobs.append(
                define_asset_job(
                    publish_job_name(grain),
                    selection=AssetSelection.assets(*delivered),
                    description=(
                        f"Seal the {grain.ritual} review and deliver it, where an intent is "
                        "open; archive it otherwise."
                    ),
                )
            )
    return jobs


def _grain_of(settings: Settings, definition: AssetsDefinition) -> str | None:
    """'day', 'week', 'month', 'quarter', or None for an unpartitioned asset."""
    if definition.partitions_def is None:
        return None
    organisation = settings.organisation
    known = {"day": day_partitions(organisation)}
    known.update({grain.value: period_partitions(grain, organisation) for grain in Grain})
    return next(name for name, known_def in known.items() if known_def == definition.partitions_def)


def _stage_of(definition: AssetsDefinition) -> str:
    return next(iter(definition.keys)).path[0]


def due_on(settings: Settings, period: Period, *, publish: bool) -> date:
    """The day on which a period's close or publication falls due.

    Weekly: the set weekday after the week's end. Monthly and quarterly: the n-th working day after
    the period's end; the close some working days before.
    """
    review, organisation = settings.review, settings.organisation
    if period.grain is Grain.WEEK:
        return period.shift(1).start + timedelta(days=review.weekly_weekday)
    count = (
        review.monthly_working_day if period.grain is Grain.MONTH else review.quarterly_working_day
    )
    if not publish:
        count = max(1, count - review.close_working_days_before)
    return nth_working_day(period.end, count, organisation)


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


def build_schedules(settings: Settings) -> list[ScheduleDefinition]:
    """Working-day hourly ticks, in the organisation's time zone, from the review hour on."""
    hours = f"{settings.review.hour}-{min(settings.review.hour + 11, 23)}"
    schedules = []
    for grain in Grain:
        schedules.append(_close_schedule(settings, grain, f"0 {hours} * * 1-5"))
    schedules.append(_publish_schedule(settings, Grain.MONTH, f"30 {hours} * * 1-5"))
    return schedules


def _local_day(settings: Settings, moment: datetime) -> date:
    return moment.astimezone(settings.organisation.zone).date()


def _close_schedule(settings: Settings, grain: Grain, cron: str) -> ScheduleDefinition:
    def tick(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        today = _local_day(settings, context.scheduled_execution_time)
        lake = Lake(settings.lake_url, settings.duckdb)
        built = published_builds(lake, grain)
        waiting = []
        for period in due_periods(settings, grain, today, publish=False):
            close = read_close(lake, period)
            if period.id not in built or close is None or not close.allowed:
                waiting.append(period)
        if not waiting:
            yield SkipReason(f"every due {grain} is closed")
        for period in waiting:
            yield RunRequest(
                run_key=f"close-{period.id}-{today}", partition_key=partition_key(period)
            )

    return ScheduleDefinition(
        name=f"{grain.ritual}_close_schedule",
        job_name=close_job_name(grain),
        cron_schedule=cron,
        execution_timezone=settings.organisation.time_zone,
        execution_fn=tick,
        default_status=DefaultScheduleStatus.RUNNING,
        description=f"Closes each {grain} that is due and not yet closed.",
    )


def _publish_schedule(settings: Settings, grain: Grain, cron: str) -> ScheduleDefinition:
    def tick(context: ScheduleEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        today = _local_day(settings, context.scheduled_execution_time)
        state = State.open(settings)
        waiting = unsettled_periods(settings, state, grain, today)
        if not waiting:
            yield SkipReason(f"every due {grain.ritual} review is settled")
        for period in waiting:
            open_intent(state, grain.ritual, period.id, opened_by="schedule")
            yield RunRequest(
                run_key=f"publish-{period.id}-{today}", partition_key=partition_key(period)
            )

    return ScheduleDefinition(
        name=f"{grain.ritual}_publish_schedule",
        job_name=publish_job_name(grain),
        cron_schedule=cron,
        execution_timezone=settings.organisation.time_zone,
        execution_fn=tick,
        default_status=DefaultScheduleStatus.RUNNING,
        description=(
            f"Opens the intent to send each {grain.ritual} review that is due and not settled, "
            "and publishes it once its draft stands."
        ),
    )


def unsettled_periods(settings: Settings, state: State, grain: Grain, today: date) -> list[Period]:
    """Due periods whose review is drafted and was not sent.

    Only the latest closed period starts a programme's mail: older ones count once a review has
    been sent before them (so that a first start does not send the whole history).
    """
    lake = Lake(settings.lake_url, settings.duckdb)
    built = published_builds(lake, grain)
    sent = state.settled_periods(grain.ritual)
    newest = latest_closed(grain, today)
    waiting = []
    for period in due_periods(settings, grain, today, publish=True):
        catches_up = any(earlier < period.id for earlier in sent)
        if period.id in built and period.id not in sent and (period == newest or catches_up):
            waiting.append(period)
    return waiting


def build_sensors(settings: Settings) -> list[SensorDefinition]:
    """Arrival: lands deliveries as they appear. Charter: loads the seeds when they change."""

    def arrival(context: SensorEvaluationContext) -> Iterator[RunRequest | SkipReason]:
        lake = Lake(settings.lake_url, settings.duckdb)
        dates = awaiting_dates(settings, lake)
        if not dates:
            yield SkipReason("nothing new in the landing folder")
            return
        first, last = min(dates).isoformat(), max(dates).isoformat()
        yield RunRequest(
            run_key=f"ingest-{first}-{last}-{len(dates)}-{context.cursor or 0}",
            tags=range_tags(first, last),
        )
        context.update_cursor(str(int(context.cursor or 0) + 1))

    def charter(context: SensorEvaluationContext) -> RunRequest | SkipReason:
        fingerprint = foundation_fingerprint(settings)
        if context.cursor == fingerprint:
            return SkipReason("the charter, the models and the settings are as they were")
        context.update_cursor(fingerprint)
        return RunRequest(run_key=f"foundation-{fingerprint}")

    return [
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
