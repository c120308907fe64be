"""The tables in memory against the files: what the settings map is what the tables hold."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from orchestration.feeds.contract import CONTRACT
from orchestration.sample import draw
from orchestration.sample.tables import contract_tables
from orchestration.settings import SAMPLE_SETTINGS, FeedName, FeedSettings, load_settings
from tests.sample.conftest import SMALL, Sample

STRAY_ENROLMENT = "N9999999"
SNAPSHOTS: tuple[FeedName, ...] = (
    "people",
    "org_units",
    "enrolments",
    "initiatives",
    "decisions",
)
EVENTS: tuple[FeedName, ...] = (
    "assessments",
    "certifications",
    "leader_actions",
    "business_outcomes",
)


@pytest.fixture(scope="module")
def tables() -> dict[FeedName, pa.Table]:
    return contract_tables(draw(SMALL))


def typed(feed: FeedName, settings: FeedSettings, row: dict[str, str]) -> dict[str, Any]:
    """One exported row in the contract's columns and types."""
    assert settings.columns is not None
    found: dict[str, Any] = {}
    for column in CONTRACT[feed].columns:
        text = row[settings.columns[column.name]]
        found[column.name] = None
        if text in (settings.null_values or [""]) or text == "":
            continue
        if column.sql_type == "DATE":
            found[column.name] = datetime.strptime(text, settings.date_format or "%Y-%m-%d").date()
        elif column.sql_type == "TIMESTAMPTZ" and settings.timestamp_format:
            local = datetime.strptime(text, settings.timestamp_format)
            found[column.name] = local.replace(tzinfo=ZoneInfo("Europe/London")).astimezone(UTC)
        elif column.sql_type == "TIMESTAMPTZ":
            found[column.name] = datetime.fromisoformat(text)
        elif column.sql_type.startswith("DECIMAL"):
            found[column.name] = Decimal(text)
        elif column.sql_type == "BOOLEAN":
            found[column.name] = text == "true"
        else:
            found[column.name] = text
    return found


def exported(sample: Sample, feed: FeedName) -> dict[date, list[dict[str, Any]]]:
    """Rows of a feed by delivery date, as the sample's settings map them."""
    settings = load_settings(SAMPLE_SETTINGS).feeds[feed]
    (pattern,) = settings.files.values()
    prefix = pattern.split("_{date}")[0]
    return {
        date.fromisoformat(name.split(".")[0].rsplit("_", 1)[1]): [
            typed(feed, settings, row) for row in sample.rows(name)
        ]
        for name in sample.names(prefix)
    }


def in_order(rows: list[dict[str, Any]], key: tuple[str, ...]) -> list[dict[str, Any]]:
    return sorted(rows, key=lambda row: tuple(str(row[name]) for name in key))


@pytest.mark.parametrize("feed", SNAPSHOTS)
def test_versions_say_what_each_snapshot_said(
    sample: Sample, tables: dict[FeedName, pa.Table], feed: FeedName
) -> None:
    versions = tables[feed].to_pylist()
    snapshots = exported(sample, feed)
    assert len(snapshots) > 5
    for day in SMALL.snapshot_dates:
        valid = [
            {name: row[name] for name in CONTRACT[feed].column_names}
            for row in versions
            if row["valid_from"] <= day and (row["valid_to"] is None or day < row["valid_to"])
        ]
        shown = [r for r in snapshots.get(day, []) if r.get("enrolment_id") != STRAY_ENROLMENT]
        assert in_order(valid, CONTRACT[feed].key) == in_order(shown, CONTRACT[feed].key), day


@pytest.mark.parametrize("feed", EVENTS)
def test_events_are_those_of_the_files(
    sample: Sample, tables: dict[FeedName, pa.Table], feed: FeedName
) -> None:
    key = CONTRACT[feed].key
    latest: dict[tuple[Any, ...], dict[str, Any]] = {}
    for _, rows in sorted(exported(sample, feed).items()):
        for row in rows:
            latest[tuple(row[name] for name in key)] = row
    assert in_order(tables[feed].to_pylist(), key) == in_order(list(latest.values()), key)


def test_courses_have_their_owners_and_their_dates(
    sample: Sample, tables: dict[FeedName, pa.Table]
) -> None:
    last = SMALL.last_day.isoformat()
    owners = {row["CourseCode"]: row for row in sample.rows(f"course_owners_{last}.csv")}
    current = {
        row["course_id"]: row for row in tables["courses"].to_pylist() if row["valid_to"] is None
    }
    catalogue = sample.rows(f"course_catalogue_{last}.csv")
    assert len(catalogue) == len(current) == len(owners)
    for row in catalogue:
        known = current[row["CourseCode"]]
        assert known["owner_person_id"] == owners[row["CourseCode"]]["Owner"]
        assert known["review_due_on"] == date.fromisoformat(row["ReviewDue"])
        assert known["is_mandatory"] == (row["Mandatory"] == "Y")
        assert known["duration_minutes"] == round(float(row["DurationHours"]) * 60)


def test_every_feed_but_activity_is_there(tables: dict[FeedName, pa.Table]) -> None:
    assert set(tables) == set(CONTRACT) - {"activity"}
    for feed, table in tables.items():
        spans = ("valid_from", "valid_to") if CONTRACT[feed].kind == "snapshot" else ()
        assert table.column_names == [*CONTRACT[feed].column_names, *spans]
        assert table.num_rows > 0
