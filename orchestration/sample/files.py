"""The raw feed files, as the LMS and the HR system of the sample organisation export them.

Column names are the exporters' own; ``organisation.toml`` maps them to the feed contract.
"""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from orchestration.sample import content
from orchestration.sample.activity import VERB, ActivityStream, LearningMarks
from orchestration.sample.leadership import METRICS
from orchestration.sample.learning import COURSE, END_OF_DAY, day_of
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
    courses_at,
    decisions_at,
    enrolment_id,
    enrolments_at,
    initiatives_at,
    org_units_at,
    people_at,
)

NONE_MARK = "-"
"""How the HR system writes 'no manager'."""
UNKNOWN_PEOPLE = ("X900001", "X900002")
UNKNOWN_PERSON, NEGATIVE_DURATION, DUPLICATE_KEY, FUTURE_EVENT, OVER_A_DAY = (
    "unknown_person",
    "negative_duration",
    "duplicate_key",
    "event_in_future",
    "longer_than_a_day",
)
_RESENT = 25
_LATE_SHARE = 0.03
_ROWS_A_FAULT = 100
"""Faults are at most one row in so many: with more, the export as a whole would be refused."""


@dataclass
class FileRecord:
    """One written file: data rows, bytes, and the rows planted to be rejected, by reason."""

    rows: int = 0
    bytes: int = 0
    bad: dict[str, int] = field(default_factory=dict)
    resent: int = 0
    late: int = 0


class FeedWriter:
    """Writes every delivery of an organisation into a landing folder."""

    def __init__(self, organisation: Organisation, landing: Path) -> None:
        self._organisation = organisation
        self._parameters = organisation.parameters
        self._landing = landing
        self._snapshots = [to_day(day) for day in self._parameters.snapshot_dates]
        self._clock = clock_of(organisation)
        self.marks = LearningMarks(organisation.size, self._parameters)
        self.files: dict[str, FileRecord] = {}
        self._codes = pa.array([course.code for course in content.COURSES])
        self._numbers = pa.array(organisation.people["person_id"].tolist(), pa.string())
        self._verbs = pa.array(list(content.VERBS))

    def write(self, progress: Callable[[str], None]) -> None:
        """Write all deliveries, oldest first."""
        self._landing.mkdir(parents=True, exist_ok=True)
        stream = ActivityStream(self._organisation)
        enrolments = self._enrolment_columns()
        carried: Table | None = None
        resent: Table | None = None
        before = self._snapshots[0]
        for position, day in enumerate(self._snapshots):
            on = to_date(day)
            self._write_people(day, on)
            self._write_org_units(on)
            self._write_courses(day, on)
            self._write_enrolments(enrolments, day, on)
            self._write_initiatives(day, on)
            self._write_decision_log(day, on)
            exported = on + timedelta(days=1)
            since = -NEVER if position == 0 else before
            self._write_events(since, day, exported)
            self._write_records(since, day, exported)
            if position > 0:
                last = position == len(self._snapshots) - 1
                carried, resent = self._write_activity(
                    stream, before + 1, day, exported, carried, resent, last
                )
            before = day
            if (on + timedelta(days=1)).day == 1:
                progress(f"{on:%Y-%m} written")

    # -- one file ----------------------------------------------------------------------------

    @contextmanager
    def _aside(self, name: str) -> Iterator[Path]:
        """A temporary path that takes the file's name once it is complete."""
        target = self._landing / name
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.tmp")
        try:
            yield aside
            os.replace(aside, target)
        finally:
            aside.unlink(missing_ok=True)
        self.files.setdefault(name, FileRecord()).bytes = target.stat().st_size

    def _write_csv(self, name: str, columns: dict[str, Any]) -> FileRecord:
        table = pa.table({key: _arrow(column) for key, column in columns.items()})
        with self._aside(name) as path:
            pacsv.write_csv(table, path, pacsv.WriteOptions(quoting_style="needed"))
        record = self.files[name]
        record.rows = table.num_rows
        return record

    # -- snapshots ---------------------------------------------------------------------------

    def _write_people(self, day: int, on: date) -> None:
        people = people_at(self._organisation, day)
        manager = people["manager_id"]
        self._write_csv(
            f"people_{on}.csv",
            {
                "EmployeeNumber": people["person_id"],
                "FullName": people["full_name"],
                "Email": people["email"],
                "ManagerNumber": np.where(manager == "", NONE_MARK, manager),
                "UnitCode": people["org_unit_id"],
                "JobTitle": people["job_role"],
                "LeaderLevel": people["leader_level"],
                "Contract": people["employment_type"],
                "Site": people["location"],
                "HireDate": _british(people["hired_on"]),
                "InRoleSince": _british(people["role_started_on"]),
                "LeavingDate": _british(people["left_on"]),
                "LeaveStart": _british(people["leave_from"]),
                "LeaveEnd": _british(people["leave_to"]),
            },
        )

    def _write_org_units(self, on: date) -> None:
        units = _columns(org_units_at(self._organisation))
        self._write_csv(
            f"org_units_{on}.csv",
            {
                "UnitCode": units["org_unit_id"],
                "UnitName": units["name"],
                "ParentUnit": units["parent_org_unit_id"],
                "SponsorNumber": units["sponsor_person_id"],
            },
        )

    def _write_courses(self, day: int, on: date) -> None:
        """Two files: the catalogue, and who owns and approved each course."""
        courses = _columns(courses_at(self._organisation, day))
        self._write_csv(
            f"course_catalogue_{on}.csv",
            {
                "CourseCode": courses["course_id"],
                "CourseTitle": courses["title"],
                "Category": courses["category"],
                "Competency": courses["competency_id"],
                "Flagship": ["Y" if yes else "N" for yes in courses["is_flagship"]],
                "Mandatory": ["Y" if yes else "N" for yes in courses["is_mandatory"]],
                "Published": _iso(np.array(courses["published_on"])),
                "ReviewDue": _iso(np.array(courses["review_due_on"])),
                "Retired": _iso(np.array(courses["retired_on"])),
                "DurationHours": [f"{m / 60:.2f}" for m in courses["duration_minutes"]],
            },
        )
        self._write_csv(
            f"course_owners_{on}.csv",
            {
                "CourseCode": courses["course_id"],
                "Owner": courses["owner_person_id"],
                "ApprovedBy": courses["approved_by_person_id"],
            },
        )

    def _enrolment_columns(self) -> dict[str, Any]:
        """What does not change from snapshot to snapshot, formatted once."""
        table = self._organisation.enrolments
        count = len(table["person"])
        codes = np.array([course.code for course in content.COURSES])

        def local(seconds: Column, missing: Column) -> pa.Array:
            stamps = pa.array(seconds, pa.timestamp("s"), mask=missing)
            return pc.strftime(stamps, format="%d/%m/%Y %H:%M")

        never = np.zeros(count, dtype=bool)
        return {
            "EnrolmentNo": np.array([enrolment_id(row) for row in range(count)]),
            "EmployeeNumber": self._organisation.people["person_id"][table["person"]],
            "CourseCode": codes[table["course"]],
            "Enrolled": local(table["enrolled"], never),
            "Due": local(table["due"] * DAY_SECONDS + END_OF_DAY, table["due"] < 0),
            "ExtendedDue": local(
                table["extended_due"] * DAY_SECONDS + END_OF_DAY, table["extended_due"] < 0
            ),
            "Started": local(table["started"], table["started"] < 0),
            "Completed": local(table["completed"], table["completed"] < 0),
        }

    def _write_enrolments(self, columns: dict[str, Any], day: int, on: date) -> None:
        table, known = self._organisation.enrolments, enrolments_at(self._organisation, day)
        rows, started, completed = known["row"], known["started"], known["completed"]
        take = pa.array(rows)
        due = pc.if_else(
            pa.array(known["extended"]),
            columns["ExtendedDue"].take(take),
            columns["Due"].take(take),
        )

        def shown(name: str, when: Column) -> pa.Array:
            nothing = pa.scalar(None, pa.string())
            return pc.if_else(pa.array(when), columns[name].take(take), nothing)

        written = {
            "EnrolmentNo": columns["EnrolmentNo"][rows],
            "EmployeeNumber": columns["EmployeeNumber"][rows],
            "CourseCode": columns["CourseCode"][rows],
            "Enrolled": columns["Enrolled"].take(take),
            "Due": due,
            "Started": shown("Started", started),
            "Completed": shown("Completed", completed),
            "Status": known["status"],
            "Score": pa.array(table["score"][rows], mask=~completed | (table["score"][rows] < 0)),
        }
        stray = pa.table({key: _arrow(column) for key, column in written.items()})
        if stray.num_rows:  # an enrolment of somebody the HR system has never heard of
            extra = stray.slice(0, 1)
            for name, value in (("EnrolmentNo", "N9999999"), ("EmployeeNumber", UNKNOWN_PEOPLE[0])):
                extra = extra.set_column(
                    extra.column_names.index(name), name, pa.array([value], pa.string())
                )
            stray = pa.concat_tables([stray, extra])
        record = self._write_csv(f"enrolments_{on}.csv", {n: stray[n] for n in stray.column_names})
        record.bad = {UNKNOWN_PERSON: 1} if record.rows else {}

    def _write_initiatives(self, day: int, on: date) -> None:
        rows = initiatives_at(self._organisation, day)
        if not rows:
            return
        initiatives = _columns(rows)
        self._write_csv(
            f"initiatives_{on}.csv",
            {
                "InitiativeNo": initiatives["initiative_id"],
                "Kind": initiatives["kind"],
                "Title": initiatives["title"],
                "UnitCode": initiatives["org_unit_id"],
                "Starts": _iso(np.array(initiatives["starts_on"])),
                "Ends": _iso(np.array(initiatives["ends_on"])),
                "Cost": [f"{cost:.2f}" for cost in initiatives["cost"]],
            },
        )

    def _write_decision_log(self, day: int, on: date) -> None:
        """The log as the programme office keeps it."""
        rows = decisions_at(self._organisation, day)
        if not rows:
            return
        log = _columns(rows)
        self._write_csv(
            f"decision_log_{on}.csv",
            {
                "EntryNo": log["entry_id"],
                "Type": log["kind"],
                "Subject": log["title"],
                "Right": log["right_id"],
                "UnitCode": log["org_unit_id"],
                "OwnerNumber": log["owner_person_id"],
                "OwnerRole": log["owner_role"],
                "ProposedBy": log["proposed_by_person_id"],
                "AskedOn": _british(np.array(log["asked_on"])),
                "AskedIn": log["asked_in"],
                "DueOn": _british(np.array(log["due_on"])),
                "Amount": log["amount"],
                "DecidedOn": _british(np.array(log["decided_on"])),
                "DecidedBy": log["decided_by_person_id"],
                "Outcome": log["outcome"],
                "ClosedOn": _british(np.array(log["closed_on"])),
                "Origin": log["source"],
                "Warning": log["warning_id"],
                "IfNotTaken": log["if_not_taken"],
            },
        )

    # -- events ------------------------------------------------------------------------------

    def _write_events(self, after: int, until: int, exported: date) -> None:
        organisation = self._organisation
        ids = organisation.people["person_id"]
        competencies = np.array([c.code for c in content.COMPETENCIES])
        courses = np.array([c.course for c in content.COMPETENCIES])
        units = np.array([unit.code for unit in organisation.units])

        def fresh(day: Column) -> Column:
            rows: Column = np.flatnonzero((day > after) & (day <= until))
            return rows

        passes, failures = organisation.passes, organisation.failures
        good, bad = fresh(day_of(passes["at"])), fresh(day_of(failures["at"]))
        if len(good) + len(bad):
            at = np.concatenate([passes["at"][good], failures["at"][bad]])
            order = np.argsort(at, kind="stable")
            who = np.concatenate([passes["person"][good], failures["person"][bad]])[order]
            what = np.concatenate([passes["competency"][good], failures["competency"][bad]])[order]
            names = [f"AT{k:07d}" for k in good] + [f"AF{k:07d}" for k in bad]
            score = np.concatenate([passes["score"][good], failures["score"][bad]])[order]
            self._write_csv(
                f"assessments_{exported}.csv",
                {
                    "AttemptId": np.array(names)[order],
                    "EmployeeNumber": ids[who],
                    "Competency": competencies[what],
                    "CourseCode": courses[what],
                    "AttemptedAt": self._utc(at[order]),
                    "Score": score,
                    "Passed": (order < len(good)),
                },
            )
        revoked = fresh(passes["revoked"])
        rows = np.unique(np.concatenate([good, revoked]))
        if len(rows):
            shown = np.where(passes["revoked"][rows] <= until, passes["revoked"][rows], UNSET)
            noon = shown * DAY_SECONDS + 12 * 3600
            self._write_csv(
                f"certifications_{exported}.csv",
                {
                    "CertificateNo": np.array([f"C{k:07d}" for k in rows]),
                    "EmployeeNumber": ids[passes["person"][rows]],
                    "Competency": competencies[passes["competency"][rows]],
                    "IssuedAt": self._utc(passes["at"][rows]),
                    "ExpiresAt": self._utc(passes["expires"][rows] * DAY_SECONDS + END_OF_DAY),
                    "RevokedAt": self._utc(noon, shown < 0),
                },
            )
        actions = organisation.actions
        rows = fresh(np.where(actions["recorded"] == "", actions["day"], NEVER))
        if len(rows):
            self._write_csv(
                f"leader_actions_{exported}.csv",
                {
                    "ActionNo": np.array([action_id(k) for k in rows.tolist()]),
                    "LeaderNumber": ids[actions["person"][rows]],
                    "Kind": actions["kind"][rows],
                    "Audience": units[actions["unit"][rows]],
                    "Message": actions["message"][rows],
                    "HappenedOn": _iso(actions["day"][rows]),
                },
            )
        outcomes = organisation.outcomes
        closes = np.array([_quarter_end(day) for day in outcomes["quarter"].tolist()])
        rows = fresh(closes)
        if len(rows):
            metrics = outcomes["metric"][rows].tolist()
            self._write_csv(
                f"business_outcomes_{exported}.csv",
                {
                    "UnitCode": units[outcomes["unit"][rows]],
                    "Measure": metrics,
                    "QuarterStart": _iso(outcomes["quarter"][rows]),
                    "Numerator": outcomes["numerator"][rows],
                    "Denominator": outcomes["denominator"][rows],
                    "Unit": [METRICS[m][0] for m in metrics],
                    "BetterWhen": [METRICS[m][1] for m in metrics],
                },
            )

    def _write_records(self, after: int, until: int, exported: date) -> None:
        """What was recorded through the system itself: actions, and comments of the morning."""
        dated = record_rows(self._organisation, self._clock)
        rows = [row for day, row in dated if after + 1 < day <= until + 1]
        if not rows:
            return
        name = f"records/records_{exported}_001.jsonl"
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        with self._aside(name) as path:
            path.write_text(lines, encoding="utf-8")
        self.files[name].rows = len(rows)

    def _utc(self, local: Column, missing: Column | None = None) -> pa.Array:
        """UTC as ``2026-10-31 22:30:00Z``."""
        return pa.array(self._clock.utc(local), pa.timestamp("s", "UTC"), mask=missing)

    # -- activity ----------------------------------------------------------------------------

    def _write_activity(
        self,
        stream: ActivityStream,
        first: int,
        last: int,
        exported: date,
        carried: Table | None,
        resent: Table | None,
        final: bool,
    ) -> tuple[Table | None, Table | None]:
        """One export: late rows of the one before, rows sent again, the new ones, planted faults.

        Returns what the next export has to bring late and to send again.
        """
        suffix = self._parameters.activity_format
        name = f"activity_{exported}.{suffix}"
        rng = np.random.default_rng([self._parameters.seed, 73, last])
        record = self.files.setdefault(name, FileRecord())
        late: list[Table] = []
        again: Table | None = None
        with self._aside(name) as path, _sink(path, suffix) as write:
            for part in (carried, resent):
                if part is not None and len(part["at"]):
                    write(self._activity_table(part))
                    record.rows += len(part["at"])
            record.late = 0 if carried is None else len(carried["at"])
            record.resent = 0 if resent is None else len(resent["at"])
            for number, chunk in enumerate(stream.days(first, last)):
                self.marks.add(chunk)
                count = len(chunk["at"])
                if number == 0:
                    sample = np.sort(rng.choice(count, min(_RESENT, count // 20), replace=False))
                    again = {key: column[sample] for key, column in chunk.items()}
                tardy = (day_of(chunk["at"]) > last - 2) & (rng.random(count) < _LATE_SHARE)
                if again is not None and number == 0:
                    tardy[sample] = False
                if final:
                    tardy[:] = False
                late.append({key: column[tardy] for key, column in chunk.items()})
                kept = {key: column[~tardy] for key, column in chunk.items()}
                table = self._activity_table(kept)
                if number == 0 and to_date(first).day == 1:
                    faults = self._faults(kept, table, exported, record)
                    table = pa.concat_tables([table, faults])
                write(table)
                record.rows += table.num_rows
        if not late:
            return None, again
        return {key: np.concatenate([part[key] for part in late]) for key in late[0]}, again

    def _activity_table(self, chunk: Table) -> pa.Table:
        number = pc.utf8_lpad(pa.array(chunk["number"]).cast(pa.string()), 10, "0")
        course = pa.array(chunk["course"], mask=chunk["course"] < 0)
        return pa.table(
            {
                "EventId": pc.binary_join_element_wise("ev", number, "-"),
                "EmployeeNumber": self._numbers.take(pa.array(chunk["person"])),
                "CourseCode": self._codes.take(course),
                "Verb": self._verbs.take(pa.array(chunk["verb"])),
                "OccurredAt": self._utc(chunk["at"]),
                "DurationSeconds": pa.array(chunk["seconds"], mask=chunk["seconds"] < 0),
            }
        )

    def _faults(
        self, chunk: Table, table: pa.Table, exported: date, record: FileRecord
    ) -> pa.Table:
        """Rows that must end in quarantine: made from good ones, except for their event ids."""
        plan = [UNKNOWN_PERSON, NEGATIVE_DURATION, OVER_A_DAY, UNKNOWN_PERSON]
        if exported.month % 3 == 0:
            plan.append(FUTURE_EVENT)
        allowed = table.num_rows // _ROWS_A_FAULT
        plan = plan[:allowed]
        rows = table.slice(0, len(plan)).to_pylist()
        for number, (reason, row) in enumerate(zip(plan, rows, strict=False)):
            row["EventId"] = f"ev-bad-{exported:%Y%m%d}-{number}"
            row["CourseCode"], row["DurationSeconds"] = "ELE-TIME", 60
            row["Verb"] = content.PLAYED
            if reason == UNKNOWN_PERSON:
                row["EmployeeNumber"] = UNKNOWN_PEOPLE[number % 2]
            elif reason == NEGATIVE_DURATION:
                row["DurationSeconds"] = -60
            elif reason == OVER_A_DAY:
                row["DurationSeconds"] = 90_000
            else:
                row["OccurredAt"] += timedelta(days=400)
        planted = plan[: len(rows)]
        doubles = np.flatnonzero(chunk["verb"] == VERB[content.LOGGED_IN])
        if len(doubles) and len(plan) < allowed:
            rows += table.slice(int(doubles[0]), 1).to_pylist()
            planted = [*planted, DUPLICATE_KEY]
        for reason in planted:
            record.bad[reason] = record.bad.get(reason, 0) + 1
        return pa.Table.from_pylist(rows, schema=table.schema)


def clock_of(organisation: Organisation) -> Clock:
    """A clock for every moment of an organisation, from long before its first month."""
    parameters = organisation.parameters
    first = min(to_day(parameters.snapshot_dates[0]) - 12_000, 0)
    return _clock(parameters.time_zone, first, to_day(parameters.snapshot_dates[-1]) + 800)


@lru_cache(maxsize=4)
def _clock(time_zone: str, first: int, last: int) -> Clock:
    return Clock(time_zone, first, last)


def record_rows(organisation: Organisation, clock: Clock) -> list[tuple[int, dict[str, str]]]:
    """Day of recording and row of everything in the feed ``records``, in order of time.

    Rows state what they have to say and leave the other columns of the contract out.
    """
    people, actions = organisation.people["person_id"], organisation.actions
    units = [unit.code for unit in organisation.units]
    found: list[tuple[int, dict[str, str]]] = []

    def recorded(day: int, seconds: int, entry: str, **stated: str) -> None:
        at = clock.utc(np.array([day * DAY_SECONDS + seconds]))[0]
        moment = datetime.fromtimestamp(int(at), UTC).isoformat()
        row = {"record_id": f"REC-{entry}", "recorded_at": moment, "entry_id": entry}
        found.append((day, {**row, **stated}))

    for row in np.flatnonzero(actions["recorded"] != "").tolist():
        person, day = str(people[actions["person"][row]]), int(actions["day"][row])
        stated = {
            "recorded_by": person,
            "source": str(actions["recorded"][row]),
            "subject": "leader_action",
            "kind": str(actions["kind"][row]),
            "person_id": person,
            "org_unit_id": units[actions["unit"][row]],
            "happened_on": to_date(day).isoformat(),
        }
        if actions["message"][row]:
            stated["message_id"] = str(actions["message"][row])
        recorded(day, 15 * 3600 + row % 7200, action_id(row), **stated)
    for comment in organisation.comments:
        person = str(people[comment.person])
        recorded(
            comment.recorded_on,
            9 * 3600 + 60 * len(found),
            f"COMMENT-{comment.month.id}-{comment.kpi}",
            recorded_by=person,
            source="link",
            subject="comment",
            kpi_id=comment.kpi,
            period_id=comment.month.id,
            person_id=person,
            text=comment.text,
        )
    return sorted(found, key=lambda item: (item[1]["recorded_at"], item[1]["record_id"]))


def action_id(row: int) -> str:
    """The id of a leader's action by its row in the organisation's table."""
    return f"L{row:06d}"


@contextmanager
def _sink(path: Path, suffix: str) -> Iterator[Callable[[pa.Table], None]]:
    """Open an activity file that takes table after table."""
    if suffix == "parquet":
        writer: pq.ParquetWriter | None = None

        def write_parquet(table: pa.Table) -> None:
            nonlocal writer
            if writer is None:
                writer = pq.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)

        yield write_parquet
        if writer is not None:
            writer.close()
        return
    raw: IO[bytes]
    with (
        open(path, "wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", compresslevel=3, mtime=0) as packed,
    ):
        first = True

        def write_csv(table: pa.Table) -> None:
            nonlocal first
            buffer = pa.BufferOutputStream()
            pacsv.write_csv(
                table, buffer, pacsv.WriteOptions(include_header=first, quoting_style="needed")
            )
            packed.write(buffer.getvalue())
            first = False

        yield write_csv


def _arrow(column: Any) -> Any:
    if isinstance(column, pa.Array | pa.ChunkedArray):
        return column
    if isinstance(column, np.ndarray) and column.dtype.kind == "U":
        return pa.array(column.tolist(), pa.string())
    if isinstance(column, list) and all(value is None for value in column):
        return pa.array(column, pa.string())
    return pa.array(column)


def _columns(rows: list[dict[str, Any]]) -> dict[str, list[Any]]:
    return {name: [row[name] for row in rows] for name in rows[0]}


def _stamps(day: Column) -> pa.Array:
    missing = (day >= NEVER) | (day == UNSET)
    return pa.array(np.where(missing, 0, day) * DAY_SECONDS, pa.timestamp("s"), mask=missing)


def _british(day: Column) -> pa.Array:
    return pc.strftime(_stamps(day), format="%d/%m/%Y")


def _iso(day: Column) -> pa.Array:
    return pc.strftime(_stamps(day), format="%Y-%m-%d")


def _quarter_end(day: int) -> int:
    from orchestration.periods import Grain, Period

    return to_day(Period.containing(Grain.QUARTER, to_date(day)).end)


__all__ = ["COURSE", "FeedWriter", "FileRecord"]
