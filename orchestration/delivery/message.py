"""One message to one recipient, built once and the same at every build.

Nothing in it depends on the clock, the machine or chance: the message id, the MIME boundaries and
the date come from the edition and the recipient, so that a retry or a second write is the same
message to the byte.
"""

from __future__ import annotations

import hashlib
import mimetypes
import re
import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from email import policy
from email.message import MIMEPart
from email.utils import format_datetime
from pathlib import PurePosixPath

from orchestration.addresses import Mailbox, mailbox
from orchestration.problems import Problem

_CONTENT_ID = re.compile(r"[A-Za-z0-9._-]{1,64}(@[A-Za-z0-9.-]{1,64})?")
_MEDIA_TYPE = re.compile(r"[a-z]+/[a-z0-9][a-z0-9.+-]{0,63}")
_FILE_NAME = re.compile(r"[^\x00-\x1f\x7f\"/\\:;]{1,120}")
_SENDER = re.compile(r'"?(?P<name>[^"<>]*?)"? *<(?P<address>[^<>]+)>')
_MIME = policy.SMTP.clone(max_line_length=76)


@dataclass(frozen=True)
class Part:
    """A file that goes with a message. ``content_id`` for images shown in the HTML."""

    name: str
    media_type: str
    content: bytes = field(repr=False)
    content_id: str | None = None

    def __post_init__(self) -> None:
        if not _FILE_NAME.fullmatch(self.name) or has_control_characters(self.name):
            raise Problem("an attachment's name has characters that no header may hold.")
        if not _MEDIA_TYPE.fullmatch(self.media_type):
            raise Problem(f"{self.name}: its media type is not one.", file=self.name)
        if self.content_id is not None and not _CONTENT_ID.fullmatch(self.content_id):
            raise Problem(f"{self.name}: its content id is not one.", file=self.name)


def recipient_key(kind: str, subject_id: str, letter: str, recipient: str) -> str:
    """Names one row of the ledger to channels and files without telling who it is."""
    return hashlib.sha256(_seed(kind, subject_id, letter, recipient).encode()).hexdigest()[:20]


def _seed(kind: str, subject_id: str, letter: str, recipient: str) -> str:
    """What makes a message this one; without a letter as it was before there were any."""
    of_letter = f"{letter}\n" if letter else ""
    return f"{kind}\n{subject_id}\n{of_letter}{recipient}"


@dataclass(frozen=True)
class OutgoingMessage:
    """What every channel sends.

    Args:
        kind: message kind of the ledger, such as ``edition``.
        subject_id: subject of the ledger, such as the edition's id.
        date: aware; the edition's sealing, not the moment of sending.
        letter: which letter of the edition; it tells apart two letters to one person, and is
            told to nobody.
        calendar: an invitation (iTIP request) that mail programs offer to accept.
    """

    kind: str
    subject_id: str
    sender: Mailbox
    recipient: Mailbox
    subject: str
    date: datetime
    text: str = field(repr=False)
    html: str = field(repr=False)
    inline: tuple[Part, ...] = field(default=(), repr=False)
    attachments: tuple[Part, ...] = field(default=(), repr=False)
    letter: str = field(default="", repr=False)
    calendar: Part | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for what, words in (
            ("subject", self.subject),
            ("sender's name", self.sender.name),
            ("recipient's name", self.recipient.name),
        ):
            if has_control_characters(words):
                raise Problem(
                    f"the {what} holds a line break or another control character.",
                    remedy="remove it at its source.",
                )
        if not self.subject.strip():
            raise Problem("the message has no subject.")

    @property
    def recipient_key(self) -> str:
        """Names the recipient to channels and files without telling who it is."""
        return recipient_key(self.kind, self.subject_id, self.letter, self.recipient.key)

    @property
    def slug(self) -> str:
        """File name stem that this message always gets."""
        return f"{re.sub(r'[^A-Za-z0-9.-]+', '-', self.subject_id)}--{self.recipient_key}"

    @property
    def message_id(self) -> str:
        """RFC 5322 message id, the same at every build."""
        return f"<{self.slug}@{self.sender.domain}>"

    def mime(self) -> bytes:
        """The message as RFC 5322 bytes with CRLF line ends.

        mixed(related(alternative(text, html, invitation), inline images), attachments).
        """
        message = MIMEPart(policy=_MIME)
        message["From"] = self.sender.header()
        message["To"] = self.recipient.header()
        message["Subject"] = self.subject
        message["Date"] = format_datetime(self.date)
        message["Message-ID"] = self.message_id
        message["Auto-Submitted"] = "auto-generated"
        message["MIME-Version"] = "1.0"
        message["Content-Type"] = f'multipart/mixed; boundary="{self._boundary("mixed")}"'

        related = MIMEPart(policy=_MIME)
        related["Content-Type"] = (
            f'multipart/related; type="multipart/alternative"; '
            f'boundary="{self._boundary("related")}"'
        )
        alternative = MIMEPart(policy=_MIME)
        alternative["Content-Type"] = (
            f'multipart/alternative; boundary="{self._boundary("alternative")}"'
        )
        for words, subtype in ((self.text, "plain"), (self.html, "html")):
            part = MIMEPart(policy=_MIME)
            part.set_content(words, subtype=subtype, charset="utf-8", cte="quoted-printable")
            alternative.attach(part)
        if self.calendar is not None:
            alternative.attach(_calendar_part(self.calendar))
        related.attach(alternative)
        for image in self.inline:
            related.attach(_file_part(image, "inline"))
        message.attach(related)
        for attachment in self.attachments:
            message.attach(_file_part(attachment, "attachment"))
        return message.as_bytes()

    def _boundary(self, level: str) -> str:
        # long enough not to occur by chance; "=_" cannot occur in quoted-printable or base64
        seed = f"{_seed(self.kind, self.subject_id, self.letter, self.recipient.key)}\n{level}"
        return f"=_{hashlib.sha256(seed.encode()).hexdigest()[:40]}"


def _file_part(file: Part, disposition: str) -> MIMEPart:
    part = MIMEPart(policy=_MIME)
    main, _, sub = file.media_type.partition("/")
    part.set_content(
        file.content,
        maintype=main,
        subtype=sub,
        disposition=disposition,
        filename=file.name,
        cid=f"<{file.content_id}>" if file.content_id else None,
    )
    return part


def _calendar_part(calendar: Part) -> MIMEPart:
    """RFC 6047: the method stands in the type, too; base64, as iCalendar lines are folded."""
    part = MIMEPart(policy=_MIME)
    part.set_content(
        calendar.content.decode("utf-8"),
        subtype="calendar",
        charset="utf-8",
        cte="base64",
        params={"method": "REQUEST"},
    )
    return part


def has_control_characters(words: str) -> bool:
    """Line breaks of any script's kind, other control characters, unpaired surrogates."""
    return any(unicodedata.category(letter) in ("Cc", "Zl", "Zp", "Cs") for letter in words)


def sender_mailbox(sender: str) -> Mailbox:
    """Read ``Name <address>`` of the settings.

    Raises:
        Problem: it is not one mailbox.
    """
    found = _SENDER.fullmatch(sender.strip(" "))
    name, address = (found["name"], found["address"]) if found else ("", sender)
    try:
        if has_control_characters(sender):
            raise Problem("control characters")
        return mailbox(address, name)
    except Problem as problem:
        raise Problem(
            "[delivery.sender] is not one mailbox.",
            remedy="write it like Adoption Review <adoption-review@example.org>.",
        ) from problem


def media_type_of(file: str) -> str:
    """By the file's suffix; ``application/octet-stream`` when it says nothing."""
    return mimetypes.guess_type(PurePosixPath(file).name)[0] or "application/octet-stream"
