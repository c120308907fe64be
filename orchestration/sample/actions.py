"""What leaders do for the programme, day by day: sponsors, the executive team, team managers."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np

from orchestration.periods import Period
from orchestration.sample import content
from orchestration.sample.learning import COURSE, day_of
from orchestration.sample.messages import Message, messages
from orchestration.sample.organisation import (
    NEVER,
    UNSET,
    Column,
    Organisation,
    Table,
    to_day,
)
from orchestration.sample.reviews import monthly_reviews, weekday_back
from orchestration.sample.workforce import (
    CHIEF,
    ELT,
    HEADS,
    LEARNING_HEAD,
    PROGRAMME_LEAD,
    leader_strength,
)

CASCADE = "manager_cascade"
BY_LINK, BY_COMMAND = "link", "command"
WINDOW_DAYS = 10
"""Days after a message's issue within which a manager's cascade counts as in time."""
_IDLE = 0.06
_FIRST_WEEKS = 21
_RUNNING, _RUNNING_CHIEF = 0.8, 0.72
_UNSPOKEN_SHARE = 0.4
_SKIPPING_SHARE = 0.2
"""Managers of a team, at most, who pass a message on late or never: below every threshold."""
_TEAM_KINDS = (
    "learner_recognised",
    "learning_referenced",
    "manager_forum_attended",
    "time_freed",
    "blocker_removed",
)


def sponsors() -> list[tuple[int, int]]:
    """(person, unit) of the executive sponsor and of the divisions' sponsors."""
    return [(CHIEF, 0), *((HEADS + d, 1 + d) for d in range(len(content.DIVISIONS)))]


def launch_of(organisation: Organisation, unit: int) -> date:
    """The day the programme starts in a unit."""
    parameters = organisation.parameters
    late = organisation.units[unit].division == content.LATE
    return parameters.late_launch_on if late else parameters.launch_on


def actions_of(organisation: Organisation, rng: np.random.Generator) -> Table:
    """Every recorded action by day: person, kind, unit, message, day, recorded.

    ``recorded`` says by which way it was recorded (link, command), empty: in the spreadsheet.
    """
    diary = _Diary(organisation, rng)
    diary.weeks()
    diary.plans()
    diary.reviews()
    diary.completions()
    for month in organisation.parameters.calendar:
        diary.teams(month)
    for message in messages(organisation.parameters):
        diary.cascade(message)
    return diary.table()


class _Diary:
    """The actions while they are drawn; those silenced by a planted effect are never entered."""

    def __init__(self, organisation: Organisation, rng: np.random.Generator) -> None:
        self._organisation = organisation
        self._parameters = organisation.parameters
        self._rng = rng
        self._rows: list[tuple[int, int, str, int, str, str]] = []
        self._first = to_day(self._parameters.first_day)
        self._last = to_day(self._parameters.last_day)
        silent, alone = self._parameters.silent_from, self._parameters.delegated_from
        self._silent_from = NEVER if silent is None else to_day(silent)
        self._alone_from = NEVER if alone is None else to_day(alone)
        self._newest = messages(self._parameters)[-1].message_id
        self._units: dict[int, Column] = {}

    def act(
        self, person: int, kind: str, unit: int, day: int, message: str = "", recorded: str = ""
    ) -> None:
        """Enter an action, unless it lies outside the months or its person is silent then."""
        if not self._first <= day <= self._last:
            return
        if person == HEADS + content.ABSENT and day >= self._silent_from:
            return
        if day >= self._alone_from and self._division(person, day) != content.LATE:
            return
        self._rows.append((day, person, kind, unit, message, recorded))

    def _division(self, person: int, day: int) -> int:
        if day not in self._units:
            self._units[day] = self._organisation.state_at(day).unit
        return self._organisation.units[int(self._units[day][person])].division

    def table(self) -> Table:
        """Everything entered, in order of day and person."""
        rows = sorted(self._rows)
        return {
            "person": np.array([row[1] for row in rows], dtype=np.int64),
            "kind": np.array([row[2] for row in rows], dtype=str),
            "unit": np.array([row[3] for row in rows], dtype=np.int64),
            "message": np.array([row[4] for row in rows], dtype=str),
            "day": np.array([row[0] for row in rows], dtype=np.int64),
            "recorded": np.array([row[5] for row in rows], dtype=str),
        }

    def weeks(self) -> None:
        """Sponsors week by week: rarely before launch; afterwards never two silent weeks in a row.

        A sponsor who missed a week makes up for it in the next, as people do who mean it: the
        longest silence is then eighteen days.
        """
        monday = self._first - (self._first + 3) % 7
        for person, unit in sponsors():
            launch = to_day(launch_of(self._organisation, unit))
            usual = _RUNNING if unit else _RUNNING_CHIEF
            spoke = True
            for week in range(monday, self._last, 7):
                begun = week >= launch
                drawn = self._rng.random() < (usual if begun else _IDLE)
                speaks = drawn or (begun and not spoke)
                kind = str(
                    self._rng.choice(
                        ["email", "town_hall", "learning_referenced", "learner_recognised"],
                        p=[0.4, 0.2, 0.25, 0.15],
                    )
                )
                if begun and week < launch + _FIRST_WEEKS and kind == "town_hall":
                    kind = "email"  # the launch town hall is the plan's, on its own day
                day = max(week + int(self._rng.integers(0, 5)), self._first)
                silence_near = unit == 1 + content.ABSENT and week + 6 >= self._silent_from
                if speaks and not silence_near:
                    self.act(person, kind, unit, day)
                spoke = speaks
                if begun and self._rng.random() < 0.1:  # an approval is not visibility
                    self.act(person, "budget_approval", unit, day)
        if self._alone_from < NEVER:
            for week in range(self._alone_from - (self._alone_from + 3) % 7, self._last, 7):
                self.act(PROGRAMME_LEAD, "email", 0, max(week + 1, self._alone_from))
                self.act(LEARNING_HEAD, "learning_referenced", 0, max(week + 3, self._alone_from))

    def plans(self) -> None:
        """The engagement plan of each unit, from its own launch, by the days of the charter."""
        for person, unit in sponsors():
            launch = launch_of(self._organisation, unit)

            def on(number: int, launch: date = launch) -> int:
                return to_day(weekday_back(launch + timedelta(days=number)))

            late = self._organisation.units[unit].division == content.LATE
            heard = self._first_heard(launch)
            if heard is not None:
                hall = to_day(heard.issued_on)
                if late:
                    hall = max(hall, on(14))
                by = BY_COMMAND if late else ""
                self.act(person, "town_hall", unit, hall, heard.message_id, by)
                self.act(person, "email", unit, on(15), heard.message_id)
            for low, high in ((20, 34), (40, 53)):
                day = on(int(self._rng.integers(low, high)))
                self.act(person, "manager_forum_attended", unit, day)
            for _ in range(5):
                day = on(int(self._rng.integers(18, 58)))
                self.act(person, "learner_recognised", unit, day)
            freed = on(int(self._rng.integers(42, 50)))
            # the operations head frees a meeting of everybody, the others one of their own
            self.act(person if unit else HEADS, "time_freed", unit, freed)
            if unit in (0, 1 + content.LATE):
                self.act(LEARNING_HEAD, "survey_run", unit, on(78), recorded=BY_COMMAND)
        for message in messages(self._parameters)[1:]:
            for person, unit in sponsors():
                day = to_day(message.issued_on) + int(self._rng.integers(0, 3))
                if to_day(launch_of(self._organisation, unit)) <= day:
                    self.act(person, "email", unit, day, message.message_id)

    def _first_heard(self, launch: date) -> Message | None:
        """The message of a launch town hall: issued for it, or out on its day."""
        days = [launch + timedelta(days=number) for number in range(10, 22)]
        return next(
            (m for m in messages(self._parameters) if any(m.live_on(day) for day in days)), None
        )

    def reviews(self) -> None:
        """Attendance at the monthly reviews, which is no visibility."""
        for number, review in enumerate(monthly_reviews(self._parameters)):
            day = to_day(review.sits_on)
            for person in (CHIEF, LEARNING_HEAD, PROGRAMME_LEAD):
                if number < 2 or self._rng.random() < 0.9:
                    self.act(person, "review_attended", 0, day)
            for person, unit in sponsors()[1:]:
                if self._rng.random() < 0.6:
                    self.act(person, "review_attended", unit, day)

    def completions(self) -> None:
        """Executives tell their people when they have finished the flagship course."""
        enrolments = self._organisation.enrolments
        flagship = (enrolments["course"] == COURSE["FLG-LEAD"]) & (enrolments["completed"] >= 0)
        told: set[int] = set()
        for row in np.flatnonzero(flagship & (enrolments["person"] < len(ELT))).tolist():
            person, day = int(enrolments["person"][row]), int(day_of(enrolments["completed"][row]))
            if person not in told:
                told.add(person)
                unit = int(self._organisation.start["unit"][person])
                self.act(person, "public_completion", unit, day)

    def teams(self, month: Period) -> None:
        """What the managers of teams do in a month: more of it where leaders act."""
        first, last = to_day(month.start), to_day(month.end)
        state = self._organisation.state_at(last)
        managers = np.flatnonzero((state.level == 1) & self._organisation.employed_on(first))
        managers = managers[self._organisation.people["left"][managers] > last]
        for manager in managers.tolist():
            number = int(state.unit[manager])
            strength = leader_strength(self._organisation.units[number], month, self._parameters)
            for _ in range(int(self._rng.poisson(0.15 + 2.6 * strength))):
                kind = str(self._rng.choice(_TEAM_KINDS))
                self.act(manager, kind, number, int(self._rng.integers(first, last + 1)))

    def cascade(self, message: Message) -> None:
        """Managers pass a message on within the week; a new one on taking over.

        Planted: in one division most of them leave the newest message unspoken.
        """
        organisation, newest = self._organisation, message.message_id == self._newest
        issued = to_day(message.issued_on)
        managers = managers_on(organisation, issued)
        unit = organisation.state_at(issued).unit
        unspoken: set[int] = set()
        late: set[int] = set()
        for team in sorted(set(unit[managers].tolist())):
            here = self._rng.permutation(managers[unit[managers] == team]).tolist()
            quota = int(len(here) * _SKIPPING_SHARE)
            unspoken.update(here[: quota // 2])
            late.update(here[quota // 2 : quota])
        if newest and self._parameters.effects.weak_cascade:
            divisions = np.array([u.division for u in organisation.units])
            here = self._rng.permutation(
                managers[divisions[unit[managers]] == content.UNSPOKEN]
            ).tolist()
            speaking = set(here[: int(len(here) * _UNSPOKEN_SHARE)])
            unspoken = (unspoken - speaking) | (set(here) - speaking)
            late -= set(here)
        recorded = BY_LINK if newest else ""
        for manager in managers.tolist():
            after = 12 if manager in late else int(self._rng.integers(1, 8))
            day = issued + after
            day -= max(0, (day + 3) % 7 - 4)
            day = min(max(day, issued + 1), int(organisation.people["left"][manager]) - 1)
            if manager not in unspoken and day >= issued:
                self.act(manager, CASCADE, int(unit[manager]), day, message.message_id, recorded)
        holders, expires = organisation.holders, to_day(message.expires_on)
        weak = newest and self._parameters.effects.weak_cascade
        for row in np.flatnonzero((holders["day"] > issued) & (holders["day"] <= expires)):
            day, person = int(holders["day"][row]), int(holders["person"][row])
            own = int(organisation.state_at(day).unit[person])
            if not (weak and organisation.units[own].division == content.UNSPOKEN):
                self.act(person, CASCADE, own, day, message.message_id, recorded)


def managers_on(organisation: Organisation, day: int) -> Column:
    """The managers employed on a day: by level, or because somebody employed reports to them."""
    state, employed = organisation.state_at(day), organisation.employed_on(day)
    leading = np.unique(state.manager[employed & (state.manager != UNSET)])
    by_level = np.flatnonzero(state.level == 1)
    managers = np.union1d(leading, by_level)
    found: Column = managers[employed[managers]]
    return found
