"""Formats, encodings, dates and zones, sequences, the profile and the count that must agree."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration.feeds.deliveries import manifests
from orchestration.feeds.landing import LandingSession, find_deliveries, land, reland
from orchestration.feeds.rules import manager_cycle, org_tree_fault
from orchestration.problems import Problem

from .conftest import DAY, Organisation, event, header, person, row

Make = Callable[..., Organisation]
COURSES = {"course_id": "Id", "title": "Title", "published_on": "From", "duration_minutes": "Min"}
ROWS = [("c1", "Zoë's café ✓", "2026-01-31", "30"), ("c2", "", "", "0")]
LANDED = [("c1", "Zoë's café ✓", date(2026, 1, 31), 30), ("c2", None, None, 0)]
CONTENT = "course_id, title, published_on, duration_minutes"


def text(delimiter: str = ",", newline: str = "\n", rows: list[tuple[str, ...]] = ROWS) -> str:
    lines = [("Id", "Title", "From", "Min"), *rows]
    return "".join(delimiter.join(f'"{c}"' for c in line) + newline for line in lines)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|", "||"])
def test_any_delimiter(organisation: Make, delimiter: str) -> None:
    made = organisation({"courses": {"delimiter": delimiter, "columns": COURSES}})
    made.deliver(f"courses_{DAY}.csv", text(delimiter))
    assert made.staged(made.one("courses"), CONTENT) == LANDED


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_any_line_end(organisation: Make, newline: str) -> None:
    made = organisation({"courses": {"columns": COURSES}})
    made.deliver(f"courses_{DAY}.csv", text(newline=newline))
    assert made.staged(made.one("courses"), CONTENT) == LANDED


def test_a_line_end_within_a_quoted_field_of_a_windows_file(organisation: Make) -> None:
    made = organisation({"courses": {"columns": COURSES}})
    made.deliver(
        f"courses_{DAY}.csv",
        text(newline="\r\n", rows=[("c1", "two\nlines", "", "1"), ("c2", "b", "", "x")]),
    )
    (outcome,) = made.land("courses")
    assert "column Min, row 2" in outcome.note


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize(
    ("encoding", "written"),
    [
        ("utf-8", "utf-8"),
        ("utf-8", "utf-8-sig"),
        ("utf-16", "utf-16"),
        ("utf-16", "utf-16-be-bom"),
        ("latin-1", "latin-1"),
    ],
)
def test_encodings(organisation: Make, encoding: str, written: str, packed: bool) -> None:
    name = "c_{date}.csv" + (".gz" if packed else "")
    made = organisation(
        {"courses": {"encoding": encoding, "columns": COURSES, "files": {"c": name}}}
    )
    plain = text() if written != "latin-1" else text().replace("✓", "\x80ÿ")
    content = (
        b"\xfe\xff" + plain.encode("utf-16-be")
        if written == "utf-16-be-bom"
        else plain.encode(written)
    )
    made.deliver(name.replace("{date}", str(DAY)), gzip.compress(content) if packed else content)
    expected = "Zoë's café ✓" if written != "latin-1" else "Zoë's café \x80ÿ"
    assert made.staged(made.one("courses"), "title") == [(expected,), (None,)]
    assert list((made.settings.home / "scratch").iterdir()) == []


def test_gzip_of_several_members(organisation: Make) -> None:
    made = organisation({"courses": {"columns": COURSES, "files": {"c": "c_{date}.csv.gz"}}})
    lines = text().encode().splitlines(keepends=True)
    made.deliver(f"c_{DAY}.csv.gz", b"".join(gzip.compress(line) for line in lines))
    assert made.staged(made.one("courses"), CONTENT) == LANDED


def test_null_values_and_empty_text_are_null(organisation: Make) -> None:
    made = organisation({"courses": {"columns": COURSES, "null_values": ["?", "N/A"]}})
    made.deliver(f"courses_{DAY}.csv", text(rows=[("c1", "?", "N/A", "?"), ("c2", "", "", "")]))
    assert made.staged(made.one("courses"), CONTENT) == [
        ("c1", None, None, None),
        ("c2", None, None, None),
    ]


def test_json_lines(organisation: Make) -> None:
    made = organisation(
        {"courses": {"format": "jsonl", "columns": COURSES, "files": {"c": "c_{date}.jsonl"}}}
    )
    records = [
        {"Id": "c1", "Title": "Zoë's café ✓", "From": "2026-01-31", "Min": 30},
        {"Id": "c2", "Title": "", "Min": 0, "extra": {"deep": [1]}},
    ]
    made.deliver(f"c_{DAY}.jsonl", "\n\n".join(json.dumps(r) for r in records) + "\n")
    assert made.staged(made.one("courses"), CONTENT) == LANDED


def test_json_lines_with_a_select_over_nested_values(organisation: Make) -> None:
    made = organisation(
        {
            "activity": {
                "format": "jsonl",
                "files": {"s": "s_{date}.jsonl.gz"},
                "select": """
                    SELECT id AS event_id, actor ->> '$.account.name' AS person_id,
                           verb ->> '$.id' AS verb, "timestamp" AS occurred_at,
                           result ->> '$.duration' AS duration_seconds
                    FROM s
                """,
            }
        }
    )
    statement = {
        "id": "e1",
        "actor": {"account": {"name": "p9"}},
        "verb": {"id": "http://v/played"},
        "timestamp": "2026-10-31T08:00:00.250+02:00",
    }
    made.deliver(f"s_{DAY}.jsonl.gz", gzip.compress(json.dumps(statement).encode()))
    assert made.staged(made.one("activity"), "person_id, verb, occurred_at, duration_seconds") == [
        ("p9", "http://v/played", datetime(2026, 10, 31, 6, 0, 0, 250_000, UTC), None)
    ]


@pytest.mark.parametrize(
    ("content", "row_number", "fault"),
    [
        ('{"Id": "c1"}\n\n{"Id": "c2"\n', 2, "the line is not well-formed JSON"),
        ('{"Id": "c1"}\n[1]\n', 2, "the line is not a JSON object"),
        ('{"Id": "c1", "Id": "c2"}\n', 1, "the line is not an object with each key once"),
        ("\n", None, "the file holds no record"),
    ],
)
def test_bad_json_lines(
    organisation: Make, content: str, row_number: int | None, fault: str
) -> None:
    made = organisation(
        {
            "courses": {
                "format": "jsonl",
                "columns": {"course_id": "Id"},
                "files": {"c": "c_{date}.jsonl"},
            }
        }
    )
    made.deliver(f"c_{DAY}.jsonl", content)
    place = f", row {row_number}" if row_number else ""
    message = made.one("courses").contract_problem
    assert message is not None and message.startswith(f"file c_2026-10-31.jsonl{place}: {fault}")


def test_a_renamed_json_key_is_found(organisation: Make) -> None:
    made = organisation({"courses": {"format": "jsonl", "columns": COURSES}})
    made.deliver(f"courses_{DAY}.csv", '{"Id": "c1", "Titles": "A"}\n')
    message = made.one("courses").contract_problem
    assert message is not None and "Did you mean 'Titles'?" in message


def workbook(path: Path, sheets: dict[str, list[list[Any]]]) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.worksheets[0])
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for values in rows:
            sheet.append(values)
    for sheet in book.worksheets:
        for cells in sheet.iter_rows():
            for cell in cells:
                if isinstance(cell.value, str):
                    cell.data_type = "s"  # text, even where it looks like a formula
    book.save(path)


def test_xlsx(organisation: Make) -> None:
    made = organisation(
        {
            "leader_actions": {
                "format": "xlsx",
                "files": {"a": "a_{date}.xlsx"},
                "sheet": "Actions",
                "date_format": "%d.%m.%Y",
                "columns": {
                    "action_id": "No",
                    "person_id": "Who",
                    "kind": "What",
                    "happened_on": "On",
                    "message_id": "Message",
                },
            }
        }
    )
    workbook(
        made.landing / f"a_{DAY}.xlsx",
        {
            "Notes": [["read me"]],
            "Actions": [
                [],
                ["No", "Who", "What", "On", "Message"],
                [1, 1001, "email", date(2026, 10, 30), "=1+1"],
                [None, None, None, None, None],
                [2, 1002.0, "town_hall", "29.10.2026", "  "],
            ],
        },
    )
    manifest = made.one("leader_actions")
    assert made.staged(manifest, "action_id, person_id, kind, happened_on, message_id") == [
        ("1", "1001", "email", date(2026, 10, 30), "=1+1"),
        ("2", "1002", "town_hall", date(2026, 10, 29), "  "),
    ]
    assert manifest.files[0].rows == 2


def test_an_xlsx_row_is_named_as_the_sheet_has_it(organisation: Make) -> None:
    made = organisation(
        {"courses": {"format": "xlsx", "files": {"c": "c_{date}.xlsx"}, "columns": COURSES}}
    )
    rows = [["Id", "Title", "From", "Min"], ["c1", "A", None, 1], [], ["c2", "B", None, "soon"]]
    workbook(made.landing / f"c_{DAY}.xlsx", {"Sheet": rows})
    message = made.one("courses").contract_problem
    assert message is not None and "column Min, row 3: one value is not a whole number" in message


def test_a_spreadsheet_error_is_refused(organisation: Make) -> None:
    made = organisation(
        {"courses": {"format": "xlsx", "files": {"c": "c_{date}.xlsx"}, "columns": COURSES}}
    )
    rows = [["Id", "Title", "From", "Min"], ["c1", "A", None, 1], ["c2", "#N/A", None, 2]]
    path = made.landing / f"c_{DAY}.xlsx"
    workbook(path, {"Sheet": rows})
    import openpyxl

    book = openpyxl.load_workbook(path)
    book.worksheets[0]["B3"].data_type = "e"
    book.save(path)
    message = made.one("courses").contract_problem
    assert message is not None
    assert "column Title, row 2: the cell holds a spreadsheet error." in message


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"Id,Title\n"])
def test_an_unreadable_workbook_is_refused(organisation: Make, content: bytes) -> None:
    made = organisation({"courses": {"format": "xlsx", "files": {"c": "c_{date}.xlsx"}}})
    made.deliver(f"c_{DAY}.xlsx", content)
    message = made.one("courses").contract_problem
    assert message is not None
    assert ("is empty" if not content else "not readable as an XLSX workbook") in message


def test_a_workbook_without_the_sheet_names_those_it_has(organisation: Make) -> None:
    made = organisation(
        {"courses": {"format": "xlsx", "files": {"c": "c_{date}.xlsx"}, "sheet": "Courses"}}
    )
    workbook(made.landing / f"c_{DAY}.xlsx", {"Kurse": [["course_id"]]})
    message = made.one("courses").contract_problem
    assert message is not None and "no sheet 'Courses'; it has: Kurse." in message


def test_parquet_keeps_its_types(organisation: Make) -> None:
    made = organisation(
        {
            "activity": {
                "format": "parquet",
                "files": {"a": "a_{date}.parquet"},
                "time_zone": "America/New_York",
                "columns": {
                    "event_id": "id",
                    "person_id": "who",
                    "verb": "verb",
                    "occurred_at": "at",
                    "duration_seconds": "seconds",
                },
            }
        }
    )
    made.query(
        "COPY (SELECT 7 AS id, 1001.0::DOUBLE AS who, 'v' AS verb, "
        "TIMESTAMP '2026-10-30 20:00:00' AS at, 12.0::DOUBLE AS seconds) "
        f"TO '{made.landing}/a_{DAY}.parquet'"
    )
    manifest = made.one("activity")
    assert made.staged(manifest, "event_id, person_id, occurred_at, duration_seconds") == [
        ("7", "1001", datetime(2026, 10, 31, 0, 0, tzinfo=UTC), 12)
    ]


@pytest.mark.parametrize(
    ("declared", "value", "moment"),
    [
        ({}, "2026-07-01T12:00:00", datetime(2026, 7, 1, 12)),
        ({}, "2026-07-01T12:00:00Z", datetime(2026, 7, 1, 12)),
        ({}, "2026-07-01 12:00:00+02", datetime(2026, 7, 1, 10)),
        ({}, "2026-07-01", datetime(2026, 7, 1)),
        ({"time_zone": "Europe/Berlin"}, "2026-07-01T12:00:00", datetime(2026, 7, 1, 10)),
        ({"time_zone": "Europe/Berlin"}, "2026-01-01T12:00:00", datetime(2026, 1, 1, 11)),
        ({"time_zone": "Europe/Berlin"}, "2026-07-01T12:00:00Z", datetime(2026, 7, 1, 12)),
        (
            {"time_zone": "Europe/Berlin", "timestamp_format": "%d/%m/%y %H:%M"},
            "01/07/26 12:00",
            datetime(2026, 7, 1, 10),
        ),
        (
            {"time_zone": "Europe/Berlin", "timestamp_format": "%d.%m.%Y %H:%M %z"},
            "01.07.2026 12:00 +0500",
            datetime(2026, 7, 1, 7),
        ),
    ],
)
def test_times_are_of_the_feeds_zone_unless_they_say_theirs(
    organisation: Make, declared: dict[str, str], value: str, moment: datetime
) -> None:
    made = organisation({"activity": declared})
    made.deliver(f"activity_{DAY}.csv", header("activity") + event("e", occurred_at=value))
    assert made.staged(made.one("activity"), "occurred_at") == [(moment.replace(tzinfo=UTC),)]


@pytest.mark.parametrize(
    ("zone", "moment", "day"),
    [
        ("America/New_York", "2026-11-01T03:30:00Z", date(2026, 10, 31)),  # 23:30 local
        ("Europe/Berlin", "2026-10-31T22:30:00Z", date(2026, 10, 31)),  # 23:30 local
        ("Europe/Berlin", "2026-10-31T23:30:00Z", date(2026, 11, 1)),  # 00:30 local
        ("Asia/Kolkata", "2026-10-31T18:29:59Z", date(2026, 10, 31)),
        ("Asia/Kolkata", "2026-10-31T18:30:00Z", date(2026, 11, 1)),
        ("UTC", "2026-10-31T23:59:59.999Z", date(2026, 10, 31)),
    ],
)
def test_activity_lands_by_the_local_day(
    organisation: Make, zone: str, moment: str, day: date
) -> None:
    made = organisation("activity", organisation={"time_zone": zone})
    delivered = date(2026, 11, 1)
    made.deliver(f"activity_{delivered}.csv", header("activity") + event("e", occurred_at=moment))
    manifest = made.one("activity", delivered)
    assert (manifest.event_days, manifest.newest_on) == ([day], day)
    assert made.lake.files("staged") == [
        f"staged/activity/2026-11-01.001/event_day={day}/2026-11-01.001.parquet"
    ]
    assert manifest.profile["newest_age_days"] == (delivered - day).days


def test_activity_is_split_by_day_and_ordered_by_person(organisation: Make) -> None:
    made = organisation("activity")
    rows = [
        event(f"e{i}", f"p{i * 7 % 5}", occurred_at=f"2026-10-{29 + i % 3}T0{i % 4}:00:00Z")
        for i in range(30)
    ]
    made.deliver(f"activity_{DAY}.csv", header("activity") + "".join(rows))
    manifest = made.one("activity")
    assert manifest.event_days == [date(2026, 10, d) for d in (29, 30, 31)]
    for day in manifest.event_days:
        file = made.lake.path(
            "staged/activity", manifest.delivery_id, f"event_day={day}/2026-10-31.001.parquet"
        )
        found = made.query(
            "SELECT person_id, occurred_at, event_id, delivery_id "
            f"FROM read_parquet('{file}', hive_partitioning = false)"
        )
        assert len(found) == 10
        assert found == sorted(found)
        assert {(row[1].date(), row[3]) for row in found} == {(day, "2026-10-31.001")}


def test_a_large_delivery_goes_through_scratch_files(
    organisation: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.feeds import staging

    rows = [
        event(f"e{i % 190}", f"p{i * 7 % 9}", occurred_at=f"2026-10-{10 + i % 11}T08:00:00Z")
        for i in range(200)
    ]
    results = []
    for spill in (1 << 30, 0, 1 << 30, 0):
        monkeypatch.setattr(staging, "_SPILL_BYTES", spill)
        made = organisation("activity")
        made.deliver(f"activity_{DAY}.csv", header("activity") + "".join(rows))
        for old in manifests(made.lake, "activity"):
            made.lake.remove("deliveries", "activity", f"{old.delivery_id}.json")
        manifest = made.one("activity")
        files = made.lake.files("staged")
        content = [made.query(f"FROM '{made.lake.path(f)}'") for f in files]
        replay = [Path(made.lake.path(f)).read_bytes() for f in files]
        results.append((manifest.model_dump(exclude={"landed_at"}), files, content, replay))
    assert results[0][0]["rows_accepted"] == 190
    assert len(results[0][1]) == 11
    for a, b in zip(results[0][2], results[1][2], strict=True):
        assert a == b
    assert results[0][:3] == results[1][:3]
    assert results[0] == results[2]  # the same way, the same bytes
    assert results[1] == results[3]


def test_landing_again_gives_the_same_bytes(organisation: Make) -> None:
    made = organisation("people")
    rows = "".join(person(f"p{i * 37 % 100}", full_name=f"N{i}") for i in range(100))
    made.deliver(f"people_{DAY}.csv", header("people") + rows)
    first = made.one("people")
    (file,) = made.lake.files("staged")
    before = Path(made.lake.path(file)).read_bytes()
    made.lake.remove("deliveries", "people", f"{first.delivery_id}.json")
    made.one("people")
    assert Path(made.lake.path(file)).read_bytes() == before


def test_a_select_joins_files_and_keeps_the_row_of_the_first(organisation: Make) -> None:
    made = organisation(
        {
            "activity": {
                "files": {"submission": "s_{date}.csv", "task": "t_{date}.csv"},
                "null_values": ["?"],
                "select": """
                    WITH started AS (SELECT id, CAST(starts AS DATE) AS day FROM task)
                    SELECT s.task || '-' || s.student AS event_id, s.student AS person_id,
                           started.id AS course_id, 'http://v/submitted' AS verb,
                           started.day + CAST(s.day AS INTEGER) AS occurred_at,
                    FROM submission AS s JOIN started ON started.id = s.task;
                """,
            }
        }
    )
    made.deliver(f"s_{DAY}.csv", "student,task,day\n7,t1,30\n8,t1,?\n9,t2,0\n9,zz,0\n")
    made.deliver(f"t_{DAY}.csv", "id,starts\nt1,2026-10-01\nt2,2026-10-02\n")
    manifest = made.one("activity")
    assert made.staged(manifest, "event_id, occurred_at") == [
        ("t2-9", datetime(2026, 10, 2, tzinfo=UTC)),
        ("t1-7", datetime(2026, 10, 31, tzinfo=UTC)),
    ]
    assert made.rejected(manifest, "source_file, row_number, reason") == [
        ("s_2026-10-31.csv", 2, "occurred_at is missing")
    ]
    assert (manifest.rows_in, [file.rows for file in manifest.files]) == (3, [4, 2])


def test_a_wrong_value_behind_a_select_still_names_its_row(organisation: Make) -> None:
    made = organisation(
        {"courses": {"select": "SELECT id AS course_id, m AS is_mandatory FROM courses"}}
    )
    made.deliver(f"courses_{DAY}.csv", "id,m\nc1,yes\nc2,often\n")
    message = made.one("courses").contract_problem
    assert message is not None
    assert message.startswith("file courses_2026-10-31.csv, column is_mandatory, row 2:")


@pytest.mark.parametrize(
    "select",
    [
        "SELECT c1 AS course_id, count(*) AS duration_minutes FROM courses GROUP BY c1",
        "SELECT DISTINCT c1 AS course_id FROM courses",
        "SELECT c1 AS course_id FROM courses UNION SELECT c1 FROM courses WHERE false",
        "SELECT min(c1) AS course_id FROM courses",
        "SELECT q.c AS course_id FROM (SELECT c1 AS c FROM courses) AS q",
    ],
)
def test_rows_without_one_source_row_have_no_number(organisation: Make, select: str) -> None:
    made = organisation({"courses": {"select": select, "reject": {"all of them": "true"}}})
    made.deliver(f"courses_{DAY}.csv", "c1\nx\n")
    manifest = made.one("courses")
    assert made.rejected(manifest, "source_file, row_number, reason") == [
        (None, None, "all of them")
    ]


@pytest.mark.parametrize(
    ("select", "fault"),
    [
        ("SELECT 1 AS course_id; SELECT 2", "2 statements"),
        ("DROP TABLE courses", "Only SELECT"),
        ("COPY courses TO '/tmp/x'", "Only SELECT"),
        ("SELEC 1", "syntax error"),
        ("SELECT * FROM '/etc/passwd'", "none of the delivery's views"),
        ("SELECT * FROM 'other.csv'", "none of the delivery's views"),
        ("SELECT * FROM read_csv('/etc/passwd')", "reads through read_csv()"),
        ("SELECT * FROM glob('/*')", "reads through glob()"),
        ("SELECT * FROM query('SELECT 1')", "reads through query()"),
        ("SELECT (SELECT content FROM read_text('/etc/passwd')) AS course_id FROM courses",
         "reads through read_text()"),
        ("WITH x AS (FROM read_blob('/etc/passwd')) SELECT * FROM x", "reads through read_blob()"),
        ("SELECT * FROM information_schema.tables", "none of the delivery's views"),
        ("SELECT * FROM duckdb_settings()", "reads through duckdb_settings()"),
        ("SELECT getenv('HOME') AS course_id FROM courses", "calls getenv()"),
        ("SHOW TABLES", "not a mapping"),
    ],
)  # fmt: skip
def test_a_mapping_reads_the_delivery_and_nothing_else(
    organisation: Make, select: str, fault: str
) -> None:
    made = organisation({"courses": {"select": select}})
    made.deliver(f"courses_{DAY}.csv", "course_id\nc1\n")
    with pytest.raises(Problem) as raised:
        made.land("courses")
    assert fault in str(raised.value)
    assert "[feeds.courses] select" in str(raised.value)
    assert made.lake.files("deliveries") == []


def test_sql_that_cannot_convert_a_value_is_not_the_systems_fault(organisation: Make) -> None:
    select = "SELECT id AS course_id, CAST(m AS INTEGER) AS duration_minutes FROM courses"
    made = organisation({"courses": {"select": select}})
    made.deliver(f"courses_{DAY}.csv", "id,m\nc1,secret\n")
    message = made.one("courses").contract_problem
    assert message is not None and "met a value that it cannot convert" in message
    assert "secret" not in message


def test_a_full_disk_is_not_the_deliverys_fault(
    organisation: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    import duckdb

    from orchestration.feeds import staging

    def fails(*_: object) -> None:
        raise duckdb.IOException("IO Error: No space left on device")

    monkeypatch.setattr(staging.Staging, "_check", fails)
    made = organisation("courses")
    made.deliver(f"courses_{DAY}.csv", header("courses") + row("courses", course_id="c1"))
    with pytest.raises(Problem, match="the lake cannot be written: No space left on device"):
        made.land("courses")
    assert made.lake.files("deliveries") == []
    monkeypatch.undo()
    assert made.one("courses").rows_accepted == 1


def test_the_lake_may_be_elsewhere(organisation: Make) -> None:
    import fsspec

    url = "memory://feeds-test-lake"
    made = organisation("activity", paths={"lake": url})
    rows = event("a") + event("b", occurred_at="2026-10-30T12:00:00Z") + event("a")
    made.deliver(f"activity_{DAY}.csv", header("activity") + rows)
    try:
        manifest = made.one("activity")
        assert made.lake.files("staged") == [
            f"staged/activity/2026-10-31.001/event_day=2026-10-{day}/2026-10-31.001.parquet"
            for day in (30, 31)
        ]
        assert made.staged(manifest, "event_id") == [("b",), ("a",)]
        assert made.rejected(manifest, "row_number, reason") == [(3, "duplicate key")]
        assert [o.status for o in made.land("activity")] == ["duplicate"]
    finally:
        fsspec.filesystem("memory").rm("/feeds-test-lake", recursive=True)


@pytest.mark.parametrize(
    "condition", ["person_id IN (SELECT person_id FROM activity)", "true); DROP TABLE x; --", "a b"]
)
def test_a_row_rule_is_one_condition(organisation: Make, condition: str) -> None:
    made = organisation({"activity": {"reject": {"odd": condition}}})
    made.deliver(f"activity_{DAY}.csv", header("activity") + event("e"))
    with pytest.raises(Problem, match=r"\[feeds.activity\] reject 'odd'"):
        made.land("activity")


def test_a_row_rule_on_a_column_that_is_not_there(organisation: Make) -> None:
    made = organisation({"activity": {"reject": {"odd": "colour = 'red'"}}})
    made.deliver(f"activity_{DAY}.csv", header("activity") + event("e"))
    with pytest.raises(Problem, match="cannot be run"):
        made.land("activity")


def test_a_range_of_days_lands_each_of_them(organisation: Make) -> None:
    made = organisation({"courses": {"files": {"c": "in/{date:%Y/%m}/c-{date:%d%m%Y}.csv"}}})
    for month, day in ((9, 30), (10, 1), (10, 2), (10, 3)):
        made.deliver(
            f"in/2026/{month:02}/c-{day:02}{month:02}2026.csv",
            header("courses") + row("courses", course_id=f"c{day}"),
        )
    outcomes = made.land("courses", date(2026, 10, 1), date(2026, 10, 2))
    assert [o.manifest and o.manifest.delivery_id for o in outcomes] == [
        "2026-10-01.001",
        "2026-10-02.001",
    ]
    outcomes = made.land("courses", date(2026, 9, 1), date(2026, 12, 31))
    assert [o.status for o in outcomes] == ["landed", "duplicate", "duplicate", "landed"]
    assert [m.rows_accepted for m in manifests(made.lake, "courses")] == [1, 1, 1, 1]


def statuses(made: Organisation, *names_and_titles: tuple[str, str]) -> list[tuple[str, str]]:
    """Deliver one-course files, land the day, give (status, delivery id) of each delivery found."""
    for name, title in names_and_titles:
        made.deliver(name, f"course_id,title\nc1,{title}\n")
    return [(o.status, o.manifest.delivery_id if o.manifest else "") for o in made.land("courses")]


PLAIN = {"columns": {"course_id": "course_id", "title": "title"}}


def test_without_numbers_the_last_content_wins(organisation: Make) -> None:
    made = organisation({"courses": PLAIN})
    name = f"courses_{DAY}.csv"
    assert statuses(made, (name, "A")) == [("landed", "2026-10-31.001")]
    assert statuses(made, (name, "A")) == [("duplicate", "2026-10-31.001")]
    assert statuses(made, (name, "B")) == [("landed", "2026-10-31.002")]
    assert statuses(made) == [("duplicate", "2026-10-31.002")]
    assert statuses(made, (name, "A")) == [("landed", "2026-10-31.003")]
    assert statuses(made) == [("duplicate", "2026-10-31.003")]


def test_numbers_in_the_name_are_the_sequence(organisation: Make) -> None:
    made = organisation({"courses": {**PLAIN, "files": {"c": "c_{date}_{sequence}.csv"}}})
    name = f"c_{DAY}_"
    assert statuses(made, (f"{name}1.csv", "A")) == [("landed", "2026-10-31.001")]
    assert statuses(made, (f"{name}4.csv", "B")) == [
        ("duplicate", "2026-10-31.001"),
        ("landed", "2026-10-31.004"),
    ]
    assert statuses(made, (f"{name}5.csv", "B"))[2] == ("duplicate", "2026-10-31.004")
    assert statuses(made, (f"{name}6.csv", "A"))[3] == ("landed", "2026-10-31.006")
    assert [id_ for _, id_ in statuses(made)] == [
        "2026-10-31.001",
        "2026-10-31.004",
        "2026-10-31.004",
        "2026-10-31.006",
    ]
    assert statuses(made, (f"{name}4.csv", "C"))[1] == ("landed", "2026-10-31.007")
    assert {status for status, _ in statuses(made)} == {"duplicate"}


def test_a_changed_mapping_lands_the_same_files_again(organisation: Make) -> None:
    made = organisation({"courses": {"columns": {"course_id": "course_id", "title": "name"}}})
    name = f"courses_{DAY}.csv"
    assert statuses(made, (name, "A")) == [("refused", "2026-10-31.001")]
    assert statuses(made) == [("duplicate", "2026-10-31.001")]
    made = organisation({"courses": PLAIN})
    assert statuses(made) == [("landed", "2026-10-31.002")]
    made = organisation({"courses": {**PLAIN, "owner": "someone else", "deadline_days": 9}})
    assert statuses(made) == [("duplicate", "2026-10-31.002")]


def test_land_gives_the_manifest_of_a_duplicate(organisation: Make) -> None:
    made = organisation({"courses": PLAIN})
    statuses(made, (f"courses_{DAY}.csv", "A"))
    (delivery,) = find_deliveries(made.settings, "courses", DAY, DAY)
    assert land(made.settings, made.lake, "courses", delivery).delivery_id == "2026-10-31.001"


def test_reland_refuses_what_it_cannot_land_again(organisation: Make) -> None:
    made = organisation({"courses": PLAIN})
    name = f"courses_{DAY}.csv"
    statuses(made, (name, "A"))
    with pytest.raises(Problem, match=r"no delivery 2026-10-31.009"):
        reland(made.settings, made.lake, "courses", "2026-10-31.009")
    made.deliver(name, "course_id,title\nc1,changed\n")
    with pytest.raises(Problem, match="gone or has changed"):
        reland(made.settings, made.lake, "courses", "2026-10-31.001")


def test_only_one_process_lands_a_feed(organisation: Make) -> None:
    made = organisation({"courses": PLAIN}, duckdb={"lock_timeout_seconds": 0.05})
    with (
        LandingSession(made.settings, made.lake, "courses"),
        pytest.raises(Problem, match="another process is landing courses"),
        LandingSession(made.settings, made.lake, "courses"),
    ):
        pass


def test_the_profile_of_people(organisation: Make) -> None:
    made = organisation("people")
    made.deliver("people_2026-10-28.csv", header("people") + person("p1") + person("p2"))
    made.one("people", date(2026, 10, 28))
    rows = [
        person("p1", full_name="Ann", leader_level="elt", hired_on="2026-10-01"),
        person("p2", full_name="Li", leader_level="boss", hired_on="2026-10-31"),
        person("p3", employment_type="employee"),
        person("p3"),
    ]
    made.deliver(f"people_{DAY}.csv", header("people") + "".join(rows))
    profile = made.one("people").profile
    expected = {
        "rows_in": 4,
        "rows_accepted": 3,
        "rows_rejected": 1,
        "rejected_share": 0.25,
        "rejected_share__duplicate_key": 0.25,
        "rejected_share__manager_cycle": 0.0,
        "missing_columns": 0,
        "columns_not_supplied": 0,
        "files": 1,
        "rows_of_previous": 2,
        "volume_ratio": 1.5,
        "days_since_previous": 3,
        "distinct_keys": 3,
        "null_share__full_name": 0.333333,
        "max_length__full_name": 3,
        "unknown_share__leader_level": 0.5,
        "unknown_share__employment_type": 0.0,
        "newest_age_days__hired_on": 0,
        "oldest_age_days__hired_on": 30,
        "newest_age_days__left_on": None,
    }
    assert {key: profile[key] for key in expected} == expected
    assert all(v is None or isinstance(v, int | float) for v in profile.values())


def test_the_profile_of_events(organisation: Make) -> None:
    made = organisation("assessments")
    values = {"person_id": "p", "attempted_at": "2026-10-30T10:00:00Z"}
    rows = [
        row("assessments", attempt_id="1", **{**values, "score": "70.5", "passed": "true"}),
        row("assessments", attempt_id="2", **{**values, "score": "-1", "passed": "no"}),
        row("assessments", attempt_id="3", **{**values, "attempted_at": "2026-10-01T10:00:00Z"}),
    ]
    made.deliver(f"assessments_{DAY}.csv", header("assessments") + "".join(rows))
    manifest = made.one("assessments")
    expected = {
        "newest_age_days": 1,
        "oldest_age_days": 30,
        "event_days": 2,
        "min__score": -1.0,
        "max__score": 70.5,
        "true_share__passed": 0.5,
        "null_share__score": 0.333333,
        "rejected_share__future_event": 0.0,
        "persons_checked": 0,
        "volume_ratio": None,
    }
    assert {key: manifest.profile[key] for key in expected} == expected
    assert manifest.newest_on == date(2026, 10, 30)


def test_manager_cycles() -> None:
    chain = [("a", "b"), ("b", "c"), ("c", "top")]
    assert manager_cycle(chain) == set()
    assert manager_cycle([*chain, ("top", "top")]) == set()
    assert manager_cycle([*chain, ("top", "b")]) == {"b", "c", "top"}
    assert manager_cycle([("a", "b"), ("b", "a"), ("x", "y"), ("y", "x"), ("z", "x")]) == set(
        "abxy"
    )


def test_org_trees() -> None:
    assert org_tree_fault([("r", None), ("a", "r"), ("b", "a")]) is None
    assert org_tree_fault([]) is not None


cells = st.one_of(
    st.sampled_from(
        ["", "p1", "p2", "0", "-3", "7", "2026-10-30T23:59:00Z", "2027-01-01T00:00:00Z"]
    ),
    st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=6),
)
moments = st.sampled_from(["", "2026-10-30T23:59:00Z", "2026-10-31", "2027-01-01T00:00:00Z"])
seconds = st.sampled_from(["", "0", "60", "-1"])
lines = st.lists(st.tuples(cells, cells, cells, cells, moments, seconds), max_size=12)


@given(lines)
@settings(
    max_examples=int(os.environ.get("ADOPTION_EXAMPLES", "15")),
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_no_row_is_lost_or_invented(organisation: Make, content: list[tuple[str, ...]]) -> None:
    """Against a plain reading of the same rows: what is accepted, and why the rest is not."""
    import csv
    import io

    made = organisation("activity")
    buffer = io.StringIO()
    writer = csv.writer(buffer, quoting=csv.QUOTE_ALL, lineterminator="\n")
    writer.writerow(header("activity").strip().split(","))
    writer.writerows(content)
    made.deliver(f"activity_{DAY}.csv", buffer.getvalue())
    for old in manifests(made.lake, "activity"):
        made.lake.remove("deliveries", "activity", f"{old.delivery_id}.json")
    manifest = made.one("activity")

    expected: dict[str, int] = {}
    accepted: list[str] = []
    for event_id, person_id, _course, verb, moment, duration in content:
        names = (("event_id", event_id), ("person_id", person_id), ("verb", verb))
        missing = next((n for n, v in (*names, ("occurred_at", moment)) if v == ""), None)
        if missing:
            reason = f"{missing} is missing"
        elif duration == "-1":
            reason = "negative duration"
        elif moment.startswith("2027"):
            reason = "event in the future"
        elif event_id in accepted:
            reason = "duplicate key"
        else:
            accepted.append(event_id)
            continue
        expected[reason] = expected.get(reason, 0) + 1
    assert manifest.contract_problem is None
    assert manifest.rows_in == len(content) == manifest.rows_accepted + manifest.rows_rejected
    assert manifest.rejected_by_reason == dict(sorted(expected.items()))
    if accepted:
        assert sorted(i for (i,) in made.staged(manifest, "event_id")) == sorted(accepted)


def test_a_redelivery_is_compared_with_what_it_would_replace(organisation: Make) -> None:
    made = organisation("assessments")
    values = {"person_id": "p", "attempted_at": "2026-10-30T10:00:00Z"}
    rows = [row("assessments", attempt_id=str(n), **values) for n in range(4)]
    file = f"assessments_{DAY}.csv"
    ratios = []
    for delivered in (rows[:3], rows, rows[:2], [], rows[:1]):
        made.deliver(file, header("assessments") + "".join(delivered))
        ratios.append(made.one("assessments").profile["redelivery_ratio"])
    assert ratios == [None, 1.333333, 0.5, 0.0, None]
