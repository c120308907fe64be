"""What is published is kept: proved, backed up, restored, never sent a second time."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

from dagster import ExecuteInProcessResult

from orchestration.delivery.editions import settings_hash
from orchestration.delivery.rebuild import rebuild
from orchestration.operations.backup import backup
from orchestration.operations.restore import restore
from orchestration.quality.close import code_version, manifest_hash, read_close
from orchestration.runs import project_instance
from orchestration.state import State
from tests.line.reviewed import LAST, Organisation, failures


def test_an_edition_keeps_what_it_stands_on_and_the_archive_shows_it(
    organisation: Organisation,
) -> None:
    """Software, raw data and settings, each worked out anew."""
    close = read_close(organisation.lake, LAST)
    assert close is not None
    with State.open(organisation.settings) as state:
        edition = state.latest_edition("monthly", LAST.id)
    assert edition is not None
    card = (Path(edition.folder) / "scorecard.json").read_bytes()
    stood_on = {
        "figures": hashlib.sha256(card).hexdigest(),
        "raw data": manifest_hash({name: feed.stands_on for name, feed in close.feeds.items()}),
        "settings": settings_hash(organisation.settings),
        "charter": close.charter_hash,
        "software": code_version(),
    }
    assert stood_on == {
        "figures": edition.figures_hash,
        "raw data": edition.manifest_hash,
        "settings": edition.settings_hash,
        "charter": edition.charter_hash,
        "software": edition.code_version,
    }
    page = organisation.home / "archive" / "monthly" / LAST.id / "edition-1.html"
    shown = page.read_text(encoding="utf-8")
    assert all(f"<dd>{value}</dd>" in shown for value in stood_on.values())


def test_every_edition_is_rebuilt_to_the_byte(organisation: Organisation) -> None:
    with State.open(organisation.settings) as state:
        for mailing in ("monthly", "monthly_kit"):
            found = rebuild(state, organisation.settings, f"{mailing}-{LAST.id}-edition-1")
            assert found.identical, found
            assert found.under == (
                f"by the version that sealed it ({code_version()}), under the same settings"
            )


def publish_again(organisation: Organisation) -> ExecuteInProcessResult:
    """Launch the month's edition and delivery as a person does who gives leave to send."""
    config = {"ops": {"delivery__month_edition": {"config": {"open_intent": True}}}}
    with project_instance(organisation.settings) as instance:
        return organisation.month(
            "delivery/month_edition",
            "delivery/month_delivery",
            instance=instance,
            run_config=config,
        )


def test_a_lost_home_is_restored_and_knows_what_was_sent(
    changing: Organisation, tmp_path: Path
) -> None:
    home, mails, figures = changing.home, changing.mails(), changing.published()
    folder = backup(changing.settings, tmp_path / "backups", lake=True).folder
    for lost in ("state", "editions", "lake", "archive"):
        shutil.rmtree(home / lost)
    done = restore(changing.settings, folder, replace=True)
    assert (done.faults, done.intents, done.messages) == ((), 0, 0)
    assert changing.published() == figures
    assert (home / "archive" / "monthly" / LAST.id / "edition-1.html").is_file()
    again = publish_again(changing)
    assert not again.success and "was published already (edition 1)" in failures(again)
    assert changing.mails() == mails


def test_a_backup_from_before_the_review_sends_it_no_second_time(
    changing: Organisation, tmp_path: Path
) -> None:
    mails, draft = changing.mails(), changing.home / "drafts" / "monthly" / LAST.id
    state = changing.home / "state"
    state.rename(tmp_path / "state")  # as it was before the review was sealed
    made = backup(changing.settings, tmp_path / "backups")
    assert made.manifest.counts["editions"] == made.manifest.counts["intents"] == 0
    shutil.rmtree(state)
    (tmp_path / "state").rename(state)
    done = restore(changing.settings, made.folder, replace=True)
    assert done.forgotten == (
        f"monthly/{LAST.id}/edition-1",
        f"monthly_kit/{LAST.id}/edition-1",
    )
    assert (draft / "email.json").is_file()  # it could be sealed and sent
    again = publish_again(changing)
    assert again.success, failures(again)
    with State.open(changing.settings) as opened:
        (pending,) = opened.pending_intents()
        assert (pending.status, pending.held_by) == ("held", "person")
        assert opened.editions() == []
    assert changing.mails() == mails
