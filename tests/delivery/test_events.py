"""The web application over real sockets: provider events in, and confirmations in."""

from __future__ import annotations

import base64
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
import uvicorn
from click.testing import CliRunner
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import SecretStr

from orchestration.delivery import commands
from orchestration.delivery.channels.sendgrid import _payload
from orchestration.delivery.editions import _bundles, _message, deliver
from orchestration.delivery.events import application
from orchestration.delivery.message import sender_mailbox
from orchestration.delivery.webhook import SIGNATURE, TIMESTAMP, Refused, Webhook
from orchestration.problems import Problem
from orchestration.recording import links
from orchestration.recording.links import Confirmation, Signer, attended, cascaded
from orchestration.settings import Secrets, Settings
from orchestration.state import Edition, SendStatus, State
from tests.delivery.conftest import Clock, seal_edition
from tests.delivery.servers import free_port

KEY = SecretStr("k" * 32)
PRIVATE = ec.generate_private_key(ec.SECP256R1())
PUBLIC = base64.b64encode(
    PRIVATE.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
).decode()
ADA, BOB, EVE = "ada@example.org", "bob@example.org", "eve@example.org"


def sign(body: bytes, timestamp: str, key: ec.EllipticCurvePrivateKey = PRIVATE) -> str:
    signed = key.sign(timestamp.encode() + body, ec.ECDSA(hashes.SHA256()))
    return base64.b64encode(signed).decode()


@contextmanager
def serving(settings: Settings, state: State, secrets: Secrets) -> Iterator[str]:
    """The application behind uvicorn on a free port; yields its address."""
    port = free_port()
    config = uvicorn.Config(
        application(settings, state, secrets), port=port, log_level="critical", access_log=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)


def call(
    url: str, body: bytes | None = None, headers: dict[str, str] | None = None, method: str = ""
) -> tuple[int, str, Any]:
    request = urllib.request.Request(
        url, data=body, headers=headers or {}, method=method or ("POST" if body else "GET")
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read().decode(), answer.headers
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers


# ---- provider events -----------------------------------------------------------------------


@pytest.fixture
def edition(state: State, settings: Settings, draft: Path) -> Edition:
    """Sealed and planned for three; the sender's calls all timed out."""
    sealed = seal_edition(state, settings, draft, ADA, BOB, EVE)
    state.plan("edition", sealed.edition_id, [ADA, BOB, EVE])
    for row in state.ledger_rows():
        state.claim(row, run_id="r", holder="h")
        state.finish(row, holder="h", status=SendStatus.UNKNOWN, detail="timeout")
    return sealed


def reported(
    state: State, settings: Settings, edition: Edition, address: str, **values: Any
) -> dict[str, Any]:
    """An event as SendGrid posts it: the custom arguments of the real payload, flattened."""
    (to,) = [each for each in state.recipients(edition.edition_id) if each.address == address]
    bundle = _bundles(Path(edition.folder), None)[""]
    sender = sender_mailbox(settings.delivery.sender)
    payload = _payload(_message(bundle, edition, sender, to), "review")
    return {
        "email": address,
        "timestamp": int(state.now().timestamp()),
        "sg_event_id": f"{address}-{values.get('event')}",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
        "category": payload["categories"],
        **payload["personalizations"][0]["custom_args"],
        **values,
    }


def post(url: str, events: object, at: datetime | None = None, **changed: Any) -> int:
    body = changed.get("raw") or json.dumps(events).encode()
    timestamp = changed.get("timestamp") or str(int((at or datetime.now(UTC)).timestamp()))
    signature = changed.get("signature") or sign(body, timestamp, changed.get("key", PRIVATE))
    sent = changed.get("sent") or body
    headers = {SIGNATURE: signature, TIMESTAMP: timestamp, "Content-Type": "application/json"}
    return call(f"{url}/sendgrid/events", sent, headers)[0]


def standing(state: State) -> dict[str, str]:
    return {row.recipient: str(row.status) for row in state.ledger_rows()}


def test_events_move_the_ledger_and_nothing_is_sent(
    state: State, settings: Settings, edition: Edition
) -> None:
    secrets = Secrets(sendgrid_webhook_key=SecretStr(PUBLIC))
    at = {address: reported(state, settings, edition, address) for address in (ADA, BOB, EVE)}
    batch = [
        {**at[ADA], "event": "delivered", "sg_event_id": "1"},
        {**at[BOB], "event": "bounce", "type": "blocked", "sg_event_id": "2",
         "reason": f"550 5.7.1 <{BOB}> listed at example.com"},
        {**at[EVE], "event": "deferred", "sg_event_id": "3"},
        {**at[EVE], "event": "open", "sg_event_id": "4"},
        {"email": "x@elsewhere.org", "event": "bounce", "sg_event_id": "5", "timestamp": 1},
        {**at[ADA], "event": "bounce", "sg_event_id": "6", "recipient_key": "0" * 20},
        "nonsense",
    ]  # fmt: skip
    with serving(settings, state, secrets) as url:
        assert call(f"{url}/health")[:2] == (200, "ok\n")
        assert call(f"{url}/confirm/x")[0] == 404  # no key, no links
        assert post(url, batch) == 204
        assert standing(state) == {ADA: "accepted", BOB: "failed", EVE: "accepted"}
        assert post(url, batch) == 204  # SendGrid delivers events again now and then
        assert post(url, [{**at[EVE], "event": "dropped", "sg_event_id": "7",
                           "reason": "Bounced Address"}]) == 204  # fmt: skip
    assert standing(state) == {ADA: "accepted", BOB: "failed", EVE: "failed"}
    lost = state.undelivered(by_report=True)
    assert [(each.recipient, each.kind, each.reason) for each in lost] == [
        (BOB, "blocked", "550 5.7.1 listed at example.com"),
        (EVE, "dropped", "Bounced Address"),
    ]

    class Nobody:
        name = "nobody"

        def send(self, message: object) -> Any:
            raise AssertionError("sent a second time")

    report = deliver(state, settings, edition, Nobody(), "again")
    assert (report.accepted, report.failed, report.unknown) == (1, 2, 0) and report.settled


def test_what_sendgrid_did_not_sign_or_signed_long_ago_changes_nothing(
    state: State, settings: Settings, edition: Edition
) -> None:
    event = [{**reported(state, settings, edition, ADA), "event": "delivered"}]
    body = json.dumps(event).encode()
    now = datetime.now(UTC)
    other = ec.generate_private_key(ec.SECP256R1())
    timestamp = str(int(now.timestamp()))
    with serving(settings, state, Secrets(sendgrid_webhook_key=SecretStr(PUBLIC))) as url:
        assert post(url, event, key=other) == 403
        assert post(url, event, sent=body.replace(b"delivered", b"bounce")) == 403
        assert standing(state)[ADA] == "unknown"
        assert post(url, event) == 204
        assert standing(state)[ADA] == "accepted"
    webhook = Webhook(state, PUBLIC)
    good = sign(body, timestamp)
    for what in (
        (body + b" ", good, timestamp),
        (body, "", timestamp),
        (body, "%%%", timestamp),
        (body, good[:-8], timestamp),
        (body, good, str(int(timestamp) + 1)),
        (b"\xff" + body, good, timestamp),
        (body, sign(body, "soon"), "soon"),
        (body, sign(body, "9" * 30), "9" * 30),
    ):
        with pytest.raises(Refused) as refused:
            webhook.receive(*what)
        assert refused.value.status == 403
    for age, taken in ((-6, False), (-4, True), (24 * 60, True), (25 * 60 + 1, False)):
        moment = str(int((now - timedelta(minutes=age)).timestamp()))
        if taken:
            assert webhook.receive(body, sign(body, moment), moment) == 0  # known by its id
        else:
            with pytest.raises(Refused, match="too old, or from the future"):
                webhook.receive(body, sign(body, moment), moment)
    for raw in (b"{}", b"[", b"7"):
        with pytest.raises(Refused) as refused:
            webhook.receive(raw, sign(raw, timestamp), timestamp)
        assert refused.value.status == 400


def test_a_key_that_is_none_is_told_at_the_start(state: State, settings: Settings) -> None:
    with pytest.raises(Problem, match="verification key"):
        Webhook(state, "nonsense")
    with pytest.raises(Problem, match="nothing to serve"):
        application(settings, state, Secrets())
    with pytest.raises(Problem, match="fewer than 32"):
        application(settings, state, Secrets(link_key=SecretStr("short")))


def test_a_body_without_end_is_cut_off(state: State, settings: Settings) -> None:
    with serving(settings, state, Secrets(sendgrid_webhook_key=SecretStr(PUBLIC))) as url:
        assert post(url, [], raw=b" " * (9 * 2**20)) == 413
        assert call(f"{url}/sendgrid/events")[0] == 405


# ---- confirmations -------------------------------------------------------------------------


@pytest.fixture
def confirmed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Confirmation, str, date]]:
    """What reached :func:`links.confirm`, which has tests of its own."""
    found: list[tuple[Confirmation, str, date]] = []

    def confirm(_: Settings, what: Confirmation, address: str, today: date) -> bool:
        found.append((what, address, today))
        return True

    monkeypatch.setattr("orchestration.delivery.events.confirm", confirm)
    return found


def test_only_the_button_confirms(
    state: State, settings: Settings, confirmed: list[tuple[Confirmation, str, date]]
) -> None:
    clock = Clock()  # 9 November 2026
    state.now = clock.now  # type: ignore[method-assign]
    what = cascaded("M-<1>", date(2026, 12, 1))
    token = Signer(KEY).token(what)
    form = urlencode({"address": ADA}).encode()
    with serving(settings, state, Secrets(link_key=KEY)) as url:
        status, page, headers = call(f"{url}/confirm/{token}")
        assert status == 200 and "Message M-&lt;1&gt;: has your team heard it?" in page
        assert "I cascaded this" in page and '<form method="post">' in page
        assert headers["Cache-Control"] == "no-store"
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert headers["Referrer-Policy"] == "no-referrer"
        assert call(f"{url}/confirm/{token}", method="HEAD")[0] == 200
        assert confirmed == []  # scanners open every link
        assert call(f"{url}/confirm/{token}", b"address=")[0] == 400
        assert call(f"{url}/confirm/{token}", b"a" * 5000)[0] == 400
        assert confirmed == []
        status, page, _ = call(f"{url}/confirm/{token}", form)
        assert status == 200 and "Thank you." in page and ADA not in page and "<form" not in page
        assert confirmed == [(what, ADA, date(2026, 11, 9))]
        assert call(f"{url}/sendgrid/events", b"[]")[0] == 404  # no key, no webhook


@pytest.mark.parametrize(
    ("what", "status", "words"),
    [
        (cascaded("M-1", date(2026, 10, 29)), 410, "good until 8 November 2026"),
        (cascaded("M-1", date(2026, 10, 30)), 200, "I cascaded this"),
        (attended("monthly", date(2026, 11, 9)), 200, "The monthly review of 9 November 2026"),
        (attended("monthly", date(2026, 11, 10)), 409, "Confirm once it has been held."),
        (attended("manager_forum", date(2026, 10, 10)), 200, "The manager forum of"),
        (attended("weekly", date(2026, 10, 9)), 410, "Ask for a new one."),
    ],
)
def test_a_link_counts_in_its_time_only(
    state: State,
    settings: Settings,
    confirmed: list[tuple[Confirmation, str, date]],
    what: Confirmation,
    status: int,
    words: str,
) -> None:
    state.now = Clock().now  # type: ignore[method-assign]
    token = Signer(KEY).token(what)
    with serving(settings, state, Secrets(link_key=KEY)) as url:
        told, page, _ = call(f"{url}/confirm/{token}")
        assert told == status and words in page
        call(f"{url}/confirm/{token}", urlencode({"address": ADA}).encode())
        assert len(confirmed) == (status == 200)
        for forged in (token[:9] + token[10:], token.swapcase(), "x" * 3000):
            assert call(f"{url}/confirm/{forged}", urlencode({"address": ADA}).encode())[0] == 404
        other = Signer(SecretStr("o" * 32)).token(what)
        assert call(f"{url}/confirm/{other}")[0] == 404
        assert len(confirmed) == (status == 200)


def test_a_fault_while_recording_is_told_without_its_words(
    state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def confirm(*_: object) -> bool:
        raise Problem("another process is recording.", file="/secret/place")

    monkeypatch.setattr("orchestration.delivery.events.confirm", confirm)
    token = Signer(KEY).token(cascaded("M-1", date(2099, 1, 1)))
    with serving(settings, state, Secrets(link_key=KEY)) as url:
        status, page, _ = call(f"{url}/confirm/{token}", urlencode({"address": ADA}).encode())
    assert status == 503 and "try again" in page and "secret" not in page


# ---- the commands --------------------------------------------------------------------------


@pytest.fixture
def tell(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    monkeypatch.setattr(commands, "load_settings", lambda: settings)

    def run(command: Any, *arguments: str) -> str:
        return CliRunner().invoke(command, arguments, catch_exceptions=False).output

    return run


def test_the_unknown_are_listed_and_decided_one_by_one(
    state: State, edition: Edition, tell: Callable[..., str]
) -> None:
    assert state.settle_intent(edition.intent_id)
    numbers = {row.recipient: str(row.ledger_id) for row in state.ledger_rows()}
    listed = tell(commands.unknown, "list")
    assert listed.endswith("3 unknown.\n") and f"{edition.edition_id} to {ADA}, " in listed
    assert ": timeout\n" in listed
    tell(commands.unknown, "settle", numbers[ADA], "--as", "accepted", "--why", "in her inbox")
    tell(commands.unknown, "settle", numbers[BOB], "--as", "failed", "--why", "has left")
    assert standing(state) == {ADA: "accepted", BOB: "failed", EVE: "unknown"}
    assert state.pending_intents() == []
    told = tell(commands.unknown, "resend", numbers[EVE], "--why", "never came")
    assert "the next publishing run" in told
    assert standing(state)[EVE] == "planned" and len(state.pending_intents()) == 1
    assert state.ledger_rows()[2].detail == "a person's word: never came"
    assert tell(commands.unknown, "list") == "0 unknown.\n"
    for number in (numbers[ADA], numbers[EVE], "999"):
        with pytest.raises(Problem, match="nothing to decide"):
            tell(commands.unknown, "resend", number, "--why", "x")


def test_whose_sender_died_is_listed(state: State, edition: Edition, tell: Any) -> None:
    assert state.plan("edition", edition.edition_id, ["zoe@example.org"]) == 1
    (row,) = [row for row in state.ledger_rows() if row.status is SendStatus.PLANNED]
    state.claim(row, run_id="r", holder="h", lease=timedelta(0))
    assert "zoe@example.org" in tell(commands.unknown, "list")


def test_a_link_to_give_out(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    there = settings.model_copy(
        update={
            "confirmations": settings.confirmations.model_copy(
                update={"base_url": "https://adoption.example.org/"}
            )
        }
    )
    monkeypatch.setattr(commands, "load_settings", lambda: there)
    run = CliRunner()
    arguments = ["--sitting", "monthly", "--on", "2026-11-12"]
    with pytest.raises(Problem, match="not set up"):
        run.invoke(commands.confirmation_link, arguments, catch_exceptions=False)
    monkeypatch.setenv("ADOPTION_LINK_KEY", KEY.get_secret_value())
    told = run.invoke(commands.confirmation_link, arguments, catch_exceptions=False).output.strip()
    place, _, token = told.rpartition("/")
    assert place == "https://adoption.example.org/confirm"
    assert Signer(KEY).read(token) == Confirmation(
        "attended", "monthly", date(2026, 12, 12), date(2026, 11, 12)
    )
    assert told == links.link(there, attended("monthly", date(2026, 11, 12)))  # byte for byte
    for wrong in (["--sitting", "lunch"], [], ["--sitting", "weekly", "--message", "M"],
                  ["--message", "none"], ["--sitting", "weekly", "--on", "soon"]):  # fmt: skip
        with pytest.raises(Problem):
            run.invoke(commands.confirmation_link, wrong, catch_exceptions=False)
