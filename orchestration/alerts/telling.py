"""Who is told what, when: one message when an incident opens, reminders, escalation, recovery.

Every message to one recipient on one incident is a row of the ledger (kind ``incident``, subject
the incident's number, letter the stage). Alerts go out at least once: what was perhaps not taken
is sent again. Whatever is due to one recipient in one round goes out as one message, so that a
storm is one message and not five hundred.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from orchestration.addresses import Mailbox, allowed_domains
from orchestration.alerts.addressing import Directory
from orchestration.alerts.chat import Chat
from orchestration.alerts.words import (
    ESCALATION,
    OPENED,
    REMINDER,
    Words,
    compose,
    stage_of,
    weightiest,
)
from orchestration.delivery.channels.interface import Accepted, Channel, Failed, Outcome
from orchestration.delivery.message import OutgoingMessage, sender_mailbox
from orchestration.incidents import (
    MESSAGE_KIND,
    RECOVERY,
    Incident,
    incidents_by_id,
    open_incidents,
    untold_recoveries,
)
from orchestration.periods import is_working_day
from orchestration.problems import Problem
from orchestration.settings import Settings
from orchestration.state import Heartbeat, LedgerRow, SendStatus, State, new_holder

CHAT = "chat"
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=1)


@dataclass
class Round:
    """One round of telling.

    Args:
        mail: opens the mail channel; called only where mail is due.
        chat: the chat, where one is set.
    """

    settings: Settings
    state: State
    directory: Directory
    mail: Callable[[], Channel]
    chat: Chat | None
    told: int = 0
    faults: list[str] = field(default_factory=list)

    def plan(self) -> None:
        """Write down what is due: the first word, reminders, escalation, recovery."""
        for incident in open_incidents(self.state):
            rows = self._rows(incident)
            self._plan_opened(incident, rows)
            # what comes and goes, and is well just now, is nothing to be reminded of
            if rows and incident.well_since is None and self._is_working_day():
                self._plan_reminder(incident, rows)
                self._plan_escalation(incident, rows)
        for incident in untold_recoveries(self.state):
            rows = self._rows(incident)
            for row in rows:
                self.state.refuse(row, "it recovered before this was sent")
            self._plan(incident, RECOVERY, sorted({row.recipient for row in rows}))

    def send(self) -> None:
        """Send what is planned, one message a recipient; what was not taken stays planned."""
        self.state.expire(MESSAGE_KIND)
        waiting: dict[str, list[LedgerRow]] = {}
        for row in self.state.ledger_rows(MESSAGE_KIND):
            if row.status is SendStatus.UNKNOWN:
                self._again(row)
            if row.status in (SendStatus.PLANNED, SendStatus.UNKNOWN):
                waiting.setdefault(row.recipient, []).append(row)
        holder = new_holder()
        broken: set[bool] = set()
        with Heartbeat(self.state, holder):
            # a recipient that was often not reached waits behind the others
            for recipient, rows in sorted(
                waiting.items(), key=lambda each: (min(row.attempts for row in each[1]), each[0])
            ):
                by_chat = recipient == CHAT
                if by_chat not in broken and not self._send(recipient, rows, holder):
                    broken.add(by_chat)

    def untold(self) -> int:
        """How many open incidents nobody could be told of for good."""
        return sum(
            all(row.status is SendStatus.FAILED for row in self._rows(incident))
            for incident in open_incidents(self.state)
        )

    # ---- planning ------------------------------------------------------------------------

    def _rows(self, incident: Incident) -> list[LedgerRow]:
        return self.state.ledger_rows(MESSAGE_KIND, str(incident.incident_id))

    def _plan(self, incident: Incident, letter: str, recipients: Collection[str]) -> None:
        self.state.plan(
            MESSAGE_KIND, str(incident.incident_id), [(letter, each) for each in recipients]
        )

    def _audience(self, boxes: Sequence[Mailbox]) -> list[str]:
        return [*(box.key for box in boxes), *([CHAT] if self.chat else [])]

    def _plan_opened(self, incident: Incident, rows: Sequence[LedgerRow]) -> None:
        mailed = [row for row in rows if row.recipient != CHAT]
        if not mailed:  # also where nobody was known when it opened
            self._plan(incident, OPENED, self._audience(self.directory.owner(incident.owner)))
        else:
            self._plan_for_the_lead(incident, OPENED, mailed)

    def _plan_for_the_lead(
        self, incident: Incident, letter: str, rows: Sequence[LedgerRow]
    ) -> None:
        """Tell the lead what every address of the owner refuses for good."""
        mailed = [row for row in rows if row.recipient != CHAT]
        if mailed and all(row.status is SendStatus.FAILED for row in mailed):
            self._plan(incident, letter, [box.key for box in self.directory.lead()])

    def _plan_reminder(self, incident: Incident, rows: Sequence[LedgerRow]) -> None:
        told = [row for row in rows if stage_of(row.letter) in (OPENED, REMINDER)]
        number = len({row.letter for row in told if row.letter != OPENED})
        latest = f"{REMINDER}-{number}" if number else OPENED
        last = [row for row in told if row.letter == latest]
        self._plan_for_the_lead(incident, latest, last)
        # what was refused for good is over, too: the next one is tried at its time
        over = [
            row.updated_at for row in last if row.status in (SendStatus.ACCEPTED, SendStatus.FAILED)
        ]
        hours = timedelta(hours=self.settings.alerts.reminder_hours)
        if over and self.state.now() >= max(over) + hours:
            self._plan(
                incident,
                f"{REMINDER}-{number + 1}",
                self._audience(self.directory.owner(incident.owner)),
            )

    def _plan_escalation(self, incident: Incident, rows: Sequence[LedgerRow]) -> None:
        if any(row.letter == ESCALATION for row in rows):
            return
        hours = timedelta(hours=self.settings.alerts.escalation_hours)
        if self.state.now() >= incident.opened_at + hours:
            self._plan(incident, ESCALATION, [box.key for box in self.directory.lead()])

    def _is_working_day(self) -> bool:
        organisation = self.settings.organisation
        return is_working_day(self.state.now().astimezone(organisation.zone).date(), organisation)

    # ---- sending -------------------------------------------------------------------------

    def _again(self, row: LedgerRow) -> None:
        """An alert that was perhaps taken is sent again."""
        self.state.decide(
            row.message_kind,
            row.subject_id,
            row.recipient,
            "resend",
            letter=row.letter,
            why="perhaps not taken; alerts are sent at least once",
        )

    def _send(self, recipient: str, rows: Sequence[LedgerRow], holder: str) -> bool:
        """One message on whatever is due to a recipient; whether the channel may be used on."""
        if recipient == CHAT and self.chat is None:
            for row in rows:
                self.state.refuse(row, "no chat is set any more")
            return True
        box = Mailbox(recipient)
        if recipient != CHAT and box.domain not in allowed_domains(self.settings):
            for row in rows:
                self.state.refuse(row, "the domain is not in allowed_domains")
            return True
        try:
            channel = None if recipient == CHAT else self.mail()
        except Problem as problem:
            self.faults.append(str(problem))
            return False
        claimed = [row for row in rows if self.state.claim(row, run_id="alerts", holder=holder)]
        if not claimed:
            return True
        said = self._said(claimed)
        try:
            outcome = self._call(channel, box, said, claimed)
        except BaseException as error:
            self._put_back(claimed, holder, f"stopped while sending: {type(error).__name__}")
            raise
        if isinstance(outcome, Accepted):
            self.told += 1
            for row in claimed:
                self.state.finish(
                    row,
                    holder=holder,
                    status=SendStatus.ACCEPTED,
                    provider_message_id=(outcome.message_id or "")[:255] or None,
                )
            return True
        what = "the chat" if recipient == CHAT else "mail"
        if isinstance(outcome, Failed):
            for row in claimed:
                self.state.finish(
                    row, holder=holder, status=SendStatus.FAILED, detail=outcome.reason
                )
            self.faults.append(f"{what} was refused for good")
            return True
        after = getattr(outcome, "after", None)
        self._put_back(claimed, holder, outcome.reason, after)
        self.faults.append(f"{what} was not taken; it is tried again")
        return False

    def _said(self, rows: Sequence[LedgerRow]) -> list[tuple[Incident, str]]:
        letters: dict[int, list[str]] = {}
        for row in rows:
            letters.setdefault(int(row.subject_id), []).append(row.letter)
        known: Mapping[int, Incident] = incidents_by_id(self.state, letters)
        return [(known[number], weightiest(letters[number])) for number in sorted(letters)]

    def _call(
        self,
        channel: Channel | None,
        box: Mailbox,
        said: Sequence[tuple[Incident, str]],
        rows: Sequence[LedgerRow],
    ) -> Outcome:
        lead = channel is not None and box.key in {each.key for each in self.directory.lead()}
        words: Words = compose(self.settings, said, self.directory.faults if lead else ())
        if channel is None:
            assert self.chat is not None
            return self.chat.send(words.subject, words.text)
        # another group of incidents is another message, whatever was perhaps taken before
        group = ",".join(f"{row.subject_id}:{row.letter}" for row in rows)
        return channel.send(
            OutgoingMessage(
                kind=MESSAGE_KIND,
                subject_id=rows[0].subject_id,
                sender=sender_mailbox(self.settings.delivery.sender),
                recipient=box,
                subject=words.subject,
                date=self.state.now(),
                text=words.text,
                html=words.html,
                letter=hashlib.sha256(group.encode()).hexdigest()[:20],
            )
        )

    def _put_back(
        self, rows: Sequence[LedgerRow], holder: str, why: str, after: float | None = None
    ) -> None:
        """Leave rows planned for a later round: the longer, the more often they were tried."""
        for row in rows:
            wait = min(_FIRST_WAIT * 2 ** min(row.attempts, 10), _LONGEST_WAIT)
            if after is not None:
                wait = max(wait, timedelta(seconds=after))
            self.state.finish(
                row,
                holder=holder,
                status=SendStatus.PLANNED,
                detail=why,
                not_before=self._now() + wait,
            )

    def _now(self) -> datetime:
        return self.state.now()
