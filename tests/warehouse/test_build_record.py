"""Which builds may be published: whole, tested, of these periods and of the data of now."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.settings import Settings
from orchestration.warehouse.build import Basis, BuildRecord

MARCH, APRIL = Period.parse("2026-03"), Period.parse("2026-04")
BASIS = Basis((APRIL.id,), "raw", "code")
MODELS = {"a", "b", "c"}


@pytest.fixture
def record(tmp_path: Path) -> BuildRecord:
    settings = Settings.model_validate(
        {"organisation": {"name": "Example"}, "paths": {"home": str(tmp_path)}}
    )
    return BuildRecord(settings, Grain.MONTH)


def build(record: BuildRecord, *models: str, basis: Basis = BASIS, passes: bool = True) -> None:
    record.begin(basis, models)
    if passes:
        record.passed(models)


def refusal(record: BuildRecord, *periods: Period, now: Basis = BASIS) -> str:
    with pytest.raises(Problem) as caught:
        record.require_passed(periods or [APRIL], now, MODELS)
    return str(caught.value)


def test_a_whole_build_may_be_published(record: BuildRecord) -> None:
    build(record, *MODELS)
    basis = record.require_passed([APRIL], BASIS, MODELS)
    assert basis == {"raw_state_hash": "raw", "foundation_fingerprint": "code"}


def test_nothing_was_ever_built(record: BuildRecord) -> None:
    assert "2026-04 not built" in refusal(record)


def test_parts_of_one_basis_add_up(record: BuildRecord) -> None:
    build(record, "a", "b")
    assert "c missing" in refusal(record)
    build(record, "c")
    record.require_passed([APRIL], BASIS, MODELS)


def test_a_part_that_fails_takes_its_models_out(record: BuildRecord) -> None:
    build(record, *MODELS)
    build(record, "b", passes=False)
    assert "did not pass whole; b missing" in refusal(record)
    build(record, "b")
    record.require_passed([APRIL], BASIS, MODELS)


@pytest.mark.parametrize(
    "other",
    [
        replace(BASIS, raw_state_hash="new"),
        replace(BASIS, foundation_fingerprint="new"),
        replace(BASIS, periods=(MARCH.id, APRIL.id)),
    ],
)
def test_parts_of_different_bases_do_not_add_up(record: BuildRecord, other: Basis) -> None:
    build(record, "a", "b")
    build(record, "c", basis=other)
    assert "a, b missing" in refusal(record, now=other)


def test_other_periods_are_refused(record: BuildRecord) -> None:
    build(record, *MODELS)
    assert "2026-03 not built" in refusal(record, MARCH, APRIL)


def test_a_build_on_older_data_is_refused(record: BuildRecord) -> None:
    build(record, *MODELS)
    assert "changed since they were built" in refusal(
        record, now=replace(BASIS, raw_state_hash="new")
    )


def test_periods_of_the_build_may_be_more_than_those_published(record: BuildRecord) -> None:
    build(record, *MODELS, basis=replace(BASIS, periods=(MARCH.id, APRIL.id)))
    record.require_passed([APRIL], BASIS, MODELS)
