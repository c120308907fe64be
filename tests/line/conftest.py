"""One small sample organisation, taken through the whole line once for all tests here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orchestration.sample import simulate
from tests.line.reviewed import (
    LAST,
    PLANTED,
    SAMPLE,
    FirstRun,
    Organisation,
    preserve,
    restore,
    write_settings,
)


@pytest.fixture(scope="session")
def first_run(tmp_path_factory: pytest.TempPathFactory) -> FirstRun:
    """The organisation taken through the whole line once, by the command that users type."""
    home = tmp_path_factory.mktemp("line") / "home"
    simulate(SAMPLE, home / "landing", home / "sample")
    write_settings(home)
    organisation = Organisation(home)
    done = organisation.command("run", "--period", LAST.id, secrets=PLANTED)
    assert done.returncode == 0, done.stdout + done.stderr
    preserve(home)
    return FirstRun(organisation, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def organisation(first_run: FirstRun) -> Organisation:
    """The reviewed organisation. Tests read it and change nothing."""
    return first_run.organisation


@pytest.fixture
def changing(organisation: Organisation) -> Iterator[Organisation]:
    """The reviewed organisation, put back as it was when the test is over."""
    yield organisation
    restore(organisation.home)


@pytest.fixture(scope="module")
def changing_module(organisation: Organisation) -> Iterator[Organisation]:
    """The same for the tests of a module that go on from each other."""
    yield organisation
    restore(organisation.home)
