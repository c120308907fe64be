"""The message: built once, the same to the byte, and no header can be forged."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes, policy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestration.addresses import Mailbox, mailbox, to_ascii_domain
from orchestration.delivery.message import OutgoingMessage, Part, sender_mailbox
from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT
from tests.delivery.conftest import PDF, PNG

MESSAGE = OutgoingMessage(
    kind="edition",
    subject_id="monthly-2026-10-edition-1",
    sender=Mailbox("review@example.org", 'Adoption "Review", Größe'),
    recipient=Mailbox("ada@example.org", "Ada, Countess"),
    subject="Adoption review — October 2026",
    date=datetime(2026, 11, 9, 7, 0, tzinfo=UTC),
    text="Größe 78 %\n.\n..dots\n" + "x" * 1200,
    html="<p>Größe</p>\n.\n<img src='cid:scorecard'>" + "y" * 1200,
    inline=(Part("scorecard.png", "image/png", PNG, "scorecard"),),
    attachments=(Part("Pack October.pdf", "application/pdf", PDF),),
)


def test_structure_and_content_survive() -> None:
    raw = MESSAGE.mime()
    assert raw.isascii()
    assert b"\n" not in raw.replace(b"\r\n", b"")
    assert max(map(len, raw.split(b"\r\n"))) <= 998
    read = message_from_bytes(raw, policy=policy.default)
    assert read["From"].addresses[0].display_name == 'Adoption "Review", Größe'
    assert [a.addr_spec for a in read["To"].addresses] == ["ada@example.org"]
    assert read["To"].addresses[0].display_name == "Ada, Countess"
    assert read["Subject"] == MESSAGE.subject
    assert read["Auto-Submitted"] == "auto-generated"
    assert read["Date"].datetime == MESSAGE.date
    assert "List-Unsubscribe" not in read
    assert read.get_content_type() == "multipart/mixed"
    related, pack = read.iter_parts()
    assert related.get_content_type() == "multipart/related"
    alternative, image = related.iter_parts()
    text, html = alternative.iter_parts()
    assert [p.get_content_type() for p in (text, html)] == ["text/plain", "text/html"]
    assert text.get_content().replace("\r\n", "\n").rstrip("\n") == MESSAGE.text
    assert html.get_content().replace("\r\n", "\n").rstrip("\n") == MESSAGE.html
    assert image["Content-ID"] == "<scorecard>"
    assert image.get_content_disposition() == "inline"
    assert image.get_content() == PNG
    assert pack.get_filename() == "Pack October.pdf"
    assert pack.get_content() == PDF


def test_the_same_message_is_the_same_bytes_in_another_process() -> None:
    script = (
        "import sys; sys.path.insert(0, '.');"
        "from tests.delivery.test_message import MESSAGE;"
        "sys.stdout.buffer.write(MESSAGE.mime())"
    )
    other = subprocess.run(
        [sys.executable, "-c", script],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONHASHSEED": "77", "TZ": "Asia/Tokyo", "LC_ALL": "C"},
        capture_output=True,
        check=True,
    ).stdout
    assert other == MESSAGE.mime() == replace(MESSAGE).mime()


def test_ids_tell_recipients_apart_and_name_nobody() -> None:
    other = replace(MESSAGE, recipient=Mailbox("bob@example.org"))
    again = replace(MESSAGE, recipient=Mailbox("ADA@example.org"))
    assert MESSAGE.message_id != other.message_id
    assert MESSAGE.message_id == again.message_id
    assert "ada" not in MESSAGE.slug
    assert MESSAGE.message_id.endswith("@example.org>")


FORGED = ["x\r\nBcc: evil@evil.com", "x\nBcc: e@evil.com", "x\rY", "x\u2028Y", "x\x85Y", "x\x00"]


@pytest.mark.parametrize("words", FORGED)
def test_forged_headers_are_refused(words: str) -> None:
    with pytest.raises(Problem):
        replace(MESSAGE, subject=words)
    with pytest.raises(Problem):
        replace(MESSAGE, recipient=Mailbox("ada@example.org", words))
    with pytest.raises(Problem):
        replace(MESSAGE, sender=Mailbox("ada@example.org", words))
    with pytest.raises(Problem):
        Part(words + ".pdf", "application/pdf", b"")
    with pytest.raises(Problem):
        Part("a.pdf", "application/pdf" + words, b"")
    with pytest.raises(Problem):
        Part("a.png", "image/png", b"", content_id=words)
    with pytest.raises(Problem):
        mailbox(f"ada@example.org{words}")
    with pytest.raises(Problem):
        sender_mailbox(f"Review {words} <ada@example.org>")


@given(st.text(min_size=1, max_size=80), st.text(max_size=60))
def test_no_text_forges_a_header(subject: str, name: str) -> None:
    try:
        message = replace(MESSAGE, subject=subject, recipient=Mailbox("ada@example.org", name))
        raw = message.mime()
    except Problem:
        return
    read = message_from_bytes(raw, policy=policy.default)
    assert sorted(read.keys()) == sorted(
        message_from_bytes(MESSAGE.mime(), policy=policy.default).keys()
    )
    assert [a.addr_spec for a in read["To"].addresses] == ["ada@example.org"]


@pytest.mark.parametrize(
    "address",
    ["", "ada", "ada@", "@example.org", "ada@localhost", "ada@example..org", "a da@example.org",
     '"ada"@example.org', "ada%evil.com@example.org", "evil.com!ada@example.org",
     "ada@[127.0.0.1]", "ada@127.0.0.1", "ada@example.org,eve@evil.com", "ada@example.org ;",
     "ada@evil.com@example.org", "<ada@example.org>", "ädä@example.org", ".ada@example.org",
     "ada@-example.org", f"{'a' * 65}@example.org", "ada@exa_mple.org", "ada@" + "a" * 64 + ".org"],
)  # fmt: skip
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(Problem) as caught:
        mailbox(address)
    assert not address or address not in str(caught.value)


def test_international_domains_travel_in_ascii() -> None:
    assert mailbox("ada@Bücher.Example").address == "ada@xn--bcher-kva.example"
    assert to_ascii_domain("BÜCHER.example") == to_ascii_domain("xn--bcher-kva.example")
    # a Cyrillic first letter is another domain
    assert to_ascii_domain("\u0435xample.org") != "example.org"


def test_sender_of_the_settings() -> None:
    assert sender_mailbox("Adoption Review <a@example.org>") == Mailbox(
        "a@example.org", "Adoption Review"
    )
    assert sender_mailbox('"Review, Adoption" <a@example.org>').name == "Review, Adoption"
    assert sender_mailbox("a@example.org") == Mailbox("a@example.org")
    with pytest.raises(Problem):
        sender_mailbox("Review <a@example.org> <b@example.org>")
