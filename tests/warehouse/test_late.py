"""Which closed periods late data touches: by hand, feed by feed, against what figures stand on."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.periods import Period
from orchestration.warehouse.late import note_arrivals, ranges, touched_periods
from orchestration.warehouse.late_reach import CANCELLED, LAPSING_DAYS
from orchestration.warehouse.project import DBT_PROJECT
from tests.warehouse.town import Town, event


@pytest.fixture
def town(tmp_path: Path) -> Town:
    return Town(tmp_path)


def months(found: Mapping[str, Any]) -> list[str]:
    return [name for name in found if "W" not in name and "Q" not in name]


# ---- events --------------------------------------------------------------------------------


def test_late_activity_touches_its_week_month_and_quarter_and_its_unit(town: Town) -> None:
    town.arrive("activity", date(2026, 11, 8), [event("e1", "ann", "2026-09-16")])
    town.close()
    assert town.touched() == {}
    town.arrive("activity", date(2026, 11, 9), [
        event("e1", "ann", "2026-09-16"),  # sent again: nothing new
        event("e2", "bob", "2026-09-16"),
        event("e3", "ann", "2026-11-09"),  # today
    ])  # fmt: skip
    west = {"activity": ("west",)}
    assert town.touched() == {"2026-W38": west, "2026-09": west, "2026-Q3": west}
    (week, *_) = touched_periods(town.lake)
    assert [(late.deliveries, late.rows) for late in week.late] == [(("2026-11-09.001",), 1)]
    # closed again it is known; a further arrival is of its own
    town.close(Period.parse("2026-09"), Period.parse("2026-Q3"))
    assert list(town.touched()) == ["2026-W38"]
    town.close()
    town.arrive("activity", date(2026, 11, 10), [event("e4", "bob", "2026-10-31"),
                                                 event("e5", "ann", "2026-11-01")])  # fmt: skip
    assert town.touched() == {
        "2026-W44": {"activity": ("east", "west")},
        "2026-10": {"activity": ("west",)},
    }


def test_rows_are_noted_in_the_order_of_their_keys_however_they_came(town: Town) -> None:
    town.arrive("activity", date(2026, 11, 8), [])
    town.close()
    days = [date(2026, 9, 1) + timedelta(number) for number in range(28)]
    rows = [event(f"e{day:%d}", "ann", f"{day}") for day in days]
    town.arrive("activity", date(2026, 11, 9), [*rows[::-2], *rows[::2]])
    note_arrivals(town.settings, town.lake)
    (file,) = town.lake.files("late", "activity")
    noted = sorted(town.lake.read_rows(file), key=lambda row: row["row_number"])
    assert [row["first_on"] for row in noted] == days


def test_a_corrected_delivery_touches_what_it_corrects(town: Town) -> None:
    day = date(2026, 10, 5)
    rows = [event("e1", "ann", "2026-10-04"), event("e2", "bob", "2026-10-02")]
    town.arrive("activity", day, rows)
    town.close()
    town.arrive("activity", day, rows, sequence=2)  # the same again
    assert town.touched() == {}
    town.arrive("activity", day, rows[:1], sequence=3)  # one row is taken back
    west = {"activity": ("west",)}
    assert town.touched() == {"2026-W40": west, "2026-10": west}


def test_events_of_competency_and_of_leaders_reach_as_far_as_their_kpis(town: Town) -> None:
    before = date(2026, 11, 8)
    for feed in ("assessments", "certifications", "leader_actions"):
        town.arrive(feed, before, [])
    town.close()
    passed = {"attempt_id": "t1", "person_id": "ann", "attempted_at": "2026-09-10 12:00:00Z"}
    town.arrive("assessments", date(2026, 11, 9), [{**passed, "passed": False}])
    assert town.touched() == {}
    town.arrive("assessments", date(2026, 11, 10), [{**passed, "passed": True}])
    assert list(town.touched()) == ["2026-09", "2026-10", "2026-Q3"]  # as known at their ends
    town.close()
    town.arrive("certifications", date(2026, 11, 9), [{
        "certification_id": "c1", "person_id": "bob", "competency_id": "k",
        "issued_at": "2026-10-02 12:00:00Z",
    }])  # fmt: skip
    assert town.touched() == {"2026-10": {"certifications": ("west",)}}
    town.close()
    # how long a sponsor has been silent: every later week and month says so
    for number, (day, weeks) in enumerate({"2026-10-20": [43, 44, 45], "2026-11-09": []}.items()):
        town.arrive("leader_actions", date(2026, 11, 9) + timedelta(number), [{
            "action_id": f"a{number}", "person_id": "ann", "kind": "town_hall", "happened_on": day,
        }])  # fmt: skip
        expected = [f"2026-W{week}" for week in weeks] + ["2026-10"] * bool(weeks)
        assert list(town.touched()) == expected, day
        town.close()
    # told again of a later day: it is no longer of the first
    town.arrive("leader_actions", date(2026, 11, 11), [{
        "action_id": "a0", "person_id": "ann", "kind": "town_hall", "happened_on": "2026-11-10",
    }])  # fmt: skip
    assert list(town.touched()) == ["2026-W43", "2026-W44", "2026-W45", "2026-10"]


def test_an_outcome_touches_its_quarter_and_later_ones_only(town: Town) -> None:
    town.close()
    outcome = {"org_unit_id": "west", "metric": "m", "numerator": "1"}
    town.arrive("business_outcomes", date(2026, 11, 9), [{**outcome, "period_start": "2026-07-01"}])
    assert town.touched() == {"2026-Q3": {"business_outcomes": ("west",)}}
    town.close()
    town.arrive(
        "business_outcomes", date(2026, 11, 10), [{**outcome, "period_start": "2026-10-01"}]
    )
    assert town.touched() == {}


def test_what_people_record_of_the_past_touches_it(town: Town) -> None:
    town.close()

    def say(number: int, subject: str, **more: Any) -> None:
        town.arrive("records", date(2026, 11, 9) + timedelta(number), [{
            "record_id": f"r{number}", "recorded_at": "2026-11-09 12:00:00Z", "source": "person",
            "subject": subject, "entry_id": f"x{number}", "person_id": "ann", **more,
        }])  # fmt: skip

    say(1, "comment", kpi_id="k", period_id="2026-10")
    say(2, "decision", kind="decision", asked_on="2026-11-09", asked_in="2026-10")  # our own asking
    assert town.touched() == {}
    say(3, "leader_action", kind="town_hall", happened_on="2026-10-14")
    east = {"records": ("east",)}
    assert town.touched() == {
        **{f"2026-W{week}": east for week in range(42, 46)}, "2026-10": east,
    }  # fmt: skip
    town.close()
    say(4, "decision", kind="commitment", closed_on="2026-10-30", org_unit_id="west")
    west = {"records": ("west",)}
    assert town.touched() == {"2026-W44": west, "2026-W45": west, "2026-10": west}
    town.close()
    # taken back, without a word of its day
    town.arrive("records", date(2026, 11, 20), [{
        "record_id": "r5", "recorded_at": "2026-11-20 12:00:00Z", "source": "person",
        "subject": "leader_action", "entry_id": "x3", "person_id": "ann", "outcome": "withdrawn",
    }])  # fmt: skip
    assert list(town.touched()) == [*(f"2026-W{week}" for week in range(42, 46)), "2026-10"]


# ---- snapshots -----------------------------------------------------------------------------


def test_a_snapshot_of_today_leaves_the_past_alone(town: Town) -> None:
    town.enrol("n1", "ann", "must", "2026-10-01", due_at="2026-10-20")
    town.snapshot("enrolments", date(2026, 11, 8))
    town.close()
    town.people["bob"]["org_unit_id"] = "east"
    town.people["cat"] = {"org_unit_id": "west", "hired_on": "2026-01-01"}
    del town.people["ann"]
    town.courses["new"] = {"is_mandatory": True, "published_on": "2026-11-09"}
    town.courses["may"]["is_mandatory"] = True
    town.enrol("n1", "ann", "must", "2026-10-01", due_at="2026-12-20", completed_at="2026-11-09",
               status="completed")  # fmt: skip
    town.enrol("n2", "bob", "must", "2026-11-09", due_at="2026-12-01")
    today = date(2026, 11, 9)
    for feed in ("people", "courses", "enrolments"):
        town.snapshot(feed, today)  # type: ignore[arg-type]
    town.arrive("org_units", today, [{"org_unit_id": "all"}])
    town.arrive("initiatives", today, [{"initiative_id": "i", "kind": "process_change",
                                        "starts_on": "2026-09-01"}])  # fmt: skip
    assert town.touched() == {}


def test_an_organisation_change_delivered_late_touches_months_from_its_date(town: Town) -> None:
    town.close()
    town.people["bob"]["org_unit_id"] = "east"
    town.snapshot("people", date(2026, 9, 10))  # the snapshot of 30 September knows him in the west
    found = town.touched()
    both = {"people": ("east", "west")}
    assert found == {"2026-W37": both, "2026-W38": both, "2026-W39": both}
    town.close()
    town.snapshot("people", date(2026, 9, 30), sequence=2)  # corrected: it knows him in the east
    found = town.touched()
    assert months(found) == ["2026-09", "2026-10"] and "2026-Q3" in found
    assert [name for name in found if "W" in name] == [f"2026-W{week}" for week in range(40, 45)]
    assert set(map(str, (found[name] for name in found))) == {str(both)}
    # only the name of a person: no figure
    town.close()
    town.people["ann"]["full_name"] = "Ann"
    town.snapshot("people", date(2026, 10, 5))
    assert town.touched() == {}


def test_a_unit_moved_late_and_leave_told_late(town: Town) -> None:
    town.close()
    town.arrive("org_units", date(2026, 10, 20), [
        {"org_unit_id": "all"},
        {"org_unit_id": "east", "parent_org_unit_id": "all"},
        {"org_unit_id": "west", "parent_org_unit_id": "east"},
    ])  # fmt: skip
    unit = {"org_units": ("west",)}
    assert town.touched() == {
        "2026-W43": unit, "2026-W44": unit, "2026-W45": unit, "2026-10": unit,
    }  # fmt: skip
    town.close()
    town.people["ann"] |= {"leave_from": "2026-09-01", "leave_to": "2026-09-20"}
    town.snapshot("people", date(2026, 9, 14))
    found = town.touched()
    # how long a sponsor was silent without being away is told of every later week
    assert months(found) == ["2026-09", "2026-10"] and "2026-Q3" in found
    assert [name for name in found if "W" in name] == [f"2026-W{week}" for week in range(38, 46)]
    town.close()
    town.people["bob"] |= {"leave_from": "2026-09-01", "leave_to": "2026-09-20"}
    town.snapshot("people", date(2026, 9, 14), sequence=2)
    found = town.touched()
    assert months(found) == ["2026-09"] and "2026-Q3" in found  # who leads nobody: those days
    assert [name for name in found if "W" in name] == ["2026-W38", "2026-W39", "2026-W40"]


def test_a_completion_told_late_counts_on_its_day(town: Town) -> None:
    town.enrol("n1", "ann", "must", "2026-09-01", due_at="2026-09-25")
    town.enrol("n2", "bob", "may", "2026-09-01", due_at="2026-10-20")
    town.snapshot("enrolments", date(2026, 11, 8))
    town.close()
    done = {"status": "completed"}
    town.enrol(
        "n2", "bob", "may", "2026-09-01", due_at="2026-10-20", completed_at="2026-10-14", **done
    )
    town.snapshot("enrolments", date(2026, 11, 9))
    west = {"enrolments": ("west",)}
    # completed in W42; on time for W43; both in October; no longer stalled since
    assert town.touched() == {
        **{f"2026-W{week}": west for week in range(42, 46)}, "2026-10": west,
    }  # fmt: skip
    town.close()
    town.enrol(
        "n1", "ann", "must", "2026-09-01", due_at="2026-09-25", completed_at="2026-10-14", **done
    )
    town.snapshot("enrolments", date(2026, 11, 10))
    found = town.touched()
    # too late for its due date in W39; overdue no more from 14 October on
    assert months(found) == ["2026-10"]
    assert [name for name in found if "W" in name] == [f"2026-W{week}" for week in (42, 43, 44, 45)]
    town.close()
    town.enrol(
        "n1", "ann", "must", "2026-09-01", due_at="2026-09-25", completed_at="2026-09-24", **done
    )
    town.snapshot("enrolments", date(2026, 11, 11))  # corrected: it was in time
    found = town.touched()
    assert months(found) == ["2026-09", "2026-10"] and "2026-Q3" in found
    assert [name for name in found if "W" in name] == [f"2026-W{week}" for week in range(39, 43)]


def test_enrolments_known_late_vanished_late_or_of_a_leader(town: Town) -> None:
    town.enrol("n0", "ann", "flag", "2026-09-01")
    town.snapshot("enrolments", date(2026, 9, 30))
    town.snapshot("enrolments", date(2026, 11, 8))
    town.close()
    town.enrol("n0", "ann", "flag", "2026-09-01", completed_at="2026-09-30")
    town.snapshot("enrolments", date(2026, 11, 9))
    found = town.touched()
    assert months(found) == ["2026-09", "2026-10"] and "2026-Q3" in found  # the ELT through it
    assert [name for name in found if "W" in name] == [f"2026-W{week}" for week in range(40, 46)]
    town.close()
    town.enrol("n1", "bob", "must", "2026-10-05", due_at="2026-10-29")
    town.snapshot("enrolments", date(2026, 11, 10))
    found = town.touched()
    assert months(found) == ["2026-10"] and found["2026-10"] == {"enrolments": ("west",)}
    assert [name for name in found if "W" in name] == [f"2026-W{week}" for week in range(41, 46)]
    town.close()
    del town.enrolments["n1"]
    town.snapshot("enrolments", date(2026, 10, 28))  # as things stood then it was not yet known
    assert town.touched() == {}
    town.enrol("n1", "bob", "must", "2026-10-05", due_at="2026-10-29", status="cancelled")
    town.snapshot("enrolments", date(2026, 11, 1))
    town.snapshot("enrolments", date(2026, 11, 2))
    town.close()
    del town.enrolments["n1"]
    town.snapshot("enrolments", date(2026, 11, 11))
    assert town.touched() == {}  # gone today


def test_changes_say_nothing_of_what_they_do_not_name(tmp_path: Path) -> None:
    town = Town(tmp_path, changes=True)
    town.enrol("n1", "ann", "must", "2026-09-01", due_at="2026-10-25")
    town.enrol("n2", "bob", "must", "2026-09-01", due_at="2026-10-25")
    town.snapshot("enrolments", date(2026, 11, 8))
    town.close()
    del town.enrolments["n2"]
    town.enrol("n1", "ann", "must", "2026-09-01", due_at="2026-10-25", completed_at="2026-10-31")
    town.snapshot("enrolments", date(2026, 11, 9))
    east = {"enrolments": ("east",)}
    assert town.touched() == {"2026-W44": east, "2026-W45": east, "2026-10": east}


def test_a_change_set_speaks_until_the_next_one_that_names_the_row(tmp_path: Path) -> None:
    town = Town(tmp_path, changes=True)
    town.enrol("n1", "ann", "must", "2026-09-01", due_at="2026-10-25")
    town.snapshot("enrolments", date(2026, 9, 2))
    town.enrolments.clear()
    town.enrol("n2", "bob", "must", "2026-09-01", due_at="2026-10-25")
    town.snapshot("enrolments", date(2026, 11, 8))
    town.close()
    town.enrolments.clear()
    town.enrol("n1", "ann", "must", "2026-09-01", due_at="2026-10-25", completed_at="2026-10-14")
    town.snapshot("enrolments", date(2026, 10, 15))
    east = {"enrolments": ("east",)}
    expected = {**{f"2026-W{week}": east for week in range(42, 46)}, "2026-10": east}
    assert town.touched() == expected
    town.close()
    town.enrolments.clear()
    town.snapshot("enrolments", date(2026, 10, 15), sequence=2)  # corrected: it named nothing
    assert town.touched() == expected


def test_a_completion_that_only_a_late_snapshot_tells_of(town: Town) -> None:
    town.enrol("n1", "ann", "may", "2026-09-01", due_at="2026-10-25")
    town.snapshot("enrolments", date(2026, 9, 2))
    known = dict(town.enrolments)
    town.enrolments.clear()
    town.snapshot("enrolments", date(2026, 11, 8))  # the LMS dropped it
    town.close()
    town.enrolments |= known
    town.enrol("n1", "ann", "may", "2026-09-01", due_at="2026-10-25", completed_at="2026-10-14")
    town.snapshot("enrolments", date(2026, 10, 20))
    found = town.touched()
    assert {"2026-W42", "2026-W43", "2026-10"} <= set(found)
    assert not {"2026-W41", "2026-09", "2026-Q3"} & set(found)


def test_an_earlier_completion_of_the_same_course_takes_the_place_of_the_later(town: Town) -> None:
    town.enrol("n1", "bob", "may", "2026-09-01", completed_at="2026-10-14")
    town.snapshot("enrolments", date(2026, 11, 8))
    town.close()
    town.enrol("n2", "bob", "may", "2026-09-01", completed_at="2026-09-10")
    town.snapshot("enrolments", date(2026, 11, 9))
    found = town.touched()
    assert months(found) == ["2026-09", "2026-10"]
    assert {"2026-W37", "2026-W42", "2026-Q3"} <= set(found)
    town.close()
    town.enrol("n3", "bob", "may", "2026-11-01", completed_at="2026-11-09")  # a third is no first
    town.snapshot("enrolments", date(2026, 11, 10))
    assert not months(town.touched())


def test_the_first_due_date_counts_though_another_was_agreed(town: Town) -> None:
    town.enrol("n1", "ann", "may", "2026-09-01", due_at="2026-09-25")
    town.snapshot("enrolments", date(2026, 9, 2))
    town.enrol("n1", "ann", "may", "2026-09-01", due_at="2026-12-20")
    town.snapshot("enrolments", date(2026, 9, 30))
    town.snapshot("enrolments", date(2026, 11, 8))
    town.close()
    town.enrol("n1", "ann", "may", "2026-09-01", due_at="2026-12-20", completed_at="2026-09-03")
    town.snapshot("enrolments", date(2026, 11, 9))
    assert {"2026-W36", "2026-W39", "2026-09", "2026-Q3"} <= set(town.touched())


def test_a_certificate_counts_among_the_lapses_before_it_ends(town: Town) -> None:
    given = {"certification_id": "c1", "person_id": "bob", "competency_id": "k",
             "issued_at": "2026-01-02 12:00:00Z", "expires_at": "2026-12-01 12:00:00Z"}  # fmt: skip
    town.arrive("certifications", date(2026, 11, 8), [given])
    town.close()
    later = {**given, "expires_at": "2027-12-01 12:00:00Z"}
    town.arrive("certifications", date(2026, 11, 9), [later])
    assert list(town.touched()) == ["2026-10"]  # from 2 October on


def test_the_first_version_of_a_course_stands_for_the_time_before_it(tmp_path: Path) -> None:
    town = Town(tmp_path)
    town.courses["new"] = {"is_mandatory": False}
    for day in (date(2026, 9, 30), date(2026, 11, 8)):
        town.snapshot("courses", day, sequence=2)
    town.arrive("activity", date(2026, 11, 8), [event("e1", "ann", "2026-08-12", course_id="new")])
    town.close()
    town.courses["new"] = {"is_mandatory": True}
    town.snapshot("courses", date(2026, 9, 30), sequence=3)
    assert {"2026-08", "2026-09", "2026-10", "2026-W36", "2026-Q3"} <= set(town.touched())
    town.close()
    # what the catalogue learns of today stood before from when somebody learned in it
    town.arrive("activity", date(2026, 11, 9), [event("e2", "ann", "2026-10-20", course_id="old")])
    town.touched()
    town.close()
    town.courses["old"] = {"is_mandatory": True}
    town.snapshot("courses", date(2026, 11, 10))
    assert list(town.touched()) == ["2026-W43", "2026-W44", "2026-W45", "2026-10"]


def test_who_left_by_a_late_snapshot_was_gone_on_every_day_since(town: Town) -> None:
    del town.people["bob"]
    town.snapshot("people", date(2026, 9, 30), sequence=2)
    town.snapshot("people", date(2026, 11, 8), sequence=2)
    town.close()
    town.snapshot("people", date(2026, 9, 10))  # gone on 10 September, not on 30 September
    found = town.touched()
    assert months(found) == ["2026-09", "2026-10"] and "2026-Q3" in found
    assert [name for name in found if "W" in name] == [f"2026-W{week}" for week in range(37, 46)]


def test_a_change_of_manager_told_late(town: Town) -> None:
    town.close()
    town.people["bob"]["manager_id"] = "ann"
    town.snapshot("people", date(2026, 10, 20))
    assert list(town.touched()) == ["2026-W43", "2026-W44", "2026-10"]


def test_late_activity_of_an_enrolled_course_reaches_as_far_as_rules_look_back(town: Town) -> None:
    town.enrol("n1", "bob", "may", "2026-08-01")
    town.snapshot("enrolments", date(2026, 11, 8))
    town.arrive("activity", date(2026, 11, 8), [])
    town.close()
    town.arrive("activity", date(2026, 11, 9), [event("e1", "bob", "2026-09-02", course_id="may")])
    found = town.touched()
    # it was not stalled for 30 days, up to 1 October, nor the course unused for 180
    assert [name for name in found if "W" in name] == [f"2026-W{week}" for week in range(36, 40)]
    assert months(found) == ["2026-09", "2026-10"]


def test_what_leaders_did_is_known_later_for_weeks_without_a_delivery(town: Town) -> None:
    town.arrive("leader_actions", date(2026, 10, 20), [])  # speaks for the week to 18 October
    town.close()
    town.arrive("leader_actions", date(2026, 11, 9), [])
    since = ["2026-W43", "2026-W44", "2026-W45", "2026-10"]
    assert list(town.touched()) == since


def test_lapses_are_counted_as_far_ahead_as_the_model_looks() -> None:
    model = (DBT_PROJECT / "macros" / "logic" / "fct_certification_pairs.sql").read_text()
    (days,) = re.findall(r"valid_until <= \{\{ add_days\('period_end', (\d+)\) \}\}", model)
    assert int(days) == LAPSING_DAYS


# ---- noting --------------------------------------------------------------------------------


def test_arrivals_are_noted_once_and_nothing_before_the_first_close(town: Town) -> None:
    town.arrive("activity", date(2026, 9, 30), [event("e1", "ann", "2026-09-16")])
    assert note_arrivals(town.settings, town.lake)["activity"] == 1
    town.close()
    for number in (2, 3):
        town.arrive("activity", date(2026, 11, 9), [event(f"e{number}", "bob", "2026-09-16")],
                    sequence=number)  # fmt: skip
    assert note_arrivals(town.settings, town.lake)["activity"] == 3
    files = town.lake.files("late")
    assert files == [
        "late/activity/000002.parquet", "late/activity/000003.parquet", "late/noted.json",
    ]  # fmt: skip
    note_arrivals(town.settings, town.lake)
    assert town.lake.files("late") == files
    with town.lake.connect() as connection:
        kept = connection.execute(
            f"SELECT * FROM read_parquet('{town.lake.path('late', 'activity', '*.parquet')}')"
        ).fetchall()
    assert "bob" not in str(kept) and "ann" not in str(kept)


def test_a_home_that_never_noted_starts_from_what_its_closes_know(town: Town) -> None:
    for day in (1, 2, 3):
        town.arrive("activity", date(2026, 10, day), [event(f"e{day}", "ann", "2026-09-16")])
    town.close()
    town.arrive("activity", date(2026, 11, 9), [event("e9", "ann", "2026-10-30")])
    # no activity was delivered for the weeks after 3 October until then: that is told otherwise now
    assert list(town.touched()) == [*(f"2026-W{week}" for week in range(41, 46)), "2026-10"]
    assert town.lake.files("late", suffix=".parquet") == ["late/activity/000004.parquet"]


def test_marks_that_stand_on_restated_figures_are_made_anew(town: Town) -> None:
    town.close()
    september = Period.parse("2026-09")
    town.close(september)
    assert town.touched() == {}  # the same figures again
    town.close(september, levels="others")
    assert town.touched() == {"2026-10": {}}
    town.close(Period.parse("2026-10"))
    assert town.touched() == {}


def test_many_periods_are_one_range_where_none_is_left_out() -> None:
    found = [Period.parse(f"2026-{month:02d}") for month in (9, 3, 4, 5, 12)]
    assert [(first.id, last.id) for first, last in ranges(found)] == [
        ("2026-03", "2026-05"), ("2026-09", "2026-09"), ("2026-12", "2026-12"),
    ]  # fmt: skip


def test_what_is_cancelled_is_what_staging_takes_for_it() -> None:
    model = (DBT_PROJECT / "models" / "staging" / "stg_lake__enrolments.sql").read_text()
    (listed,) = re.findall(r"in \(([^)]*)\)\s+then 'cancelled'", model)
    assert tuple(re.findall(r"'(\w+)'", listed)) == CANCELLED
