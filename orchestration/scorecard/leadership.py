"""The leadership page: indices by unit in tree order, exceptions, plans, vacancies.

Leaders are never ranked: everything stands in tree order. Nothing recorded is said as 'no record'.

Whose figures are protected: what sponsors and the ELT did in their role, they answer for, and it is
shown however few they are, of each sponsor and of the ELT together. Everybody else is a group: a
count or a share over managers (or learners) below the privacy threshold is withheld, and so is one
that would tell theirs less the ELT's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from orchestration.scorecard import early, log, plan, wording
from orchestration.scorecard.figures import EMPLOYEE, Figures
from orchestration.scorecard.governance import SPONSORS_AND_ELT
from orchestration.scorecard.marts import Row
from orchestration.scorecard.model import Figure, Leadership, UnitLeadership

VISIBLE = ("own_voice", "in_person")
"""Actions that people could hear or see; approvals and attendance are none."""
ATTENDED = "reviews_attended"
NO_MESSAGE = "no message issued"
"""Why the warehouse has no cascade of a unit, where no message went out to it."""
URGENT_FAULTS = ("two_holders", "circular_deputy")
"""Faults that leave it open who decides: said every week."""
_OF_PEOPLE = {
    "leaders_active": ("leaders_active",),
    "leaders_flagship": ("leaders_flagship",),
    "velocity": ("velocity_before", "velocity_after"),
}
"""Indices that stand for groups of people; those of one line are withheld together."""
_CYCLES = {"velocity": 2}
"""Reporting cycles that an index sums over: it counts each of its people so many times."""
_TOLD_OF_ELT = ("leaders_flagship",)
"""Indices of all leaders of which the leadership line tells the ELT's part."""
_VACANT = {
    "vacant": "nobody holds the role",
    "no_deputy": "no deputy is named",
    "two_holders": "two people hold the role",
    "circular_deputy": "the deputies stand in for each other in a circle",
    "holder_left": "the holder has left",
    "unknown_person": "the holder is not among the people",
}


def page(figures: Figures) -> Leadership | None:
    """The leadership page of the period; None where nothing of it is published."""
    marts = figures.marts
    if not (marts.leader_indices or marts.leader_plan or marts.governance_faults):
        return None
    plans = plan.plans(figures)
    return Leadership(
        units=_units(figures),
        exceptions=tuple(_exceptions(figures, plans)),
        plans=tuple(plan.progress(figures, unit, rows) for unit, rows in plans.items()),
        vacancies=tuple(_vacancies(figures)),
        footnote=_footnote(figures),
    )


def index(figures: Figures, index_id: str, unit: str, person_id: str | None = None) -> Row | None:
    """One row of the published ``leader_indices``: a unit's, or a named leader's."""
    return figures.indices.get((index_id, unit, person_id))


def counted(row: Row | None) -> Figure:
    """'9 of 13'; 'no record' where nothing was recorded, and never why of a person."""
    if row is None or row["value"] is None or not row["denominator"]:
        return wording.no_data(None, wording.NO_RECORD)
    return wording.n_of_total(row["numerator"] or Decimal(0), row["denominator"])


def waited(row: Row | None, currency: str) -> Figure:
    """The median days that a decision waited for its owner."""
    if row is None or row["value"] is None:
        return wording.no_data(None, wording.NO_RECORD)
    precision = 0 if row["value"] == row["value"].to_integral_value() else 1
    return wording.value_figure(row["value"], "days", precision, currency)


def _longest_wait(figures: Figures, unit: str) -> tuple[Figure | None, str | None]:
    """The longest that an open decision about the unit or a part of it waits, and for whom."""
    within = figures.beneath(unit)
    rows = [
        row
        for row in figures.marts.decision_log
        if row["kind"] in ("decision", None)
        and row["status"] in log.OPEN
        and row["waiting_days"] is not None
        and figures.unit_of_row(row) in within
    ]
    if not rows:
        return None, None
    row = min(rows, key=lambda r: (-int(r["waiting_days"]), str(r["entry_id"])))
    wait = wording.value_figure(Decimal(int(row["waiting_days"])), "days", 0, figures.currency)
    return wait, log.entry(row, figures).owner


def _cascade(figures: Figures, unit: str) -> tuple[Figure, str | None]:
    """How far the newest message came, and which message that is."""
    row = index(figures, "cascade_reach", unit)
    if row is not None and row["no_data_reason"] == NO_MESSAGE:
        return wording.no_data(None, "no message in this period"), None
    message = str(row["detail"]) if row is not None and row.get("detail") else None
    hidden = figures.few_managers(message) if message else frozenset()
    return _people(figures, "cascade_reach", unit, hidden), message


def _units(figures: Figures) -> tuple[UnitLeadership, ...]:
    known = {
        figures.unit_of_row(row)
        for row in figures.marts.leader_indices
        if row["subject"] == "unit" and figures.unit_of_row(row) in figures.units
    }
    withheld = _withheld(figures)
    rows = []
    for unit in figures.order:
        if unit not in known:
            continue
        longest, waits_for = _longest_wait(figures, unit)
        cascade, message = _cascade(figures, unit)
        rows.append(
            UnitLeadership(
                org_unit_id=unit,
                name=figures.names[unit],
                depth=figures.depth(unit),
                sponsor=figures.governance.owner("sponsor", unit),
                visible_weeks=counted(index(figures, "visible_weeks", unit)),
                leaders_active=_people(figures, "leaders_active", unit, withheld["leaders_active"]),
                leaders_flagship=_people(
                    figures, "leaders_flagship", unit, withheld["leaders_flagship"]
                ),
                velocity_before=_velocity(figures, "velocity_before", unit, withheld["velocity"]),
                velocity_after=_velocity(figures, "velocity_after", unit, withheld["velocity"]),
                commitments=counted(index(figures, "commitments_on_time", unit)),
                decision_wait=waited(index(figures, "decision_wait_days", unit), figures.currency),
                longest_wait=longest,
                longest_wait_owner=waits_for,
                cascade=cascade,
                cascade_message=message,
            )
        )
    return tuple(rows)


def _withheld(figures: Figures) -> Mapping[str, frozenset[str]]:
    """The units whose index is withheld, for each index that stands for groups of people."""
    found = {}
    for name, ids in _OF_PEOPLE.items():
        hidden: set[str] = set()
        for index_id in ids:
            people = {
                unit: _heads(index(figures, index_id, unit), figures, unit)
                - _executives(figures, index_id, unit)
                for unit in figures.order
            }
            hidden |= figures.few(people, _CYCLES.get(name, 1))
        found[name] = frozenset(hidden)
    return found


def _heads(row: Row | None, figures: Figures, unit: str) -> int:
    """People that an index stands for; the unit's headcount where a value does not say."""
    if row is None or (row["people"] is None and row["value"] is None):
        return 0
    if row["people"] is not None:
        return int(row["people"])
    return int(figures.units[unit]["headcount"] or 0)


def _executives(figures: Figures, index_id: str, unit: str) -> int:
    """Members of the ELT among an index's people, where the leadership line tells of them."""
    if index_id not in _TOLD_OF_ELT:
        return 0
    within = figures.beneath(unit)
    return sum(
        row["employment_line"] == EMPLOYEE and figures.unit_of_row(row) in within
        for row in figures.marts.executives
    )


def _people(figures: Figures, index_id: str, unit: str, hidden: frozenset[str]) -> Figure:
    return wording.suppressed() if unit in hidden else counted(index(figures, index_id, unit))


def _velocity(figures: Figures, index_id: str, unit: str, hidden: frozenset[str]) -> Figure:
    if unit in hidden:
        return wording.suppressed()
    row = index(figures, index_id, unit)
    if row is None or row["value"] is None:
        return wording.no_data("no figures for these periods")
    return wording.value_figure(row["value"], "per_100", 1, figures.currency)


def _exceptions(figures: Figures, plans: Mapping[str, list[Row]]) -> Iterator[str]:
    """What needs the ELT's eye: late plan actions, silent sponsors, late decisions."""
    for unit, rows in plans.items():
        late = plan.overdue(rows)
        if late:
            first = late[0]
            who = figures.governance.person(first["owner_person_id"], first["owner_role"])
            verb = "is" if len(late) == 1 else "are"
            yield (
                f"{figures.names.get(unit, unit)}: "
                f"{wording.counted(len(late), 'plan action')} {verb} overdue, first "
                f"'{first['action']}' ({who}, due on {wording.day(first['due_on'])})."
            )
    silent: set[str] = set()
    for row in sorted(
        figures.marts.early_warnings,
        key=lambda r: (figures.place(r["org_unit_id"]), -Decimal(str(r["measured"] or 0))),
    ):
        unit = figures.unit_of_row(row)
        if row["pain_point"] == early.NO_SPONSOR and unit not in silent:
            silent.add(unit)  # one sentence a unit, of the warning that weighs most
            yield (
                f"{figures.names.get(unit, unit)}: "
                f"{wording.lower_first(early.finding(row, figures))}; "
                f"{wording.lower_first(str(row['countermeasure']))}"
            )
    late_decisions = [
        row
        for row in figures.marts.decision_log
        if row["kind"] == "decision" and row["status"] == "overdue"
    ]
    for row in sorted(
        late_decisions, key=lambda r: (figures.place(r["org_unit_id"]), str(r["entry_id"]))
    ):
        each = log.entry(row, figures)
        where = f"{each.unit}: the" if each.unit else "The"
        yield (
            f'{where} decision "{each.title}" has waited {wording.days(each.waiting_days)} for '
            f"{each.owner}, {each.status_text}."
        )


def faults(figures: Figures) -> tuple[str, ...]:
    """Roles with two holders and deputies in a circle, one sentence each."""
    return tuple(_vacancies(figures, URGENT_FAULTS))


def _vacancies(figures: Figures, only: Sequence[str] = ()) -> Iterator[str]:
    """Roles that nobody can act in, or not one alone; ``only`` faults of these kinds."""
    rows = sorted(
        (r for r in figures.marts.governance_faults if not only or r["fault"] in only),
        key=lambda r: (figures.place(r["org_unit_id"]), str(r["role"]), str(r["fault"])),
    )
    said = (
        f"{figures.names.get(figures.unit_of_row(row), figures.unit_of_row(row))}, "
        f"{wording.role_name(str(row['role']))}: "
        f"{_VACANT.get(str(row['fault']), str(row['fault']).replace('_', ' '))}."
        for row in rows
    )
    yield from dict.fromkeys(said)


def _footnote(figures: Figures) -> str | None:
    """How often sponsors and the ELT attended reviews: of each the most of their lines, which may
    meet."""
    answerable = {
        row["person_id"] for row in figures.marts.named_leaders if row["role"] in SPONSORS_AND_ELT
    }
    attended: dict[str, Decimal] = {}
    for row in figures.marts.leader_indices:
        if row["subject"] == "leader" and row["index_id"] == ATTENDED and row["value"]:
            person = row["person_id"]
            if person in answerable:
                attended[person] = max(attended.get(person, Decimal(0)), row["value"])
    if not attended:
        return None
    total = wording.plain_number(sum(attended.values(), Decimal(0)))
    leaders = wording.counted(
        len(attended), "sponsor or member of the ELT", "sponsors and members of the ELT"
    )
    return f"Attendance at reviews, for the record: {total} by {leaders}."
