"""What the schedules ask for at a moment, over the organisation that the line was taken through.

April is closed, published and delivered; May has not come.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import datetime

import pytest
from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    RunRequest,
    RunsFilter,
    build_schedule_context,
    build_sensor_context,
)
from dagster._core.test_utils import create_run_for_test

from orchestration.cadences import INGEST_JOB
from orchestration.feeds.deliveries import manifests, save_manifest
from orchestration.state import State
from tests.line.reviewed import LAST, Organisation


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


def tick(
    organisation: Organisation, instance: DagsterInstance, name: str, moment: str
) -> list[str] | str:
    """The partitions that a tick at a local time asks runs for, or why it asks for none."""
    repository = organisation.definitions.get_repository_def()
    schedule = repository.get_schedule_def(name)
    zone = organisation.settings.organisation.zone
    found = schedule.evaluate_tick(
        build_schedule_context(
            instance=instance,
            repository_def=repository,
            scheduled_execution_time=datetime.fromisoformat(moment).replace(tzinfo=zone),
        )
    )
    if found.skip_message:
        return found.skip_message
    return [str(request.partition_key) for request in found.run_requests or ()]


def test_a_closed_and_delivered_month_asks_for_nothing(
    organisation: Organisation, instance: DagsterInstance
) -> None:
    assert tick(organisation, instance, "monthly_close_schedule", "2026-05-12 09:00") == (
        "every due month is closed"
    )
    assert tick(organisation, instance, "monthly_publish_schedule", "2026-05-12 09:30") == (
        "every due monthly review is settled"
    )
    told = tick(organisation, instance, "monthly_preview_schedule", "2026-05-07 09:15")
    assert told == f"{LAST.id} is published already"


def test_downtime_loses_no_close(organisation: Organisation, instance: DagsterInstance) -> None:
    """Nothing ran from May to July: one tick asks for every month that is due since."""
    months = [LAST.shift(ahead).start.isoformat() for ahead in (1, 2)]
    asked = tick(organisation, instance, "monthly_close_schedule", "2026-07-20 11:00")
    assert asked == months


def test_what_arrived_since_the_close_is_waited_for(
    changing: Organisation, instance: DagsterInstance
) -> None:
    """A preview was answered between close and publication: the month is closed again first."""
    shutil.rmtree(changing.home / "state")  # before anything was ever sent
    april = LAST.start.isoformat()
    publish = "monthly_publish_schedule"
    assert tick(changing, instance, "monthly_close_schedule", "2026-05-08 07:00") == (
        "every due month is closed"
    )
    lake = changing.lake
    with lake.connect() as connection:  # a delivery of leaders' actions comes into force
        file = lake.path("in_force", "leader_actions.parquet")
        rows = f"SELECT * REPLACE ('other' AS content_hash) FROM read_parquet('{file}')"
        lake.write_parquet(connection, rows, "in_force", "leader_actions.parquet")
    assert tick(changing, instance, publish, "2026-05-08 07:30") == (
        f"{LAST.id} is to be closed again: leader_actions changed since"
    )
    assert tick(changing, instance, "monthly_close_schedule", "2026-05-08 08:00") == [april]
    with State.open(changing.settings) as state:
        assert state.pending_intents() == []
    assert tick(changing, instance, publish, "2026-05-08 18:30") == [april]
    with State.open(changing.settings) as state:
        opened = {intent.ritual for intent in state.pending_intents()}
    assert opened == {"monthly", "monthly_kit"}


def test_the_sensor_asks_for_what_has_arrived(changing: Organisation) -> None:
    sensor = changing.definitions.get_repository_def().get_sensor_def("arrival_sensor")

    def look() -> list[RunRequest] | str:
        with DagsterInstance.ephemeral() as instance:
            found = sensor.evaluate_tick(build_sensor_context(instance=instance))
        return found.skip_message or list(found.run_requests or [])

    # the delivery itself has recorded what the review asks for: that has arrived
    first = look()
    assert not isinstance(first, str) and len(first) == 1
    shutil.rmtree(changing.landing / "records")
    assert look() == "nothing new in the landing folder"
    file = changing.landing / f"initiatives_{LAST.end}.csv"
    shutil.copyfile(file, changing.landing / "initiatives_2026-05-31.csv")
    asked = look()
    assert not isinstance(asked, str)
    (request,) = asked
    assert request.tags["dagster/asset_partition_range_start"] == "2026-05-31"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-05-31"


def test_what_an_ingest_that_died_has_landed_is_asked_for_until_one_went_through(
    changing: Organisation, instance: DagsterInstance
) -> None:
    shutil.rmtree(changing.landing / "records")
    left = manifests(changing.lake, "activity")[-1]
    save_manifest(changing.lake, left.model_copy(update={"verdict": "staged"}))
    sensor = changing.definitions.get_repository_def().get_sensor_def("arrival_sensor")
    cursor = None
    for ended, asks in (
        (None, True),
        (DagsterRunStatus.STARTED, False),
        (DagsterRunStatus.FAILURE, True),
        (DagsterRunStatus.SUCCESS, False),  # its checks say what is wrong
    ):
        if ended is not None:
            create_run_for_test(instance, job_name=INGEST_JOB, status=ended)
        found = sensor.evaluate_tick(build_sensor_context(instance=instance, cursor=cursor))
        cursor = found.cursor or cursor
        days = [r.tags["dagster/asset_partition_range_start"] for r in found.run_requests or []]
        assert days == [left.delivery_date.isoformat()] * asks, ended
        for run in instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.STARTED])):
            instance.delete_run(run.run_id)
