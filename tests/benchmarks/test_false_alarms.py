"""A handful of the benchmark's organisations: no failure, no warning; what is planted is found."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.false_alarms import (
    EARLY_WARNINGS,
    LEADER_EFFECT,
    PLANTED,
    PLANTED_SEED,
    SIGNALS,
    Found,
    Shipped,
    compile_project,
    has_improved,
    led,
    parameters_of,
    warnings_of,
    weeks_since_launch,
)


@pytest.fixture(scope="module")
def warnings(tmp_path_factory: pytest.TempPathFactory) -> Shipped:
    home: Path = tmp_path_factory.mktemp("warnings")
    return compile_project(home, EARLY_WARNINGS, weeks_since_launch())


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_organisation_without_failures_is_not_warned(warnings: Shipped, seed: int) -> None:
    assert len(weeks_since_launch()) == 39
    assert warnings_of(warnings, parameters_of(seed)) == []


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_failure_is_found(warnings: Shipped, kind: str) -> None:
    parameters = parameters_of(PLANTED_SEED, PLANTED[kind].effects)
    found = Found(1)
    found.add(PLANTED[kind], parameters, warnings_of(warnings, parameters))
    assert found.found == 1


def test_leaders_who_move_learning_show_in_the_chart(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("signals")
    shipped = compile_project(home, SIGNALS, led(0, 0).calendar)
    assert has_improved(shipped, led(PLANTED_SEED, LEADER_EFFECT))
    assert not has_improved(shipped, led(PLANTED_SEED, 0.0))
