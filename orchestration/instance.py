"""The event log of the project's own Dagster instance: SQLite that writes batches as batches.

A run over a range of partitions logs one event for each asset and partition, and Dagster hands
them over in batches (``DAGSTER_EVENT_BATCH_SIZE``). Its SQLite storage opens two connections and
commits twice for every event of a batch, so that two years of delivery dates took minutes to note;
its PostgreSQL storage inserts a batch at once, and so does this one. What is stored is the same.

It builds on parts of Dagster that are not public, as there is no public way to extend a storage;
a test compares what the two storages hold after the same run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import SqlEventLogStorageTable
from dagster._serdes import ConfigurableClassData


class BatchingSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log, with one transaction a batch and database."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> BatchingSqliteEventLogStorage:
        """Dagster's own constructor names its class; this one keeps ours."""
        return cls(inst_data=inst_data, **config_value)

    def store_event_batch(self, events: Sequence[EventLogEntry]) -> None:
        """Store the asset events of one run in bulk, any other event as Dagster does."""
        bulk: list[EventLogEntry] = []
        for event in events:
            if event.is_dagster_event and event.dagster_event_type in ASSET_EVENTS:
                bulk.append(event)
            else:
                self.store_event(event)
        for run_id in dict.fromkeys(event.run_id for event in bulk):
            self._store_asset_events(run_id, [event for event in bulk if event.run_id == run_id])

    def _store_asset_events(self, run_id: str, events: Sequence[EventLogEntry]) -> None:
        rows = [self._event_to_row(event) for event in events]
        with self.run_connection(run_id) as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
        with self.index_transaction() as connection:
            connection.execute(SqlEventLogStorageTable.insert(), rows)
            # one writer, one transaction: the new ids are the last ones, without a gap
            last = connection.execute(
                sa.select(sa.func.max(SqlEventLogStorageTable.c.id))
            ).scalar_one()
            ids = range(last - len(rows) + 1, last + 1)
            self._store_asset_event_tags(connection, events, list(ids))
            newest = {
                (event.get_dagster_event().asset_key, event.dagster_event_type): (event, event_id)
                for event, event_id in zip(events, ids, strict=True)
            }
            for event, event_id in newest.values():
                self._store_asset_event(connection, event, event_id)
