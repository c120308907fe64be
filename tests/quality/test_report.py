"""What a feed's owner is told: what failed, since when, which rows, and never who."""

from __future__ import annotations

import json
import re
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.feeds.deliveries import DeliveryManifest, initialise
from orchestration.lake import Lake
from orchestration.quality.data_docs import data_docs
from orchestration.quality.expectations import judge_all
from orchestration.quality.publish import publish
from orchestration.quality.report import FeedReport, feed_reports
from orchestration.settings import FeedName, FeedSettings, Settings
from tests.quality.small_deliveries import good_profile, in_place, manifest_of, stage

NOW = datetime(2026, 10, 6, 9, tzinfo=UTC)
ENDS = [date(2026, month, 28) for month in range(4, 10)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    def feed(name: str, **more: Any) -> FeedSettings:
        return FeedSettings(files={name: f"{name}_{{date}}.csv"}, owner="HR systems", **more)

    feeds: dict[FeedName, FeedSettings] = {
        "people": feed("people"),
        "activity": feed("activity", reject={"too long ago": "occurred_at < DATE '2020-01-01'"}),
        "leader_actions": feed("leader_actions", required=False),
    }
    return Settings.model_validate(
        {
            "organisation": {"name": "Example"},
            "paths": {"home": str(tmp_path)},
            "feeds": {name: each.model_dump() for name, each in feeds.items()},
        }
    )


@pytest.fixture
def lake(settings: Settings) -> Lake:
    made = Lake(settings.lake_url, settings.duckdb)
    initialise(made)
    return made


def report(settings: Settings, lake: Lake, feed: FeedName = "people") -> FeedReport:
    return next(each for each in feed_reports(settings, lake, NOW) if each.feed == feed)


def people(day: date, **more: Any) -> DeliveryManifest:
    return manifest_of("people", day, **more).model_copy(
        update={"verdict": "promoted", **{k: v for k, v in more.items() if k != "rejected"}}
    )


def test_a_feed_in_order_says_so(settings: Settings, lake: Lake) -> None:
    in_place(lake, *(people(day) for day in [*ENDS, date(2026, 10, 5)]))
    found = report(settings, lake)
    assert (found.standing, found.since, found.faults, found.samples) == ("sound", None, (), ())
    assert found.owner == "HR systems"
    assert [m.delivery_date for m in found.deliveries][:2] == [date(2026, 10, 5), ENDS[-1]]
    silent = report(settings, lake, "leader_actions")
    assert (silent.standing, silent.since, silent.deliveries) == ("silent", None, ())


def test_late_since_its_deadline_with_what_to_deliver(settings: Settings, lake: Lake) -> None:
    in_place(lake, *(people(day) for day in ENDS[:-1]))
    found = report(settings, lake)
    # September had to be there on the third working day of October
    assert (found.standing, found.since) == ("late", date(2026, 10, 5))
    assert "the data ends on 2026-08-28" in found.faults[0].what.lower()
    assert "people_{date}.csv" in found.faults[0].remedy


def test_refused_since_the_first_of_an_unbroken_row(settings: Settings, lake: Lake) -> None:
    """Refused in June, good in July, refused in August and September, by other words."""

    def refused(day: date, share: str, *more: str) -> DeliveryManifest:
        failed = [f"few_rows_rejected: More than 10 %. It is {share}. Remedy: look.", *more]
        return people(day, failed_expectations=failed).model_copy(update={"verdict": "refused"})

    in_place(
        lake,
        people(ENDS[0]), people(ENDS[1]), refused(ENDS[2], "12 %"), people(ENDS[3]),
        refused(ENDS[4], "20 %"), refused(ENDS[5], "30 %", "other: No. Remedy: mend."),
    )  # fmt: skip
    found = report(settings, lake)
    assert (found.standing, found.since) == ("refused", ENDS[4])
    told = {(f.what, f.remedy, f.since) for f in found.faults if f.refuses}
    assert ("More than 10 %. It is 30 %.", "look.", ENDS[4]) in told
    assert ("No.", "mend.", ENDS[5]) in told


def test_refused_events_are_missing_until_their_date_is_delivered(
    settings: Settings, lake: Lake
) -> None:
    """Activity is refused on 28 and 29 September and good ever after."""

    def activity(day: date, sequence: int = 1, **more: Any) -> DeliveryManifest:
        return manifest_of("activity", day, sequence, **{"verdict": "promoted", **more})

    last = [date(2026, 9, 20) + timedelta(days=number) for number in range(17)]
    failed = ["few_rows_rejected: More than 10 %. Remedy: look."]
    in_place(lake, *(activity(day) for day in last if day not in last[8:10]))
    assert report(settings, lake, "activity").standing == "sound"
    in_place(
        lake, *(activity(d, verdict="refused", failed_expectations=failed) for d in last[8:10])
    )
    found = report(settings, lake, "activity")
    assert (found.standing, found.since) == ("refused", date(2026, 9, 28))
    assert [(fault.what, fault.refuses) for fault in found.faults] == [
        (
            "refused and not delivered again, so that what it held is missing: 2026-09-28.001, "
            "2026-09-29.001. 2026-09-29.001: More than 10 %.",
            True,
        )
    ]
    assert "deliver the same date again" in found.faults[0].remedy
    in_place(lake, activity(last[8], 2))
    assert report(settings, lake, "activity").since == date(2026, 9, 29)
    in_place(lake, activity(last[9], 2))
    found = report(settings, lake, "activity")
    assert (found.standing, found.faults) == ("sound", ())


def test_a_broken_file_and_the_rows_of_the_one_before(settings: Settings, lake: Lake) -> None:
    broken = "file people_2026-09-28.csv, column Email: the column is missing. Remedy: send it."
    in_place(
        lake,
        *(people(day) for day in ENDS[:4]),
        people(ENDS[4], rejected=2),
        people(ENDS[5], contract_problem=broken).model_copy(update={"verdict": "refused"}),
    )
    found = report(settings, lake)
    assert (found.standing, found.since) == ("refused", ENDS[5])
    told = {(fault.what, fault.remedy, fault.since) for fault in found.faults}
    assert (broken.removesuffix(" Remedy: send it."), "send it.", ENDS[5]) in told
    assert found.of is not None and found.of.delivery_date == ENDS[4]
    assert [(each.reason, each.rows, each.since) for each in found.rejected] == [
        ("unknown person", 2, ENDS[4])
    ]


def test_a_warning_keeps_a_delivery_in_force(settings: Settings, lake: Lake) -> None:
    warned = ["hardly_any: More than 1 %. Remedy: look."]
    days = [*ENDS, date(2026, 10, 5)]
    in_place(lake, *(people(d) for d in days[:-2]), *(people(d, warned_expectations=warned)
                                                      for d in days[-2:]))  # fmt: skip
    found = report(settings, lake)
    assert (found.standing, found.since) == ("warned", days[-2])
    assert [fault.refuses for fault in found.faults] == [False]


# ---- rows ----------------------------------------------------------------------------------

SECRETS = ("Hannah Osei", "hannah@example.org", "E100001", "E100002", "evt-77", "Osei")


def quarantine(lake: Lake, feed: FeedName, *rows: tuple[int, str, dict[str, Any]]) -> None:
    """A delivery whose rejected rows are these: number, reason, values."""
    manifest = stage(lake, manifest_of(feed, date(2026, 10, 5), rejected=len(rows)))
    listed = ", ".join(
        f"('file.csv', {number}, '{reason}', '{json.dumps(values)}')"
        for number, reason, values in rows
    )
    with lake.connect() as connection:
        lake.write_parquet(
            connection,
            f"SELECT '{manifest.delivery_id}' AS delivery_id, * FROM (VALUES {listed}) "
            "AS r(source_file, row_number, reason, row_json)",
            "raw_rejected",
            feed,
            "delivery_date=2026-10-05",
            f"{manifest.delivery_id}.parquet",
        )


def test_rows_show_what_their_rule_looked_at_and_nobody(settings: Settings, lake: Lake) -> None:
    person = {"person_id": "E100001", "full_name": "Hannah Osei", "email": "hannah@example.org"}
    quarantine(
        lake,
        "people",
        (7, "left before hired", {**person, "hired_on": "2026-05-01", "left_on": "2025-01-31",
                                  "location": "Leeds"}),
        (9, "manager cycle", {**person, "manager_id": "E100002"}),
        (12, "manager cycle", {**person, "person_id": "E100002", "manager_id": "E100001"}),
        (14, "person_id is missing", {**person, "person_id": None}),
        (20, "a field is longer than 4000 characters", {**person, "full_name": "Osei" * 2000}),
    )  # fmt: skip
    found = report(settings, lake)
    shown = {(s.row, s.reason): dict(s.values) for s in found.samples}
    assert all(secret not in str(shown) for secret in SECRETS)
    token = re.compile(r"#[0-9a-f]{8}")
    left = shown[7, "left before hired"]
    assert token.fullmatch(left.pop("person_id"))
    assert left == {"hired_on": "2026-05-01", "left_on": "2025-01-31"}
    first, second = shown[9, "manager cycle"], shown[12, "manager cycle"]
    # who reports to whom is seen, whoever they are
    assert (first["person_id"], first["manager_id"]) == (second["manager_id"], second["person_id"])
    assert shown[14, "person_id is missing"] == {"person_id": "(empty)"}
    assert shown[20, "a field is longer than 4000 characters"]["full_name"] == "(8,000 characters)"


def test_events_and_the_organisations_own_rules(settings: Settings, lake: Lake) -> None:
    event = {"event_id": "evt-77", "person_id": "E100001", "verb": "http://x/viewed"}
    quarantine(
        lake,
        "activity",
        (1, "too long ago", {**event, "occurred_at": "2019-05-01 10:00:00+00"}),
        (2, "unknown person", {**event, "occurred_at": "2026-05-01 10:00:00+00"}),
        *((n, "negative duration", {**event, "duration_seconds": -n}) for n in range(3, 40)),
    )
    found = report(settings, lake, "activity")
    shown = {(s.row, s.reason): dict(s.values) for s in found.samples}
    assert all(secret not in str(shown) for secret in SECRETS)
    assert shown[1, "too long ago"]["occurred_at"] == "2019-05-01 10:00:00+00"
    assert set(shown[2, "unknown person"]) == {"event_id", "person_id"}
    # three of each reason
    assert [row for row, reason in shown if reason == "negative duration"] == [3, 4, 5]
    assert shown[3, "negative duration"]["duration_seconds"] == "-3"


def test_what_was_removed_by_retention_is_said_to_be(settings: Settings, lake: Lake) -> None:
    quarantine(lake, "people", (7, "left before hired", {"person_id": "E100001"}))
    file = lake.path("raw_rejected", "people", "delivery_date=2026-10-05", "2026-10-05.001.parquet")
    with lake.connect() as connection:
        rows = f"(SELECT * REPLACE (CAST(NULL AS VARCHAR) AS row_json) FROM '{file}')"
        connection.execute(f"CREATE TABLE kept AS {rows}")
        connection.execute(f"COPY kept TO '{file}' (FORMAT parquet)")
    (sample,) = report(settings, lake).samples
    assert (sample.row, sample.reason, sample.values) == (7, "left before hired", ())


# ---- the kept validation -------------------------------------------------------------------


def test_every_expectation_of_the_newest_delivery(settings: Settings, lake: Lake) -> None:
    profile = good_profile("people")
    good = stage(lake, manifest_of("people", ENDS[4]))
    bad = stage(lake, manifest_of("people", ENDS[5], rows=8, rejected=2, profile=profile))
    publish(lake, "people", [good, bad], judge=lambda f, m: judge_all(f, m, keep_in=lake))
    by_name = {each.name: each for each in report(settings, lake).expectations}
    assert len(by_name) >= 20
    few = by_name["few_rows_rejected"]
    assert (few.holds, few.critical, few.value, few.allowed) == (
        False,
        True,
        "20 %",
        "at most 10 %",
    )
    assert by_name["contract_kept"].holds and by_name["contract_kept"].value == ""
    assert sum(not each.holds and each.critical for each in by_name.values()) == 1
    # judging an older one again leaves what is shown of the newest
    older = stage(lake, manifest_of("people", ENDS[0]))
    publish(lake, "people", [older], judge=lambda f, m: judge_all(f, m, keep_in=lake))
    assert {each.name for each in report(settings, lake).expectations} == set(by_name)


def test_data_docs_load_nothing_from_anywhere(settings: Settings, lake: Lake) -> None:
    assert data_docs(lake, "people") is None
    judge_all("people", [manifest_of("people", ENDS[5], rows=8, rejected=2)], keep_in=lake)
    page = data_docs(lake, "people")
    assert page is not None
    assert "few_rows_rejected" in page or "rejected_share" in page
    assert "default-src 'none'" in page
    assert not re.search(r"(src|href)\s*=\s*[\"']?\s*(https?:)?//", page)
    assert "<script" not in page and "<img" not in page and "<link" not in page
    assert not re.search(r"\son[a-z]+\s*=", page)
    assert "newsletter" not in page


def test_reports_are_the_same_at_every_look(settings: Settings, lake: Lake) -> None:
    quarantine(lake, "people", (7, "left before hired", {"person_id": "E100001"}))
    assert feed_reports(settings, lake, NOW) == feed_reports(settings, lake, NOW)
    assert feed_reports(settings, lake, NOW + timedelta(days=60)) != feed_reports(
        settings, lake, NOW
    )
