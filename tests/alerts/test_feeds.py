"""A feed that goes stale, over real sockets: who is told, when, how often, and what."""

from __future__ import annotations

import logging
import subprocess
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetCheckKey, AssetKey, DagsterInstance

from orchestration.incidents import Finding, open_incidents, recover, report
from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.quality.close import PeriodClose, judge_period
from orchestration.settings import PROJECT_ROOT, FeedName
from orchestration.state import SendStatus
from tests.alerts.conftest import FEEDS, LEAD, NOW, OWNER, OfficeFactory
from tests.delivery.servers import in_turn
from tests.quality.small_deliveries import in_place, manifest_of

END_OF_SEPTEMBER, END_OF_AUGUST = date(2026, 9, 30), date(2026, 8, 31)


def test_a_stale_feed_is_told_once_reminded_and_told_well_again(open_office: OfficeFactory) -> None:
    office = open_office(chat=True)
    office.deliver(date(2026, 10, 1))
    assert office.watch() == "0 incidents open, 0 messages sent, 0 dead runs ended"
    # a month later: October was due on Wednesday 4 November, of people only September is there
    office.deliver(date(2026, 11, 2), "org_units", "courses", "enrolments", "activity")
    office.watch(days=30)  # Thursday 5 November
    assert office.mails() == [(OWNER, "new: the feed people is late")]
    assert [post["title"] for post in office.web.posts] == [
        "Example adoption review: new: the feed people is late"
    ]
    text = " ".join(office.text().split())
    assert "The data ends on 2026-10-01, 35 days ago" in text
    assert "October 2026 was due on 2026-11-04" in text
    assert "Since: 4 November 2026, 00:00 (Europe/London)" in text
    assert "At risk: The weekly review of" in text
    assert "the monthly review of October 2026 (due 2026-11-06)" in text
    assert 'go out marked "data as of"' in text
    assert "Put a whole delivery (people_{date}.csv) into the landing folder" in text
    for _ in range(5):
        office.watch(hours=1)
    assert len(office.mails()) == 1
    office.watch(hours=19)  # a day after the first word, Friday
    assert office.mails()[1:] == [(OWNER, "still open: the feed people is late")]
    office.watch(hours=24)  # Saturday: nobody is reminded
    office.watch(hours=24)
    assert len(office.mails()) == 2
    office.watch(hours=24)  # Monday; the second deadline passed on Sunday
    assert sorted(office.mails()[2:]) == [
        (OWNER, "still open: the feed people is late"),
        (LEAD, "not mended in time: the feed people is late"),
    ]
    office.deliver(date(2026, 11, 9), "people")
    office.watch(minutes=1)
    assert sorted(office.mails()[4:]) == [
        (OWNER, "recovered: the feed people is late"),
        (LEAD, "recovered: the feed people is late"),
    ]
    assert len(office.web.posts) == 4
    for _ in range(3):
        office.watch(days=1)
    assert len(office.mails()) == 6 and open_incidents(office.state) == []
    assert {row.status for row in office.state.ledger_rows("incident")} == {SendStatus.ACCEPTED}


def test_every_feed_stale_at_once_is_one_message(open_office: OfficeFactory) -> None:
    office = open_office(chat=True)
    office.deliver(END_OF_AUGUST)
    office.watch()
    assert office.mails() == [(OWNER, "5 faults (5 new)")]
    assert len(office.web.posts) == 1
    text = office.text()
    for feed in ("people", "org_units", "courses", "enrolments", "activity"):
        assert f"New: The feed {feed} is late" in text
    office.deliver(END_OF_SEPTEMBER)
    office.deliver(date(2026, 10, 5))
    office.watch(minutes=1)
    assert office.mails()[1:] == [(OWNER, "5 faults (5 recovered)")]


def test_no_delivery_yet_is_no_fault(open_office: OfficeFactory) -> None:
    office = open_office()
    office.watch()
    assert office.mails() == []


def test_a_refused_delivery_is_told_until_a_good_one_replaces_it(
    open_office: OfficeFactory,
) -> None:
    office = open_office()
    office.deliver(date(2026, 10, 5))
    secret = "row 3: 'canary@example.org' is not a date"
    in_place(
        office.lake,
        manifest_of(
            "people", date(2026, 10, 6), verdict="refused", contract_problem=secret, rows=0
        ),
    )
    office.watch()
    assert office.mails() == [(OWNER, "new: a delivery of people was refused")]
    assert "canary" not in office.text() and "2026-10-06" in office.text()
    office.watch(hours=1)
    assert len(office.mails()) == 1
    office.deliver(date(2026, 10, 7), "people")
    office.watch(hours=1)
    assert office.mails()[1:] == [(OWNER, "recovered: a delivery of people was refused")]


@pytest.mark.parametrize("feed", ["activity", "enrolments"])
def test_refused_events_and_changes_stay_told_until_their_own_date_is_delivered(
    open_office: OfficeFactory, feed: FeedName
) -> None:
    """The next day's delivery does not bring what the refused one held, as the close says too."""
    owners: dict[str, dict[str, Any]] = {name: {"owner_email": OWNER} for name in FEEDS}
    owners["enrolments"]["delivery"] = "changes"
    office = open_office(owners=owners)

    def delivered(day: int, sequence: int = 1, **fields: Any) -> None:
        in_place(office.lake, manifest_of(feed, date(2026, 10, day), sequence, **fields))

    def verdict() -> tuple[str, str]:
        week = judge_period(
            office.settings, office.lake, Period.parse("2026-W41"), "charter", office.moment
        )
        return week.feeds[feed].verdict, week.feeds[feed].reason

    office.deliver(date(2026, 10, 5))
    delivered(6, verdict="refused", contract_problem="no", rows=0, event_days=[])
    delivered(7, verdict="refused", failed_expectations=["few: no."])
    office.watch(days=1, hours=1)
    assert office.mails() == [(OWNER, f"new: a delivery of {feed} was refused")]
    for day in range(8, 15):  # to Wednesday of the next week
        delivered(day, verdict="promoted")
        office.watch(days=1)
    assert {subject for _, subject in office.mails()[1:]} == {
        f"still open: a delivery of {feed} was refused",
        f"not mended in time: a delivery of {feed} was refused",
    }
    words = " ".join(office.text().split())
    for said in (
        "The delivery 2026-10-06.001 breaks the contract",
        "the delivery 2026-10-07.001 does not meet 1 of its expectations",
        "No later delivery makes up for 2026-10-06.001, 2026-10-07.001: what was in it is missing",
        "At risk: The weekly review of Week 41, 2026 (due 2026-10-12), the monthly review of "
        "October 2026",
        "Read the check contract and expectations of the asset",
        f"Have it corrected and deliver the same date again ({feed}_{{date}}.csv)",
    ):
        assert said in words, said
    assert verdict()[0] == "stale"
    assert "2026-10-06.001, 2026-10-07.001 refused and not delivered again" in verdict()[1]
    told = len(office.mails())
    delivered(6, 2, verdict="promoted")
    office.watch(minutes=1)
    (incident,) = open_incidents(office.state)
    assert "2026-10-07.001" in incident.detail and "2026-10-06" not in incident.detail
    assert len(office.mails()) == told
    delivered(7, 2, verdict="promoted")
    office.watch(minutes=1)
    assert verdict() == ("complete", "")
    assert open_incidents(office.state) == []
    assert (OWNER, f"recovered: a delivery of {feed} was refused") in office.mails()[told:]


def test_a_hole_of_the_past_puts_no_coming_edition_at_risk(open_office: OfficeFactory) -> None:
    office = open_office()
    refused = manifest_of("activity", date(2026, 5, 12), verdict="refused", contract_problem="no")
    before_the_history = refused.model_copy(
        update={"delivery_date": date(2025, 12, 1), "delivery_id": "2025-12-01.001"}
    )
    in_place(office.lake, before_the_history)
    office.deliver(date(2026, 5, 13))
    office.deliver(date(2026, 10, 5))
    office.watch()
    assert office.mails() == []
    in_place(office.lake, refused)
    office.watch(minutes=1)
    assert office.mails() == [(OWNER, "new: a delivery of activity was refused")]
    assert "At risk: No edition due next." in office.text()


def test_a_daily_feed_that_stops_is_told_when_a_weekly_review_lacks_it(
    open_office: OfficeFactory,
) -> None:
    """Activity stops on 2 March; the week's review waits for it until Wednesday, 11 March."""
    office = open_office()
    office.deliver(date(2026, 3, 1))  # the others come monthly
    for day in range(30):
        office.deliver(date(2026, 3, 3) - timedelta(days=day), "activity")
    week = Period.parse("2026-W10")

    def close() -> PeriodClose:
        return judge_period(office.settings, office.lake, week, "charter", office.moment)

    office.moment = datetime(2026, 3, 10, 23, 30, tzinfo=UTC)
    office.watch()
    assert office.mails() == []
    assert (close().verdict, close().feeds["activity"].waits_until) == ("held", date(2026, 3, 11))
    office.watch(hours=1)
    assert office.mails() == [(OWNER, "new: the feed activity is late")]
    assert close().verdict == "stale" and "activity as of 2 March 2026" in close().stale_note
    words = " ".join(office.text().split())
    assert "The data ends on 2026-03-02, 9 days ago; Week 10, 2026 was due on 2026-03-11" in words
    assert "It had to reach 2026-03-08." in words
    assert "Since: 11 March 2026, 00:00 (Europe/London)" in words
    assert "At risk: The weekly review of Week 10, 2026" in words
    office.deliver(date(2026, 3, 11), "activity")
    office.watch(hours=10)
    assert office.mails()[1:] == [(OWNER, "recovered: the feed activity is late")]


# ---- channels ------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["rcpt:451", "dot:451", "drop"])
def test_a_channel_that_does_not_take_it_is_tried_until_it_does(
    open_office: OfficeFactory, answer: str
) -> None:
    office = open_office(answer, answer, "250")
    office.deliver(END_OF_AUGUST)
    refused = 0
    for _ in range(12):
        try:
            office.watch(minutes=4)
        except Problem as problem:
            refused += 1
            assert "tried again" in str(problem) and "@" not in str(problem)
    assert refused == 2
    assert office.mails() == [(OWNER, "5 faults (5 new)")]


def test_what_was_perhaps_taken_is_sent_again(open_office: OfficeFactory) -> None:
    office = open_office("lost", "250")
    office.deliver(END_OF_AUGUST)
    with pytest.raises(Problem):
        office.watch()
    office.watch(minutes=4)
    office.watch(minutes=4)
    assert office.mails() == [(OWNER, "5 faults (5 new)")] * 2  # at least once


def test_a_sender_that_died_while_sending_is_replaced(open_office: OfficeFactory) -> None:
    office = open_office()
    office.deliver(END_OF_AUGUST)
    incident = report(
        office.state,
        Finding("other x", "feed people", "x is broken", "It broke.", "None.", "Ask.", NOW),
        office.settings.alerts,
    )
    office.state.plan("incident", str(incident.incident_id), [("opened", OWNER)])
    (row,) = office.state.ledger_rows("incident")
    office.state.claim(row, run_id="r", holder="gone")
    office.watch(minutes=2)  # the lease ran out
    assert office.mails() == [(OWNER, "6 faults (6 new)")]


def test_a_sender_killed_between_sending_and_recording_tells_it_again(
    open_office: OfficeFactory, tmp_path: Path
) -> None:
    """The server has the message and does not answer yet; the process is killed; the next tells."""
    office = open_office("hang", "250")
    office.deliver(END_OF_AUGUST)
    settings = tmp_path / "settings.json"
    settings.write_text(office.settings.model_dump_json(exclude_none=True))
    script = (
        "import sys\nfrom datetime import datetime\nfrom pathlib import Path\n"
        "from dagster import DagsterInstance\n"
        "from orchestration.alerts.sensors import Watched, watch\n"
        "from orchestration.settings import Settings\nfrom orchestration.state import State\n"
        "settings = Settings.model_validate_json(Path(sys.argv[1]).read_text())\n"
        "with State.open(settings) as state, DagsterInstance.ephemeral() as instance:\n"
        "    state.now = lambda: datetime.fromisoformat(sys.argv[2])\n"
        "    watch(settings, state, instance, Watched({}, ()))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", script, str(settings), office.moment.isoformat()],
        cwd=PROJECT_ROOT,
    )
    try:
        ends = time.monotonic() + 120
        while not office.mails():
            assert process.poll() is None and time.monotonic() < ends
            time.sleep(0.02)
    finally:
        process.kill()
        process.wait()
    assert [row.status for row in office.state.ledger_rows("incident")] == [SendStatus.SENDING] * 5
    office.watch(minutes=2)
    assert office.mails() == [(OWNER, "5 faults (5 new)")] * 2  # at least once
    office.watch(minutes=2)
    assert len(office.mails()) == 2
    rows = office.state.ledger_rows("incident")
    assert [row.status for row in rows] == [SendStatus.ACCEPTED] * 5


def test_a_chat_that_is_down_holds_no_mail_up(open_office: OfficeFactory) -> None:
    office = open_office(chat=True)
    office.deliver(END_OF_AUGUST)
    office.web.status = 503
    with pytest.raises(Problem, match="the chat was not taken"):
        office.watch()
    assert len(office.mails()) == 1
    office.web.status = 200
    office.watch(minutes=4)
    assert len(office.mails()) == 1 and len(office.web.posts) == 1


def test_recovered_before_it_could_be_told_is_told_as_recovered(
    open_office: OfficeFactory,
) -> None:
    office = open_office("rcpt:451", "250")
    office.deliver(END_OF_AUGUST)
    with pytest.raises(Problem):
        office.watch()
    office.deliver(date(2026, 10, 5))
    office.watch(minutes=1)
    assert office.mails() == [(OWNER, "5 faults (5 recovered)")]


def test_an_address_refused_for_good_goes_to_the_lead(open_office: OfficeFactory) -> None:
    office = open_office(behave=lambda to: "rcpt:550" if to == OWNER else "250")
    office.deliver(END_OF_AUGUST)
    with pytest.raises(Problem, match="refused for good"):
        office.watch()
    office.watch(minutes=1)
    office.watch(minutes=1)
    assert office.mails() == [(LEAD, "5 faults (5 new)")]


def test_reminders_that_are_refused_for_good_go_to_the_lead_and_do_not_end(
    open_office: OfficeFactory,
) -> None:
    """The owner's address took the first word and refuses ever after; no chat is set."""
    answers = {OWNER: in_turn("250", "rcpt:550"), LEAD: in_turn("250")}
    office = open_office(behave=lambda to: answers[to](to), alerts={"escalation_hours": 24 * 20})
    office.deliver(date(2026, 10, 1))
    office.deliver(date(2026, 11, 2), "org_units", "courses", "enrolments", "activity")
    office.watch(days=30)  # Thursday 5 November
    for hours in (24, 72, 24):  # Friday, Monday, Tuesday
        with pytest.raises(Problem, match="refused for good"):
            office.watch(hours=hours)
        office.watch(minutes=1)
        office.watch(minutes=1)
    assert office.mails() == [
        (OWNER, "new: the feed people is late"),
        *[(LEAD, "still open: the feed people is late")] * 3,
    ]
    office.deliver(date(2026, 11, 9), "people")
    with pytest.raises(Problem, match="refused for good"):
        office.watch(minutes=1)
    assert office.mails()[4:] == [(LEAD, "recovered: the feed people is late")]


def test_refused_by_everybody_it_is_said_that_nobody_knows(open_office: OfficeFactory) -> None:
    office = open_office("rcpt:550", monitor=True)
    office.deliver(END_OF_AUGUST)
    for _ in range(2):
        with pytest.raises(Problem, match="refused for good"):
            office.watch(minutes=1)
    with pytest.raises(Problem, match="5 incidents could be told to nobody"):
        office.watch(minutes=1)
    assert office.web.gets == []


def test_nobody_outside_the_allowed_domains_is_told(open_office: OfficeFactory) -> None:
    elsewhere = {"owner_email": "someone@elsewhere.net"}
    office = open_office(owners={"people": elsewhere})
    office.deliver(END_OF_AUGUST, "people")
    office.watch()
    assert {to for to, _ in office.mails()} == {LEAD}
    assert "the owner of people: the domain is not in allowed_domains" in " ".join(
        office.text().split()
    )
    assert "elsewhere.net" not in office.text()


def test_without_anybody_to_tell_the_round_fails_and_the_monitor_is_silent(
    open_office: OfficeFactory,
) -> None:
    office = open_office(
        owners={}, monitor=True, alerts={"lead_email": None, "operations_email": None}
    )
    office.watch()
    assert office.web.gets == ["/beat-canary"]
    office.deliver(END_OF_AUGUST)
    with pytest.raises(Problem, match="told to nobody"):
        office.watch(minutes=1)
    assert office.web.gets == ["/beat-canary"]


# ---- secrets -------------------------------------------------------------------------------


def test_no_secret_and_no_address_in_logs_or_errors(
    open_office: OfficeFactory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    office = open_office("rcpt:451", chat=True, monitor=True)
    office.web.status = 500
    with pytest.raises(Problem, match="the outside monitor was not reached: it answered 500"):
        office.watch()
    office.deliver(END_OF_AUGUST)
    with pytest.raises(Problem) as caught:
        office.watch(minutes=1)
    logged = " ".join(
        record.getMessage()
        for record in caplog.records
        if record.name != "mail.log"  # the server
    )
    said = f"{caught.value} {logged} {office.settings!r} {office.secrets!r}"
    assert "canary" not in said
    assert OWNER not in f"{caught.value} {logged}"


def test_a_webhook_nobody_knows_is_named_without_being_shown(open_office: OfficeFactory) -> None:
    from pydantic import SecretStr

    office = open_office()
    office.secrets = office.secrets.model_copy(
        update={"alert_webhook": SecretStr("canary-nonsense")}
    )
    with pytest.raises(Problem, match="ADOPTION_ALERT_WEBHOOK") as caught:
        office.watch()
    assert "canary" not in str(caught.value)


# ---- the incidents themselves --------------------------------------------------------------


def test_an_incident_is_one_from_the_first_report_to_recovery(open_office: OfficeFactory) -> None:
    office = open_office()
    state, alerts = office.state, office.settings.alerts
    first = Finding("run x", "operations", "x failed", "once", "none", "mend", NOW)
    again = Finding("run x", "operations", "x failed", "twice", "none", "mend", NOW.replace(hour=8))
    number = report(state, first, alerts).incident_id
    updated = report(state, again, alerts)
    assert (updated.incident_id, updated.detail, updated.since) == (number, "twice", NOW)
    assert recover(state, "run x", alerts) and not recover(state, "run x", alerts)
    assert report(state, again, alerts).incident_id == number + 1


def test_what_comes_and_goes_is_told_as_such_and_then_left_alone(
    open_office: OfficeFactory,
) -> None:
    """People breaks and recovers every hour for a day and more, then stays well."""
    office = open_office(alerts={"escalation_hours": 26})
    office.moment = NOW.replace(day=12)  # a Monday
    good, bad = {"verdict": "promoted"}, {"verdict": "refused", "contract_problem": "no", "rows": 0}
    office.deliver(date(2026, 10, 5))

    def delivered(number: int, **fields: Any) -> None:
        in_place(office.lake, manifest_of("people", date(2026, 10, 6), number + 1, **fields))

    for hour in range(32):
        delivered(hour, **(good if hour % 2 else bad))
        office.watch(hours=1)
    told = [subject for to, subject in office.mails() if to == OWNER]
    assert told == [
        "new: a delivery of people was refused",
        "recovered: a delivery of people was refused",
        "new: a delivery of people was refused",
        "recovered: a delivery of people was refused",
        "comes and goes: a delivery of people was refused",
        "still open: a delivery of people was refused",  # a day later, and broken at that moment
    ]
    words = next(
        " ".join(str(mail.get_body(("plain",)).get_content()).split())  # type: ignore[union-attr]
        for to, mail, _ in office.mail.messages
        if "comes and goes" in str(mail["Subject"])
    )
    assert "How often: It broke 3 times within 24 hours." in words
    assert "it counts as recovered once it has been well for 24 hours on end." in words
    assert [s for to, s in office.mails() if to == LEAD] == [
        "not mended in time: a delivery of people was refused"
    ]
    (incident,) = open_incidents(office.state)
    assert (incident.times, incident.well_since) == (16, office.moment)
    office.watch(hours=23)
    assert len(open_incidents(office.state)) == 1
    office.watch(hours=1)
    assert open_incidents(office.state) == []
    assert [s for to, s in office.mails() if to == OWNER][6:] == [
        "recovered: a delivery of people was refused"
    ]
    # settings say how often is often
    calm = open_office(alerts={"flapping_times": 50})
    assert not report(
        calm.state, Finding("x", "operations", "x", "x", "x", "x", NOW), calm.settings.alerts
    ).is_flapping(calm.settings.alerts)


def test_the_check_shows_that_data_grows_old_without_any_run(
    open_office: OfficeFactory, instance: DagsterInstance
) -> None:
    office = open_office()
    key = AssetCheckKey(AssetKey(["quality", "raw_people"]), "freshness")

    def shown() -> list[tuple[bool, str]]:
        found = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
        return [
            (each.evaluation.passed, each.evaluation.severity.value)
            for each in reversed(found)
            if each.evaluation is not None
        ]

    office.deliver(date(2026, 10, 1))
    office.watch()
    assert shown() == []  # what was never shown and is well says nothing
    office.watch(days=30)
    office.watch(minutes=1)
    assert shown() == [(False, "ERROR")]
    office.deliver(date(2026, 11, 4), "people")
    office.watch(minutes=1)
    office.watch(minutes=1)
    assert shown() == [(False, "ERROR"), (True, "WARN")]
