"""A sample in memory, as the contract's tables: for tests and benchmarks of many organisations.

What the lake would hold of the sample's files, less the planted faults and the activity feed:
snapshots as versions (``valid_from``, ``valid_to``), events once each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa

from orchestration.feeds.contract import CONTRACT
from orchestration.sample import content
from orchestration.sample.files import action_id, clock_of, record_rows
from orchestration.sample.leadership import METRICS
from orchestration.sample.learning import END_OF_DAY, day_of
from orchestration.sample.organisation import (
    DAY_SECONDS,
    NEVER,
    UNSET,
    Clock,
    Column,
    Organisation,
    Table,
    to_date,
    to_day,
)
from orchestration.sample.snapshots import (
    Row,
    courses_at,
    decisions_at,
    enrolment_id,
    enrolments_at,
    initiatives_at,
    org_units_at,
    people_at,
)
from orchestration.settings import FeedName

_TYPES = {
    "VARCHAR": pa.string(),
    "DATE": pa.date32(),
    "TIMESTAMPTZ": pa.timestamp("us", "UTC"),
    "BOOLEAN": pa.bool_(),
    "INTEGER": pa.int32(),
    "BIGINT": pa.int64(),
}
_SPANS = pa.schema([("valid_from", pa.date32()), ("valid_to", pa.date32())])


def contract_tables(organisation: Organisation) -> dict[FeedName, pa.Table]:
    """Every feed but ``activity`` as one Arrow table in the contract's columns and types.

    Snapshot feeds have two columns more, ``valid_from`` (a snapshot's date) and ``valid_to``
    (exclusive, null while it lasts). A month's last rows of ``records`` may be of the next morning.
    """
    clock = clock_of(organisation)
    days = [to_day(day) for day in organisation.parameters.snapshot_dates]
    enrolled = _enrolments_throughout(organisation, clock)
    snapshots: dict[FeedName, list[list[Row]]] = {
        "people": [_rows(people_at(organisation, day)) for day in days],
        "org_units": [org_units_at(organisation) for _ in days],
        "courses": [courses_at(organisation, day) for day in days],
        "enrolments": [_enrolments(organisation, enrolled, clock, day) for day in days],
        "initiatives": [initiatives_at(organisation, day) for day in days],
        "decisions": [decisions_at(organisation, day) for day in days],
    }
    tables = {feed: _versions(feed, days, shown) for feed, shown in snapshots.items()}
    events: dict[FeedName, list[Row]] = {
        "assessments": _assessments(organisation, clock),
        "certifications": _certifications(organisation, clock),
        "leader_actions": _leader_actions(organisation),
        "business_outcomes": _outcomes(organisation),
        "records": [dict(row) for _, row in record_rows(organisation, clock)],
    }
    return tables | {feed: _table(feed, rows) for feed, rows in events.items()}


def _schema(feed: FeedName) -> pa.Schema:
    fields = []
    for column in CONTRACT[feed].columns:
        if column.sql_type.startswith("DECIMAL"):
            precision, scale = column.sql_type[8:-1].split(",")
            fields.append((column.name, pa.decimal128(int(precision), int(scale))))
        else:
            fields.append((column.name, _TYPES[column.sql_type]))
    return pa.schema(fields)


def _value(sql_type: str, value: Any) -> Any:
    """A cell as Arrow takes it: days and moments may be numbers or ISO texts."""
    if value is None or value == "":
        return None
    if sql_type == "DATE":
        if isinstance(value, str):
            return date.fromisoformat(value)
        return None if value in (NEVER, UNSET) else to_date(value)
    if sql_type == "TIMESTAMPTZ":
        if isinstance(value, str):
            return datetime.fromisoformat(value)
        return None if value == UNSET else datetime.fromtimestamp(int(value), UTC)
    if sql_type.startswith("DECIMAL"):
        return Decimal(str(value))
    return value


def _table(feed: FeedName, rows: Iterable[Mapping[str, Any]]) -> pa.Table:
    schema, columns = _schema(feed), CONTRACT[feed].columns
    rows = list(rows)
    return pa.table(
        {c.name: [_value(c.sql_type, row.get(c.name)) for row in rows] for c in columns},
        schema=schema,
    )


def _versions(feed: FeedName, days: list[int], shown: list[list[Row]]) -> pa.Table:
    """Fold snapshots into versions: a row lasts until a snapshot shows another one, or none."""
    names, key = CONTRACT[feed].column_names, CONTRACT[feed].key[0]
    open_: dict[str, tuple[int, tuple[Any, ...]]] = {}
    closed: list[tuple[int, int | None, tuple[Any, ...]]] = []
    for day, rows in zip(days, shown, strict=True):
        now = {str(row[key]): tuple(row[name] for name in names) for row in rows}
        for entry in [e for e, (_, cells) in open_.items() if now.get(e) != cells]:
            since, cells = open_.pop(entry)
            closed.append((since, day, cells))
        for entry, cells in now.items():
            open_.setdefault(entry, (day, cells))
    closed += [(since, None, cells) for since, cells in open_.values()]
    table = _table(feed, (dict(zip(names, cells, strict=True)) for _, _, cells in closed))
    spans = pa.table(
        {
            "valid_from": [to_date(since) for since, _, _ in closed],
            "valid_to": [None if until is None else to_date(until) for _, until, _ in closed],
        },
        schema=_SPANS,
    )
    for name in spans.column_names:
        table = table.append_column(name, spans[name])
    return table


def _rows(table: Table) -> list[Row]:
    """Rows of a table of columns, with plain values."""
    cells = [column.tolist() for column in table.values()]
    return [dict(zip(table, row, strict=True)) for row in zip(*cells, strict=True)]


def _enrolments(organisation: Organisation, stable: list[Row], clock: Clock, day: int) -> list[Row]:
    known = enrolments_at(organisation, day)
    due = np.where(known["due_at"] < 0, UNSET, clock.utc(known["due_at"])).tolist()
    found: list[Row] = []
    for n, row in enumerate(known["row"].tolist()):
        shown = dict(stable[row])
        shown["due_at"] = due[n]
        shown["status"] = str(known["status"][n])
        if not known["started"][n]:
            shown["started_at"] = None
        if not known["completed"][n]:
            shown["completed_at"] = shown["score"] = None
        found.append(shown)
    return found


def _enrolments_throughout(organisation: Organisation, clock: Clock) -> list[Row]:
    """Every enrolment with what becomes of it in the end."""
    table = organisation.enrolments
    codes = np.array([course.code for course in content.COURSES])
    columns = {
        "enrolment_id": np.array([enrolment_id(row) for row in range(len(table["person"]))]),
        "person_id": organisation.people["person_id"][table["person"]],
        "course_id": codes[table["course"]],
        "enrolled_at": clock.utc(table["enrolled"]),
        "started_at": _moment(clock, table["started"]),
        "completed_at": _moment(clock, table["completed"]),
        "score": table["score"],
    }
    rows = _rows(columns)
    for row in rows:
        row["score"] = None if row["score"] < 0 else row["score"]
    return rows


def _moment(clock: Clock, local: Column) -> Column:
    moment: Column = np.where(local < 0, UNSET, clock.utc(local))
    return moment


def _assessments(organisation: Organisation, clock: Clock) -> list[Row]:
    found: list[Row] = []
    for table, prefix, passed in (
        (organisation.passes, "AT", True),
        (organisation.failures, "AF", False),
    ):
        at = clock.utc(table["at"]).tolist()
        for n in np.flatnonzero(_by_the_end(organisation, day_of(table["at"]))).tolist():
            competency = content.COMPETENCIES[table["competency"][n]]
            found.append(
                {
                    "attempt_id": f"{prefix}{n:07d}",
                    "person_id": str(organisation.people["person_id"][table["person"][n]]),
                    "competency_id": competency.code,
                    "course_id": competency.course,
                    "attempted_at": at[n],
                    "score": int(table["score"][n]),
                    "passed": passed,
                }
            )
    return found


def _certifications(organisation: Organisation, clock: Clock) -> list[Row]:
    table, last = organisation.passes, to_day(organisation.parameters.last_day)
    issued = clock.utc(table["at"]).tolist()
    expires = clock.utc(table["expires"] * DAY_SECONDS + END_OF_DAY).tolist()
    revoked = clock.utc(table["revoked"] * DAY_SECONDS + 12 * 3600).tolist()
    return [
        {
            "certification_id": f"C{n:07d}",
            "person_id": str(organisation.people["person_id"][table["person"][n]]),
            "competency_id": content.COMPETENCIES[table["competency"][n]].code,
            "issued_at": issued[n],
            "expires_at": expires[n],
            "revoked_at": revoked[n] if table["revoked"][n] <= last else None,
        }
        for n in np.flatnonzero(_by_the_end(organisation, day_of(table["at"]))).tolist()
    ]


def _leader_actions(organisation: Organisation) -> list[Row]:
    """Those of the spreadsheet; what was recorded otherwise is in ``records``."""
    table, number = organisation.actions, organisation.people["person_id"]
    return [
        {
            "action_id": action_id(n),
            "person_id": str(number[table["person"][n]]),
            "kind": str(table["kind"][n]),
            "audience_org_unit_id": organisation.units[table["unit"][n]].code,
            "message_id": str(table["message"][n]),
            "happened_on": int(table["day"][n]),
        }
        for n in np.flatnonzero(table["recorded"] == "").tolist()
    ]


def _outcomes(organisation: Organisation) -> list[Row]:
    table = organisation.outcomes
    return [
        {
            "org_unit_id": organisation.units[unit].code,
            "metric": metric,
            "period_start": quarter,
            "numerator": numerator,
            "denominator": denominator,
            "unit": METRICS[metric][0],
            "direction": METRICS[metric][1],
        }
        for unit, metric, quarter, numerator, denominator in zip(
            *(table[name].tolist() for name in table), strict=True
        )
    ]


def _by_the_end(organisation: Organisation, day: Column) -> Column:
    known: Column = day <= to_day(organisation.parameters.last_day)
    return known
