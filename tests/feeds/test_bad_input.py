"""Every fault of a delivered file ends in a clear error or a quarantined row with its reason."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from orchestration.feeds.arrivals import find_deliveries
from orchestration.feeds.landing import land
from orchestration.problems import Problem
from orchestration.settings import FeedSettings

from .conftest import DAY, Organisation, event, header, person, row

Make = Callable[..., Organisation]


def refused(made: Organisation, feed: str, day: date = DAY) -> str:
    """Land one delivery that must be refused whole; its message."""
    manifest = made.one(feed, day)  # type: ignore[arg-type]
    assert manifest.verdict == "refused"
    assert (manifest.rows_in, manifest.rows_accepted, manifest.rows_rejected) == (0, 0, 0)
    assert made.lake.files("staged", feed) == []
    assert made.lake.files("raw_rejected", feed) == []
    assert manifest.contract_problem is not None
    return manifest.contract_problem


def test_a_feed_without_files_lands_nothing(organisation: Make) -> None:
    made = organisation("people")
    assert made.land("people") == []
    assert made.lake.files("deliveries") == []


def test_a_feed_that_is_not_declared_is_named(organisation: Make) -> None:
    with pytest.raises(Problem, match=r"feed courses is not declared.*\[feeds.courses\]"):
        organisation("people").land("courses")


def test_a_delivery_that_lacks_one_of_its_files_waits(organisation: Make) -> None:
    made = organisation(
        {
            "courses": {
                "files": {"course": "course_{date}.csv", "topic": "topic_{date}.csv"},
                "select": "SELECT id AS course_id FROM course JOIN topic USING (id)",
            }
        }
    )
    made.deliver(f"course_{DAY}.csv", "id\nc1\n")
    (outcome,) = made.land("courses")
    assert outcome.status == "waiting"
    assert outcome.note == "no file for topic (topic_{date}.csv) has come"
    made.deliver(f"topic_{DAY}.csv", "id\nc1\n")
    assert made.one("courses").rows_accepted == 1


def test_an_empty_file_is_refused(organisation: Make) -> None:
    made = organisation("activity")
    made.deliver(f"activity_{DAY}.csv", "")
    assert refused(made, "activity").startswith(
        "file activity_2026-10-31.csv: the file is empty (0 bytes)."
    )


def test_an_empty_file_inside_gzip_is_refused(organisation: Make) -> None:
    made = organisation({"activity": {"files": {"a": "a_{date}.csv.gz"}}})
    made.deliver(f"a_{DAY}.csv.gz", gzip.compress(b""))
    assert "is empty" in refused(made, "activity")


def test_a_file_of_blank_lines_has_no_header(organisation: Make) -> None:
    made = organisation("activity")
    made.deliver(f"activity_{DAY}.csv", "\n\n")
    assert "has no header" in refused(made, "activity")


def test_a_header_only_is_no_event(organisation: Make) -> None:
    made = organisation("activity")
    made.deliver(f"activity_{DAY}.csv", header("activity"))
    manifest = made.one("activity")
    assert (manifest.verdict, manifest.rows_in, manifest.event_days) == ("staged", 0, [])
    assert manifest.newest_on is None


def test_a_header_only_of_an_event_feed_still_has_its_file(organisation: Make) -> None:
    made = organisation("assessments")
    made.deliver(f"assessments_{DAY}.csv", header("assessments"))
    manifest = made.one("assessments")
    assert made.staged(manifest) == []


def test_a_header_only_is_no_organisation(organisation: Make) -> None:
    made = organisation("people")
    made.deliver(f"people_{DAY}.csv", header("people"))
    assert "a header and no row" in refused(made, "people")


def test_a_mapping_that_gives_no_row_is_no_organisation(organisation: Make) -> None:
    made = organisation({"people": {"select": "SELECT person_id FROM people WHERE false"}})
    made.deliver(f"people_{DAY}.csv", "person_id\np1\n")
    assert "gives no row" in refused(made, "people")


def test_a_renamed_column_is_named_with_what_came_instead(organisation: Make) -> None:
    made = organisation(
        {"courses": {"columns": {"course_id": "Course ID", "title": "Course name"}}}
    )
    made.deliver(f"courses_{DAY}.csv", "Course ID,Course title\nc1,Safety\n")
    message = refused(made, "courses")
    assert message.startswith(
        "file courses_2026-10-31.csv, column Course name: the column is missing; "
        "the file has: Course ID, Course title. Did you mean 'Course title'?"
    )


def test_a_file_without_a_header_is_told_so_and_shows_nobody(organisation: Make) -> None:
    made = organisation("people")
    made.deliver(f"people_{DAY}.csv", "p1,Ann Archer,ann@example.org,,,,,,,2020-01-31,,,,\n")
    message = refused(made, "people")
    assert "looks like data" in message and "send the column names in the first line" in message
    assert "Ann" not in message and "example.org" not in message


def test_without_a_mapping_every_contract_column_must_be_there(organisation: Make) -> None:
    made = organisation("people")
    made.deliver(
        f"people_{DAY}.csv", header("people").replace("left_on", "leaving_date") + "p1" + "," * 13
    )
    assert "column left_on: the column is missing" in refused(made, "people")


def test_a_missing_column_in_the_second_of_two_files_is_found(organisation: Make) -> None:
    made = organisation(
        {"courses": {"files": {"c": "{date}/*.csv"}, "columns": {"course_id": "id", "title": "t"}}}
    )
    made.deliver(f"{DAY}/a.csv", "id,t\nc1,A\n")
    made.deliver(f"{DAY}/b.csv", "id\nc2\n")
    assert refused(made, "courses").startswith(f"file {DAY}/b.csv, column t:")


def test_a_select_over_a_renamed_column_names_it(organisation: Make) -> None:
    made = organisation(
        {"courses": {"select": "SELECT id AS course_id, name AS title FROM courses"}}
    )
    made.deliver(f"courses_{DAY}.csv", "id,course_name\nc1,Safety\n")
    message = refused(made, "courses")
    assert "file courses_2026-10-31.csv, column name: the column is missing" in message
    assert "id, course_name" in message


def test_a_mapping_without_a_key_is_refused(organisation: Make) -> None:
    made = organisation({"courses": {"select": "SELECT name AS title FROM courses"}})
    made.deliver(f"courses_{DAY}.csv", "id,name\nc1,Safety\n")
    assert "does not give course_id" in refused(made, "courses")


def test_a_mapping_to_a_column_the_contract_lacks_is_refused(organisation: Make) -> None:
    made = organisation({"enrolments": {"select": "SELECT *, x AS completed FROM enrolments"}})
    made.deliver(f"enrolments_{DAY}.csv", "enrolment_id,person_id,course_id,x\n1,2,3,4\n")
    message = refused(made, "enrolments")
    assert "no column" in message
    made = organisation({"courses": {"columns": {"course_id": "id", "titel": "t"}}})
    made.deliver(f"courses_{DAY}.csv", "id,t\nc1,A\n")
    with pytest.raises(Problem, match=r"has no column 'titel'\. Did you mean 'title'\?"):
        made.land("courses")


def test_a_column_twice_in_the_header_is_refused(organisation: Make) -> None:
    made = organisation({"courses": {"columns": {"course_id": "id"}}})
    made.deliver(f"courses_{DAY}.csv", "id,name,Name\nc1,a,b\n")
    assert "column Name: the column occurs twice" in refused(made, "courses")


@pytest.mark.parametrize(
    ("column", "value", "what"),
    [
        ("hired_on", "31/10/2026", "a date written %Y-%m-%d"),
        ("hired_on", "2026-02-30", "a date written %Y-%m-%d"),
        ("hired_on", "26-10-01", "a date written %Y-%m-%d"),
        ("hired_on", "2026-10-01 08:00", "a date written %Y-%m-%d"),
        ("hired_on", "Epoch", "a date written %Y-%m-%d"),
        ("hired_on", "infinity", "a date written %Y-%m-%d"),
    ],
)
def test_a_wrong_date_names_file_column_and_row(
    organisation: Make, column: str, value: str, what: str
) -> None:
    made = organisation("people")
    rows = person("p1") + person("p2") + person("p3", **{column: value}) + person("p4")
    made.deliver(f"people_{DAY}.csv", header("people") + rows)
    assert refused(made, "people").startswith(
        f"file people_2026-10-31.csv, column {column}, row 3: one value is not {what}; "
        "the first is in row 3."
    )


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        ("30", 30),
        ("30.0", 30),
        (" 7 ", 7),
        ("", None),
        ("3.7", "refused"),
        ("12 min", "refused"),
        ("99999999999999999999", "refused"),
        ("NaN", "refused"),
    ],
)
def test_whole_numbers_are_never_rounded(
    organisation: Make, value: str, accepted: int | str | None
) -> None:
    made = organisation("activity")
    made.deliver(f"activity_{DAY}.csv", header("activity") + event("e1", duration_seconds=value))
    if accepted == "refused":
        message = refused(made, "activity")
        assert "column duration_seconds, row 1: one value is not a whole number" in message
    else:
        assert made.staged(made.one("activity"), "duration_seconds") == [(accepted,)]


@pytest.mark.parametrize("value", ["yesterday", "infinity", "epoch", "0026-10-31T10:00:00Z"])
def test_a_wrong_time_is_refused(organisation: Make, value: str) -> None:
    made = organisation("activity")
    made.deliver(f"activity_{DAY}.csv", header("activity") + event("e1", occurred_at=value))
    assert "column occurred_at, row 1: one value is not a time written as ISO 8601" in refused(
        made, "activity"
    )


def test_wrong_types_are_counted_and_all_columns_named(organisation: Make) -> None:
    made = organisation("courses")
    lines = [
        row("courses", course_id="c1", is_flagship="perhaps"),
        row("courses", course_id="c2", is_flagship="often", duration_minutes="long"),
    ]
    made.deliver(f"courses_{DAY}.csv", header("courses") + "".join(lines))
    message = refused(made, "courses")
    assert "row 1: 2 values are not true or false; the first is in row 1." in message
    assert "Likewise: duration_minutes (1)." in message
    assert "perhaps" not in message


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("c2", "1 fields where the header has 2"),
        ("c2,B,extra", "3 fields where the header has 2"),
        ('c2,"B', "a quoted field that does not end as it should"),
        ('c2,"B" tail', "a quoted field that does not end as it should"),
    ],
)
def test_a_malformed_csv_row_is_named(organisation: Make, line: str, fault: str) -> None:
    made = organisation({"courses": {"columns": {"course_id": "id", "title": "title"}}})
    made.deliver(f"courses_{DAY}.csv", f"id,title\nc1,A\n{line}\nc3,C\n")
    message = refused(made, "courses")
    assert message.startswith(f"file courses_2026-10-31.csv, row 2: {fault} in line 3.")


def test_gzip_cut_short_is_refused(organisation: Make) -> None:
    made = organisation({"activity": {"files": {"a": "a_{date}.csv.gz"}}})
    rows = header("activity") + "".join(event(f"e{i}") for i in range(3000))
    packed = gzip.compress(rows.encode())
    made.deliver(f"a_{DAY}.csv.gz", packed[: len(packed) // 2])
    assert "file a_2026-10-31.csv.gz: the gzip file is cut short" in refused(made, "activity")


def test_what_is_no_gzip_is_refused(organisation: Make) -> None:
    made = organisation({"activity": {"files": {"a": "a_{date}.csv.gz"}}})
    made.deliver(f"a_{DAY}.csv.gz", header("activity") + event("e1"))
    assert "not a whole gzip file" in refused(made, "activity")


def test_gzip_under_a_plain_name_is_refused(organisation: Make) -> None:
    made = organisation("activity")
    made.deliver(f"activity_{DAY}.csv", gzip.compress(header("activity").encode()))
    message = refused(made, "activity")
    assert "has gzip data" in message and "name the file .gz" in message


@pytest.mark.parametrize("damage", ["cut", "flipped", "text"])
def test_a_damaged_parquet_file_is_refused(organisation: Make, tmp_path: Path, damage: str) -> None:
    made = organisation({"courses": {"format": "parquet", "files": {"c": "c_{date}.parquet"}}})
    path = tmp_path / "good.parquet"
    made.query(
        f"COPY (SELECT 'c' || i AS course_id, 'x' AS title FROM range(50000) t(i)) TO '{path}'"
    )
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[: len(content) // 2]
    elif damage == "flipped":
        content[200:1200] = os.urandom(1000)
    else:
        content = bytearray(b"course_id\nc1\n")
    made.settings = made.settings.model_copy(
        update={
            "feeds": {
                "courses": FeedSettings(
                    files={"c": "c_{date}.parquet"},
                    format="parquet",
                    columns={"course_id": "course_id", "title": "title"},
                )
            }
        }
    )
    made.deliver(f"c_{DAY}.parquet", bytes(content))
    assert "not readable as Parquet" in refused(made, "courses")


def test_wrong_encoding_names_line_and_byte(organisation: Make) -> None:
    made = organisation("people")
    text = header("people") + person("p1") + person("p2", full_name="Zoë")
    made.deliver(f"people_{DAY}.csv", text.encode("latin-1"))
    at = text.index("ë")
    assert refused(made, "people").startswith(
        f"file people_2026-10-31.csv, row 2: the file is not utf-8: line 3 (byte {at}) has "
        "a byte that is not possible there."
    )


@pytest.mark.parametrize(
    ("written", "declared", "remedy"),
    [
        ("utf-16", "utf-8", 'declare encoding = "utf-16"'),
        ("utf-16-le", "utf-8", "it may be UTF-16"),
        ("utf-8", "latin-1", 'declare encoding = "utf-8"'),
        ("utf-8", "utf-16", 'declare encoding = "utf-8" or "latin-1"'),
    ],
)
def test_another_encoding_than_declared_is_recognised(
    organisation: Make, written: str, declared: str, remedy: str
) -> None:
    made = organisation({"people": {"encoding": declared}})
    text = header("people") + person("p1", full_name="Zoë")
    made.deliver(f"people_{DAY}.csv", text.encode(written))
    assert remedy in refused(made, "people")


def test_duplicate_keys_keep_the_first_good_row(organisation: Make) -> None:
    made = organisation("people")
    rows = [
        person("p1", full_name="first"),
        person("p2", hired_on="2026-01-02", left_on="2026-01-01", full_name="impossible"),
        person("p1", full_name="second"),
        person("p2", full_name="good"),
        person("p1", full_name="third"),
    ]
    made.deliver(f"people_{DAY}.csv", header("people") + "".join(rows))
    manifest = made.one("people")
    assert made.staged(manifest, "person_id, full_name") == [("p1", "first"), ("p2", "good")]
    assert made.rejected(manifest, "row_number, reason, row_json ->> '$.full_name'") == [
        (2, "left before hired", "impossible"),
        (3, "duplicate key", "second"),
        (5, "duplicate key", "third"),
    ]
    assert manifest.rejected_by_reason == {"duplicate key": 2, "left before hired": 1}
    assert manifest.profile["rejected_share__duplicate_key"] == 0.4


def test_changes_keep_the_last_row_of_a_key(organisation: Make) -> None:
    columns = {n: n for n in ("enrolment_id", "person_id", "course_id", "status")}
    made = organisation({"enrolments": {"delivery": "changes", "columns": columns}})
    made.deliver(
        f"enrolments_{DAY}.csv",
        "enrolment_id,person_id,course_id,status\nx,p,c,enrolled\nx,p,c,completed\n",
    )
    assert made.staged(made.one("enrolments"), "status") == [("completed",)]


def test_an_event_in_the_future_is_quarantined(organisation: Make) -> None:
    made = organisation("activity", organisation={"time_zone": "Europe/London"})
    rows = event("now", occurred_at="2026-11-01T23:59:59Z") + event(
        "later", occurred_at="2026-11-02T00:00:00Z"
    )
    made.deliver(f"activity_{DAY}.csv", header("activity") + rows)
    manifest = made.one("activity")
    assert made.staged(manifest, "event_id") == [("now",)]
    assert made.rejected(manifest, "row_number, reason") == [(2, "event in the future")]


def test_a_date_in_the_future_is_quarantined(organisation: Make) -> None:
    made = organisation("leader_actions")
    rows = [
        row("leader_actions", action_id=i, person_id="p", kind="email", happened_on=day)
        for i, day in enumerate(("2026-11-01", "2026-11-02"), start=1)
    ]
    made.deliver(f"leader_actions_{DAY}.csv", header("leader_actions") + "".join(rows))
    manifest = made.one("leader_actions")
    assert made.staged(manifest, "action_id") == [("1",)]
    assert manifest.rejected_by_reason == {"event in the future": 1}


def test_an_unknown_person_is_quarantined_and_rescued(organisation: Make) -> None:
    from orchestration.feeds.landing import reland

    made = organisation("activity")
    made.people("p1")
    made.deliver(f"activity_{DAY}.csv", header("activity") + event("a") + event("b", "p2"))
    manifest = made.one("activity")
    assert (manifest.rows_in, manifest.rows_accepted, manifest.rows_rejected) == (2, 1, 1)
    assert made.rejected(manifest, "reason, row_number, source_file") == [
        ("unknown person", 2, "activity_2026-10-31.csv")
    ]
    assert manifest.profile["persons_checked"] == 1
    made.people("p1", "p2", day=date(2026, 11, 1))
    again = reland(made.settings, made.lake, "activity", manifest.delivery_id)
    assert (again.delivery_id, again.rows_accepted) == ("2026-10-31.002", 2)


def test_persons_are_not_judged_before_people_have_come(organisation: Make) -> None:
    made = organisation("activity")
    made.deliver(f"activity_{DAY}.csv", header("activity") + event("a"))
    manifest = made.one("activity")
    assert (manifest.rows_accepted, manifest.profile["persons_checked"]) == (1, 0)


def test_a_person_of_an_earlier_snapshot_is_known(organisation: Make) -> None:
    made = organisation("activity")
    made.people("gone", day=date(2026, 9, 1))
    made.people("p1", day=date(2026, 10, 1))
    made.deliver(f"activity_{DAY}.csv", header("activity") + event("a", "gone"))
    assert made.one("activity").rows_rejected == 0


def test_a_manager_cycle_is_quarantined_and_no_one_else(organisation: Make) -> None:
    made = organisation("people")
    rows = [
        person("top", manager_id="top"),
        person("a", manager_id="b"),
        person("b", manager_id="c"),
        person("c", manager_id="a"),
        person("below", manager_id="a"),
        person("outside", manager_id="not-here"),
    ]
    made.deliver(f"people_{DAY}.csv", header("people") + "".join(rows))
    manifest = made.one("people")
    assert made.staged(manifest, "person_id") == [("below",), ("outside",), ("top",)]
    assert manifest.rejected_by_reason == {"manager cycle": 3}
    assert manifest.profile["manager_cycle_rows"] == 3


@pytest.mark.parametrize(
    ("units", "what"),
    [
        ("a,A,,\nb,B,,\n", "the units have 2 roots where one whole is needed: a, b."),
        ("r,R,,\na,A,b,\nb,B,a,\n", "the units report to each other in a circle: a, b."),
        ("r,R,,\na,A,a,\n", "the units report to each other in a circle: a."),
        ("r,R,,\na,A,zz,\n", "the parent of these units is not in the delivery: a."),
    ],
)
def test_an_organisation_that_is_no_tree_is_refused(
    organisation: Make, units: str, what: str
) -> None:
    made = organisation("org_units")
    made.deliver(f"org_units_{DAY}.csv", header("org_units") + units)
    message = refused(made, "org_units")
    assert message.startswith(f"file org_units_2026-10-31.csv, column parent_org_unit_id: {what}")


def test_a_tree_is_accepted(organisation: Make) -> None:
    made = organisation("org_units")
    made.deliver(f"org_units_{DAY}.csv", header("org_units") + "r,R,,\na,A,r,\nb,B,a,\n")
    assert made.one("org_units").rows_accepted == 3


def test_a_negative_duration_is_quarantined(organisation: Make) -> None:
    made = organisation("activity")
    rows = event("a", duration_seconds=-1) + event("b", duration_seconds=0)
    made.deliver(f"activity_{DAY}.csv", header("activity") + rows)
    manifest = made.one("activity")
    assert made.staged(manifest, "event_id") == [("b",)]
    assert made.rejected(manifest, "reason") == [("negative duration",)]


@pytest.mark.parametrize(
    ("feed", "values", "reason"),
    [
        ("people", {"person_id": "x", "leave_from": "2026-02-02", "leave_to": "2026-02-01"},
         "leave ends before it begins"),
        ("courses", {"course_id": "x", "duration_minutes": "-5"}, "negative duration"),
        ("enrolments", {"enrolment_id": "x", "person_id": "p", "course_id": "c",
                        "enrolled_at": "2026-03-02", "completed_at": "2026-03-01"},
         "completed before enrolled"),
        ("enrolments", {"enrolment_id": "x", "person_id": "p", "course_id": "c",
                        "completed_at": "2027-03-01"}, "event in the future"),
        ("certifications", {"certification_id": "x", "person_id": "p", "competency_id": "k",
                            "issued_at": "2026-03-02", "expires_at": "2026-03-01"},
         "expires before issued"),
        ("initiatives", {"initiative_id": "x", "starts_on": "2026-03-02", "ends_on": "2026-03-01"},
         "ends before it starts"),
        ("courses", {"title": "no id"}, "course_id is missing"),
        ("business_outcomes", {"org_unit_id": "u", "metric": "m"}, "period_start is missing"),
    ],
)  # fmt: skip
def test_a_row_that_cannot_be_is_quarantined(
    organisation: Make, feed: str, values: dict[str, str], reason: str
) -> None:
    made = organisation(feed)
    made.deliver(f"{feed}_{DAY}.csv", header(feed) + row(feed, **values))  # type: ignore[arg-type]
    manifest = made.one(feed)  # type: ignore[arg-type]
    assert manifest.rejected_by_reason == {reason: 1}
    assert (manifest.rows_in, manifest.rows_accepted) == (1, 0)


def test_the_declarations_own_rules_quarantine(organisation: Make) -> None:
    made = organisation({"activity": {"reject": {"test account": "person_id LIKE 'test%'"}}})
    rows = event("a", "test7") + event("b", "p1")
    made.deliver(f"activity_{DAY}.csv", header("activity") + rows)
    manifest = made.one("activity")
    assert manifest.rejected_by_reason == {"test account": 1}
    assert manifest.profile["rejected_share__declared"] == 0.5


def test_a_field_of_ten_thousand_characters_is_quarantined(organisation: Make) -> None:
    made = organisation("people")
    rows = person("p1", full_name="x" * 10_000) + person("p2", full_name="y" * 4_000)
    made.deliver(f"people_{DAY}.csv", header("people") + rows)
    manifest = made.one("people")
    assert made.staged(manifest, "person_id, length(full_name)") == [("p2", 4000)]
    assert manifest.rejected_by_reason == {"a field is longer than 4000 characters": 1}


HARMLESS = ["=1+1", "<script>alert(1)</script>", "{{7*7}}", '#read("x")', "'; DROP TABLE x; --",
            "${x}", "@SUM(A1)", "a\nb", "\u202eevil", 'say "hi"']  # fmt: skip


def test_text_that_looks_like_code_is_text(organisation: Make) -> None:
    made = organisation("people")
    quoted = [name.replace('"', '""') for name in HARMLESS]
    rows = [person(f"p{i}", full_name=f'"{name}"') for i, name in enumerate(quoted)]
    made.deliver(f"people_{DAY}.csv", header("people") + "".join(rows))
    manifest = made.one("people")
    assert [name for (name,) in made.staged(manifest, "full_name")] == HARMLESS


def test_a_young_file_is_left_for_later(organisation: Make) -> None:
    from .conftest import backdate

    made = organisation("activity", landing={"settle_seconds": 60})
    path = made.deliver(f"activity_{DAY}.csv", header("activity") + event("a"))
    (outcome,) = made.land("activity")
    assert (outcome.status, outcome.manifest) == ("deferred", None)
    assert outcome.note == "activity_2026-10-31.csv may still be being written"
    backdate(path, 61)
    assert made.one("activity").rows_accepted == 1


@pytest.mark.parametrize("suffix", [".part", ".tmp", ".filepart"])
def test_a_partial_file_is_left_for_later(organisation: Make, suffix: str) -> None:
    made = organisation("activity")
    made.deliver(f"activity_{DAY}.csv{suffix}", header("activity") + event("a"))
    (outcome,) = made.land("activity")
    assert outcome.status == "deferred"
    assert f"activity_2026-10-31.csv{suffix} is still being sent" in outcome.note
    assert made.lake.files("deliveries") == []


def test_a_file_that_changes_while_it_is_read_is_left_for_later(
    organisation: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    from orchestration.feeds import staging

    made = organisation("activity")
    path = made.deliver(f"activity_{DAY}.csv", header("activity") + event("a"))
    write = staging.Staging._write_accepted

    def slow_write(*given: object) -> int:
        with path.open("a") as handle:
            handle.write(event("b"))
        return write(*given)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(staging.Staging, "_write_accepted", slow_write)
        (outcome,) = made.land("activity")
    assert outcome.status == "deferred"
    assert "changed while it was read" in outcome.note
    assert made.lake.files("staged", "activity") == made.lake.files("deliveries") == []
    assert made.one("activity").rows_accepted == 2


@pytest.mark.parametrize("pattern", ["../secret_{date}.csv", "/etc/{date}", "a/../../{date}.csv"])
def test_a_pattern_cannot_leave_the_landing_folder(pattern: str) -> None:
    with pytest.raises(ValueError, match="leaves the landing folder"):
        FeedSettings(files={"x": pattern})


def test_a_link_cannot_lead_out_of_the_landing_folder(organisation: Make, tmp_path: Path) -> None:
    made = organisation("courses")
    secret = tmp_path / "secret.csv"
    secret.write_text(header("courses") + row("courses", course_id="c1"))
    (made.landing / f"courses_{DAY}.csv").symlink_to(secret)
    (outcome,) = made.land("courses")
    assert outcome.status == "waiting"
    assert "courses_2026-10-31.csv leads out of the landing folder" in outcome.note


def test_a_refused_delivery_leaves_the_last_good_one(organisation: Make) -> None:
    made = organisation("org_units")
    made.deliver("org_units_2026-10-30.csv", header("org_units") + "r,R,,\n")
    made.one("org_units", date(2026, 10, 30))
    made.publish("org_units")
    made.deliver(f"org_units_{DAY}.csv", header("org_units") + "a,A,,\nb,B,,\n")
    refused(made, "org_units")
    made.publish("org_units")
    assert made.query(
        f"SELECT delivery_id FROM '{made.lake.path('in_force', 'org_units.parquet')}'"
    ) == [("2026-10-30.001",)]


def test_a_file_that_went_away_is_deferred(organisation: Make) -> None:
    made = organisation("activity")
    path = made.deliver(f"activity_{DAY}.csv", header("activity") + event("a"))
    (delivery,) = find_deliveries(made.settings, "activity", DAY, DAY)
    path.unlink()
    with pytest.raises(Problem, match="the file is gone"):
        land(made.settings, made.lake, "activity", delivery)
