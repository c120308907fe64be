"""Late data, end to end: files that come after the review went out build again exactly what they
touch; the sensor asks for it, the archive tells it, nobody gets mail and the edition stays.

ADOPTION_LATE=1 also takes rows two months older: marks that stand on them, and everything built
again from scratch, row for row.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, build_sensor_context

from orchestration.cadences import RANGE_END_TAG, RANGE_START_TAG, close_job_name
from orchestration.periods import Grain, Period
from orchestration.state import State
from orchestration.warehouse.late import note_arrivals, touched_periods
from orchestration.warehouse.published import published_builds, read_published
from tests.line.reviewed import LAST, Organisation, failures, read_csv, write_csv

TOPICS = ("kpi_values", "kpi_signals")
READING = "http://adlnet.gov/expapi/verbs/experienced"
ALL = "MF"


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


class Late:
    """What arrives late, and what is asked for and run because of it."""

    def __init__(self, organisation: Organisation, instance: DagsterInstance) -> None:
        self.organisation, self.instance = organisation, instance
        self.repository = organisation.definitions.get_repository_def()
        self.sensor = self.repository.get_sensor_def("late_sensor")
        self.cursor: str | None = None

    def idle(self, period: Period) -> list[tuple[str, str]]:
        """Eligible employees (and their units) who did not learn in a month."""
        export = self.organisation.landing / f"people_{LAST.end}.csv"
        numbers = [row["EmployeeNumber"] for row in read_csv(export)]
        known = {self.organisation.pseudonyms.of(number): number for number in numbers}
        rows = read_published(
            self.organisation.lake, Grain.MONTH, "fct_active_learners__month",
            period_ids={period.id},
        )  # fmt: skip
        return [
            (known[row["person_id"]], row["org_unit_id"])
            for row in rows
            if not row["in_numerator_total"]
            and row["employment_line"] == "employee"
            and row["person_id"] in known
        ]

    def learned(self, people: list[str], period: Period) -> None:
        """They read something in that month; the LMS says so three weeks after the newest."""
        day = period.start.replace(day=14)
        file = self.organisation.landing / f"activity_{LAST.end.replace(day=1)}.csv.gz"
        known = read_csv(file)[0]
        rows = [
            {**dict.fromkeys(known, ""), "EventId": f"late-{person}", "EmployeeNumber": person,
             "Verb": READING, "OccurredAt": f"{day} 10:00:00Z", "DurationSeconds": "1800"}
            for person in people
        ]  # fmt: skip
        rows.append(known)  # sent again: it touches nothing
        arrives = LAST.shift(1).start.replace(day=20)
        write_csv(self.organisation.landing / f"activity_{arrives}.csv.gz", rows)
        assert self.organisation.ingest(arrives).success

    def looks(self) -> list[tuple[str | None, str, str]]:
        """What the sensor asks for: jobs with their first and last partition."""
        with build_sensor_context(
            instance=self.instance, repository_def=self.repository, cursor=self.cursor
        ) as context:
            found = self.sensor.evaluate_tick(context)
        self.cursor, self.asked = found.cursor, list(found.run_requests or ())
        return [
            (each.job_name, each.tags[RANGE_START_TAG], each.tags[RANGE_END_TAG])
            for each in self.asked
        ]

    def run(self) -> None:
        """Runs what was asked for, as the daemon would."""
        for each in self.asked:
            tags = {**each.tags, "dagster/run_key": each.run_key or ""}
            done = self.organisation.definitions.resolve_job_def(
                each.job_name or ""
            ).execute_in_process(instance=self.instance, tags=tags, raise_on_error=False)
            assert done.success, failures(done)

    def rate(self, period: Period, unit: str = ALL) -> tuple[Decimal, Decimal]:
        (row,) = (
            row
            for row in read_published(
                self.organisation.lake, Grain.MONTH, "kpi_values__month", period_ids={period.id}
            )
            if (row["kpi_id"], row["org_unit_id"], row["employment_line"])
            == ("active_learner_rate", unit, "employee")
        )
        return row["numerator"], row["denominator"]

    def figures(self, grain: Grain) -> dict[str, list[dict[str, Any]]]:
        """Every published KPI value and mark by period, as they are compared."""
        return {
            f"{topic} {period_id}": read_published(
                self.organisation.lake, grain, f"{topic}__{grain}", period_ids={period_id}
            )
            for topic in TOPICS
            for period_id in published_builds(self.organisation.lake, grain)
        }


def test_late_rows_and_a_late_organisation_of_the_reviewed_month(
    changing: Organisation, instance: DagsterInstance
) -> None:
    late = Late(changing, instance)
    assert late.looks() == []
    with State.open(changing.settings) as state:
        edition = state.latest_edition("monthly", LAST.id)
    assert edition is not None
    sealed = {file.name: file.read_bytes() for file in Path(edition.folder).iterdir()}
    mails, above, below = changing.mails(), *late.rate(LAST)
    idle = late.idle(LAST)[:7]
    before = late.figures(Grain.MONTH)

    late.learned([person for person, _ in idle], LAST)
    # one of them was in another unit at the month's end, says a corrected export of that day
    mover, home = idle[0]
    file = changing.landing / f"people_{LAST.end}.csv"
    people = read_csv(file)
    (row,) = (row for row in people if row["EmployeeNumber"] == mover)
    elsewhere = next(unit for _, unit in idle if unit != home)
    assert row["UnitCode"] == home
    row["UnitCode"] = elsewhere
    write_csv(file, people)
    assert changing.ingest(LAST.end).success

    note_arrivals(changing.settings, changing.lake)
    (touched,) = touched_periods(changing.lake)  # no week is published; the quarter is not over
    assert touched.period == LAST
    by_feed = {each.feed: each for each in touched.late}
    assert set(by_feed) == {"people", "activity"}
    assert by_feed["people"].units == tuple(sorted({home, elsewhere}))
    assert (by_feed["people"].rows, by_feed["activity"].rows) == (1, 7)
    assert set(by_feed["activity"].units) <= {unit for _, unit in idle} | {elsewhere}

    april = LAST.start.isoformat()
    assert late.looks() == [("monthly_restate", april, april)]
    late.run()
    assert late.looks() == [] and late.looks() == []

    assert late.rate(LAST) == (above + 7, below)
    changed = {name.split()[1] for name, rows in late.figures(Grain.MONTH).items()
               if rows != before[name]}  # fmt: skip
    assert changed == {LAST.id}
    assert changing.mails() == mails
    assert {f.name: f.read_bytes() for f in Path(edition.folder).iterdir()} == sealed
    page = (changing.home / "archive" / "monthly" / LAST.id / "edition-1.html").read_text()
    assert "What reads otherwise since" in page
    assert "(late rows" in page
    told = changing.command("restated")
    assert told.returncode == 0 and "1 published periods" in told.stdout, told.stderr
    assert "Voluntary active learners: published" in told.stdout
    told = changing.command("late")
    assert told.stdout.strip() == "0 closed periods are touched by late data.", told.stderr


@pytest.mark.skipif("ADOPTION_LATE" not in os.environ, reason="make soak")
def test_older_rows_reach_later_marks_and_all_equals_a_build_from_scratch(
    changing: Organisation, instance: DagsterInstance
) -> None:
    late, february = Late(changing, instance), LAST.shift(-2)
    above, below = late.rate(february)
    before = {grain: late.figures(grain) for grain in (Grain.MONTH, Grain.QUARTER)}
    late.learned([person for person, _ in late.idle(february)[:9]], february)
    note_arrivals(changing.settings, changing.lake)
    assert {each.period.id for each in touched_periods(changing.lake)} == {"2026-02", "2026-Q1"}
    asked = []
    while late.looks():
        asked += late.looks()
        late.run()
    assert asked == [
        ("quarterly_restate", "2026-01-01", "2026-01-01"),
        ("monthly_restate", "2026-02-01", "2026-02-01"),
        ("monthly_restate", "2026-03-01", "2026-04-01"),  # their marks
    ]
    assert late.rate(february) == (above + 9, below)
    after = {grain: late.figures(grain) for grain in before}
    for grain, of_grain in after.items():
        levels = [name for name in of_grain if name.startswith("kpi_values")]
        assert {n for n in levels if of_grain[n] != before[grain][n]} == {
            "kpi_values 2026-02" if grain is Grain.MONTH else "kpi_values 2026-Q1"
        }

    for place in ("warehouse", "lake/published", "lake/closes", "lake/late"):
        shutil.rmtree(changing.home / place)
    for grain in before:
        periods = sorted(Period.parse(name.split()[1]) for name in after[grain])
        keys = [f"quality/{grain}_close", *changing.models(grain), f"warehouse/{grain}_figures"]
        done = changing.materialize(
            close_job_name(grain), keys, periods[0].start.isoformat(), periods[-1].start.isoformat()
        )
        assert done.success, failures(done)
    scratch = {grain: late.figures(grain) for grain in before}
    assert scratch == after
