"""The template workbook: lists and formats, filled in, ingested by configuration or imported."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from orchestration.feeds.landing import Outcome
from orchestration.feeds.recording import Held, decision_log
from orchestration.problems import Problem
from orchestration.recording.workbook import ROWS, SHEETS, build, read_in
from orchestration.settings import FeedName

from .conftest import DAY, Run, Small

TODAY = date(2026, 11, 20)
NAME = f"programme_{DAY}.xlsx"
ACTIONS: list[dict[str, Any]] = [
    {"Leader": "Ann Archer | p1", "Kind": "town_hall", "Day": date(2026, 10, 5),
     "Unit addressed": "Operations | OPS"},
    {"Leader": "p2", "Kind": "learner_recognised", "Day": datetime(2026, 10, 6), "Note": "=1+1"},
]  # fmt: skip
ATTENDANCE: list[dict[str, Any]] = [
    {"Leader": "Bob Baker | p2", "Sitting": "monthly", "Day": date(2026, 10, 7)},
    {"Leader": "Bob Baker | p2", "Sitting": "manager_forum", "Day": date(2026, 10, 8)},
]
DECISIONS: list[dict[str, Any]] = [
    {"No.": "D-1", "Kind": "decision", "Title": "<b>Fund</b> | it", "Unit": "Operations | OPS",
     "Decision right": "Set targets | set_targets", "Owner": "Ann Archer | p1",
     "Asked on": date(2026, 10, 1), "Due on": date(2026, 10, 20), "Amount": 2500.5,
     "If not taken": "=HYPERLINK(1)"},
    {"No.": "D-2", "Kind": "commitment", "Title": "Free an hour", "Owner": "p2",
     "Asked on": date(2026, 10, 1), "Due on": date(2026, 10, 20)},
]  # fmt: skip
OUTCOMES: list[dict[str, Any]] = [
    {"Unit": "Operations | OPS", "Outcome": "productivity_index", "Numerator": 1012,
     "First day of the period": date(2026, 7, 1), "Denominator": 10, "Better when": "up",
     "Measured in": "points"},
]  # fmt: skip


@pytest.fixture
def empty(small: Small, tmp_path: Path) -> Path:
    file = tmp_path / "template.xlsx"
    build(small.settings, file)
    return file


def fill(book: Workbook, sheet: str, rows: list[dict[str, Any]]) -> None:
    made = book[sheet]
    columns = {cell.value: cell.column for cell in made[1]}
    for number, row in enumerate(rows, start=2):
        for name, value in row.items():
            cell = made.cell(number, columns[name])
            cell.value = value
            if isinstance(value, str):
                cell.data_type = "s"


@pytest.fixture
def filled(empty: Path) -> Workbook:
    book = load_workbook(empty)
    for sheet, rows in (
        ("Leader actions", ACTIONS),
        ("Attendance", ATTENDANCE),
        ("Decisions", DECISIONS),
        ("Outcomes", OUTCOMES),
    ):
        fill(book, sheet, rows)
    return book


def landed(small: Small, book: Workbook, feed: FeedName) -> Outcome:
    book.save(small.landing / NAME)
    (outcome,) = small.land(feed)
    return outcome


def test_the_template_offers_the_words_of_the_charter(small: Small, empty: Path) -> None:
    book = load_workbook(empty)
    assert book.sheetnames == ["Read me", *(sheet.name for sheet in SHEETS), "Lists"]
    lists = {
        column[0].value: [cell.value for cell in column[1:] if cell.value is not None]
        for column in book["Lists"].iter_cols()
    }
    assert lists["people"] == ["Ann Archer | p1", "Bob Baker | p2", "Cat Cooper | p3"]
    assert lists["units"] == ['=Sales "EMEA"  | SALES', "Operations | OPS", "Whole | ALL"]
    assert "survey_run" in lists["kinds"] and "town_hall" in lists["kinds"]
    assert "Set targets | set_targets" in lists["rights"]
    assert lists["entry_kinds"] == ["decision", "action", "commitment"]
    assert {cell.data_type for row in book["Lists"].iter_rows() for cell in row} <= {"s", "n"}
    # text, and it stays text when somebody goes into the cell and leaves it
    (units,) = (c for c in book["Lists"].iter_cols() if c[0].value == "units")
    assert [cell.quotePrefix for cell in units[1:4]] == [True, False, False]
    for sheet in SHEETS:
        made = book[sheet.name]
        assert [cell.value for cell in made[1]] == [field.header for field in sheet.fields]
        assert made.freeze_panes == "A2"
        rules = {str(rule.sqref): rule for rule in made.data_validations.dataValidation}
        for column, field in zip(made.iter_cols(min_row=2, max_row=2), sheet.fields, strict=True):
            letter = column[0].column_letter
            rule = rules[f"{letter}2:{letter}{ROWS + 1}"]
            assert rule.prompt == field.help
            assert column[0].value is None or field.name == "entry"
            if field.kind == "date":
                assert rule.type == "date" and column[0].number_format == "yyyy-mm-dd"
            if field.choices and lists.get(field.choices):
                assert rule.type == "list"
                assert rule.errorStyle == ("stop" if field.strict else "warning")
                last = len(lists[field.choices]) + 1
                assert rule.formula1.endswith(f"${last}"), field.header
    numbers = [cell.value for cell in book["Decisions"]["A"][1:]]
    assert len(set(numbers)) == ROWS and numbers[0].startswith("D-")
    assert numbers[0].endswith("-001")


def test_without_people_or_units_the_template_still_has_its_words(
    small: Small, tmp_path: Path
) -> None:
    for feed in ("people", "org_units"):
        small.lake.remove("versions", f"{feed}.parquet")
        small.lake.remove("in_force", f"{feed}.parquet")
    build(small.settings, tmp_path / "bare.xlsx")
    lists = load_workbook(tmp_path / "bare.xlsx")["Lists"]
    assert [c.value for c in lists["A"]][:2] == ["people", None]
    assert "town_hall" in [c.value for c in lists["D"]]


def test_an_existing_file_is_not_written_over(small: Small, run: Run, empty: Path) -> None:
    with pytest.raises(Problem, match="the file exists"):
        run("record", "workbook", str(empty))
    assert "Written" in run("record", "workbook", str(empty), "--replace").output


def test_a_filled_workbook_is_ingested_by_configuration_alone(
    small: Small, filled: Workbook
) -> None:
    filled.save(small.landing / NAME)
    for feed in ("leader_actions", "decisions", "business_outcomes"):
        manifest = small.take(feed)
        assert manifest.rows_rejected == 0
    assert small.rows(
        "leader_actions", "person_id, kind, audience_org_unit_id, message_id, happened_on"
    ) == [
        ("p1", "town_hall", "OPS", None, date(2026, 10, 5)),
        ("p2", "learner_recognised", None, None, date(2026, 10, 6)),
        ("p2", "manager_forum_attended", None, None, date(2026, 10, 8)),
        ("p2", "review_attended", None, None, date(2026, 10, 7)),
    ]
    assert small.rows(
        "decisions",
        "entry_id, kind, title, right_id, org_unit_id, owner_person_id, due_on, amount, source, "
        "if_not_taken",
    ) == [
        ("D-1", "decision", "<b>Fund</b> | it", "set_targets", "OPS", "p1", date(2026, 10, 20),
         Decimal("2500.50"), "person", "=HYPERLINK(1)"),
        ("D-2", "commitment", "Free an hour", None, None, "p2", date(2026, 10, 20), None,
         "person", None),
    ]  # fmt: skip
    assert small.rows("business_outcomes", "*")[0][:7] == (
        *("OPS", "productivity_index", date(2026, 7, 1), Decimal(1012), Decimal(10)),
        *("points", "up"),
    )


def test_an_empty_workbook_is_ingested_and_says_nothing(small: Small, empty: Path) -> None:
    (small.landing / NAME).write_bytes(empty.read_bytes())
    for feed in ("leader_actions", "decisions", "business_outcomes"):
        manifest = small.take(feed)
        assert (manifest.rows_accepted, manifest.rows_rejected) == (0, 0)


def test_imported_and_ingested_rows_carry_the_same_ids(small: Small, filled: Workbook) -> None:
    filled.save(small.landing / NAME)
    done = read_in(small.settings, small.landing / NAME, TODAY)
    assert len(done.added) == 7 and done.known == ()
    small.take("leader_actions")
    recorded = list(Held.read(small.settings).rows.values())
    assert {row["source"] for row in recorded} == {"workbook"}
    assert small.rows("leader_actions", "action_id, person_id, happened_on") == sorted(
        (row["entry_id"], row["person_id"], date.fromisoformat(row["happened_on"]))
        for row in recorded
        if row["subject"] == "leader_action"
    )
    assert decision_log(small.settings)["D-1"] == {
        "subject": "decision",
        "entry_id": "D-1",
        "kind": "decision",
        "title": "<b>Fund</b> | it",
        "right_id": "set_targets",
        "org_unit_id": "OPS",
        "owner_person_id": "p1",
        "asked_on": "2026-10-01",
        "due_on": "2026-10-20",
        "amount": "2500.50",
        "if_not_taken": "=HYPERLINK(1)",
    }


def test_a_workbook_imported_again_adds_what_is_new_of_it(
    small: Small, run: Run, filled: Workbook, tmp_path: Path
) -> None:
    file = tmp_path / "kept.xlsx"
    filled.save(file)
    assert "7 rows recorded, 0 were" in run("record", "import", str(file)).output
    assert "0 rows recorded" in run("record", "import", str(file)).output
    fill(filled, "Decisions", [{"Decided on": date(2026, 10, 19), "Decided by": "Ann Archer | p1",
                                "Outcome": "approved"}])  # fmt: skip
    filled.save(file)
    done = read_in(small.settings, file, TODAY)
    assert done.added == ("D-1",)
    last = list(Held.read(small.settings).rows.values())[-1]
    assert {k: v for k, v in last.items() if k not in ("record_id", "recorded_at")} == {
        "source": "workbook",
        "subject": "decision",
        "entry_id": "D-1",
        "decided_on": "2026-10-19",
        "decided_by_person_id": "p1",
        "outcome": "approved",
    }


BAD = [
    ("Leader actions", {"Leader": "Zoe Zorn", "Kind": "email", "Day": date(2026, 10, 5)},
     "Leader", "no person is known as 'Zoe Zorn'"),
    ("Leader actions", {"Leader": "p1", "Kind": "e-mail", "Day": date(2026, 10, 5)},
     "Kind", "did you mean 'email'?"),
    ("Leader actions", {"Leader": "p1", "Kind": "email", "Day": "next Monday"},
     "Day", "is not a date"),
    ("Attendance", {"Leader": "p1", "Sitting": None}, "Sitting", "it is missing"),
    ("Decisions", {"No.": "D-9", "Kind": "decision", "Title": "T", "Decision right": "fund"},
     "Decision right", "no decision right is called 'fund'"),
    ("Decisions", {"No.": "D-9", "Kind": "decision", "Title": "T", "Amount": "lots",
                   "Decision right": "set_targets"}, "Amount", "is not a number"),
    ("Decisions", {"No.": "D-9", "Kind": "action", "Title": "T", "Due on": date(2026, 12, 1),
                   "Owner's role": "spnsor"}, "Owner's role", "did you mean 'sponsor'?"),
    ("Outcomes", {"Unit": "OPS", "Outcome": "m", "Numerator": 1,
                  "First day of the period": "soon"}, "First day of the period", "not a period"),
]  # fmt: skip


@pytest.mark.parametrize(("sheet", "row", "column", "said"), BAD)
def test_a_wrong_cell_is_named_and_nothing_is_recorded(
    small: Small,
    filled: Workbook,
    tmp_path: Path,
    sheet: str,
    row: dict[str, Any],
    column: str,
    said: str,
) -> None:
    file = tmp_path / "kept.xlsx"
    fill(filled, sheet, [row])
    filled.save(file)
    with pytest.raises(Problem) as caught:
        read_in(small.settings, file, TODAY)
    assert caught.value.file == f"{file} (sheet {sheet})"
    assert (caught.value.column, caught.value.row) == (column, 1)
    assert said in str(caught.value)
    assert not (small.landing / "records").exists()


def test_a_rule_that_a_row_breaks_names_its_place_in_the_workbook(
    small: Small, filled: Workbook, tmp_path: Path
) -> None:
    file = tmp_path / "kept.xlsx"
    filled["Decisions"].cell(3, 3).value = "x" * 5000
    filled.save(file)
    with pytest.raises(Problem, match="longer than 4000") as caught:
        read_in(small.settings, file, TODAY)
    assert (caught.value.file, caught.value.row) == (f"{file} (sheet Decisions)", 2)


def test_a_landed_wrong_cell_names_file_sheet_column_and_row(
    small: Small, filled: Workbook
) -> None:
    fill(filled, "Attendance", [{}, {"Day": "next Monday"}])
    outcome = landed(small, filled, "leader_actions")
    assert outcome.status == "refused"
    assert outcome.note.startswith(f"file {NAME} (sheet Attendance), column happened_on, row 2: ")


def test_a_landed_spreadsheet_error_names_its_cell(small: Small, filled: Workbook) -> None:
    cell = filled["Decisions"].cell(2, 12)
    cell.value = "#REF!"
    cell.data_type = "e"
    outcome = landed(small, filled, "decisions")
    assert outcome.note.startswith(f"file {NAME} (sheet Decisions), column Amount, row 1: ")


def test_a_landed_row_of_an_unknown_person_is_quarantined_with_its_sheet(
    small: Small, filled: Workbook
) -> None:
    fill(filled, "Attendance", [{}, {"Leader": "Zoe | p9"}])
    outcome = landed(small, filled, "leader_actions")
    assert outcome.manifest is not None
    assert outcome.manifest.rejected_by_reason == {"unknown person": 1}
    file = small.lake.path(
        "raw_rejected", "leader_actions", f"delivery_date={DAY}", f"{DAY}.001.parquet"
    )
    with small.lake.connect() as connection:
        assert connection.execute(
            f"SELECT source_file, row_number FROM read_parquet('{file}')"
        ).fetchall() == [(f"{NAME} (sheet Attendance)", 2)]


def test_a_sheet_or_column_that_was_renamed_is_named(
    small: Small, filled: Workbook, tmp_path: Path
) -> None:
    file = tmp_path / "kept.xlsx"
    filled["Outcomes"].cell(1, 4).value = "Figure"
    filled.save(file)
    with pytest.raises(Problem) as caught:
        read_in(small.settings, file, TODAY)
    assert (caught.value.file, caught.value.column) == (f"{file} (sheet Outcomes)", "Numerator")
    assert landed(small, filled, "business_outcomes").note.startswith(
        f"file {NAME} (sheet Outcomes), column Numerator: the column is missing"
    )
    filled["Decisions"].title = "Log"
    filled.save(file)
    with pytest.raises(Problem, match="no sheet 'Decisions'; it has: Read me, Leader actions"):
        read_in(small.settings, file, TODAY)
    assert "no sheet 'Decisions'" in landed(small, filled, "decisions").note


def test_no_workbook_at_all(small: Small, tmp_path: Path) -> None:
    file = tmp_path / "kept.xlsx"
    file.write_text("not a workbook")
    with pytest.raises(Problem, match="not readable as an XLSX workbook"):
        read_in(small.settings, file, TODAY)
