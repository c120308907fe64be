"""Each channel over a real socket: what is known after each way of going wrong."""

from __future__ import annotations

import errno
import logging
import os
import socket
import time
from collections.abc import Callable
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import SecretStr

from orchestration.delivery.channels import (
    Accepted,
    Channel,
    Failed,
    Outcome,
    Retry,
    Unknown,
    open_channel,
)
from orchestration.delivery.channels.outbox import OutboxChannel
from orchestration.delivery.channels.sendgrid import SendGridChannel
from orchestration.delivery.channels.smtp import SmtpChannel
from orchestration.problems import Problem
from orchestration.settings import Secrets, SendGridSettings, SmtpSettings
from tests.delivery.conftest import PDF, PNG, make_settings
from tests.delivery.servers import (
    SendGridServer,
    SmtpServer,
    free_port,
    in_turn,
    reset,
    self_signed,
    talker,
)
from tests.delivery.test_message import MESSAGE

pytestmark = pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
CANARY = "SG.canary-0123456789.secret"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def sendgrid(host: str, timeout: float = 5) -> SendGridChannel:
    return SendGridChannel(SendGridSettings(host=host), SecretStr(CANARY), timeout)


def smtp(port: int, timeout: float = 5, **settings: Any) -> SmtpChannel:
    password = SecretStr(CANARY) if settings.get("username") else None
    return SmtpChannel(
        SmtpSettings(**{"host": "127.0.0.1", "port": port, "security": "none", **settings}),
        password,
        timeout,
    )


# ---- outbox --------------------------------------------------------------------------------


def test_outbox_writes_the_message_once_and_whole(tmp_path: Path) -> None:
    channel = OutboxChannel(tmp_path / "outbox")
    assert isinstance(channel, Channel)
    assert channel.send(MESSAGE) == Accepted(channel.file_of(MESSAGE).name)
    assert channel.send(MESSAGE) == Accepted(channel.file_of(MESSAGE).name)
    (file,) = (tmp_path / "outbox").iterdir()
    assert file.read_bytes() == MESSAGE.mime()
    assert file.name.startswith("monthly-2026-10-edition-1--")
    assert "ada" not in file.name


def test_outbox_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    outcome = OutboxChannel(tmp_path / "outbox").send(MESSAGE)
    assert isinstance(outcome, Retry) and outcome.halts and "No space left" in outcome.reason
    assert list((tmp_path / "outbox").iterdir()) == []


# ---- sendgrid ------------------------------------------------------------------------------


def test_sendgrid_request(tmp_path: Path) -> None:
    with SendGridServer(in_turn("202")) as server:
        assert sendgrid(server.host + "/").send(MESSAGE) == Accepted("sg-1")
    (body,) = server.requests
    (headers,) = server.headers
    assert headers["Authorization"] == f"Bearer {CANARY}"
    assert body["from"] == {"email": "review@example.org", "name": 'Adoption "Review", Größe'}
    (person,) = body["personalizations"]
    assert person["to"] == [{"email": "ada@example.org", "name": "Ada, Countess"}]
    assert person["custom_args"] == {
        "message_kind": "edition",
        "subject_id": "monthly-2026-10-edition-1",
        "recipient_key": MESSAGE.recipient_key,
    }
    assert body["categories"] == ["lms-adoption-review", "edition"]
    assert [c["type"] for c in body["content"]] == ["text/plain", "text/html"]
    assert body["content"][1]["value"] == MESSAGE.html
    tracking = body["tracking_settings"]
    assert not any(each["enable"] for each in tracking.values())
    assert set(tracking) >= {"click_tracking", "open_tracking", "subscription_tracking"}
    assert "asm" not in body and "send_at" not in body
    image, pack = body["attachments"]
    import base64

    assert (image["disposition"], image["content_id"]) == ("inline", "scorecard")
    assert base64.b64decode(image["content"]) == PNG
    assert (pack["disposition"], pack["filename"]) == ("attachment", "Pack October.pdf")
    assert base64.b64decode(pack["content"]) == PDF
    assert body["headers"] == {
        "Auto-Submitted": "auto-generated",
        "Message-ID": MESSAGE.message_id,
    }


@pytest.mark.parametrize(
    ("answer", "kind", "counted"),
    [
        ("202", Accepted, 1),
        ("202-broken", Accepted, 1),
        ("202-lost", Unknown, 1),
        ("202-hang", Unknown, 1),
        ("hang", Unknown, 0),
        ("reset", Unknown, 0),
        ("200", Unknown, 0),
        ("400", Failed, 0),
        ("413", Failed, 0),
        ("408", Unknown, 0),
        ("500", Unknown, 0),
        ("503", Unknown, 0),
        ("429:Nothing:0", Retry, 0),
        ("401", Retry, 0),
        ("403", Retry, 0),
        ("404", Retry, 0),
    ],
)
def test_sendgrid_answers(answer: str, kind: type[Outcome], counted: int) -> None:
    with SendGridServer(in_turn(answer)) as server:
        began = time.monotonic()
        outcome = sendgrid(server.host, timeout=0.5).send(MESSAGE)
        assert time.monotonic() - began < 3
    assert type(outcome) is kind
    assert sum(server.accepted.values()) == counted
    assert len(server.attempts) == 1  # the client itself never repeats
    if isinstance(outcome, Retry):
        assert outcome.halts is not answer.startswith("429")


def test_sendgrid_waits_as_long_as_the_limit_lasts() -> None:
    for header, value, low, high in (
        ("X-RateLimit-Reset", str(int(time.time()) + 42), 39, 43),
        ("X-RateLimit-Reset", str(int(time.time()) - 42), 0, 0),
        ("X-RateLimit-Reset", "7", 7, 7),
        ("Retry-After", "11", 11, 11),
        ("X-RateLimit-Reset", str(int(time.time()) + 10**6), 3600, 3600),
    ):
        with SendGridServer(in_turn(f"429:{header}:{value}")) as server:
            outcome = sendgrid(server.host).send(MESSAGE)
        assert isinstance(outcome, Retry) and outcome.after is not None
        assert low <= outcome.after <= high


def test_sendgrid_hands_the_key_to_no_redirect() -> None:
    with SendGridServer(in_turn("202")) as elsewhere:
        with SendGridServer(in_turn(f"302:{elsewhere.host}/v3/mail/send")) as server:
            outcome = sendgrid(server.host).send(MESSAGE)
        assert isinstance(outcome, Retry) and outcome.halts
        assert elsewhere.attempts == []


def test_sendgrid_without_a_connection_is_certainly_not_accepted(tmp_path: Path) -> None:
    outcomes = [
        sendgrid(f"http://127.0.0.1:{free_port()}").send(MESSAGE),
        sendgrid("https://no-such-host.invalid").send(MESSAGE),
    ]
    with SendGridServer(in_turn("202")) as plain:  # speaks no TLS
        outcomes.append(sendgrid(plain.host.replace("http:", "https:")).send(MESSAGE))
    assert [type(outcome) for outcome in outcomes] == [Retry] * 3
    assert all(isinstance(o, Retry) and not o.halts for o in outcomes)


def test_sendgrid_verifies_the_server(tmp_path: Path) -> None:
    _, context = self_signed(tmp_path)

    def handshake(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secured:
            secured.recv(1)
            raise AssertionError("talked to an unverified server")

    with talker(handshake) as port:
        outcome = sendgrid(f"https://127.0.0.1:{port}").send(MESSAGE)
    assert isinstance(outcome, Retry) and "SSLCertVerificationError" in outcome.reason


def test_sendgrid_needs_https_and_a_key(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="https"):
        sendgrid("http://api.sendgrid.example")
    settings = make_settings(tmp_path, channel="sendgrid")
    with pytest.raises(Problem, match="no API key"):
        open_channel(settings, Secrets(sendgrid_api_key=None))
    channel = open_channel(settings, Secrets(sendgrid_api_key=SecretStr(CANARY)))
    assert channel.name == "sendgrid"


# ---- smtp ----------------------------------------------------------------------------------


def test_smtp_carries_the_message_unchanged() -> None:
    with SmtpServer(in_turn("250")) as server:
        assert smtp(server.port).send(MESSAGE) == Accepted("2.0.0 queued as 4711")
    ((to, _, content),) = server.messages
    assert to == "ada@example.org"
    assert content == MESSAGE.mime()  # dot-stuffing undone


@pytest.mark.parametrize(
    ("answer", "kind", "counted"),
    [
        ("250", Accepted, 1),
        ("rcpt:450", Retry, 0),
        ("rcpt:550", Failed, 0),
        ("dot:554", Failed, 0),
        ("dot:451", Unknown, 0),
        ("lost", Unknown, 1),
        ("drop", Unknown, 0),
        ("hang", Unknown, 1),
    ],
)
def test_smtp_answers(answer: str, kind: type[Outcome], counted: int) -> None:
    with SmtpServer(in_turn(answer)) as server:
        began = time.monotonic()
        outcome = smtp(server.port, timeout=0.5).send(MESSAGE)
        assert time.monotonic() - began < 3
    assert type(outcome) is kind
    assert sum(server.accepted.values()) == counted


def say(*lines: bytes, then: Callable[[socket.socket], None]) -> Callable[[socket.socket], None]:
    """Greet, answer each command with the next line, then do something else."""

    def talk(connection: socket.socket) -> None:
        for line in lines:
            connection.sendall(line + b"\r\n")
            connection.recv(4096)
        then(connection)

    return talk


def wait(connection: socket.socket) -> None:
    time.sleep(3)


@pytest.mark.parametrize(
    "talk",
    [
        wait,
        reset,
        say(b"421 busy", then=wait),
        say(b"220 hello", then=reset),
        say(b"220 hello", then=wait),
        say(b"220 hello", b"250 hello", then=reset),
        say(b"220 hello", b"250 hello", b"250 sender", then=wait),
        say(b"220 hello", b"250 hello", b"250 sender", b"250 recipient", then=reset),
        say(b"220 hello", b"250 hello", b"250 sender", b"250 recipient", b"451 later", then=reset),
        say(b"220 hello", b"250 hello", b"250 sender", b"250 recipient", b"what", then=reset),
    ],
)
def test_smtp_before_data_is_certainly_not_accepted(talk: Any) -> None:
    with talker(talk) as port:
        assert isinstance(smtp(port, timeout=0.4).send(MESSAGE), Retry)


@pytest.mark.parametrize("then", [reset, wait])
def test_smtp_within_data_is_a_doubt(then: Any) -> None:
    def talk(connection: socket.socket) -> None:
        say(b"220 hello", b"250 hello", b"250 s", b"250 r", b"354 go", then=then)(connection)

    with talker(talk) as port:
        assert isinstance(smtp(port, timeout=0.4).send(MESSAGE), Unknown)


def test_smtp_that_refuses_the_sender_refuses_everybody() -> None:
    with SmtpServer(in_turn("mail:553")) as server:
        server.asks_sender = True
        outcome = smtp(server.port).send(MESSAGE)
    assert isinstance(outcome, Retry) and outcome.halts


def test_smtp_without_a_connection() -> None:
    for outcome in (
        smtp(free_port()).send(MESSAGE),
        smtp(25, host="no-such-host.invalid").send(MESSAGE),
    ):
        assert isinstance(outcome, Retry) and not outcome.halts


@pytest.mark.parametrize("implicit", [False, True])
def test_smtp_over_verified_tls_with_a_login(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, implicit: bool
) -> None:
    certificate, context = self_signed(tmp_path)
    security: Literal["tls", "starttls"] = "tls" if implicit else "starttls"
    with SmtpServer(in_turn("250"), tls=context, implicit_tls=implicit, password=CANARY) as server:
        channel = smtp(server.port, security=security, username="relay")
        untrusted = channel.send(MESSAGE)
        assert isinstance(untrusted, Retry) and "SSLCertVerificationError" in untrusted.reason
        assert server.messages == []
        monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
        assert isinstance(channel.send(MESSAGE), Accepted)
        wrong = SmtpChannel(
            SmtpSettings(host="127.0.0.1", port=server.port, security=security, username="relay"),
            SecretStr("wrong"),
            5,
        ).send(MESSAGE)
        assert isinstance(wrong, Retry) and wrong.halts and "535" in wrong.reason
    assert len(server.messages) == 1


def test_smtp_that_offers_no_tls_gets_nothing() -> None:
    with SmtpServer(in_turn("250")) as server:
        outcome = smtp(server.port, security="starttls").send(MESSAGE)
    assert isinstance(outcome, Retry) and outcome.halts
    assert server.messages == []


def test_smtp_never_shows_a_password_in_the_clear() -> None:
    with pytest.raises(Problem, match="unencrypted"):
        smtp(25, host="relay.example.org", username="relay")
    with pytest.raises(Problem, match="no password"):
        SmtpChannel(SmtpSettings(username="relay"), None, 5)


# ---- secrets -------------------------------------------------------------------------------


def test_secrets_stay_out_of_logs_outcomes_and_reprs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    said: list[str] = []
    with caplog.at_level(logging.DEBUG):
        for answer in ("202", "400", "401", "429:Retry-After:1", "500", "reset"):
            with SendGridServer(in_turn(answer)) as server:
                server.echo = f"Bearer {CANARY}"  # a server that repeats what it was given
                channel = sendgrid(server.host)
                said += [repr(channel.send(MESSAGE)), repr(channel), repr(vars(channel))]
        with SmtpServer(in_turn("250"), password="other") as relay:
            said.append(repr(smtp(relay.port, username="relay").send(MESSAGE)))

        def echo(connection: socket.socket) -> None:
            connection.sendall(b"220 hi\r\n")
            connection.recv(4096)
            connection.sendall(b"250-hi\r\n250 AUTH PLAIN LOGIN\r\n")
            connection.recv(4096)
            connection.sendall(b"535 wrong: " + CANARY.encode() + b"\r\n")
            connection.recv(4096)
            connection.sendall(b"535 wrong: " + CANARY.encode() + b"\r\n")

        with talker(echo) as port:
            said.append(repr(smtp(port, username="relay").send(MESSAGE)))
    printed = capfd.readouterr()
    everything = "\n".join([*said, caplog.text, printed.out, printed.err])
    assert "***" in everything  # the echo was met, and masked
    assert CANARY not in everything
    assert "ada@example.org" not in caplog.text


def test_mime_of_the_outbox_reads_back(tmp_path: Path) -> None:
    channel = OutboxChannel(tmp_path)
    channel.send(MESSAGE)
    read = message_from_bytes(channel.file_of(MESSAGE).read_bytes(), policy=policy.default)
    assert read["To"].addresses[0].addr_spec == "ada@example.org"
