"""What the schedules ask for at a moment: periods that are due and not settled, whatever the day.

April is closed, published and delivered; May has not come. Easter and May Day are holidays here.
"""

from __future__ import annotations

import shutil
from datetime import datetime
from zoneinfo import ZoneInfo

from dagster import (
    DagsterInstance,
    RunRequest,
    build_schedule_context,
    build_sensor_context,
)

from orchestration.periods import Grain
from orchestration.state import State
from tests.line.reviewed import LAST, Organisation

LONDON = ZoneInfo("Europe/London")
MARCH = LAST.shift(-1)


def tick(organisation: Organisation, name: str, moment: str) -> list[str] | str:
    """The partitions that a tick at a local time asks runs for, or why it asks for none."""
    repository = organisation.definitions.get_repository_def()
    schedule = repository.get_schedule_def(name)
    with DagsterInstance.ephemeral() as instance:
        context = build_schedule_context(
            instance=instance,
            repository_def=repository,
            scheduled_execution_time=datetime.fromisoformat(moment).replace(tzinfo=LONDON),
        )
        found = schedule.evaluate_tick(context)
    if found.skip_message:
        assert not found.run_requests
        return found.skip_message
    for request in found.run_requests or []:
        assert isinstance(request, RunRequest)
        assert request.job_name in (None, schedule.job_name)
    return [str(request.partition_key) for request in found.run_requests or []]


def forget_sending(organisation: Organisation) -> None:
    """The state before anything was ever sent."""
    shutil.rmtree(organisation.home / "state")


def settle(organisation: Organisation, period_id: str) -> None:
    """A person has said that this month's review is over."""
    with State.open(organisation.settings) as state:
        intent = state.open_intent("monthly", period_id, opened_by="person")
        state.cancel_intent(intent.intent_id, "sent by hand")


def test_a_closed_and_delivered_month_asks_for_nothing(organisation: Organisation) -> None:
    assert tick(organisation, "monthly_close_schedule", "2026-05-12 09:00") == (
        "every due month is closed"
    )
    assert tick(organisation, "monthly_publish_schedule", "2026-05-12 09:30") == (
        "every due monthly review is settled"
    )


def test_a_month_is_closed_from_its_working_day_on(organisation: Organisation) -> None:
    may = LAST.shift(1).start.isoformat()
    # 1 June is the first working day after May, the close falls on the third
    for moment in ("2026-06-01 09:00", "2026-06-02 18:00"):
        assert isinstance(tick(organisation, "monthly_close_schedule", moment), str)
    for moment in ("2026-06-03 07:00", "2026-06-03 18:00", "2026-06-22 07:00"):
        assert tick(organisation, "monthly_close_schedule", moment) == [may]


def test_downtime_loses_no_close(organisation: Organisation) -> None:
    """Nothing ran from May to July: one tick asks for every month that is due since."""
    months = [LAST.shift(ahead).start.isoformat() for ahead in (1, 2)]
    assert tick(organisation, "monthly_close_schedule", "2026-07-20 11:00") == months


def test_publication_falls_due_two_working_days_after_the_close(changing: Organisation) -> None:
    forget_sending(changing)
    april = LAST.start.isoformat()
    # 4 May is a holiday: the fifth working day after April is 8 May
    assert isinstance(tick(changing, "monthly_publish_schedule", "2026-05-07 18:30"), str)
    with State.open(changing.settings) as state:
        assert state.pending_intent("monthly", LAST.id) is None
    assert tick(changing, "monthly_publish_schedule", "2026-05-08 07:30") == [april]
    with State.open(changing.settings) as state:
        intent = state.pending_intent("monthly", LAST.id)
        assert intent is not None and intent.opened_by == "schedule"
    # until it is settled every tick asks again, under the day's one run key, and opens no other
    assert tick(changing, "monthly_publish_schedule", "2026-05-08 08:30") == [april]
    assert tick(changing, "monthly_publish_schedule", "2026-05-11 07:30") == [april]
    with State.open(changing.settings) as state:
        again = state.pending_intent("monthly", LAST.id)
        assert again is not None and again.intent_id == intent.intent_id


def test_a_first_start_does_not_send_the_history(changing: Organisation) -> None:
    forget_sending(changing)
    assert isinstance(tick(changing, "monthly_publish_schedule", "2026-06-22 09:30"), str)


def test_downtime_loses_no_review(changing: Organisation) -> None:
    """March's review was the last before a long stop: April's is sent late, not never."""
    forget_sending(changing)
    settle(changing, MARCH.id)
    assert tick(changing, "monthly_publish_schedule", "2026-06-22 09:30") == [
        LAST.start.isoformat()
    ]


def test_the_tick_of_a_day_is_that_of_the_organisations_clock(organisation: Organisation) -> None:
    schedules = [
        organisation.definitions.get_repository_def().get_schedule_def(
            f"{grain.ritual}_close_schedule"
        )
        for grain in Grain
    ]
    assert {schedule.execution_timezone for schedule in schedules} == {"Europe/London"}


def test_the_sensor_asks_for_what_has_arrived(changing: Organisation) -> None:
    sensor = changing.definitions.get_repository_def().get_sensor_def("arrival_sensor")

    def look() -> list[RunRequest] | str:
        with DagsterInstance.ephemeral() as instance:
            found = sensor.evaluate_tick(build_sensor_context(instance=instance))
        return found.skip_message or list(found.run_requests or [])

    assert look() == "nothing new in the landing folder"
    file = changing.landing / f"initiatives_{LAST.end}.csv"
    shutil.copyfile(file, changing.landing / "initiatives_2026-05-31.csv")
    asked = look()
    assert not isinstance(asked, str)
    (request,) = asked
    assert request.tags["dagster/asset_partition_range_start"] == "2026-05-31"
    assert request.tags["dagster/asset_partition_range_end"] == "2026-05-31"
