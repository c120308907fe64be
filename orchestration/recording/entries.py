"""From what a person says to rows of the feed ``records``: each word checked, each id made.

Every function takes the answers as text, by field (the command's options and the workbook's
columns carry the same field names), and gives one row. An answer that cannot be meant raises a
``Problem`` whose column is the field.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Literal, TypeVar

from orchestration.feeds.recording import Held, decimal_of, made_id
from orchestration.feeds.rules import ENTRY_KINDS
from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.recording.known import Known

Source = Literal["command", "link", "workbook", "review"]
Row = dict[str, object]
Answer = TypeVar("Answer")

SITTINGS = ("weekly", "monthly", "quarterly", "manager_forum")
"""What can be attended: the three reviews, and a forum of managers."""

OUTCOMES = ("approved", "declined", "done", "withdrawn")
"""Words for what became of an entry; others are accepted."""

DIRECTIONS = ("up", "down")


class Answers:
    """The answers of one row, read field by field."""

    def __init__(self, given: Mapping[str, str | None], known: Known, today: date) -> None:
        self._given = {name: (text or "").strip() for name, text in given.items()}
        self.known = known
        self.today = today

    def text(self, name: str) -> str | None:
        """The answer as it is; None for none."""
        return self._given.get(name) or None

    def needed(self, name: str) -> str:
        """The answer; raises where there is none."""
        answer = self.text(name)
        if answer is None:
            raise Problem("it is missing.", column=name, remedy="fill it in.")
        return answer

    def checked(self, name: str, check: Callable[[str], Answer]) -> Answer | None:
        """What ``check`` makes of the answer; None for none. Its problem names the field."""
        answer = self.text(name)
        if answer is None:
            return None
        try:
            return check(answer)
        except Problem as problem:
            raise Problem(problem.message, column=name, remedy=problem.remedy) from problem

    def surely(self, name: str, check: Callable[[str], Answer]) -> Answer:
        """The same of an answer that must be there."""
        self.needed(name)
        found = self.checked(name, check)
        assert found is not None
        return found

    def day(self, name: str, *, future: bool = True) -> date | None:
        """The answer as a date; a workbook's cell gives it with a time of midnight.

        Args:
            future: whether a day to come makes sense.
        """

        def check(text: str) -> date:
            try:
                day = date.fromisoformat(text.removesuffix(" 00:00:00"))
            except ValueError as error:
                raise Problem(
                    f"{text!r} is not a date.", remedy="write it as 2026-01-31."
                ) from error
            if not future and day > self.today:
                raise Problem(f"{day} is still to come.", remedy="record it once it has happened.")
            return day

        return self.checked(name, check)

    def number(self, name: str, places: int) -> Decimal | None:
        """The answer as a number of at most so many decimal places."""

        def check(text: str) -> Decimal:
            number = decimal_of(text, places)
            if number is None:
                raise Problem(
                    f"{text!r} is not a number of at most {places} decimal places.",
                    remedy="write it as 2500 or 2500.50.",
                )
            return number

        return self.checked(name, check)

    def money(self, name: str) -> Decimal | None:
        """The answer as an amount of money."""
        amount = self.number(name, 2)
        if amount is not None and amount < 0:
            raise Problem(f"{amount} is negative.", column=name, remedy="write it without a sign.")
        return amount


def leader_action(answers: Answers, source: Source) -> Row:
    """What a leader did. Fields: who, kind, on, unit, message, note."""
    known = answers.known
    person, kind = answers.surely("who", known.person), answers.surely("kind", known.kind)
    day = answers.day("on", future=False) or answers.today
    unit = answers.checked("unit", known.unit)
    message = answers.checked("message", known.message)
    note = answers.text("note")
    return {
        "source": source,
        "subject": "leader_action",
        "entry_id": made_id("act", person, kind, day, unit, message, note),
        "kind": kind,
        "person_id": person,
        "org_unit_id": unit,
        "message_id": message,
        "happened_on": day,
        "text": note,
    }


def attendance(answers: Answers, source: Source) -> Row:
    """That a leader sat in a review or a forum. Fields: who, sitting, on."""
    sitting = answers.surely("sitting", lambda text: answers.known.word(text, SITTINGS, "sitting"))
    person = answers.surely("who", answers.known.person)
    day = answers.day("on", future=False) or answers.today
    kind = "manager_forum_attended" if sitting == "manager_forum" else "review_attended"
    return {
        "source": source,
        "subject": "leader_action",
        "entry_id": made_id("act", person, kind, day, None, None, sitting),
        "kind": kind,
        "person_id": person,
        "happened_on": day,
        "text": sitting,
    }


def entry(answers: Answers, source: Source, entry_id: str | None = None) -> Row:
    """An entry of the decision and action log, as it is opened.

    Fields: kind, title, right, unit, owner, owner_role, proposed_by, asked_on, asked_in, due_on,
    amount, if_not_taken, warning; and, of one that is past, decided_on, decided_by, outcome,
    closed_on. A decision needs the right it falls under; an action or commitment needs an owner (a
    person or a role) and a due date, which a decision takes from its right.

    Args:
        entry_id: the entry's id; made from kind, title, unit and day where None.
    """
    known = answers.known
    kind = answers.surely("kind", lambda text: known.word(text, ENTRY_KINDS, "kind of entry"))
    title = answers.needed("title")
    asked_on = answers.day("asked_on", future=False) or answers.today
    unit = answers.checked("unit", known.unit)
    right = answers.checked("right", known.right)
    owner = answers.checked("owner", known.person)
    role = answers.checked("owner_role", known.role)
    due_on = answers.day("due_on")
    if right is not None:
        due_on = due_on or asked_on + timedelta(days=right.days)
        role = role or (None if owner else right.decides_role.split("|")[0])
    elif kind == "decision":
        raise Problem(
            "a decision falls under a decision right.",
            column="right",
            remedy=f"name one of {', '.join(known.rights)}.",
        )
    if owner is None and role is None:
        raise Problem("nobody owes it.", column="owner", remedy="name a person or a role.")
    if due_on is None:
        raise Problem("it has no day.", column="due_on", remedy="say until when it is owed.")
    decided_on = answers.day("decided_on", future=False)
    closed_on = answers.day("closed_on", future=False)
    for name, day in (("due_on", due_on), ("decided_on", decided_on), ("closed_on", closed_on)):
        if day is not None and day < asked_on:
            raise Problem(f"{day} is before {asked_on}, the day it was asked.", column=name)
    return {
        "source": source,
        "subject": "decision",
        "entry_id": entry_id or made_id(kind, title, unit, asked_on),
        "kind": kind,
        "title": title,
        "right_id": right.right_id if right else None,
        "org_unit_id": unit,
        "owner_person_id": owner,
        "owner_role": role,
        "proposed_by_person_id": answers.checked("proposed_by", known.person),
        "asked_on": asked_on,
        "asked_in": answers.text("asked_in"),
        "due_on": due_on,
        "amount": answers.money("amount"),
        "decided_on": decided_on,
        "decided_by_person_id": answers.checked("decided_by", known.person),
        "outcome": answers.text("outcome"),
        "closed_on": closed_on,
        "warning_id": answers.text("warning"),
        "if_not_taken": answers.text("if_not_taken"),
    }


def decided(answers: Answers, source: Source, log: Mapping[str, Mapping[str, str]]) -> Row:
    """That an entry was decided. Fields: entry, by, outcome, on, amount, due_on.

    Args:
        log: the entries known so far, by id.
    """
    name, held = _open_entry(answers, log)
    day = answers.day("on", future=False) or answers.today
    _not_before(day, held)
    return {
        "source": source,
        "subject": "decision",
        "entry_id": name,
        "decided_on": day,
        "decided_by_person_id": answers.surely("by", answers.known.person),
        "outcome": answers.needed("outcome"),
        "amount": answers.money("amount"),
        "due_on": answers.day("due_on"),
    }


def closed(answers: Answers, source: Source, log: Mapping[str, Mapping[str, str]]) -> Row:
    """That an entry is done or withdrawn. Fields: entry, on, outcome (default ``done``).

    A decision that was taken keeps what was decided.
    """
    name, held = _open_entry(answers, log)
    day = answers.day("on", future=False) or answers.today
    _not_before(day, held)
    outcome = answers.text("outcome")
    if outcome is None and "outcome" not in held:
        outcome = "done"
    return {
        "source": source,
        "subject": "decision",
        "entry_id": name,
        "closed_on": day,
        "outcome": outcome,
    }


def _open_entry(
    answers: Answers, log: Mapping[str, Mapping[str, str]]
) -> tuple[str, Mapping[str, str]]:
    name = answers.surely("entry", lambda text: answers.known.entry(text, log))
    held = log[name]
    if "closed_on" in held:
        raise Problem(
            f"{name} was closed on {held['closed_on']}.",
            column="entry",
            remedy="open another entry for what is still to do.",
        )
    return name, held


def _not_before(day: date, held: Mapping[str, str]) -> None:
    asked = held.get("asked_on")
    if asked is not None and day.isoformat() < asked:
        raise Problem(f"{day} is before {asked}, the day it was asked.", column="on")


def outcome(answers: Answers, source: Source) -> Row:
    """A business outcome of a unit and period.

    Fields: unit, metric, period (2026-Q3, 2026-07 or its first day), numerator, denominator,
    measured_in, better (up or down).
    """
    known = answers.known
    unit, metric = answers.surely("unit", known.unit), answers.surely("metric", known.metric)

    def first_day(text: str) -> date:
        try:
            return date.fromisoformat(text.removesuffix(" 00:00:00"))
        except ValueError:
            return Period.parse(text).start

    start = answers.surely("period", first_day)
    answers.needed("numerator")
    numerator = answers.number("numerator", 4)
    return {
        "source": source,
        "subject": "outcome",
        "entry_id": made_id("out", unit, metric, start),
        "org_unit_id": unit,
        "metric": metric,
        "period_start": start,
        "numerator": numerator,
        "denominator": answers.number("denominator", 4),
        "unit": answers.text("measured_in"),
        "direction": answers.checked(
            "better", lambda text: known.word(text, DIRECTIONS, "direction")
        ),
    }


def comment(answers: Answers, source: Source) -> Row:
    """What a KPI's owner says of it. Fields: kpi, period, text, who, unit.

    A later comment of the same person on the same figure replaces the earlier one.
    """
    known = answers.known
    kpi = answers.surely("kpi", known.kpi)
    period = answers.surely("period", Period.parse).id
    person = answers.checked("who", known.person)
    unit = answers.checked("unit", known.unit)
    return {
        "source": source,
        "subject": "comment",
        "entry_id": made_id("say", kpi, period, unit, person),
        "kpi_id": kpi,
        "period_id": period,
        "org_unit_id": unit,
        "person_id": person,
        "text": answers.needed("text"),
    }


def withdrawn(entry_id: str, held: Held, source: Source) -> Row:
    """That a leader action or a comment was recorded by mistake. Entries of the log are closed.

    Raises:
        Problem: nothing of that id was recorded, or it was taken back before.
    """
    last = held.last(entry_id, "leader_action", "comment")
    if last is None:
        raise Problem(
            f"no action and no comment was recorded as {entry_id!r}.",
            remedy="give the id that recording it printed; what a feed delivers is mended there.",
        )
    if last.get("outcome") == "withdrawn":
        raise Problem(f"{entry_id} was taken back before.", remedy="record it again if it is so.")
    about_the_record = ("record_id", "recorded_at", "recorded_by", "source")
    kept = {name: text for name, text in last.items() if name not in about_the_record}
    return {**kept, "source": source, "outcome": "withdrawn"}
