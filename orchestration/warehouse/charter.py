"""The programme charter: shipped seeds, the organisation's overlay, and the checks on both.

The charter is data that people edit in a spreadsheet, so every file is checked before dbt reads
it: a slip there would otherwise become a wrong figure or an obscure SQL error. What each column
means stands in ``dbt_project/models/charter/_charter__seeds.yml``.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import io
import os
import re
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal

from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT, Settings

SHIPPED_CHARTER = PROJECT_ROOT / "dbt_project" / "seeds"

ROLES = (
    "executive_sponsor",
    "ld_head",
    "program_lead",
    "manager_rep",
    "operations_head",
    "finance",
    "people_head",
    "compliance_owner",
    "elt_member",
    "sponsor",
    "operator",
    "measurer",
    "unit_head",
    "competency_owner",
    "legal",
    "data_team",
)
"""Roles that ``governance_roles`` fills with people."""

DERIVED_ROLES = ("course_owner", "manager", "feed_owner", "affected_units")
"""Roles that follow from feeds and settings; nobody is appointed to them."""

NEVER_A_TARGET = ("adoption_velocity", "adoption_velocity_mandatory")
"""KPIs that a target would spoil (DESIGN section 4)."""

REVIEW_RULES = (
    "stalled_after_days",
    "unused_after_days",
    "failing_percent",
    "failing_least_attempts",
    "plan_due_within_days",
    "action_days",
)
"""Thresholds of the reviews that are no early warning; what each means stands in the seed's
documentation."""

BLOCKERS = (
    "stalled_enrolments",
    "mandatory_overdue",
    "active_rate_falls",
    "stale_feed",
    "overdue_leader_action",
    "overdue_action",
)
"""What stands in the way of adoption, as the weekly stand-up names it."""

MOST_SIGNAL_RULES = 8
"""How many run rules the signals' SQL names at one point."""

_MOST_SHOWN = 40

Row = Mapping[str, str]
Rows = list[tuple[int, dict[str, str]]]


@dataclass(frozen=True)
class Column:
    """One column of a seed.

    Attributes:
        kind: how its cells are written; decimals have at most ``scale`` places.
        required: whether a cell may be empty.
        words: the only words allowed, when not empty.
        many: several words, separated by ``|``.
        may_lack: the file may do without the column: it came with a later version of this
            project. Every cell is then empty.
        low, high: bounds of a number, both inclusive.
    """

    name: str
    kind: Literal["text", "date", "integer", "decimal"] = "text"
    required: bool = False
    words: tuple[str, ...] = ()
    many: bool = False
    may_lack: bool = False
    low: int | None = None
    high: int | None = None
    scale: int = 4

    @property
    def sql_type(self) -> str:
        """The type dbt gives the column."""
        return {
            "text": "string",
            "date": "date",
            "integer": "integer",
            "decimal": f"decimal(18,{self.scale})",
        }[self.kind]


@dataclass(frozen=True)
class Seed:
    """One file of the charter: its columns in order and the columns that name a row."""

    key: tuple[str, ...]
    columns: tuple[Column, ...]

    @property
    def header(self) -> tuple[str, ...]:
        """Column names, in order."""
        return tuple(column.name for column in self.columns)


def _name(name: str) -> Column:
    return Column(name, required=True)


def _text(name: str, may_lack: bool = False) -> Column:
    return Column(name, may_lack=may_lack)


def _word(name: str, *words: str, required: bool = True) -> Column:
    return Column(name, required=required, words=words)


def _roles(name: str) -> Column:
    return Column(name, required=True, words=ROLES + DERIVED_ROLES, many=True)


def _date(name: str, required: bool = False, may_lack: bool = False) -> Column:
    return Column(name, "date", required=required, may_lack=may_lack)


def _count(name: str, required: bool = True, low: int = 0, high: int | None = None) -> Column:
    return Column(name, "integer", required=required, low=low, high=high)


def _number(name: str, required: bool = True, low: int | None = None, scale: int = 4) -> Column:
    return Column(name, "decimal", required=required, low=low, scale=scale)


_FROM, _TO = _date("valid_from", required=True), _date("valid_to")

SEEDS: dict[str, Seed] = {
    "programme": Seed(
        ("org_unit_id", "valid_from"),
        (
            _name("org_unit_id"),
            _date("launch_on", required=True),
            _text("outcome_metric"),
            _count("outcome_lag_quarters", required=False, high=12),
            _text("core_sentence"),
            _FROM,
            _date("town_hall_on", may_lack=True),
            _date("first_review_on", may_lack=True),
        ),
    ),
    "programme_courses": Seed(
        ("course_id", "kind"), (_name("course_id"), _word("kind", "flagship", "programme"))
    ),
    "population": Seed(
        ("rule", "valid_from"),
        (_word("rule", "joiner_days", "leave_share"), _number("value", low=0), _FROM),
    ),
    "kpi_catalogue": Seed(
        ("kpi_id", "valid_from"),
        (
            _name("kpi_id"),
            _name("name"),
            _count("headline_order", required=False, low=1, high=5),
            _word("role", "headline", "beside", "below", "leadership"),
            _text("parent_kpi_id"),
            Column("grains", required=True, words=("week", "month", "quarter"), many=True),
            _word(
                "unit", "percent", "days", "count", "per_100", "currency", "weeks", "index_change"
            ),
            _word("direction", "up", "down", "none"),
            _count("precision", high=4),
            _word("chart_basis", "level", "net_gain", "same_month_last_year"),
            _word("owner_role", *ROLES),
            _name("numerator_definition"),
            _name("denominator_definition"),
            _name("definition"),
            _name("business_outcome"),
            _name("guardrail"),
            _FROM,
        ),
    ),
    "kpi_targets": Seed(
        ("kpi_id", "org_unit_id", "valid_from"),
        (_name("kpi_id"), _name("org_unit_id"), _FROM, _number("target", required=False)),
    ),
    "leader_targets": Seed(
        ("person_id", "kpi_id", "valid_from"),
        (_name("person_id"), _name("kpi_id"), _number("target"), _FROM, _TO),
    ),
    "learning_verbs": Seed(
        ("verb", "valid_from"), (_name("verb"), _count("min_seconds"), _FROM, _TO)
    ),
    "role_requirements": Seed(
        ("job_role", "org_unit_id", "competency_id", "valid_from"),
        (
            _name("job_role"),
            _name("org_unit_id"),
            _name("competency_id"),
            _count("grace_days"),
            _FROM,
            _TO,
        ),
    ),
    "messages": Seed(
        ("message_id",),
        (
            _name("message_id"),
            _name("core_sentence"),
            _name("audience_org_unit_id"),
            _text("approver_person_id"),
            _date("issued_on", required=True),
            _date("expires_on", required=True),
            Column("occasion", words=("launch", "refresh", "warning"), may_lack=True),
            _text("business_reason", may_lack=True),
            _text("ask", may_lack=True),
            _date("ask_by", may_lack=True),
            _text("link", may_lack=True),
            Column("minutes", "integer", low=1, high=600, may_lack=True),
            _text("helper", may_lack=True),
            _text("objection", may_lack=True),
            _text("answer", may_lack=True),
        ),
    ),
    "licences": Seed(
        ("licence_id", "period_start"),
        (
            _name("licence_id"),
            _count("seats"),
            _number("cost_per_seat", low=0),
            _date("period_start", required=True),
            _date("period_end", required=True),
        ),
    ),
    "governance_roles": Seed(
        ("role", "org_unit_id", "person_id", "valid_from"),
        (
            _word("role", *ROLES),
            _name("org_unit_id"),
            _name("person_id"),
            _text("deputy_person_id"),
            _FROM,
            _TO,
        ),
    ),
    "decision_rights": Seed(
        ("decision_id", "valid_from"),
        (
            _name("decision_id"),
            _name("decision"),
            _roles("proposes_role"),
            _roles("decides_role"),
            Column("consulted_roles", words=ROLES + DERIVED_ROLES, many=True),
            _count("days"),
            _word("silence", "escalates", "takes_effect", "never"),
            _number("amount_from", required=False, low=0, scale=2),
            _number("amount_to", required=False, low=0, scale=2),
            _FROM,
        ),
    ),
    "engagement_plan": Seed(
        ("day", "action"),
        (
            _count("day"),
            _word("phase", "visible_start", "role_modelling", "accountability", "hold"),
            _name("action"),
            _roles("owner_role"),
            _word(
                "evidence_kind",
                "governance_roles",
                "calendar",
                "leader_action",
                "confirmation",
                "decision_log",
                "completion",
                "leader_targets",
                "message",
                "feedback",
                "figures",
            ),
            _number("target", required=False, low=0),
            _text("evidence", may_lack=True),
        ),
    ),
    "review_calendar": Seed(
        ("ritual",),
        (
            _word("ritual", "weekly", "monthly", "quarterly"),
            _name("name"),
            _count("minutes", low=1),
            _roles("attendee_roles"),
            _name("agenda"),
            Column("sits_after_days", "integer", low=0, high=20, may_lack=True),
            _text("starts_at", may_lack=True),
            _text("place", may_lack=True),
        ),
    ),
    "signal_rules": Seed(
        ("rule_id", "valid_from"),
        (
            _name("rule_id"),
            _count("length", low=1, high=50),
            _count("of_length", low=1, high=50),
            _count("zone", required=False, high=3),
            _FROM,
            _name("description"),
        ),
    ),
    "leader_action_kinds": Seed(
        ("kind",), (_name("kind"), _word("visibility", "own_voice", "in_person", "none"))
    ),
    "early_warnings": Seed(
        ("warning_id", "valid_from"),
        (
            _name("warning_id"),
            _name("pain_point"),
            _name("parameter"),
            _word("comparison", "at_least", "over", "under"),
            _number("value"),
            _name("countermeasure"),
            _roles("owner_role"),
            _FROM,
            Column("action_days", "integer", low=1, high=90, may_lack=True),
        ),
    ),
    "review_rules": Seed(
        ("rule", "valid_from"),
        (
            _word("rule", *REVIEW_RULES),
            _number("value", low=0),
            _FROM,
        ),
    ),
    "blocker_rights": Seed(
        ("blocker",),
        (
            _word("blocker", *BLOCKERS),
            _name("name"),
            _name("decision_id"),
        ),
    ),
}
"""Every file of the charter."""


def assemble_charter(settings: Settings) -> Path:
    """Put the charter in force together in ``<home>/charter`` and return that folder.

    Shipped files, replaced whole by files of the same name in the organisation's overlay. All are
    checked before any is written; a file is written aside and renamed, and only where its content
    differs, so that dbt's partial parsing sees no change where there is none.

    Raises:
        Problem: a file or cell is not valid; names file, column, row and remedy.
    """
    charter = read_charter(settings)
    folder = settings.home / "charter"
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in charter.items():
        _write_if_changed(folder / f"{name}.csv", _as_csv(name, rows))
    for file in folder.glob("*.csv"):
        if file.stem not in SEEDS:  # of an older version of this project
            file.unlink(missing_ok=True)
    return folder


@dataclass(frozen=True)
class CharterInForce:
    """The charter that figures are made with, and what is wrong with its latest edit, if anything.

    A slip in one cell must not stop every review: the last charter that passed stays in force until
    the slip is mended, and ``fault`` says so to whoever runs or watches.
    """

    folder: Path
    fault: Problem | None = None


def charter_in_force(settings: Settings) -> CharterInForce:
    """Assemble the charter; where an edit is not valid, the last one that was.

    Raises:
        Problem: the charter is not valid and none was in force before.
    """
    try:
        return CharterInForce(assemble_charter(settings))
    except Problem as fault:
        _last_valid(settings, fault)
        return CharterInForce(settings.home / "charter", fault)


def charter_rows(settings: Settings) -> dict[str, Rows]:
    """The rows of the charter in force, read and not written.

    Raises:
        Problem: the charter is not valid and none was in force before.
    """
    try:
        return read_charter(settings)
    except Problem as fault:
        return _last_valid(settings, fault)


def _last_valid(settings: Settings, fault: Problem) -> dict[str, Rows]:
    folder = settings.home / "charter"
    if not all((folder / f"{name}.csv").exists() for name in SEEDS):
        raise fault
    return {name: read_seed(name, folder / f"{name}.csv") for name in SEEDS}


def read_charter(settings: Settings) -> dict[str, Rows]:
    """Every file of the charter in force, read and checked; nothing is written.

    Raises:
        Problem: a file or cell is not valid; names file, column, row and remedy.
    """
    files = {name: SHIPPED_CHARTER / f"{name}.csv" for name in SEEDS}
    if settings.charter_overlay is not None:
        if settings.charter_overlay == settings.home / "charter":
            raise Problem(
                "the organisation's own charter may not lie where the charter in force is kept.",
                file=str(settings.charter_overlay),
                remedy="move it to another folder and name that by [paths] charter.",
            )
        files.update(_overlay_files(settings.charter_overlay))
    charter = {name: read_seed(name, file) for name, file in files.items()}
    _check_across(charter, files)
    return charter


def charter_hash(folder: Path) -> str:
    """SHA-256 over the names and bytes of every CSV file in ``folder``."""
    digest = hashlib.sha256()
    for file in sorted(folder.glob("*.csv")):
        content = file.read_bytes()
        digest.update(f"{file.name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()


def read_seed(name: str, file: Path) -> Rows:
    """Read one file of the charter and check every cell of it.

    A byte order mark, either line ending, columns in another order, blanks around cells and empty
    lines are accepted.

    Returns:
        (1-based data row, column -> cell) of each row that is not empty.

    Raises:
        Problem: the file or a cell is not valid.
    """
    seed = SEEDS[name]
    try:
        lines = list(csv.reader(io.StringIO(_decoded(file), newline=""), strict=True))
    except csv.Error as error:
        raise Problem(
            f"is not readable as CSV: {error}.",
            file=str(file),
            remedy="look for a double quote that is opened and never closed.",
        ) from error
    header = [cell.strip() for cell in lines[0]] if lines else []
    _check_header(seed, header, file)
    rows: Rows = []
    for number, cells in enumerate(lines[1:], start=1):
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise Problem(
                f"the row has {len(cells)} cells, the header {len(header)}.",
                file=str(file),
                row=number,
                remedy="put a text that contains a comma into double quotes.",
            )
        given = dict(zip(header, (cell.strip() for cell in cells), strict=True))
        row = {name: given.get(name, "") for name in seed.header}
        for column in seed.columns:
            _check_cell(column, row[column.name], file, number)
        rows.append((number, row))
    _check_keys(seed, rows, file)
    _check_spans(rows, file)
    return rows


def _overlay_files(folder: Path) -> dict[str, Path]:
    if not folder.is_dir():
        raise Problem(
            "the charter folder of the settings does not exist.",
            file=str(folder),
            remedy="create it or correct [paths] charter.",
        )
    files = {}
    for file in sorted(folder.iterdir()):
        suffix = file.suffix.lower()
        if file.name.startswith((".", "~")) or suffix not in (".csv", ".xlsx", ".xls", ".ods"):
            continue  # notes and editors' own files may lie beside the charter
        if file.stem not in SEEDS:
            raise Problem(
                "is not a file of the charter.",
                file=str(file),
                remedy=did_you_mean(f"{file.stem}.csv", [f"{name}.csv" for name in SEEDS]),
            )
        if file.suffix != ".csv":
            raise Problem(
                "the charter is read from CSV files only.",
                file=str(file),
                remedy=f"save it as {file.stem}.csv (comma-separated, UTF-8).",
            )
        files[file.stem] = file
    return files


def _decoded(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Problem(
            f"is not UTF-8: byte {error.start} cannot be read.",
            file=str(file),
            remedy="save it as 'CSV UTF-8 (comma-separated)'.",
        ) from error


def _check_header(seed: Seed, header: list[str], file: Path) -> None:
    known = {column.name for column in seed.columns}
    needed = {column.name for column in seed.columns if not column.may_lack}
    if needed <= set(header) <= known and len(header) == len(set(header)):
        return
    expected = f"the header must be {','.join(seed.header)}."
    if len(header) == 1 and (other := re.search("[;\t]", header[0])):
        raise Problem(
            f"cells are separated by {other[0]!r}, not by a comma.",
            file=str(file),
            remedy="save it as 'CSV UTF-8 (comma-separated)'.",
        )
    for name in header:
        if header.count(name) > 1:
            raise Problem(
                f"the column {name!r} stands in the header twice.",
                file=str(file),
                remedy=expected,
            )
        if name not in seed.header:
            raise Problem(
                "is not a column of this file.",
                file=str(file),
                column=name,
                remedy=f"{did_you_mean(name, seed.header)} In full, {expected}",
            )
    missing = next(name for name in seed.header if name in needed and name not in header)
    raise Problem("the column is missing.", file=str(file), column=missing, remedy=expected)


def _check_cell(column: Column, cell: str, file: Path, row: int) -> None:
    def refuse(message: str, remedy: str) -> Problem:
        return Problem(message, file=str(file), column=column.name, row=row, remedy=remedy)

    if not cell:
        if column.required:
            raise refuse("the cell is empty.", "fill it in, or remove the row.")
        return
    if column.words:
        for word in cell.split("|") if column.many else [cell]:
            if word.strip() not in column.words:
                raise refuse(
                    f"{word.strip()!r} is not known here.",
                    did_you_mean(word.strip(), column.words),
                )
        if column.many and any(word != word.strip() for word in cell.split("|")):
            raise refuse(f"{cell!r} has blanks around '|'.", "write the words without blanks.")
    elif column.kind == "date":
        if not re.fullmatch(r"\d{4}-\d{2}-\d{2}", cell) or not _is_date(cell):
            raise refuse(f"{cell!r} is not a date.", "write dates as 2026-01-31.")
    elif column.kind in ("integer", "decimal"):
        number = _number_of(cell)
        whole = column.kind == "integer"
        if number is None or (whole and not re.fullmatch(r"[+-]?\d{1,9}", cell)):
            kind = "a whole number" if whole else "a number"
            raise refuse(
                f"{cell!r} is not {kind}.", f"write {kind} such as {40 if whole else 2.5}."
            )
        if not whole:
            _, digits, exponent = number.as_tuple()
            places = max(0, -int(exponent))
            if places > column.scale or len(digits) - places > 18 - column.scale:
                raise refuse(
                    f"{cell!r} has too many digits.",
                    f"use at most {column.scale} decimal places.",
                )
        if column.low is not None and number < column.low:
            raise refuse(f"{cell} is too small.", f"the least is {column.low}.")
        if column.high is not None and number > column.high:
            raise refuse(f"{cell} is too large.", f"the most is {column.high}.")


def _is_date(cell: str) -> bool:
    try:
        date.fromisoformat(cell)
    except ValueError:
        return False
    return True


def _number_of(cell: str) -> Decimal | None:
    if not re.fullmatch(r"[+-]?\d+(\.\d+)?", cell):  # no exponents, no NaN, no thousands marks
        return None
    try:
        return Decimal(cell)
    except InvalidOperation:
        return None


def _check_keys(seed: Seed, rows: Rows, file: Path) -> None:
    seen: dict[tuple[str, ...], int] = {}
    for number, row in rows:
        key = tuple(row[name] for name in seed.key)
        if key in seen:
            raise Problem(
                f"the row has the same {', '.join(seed.key)} as row {seen[key]}.",
                file=str(file),
                column=seed.key[0],
                row=number,
                remedy="keep one of them, or give the newer a later date where the key has one.",
            )
        seen[key] = number


def _check_spans(rows: Rows, file: Path) -> None:
    spans = (
        ("valid_from", "valid_to", False),  # valid_to is the first day no longer in force
        ("issued_on", "expires_on", True),
        ("period_start", "period_end", True),
    )
    for number, row in rows:
        for start, end, inclusive in spans:
            if not (row.get(start) and row.get(end)):
                continue
            if row[end] < row[start] or (row[end] == row[start] and not inclusive):
                raise Problem(
                    f"{end} {row[end]} is not after {start} {row[start]}.",
                    file=str(file),
                    column=end,
                    row=number,
                    remedy=f"correct one of the dates, or empty {end}."
                    if end == "valid_to"
                    else "correct one of the dates.",
                )


def _check_across(charter: Mapping[str, Rows], files: Mapping[str, Path]) -> None:
    """What one cell alone cannot show: references between files and rules of the models."""
    shipped = {
        row["kpi_id"]: row
        for _, row in read_seed("kpi_catalogue", SHIPPED_CHARTER / "kpi_catalogue.csv")
    }
    catalogue = {row["kpi_id"]: row for _, row in charter["kpi_catalogue"]}

    def each(name: str, column: str, fault: Callable[[Row], tuple[str, str] | None]) -> None:
        for number, row in charter[name]:
            if found := fault(row):
                raise Problem(
                    found[0], file=str(files[name]), column=column, row=number, remedy=found[1]
                )

    def known(kpi_id: str, among: Iterable[str]) -> tuple[str, str] | None:
        if kpi_id in among:
            return None
        return f"no KPI is called {kpi_id!r}.", did_you_mean(kpi_id, among)

    each("kpi_catalogue", "kpi_id", lambda row: known(row["kpi_id"], shipped))
    each(
        "kpi_catalogue",
        "parent_kpi_id",
        lambda row: known(row["parent_kpi_id"], catalogue) if row["parent_kpi_id"] else None,
    )
    each("kpi_catalogue", "grains", lambda row: _grains_fault(row, shipped[row["kpi_id"]]))
    each("kpi_catalogue", "unit", lambda row: _unit_fault(row, shipped[row["kpi_id"]]))
    each("kpi_catalogue", "headline_order", _headline_fault)
    each("kpi_targets", "kpi_id", lambda row: known(row["kpi_id"], catalogue))
    each("kpi_targets", "target", lambda row: _target_fault(row, catalogue[row["kpi_id"]]))
    leadership = [kpi_id for kpi_id, row in catalogue.items() if row["role"] == "leadership"]
    each("leader_targets", "kpi_id", lambda row: known(row["kpi_id"], leadership))
    each("population", "value", _population_fault)
    each("signal_rules", "of_length", _signal_rule_fault)
    each("review_calendar", "agenda", _agenda_fault)
    each("decision_rights", "amount_to", _amount_fault)
    each("review_calendar", "starts_at", _time_of_day_fault)
    rights = {row["decision_id"] for _, row in charter["decision_rights"]}
    each(
        "blocker_rights",
        "decision_id",
        lambda row: (
            None
            if row["decision_id"] in rights
            else (
                f"no decision right is called {row['decision_id']!r}.",
                did_you_mean(row["decision_id"], rights),
            )
        ),
    )
    own_plan = files["engagement_plan"].parent != SHIPPED_CHARTER
    # without any evidence it is of an earlier version
    if own_plan and any(row["evidence"] for _, row in charter["engagement_plan"]):
        proofs = _plan_proofs(charter)
        each("engagement_plan", "evidence", lambda row: _evidence_fault(row, proofs))
    for number, row in charter["signal_rules"]:
        earlier = {r["rule_id"] for n, r in charter["signal_rules"] if n <= number}
        if len(earlier) > MOST_SIGNAL_RULES:
            raise Problem(
                f"{row['rule_id']!r} is one rule too many.",
                file=str(files["signal_rules"]),
                column="rule_id",
                row=number,
                remedy=f"keep at most {MOST_SIGNAL_RULES} rules: each one more adds false alarms.",
            )
    for name, column, needed in (
        ("population", "rule", ("joiner_days", "leave_share")),
        ("review_rules", "rule", REVIEW_RULES),
        ("blocker_rights", "blocker", BLOCKERS),
    ):
        for word in needed:
            if word not in (row[column] for _, row in charter[name]):
                raise Problem(
                    f"the rule {word!r} is missing.",
                    file=str(files[name]),
                    column=column,
                    remedy=f"add a row for it; the shipped file has one: {SHIPPED_CHARTER}.",
                )


def _grains_fault(row: Row, shipped: Row) -> tuple[str, str] | None:
    built = shipped["grains"].split("|")
    if extra := [grain for grain in row["grains"].split("|") if grain not in built]:
        return f"{row['kpi_id']} is not built by {extra[0]}.", f"use {' or '.join(built)}."
    return None


def _unit_fault(row: Row, shipped: Row) -> tuple[str, str] | None:
    if row["unit"] != shipped["unit"]:
        return f"{row['kpi_id']} is computed in {shipped['unit']}.", f"write {shipped['unit']}."
    return None


def _headline_fault(row: Row) -> tuple[str, str] | None:
    if (row["role"] == "headline") != bool(row["headline_order"]):
        return (
            f"{row['kpi_id']} is {row['role']}, with order {row['headline_order'] or 'empty'}.",
            "headline KPIs have an order from 1 to 5, all others none.",
        )
    return None


def _target_fault(row: Row, kpi: Row) -> tuple[str, str] | None:
    if not row["target"]:
        return None
    if row["kpi_id"] in NEVER_A_TARGET:
        return f"{row['kpi_id']} is never a target.", "remove the row."
    if kpi["unit"] == "percent" and not 0 <= Decimal(row["target"]) <= 100:
        return f"{row['target']} is not a percentage.", "write 40 for 40 %."
    return None


def _population_fault(row: Row) -> tuple[str, str] | None:
    value = Decimal(row["value"])
    if row["rule"] == "joiner_days" and value != value.to_integral_value():
        return f"{row['value']} is not a whole number of days.", "write a number such as 31."
    if row["rule"] == "leave_share" and value > 1:
        return f"{row['value']} is not a share.", "write 0.5 for half of the period."
    return None


def _signal_rule_fault(row: Row) -> tuple[str, str] | None:
    if int(row["length"]) > int(row["of_length"]):
        return (
            f"{row['length']} points cannot lie among {row['of_length']}.",
            "make of_length at least as large as length.",
        )
    if not row["zone"] and (row["length"] != row["of_length"] or int(row["length"]) < 2):
        return (
            "a rule without a zone is a run of rising or falling points, two at least.",
            "give a zone from 0 to 3, or make length and of_length equal.",
        )
    return None


def _agenda_fault(row: Row) -> tuple[str, str] | None:
    items = [re.search(r" (\d+)$", item.strip()) for item in row["agenda"].split("|")]
    minutes = sum(int(item[1]) for item in items if item)
    if not all(items) or minutes != int(row["minutes"]):
        return (
            f"the items of the agenda take {minutes} minutes, the sitting {row['minutes']}.",
            "end every item with its minutes: 'exceptions 10|decisions 15|commitments 5'.",
        )
    return None


def _time_of_day_fault(row: Row) -> tuple[str, str] | None:
    if row["starts_at"] and not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", row["starts_at"]):
        return f"{row['starts_at']!r} is not a time of day.", "write it as 09:30."
    return None


def _plan_proofs(charter: Mapping[str, Rows]) -> Mapping[str, tuple[set[str], str]]:
    """By kind of evidence: the words that the plan's model can prove, and what they are."""
    actions = {row["kind"] for _, row in charter["leader_action_kinds"]}
    rights = {row["decision_id"] for _, row in charter["decision_rights"]}
    kinds = (actions, "kind of leader action (leader_action_kinds.csv)")
    return {
        "governance_roles": (set(ROLES), "governance role"),
        "calendar": ({"town_hall_on", "first_review_on"}, "date of the programme"),
        "leader_action": kinds,
        "feedback": kinds,
        "confirmation": kinds,
        "decision_log": (
            {*rights, "first_review_on", "oldest_open_action"},
            "decision right (decision_rights.csv)",
        ),
        "completion": ({"sponsor", "elt"}, "group whose completions count"),
    }


def _evidence_fault(row: Row, proofs: Mapping[str, tuple[set[str], str]]) -> tuple[str, str] | None:
    """What nothing could prove would be overdue for ever, and look like its owner's fault."""
    if row["evidence_kind"] not in proofs:
        return None  # proved by the figures, the registry or the leaders' targets themselves
    known, what = proofs[row["evidence_kind"]]
    words = row["evidence"].split("|") if row["evidence"] else []
    if set(words) <= {"first_review_on"} and row["evidence_kind"] == "decision_log":
        return (
            f"{row['action']!r} names no decision that proves it.",
            "name a decision right; first_review_on beside it says since when.",
        )
    if not words:
        return f"{row['action']!r} names nothing that proves it.", did_you_mean("", known)
    for word in words:
        if word not in known:
            return f"no {what} is called {word!r}.", did_you_mean(word, known)
    return None


def _amount_fault(row: Row) -> tuple[str, str] | None:
    low, high = row["amount_from"], row["amount_to"]
    if low and high and Decimal(high) <= Decimal(low):
        return f"{high} is not above amount_from {low}.", "correct one of the amounts."
    return None


def did_you_mean(word: str, among: Iterable[str]) -> str:
    """The remedy for a word that is not known: the nearest known one, or all of them if few."""
    known = sorted(set(among))
    in_any_case = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), in_any_case, n=1, cutoff=0.6)
    if close:
        return f"did you mean {in_any_case[close[0]]!r}?"
    shown = ", ".join(known[:_MOST_SHOWN]) + (", ..." if len(known) > _MOST_SHOWN else "")
    return f"use one of {shown}." if known else "none is known yet."


def _as_csv(name: str, rows: Rows) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, SEEDS[name].header, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row for _, row in rows)
    return text.getvalue().encode()


def _write_if_changed(file: Path, content: bytes) -> None:
    if file.exists() and file.read_bytes() == content:
        return
    aside = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
    aside.write_bytes(content)
    os.replace(aside, file)
