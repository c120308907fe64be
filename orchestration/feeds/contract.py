"""The feed contract: the tables that every source is mapped to, and what people record.

One home for names, types, keys and kinds; readers, checks, folding and documents read it from here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from orchestration.settings import FeedName

Kind = Literal["snapshot", "events"]
_PERSON = re.compile(r"person_id$|^manager_id$|^recorded_by$")


@dataclass(frozen=True)
class Column:
    """One contract column: its SQL type in the lake, and whether a null breaks the row."""

    name: str
    sql_type: str
    required: bool = False
    personal: bool = False

    @property
    def is_person(self) -> bool:
        """Whether it holds ids of persons."""
        return holds_persons(self.name)


def holds_persons(column: str) -> bool:
    """Whether a column of this name holds ids of persons, in the contract and in the models."""
    return _PERSON.search(column) is not None


@dataclass(frozen=True)
class Feed:
    """One contract table.

    Attributes:
        key: columns that identify a row within a delivery (snapshot) or for ever (events).
        kind: dated snapshot (folded into versions) or events.
        event_time: column whose local date says which day an event belongs to.
    """

    name: FeedName
    kind: Kind
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    event_time: str | None = None

    @property
    def column_names(self) -> tuple[str, ...]:
        """Contract column names, in order."""
        return tuple(column.name for column in self.columns)

    def column(self, name: str) -> Column:
        """The column of that name; raises KeyError where there is none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.name} has no column {name}")


def _columns(spec: str) -> tuple[Column, ...]:
    """``name type`` lines; ``!`` marks a required column, ``@`` personal data."""
    columns = []
    for line in spec.strip().splitlines():
        name, sql_type = line.strip().split(" ", 1)
        columns.append(
            Column(
                name=name.rstrip("!@"),
                sql_type=sql_type,
                required="!" in name,
                personal="@" in name,
            )
        )
    return tuple(columns)


CONTRACT: dict[FeedName, Feed] = {
    feed.name: feed
    for feed in (
        Feed(
            "people",
            "snapshot",
            ("person_id",),
            _columns("""
                person_id! VARCHAR
                full_name@ VARCHAR
                email@ VARCHAR
                manager_id VARCHAR
                org_unit_id VARCHAR
                job_role VARCHAR
                leader_level VARCHAR
                employment_type VARCHAR
                location VARCHAR
                hired_on DATE
                role_started_on DATE
                left_on DATE
                leave_from DATE
                leave_to DATE
            """),
        ),
        Feed(
            "org_units",
            "snapshot",
            ("org_unit_id",),
            _columns("""
                org_unit_id! VARCHAR
                name VARCHAR
                parent_org_unit_id VARCHAR
                sponsor_person_id VARCHAR
            """),
        ),
        Feed(
            "courses",
            "snapshot",
            ("course_id",),
            _columns("""
                course_id! VARCHAR
                title VARCHAR
                category VARCHAR
                competency_id VARCHAR
                is_flagship BOOLEAN
                is_mandatory BOOLEAN
                owner_person_id VARCHAR
                approved_by_person_id VARCHAR
                published_on DATE
                review_due_on DATE
                retired_on DATE
                duration_minutes INTEGER
            """),
        ),
        Feed(
            "enrolments",
            "snapshot",
            ("enrolment_id",),
            _columns("""
                enrolment_id! VARCHAR
                person_id! VARCHAR
                course_id! VARCHAR
                enrolled_at TIMESTAMPTZ
                due_at TIMESTAMPTZ
                started_at TIMESTAMPTZ
                completed_at TIMESTAMPTZ
                status VARCHAR
                score DECIMAL(9,4)
            """),
        ),
        Feed(
            "activity",
            "events",
            ("event_id",),
            _columns("""
                event_id! VARCHAR
                person_id! VARCHAR
                course_id VARCHAR
                verb! VARCHAR
                occurred_at! TIMESTAMPTZ
                duration_seconds BIGINT
            """),
            event_time="occurred_at",
        ),
        Feed(
            "assessments",
            "events",
            ("attempt_id",),
            _columns("""
                attempt_id! VARCHAR
                person_id! VARCHAR
                competency_id VARCHAR
                course_id VARCHAR
                attempted_at! TIMESTAMPTZ
                score DECIMAL(9,4)
                passed BOOLEAN
            """),
            event_time="attempted_at",
        ),
        Feed(
            "certifications",
            "events",
            ("certification_id",),
            _columns("""
                certification_id! VARCHAR
                person_id! VARCHAR
                competency_id! VARCHAR
                issued_at! TIMESTAMPTZ
                expires_at TIMESTAMPTZ
                revoked_at TIMESTAMPTZ
            """),
            event_time="issued_at",
        ),
        Feed(
            "leader_actions",
            "events",
            ("action_id",),
            _columns("""
                action_id! VARCHAR
                person_id! VARCHAR
                kind! VARCHAR
                audience_org_unit_id VARCHAR
                message_id VARCHAR
                happened_on! DATE
            """),
            event_time="happened_on",
        ),
        Feed(
            "business_outcomes",
            "events",
            ("org_unit_id", "metric", "period_start"),
            _columns("""
                org_unit_id! VARCHAR
                metric! VARCHAR
                period_start! DATE
                numerator DECIMAL(18,4)
                denominator DECIMAL(18,4)
                unit VARCHAR
                direction VARCHAR
            """),
            event_time="period_start",
        ),
        Feed(
            "initiatives",
            "snapshot",
            ("initiative_id",),
            _columns("""
                initiative_id! VARCHAR
                kind VARCHAR
                title VARCHAR
                org_unit_id VARCHAR
                starts_on DATE
                ends_on DATE
                cost DECIMAL(18,2)
            """),
        ),
        Feed(
            "decisions",
            "snapshot",
            ("entry_id",),
            _columns("""
                entry_id! VARCHAR
                kind! VARCHAR
                title! VARCHAR
                right_id VARCHAR
                org_unit_id VARCHAR
                owner_person_id VARCHAR
                owner_role VARCHAR
                proposed_by_person_id VARCHAR
                asked_on! DATE
                asked_in VARCHAR
                due_on DATE
                amount DECIMAL(18,2)
                decided_on DATE
                decided_by_person_id VARCHAR
                outcome VARCHAR
                closed_on DATE
                source VARCHAR
                warning_id VARCHAR
                if_not_taken VARCHAR
            """),
        ),
        Feed(
            "records",
            "events",
            ("record_id",),
            _columns("""
                record_id! VARCHAR
                recorded_at! TIMESTAMPTZ
                recorded_by VARCHAR
                source! VARCHAR
                subject! VARCHAR
                entry_id! VARCHAR
                kind VARCHAR
                title VARCHAR
                text VARCHAR
                person_id VARCHAR
                org_unit_id VARCHAR
                message_id VARCHAR
                kpi_id VARCHAR
                period_id VARCHAR
                happened_on DATE
                right_id VARCHAR
                owner_person_id VARCHAR
                owner_role VARCHAR
                proposed_by_person_id VARCHAR
                asked_on DATE
                asked_in VARCHAR
                due_on DATE
                amount DECIMAL(18,2)
                decided_on DATE
                decided_by_person_id VARCHAR
                outcome VARCHAR
                closed_on DATE
                warning_id VARCHAR
                if_not_taken VARCHAR
                metric VARCHAR
                period_start DATE
                numerator DECIMAL(18,4)
                denominator DECIMAL(18,4)
                unit VARCHAR
                direction VARCHAR
            """),
            event_time="recorded_at",
        ),
    )
}
SNAPSHOTS: tuple[FeedName, ...] = tuple(f.name for f in CONTRACT.values() if f.kind == "snapshot")
EVENTS: tuple[FeedName, ...] = tuple(f.name for f in CONTRACT.values() if f.kind == "events")
KEPT_BY_PEOPLE: frozenset[FeedName] = frozenset({"decisions", "records"})
"""Feeds that speak only when somebody has something to say: silence is no fault of theirs."""
