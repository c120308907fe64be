"""Who was erased does not come back with a later delivery.

The state database knows them by pseudonym only. A row about one of them is quarantined without
what it says; where another row names one, such as a manager, that column is emptied.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb
import sqlalchemy as sa

from orchestration.feeds.contract import Feed
from orchestration.lake import identifier, quoted
from orchestration.pseudonyms import ERASURES, KEY, Pseudonyms
from orchestration.settings import Settings
from orchestration.state import State


def subject(feed: Feed) -> str | None:
    """The column whose person a row of the feed is about; None where rows are about no person."""
    return "person_id" if "person_id" in feed.column_names else None


class Erased:
    """Everybody who was erased and not readmitted.

    Args:
        persons: their pseudonyms; ``pseudonyms`` makes them.
    """

    def __init__(self, persons: Iterable[str], pseudonyms: Pseudonyms | None) -> None:
        self._persons = sorted(persons)
        self._pseudonyms = pseudonyms

    @classmethod
    def read(cls, settings: Settings) -> Erased:
        """Those of the state database; nobody where there is none yet."""
        url = sa.make_url(settings.state_url)
        if url.get_backend_name() == "sqlite" and not Path(str(url.database)).exists():
            return cls((), None)
        with State.open(settings) as state:
            persons = [each.person for each in state.erasures() if each.readmitted_at is None]
            return cls(persons, Pseudonyms(state.key(KEY), ERASURES) if persons else None)

    def among(
        self, connection: duckdb.DuckDBPyConnection, rows: str, columns: Iterable[str]
    ) -> tuple[str, ...]:
        """Their ids among the values of some columns of a relation."""
        listed = [identifier(column) for column in columns]
        if self._pseudonyms is None or not listed:
            return ()
        ids = " UNION ".join(f"SELECT DISTINCT {c} AS id FROM {rows} WHERE {c} IS NOT NULL"
                             for c in listed)  # fmt: skip
        found = connection.execute(
            f"SELECT id FROM ({ids}) WHERE {self._pseudonyms.sql('id')} "
            f"IN ({', '.join(map(quoted, self._persons))}) ORDER BY id"
        ).fetchall()
        return tuple(str(row[0]) for row in found)
