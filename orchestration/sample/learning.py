"""Learning that leaves a record: certificates, mandatory, chosen and flagship enrolments."""

from __future__ import annotations

import numpy as np

from orchestration.periods import Period
from orchestration.sample import content
from orchestration.sample.organisation import (
    DAY_SECONDS,
    NEVER,
    UNSET,
    Column,
    Organisation,
    Table,
    to_day,
    weekday,
)
from orchestration.sample.workforce import ELT, HEADS, leader_strength

COURSE = {course.code: number for number, course in enumerate(content.COURSES)}
END_OF_DAY = 23 * 3600 + 59 * 60
"""Due dates and expiries end at 23:59 local time."""
LATE_EVENING = 23 * 3600 + 30 * 60
_REVIEW_DAYS = 1095
_REVIEW_MISSED_DAYS = 100
_LAUNCH_NOTICE = 40
_FOR_SPONSORS = 33
"""Days after launch by which sponsors finish the flagship course; the other executives follow."""
_FOR_EXECUTIVES = 43
_SEASON = {1: 0.10, 7: -0.05, 8: -0.16, 9: 0.08, 12: -0.22}


def teach(organisation: Organisation, rng: np.random.Generator) -> None:
    """Draw who learns voluntarily in which month, every pass and every enrolment."""
    organisation.learns = _voluntary_learners(organisation, rng)
    _certify(organisation, rng)
    parts = [
        _mandatory(organisation, rng),
        _for_competencies(organisation, rng),
        _flagship(organisation, rng),
        _chosen(organisation, rng),
    ]
    if organisation.parameters.effects.mandatory_launches:
        parts += _launched(organisation, rng)
    table = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    order = np.lexsort((table["course"], table["person"], table["enrolled"]))
    organisation.enrolments = {name: column[order] for name, column in table.items()}


def day_of(local: Column) -> Column:
    """The local day of wall-clock seconds."""
    day: Column = local // DAY_SECONDS
    return day


def working_time(rng: np.random.Generator, count: int) -> Column:
    """Seconds after local midnight, to the minute: two humps in the day and some evenings."""
    hour = np.where(
        rng.random(count) < 0.55, rng.normal(10.0, 1.4, count), rng.normal(14.5, 1.5, count)
    )
    evening = rng.random(count) < 0.06
    hour = np.where(evening, rng.uniform(19, 22.5, count), hour)
    minutes: Column = (np.clip(hour, 6, 22.6) * 60).astype(np.int64)
    return minutes * 60


def _voluntary_learners(organisation: Organisation, rng: np.random.Generator) -> Column:
    parameters = organisation.parameters
    people, calendar = organisation.people, parameters.calendar
    taste = rng.normal(0, 1.1, organisation.size)
    taste = taste - 0.5 * people["contractor"]
    learns = np.zeros((organisation.size, len(calendar)), dtype=bool)
    effect = parameters.effects.leader_effect
    campaign, outage = campaign_month(organisation), outage_month(organisation)
    for m, month in enumerate(calendar):
        end = to_day(month.end)
        strength = np.array([leader_strength(u, month, parameters) for u in organisation.units])
        at_division = _mean_strength(organisation, strength)
        strength = np.where(strength > 0, strength, at_division)
        odds = taste - 1.35 + _SEASON.get(month.start.month, 0.0) + rng.normal(0, 0.05)
        odds = odds + effect * strength[organisation.state_at(end).unit]
        odds = odds + 0.22 * (m == campaign) - 0.3 * (m == outage)
        chance = 1 / (1 + np.exp(-odds))
        days = end - to_day(month.start) + 1
        at_work = _days_at_work(organisation, to_day(month.start), end) / days
        learns[:, m] = rng.random(organisation.size) < chance * np.sqrt(at_work)
    return learns


def _mean_strength(organisation: Organisation, strength: Column) -> Column:
    """For the root and the divisions: the mean of the teams below (0 where there are none)."""
    mean = np.zeros(len(strength))
    for number, unit in enumerate(organisation.units):
        below = (
            [
                strength[n]
                for n, other in enumerate(organisation.units)
                if other.leaders_act > 0 and unit.division in (UNSET, other.division)
            ]
            if unit.depth < 2
            else []
        )
        mean[number] = float(np.mean(below)) if below else 0.0
    return mean


def _days_at_work(organisation: Organisation, first: int, last: int) -> Column:
    people = organisation.people
    begin = np.maximum(people["hired"], first)
    end = np.minimum(people["left"] - 1, last)
    away_from = np.maximum(people["leave_from"], begin)
    away_to = np.minimum(people["leave_to"], end)
    here = np.maximum(0, end - begin + 1) - np.maximum(0, away_to - away_from + 1)
    at_work: Column = np.maximum(0, here)
    return at_work


def retired_day(organisation: Organisation, course: str) -> int:
    """The day a course is retired (NEVER: it is not)."""
    month = content.COURSES[COURSE[course]].retired
    if month is None:
        return NEVER
    return to_day(organisation.parameters.calendar[0].shift(month).start)


def published_day(organisation: Organisation, course: str) -> int:
    """The day a course comes into the catalogue (NEVER: it does not)."""
    parameters, number = organisation.parameters, COURSE[course]
    launched = content.COURSES[number].launched
    if launched is not None:
        planted = parameters.effects.mandatory_launches
        return to_day(parameters.last_day) - launched if planted else NEVER
    return to_day(parameters.calendar[0].shift(content.COURSES[number].published).start) + number


def review_due(organisation: Organisation, course: str, day: int) -> int:
    """The day by which the catalogue, as of ``day``, says that a course is to be reviewed.

    Courses are reviewed every three years, in time; some miss their last review.
    """
    published = published_day(organisation, course)
    if content.COURSES[COURSE[course]].review_missed:
        return to_day(organisation.parameters.last_day) - _REVIEW_MISSED_DAYS
    held = max(0, (day - published) // _REVIEW_DAYS)
    return published + (held + 1) * _REVIEW_DAYS


def campaign_month(organisation: Organisation) -> int:
    """Position of the month with the learning campaign (-1: the sample is too short)."""
    return len(organisation.parameters.calendar) - 6


def outage_month(organisation: Organisation) -> int:
    """Position of the month in which the LMS was down for days."""
    return len(organisation.parameters.calendar) - 10


def required_since(organisation: Organisation, competency: int) -> tuple[Column, Column]:
    """Per person: first day that a role of theirs required the competency (NEVER: none did).

    The second column is the day that role ended or the person left.
    """
    since = np.full(organisation.size, NEVER)
    until = organisation.people["left"].copy()
    start, changes = organisation.start, organisation.changes
    for requirement in organisation.requirements:
        if requirement.competency != competency:
            continue
        for person_role, started, who in (
            (start["role"], start["role_started"], np.arange(organisation.size)),
            (changes["role"], changes["role_started"], changes["person"]),
        ):
            holds = (person_role == requirement.role) | (requirement.role == UNSET)
            from_ = np.maximum(started, requirement.valid_from)[holds]
            np.minimum.at(since, who[holds], from_)
    return since, until


def _certify(organisation: Organisation, rng: np.random.Generator) -> None:
    """Passes of every (person, competency), from the first requirement to the end."""
    parameters = organisation.parameters
    first, last = to_day(parameters.first_day), to_day(parameters.last_day)
    launch = to_day(parameters.launch_on)
    strength_of = _final_strength(organisation)
    passes: list[Table] = []
    failures: list[Table] = []
    for number, competency in enumerate(content.COMPETENCIES):
        since, until = required_since(organisation, number)
        who = np.flatnonzero((since < NEVER) & (since <= last))
        old = since[who] < first - 900
        strength = strength_of[organisation.start["unit"][who]]
        started = (since[who] >= launch) & (strength > 0)
        median = np.where(started, 62 - 26 * strength, 80.0)
        delay = np.exp(rng.normal(np.log(median), 0.62))
        delay = np.clip(delay, 3, 700).astype(int)
        day = np.where(
            old, first - 900 + rng.integers(0, competency.valid_days, len(who)), since[who] + delay
        )
        day = np.where((rng.random(len(who)) < 0.06) & ~old, NEVER, day)
        for _ in range(14):
            day = _when_at_work(organisation, who, day, rng)
            keep = (day <= last) & (day < until[who] - 1)
            keep &= day > organisation.people["hired"][who]
            who, day = who[keep], day[keep]
            if not len(who):
                break
            at = day * DAY_SECONDS + working_time(rng, len(who))
            expires = day + competency.valid_days
            expires = expires - np.where(_is_month_end(expires + 1) | _is_month_end(expires), 2, 0)
            revoked = day + rng.integers(30, 300, len(who))
            revoked = revoked - np.where(_is_month_end(revoked), 1, 0)
            revoked = np.where((rng.random(len(who)) < 0.015) & (revoked < expires), revoked, NEVER)
            passes.append(
                {
                    "person": who,
                    "competency": np.full(len(who), number),
                    "at": at,
                    "expires": expires,
                    "revoked": revoked,
                    "score": rng.integers(70, 101, len(who)),
                }
            )
            failed = (rng.random(len(who)) < 0.2) & (day - since[who] > 25)
            failures.append(
                {
                    "person": who[failed],
                    "competency": np.full(int(failed.sum()), number),
                    "at": at[failed] - rng.integers(3, 15, int(failed.sum())) * DAY_SECONDS,
                    "score": rng.integers(30, 70, int(failed.sum())),
                }
            )
            fate = rng.random(len(who))
            renewed = expires - rng.integers(1, 60, len(who))
            renewed = np.where(fate > 0.86, expires + rng.integers(2, 70, len(who)), renewed)
            renewed = np.where(fate > 0.975, NEVER, renewed)
            day = np.where(revoked < NEVER, revoked + rng.integers(10, 60, len(who)), renewed)
    for name, parts in (("passes", passes), ("failures", failures)):
        table = {key: np.concatenate([part[key] for part in parts]) for key in parts[0]}
        recent = table["at"] >= (first - 1100) * DAY_SECONDS
        order = np.lexsort((table["competency"], table["person"], table["at"]))
        order = order[recent[order]]
        setattr(organisation, name, {key: column[order] for key, column in table.items()})


def _final_strength(organisation: Organisation) -> Column:
    """Leaders' strength by unit once the programme has taken hold, the absent sponsor apart."""
    return np.array(
        [
            u.leaders_act if u.division not in (UNSET, content.LATE) else 0.0
            for u in organisation.units
        ]
    )


def _is_month_end(day: Column) -> Column:
    after = (day + 1).astype("datetime64[D]")
    first: Column = after == after.astype("datetime64[M]").astype("datetime64[D]")
    return first


def _when_at_work(
    organisation: Organisation, who: Column, day: Column, rng: np.random.Generator
) -> Column:
    """Push a day on to a weekday, and to after a leave of absence that it falls in."""
    people = organisation.people
    away = (day >= people["leave_from"][who]) & (day <= people["leave_to"][who])
    day = np.where(away, people["leave_to"][who] + rng.integers(3, 25, len(who)), day)
    shifted: Column = day + np.where(weekday(day) > 4, 7 - weekday(day), 0)
    return shifted


def _blank(count: int) -> Table:
    return {
        "person": np.zeros(count, dtype=np.int64),
        "course": np.zeros(count, dtype=np.int64),
        "enrolled": np.zeros(count, dtype=np.int64),
        "due": np.full(count, UNSET),
        "extended_on": np.full(count, NEVER),
        "extended_due": np.full(count, UNSET),
        "started": np.full(count, UNSET),
        "completed": np.full(count, UNSET),
        "cancelled_on": np.full(count, NEVER),
        "score": np.full(count, UNSET),
    }


def _for_competencies(organisation: Organisation, rng: np.random.Generator) -> Table:
    """The course behind each pass of the last year before the first month, and since."""
    passes = organisation.passes
    since = (to_day(organisation.parameters.first_day) - 365) * DAY_SECONDS
    recent = np.flatnonzero(passes["at"] >= since)
    table = _blank(len(recent))
    courses = np.array([COURSE[c.course] for c in content.COMPETENCIES])
    table["person"] = passes["person"][recent]
    table["course"] = courses[passes["competency"][recent]]
    table["completed"] = passes["at"][recent]
    lead = rng.integers(2, 30, len(recent))
    hired = organisation.people["hired"][table["person"]]
    enrolled = np.maximum(day_of(table["completed"]) - lead, hired)
    table["enrolled"] = enrolled * DAY_SECONDS + 8 * 3600
    gap = np.maximum(0, day_of(table["completed"]) - enrolled)
    table["started"] = np.maximum(
        table["enrolled"] + 600,
        table["completed"] - (rng.random(len(recent)) * gap * 0.8).astype(int) * DAY_SECONDS - 3600,
    )
    table["started"] = np.minimum(table["started"], table["completed"])
    table["enrolled"] = np.minimum(table["enrolled"], table["started"])
    table["due"] = _elective_due(enrolled)
    table["score"] = passes["score"][recent]
    return table


def _elective_due(enrolled: Column) -> Column:
    due = enrolled + 60
    adjusted: Column = due - np.where(_is_month_end(due), 1, 0)
    return adjusted


def _chosen(organisation: Organisation, rng: np.random.Generator) -> Table:
    """Courses people take because they want to, in months in which they learn voluntarily."""
    parameters = organisation.parameters
    parts: list[Table] = []
    weights = np.array([course.weight for course in content.COURSES])
    finishing = np.array([course.finish for course in content.COURSES])
    dropping = np.array([course.drop for course in content.COURSES])
    for m, month in enumerate(parameters.calendar):
        first, last = to_day(month.start), to_day(month.end)
        open_ = np.array(
            [
                course.published < m and (course.retired is None or course.retired > m + 1)
                for course in content.COURSES
            ]
        )
        who = np.flatnonzero(organisation.learns[:, m])
        who = who[rng.random(len(who)) < 0.42]
        lift = np.ones(len(weights))
        if month.start >= parameters.launch_on:
            lift = np.array([1.8 if course.programme else 1.0 for course in content.COURSES])
        shares = weights * open_ * lift
        table = _blank(len(who))
        table["person"] = who
        table["course"] = rng.choice(len(shares), len(who), p=shares / shares.sum())
        day = _when_at_work(organisation, who, rng.integers(first, last - 1, len(who)), rng)
        day = np.maximum(day, organisation.people["hired"][who])
        finish = day + np.minimum(rng.geometric(0.07, len(who)), 75)
        start = day * DAY_SECONDS + working_time(rng, len(who))
        table["enrolled"] = start - 120
        table["started"] = start
        finish = _when_at_work(organisation, who, finish, rng)
        done = rng.random(len(who)) < finishing[table["course"]]
        done &= finish < organisation.people["left"][who]
        completed = finish * DAY_SECONDS + working_time(rng, len(who))
        table["completed"] = np.where(done, completed, UNSET)
        table["due"] = _elective_due(day)
        table["score"] = np.where(done, rng.integers(60, 101, len(who)), UNSET)
        keep = (day < organisation.people["left"][who]) & (day <= last)
        gives_up = ~done & (rng.random(len(who)) < dropping[table["course"]])
        table["cancelled_on"] = np.where(gives_up, day + 70 + rng.integers(0, 30, len(who)), NEVER)
        parts.append({name: column[keep] for name, column in table.items()})
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _flagship(organisation: Organisation, rng: np.random.Generator) -> Table:
    """Leaders through the flagship course: after launch, most of the executives and managers.

    Sponsors of what is launched finish it within the days of the engagement plan.
    """
    parameters = organisation.parameters
    launch, last = to_day(parameters.launch_on), to_day(parameters.last_day)
    state = organisation.state_at(min(launch + 10, last))
    leaders = np.flatnonzero((state.level > 0) & organisation.employed_on(launch))
    sponsors = (leaders <= HEADS + 3) & (leaders != HEADS + content.LATE)
    chance = np.where(leaders < len(ELT), 0.9, 0.75)
    taking = sponsors | (rng.random(len(leaders)) < chance)
    who, sponsors = leaders[taking], sponsors[taking]
    table = _blank(len(who))
    table["person"] = who
    table["course"] = np.full(len(who), COURSE["FLG-LEAD"])
    executives = who < len(ELT)
    day = launch + np.where(
        executives, rng.integers(7, 14, len(who)), rng.integers(10, 260, len(who))
    )
    day = _when_at_work(organisation, who, day, rng)
    start = day * DAY_SECONDS + working_time(rng, len(who))
    table["enrolled"], table["started"] = start - 300, start
    finish = _when_at_work(organisation, who, day + rng.integers(5, 50, len(who)), rng)
    latest = launch + np.where(sponsors, _FOR_SPONSORS, _FOR_EXECUTIVES)
    early = _back_to_weekday(latest - rng.integers(0, 12, len(who)))
    finish = np.where(executives, early, finish)
    table["completed"] = finish * DAY_SECONDS + working_time(rng, len(who))
    table["due"] = _elective_due(day)
    table["score"] = rng.integers(70, 101, len(who))
    keep = (finish < organisation.people["left"][who]) & (finish <= last)
    return {name: column[keep] for name, column in table.items()}


def _launched(organisation: Organisation, rng: np.random.Generator) -> list[Table]:
    """The planted mandatory launches: each course assigned to a whole division, due soon."""
    people = organisation.people
    tables: list[Table] = []
    for number, course in enumerate(content.COURSES):
        if course.launched is None:
            continue
        published = published_day(organisation, course.code)
        division = _division_of(organisation, np.arange(organisation.size))
        settled = (people["hired"] < published - 40) & (people["left"] == NEVER)
        settled &= people["leave_from"] == NEVER
        who = np.flatnonzero(settled & (division == content.COMPETING))
        table = _blank(len(who))
        table["person"] = who
        table["course"] = np.full(len(who), number)
        table["enrolled"] = np.full(len(who), published * DAY_SECONDS + 7 * 3600)
        due = published + _LAUNCH_NOTICE
        table["due"] = np.full(len(who), due - max(0, (due + 3) % 7 - 4))
        done_day = _back_to_weekday(due - rng.integers(0, 14, len(who)))
        done = rng.random(len(who)) < 0.8
        completed = done_day * DAY_SECONDS + working_time(rng, len(who))
        table["completed"] = np.where(done, completed, UNSET)
        table["started"] = np.where(done, completed - 3 * 3600, UNSET)
        table["score"] = np.where(done, rng.integers(70, 101, len(who)), UNSET)
        tables.append(table)
    return tables


def _assignments(organisation: Organisation, rng: np.random.Generator) -> tuple[Column, ...]:
    """(person, course, due day) of every mandatory assignment, before any of it is adjusted."""
    parameters, people = organisation.parameters, organisation.people
    first, last = to_day(parameters.first_day), to_day(parameters.last_day)
    begin, end = first - 300, last + 60
    everyone = np.arange(organisation.size)
    person: list[Column] = []
    course: list[Column] = []
    due: list[Column] = []

    def assign(who: Column, name: str, on: Column) -> None:
        person.append(who)
        course.append(np.full(len(who), COURSE[name]))
        due.append(on)

    for name, cycle in (("MAN-FOOD", 365), ("MAN-SAFE", 182), ("MAN-LIFT", 365)):
        phase = rng.integers(0, cycle, organisation.size)
        for number in range((end - begin) // cycle + 1):
            assign(everyone, name, begin + number * cycle + phase)
    for year in range(parameters.first_day.year - 1, parameters.last_day.year + 1):
        wave = to_day(Period.parse(f"{year}-03").start) + 20
        assign(everyone, "MAN-CODE", wave + rng.integers(-6, 7, organisation.size))
    who, what, when = (np.concatenate(column) for column in (person, course, due))
    settled = when > people["hired"][who] + 100
    who, what, when = who[settled], what[settled], when[settled]
    joiners = np.flatnonzero(people["hired"] > begin)
    for name in ("MAN-FOOD", "MAN-SAFE", "MAN-CODE"):
        who = np.concatenate([who, joiners])
        what = np.concatenate([what, np.full(len(joiners), COURSE[name])])
        when = np.concatenate([when, people["hired"][joiners] + 30])
    division = _division_of(organisation, who)
    lift = COURSE["MAN-LIFT"]
    stops = retired_day(organisation, "MAN-LIFT")
    keep = (what != lift) | ((division < 2) & (division >= 0) & (when < stops + 45))
    keep &= (when >= begin) & (when <= end)
    return who[keep], what[keep], when[keep]


def _division_of(organisation: Organisation, who: Column) -> Column:
    divisions = np.array([unit.division for unit in organisation.units])
    division: Column = divisions[organisation.start["unit"][who]]
    return division


def _mandatory(organisation: Organisation, rng: np.random.Generator) -> Table:
    """Mandatory learning by its cycles; see the parameters for the planted slip at the end."""
    parameters, people = organisation.parameters, organisation.people
    who, course, due = _assignments(organisation, rng)
    n = len(who)
    slipping = due >= to_day(parameters.last_month.shift(1 - parameters.effects.late_months).start)
    slipping &= np.isin(_division_of(organisation, who), (0, 1))
    due = due - np.where(weekday(due) > 4, weekday(due) - 4, 0)
    at_end = _is_month_end(due)
    edge = at_end & (rng.random(n) < 0.5) & (people["left"][who] > due + 1)
    edge &= (due < people["leave_from"][who]) | (due > people["leave_to"][who])
    due = np.where(at_end & ~edge, due - 1, due)
    for _ in range(3):  # no due date on the very day that a person leaves or a leave turns
        clash = np.zeros(n, dtype=bool)
        for name in ("left", "leave_from", "leave_to", "hired"):
            clash |= (people[name][who] == due) & ~edge
        clash |= (due == retired_day(organisation, "MAN-LIFT")) & ~edge
        due = due - clash
    notice = np.where(rng.random(n) < np.where(slipping, 0.2, 0.03), rng.integers(5, 12, n), 45)
    joining = due <= people["hired"][who] + 31
    enrolled_day = np.where(joining, people["hired"][who], due - notice)
    enrolled = enrolled_day * DAY_SECONDS + 7 * 3600
    notice = due - enrolled_day
    skill = rng.normal(0, 0.03, organisation.size)[who]
    chance = 0.925 + skill - 0.08 * people["contractor"][who] - 0.04 * joining
    chance = np.clip(chance - parameters.effects.late_drop * slipping, 0.02, 0.99)
    on_time = (rng.random(n) < chance) | edge
    done_day = due - (rng.beta(1.1, 2.5, n) * (notice - 1)).astype(int)
    done_day = np.maximum(_back_to_weekday(done_day), enrolled_day)
    eventually = rng.random(n) < 0.8
    late_day = due + 1 + np.minimum(rng.geometric(0.06, n), 90)
    done_day = np.where(on_time, done_day, np.where(eventually, late_day, NEVER))
    away = (done_day >= people["leave_from"][who]) & (done_day <= people["leave_to"][who])
    done_day = np.where(away & ~edge, people["leave_to"][who] + rng.integers(3, 20, n), done_day)
    seconds = np.where(edge, LATE_EVENING, working_time(rng, n))
    seconds = np.maximum(seconds, 9 * 3600)
    completed = np.where(edge, due, done_day) * DAY_SECONDS + seconds
    gone = (completed >= people["left"][who] * DAY_SECONDS) | (done_day >= NEVER)
    completed = np.where(gone & ~edge, UNSET, completed)
    began = (completed >= 0) | (rng.random(n) < 0.3)
    before = np.where(completed >= 0, completed - 1800, enrolled + 3 * DAY_SECONDS + 11 * 3600)
    started = np.where(began & (before < people["left"][who] * DAY_SECONDS), before, UNSET)
    table = _blank(n)
    table.update(
        person=who,
        course=course,
        enrolled=enrolled,
        due=due,
        started=started,
        completed=completed,
        score=np.where(completed >= 0, rng.integers(70, 101, n), UNSET),
    )
    _extend_and_cancel(organisation, table, edge, rng)
    keep = (enrolled_day >= people["hired"][who]) & (enrolled_day < people["left"][who])
    keep &= enrolled_day <= to_day(parameters.last_day)
    return {name: column[keep] for name, column in table.items()}


def _back_to_weekday(day: Column) -> Column:
    back: Column = day - np.where(weekday(day) > 4, weekday(day) - 4, 0)
    return back


def _extend_and_cancel(
    organisation: Organisation, table: Table, edge: Column, rng: np.random.Generator
) -> None:
    """Move some due dates and cancel some enrolments, so that snapshots can tell what came first.

    An extension follows the first snapshot that shows the original date; a cancellation is either
    seen by a snapshot before the due date or made after it.
    """
    snapshots = np.array([to_day(day) for day in organisation.parameters.snapshot_dates])
    n, due = len(table["due"]), table["due"]
    enrolled_day = day_of(table["enrolled"])

    def seen_on(day: Column) -> Column:
        position = np.searchsorted(snapshots, day)
        inside = position < len(snapshots)
        seen: Column = np.where(inside, snapshots[np.minimum(position, len(snapshots) - 1)], NEVER)
        return seen

    fate = rng.random(n)
    late = (table["completed"] < 0) | (day_of(table["completed"]) > due)
    moved_on = seen_on(enrolled_day) + 1
    extend = late & (fate < 0.15) & (moved_on < due) & (enrolled_day > snapshots[0]) & ~edge
    table["extended_on"] = np.where(extend, moved_on, NEVER)
    table["extended_due"] = np.where(extend, due + 21, UNSET)
    open_ = (table["completed"] < 0) & ~edge & ~extend
    early = enrolled_day + 2 + (rng.random(n) * np.maximum(1, due - enrolled_day - 4)).astype(int)
    early_fits = (seen_on(early) < due) & (early < due) & (early > snapshots[0])
    after = due + rng.integers(1, 40, n)
    cancelled = np.where(fate > 0.5, early, after)
    fits = np.where(fate > 0.5, early_fits, after > snapshots[0]) & open_
    fits &= (fate > 0.75) | ((fate > 0.25) & (fate < 0.4))
    table["cancelled_on"] = np.where(fits, cancelled, NEVER)
    stops = table["cancelled_on"] * DAY_SECONDS
    table["started"] = np.where(table["started"] >= stops, UNSET, table["started"])
