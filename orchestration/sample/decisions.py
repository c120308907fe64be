"""The decision and action log since launch, and the comments of KPI owners.

Kept by people: monthly reviews ask for decisions and hear commitments, stand-ups hand out actions,
the engagement plan names decisions of its own.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import numpy as np

from orchestration.periods import Grain, Period
from orchestration.sample import content
from orchestration.sample.actions import launch_of, sponsors
from orchestration.sample.organisation import NEVER, UNSET, Organisation, to_date, to_day
from orchestration.sample.reviews import (
    Review,
    first_review_on,
    monthly_reviews,
    quarterly_reviews,
    weekday_back,
)
from orchestration.sample.workforce import (
    CHIEF,
    COUNSEL,
    DEPUTIES,
    HEADS,
    LEARNING_HEAD,
    PROGRAMME_LEAD,
)

DECISION, ACTION, COMMITMENT = "decision", "action", "commitment"
_COMMENTED_MONTHS = 3
_WAITING_SINCE = 45
_OVERDUE_SINCE = 24
_BEFORE_SILENCE = 30


@dataclass(frozen=True)
class Entry:
    """One entry of the log; days are numbers, NEVER for what has not happened.

    Attributes:
        right: the decision right it falls under, empty for actions and commitments.
        unit: index of its unit, -1 for the whole organisation.
        due, moved_on, moved_due: the date it was first due, and from when another one stood.
        asked_in: id of the review that asked for it, empty for the plan's own.
    """

    kind: str
    title: str
    right: str
    unit: int
    owner: int
    owner_role: str
    proposed_by: int
    asked_on: int
    asked_in: str
    due: int
    source: str
    amount: int | None = None
    moved_on: int = NEVER
    moved_due: int = NEVER
    decided_on: int = NEVER
    decided_by: int = UNSET
    outcome: str = ""
    closed_on: int = NEVER
    if_not_taken: str = ""
    entry_id: str = ""

    def due_on(self, day: int) -> int:
        """The due date in force on a day."""
        return self.moved_due if day >= self.moved_on else self.due


@dataclass(frozen=True)
class Comment:
    """What a KPI's owner says of it, recorded on the morning after the month's end."""

    kpi: str
    month: Period
    person: int
    text: str

    @property
    def recorded_on(self) -> int:
        """The day it was recorded."""
        return to_day(self.month.end) + 1


@dataclass(frozen=True)
class _Ask:
    """A decision that a monthly review may ask for; ``{unit}`` is filled in.

    Attributes:
        titles, outcomes: of which one is drawn each time.
        proposer: -1 for the head of the unit.
        days: as the decision right allows.
        amounts: least and most, in steps of 500.
    """

    right: str
    titles: tuple[str, ...]
    owner_role: str
    proposer: int
    days: int
    if_not_taken: str
    outcomes: tuple[str, ...]
    amounts: tuple[int, int] | None = None
    of_unit: bool = True


_AGREED = ("agreed", "agreed", "agreed for one quarter", "refused")
_ASKS = (
    _Ask(
        "fund_campaign_within_limit",
        (
            "Fund a week of learning on the floor in {unit}",
            "Fund relief staff for the courses of {unit}",
            "Fund an open day of the learning guides in {unit}",
        ),
        "executive_sponsor",
        PROGRAMME_LEAD,
        10,
        "The trainers booked for it go to another site.",
        _AGREED,
        (6, 24),
    ),
    _Ask(
        "protect_learning_time",
        (
            "Protect thirty minutes a week for learning in {unit}",
            "No overtime on learning days in {unit}",
        ),
        "operations_head",
        PROGRAMME_LEAD,
        10,
        "Learning stays the first thing that a full shift drops.",
        _AGREED,
    ),
    _Ask(
        "remove_blocker",
        (
            "Two more shared screens for {unit}",
            "Headphones for the shared screens of {unit}",
            "Log-in by badge on the lines of {unit}",
        ),
        "unit_head",
        PROGRAMME_LEAD,
        10,
        "People on the lines go on waiting for a free screen.",
        _AGREED,
    ),
    _Ask(
        "decommission_elective",
        (
            "Retire 'Planning the Week'",
            "Retire 'Presenting with Confidence'",
            "Retire 'Packaging and the Planet'",
        ),
        "ld_head",
        DEPUTIES + 2,
        10,
        "It stays in the catalogue and is kept up for few.",
        ("kept: two teams still use it", "kept for another year"),
        of_unit=False,
    ),
    _Ask(
        "release_idle_seats",
        (
            "Give seats that nobody used for a quarter to the agency staff",
            "Give back the seats that nobody used for a quarter",
        ),
        "executive_sponsor",
        LEARNING_HEAD,
        20,
        "They are paid for and stay unused for another quarter.",
        _AGREED,
        of_unit=False,
    ),
    _Ask(
        "make_mandatory",
        ("A launch slot for the new course of {unit}",),
        "operations_head",
        UNSET,
        10,
        "It competes with the next safety training.",
        ("agreed: in the spring", "agreed: after the stock take", "refused"),
    ),
)
_RENEWALS = (
    "Renewals of the next two months have a date that is agreed with the shift leads.",
    "The certificates that ran out were of people on leave; they renew when they are back.",
    "Examination places are no longer short: the second examiner has started.",
)
"""The head of learning on certificates, the newest comment first."""
_COMMITMENTS = (
    "Open every Monday meeting with what somebody learned",
    "Take part in one learning huddle on each shift",
    "Name a learning guide for every team without one",
    "Clear the list of people overdue in {unit}",
    "Put thirty minutes of learning into every shift plan",
    "Talk with each manager about what their team learns next",
)
_ACTIONS = (
    ("Send each manager the list of their people who are overdue", "program_lead"),
    ("Book the training room of {unit} for the night shift", "unit_head"),
    ("Ask people whose course has stalled what stops them", "program_lead"),
    ("Repair the tablet by the line in {unit}", "unit_head"),
    ("Agree on the dates of the next hygiene refreshers with {unit}", "ld_head"),
    ("Tell the floor of {unit} which courses the programme holds", "unit_head"),
)


def log_of(organisation: Organisation, rng: np.random.Generator) -> list[Entry]:
    """Every entry of the log by the day it was asked for, numbered within its kind."""
    log = _Log(organisation, rng)
    log.plans()
    log.reviews()
    log.commitments()
    log.stand_ups()
    if organisation.parameters.effects.log_faults:
        log.faults()
    return log.entries()


class _Log:
    def __init__(self, organisation: Organisation, rng: np.random.Generator) -> None:
        self._organisation = organisation
        self._parameters = organisation.parameters
        self._rng = rng
        self._last = to_day(self._parameters.last_day)
        self._found: list[Entry] = []
        self._started = [d for d in range(len(content.DIVISIONS)) if d != content.LATE]

    def entries(self) -> list[Entry]:
        """All entries of the simulated months, each with its number."""
        numbers = {DECISION: 0, ACTION: 0, COMMITMENT: 0}
        numbered: list[Entry] = []
        for entry in sorted(self._found, key=lambda e: (e.asked_on, e.kind, e.title, e.owner)):
            if entry.asked_on <= self._last:
                numbers[entry.kind] += 1
                name = f"{entry.kind[0].upper()}-{numbers[entry.kind]:04d}"
                numbered.append(dataclasses.replace(entry, entry_id=name))
        return numbered

    def _weekday(self, day: int) -> int:
        return day - max(0, (day + 3) % 7 - 4)

    def _holder(self, role: str, unit: int) -> int:
        return {
            "executive_sponsor": CHIEF,
            "operations_head": HEADS,
            "ld_head": LEARNING_HEAD,
            "program_lead": PROGRAMME_LEAD,
            "compliance_owner": COUNSEL,
            "elt_member": CHIEF,
        }.get(role, HEADS + unit - 1)

    def _named(self, text: str, unit: int) -> str:
        return text.format(unit=self._organisation.units[max(unit, 0)].name)

    def plans(self) -> None:
        """Decisions that the engagement plan asks for, by the days it names."""
        self._plan(UNSET, self._parameters.launch_on)
        self._plan(1 + content.LATE, self._parameters.late_launch_on)

    def _plan(self, unit: int, launch: date) -> None:
        name = self._organisation.units[max(unit, 0)].name

        def on(number: int) -> int:
            return to_day(weekday_back(launch + timedelta(days=number)))

        def add(right: str, title: str, role: str, asked: int, due: int, **more: Any) -> None:
            holder = self._holder(role, unit)
            self._found.append(
                Entry(
                    DECISION,
                    f"{title}: {name}",
                    right,
                    unit,
                    holder,
                    role,
                    LEARNING_HEAD if role == "elt_member" else PROGRAMME_LEAD,
                    asked,
                    "",
                    due,
                    "plan",
                    decided_by=holder,
                    **more,
                )
            )

        add(
            "set_targets",
            "Baseline and targets of the programme",
            "elt_member",
            on(2),
            on(10),
            decided_on=on(8),
            closed_on=on(8),
            outcome="agreed",
            if_not_taken="The reviews have nothing to measure against.",
        )
        add(
            "fund_campaign_within_limit",
            "Relief staff for the first learning weeks",
            "executive_sponsor",
            on(20),
            on(30),
            amount=9_500,
            decided_on=to_day(first_review_on(launch)),
            closed_on=on(40),
            outcome="agreed",
            if_not_taken="Shifts release nobody in the first weeks.",
        )
        add(
            "decommission_elective",
            "First list of courses to retire",
            "ld_head",
            on(56),
            on(70),
            decided_on=on(66),
            closed_on=on(85),
            outcome="agreed: 'Writing Better Emails' goes",
            if_not_taken="Silence retires them after ten days.",
        )
        add(
            "scale_adjust_stop",
            "Scale, adjust or stop",
            "elt_member",
            on(80),
            on(90),
            decided_on=on(89),
            closed_on=on(89),
            outcome="scale: the programme goes on in all units that have begun",
            if_not_taken="The programme runs out with its first budget.",
        )

    def reviews(self) -> None:
        """What the monthly and quarterly reviews asked for."""
        reviews = monthly_reviews(self._parameters)
        previous: list[int] = []
        for number, review in enumerate(reviews):
            newest = number == len(reviews) - 1
            count = 3 if newest else int(self._rng.integers(2, 4))
            fresh = [k for k in range(len(_ASKS)) if k not in previous]
            previous = self._rng.permutation(fresh)[:count].tolist()
            for place, k in enumerate(previous):
                wait = int(min(2 + self._rng.geometric(0.2), _ASKS[k].days + 4))
                if newest:  # two of the three are taken before the next review
                    wait = (6, 11, _ASKS[k].days + 30)[place]
                self._ask(_ASKS[k], review, wait)
        for number, review in enumerate(quarterly_reviews(self._parameters)):
            asked = to_day(review.asked_on)
            decided = self._weekday(asked + 7)
            targets = Entry(
                DECISION,
                f"Targets of the quarter after {review.period.label}",
                "set_targets",
                UNSET,
                CHIEF,
                "elt_member",
                LEARNING_HEAD,
                asked,
                review.period.id,
                asked + 90,
                "review",
                decided_on=decided,
                decided_by=CHIEF,
                outcome="agreed",
                closed_on=decided,
                if_not_taken="The targets stay as they are.",
            )
            self._found.append(targets)
            if number == 1:
                self._found.append(
                    dataclasses.replace(
                        targets,
                        title="A second trainer for the lines, for a year",
                        right="fund_campaign_above_limit",
                        proposed_by=PROGRAMME_LEAD,
                        due=self._weekday(asked + 20),
                        amount=38_000,
                        decided_on=self._weekday(asked + 16),
                        outcome="agreed",
                        closed_on=self._weekday(asked + 50),
                        if_not_taken="The lines go on waiting six weeks for a trainer.",
                    )
                )

    def _ask(self, ask: _Ask, review: Review, wait: int) -> None:
        division = int(self._rng.choice(self._started))
        unit = 1 + division if ask.of_unit else UNSET
        asked = to_day(review.asked_on)
        owner = self._holder(ask.owner_role, unit)
        title = str(self._rng.choice(ask.titles))
        outcome = str(self._rng.choice(ask.outcomes))
        decided = self._weekday(asked + wait)
        decided = max(decided, asked + 1)
        amount = None if ask.amounts is None else 500 * int(self._rng.integers(*ask.amounts))
        carried_out = self._weekday(decided + int(self._rng.integers(4, 25)))
        if not outcome.startswith("agreed"):
            carried_out = decided
        silent = self._parameters.silent_from
        if owner == HEADS + content.ABSENT and silent is not None and asked >= to_day(silent) - 14:
            decided = NEVER  # it goes on waiting for a sponsor who no longer answers
        self._found.append(
            Entry(
                DECISION,
                self._named(title, unit),
                ask.right,
                unit,
                owner,
                ask.owner_role,
                HEADS + unit - 1 if ask.proposer == UNSET else ask.proposer,
                asked,
                review.period.id,
                self._weekday(asked + ask.days),
                "review",
                amount=amount,
                decided_on=decided,
                decided_by=owner,
                outcome=outcome,
                closed_on=NEVER if decided == NEVER else carried_out,
                if_not_taken=ask.if_not_taken,
            )
        )

    def commitments(self) -> None:
        """What leaders promised in the monthly reviews: mostly kept, some late, few forgotten.

        The absent sponsor's last promise is among those that stay open.
        """
        silent = self._parameters.silent_from
        for review in monthly_reviews(self._parameters):
            asked = to_day(review.sits_on)
            speaking = [
                (person, unit)
                for person, unit in sponsors()
                if to_day(launch_of(self._organisation, unit)) <= asked
            ]
            order = self._rng.permutation(len(speaking)).tolist()
            if silent is not None and 0 <= to_day(silent) - asked <= _BEFORE_SILENCE:
                order.sort(key=lambda k: speaking[k][0] != HEADS + content.ABSENT)
            for k in order[: int(self._rng.integers(2, 4))]:
                person, unit = speaking[k]
                due = self._weekday(asked + int(self._rng.integers(20, 36)))
                fate = self._rng.random()
                closed = self._weekday(due - int(self._rng.integers(0, 8)))
                if fate > 0.8:
                    closed = self._weekday(due + int(self._rng.integers(5, 16)))
                if fate > 0.95:
                    closed = NEVER
                if person == HEADS + content.ABSENT and silent is not None:
                    if asked >= to_day(silent):
                        continue
                    if closed >= to_day(silent):
                        closed = NEVER
                title = str(self._rng.choice(_COMMITMENTS))
                self._found.append(self._commitment(title, person, unit, review, due, closed))

    def _commitment(
        self, title: str, person: int, unit: int, review: Review, due: int, closed: int
    ) -> Entry:
        return Entry(
            COMMITMENT,
            self._named(title, unit),
            "",
            unit if unit else UNSET,
            person,
            "sponsor" if unit else "executive_sponsor",
            person,
            to_day(review.sits_on),
            review.period.id,
            due,
            "person",
            closed_on=closed,
            outcome="kept" if closed < NEVER else "",
        )

    def stand_ups(self) -> None:
        """Actions handed out on Mondays: done within a fortnight, as the plan wants it."""
        first = to_day(self._parameters.launch_on) + 5
        for monday in range(first - (first + 3) % 7, self._last + 1, 7):
            if self._rng.random() > 0.75:
                continue
            title, role = _ACTIONS[int(self._rng.integers(0, len(_ACTIONS)))]
            unit = 1 + int(self._rng.choice(self._started))
            due = monday + int(self._rng.choice([4, 7, 9]))
            closed = due - int(self._rng.integers(0, 4))
            if self._rng.random() > 0.85:
                closed = due + int(self._rng.integers(1, 4))
            owner = self._holder(role, unit)
            silent = self._parameters.silent_from
            if owner == HEADS + content.ABSENT and silent is not None and due >= to_day(silent):
                owner, role = PROGRAMME_LEAD, "program_lead"
            closed = self._weekday(closed)
            self._found.append(self._action(title, owner, role, unit, monday, due, closed))

    def _action(
        self, title: str, owner: int, role: str, unit: int, asked: int, due: int, closed: int
    ) -> Entry:
        of_unit = "{unit}" in title
        return Entry(
            ACTION,
            self._named(title, unit),
            "",
            unit if of_unit else UNSET,
            owner,
            role,
            PROGRAMME_LEAD,
            asked,
            Period.containing(Grain.WEEK, to_date(asked - 1)).id,
            due,
            "person",
            closed_on=closed,
            outcome="done" if closed < NEVER else "",
        )

    def faults(self) -> None:
        """What a review must find: see ``PlantedEffects.log_faults``."""
        reviews = monthly_reviews(self._parameters)
        launch = to_day(self._parameters.launch_on)
        waiting = self._weekday(self._last - _WAITING_SINCE)
        if reviews and waiting > to_day(reviews[0].asked_on):
            self._found.append(
                Entry(
                    DECISION,
                    "Retire 'Code of Conduct' in its present form",
                    "decommission_mandatory",
                    UNSET,
                    COUNSEL,
                    "compliance_owner",
                    LEARNING_HEAD,
                    waiting,
                    [r.period.id for r in reviews if to_day(r.asked_on) <= waiting][-1],
                    self._weekday(waiting + 20),
                    "review",
                    if_not_taken="Everybody takes it once more in spring.",
                )
            )
        overdue = self._last - _OVERDUE_SINCE
        overdue -= (overdue + 3) % 7
        if overdue > launch:
            self._found.append(
                self._action(
                    "Move the learning screens of {unit} to where people pass",
                    HEADS,
                    "unit_head",
                    1,
                    overdue,
                    overdue + 7,
                    NEVER,
                )
            )
        if len(reviews) < 3:
            return
        taken = reviews[-2]
        asked = to_day(taken.asked_on)
        self._found.append(
            Entry(
                DECISION,
                self._named("Pay for a learning fair in {unit}", 3),
                "fund_campaign_within_limit",
                3,
                CHIEF,
                "executive_sponsor",
                PROGRAMME_LEAD,
                asked,
                taken.period.id,
                self._weekday(asked + 10),
                "review",
                amount=7_000,
                decided_on=self._weekday(asked + 6),
                decided_by=DEPUTIES + 2,
                outcome="agreed",
                closed_on=self._weekday(asked + 20),
                if_not_taken="The fair is put off until spring.",
            )
        )
        heard = reviews[-3]
        sits = to_day(heard.sits_on)
        month_after = Period.containing(Grain.MONTH, heard.sits_on).shift(1)
        due = to_day(weekday_back(month_after.start + timedelta(days=16)))
        promised = self._commitment(
            "Give every team of {unit} a quiet place to learn", HEADS, 1, heard, due, NEVER
        )
        self._found.append(
            dataclasses.replace(
                promised,
                asked_on=sits,
                moved_on=to_day(month_after.start) + 5,
                moved_due=self._weekday(due + 35),
                closed_on=self._weekday(due + 24),
                outcome="kept",
            )
        )


def comments_of(organisation: Organisation) -> list[Comment]:
    """What the owners of KPIs said of the last months."""
    parameters = organisation.parameters
    late_from = parameters.last_month.shift(1 - parameters.effects.late_months)
    found: list[Comment] = []
    for month in parameters.calendar[-_COMMENTED_MONTHS:]:
        if month.start < parameters.launch_on:
            continue
        if month.start >= late_from.start and parameters.effects.late_drop > 0:
            first = month == late_from
            found.append(
                Comment(
                    "on_time_completion_rate",
                    month,
                    COUNSEL,
                    "Operations and Supply Chain were given their dates too late. Assignments go "
                    "out earlier again from now on."
                    if first
                    else "Operations and Supply Chain are still behind: people were assigned too "
                    "late while other work took the shifts. New assignments go out 45 days ahead, "
                    "and both division heads have the names of those who are overdue.",
                )
            )
        found.append(
            Comment(
                "certification_rate",
                month,
                LEARNING_HEAD,
                _RENEWALS[(parameters.calendar[-1].start.month - month.start.month) % 12],
            )
        )
    return found
