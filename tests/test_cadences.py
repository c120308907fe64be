"""What one tick asks for, with the real lake, state and runs: waits, second closes, left-overs."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from dagster import (
    DagsterInstance,
    DagsterRunStatus,
    RepositoryDefinition,
    build_schedule_context,
    build_sensor_context,
)

from orchestration import cadences
from orchestration.addresses import mailbox
from orchestration.cadences import RANGE_END_TAG, RANGE_START_TAG
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import Provenance, deliver, seal
from orchestration.delivery.mailings import KITS, PREVIEW, pack
from orchestration.delivery.recipients import Audience, Recipient
from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import in_force
from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.quality.close import (
    FeedVerdict,
    PeriodClose,
    close_file,
    manifest_hash,
    read_close,
    stands_on_now,
)
from orchestration.scorecard.draft import write_stands_on
from orchestration.settings import Settings
from orchestration.state import State
from orchestration.warehouse.published import initialise_published, publish
from tests.delivery.conftest import make_draft
from tests.test_two_years import repository_of
from tests.warehouse.small_lake import PSEUDONYMS
from tests.warehouse.town import Town, event

APRIL = Period.parse("2026-04")
MONTHLY = pack(Grain.MONTH)
# 4 May is a holiday: April is closed on 6 May and published on 8 May
CLOSE, PUBLISH, PREVIEWS = (
    "monthly_close_schedule",
    "monthly_publish_schedule",
    "monthly_preview_schedule",
)


class Organisation:
    """A home in which April has figures, a close and a draft."""

    def __init__(self, home: Path, instance: DagsterInstance, since: str = "2026-04-01") -> None:
        self.settings = Settings.model_validate(
            {
                "organisation": {
                    "name": "Example",
                    "time_zone": "Europe/London",
                    "country": "GB",
                    "history_from": since,
                },
                "paths": {"home": str(home)},
                "delivery": {"allowed_domains": ["example.org"]},
            }
        )
        self.lake = Lake(self.settings.lake_url, self.settings.duckdb)
        self.instance = instance
        self.repository: RepositoryDefinition = repository_of(self.settings)
        initialise_published(self.lake)
        self.has_figures(APRIL)
        self.was_closed(APRIL)
        self.is_drafted(APRIL)

    def has_figures(self, *periods: Period) -> None:
        with self.lake.connect() as connection:
            publish(
                self.lake,
                connection,
                periods[0].grain,
                [(p, "b1") for p in periods],
                [],
                PSEUDONYMS,
            )

    def was_closed(self, period: Period, *, allowed: bool = True) -> None:
        feeds = {
            name: FeedVerdict(verdict="complete", stands_on=stands_on)
            for name, stands_on in stands_on_now(self.lake).items()
        }
        close = PeriodClose(
            period_id=period.id,
            grain=period.grain,
            period_start=period.start,
            period_end=period.end,
            closed_at=datetime.fromisoformat("2026-05-06T06:00:00+00:00"),
            feeds=feeds,
            charter_hash="c",
            code_version="v",
            verdict="complete" if allowed else "held",
            reason="",
            allowed=allowed,
        )
        self.lake.write_json(close.model_dump(mode="json"), *close_file(period))

    def was_drafted_on_its_close(self) -> None:
        """April's draft notes the data of April's close, as its scorecard does."""
        close = read_close(self.lake, APRIL)
        assert close is not None
        raw = manifest_hash({name: feed.stands_on for name, feed in close.feeds.items()})
        write_stands_on(self.settings, APRIL, raw)

    def is_drafted(self, period: Period, letters: Sequence[str] = ()) -> None:
        make_draft(MONTHLY.draft(self.settings, period))
        for mailing in (PREVIEW, KITS[Grain.MONTH]):
            folder = mailing.draft(self.settings, period)
            folder.mkdir(parents=True)
            listed = [{"folder": name, "to": ["P1"], "role": "sponsor"} for name in letters]
            (folder / "letters.json").write_text(json.dumps(listed))

    def receives(self, feed: str = "records") -> None:
        """A delivery comes into force."""
        assert feed in CONTRACT
        with self.lake.connect() as connection:
            number = len(in_force(self.lake, feed)) + 1  # type: ignore[arg-type]
            rows = " UNION ALL ".join(
                f"SELECT '2026-05-0{n}-001' AS delivery_id, DATE '2026-05-0{n}' AS delivery_date, "
                f"'h{n}' AS content_hash, 1 AS rows_accepted"
                for n in range(1, number + 1)
            )
            self.lake.write_parquet(connection, rows, "in_force", f"{feed}.parquet")

    def tick(self, name: str, moment: str) -> list[str] | str:
        """The run keys that a tick at a local time asks for, or why it asks for none."""
        schedule = self.repository.get_schedule_def(name)
        at = datetime.fromisoformat(moment).replace(tzinfo=self.settings.organisation.zone)
        found = schedule.evaluate_tick(
            build_schedule_context(
                instance=self.instance, repository_def=self.repository, scheduled_execution_time=at
            )
        )
        if found.skip_message:
            return found.skip_message
        return [str(request.run_key) for request in found.run_requests or ()]

    def run(self, job: str, key: str, status: DagsterRunStatus) -> None:
        """A run that the daemon launched for a request with this key."""
        self.instance.create_run_for_job(
            self.repository.get_job(job), tags={"dagster/run_key": key}, status=status
        )

    def intents(self) -> dict[tuple[str, str], str]:
        with State.open(self.settings) as state:
            found = {
                (name, APRIL.id): state.latest_intent(name, APRIL.id)
                for name in ("monthly", "monthly_kit", "monthly_preview")
            }
            return {key: str(intent.status) for key, intent in found.items() if intent is not None}


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DagsterInstance]:
    with DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


@pytest.fixture
def organisation(tmp_path: Path, instance: DagsterInstance) -> Organisation:
    instance.wipe()
    return Organisation(tmp_path / "home", instance)


@pytest.fixture
def older(tmp_path: Path, instance: DagsterInstance) -> Organisation:
    """The same with a March in its history."""
    instance.wipe()
    return Organisation(tmp_path / "home", instance, since="2026-03-01")


def test_what_is_due_and_drafted_is_published_with_its_letters(organisation: Organisation) -> None:
    assert organisation.tick(PUBLISH, "2026-05-07 18:30") == "every due monthly review is settled"
    assert organisation.intents() == {}
    assert organisation.tick(PUBLISH, "2026-05-08 07:30") == ["publish-2026-04-2026-05-08"]
    opened = {("monthly", "2026-04"): "open", ("monthly_kit", "2026-04"): "open"}
    assert organisation.intents() == opened
    # until it is settled every tick asks again, under the day's one run key, and opens no other
    assert organisation.tick(PUBLISH, "2026-05-08 08:30") == ["publish-2026-04-2026-05-08"]
    assert organisation.tick(PUBLISH, "2026-05-11 07:30") == ["publish-2026-04-2026-05-11"]
    assert organisation.intents() == opened


def test_no_mail_on_a_public_holiday(organisation: Organisation) -> None:
    assert organisation.tick(PUBLISH, "2026-05-25 07:30") == (
        "no review goes out on a public holiday"
    )
    assert organisation.tick(PREVIEWS, "2026-05-25 07:15") == (
        "no letter goes out on a public holiday"
    )
    assert organisation.tick(PUBLISH, "2026-05-26 07:30") == ["publish-2026-04-2026-05-26"]


def test_what_is_not_drafted_waits(organisation: Organisation) -> None:
    (MONTHLY.draft(organisation.settings, APRIL) / "email.json").unlink()
    assert organisation.tick(PUBLISH, "2026-05-08 07:30") == "2026-04 is not drafted yet"
    assert organisation.tick(PUBLISH, "2026-05-08 18:30") == "2026-04 is not drafted yet"
    assert organisation.intents() == {}


def test_data_that_moved_close_the_period_again_first(organisation: Organisation) -> None:
    assert organisation.tick(CLOSE, "2026-05-07 07:00") == "every due month is closed"
    organisation.receives()
    # before the day of publication nobody needs it
    assert organisation.tick(CLOSE, "2026-05-07 08:00") == "every due month is closed"
    again = "reclose-2026-04-2026-05-08"
    assert organisation.tick(PUBLISH, "2026-05-08 07:30") == (
        "2026-04 is to be closed again: records changed since"
    )
    assert organisation.tick(CLOSE, "2026-05-08 08:00") == [again]
    organisation.run("monthly_close", again, DagsterRunStatus.STARTED)
    assert organisation.tick(PUBLISH, "2026-05-08 08:30") == "2026-04 is being closed"
    organisation.was_closed(APRIL)
    (run,) = organisation.instance.get_runs()
    organisation.instance.delete_run(run.run_id)
    organisation.run("monthly_close", again, DagsterRunStatus.SUCCESS)
    assert organisation.tick(PUBLISH, "2026-05-08 09:30") == ["publish-2026-04-2026-05-08"]
    assert organisation.tick(CLOSE, "2026-05-08 10:00") == "every due month is closed"


@pytest.mark.parametrize("status", [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE])
def test_it_waits_for_one_more_close_a_day_and_no_second(
    organisation: Organisation, status: DagsterRunStatus
) -> None:
    organisation.receives()
    organisation.run("monthly_close", "reclose-2026-04-2026-05-08", status)
    organisation.receives()  # once more
    assert organisation.tick(PUBLISH, "2026-05-08 08:30") == ["publish-2026-04-2026-05-08"]


def test_a_second_close_that_failed_holds_the_review_until_one_drafts_it(
    organisation: Organisation,
) -> None:
    """It stored the new verdict; then its figures failed, and the draft is the one before."""
    organisation.was_drafted_on_its_close()
    organisation.receives()
    organisation.run("monthly_close", "reclose-2026-04-2026-05-08", DagsterRunStatus.FAILURE)
    organisation.was_closed(APRIL)
    held = {("monthly", "2026-04"): "held", ("monthly_kit", "2026-04"): "held"}
    for at in ("2026-05-08 08:30", "2026-05-08 18:30"):  # neither does the last tick let it out
        told = organisation.tick(PUBLISH, at)
        assert told == "2026-04 is held: it was drafted on other data than it was closed on"
        assert organisation.intents() == held
    # closed again once a day, however long ago it was due
    assert "reclose-2026-04-2026-05-11" in organisation.tick(CLOSE, "2026-05-11 07:00")
    assert "reclose-2026-04-2026-11-16" in organisation.tick(CLOSE, "2026-11-16 07:00")
    organisation.was_drafted_on_its_close()
    assert "2026-04" not in str(organisation.tick(CLOSE, "2026-11-16 08:00"))
    assert "publish-2026-04-2026-11-16" in organisation.tick(PUBLISH, "2026-11-16 08:30")


def test_without_a_second_close_it_goes_out_at_the_end_of_the_day(
    organisation: Organisation,
) -> None:
    organisation.receives()
    assert isinstance(organisation.tick(PUBLISH, "2026-05-08 17:30"), str)
    assert organisation.tick(PUBLISH, "2026-05-08 18:30") == ["publish-2026-04-2026-05-08"]


def test_another_rituals_close_is_not_waited_for(organisation: Organisation) -> None:
    organisation.run("weekly_close", "close-2026-W18-2026-05-08", DagsterRunStatus.STARTED)
    assert organisation.tick(PUBLISH, "2026-05-08 07:30") == ["publish-2026-04-2026-05-08"]


def test_a_held_period_is_closed_again_every_day(organisation: Organisation) -> None:
    organisation.was_closed(APRIL, allowed=False)
    assert organisation.tick(CLOSE, "2026-05-07 07:00") == ["close-2026-04-2026-05-07"]
    assert organisation.tick(CLOSE, "2026-05-08 07:00") == ["close-2026-04-2026-05-08"]


def test_a_held_review_goes_out_once_when_its_feed_recovers(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    recovered = False

    def judged(*_: Any) -> Any:
        close = read_close(organisation.lake, APRIL)
        assert close is not None
        return close.model_copy(update={"allowed": recovered})

    monkeypatch.setattr(cadences, "judge_period", judged)
    organisation.was_closed(APRIL, allowed=False)
    held = {("monthly", "2026-04"): "held", ("monthly_kit", "2026-04"): "held"}
    assert organisation.tick(PUBLISH, "2026-05-07 07:30") == "every due monthly review is settled"
    assert organisation.intents() == {}
    told = organisation.tick(PUBLISH, "2026-05-08 18:30")
    assert isinstance(told, str) and told.startswith("2026-04 is held: ")
    assert organisation.intents() == held

    # May was closed and sent in time; half a year later April's feed recovers
    may = APRIL.shift(1)
    organisation.has_figures(may)
    organisation.was_closed(may)
    organisation.is_drafted(may)
    with State.open(organisation.settings) as state:
        for name in ("monthly", "monthly_kit"):
            intent = state.open_intent(name, may.id, opened_by="schedule")
            state.settle_intent(intent.intent_id)
    day = "2026-06-15"
    assert organisation.tick(CLOSE, f"{day} 08:00") == [f"close-2026-04-{day}"]
    assert "waits for its feeds" in str(organisation.tick(PUBLISH, f"{day} 08:30"))
    day = "2026-11-16"
    assert f"close-2026-04-{day}" in organisation.tick(CLOSE, f"{day} 08:00")
    recovered = True  # after the day's close: it does not wait for tomorrow's
    assert f"close-2026-04-{day}-released" in organisation.tick(CLOSE, f"{day} 09:00")
    organisation.was_closed(APRIL)  # what that run leaves
    assert f"publish-2026-04-{day}" in organisation.tick(PUBLISH, f"{day} 09:30")

    with State.open(organisation.settings) as state:
        for name in ("monthly", "monthly_kit"):
            intent = state.pending_intent(name, APRIL.id)
            assert intent is not None
            state.release_intent(intent.intent_id, by="close")  # as the run's sealing does
        kit = state.pending_intent("monthly_kit", APRIL.id)
        assert kit is not None
        state.settle_intent(kit.intent_id, "nothing to send")
        edition = send_pack(organisation, state)
        state.mark_recorded(edition.edition_id)
        assert [each.number for each in state.editions("monthly")] == [1]
    for at in (f"{day} 10:30", "2026-11-17 07:30"):
        assert "publish-2026-04" not in str(organisation.tick(PUBLISH, at))
    assert "close-2026-04" not in str(organisation.tick(CLOSE, "2026-11-17 07:00"))


def test_what_is_sealed_is_not_held_by_a_later_verdict(organisation: Organisation) -> None:
    with State.open(organisation.settings) as state:
        for name in ("monthly", "monthly_kit"):
            state.open_intent(name, APRIL.id, opened_by="schedule")
        seal_pack(organisation, state)
    organisation.was_closed(APRIL, allowed=False)
    assert organisation.tick(PUBLISH, "2026-05-08 07:30") == ["publish-2026-04-2026-05-08"]
    assert organisation.intents()["monthly", "2026-04"] == "open"


def test_a_first_start_holds_nothing_of_the_history(older: Organisation) -> None:
    march = APRIL.shift(-1)
    older.was_closed(march, allowed=False)
    assert older.tick(PUBLISH, "2026-05-08 07:30") == ["publish-2026-04-2026-05-08"]
    with State.open(older.settings) as state:
        assert {intent.period_id for intent in state.pending_intents()} == {APRIL.id}


# ---- previews ------------------------------------------------------------------------------


def test_previews_go_out_between_close_and_publication(organisation: Organisation) -> None:
    assert organisation.tick(PREVIEWS, "2026-05-05 18:15") == "2026-04 is not closed yet"
    organisation.run("monthly_close", "close-2026-04-2026-05-06", DagsterRunStatus.STARTED)
    assert organisation.tick(PREVIEWS, "2026-05-06 07:15") == "2026-04 is being closed"
    assert organisation.intents() == {}
    (run,) = organisation.instance.get_runs()
    organisation.instance.delete_run(run.run_id)
    assert organisation.tick(PREVIEWS, "2026-05-06 08:15") == ["monthly_preview-2026-04-2026-05-06"]
    assert organisation.intents() == {("monthly_preview", "2026-04"): "open"}
    with State.open(organisation.settings) as state:
        state.settle_intent(state.pending_intents()[0].intent_id)
    assert organisation.tick(PREVIEWS, "2026-05-07 07:15") == "2026-04 is settled"


def test_a_preview_that_could_not_be_answered_is_not_sent(organisation: Organisation) -> None:
    assert organisation.tick(PREVIEWS, "2026-05-07 18:15") == ["monthly_preview-2026-04-2026-05-07"]
    # its channel was down all day: what waited is dropped, and nothing else
    with State.open(organisation.settings) as state:
        state.open_intent("monthly", "2026-04", opened_by="schedule")
    told = organisation.tick(PREVIEWS, "2026-05-08 07:15")
    assert isinstance(told, str) and "could not be answered" in told
    assert organisation.intents() == {
        ("monthly_preview", "2026-04"): "cancelled",
        ("monthly", "2026-04"): "open",
    }


def test_a_preview_that_a_person_opened_is_left_to_them(organisation: Organisation) -> None:
    with State.open(organisation.settings) as state:
        state.open_intent("monthly_preview", "2026-04", opened_by="person")
    organisation.tick(PREVIEWS, "2026-05-08 07:15")
    assert organisation.intents() == {("monthly_preview", "2026-04"): "open"}


def test_letters_that_failed_to_render_are_waited_for(organisation: Organisation) -> None:
    (PREVIEW.draft(organisation.settings, APRIL) / "letters.json").unlink()
    assert organisation.tick(PREVIEWS, "2026-05-06 08:15") == "2026-04 is not drafted yet"


def test_letters_of_other_data_than_the_close_wait(organisation: Organisation) -> None:
    organisation.was_drafted_on_its_close()
    organisation.receives()
    organisation.was_closed(APRIL)  # and its figures failed
    assert organisation.tick(PREVIEWS, "2026-05-06 08:15") == (
        "2026-04 was drafted on other data than it was closed on"
    )
    assert organisation.intents() == {}


# ---- what is left over ---------------------------------------------------------------------


def seal_pack(organisation: Organisation, state: State) -> Any:
    return seal(
        state,
        organisation.settings,
        "monthly",
        APRIL,
        MONTHLY.draft(organisation.settings, APRIL),
        Audience((Recipient(mailbox("ada@example.org"), ("ld_head",)),), ()),
        Provenance("f", "m", "s", "c", "v", date(2026, 4, 30)),
    )


def send_pack(organisation: Organisation, state: State) -> Any:
    intent = state.open_intent("monthly", APRIL.id, opened_by="schedule")
    edition = seal_pack(organisation, state)
    deliver(state, organisation.settings, edition, open_channel(organisation.settings), "run")
    assert state.intent(intent.intent_id).status == "settled"
    return edition


def test_letters_left_over_are_sent_though_the_pack_is_settled(organisation: Organisation) -> None:
    with State.open(organisation.settings) as state:
        kit = state.open_intent("monthly_kit", APRIL.id, opened_by="schedule")
        state.mark_recorded(send_pack(organisation, state).edition_id)
    organisation.receives()  # what is sealed waits for no data
    assert organisation.tick(PUBLISH, "2026-05-11 07:30") == ["publish-2026-04-2026-05-11"]
    assert organisation.tick(CLOSE, "2026-05-11 07:00") == "every due month is closed"
    with State.open(organisation.settings) as state:
        state.settle_intent(kit.intent_id)
    assert organisation.tick(PUBLISH, "2026-05-11 08:30") == "every due monthly review is settled"


def test_what_a_crash_kept_out_of_the_log_is_entered_by_a_later_tick(
    organisation: Organisation,
) -> None:
    with State.open(organisation.settings) as state:
        edition = send_pack(organisation, state)
    assert organisation.tick(PUBLISH, "2026-05-11 07:30") == ["publish-2026-04-2026-05-11"]
    # a pack that was sent before there were kits gets none now
    assert organisation.intents() == {("monthly", "2026-04"): "settled"}
    with State.open(organisation.settings) as state:
        state.mark_recorded(edition.edition_id)
    assert organisation.tick(PUBLISH, "2026-05-12 07:30") == "every due monthly review is settled"


def test_a_first_start_does_not_send_the_history(older: Organisation) -> None:
    march = APRIL.shift(-1)
    older.has_figures(march)
    older.was_closed(march)
    older.is_drafted(march)
    assert older.tick(PUBLISH, "2026-05-08 07:30") == ["publish-2026-04-2026-05-08"]


def test_downtime_loses_no_review(older: Organisation) -> None:
    """March's review was the last before a long stop: April's is sent late, not never."""
    with State.open(older.settings) as state:
        intent = state.open_intent("monthly", "2026-03", opened_by="schedule")
        state.cancel_intent(intent.intent_id, "sent by hand")
    assert older.tick(PUBLISH, "2026-06-22 09:30") == ["publish-2026-04-2026-06-22"]
    assert older.tick(CLOSE, "2026-06-22 09:00") == [
        "close-2026-03-2026-06-22",
        "close-2026-05-2026-06-22",
    ]


def test_every_ritual_has_its_schedules(organisation: Organisation) -> None:
    schedules = organisation.repository.schedule_defs
    assert sorted((s.name, s.job_name, s.cron_schedule) for s in schedules) == [
        ("monthly_close_schedule", "monthly_close", "0 7-18 * * 1-5"),
        ("monthly_preview_schedule", "monthly_preview", "15 7-18 * * 1-5"),
        ("monthly_publish_schedule", "monthly_publish", "30 7-18 * * 1-5"),
        ("quarterly_close_schedule", "quarterly_close", "0 7-18 * * 1-5"),
        ("quarterly_publish_schedule", "quarterly_publish", "30 7-18 * * 1-5"),
        ("weekly_close_schedule", "weekly_close", "0 7-18 * * 1-5"),
        ("weekly_publish_schedule", "weekly_publish", "30 7-18 * * 1-5"),
    ]
    assert {schedule.execution_timezone for schedule in schedules} == {"Europe/London"}


# ---- late data -----------------------------------------------------------------------------


class Looks:
    """The late sensor over a small town, one look after the other."""

    def __init__(self, town: Town, instance: DagsterInstance) -> None:
        self.town, self.instance = town, instance
        self.repository = repository_of(town.settings)
        self.sensor = self.repository.get_sensor_def("late_sensor")
        self.cursor: str | None = None

    def look(self) -> list[tuple[str | None, ...]] | str:
        """Job, first and last partition of each run that is asked for, or why none is."""
        with build_sensor_context(
            instance=self.instance, repository_def=self.repository, cursor=self.cursor
        ) as context:
            found = self.sensor.evaluate_tick(context)
        self.cursor = found.cursor
        if found.skip_message:
            return found.skip_message
        self.asked = list(found.run_requests or ())
        return [
            (each.job_name, each.tags[RANGE_START_TAG], each.tags[RANGE_END_TAG])
            for each in self.asked
        ]

    def run(self, status: DagsterRunStatus) -> None:
        """What the daemon launches for the requests of the last look."""
        for each in self.asked:
            self.instance.create_run_for_job(
                self.repository.get_job(each.job_name or ""),
                tags={"dagster/run_key": each.run_key or ""},
                status=status,
            )


def test_late_data_builds_again_exactly_what_it_touches(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    instance.wipe()
    looks = Looks(Town(tmp_path), instance)
    town = looks.town
    assert looks.sensor.default_status.value == "RUNNING"
    # the first delivery of all would tell of every period that nothing was done, not that nothing
    # is known
    town.arrive("activity", date(2026, 11, 8), [event("e", "ann", "2026-11-08")])
    town.close()
    assert looks.look() == "no late data touches a closed period"
    assert looks.look() == "nothing has arrived since the last look"
    town.arrive("activity", date(2026, 11, 9), [event("e0", "ann", "2026-11-09")])
    assert looks.look() == "no late data touches a closed period"
    town.arrive("activity", date(2026, 11, 10), [
        event("e1", "ann", "2026-09-16"), event("e2", "ann", "2026-09-22"),
        event("e3", "ann", "2026-10-28"),
    ])  # fmt: skip
    # what shows others is built after them; what is beside each other is one run
    assert looks.look() == [("quarterly_restate", "2026-07-01", "2026-07-01")]
    looks.run(DagsterRunStatus.STARTED)
    assert looks.look() == "a quarter is being closed or published"
    (run,) = instance.get_runs()
    instance.report_run_failed(run)
    # what failed is told by the watch, and holds up nothing else
    assert looks.look() == [("monthly_restate", "2026-09-01", "2026-10-01")]
    looks.run(DagsterRunStatus.SUCCESS)
    town.close(Period.parse("2026-09"), APRIL.shift(6))
    assert looks.look() == [
        ("weekly_restate", "2026-09-14", "2026-09-21"),
        ("weekly_restate", "2026-10-26", "2026-10-26"),
    ]
    looks.run(DagsterRunStatus.SUCCESS)
    town.close()
    assert looks.look() == "no late data touches a closed period"
    # while deliveries are still coming in nothing is begun
    town.arrive("activity", date(2026, 11, 11), [event("e4", "ann", "2026-10-28")])
    instance.create_run_for_job(looks.repository.get_job("ingest"), status=DagsterRunStatus.STARTED)
    assert looks.look() == "an ingest is under way"


def test_a_draft_that_was_not_made_to_its_end_is_made_again(
    tmp_path: Path, instance: DagsterInstance
) -> None:
    instance.wipe()
    looks = Looks(Town(tmp_path), instance)
    looks.town.close()
    october = APRIL.shift(6)
    draft = MONTHLY.draft(looks.town.settings, october)
    make_draft(draft)
    (draft / "scorecard.json").write_text("{}")  # newer than the pages
    later = time.time_ns() + 10**9
    os.utime(draft / "scorecard.json", ns=(later, later))
    assert looks.look() == [("monthly_restate", "2026-10-01", "2026-10-01")]
    os.utime(draft / "email.json", ns=(later, later))
    assert looks.look() == "no late data touches a closed period"
    # of other figures than those in force
    figures = hashlib.sha256((draft / "scorecard.json").read_bytes()).hexdigest()
    looks.town.lake.write_json(
        {"build": "older"}, "evidence", "month", "2026-10", figures, "basis.json"
    )
    looks.cursor = None
    assert looks.look() == [("monthly_restate", "2026-10-01", "2026-10-01")]
