"""Runs whose process is gone: marked as failed, so that their alerts fire and nobody waits.

Dagster's default launcher never notices that a run's process died. Each run therefore notes its
process in a tag when its steps begin (or, run by a command, when it is made), and a run whose
process has certainly ended on this machine, without the run having ended, is failed from outside.
What dies before that is failed by Dagster's run monitoring, which limits the time of a start.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    Executor,
    ExecutorDefinition,
    InitExecutorContext,
    RunsFilter,
    in_process_executor,
)
from dagster._core.events import DagsterEvent
from dagster._core.execution.context.system import PlanOrchestrationContext
from dagster._core.execution.plan.plan import ExecutionPlan
from dagster._core.execution.retries import RetryMode

from orchestration.state import State, holder_is_dead, new_holder

PROCESS_TAG = "adoption/process"
_BEFORE_STEPS = [DagsterRunStatus.NOT_STARTED, DagsterRunStatus.STARTING]
_ALIVE = [*_BEFORE_STEPS, DagsterRunStatus.STARTED, DagsterRunStatus.CANCELING]


def process_tag() -> dict[str, str]:
    """The tag that says which process a run lives in: this one."""
    return {PROCESS_TAG: new_holder()}


class _Noted(Executor):
    """An executor that notes its process before it executes."""

    def __init__(self, inner: Executor) -> None:
        self._inner = inner

    @property
    def retries(self) -> RetryMode:
        return self._inner.retries

    def execute(
        self, plan_context: PlanOrchestrationContext, execution_plan: ExecutionPlan
    ) -> Iterator[DagsterEvent]:
        plan_context.instance.add_run_tags(plan_context.run_id, process_tag())
        yield from self._inner.execute(plan_context, execution_plan)


def _create(context: InitExecutorContext) -> Executor:
    creation = in_process_executor.executor_creation_fn
    assert creation is not None
    return _Noted(creation(context))


noted_in_process_executor = ExecutorDefinition(
    name="in_process",
    config_schema=cast(Any, in_process_executor.config_schema),
    executor_creation_fn=_create,
    description="Executes all steps in the run's process, and notes which process that is.",
)


def reap(instance: DagsterInstance, state: State) -> list[str]:
    """Fail the runs of dead processes and let go of what they were sending.

    Returns:
        The ids of the runs that were ended.
    """
    ended = []
    for record in instance.get_run_records(RunsFilter(statuses=_ALIVE)):
        run_id = record.dagster_run.run_id
        if record.dagster_run.parent_run_id and record.dagster_run.status in _BEFORE_STEPS:
            continue  # a re-execution has the tags of the run before until its steps begin
        if not holder_is_dead(record.dagster_run.tags.get(PROCESS_TAG)):
            continue
        run = instance.get_run_by_id(run_id)  # it may have ended, then its process
        if run is None or run.is_finished:
            continue
        if run.status is DagsterRunStatus.CANCELING:
            instance.report_run_canceled(run, "The run was cancelled, and its process has ended.")
        else:
            instance.report_run_failed(
                run, "The run's process died (killed, out of memory, or the machine restarted)."
            )
        ended.append(run_id)
    state.expire(dead_runs=ended)
    return ended
