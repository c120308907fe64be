"""Personal letters and invitations, from the draft to real sockets: everybody their own, once."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import date
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetSpec, DagsterInstance, RunConfig, materialize

from orchestration.addresses import mailbox
from orchestration.delivery.assets import EditionConfig, audience, build_assets, drafted_by
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import RetryPolicy, deliver, seal, verify
from orchestration.delivery.mailings import (
    KITS,
    MAILINGS,
    PREVIEW,
    SHEETS,
    Mailing,
    pack,
    published_together,
    read_letters,
)
from orchestration.delivery.recipients import Audience, Recipient
from orchestration.periods import Grain, Period, partition_key
from orchestration.problems import Problem
from orchestration.quality import close as close_module
from orchestration.quality.close import PeriodClose
from orchestration.scorecard.draft import to_json
from orchestration.settings import Secrets, Settings
from orchestration.state import SendStatus, State
from orchestration.warehouse import published
from tests.delivery.conftest import PERIOD, PROVENANCE, make_draft, make_settings
from tests.delivery.servers import SendGridServer, SmtpServer, in_turn
from tests.review.scorecards import typical

QUARTER = Period.containing(Grain.QUARTER, date(2026, 7, 1))
KIT = KITS[Grain.MONTH]
ADA, BOB = "ada@example.org", "bob@example.org"
ICS = (
    b"BEGIN:VCALENDAR\r\nPRODID:-//Test//EN\r\nVERSION:2.0\r\nMETHOD:REQUEST\r\nBEGIN:VEVENT\r\n"
    b"UID:monthly-2026-10@example.org\r\nSEQUENCE:0\r\nDTSTAMP:20261031T000000Z\r\n"
    b"DTSTART:20261112T100000Z\r\nDTEND:20261112T103000Z\r\nSUMMARY:Review\r\n"
    b"ORGANIZER:mailto:adoption-review@example.org\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n"
)


def make_letters(draft: Path, letters: dict[str, tuple[str, ...]]) -> Path:
    draft.mkdir(parents=True, exist_ok=True)
    listed = [{"folder": name, "to": list(to), "role": "sponsor"} for name, to in letters.items()]
    (draft / "letters.json").write_text(json.dumps(listed))
    for name in letters:
        make_draft(draft / name, f"letter {name}")
        change(draft / name, subject=f"Letter {name}")
    return draft


def change(folder: Path, **values: Any) -> None:
    file = folder / "email.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def told(*recipients: tuple[str, str]) -> Audience:
    return Audience(
        tuple(Recipient(mailbox(address), ("sponsor",), letter) for letter, address in recipients),
        (),
    )


def seal_letters(state: State, settings: Settings, draft: Path, *to: tuple[str, str]) -> Any:
    state.open_intent(KIT.name, PERIOD.id, opened_by="schedule")
    return seal(
        state, settings, KIT.name, PERIOD, draft, told(*to), PROVENANCE, read_letters(draft)
    )


# ---- the list ------------------------------------------------------------------------------


def test_what_is_published_together() -> None:
    assert [each.name for each in published_together(Grain.WEEK)] == ["weekly", "weekly_kit"]
    assert [each.name for each in published_together(Grain.MONTH)] == ["monthly", "monthly_kit"]
    assert [each.name for each in published_together(Grain.QUARTER)] == [
        "quarterly",
        "quarterly_sheets",
    ]
    assert max(len(name) for name in MAILINGS) <= 16  # as the state database keeps it


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("no json", "JSON"),
        ('{"a": 1}', "not a list"),
        ('["x"]', "row 1: not a letter"),
        ('[{"folder": "../x", "to": ["P1"]}]', "not a plain name"),
        ('[{"folder": "..", "to": ["P1"]}]', "not a plain name"),
        ('[{"folder": "a/b", "to": ["P1"]}]', "not a plain name"),
        (json.dumps([{"folder": "x" * 65, "to": ["P1"]}]), "not a plain name"),
        ('[{"folder": "ok", "to": "P1"}]', "not a list of person ids"),
        ('[{"folder": "ok", "to": [1]}]', "not a list of person ids"),
        ('[{"folder": "a", "to": []}, {"folder": "a", "to": []}]', "one folder"),
    ],
)
def test_a_list_that_could_do_harm_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "letters.json").write_text(content)
    with pytest.raises(Problem, match=words):
        read_letters(tmp_path)


def test_undrafted_letters_are_not_taken_for_none(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="have not been drafted"):
        read_letters(tmp_path)
    (tmp_path / "letters.json").write_text("[]")
    assert read_letters(tmp_path) == ()


# ---- sealing -------------------------------------------------------------------------------


def test_all_letters_are_one_sealed_edition(
    state: State, settings: Settings, tmp_path: Path
) -> None:
    draft = make_letters(tmp_path / "draft", {"of-1": ("P1",), "of-2": ("P2", "P1")})
    make_draft(draft / "left-over")  # of a leader who is none any more
    to = (("of-1", ADA), ("of-2", ADA), ("of-2", BOB))
    edition = seal_letters(state, settings, draft, *to)
    folder = Path(edition.folder)
    assert folder == settings.home / "editions/monthly_kit/2026-10/edition-1"
    assert sorted(place.name for place in folder.iterdir()) == [
        "edition.json", "letters.json", "of-1", "of-2",
    ]  # fmt: skip
    assert edition.subject == "2 letters"  # a letter's own subject may name somebody
    verify(edition)
    assert [(r.letter, r.recipient) for r in state.recipients(edition.edition_id)] == list(to)
    assert "ada" not in (folder / "edition.json").read_text()
    make_letters(draft, {"of-1": ("P9",)})
    assert seal_letters(state, settings, draft, ("of-1", "p9@example.org")) == edition
    (folder / "of-1" / "email.txt").chmod(0o644)
    (folder / "of-1" / "email.txt").write_text("other figures")
    with pytest.raises(Problem, match="not as it was sealed"):
        deliver(state, settings, edition, open_channel(settings), "run")


def test_a_letter_that_could_do_harm_seals_nothing(
    state: State, settings: Settings, tmp_path: Path
) -> None:
    draft = make_letters(tmp_path / "draft", {"of-1": ("P1",), "of-2": ("P2",)})
    change(draft / "of-2", subject="x\r\nBcc: eve@evil.com")
    with pytest.raises(Problem, match="subject"):
        seal_letters(state, settings, draft, ("of-1", ADA))
    change(draft / "of-2", subject="x", html="../of-1/email.html")  # another's letter
    with pytest.raises(Problem, match="plain name"):
        seal_letters(state, settings, draft, ("of-1", ADA))
    (draft / "of-2").rename(draft / "of-3")
    with pytest.raises(Problem, match="missing"):
        seal_letters(state, settings, draft, ("of-1", ADA))
    (draft / "of-2").symlink_to(draft / "of-1")
    with pytest.raises(Problem, match="missing"):
        seal_letters(state, settings, draft, ("of-1", ADA))
    assert state.editions() == []


def test_letters_without_a_reachable_addressee_are_an_error(
    state: State, settings: Settings, tmp_path: Path
) -> None:
    draft = make_letters(tmp_path / "draft", {"of-1": ("P1",)})
    with pytest.raises(Problem, match="no recipient"):
        seal_letters(state, settings, draft)


# ---- over real sockets ---------------------------------------------------------------------


@pytest.fixture
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def channel_settings(home: Path, server: SmtpServer | SendGridServer) -> Settings:
    if isinstance(server, SendGridServer):
        return make_settings(home, channel="sendgrid", sendgrid={"host": server.host})
    smtp = {"host": "127.0.0.1", "port": server.port, "security": "none"}
    return make_settings(home, channel="smtp", smtp=smtp)


SECRETS = Secrets(sendgrid_api_key="SG.test")  # type: ignore[arg-type]


def test_two_letters_to_one_person_are_two_mails_over_smtp(tmp_path: Path) -> None:
    with SmtpServer(in_turn("250")) as server:
        settings = channel_settings(tmp_path, server)
        draft = make_letters(tmp_path / "draft", {"of-1": ("P1",), "of-2": ("P2", "P1")})
        with State.open(settings) as state:
            to = (("of-1", ADA), ("of-2", ADA), ("of-2", BOB))
            edition = seal_letters(state, settings, draft, *to)
            report = deliver(state, settings, edition, open_channel(settings), "run-1")
            assert (report.mode, report.sent, report.settled) == ("sent", 3, True)
            assert deliver(state, settings, edition, open_channel(settings), "run-2").sent == 0
        got = sorted((to, str(message["Subject"])) for to, message, _ in server.messages)
        assert got == [(ADA, "Letter of-1"), (ADA, "Letter of-2"), (BOB, "Letter of-2")]
        assert max(server.accepted.values()) == 1
        for _, message, _ in server.messages:
            body = message.get_body(("plain",))
            assert body is not None
            own = str(message["Subject"]).lower()
            assert own in body.get_content()  # their own letter, no other
            assert "of-" not in str(message["Message-ID"])


def test_a_lost_answer_for_one_letter_stops_no_other(tmp_path: Path, no_proxy: None) -> None:
    with SendGridServer(in_turn("202-lost", "202")) as server:
        settings = channel_settings(tmp_path, server)
        draft = make_letters(tmp_path / "draft", {"of-1": ("P1",), "of-2": ("P1",)})
        with State.open(settings) as state:
            edition = seal_letters(state, settings, draft, ("of-1", ADA), ("of-2", ADA))
            channel = open_channel(settings, SECRETS)
            policy_now = RetryPolicy(first_wait=0.01)
            report = deliver(state, settings, edition, channel, "run-1", policy=policy_now)
            assert (report.accepted, report.unknown) == (1, 1)
            rows = state.ledger_rows("edition", edition.edition_id)
            assert [(r.letter, r.status) for r in rows] == [
                ("of-1", SendStatus.UNKNOWN),
                ("of-2", SendStatus.ACCEPTED),
            ]
            assert deliver(state, settings, edition, channel, "run-2").sent == 0
            state.decide(
                "edition", edition.edition_id, ADA, "resend", why="never came", letter="of-1"
            )
            assert deliver(state, settings, edition, channel, "run-3").sent == 1
        assert [body["subject"] for body in server.requests] == [
            "Letter of-1", "Letter of-2", "Letter of-1",
        ]  # fmt: skip
        keys = {body["personalizations"][0]["custom_args"]["recipient_key"]
                for body in server.requests}  # fmt: skip
        assert len(keys) == 2  # one a letter, the same at a retry


def with_invitation(draft: Path, content: bytes = ICS) -> Path:
    make_draft(draft)
    (draft / "invitation.ics").write_bytes(content)
    change(draft, calendar="invitation.ics")
    return draft


def seal_invitation(state: State, settings: Settings, draft: Path) -> Any:
    state.open_intent("monthly", PERIOD.id, opened_by="schedule")
    return seal(state, settings, "monthly", PERIOD, draft, told(("", ADA), ("", BOB)), PROVENANCE)


def test_an_invitation_over_smtp(tmp_path: Path) -> None:
    with SmtpServer(in_turn("250")) as server:
        settings = channel_settings(tmp_path, server)
        with State.open(settings) as state:
            edition = seal_invitation(state, settings, with_invitation(tmp_path / "draft"))
            assert deliver(state, settings, edition, open_channel(settings), "run").sent == 2
        for to, message, raw in server.messages:
            related, pack_file = message.iter_parts()
            alternative, image = related.iter_parts()  # type: ignore[attr-defined]
            kinds = [part.get_content_type() for part in alternative.iter_parts()]
            assert kinds == ["text/plain", "text/html", "text/calendar"]
            invitation = list(alternative.iter_parts())[-1]
            assert invitation["Content-Type"].params == {"charset": "utf-8", "method": "REQUEST"}
            content = invitation.get_content().replace("\r\n", "\n")
            assert f"mailto:{to}" in content.replace("\n ", "")
            assert content.count("ATTENDEE") == 1  # nobody sees the others
            assert "UID:monthly-2026-10@example.org\n" in content
            assert pack_file.get_content_type() == "application/pdf"
            assert image.get_content_type() == "image/png"
            assert b"\n" not in raw.replace(b"\r\n", b"")


def test_an_invitation_through_sendgrid_is_an_attachment(tmp_path: Path, no_proxy: None) -> None:
    with SendGridServer(in_turn("202")) as server:
        settings = channel_settings(tmp_path, server)
        with State.open(settings) as state:
            edition = seal_invitation(state, settings, with_invitation(tmp_path / "draft"))
            assert (
                deliver(state, settings, edition, open_channel(settings, SECRETS), "run").sent == 2
            )
    for body in server.requests:
        invitation = body["attachments"][-1]
        assert (invitation["type"], invitation["filename"], invitation["disposition"]) == (
            "text/calendar; method=REQUEST",
            "invitation.ics",
            "attachment",
        )


def test_an_invitation_in_the_outbox_is_the_same_at_a_second_write(
    state: State, settings: Settings, tmp_path: Path
) -> None:
    edition = seal_invitation(state, settings, with_invitation(tmp_path / "draft"))
    deliver(state, settings, edition, open_channel(settings), "run")
    before = {file.name: file.read_bytes() for file in (settings.home / "outbox").iterdir()}
    assert len(before) == 2
    for file in (settings.home / "outbox").iterdir():
        read = message_from_bytes(file.read_bytes(), policy=policy.default)
        assert "text/calendar" in [part.get_content_type() for part in read.walk()]
        file.unlink()
    for row in state.ledger_rows():
        with state._write() as connection:
            connection.exec_driver_sql("UPDATE ledger SET status = 'unknown'")
        state.decide("edition", edition.edition_id, row.recipient, "resend", why="lost")
        deliver(state, settings, edition, open_channel(settings), "run-2")
    assert {f.name: f.read_bytes() for f in (settings.home / "outbox").iterdir()} == before


@pytest.mark.parametrize(
    "content",
    [b"", b"BEGIN:VCALENDAR\r\nMETHOD:CANCEL\r\nEND:VCALENDAR\r\n", b"\xff\xfe", b"METHOD:REQUEST"],
)
def test_what_is_no_invitation_is_not_sealed(
    state: State, settings: Settings, tmp_path: Path, content: bytes
) -> None:
    with pytest.raises(Problem):
        seal_invitation(state, settings, with_invitation(tmp_path / "draft", content))
    assert state.editions() == []


# ---- the assets ----------------------------------------------------------------------------


class World:
    """Stands for the stages before delivery, for every mailing."""

    def __init__(self, home: Path) -> None:
        self.settings = make_settings(home)
        self.instance = DagsterInstance.ephemeral()
        self.contacts = [
            {"person_id": p, "full_name": f"Name {p}", "email": f"{p.lower()}@example.org",
             "manager_id": "M1", "is_active": True, "deputy_person_id": None}
            for p in ("P1", "P2", "M1")
        ]  # fmt: skip
        self.holders = [("executive_sponsor", ADA), ("ld_head", BOB), ("elt_member", ADA)]
        for period in (PERIOD, QUARTER):
            card = typical(ritual=period.grain.ritual, period_id=period.id, decisions=())
            make_draft(pack(period.grain).draft(self.settings, period), card=to_json(card))

    def require_allowed(self, lake: Any, period: Period) -> PeriodClose:
        return PeriodClose.model_construct(feeds={})

    def read_published(self, lake: Any, grain: Grain, model: str, *, period_ids: Any) -> Any:
        if model == f"contacts__{grain}":
            return self.contacts
        if model == f"governance_faults__{grain}":
            return []
        assert model == f"governance__{grain}"
        return [
            {"role": role, "org_unit_id": "U1", "person_id": email, "email": email,
             "is_active": True}
            for role, email in self.holders
        ]  # fmt: skip

    def letters(
        self, mailing: Mailing, period: Period, letters: dict[str, tuple[str, ...]]
    ) -> None:
        make_letters(mailing.draft(self.settings, period), letters)

    def open(self, *mailings: Mailing, period: Period = PERIOD) -> None:
        with State.open(self.settings) as state:
            for mailing in mailings:
                state.open_intent(mailing.name, period.id, opened_by="schedule")

    def run(self, *mailings: Mailing, period: Period = PERIOD) -> Any:
        built = build_assets(self.settings, mailings)
        drafts = [
            AssetSpec(drafted_by(mailing), partitions_def=built[0].partitions_def)
            for mailing in mailings
        ]
        return materialize(
            [*built, *drafts],
            selection=[a.key for a in built],
            instance=self.instance,
            partition_key=partition_key(period),
            run_config=RunConfig(
                {f"delivery__{each.asset}_edition": EditionConfig() for each in mailings}
            ),
            raise_on_error=False,
        )

    def metadata(self, result: Any) -> dict[str, dict[str, Any]]:
        return {
            event.asset_key.path[-1]: {
                name: value.value for name, value in event.materialization.metadata.items()
            }
            for event in result.get_asset_materialization_events()
        }

    def modes(self, result: Any) -> dict[str, tuple[str, int | None]]:
        return {
            name: (values["mode"], values.get("sent"))
            for name, values in self.metadata(result).items()
        }

    @property
    def mails(self) -> list[tuple[str, str]]:
        found = []
        for file in sorted((self.settings.home / "outbox").glob("*.eml")):
            read = message_from_bytes(file.read_bytes(), policy=policy.default)
            found.append((str(read["To"]), str(read["Subject"])))
        return sorted(found)


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path / "home")
    monkeypatch.setattr(close_module, "require_allowed", made.require_allowed)
    monkeypatch.setattr(published, "read_published", made.read_published)
    with made.instance:
        yield made


PACK, REVIEW = pack(Grain.MONTH), "Adoption review — October 2026"


def test_the_kit_goes_out_beside_the_pack(world: World) -> None:
    world.letters(KIT, PERIOD, {"of-1": ("P1",), "of-2": ("P2",)})
    world.open(PACK, KIT)
    result = world.run(PACK, KIT)
    assert result.success
    assert world.modes(result) == {
        "month_edition": ("sealed", None),
        "month_delivery": ("sent", 2),
        "monthly_kit_edition": ("sealed", None),
        "monthly_kit_delivery": ("sent", 2),
    }
    assert world.mails == [
        (ADA, REVIEW), (BOB, REVIEW), ("p1@example.org", "Letter of-1"),
        ("p2@example.org", "Letter of-2"),
    ]  # fmt: skip
    again = world.run(PACK, KIT)
    assert set(world.modes(again).values()) == {("archived", None), ("archived", 0)}
    assert len(world.mails) == 4


def test_no_letters_are_nothing_to_send_and_no_error(world: World) -> None:
    world.letters(KIT, PERIOD, {})
    world.open(KIT)
    result = world.run(KIT)
    assert result.success
    assert world.modes(result) == {
        "monthly_kit_edition": ("nothing", None),
        "monthly_kit_delivery": ("nothing", 0),
    }
    with State.open(world.settings) as state:
        intent = state.latest_intent(KIT.name, PERIOD.id)
        assert intent is not None
        assert (intent.status, intent.reason) == ("settled", "nothing to send")
        assert state.editions() == []
    world.letters(KIT, PERIOD, {"of-1": ("P1",)})  # drafted again later: too late
    assert world.run(KIT).success and world.mails == []


def test_an_empty_audience_is_an_error_of_that_edition_alone(world: World) -> None:
    world.holders = []
    world.letters(KIT, PERIOD, {"of-1": ("P1",)})
    world.open(PACK, KIT)
    result = world.run(PACK, KIT)
    assert not result.success
    (failed,) = result.get_step_failure_events()
    assert failed.step_key == "delivery__month_edition"
    assert "no recipient" in failed.step_failure_data.error.to_string()
    assert world.mails == [("p1@example.org", "Letter of-1")]


def test_an_unknown_role_in_the_calendar_stops_its_own_ritual(world: World) -> None:
    folder = world.settings.home / "charter"
    folder.mkdir(parents=True)
    (folder / "review_calendar.csv").write_text(
        "ritual,name,minutes,attendee_roles,agenda\n"
        "monthly,M,30,executive_sponsr,y\nquarterly,Q,60,elt_member,z\n"
    )
    world.letters(SHEETS, QUARTER, {})
    quarter = pack(Grain.QUARTER)
    world.open(PACK)
    world.open(quarter, SHEETS, period=QUARTER)
    failed = world.run(PACK)
    assert not failed.success
    (event,) = failed.get_step_failure_events()
    assert "executive_sponsr" in event.step_failure_data.error.to_string()
    assert world.modes(world.run(quarter, SHEETS, period=QUARTER))["quarter_delivery"] == (
        "sent",
        1,
    )


def test_a_preview_of_somebody_who_left_goes_to_the_deputy_or_is_told(world: World) -> None:
    world.contacts[0] |= {"is_active": False, "deputy_person_id": "P2"}
    world.letters(PREVIEW, PERIOD, {"of-1": ("P1",), "of-9": ("P9",)})
    world.open(PREVIEW)
    result = world.run(PREVIEW)
    assert result.success
    assert world.mails == [("p2@example.org", "Letter of-1")]
    reason = "sponsor: not among the period's contacts, so no address is known"
    assert world.metadata(result)["monthly_preview_edition"]["not_sent_to"] == {reason: 1}


def test_a_letter_that_was_not_rendered_is_told_and_not_sealed(world: World) -> None:
    """Its addressee was outside the allowed domains when it was drafted."""
    world.contacts[1] |= {"email": "p2@evil.com"}
    world.letters(PREVIEW, PERIOD, {"of-1": ("P1",), "of-2": ("P2",)})
    draft = PREVIEW.draft(world.settings, PERIOD)
    shutil.rmtree(draft / "of-2")
    listed = json.loads((draft / "letters.json").read_text())
    listed[1] |= {"rendered": False}
    (draft / "letters.json").write_text(json.dumps(listed))
    said = "\n".join(audience(world.settings, PREVIEW, PERIOD))
    assert "letter of-2: the domain is not in allowed_domains" in said
    world.open(PREVIEW)
    result = world.run(PREVIEW)
    assert result.success and world.mails == [("p1@example.org", "Letter of-1")]
    told = world.metadata(result)["monthly_preview_edition"]
    assert told["not_sent_to"] == {"sponsor: the domain is not in allowed_domains": 1}
    assert [letter.folder for letter in read_letters(Path(str(told["folder"])))] == ["of-1"]
    # allowed since: it still has to be drafted
    world.contacts[1] |= {"email": "p2@example.org"}
    said = "\n".join(audience(world.settings, PREVIEW, PERIOD))
    assert "draft it again" in said


def test_a_sheet_of_somebody_who_left_goes_to_their_manager_only(world: World) -> None:
    world.contacts[0] |= {"is_active": False, "deputy_person_id": "P2"}
    world.letters(SHEETS, QUARTER, {"of-1": ("P1", "M1")})
    world.open(SHEETS, period=QUARTER)
    result = world.run(SHEETS, period=QUARTER)
    assert result.success
    assert world.mails == [("m1@example.org", "Letter of-1")]


def test_letters_are_sent_by_intent_only(world: World) -> None:
    world.letters(PREVIEW, PERIOD, {"of-1": ("P1",)})
    assert world.modes(world.run(PREVIEW)) == {
        "monthly_preview_edition": ("archived", None),
        "monthly_preview_delivery": ("archived", 0),
    }
    world.open(PACK)  # another mailing's intent is not theirs
    assert world.modes(world.run(PREVIEW))["monthly_preview_delivery"] == ("archived", 0)
    assert world.mails == []


def test_the_log_holds_no_address_no_name_and_no_letter(world: World) -> None:
    world.contacts[1] |= {"email": "canary@evil.com"}
    world.letters(KIT, PERIOD, {"of-canary": ("P1",), "of-2": ("P2",)})
    world.open(KIT)
    assert world.run(KIT).success
    logged = "\n".join(
        repr(record.event_log_entry)
        for run in world.instance.get_run_ids()
        for record in world.instance.get_records_for_run(run).records
    )
    assert "not in allowed_domains" in logged
    for secret in ("canary", "@example.org", "Name P"):
        assert secret not in logged


def test_a_dry_run_of_letters_names_each(world: World) -> None:
    world.contacts[1] |= {"email": "p2@evil.com"}
    world.letters(PREVIEW, PERIOD, {"of-1": ("P1",), "of-2": ("P2",)})
    lines = audience(world.settings, PREVIEW, PERIOD)
    assert lines == [
        "Letter of-1: Letter of-1",
        "Letter of-2: Letter of-2",
        "Channel: outbox",
        "No open intent: nothing would be sent.",
        "Would go to 1:",
        "  p1@example.org  sponsor  [new]  letter of-1",
        "Would not go to 1:",
        "  sponsor Name P2 (P2) p2@evil.com letter of-2: the domain is not in allowed_domains",
        "With: scorecard.png, Review pack 2026-10.pdf",
    ]
    world.letters(PREVIEW, PERIOD, {})
    assert audience(world.settings, PREVIEW, PERIOD)[0] == "No letters: nothing to send."
    assert not (world.settings.home / "outbox").exists()


def test_letters_are_never_drafted_in_the_packs_folder(settings: Settings) -> None:
    packs = pack(Grain.MONTH).draft(settings, PERIOD)
    for mailing in (PREVIEW, KIT):
        assert not mailing.draft(settings, PERIOD).is_relative_to(packs)
