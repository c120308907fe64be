"""Words of feeds and settings stay words where they were not tried elsewhere: alerts, attachments.

Pages, packs, letters, invitations and the archive are tried by their own tests with the same words
(``tests.review.scorecards.HOSTILE``); headers by ``tests/delivery/test_message.py``.
"""

from __future__ import annotations

import socket
import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from orchestration.addresses import Mailbox
from orchestration.alerts.chat import Chat, beat
from orchestration.alerts.words import OPENED, RECOVERY, compose
from orchestration.delivery.channels.interface import Retry
from orchestration.delivery.message import OutgoingMessage
from orchestration.incidents import Incident
from orchestration.problems import Problem
from orchestration.settings import Settings, load_settings
from tests.delivery.servers import self_signed, talker
from tests.review.scorecards import HOSTILE

NOW = datetime(2026, 11, 9, 7, tzinfo=UTC)
FORGED = "x\r\nBcc: evil@evil.com\u2028\x00"


def incident(number: int, words: str) -> Incident:
    return Incident(
        cause=f"feed {number}",
        owner="operations",
        title=words,
        detail=words,
        at_risk=words,
        remedy=words,
        since=NOW,
        incident_id=number,
        opened_at=NOW,
        seen_at=NOW,
        times=1,
        well_since=None,
        recovered_at=NOW if number == 2 else None,
    )


@pytest.mark.parametrize("hostile", [HOSTILE, FORGED])
def test_an_alert_is_told_whatever_its_words_hold(hostile: str) -> None:
    settings = Settings.model_validate({"organisation": {"name": "Meridian <b>Foods</b>"}})
    for said in (
        [(incident(1, hostile), OPENED)],
        [(incident(1, hostile), OPENED), (incident(2, hostile), RECOVERY)],
    ):
        words = compose(settings, said, [hostile])
        message = OutgoingMessage(
            kind="incident",
            subject_id="1",
            sender=Mailbox("reviews@example.org"),
            recipient=Mailbox("ops@example.org"),
            subject=words.subject,
            date=NOW,
            text=words.text,
            html=words.html,
        )
        raw = message.mime()
        head = raw.split(b"\r\n\r\n", 1)[0]
        assert b"\r\nBcc:" not in head
        assert "<script" not in words.html and "<b>Foods" not in words.html
        assert "49" not in words.html
        if hostile == HOSTILE:
            assert "&lt;script&gt;alert(1)&lt;/script&gt;" in words.html
            assert "{{7*7}}" in words.html and "{{7*7}}" in words.text


@pytest.mark.parametrize("name", [FORGED, "a\tb", "a\u2028b", ""])
def test_a_name_that_no_header_takes_is_refused_at_load(tmp_path: Path, name: str) -> None:
    file = tmp_path / "settings.toml"
    quoted = "".join(f"\\u{ord(character):04x}" for character in name)
    file.write_text(f'[organisation]\nname = "{quoted}"\n')
    with pytest.raises(Problem, match=r"\[organisation\.name\]"):
        load_settings(file)


def test_neither_chat_nor_monitor_is_told_over_an_unverified_connection(tmp_path: Path) -> None:
    """A server that shows a certificate of its own making gets nothing of the address's secret."""
    _, context = self_signed(tmp_path)
    heard: list[bytes] = []

    def handshake(connection: socket.socket) -> None:
        try:
            with context.wrap_socket(connection, server_side=True) as secured:
                heard.append(secured.recv(4096))
        except (ssl.SSLError, OSError):
            return

    with talker(handshake) as port:
        with pytest.raises(Problem, match="the outside monitor was not reached"):
            beat(SecretStr(f"https://127.0.0.1:{port}/canary"))
        chat = Chat(SecretStr(f"jsons://127.0.0.1:{port}/canary"))
        assert isinstance(chat.send("subject", "text"), Retry)
    assert not any(heard)
