"""Opening a programme: a unit's day 0 goes into the organisation's charter.

A programme without a sponsor, a town hall date and a first review is a course catalogue with a
launch date, so ``start`` refuses it. The bounds on both dates are those of the engagement plan in
the charter: the town hall is not before launch (nothing would be launched by it) and not after the
plan's own day for it (the announcement and the cascade of the days after refer to it); the first
review lies within the plan's first phase (30 days as shipped).

Rows that stand in the charter's files stay as they are, byte for byte. New content is judged as a
whole charter, aside, before a file is replaced.
"""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

from filelock import FileLock, Timeout

from orchestration.problems import Problem
from orchestration.recording.known import Known
from orchestration.settings import Settings
from orchestration.warehouse.charter import SEEDS, SHIPPED_CHARTER, read_charter

WHOLE = "*"
_PLAN_DAYS = 90

Charter = Mapping[str, Sequence[Mapping[str, str]]]


@dataclass(frozen=True)
class Start:
    """What is asked for.

    Attributes:
        unit: the org unit, or ``*`` for the whole organisation.
        sponsor, deputy, operator, measurer: person ids, mail addresses or names to appoint.
        metric, lag: the business outcome that the programme is to move, and after how many
            quarters; declared now, so that it cannot be chosen by its result.
        restart: whether a programme of the unit that has started is to start anew.
    """

    unit: str
    launch_on: date
    town_hall_on: date | None
    first_review_on: date | None
    sponsor: str | None = None
    deputy: str | None = None
    operator: str | None = None
    measurer: str | None = None
    metric: str | None = None
    lag: int | None = None
    core_sentence: str | None = None
    restart: bool = False


@dataclass(frozen=True)
class Started:
    """What was written.

    Attributes:
        vacancies: roles of the unit that nobody holds; they do not stop a programme.
        files: the charter's files that were written.
    """

    unit: str
    sponsor: str
    launch_on: date
    day_90: date
    vacancies: tuple[str, ...]
    files: tuple[Path, ...]


def start(settings: Settings, wanted: Start, today: date) -> Started:
    """Open the programme of a unit.

    Raises:
        Problem: the organisation has no charter folder of its own; the unit or a person is not
            known; no sponsor is named; a date is missing or out of bounds; the unit has started
            already; or the charter with the new rows is not valid. Nothing is written then.
    """
    overlay = settings.charter_overlay
    if overlay is None:
        raise Problem(
            "the settings name no charter folder to write the programme to.",
            remedy="make a folder and name it in [paths] charter.",
        )
    overlay.mkdir(parents=True, exist_ok=True)
    lock = FileLock(settings.home / "locks" / "charter.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=settings.duckdb.lock_timeout_seconds)
    except Timeout as error:
        raise Problem(
            "another process is changing the charter.",
            file=lock.lock_file,
            remedy="wait for it to finish, then try again.",
        ) from error
    try:
        return _start(settings, overlay, wanted, today)
    finally:
        lock.release()


def _start(settings: Settings, overlay: Path, wanted: Start, today: date) -> Started:
    charter = {name: [row for _, row in rows] for name, rows in read_charter(settings).items()}
    known = Known.read(settings)
    unit = wanted.unit if wanted.unit == WHOLE else known.unit(wanted.unit)
    _check_dates(wanted, charter)
    _check_not_started(charter, unit, wanted)
    if wanted.metric is not None:
        replace(known, metrics=known.delivered_metrics).metric(wanted.metric)
    valid_from = min(today, wanted.launch_on)
    sponsor, governance = _appointments(charter, known, unit, wanted, valid_from)
    programme = {
        "org_unit_id": unit,
        "launch_on": wanted.launch_on.isoformat(),
        "outcome_metric": wanted.metric or "",
        "outcome_lag_quarters": "" if wanted.lag is None else str(wanted.lag),
        "core_sentence": wanted.core_sentence or "",
        "valid_from": (today if wanted.restart else valid_from).isoformat(),
        "town_hall_on": str(wanted.town_hall_on),
        "first_review_on": str(wanted.first_review_on),
    }
    contents: dict[str, bytes] = {}
    if governance:
        contents["governance_roles"] = with_rows(overlay, "governance_roles", governance)
    contents["programme"] = with_rows(overlay, "programme", [programme])
    _judge(settings, overlay, contents)
    for name, content in contents.items():  # the programme last: it is what opens
        _replace(overlay / f"{name}.csv", content)
    return Started(
        unit,
        sponsor,
        wanted.launch_on,
        wanted.launch_on + timedelta(days=_PLAN_DAYS),
        _vacancies([*charter["governance_roles"], *governance], unit, wanted.launch_on),
        tuple(overlay / f"{name}.csv" for name in contents),
    )


def _check_dates(wanted: Start, charter: Charter) -> None:
    launch, hall, review = wanted.launch_on, wanted.town_hall_on, wanted.first_review_on
    plan = charter["engagement_plan"]
    hall_by = min(
        (int(row["day"]) for row in plan if row.get("evidence") == "town_hall"), default=14
    )
    review_by = max(
        (int(row["day"]) for row in plan if row["phase"] == "visible_start"), default=30
    )
    if hall is None:
        raise Problem(
            "no town hall has a date.",
            remedy="agree on one with the sponsor and give it as --town-hall-on.",
        )
    if not launch <= hall <= launch + timedelta(days=hall_by):
        raise Problem(
            f"the town hall of {hall} is {'before launch' if hall < launch else 'too late'}.",
            remedy=f"hold it from {launch} to {launch + timedelta(days=hall_by)} "
            f"(day {hall_by} of the engagement plan), or move the launch.",
        )
    if review is None:
        raise Problem(
            "no first review has a date.",
            remedy="agree on one with the sponsor and give it as --first-review-on.",
        )
    if not launch < review <= launch + timedelta(days=review_by):
        raise Problem(
            f"the first review of {review} is "
            f"{'not after launch' if review <= launch else 'too late'}.",
            remedy=f"hold it after {launch} and by {launch + timedelta(days=review_by)} "
            f"(day {review_by} of the engagement plan).",
        )


def _check_not_started(charter: Charter, unit: str, wanted: Start) -> None:
    earlier = [row for row in charter["programme"] if row["org_unit_id"] == unit]
    if earlier and not wanted.restart:
        last = max(earlier, key=lambda row: row["valid_from"])
        raise Problem(
            f"the programme of {unit} has started: its launch is of {last['launch_on']}.",
            remedy="say --restart to begin its 90 days anew.",
        )
    if wanted.restart and not earlier:
        raise Problem(f"the programme of {unit} has never started.", remedy="leave out --restart.")


def _appointments(
    charter: Charter, known: Known, unit: str, wanted: Start, valid_from: date
) -> tuple[str, list[dict[str, str]]]:
    """The sponsor, and the rows of ``governance_roles`` that appoint who was named."""
    rows: list[dict[str, str]] = []
    for role, text in (
        ("sponsor", wanted.sponsor),
        ("operator", wanted.operator),
        ("measurer", wanted.measurer),
    ):
        holders = _holders(charter["governance_roles"], role, unit, wanted.launch_on)
        person = known.person(text) if text else None
        if role == "sponsor" and person is None and wanted.deputy and not holders:
            person = known.sponsors.get(unit)  # the unit's own, who now gets a deputy
        if person is None or person in holders:
            continue
        if holders:
            raise Problem(
                f"{unit} has a {role} already: {', '.join(holders)}.",
                remedy=f"end that row of governance_roles first, or leave out --{role}.",
            )
        _refuse_left(known, person, role)
        rows.append(
            {
                "role": role,
                "org_unit_id": unit,
                "person_id": person,
                "deputy_person_id": "",
                "valid_from": valid_from.isoformat(),
                "valid_to": "",
            }
        )
    standing = [*charter["governance_roles"], *rows]
    holders = _holders(standing, "sponsor", unit, wanted.launch_on)
    if unit == WHOLE:
        holders += _holders(standing, "executive_sponsor", unit, wanted.launch_on)
    sponsor = holders[0] if holders else known.sponsors.get(unit)
    if not sponsor:
        raise Problem(
            f"{unit} has no named sponsor.",
            remedy="name one: --sponsor. A programme does not start without.",
        )
    _refuse_left(known, sponsor, "sponsor")
    if wanted.deputy:
        deputy = known.person(wanted.deputy)
        _refuse_left(known, deputy, "deputy")
        if deputy == sponsor:
            raise Problem("nobody is their own deputy.", remedy="name another: --deputy.")
        if not rows or rows[0]["role"] != "sponsor":
            raise Problem(
                f"the sponsor of {unit} stands in governance_roles already.",
                remedy="write the deputy into that row of the file.",
            )
        rows[0]["deputy_person_id"] = deputy
    return sponsor, rows


def _refuse_left(known: Known, person: str, role: str) -> None:
    found = known.people.get(person)
    if found is not None and found.left_on is not None:
        raise Problem(
            f"{person} left on {found.left_on} and cannot be {role}.",
            remedy=f"name another: --{role}.",
        )


def _holders(roles: Sequence[Mapping[str, str]], role: str, unit: str, day: date) -> list[str]:
    """Who holds a role of the unit on a day."""
    return [
        row["person_id"]
        for row in roles
        if (row["role"], row["org_unit_id"]) == (role, unit)
        and row["valid_from"] <= day.isoformat()
        and (not row["valid_to"] or row["valid_to"] > day.isoformat())
    ]


def _vacancies(roles: Sequence[Mapping[str, str]], unit: str, day: date) -> tuple[str, ...]:
    """Operator, measurer and the sponsor's deputy, where the unit has none."""
    vacant = [role for role in ("operator", "measurer") if not _holders(roles, role, unit, day)]
    deputised = any(
        row["deputy_person_id"]
        for row in roles
        if row["role"] in ("sponsor", "executive_sponsor")
        and row["person_id"] in _holders(roles, row["role"], unit, day)
        and row["org_unit_id"] == unit
    )
    return (*vacant, *(() if deputised else ("deputy",)))


def with_rows(overlay: Path, name: str, rows: Sequence[Mapping[str, str]]) -> bytes:
    """A file of the charter with more rows; what stands in it stays as it is, byte for byte.

    A row with the key of a new one is replaced. Only where the file is of an earlier version of
    this project and lacks a column that is needed now, every row gets it, empty.
    """
    file = overlay / f"{name}.csv"
    content = (file if file.exists() else SHIPPED_CHARTER / f"{name}.csv").read_bytes()
    text = content.decode("utf-8-sig")
    mark = content[: len(content) - len(text.encode())]
    records = _records(text)
    end = "\r\n" if records and records[0][0].endswith("\r\n") else "\n"
    header = [cell.strip() for cell in records[0][1]]
    lacking = [
        column
        for column in SEEDS[name].header
        if column not in header and any(row.get(column) for row in rows)
    ]
    key = [header.index(column) for column in SEEDS[name].key]
    new = {tuple(row[column] for column in SEEDS[name].key) for row in rows}
    kept = []
    for number, (raw, cells) in enumerate(records):
        if number and cells and tuple(cells[at].strip() for at in key) in new:
            continue
        line = raw.rstrip("\r\n")
        if lacking and cells:
            line += "".join(f",{column if number == 0 else ''}" for column in lacking)
        kept.append(line + (raw[len(raw.rstrip("\r\n")) :] or end))
    sink = io.StringIO(newline="")
    writer = csv.DictWriter(sink, [*header, *lacking], lineterminator=end, extrasaction="ignore")
    writer.writerows(rows)
    return mark + ("".join(kept) + sink.getvalue()).encode()


def _records(text: str) -> list[tuple[str, list[str]]]:
    """Each record of a CSV file as it stands, and its cells; a record may span lines."""
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines, strict=True)
    found, at = [], 0
    for cells in reader:
        found.append(("".join(lines[at : reader.line_num]), cells))
        at = reader.line_num
    return found


def _judge(settings: Settings, overlay: Path, contents: Mapping[str, bytes]) -> None:
    """Assemble the whole charter aside with the new files."""
    with tempfile.TemporaryDirectory() as aside:
        for file in overlay.iterdir():
            if file.is_file():
                shutil.copy(file, aside)
        for name, content in contents.items():
            (Path(aside) / f"{name}.csv").write_bytes(content)
        paths = settings.paths.model_copy(update={"charter": Path(aside)})
        try:
            read_charter(settings.model_copy(update={"paths": paths}))
        except Problem as problem:
            raise Problem(
                f"the charter would not be valid: {problem.message}",
                file=(problem.file or "").replace(aside, str(overlay)) or None,
                column=problem.column,
                row=problem.row,
                remedy=problem.remedy,
            ) from problem


def _replace(file: Path, content: bytes) -> None:
    aside = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
    with aside.open("wb") as handle:
        handle.write(content)
        handle.flush()
        os.fsync(handle.fileno())
    os.replace(aside, file)
