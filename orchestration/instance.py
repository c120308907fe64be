"""The event log of the project's own Dagster instance: SQLite that writes batches as batches.

A run over a range of partitions logs one event for each asset and partition, and Dagster hands
them over in batches (``DAGSTER_EVENT_BATCH_SIZE``). Its SQLite storage opens two connections and
commits twice for every event of a batch, so that two years of delivery dates took minutes to note;
its PostgreSQL storage inserts a batch at once, and so does this one. What is stored is the same.

It builds on parts of Dagster that are not public, as there is no public way to extend a storage;
a test compares what the two storages hold after the same run.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import EventLogEntry
from dagster._core.events import ASSET_EVENTS
from dagster._core.storage.asset_check_execution_record import AssetCheckExecutionRecordStatus
from dagster._core.storage.event_log import SqliteEventLogStorage
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    SqlEventLogStorageTable,
)
from dagster._serdes import ConfigurableClassData, serialize_value

_BUSY_SECONDS = 60
_OPEN_DATABASES = 8


def _without_sync_of_every_commit(connection: Any, _: Any) -> None:
    # With a write-ahead log this cannot corrupt; at worst a power cut loses the last events.
    connection.execute("PRAGMA synchronous = NORMAL")


class BatchingSqliteEventLogStorage(SqliteEventLogStorage):
    """Dagster's SQLite event log, with one transaction a batch and database."""

    @classmethod
    def from_config_value(
        cls, inst_data: ConfigurableClassData | None, config_value: Any
    ) -> BatchingSqliteEventLogStorage:
        """Dagster's own constructor names its class; this one keeps ours."""
        return cls(inst_data=inst_data, **config_value)

    def __init__(self, base_dir: str, inst_data: ConfigurableClassData | None = None) -> None:
        self._engines: OrderedDict[str, sa.Engine] = OrderedDict()
        super().__init__(base_dir, inst_data)

    @contextmanager
    def _connect(self, shard: str) -> Iterator[sa.Connection]:
        """One transaction on a run's or the index's database.

        The last few databases stay open: closing the last connection to a database writes its log
        back, which Dagster's storage does once for every event.
        """
        with self._db_lock:
            engine = self._engines.pop(shard, None)
            if engine is None:
                engine = sa.create_engine(
                    self.conn_string_for_shard(shard), connect_args={"timeout": _BUSY_SECONDS}
                )
                sa.event.listen(engine, "connect", _without_sync_of_every_commit)
                if shard not in self._initialized_dbs:
                    self._initdb(engine)
                    self._initialized_dbs.add(shard)
            self._engines[shard] = engine
            while len(self._engines) > _OPEN_DATABASES:
                self._engines.popitem(last=False)[1].dispose()
            with engine.begin() as connection:
                yield connection

    def dispose(self) -> None:
        """Close what is open."""
        while self._engines:
            self._engines.popitem()[1].dispose()
        super().dispose()

    def delete_events(self, run_id: str) -> None:
        """Delete a run's events and its database, and the evaluations of checks that are not the
        newest of their check. Dagster's storage leaves an empty database and every evaluation."""
        super().delete_events(run_id)
        with self._db_lock:
            if (engine := self._engines.pop(run_id, None)) is not None:
                engine.dispose()
            self._initialized_dbs.discard(run_id)
            for end in ("", "-wal", "-shm"):
                Path(f"{self.path_for_shard(run_id)}{end}").unlink(missing_ok=True)
        checks = AssetCheckExecutionsTable
        newest = sa.select(sa.func.max(checks.c.id)).group_by(
            checks.c.asset_key, checks.c.check_name
        )
        with self.index_connection() as connection:
            connection.execute(
                sa.delete(checks).where(checks.c.run_id == run_id, checks.c.id.not_in(newest))
            )

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
            last: int = connection.execute(
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

    def _store_asset_check_evaluation_planned(
        self, event: EventLogEntry, event_id: int | None
    ) -> None:
        """One row a partition, as Dagster does; the event is serialised once, not for each."""
        planned: Any = event.get_dagster_event().event_specific_data
        subset = planned.partitions_subset
        row = {
            "asset_key": planned.asset_key.to_string(),
            "check_name": planned.check_name,
            "run_id": event.run_id,
            "execution_status": AssetCheckExecutionRecordStatus.PLANNED.value,
            "evaluation_event": serialize_value(event),
            "evaluation_event_timestamp": datetime.fromtimestamp(event.timestamp, UTC).replace(
                tzinfo=None
            ),
            "evaluation_event_storage_id": event_id,
        }
        rows = [
            {**row, "partition": partition}
            for partition in (subset.get_partition_keys() if subset else [None])
        ]
        with self.index_connection() as connection:
            connection.execute(AssetCheckExecutionsTable.insert(), rows)
