"""Bad files, end to end: an error or a quarantined row with its reason, never another figure.

Everything here arrives at once, after a good month was published: broken files in place of the
month's own (a re-delivery of the same date) and beside them (deliveries of later dates). One ingest
takes them all in, and the month is closed and built again on what came of it.
"""

from __future__ import annotations

import gzip
import html
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from dagster import ExecuteInProcessResult
from pypdf import PdfReader

from orchestration.archive.site import build_site
from orchestration.feeds.deliveries import DeliveryManifest, in_force, manifests
from orchestration.periods import Grain
from orchestration.quality.close import read_close
from orchestration.settings import FeedName
from tests.line.reviewed import LAST, Organisation, failures, read_csv, restore, write_csv

MAY = LAST.shift(1)
FIRST, FINAL = date(2026, 4, 1), date(2026, 6, 30)
LONG = "x" * 10_000
HOSTILE = {  # unit or person, and the name that it now has
    "COM": "=1+1",
    "COR": "<script>alert(1)</script>",
    "OPS": "{{7*7}}",
    "SUP": '#read("x")',
}
PEOPLE = {
    "E100000": "=cmd|' /C calc'!A0",  # the executive sponsor
    "E100007": "<b>Aisha</b> {{7*7}}",  # the head of L&D
}

# feed, delivery date, what the error must say: file, column, row, and what is wrong
REFUSED: list[tuple[FeedName, str, str]] = [
    ("people", "2026-05-31", r"people_2026-05-31\.csv.*a header and no row"),
    ("org_units", "2026-05-31", r"org_units_2026-05-31\.csv.*2 roots.*ANNEX, MF"),
    ("courses", "2026-04-30", r"course_owners_2026-04-30\.csv.*\bOwner\b.*missing"),
    (
        "enrolments",
        "2026-04-30",
        r"enrolments_2026-04-30\.csv, column Score, row 3: one value is not a number",
    ),
    ("activity", "2026-05-01", r"activity_2026-05-01\.csv\.gz.*(truncated|cut off|ends)"),
    ("assessments", "2026-05-01", r"assessments_2026-05-01\.csv, column Competency.*missing"),
    ("certifications", "2026-05-01", r"certifications_2026-05-01\.csv.*not utf-8: line 3"),
    ("leader_actions", "2026-05-01", r"leader_actions_2026-05-01\.csv.*the file is empty"),
]


@dataclass(frozen=True)
class Aftermath:
    """The organisation after the bad deliveries, and as it was before them."""

    organisation: Organisation
    before: dict[str, tuple[tuple[str, str], ...]]
    in_force: dict[str, list[dict[str, Any]]]
    ingest: ExecuteInProcessResult

    def newest(self, feed: FeedName, day: str) -> DeliveryManifest:
        """The last delivery of a feed and date."""
        return [
            m for m in manifests(self.organisation.lake, feed) if m.delivery_date.isoformat() == day
        ][-1]


@pytest.fixture(scope="module")
def aftermath(organisation: Organisation) -> Iterator[Aftermath]:
    before = organisation.published()
    standing = {feed: in_force(organisation.lake, feed) for feed in organisation.settings.feeds}
    _spoil(organisation.landing)
    ingest = organisation.ingest(FIRST, FINAL)
    yield Aftermath(organisation, before, standing, ingest)
    restore(organisation.home)


def _spoil(landing: Path) -> None:
    def text(name: str) -> str:
        return (landing / name).read_text(encoding="utf-8")

    people = read_csv(landing / "people_2026-04-30.csv")
    write_csv(landing / "people_2026-05-31.csv", [], list(people[0]))
    for person in people:
        person["FullName"] = PEOPLE.get(person["EmployeeNumber"], person["FullName"])
    write_csv(landing / "people_2026-04-30.csv", people)
    later = [dict(person) for person in people]
    later[10]["ManagerNumber"] = later[11]["EmployeeNumber"]
    later[11]["ManagerNumber"] = later[10]["EmployeeNumber"]
    later[12]["FullName"] = LONG
    later.append(later[13])
    write_csv(landing / "people_2026-06-30.csv", later)

    units = read_csv(landing / "org_units_2026-04-30.csv")
    annex = {"UnitCode": "ANNEX", "UnitName": "Annex", "ParentUnit": "", "SponsorNumber": ""}
    write_csv(landing / "org_units_2026-05-31.csv", [*units, annex])
    for unit in units:
        unit["UnitName"] = HOSTILE.get(unit["UnitCode"], unit["UnitName"])
    write_csv(landing / "org_units_2026-04-30.csv", units)

    owners = text("course_owners_2026-04-30.csv")
    (landing / "course_owners_2026-04-30.csv").write_text(owners.replace('"Owner"', '"Held by"', 1))
    enrolments = read_csv(landing / "enrolments_2026-04-30.csv")
    enrolments[2]["Score"] = "many"
    write_csv(landing / "enrolments_2026-04-30.csv", enrolments)
    activity = landing / "activity_2026-05-01.csv.gz"
    activity.write_bytes(activity.read_bytes()[:-4000])
    assessments = text("assessments_2026-05-01.csv")
    (landing / "assessments_2026-05-01.csv").write_text(
        assessments.replace('"Competency"', '"Skill"', 1)
    )
    certifications = text("certifications_2026-05-01.csv").replace("FOOD-SAFETY", "FOOD-SÄFETY")
    (landing / "certifications_2026-05-01.csv").write_bytes(certifications.encode("latin-1"))
    (landing / "leader_actions_2026-05-01.csv").write_bytes(b"")
    outcomes = text("business_outcomes_2026-04-01.csv").splitlines()[0]
    (landing / "business_outcomes_2026-04-01.csv").write_text(outcomes + "\n")
    initiatives = text("initiatives_2026-04-30.csv")
    (landing / "initiatives_2026-05-31.csv.part").write_text(initiatives[: len(initiatives) // 2])
    (landing / "activity_2026-06-01.csv.gz").write_bytes(gzip.compress(_activity(people)))


def _activity(people: list[dict[str, str]]) -> bytes:
    """May's events: three hundred good ones, and one of each fault."""
    good = [
        f"may-{n},{people[n % 50]['EmployeeNumber']},ELE-SHEE,"
        f"http://adlnet.gov/expapi/verbs/experienced,2026-05-{1 + n % 31:02d} 10:00:00Z,300"
        for n in range(300)
    ]
    verb = "ELE-SHEE,http://adlnet.gov/expapi/verbs/experienced"
    known = people[0]["EmployeeNumber"]
    bad = [
        f"may-7,{known},{verb},2026-05-08 11:00:00Z,300",
        f"may-future,{known},{verb},2026-09-01 10:00:00Z,300",
        f"may-nobody,E999999,{verb},2026-05-08 10:00:00Z,300",
        f"may-negative,{known},{verb},2026-05-08 10:00:00Z,-5",
        f"{LONG},{known},{verb},2026-05-08 10:00:00Z,300",
    ]
    header = "EventId,EmployeeNumber,CourseCode,Verb,OccurredAt,DurationSeconds"
    return "\n".join([header, *good, *bad, ""]).encode()


def test_bad_files_do_not_fail_the_run(aftermath: Aftermath) -> None:
    assert aftermath.ingest.success, failures(aftermath.ingest)


@pytest.mark.parametrize(("feed", "day", "message"), REFUSED, ids=lambda value: str(value)[:14])
def test_a_broken_file_is_refused_by_name(
    feed: FeedName, day: str, message: str, aftermath: Aftermath
) -> None:
    manifest = aftermath.newest(feed, day)
    assert manifest.verdict == "refused"
    assert manifest.contract_problem is not None
    assert re.search(message, manifest.contract_problem), manifest.contract_problem
    failed = {
        (evaluation.asset_key.path[-1], evaluation.check_name): evaluation.description or ""
        for evaluation in (
            event.asset_check_evaluation_data
            for event in aftermath.ingest.all_events
            if event.event_type_value == "ASSET_CHECK_EVALUATION"
        )
        if not evaluation.passed
    }
    assert manifest.contract_problem in failed[f"raw_{feed}", "contract"]


def test_a_header_only_does_not_empty_a_feed_of_events(aftermath: Aftermath) -> None:
    manifest = aftermath.newest("business_outcomes", "2026-04-01")
    assert manifest.verdict == "refused"
    assert manifest.failed_expectations


def test_the_last_good_delivery_stays_in_force(aftermath: Aftermath) -> None:
    lake = aftermath.organisation.lake
    for feed in aftermath.in_force:
        upto = [row for row in in_force(lake, feed) if row["delivery_date"] <= date(2026, 5, 1)]
        if feed in ("people", "org_units"):  # re-delivered with other names
            assert len(upto) == len(aftermath.in_force[feed])
            assert upto[:-1] == aftermath.in_force[feed][:-1]
            assert upto[-1]["sequence"] == 2
        else:
            assert upto == aftermath.in_force[feed], feed


def test_a_file_that_is_being_written_waits(aftermath: Aftermath) -> None:
    dates = {m.delivery_date for m in manifests(aftermath.organisation.lake, "initiatives")}
    assert date(2026, 5, 31) not in dates
    said = [
        str(metadata["not_yet_landed"].value)
        for metadata in (
            event.step_materialization_data.materialization.metadata
            for event in aftermath.ingest.get_asset_materialization_events()
            if event.asset_key is not None and event.asset_key.path[-1] == "landed_initiatives"
        )
        if "not_yet_landed" in metadata
    ]
    assert any("initiatives_2026-05-31.csv.part is still being sent" in text for text in said)


def test_bad_rows_are_quarantined_with_their_reason(aftermath: Aftermath) -> None:
    found = {
        feed: [row for row in aftermath.organisation.rejected(feed) if row[1].startswith(file)]
        for feed, file in (("people", "people_2026-06-30"), ("activity", "activity_2026-06-01"))
    }
    assert Counter(reason for *_, reason, _ in found["activity"]) == {
        "duplicate key": 1,
        "event in the future": 1,
        "unknown person": 1,
        "negative duration": 1,
        "a field is longer than 4000 characters": 1,
    }
    assert {number for _, _, number, *_ in found["activity"]} == set(range(301, 306))
    assert Counter(reason for *_, reason, _ in found["people"]) == {
        "manager cycle": 2,
        "duplicate key": 1,
        "a field is longer than 4000 characters": 1,
    }
    for feed, day in (("people", "2026-06-30"), ("activity", "2026-06-01")):
        manifest = aftermath.newest(feed, day)  # type: ignore[arg-type]
        assert manifest.verdict == "promoted"
        assert manifest.rows_in == manifest.rows_accepted + manifest.rows_rejected
        assert manifest.rows_rejected == len(found[feed])


def test_a_feeds_owner_can_read_what_is_wrong(aftermath: Aftermath) -> None:
    """The archive's page of each feed: the fault, since when, rows, and no person."""
    organisation = aftermath.organisation
    site = build_site(organisation.settings).index.parent
    texts = {
        file.stem: html.unescape(re.sub(r"<[^>]+>", " ", file.read_text(encoding="utf-8")))
        for file in (site / "quality").glob("*.html")
    }
    for feed, day, message in REFUSED:
        if aftermath.newest(feed, day).delivery_id == max(
            m.delivery_id for m in manifests(organisation.lake, feed)
        ):
            said = re.sub(r"\s+", " ", texts[feed])
            assert "The newest delivery was refused, since" in said, feed
            assert re.search(message, said), feed
    rows = texts["people"]
    assert "Manager cycle" in rows and re.search(r"manager_id: #[0-9a-f]{8}", rows)
    assert "(10,000 characters)" in rows
    people = read_csv(organisation.landing / "people_2026-06-30.csv")
    everything = "\n".join(texts.values())
    for person in people:
        for column in ("EmployeeNumber", "FullName", "Email"):
            assert person[column] not in everything


@pytest.fixture(scope="module")
def built_again(aftermath: Aftermath) -> Organisation:
    """April, closed and built again on what the bad deliveries left in force."""
    organisation = aftermath.organisation
    done = organisation.month(
        "quality/month_close",
        *organisation.models(),
        "warehouse/month_figures",
        "scorecard/month_scorecard",
        "review/month_pages",
    )
    assert done.success, failures(done)
    return organisation


def test_no_figure_changes(built_again: Organisation, aftermath: Aftermath) -> None:
    published = built_again.published()
    before, after = dict(aftermath.before[LAST.id]), dict(published[LAST.id])
    named = {
        f"{model}__month"
        for model in (
            "contacts",
            "decision_log",
            "governance",
            "kpi_comments",
            "leader_plan",
            "named_leaders",
            "org_units",
        )
    }  # names of people and units are in these, and nothing else of them changed
    assert {model for model in before if before[model] != after[model]} == named
    assert set(before) == set(after)
    for period in aftermath.before:
        if period != LAST.id:
            assert published[period] == aftermath.before[period]


def test_the_close_says_what_was_refused(built_again: Organisation) -> None:
    close = read_close(built_again.lake, LAST)
    assert close is not None
    assert close.allowed
    for feed, day, _ in REFUSED:
        if day <= "2026-05-01":
            assert "was refused" in close.feeds[feed].reason, feed
            assert close.feeds[feed].verdict == "complete", (feed, close.feeds[feed].reason)


def test_the_next_month_names_the_feeds_that_did_not_come(aftermath: Aftermath) -> None:
    organisation = aftermath.organisation
    assert organisation.month("quality/month_close", first=MAY).success
    close = read_close(organisation.lake, MAY)
    assert close is not None
    assert close.feeds["activity"].verdict == "complete"
    for feed in ("courses", "enrolments", "assessments", "certifications", "leader_actions"):
        assert close.feeds[feed].verdict == "stale", feed  # type: ignore[index]
        assert feed.replace("_", " ") in close.stale_note
    assert MAY.id not in organisation.published(Grain.MONTH)


def test_names_stand_in_pages_as_they_are(built_again: Organisation) -> None:
    draft = built_again.home / "drafts" / "monthly" / LAST.id
    pages = "".join((draft / name).read_text("utf-8") for name in ("scorecard.html", "email.html"))
    assert "<script" not in pages
    assert "<b>Aisha" not in pages
    assert ">49<" not in pages
    printed = "".join(
        page.extract_text()
        for name in ("scorecard.pdf", "review-pack.pdf")
        for page in PdfReader(draft / name).pages
    )
    squeezed = re.sub(r"\s+", "", printed)
    for name in HOSTILE.values():
        assert re.sub(r"\s+", "", name) in squeezed.replace("\u201c", '"').replace("\u201d", '"'), (
            name
        )
