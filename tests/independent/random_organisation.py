"""Random small organisations: a tree of units, each with its own people and their learning.

Everything happens around the first half of 2026, so that the months and the quarter that the test
reads see movers, joiners, leavers, leave, corrections, re-enrolments, cancellations, expiries.
Ids say nothing; the rows are those of the feed contract (times as UTC text).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, timedelta
from typing import Any

import numpy as np

Row = dict[str, Any]
FIRST, LAST = date(2025, 5, 1), date(2026, 7, 31)
ROLES = ("analyst", "clerk", "driver")
COMPETENCIES = ("safety", "law", "craft")
VERBS = (
    ("http://adlnet.gov/expapi/verbs/completed", None),
    ("http://adlnet.gov/expapi/verbs/experienced", 30),
    ("http://adlnet.gov/expapi/verbs/attempted", 60),
    ("http://adlnet.gov/expapi/verbs/launched", None),  # does not count as learning
)


@dataclass
class Organisation:
    """Rows of the feeds, and of the charter's seeds.

    Attributes:
        activity_until: the date of activity's last delivery.
        never_delivered: feeds of which nothing was ever accepted.
    """

    feeds: dict[str, list[Row]] = field(default_factory=dict)
    seeds: dict[str, list[Row]] = field(default_factory=dict)
    activity_until: date = date.max
    never_delivered: set[str] = field(default_factory=set)


def random_organisation(seed: int, units: int = 40) -> Organisation:
    """A random organisation, the same for the same seed."""
    return _Maker(np.random.default_rng(seed), units).made


class _Maker:
    def __init__(self, rng: np.random.Generator, units: int) -> None:
        self.rng = rng
        self.made = Organisation()
        self.units = [f"u{n:02d}" for n in range(units)]
        self._org_units()
        self._courses()
        self._charter()
        people = self._people()
        self._enrolments(people)
        self._activity(people)
        self._proofs(people)
        self._leadership(people)
        self._outcomes()

    def chance(self, share: float) -> bool:
        return bool(self.rng.random() < share)

    def pick(self, among: Any) -> Any:
        return among[int(self.rng.integers(len(among)))]

    def day(self, first: date = FIRST, last: date = LAST) -> date:
        return first + timedelta(days=int(self.rng.integers((last - first).days + 1)))

    def moment(self, day: date) -> str:
        """A time that day, often near midnight, where UTC and London differ in summer."""
        clock = self.pick(["00:10:00", "09:30:00", "12:00:00", "22:50:00", "23:20:00", "23:50:00"])
        return f"{day} {clock}+00"

    def _org_units(self) -> None:
        rows: list[Row] = [{"org_unit_id": "all", "name": "All"}]
        for n, unit in enumerate(self.units):
            parent = (
                "all" if n < 4 or self.chance(0.4) else self.pick(self.units[max(0, n - 9) : n])
            )
            moved = self.chance(0.1)
            rows.append(
                {
                    "org_unit_id": unit,
                    "name": unit,
                    "parent_org_unit_id": parent,
                    "valid_from": FIRST,
                    "valid_to": date(2026, 5, 10) if moved else None,
                }
            )
            if moved:
                rows.append({**rows[-1], "parent_org_unit_id": "all"})
                rows[-1] |= {"valid_from": date(2026, 5, 10), "valid_to": None}
        rows[0]["valid_from"] = FIRST
        self.made.feeds["org_units"] = rows

    def _courses(self) -> None:
        rows: list[Row] = []
        for n in range(14):
            row = {
                "course_id": f"c{n:02d}",
                "title": f"Course {n}",
                "competency_id": self.pick([*COMPETENCIES, None]),
                "is_flagship": n in (3, 7),
                "is_mandatory": n % 2 == 0,
                "retired_on": self.day(date(2026, 3, 1)) if self.chance(0.25) else None,
                "valid_from": FIRST,
            }
            rows.append(row)
            if self.chance(0.3):  # becomes mandatory, or stops being so
                turn = self.day(date(2026, 3, 1))
                rows.append({**row, "is_mandatory": n % 2 == 1, "valid_from": turn})
                row["valid_to"] = turn
            elif self.chance(0.15):  # leaves the catalogue
                row["valid_to"] = self.day(date(2026, 3, 1))
        self.made.feeds["courses"] = rows
        self.course_ids = sorted({row["course_id"] for row in rows})

    def _charter(self) -> None:
        requirements: list[Row] = []
        starts = iter(
            self.rng.permutation(500)
        )  # no two on one day: which grace holds is then said
        for competency in COMPETENCIES:
            for role in (*ROLES, "*"):
                for unit in ("*", self.pick(self.units), self.pick(self.units)):
                    if not self.chance(0.35):
                        continue
                    start = date(2025, 1, 1) + timedelta(days=int(next(starts)))
                    requirements.append(
                        {
                            "job_role": role,
                            "org_unit_id": unit,
                            "competency_id": competency,
                            "grace_days": self.pick([0, 30, 90]),
                            "valid_from": start,
                            "valid_to": self.day(date(2026, 4, 1)) if self.chance(0.2) else None,
                        }
                    )
        self.made.seeds["role_requirements"] = requirements
        self.made.seeds["licences"] = [
            {
                "licence_id": "year",
                "seats": int(self.rng.integers(60, 700)),
                "cost_per_seat": 120,
                "period_start": "2026-01-01",
                "period_end": "2026-12-31",
            },
            {
                "licence_id": "spring",
                "seats": int(self.rng.integers(1, 40)),
                "cost_per_seat": "33.5",
                "period_start": "2026-05-20",
                "period_end": "2026-08-19",
            },
            {
                "licence_id": "over",
                "seats": 99,
                "cost_per_seat": 10,
                "period_start": "2026-01-01",
                "period_end": "2026-06-29",
            },
        ]

    def _people(self) -> list[str]:
        rows: list[Row] = []
        people: list[str] = []
        for unit in self.units:
            for _ in range(int(self.rng.integers(0, 15))):
                person = f"p{len(people):04d}"
                people.append(person)
                rows += self._person(person, unit)
        self.made.feeds["people"] = rows
        return people

    def _person(self, person: str, unit: str) -> list[Row]:
        hired = self.day(date(2025, 1, 1), date(2025, 12, 31))
        if self.chance(0.35):
            hired = self.day(date(2026, 2, 1), date(2026, 7, 15))
        row: Row = {
            "person_id": person,
            "full_name": f"Person {person}",
            "org_unit_id": self.pick([unit] * 20 + [None, "gone"]),
            "job_role": self.pick([*ROLES, None]),
            "leader_level": "elt" if self.chance(0.04) else self.pick(["none", "manager"]),
            "employment_type": "contractor" if self.chance(0.12) else "employee",
            "hired_on": None if self.chance(0.03) else hired,
            "role_started_on": self.pick([None, hired, hired + timedelta(days=60)]),
            "valid_from": max(FIRST, hired - timedelta(days=self.pick([0, 20]))),
        }
        versions = [row]
        for _ in range(int(self.rng.integers(0, 4))):
            before = versions[-1]
            if before["valid_from"] >= LAST - timedelta(days=2):
                break
            turn = self.day(before["valid_from"] + timedelta(days=1))
            if self.chance(0.6):  # most changes in the months that are read
                turn = max(turn, self.day(date(2026, 3, 20), date(2026, 7, 5)))
            versions.append({**before, "valid_from": turn, **self._change(before, turn)})
            before["valid_to"] = turn
        if self.chance(0.06) and versions[-1]["valid_from"] < LAST:  # vanishes from the snapshots
            versions[-1]["valid_to"] = self.day(versions[-1]["valid_from"] + timedelta(days=1))
        return versions

    def _change(self, before: Row, turn: date) -> Row:
        kind = self.pick(["unit", "role", "leave", "leave", "leave", "leaves", "line", "level"])
        if kind == "unit":
            return {"org_unit_id": self.pick(self.units)}
        if kind == "role":
            return {"job_role": self.pick(ROLES), "role_started_on": turn}
        if kind == "leave":
            if before.get("leave_from") and self.chance(0.6):
                return self.pick(
                    [
                        {"leave_from": None, "leave_to": None},
                        {"leave_to": max(turn, before["leave_from"])},
                        {"leave_from": before["leave_from"] + timedelta(days=3), "leave_to": None},
                        {"leave_from": before["leave_from"] - timedelta(days=9)},
                    ]
                )
            start = turn + timedelta(days=int(self.rng.integers(-20, 20)))
            end = start + timedelta(days=int(self.rng.integers(0, 70)))
            return {"leave_from": start, "leave_to": None if self.chance(0.2) else end}
        if kind == "leaves":
            return {"left_on": turn + timedelta(days=int(self.rng.integers(-5, 30)))}
        if kind == "line":
            return {"employment_type": self.pick(["employee", "contractor"])}
        return {"leader_level": self.pick(["elt", "none"])}

    def _enrolments(self, people: list[str]) -> None:
        rows: list[Row] = []
        number = 0
        for person in people:
            for _ in range(int(self.rng.integers(0, 7))):
                number += 1
                rows += self._enrolment(f"e{number:05d}", person)
        self.made.feeds["enrolments"] = rows

    def _enrolment(self, enrolment: str, person: str) -> list[Row]:
        enrolled = self.day(date(2025, 11, 1), date(2026, 6, 20))
        due = enrolled + timedelta(days=int(self.rng.integers(3, 70)))
        row: Row = {
            "enrolment_id": enrolment,
            "person_id": person,
            "course_id": self.pick([*self.course_ids, "unlisted"]),
            "enrolled_at": self.moment(enrolled),
            "due_at": None if self.chance(0.1) else self.moment(due),
            "status": "enrolled",
            "valid_from": enrolled + timedelta(days=1),
        }
        versions = [row]

        def next_version(turn: date, **changes: Any) -> None:
            if versions[-1]["valid_from"] < turn <= LAST:
                versions[-1]["valid_to"] = turn
                versions.append({**versions[-1], "valid_from": turn, "valid_to": None, **changes})

        turn = enrolled
        if self.chance(0.2):  # another date is agreed; the first one counts
            turn = self.day(enrolled + timedelta(days=2), due + timedelta(days=30))
            next_version(turn, due_at=self.moment(due + timedelta(days=30)))
        for _ in range(int(self.rng.integers(0, 5))):
            turn = turn + timedelta(days=int(self.rng.integers(2, 30)))
            what = self.pick(["completed", "cancelled", "cancelled", "again", "vanish"])
            if what == "completed" and "completed_at" not in versions[-1]:
                done = self.moment(turn - timedelta(days=1))
                next_version(turn, status="completed", completed_at=done)
            elif what == "cancelled":
                next_version(turn, status=self.pick(["cancelled", "withdrawn"]))
            elif what == "again":
                next_version(turn, status="enrolled")
            elif what == "vanish" and versions[-1]["valid_from"] < turn <= LAST:
                versions[-1]["valid_to"] = turn
                break
        return versions

    def _activity(self, people: list[str]) -> None:
        days = [self.day(date(2026, 3, 25), date(2026, 7, 3)) for _ in range(45)]
        days += [date(2026, 3, 31), date(2026, 4, 1), date(2026, 4, 2), date(2026, 6, 30)]
        rows: list[Row] = []
        for number in range(len(people) * 2):
            verb, shortest = self.pick(VERBS)
            seconds = self.pick([None, 0, (shortest or 0) - 1, shortest or 0, 900])
            rows.append(
                {
                    "event_id": f"a{number:05d}",
                    "person_id": self.pick(people),
                    "course_id": self.pick([*self.course_ids, None, "unlisted"]),
                    "verb": verb,
                    "occurred_at": f"{self.pick(days)} 12:00:00+00",
                    "duration_seconds": max(seconds, 0) if seconds is not None else None,
                }
            )
        self.made.feeds["activity"] = rows

    def _proofs(self, people: list[str]) -> None:
        attempts: list[Row] = []
        certificates: list[Row] = []
        for person in people:
            for _ in range(int(self.rng.integers(0, self.pick([3, 20])))):
                by_course = self.chance(0.4)
                attempts.append(
                    {
                        "attempt_id": f"t{len(attempts):05d}",
                        "person_id": person,
                        "competency_id": None if by_course else self.pick(COMPETENCIES),
                        "course_id": self.pick(self.course_ids) if by_course else None,
                        "attempted_at": self.moment(self.day(date(2025, 6, 1))),
                        "passed": self.pick([True, True, True, False, None]),
                    }
                )
            for _ in range(int(self.rng.integers(0, 4))):
                issued = self.day(date(2025, 3, 1))
                expires = issued + timedelta(days=int(self.rng.integers(60, 500)))
                certificates.append(
                    {
                        "certification_id": f"k{len(certificates):05d}",
                        "person_id": person,
                        "competency_id": self.pick(COMPETENCIES),
                        "issued_at": self.moment(issued),
                        "expires_at": None if self.chance(0.3) else self.moment(expires),
                        "revoked_at": (
                            self.moment(issued + timedelta(days=self.pick([40, 200])))
                            if self.chance(0.1)
                            else None
                        ),
                    }
                )
        self.made.feeds["assessments"] = attempts
        self.made.feeds["certifications"] = certificates

    def _leadership(self, people: list[str]) -> None:
        first, second = self.pick(people), self.pick(people)
        roles: list[Row] = [
            {
                "role": "executive_sponsor",
                "org_unit_id": "all",
                "person_id": person,
                "valid_from": start,
                "valid_to": end,
            }
            for person, start, end in (
                (first, "2000-01-01", "2026-05-13"),
                (second, "2026-05-13", None),
            )
        ]
        leaders = [first, second]
        for row in self.made.feeds["org_units"]:  # sponsors by the feed
            if self.chance(0.3):
                row["sponsor_person_id"] = self.pick(people)
                leaders.append(row["sponsor_person_id"])
        for unit in self.units:  # and by the charter, for some time
            if not self.chance(0.25):
                continue
            start = self.day(date(2026, 1, 1), date(2026, 6, 30))
            end = self.day(start + timedelta(days=1), date(2026, 8, 31))
            leaders.append(self.pick(people))
            roles.append(
                {
                    "role": "sponsor",
                    "org_unit_id": unit,
                    "person_id": leaders[-1],
                    "valid_from": str(start),
                    "valid_to": str(end) if self.chance(0.5) else None,
                }
            )
        for unit in self.units:
            if self.chance(0.2):
                leaders.append(self.pick(people))
                roles.append(
                    {
                        "role": self.pick(["unit_head", "elt_member"]),
                        "org_unit_id": self.pick([unit, "*"]),
                        "person_id": leaders[-1],
                        "valid_from": str(self.day(date(2026, 1, 1), date(2026, 6, 30))),
                    }
                )
        self.made.seeds["governance_roles"] = roles
        bosses = [self.pick(people) for _ in range(25)]
        manager_of = {person: self.pick([*bosses, None]) for person in people}
        for row in self.made.feeds["people"]:
            row["manager_id"] = manager_of[row["person_id"]]
        kinds = ("town_hall", "email", "budget_approval", "review_attended", "time_freed")
        self.made.feeds["leader_actions"] = [
            {
                "action_id": f"l{number:03d}",
                "person_id": self.pick([first, second, *leaders, self.pick(people)]),
                "kind": self.pick(kinds),
                "audience_org_unit_id": self.pick(["all", None, "gone", *self.units]),
                "happened_on": self.day(date(2026, 1, 1)),
            }
            for number in range(400)
        ]
        self._log(leaders)
        self._messages(bosses)
        self._flagship(leaders)

    def _flagship(self, leaders: list[str]) -> None:
        """Leaders who complete a flagship course in spring."""
        for number, person in enumerate(leaders):
            if self.chance(0.3):
                continue
            started, done = date(2026, 2, 1), self.day(date(2026, 4, 1), date(2026, 5, 5))
            self.made.feeds["enrolments"].append(
                {
                    "enrolment_id": f"f{number:03d}",
                    "person_id": person,
                    "course_id": self.pick(["c03", "c07"]),
                    "enrolled_at": self.moment(started),
                    "due_at": None,
                    "status": "completed",
                    "completed_at": self.moment(done),
                    "valid_from": started,
                }
            )

    def _log(self, leaders: list[str]) -> None:
        """Decisions and commitments: told late, moved, closed, withdrawn, no longer told."""
        rows: list[Row] = []
        for number in range(260):
            asked = self.day(date(2025, 12, 1), date(2026, 7, 10))
            told = asked + timedelta(days=self.pick([0, 0, 1, 12]))
            due = asked + timedelta(days=int(self.rng.integers(1, 60)))
            entry: Row = {
                "entry_id": f"d{number:03d}",
                "kind": self.pick(["decision", "commitment", "commitment", "action"]),
                "title": f"Entry {number}",
                "org_unit_id": self.pick([*self.units, "gone", None]),
                "owner_person_id": self.pick([*leaders, None]),
                "asked_on": asked,
                "due_on": None if self.chance(0.15) else due,
                "valid_from": told,
            }
            versions = [entry]
            for what in ("moved", "ended"):
                if not self.chance(0.6):
                    continue
                before = versions[-1]
                day = asked + timedelta(days=int(self.rng.integers(1, 70)))
                turn = max(day + timedelta(days=self.pick([0, 3])), before["valid_from"])
                turn += timedelta(days=turn == before["valid_from"])
                if what == "moved":
                    change: Row = {"due_on": day + timedelta(days=20)}
                elif self.chance(0.15):
                    before["valid_to"] = turn  # no longer in the list
                    continue
                elif self.chance(0.1):
                    change = {"outcome": "withdrawn", "closed_on": day}
                elif entry["kind"] == "decision":
                    change = {"outcome": "approved", "decided_on": day}
                else:
                    change = {"closed_on": day}
                before["valid_to"] = turn
                versions.append({**before, "valid_to": None, "valid_from": turn, **change})
            rows += versions
        self.made.feeds["decisions"] = rows

    def _messages(self, bosses: list[str]) -> None:
        messages = []
        for number in range(12):
            issued = self.day(date(2026, 1, 1), date(2026, 6, 30))
            messages.append(
                {
                    "message_id": f"m{number:02d}",
                    "core_sentence": "Learning is part of the work.",
                    "audience_org_unit_id": self.pick(["*", "all", *self.units]),
                    "issued_on": str(issued),
                    "expires_on": str(issued + timedelta(days=self.pick([30, 30, 60]))),
                }
            )
            self.made.feeds["leader_actions"] += [
                {
                    "action_id": f"k{number:02d}-{boss}-{day}",
                    "person_id": boss,
                    "kind": "manager_cascade",
                    "audience_org_unit_id": None,
                    "message_id": f"m{number:02d}",
                    "happened_on": issued + timedelta(days=day),
                }
                for boss in sorted(set(bosses))
                for day in (-1, 4, 30)
                if self.chance(0.2)
            ]
        self.made.seeds["messages"] = messages

    def _outcomes(self) -> None:
        rows: list[Row] = []
        for unit in self.units:
            if not self.chance(0.4):
                continue
            direction = "up"
            for quarter in ("2024-07", "2024-10", "2025-01", "2025-04", "2025-07", "2026-04"):
                if self.chance(0.06):
                    continue
                rows.append(
                    {
                        "org_unit_id": unit,
                        "metric": "productivity_index",
                        "period_start": f"{quarter}-01",
                        "numerator": int(self.rng.integers(1000, 9000)),
                        "denominator": int(self.rng.integers(10, 90)),
                        "direction": direction,
                    }
                )
        self.made.feeds["business_outcomes"] = rows
        self.made.seeds["programme"] = [
            {
                "org_unit_id": unit,
                "launch_on": launch,
                "outcome_metric": "productivity_index",
                "outcome_lag_quarters": lag,
                "valid_from": "2000-01-01",
            }
            for unit, launch, lag in (
                ("*", "2025-08-15", 1),  # a baseline of 2024-07 to 2025-06
                (self.units[0], "2025-10-01", 3),  # due from the third quarter of 2026 on
            )
        ]
