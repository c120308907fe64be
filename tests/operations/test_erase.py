"""Erasing a person in a small home: mail, editions, ledger; refused, interrupted, restored."""

from __future__ import annotations

import json
import zlib
from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from dagster import DagsterRunStatus

from orchestration.alerts.reaper import process_tag
from orchestration.command import cli
from orchestration.delivery.editions import verify
from orchestration.operations import commands, erase_files
from orchestration.operations.backup import backup
from orchestration.operations.erase import Eraser, Receipt
from orchestration.operations.restore import restore
from orchestration.operations.traces import Traces
from orchestration.problems import Problem
from orchestration.runs import project_instance
from orchestration.scorecard.restated import Restatement, from_json, to_json
from orchestration.scorecard.since import since_file
from orchestration.settings import PathSettings, Settings
from orchestration.state import State
from tests.delivery.conftest import make_draft, make_settings
from tests.operations.conftest import OCTOBER, READERS, SEPTEMBER, greeting, send
from tests.postgresql import Server, sqlalchemy_url
from tests.trust.on_disk import places

ADA, NAME = "ada@example.org", "Ada Lovelace"
PERSON = "E100777"


def erase(settings: Settings, **more: bool) -> Receipt:
    return Eraser(settings, PERSON, also=(ADA, NAME), **more).erase("Tess")


@pytest.fixture
def named(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """September's review went to Ada among others; October's names her as well."""
    words = f"78 %, says {NAME}"
    monkeypatch.setattr("tests.operations.conftest.make_draft", lambda to, _: make_draft(to, words))
    send(settings, OCTOBER)
    checked = settings.home / "lake" / "validations" / "people.json"
    checked.parent.mkdir(parents=True)
    checked.write_text(json.dumps({"unexpected": [NAME]}))
    return settings


def test_mail_ledger_and_editions_know_her_no_more(named: Settings) -> None:
    with State.open(named) as state:
        before = {each.edition_id: each for each in state.editions()}
    since = since_file(Path(before[f"monthly-{SEPTEMBER.id}-edition-1"].folder))
    since.write_bytes(to_json([Restatement("Decision 1", "", f"{NAME} decides.", "not shown")]))
    half = since.with_name(f"{since.name}.killed.tmp")
    half.write_bytes(since.read_bytes()[:-3])
    packed = named.home / "lake" / "versions" / "people.parquet.killed.tmp"
    packed.parent.mkdir(exist_ok=True)
    packed.write_bytes(zlib.compress(PERSON.encode()))  # no search would find her in it
    receipt = erase(named)
    assert places(named.home, [ADA, NAME, PERSON]) == {}
    assert not packed.exists()
    assert receipt.taken_out == {
        "Files that killed runs left half written": 2,
        "Mail in the outbox": 4,  # September's to her, October's to all
        "Drafts": 1,
        "Sealed editions": 2,  # October's, and what reads otherwise than September's
        "Messages to them, and among recipients": 4,
        "Manifests and results of checks": 1,
    }
    with State.open(named) as state:
        for edition in state.editions():
            verify(edition)
            assert {each.recipient for each in state.recipients(edition.edition_id)} == {
                *READERS
            } - {ADA}
        assert {row.recipient for row in state.ledger_rows()} == {*READERS} - {ADA}
        after = {each.edition_id: each for each in state.editions()}
    september, october = f"monthly-{SEPTEMBER.id}-edition-1", f"monthly-{OCTOBER.id}-edition-1"
    assert after[september] == before[september]
    assert [each.was for each in from_json(since.read_bytes())] == ["(erased) decides."]
    assert after[october].sealed_hash == before[october].content_hash
    folder = Path(after[october].folder)
    assert json.loads((folder / "edition.json").read_bytes())["erasures"] == [1]
    assert "78 %, says (erased)" in (folder / "email.txt").read_text()
    # its pages cannot be rendered by this version, and nobody can look into a PDF
    assert not (folder / "review-pack.pdf").exists()
    said = receipt.file.read_text()
    assert not any(text in said for text in (ADA, NAME, PERSON))
    assert erase(named).taken_out == receipt.taken_out  # once more: there is nothing to do


@pytest.mark.parametrize("method", ["redacted", "end_erasure"])
def test_killed_on_the_way_it_is_finished_by_the_next(
    named: Settings, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(State, method, killed)
        with pytest.raises(KeyboardInterrupt):
            erase(named)
    with State.open(named) as state:
        assert [each.ended_at for each in state.erasures()] == [None]
    erase(named)
    assert places(named.home, [ADA, NAME, PERSON]) == {}
    with State.open(named) as state:
        assert all(each.ended_at for each in state.erasures())
        for edition in state.editions():
            verify(edition)


def test_a_folder_that_was_moved_away_comes_back(named: Settings) -> None:
    place = named.home / "editions" / "monthly" / OCTOBER.id / "edition-1"
    place.rename(place.with_name(".erasing-edition-1.old"))
    (place.parent / ".erasing-edition-1.new").mkdir()
    erase(named)
    assert [each.name for each in place.parent.iterdir()] == ["edition-1"]
    assert places(named.home, [ADA, NAME, PERSON]) == {}


def test_refused_while_anything_is_at_work_or_nobody_is_known(settings: Settings) -> None:
    with pytest.raises(Problem, match="nobody of this id was ever delivered"):
        Eraser(settings, PERSON)
    with project_instance(settings) as instance:
        instance.create_run_for_job(greeting, tags=process_tag(), status=DagsterRunStatus.STARTED)
    with pytest.raises(Problem, match=r"a run of greeting is under way .* then erase"):
        Eraser(settings, PERSON, also=(ADA,))


def test_a_backup_from_before_brings_her_back_and_says_so(named: Settings, tmp_path: Path) -> None:
    copy = backup(named, tmp_path / "backups").folder
    kept = named.model_copy(
        update={"backup": named.backup.model_copy(update={"folder": copy.parent})}
    )
    receipt = erase(kept)
    assert receipt.owners.copies == (copy,)
    done = restore(named, copy, replace=True)
    assert done.erased == 1
    with State.open(named) as state:
        (again,) = state.erasures()
        assert (again.erasure_id, again.ended_at) == (receipt.number, None)
    assert places(named.home, [ADA]) != {}
    erase(kept, with_copies=True)
    assert places(named.home, [ADA, NAME, PERSON]) == {}  # what the restore put aside as well
    assert not copy.exists()
    later = backup(named, tmp_path / "later")
    receipt.file.unlink()
    restore(named, later.folder, replace=True)
    assert json.loads(receipt.file.read_bytes())["erasure"] == receipt.number


def test_the_command_asks_and_lists_what_is_not_its_to_remove(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(commands, "load_settings", lambda: settings)
    named = tmp_path / "settings.toml"
    named.write_text(f'owner_email = "{ADA}"\n')
    monkeypatch.setattr(erase_files, "settings_file", lambda: named)
    (settings.landing_folder / "staff.csv").write_text(f"id,mail\n1,{ADA}\n")

    def run(*more: str, typed: str = "") -> str:
        arguments = ["erase-person", PERSON, "--also", ADA, *more]
        return CliRunner().invoke(cli, arguments, input=typed, catch_exceptions=False).output

    told = run("--dry-run")
    assert "Mail in the outbox: 1" in told and "Nothing was changed" in told
    assert str(settings.landing_folder / "staff.csv") in told and str(named) in told
    run(typed="n\n")
    assert len(places(settings.home, [ADA])) > 1
    told = run("--delivered", "--yes")
    assert "Erased. Receipt 1" in told and str(named) in told
    # it was not landed, so what it says of others is nowhere else
    assert places(settings.home, [ADA]) == {"landing/staff.csv": [ADA]}
    assert "counts again" in run("--readmit")


def test_records_stay_landed_when_they_are_edited(settings: Settings) -> None:
    from orchestration.feeds.awaiting import awaiting_dates
    from orchestration.feeds.landing import land_range
    from orchestration.lake import Lake

    lake = Lake(settings.lake_url)
    file = settings.landing_folder / "records" / "records_2026-11-04_001.jsonl"
    common = {"recorded_at": "2026-11-04T09:00:00+00:00", "source": "command", "entry_id": "e",
              "subject": "comment", "kpi_id": "k", "period_id": "2026-10"}  # fmt: skip
    rows = [
        {**common, "record_id": "a", "text": f"as {NAME} said", "recorded_by": PERSON},
        {**common, "record_id": "b", "text": "mine", "person_id": PERSON},
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    still = settings.model_copy(
        update={"landing": settings.landing.model_copy(update={"settle_seconds": 0})}
    )

    def land() -> list[str]:
        found = land_range(still, lake, "records", OCTOBER.shift(1).start, OCTOBER.shift(1).end)
        return [each.status for each in found if each.delivery.delivery_date.day == 4]

    assert land() == ["landed"]
    awaited = awaiting_dates(still, lake)
    erase(still)
    assert [json.loads(line) for line in file.read_text().splitlines()] == [
        {**common, "record_id": "a", "text": "as (erased) said"}
    ]
    assert awaiting_dates(still, lake) == awaited
    assert land() == ["duplicate"]
    assert places(settings.home, [ADA, NAME, PERSON]) == {}


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("by Ada Lovelace.", "by (erased)."),
        ("by ADA\n lovelace", "by (erased)"),
        ("Adaline Lovelaced", "Adaline Lovelaced"),
        ("to <ADA@example.org>;", "to <(erased)>;"),
        ("plan/E100777/town_hall", "plan/erased-3/town_hall"),
        ("E1007771, XE100777", "E1007771, XE100777"),
        ("12 of 12", "12 of 12"),
    ],
)
def test_what_is_found_in_texts(text: str, left: str) -> None:
    assert Traces(3, PERSON, "0" * 32, (NAME, ADA)).without(text) == left


def test_an_id_like_any_number_is_found_where_ids_stand() -> None:
    traces = Traces(3, "12", "0" * 32, ("Zoë O'Hara",))
    given = {"owner_person_id": "12", "value": "12", "to": "Zo\\u00eb O'Hara"}
    assert traces.of_document(given) == {
        "owner_person_id": "erased-3", "value": "12", "to": "(erased)"
    }  # fmt: skip
    assert traces.without("<b>Zoë O&#39;Hara</b>") == "<b>(erased)</b>"


def test_a_name_of_one_word_is_found_where_nothing_else_stands() -> None:
    traces = Traces(3, "12", "0" * 32, ("Will",))
    given = {"name": "Will", "text": "Will it be ready?"}
    assert traces.of_document(given) == {"name": "(erased)", "text": "Will it be ready?"}


@pytest.mark.parametrize("head", [b"PK\x03\x04", b"\x1f\x8b", b"PAR1", b"\x78\x9c"])
def test_what_cannot_be_unpacked_is_looked_at_as_it_is(head: bytes) -> None:
    traces = Traces(3, PERSON, "0" * 32, (NAME,))
    assert traces.in_content(head + b"xx Ada  Lovelace xx")
    assert not traces.in_content(head + b"xx Ada Love xx")


def test_another_home_knows_nobody(tmp_path: Path) -> None:
    settings = make_settings(tmp_path / "new")
    with pytest.raises(Problem, match="nobody of this id"):
        Eraser(settings, "E1")


def test_postgresql_is_cleared_too(settings: Settings, tmp_path: Path, postgresql: Server) -> None:
    url = sqlalchemy_url(postgresql.database("erased"))
    served = settings.model_copy(update={"paths": PathSettings(home=settings.home, state=url)})
    send(served, SEPTEMBER)
    packed = zlib.compress(f"ask {NAME}".encode())
    with sa.create_engine(url).begin() as connection:  # as Dagster's own storage has such columns
        connection.execute(sa.text("CREATE TABLE event_logs (id INT, event TEXT, body BYTEA)"))
        connection.execute(
            sa.text("INSERT INTO event_logs VALUES (1, :said, :body), (2, 'nothing', NULL)"),
            {"said": f'{{"by": "{NAME.upper()}"}}', "body": packed},
        )
    receipt = erase(served)
    assert receipt.taken_out["Messages to them, and among recipients"] == 2
    with sa.create_engine(url).connect() as connection:
        rows = connection.execute(sa.text("SELECT * FROM event_logs ORDER BY id")).all()
    assert rows[0][1] == '{"by": "(erased)"}'
    assert zlib.decompress(rows[0][2]) == b"ask (erased)"
    assert rows[1] == (2, "nothing", None)
    with State.open(served) as state:
        assert {row.recipient for row in state.ledger_rows()} == {*READERS} - {ADA}
