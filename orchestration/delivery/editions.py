"""Sealing an edition and delivering it: the state machine of delivery.

Sealing copies the draft aside, renames it into place and writes its row; the row is the commit.
A folder without a row is left over from a crash and is put aside by the next sealing. What was
sealed is never written again: a retry sends the sealed bytes.

Delivering writes the ledger before and after every call of the channel. Only what the channel
certainly did not take is tried again.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
import time
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Literal

from orchestration.addresses import Mailbox, allowed_domains
from orchestration.delivery.channels.interface import (
    Accepted,
    Channel,
    Failed,
    Outcome,
    Retry,
)
from orchestration.delivery.mailings import EMAIL, LETTERS, Letter, read_letters, without
from orchestration.delivery.message import (
    OutgoingMessage,
    Part,
    has_control_characters,
    media_type_of,
    sender_mailbox,
)
from orchestration.delivery.recipients import Audience, Refusal
from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import STANDS_ON
from orchestration.scorecard.restated import FILE as RESTATEMENTS
from orchestration.settings import Settings
from orchestration.state import (
    LEASE,
    Edition,
    FrozenRecipient,
    Heartbeat,
    Intent,
    IntentStatus,
    LedgerRow,
    SendStatus,
    State,
    new_holder,
)

MESSAGE_KIND = "edition"
MANIFEST = "edition.json"
_STALE_ASIDE_SECONDS = 3600.0
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Provenance:
    """What an edition's figures stand on. Hashes are SHA-256 in hex."""

    figures_hash: str
    manifest_hash: str
    settings_hash: str
    charter_hash: str
    code_version: str
    data_as_of: date | None


def settings_hash(settings: Settings) -> str:
    """Hash of the settings in force; secrets are no part of them."""
    values = settings.model_dump(mode="json")
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


@dataclass(frozen=True)
class RetryPolicy:
    """How long one run keeps trying what was certainly not accepted. All times in seconds.

    Args:
        attempts: calls for one recipient in one run.
        first_wait: before the second attempt; doubled for each further one.
        longest_wait: a server that asks for more is not waited for in this run.
        total_wait: over all recipients of one run.
    """

    attempts: int = 4
    first_wait: float = 1.0
    longest_wait: float = 60.0
    total_wait: float = 180.0


@dataclass(frozen=True)
class DeliveryReport:
    """What one run did and where all recipients stand after it. Names nobody.

    ``sent`` counts what this run handed over; the other numbers are the ledger's. Mode ``nothing``:
    the period had no letter to send.
    """

    mode: Literal["sent", "archived", "held", "nothing"]
    edition_number: int | None = None
    subject: str = ""
    sent: int = 0
    accepted: int = 0
    failed: int = 0
    unknown: int = 0
    still_planned: int = 0
    sending_elsewhere: int = 0
    settled: bool = False
    faults: tuple[str, ...] = ()


@dataclass(frozen=True)
class DryRun:
    """Who would get what, and who would not. For a person's eyes: it holds addresses."""

    subjects: tuple[tuple[str, str], ...]  # letter (empty: the one email), subject
    recipients: tuple[tuple[str, tuple[str, ...], str, str], ...]  # address, roles, status, letter
    refused: tuple[Refusal, ...]
    files: tuple[str, ...]
    channel: str
    sends: bool

    def __str__(self) -> str:
        lines = [
            *(
                f"Letter {letter}: {subject}" if letter else f"Subject: {subject}"
                for letter, subject in self.subjects
            ),
            *(["No letters: nothing to send."] if not self.subjects else []),
            f"Channel: {self.channel}",
            "An open intent exists: this would be sent."
            if self.sends
            else "No open intent: nothing would be sent.",
            f"Would go to {len(self.recipients)}:",
        ]
        lines += [
            f"  {address}  {', '.join(roles)}  [{status}]{f'  letter {letter}' if letter else ''}"
            for address, roles, status, letter in self.recipients
        ]
        lines.append(f"Would not go to {len(self.refused)}:")
        lines += [
            "  "
            + " ".join(
                words
                for words in (
                    each.role,
                    each.org_unit_id,
                    each.person,
                    each.address,
                    f"letter {each.letter}" if each.letter else "",
                )
                if words
            )
            + f": {each.reason}"
            for each in self.refused
        ]
        if self.files:
            lines.append("With: " + ", ".join(self.files))
        return "\n".join(lines)


@dataclass(frozen=True)
class _Bundle:
    """The email of a draft or an edition, read and checked."""

    subject: str
    html: str = field(repr=False)
    text: str = field(repr=False)
    inline: tuple[Part, ...] = field(repr=False)
    attachments: tuple[Part, ...] = field(repr=False)
    calendar: Part | None = field(default=None, repr=False)

    @property
    def files(self) -> tuple[str, ...]:
        return tuple(
            part.name
            for part in (*self.inline, *self.attachments, self.calendar)
            if part is not None
        )


def open_intent(
    state: State,
    ritual: str,
    period_id: str,
    *,
    opened_by: Literal["schedule", "person"],
    reason: str = "",
    restates: bool = False,
    run_id: str | None = None,
) -> Intent:
    """Give leave to send a period's review; see :meth:`State.open_intent`."""
    return state.open_intent(
        ritual, period_id, opened_by=opened_by, reason=reason, restates=restates, run_id=run_id
    )


# ---- the email of a folder -----------------------------------------------------------------


def _read_bundle(folder: Path) -> _Bundle:
    description = folder / EMAIL
    try:
        email: Any = json.loads(description.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Problem(
            "there is no rendered email here.",
            file=str(description),
            remedy="materialize the review's pages first.",
        ) from error
    except ValueError as error:
        raise Problem("not readable as JSON.", file=str(description)) from error
    if not isinstance(email, Mapping) or not isinstance(email.get("subject"), str):
        raise Problem("the email has no subject.", file=str(description))
    if has_control_characters(email["subject"]) or not email["subject"].strip():
        raise Problem(
            "the email's subject is empty or holds a line break or a control character.",
            file=str(description),
        )
    return _Bundle(
        subject=email["subject"],
        html=_text(folder, email.get("html", "email.html")),
        text=_text(folder, email.get("text", "email.txt")),
        inline=tuple(_part(folder, each, True) for each in email.get("inline", ())),
        attachments=tuple(_part(folder, each, False) for each in email.get("attachments", ())),
        calendar=_calendar(folder, email.get("calendar")),
    )


def _bundles(folder: Path, letters: Collection[str] | None) -> dict[str, _Bundle]:
    """The emails of a folder by letter; of a pack the one email, under the empty name."""
    if letters is None:
        return {"": _read_bundle(folder)}
    return {letter: _read_bundle(_letter_folder(folder, letter)) for letter in letters}


def _letter_folder(folder: Path, letter: str) -> Path:
    place = folder / letter
    if place.is_symlink() or not place.is_dir():
        raise Problem("a letter that the list names is missing.", file=str(folder / LETTERS))
    return place


def _text(folder: Path, name: Any) -> str:
    file = _inside(folder, name)
    try:
        return file.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        raise Problem("not UTF-8.", file=str(file)) from error


def _part(folder: Path, described: Any, inline: bool) -> Part:
    if not isinstance(described, Mapping):
        raise Problem("a file of the email is not described.", file=str(folder / EMAIL))
    name = described.get("file")
    file = _inside(folder, name)
    return Part(
        name=str(described.get("name") or name),
        media_type=str(described.get("media_type") or media_type_of(str(name))),
        content=file.read_bytes(),
        content_id=str(described.get("cid")) if inline else None,
    )


def _calendar(folder: Path, name: Any) -> Part | None:
    """The invitation that goes with an email: an iTIP request, else mail programs make nothing
    of it."""
    if name is None:
        return None
    file = _inside(folder, name)
    content = file.read_bytes()
    try:
        lines = content.decode("utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise Problem("not UTF-8.", file=str(file)) from error
    if not lines or lines[0] != "BEGIN:VCALENDAR" or "METHOD:REQUEST" not in lines:
        raise Problem("not a calendar file that requests something (iTIP).", file=str(file))
    return Part(name=str(name), media_type="text/calendar", content=content)


def _inside(folder: Path, name: Any) -> Path:
    """A plain file directly in the folder; nothing that leads out of it."""
    if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
        raise Problem("a file of the email is not a plain name.", file=str(folder / EMAIL))
    file = folder / name
    if file.is_symlink() or not file.is_file():
        raise Problem("a file that the email names is missing.", file=str(file))
    return file


def _message(
    bundle: _Bundle, edition: Edition, sender: Mailbox, to: FrozenRecipient
) -> OutgoingMessage:
    return OutgoingMessage(
        kind=MESSAGE_KIND,
        subject_id=edition.edition_id,
        sender=sender,
        recipient=Mailbox(to.address),
        subject=bundle.subject,
        date=edition.sealed_at,
        text=bundle.text,
        html=bundle.html,
        inline=bundle.inline,
        attachments=bundle.attachments,
        letter=to.letter,
        calendar=_addressed(bundle.calendar, to),
    )


def _addressed(calendar: Part | None, to: FrozenRecipient) -> Part | None:
    """The sealed invitation with its one attendee: a request without one is none (RFC 5546)."""
    if calendar is None:
        return None
    from orchestration.review.invitation import addressed

    return replace(calendar, content=addressed(calendar.content, to.address))


# ---- sealing -------------------------------------------------------------------------------


def seal(
    state: State,
    settings: Settings,
    ritual: str,
    period: Period,
    draft_folder: Path,
    recipients: Audience,
    provenance: Provenance,
    letters: Sequence[Letter] | None = None,
    restate: Callable[[Edition, Path], bytes] | None = None,
    left_out: Collection[str] = (),
) -> Edition:
    """Freeze the draft as the period's next edition, under its pending intent.

    Of personal letters, all of ``letters`` are sealed as one edition, and nothing else that may
    lie in the draft's folder.

    An intent seals once: called again it returns its edition, whatever the draft is by now. A
    restating intent whose draft equals the last edition to the byte has nothing to restate: it is
    settled and that edition is returned.

    Args:
        restate: from the edition before and the new one's files, the list of what reads otherwise;
            sealed with the new edition as ``restatements.json``.
        left_out: folders of letters of the draft that are not sent and so not sealed.

    Raises:
        Problem: no intent is open; nobody would get it; the draft is incomplete; the disk refuses.
    """
    intent = state.pending_intent(ritual, period.id)
    if intent is None:
        existing = state.latest_edition(ritual, period.id)
        if existing is not None:
            return existing
        raise Problem(
            f"nobody has opened the {ritual} review of {period.id}; it is not sealed.",
            remedy="let the schedule open it, or open an intent.",
        )
    existing = state.edition_of_intent(intent.intent_id)
    if existing is not None:
        return existing
    if not recipients.recipients:
        raise Problem(
            f"the {ritual} review of {period.id} has no recipient: {recipients.summary()}.",
            remedy="fill the governance roles, and name your domains in "
            "[delivery] allowed_domains.",
        )
    folders = None if letters is None else [letter.folder for letter in letters]
    _bundles(draft_folder, folders)  # whatever could do harm is refused before anything is written
    sender_mailbox(settings.delivery.sender)
    parent = settings.home / "editions" / ritual / period.id
    aside = parent / f".aside-{uuid.uuid4().hex}"
    try:
        hashes = _copy_aside(draft_folder, aside, folders, left_out)
        # what counts is the copy: the draft may be made anew meanwhile
        bundles = _bundles(aside, folders)
        if letters is not None and read_letters(aside) != tuple(letters):
            raise Problem(
                f"the letters of {period.id} were drafted anew while they were sealed.",
                remedy="run again.",
            )
        content_hash = _content_hash(hashes)
        with state.sealing(intent) as sealing:
            if sealing.existing is not None:  # another process was first
                return sealing.existing
            if sealing.intent.status is not IntentStatus.OPEN:
                raise Problem(
                    f"the {ritual} review of {period.id} is {sealing.intent.status}: "
                    f"{sealing.intent.reason or 'no reason given'}.",
                    remedy="release its intent first.",
                )
            last = sealing.latest
            if last is not None and not sealing.intent.restates:
                return last
            if last is None or _drafted_hash(last) != content_hash:
                if last is not None and restate is not None:
                    content = restate(last, aside)
                    _write_synced(aside / RESTATEMENTS, content)
                    hashes[RESTATEMENTS] = hashlib.sha256(content).hexdigest()
                    content_hash = _content_hash(hashes)
                number = 1 if last is None else last.number + 1
                edition_id = f"{ritual}-{period.id}-edition-{number}"
                folder = parent / f"edition-{number}"
                sealed_at = state.now().replace(microsecond=0)
                values: dict[str, Any] = {
                    "edition_id": edition_id,
                    "intent_id": intent.intent_id,
                    "ritual": ritual,
                    "period_id": period.id,
                    "number": number,
                    "sealed_at": sealed_at,
                    "folder": folder.relative_to(settings.home).as_posix(),
                    "content_hash": content_hash,
                    "figures_hash": provenance.figures_hash,
                    "manifest_hash": provenance.manifest_hash,
                    "settings_hash": provenance.settings_hash,
                    "charter_hash": provenance.charter_hash,
                    "code_version": provenance.code_version,
                    "data_as_of": provenance.data_as_of,
                    "subject": _edition_subject(bundles),
                    "restates": None if last is None else last.edition_id,
                }
                _write_manifest(aside, values, hashes)
                _into_place(aside, folder)
                return sealing.commit(values, frozen(recipients))
        # the restating draft is the last edition, byte for byte
        state.settle_intent(intent.intent_id, f"nothing to restate: equal to edition {last.number}")
        return last
    except OSError as error:
        raise Problem(
            f"the edition cannot be sealed: {error.strerror or type(error).__name__}.",
            file=str(parent),
            remedy="check that the disk is not full or read-only; then run again.",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
        _remove_stale(parent)


def frozen(audience: Audience) -> list[FrozenRecipient]:
    """An audience as it is stored with an edition: key, address, roles; no names."""
    return [
        FrozenRecipient(each.mailbox.key, each.mailbox.address, ", ".join(each.roles), each.letter)
        for each in audience.recipients
    ]


def _edition_subject(bundles: Mapping[str, _Bundle]) -> str:
    """The email's subject; of letters their number, as a letter's subject may name somebody."""
    if list(bundles) == [""]:
        return bundles[""].subject
    return "1 letter" if len(bundles) == 1 else f"{len(bundles)} letters"


def _copy_aside(
    source: Path, aside: Path, letters: Collection[str] | None, left_out: Collection[str] = ()
) -> dict[str, str]:
    """Copy every file of the draft (of letters, those listed), synced to disk and read-only.

    Returns:
        The SHA-256 of each file by its name.
    """
    hashes: dict[str, str] = {}
    for file in sorted(source.rglob("*")):
        name = file.relative_to(source).as_posix()
        if letters is not None and name != LETTERS and name.partition("/")[0] not in letters:
            continue
        if file.is_symlink():
            raise Problem("a draft may not hold symbolic links.", file=str(file))
        if file.is_dir() or file.name in (MANIFEST, RESTATEMENTS, STANDS_ON):
            continue
        target = aside / name
        target.parent.mkdir(parents=True, exist_ok=True)
        content = file.read_bytes()
        if name == LETTERS:
            content = without(content, left_out)
        _write_synced(target, content)
        hashes[name] = hashlib.sha256(content).hexdigest()
    return hashes


def _write_synced(target: Path, content: bytes) -> None:
    with target.open("xb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    target.chmod(0o444)


def _content_hash(hashes: Mapping[str, str]) -> str:
    lines = "".join(f"{digest}  {name}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def _drafted_hash(edition: Edition) -> str:
    """The content hash of an edition's draft: without the list of what it restated."""
    try:
        files = json.loads((Path(edition.folder) / MANIFEST).read_bytes())["files"]
    except (OSError, ValueError, KeyError):
        return edition.content_hash
    if _content_hash(files) != edition.content_hash:
        return edition.content_hash
    return _content_hash({name: hashed for name, hashed in files.items() if name != RESTATEMENTS})


def _write_manifest(aside: Path, values: Mapping[str, Any], hashes: Mapping[str, str]) -> None:
    described = {key: value for key, value in values.items() if key not in ("intent_id", "folder")}
    _write_synced(
        aside / MANIFEST, _described({**described, "files": dict(sorted(hashes.items()))})
    )


def _described(values: Mapping[str, Any]) -> bytes:
    return json.dumps(values, indent=1, sort_keys=True, default=str).encode() + b"\n"


def _into_place(aside: Path, folder: Path) -> None:
    """Rename; what stands there without a row in the database is put aside, not thrown away."""
    if folder.exists():
        folder.rename(folder.with_name(f".orphan-{folder.name}-{uuid.uuid4().hex[:8]}"))
    aside.rename(folder)
    handle = os.open(folder.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _remove_stale(parent: Path) -> None:
    """Copies that a killed sealing left; a live one is younger than this."""
    for left in parent.glob(".aside-*") if parent.exists() else ():
        try:
            if time.time() - left.stat().st_mtime > _STALE_ASIDE_SECONDS:
                shutil.rmtree(left, ignore_errors=True)
        except OSError:
            continue


def _hashes(folder: Path) -> dict[str, str]:
    """The SHA-256 of each file of an edition by its name, its manifest apart."""
    return {
        file.relative_to(folder).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != MANIFEST
    }


def verify(edition: Edition) -> None:
    """Hold an edition's files against what was sealed.

    Raises:
        Problem: a file was changed, added or removed since.
    """
    folder = Path(edition.folder)
    if _content_hash(_hashes(folder)) != edition.content_hash:
        raise Problem(
            f"edition {edition.number} of {edition.period_id} is not as it was sealed.",
            file=str(folder),
            remedy="restore the folder from a backup; its edition.json lists every file's hash.",
        )


# ---- who was erased ------------------------------------------------------------------------


def put_redacted(state: State, edition: Edition, aside: Path, old: Path, erasure: int) -> None:
    """Have an edition hold the files of ``aside``, which tell no more of somebody who was erased.

    Its manifest says by which erasures, and keeps the hash that it was sealed with. The row in the
    database comes last; :func:`finish_redaction` makes up for it.

    Args:
        old: where the files that it held are put; for the caller to remove.
        erasure: number of the erasure.
    """
    folder = Path(edition.folder)
    hashes = _hashes(aside)
    described: dict[str, Any] = json.loads((aside / MANIFEST).read_bytes())
    described |= {
        "content_hash": _content_hash(hashes),
        "erasures": sorted({*described.get("erasures", []), erasure}),
        "figures_hash": hashes.get(SCORECARD, edition.figures_hash),
        "files": hashes,
        "sealed_hash": edition.sealed_hash or edition.content_hash,
    }
    (aside / MANIFEST).unlink()
    _write_synced(aside / MANIFEST, _described(described))
    for file in aside.rglob("*"):
        if file.is_file():
            file.chmod(0o444)
    folder.rename(old)
    _into_place(aside, folder)
    finish_redaction(state, edition)


def is_half_redacted(edition: Edition) -> bool:
    """Whether its files tell no more of somebody, and its row does not know it."""
    folder = Path(edition.folder)
    try:
        described = json.loads((folder / MANIFEST).read_bytes())
    except (OSError, ValueError):
        return False
    return (
        bool(described.get("erasures"))
        and described["content_hash"] != edition.content_hash
        and described["content_hash"] == _content_hash(_hashes(folder))
    )


def finish_redaction(state: State, edition: Edition) -> None:
    """Have an edition's row say what its manifest says, once its files were edited."""
    described = json.loads((Path(edition.folder) / MANIFEST).read_bytes())
    state.redacted(
        edition.edition_id,
        content_hash=described["content_hash"],
        figures_hash=described["figures_hash"],
    )


# ---- delivering ----------------------------------------------------------------------------


def deliver(
    state: State,
    settings: Settings,
    edition: Edition,
    channel: Channel,
    run_id: str,
    *,
    policy: RetryPolicy | None = None,
    sleep: Callable[[float], None] = time.sleep,
    lease: timedelta = LEASE,
) -> DeliveryReport:
    """Send a sealed edition to whoever of its recipients has not got it; at most once each.

    Without an open intent nothing is sent (``archived``, or ``held``). A row that another run is
    sending is left alone; one whose sender died becomes ``unknown``. When nobody is planned or
    being sent to any more, the intent is settled.

    Raises:
        Problem: the sealed files are not as they were, or the state database refuses.
    """
    intent = state.intent(edition.intent_id)
    if intent.status is not IntentStatus.OPEN:
        state.expire(MESSAGE_KIND, edition.edition_id)
        return standing(
            state, edition, "held" if intent.status is IntentStatus.HELD else "archived"
        )
    verify(edition)
    recipients = state.recipients(edition.edition_id)
    letters = sorted({each.letter for each in recipients})
    run = _Delivery(
        state=state,
        edition=edition,
        bundles=_bundles(Path(edition.folder), None if letters == [""] else letters),
        sender=sender_mailbox(settings.delivery.sender),
        allowed=allowed_domains(settings),
        channel=channel,
        run_id=run_id,
        policy=policy or RetryPolicy(),
        sleep=sleep,
        lease=lease,
    )
    planned = {(each.letter, each.recipient): each for each in recipients}
    state.plan(MESSAGE_KIND, edition.edition_id, list(planned))
    state.expire(MESSAGE_KIND, edition.edition_id)
    with Heartbeat(state, run.holder, lease):
        run.send_all(planned)
    settled = state.settle_intent(intent.intent_id)
    return standing(state, edition, "sent", run.sent, settled, tuple(run.faults))


@dataclass
class _Delivery:
    """One run's work on one edition."""

    state: State
    edition: Edition
    bundles: Mapping[str, _Bundle]
    sender: Mailbox
    allowed: frozenset[str]
    channel: Channel
    run_id: str
    policy: RetryPolicy
    sleep: Callable[[float], None]
    lease: timedelta
    holder: str = field(default_factory=new_holder)
    sent: int = 0
    waited: float = 0.0
    halted: bool = False
    faults: list[str] = field(default_factory=list)

    def send_all(self, recipients: Mapping[tuple[str, str], FrozenRecipient]) -> None:
        for row in self.state.ledger_rows(MESSAGE_KIND, self.edition.edition_id):
            if self.halted:
                return
            if row.status is SendStatus.PLANNED:
                self._send(row, recipients[row.letter, row.recipient])

    def _send(self, row: LedgerRow, to: FrozenRecipient) -> None:
        if Mailbox(to.address).domain not in self.allowed:
            self.state.refuse(row, "the domain is no longer in allowed_domains")
            return
        message = _message(self.bundles[to.letter], self.edition, self.sender, to)
        for attempt in range(1, self.policy.attempts + 1):
            if not self.state.claim(
                row,
                run_id=self.run_id,
                holder=self.holder,
                intent_id=self.edition.intent_id,
                lease=self.lease,
            ):
                return  # someone else has it, it is not due yet, or the intent was stopped
            outcome = self._call(row, message)
            if not isinstance(outcome, Retry):
                self._record(row, outcome)
                return
            wait = self._wait(outcome, attempt)
            now = self.state.now()
            self.state.finish(
                row,
                holder=self.holder,
                status=SendStatus.PLANNED,
                detail=outcome.reason,
                not_before=now + timedelta(seconds=outcome.after) if outcome.after else None,
            )
            if wait is None:
                self._note(outcome.reason)
                self.halted = self.halted or outcome.halts
                return
            self.sleep(wait)
            self.waited += wait

    def _call(self, row: LedgerRow, message: OutgoingMessage) -> Outcome:
        try:
            return self.channel.send(message)
        except BaseException as error:
            # nobody can say how far it got; only the error's kind is kept, its words may tell more
            self.state.finish(
                row,
                holder=self.holder,
                status=SendStatus.UNKNOWN,
                detail=f"stopped while sending: {type(error).__name__}",
            )
            raise

    def _record(self, row: LedgerRow, outcome: Outcome) -> None:
        if isinstance(outcome, Accepted):
            self.sent += 1
            recorded = self.state.finish(
                row,
                holder=self.holder,
                status=SendStatus.ACCEPTED,
                provider_message_id=(outcome.message_id or "")[:255] or None,
            )
        else:
            status = SendStatus.FAILED if isinstance(outcome, Failed) else SendStatus.UNKNOWN
            recorded = self.state.finish(
                row, holder=self.holder, status=status, detail=outcome.reason
            )
        if not recorded:
            _log.warning(
                "ledger row %s was decided by others meanwhile; the channel said %s",
                row.ledger_id,
                type(outcome).__name__.lower(),
            )

    def _wait(self, outcome: Retry, attempt: int) -> float | None:
        """Seconds to wait before the next attempt; None to leave it planned for a later run."""
        if outcome.halts or attempt >= self.policy.attempts:
            return None
        wait: float = self.policy.first_wait * 2.0 ** (attempt - 1)
        if outcome.after is not None:
            wait = max(outcome.after, 0.0)
        if wait > self.policy.longest_wait or self.waited + wait > self.policy.total_wait:
            return None
        return wait

    def _note(self, reason: str) -> None:
        """Remember a fault without the address that a server may repeat in its words."""
        words = " ".join(word for word in reason.split() if "@" not in word)
        if words not in self.faults:
            self.faults.append(words)


def standing(
    state: State,
    edition: Edition,
    mode: Literal["sent", "archived", "held", "nothing"],
    sent: int = 0,
    settled: bool = False,
    faults: Sequence[str] = (),
) -> DeliveryReport:
    """Where an edition's recipients stand in the ledger, as a report."""
    counts = state.counts(MESSAGE_KIND, edition.edition_id)
    return DeliveryReport(
        mode=mode,
        edition_number=edition.number,
        subject=edition.subject,
        sent=sent,
        accepted=counts[SendStatus.ACCEPTED],
        failed=counts[SendStatus.FAILED],
        unknown=counts[SendStatus.UNKNOWN],
        still_planned=counts[SendStatus.PLANNED],
        sending_elsewhere=counts[SendStatus.SENDING],
        settled=settled,
        faults=tuple(faults),
    )


def dry_run(
    state: State,
    settings: Settings,
    ritual: str,
    period: Period,
    draft_folder: Path,
    recipients: Audience,
    letters: Sequence[Letter] | None = None,
) -> DryRun:
    """Who would get what if it were delivered now; writes and sends nothing.

    Of an edition already sealed under the pending intent, its frozen recipients and their standing
    in the ledger; else the draft and the audience as they are today.
    """
    intent = state.pending_intent(ritual, period.id)
    edition = None if intent is None else state.edition_of_intent(intent.intent_id)
    if edition is None:
        folder = draft_folder
        folders = None if letters is None else [letter.folder for letter in letters]
        listed = tuple(
            (each.mailbox.address, each.roles, "new", each.letter) for each in recipients.recipients
        )
    else:
        folder = Path(edition.folder)
        frozen_recipients = state.recipients(edition.edition_id)
        sealed = sorted({each.letter for each in frozen_recipients})
        folders = None if sealed == [""] else sealed
        standing = {
            (row.letter, row.recipient): str(row.status)
            for row in state.ledger_rows(MESSAGE_KIND, edition.edition_id)
        }
        listed = tuple(
            (
                each.address,
                tuple(each.roles.split(", ")),
                standing.get((each.letter, each.recipient), "new"),
                each.letter,
            )
            for each in frozen_recipients
        )
    bundles = _bundles(folder, folders)
    return DryRun(
        subjects=tuple((letter, bundle.subject) for letter, bundle in bundles.items()),
        recipients=listed,
        refused=recipients.refused,
        files=tuple(dict.fromkeys(name for bundle in bundles.values() for name in bundle.files)),
        channel=settings.delivery.channel,
        sends=intent is not None and intent.status is IntentStatus.OPEN,
    )
