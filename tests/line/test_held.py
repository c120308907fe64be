"""A held review goes out by itself when its feed recovers, by real ticks and runs; `make soak`."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pytest
from dagster import DagsterInstance

from orchestration.cadences import close_job_name, publish_job_name
from orchestration.periods import Grain
from orchestration.quality.close import read_close
from orchestration.state import IntentStatus, State
from tests.line.reviewed import LAST, Organisation, deliver_month, failures, write_settings
from tests.line.test_schedules import tick

MAY, JUNE = LAST.shift(1), LAST.shift(2)
CLOSE, PUBLISH = "monthly_close_schedule", "monthly_publish_schedule"

pytestmark = pytest.mark.skipif("ADOPTION_LATE" not in os.environ, reason="make soak")


@pytest.fixture
def instance(tmp_path: Path) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path)) as made:
        yield made


def test_a_held_month_goes_out_once_though_a_newer_one_was_sent_before_it(
    changing: Organisation, instance: DagsterInstance
) -> None:
    write_settings(changing.home, "hold.toml", on_stale="hold")
    organisation = Organisation(changing.home, "hold.toml")
    may, june = MAY.start.isoformat(), JUNE.start.isoformat()

    def close(month: str) -> bool:
        done = organisation.materialize(close_job_name(Grain.MONTH), [], month, instance=instance)
        assert done.success or "is held" in failures(done), failures(done)
        return done.success

    def publish(month: str) -> None:
        done = organisation.materialize(publish_job_name(Grain.MONTH), [], month, instance=instance)
        assert done.success, failures(done)

    def intents() -> dict[tuple[str, str], IntentStatus]:
        with State.open(organisation.settings) as state:
            return {(i.ritual, i.period_id): i.status for i in state.pending_intents()}

    def mails(month: str) -> list[str]:
        return [name for name in organisation.mails("monthly") if month in name]

    # May's certifications do not come: it is held, and remembered as due
    deliver_month(organisation.landing, MAY, without=["certifications"])
    assert organisation.ingest(date(2026, 5, 1), date(2026, 6, 30)).success
    assert tick(organisation, instance, CLOSE, "2026-06-05 07:00") == [may]
    assert not close(may)
    told = tick(organisation, instance, PUBLISH, "2026-06-10 07:30")
    assert "2026-05 is held" in told
    assert intents()["monthly", MAY.id] is IntentStatus.HELD and mails(MAY.id) == []

    # all of June comes, and with it what May lacked; June is closed and sent first
    deliver_month(organisation.landing, MAY)
    deliver_month(organisation.landing, JUNE)
    assert organisation.ingest(date(2026, 5, 1), date(2026, 7, 31)).success
    asked = tick(organisation, instance, CLOSE, "2026-07-08 07:00")
    assert asked == [may, june]
    assert close(june)
    assert tick(organisation, instance, PUBLISH, "2026-07-08 18:30") == [june]
    publish(june)
    sent = mails(JUNE.id)
    assert len(sent) >= 2 and mails(MAY.id) == []
    assert intents()["monthly", MAY.id] is IntentStatus.HELD

    assert close(may)
    assert tick(organisation, instance, PUBLISH, "2026-07-09 07:30") == [may]
    publish(may)
    assert len(mails(MAY.id)) == len(sent) and mails(JUNE.id) == sent
    before = organisation.mails()
    publish(may)
    publish(june)
    for moment in ("2026-07-09 18:30", "2026-07-10 07:30"):
        assert isinstance(tick(organisation, instance, PUBLISH, moment), str)
    assert intents() == {} and organisation.mails() == before
    with State.open(organisation.settings) as state:
        numbers = [(e.period_id, e.number) for e in state.editions("monthly")]
    assert numbers == [(LAST.id, 1), (MAY.id, 1), (JUNE.id, 1)]
    close_of_may = read_close(organisation.lake, MAY)
    assert close_of_may is not None and close_of_may.verdict == "complete"
