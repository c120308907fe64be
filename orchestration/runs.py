"""Starting the system's Dagster runs from a command, recorded in the project's own instance."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from datetime import datetime
from importlib.util import find_spec

import yaml
from dagster import AssetKey, DagsterInstance, Definitions, ExecuteInProcessResult

from orchestration.alerts.reaper import process_tag
from orchestration.cadences import range_tags
from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT, Settings

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


def instance_environment(settings: Settings) -> dict[str, str]:
    """What every process of the project's own Dagster instance needs in its environment.

    The instance's configuration is laid in ``<home>/dagster`` on the way.

    Raises:
        Problem: the instance is to be on PostgreSQL, and what it needs is not installed; or the
            organisation's own ``dagster.yaml`` cannot be read.
    """
    folder = settings.home / "dagster"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dagster.yaml").write_text(_instance_configuration(settings))
    return {
        "DAGSTER_HOME": str(folder),
        # what Dagster says to PostgreSQL is understood by this driver only
        "ADOPTION_INSTANCE": (settings.paths.instance or "").replace("://", "+psycopg2://", 1),
        "ADOPTION_EVENT_LOG": str(folder / "history" / "runs"),
        "DAGSTER_EVENT_BATCH_SIZE": "1000",
        "DAGSTER_DISABLE_TELEMETRY": "1",
        # known and wanted: what this system is built on is still called beta
        "PYTHONWARNINGS": "ignore:Parameter `backfill_policy`",
    }


def _instance_configuration(settings: Settings) -> str:
    configuration = yaml.safe_load(
        (PROJECT_ROOT / "orchestration" / "dagster.yaml").read_text(encoding="utf-8")
    )
    if settings.paths.instance is not None:
        if find_spec("dagster_postgres") is None:
            raise Problem(
                "paths.instance is set, and Dagster's storage on PostgreSQL is not installed.",
                remedy="install requirements-spark.lock instead of requirements.lock.",
            )
        del configuration["event_log_storage"]
        # the URL itself stays in the environment: it may hold a password
        configuration["storage"] = {"postgres": {"postgres_url": {"env": "ADOPTION_INSTANCE"}}}
    own = settings.own_dagster_yaml
    if own is not None:
        try:
            configuration |= yaml.safe_load(own.read_text(encoding="utf-8")) or {}
        except (OSError, ValueError, TypeError, yaml.YAMLError) as error:
            raise Problem(
                f"paths.dagster cannot be read: {error}.",
                file=str(own),
                remedy="write it as Dagster documents dagster.yaml.",
            ) from error
    return str(yaml.safe_dump(configuration))


@contextlib.contextmanager
def project_instance(settings: Settings) -> Iterator[DagsterInstance]:
    """The project's own Dagster instance."""
    os.environ.update(instance_environment(settings))
    with DagsterInstance.get() as instance:
        yield instance


def execute(
    settings: Settings,
    definitions: Definitions,
    instance: DagsterInstance,
    job: str,
    first: str | None = None,
    last: str | None = None,
    *,
    assets: Sequence[AssetKey] | None = None,
) -> ExecuteInProcessResult:
    """Run one job, over the partitions ``first`` to ``last`` where it has any, in this process.

    What the steps print goes to ``<home>/logs/<job>-<day>.log``.

    Raises:
        Problem: a step failed; carries the cause and the log's path.
    """
    today = datetime.now(settings.organisation.zone).date()
    log = settings.home / "logs" / f"{job}-{today}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("a", encoding="utf-8") as sink,
        contextlib.redirect_stdout(sink),
        contextlib.redirect_stderr(sink),
    ):
        result = definitions.resolve_job_def(job).execute_in_process(
            instance=instance,
            tags={**process_tag(), **(range_tags(first, last) if first and last else {})},
            asset_selection=list(assets) if assets is not None else None,
            run_config=_QUIET,
            raise_on_error=False,
        )
    if not result.success:
        raise Problem(
            f"run {result.run_id} of {job} failed: {_cause(result)}",
            file=str(log),
            remedy="mend the cause and run again; what was delivered stays delivered.",
        )
    return result


def _cause(result: ExecuteInProcessResult) -> str:
    causes = []
    for event in result.all_events:
        if event.is_step_failure:
            error = event.step_failure_data.error
            while error is not None and error.cause is not None:
                error = error.cause
            text = error.message.strip() if error is not None else "no message"
            causes.append(f"{event.step_key}: {text}")
    return " | ".join(causes) or "no step says why"
