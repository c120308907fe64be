"""Every expectation of every suite really fails on what it is there for."""

from __future__ import annotations

import csv
import json
import time
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import DeliveryManifest, manifests
from orchestration.feeds.landing import land_range
from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.quality.expectations import SUITES, judge, judge_all, load_suite
from orchestration.settings import FeedName, Settings
from tests.quality.small_deliveries import manifest_of

DAY = date(2026, 3, 1)
FEEDS = list(CONTRACT)


def suite_json(feed: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SUITES / f"{feed}.json").read_text(encoding="utf-8"))
    return found


def beyond(kwargs: dict[str, Any]) -> float:
    """A number that the expectation must not hold for."""
    if "max_value" not in kwargs:
        lowest = float(kwargs["min_value"])
        return lowest - max(1e-6, abs(lowest) * 1e-3)
    highest = float(kwargs["max_value"])
    if "row_condition" in kwargs:  # nulls in most rows but not in all
        return (highest + 1) / 2
    return highest + max(1e-6, abs(highest) * 1e-3)


def violating(feed: FeedName, position: int, expectation: dict[str, Any]) -> DeliveryManifest:
    """A good delivery but for the one number that the expectation judges."""
    kwargs, column = expectation["kwargs"], expectation["kwargs"]["column"]
    day = DAY + timedelta(days=position)
    good = manifest_of(feed, day)
    if column == "contract_problem":
        return manifest_of(feed, day, rows=0, profile={}, contract_problem="people.csv, row 3: no")
    if column == "rows_accepted":
        return manifest_of(feed, day, rows=0, profile=good.profile)
    if column == "rejected_share":
        rejected = {0.1: 150, 0.01: 20, 0.0: 1}[kwargs["max_value"]]
        return manifest_of(feed, day, rows=1000, rejected=rejected)
    if column == "profile_keys_missing":
        profile = dict(good.profile)
        del profile["missing_columns"]
        return manifest_of(feed, day, profile=profile)
    if column == "roots":
        return manifest_of(
            feed, day, profile={**good.profile, "null_share__parent_org_unit_id": 0.2}
        )
    return manifest_of(feed, day, profile={**good.profile, column: beyond(kwargs)})


@pytest.mark.parametrize("feed", FEEDS)
def test_a_suite_is_what_great_expectations_writes(feed: FeedName) -> None:
    written = suite_json(feed)
    assert load_suite(feed).to_json_dict() == written
    assert written["name"] == feed
    names = [e["meta"]["name"] for e in written["expectations"]]
    assert len(set(names)) == len(names)
    for expectation in written["expectations"]:
        assert expectation["severity"] in ("critical", "warning")
        assert expectation["meta"]["notes"]["meaning"] and expectation["meta"]["notes"]["remedy"]


@pytest.mark.parametrize("feed", FEEDS)
def test_a_good_delivery_passes_everything(feed: FeedName) -> None:
    judged = judge(manifest_of(feed, DAY))
    assert (judged.failed, judged.warned) == ([], [])
    assert len(judged.passed) == len(suite_json(feed)["expectations"])


@pytest.mark.parametrize("feed", FEEDS)
def test_every_expectation_fails_on_a_profile_that_breaks_it(feed: FeedName) -> None:
    expectations = suite_json(feed)["expectations"]
    bad = [violating(feed, n, expectation) for n, expectation in enumerate(expectations)]
    for expectation, manifest, judged in zip(expectations, bad, judge_all(feed, bad), strict=True):
        name = expectation["meta"]["name"]
        found = judged.failed if expectation["severity"] == "critical" else judged.warned
        assert any(text.startswith(f"{name}: ") for text in found), (feed, name, judged)
        if manifest.contract_problem is None:
            assert name not in judged.passed


def test_one_validation_tells_the_deliveries_apart() -> None:
    good = manifest_of("people", DAY)
    halved = manifest_of("people", DAY + timedelta(days=1))
    halved.profile["volume_ratio"] = 0.49
    fewer = manifest_of("people", DAY + timedelta(days=2))
    fewer.profile["volume_ratio"] = 0.79
    first, second, third = judge_all("people", [good, halved, fewer])
    assert (first.failed, first.warned) == ([], [])
    assert [text.split(":")[0] for text in second.failed] == ["volume_not_halved"]
    assert "It is 0.49." in second.failed[0] and "Remedy: " in second.failed[0]
    assert third.failed == [] and third.warned[0].startswith("volume_as_before: ")


def test_a_first_delivery_has_no_volume_to_be_compared_with() -> None:
    manifest = manifest_of("people", DAY)
    manifest.profile |= {"volume_ratio": None, "days_since_previous": None}
    assert judge(manifest).failed == []


def test_the_volume_of_a_feed_of_changes_says_nothing() -> None:
    manifest = manifest_of("enrolments", DAY)
    manifest.profile["volume_ratio"] = 0.01
    empty = manifest_of("enrolments", DAY + timedelta(days=1), rows=0)
    both = [manifest, empty]
    assert [judged.failed for judged in judge_all("enrolments", both, changes=True)] == [[], []]
    first, second = judge_all("enrolments", both)
    assert [text.split(":")[0] for text in first.failed] == ["volume_not_halved"]
    assert [text.split(":")[0] for text in second.failed] == ["some_rows"]


def test_a_column_that_is_null_throughout_is_not_supplied_but_not_broken() -> None:
    manifest = manifest_of("people", DAY)
    manifest.profile["null_share__hired_on"] = 1.0
    judged = judge(manifest)
    assert judged.failed == []
    assert [text.split(":")[0] for text in judged.warned] == ["hired_on_mostly_filled"]


def test_a_contract_problem_is_named_and_nothing_else_is_judged() -> None:
    manifest = manifest_of(
        "people", DAY, rows=0, profile={}, contract_problem="people.csv, column email: missing."
    )
    judged = judge(manifest)
    assert judged.failed == ["contract_kept: people.csv, column email: missing."]
    assert (judged.warned, judged.passed) == ([], [])


def test_a_number_the_profile_lacks_refuses_the_delivery() -> None:
    judged = judge(manifest_of("people", DAY, profile={}))
    assert any(text.startswith("profile_complete: ") for text in judged.failed)


def test_a_missing_or_broken_suite_is_a_problem_that_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(Problem, match=r"people\.json.*no expectation suite"):
        judge(manifest_of("people", DAY), suites=tmp_path)
    (tmp_path / "people.json").write_text('{"name": "people", "expectations": [{"type": "no"}]}')
    with pytest.raises(Problem, match=r"people\.json.*not a Great Expectations suite"):
        judge(manifest_of("people", DAY), suites=tmp_path)


def test_two_hundred_and_fifty_deliveries_are_one_validation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    deliveries = [manifest_of("activity", DAY + timedelta(days=n)) for n in range(250)]
    judge(deliveries[0])
    started = time.perf_counter()
    judged = judge_all("activity", deliveries)
    assert len(judged) == 250 and not any(j.failed for j in judged)
    assert time.perf_counter() - started < 250 * 0.030
    assert list(tmp_path.iterdir()) == []  # no file written


VALUES: dict[str, str] = {
    "DATE": "2026-02-01",
    "TIMESTAMPTZ": "2026-02-01 10:00:00",
    "BOOLEAN": "true",
    "INTEGER": "1",
    "BIGINT": "1",
}
CODED = {
    "leader_level": "none",
    "employment_type": "employee",
    "status": "completed",
    "direction": "up",
    "parent_org_unit_id": "",
    "left_on": "",
    "manager_id": "",
    "source": "review",
    "subject": "decision",
    "period_id": "2026-02",
}


@pytest.mark.parametrize("feed", FEEDS)
def test_landing_computes_every_number_that_the_suite_reads(
    feed: FeedName, lake: Lake, make_settings: Callable[..., Settings]
) -> None:
    """A real file, really landed: nothing of the suite is judged on an absent number."""
    settings = make_settings()
    settings.landing_folder.mkdir(parents=True, exist_ok=True)
    columns = CONTRACT[feed].columns
    kind = {"leader_actions": "town_hall", "initiatives": "launch"}.get(feed, "decision")
    row = [
        CODED.get(c.name)
        if c.name in CODED
        else VALUES.get(c.sql_type)
        or ("1" if c.sql_type.startswith("DECIMAL") else kind if c.name == "kind" else c.name)
        for c in columns
    ]
    with open(settings.landing_folder / f"{feed}_{DAY}.csv", "w", newline="") as file:
        csv.writer(file).writerows([[c.name for c in columns], row])
    land_range(settings, Lake(settings.lake_url), feed, DAY, DAY)
    (manifest,) = manifests(Lake(settings.lake_url), feed)
    assert manifest.contract_problem is None
    judged = judge(manifest)
    assert judged.failed == []
    assert "profile_complete" in judged.passed
