"""What the feed files hold: whole references, planted faults and nothing beside them."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from orchestration.feeds.contract import CONTRACT
from orchestration.periods import Period
from orchestration.sample import content
from orchestration.sample.parameters import SampleParameters
from orchestration.settings import SAMPLE_SETTINGS, load_settings
from tests.sample.conftest import SMALL, Sample

LONDON = ZoneInfo("Europe/London")
MANDATORY = {course.code for course in content.COURSES if course.mandatory}
SNAPSHOTS = ("people", "org_units", "course_catalogue", "course_owners", "enrolments")


def dates(names: list[str]) -> list[str]:
    return [name.split(".")[0].rsplit("_", 1)[1] for name in names]


def british(text: str) -> date:
    return datetime.strptime(text[:10], "%d/%m/%Y").date()


def test_deliveries_of_a_month(sample: Sample) -> None:
    ends = [day.isoformat() for day in SMALL.snapshot_dates]
    assert ends[0] == "2025-07-31" and ends[-1] == "2026-10-31" and len(ends) == 16
    for feed in SNAPSHOTS:
        assert dates(sample.names(feed)) == ends
    exported = [(day + timedelta(days=1)).isoformat() for day in SMALL.snapshot_dates]
    assert dates(sample.names("activity")) == exported[1:]
    assert set(dates(sample.names("certifications"))) <= set(exported)
    assert "2026-10-01" in dates(sample.names("business_outcomes"))
    assert not list(sample.landing.glob(".*"))


def test_snapshots_of_other_cadences() -> None:
    days = SampleParameters(months=2, last_month=SMALL.last_month, cadence="day").snapshot_dates
    assert len(days) == 62 and days[0] == date(2026, 8, 31)
    weeks = SampleParameters(months=4, last_month=SMALL.last_month, recent_weeks=8).snapshot_dates
    assert len(weeks) == 5 + 8
    assert date(2026, 10, 25) in weeks and date(2026, 9, 6) in weeks


def test_settings_map_every_file(sample: Sample) -> None:
    settings = load_settings(SAMPLE_SETTINGS)
    assert set(settings.feeds) == set(CONTRACT)
    for name, feed in settings.feeds.items():
        if name == "records":
            continue  # its columns are the contract's own, and rows leave out what is empty
        for pattern in feed.files.values():
            prefix = pattern.split("_{date}")[0]
            latest = sample.names(prefix)[-1]
            assert pattern.replace("{date}", dates([latest])[0]) == latest
            if feed.columns is not None:
                assert list(feed.columns) == list(CONTRACT[name].column_names)
                assert set(feed.columns.values()) == set(sample.rows(latest)[0])


def test_every_unit_hangs_below_the_one_root(sample: Sample) -> None:
    for name in sample.names("org_units"):
        parents = {row["UnitCode"]: row["ParentUnit"] for row in sample.rows(name)}
        assert [unit for unit, parent in parents.items() if not parent] == ["MF"]
        for unit in parents:
            seen = [unit]
            while parents[seen[-1]]:
                assert parents[seen[-1]] not in seen
                seen.append(parents[seen[-1]])


def test_people_have_a_unit_and_a_manager_up_to_the_top(sample: Sample) -> None:
    units = {row["UnitCode"] for row in sample.rows(sample.names("org_units")[-1])}
    for name in sample.names("people"):
        people = {row["EmployeeNumber"]: row for row in sample.rows(name)}
        day = date.fromisoformat(dates([name])[0])
        assert len({row["Email"] for row in people.values()}) == len(people)
        for number, row in people.items():
            assert row["UnitCode"] in units
            assert row["Email"].isascii() and row["Email"].endswith("@meridian.example")
            assert british(row["HireDate"]) <= day + timedelta(days=10)
            assert british(row["InRoleSince"]) >= british(row["HireDate"])
            chain = [number]
            while people[chain[-1]]["ManagerNumber"] != "-":
                chain.append(people[chain[-1]]["ManagerNumber"])
                assert len(chain) < 7
            assert chain[-1] == "E100000"


def test_things_happen_to_people(sample: Sample) -> None:
    first, last = (
        {row["EmployeeNumber"]: row for row in sample.rows(sample.names("people")[n])}
        for n in (0, -1)
    )
    stayed = first.keys() & last.keys()
    assert last.keys() - first.keys()
    assert any(last[n]["LeavingDate"] for n in stayed)
    assert any(last[n]["LeaveStart"] for n in stayed)
    assert any(first[n]["UnitCode"] != last[n]["UnitCode"] for n in stayed)
    assert any(first[n]["JobTitle"] != last[n]["JobTitle"] for n in stayed)
    assert {row["Contract"] for row in last.values()} == {"employee", "contractor"}
    assert {row["LeaderLevel"] for row in last.values()} == set(content.LEVELS)


def test_enrolments_refer_to_known_people_and_courses(sample: Sample) -> None:
    for name in sample.names("enrolments"):
        on = dates([name])[0]
        people = {row["EmployeeNumber"] for row in sample.rows(f"people_{on}.csv")}
        courses = {row["CourseCode"] for row in sample.rows(f"course_catalogue_{on}.csv")}
        rows = sample.rows(name)
        assert len({row["EnrolmentNo"] for row in rows}) == len(rows)
        assert {row["CourseCode"] for row in rows} <= courses
        unknown = [row for row in rows if row["EmployeeNumber"] not in people]
        assert len(unknown) == sample.truth["files"][name]["bad"]["unknown_person"] == 1
        for row in rows:
            assert (row["Status"] == "completed") == bool(row["Completed"])
            stamps = [
                datetime.strptime(row[column], "%d/%m/%Y %H:%M")
                for column in ("Enrolled", "Started", "Completed")
                if row[column]
            ]
            assert stamps == sorted(stamps)
            assert stamps[-1].date() <= date.fromisoformat(on)


def test_enrolments_change_as_planned(sample: Sample) -> None:
    dues: dict[str, set[str]] = {}
    for name in sample.names("enrolments"):
        for row in sample.rows(name):
            dues.setdefault(row["EnrolmentNo"], set()).add(row["Due"])
    rows = sample.rows(sample.names("enrolments")[-1])
    assert any(len(seen) > 1 for seen in dues.values())
    assert Counter(row["Status"] for row in rows).keys() == {
        "enrolled",
        "in_progress",
        "completed",
        "cancelled",
    }
    again = Counter((row["EmployeeNumber"], row["CourseCode"]) for row in rows)
    assert max(again.values()) > 1
    month_end = [row for row in rows if row["Completed"].endswith("23:30")]
    assert month_end and all(row["Completed"][:10] == row["Due"][:10] for row in month_end)


def test_activity_holds_the_planted_faults_and_no_others(sample: Sample) -> None:
    seen: set[str] = set()
    resent = late = 0
    total: Counter[str] = Counter()
    for name in sample.names("activity"):
        exported = date.fromisoformat(dates([name])[0])
        snapshot = f"people_{exported - timedelta(days=1)}.csv"
        people = {row["EmployeeNumber"] for row in sample.rows(snapshot)}
        record = sample.truth["files"][name]
        found: Counter[str] = Counter()
        ids: set[str] = set()
        rows = sample.rows(name)
        for row in rows:
            when = datetime.fromisoformat(row["OccurredAt"]).astimezone(LONDON).date()
            found["unknown_person"] += row["EmployeeNumber"] not in people
            found["negative_duration"] += row["DurationSeconds"].startswith("-")
            found["longer_than_a_day"] += int(row["DurationSeconds"] or 0) > 86_400
            found["event_in_future"] += when > exported
            found["duplicate_key"] += row["EventId"] in ids
            before = row["EventId"] in seen
            resent += before
            late += not before and when < (exported - timedelta(days=1)).replace(day=1)
            ids.add(row["EventId"])
        seen |= ids
        assert +found == record["bad"]
        assert len(rows) == record["rows"]
        total += found
    assert total == sample.truth["bad_rows"]["activity"]
    assert total.keys() == {
        "unknown_person",
        "negative_duration",
        "longer_than_a_day",
        "event_in_future",
        "duplicate_key",
    }
    files = [sample.truth["files"][name] for name in sample.names("activity")]
    assert resent == sum(record["resent"] for record in files) > 0
    assert late == sum(record["late"] for record in files) > 0


def test_certificates_come_again_when_revoked(sample: Sample) -> None:
    revoked: dict[str, set[str]] = {}
    for name in sample.names("certifications"):
        for row in sample.rows(name):
            revoked.setdefault(row["CertificateNo"], set()).add(row["RevokedAt"])
    assert any(len(seen) == 2 for seen in revoked.values())


def test_the_absent_sponsor_is_silent(sample: Sample) -> None:
    planted = sample.truth["planted"]["absent_sponsor"]
    actions = [row for name in sample.names("leader_actions") for row in sample.rows(name)]
    mine = [row for row in actions if row["LeaderNumber"] == planted["person_id"]]
    silent = [row for row in mine if row["HappenedOn"] >= planted["silent_from"]]
    assert [row for row in mine if row["Kind"] in content.VISIBLE_KINDS]
    assert not [row for row in silent if row["Kind"] in content.VISIBLE_KINDS]
    days = sample.truth["sponsor_actions"][planted["org_unit_id"]]["visible_on"]
    assert max(days) < planted["silent_from"]


@pytest.mark.parametrize("month", ["2026-08", "2026-09", "2026-10"])
def test_truth_agrees_with_a_count_of_the_files(sample: Sample, month: str) -> None:
    """A recount of two KPIs for the whole, straight from the files."""
    period = Period.parse(month)
    people = sample.rows(f"people_{period.end}.csv")
    eligible = set()
    for row in people:
        if row["Contract"] != "employee" or (period.end - british(row["HireDate"])).days < 30:
            continue
        if row["LeavingDate"] and british(row["LeavingDate"]) <= period.end:
            continue
        if row["LeaveStart"]:
            ends = british(row["LeaveEnd"]) if row["LeaveEnd"] else period.end
            begin = max(british(row["LeaveStart"]), period.start)
            if 2 * ((min(ends, period.end) - begin).days + 1) > period.end.day:
                continue
        eligible.add(row["EmployeeNumber"])
    active = set()
    for name in sample.names("activity"):
        for row in sample.rows(name):
            when = datetime.fromisoformat(row["OccurredAt"]).astimezone(LONDON).date()
            seconds = int(row["DurationSeconds"] or 0)
            if (
                period.start <= when <= period.end
                and content.LEARNING_SECONDS.get(row["Verb"], 10**9) <= seconds < 86_400
                and row["CourseCode"] not in MANDATORY
            ):
                active.add(row["EmployeeNumber"])
    true = sample.truth["periods"]["month"][month]["kpis"]
    assert true["active_learner_rate"]["employee"]["MF"] == [
        len(active & eligible),
        len(eligible),
    ]


def test_truth_of_on_time_completion_agrees_with_the_files(sample: Sample) -> None:
    rows: dict[str, dict[str, str]] = {}
    first_due: dict[str, str] = {}
    cancelled: dict[str, date] = {}
    for name in sample.names("enrolments"):
        for row in sample.rows(name):
            rows[row["EnrolmentNo"]] = row
            first_due.setdefault(row["EnrolmentNo"], row["Due"])
            if row["Status"] == "cancelled":
                cancelled.setdefault(row["EnrolmentNo"], date.fromisoformat(dates([name])[0]))
    people = {r["EmployeeNumber"]: r for r in sample.rows(sample.names("people")[-1])}
    on_time = due = 0
    retired = {
        r["CourseCode"]: date.fromisoformat(r["Retired"])
        for r in sample.rows(sample.names("course_catalogue")[-1])
        if r["Retired"]
    }
    for number, row in rows.items():
        person = people.get(row["EmployeeNumber"])
        if person is None or person["Contract"] != "employee" or not first_due[number]:
            continue
        day = british(first_due[number])
        if (day.year, day.month) != (2026, 10) or row["CourseCode"] not in MANDATORY:
            continue
        if british(person["HireDate"]) > day or cancelled.get(number, day) < day:
            continue
        if person["LeavingDate"] and british(person["LeavingDate"]) <= day:
            continue
        ends = british(person["LeaveEnd"]) if person["LeaveEnd"] else date.max
        if person["LeaveStart"] and british(person["LeaveStart"]) <= day <= ends:
            continue
        if retired.get(row["CourseCode"], date.max) < day:
            continue
        due += 1
        on_time += bool(row["Completed"]) and british(row["Completed"]) <= day
    true = sample.truth["periods"]["month"]["2026-10"]["kpis"]["on_time_completion_rate"]
    assert true["employee"]["MF"] == [on_time, due]
    assert 0 < on_time < due
