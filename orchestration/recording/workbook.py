'''The template workbook: leader actions, attendance, decisions and outcomes kept in a spreadsheet.

``build`` writes it with the current charter's words as lists to choose from. Filled in, it reaches
the system in one of two ways. ``record import`` reads it into the feed ``records``. Or it is saved
to the landing folder as ``programme_<date>.xlsx`` and is ingested by configuration alone:

.. code-block:: toml

    [feeds.leader_actions]
    files = { actions = "programme_{date}.xlsx", attendance = "programme_{date}.xlsx" }
    format = "xlsx"
    sheet = { actions = "Leader actions", attendance = "Attendance" }
    owner = "Programme office"
    max_quiet_days = 31
    select = """
    SELECT
        'act-' || left(md5(concat(
            trim(split_part("Leader", '|', -1)), '|', "Kind", '|', left("Day", 10), '|',
            trim(split_part("Unit addressed", '|', -1)), '|', "Message", '|', "Note"
        )), 16) AS action_id,
        trim(split_part("Leader", '|', -1)) AS person_id,
        "Kind" AS kind,
        trim(split_part("Unit addressed", '|', -1)) AS audience_org_unit_id,
        "Message" AS message_id,
        "Day" AS happened_on
    FROM actions
    UNION ALL
    SELECT
        'act-' || left(md5(concat(
            trim(split_part("Leader", '|', -1)), '|',
            if("Sitting" = 'manager_forum', 'manager_forum_attended', 'review_attended'), '|',
            left("Day", 10), '|||', "Sitting"
        )), 16),
        trim(split_part("Leader", '|', -1)),
        if("Sitting" = 'manager_forum', 'manager_forum_attended', 'review_attended'),
        NULL,
        NULL,
        "Day"
    FROM attendance
    """

    [feeds.decisions]
    files = { decisions = "programme_{date}.xlsx" }
    format = "xlsx"
    sheet = "Decisions"
    delivery = "changes"
    owner = "Programme office"
    select = """
    SELECT
        "No." AS entry_id,
        "Kind" AS kind,
        "Title" AS title,
        trim(split_part("Decision right", '|', -1)) AS right_id,
        trim(split_part("Unit", '|', -1)) AS org_unit_id,
        trim(split_part("Owner", '|', -1)) AS owner_person_id,
        "Owner's role" AS owner_role,
        trim(split_part("Proposed by", '|', -1)) AS proposed_by_person_id,
        "Asked on" AS asked_on,
        "Asked in" AS asked_in,
        "Due on" AS due_on,
        "Amount" AS amount,
        "Decided on" AS decided_on,
        trim(split_part("Decided by", '|', -1)) AS decided_by_person_id,
        "Outcome" AS outcome,
        "Closed on" AS closed_on,
        'person' AS source,
        "If not taken" AS if_not_taken
    FROM decisions
    WHERE coalesce("Kind", "Title", "Decision right", "Asked on", "Due on", "Outcome") IS NOT NULL
    """

    [feeds.business_outcomes]
    files = { outcomes = "programme_{date}.xlsx" }
    format = "xlsx"
    sheet = "Outcomes"
    owner = "Programme office"
    max_quiet_days = 190
    select = """
    SELECT
        trim(split_part("Unit", '|', -1)) AS org_unit_id,
        "Outcome" AS metric,
        "First day of the period" AS period_start,
        "Numerator" AS numerator,
        "Denominator" AS denominator,
        "Measured in" AS unit,
        "Better when" AS direction
    FROM outcomes
    """

Both ways make the same ids, so that doing both counts nothing twice.
'''

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from orchestration.feeds.readers import Source, sheet_rows
from orchestration.feeds.recording import Recorded, decision_log, record
from orchestration.feeds.rules import ENTRY_KINDS
from orchestration.problems import Problem
from orchestration.recording import entries
from orchestration.recording.entries import Answers, Row
from orchestration.recording.known import Known
from orchestration.settings import Settings
from orchestration.warehouse.charter import DERIVED_ROLES, ROLES

if TYPE_CHECKING:
    from openpyxl import Workbook
    from openpyxl.cell.cell import Cell
    from openpyxl.worksheet.worksheet import Worksheet

ROWS = 500
"""Rows of each sheet that have lists, formats and (decisions) a number ready."""

_LISTS = "Lists"
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True)
class Field:
    """One column of a sheet.

    Attributes:
        header: as people read it; the mapping above names it.
        name: the field of ``entries`` that it answers.
        choices: which list of ``choices_of`` its cells are chosen from.
        strict: whether anything else is refused in the spreadsheet (else it warns).
        help: short help, shown when a cell is chosen.
    """

    header: str
    name: str
    help: str
    kind: Literal["text", "date", "number"] = "text"
    choices: str = ""
    strict: bool = False
    width: int = 18


@dataclass(frozen=True)
class Sheet:
    """One sheet: its columns, and what makes a row of ``records`` from a row of it."""

    name: str
    fields: tuple[Field, ...]
    make: Callable[[Answers, entries.Source], Row]


_LEADER = Field(
    "Leader", "who", "Choose the leader, or type the person's id.", choices="people", width=32
)
SHEETS = (
    Sheet(
        "Leader actions",
        (
            _LEADER,
            Field("Kind", "kind", "What the leader did.", choices="kinds", strict=True, width=24),
            Field("Day", "on", "The day it happened, as a date.", "date"),
            Field(
                "Unit addressed",
                "unit",
                "The unit it was for; empty for the leader's own.",
                choices="units",
                width=28,
            ),
            Field("Message", "message", "The message it carried, if any.", choices="messages"),
            Field("Note", "note", "What sets it apart from another of the same day.", width=40),
        ),
        entries.leader_action,
    ),
    Sheet(
        "Attendance",
        (
            _LEADER,
            Field(
                "Sitting",
                "sitting",
                "Which review, or a forum of managers.",
                choices="sittings",
                strict=True,
            ),
            Field("Day", "on", "The day of the sitting, as a date.", "date"),
        ),
        entries.attendance,
    ),
    Sheet(
        "Decisions",
        (
            Field("No.", "entry", "Names the entry for ever: leave it as it is.", width=14),
            Field(
                "Kind",
                "kind",
                "A decision asked for, an action or a commitment owed.",
                choices="entry_kinds",
                strict=True,
            ),
            Field("Title", "title", "What is asked or owed, in one sentence.", width=48),
            Field(
                "Decision right",
                "right",
                "The right that the decision falls under.",
                choices="rights",
                width=36,
            ),
            Field(
                "Unit",
                "unit",
                "The unit it is about; empty for the whole.",
                choices="units",
                width=28,
            ),
            Field("Owner", "owner", "Who owes it. Else name a role.", choices="people", width=32),
            Field("Owner's role", "owner_role", "The role that owes it.", choices="roles"),
            Field("Proposed by", "proposed_by", "Who asks.", choices="people", width=32),
            Field("Asked on", "asked_on", "The day it was asked, as a date.", "date"),
            Field("Asked in", "asked_in", "The sitting it was asked in."),
            Field("Due on", "due_on", "The day it is owed, as a date.", "date"),
            Field("Amount", "amount", "Money asked for, in the organisation's currency.", "number"),
            Field("Decided on", "decided_on", "The day of the decision.", "date"),
            Field("Decided by", "decided_by", "Who decided.", choices="people", width=32),
            Field("Outcome", "outcome", "What became of it.", choices="outcomes"),
            Field("Closed on", "closed_on", "The day it was done or withdrawn.", "date"),
            Field("If not taken", "if_not_taken", "What happens then.", width=40),
        ),
        entries.entry,
    ),
    Sheet(
        "Outcomes",
        (
            Field("Unit", "unit", "The unit that the outcome is of.", choices="units", width=28),
            Field(
                "Outcome",
                "metric",
                "The measure, as the programme names it.",
                choices="metrics",
                width=28,
            ),
            Field("First day of the period", "period", "Of the month or quarter.", "date"),
            Field("Numerator", "numerator", "The sum above the line.", "number"),
            Field("Denominator", "denominator", "The sum below the line, if any.", "number"),
            Field("Measured in", "measured_in", "Such as points, percent or people."),
            Field(
                "Better when", "better", "Which way is better.", choices="directions", strict=True
            ),
        ),
        entries.outcome,
    ),
)


def choices_of(known: Known) -> dict[str, list[str]]:
    """The lists to choose from. People, units and rights show a name and, behind a bar, the id."""

    def labelled(pairs: Mapping[str, str]) -> list[str]:
        return sorted(
            (f"{name} | {key}" if name and name != key else key for key, name in pairs.items()),
            key=str.casefold,
        )

    leaders = {
        person.person_id: person.full_name
        for person in known.people.values()
        if person.left_on is None
        and (person.leader_level != "none" or person.person_id in known.governed_by)
    }
    return {
        "people": labelled(leaders),
        "units": labelled(known.units),
        "rights": labelled({key: right.decision for key, right in known.rights.items()}),
        "kinds": sorted(known.kinds),
        "sittings": list(entries.SITTINGS),
        "entry_kinds": list(ENTRY_KINDS),
        "outcomes": list(entries.OUTCOMES),
        "directions": list(entries.DIRECTIONS),
        "roles": sorted((*ROLES, *DERIVED_ROLES)),
        "metrics": sorted(known.metrics),
        "messages": sorted(known.messages),
    }


def build(settings: Settings, file: Path, *, replace_it: bool = False) -> None:
    """Write the empty workbook with the words of the charter in force.

    Raises:
        Problem: the file exists, or the charter is not valid.
    """
    from openpyxl import Workbook

    if file.exists() and not replace_it:
        raise Problem(
            "the file exists.",
            file=str(file),
            remedy="choose another name, or say --replace if nothing in it is needed.",
        )
    choices = choices_of(Known.read(settings))
    book = Workbook()
    book.remove(book.worksheets[0])
    _read_me(book, settings)
    for sheet in SHEETS:
        _sheet(book, sheet, choices)
    _lists(book, choices)
    file.parent.mkdir(parents=True, exist_ok=True)
    book.save(file)


def _read_me(book: Workbook, settings: Settings) -> None:
    from openpyxl.styles import Alignment, Font

    sheet = book.create_sheet("Read me")
    sheet.column_dimensions["A"].width = 100
    lines = (
        f"Learning programme of {settings.organisation.name}: what people record",
        "Fill in a row for each thing that happened. Choose from the lists where there is one.",
        "Leader actions: what leaders did for learning. Attendance: who sat in which review.",
        "Decisions: what was asked, owed, decided and closed; one row from opening to closing.",
        "Outcomes: the business measures that learning is meant to move.",
        "Keep the names of the sheets and of the columns. Further columns are not read.",
        "Then save it to the landing folder as programme_<date>.xlsx, or have it read by: "
        "python -m orchestration record import <file>",
    )
    for number, line in enumerate(lines, start=1):
        cell = sheet.cell(number, 1)
        _put_text(cell, line)
        cell.alignment = Alignment(wrap_text=True)
        cell.font = Font(bold=number == 1, size=14 if number == 1 else 11)


def _sheet(book: Workbook, sheet: Sheet, choices: Mapping[str, list[str]]) -> None:
    from openpyxl.styles import Font, PatternFill
    from openpyxl.utils import get_column_letter

    made = book.create_sheet(sheet.name)
    made.freeze_panes = "A2"
    for position, field in enumerate(sheet.fields, start=1):
        letter = get_column_letter(position)
        head = made.cell(1, position)
        _put_text(head, field.header)
        head.font = Font(bold=True, color="FFFFFF")
        head.fill = PatternFill("solid", fgColor="1F3A5F")
        made.column_dimensions[letter].width = field.width
        form = {"date": "yyyy-mm-dd", "number": "#,##0.00", "text": "@"}[field.kind]
        for row in range(2, ROWS + 2):
            made.cell(row, position).number_format = form
        _validate(made, field, f"{letter}2:{letter}{ROWS + 1}", choices)
    if sheet.name == "Decisions":
        # the numbers of two workbooks must not meet
        batch = secrets.token_hex(3).upper()
        for row in range(2, ROWS + 2):
            _put_text(made.cell(row, 1), f"D-{batch}-{row - 1:03d}")


def _validate(made: Worksheet, field: Field, cells: str, choices: Mapping[str, list[str]]) -> None:
    from openpyxl.worksheet.datavalidation import DataValidation

    if field.choices and choices[field.choices]:
        column = _column_of(field.choices, choices)
        count = len(choices[field.choices])
        rule = DataValidation(
            type="list", formula1=f"{_LISTS}!${column}$2:${column}${count + 1}", allow_blank=True
        )
        rule.errorStyle = "stop" if field.strict else "warning"
        rule.error = "Choose one from the list."
    elif field.kind == "date":
        rule = DataValidation(
            type="date",
            operator="between",
            formula1="DATE(2000,1,1)",
            formula2="DATE(2100,12,31)",
            allow_blank=True,
        )
        rule.error = "Type a date."
    elif field.kind == "number":
        rule = DataValidation(
            type="decimal",
            operator="between",
            formula1="-1E+13",
            formula2="1E+13",
            allow_blank=True,
        )
        rule.error = "Type a number."
    else:
        rule = DataValidation(allow_blank=True)
    rule.showErrorMessage = True
    rule.showInputMessage = True
    rule.promptTitle = field.header
    rule.prompt = field.help
    made.add_data_validation(rule)
    rule.add(cells)


def _lists(book: Workbook, choices: Mapping[str, list[str]]) -> None:
    sheet = book.create_sheet(_LISTS)
    for position, (name, words) in enumerate(choices.items(), start=1):
        _put_text(sheet.cell(1, position), name)
        for row, word in enumerate(words, start=2):
            _put_text(sheet.cell(row, position), word)


def _column_of(name: str, choices: Mapping[str, list[str]]) -> str:
    from openpyxl.utils import get_column_letter

    return str(get_column_letter(list(choices).index(name) + 1))


def _put_text(cell: Cell, text: str) -> None:
    """Text stays text, though it may look like a formula; also when its cell is edited."""
    cell.value = text
    cell.data_type = "s"
    if text.startswith(_FORMULA_STARTS):
        cell.quotePrefix = True


@dataclass(frozen=True)
class Placed:
    """A row of ``records`` and where it stands in the workbook: the sheet, and its data row."""

    row: Row
    sheet: str
    number: int


def read(settings: Settings, file: Path, today: date) -> list[Placed]:
    """The rows of ``records`` that a filled-in workbook holds, in the order of its sheets.

    An entry of the log that is known gives a row with what is new of it, and none where nothing
    is.

    Raises:
        Problem: a sheet or column is missing, or a cell cannot be meant; names file and sheet,
            column and row.
    """
    if not file.is_file():
        raise Problem("the file does not exist.", file=str(file))
    known, log = Known.read(settings), decision_log(settings)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    rows: list[Placed] = []
    for sheet in SHEETS:
        source = Source("workbook", str(file), file, file, digest, file.stat().st_size)
        for number, given in _filled(replace(source, sheet=sheet.name), sheet):
            try:
                row = _row(sheet, Answers(given, known, today), log)
            except Problem as problem:
                raise Problem(
                    problem.message,
                    file=f"{file} (sheet {sheet.name})",
                    column=_header_of(sheet, problem.column),
                    row=number,
                    remedy=problem.remedy,
                ) from problem
            if row is not None:
                rows.append(Placed(row, sheet.name, number))
    return rows


def _filled(source: Source, sheet: Sheet) -> list[tuple[int, dict[str, str | None]]]:
    """The rows of a sheet that say something: number and answers by field."""
    lines = sheet_rows(source)
    header = [(name or "").strip() for name in next(lines, (0, []))[1]]
    for field in sheet.fields:
        if field.header not in header:
            raise Problem(
                "the column is missing.",
                file=source.place,
                column=field.header,
                remedy="name it again as the template does; `record workbook` writes another.",
            )
    found = []
    for number, cells in lines:
        padded = [*cells, *[None] * len(header)]
        given = {f.name: padded[header.index(f.header)] for f in sheet.fields}
        if any((text or "").strip() for name, text in given.items() if name != "entry"):
            chosen = {f.name: _chosen(given[f.name]) for f in sheet.fields if f.choices}
            found.append((number, {**given, **chosen}))
    return found


def _chosen(text: str | None) -> str | None:
    """What stands behind the bar of a choice."""
    if text is None or " | " not in text:
        return text
    return text.rsplit(" | ", 1)[1]


def _row(sheet: Sheet, answers: Answers, log: Mapping[str, Mapping[str, str]]) -> Row | None:
    if sheet.name != "Decisions":
        return sheet.make(answers, "workbook")
    name = answers.text("entry")
    row = entries.entry(answers, "workbook", name)
    held = log.get(str(row["entry_id"]), {})
    if "kind" not in held:
        return row
    stated = ("source", "subject", "entry_id")
    news = {
        key: value
        for key, value in row.items()
        if key in stated or (value is not None and key != "kind" and held.get(key) != str(value))
    }
    return news if len(news) > len(stated) else None


def _header_of(sheet: Sheet, name: str | None) -> str | None:
    return next((field.header for field in sheet.fields if field.name == name), name)


def read_in(settings: Settings, file: Path, today: date) -> Recorded:
    """Record what a filled-in workbook holds, all of it or nothing.

    Raises:
        Problem: see ``read``.
    """
    placed = read(settings, file, today)
    try:
        return record(settings, [one.row for one in placed])
    except Problem as problem:
        if problem.row is None:
            raise
        at = placed[problem.row - 1]
        raise Problem(
            problem.message,
            file=f"{file} (sheet {at.sheet})",
            column=problem.column,
            row=at.number,
            remedy=problem.remedy,
        ) from problem
