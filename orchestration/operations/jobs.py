"""Backup and retention as Dagster jobs with a schedule each; a failed one is told like any run."""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
from datetime import UTC, datetime

from dagster import (
    DefaultScheduleStatus,
    JobDefinition,
    OpExecutionContext,
    ScheduleDefinition,
    job,
    op,
)

from orchestration.operations.backup import backup
from orchestration.operations.retention import due, remove
from orchestration.problems import Problem
from orchestration.settings import Settings

BACKUP_JOB, RETENTION_JOB = "backup", "retention"


def build_jobs(settings: Settings) -> list[JobDefinition]:
    """Retention, and backup where the settings name a folder for it."""
    return [
        *([_backup_job(settings)] if settings.backup_folder is not None else []),
        _retention_job(settings),
    ]


def build_schedules(settings: Settings) -> list[ScheduleDefinition]:
    """Every night, in the organisation's time zone."""
    found = []
    if settings.backup_folder is not None:
        found.append(
            _nightly(settings, BACKUP_JOB, settings.backup.hour, "Backs up what cannot be rebuilt.")
        )
    if settings.retention.scheduled:
        found.append(
            _nightly(
                settings,
                RETENTION_JOB,
                settings.retention.hour,
                "Removes what was kept for as long as the settings say.",
            )
        )
    return found


def _nightly(settings: Settings, name: str, hour: int, description: str) -> ScheduleDefinition:
    return ScheduleDefinition(
        name=f"{name}_schedule",
        job_name=name,
        cron_schedule=f"0 {hour} * * *",
        execution_timezone=settings.organisation.time_zone,
        default_status=DefaultScheduleStatus.RUNNING,
        description=description,
    )


def _backup_job(settings: Settings) -> JobDefinition:
    @op(name="back_up", description="Copies, reads back, and gives the backup its name.")
    def back_up(context: OpExecutionContext) -> None:
        folder = settings.backup_folder
        assert folder is not None
        done = backup(settings, folder, lake=settings.backup.lake)
        context.add_output_metadata(
            {
                "folder": str(done.folder),
                "files": len(done.manifest.files),
                "bytes": done.manifest.bytes,
                "editions": done.manifest.counts["editions"],
            }
        )
        if done.manifest.faults:
            raise Problem(
                f"the backup was made, and this is not as it should be: "
                f"{'; '.join(done.manifest.faults)}.",
                remedy="restore what is named from an earlier backup.",
            )

    @job(
        name=BACKUP_JOB,
        description="State database, sealed editions, Dagster instance, what people recorded.",
    )
    def made() -> None:
        back_up()

    return made


def _retention_job(settings: Settings) -> JobDefinition:
    @op(name="remove_old", description="Editions, ledger and raw deliveries are never removed.")
    def remove_old(context: OpExecutionContext) -> None:
        found = due(settings, context.instance, datetime.now(UTC))
        remove(found)
        context.add_output_metadata({each.what: len(each.items) for each in found})

    @job(
        name=RETENTION_JOB,
        description="Removes what was kept for as long as [retention] of the settings says.",
    )
    def made() -> None:
        remove_old()

    return made
