"""The leadership indices once more, in plain Python, from section 4 of the design alone.

Readings where the design leaves room:

- an entry of the log is known from the day it was asked, however late it was told; its decision or
  close from the day of that; every other change from the day it was told;
- a commitment withdrawn by its first due date is left out, one withdrawn later was missed;
- what a leader owns is the same in every unit they lead.
"""

from __future__ import annotations

import calendar
from datetime import date, timedelta
from functools import cached_property
from statistics import median
from typing import Any

from tests.independent.random_organisation import Row
from tests.independent.reference import DAY, FOREVER, VISIBLE, Reference, as_date, days_of

LEADING = ("executive_sponsor", "sponsor", "unit_head", "elt_member")
Key = tuple[str | None, str, str]  # person (none: the unit), unit, index
Index = tuple[Any, Any, Any]  # numerator, denominator, value


def month(day: date, shift: int) -> tuple[date, date]:
    """First and last day of the month so many after that of a day."""
    year, number = divmod(day.year * 12 + day.month - 1 + shift, 12)
    return date(year, number + 1, 1), date(
        year, number + 1, calendar.monthrange(year, number + 1)[1]
    )


class Leadership(Reference):
    """The leadership indices of one month."""

    def spans(self) -> list[tuple[str, str, str, date, date, bool]]:
        """(role, unit, person, from, until, by the charter)"""
        found = [
            (
                row["role"],
                "all" if row["org_unit_id"] == "*" else row["org_unit_id"],
                row["person_id"],
                as_date(row["valid_from"]) or FOREVER,
                as_date(row.get("valid_to")) or FOREVER,
                True,
            )
            for row in self.seeds["governance_roles"]
        ]
        return found + [
            (
                "sponsor",
                row["org_unit_id"],
                row["sponsor_person_id"],
                row["valid_from"],
                row.get("valid_to") or FOREVER,
                False,
            )
            for row in self.feeds["org_units"]
            if row.get("sponsor_person_id")
        ]

    def holding(self, first: date, last: date) -> set[tuple[str, str, str]]:
        """(role, unit, person) of leading roles held on some day of those days."""
        held = [s for s in self.spans() if s[3] <= last and s[4] > first and s[1] in self.parents]
        by_charter = {
            unit for role, unit, _, _, _, charter in held if charter and role == "sponsor"
        }
        return {
            (role, unit, person)
            for role, unit, person, _, _, charter in held
            if charter or unit not in by_charter
        }

    @cached_property
    def leaders(self) -> set[tuple[str, str]]:
        return {(person, unit) for _, unit, person in self.holding(self.end, self.end)}

    def weeks(self) -> list[date]:
        monday = self.end + DAY
        monday -= monday.weekday() * DAY
        return [monday - 7 * back * DAY for back in range(1, 14)]

    def visible_weeks(self, person: str, unit: str) -> Index:
        visible = weeks = recorded = 0
        for first in self.weeks():
            in_role = {(u, p) for _, u, p in self.holding(first, first + 6 * DAY)}
            if (unit, person) not in in_role:
                continue
            actions = [
                row
                for row in self.feeds["leader_actions"]
                if row["person_id"] == person and first <= row["happened_on"] <= first + 6 * DAY
            ]
            recorded += len(actions)
            known = self.people.get(person)
            if known is not None and days_of(first, first + 4 * DAY) <= known.leave:
                continue
            weeks += 1
            visible += any(
                row["kind"] in VISIBLE and self.reaches(row["audience_org_unit_id"], unit)
                for row in actions
            )
        return visible, weeks, visible if weeks and recorded else None

    def reaches(self, audience: str | None, unit: str) -> bool:
        if audience is None or unit == "all":
            return True
        return audience in self.parents and (
            audience in self.above(unit) or unit in self.above(audience)
        )

    # --- the log ---

    @cached_property
    def log(self) -> list[Row]:
        entries: dict[str, list[Row]] = {}
        for row in sorted(self.feeds["decisions"], key=lambda row: row["valid_from"]):
            entries.setdefault(row["entry_id"], []).append(row)
        return [e for rows in entries.values() if (e := self._entry(rows)) is not None]

    def _entry(self, rows: list[Row]) -> Row | None:
        first = rows[0]
        if first["asked_on"] > self.end:
            return None
        state: Row = {"finished": None, "withdrawn": None, "known": False}
        ended = False
        for row in rows:
            day = row.get("closed_on") or row.get("decided_on")
            known = row["valid_from"]
            if day is not None and not ended:
                known, ended = min(known, day), True
            elif row is first:
                known = min(known, row["asked_on"])
            if known > self.end:
                continue
            state["known"] = True
            state |= {k: row[k] for k in ("kind", "owner_person_id", "org_unit_id")}
            state.setdefault("first_due", row["due_on"])
            state["first_due"] = state["first_due"] or row["due_on"]
            if day is not None and day <= self.end:
                state["withdrawn" if row.get("outcome") == "withdrawn" else "finished"] = day
        gone = rows[-1].get("valid_to")
        if gone is not None and not ended and gone <= self.end:
            state["withdrawn"] = gone
        unit = state.get("org_unit_id")
        state["unit"] = unit if unit in self.parents else "all"
        state["asked"] = first["asked_on"]
        return state if state["known"] else None

    def commitments(self) -> list[tuple[str | None, str, bool]]:
        """(owner, unit, closed by its first due date) of those due in the month."""
        return [
            (
                entry["owner_person_id"],
                entry["unit"],
                entry["finished"] is not None and entry["finished"] <= entry["first_due"],
            )
            for entry in self.log
            if entry["kind"] == "commitment"
            and entry["first_due"] is not None
            and self.start <= entry["first_due"] <= self.end
            and not (entry["withdrawn"] and entry["withdrawn"] <= entry["first_due"])
        ]

    def waits(self) -> list[tuple[str | None, str, int]]:
        """(owner, unit, days) of decisions that are open or were taken in the month."""
        return [
            (
                entry["owner_person_id"],
                entry["unit"],
                max(0, ((entry["finished"] or self.end) - entry["asked"]).days),
            )
            for entry in self.log
            if entry["kind"] == "decision"
            and entry["withdrawn"] is None
            and (entry["finished"] is None or entry["finished"] >= self.start)
        ]

    def still_waiting(self, unit: str) -> Index:
        """Days of the longest wait of a decision that is still open, and of how many."""
        days = [
            (self.end - entry["asked"]).days
            for entry in self.log
            if entry["kind"] == "decision"
            and entry["withdrawn"] is None
            and entry["finished"] is None
            and unit in self.above(entry["unit"])
        ]
        return (max(days), len(days), max(days)) if days else (None, None, None)

    # --- role modelling and messages ---

    @cached_property
    def flagship_days(self) -> dict[str, date]:
        found: dict[str, date] = {}
        for row in self.enrolments:
            day = row["completed"]
            if (
                day is not None
                and day <= self.end
                and self.courses.get(row["course"], {}).get("is_flagship")
            ):
                found[row["person"]] = min(day, found.get(row["person"], FOREVER))
        return found

    def sponsors_now(self, unit: str) -> set[str]:
        for of in self.above(unit):
            held = self.holding(self.end, self.end)
            found = {p for role, u, p in held if u == of and role == "sponsor"}
            if not found and of == "all":
                found = {p for role, u, p in held if u == of and role == "executive_sponsor"}
            if found:
                return found
        return set()

    def velocity_around(self, unit: str, shifts: tuple[int, int], built: set[date]) -> Index:
        days = [self.flagship_days[p] for p in self.sponsors_now(unit) if p in self.flagship_days]
        if not days:
            return None, None, None
        done = people = months = 0.0
        for shift in shifts:
            first, last = month(min(days), shift)
            if first not in built or first > self.start:
                continue
            figure = type(self)(self.organisation, first, last).velocities.get((unit, "employee"))
            if figure is not None:
                done, people, months = done + figure[0], people + figure[1], months + 1
        return done, people, 100 * done / people if months == 2 else None

    @cached_property
    def velocities(self) -> dict[Any, Any]:
        return self.velocity(mandatory=False)

    def managers(self, issued: date) -> dict[str, str]:
        """Who led somebody employed on that day, or had the level, and counts now; their unit then.

        Of people first known later, the first that is known of them stands for that day.
        """
        then: dict[str, Row] = {}
        for row in sorted(self.feeds["people"], key=lambda row: row["valid_from"]):
            if row["valid_from"] <= (issued if row["person_id"] in then else self.end):
                then[row["person_id"]] = row

        def employed(row: Row) -> bool:
            ends = [day for day in (row.get("left_on"), row.get("valid_to")) if day]
            return (row["hired_on"] or issued) <= issued and all(day > issued for day in ends)

        leading = {
            row["manager_id"]
            for row in then.values()
            if employed(row) and row["manager_id"] != row["person_id"]
        }
        return {
            person: row["org_unit_id"] if row["org_unit_id"] in self.parents else now.unit
            for person, row in then.items()
            if (now := self.eligible.get(person)) is not None
            and now.line == "employee"
            and employed(row)
            and (person in leading or row["leader_level"] == "manager")
            and (row["valid_from"] <= issued or (row["role_started_on"] or issued) <= issued)
        }

    def cascade(self, unit: str) -> Index:
        reaching = [
            (as_date(m["expires_on"]) >= self.end, m["issued_on"], m)  # type: ignore[operator]
            for m in self.seeds["messages"]
            if (as_date(m["issued_on"]) or FOREVER) <= self.end
            and (as_date(m["expires_on"]) or FOREVER) >= self.start
            and (m["audience_org_unit_id"].replace("*", "all")) in self.above(unit)
        ]
        if not reaching:
            return None, None, None
        _, issued, message = max(reaching, key=lambda found: found[:2])
        places = self.managers(date.fromisoformat(issued))
        managers = {p for p, of in places.items() if unit in self.above(of)}
        confirmed = {
            row["person_id"]
            for row in self.feeds["leader_actions"]
            if row["kind"] == "manager_cascade"
            and row.get("message_id") == message["message_id"]
            and date.fromisoformat(issued) <= row["happened_on"] <= self.end
        }
        audience = message["audience_org_unit_id"].replace("*", "all")
        anywhere = {p for p, of in places.items() if audience in self.above(of)} & confirmed
        mine = managers & confirmed
        share = 100 * len(mine) / len(managers) if managers and anywhere else None
        return len(mine), len(managers), share

    # --- all of them ---

    def indices(self, built: set[date]) -> dict[Key, Index]:
        found: dict[Key, Index] = {}
        reviews_from = self.weeks()[-1]
        for person, unit in self.leaders:
            found[person, unit, "visible_weeks"] = self.visible_weeks(person, unit)
            has = person in self.flagship_days
            found[person, unit, "leaders_flagship"] = (has, 1, 100 * has)
            own = [on_time for owner, _, on_time in self.commitments() if owner == person]
            found[person, unit, "commitments_on_time"] = self.share(own)
            days = [days for owner, _, days in self.waits() if owner == person]
            found[person, unit, "decision_wait_days"] = self.middle(days)
            attended = sum(
                row["person_id"] == person
                and row["kind"] == "review_attended"
                and reviews_from <= row["happened_on"] < reviews_from + timedelta(weeks=13)
                for row in self.feeds["leader_actions"]
            )
            found[person, unit, "reviews_attended"] = (attended or None, None, attended or None)
        learned = self.learned(self.start, self.end, voluntary=False)
        for unit in self.parents:
            weeks = self.sponsor_weeks(unit)
            found[None, unit, "visible_weeks"] = weeks or (None, None, None)
            leading = [
                p.id
                for p in self.eligible.values()
                if p.line == "employee"
                and p.level in ("elt", "senior", "manager")
                and unit in self.above(p.unit)
            ]
            found[None, unit, "leaders_active"] = self.share([p in learned for p in leading])
            found[None, unit, "leaders_flagship"] = self.share(
                [p in self.flagship_days for p in leading]
            )
            kept = [on_time for _, of, on_time in self.commitments() if unit in self.above(of)]
            found[None, unit, "commitments_on_time"] = self.share(kept)
            days = [days for _, of, days in self.waits() if unit in self.above(of)]
            found[None, unit, "decision_wait_days"] = self.middle(days)
            found[None, unit, "velocity_before"] = self.velocity_around(unit, (-2, -1), built)
            found[None, unit, "velocity_after"] = self.velocity_around(unit, (1, 2), built)
            found[None, unit, "cascade_reach"] = self.cascade(unit)
            found[None, unit, "longest_open_wait_days"] = self.still_waiting(unit)
        return found

    @staticmethod
    def share(hits: list[bool]) -> Index:
        return (sum(hits), len(hits), 100 * sum(hits) / len(hits)) if hits else (None, None, None)

    @staticmethod
    def middle(days: list[int]) -> Index:
        return (sum(days), len(days), median(days)) if days else (None, None, None)
