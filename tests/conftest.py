"""Servers that tests of several stages share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import postgresql as private


@pytest.fixture(scope="session")
def postgresql() -> Iterator[private.Server]:
    """A private PostgreSQL server; without its programs the test is skipped, loudly."""
    programs = private.programs()
    if programs is None:
        pytest.skip("POSTGRESQL IS NOT TESTED: its server is not installed (initdb, pg_ctl)")
    with pytest.MonkeyPatch.context() as patch, private.server(programs) as server:
        patch.setenv("PGPASSWORD", private.PASSWORD)
        yield server
