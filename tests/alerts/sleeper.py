"""A process with a run in it that never ends: ``python -m tests.alerts.sleeper``, to be killed."""

from __future__ import annotations

import time

from dagster import DagsterInstance, execute_job, job, op, reconstructable

from orchestration.alerts.reaper import noted_in_process_executor


@op
def sleep() -> None:
    print("asleep", flush=True)
    time.sleep(600)


@job(executor_def=noted_in_process_executor)
def sleeper() -> None:
    sleep()


def main() -> None:
    with DagsterInstance.get() as instance:
        execute_job(reconstructable(sleeper), instance=instance)


if __name__ == "__main__":
    from tests.alerts import sleeper as module

    module.main()
