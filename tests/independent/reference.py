"""Every KPI once more, in Python, pandas and lifelines, from section 4 of the design alone.

Nothing of the product is used. Where the design leaves room, the reading is stated beside it:

- a person is employed from ``hired_on`` on and before ``left_on``; who vanishes from the snapshots
  has left by the first one without them;
- leave is the set of days that snapshots up to the period's end state; a spell that a later
  snapshot no longer states was leave until that snapshot;
- an enrolment is what its last version says, cut at the period's end by its own dates; it is
  cancelled since the first of the cancelled versions that lead up to the last one;
- a course of which nothing says that it is mandatory is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

import pandas as pd

from tests.independent.random_organisation import Organisation, Row

ZONE = ZoneInfo("Europe/London")
DAY = timedelta(days=1)
FOREVER = date(9999, 12, 31)
LEARNING = {
    "http://adlnet.gov/expapi/verbs/completed": 0,
    "http://adlnet.gov/expapi/verbs/experienced": 30,
    "http://adlnet.gov/expapi/verbs/attempted": 60,
}
VISIBLE = {"town_hall", "email", "manager_cascade"}
Figure = tuple[float | None, float | None, float | None]  # numerator, denominator, value


def local(moment: str | None) -> date | None:
    return datetime.fromisoformat(moment).astimezone(ZONE).date() if moment else None


def as_date(value: Any) -> date | None:
    return date.fromisoformat(value) if isinstance(value, str) and value else value or None


def holds(version: Row, day: date) -> bool:
    return version["valid_from"] <= day and (
        version.get("valid_to") is None or version["valid_to"] > day
    )


def days_of(first: date, last: date) -> set[date]:
    return {first + n * DAY for n in range((last - first).days + 1)}


def versions_by(rows: Iterable[Row], key: str) -> dict[str, list[Row]]:
    grouped: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["valid_from"]):
        grouped.setdefault(row[key], []).append(row)
    return grouped


@dataclass(frozen=True)
class Person:
    """A person as known at the period's end."""

    id: str
    unit: str
    line: str
    role: str | None
    level: str | None
    hired: date | None
    left: date | None
    role_started: date | None
    leave: frozenset[date]

    def employed(self, day: date) -> bool:
        return (self.hired is None or self.hired <= day) and (self.left is None or day < self.left)


TOLD_BY = {
    "enrolments": (
        "on_time_completion_rate",
        "elective_completion_rate",
        "mandatory_short_notice",
        "mandatory_overdue_today",
        "adoption_velocity",
        "adoption_velocity_mandatory",
        "leaders_flagship_completed",
    ),
    "assessments": ("time_to_competency", "competency_by_day_90", "competency_at_risk"),
    "certifications": ("certification_rate", "certifications_lapsing_60d"),
}
"""KPIs that only one feed can tell."""


class Reference:
    """The KPIs of one period."""

    def __init__(self, organisation: Organisation, start: date, end: date) -> None:
        self.organisation = organisation
        self.feeds, self.seeds = organisation.feeds, organisation.seeds
        self.start, self.end = start, end

    # --- the organisation as it was ---

    @cached_property
    def parents(self) -> dict[str, str | None]:
        rows = [row for row in self.feeds["org_units"] if holds(row, self.end)]
        return {row["org_unit_id"]: row.get("parent_org_unit_id") for row in rows}

    def above(self, unit: str) -> list[str]:
        """The unit and every unit above it."""
        found: list[str] = []
        step: str | None = unit
        while step is not None:
            found.append(step)
            step = self.parents[step]
        return found

    @cached_property
    def people(self) -> dict[str, Person]:
        found = {}
        for person, versions in versions_by(self.feeds["people"], "person_id").items():
            known = [v for v in versions if v["valid_from"] <= self.end]
            if not known:
                continue
            last = known[-1]
            left = last.get("left_on")
            gone = last.get("valid_to")
            if gone is not None and gone <= self.end:
                left = min(left or FOREVER, gone)
            unit = last["org_unit_id"]
            found[person] = Person(
                person,
                unit if unit in self.parents else "all",
                last["employment_type"],
                last["job_role"],
                last["leader_level"],
                last["hired_on"],
                left,
                last["role_started_on"],
                self._leave(known),
            )
        return found

    def _leave(self, known: list[Row]) -> frozenset[date]:
        days: set[date] = set()
        last_of = {v["leave_from"]: v for v in known if v.get("leave_from")}
        for first, version in last_of.items():
            last = version.get("leave_to") or self.end
            if version.get("valid_to") is not None and version["valid_to"] <= self.end:
                last = min(last, version["valid_to"] - DAY)
            days |= days_of(max(first, self.start - 400 * DAY), min(last, self.end + 400 * DAY))
        return frozenset(days)

    @cached_property
    def eligible(self) -> dict[str, Person]:
        span = days_of(self.start, self.end)
        return {
            p.id: p
            for p in self.people.values()
            if p.employed(self.end)
            and 2 * len(p.leave & span) <= len(span)
            and (p.hired is None or (self.end - p.hired).days + 1 >= 31)
        }

    @cached_property
    def courses(self) -> dict[str, Row]:
        """Courses as known at the period's end; the first version where none is that old."""
        found = {}
        for course, versions in versions_by(self.feeds["courses"], "course_id").items():
            last = ([v for v in versions if v["valid_from"] <= self.end] or versions[:1])[-1]
            retired = last.get("retired_on")
            gone = last.get("valid_to")
            if gone is not None and gone <= self.end:
                retired = min(retired or FOREVER, gone)
            mandatory = bool(last["is_mandatory"])
            found[course] = {**last, "retired_on": retired, "is_mandatory": mandatory}
        return found

    # --- roll-up ---

    def roll_up(self, counted: Iterable[tuple[str, str, float, float]]) -> dict[Any, Figure]:
        """Sums of (unit, line, numerator, denominator) for each unit and those above it."""
        rows = [
            (above, line, top, bottom)
            for unit, line, top, bottom in counted
            for above in self.above(unit)
        ]
        frame = pd.DataFrame(rows, columns=["unit", "line", "above", "below"])
        sums = frame.groupby(["unit", "line"])[["above", "below"]].sum()
        return {
            (str(unit), str(line)): (float(row["above"]), float(row["below"]), None)
            for (unit, line), row in sums.iterrows()
        }

    def rate(self, counted: Iterable[tuple[str, str, float, float]]) -> dict[Any, Figure]:
        return {
            place: (top, bottom, 100 * top / bottom)
            for place, (top, bottom, _) in self.roll_up(counted).items()
            if top is not None and bottom
        }

    def count(self, counted: Iterable[tuple[str, str, float, float]]) -> dict[Any, Figure]:
        return {
            place: (top, bottom, top)
            for place, (top, bottom, _) in self.roll_up(counted).items()
            if bottom
        }

    # --- learning ---

    def learned(self, first: date, last: date, voluntary: bool) -> set[str]:
        """People with an event that counts as learning."""
        versions = versions_by(self.feeds["courses"], "course_id")
        found = set()
        for event in self.feeds["activity"]:
            day = local(event["occurred_at"])
            if day is None or not first <= day <= last or event["verb"] not in LEARNING:
                continue
            if (event["duration_seconds"] or 0) < LEARNING[event["verb"]]:
                continue
            of_course = versions.get(event["course_id"], [])
            then = [v for v in of_course if holds(v, day)]
            if voluntary and any(v["is_mandatory"] for v in then):
                continue
            found.add(event["person_id"])
        return found

    @property
    def learning_is_known(self) -> bool:
        """Else nobody has said whether anybody learned: no data, and no zero."""
        return self.organisation.activity_until >= self.start

    def active(self, voluntary: bool) -> dict[Any, Figure]:
        if not self.learning_is_known:
            return {}
        learned = self.learned(self.start, self.end, voluntary)
        return self.rate((p.unit, p.line, p.id in learned, 1) for p in self.eligible.values())

    # --- enrolments ---

    @cached_property
    def enrolments(self) -> list[Row]:
        found = []
        for versions in versions_by(self.feeds["enrolments"], "enrolment_id").values():
            last = versions[-1]
            dues = [v["due_at"] for v in versions if v["due_at"]]
            cancelled = last.get("valid_to")
            for version in reversed(versions):
                if version["status"] not in ("cancelled", "withdrawn"):
                    break
                cancelled = version["valid_from"]
            found.append(
                {
                    "person": last["person_id"],
                    "course": last["course_id"],
                    "enrolled": min(local(v["enrolled_at"]) or FOREVER for v in versions),
                    "due": local(dues[0]) if dues else None,
                    "completed": local(last.get("completed_at")),
                    "cancelled": cancelled,
                }
            )
        return found

    def due(self, mandatory: bool) -> list[tuple[Person, Row]]:
        """Enrolments due in the period that count."""
        found = []
        for row in self.enrolments:
            due, person = row["due"], self.people.get(row["person"])
            if due is None or not self.start <= due <= self.end or person is None:
                continue
            course = self.courses.get(row["course"], {"is_mandatory": False, "retired_on": None})
            if course["is_mandatory"] != mandatory:
                continue
            if not person.employed(due) or due in person.leave:
                continue
            if course["retired_on"] is not None and course["retired_on"] < due:
                continue
            cancelled, completed = row["cancelled"], row["completed"]
            is_done = completed is not None and cancelled is not None and completed <= cancelled
            if cancelled is not None and cancelled <= due and not is_done:
                continue
            joined = person.hired
            if not mandatory and joined is not None and (due - joined).days + 1 < 31:
                continue
            found.append((person, row))
        return found

    def on_time(self, mandatory: bool) -> dict[Any, Figure]:
        return self.rate(
            (p.unit, p.line, row["completed"] is not None and row["completed"] <= row["due"], 1)
            for p, row in self.due(mandatory)
        )

    def short_notice(self) -> dict[Any, Figure]:
        return self.count(
            (p.unit, p.line, (row["due"] - row["enrolled"]).days < 14, 1)
            for p, row in self.due(True)
        )

    def overdue(self) -> dict[Any, Figure]:
        late: dict[str, bool] = {}
        for row in self.enrolments:
            person, course = self.people.get(row["person"]), self.courses.get(row["course"])
            if person is None or not person.employed(self.end) or self.end in person.leave:
                continue
            if course is None or not course["is_mandatory"]:
                continue
            if course["retired_on"] is not None and course["retired_on"] <= self.end:
                continue
            cancelled = row["cancelled"]
            if row["enrolled"] > self.end or (cancelled is not None and cancelled <= self.end):
                continue
            is_open = row["completed"] is None or row["completed"] > self.end
            is_late = is_open and row["due"] is not None and row["due"] <= self.end
            late[person.id] = late.get(person.id, False) or is_late
        return self.count(
            (self.people[p].unit, self.people[p].line, is_late, 1) for p, is_late in late.items()
        )

    def velocity(self, mandatory: bool) -> dict[Any, Figure]:
        firsts: dict[tuple[str, str], date] = {}
        for row in self.enrolments:
            if row["completed"] is not None:
                key = (row["person"], row["course"])
                firsts[key] = min(firsts.get(key, FOREVER), row["completed"])
        done: dict[str, int] = dict.fromkeys(self.eligible, 0)
        for (person, course), day in firsts.items():
            if person in done and course in self.courses and self.start <= day <= self.end:
                done[person] += self.courses[course]["is_mandatory"] == mandatory
        return self.rate((p.unit, p.line, done[p.id], 1) for p in self.eligible.values())

    # --- competency ---

    def required(self, person: Person) -> dict[str, tuple[date, int]]:
        """Competencies required of a person: start of the clock, days of grace."""
        as_of = min(self.end, person.left or self.end)
        found: dict[str, tuple[date, int]] = {}
        for row in sorted(self.seeds["role_requirements"], key=lambda row: row["valid_from"]):
            if (
                row["job_role"] in ("*", person.role)
                and row["org_unit_id"] in ("*", *self.above(person.unit))
                and holds(row, as_of)
                and row["competency_id"] not in found
            ):
                began = person.role_started or person.hired or row["valid_from"]
                start = max(began, row["valid_from"])
                found[row["competency_id"]] = (start, row["grace_days"])
        return found

    def valid_certificates(self, person: str, competency: str, day: date) -> list[Row]:
        found = []
        for row in self.certificates.get((person, competency), []):
            ends = min(row["expires"] or FOREVER, row["revoked"] or FOREVER)
            if row["issued"] <= day < ends:
                found.append(row)
        return found

    @cached_property
    def certificates(self) -> dict[tuple[str, str], list[Row]]:
        found: dict[tuple[str, str], list[Row]] = {}
        for row in self.feeds["certifications"]:
            found.setdefault((row["person_id"], row["competency_id"]), []).append(
                {
                    "issued": local(row["issued_at"]),
                    "expires": local(row["expires_at"]),
                    "revoked": local(row["revoked_at"]),
                }
            )
        return found

    @cached_property
    def pairs(self) -> list[tuple[Person, list[Row]]]:
        """Required pairs past grace, with the certificates valid at the period's end."""
        return [
            (person, self.valid_certificates(person.id, competency, self.end))
            for person in self.eligible.values()
            for competency, (start, grace) in self.required(person).items()
            if start + grace * DAY <= self.end
        ]

    def certified(self) -> dict[Any, Figure]:
        return self.rate((p.unit, p.line, bool(valid), 1) for p, valid in self.pairs)

    def lapsing(self) -> dict[Any, Figure]:
        def last(valid: list[Row]) -> date:
            return max(row["expires"] or FOREVER for row in valid)

        return self.count(
            (p.unit, p.line, last(valid) <= self.end + 60 * DAY, 1)
            for p, valid in self.pairs
            if valid
        )

    @cached_property
    def clocks(self) -> pd.DataFrame:
        """Clocks started in the trailing 12 months: unit, line, days, passed."""
        span = days_of(self.start, self.end)
        opens = (self.end + DAY).replace(year=self.end.year - 1)
        passed: dict[tuple[str, str], list[date]] = {}
        for row in self.feeds["assessments"]:
            course = self.courses.get(row["course_id"], {})
            competency = row["competency_id"] or course.get("competency_id")
            day = local(row["attempted_at"])
            if row["passed"] and day is not None:
                passed.setdefault((row["person_id"], competency), []).append(day)
        rows = []
        for person in self.people.values():
            if person.hired is not None and person.hired > self.end:
                continue  # announced only
            if person.employed(self.end) and 2 * len(person.leave & span) > len(span):
                continue
            for competency, (start, _) in self.required(person).items():
                if not opens <= start <= self.end or start > (person.left or FOREVER):
                    continue
                before = self.valid_certificates(person.id, competency, start)
                if any(row["issued"] < start for row in before):
                    continue
                until = min(self.end, person.left or self.end)
                days = [d for d in passed.get((person.id, competency), []) if start <= d <= until]
                ended = min(days, default=until)
                for unit in self.above(person.unit):
                    rows.append((unit, person.line, (ended - start).days, bool(days)))
        return pd.DataFrame(rows, columns=["unit", "line", "days", "passed"])

    def competency(self) -> dict[str, dict[Any, tuple[Any, ...]]]:
        """Median with its interval, share by day 90, at risk at the median, by unit and line."""
        from lifelines import KaplanMeierFitter
        from lifelines.utils import median_survival_times

        found: dict[str, dict[Any, tuple[Any, ...]]] = {
            "time_to_competency": {},
            "competency_by_day_90": {},
            "competency_at_risk": {},
        }
        for place, group in self.clocks.groupby(["unit", "line"]):
            fitter = KaplanMeierFitter().fit(group.days, group.passed)
            curve = fitter.survival_function_.round(9)  # 0.5 less a rounding error is 0.5
            band = fitter.confidence_interval_.round(9)
            median = median_survival_times(curve)
            reached = median != float("inf")
            lower, upper = (median_survival_times(band[[name]]) for name in band)
            at_risk = fitter.event_table.at_risk.get(median) if reached else None
            total = float(len(group))
            limits = [
                None if edge == float("inf") or not reached else edge for edge in (lower, upper)
            ]
            found["time_to_competency"][place] = (
                float(group.passed.sum()),
                total,
                median if reached else None,
                *limits,
            )
            left = float(fitter.predict(90))
            watched = group.days.max() >= 90 or curve.iloc[-1, 0] == 0
            found["competency_by_day_90"][place] = (
                float((group.passed & (group.days <= 90)).sum()),
                total,
                100 * (1 - left) if watched else None,
            )
            found["competency_at_risk"][place] = (at_risk, total, at_risk)
        return found

    # --- quarterly and leadership ---

    def seats(self) -> tuple[Figure, Figure]:
        """Seat use and idle cost of the whole."""
        learned = self.learned(self.end - 89 * DAY, self.end, voluntary=False)
        active = sum(p.id in learned for p in self.eligible.values() if p.line == "employee")
        seats, cost = 0.0, 0.0
        for row in self.seeds["licences"]:
            first, last = (date.fromisoformat(row[f"period_{side}"]) for side in ("start", "end"))
            if first <= self.end <= last:
                share = ((self.end - max(first, self.start)).days + 1) / ((last - first).days + 1)
                seats += row["seats"]
                cost += row["seats"] * float(row["cost_per_seat"]) * share
        idle = cost * max(seats - active, 0) / seats
        if not self.learning_is_known:
            return (active, seats, None), (idle, seats, None)
        return (active, seats, 100 * active / seats), (idle, seats, idle)

    def performance(self) -> dict[Any, Figure]:
        """Change of the declared outcome against the four quarters before launch."""
        outcomes: dict[str, dict[date, Row]] = {}
        for row in self.feeds["business_outcomes"]:
            quarter = as_date(row["period_start"])
            assert quarter is not None
            outcomes.setdefault(row["org_unit_id"], {})[quarter] = row
        found: dict[Any, Figure] = {}
        for unit in self.parents:
            rows = self.seeds["programme"]
            declared = next((r for r in rows if r["org_unit_id"] == unit), rows[0])
            launch = pd.Timestamp(declared["launch_on"]).to_period("Q")
            due = (
                pd.Timestamp(self.start).to_period("Q") >= launch + declared["outcome_lag_quarters"]
            )
            baseline = [(launch - n).start_time.date() for n in range(1, 5)]
            used = {self.start, *baseline}
            reports = {
                u
                for u, quarters in outcomes.items()
                if u in self.parents and unit in self.above(u) and used & set(quarters)
            }
            top = [u for u in reports if not (set(self.above(u)[1:]) & reports)]
            complete = [outcomes[u] for u in top if used <= set(outcomes[u])]
            if not due or not complete:
                continue
            now = sum(q[self.start]["numerator"] for q in complete) / sum(
                q[self.start]["denominator"] for q in complete
            )
            then = sum(q[day]["numerator"] for q in complete for day in baseline) / sum(
                q[day]["denominator"] for q in complete for day in baseline
            )
            found[unit, "employee"] = (now, then, 100 * (now - then) / then)
        return found

    def sponsors(self, unit: str, first: date) -> set[tuple[str, str]]:
        """Who was the unit's sponsor in the week of ``first``, and of which unit.

        The unit's own, else of the nearest unit above: the charter's before the one that the feed
        names, and the executive sponsor where nobody is named. The whole has only the latter.
        """

        def in_role(role: str, of: str) -> set[str]:
            return {
                row["person_id"]
                for row in self.seeds["governance_roles"]
                if (row["role"], row["org_unit_id"]) == (role, of)
                and (as_date(row["valid_from"]) or FOREVER) <= first + 6 * DAY
                and (as_date(row["valid_to"]) or FOREVER) > first
            }

        def by_feed(of: str) -> set[str]:
            return {
                row["sponsor_person_id"]
                for row in self.feeds["org_units"]
                if row["org_unit_id"] == of
                and row.get("sponsor_person_id")
                and row["valid_from"] <= first + 6 * DAY
                and (row.get("valid_to") or FOREVER) > first
            }

        if unit != "all":
            for of in self.above(unit):
                found = in_role("sponsor", of) or by_feed(of)
                if found:
                    return {(person, of) for person in found}
        return {(person, "all") for person in in_role("executive_sponsor", "all")}

    def sponsor_weeks(self, unit: str) -> Figure | None:
        """Of the 13 whole weeks up to the period's end, those with an action the unit could see."""
        monday = self.end + DAY
        monday -= monday.weekday() * DAY
        visible = weeks = recorded = sponsored = 0
        for back in range(1, 14):
            first = monday - 7 * back * DAY
            counts = seen = False
            for holder, _ in self.sponsors(unit, first):
                sponsored += 1
                actions = [
                    row
                    for row in self.feeds["leader_actions"]
                    if row["person_id"] == holder and first <= row["happened_on"] <= first + 6 * DAY
                ]
                recorded += len(actions)
                person = self.people.get(holder)
                if person is not None and days_of(first, first + 4 * DAY) <= person.leave:
                    continue
                counts = True
                seen |= any(
                    row["kind"] in VISIBLE
                    and (unit == "all" or row["audience_org_unit_id"] in {None, *self.above(unit)})
                    for row in actions
                )
            weeks += counts
            visible += seen
        if not sponsored:
            return None
        # no record is no zero, and no week in the role neither
        return visible, weeks, visible if recorded and weeks else None

    def flagship(self) -> dict[Any, Figure]:
        done = {
            row["person"]
            for row in self.enrolments
            if row["completed"] is not None
            and row["completed"] <= self.end
            and self.courses.get(row["course"], {}).get("is_flagship")
        }
        leaders = [p for p in self.eligible.values() if p.level == "elt"]
        return self.rate((p.unit, p.line, p.id in done, 1) for p in leaders)

    def figures(self, grain: str) -> dict[str, dict[Any, tuple[Any, ...]]]:
        """(unit, line) to numerator, denominator, value (and the median's interval), by KPI."""
        kpis: dict[str, Callable[[], dict[Any, Any]]] = {
            "active_learner_rate": lambda: self.active(voluntary=True),
            "active_learner_rate_total": lambda: self.active(voluntary=False),
            "on_time_completion_rate": lambda: self.on_time(mandatory=True),
            "elective_completion_rate": lambda: self.on_time(mandatory=False),
            "mandatory_short_notice": self.short_notice,
            "mandatory_overdue_today": self.overdue,
            "adoption_velocity": lambda: self.velocity(mandatory=False),
            "adoption_velocity_mandatory": lambda: self.velocity(mandatory=True),
        }
        if grain != "week":
            kpis |= {
                "certification_rate": self.certified,
                "certifications_lapsing_60d": self.lapsing,
                "leaders_flagship_completed": self.flagship,
                "sponsor_visible_weeks": lambda: {
                    (unit, "employee"): weeks
                    for unit in self.parents
                    if (weeks := self.sponsor_weeks(unit)) is not None
                },
            }
        if grain == "quarter":
            kpis |= {
                "performance_improvement": self.performance,
                "seat_use": lambda: {("all", "employee"): self.seats()[0]},
                "idle_seat_cost": lambda: {("all", "employee"): self.seats()[1]},
            }
        found = {kpi: compute() for kpi, compute in kpis.items()}
        found |= self.competency() if grain != "week" else {}
        for feed in self.organisation.never_delivered:  # no data, and no zero
            found |= {kpi: {} for kpi in TOLD_BY[feed] if kpi in found}
        return found
