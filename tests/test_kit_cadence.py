"""The communication kit from its occasion to the sponsor's mailbox: at the next Monday, and once.

The ticks, the state, the assets and the outbox are the real ones; the clock is the test's. A
message is issued on Wednesday 10 June 2026. The month of May was published on 5 June, June will be
on 7 July.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from orchestration.addresses import mailbox
from orchestration.delivery import occasions
from orchestration.delivery.assets import build_assets, drafted_by, seal_period
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import Provenance, deliver, seal
from orchestration.delivery.mailings import KITS, pack
from orchestration.delivery.recipients import Audience, Recipient
from orchestration.periods import Grain, Period, partition_key
from orchestration.problems import Problem
from orchestration.review.draft_files import EMAIL
from orchestration.review.kit_assets import kit_asset
from orchestration.scorecard.draft import write_leaders, write_scorecard
from orchestration.scorecard.model import EarlyWarning
from orchestration.settings import Settings
from orchestration.state import State
from orchestration.warehouse.published import publish
from tests.delivery.conftest import make_draft
from tests.review import rituals, scorecards
from tests.review.test_kit import CORE, month_of, page, warning
from tests.test_cadences import Organisation
from tests.warehouse.small_lake import PSEUDONYMS

MAY, JUNE = Period.parse("2026-05"), Period.parse("2026-06")
W23, W24, W25, W26 = (Period.parse(f"2026-W{number}") for number in (23, 24, 25, 26))
MARCUS, INES = ("P-0007", "Marcus Lindqvist"), ("P-0010", "Ines Fischer")
SILENT = warning("no visible sponsor", "U1", since=date(2026, 6, 22))
LEFT = "every due weekly review is settled"


class Company(Organisation):
    """A home whose weeks and months are closed as the test says, with one sponsor, of U1."""

    def __init__(self, home: Path, instance: dg.DagsterInstance) -> None:
        super().__init__(home, instance)
        self.now = datetime(2026, 6, 1, tzinfo=UTC)

    def issued(self, *, approver: str = "P-0001") -> None:
        folder = self.settings.home / "charter"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "messages.csv").write_text(
            "message_id,core_sentence,audience_org_unit_id,approver_person_id,issued_on,"
            f'expires_on,occasion,ask\nM-2,"{CORE}",*,{approver},2026-06-10,2026-07-10,refresh,'
            "Choose one course\n"
        )

    def closes(
        self,
        period: Period,
        warnings: Sequence[EarlyWarning] = (),
        sponsor: tuple[str, str] = MARCUS,
    ) -> None:
        """Figures, close and the review's draft of a period; its kits are the asset's to draft."""
        grain, (person, name) = period.grain, sponsor
        with self.lake.connect() as connection:
            connection.execute(
                f"CREATE TABLE named_leaders__{grain} AS SELECT DATE '{period.start}' AS "
                f"period_start, '{person}' AS person_id, '{name}' AS full_name, 'sponsor' AS role, "
                "'U1' AS org_unit_id, true AS is_active"
            )
            connection.execute(
                f"CREATE TABLE contacts__{grain} AS SELECT DATE '{period.start}' AS period_start, "
                f"'{person}' AS person_id, '{name}' AS full_name, '{person}@example.org' AS email, "
                "NULL AS manager_id, true AS is_active, NULL AS deputy_person_id"
            )
            models = [f"named_leaders__{grain}", f"contacts__{grain}"]
            publish(self.lake, connection, grain, [(period, "b1")], models, PSEUDONYMS)
        self.was_closed(period)
        make_draft(pack(grain).draft(self.settings, period))
        pages = [page(person_id=person, name=name, period_id=period.id)]
        changes: dict[str, Any] = {
            "ritual": grain.ritual,
            "period_id": period.id,
            "period_label": period.label,
            "warnings": tuple(warnings),
        }
        if grain is Grain.MONTH:
            write_leaders(self.settings, period, pages)
            card = month_of(pages, **changes)
        else:
            card = rituals.week(scorecards.typical(), **changes)
        write_scorecard(self.settings, period, card)
        (pack(grain).draft(self.settings, period) / EMAIL).touch()  # which is written last

    def publishes(self, period: Period) -> None:
        """The review's pack is sealed and sent; its kits are not touched."""
        mailing = pack(period.grain)
        with State.open(self.settings) as state:
            state.open_intent(mailing.name, period.id, opened_by="schedule")
            edition = seal(
                state,
                self.settings,
                mailing.name,
                period,
                mailing.draft(self.settings, period),
                Audience((Recipient(mailbox("ada@example.org"), ("ld_head",)),), ()),
                Provenance("f", "m", "s", "c", "v", period.end),
            )
            deliver(state, self.settings, edition, open_channel(self.settings), "run")
            state.mark_recorded(edition.edition_id)

    def materialize(self, period: Period, wanted: Sequence[str] = ()) -> dict[str, Any]:
        """The kit of a period, drafted, sealed and delivered by its assets; what each says."""
        mailing = KITS[period.grain]
        built = [kit_asset(self.settings, period.grain), *build_assets(self.settings, [mailing])]
        assert built[0].key == drafted_by(mailing)
        result = dg.materialize(
            [asset for asset in built if not wanted or asset.key.path[-1] in wanted],
            instance=self.instance,
            partition_key=partition_key(period),
        )
        assert result.success
        return {
            event.asset_key.path[-1]: {
                name: value.value for name, value in event.materialization.metadata.items()
            }
            for event in result.get_asset_materialization_events()
        }

    @property
    def mails(self) -> list[tuple[str, str, str]]:
        """To whom, with what subject, with what town hall script: oldest first."""
        found = []
        for file in sorted((self.settings.home / "outbox").glob("*kit*.eml"), key=_sent_at):
            read = message_from_bytes(file.read_bytes(), policy=policy.default)
            script = next(p for p in read.iter_attachments() if "town-hall" in p.get_filename(""))
            found.append((str(read["To"]), str(read["Subject"]), str(script.get_content())))
        return found


def _sent_at(file: Path) -> int:
    return file.stat().st_mtime_ns


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


@pytest.fixture
def company(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> Company:
    """May was closed and published on 5 June; nothing has been said to anybody."""
    instance.wipe()
    made = Company(tmp_path / "home", instance)
    opened = State.open

    def at_the_tests_time(settings: Settings) -> State:
        state = opened(settings)
        state.now = lambda: made.now
        return state

    monkeypatch.setattr(State, "open", at_the_tests_time)
    made.issued()
    made.closes(MAY)
    made.publishes(MAY)
    return made


def monday(company: Company, period: Period, **more: Any) -> dict[str, Any]:
    """The Monday after a week: its close, the tick that opens its mail, its kit, its digest."""
    company.closes(period, **more)
    company.now = datetime.combine(period.end + timedelta(days=1), datetime.min.time(), UTC)
    company.now += timedelta(hours=7)
    today = company.now.date()
    asked = company.tick("weekly_publish_schedule", f"{today} 07:30")
    assert asked == [f"publish-{period.id}-{today}"]
    done = company.materialize(period)
    company.publishes(period)
    assert company.tick("weekly_publish_schedule", f"{today} 08:30") == LEFT
    return done


def test_a_message_is_carried_to_its_sponsor_on_the_next_monday_and_once(
    company: Company,
) -> None:
    before = monday(company, W23)
    assert before["weekly_kit"]["kits"] == 0  # it is issued on Wednesday
    assert before["weekly_kit_edition"]["mode"] == before["weekly_kit_delivery"]["mode"]
    assert before["weekly_kit_edition"]["mode"] == "nothing" and company.mails == []

    first = monday(company, W24)
    assert first["weekly_kit_edition"]["mode"] == "sealed"
    assert (first["weekly_kit_delivery"]["mode"], first["weekly_kit_delivery"]["sent"]) == (
        "sent", 1,
    )  # fmt: skip
    ((to, subject, script),) = company.mails
    assert to == "P-0007@example.org" and subject.startswith("Speak to Operations")
    assert CORE in script and "Message M-2." in script
    # the figures of the last month that was published
    assert "Mandatory learning on time, Operations: 61.2 % in October 2026." in script
    assert "I will tell you how far we have come on 7 July 2026." in script

    again = monday(company, W25)
    assert again["weekly_kit"]["kits"] == 1  # its occasion still stands; it was answered
    assert again["weekly_kit_edition"]["mode"] == "nothing"

    # a warning begins to ask for it in the week after
    asked = monday(company, W26, warnings=[SILENT])
    assert asked["weekly_kit_delivery"]["sent"] == 1
    assert len(company.mails) == 2

    # June's review is published on 7 July: message and warning still stand, and both were answered
    company.closes(JUNE, warnings=[SILENT])
    company.now = datetime(2026, 7, 7, 8, tzinfo=UTC)
    assert company.tick("monthly_publish_schedule", "2026-07-07 07:30") == [
        "publish-2026-06-2026-07-07"
    ]
    late = company.materialize(JUNE)
    assert late["monthly_kit"]["kits"] == 1
    assert late["monthly_kit_edition"]["mode"] == "nothing"
    assert len(company.mails) == 2
    with State.open(company.settings) as state:
        assert state.pending_intents("monthly_kit") == []


def test_the_month_that_comes_first_carries_it_and_the_week_does_not(company: Company) -> None:
    company.closes(JUNE)
    company.now = datetime(2026, 7, 7, 8, tzinfo=UTC)
    company.tick("monthly_publish_schedule", "2026-07-07 07:30")
    assert company.materialize(JUNE)["monthly_kit_delivery"]["sent"] == 1
    week = Period.parse("2026-W27")  # published the day before, caught up after it
    company.closes(week)
    company.tick("weekly_publish_schedule", "2026-07-07 09:30")
    assert company.materialize(week)["weekly_kit_edition"]["mode"] == "nothing"
    assert len(company.mails) == 1


def test_a_message_approved_late_and_a_new_sponsor_have_their_kit(company: Company) -> None:
    company.issued(approver="")
    company.closes(W24)
    faulty = company.materialize(W24)
    assert (faulty["weekly_kit"]["kits"], faulty["weekly_kit"]["faults"]) == (0, 1)
    company.issued()
    assert monday(company, W25)["weekly_kit_delivery"]["sent"] == 1
    assert monday(company, W26, sponsor=INES)["weekly_kit_delivery"]["sent"] == 1
    assert [to for to, _, _ in company.mails] == ["P-0007@example.org", "P-0010@example.org"]


def test_what_has_expired_is_sent_by_a_person_only(company: Company) -> None:
    company.closes(W24)
    company.tick("weekly_publish_schedule", "2026-06-15 07:30")  # then the machine stood still
    company.now = datetime(2026, 7, 11, 8, tzinfo=UTC)
    assert company.materialize(W24)["weekly_kit_edition"]["mode"] == "nothing"
    company.closes(W25)
    with State.open(company.settings) as state:
        state.open_intent("weekly_kit", W25.id, opened_by="person")
    assert company.materialize(W25)["weekly_kit_delivery"]["sent"] == 1


def test_one_process_at_a_time_looks_at_occasions(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(occasions, "_WAIT_SECONDS", 0.1)
    company.closes(W24)
    company.tick("weekly_publish_schedule", "2026-06-15 07:30")
    company.materialize(W24, wanted=("weekly_kit",))
    with (
        State.open(company.settings) as state,
        occasions.one_at_a_time(company.settings),
        pytest.raises(Problem, match="sealing letters for too long"),
    ):
        seal_period(state, company.settings, company.lake, KITS[Grain.WEEK], W24)
