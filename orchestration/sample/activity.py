"""Activity as a stream of chunks: what people do in the LMS, day range by day range.

Only one chunk is held at a time, so that a hundred million rows need no more memory than one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.sample import content
from orchestration.sample.learning import COURSE, LATE_EVENING, day_of, retired_day, working_time
from orchestration.sample.organisation import (
    DAY_SECONDS,
    UNSET,
    Column,
    Organisation,
    Table,
    to_day,
    weekday,
)
from orchestration.sample.parameters import SampleParameters

VERB = {verb: number for number, verb in enumerate(content.VERBS)}
_LEAST_SECONDS = np.array(
    [content.LEARNING_SECONDS.get(verb, np.iinfo(np.int64).max) for verb in content.VERBS]
)
_MANDATORY = np.array([course.mandatory for course in content.COURSES])
_ROWS_A_MONTH = 12
_HALF_PAST_MIDNIGHT = 30 * 60
_EDGE_CASES = 3
_COLUMNS = ("number", "person", "course", "verb", "at", "seconds")


def is_learning(chunk: Table) -> Column:
    """Which events count as learning by the verbs and least seconds of the shipped charter."""
    learning: Column = np.maximum(chunk["seconds"], 0) >= _LEAST_SECONDS[chunk["verb"]]
    return learning


def is_voluntary(chunk: Table) -> Column:
    """Which learning events lie in a course that is not mandatory."""
    mandatory = np.where(chunk["course"] >= 0, _MANDATORY[chunk["course"]], False)
    voluntary: Column = is_learning(chunk) & ~mandatory
    return voluntary


class LearningMarks:
    """Who learned when: by person and month, and by person in the 90 days to a quarter's end."""

    def __init__(self, people: int, parameters: SampleParameters) -> None:
        calendar = parameters.calendar
        self._months = np.array([to_day(month.start) for month in calendar])
        self.quarters = tuple(
            dict.fromkeys(Period.containing(Grain.QUARTER, month.start) for month in calendar)
        )
        self._quarter_ends = np.array([to_day(quarter.end) for quarter in self.quarters])
        self.total = np.zeros((people, len(calendar)), dtype=bool)
        self.voluntary = np.zeros((people, len(calendar)), dtype=bool)
        self.in_90_days = np.zeros((people, len(self.quarters)), dtype=bool)

    def add(self, chunk: Table) -> None:
        """Mark the learning of a chunk; events before the first month are ignored."""
        learning = is_learning(chunk)
        day = day_of(chunk["at"])
        month = np.searchsorted(self._months, day, side="right") - 1
        learning &= month >= 0
        person = chunk["person"]
        self.total[person[learning], month[learning]] = True
        voluntary = learning & is_voluntary(chunk)
        self.voluntary[person[voluntary], month[voluntary]] = True
        quarter = np.searchsorted(self._quarter_ends, day)
        recent = learning & (day > self._quarter_ends[quarter] - 90)
        self.in_90_days[person[recent], quarter[recent]] = True


@dataclass(frozen=True)
class _Month:
    """What a month's ranges share: presence, who learns, appetite, and rows still to draw."""

    first: int
    last: int
    begin: Column
    end: Column
    learner: Column
    appetite: Column
    guaranteed: Table
    extra: int


class ActivityStream:
    """Draws the activity of an organisation.

    Call ``days`` for adjoining day ranges in time order, none of which crosses the end of a month.
    """

    def __init__(self, organisation: Organisation) -> None:
        self._organisation = organisation
        self._parameters = organisation.parameters
        self._number = 0
        self._recorded = _recorded(organisation)
        self._recorded_days = day_of(self._recorded["at"])
        self._quotas = self._monthly_quotas()
        self._current: tuple[int, _Month] | None = None

    def days(self, first: int, last: int) -> Iterator[Table]:
        """Events of the local days ``first`` to ``last``: chunks, each in order of time."""
        position = self._month_of(last)
        month = self._month(position)
        rng = np.random.default_rng([self._parameters.seed, 71, first])
        low, high = np.searchsorted(self._recorded_days, [first, last + 1])
        fixed = {name: column[low:high] for name, column in self._recorded.items()}
        days = day_of(month.guaranteed["at"])
        inside = (days >= first) & (days <= last)
        sure = {name: column[inside] for name, column in month.guaranteed.items()}
        waiting = {name: np.concatenate([fixed[name], sure[name]]) for name in fixed}
        span = month.last - month.first + 1
        extra = month.extra * (last - month.first + 1) // span
        extra -= month.extra * (first - month.first) // span
        room = self._parameters.chunk_rows
        while True:
            take = min(room, len(waiting["at"]))
            part = {name: column[:take] for name, column in waiting.items()}
            waiting = {name: column[take:] for name, column in waiting.items()}
            drawn = min(extra, room - take)
            extra -= drawn
            more = self._draw(month, first, last, drawn, rng)
            chunk = {name: np.concatenate([part[name], more[name]]) for name in part}
            order = np.argsort(chunk["at"], kind="stable")
            chunk = {name: column[order] for name, column in chunk.items()}
            count = len(order)
            chunk["number"] = np.arange(self._number, self._number + count)
            self._number += count
            if count:
                yield chunk
            if not extra and not len(waiting["at"]):
                return

    def _month_of(self, day: int) -> int:
        starts = [to_day(month.start) for month in self._parameters.calendar]
        return int(np.searchsorted(starts, day, side="right")) - 1

    def _monthly_quotas(self) -> list[int] | None:
        wanted = self._parameters.activity_rows
        if wanted is None:
            return None
        weights = np.cumsum(
            [
                0,
                *(
                    self._organisation.employed_on(to_day(month.end)).sum()
                    for month in self._parameters.calendar
                ),
            ]
        )
        ends = np.rint(weights / weights[-1] * wanted).astype(np.int64)
        quotas: list[int] = np.diff(ends).tolist()
        return quotas

    def _month(self, position: int) -> _Month:
        if self._current is not None and self._current[0] == position:
            return self._current[1]
        organisation, people = self._organisation, self._organisation.people
        period = self._parameters.calendar[position]
        first, last = to_day(period.start), to_day(period.end)
        rng = np.random.default_rng([self._parameters.seed, 72, position])
        begin = np.maximum(people["hired"], first)
        end = np.minimum(people["left"] - 1, last)
        learner = organisation.learns[:, position] & (begin <= end)
        appetite = rng.lognormal(0, 0.5, organisation.size)
        appetite = np.where(learner, appetite, appetite * 0.22) * (begin <= end)
        guaranteed = self._guaranteed(np.flatnonzero(learner), begin, end, rng)
        edges = self._edges(first, last, begin, end, rng)
        guaranteed = {
            name: np.concatenate([column, edges[name]]) for name, column in guaranteed.items()
        }
        low, high = np.searchsorted(self._recorded_days, [first, last + 1])
        sure = len(guaranteed["at"]) + int(high - low)
        if self._quotas is None:
            extra = int((begin <= end).sum()) * _ROWS_A_MONTH
        else:
            extra = self._quotas[position] - sure
            if extra < 0:
                raise Problem(
                    f"{self._parameters.activity_rows} activity rows are fewer than what people "
                    "need to learn at all.",
                    remedy="ask for more rows, fewer people or fewer months.",
                )
        month = _Month(first, last, begin, end, learner, appetite, guaranteed, extra)
        self._current = (position, month)
        return month

    def _guaranteed(
        self, who: Column, begin: Column, end: Column, rng: np.random.Generator
    ) -> Table:
        """One voluntary learning event for each learner of the month."""
        count = len(who)
        span = end[who] - begin[who] + 1
        day = begin[who] + (rng.random(count) * span).astype(np.int64)
        return {
            "person": who,
            "course": self._courses(count, int(begin.min(initial=0)), rng),
            "verb": rng.choice([VERB[content.EXPERIENCED], VERB[content.PLAYED]], count),
            "at": _weekday_back(day, begin[who]) * DAY_SECONDS + working_time(rng, count),
            "seconds": rng.integers(240, 2700, count),
        }

    def _edges(
        self, first: int, last: int, begin: Column, end: Column, rng: np.random.Generator
    ) -> Table:
        """A few events at 23:30 local time on the last day and at 00:30 on the first."""
        whole = np.flatnonzero((begin == first) & (end == last))
        who = rng.choice(whole, min(2 * _EDGE_CASES, len(whole)), replace=False)
        late = np.arange(len(who)) % 2 == 0
        at = np.where(
            late, last * DAY_SECONDS + LATE_EVENING, first * DAY_SECONDS + _HALF_PAST_MIDNIGHT
        )
        return {
            "person": who,
            "course": self._courses(len(who), first, rng),
            "verb": np.full(len(who), VERB[content.PLAYED]),
            "at": at,
            "seconds": np.full(len(who), 600),
        }

    def _courses(self, count: int, day: int, rng: np.random.Generator) -> Column:
        """Courses that are open and not mandatory."""
        weights = np.array([course.weight for course in content.COURSES])
        open_ = np.array(
            [retired_day(self._organisation, course.code) > day + 40 for course in content.COURSES]
        )
        shares = weights * open_
        drawn: Column = rng.choice(len(shares), count, p=shares / shares.sum())
        return drawn

    def _draw(
        self, month: _Month, first: int, last: int, count: int, rng: np.random.Generator
    ) -> Table:
        """Further events, most of them by learners; of others nothing that counts as learning."""
        low = np.maximum(month.begin, first)
        high = np.minimum(month.end, last)
        weights = np.cumsum(month.appetite * (low <= high))
        if not count or weights[-1] <= 0:
            return {name: np.zeros(0, dtype=np.int64) for name in _COLUMNS[1:]}
        who = np.searchsorted(weights, rng.random(count) * weights[-1], side="right")
        span = high[who] - low[who] + 1
        day = _weekday_back(low[who] + (rng.random(count) * span).astype(np.int64), low[who])
        learner = month.learner[who]
        luck = rng.random(count)
        verb = np.select(
            [luck < 0.34, luck < 0.58, luck < 0.74, luck < 0.90],
            [VERB[v] for v in (content.EXPERIENCED, content.PLAYED, content.ANSWERED)]
            + [VERB[content.LOGGED_IN]],
            VERB[content.INITIALIZED],
        )
        idle = np.select(
            [luck < 0.5, luck < 0.8],
            [VERB[content.LOGGED_IN], VERB[content.INITIALIZED]],
            VERB[content.EXPERIENCED],
        )
        verb = np.where(learner, verb, idle)
        brief = ~learner | (rng.random(count) < 0.15)
        seconds = np.where(brief, rng.integers(3, 25, count), rng.integers(40, 2400, count))
        untimed = (verb == VERB[content.LOGGED_IN]) | (verb == VERB[content.INITIALIZED])
        course = self._courses(count, month.first, rng)
        return {
            "person": who,
            "course": np.where(verb == VERB[content.LOGGED_IN], UNSET, course),
            "verb": verb,
            "at": day * DAY_SECONDS + working_time(rng, count) + rng.integers(0, 60, count),
            "seconds": np.where(untimed, UNSET, seconds),
        }


def _weekday_back(day: Column, earliest: Column) -> Column:
    back = day - np.where(weekday(day) > 4, weekday(day) - 4, 0)
    moved: Column = np.where(back >= earliest, back, day)
    return moved


def _recorded(organisation: Organisation) -> Table:
    """The events behind enrolments that were started or completed, in order of time."""
    enrolments, people = organisation.enrolments, organisation.people
    first = to_day(organisation.parameters.first_day) * DAY_SECONDS
    minutes = np.array([course.minutes for course in content.COURSES])
    certified = np.array([course.competency is not None for course in content.COURSES])
    parts: list[Table] = []

    def record(rows: Column, verb: str, at: Column, seconds: Column) -> None:
        parts.append(
            {
                "person": enrolments["person"][rows],
                "course": enrolments["course"][rows],
                "verb": np.full(len(rows), VERB[verb]),
                "at": at,
                "seconds": seconds,
            }
        )

    started = np.flatnonzero(enrolments["started"] >= first)
    length = minutes[enrolments["course"][started]] * 60
    record(started, content.INITIALIZED, enrolments["started"][started], np.full(len(started), -1))
    record(started, content.EXPERIENCED, enrolments["started"][started] + 60, length // 2)
    done = np.flatnonzero(enrolments["completed"] >= first)
    length = minutes[enrolments["course"][done]] * 60
    record(done, content.COMPLETED, enrolments["completed"][done], length // 2)
    passed = done[certified[enrolments["course"][done]]]
    record(passed, content.PASSED, enrolments["completed"][passed], np.full(len(passed), -1))
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    here = day_of(table["at"]) < people["left"][table["person"]]
    order = np.lexsort((table["verb"], table["person"], table["at"]))
    order = order[here[order]]
    return {name: column[order] for name, column in table.items()}


__all__ = ["COURSE", "VERB", "ActivityStream", "LearningMarks", "is_learning", "is_voluntary"]
