"""Servers that tests of several stages share, and how two workers divide the tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import postgresql as private

TESTS = Path(__file__).parent
LONG = ("line", "oulad", "warehouse", "independent", "trust", "benchmarks")
"""Folders whose few tests take longest: begun first, so that no worker is left with one alone."""


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in this hook too
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """One worker has all tests of the reviewed organisation, made once; else a file each."""

    def folder(item: pytest.Item) -> str:
        return item.path.relative_to(TESTS).parts[0]

    for item in items:
        group = "line" if folder(item) == "line" else str(item.path)
        item.add_marker(pytest.mark.xdist_group(group))
    items.sort(key=lambda item: (*LONG, folder(item)).index(folder(item)))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[private.Server]:
    """A private PostgreSQL server; without its programs the test is skipped, loudly."""
    programs = private.programs()
    if programs is None:
        pytest.skip("POSTGRESQL IS NOT TESTED: its server is not installed (initdb, pg_ctl)")
    with pytest.MonkeyPatch.context() as patch, private.server(programs) as server:
        patch.setenv("PGPASSWORD", private.PASSWORD)
        yield server
