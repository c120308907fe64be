"""Staging: the files of one delivery become typed rows aside, and quarantined rows with a reason.

``rows_in = rows_accepted + rows_rejected`` is checked, not computed: rows in are counted on the
source, accepted and rejected rows as they are written. A difference stops the landing.
"""

from __future__ import annotations

import json
import os
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import DeliveryManifest, in_force, raw_partition
from orchestration.feeds.erased import Erased, subject
from orchestration.feeds.mapping import Mapped, check_declaration, conversion, mapped
from orchestration.feeds.profile import finished, measures
from orchestration.feeds.readers import FILE, ROW, ContractProblem, Source, explained, opened
from orchestration.feeds.rules import (
    DUPLICATE,
    ERASED,
    KNOWN_PEOPLE,
    MANAGER_CYCLE,
    NAMING_A_PERSON,
    RowRule,
    manager_cycle,
    org_tree_fault,
    row_rules,
    rule_ids,
)
from orchestration.lake import Lake, identifier, quoted
from orchestration.problems import Problem
from orchestration.settings import FeedName, Settings

_SPILL_BYTES = 64 << 20  # above it the checked rows go through a scratch file, not memory
_DAYS_TO_SPLIT = 4  # with more event days, spilled rows are split by day before they are sorted
_ROWS_TO_FLUSH = 20_000  # of one day held in memory while splitting
ASIDE = ".tmp"  # of a file that is still being written
_DAY = "<day>"
_FOLDED = b"folded"  # the key under which a versions file names the deliveries it stands on


class Staging:
    """One DuckDB connection that stages deliveries of one feed, one after another.

    Args:
        scratch: local folder for what does not fit in memory.

    Raises:
        Problem: the feed's declaration is wrong.
    """

    def __init__(self, settings: Settings, lake: Lake, feed: FeedName, scratch: Path) -> None:
        self.settings = settings
        self.lake = lake
        self.feed = CONTRACT[feed]
        self.declaration = settings.feeds[feed]
        self._zone = settings.organisation.time_zone
        self._scratch = scratch
        self._people: bool | None = None
        self._erased = Erased.read(settings)
        self._session_zone = "UTC"
        self._checked = ""
        self._unsynced: list[str] = []
        self._connection = lake.connect()
        for statement in (
            f"SET temp_directory = {quoted(str(scratch / 'spill'))}",
            "SET preserve_insertion_order = true",
            "SET python_enable_replacements = false",
        ):
            self._rows(statement)
        check_declaration(self._connection, self.feed, self.declaration)

    def close(self) -> None:
        """Give up the connection and all that it holds."""
        self._connection.close()

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    def stage(
        self,
        manifest: DeliveryManifest,
        sources: list[Source],
        previous: DeliveryManifest | None,
        replaced: DeliveryManifest | None,
    ) -> DeliveryManifest:
        """Stage accepted rows, quarantine the others; the manifest with its counts and profile.

        Args:
            manifest: of the delivery, without counts.
            previous: the last earlier delivery of the feed, to compare the volume with.
            replaced: the delivery of the same date that this one would supersede, likewise.

        Raises:
            ContractProblem: the delivery breaks its contract.
        """
        self._unsynced.clear()  # of a delivery that failed before this one
        by_view: dict[str, list[Source]] = {}
        ready: list[Source] = []
        try:
            try:
                for number, source in enumerate(sources):
                    ready.append(opened(self._connection, source, self.declaration, number))
                    by_view.setdefault(source.view, []).append(ready[-1])
                self._set_zone(self.declaration.time_zone or "UTC")
                mapping = mapped(self._connection, self.feed.name, self.declaration, by_view)
                file_rows = self._file_rows(by_view)
                judge_people = self.feed.name in NAMING_A_PERSON and self._people_known()
                rules = row_rules(
                    self.feed, self.declaration, self.settings, manifest.delivery_date, judge_people
                )
                self._check(mapping, rules, sum(s.size for s in sources))
                self._keep_erased_out(rules)
            except duckdb.Error as error:
                raise self._explained(error, [*ready, *sources[len(ready) :]]) from error
            finally:
                self._set_zone("UTC")
            return self._written(
                manifest, mapping, rules, file_rows, judge_people, previous, replaced
            )
        finally:
            for view in self.declaration.files if self.declaration.select else ():
                self._rows(f"DROP VIEW IF EXISTS {identifier(view)}")
            for source in ready:
                if source.table is not None:
                    self._rows(f"DROP TABLE IF EXISTS {source.table}")

    def _set_zone(self, zone: str) -> None:
        if zone != self._session_zone:
            self._rows(f"SET TimeZone = {quoted(zone)}")
            self._session_zone = zone

    def _explained(self, error: duckdb.Error, sources: list[Source]) -> Exception:
        """A DuckDB error as the delivery's fault or the declaration's; itself where it is neither.

        A full disk, say, must not be taken for a bad delivery.
        """
        problem = explained(error, sources, self.declaration)
        if problem is not None:
            return problem
        if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
            return Problem(
                f"[feeds.{self.feed.name}] cannot be run: {str(error).splitlines()[0]}",
                remedy="correct the SQL of its `reject` conditions or its mapping.",
            )
        if isinstance(
            error,
            duckdb.ConversionException | duckdb.OutOfRangeException | duckdb.InvalidInputException,
        ):
            return ContractProblem(
                f"the SQL of [feeds.{self.feed.name}] met a value that it cannot convert.",
                file=", ".join(source.name for source in sources),
                remedy="use TRY_CAST or try_strptime, or give the text as it is and let it be "
                "converted to the contract's type, which names the row.",
            )
        return error

    def _file_rows(self, by_view: dict[str, list[Source]]) -> dict[tuple[str, str], int]:
        """Data rows of each view's files, counted on the source alone; refuses an empty snapshot.

        By view and file: two views may be two sheets of one workbook.
        """
        counted: dict[tuple[str, str], int] = {}
        for files in by_view.values():
            for source in files:
                counted[source.view, source.name] = int(
                    self._rows(f"SELECT count(*) FROM {source.relation}")[0][0]
                )
        for files in by_view.values():
            if self._is_snapshot and not any(counted[source.view, source.name] for source in files):
                raise ContractProblem(
                    "the file has a header and no row: a snapshot of nothing would end everything "
                    "it described before.",
                    file=files[0].place,
                    remedy="send the whole snapshot.",
                )
        return counted

    @property
    def _is_snapshot(self) -> bool:
        kind = self.declaration.delivery or self.feed.kind
        return kind == "snapshot"

    def _people_known(self) -> bool:
        """Whether people were ever delivered; makes the table of all who are known."""
        if self._people is None:
            sources = []
            folded: set[str] = set()
            if self.lake.exists("versions", "people.parquet"):
                versions = quoted(self.lake.path("versions", "people.parquet"))
                sources.append(f"SELECT person_id FROM read_parquet({versions})")
                folded = self._folded(versions)
            files = [
                quoted(
                    self.lake.path(
                        "raw",
                        "people",
                        raw_partition(CONTRACT["people"], row["delivery_date"].isoformat()),
                        f"{row['delivery_id']}.parquet",
                    )
                )
                for row in in_force(self.lake, "people")
                if row["rows_accepted"]  # else there is no file
                and f"{row['delivery_id']}:{row['content_hash'][:16]}" not in folded
            ]
            if files:
                sources.append(
                    f"SELECT person_id FROM read_parquet([{', '.join(files)}], "
                    "hive_partitioning = false)"
                )
            union_all = " UNION ALL ".join(sources) or "SELECT NULL AS person_id WHERE false"
            self._rows(
                f"CREATE OR REPLACE TEMP TABLE {KNOWN_PEOPLE} AS SELECT DISTINCT person_id "
                f"FROM ({union_all}) WHERE person_id IS NOT NULL"
            )
            self._people = bool(self._rows(f"SELECT count(*) FROM {KNOWN_PEOPLE}")[0][0])
        return self._people

    def _folded(self, versions: str) -> set[str]:
        """Deliveries that the versions file says it stands on: their snapshots need no reading."""
        for key, value in self._rows(f"SELECT key, value FROM parquet_kv_metadata({versions})"):
            if key == _FOLDED:
                return set(json.loads(value).get("deliveries", {}).values())
        return set()

    def _check(self, mapping: Mapped, rules: list[RowRule], size: int) -> None:
        """Make the checked rows: the contract's columns in its types, and what is wrong.

        ``_id`` numbers the rows, ``_bad`` has a bit for each column whose text did not parse,
        ``_rule`` is the number of the first rule broken (null: none), ``_day`` the local date of
        an event.
        """
        given, values, checked, bad = [], [], [], []
        for position, column in enumerate(self.feed.columns):
            name = identifier(column.name)
            if column.name not in mapping.types:
                checked.append(f"CAST(NULL AS {column.sql_type}) AS {name}")
                continue
            names = (name, f"_g{position}", f"_v{position}")
            step = conversion(column, mapping.types[column.name], names, self.declaration)
            given.append(f"{step.given} AS {names[1]}")
            if not step.can_fail:
                values.append(names[1])
                checked.append(f"{names[1]} AS {name}")
                continue
            values.append(f"{names[1]}, {step.value} AS {names[2]}")
            wrong = f"{names[2]} IS NULL"
            if step.valid is None:
                checked.append(f"{names[2]} AS {name}")
            else:
                checked.append(f"CASE WHEN {step.valid} THEN {names[2]} END AS {name}")
                wrong = f"({step.valid}) IS NOT TRUE"
            bad.append(
                f"CASE WHEN {names[1]} IS NOT NULL AND {wrong} "
                f"THEN CAST({1 << position} AS BIGINT) ELSE 0 END"
            )
        day = ""
        if self.feed.event_time is not None:
            event = identifier(self.feed.event_time)
            local = (
                f"CAST(timezone({quoted(self._zone)}, {event}) AS DATE)"
                if self.feed.column(self.feed.event_time).sql_type == "TIMESTAMPTZ"
                else event
            )
            day = f", {local} AS _day"
        tried = "".join(
            f" WHEN {rule.condition} THEN {number}"
            for number, rule in enumerate(rules)
            if rule.condition is not None
        )
        verdict = f"CASE{tried} END" if tried else "NULL"
        query = (
            f"SELECT *{day}, CAST({verdict} AS SMALLINT) AS _rule FROM ("
            f"SELECT {', '.join(checked)}, {FILE}, {ROW}, row_number() OVER () AS _id, "
            f"CAST({' | '.join(bad) or '0'} AS BIGINT) AS _bad FROM ("
            f"SELECT {', '.join(values)}, {FILE}, {ROW} FROM ("
            f"SELECT {', '.join(given)}, {FILE}, {ROW} FROM ({mapping.relation}))))"
        )
        self._rows("DROP TABLE IF EXISTS _landing_checked")
        if size < _SPILL_BYTES:
            self._rows(f"CREATE TEMP TABLE _landing_checked AS {query}")
            self._checked = "_landing_checked"
        else:
            file = quoted(str(self._scratch / "checked.parquet"))
            self._rows(f"COPY ({query}) TO {file} (FORMAT parquet, COMPRESSION snappy)")
            self._checked = f"read_parquet({file})"

    def _keep_erased_out(self, rules: list[RowRule]) -> None:
        """Mark rows about who was erased, and empty what names them in other rows."""
        persons = [column.name for column in self.feed.columns if column.is_person]
        found = self._erased.among(self._connection, self._checked, persons)
        if not found:
            return
        listed = ", ".join(map(quoted, found))
        about = subject(self.feed)
        changed = {
            name: f"CASE WHEN {name} NOT IN ({listed}) THEN {name} END"
            for name in map(identifier, persons)
            if name != about
        }
        if about is not None:
            number = rules.index(ERASED)
            changed["_rule"] = (
                f"CASE WHEN {identifier(about)} IN ({listed}) "
                f"THEN CAST({number} AS SMALLINT) ELSE _rule END"
            )
        if self._checked == "_landing_checked":
            values = ", ".join(f"{name} = {value}" for name, value in changed.items())
            self._rows(f"UPDATE _landing_checked SET {values}")
        else:
            values = ", ".join(f"{value} AS {name}" for name, value in changed.items())
            self._checked = f"(SELECT * REPLACE ({values}) FROM {self._checked})"

    def _written(
        self,
        manifest: DeliveryManifest,
        mapping: Mapped,
        rules: list[RowRule],
        file_rows: dict[tuple[str, str], int],
        judge_people: bool,
        previous: DeliveryManifest | None,
        replaced: DeliveryManifest | None,
    ) -> DeliveryManifest:
        """Judge the checked rows as a whole, write both sides, count, and profile."""
        key = ", ".join(identifier(name) for name in self.feed.key)
        rows_in, bad, broken, distinct = self._rows(
            "SELECT count(*), coalesce(bit_or(_bad), 0), count(_rule), "
            f"count(DISTINCT hash({key})) FILTER (_rule IS NULL) FROM {self._checked}"
        )[0]
        if bad:
            raise self._wrong_types(mapping, bad)
        if mapping.counts_rows and rows_in != sum(file_rows.values()):
            raise RuntimeError(
                f"{manifest.feed} {manifest.delivery_id}: {sum(file_rows.values())} rows in the "
                f"files, {rows_in} after mapping"
            )
        if rows_in == 0 and self._is_snapshot:
            raise ContractProblem(
                f"the mapping of {self.feed.name} gives no row: a snapshot of nothing would end "
                "everything it described before.",
                file=manifest.files[0].path,
                remedy="correct the mapping, or send the whole snapshot.",
            )
        kept = "_rule IS NULL"
        extra = self._judged_together(rules, key, rows_in - broken > distinct)
        if extra:
            kept += " AND _id NOT IN (SELECT _id FROM _landing_rejected)"
        self._refuse_broken_tree(kept, manifest)

        contract = ", ".join(identifier(name) for name in self.feed.column_names)
        measured = self._measured(kept)
        days = sorted(measured.pop("_days", None) or [])
        accepted = self._write_accepted(manifest, contract, kept, key, days)
        reasons: dict[int, int] = {}
        rejected = 0
        if broken or extra:
            numbered = f"SELECT _id, _rule FROM {self._checked} WHERE _rule IS NOT NULL"
            if extra:
                numbered += " UNION ALL SELECT _id, _rule FROM _landing_rejected"
            rejected = self._write_rejected(manifest, rules, numbered)
            reasons = dict(
                self._rows(f"SELECT _rule, count(*) FROM ({numbered}) GROUP BY ALL ORDER BY ALL")
            )
        if rows_in != accepted + rejected:
            raise RuntimeError(
                f"{manifest.feed} {manifest.delivery_id}: {rows_in} rows in, {accepted} accepted, "
                f"{rejected} rejected"
            )
        self._sync()
        by_reason: dict[str, int] = {}
        for number, count in reasons.items():
            reason = rules[number].reason
            by_reason[reason] = by_reason.get(reason, 0) + count
        newest: date | None = manifest.delivery_date
        if self.feed.event_time is not None:
            newest = measured["newest_age_days"]
        erased = by_reason.get(ERASED.reason, 0)
        profile = {
            "rows_in": rows_in,
            "rows_accepted": accepted,
            "rows_rejected": rejected,
            "rejected_share": _share(rejected - erased, rows_in),
            "missing_columns": 0,
            "columns_not_supplied": len(self.feed.columns) - len(mapping.types),
            "files": len(manifest.files),
            "bytes": sum(file.bytes for file in manifest.files),
            "distinct_keys": distinct - by_reason.get(MANAGER_CYCLE.reason, 0),
        }
        for rule_id in rule_ids(self.feed):
            broken_here = sum(n for i, n in reasons.items() if rules[i].id == rule_id)
            profile[f"rejected_share__{rule_id}"] = _share(broken_here, rows_in)
        if self.feed.name in NAMING_A_PERSON:
            profile["persons_checked"] = int(judge_people)
        if self.feed.name == "people":
            profile["manager_cycle_rows"] = by_reason.get(MANAGER_CYCLE.reason, 0)
        profile |= _against_previous(manifest, previous, accepted)
        profile["redelivery_ratio"] = (
            _share(accepted, replaced.rows_accepted)
            if replaced is not None and replaced.rows_accepted
            else None
        )
        profile |= finished(manifest.delivery_date, measured)
        return manifest.model_copy(
            update={
                "files": [
                    file.model_copy(update={"rows": file_rows[file.view, file.path]})
                    for file in manifest.files
                ],
                "rows_in": rows_in,
                "rows_accepted": accepted,
                "rows_rejected": rejected,
                "rejected_by_reason": dict(sorted(by_reason.items())),
                "event_days": days,
                "newest_on": newest,
                "profile": profile,
            }
        )

    def _measured(self, kept: str) -> dict[str, Any]:
        wanted = measures(self.feed, self._zone)
        if self.feed.name == "activity":
            wanted["_days"] = "list(DISTINCT _day)"
        listed = ", ".join(f"{sql} AS {identifier(name)}" for name, sql in wanted.items())
        row = self._rows(f"SELECT {listed} FROM {self._checked} WHERE {kept}")[0]
        return dict(zip(wanted, row, strict=True))

    def _wrong_types(self, mapping: Mapped, bad: int) -> ContractProblem:
        """Values that do not have the contract's type: the first place, and how many."""
        faults = []
        for position, column in enumerate(self.feed.columns):
            if not bad >> position & 1:
                continue
            count, first = self._rows(
                f"SELECT count(*), min({{'file': {FILE}, 'row': {ROW}, 'id': _id}}) "
                f"FROM {self._checked} WHERE _bad & {1 << position} <> 0"
            )[0]
            faults.append((first["file"] or "", first["row"] or 0, first["id"], column, count))
        faults.sort(key=lambda fault: fault[:3])
        file, row, _, column, count = faults[0]
        written = {
            "DATE": f"a date written {self.declaration.date_format}",
            "TIMESTAMPTZ": f"a time written {self.declaration.timestamp_format or 'as ISO 8601'}",
            "BOOLEAN": "true or false",
            "INTEGER": "a whole number",
            "BIGINT": "a whole number",
        }.get(column.sql_type, f"a number that fits {column.sql_type}")
        source = mapping.sources.get(column.name, column.name)
        meant = "" if source == column.name else f" (the contract's {column.name})"
        number = "one value is" if count == 1 else f"{count} values are"
        others = ", ".join(
            f"{mapping.sources.get(c.name, c.name)} ({n})" for *_, c, n in faults[1:]
        )
        also = f" Likewise: {others}." if others else ""
        return ContractProblem(
            f"{number} not {written}{meant}; the first is "
            f"{f'in row {row}' if row else 'in a row of the mapping that joins files'}.{also}",
            file=file or None,
            column=source,
            row=row or None,
            remedy="correct the source, or declare the format that it has.",
        )

    def _judged_together(self, rules: list[RowRule], key: str, repeated: bool) -> int:
        """Rows that break a rule only beside others, into ``_landing_rejected``; how many."""
        numbers = {rule.id: number for number, rule in enumerate(rules)}
        order = f"{FILE}, {ROW}, _id"
        if self.declaration.delivery == "changes":  # the last change is the state at day's end
            order = f"{FILE} DESC, {ROW} DESC, _id DESC"
        free = f"{self._checked} WHERE _rule IS NULL"
        found = "SELECT NULL AS _id, NULL AS _rule WHERE false"
        if repeated:
            suspects = f"SELECT hash({key}) FROM {free} GROUP BY ALL HAVING count(*) > 1"
            found = (
                f"SELECT _id, {numbers[DUPLICATE.id]} AS _rule FROM ("
                f"SELECT _id, row_number() OVER (PARTITION BY {key} ORDER BY {order}) AS nth "
                f"FROM {free} AND hash({key}) IN ({suspects})) WHERE nth > 1"
            )
        in_circle: list[str] = []
        if self.feed.name == "people":
            rows = self._rows(
                f"SELECT _id, person_id, manager_id FROM {free} AND manager_id <> person_id "
                f"AND _id NOT IN (SELECT _id FROM ({found}))"
            )
            circle = manager_cycle((person, boss) for _, person, boss in rows)
            in_circle = [str(row_id) for row_id, person, _ in rows if person in circle]
            if in_circle:
                found += (
                    f" UNION ALL SELECT unnest([{', '.join(in_circle)}]), "
                    f"{numbers[MANAGER_CYCLE.id]}"
                )
        if not repeated and not in_circle:
            return 0
        self._rows(
            "CREATE OR REPLACE TEMP TABLE _landing_rejected AS "
            f"SELECT CAST(_id AS BIGINT) AS _id, CAST(_rule AS SMALLINT) AS _rule FROM ({found})"
        )
        return int(self._rows("SELECT count(*) FROM _landing_rejected")[0][0])

    def _refuse_broken_tree(self, kept: str, manifest: DeliveryManifest) -> None:
        """An organisation is one tree, or the delivery is refused: no roll-up would be right."""
        if self.feed.name != "org_units":
            return
        fault = org_tree_fault(
            self._rows(f"SELECT org_unit_id, parent_org_unit_id FROM {self._checked} WHERE {kept}")
        )
        if fault is not None:
            what, units, remedy = fault
            named = ", ".join(units[:10]) + (", ..." if len(units) > 10 else "")
            raise ContractProblem(
                f"{what}: {named or 'none'}.",
                file=manifest.files[0].path,
                column="parent_org_unit_id",
                remedy=f"{remedy}.",
            )

    def _write_accepted(
        self, manifest: DeliveryManifest, contract: str, kept: str, key: str, days: list[date]
    ) -> int:
        """Write the accepted rows, activity by event day; how many were written."""
        name = manifest.delivery_id
        rows = f"SELECT {contract}, {quoted(name)} AS delivery_id FROM {self._checked} WHERE {kept}"
        base = ("staged", self.feed.name, name)
        if self.feed.name != "activity":
            partition = raw_partition(self.feed, manifest.delivery_date.isoformat())
            return self._copy(f"{rows} ORDER BY {key}", *base, partition, f"{name}.parquet")
        if self._checked == "_landing_checked":
            return self._write_days(contract, kept, name, base)
        by_day = f"{rows} AND _day = DATE '{_DAY}'"
        if len(days) > _DAYS_TO_SPLIT:
            by_day = self._split(f"{contract}, _day", kept, name, contract)
        count = 0
        for day in days:
            of_day = by_day.replace(_DAY, day.isoformat())
            count += self._copy(
                f"{of_day} ORDER BY person_id, occurred_at, event_id",
                *base,
                raw_partition(self.feed, day.isoformat()),
                f"{name}.parquet",
            )
        return count

    def _write_days(self, contract: str, kept: str, name: str, base: tuple[str, ...]) -> int:
        """Write the days of a delivery that fits in memory; how many rows were written.

        Sorted once and cut by day: a COPY for each day costs milliseconds, and DuckDB's
        PARTITION_BY does not keep the order within the files.
        """
        import pyarrow as pa
        import pyarrow.compute as pc
        import pyarrow.parquet as pq

        query = (
            f"SELECT {contract}, {quoted(name)} AS delivery_id, _day FROM {self._checked} "
            f"WHERE {kept} ORDER BY _day, person_id, occurred_at, event_id"
        )
        table: pa.Table = self._connection.sql(query).to_arrow_table()
        rows, start = table.drop_columns("_day"), 0
        for counted in pc.value_counts(table["_day"]).to_pylist():  # in order of appearance
            partition = raw_partition(self.feed, counted["values"].isoformat())
            day = rows.slice(start, counted["counts"])
            start += day.num_rows
            parts = (*base, partition, f"{name}.parquet")
            if self.lake.is_local:
                self.lake.make_folder(*parts[:-1])
                target = self.lake.path(*parts)
                pq.write_table(day, target + ASIDE, compression="zstd")
                self._unsynced.append(target)
            else:
                sink = pa.BufferOutputStream()
                pq.write_table(day, sink, compression="zstd")
                self.lake.write_bytes(sink.getvalue().to_pybytes(), *parts)
        return start

    def _split(self, columns: str, kept: str, name: str, contract: str) -> str:
        """Split the checked rows by day on disk; the query of one day's rows, with ``_DAY`` for it.

        Reading everything once a day would cost days times rows.
        """
        folder = self._scratch / "days"
        self._rows(f"SET partitioned_write_flush_threshold = {_ROWS_TO_FLUSH}")
        self._rows(
            f"COPY (SELECT {columns} FROM {self._checked} WHERE {kept}) "
            f"TO {quoted(str(folder))} (FORMAT parquet, COMPRESSION snappy, "
            "PARTITION_BY (_day), OVERWRITE)"
        )
        files = quoted(f"{folder}/_day={_DAY}/*.parquet")
        return (
            f"SELECT {contract}, {quoted(name)} AS delivery_id "
            f"FROM read_parquet({files}, hive_partitioning = false)"
        )

    def _write_rejected(
        self, manifest: DeliveryManifest, rules: list[RowRule], numbered: str
    ) -> int:
        reasons = " ".join(
            f"WHEN {number} THEN {quoted(rule.reason)}" for number, rule in enumerate(rules)
        )
        fields = ", ".join(f"{identifier(c)} := c.{identifier(c)}" for c in self.feed.column_names)
        return self._copy(
            f"SELECT {quoted(manifest.delivery_id)} AS delivery_id, c.{FILE} AS source_file, "
            f"c.{ROW} AS row_number, CASE r._rule {reasons} END AS reason, "
            f"CASE WHEN r._rule <> {rules.index(ERASED)} "
            f"THEN CAST(to_json(struct_pack({fields})) AS VARCHAR) END AS row_json "
            f"FROM ({numbered}) AS r JOIN {self._checked} AS c USING (_id) "
            f"ORDER BY source_file, row_number, _id",
            *rejected_parts(manifest),
        )

    def _copy(self, query: str, *parts: str) -> int:
        """Write one Parquet file and return the rows written."""
        self.lake.make_folder(*parts[:-1])
        target = self.lake.path(*parts)
        written = target + ASIDE if self.lake.is_local else target
        count = self._rows(
            f"COPY ({query}) TO {quoted(written)} (FORMAT parquet, COMPRESSION zstd)"
        )[0][0]
        if self.lake.is_local:
            self._unsynced.append(target)
        return int(count)

    def _sync(self) -> None:
        """Have what was written on disk, whole, under its name; the manifest comes after."""
        for file in self._unsynced:
            with open(file + ASIDE, "rb") as handle:
                os.fsync(handle.fileno())
            os.replace(file + ASIDE, file)
        self._unsynced.clear()


def rejected_parts(manifest: DeliveryManifest) -> tuple[str, ...]:
    """Where the quarantined rows of a delivery lie in the lake."""
    return (
        "raw_rejected",
        manifest.feed,
        f"delivery_date={manifest.delivery_date.isoformat()}",
        f"{manifest.delivery_id}.parquet",
    )


def _against_previous(
    manifest: DeliveryManifest, previous: DeliveryManifest | None, accepted: int
) -> dict[str, Any]:
    if previous is None:
        return {"rows_of_previous": None, "volume_ratio": None, "days_since_previous": None}
    rows = previous.rows_accepted
    return {
        "rows_of_previous": rows,
        "volume_ratio": round(accepted / rows, 6) if rows else None,
        "days_since_previous": (manifest.delivery_date - previous.delivery_date).days,
    }


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
