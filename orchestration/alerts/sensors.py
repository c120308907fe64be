"""The watch: a sensor, on by default, that looks at every stage each minute and tells of faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from dagster import (
    AssetCheckKey,
    AssetKey,
    DagsterInstance,
    DefaultSensorStatus,
    SensorDefinition,
    SensorEvaluationContext,
    SkipReason,
)

from orchestration.alerts.addressing import Directory
from orchestration.alerts.chat import Chat, beat
from orchestration.alerts.reaper import reap
from orchestration.alerts.telling import Round
from orchestration.alerts.watch import Seen, Watch
from orchestration.delivery.channels import open_channel
from orchestration.incidents import OPERATIONS, Finding, open_incidents, settle
from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.settings import AlertSettings, Secrets, Settings
from orchestration.state import State

WATCH_SENSOR = "watch_sensor"


@dataclass(frozen=True)
class Watched:
    """What the watch looks at in the Dagster instance."""

    jobs: Mapping[str, frozenset[AssetKey]]
    checks: Sequence[AssetCheckKey]


def watch(
    settings: Settings,
    state: State,
    instance: DagsterInstance,
    watched: Watched,
    secrets: Secrets | None = None,
) -> str:
    """One round: end dead runs, judge, tell, and let an outside monitor know that it went well.

    Args:
        secrets: from the environment when None.

    Returns:
        What it did, in numbers.

    Raises:
        Problem: something could not be judged or told; everything else was done all the same.
    """
    secrets = secrets or Secrets()
    lake = Lake(settings.lake_url, settings.duckdb)
    reaped = reap(instance, state)
    eye = Watch(settings, state, lake, instance, state.now())
    for part, judge in (
        ("feeds", eye.feeds),
        ("checks", lambda: eye.checks(watched.checks)),
        ("runs", lambda: eye.runs(watched.jobs)),
        ("mail", eye.mail),
        ("what is held", eye.waiting),
    ):
        _look(state, settings.alerts, part, judge)
    faults: list[str] = []
    chat = None
    if secrets.alert_webhook is not None:
        try:
            chat = Chat(secrets.alert_webhook)
        except Problem as problem:
            faults.append(str(problem))
    directory = Directory(settings, lake)
    telling = Round(settings, state, directory, lambda: open_channel(settings, secrets), chat)
    telling.plan()
    telling.send()
    faults += telling.faults
    if untold := telling.untold():
        faults.append(
            f"{untold} incidents could be told to nobody "
            f"({'; '.join(directory.faults) or 'no owner is named'}): set [alerts] lead_email"
        )
    if faults:
        raise Problem(
            f"the watch could not tell of everything: {' | '.join(faults)}.",
            remedy="mend what is named; what was not taken is sent again.",
        )
    if secrets.heartbeat_url is not None:
        beat(secrets.heartbeat_url)
    return (
        f"{len(open_incidents(state))} incidents open, {telling.told} messages sent, "
        f"{len(reaped)} dead runs ended"
    )


def _look(state: State, alerts: AlertSettings, what: str, judge: Callable[[], Seen]) -> None:
    """Judge one part; a part that cannot be judged is a fault of its own and hides no other."""
    cause = f"watch {what}"
    seen = Seen()
    try:
        seen = judge()
        seen.judged.add(cause)
    except Exception as error:
        words = str(error) if isinstance(error, Problem) else type(error).__name__
        seen.add(
            cause,
            Finding(
                cause=cause,
                owner=OPERATIONS,
                title=f"the watch cannot judge {what}",
                detail=words,
                at_risk="Faults there would go unnoticed.",
                remedy="Mend what is named; the watch looks again every minute.",
                since=state.now(),
            ),
        )
    settle(state, seen.findings, seen.judged, alerts)


def build_sensors(settings: Settings) -> list[SensorDefinition]:
    """The watch over one organisation."""

    def evaluate(context: SensorEvaluationContext) -> SkipReason:
        repository = context.repository_def
        if repository is None:
            raise Problem("the watch knows no repository.", remedy="run it by Dagster.")
        watched = Watched(
            jobs={
                name: frozenset(repository.get_job(name).asset_layer.selected_asset_keys)
                for name in repository.job_names
            },
            checks=sorted(repository.asset_graph.asset_check_keys),
        )
        with State.open(settings) as state:
            return SkipReason(watch(settings, state, context.instance, watched))

    return [
        SensorDefinition(
            name=WATCH_SENSOR,
            evaluation_fn=evaluate,
            minimum_interval_seconds=60,
            default_status=DefaultSensorStatus.RUNNING,
            description="Watches feeds, checks and runs; opens incidents and tells their owners.",
        )
    ]
