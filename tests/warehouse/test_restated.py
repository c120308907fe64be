"""Why a published figure reads otherwise: computed over real builds of a hand-made organisation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.periods import Grain, Period
from orchestration.quality.close import judge_period
from orchestration.scorecard.evidence import FACTS, PEOPLE, Evidence, keep_evidence, read_evidence
from orchestration.scorecard.restated import CODE, DEFINITION, LATE, MOVED, TARGET, causes, overall
from orchestration.warehouse import project
from orchestration.warehouse.published import PublishedRows, publish
from tests.warehouse import small_lake
from tests.warehouse.small_lake import PSEUDONYMS, SmallLake

JULY = Period.parse("2026-07")
ON_TIME, ACTIVE = "on_time_completion_rate", "active_learner_rate"
COMPLETED = "http://adlnet.gov/expapi/verbs/completed"
MODELS = ["kpi_values__month", "org_units__month", f"{PEOPLE}__month"]
MODELS += [f"{model}__month" for model in FACTS if model not in ("fct_seat_use", "fct_outcomes")]
NOT_TESTS = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "test")
BUILD = ("build", *NOT_TESTS, "--select", "+kpi_values__month", "+org_units__month")
EAST, WEST = ("a1", "a2", "a3", "a4"), ("w1", "w2", "w3", "w4")


class Reviewed:
    """Four people east and four west; five of eight completed the one mandatory course in time."""

    def __init__(self, home: Path) -> None:
        self.small = SmallLake(home)
        self.overlay = home / "overlay"
        self.overlay.mkdir()
        paths = self.small.settings.paths.model_copy(update={"charter": self.overlay})
        self.settings = self.small.settings.model_copy(update={"paths": paths})
        self.small.versions(
            "org_units",
            [
                {"org_unit_id": "all", "name": "All"},
                {"org_unit_id": "east", "name": "East", "parent_org_unit_id": "all"},
                {"org_unit_id": "west", "name": "West", "parent_org_unit_id": "all"},
            ],
        )
        self.small.versions("courses", [{"course_id": "m1", "is_mandatory": True}])
        self.small.events(
            "activity",
            "2026-07-06",
            [
                {
                    "event_id": f"e{person}",
                    "person_id": person,
                    "verb": COMPLETED,
                    "occurred_at": "2026-07-06 10:00:00Z",
                }
                for person in ("a1", "w1", "w2")
            ],
        )
        self.people()
        self.enrolments()

    def people(self, **units: str) -> None:
        home = {**dict.fromkeys(EAST, "east"), **dict.fromkeys(WEST, "west"), **units}
        self.small.versions(
            "people",
            [
                {
                    "person_id": person,
                    "full_name": person,
                    "org_unit_id": unit,
                    "hired_on": "2020-01-01",
                    "employment_type": "Employee",
                }
                for person, unit in home.items()
            ],
        )

    def enrolments(self, *late: str) -> None:
        in_time = {"a1", "a2", "a3", "w1", "w2", *late}
        self.small.versions(
            "enrolments",
            [
                {
                    "enrolment_id": f"n{person}",
                    "person_id": person,
                    "course_id": "m1",
                    "enrolled_at": "2026-06-01 09:00:00Z",
                    "due_at": "2026-07-10 12:00:00Z",
                    "completed_at": "2026-07-09 12:00:00Z" if person in in_time else None,
                    "status": "completed" if person in in_time else "open",
                }
                for person in (*EAST, *WEST)
            ],
        )

    def seed(self, name: str, rows: list[dict[str, Any]]) -> None:
        self.small.seed(name, rows)
        shutil.copy(self.small.charter / f"{name}.csv", self.overlay)

    def built(self, name: str) -> Evidence:
        """Build and publish July as it is now, and keep what it stands on under a name."""
        self.small.build(JULY, days=[date(2026, 7, 6)], command=BUILD)
        lake = self.small.lake
        with duckdb.connect(str(self.settings.warehouse_file)) as connection:
            publish(lake, connection, Grain.MONTH, [(JULY, name)], MODELS, PSEUDONYMS)
        close = judge_period(self.settings, lake, JULY, "c", datetime(2026, 8, 7, tzinfo=UTC))
        known = {"first", "late", "moved", "target", "verbs", "all", "software"}
        with PublishedRows(lake) as published:
            keep_evidence(self.settings, published, JULY, close, name, known)
        found = read_evidence(lake, JULY, name)
        assert found is not None
        return found


@pytest.fixture(scope="module")
def reviewed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Reviewed]:
    yield Reviewed(tmp_path_factory.mktemp("restated"))


@pytest.fixture(scope="module")
def first(reviewed: Reviewed) -> Evidence:
    return reviewed.built("first")


def rate(evidence: Evidence, kpi_id: str, unit: str) -> tuple[Decimal | None, Decimal | None]:
    value = evidence.values[kpi_id, unit]
    return value.numerator, value.denominator


def test_the_first_figures(first: Evidence) -> None:
    assert rate(first, ON_TIME, "east") == (3, 4)
    assert rate(first, ON_TIME, "west") == (2, 4)
    assert rate(first, ON_TIME, "all") == (5, 8)
    assert rate(first, ACTIVE, "east") == (1, 4)


def test_one_late_row_changes_one_unit_and_what_is_above_it(
    reviewed: Reviewed, first: Evidence
) -> None:
    reviewed.enrolments("a4")
    now = reviewed.built("late")
    assert rate(now, ON_TIME, "east") == (4, 4)
    assert rate(now, ON_TIME, "all") == (6, 8)
    assert causes(ON_TIME, "east", first, now, True) == (LATE,)
    assert causes(ON_TIME, "all", first, now, True) == (LATE,)
    assert causes(ON_TIME, "west", first, now, True) == ()
    assert {causes(ACTIVE, unit, first, now, True) for unit in ("all", "east", "west")} == {()}
    assert overall(first, now, True) == (LATE,)
    reviewed.enrolments()


def test_a_moved_person_changes_both_units_and_not_the_whole(
    reviewed: Reviewed, first: Evidence
) -> None:
    reviewed.people(w3="east")
    now = reviewed.built("moved")
    assert rate(now, ON_TIME, "east") == (3, 5)
    assert rate(now, ON_TIME, "west") == (2, 3)
    assert rate(now, ON_TIME, "all") == (5, 8)
    assert causes(ON_TIME, "east", first, now, True) == (MOVED,)
    assert causes(ON_TIME, "west", first, now, True) == (MOVED,)
    assert causes(ON_TIME, "all", first, now, True) == ()
    reviewed.people()


TARGETS = [{"kpi_id": ON_TIME, "org_unit_id": "*", "valid_from": "2000-01-01", "target": "80"}]
VERBS = [
    {"verb": "http://adlnet.gov/expapi/verbs/answered", "min_seconds": "0",
     "valid_from": "2000-01-01"},
]  # fmt: skip


def test_a_changed_target(reviewed: Reviewed, first: Evidence) -> None:
    kept = (reviewed.small.charter / "kpi_targets.csv").read_bytes()
    reviewed.seed("kpi_targets", TARGETS)
    now = reviewed.built("target")
    assert first.values[ON_TIME, "east"].target == 95
    assert now.values[ON_TIME, "east"].target == 80
    assert now.values[ON_TIME, "east"].counted == first.values[ON_TIME, "east"].counted
    assert causes(ON_TIME, "east", first, now, False) == (TARGET,)
    (reviewed.small.charter / "kpi_targets.csv").write_bytes(kept)
    (reviewed.overlay / "kpi_targets.csv").unlink()


def test_a_changed_definition_and_then_everything_at_once(
    reviewed: Reviewed, first: Evidence
) -> None:
    reviewed.seed("learning_verbs", VERBS)  # completing no longer counts as learning
    now = reviewed.built("verbs")
    assert rate(now, ACTIVE, "east") == (0, 4)
    assert causes(ACTIVE, "east", first, now, False) == (DEFINITION,)
    assert causes(ON_TIME, "east", first, now, False) == ()
    reviewed.enrolments("a4")
    reviewed.people(w3="east")
    reviewed.seed("kpi_targets", TARGETS)
    everything = reviewed.built("all")
    assert rate(everything, ON_TIME, "east") == (4, 5)
    assert causes(ON_TIME, "east", first, everything, True) == (LATE, MOVED, TARGET)
    # the file of targets was replaced whole: this one is gone
    assert causes(ACTIVE, "east", first, everything, False) == (MOVED, DEFINITION, TARGET)


def test_changed_software(
    reviewed: Reviewed, first: Evidence, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A version of the models that counts who learned anything, mandatory or not."""
    reviewed.enrolments()
    reviewed.people()
    for seed in ("learning_verbs", "kpi_targets"):
        shutil.copy(project.DBT_PROJECT / "seeds" / f"{seed}.csv", reviewed.small.charter)
        (reviewed.overlay / f"{seed}.csv").unlink()
    other = tmp_path / "dbt_project"
    shutil.copytree(project.DBT_PROJECT, other)
    model = other / "macros" / "logic" / "fct_active_learners.sql"
    sql = model.read_text()
    assert sql.count("case when learning.voluntary_events > 0 then 1") == 1
    model.write_text(
        sql.replace("case when learning.voluntary_events > 0 then 1", "case when 1 = 1 then 1")
    )
    for module in (project, small_lake):
        monkeypatch.setattr(module, "DBT_PROJECT", other)
    project.project_fingerprint.cache_clear()
    try:
        now = reviewed.built("software")
    finally:
        project.project_fingerprint.cache_clear()
    assert rate(now, ACTIVE, "east") == (4, 4)
    assert causes(ACTIVE, "east", first, now, False) == (CODE,)
    assert causes(ON_TIME, "east", first, now, False) == ()
    assert overall(first, now, False) == (CODE,)


def test_evidence_of_an_edition_stays_and_that_of_a_draft_goes(
    reviewed: Reviewed, first: Evidence
) -> None:
    lake = reviewed.small.lake
    close = judge_period(reviewed.settings, lake, JULY, "c", datetime(2026, 8, 7, tzinfo=UTC))
    with PublishedRows(lake) as published:
        keep_evidence(reviewed.settings, published, JULY, close, "draft", {"first"})
        keep_evidence(reviewed.settings, published, JULY, close, "first", {"first"})
    assert read_evidence(lake, JULY, "first") == first
    assert read_evidence(lake, JULY, "draft") is None
