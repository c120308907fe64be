"""The weekly stand-up: what is overdue, what stands in the way and who removes it, quick wins.

Blockers are ranked by the people they are known to affect; those that affect no counted people
(late actions, feeds that are behind) come after them. Units that stand for too few people are named
without a number, and so is a unit whose number would give such a group away. Wins are what the
limits bear out, what happened for the first time, and leaders who learned in public.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from orchestration.scorecard import leadership, log, plan, wording
from orchestration.scorecard.charter import Charter
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.marts import VOLUNTARY, Row
from orchestration.scorecard.model import Blocker, EarlyWarning, LogEntry, StandUp, Win
from orchestration.scorecard.suppression import hidden_units

MOST_BLOCKERS = 3
MOST_WINS = 3
MOST_WARNINGS = 2
MOST_FEEDS = 3
"""Feeds that the blocker names; the others are counted."""
OVERDUE_PEOPLE = "mandatory_overdue_today"

_KINDS = (
    "overdue_leader_action",
    "overdue_action",
    "stale_feed",
    "active_rate_falls",
    "mandatory_overdue",
    "stalled_enrolments",
)
"""Kinds of blockers; of two that affect as many people the earlier goes first."""


@dataclass(frozen=True)
class _Found:
    kind: str
    what: str
    unit: str
    people: int
    owners: frozenset[str] = frozenset()
    """Who lets it wait; somebody else is named to remove it."""


def stand_up(figures: Figures, charter: Charter, warnings: Sequence[EarlyWarning]) -> StandUp:
    """The stand-up of a week."""
    overdue = overdue_entries(figures)
    blockers = ranked_blockers(figures, charter)
    known = figures.marts.decision_log
    carried = sum(
        row["status"] in log.OPEN
        and row["asked_on"] is not None
        and row["asked_on"] < figures.period.start
        for row in known
    )
    urgent = sorted(warnings, key=lambda w: w.since)  # stable: then in tree order
    return StandUp(
        overdue=overdue,
        carried_over=carried,
        blockers=blockers[:MOST_BLOCKERS],
        more_blockers=max(0, len(blockers) - MOST_BLOCKERS),
        wins=tuple(wins(figures))[:MOST_WINS],
        warnings=tuple(urgent[:MOST_WARNINGS]),
        more_warnings=max(0, len(urgent) - MOST_WARNINGS),
        faults=leadership.faults(figures),
    )


def overdue_entries(figures: Figures) -> tuple[LogEntry, ...]:
    """Overdue log entries and overdue actions of the plans, the longest overdue first.

    A plan's action that stands in the log, too, is shown as the log has it.
    """
    rows = [row for row in figures.marts.decision_log if row["status"] == "overdue"]
    found = [log.entry(row, figures) for row in rows]
    found += [_plan_entry(row, unit, figures) for unit, row in _late_in_plans(figures)]
    return tuple(sorted(found, key=lambda e: (e.due_on or e.asked_on, e.entry_id)))


def _late_in_plans(figures: Figures) -> list[tuple[str, Row]]:
    """Overdue actions of the plans, with their unit, that do not stand in the log as well."""
    logged = {
        (figures.unit_of_row(row), str(row["title"]))
        for row in figures.marts.decision_log
        if row["source"] == "plan"
    }
    return [
        (unit, row)
        for unit, actions in plan.plans(figures).items()
        for row in plan.overdue(actions)
        if (unit, str(row["action"])) not in logged
    ]


def _plan_entry(row: Row, unit: str, figures: Figures) -> LogEntry:
    late = (figures.period.end - row["due_on"]).days
    return LogEntry(
        entry_id=f"plan/{unit}/{row['plan_day']}/{row['action']}",
        kind="action",
        title=str(row["action"]),
        unit=None if unit == figures.root else figures.names.get(unit, unit),
        owner=figures.governance.person(row["owner_person_id"], row["owner_role"]),
        asked_on=row["launch_on"],
        due_on=row["due_on"],
        status="overdue",
        status_text=f"overdue by {wording.days(late)}",
        waiting_days=(figures.period.end - row["launch_on"]).days,
    )


# ---------------------------------------------------------------- blockers


def ranked_blockers(figures: Figures, charter: Charter) -> tuple[Blocker, ...]:
    """Every blocker of the week with who can remove it, those that affect most people first."""
    overdue = list(_overdue_learning(figures))
    after = charter.rule("stalled_after_days", figures.period.end)
    found = [
        *overdue,
        *_falling(figures),
        *_late_actions(figures),
        *_stalled(figures, int(after) if after else None, {each.unit for each in overdue}),
        *_stale(figures),
    ]
    found.sort(
        key=lambda b: (-b.people, _KINDS.index(b.kind), figures.place(b.unit), b.unit, b.what)
    )
    rights = {str(row["decision_id"]): row for row in figures.marts.decision_rights}
    blockers = []
    for each in found:
        rule = charter.blocker(each.kind)
        right = rights.get(rule["decision_id"]) if rule else None
        if rule is None or right is None:
            continue  # the charter has nobody who could remove it
        blockers.append(
            Blocker(
                blocker=rule["name"],
                what=each.what,
                unit=figures.names.get(each.unit, each.unit),
                who=figures.governance.who_can(str(right["decides_role"]), each.unit, each.owners),
                right=str(right["decision"]),
            )
        )
    return tuple(blockers)


def _divisions(figures: Figures) -> list[str]:
    """The units right below the whole; the whole where there are none."""
    return [unit for unit in figures.order if figures.depth(unit) == 1] or [figures.root]


def _overdue_learning(figures: Figures) -> Iterator[_Found]:
    catalogue = figures.catalogue.get(OVERDUE_PEOPLE)
    if catalogue is None or not figures.basis.judged(OVERDUE_PEOPLE):
        return  # who has completed since is not known
    rows = {unit: figures.reading(catalogue, unit).value for unit in figures.order}
    counts = {unit: int(row["value"] or 0) for unit, row in rows.items() if row is not None}
    few = _few_beside_the_whole(figures, counts)
    for unit in _divisions(figures):
        people = counts.get(unit, 0)
        if not people:
            continue
        # not by the page of all units, which this count is not on: what is withheld there for the
        # sake of a unit that has nobody overdue can be read here off the whole
        shown = unit not in few
        number = f"{wording.counted(people, 'person is', 'people are')}" if shown else "People are"
        yield _Found(
            "mandatory_overdue",
            f"{number[:1].upper()}{number[1:]} overdue with mandatory learning",
            unit,
            people if shown else 0,
        )


def _few_beside_the_whole(figures: Figures, counts: Mapping[str, int]) -> frozenset[str]:
    """Divisions whose count is withheld: small ones, and those that give one away beside the sum.

    The count of the whole stands beside its KPI, and only divisions are named here.
    """
    shown = {figures.root, *_divisions(figures)}
    tree = {unit: None if unit == figures.root else figures.root for unit in shown}
    return hidden_units(tree, {unit: counts.get(unit, 0) for unit in shown}, figures.threshold)


def _falling(figures: Figures) -> Iterator[_Found]:
    catalogue = figures.catalogue.get(VOLUNTARY)
    if catalogue is None:
        return
    for unit in _signalling(figures, "concerning"):
        now = figures.shown(figures.reading(catalogue, unit))
        name = wording.lower_first(str(catalogue["name"]))
        yield _Found(
            "active_rate_falls",
            f"The rate of {name} is worse than its usual range: {now.text}",
            unit,
            int(figures.units[unit]["eligible"] or 0),
        )


def _signalling(figures: Figures, variation: str) -> list[str]:
    """The topmost units whose voluntary active learners signal this, shown ones only.

    The whole counts only where no unit below it signals.
    """
    catalogue = figures.catalogue.get(VOLUNTARY)
    if catalogue is None or not figures.basis.sound(VOLUNTARY):
        return []
    found = []
    for unit in figures.order:
        reading = figures.reading(catalogue, unit)
        signal = reading.signal
        if (
            signal is not None
            and reading.period == figures.period
            and signal["variation"] == variation
            and figures.shown(reading).state == "value"
        ):
            found.append(unit)
    return figures.topmost([unit for unit in found if unit != figures.root] or found)


def _late_actions(figures: Figures) -> Iterator[_Found]:
    """Overdue entries by unit: what waits for a named leader, and the other actions."""
    named = {str(row["person_id"]) for row in figures.marts.named_leaders}
    late = [
        (figures.unit_of_row(row), row["owner_person_id"])
        for row in figures.marts.decision_log
        if row["status"] == "overdue" and log.kind_of(row) != "decision"
    ]
    late += [(unit, row["owner_person_id"]) for unit, row in _late_in_plans(figures)]
    groups: dict[tuple[str, str], list[str]] = {}
    for unit, person in late:
        owner = "" if person is None else str(person)
        kind = "overdue_leader_action" if owner in named else "overdue_action"
        groups.setdefault((kind, unit), []).append(owner)
    for (kind, unit), owners in groups.items():
        noun = "leader action" if kind == "overdue_leader_action" else "action"
        number = wording.counted(len(owners), noun)
        verb = "is" if len(owners) == 1 else "are"
        what = f"{number[:1].upper()}{number[1:]} {verb} overdue"
        yield _Found(kind, what, unit, 0, frozenset(owners) - {""})


def _stalled(figures: Figures, after: int | None, overdue: set[str]) -> Iterator[_Found]:
    """By unit the course in which most people have come to a halt; the other courses counted.

    Args:
        after: days without progress after which an enrolment is one.
        overdue: units whose overdue mandatory learning is a blocker: there no mandatory course is
            named once more.
    """
    by_course: dict[str, list[Row]] = {}
    if figures.basis.behind & {"enrolments", "activity"}:
        return  # who has gone on since is not known
    for row in figures.marts.stalled_enrolments:
        by_course.setdefault(str(row["course_id"]), []).append(row)
    since = f" for {wording.days(after)}" if after else ""
    by_unit: dict[str, list[tuple[int, str]]] = {}
    for rows in by_course.values():
        people = {figures.unit_of_row(row): int(row["people"] or 0) for row in rows}
        hidden = figures.few(people)
        begun = {figures.unit_of_row(row): row.get("begun") for row in rows}
        title = f"'{rows[0]['title'] or rows[0]['course_id']}'"
        for unit in _finest(figures, people):
            if rows[0]["is_mandatory"] and unit in overdue:
                continue
            shown = unit not in hidden and people[unit] >= figures.threshold
            halt = _halt(people[unit], begun[unit] if shown else None, title, since)
            by_unit.setdefault(unit, []).append((people[unit] if shown else 0, halt))
    for unit, courses in by_unit.items():
        courses.sort(key=lambda course: (-course[0], course[1]))
        count, halt = courses[0]
        who = wording.counted(count, "person", "people") if count else "people"
        what = f"{who[:1].upper()}{who[1:]} {'has' if count == 1 else 'have'} {halt}"
        others = len(courses) - 1
        more = f", others in {wording.counted(others, 'more course')}" if others else ""
        yield _Found("stalled_enrolments", f"{what}{more}", unit, count)


def _halt(people: int, begun: int | None, title: str, since: str) -> str:
    """How people came to a halt in a course: begun and stopped, not begun, or some of each."""
    if begun is None:
        return f"come to a halt in {title}"
    if begun >= people:
        return f"begun {title} and stopped{since}"
    if begun == 0:
        return f"not begun {title}{since}"
    return f"not begun {title}, or begun it and stopped{since}"


def _finest(figures: Figures, people: Mapping[str, int]) -> Iterable[str]:
    """The units right below the whole that have people; else those that were given."""
    divisions = [unit for unit in _divisions(figures) if people.get(unit)]
    return divisions or [unit for unit in figures.topmost(people) if people[unit]]


def _stale(figures: Figures) -> Iterator[_Found]:
    """The feeds that are behind and that a figure of the scorecard stands on, as one blocker."""
    late = [
        feed
        for feed in figures.basis.feeds
        if feed.feed in figures.basis.behind and figures.basis.feeds_a_figure(feed.feed)
    ]
    if not late:
        return
    names = [feed.feed.replace("_", " ") for feed in late[:MOST_FEEDS]]
    if len(late) > MOST_FEEDS:
        names.append(wording.counted(len(late) - MOST_FEEDS, "other feed"))
    known = [feed.data_as_of for feed in late if feed.data_as_of is not None]
    until = f", known up to {wording.day(min(known))}" if known else ""
    yield _Found(
        "stale_feed", f"The data of {wording.listed(names)} are behind{until}", figures.root, 0
    )


# ---------------------------------------------------------------- wins


def wins(figures: Figures) -> Iterator[Win]:
    """Quick wins: units, leaders through a flagship course, courses, other leaders."""
    catalogue = figures.catalogue.get(VOLUNTARY)
    for unit in _signalling(figures, "improving"):
        assert catalogue is not None
        now = figures.shown(figures.reading(catalogue, unit))
        name = wording.lower_first(str(catalogue["name"]))
        yield Win(
            what=f"The rate of {name} is better than its usual range: {now.text}",
            unit=figures.names[unit],
        )
    completed = sorted(
        figures.marts.leader_completions,
        key=lambda r: (
            figures.place(r["org_unit_id"]),
            r["completed_on"],
            str(r["course_id"]),
            str(r["person_id"]),
        ),
    )
    yield from (_completion(row, figures) for row in completed if row["is_flagship"])
    rises = sorted(
        figures.marts.course_rises, key=lambda r: (-int(r["completions"] or 0), str(r["course_id"]))
    )
    whole = figures.names[figures.root]
    yield from (Win(what=_course(row, figures), unit=whole) for row in rises if _is_win(row))
    yield from (_completion(row, figures) for row in completed if not row["is_flagship"])


def _is_win(row: Row) -> bool:
    return bool(row["first_ever"] or row["is_rise"])


def _course(row: Row, figures: Figures) -> str:
    count, title = int(row["completions"] or 0), f"'{row['title'] or row['course_id']}'"
    shown = count >= figures.threshold
    if row["first_ever"]:
        number = f", by {wording.counted(count, 'person', 'people')}" if shown else ""
        return f"{title} was completed for the first time{number}"
    if not shown:
        return f"More people completed {title} than is usual"
    number = wording.counted(count, "person", "people")
    return f"{number[:1].upper()}{number[1:]} completed {title}, more than its usual range"


def _completion(row: Row, figures: Figures) -> Win:
    unit = figures.unit_of_row(row)
    person = str(row["person_id"])
    role = next(
        (str(r["role"]) for r in figures.marts.named_leaders if str(r["person_id"]) == person),
        None,
    )
    who = figures.governance.person(person, role) if role else "A leader"
    course = f"'{row['title'] or row['course_id']}'"
    kind = "the flagship course " if row["is_flagship"] else ""
    return Win(what=f"{who} completed {kind}{course}", unit=figures.names.get(unit, unit))
