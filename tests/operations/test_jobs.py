"""Backup and retention by schedule."""

from __future__ import annotations

import os
import time
from pathlib import Path

from dagster import DefaultScheduleStatus

from orchestration.operations.backup import backups_in
from orchestration.operations.jobs import build_jobs, build_schedules
from orchestration.runs import project_instance
from orchestration.settings import BackupSettings, RetentionSettings, Settings


def test_retention_is_on_and_backup_where_a_folder_is_named(
    settings: Settings, tmp_path: Path
) -> None:
    assert [job.name for job in build_jobs(settings)] == ["retention"]
    (nightly,) = build_schedules(settings)
    assert (nightly.cron_schedule, nightly.execution_timezone) == ("0 3 * * *", "UTC")
    assert nightly.default_status is DefaultScheduleStatus.RUNNING
    saved = settings.model_copy(
        update={
            "backup": BackupSettings(folder=tmp_path / "backups", hour=1),
            "retention": RetentionSettings(scheduled=False),
        }
    )
    assert [job.name for job in build_jobs(saved)] == ["backup", "retention"]
    assert [(each.job_name, each.cron_schedule) for each in build_schedules(saved)] == [
        ("backup", "0 1 * * *")
    ]


def test_the_jobs_do_what_the_commands_do(settings: Settings, tmp_path: Path) -> None:
    saved = settings.model_copy(update={"backup": BackupSettings(folder=tmp_path / "backups")})
    log = settings.home / "logs" / "old.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("old")
    os.utime(log, (time.time() - 91 * 86_400,) * 2)
    page = settings.home / "editions/monthly/2026-09/edition-1/email.html"
    with project_instance(settings) as instance:
        done = [job.execute_in_process(instance=instance) for job in build_jobs(saved)]
        assert all(each.success for each in done)
        assert len(backups_in(tmp_path / "backups", "Example")) == 1
        assert not log.exists()
        page.chmod(0o644)
        page.write_text("other words")
        time.sleep(1.1)  # a backup is named by its second
        failed = build_jobs(saved)[0].execute_in_process(instance=instance, raise_on_error=False)
    assert not failed.success  # it was made, and the watch tells that an edition is damaged
    assert len(backups_in(tmp_path / "backups", "Example")) == 2
