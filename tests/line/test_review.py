"""The review as its readers get it, and that it is delivered once."""

from __future__ import annotations

import email
import json
from email.message import EmailMessage
from email.policy import default as email_policy
from pathlib import Path
from typing import cast

from orchestration.delivery.editions import open_intent
from orchestration.delivery.mailings import KITS
from orchestration.periods import Grain, Period
from orchestration.runs import project_instance
from orchestration.scorecard.model import Scorecard
from orchestration.state import State
from orchestration.warehouse.published import read_published
from tests.line.reviewed import LAST, FirstRun, Organisation, failures

RITUAL = Grain.MONTH.ritual


def edition_folder(organisation: Organisation) -> Path:
    with State.open(organisation.settings) as state:
        edition = state.latest_edition(RITUAL, LAST.id)
    assert edition is not None
    assert edition.number == 1
    return Path(edition.folder)


def test_the_first_run_prints_the_figures_and_where_the_files_lie(first_run: FirstRun) -> None:
    said = first_run.output
    card = Scorecard.model_validate_json(
        (edition_folder(first_run.organisation) / "scorecard.json").read_bytes()
    )
    assert len(card.kpis) == 5
    for kpi in card.kpis:
        (line,) = (line for line in said.splitlines() if line.startswith(f"  {kpi.name} "))
        assert kpi.now.text in line
    named = [Path(line.split()[-1]) for line in said.splitlines() if line.endswith((".eml", "pdf"))]
    assert len(named) == len(first_run.organisation.mails()) + 2
    assert all(file.is_file() and file.stat().st_size for file in named)
    assert card.sentence in said


def test_every_recipient_has_one_mail_with_scorecard_and_pack(organisation: Organisation) -> None:
    folder = edition_folder(organisation)
    card = Scorecard.model_validate_json((folder / "scorecard.json").read_bytes())
    recipients = set()
    packs = organisation.mails("monthly")
    for content in packs.values():
        mail = cast(EmailMessage, email.message_from_bytes(content, policy=email_policy))
        recipients.add(mail["To"].addresses[0].addr_spec)
        assert LAST.label in mail["Subject"]
        html = mail.get_body(("html",))
        text = mail.get_body(("plain",))
        assert html is not None and text is not None
        for kpi in card.kpis:
            assert kpi.now.text.replace("\N{NO-BREAK SPACE}", " ") in _words(text.get_content())
            assert kpi.name in html.get_content()
        attached = {part.get_filename(): part.get_content() for part in mail.iter_attachments()}
        (pack,) = (content for name, content in attached.items() if name and name.endswith(".pdf"))
        assert pack == (folder / "review-pack.pdf").read_bytes()
        cids = {part["Content-ID"].strip("<>") for part in mail.walk() if part["Content-ID"]}
        assert cids
        assert all(f"cid:{cid}" in html.get_content() for cid in cids)
    governance = read_published(organisation.lake, Grain.MONTH, "governance__month")
    reviewers = {
        row["email"]
        for row in governance
        if row["period_start"] == LAST.start and row["role"] in ("executive_sponsor", "ld_head")
    }
    assert recipients == reviewers
    assert len(recipients) == len(packs)


def test_nothing_that_is_mailed_is_evaluated_when_it_is_opened(organisation: Organisation) -> None:
    """No table of formulas, no script: text, pages, pictures, PDF and the invitation."""
    kinds = set()
    for content in organisation.mails().values():
        mail = cast(EmailMessage, email.message_from_bytes(content, policy=email_policy))
        for part in mail.walk():
            if not part.is_multipart():
                kinds.add(part.get_content_type())
            if part.get_content_type() == "text/html":
                page = part.get_content()
                assert "<script" not in page and "javascript:" not in page
    assert kinds == {"text/plain", "text/html", "image/png", "application/pdf", "text/calendar"}


def _words(text: str) -> str:
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_the_scorecards_figures_are_the_published_ones(organisation: Organisation) -> None:
    card = Scorecard.model_validate_json(
        (edition_folder(organisation) / "scorecard.json").read_bytes()
    )
    compared = 0
    for kpi in (*card.kpis, *card.below):
        for grain in (Grain.MONTH, Grain.QUARTER):
            for row in read_published(organisation.lake, grain, f"kpi_values__{grain}"):
                period = Period.containing(grain, row["period_start"])
                if (
                    row["kpi_id"] == kpi.kpi_id
                    and row["org_unit_id"] == "MF"
                    and row["employment_line"] == "employee"
                    and period.label == kpi.period_label
                ):
                    assert kpi.now.value == row["value"], kpi.kpi_id
                    compared += 1
    assert compared >= 7


def test_a_further_run_delivers_nothing_and_says_so(changing: Organisation) -> None:
    before = changing.mails()
    page = changing.home / "archive" / RITUAL / LAST.id / "edition-1.html"
    page.unlink()  # as if the run had died between the last mail and the archive
    done = changing.command("run", "--period", LAST.id)
    assert done.returncode == 0, done.stdout + done.stderr
    assert page.exists()
    # what the review asked for entered the log as a delivery of its own, and lands now
    assert "Ingest: land, check and fold 1 delivery dates" in done.stdout
    assert "delivered before: nothing is sent again" in done.stdout
    with State.open(changing.settings) as state:  # as if it had died before the kit was delivered
        open_intent(state, KITS[Grain.MONTH].name, LAST.id, opened_by="person", restates=True)
    done = changing.command("run", "--period", LAST.id)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "delivered before: nothing is sent again" in done.stdout
    assert "Nothing new in the landing folder" in done.stdout
    assert changing.mails() == before
    with State.open(changing.settings) as state:
        assert state.pending_intents() == []
        edition = state.latest_edition(RITUAL, LAST.id)
        assert edition is not None and edition.number == 1
    assert len(list(edition_folder(changing).parent.iterdir())) == 1


def test_without_an_intent_a_month_is_archived(changing: Organisation) -> None:
    before = changing.mails()
    with project_instance(changing.settings) as instance:
        result = changing.month(
            "delivery/month_edition", "delivery/month_delivery", instance=instance
        )
    assert result.success, failures(result)
    said = {}
    for event in result.get_asset_materialization_events():
        materialization = event.step_materialization_data.materialization
        said[materialization.asset_key.path[-1]] = {
            name: value.value for name, value in materialization.metadata.items()
        }
    assert said["month_delivery"]["mode"] == "archived"
    assert said["month_delivery"]["sent"] == 0
    assert said["month_edition"]["mode"] == "archived"
    assert changing.mails() == before


def test_a_dry_run_names_who_would_get_it_and_sends_nothing(organisation: Organisation) -> None:
    before = organisation.mails()
    done = organisation.command("dry-run", "--period", LAST.id)
    assert done.returncode == 0, done.stderr
    for content in organisation.mails("monthly").values():
        mail = cast(EmailMessage, email.message_from_bytes(content, policy=email_policy))
        assert mail["To"].addresses[0].addr_spec in done.stdout
    assert organisation.mails() == before


def test_the_same_figures_give_the_same_bytes(changing: Organisation) -> None:
    draft = changing.home / "drafts" / RITUAL / LAST.id
    before = {file.name: file.read_bytes() for file in draft.iterdir()}
    for file in draft.iterdir():
        file.unlink()
    result = changing.month("scorecard/month_scorecard", "review/month_pages")
    assert result.success, failures(result)
    after = {file.name: file.read_bytes() for file in draft.iterdir()}
    assert after == before
    assert {"scorecard.pdf", "review-pack.pdf"} <= set(after)
    sealed = edition_folder(changing)
    for name in json.loads(before["email.json"])["attachments"]:
        assert (sealed / name["file"]).read_bytes() == after[name["file"]]
