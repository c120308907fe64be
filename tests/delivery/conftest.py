"""Shared by the delivery tests: settings in a temporary home, a draft, an audience, a clock."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from orchestration.addresses import mailbox
from orchestration.delivery.editions import Provenance, seal
from orchestration.delivery.recipients import Audience, Recipient
from orchestration.periods import Grain, Period
from orchestration.settings import Settings
from orchestration.state import Edition, State

PERIOD = Period.containing(Grain.MONTH, date(2026, 10, 1))
PROVENANCE = Provenance("f" * 64, "a" * 64, "b" * 64, "c" * 64, "code-1", date(2026, 10, 31))
PNG = bytes.fromhex("89504e470d0a1a0a") + bytes(range(256))
PDF = b"%PDF-1.7\n" + bytes(range(256)) * 8 + b"\n.\n..\n%%EOF\n"

SettingsFactory = Callable[..., Settings]
DraftFactory = Callable[..., Path]


class Clock:
    """A clock that only moves when told to; its ``sleep`` tells it."""

    def __init__(self) -> None:
        self.moment = datetime(2026, 11, 9, 7, 0, 0, 123456, tzinfo=UTC)
        self.slept: list[float] = []

    def now(self) -> datetime:
        return self.moment

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.moment += timedelta(seconds=seconds)


def make_settings(home: Path, **delivery: object) -> Settings:
    return Settings.model_validate(
        {
            "organisation": {"name": "Example"},
            "paths": {"home": str(home)},
            "delivery": {"allowed_domains": ["example.org"], "timeout_seconds": 5, **delivery},
        }
    )


def make_draft(folder: Path, words: str = "78 %", card: bytes | None = None) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "scorecard.json").write_bytes(card or json.dumps({"value": words}).encode())
    (folder / "email.html").write_text(
        f"<p>Größe {words} <img src='cid:scorecard'></p>\n.\n" + "long line " * 200,
        encoding="utf-8",
    )
    (folder / "email.txt").write_text(f"Größe {words}\n.\n..dots\n", encoding="utf-8")
    (folder / "scorecard.png").write_bytes(PNG)
    (folder / "review-pack.pdf").write_bytes(PDF)
    (folder / "email.json").write_text(
        json.dumps(
            {
                "subject": "Adoption review — October 2026",
                "html": "email.html",
                "text": "email.txt",
                "inline": [
                    {"cid": "scorecard", "file": "scorecard.png", "media_type": "image/png"}
                ],
                "attachments": [
                    {
                        "file": "review-pack.pdf",
                        "name": "Review pack 2026-10.pdf",
                        "media_type": "application/pdf",
                    }
                ],
            }
        ),
        encoding="utf-8",
    )
    return folder


def make_audience(*addresses: str) -> Audience:
    return Audience(
        tuple(Recipient(mailbox(address), ("executive_sponsor",)) for address in addresses), ()
    )


def seal_edition(
    state: State, settings: Settings, draft: Path, *addresses: str, period: Period = PERIOD
) -> Edition:
    """Open the period's intent as the schedule does, and seal."""
    state.open_intent("monthly", period.id, opened_by="schedule")
    return seal(state, settings, "monthly", period, draft, make_audience(*addresses), PROVENANCE)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path / "home")


@pytest.fixture
def state(settings: Settings) -> Iterator[State]:
    with State.open(settings) as opened:
        yield opened


@pytest.fixture
def draft(tmp_path: Path) -> Path:
    return make_draft(tmp_path / "home" / "drafts" / "monthly" / PERIOD.id)
