"""A home with everything in it that a backup holds: editions, a ledger, runs, recorded words."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import dagster as dg
import pytest

from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import deliver
from orchestration.feeds.deliveries import initialise
from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.runs import project_instance
from orchestration.settings import Settings
from orchestration.state import State
from tests.delivery.conftest import make_draft, make_settings, seal_edition

SEPTEMBER = Period.containing(Grain.MONTH, date(2026, 9, 1))
OCTOBER = Period.containing(Grain.MONTH, date(2026, 10, 1))
READERS = ("ada@example.org", "ben@example.org", "cleo@example.org")
NOTE = "lake/closes/month/note.json"
RECORDED = "records/records_2026-11-03_001.jsonl"


@dg.op
def greet() -> None:
    print("printed by the step")


@dg.job
def greeting() -> None:
    greet()


def send(settings: Settings, period: Period) -> None:
    """Seal a period's review and deliver it to the outbox."""
    with State.open(settings) as state:
        draft = make_draft(settings.home / "drafts" / "monthly" / period.id, period.id)
        edition = seal_edition(state, settings, draft, *READERS, period=period)
        assert deliver(state, settings, edition, open_channel(settings), "run").settled


def outbox(settings: Settings) -> dict[str, int]:
    """How often each mail was written: the outbox writes a mail that it has once more."""
    return {file.name: file.stat().st_mtime_ns for file in (settings.home / "outbox").glob("*.eml")}


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home, as it is copied for each test: September sent, October not begun."""
    home = tmp_path_factory.mktemp("operations") / "home"
    settings = make_settings(home)
    send(settings, SEPTEMBER)
    with project_instance(settings) as instance:
        assert greeting.execute_in_process(instance=instance).success
    recorded = settings.landing_folder / RECORDED
    recorded.parent.mkdir(parents=True)
    recorded.write_text('{"record_id": "r-1"}\n')
    (home / "charter").mkdir()
    (home / "charter" / "programme.csv").write_text("valid_from\n2026-01-01\n")
    initialise(Lake(settings.lake_url))
    (home / NOTE).parent.mkdir(parents=True)
    (home / NOTE).write_bytes(b"of the day")
    return home


@pytest.fixture
def settings(made: Path, tmp_path: Path) -> Settings:
    """A copy of the home, to be changed."""
    shutil.copytree(made, tmp_path / "home")
    return make_settings(tmp_path / "home")
