"""Landing: a delivery's files become staged Parquet, quarantined rows and a manifest.

Nothing lands twice: files that were landed for their date already change nothing. Nothing lands
half: a file still being written is left for later, a delivery that breaks its contract is refused
as a whole, and staged rows are invisible until quality has judged and published them.

``rows_in = rows_accepted + rows_rejected`` is checked, not computed: rows in are counted on the
source, accepted and rejected rows as they are written. A difference stops the landing.

Layout: accepted rows ``staged/<feed>/<delivery_id>/<partition>/<delivery_id>.parquet``, rejected
rows ``raw_rejected/<feed>/delivery_date=<date>/<delivery_id>.parquet``, the manifest last.

Sequences. Without ``{sequence}`` in its names a delivery is compared with the last one landed for
its date: other content, or the same content under a changed mapping, is the next sequence. With
it, the number in the name is used unless a higher one has landed; the same files again, or the
content of any delivery that this number cannot supersede, are duplicates.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
from filelock import FileLock, Timeout

from orchestration.feeds.arrivals import (
    Delivery,
    StillBeingWritten,
    declared,
    find_deliveries,
    is_young,
)
from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import (
    DeliveredFile,
    DeliveryManifest,
    delivery_id,
    in_force,
    initialise,
    raw_partition,
    save_manifest,
)
from orchestration.feeds.mapping import Mapped, check_declaration, conversion, mapped
from orchestration.feeds.profile import finished, measures
from orchestration.feeds.readers import (
    FILE,
    ROW,
    ContractProblem,
    Source,
    explained,
    inspect,
    opened,
)
from orchestration.feeds.rules import (
    DUPLICATE,
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

__all__ = [
    "Delivery",
    "LandingSession",
    "Outcome",
    "StillBeingWritten",
    "find_deliveries",
    "land",
    "land_range",
    "reland",
]

_SPILL_BYTES = 64 << 20  # above it the checked rows go through a scratch file, not memory
_DAYS_TO_SPLIT = 4  # with more event days, spilled rows are split by day before they are sorted
_DAY = "<day>"
_ROWS_TO_FLUSH = 20_000  # of one day held in memory while splitting
_FOLDED = b"folded"  # the key under which a versions file names the deliveries it stands on

Status = Literal["landed", "refused", "duplicate", "deferred", "waiting"]


@dataclass(frozen=True)
class Outcome:
    """What became of one delivery that was found.

    Attributes:
        manifest: of the landed or refused delivery, or of the earlier one that it repeats.
        note: why it was refused, waits or was deferred.
    """

    delivery: Delivery
    status: Status
    manifest: DeliveryManifest | None = None
    note: str = ""


def land(settings: Settings, lake: Lake, feed: FeedName, delivery: Delivery) -> DeliveryManifest:
    """Land one delivery; for one that was landed before, the manifest it has.

    Raises:
        StillBeingWritten: a file is partial, young, missing, or changed while it was read.
        Problem: the feed's declaration is wrong.
    """
    with LandingSession(settings, lake, feed) as session:
        return session.land(delivery)[0]


def land_range(
    settings: Settings, lake: Lake, feed: FeedName, first: date, last: date
) -> list[Outcome]:
    """Land every delivery of the feed whose date lies in ``first``..``last``.

    Raises:
        Problem: the feed's declaration is wrong. A fault of a delivery is in its outcome.
    """
    deliveries = find_deliveries(settings, feed, first, last)
    outcomes: list[Outcome] = []
    with LandingSession(settings, lake, feed) as session:
        for delivery in deliveries:
            if delivery.status != "ready":
                outcomes.append(Outcome(delivery, delivery.status, note=delivery.note))
                continue
            try:
                manifest, is_new = session.land(delivery)
            except StillBeingWritten as problem:
                outcomes.append(Outcome(delivery, "deferred", note=str(problem)))
                continue
            status: Status = "landed"
            if not is_new:
                status = "duplicate"
            elif manifest.contract_problem is not None:
                status = "refused"
            outcomes.append(Outcome(delivery, status, manifest, manifest.contract_problem or ""))
    return outcomes


def reland(settings: Settings, lake: Lake, feed: FeedName, delivery_id: str) -> DeliveryManifest:
    """Land the files of an earlier delivery again, as the next sequence of its date.

    Rows that were quarantined for what has since arrived (people, say) are then judged anew.

    Raises:
        Problem: the delivery is not known, or its files are gone or have changed.
    """
    with LandingSession(settings, lake, feed) as session:
        return session.reland(delivery_id)


class LandingSession:
    """One DuckDB connection, one lock and one scratch folder for landing deliveries of one feed."""

    def __init__(self, settings: Settings, lake: Lake, feed: FeedName) -> None:
        self.settings = settings
        self.lake = lake
        self.feed = CONTRACT[feed]
        self.declaration = declared(settings, feed)
        self._zone = settings.organisation.time_zone
        self._lock = FileLock(settings.home / "locks" / f"landing-{feed}.lock")
        self._people: bool | None = None
        self._history: dict[date, dict[int, DeliveryManifest | None]] = {}
        self._session_zone = "UTC"
        self._checked = ""

    def __enter__(self) -> LandingSession:
        Path(self._lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire(timeout=self.settings.duckdb.lock_timeout_seconds)
        except Timeout as error:
            raise Problem(
                f"another process is landing {self.feed.name}.",
                file=self._lock.lock_file,
                remedy="wait for it to finish, then try again.",
            ) from error
        try:
            initialise(self.lake)
            scratch = self.settings.home / "scratch"
            scratch.mkdir(parents=True, exist_ok=True)
            self._scratch = Path(tempfile.mkdtemp(prefix=f"landing-{self.feed.name}-", dir=scratch))
            self._connection = self.lake.connect()
            for statement in (
                f"SET temp_directory = {quoted(str(self._scratch / 'spill'))}",
                "SET preserve_insertion_order = true",
                "SET python_enable_replacements = false",
            ):
                self._rows(statement)
            check_declaration(self._connection, self.feed, self.declaration)
            self._history = self._landed_so_far()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if hasattr(self, "_connection"):
            self._connection.close()
        if hasattr(self, "_scratch"):
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._lock.release()

    def _rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self._connection.execute(sql).fetchall()

    # History: manifests by date and sequence, read when they are needed.

    def _landed_so_far(self) -> dict[date, dict[int, DeliveryManifest | None]]:
        found: dict[date, dict[int, DeliveryManifest | None]] = {}
        for file in self.lake.files("deliveries", self.feed.name, suffix=".json"):
            name = file.rsplit("/", 1)[1].removesuffix(".json")
            found.setdefault(date.fromisoformat(name[:10]), {})[int(name[11:])] = None
        return found

    def _manifest(self, day: date, sequence: int) -> DeliveryManifest:
        manifest = self._history[day][sequence]
        if manifest is None:
            name = f"{delivery_id(day, sequence)}.json"
            manifest = DeliveryManifest.model_validate(
                self.lake.read_json("deliveries", self.feed.name, name)
            )
            self._history[day][sequence] = manifest
        return manifest

    def _previous(self, day: date) -> DeliveryManifest | None:
        """The last earlier delivery that was not refused."""
        for earlier in sorted((d for d in self._history if d < day), reverse=True):
            for sequence in sorted(self._history[earlier], reverse=True):
                manifest = self._manifest(earlier, sequence)
                if manifest.verdict != "refused":
                    return manifest
        return None

    def _declaration_hash(self) -> str:
        """Of everything but the files that decides what a delivery's rows become."""
        decides = self.declaration.model_dump(
            mode="json",
            include={
                "format",
                "delivery",
                "delimiter",
                "quote",
                "encoding",
                "null_values",
                "sheet",
                "date_format",
                "timestamp_format",
                "time_zone",
                "columns",
                "select",
                "reject",
            },
        )
        decides["zone"] = self._zone
        decides["longest"] = self.settings.landing.max_field_characters
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

    def _repeats(
        self, delivery: Delivery, content: str, paths: set[str]
    ) -> DeliveryManifest | None:
        """The landed delivery that this one repeats (see the module's description)."""
        landed = self._history.get(delivery.delivery_date, {})
        if not landed:
            return None
        highest = max(landed)
        mapping = self._declaration_hash()
        for sequence in sorted(landed, reverse=True):
            manifest = self._manifest(delivery.delivery_date, sequence)
            if (manifest.content_hash, manifest.declaration_hash) != (content, mapping):
                continue
            if sequence == highest:
                return manifest
            if delivery.sequence is not None and (
                delivery.sequence <= highest or {f.path for f in manifest.files} == paths
            ):
                return manifest
        return None

    def _next_sequence(self, delivery: Delivery) -> int:
        highest = max(self._history.get(delivery.delivery_date, {0: None}))
        named = delivery.sequence or 0
        sequence = named if named > highest else highest + 1
        if sequence > 999:
            raise Problem(
                f"{delivery.label}: more than 999 deliveries of {self.feed.name} for one date.",
                remedy="find out what sends the same date again and again.",
            )
        return sequence

    # Landing

    def land(self, delivery: Delivery, *, again: bool = False) -> tuple[DeliveryManifest, bool]:
        """Land one delivery; the flag says whether it is new (else: the manifest it repeats).

        Args:
            again: land it even if it repeats an earlier one.

        Raises:
            StillBeingWritten: a file is partial, young, missing, or changed while it was read.
        """
        if delivery.status != "ready":
            raise StillBeingWritten(f"{delivery.label}: {delivery.note}.")
        before = self._stamps(delivery)
        problem: ContractProblem | None = None
        sources: list[Source] = []
        try:
            for view, paths in delivery.files.items():
                for path in paths:
                    name = path.relative_to(self.settings.landing_folder).as_posix()
                    try:
                        sources.append(inspect(path, name, view, self.declaration, self._scratch))
                    except ContractProblem as found:
                        problem = problem or found
                        sources.append(_unreadable(path, name, view))
            content = _content_hash(sources)
            if not again:
                earlier = self._repeats(delivery, content, {s.name for s in sources})
                if earlier is not None:
                    return earlier, False
            self._unchanged(delivery, before)
            manifest = DeliveryManifest(
                feed=self.feed.name,
                delivery_id=delivery_id(delivery.delivery_date, self._next_sequence(delivery)),
                delivery_date=delivery.delivery_date,
                sequence=self._next_sequence(delivery),
                files=[
                    DeliveredFile(view=s.view, path=s.name, sha256=s.sha256, bytes=s.size)
                    for s in sources
                ],
                content_hash=content,
                declaration_hash=self._declaration_hash(),
                landed_at=datetime.now(UTC),
            )
            self._discard(manifest)  # what a landing that died may have left
            try:
                if problem is not None:
                    raise problem
                manifest = self._staged(manifest, sources)
            except ContractProblem as found:
                self._discard(manifest)
                manifest = manifest.model_copy(
                    update={"contract_problem": str(found), "verdict": "refused"}
                )
            try:
                self._unchanged(delivery, before)
            except StillBeingWritten:
                self._discard(manifest)
                raise
        finally:
            for source in sources:
                if source.text != source.path:
                    source.text.unlink(missing_ok=True)
        save_manifest(self.lake, manifest)
        self._history.setdefault(manifest.delivery_date, {})[manifest.sequence] = manifest
        return manifest, True

    def reland(self, name: str) -> DeliveryManifest:
        """See the function of this name."""
        day, sequence = date.fromisoformat(name[:10]), int(name[11:])
        if sequence not in self._history.get(day, {}):
            raise Problem(
                f"{self.feed.name} has no delivery {name}.",
                remedy="the deliveries folder of the lake lists those there are.",
            )
        earlier = self._manifest(day, sequence)
        files: dict[str, list[Path]] = {}
        for file in earlier.files:
            path = self.settings.landing_folder / file.path
            if not path.exists() or _sha256(path) != file.sha256:
                raise Problem(
                    "the delivered file is gone or has changed since.",
                    file=file.path,
                    remedy="restore it, or send the delivery again.",
                )
            files.setdefault(file.view, []).append(path)
        delivery = Delivery(
            self.feed.name, day, None, {view: tuple(paths) for view, paths in files.items()}
        )
        return self.land(delivery, again=True)[0]

    def _stamps(self, delivery: Delivery) -> dict[Path, tuple[int, int, int]]:
        stamps = {}
        for paths in delivery.files.values():
            for path in paths:
                try:
                    stat = path.stat()
                except FileNotFoundError as error:
                    raise StillBeingWritten("the file is gone.", file=str(path)) from error
                stamps[path] = (stat.st_size, stat.st_mtime_ns, stat.st_ino)
                if is_young(path, self.settings.landing.settle_seconds):
                    raise StillBeingWritten(
                        "the file may still be being written.",
                        file=path.relative_to(self.settings.landing_folder).as_posix(),
                        remedy="it is landed by the next run, once it has settled.",
                    )
        return stamps

    def _unchanged(self, delivery: Delivery, before: dict[Path, tuple[int, int, int]]) -> None:
        for path, stamp in before.items():
            name = path.relative_to(self.settings.landing_folder).as_posix()
            try:
                stat = path.stat()
            except FileNotFoundError as error:
                raise StillBeingWritten("the file went while it was read.", file=name) from error
            if (stat.st_size, stat.st_mtime_ns, stat.st_ino) != stamp:
                raise StillBeingWritten(
                    "the file changed while it was read.",
                    file=name,
                    remedy="it is landed by the next run, once it has settled.",
                )

    def _discard(self, manifest: DeliveryManifest) -> None:
        self.lake.remove("staged", self.feed.name, manifest.delivery_id)
        self.lake.remove(*self._rejected_parts(manifest))

    def _rejected_parts(self, manifest: DeliveryManifest) -> tuple[str, ...]:
        return (
            "raw_rejected",
            self.feed.name,
            f"delivery_date={manifest.delivery_date.isoformat()}",
            f"{manifest.delivery_id}.parquet",
        )

    def _staged(self, manifest: DeliveryManifest, sources: list[Source]) -> DeliveryManifest:
        """Stage accepted rows, quarantine the others; the manifest with its counts and profile.

        Raises:
            ContractProblem: the delivery breaks its contract.
        """
        by_view: dict[str, list[Source]] = {}
        numbered: list[Source] = []
        try:
            for number, source in enumerate(sources):
                numbered.append(opened(self._connection, source, self.declaration, number))
                by_view.setdefault(source.view, []).append(numbered[-1])
            self._set_zone(self.declaration.time_zone or "UTC")
            mapping = mapped(self._connection, self.feed.name, self.declaration, by_view)
            file_rows = self._file_rows(by_view)
            judge_people = self.feed.name in NAMING_A_PERSON and self._people_known()
            rules = row_rules(
                self.feed, self.declaration, self.settings, manifest.delivery_date, judge_people
            )
            self._check(mapping, rules, sum(s.size for s in sources))
        except duckdb.Error as error:
            raise self._explained(error, numbered or sources) from error
        finally:
            self._set_zone("UTC")
        try:
            return self._written(manifest, mapping, rules, file_rows, judge_people)
        finally:
            for view in self.declaration.files if self.declaration.select else ():
                self._rows(f"DROP VIEW IF EXISTS {identifier(view)}")
            for source in numbered:
                if source.table is not None:
                    self._rows(f"DROP TABLE IF EXISTS {source.table}")

    def _set_zone(self, zone: str) -> None:
        if zone != self._session_zone:
            self._rows(f"SET TimeZone = {quoted(zone)}")
            self._session_zone = zone

    def _explained(self, error: duckdb.Error, sources: list[Source]) -> Problem:
        """A DuckDB error as the delivery's fault, or as the declaration's where it is that."""
        if isinstance(error, duckdb.BinderException | duckdb.CatalogException):
            return Problem(
                f"[feeds.{self.feed.name}] cannot be run: {str(error).splitlines()[0]}",
                remedy="correct the SQL of its `reject` conditions or its mapping.",
            )
        if isinstance(error, duckdb.ConversionException | duckdb.OutOfRangeException):
            return ContractProblem(
                f"the SQL of [feeds.{self.feed.name}] met a value that it cannot convert.",
                remedy="use TRY_CAST in the mapping, or select the text and let the contract's "
                "type be read from it, which names the row.",
            )
        if isinstance(error, duckdb.OutOfMemoryException):
            raise error
        return explained(error, sources, self.declaration)

    def _file_rows(self, by_view: dict[str, list[Source]]) -> dict[str, int]:
        """Data rows of each file, counted on the source alone; refuses an empty snapshot."""
        counted: dict[str, int] = {}
        for files in by_view.values():
            for source in files:
                counted[source.name] = int(
                    self._rows(f"SELECT count(*) FROM {source.relation}")[0][0]
                )
        for files in by_view.values():
            if self._is_snapshot and not any(counted[source.name] for source in files):
                raise ContractProblem(
                    "the file has a header and no row: a snapshot of nothing would end everything "
                    "it described before.",
                    file=files[0].name,
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
                if f"{row['delivery_id']}:{row['content_hash'][:16]}" not in folded
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
                f"CASE WHEN {names[1]} IS NOT NULL AND {wrong} THEN {1 << position} ELSE 0 END"
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
            f"CAST({' | '.join(bad) or '0'} AS INTEGER) AS _bad FROM ("
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

    def _written(
        self,
        manifest: DeliveryManifest,
        mapping: Mapped,
        rules: list[RowRule],
        file_rows: dict[str, int],
        judge_people: bool,
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
        by_reason: dict[str, int] = {}
        for number, count in reasons.items():
            reason = rules[number].reason
            by_reason[reason] = by_reason.get(reason, 0) + count
        newest: date | None = manifest.delivery_date
        if self.feed.event_time is not None:
            newest = measured["newest_age_days"]
        profile = {
            "rows_in": rows_in,
            "rows_accepted": accepted,
            "rows_rejected": rejected,
            "rejected_share": _share(rejected, rows_in),
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
        profile |= self._against_previous(manifest.delivery_date, accepted)
        profile |= finished(manifest.delivery_date, measured)
        return manifest.model_copy(
            update={
                "files": [
                    file.model_copy(update={"rows": file_rows[file.path]})
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

    def _against_previous(self, day: date, accepted: int) -> dict[str, Any]:
        previous = self._previous(day)
        if previous is None:
            return {"rows_of_previous": None, "volume_ratio": None, "days_since_previous": None}
        rows = previous.rows_accepted
        return {
            "rows_of_previous": rows,
            "volume_ratio": round(accepted / rows, 6) if rows else None,
            "days_since_previous": (day - previous.delivery_date).days,
        }

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
        also = f" So it is in {others}." if others else ""
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
        by_day = f"{rows} AND _day = DATE '{_DAY}'"
        if self._checked != "_landing_checked" and len(days) > _DAYS_TO_SPLIT:
            by_day = self._split(f"{contract}, _day", kept, name, contract)
        count = 0
        for day in days:  # DuckDB's PARTITION_BY does not keep an order within the files
            count += self._copy(
                f"{by_day.replace(_DAY, day.isoformat())} ORDER BY person_id, occurred_at, event_id",
                *base,
                raw_partition(self.feed, day.isoformat()),
                f"{name}.parquet",
            )
        return count

    def _split(self, columns: str, kept: str, name: str, contract: str) -> str:
        """Split the checked rows by day on disk; the query of one day's rows (``_DAY`` stands for it).

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
            f"CAST(to_json(struct_pack({fields})) AS VARCHAR) AS row_json "
            f"FROM ({numbered}) AS r JOIN {self._checked} AS c USING (_id) "
            f"ORDER BY source_file, row_number, _id",
            *self._rejected_parts(manifest),
        )

    def _copy(self, query: str, *parts: str) -> int:
        """Write one Parquet file and return the rows written."""
        self.lake.make_folder(*parts[:-1])
        target = self.lake.path(*parts)
        count = self._rows(
            f"COPY ({query}) TO {quoted(target)} (FORMAT parquet, COMPRESSION zstd)"
        )[0][0]
        if self.lake.is_local:
            with open(target, "rb") as handle:
                os.fsync(handle.fileno())
        return int(count)


def _unreadable(path: Path, name: str, view: str) -> Source:
    """A file that broke the contract while it was inspected: its bytes still have a hash."""
    return Source(view, name, path, path, _sha256(path), path.stat().st_size)


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def _content_hash(sources: list[Source]) -> str:
    """Of what was delivered, whatever the files are called."""
    parts = sorted(f"{source.view}:{source.sha256}" for source in sources)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _share(part: int, whole: int) -> float:
    return round(part / whole, 6) if whole else 0.0
