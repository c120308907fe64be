"""Servers that tests of several stages share, and how two workers divide and print the tests."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

from tests import postgresql as private

TESTS = Path(__file__).parent
LONG = ("line", "oulad", "warehouse", "independent", "trust", "benchmarks")
"""Folders whose few tests take longest: begun first, so that no worker is left with one alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    def folder(item: pytest.Item) -> str:
        return item.path.relative_to(TESTS).parts[0]

    items.sort(key=lambda item: (*LONG, folder(item)).index(folder(item)))


class ByFile(LoadScopeScheduling):
    """A file's tests on one worker; all of the reviewed organisation, made once, on one too."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0]
        return "line" if file.startswith("tests/line/") else file


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    """With ``-s``, what tests print in a worker, whose output nobody reads, goes to its errors.

    Last, so that the worker's own reporter keeps the output that it was given.
    """
    if hasattr(config, "workerinput") and config.option.capture == "no":
        sys.stdout = sys.stderr


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> LoadScopeScheduling:
    return ByFile(config, log)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[private.Server]:
    """A private PostgreSQL server; without its programs the test is skipped, loudly."""
    programs = private.programs()
    if programs is None:
        pytest.skip("POSTGRESQL IS NOT TESTED: its server is not installed (initdb, pg_ctl)")
    with pytest.MonkeyPatch.context() as patch, private.server(programs) as server:
        patch.setenv("PGPASSWORD", private.PASSWORD)
        yield server
