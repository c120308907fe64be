"""An exhaustive look for small groups that can be worked out from everything one edition shows.

Of each quantity that adds up (a KPI's numerators and denominators of one period, headcounts, counts
of overdue people, ...) the unknowns are *atoms*: disjoint groups of people, such as those directly
in one org unit. Everything shown of it, on whichever page or in whichever letter of the mailing, is
one equation: the sum of some atoms is known (a shown rate is taken as if its numerator and
denominator were known, so the reader is given more than they have). By exact rational algebra the
row space of the equations holds every sum that a reader can compute; no union of atoms with fewer
people than the threshold may lie in it, nor any withheld cell; and what the equations and the fact
that people cannot be negative leave of a withheld cell must be at least the threshold wide.

Every figure of scorecard and letters is accounted for: it stands in a quantity, or in ``NO_GROUP``
with the reason why it tells of no group. What is rendered (pages, mails, charts, archive) is made
from these and nothing else; what the words and pictures could tell beyond them is shown not to be
there by changing what is withheld (``tests/scorecard/test_disclosure.py``).

It shares nothing with ``orchestration.scorecard.suppression``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from typing import Any

import numpy as np
from scipy.optimize import linprog

from orchestration.periods import Grain, Period
from orchestration.review.kit import KitPage
from orchestration.scorecard import wording
from orchestration.scorecard.marts import Marts
from orchestration.scorecard.model import Figure, Kpi, LeaderPage, Scorecard

SHOWN = ("value", "not_reached")
EMPLOYEE = "employee"
WORDS = frozenset({"one", "two", "three", "four", "five", "six", "seven", "eight", "nine"})
Group = frozenset[str]


PLACED = (
    r"card\.(kpis|below)\[\d+\]\.(now|numerator|denominator|year_to_date|same_period_last_year)",
    r"card\.(kpis|below)\[\d+\]\.beside\[\d+\]\.figure",
    r"card\.units\[\d+\]\.(headcount|figures\.\w+)",
    r"card\.exclusions\[\d+\]\.people",
    r"card\.contractors\[\d+\]\.figure",
    r"card\.leadership_page\.units\[\d+\]\.(leaders_active|leaders_flagship|cascade)",
    r"card\.leadership_page\.units\[\d+\]\.velocity_(before|after)",
    r"card\.strategy\.goals\[\d+\]\.(change|adoption\.\w+)",
    r"card\.strategy\.splits\[\d+\]\.(before|now)",
    r"pages\[\d+\]\.kpis\[\d+\]\.now",
)
"""Where figures stand that enter a quantity."""
NO_GROUP = {
    r"card\.(kpis|below)\[\d+\]\.(target|forecast)": "set by the charter; worked out of limits",
    r"card\.leadership\[\d+\]\.(figure|target)": "what sponsors and the ELT answer for",
    r"card\.leadership_page\.units\[\d+\]\.visible_weeks": "the sponsor's, who answers for it",
    r"card\.leadership_page\.units\[\d+\]\.(commitments|decision_wait|longest_wait)": "entries",
    r"card\.leadership_page\.plans\[\d+\]\.on_track": "actions of the plan",
    r"card\.strategy\.goals\[\d+\]\.target": "set by the charter",
    r"card\.strategy\.goals\[\d+\]\.(baseline|outcome|compared)": "go with the change, below",
    r"card\.strategy\.splits\[\d+\]\.(change|mix|rate)": "of the whole, between two shown figures",
    r"card\.strategy\.proposed\[\d+\]\.(target|proposed)": "worked out of limits",
    r"pages\[\d+\]\.kpis\[\d+\]\.target": "set by the charter",
    r"pages\[\d+\]\.(visible_weeks|visible_target|flagship|attendance)": "the leader's own",
    r"pages\[\d+\]\.(commitments(_target)?|decision_wait|plan\.on_track)": "the leader's own",
}
"""Figures that tell of no group of people, and why."""


@dataclass
class Quantity:
    """One quantity that adds up: its atoms' true sizes, what is shown of it, what is withheld.

    ``times``: how often each person is counted in it; a group is then so many times as large.
    """

    name: str
    people: dict[str, int]
    shown: dict[str, Group] = field(default_factory=dict)
    withheld: dict[str, Group] = field(default_factory=dict)
    times: int = 1

    def show(self, place: str, atoms: Iterable[str], figure: Figure) -> None:
        """Enter one cell of a page by how it is shown; 'no data' tells nothing of anybody."""
        group = frozenset(a for a in atoms if self.people.get(a))
        if group and figure.state in SHOWN:
            self.shown[place] = group
        elif group and figure.state == "suppressed":
            self.withheld[place] = group

    def leaks(self, threshold: int) -> Iterator[str]:
        """Every small group and every withheld cell that can be worked out."""
        threshold *= self.times
        atoms = sorted(a for a, count in self.people.items() if count)
        basis = _reduced(
            [[Fraction(int(a in group)) for a in atoms] for group in {*self.shown.values()}]
        )
        small = [a for a in atoms if self.people[a] < threshold]
        for size in range(1, min(threshold, len(small) + 1)):
            for group in combinations(small, size):
                if sum(self.people[a] for a in group) < threshold and _in(
                    basis, [Fraction(int(a in group)) for a in atoms]
                ):
                    yield f"{self.name}: {', '.join(group)} can be worked out"
        for place, cell in self.withheld.items():
            if _in(basis, [Fraction(int(a in cell)) for a in atoms]):
                yield f"{self.name}: withheld {place} can be worked out"
            elif (width := self._width(cell, atoms)) < threshold:
                yield f"{self.name}: withheld {place} is known within {width:.3f}"

    def _width(self, cell: Group, atoms: Sequence[str]) -> float:
        """How far apart the least and the most people of a withheld cell lie."""
        groups = list({*self.shown.values()})
        if not groups:
            return float("inf")
        known = np.array([[float(a in group) for a in atoms] for group in groups])
        sums = known @ np.array([float(self.people[a]) for a in atoms])
        aim = np.array([float(a in cell) for a in atoms])
        ends = []
        for sign in (1.0, -1.0):
            found = linprog(sign * aim, A_eq=known, b_eq=sums, bounds=(0, None))
            if found.status == 3:  # unbounded
                return float("inf")
            assert found.status == 0, found.message
            ends.append(sign * found.fun)
        return float(ends[1] - ends[0] + 1e-6)


def _reduced(rows: list[list[Fraction]]) -> list[tuple[int, list[Fraction]]]:
    """Reduced row echelon form: pivot and row."""
    basis: list[tuple[int, list[Fraction]]] = []
    for row in rows:
        rest = _rest(basis, row)
        pivot = next((i for i, x in enumerate(rest) if x), None)
        if pivot is None:
            continue
        rest = [x / rest[pivot] for x in rest]
        basis = [
            (p, [x - r[pivot] * y for x, y in zip(r, rest, strict=True)] if r[pivot] else r)
            for p, r in basis
        ]
        basis.append((pivot, rest))
    return basis


def _rest(basis: list[tuple[int, list[Fraction]]], row: list[Fraction]) -> list[Fraction]:
    for pivot, known in basis:
        if row[pivot]:
            factor = row[pivot]
            row = [x - factor * y for x, y in zip(row, known, strict=True)]
    return row


def _in(basis: list[tuple[int, list[Fraction]]], row: list[Fraction]) -> bool:
    return not any(_rest(basis, row))


# ---------------------------------------------------------------- what an edition shows


class Edition:
    """Everything that one edition and its letters show, as quantities."""

    def __init__(
        self,
        card: Scorecard,
        marts: Marts,
        pages: Sequence[LeaderPage] = (),
        kits: Sequence[KitPage] = (),
    ) -> None:
        self.card, self.marts, self.pages, self.kits = card, marts, pages, kits
        self.threshold = card.privacy_threshold
        self.root = card.units[0].org_unit_id
        self.ids = {row.name: row.org_unit_id for row in reversed(card.units)}
        start = card.period_start
        self.parents = {
            str(r["org_unit_id"]): r["parent_org_unit_id"]
            for r in marts.org_units
            if r["period_start"] == start
        }
        self.headcounts = {
            str(r["org_unit_id"]): int(r["headcount"] or 0)
            for r in marts.org_units
            if r["period_start"] == start
        }

    def leaks(self) -> list[str]:
        """Everything that can be worked out although it must not be; also what slipped through."""
        found = [leak for quantity in self.quantities() for leak in quantity.leaks(self.threshold)]
        return [*found, *self.counts_of_the_whole(), *self.left_behind(), *self.unaccounted()]

    def quantities(self) -> Iterator[Quantity]:
        yield from self.kpis()
        yield self.heads()
        yield from self.leadership()
        yield from self.cascades()
        yield from self.wholes()
        yield self.left_out()
        yield from self.overdue()
        yield from self.stalled()
        yield from self.warned()
        yield from self.years()

    # ---- trees

    def beneath(self, unit: str) -> Group:
        found = {unit}
        while more := {u for u, p in self.parents.items() if p in found} - found:
            found |= more
        return frozenset(found) if unit != self.root else frozenset({*found, *self.parents})

    def own(self, rolled_up: Mapping[str, int]) -> dict[str, int]:
        """People directly in each unit, of counts that hold those beneath."""
        return {
            unit: max(
                0,
                rolled_up.get(unit, 0)
                - sum(rolled_up.get(u, 0) for u, p in self.parents.items() if p == unit),
            )
            for unit in self.parents
        }

    # ---- the quantities

    def kpis(self) -> Iterator[Quantity]:
        """The unit table, the headline, goals and every leader's page, together."""
        for kpi in self.card.kpis:
            start = self.start_of(kpi)
            rows = {
                str(r["org_unit_id"]): r
                for r in [*self.marts.kpi_values, *self.marts.coarser_values]
                if (r["kpi_id"], r["period_start"], r["employment_line"])
                == (kpi.kpi_id, start, EMPLOYEE)
            }
            people = {unit: self.people(row) for unit, row in rows.items()}
            cells = Quantity(f"{kpi.kpi_id} of {kpi.period_label}", self.own(people))
            cells.show("the headline", self.beneath(self.root), kpi.now)
            for row in self.card.units:
                figure = row.figures[kpi.kpi_id]
                cells.show(f"table, {row.org_unit_id}", self.beneath(row.org_unit_id), figure)
            for number, page in enumerate(self.pages):
                for line in page.kpis:
                    if (line.kpi_id, line.period_label) == (kpi.kpi_id, kpi.period_label):
                        place = f"letter {number}, {page.org_unit_id}"
                        cells.show(place, self.beneath(page.org_unit_id), line.now)
            for goal in self.card.strategy.goals if self.card.strategy else ():
                figure = goal.change if kpi.kpi_id == "performance_improvement" else None
                figure = figure or goal.adoption.get(kpi.kpi_id)
                if figure is not None:
                    place = f"goal, {goal.org_unit_id}"
                    cells.show(place, self.beneath(goal.org_unit_id), figure)
            yield cells

    def heads(self) -> Quantity:
        cells = Quantity("headcount", self.own(self.headcounts))
        for row in self.card.units:
            cells.show(row.org_unit_id, self.beneath(row.org_unit_id), row.headcount)
        return cells

    def leadership(self) -> Iterator[Quantity]:
        """The columns of the leadership page that stand for groups of people.

        The reader is taken to know what each member of the ELT did.
        """
        page = self.card.leadership_page
        if page is None:
            return
        members = [
            str(r["org_unit_id"]) for r in self.marts.executives if r["employment_line"] == EMPLOYEE
        ]
        executives = {
            unit: sum(member in self.beneath(unit) for member in members) for unit in self.parents
        }
        for index_id, known, times in (
            ("leaders_active", {}, 1),
            ("leaders_flagship", executives, 1),
            ("velocity_before", {}, 2),  # each period counts its people
            ("velocity_after", {}, 2),
        ):
            people = {
                str(r["org_unit_id"] or self.root): int(r["people"] or 0)
                for r in self.marts.leader_indices
                if r["subject"] == "unit" and r["index_id"] == index_id
            }
            unknown = {unit: count - known.get(unit, 0) for unit, count in people.items()}
            cells = Quantity(index_id, self.own(unknown), times=times)
            for row in page.units:
                cells.show(row.org_unit_id, self.beneath(row.org_unit_id), getattr(row, index_id))
            yield cells

    def cascades(self) -> Iterator[Quantity]:
        """Of each message how many managers passed it on: leadership page, warnings and kits."""
        managers: dict[str, dict[str, int]] = {}
        for row in self.marts.message_cascade:
            of_message = managers.setdefault(str(row["message_id"]), {})
            of_message[str(row["org_unit_id"] or self.root)] = int(row["managers"] or 0)
        quantities = {
            message: Quantity(f"managers of {message}", self.own(counts))
            for message, counts in managers.items()
        }
        told, untold = wording.plain_figure(Decimal(1)), wording.suppressed()
        page = self.card.leadership_page
        for unit in page.units if page is not None else ():
            if unit.cascade_message in quantities:
                quantities[unit.cascade_message].show(
                    f"page, {unit.org_unit_id}", self.beneath(unit.org_unit_id), unit.cascade
                )
        rows = {str(row["entry_id"]): row for row in self.marts.early_warnings}
        for warning in self.card.warnings:
            row = rows[str(warning.entry_id)]
            if row["parameter"] == "cascade_percent_in_10_days":
                unit, number = str(warning.org_unit_id), re.match(r"\d", warning.finding)
                quantities[str(row["message_id"])].show(
                    f"warning, {unit}", self.beneath(unit), told if number else untold
                )
        for kit in self.kits:
            if kit.confirmed:
                unit = kit.org_unit_id or self.root
                quantities[kit.message_id].show(
                    f"kit, {unit}",
                    self.beneath(unit),
                    told,
                )
        yield from quantities.values()

    def wholes(self) -> Iterator[Quantity]:
        """Figures that are told of the whole only: each one's group by itself."""
        rows = {
            (str(r["kpi_id"]), r["period_start"], str(r["employment_line"])): self.people(r)
            for r in [*self.marts.kpi_values, *self.marts.coarser_values]
            if r["org_unit_id"] == self.root
        }

        def of(kpi_id: str, figure: Figure, *starts: date, line: str = EMPLOYEE) -> Quantity:
            found = (rows.get((kpi_id, start, line)) for start in starts)
            cells = Quantity(f"{kpi_id} of the whole", {"whole": next((n for n in found if n), 0)})
            cells.show("the whole", ["whole"], figure)
            return cells

        for kpi in (*self.card.kpis, *self.card.below):
            start = self.start_of(kpi)
            grain = next((Period.parse(p.period_id).grain for p in kpi.series), None)
            for figure in (kpi.now, kpi.numerator, kpi.denominator):
                yield of(kpi.kpi_id, figure, start)
            if grain is not None:
                before = Period.containing(grain, start).same_last_year.start
                yield of(kpi.kpi_id, kpi.same_period_last_year, before)
            for other in kpi.beside:
                yield of(other.kpi_id, other.figure, start, self.card.period_start)
        for line in self.card.contractors:
            starts = [self.start_of(k) for k in self.card.kpis if k.kpi_id == line.kpi_id]
            yield of(line.kpi_id, line.figure, *starts, line="contractor")
        for split in self.card.strategy.splits if self.card.strategy else ():
            kpi = next(k for k in self.card.kpis if k.kpi_id == split.kpi_id)
            start = self.start_of(kpi)
            yield of(split.kpi_id, split.now, start)
            yield of(
                split.kpi_id,
                split.before,
                Period.containing(self.grain, start).shift(-1).start,
            )

    def left_out(self) -> Quantity:
        """Headcount, the people counted, and those left out by reason, one partition."""
        people = {
            wording.left_out(str(r["reason"])): int(r["people"] or 0)
            for r in self.marts.exclusions
            if (r["period_start"], r["org_unit_id"], r["employment_line"])
            == (self.card.period_start, self.root, EMPLOYEE)
        }
        outside = {wording.left_out("left"), wording.left_out("not_yet_hired")}
        within = [reason for reason in people if reason not in outside]
        whole = self.headcounts.get(self.root, 0)
        counted = whole - sum(people[r] for r in within)
        cells = Quantity("left out", {**people, "counted": max(0, counted)})
        for line in self.card.exclusions:
            cells.show(line.reason, [line.reason], line.people)
        cells.show("headcount", ["counted", *within], self.card.units[0].headcount)
        for count in self.shown_counts():
            if count == counted:
                cells.shown["denominator"] = frozenset(["counted"])
        return cells

    def overdue(self) -> Iterator[Quantity]:
        """People overdue: the whole beside its KPI, divisions as blockers of the stand-up."""
        people = {
            str(r["org_unit_id"]): int(r["value"] or 0)
            for r in self.marts.kpi_values
            if (r["kpi_id"], r["period_start"], r["employment_line"])
            == ("mandatory_overdue_today", self.card.period_start, EMPLOYEE)
        }
        cells = Quantity("overdue people", self.own(people))
        for kpi in self.card.kpis:
            for other in kpi.beside:
                if other.kpi_id == "mandatory_overdue_today":
                    cells.show("the whole", self.beneath(self.root), other.figure)
        self._blockers(cells, "overdue with mandatory learning")
        yield cells

    def stalled(self) -> Iterator[Quantity]:
        courses: dict[tuple[str, str], dict[str, int]] = {}
        for row in self.marts.stalled_enrolments:
            title = str(row["title"] or row["course_id"])
            unit = str(row["org_unit_id"] or self.root)
            courses.setdefault((str(row["course_id"]), title), {})[unit] = int(row["people"] or 0)
        for (course, title), people in courses.items():
            cells = Quantity(f"halted in {course}", self.own(people))
            self._blockers(cells, f"'{title}'")
            yield cells

    def _blockers(self, cells: Quantity, words: str) -> None:
        for blocker in self.card.stand_up.blockers if self.card.stand_up else ():
            if words in blocker.what:
                unit = self.ids[blocker.unit]
                number = blocker.what.split()[0].lower()
                told = number in WORDS or re.fullmatch(r"[\d,]+", number)
                figure = wording.plain_figure(Decimal(1)) if told else wording.suppressed()
                cells.show(f"blocker, {unit}", self.beneath(unit), figure)

    def warned(self) -> Iterator[Quantity]:
        """Early warnings that name a mean over a unit's people."""
        rows = {str(row["entry_id"]): row for row in self.marts.early_warnings}
        quantities: dict[str, Quantity] = {}
        for warning in self.card.warnings:
            row = rows[str(warning.entry_id)]
            if row["parameter"] == "mandatory_hours_due_per_head_in_30_days":
                key, people = "hours a head", self.own(self.headcounts)
            else:
                continue
            cells = quantities.setdefault(key, Quantity(key, people))
            told = re.match(r"\d", warning.finding)
            figure = wording.plain_figure(Decimal(1)) if told else wording.suppressed()
            unit = str(warning.org_unit_id)
            cells.show(f"warning, {unit}", self.beneath(unit), figure)
        yield from quantities.values()

    def years(self) -> Iterator[Quantity]:
        """Periods of a year: each point of a series, and the year to date as their sum."""
        for kpi in (*self.card.kpis, *self.card.below):
            rows = {
                r["period_start"]: self.people(r)
                for r in [*self.marts.kpi_values, *self.marts.coarser_values]
                if (r["kpi_id"], r["org_unit_id"], r["employment_line"])
                == (kpi.kpi_id, self.root, EMPLOYEE)
                and r["period_start"] <= self.card.period_start
            }
            cells = Quantity(f"{kpi.kpi_id} over time", {str(d): n for d, n in rows.items()})
            newest = self.start_of(kpi)
            year = [str(d) for d in rows if d.year == newest.year and d <= newest]
            cells.show("year to date", year, kpi.year_to_date)
            for point in kpi.series:
                if point.value is not None:
                    at = str(Period.parse(point.period_id).start)
                    cells.show(point.period_id, [at], kpi.now.model_copy(update={"state": "value"}))
            if kpi.limits is not None:  # a mean over all of them
                cells.shown["limits"] = frozenset(d for d, n in cells.people.items() if n)
            yield cells

    # ---- single numbers

    def shown_counts(self) -> set[int]:
        """Counts of this period's people that stand on a page as a denominator."""
        found = set()
        for kpi in (*self.card.kpis, *self.card.below):
            row = next(
                (
                    r
                    for r in [*self.marts.kpi_values, *self.marts.coarser_values]
                    if (r["kpi_id"], r["period_start"], r["org_unit_id"], r["employment_line"])
                    == (kpi.kpi_id, self.card.period_start, self.root, EMPLOYEE)
                ),
                None,
            )
            if row and row["people"] == row["denominator"] and kpi.denominator.state == "value":
                found.add(int(row["people"] or 0))
        return found

    def counts_of_the_whole(self) -> Iterator[str]:
        """Two counts of people beside each other whose difference numbers a small group."""
        counts = {*self.shown_counts(), self.headcounts.get(self.root, 0)} - {0}
        for one, other in combinations(sorted(counts), 2):
            if other - one < self.threshold:
                yield f"counts of the whole: {other} less {one} numbers a small group"

    def left_behind(self) -> Iterator[str]:
        """Withheld figures that carry a value, a text or a reason in the JSON after all."""
        documents = [
            self.card.model_dump(mode="json"),
            *(p.model_dump(mode="json") for p in self.pages),
        ]
        for place, figure in _figures(documents, "$"):
            if figure["state"] == "suppressed" and (
                figure["value"] is not None
                or figure["reason"] is not None
                or figure["text"] != wording.SUPPRESSED
            ):
                yield f"{place}: withheld, but its JSON tells of it"

    def unaccounted(self) -> Iterator[str]:
        """Figures that no quantity and no reason stands for; and parts of a withheld outcome."""
        documents = {
            "card": self.card.model_dump(mode="json"),
            "pages": [page.model_dump(mode="json") for page in self.pages],
        }
        known = re.compile("|".join((*PLACED, *NO_GROUP)))
        for name, document in documents.items():
            for place, _ in _figures(document, name):
                if not known.fullmatch(place):
                    yield f"{place}: nobody has looked at what it tells"
        for goal in self.card.strategy.goals if self.card.strategy else ():
            parts = (goal.baseline, goal.outcome, goal.compared)
            if goal.change.state != "value" and any(part.state == "value" for part in parts):
                yield f"goal of {goal.org_unit_id}: withheld, but what it is made of is shown"

    # ---- small things

    @property
    def grain(self) -> Grain:
        return Grain(self.card.ritual.removesuffix("ly"))

    def people(self, row: Mapping[str, Any]) -> int:
        """People behind a row; a value that does not say stands for the unit's heads."""
        if row["people"] or not row["value"]:
            return int(row["people"] or 0)
        return self.headcounts.get(str(row["org_unit_id"]), 1)

    def start_of(self, kpi: Kpi) -> date:
        ends = [Period.parse(point.period_id) for point in kpi.series]
        return next((p.start for p in ends if p.label == kpi.period_label), self.card.period_start)


def _figures(value: Any, place: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if isinstance(value, dict):
        if {"state", "text", "value", "reason"} <= value.keys():
            yield place, value
        for key, each in value.items():
            yield from _figures(each, f"{place}.{key}")
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _figures(each, f"{place}[{number}]")
