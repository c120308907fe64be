"""Taking a person out of the lake: the one edit of raw deliveries that there is.

Rows about them go; where another row names them, that column is emptied, and of texts what tells of
them. Of quarantined rows that tell of them what they say is removed, while they still count. A
delivery that was edited says so in its manifest (``erasures``) and keeps the hash of what was
delivered: no close, no build and no note of late data is out of date for it. Published figures are
counts and stay; versions are folded from the edited snapshots again.

People come last: while anything else is left, their names and addresses can be looked up there.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.feeds.contract import CONTRACT, SNAPSHOTS, holds_persons
from orchestration.feeds.deliveries import manifests, rewrite_in_force, save_manifest
from orchestration.lake import Lake, identifier, quoted
from orchestration.operations.traces import Place, Traces
from orchestration.settings import FeedName, Settings
from orchestration.warehouse.fold import fold

_FIGURES = ("published", "evidence")
_BASIS = "basis.json"


@dataclass(frozen=True)
class _Edit:
    """How one Parquet file is to be written anew.

    Attributes:
        about: condition of the rows that go; None for none.
        values: of each column, what is to stand for a value.
        rows: how many go.
        left: how many stay.
    """

    file: str
    about: str | None
    values: Mapping[str, Mapping[str, str | None]]
    rows: int
    left: int


def names_and_addresses(lake: Lake, person_id: str) -> tuple[str, ...]:
    """Every name and address that a person was ever delivered with, rejected rows included."""
    found: set[str] = set()
    with lake.connect() as connection:
        for tree in ("raw", "staged", "versions"):
            under = (tree, "people") if tree != "versions" else (tree, "people.parquet")
            files = _parquet(lake, *under)
            if files:
                rows = connection.execute(
                    f"SELECT DISTINCT unnest([full_name, email]) FROM {_read(lake, files)} "
                    "WHERE person_id = $1",
                    [person_id],
                ).fetchall()
                found |= {str(row[0]).strip() for row in rows if row[0]}
        files = _parquet(lake, "raw_rejected", "people")
        if files:
            rows = connection.execute(
                "SELECT DISTINCT unnest([row_json ->> '$.full_name', row_json ->> '$.email']) "
                f"FROM {_read(lake, files)} WHERE row_json ->> '$.person_id' = $1",
                [person_id],
            ).fetchall()
            found |= {str(row[0]).strip() for row in rows if row[0]}
    return tuple(sorted(text for text in found if text))


def is_known(lake: Lake, person_id: str) -> bool:
    """Whether any delivered row is about a person."""
    with lake.connect() as connection:
        for feed in CONTRACT.values():
            files = [file for tree in ("raw", "staged") for file in _parquet(lake, tree, feed.name)]
            if "person_id" not in feed.column_names or not files:
                continue
            query = f"SELECT 1 FROM {_read(lake, files)} WHERE person_id = $1 LIMIT 1"
            if connection.execute(query, [person_id]).fetchone():
                return True
    return False


def namesakes(lake: Lake, traces: Traces) -> int:
    """How many others were delivered with one of their names or addresses."""
    files = lake.files("versions", "people.parquet")
    if not files or not traces.words:
        return 0
    listed = ", ".join(quoted(word.lower()) for word in traces.words)
    with lake.connect() as connection:
        row = connection.execute(
            f"SELECT count(DISTINCT person_id) FROM {_read(lake, files)} WHERE person_id <> $1 "
            f"AND (lower(full_name) IN ({listed}) OR lower(email) IN ({listed}))",
            [traces.person_id],
        ).fetchone()
    return int(row[0]) if row else 0


def in_figures(lake: Lake, traces: Traces) -> list[Place]:
    """What pages are made from, and what earlier editions stood on."""
    found = []
    with lake.connect() as connection:
        for tree, what in zip(_FIGURES, ("Published rows", "Evidence of editions"), strict=True):
            edits = _edits(lake, connection, traces, _parquet(lake, tree))
            if edits:
                act = partial(_edit_figures, lake, traces, edits)
                found.append(Place(f"{what}, files", len(edits), act))
    return found


def in_documents(lake: Lake, traces: Traces) -> list[Place]:
    """Manifests, closes, results of checks: what says a person's name in words."""
    told = [name for name in lake.files(suffix=".json") if traces.in_json(lake.read_bytes(name))]

    def act() -> None:
        for name in told:
            lake.write_json(traces.of_document(lake.read_json(name)), name)

    return [Place("Manifests and results of checks", len(told), act)] if told else []


def in_deliveries(settings: Settings, lake: Lake, traces: Traces, *, people: bool) -> list[Place]:
    """Raw and staged rows, versions and quarantine: of people, or of every other feed."""
    found = []
    feeds = [feed for feed in CONTRACT if (feed == "people") == people]
    with lake.connect() as connection:
        for feed in feeds:
            files = [*_parquet(lake, "raw", feed), *_parquet(lake, "staged", feed)]
            edits = _edits(lake, connection, traces, files)
            if edits:
                rows = sum(max(edit.rows, 1) for edit in edits)
                found.append(
                    Place(f"Delivered rows of {feed}", rows,
                          partial(_edit_deliveries, lake, traces, feed, edits))
                )  # fmt: skip
            if feed in SNAPSHOTS:
                folded = _edits(
                    lake, connection, traces, _parquet(lake, "versions", f"{feed}.parquet")
                )
                if folded:
                    declared = settings.feeds.get(feed)
                    changes = declared is not None and declared.delivery == "changes"
                    found.append(Place(f"Versions of {feed}", folded[0].rows or 1,
                                       partial(_fold_anew, lake, feed, changes)))  # fmt: skip
            said = _rejected(lake, connection, traces, feed)
            if said:
                found.append(Place(f"Quarantined rows of {feed}", sum(said.values()),
                                   partial(_silence, lake, traces, said)))  # fmt: skip
    return found


def _parquet(lake: Lake, *parts: str) -> list[str]:
    return lake.files(*parts, suffix=".parquet")


def _read(lake: Lake, files: Iterable[str], more: str = "") -> str:
    listed = ", ".join(quoted(lake.path(file)) for file in files)
    return f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true{more})"


# ---- what is to be edited ------------------------------------------------------------------


def _edits(
    lake: Lake, connection: duckdb.DuckDBPyConnection, traces: Traces, files: list[str]
) -> list[_Edit]:
    """The files of some that tell of them, with how they are to be written anew."""
    alike: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for file in files:
        alike[_texts(lake, file)].append(file)
    found = []
    for columns, group in alike.items():
        conditions = [_suspect(column, traces) for column in columns]
        if not conditions:
            continue
        rows = connection.execute(
            f"SELECT DISTINCT filename FROM {_read(lake, group, ', filename = true')} "
            f"WHERE {' OR '.join(conditions)}"
        ).fetchall()
        suspects = set(_read_by(lake, (str(row[0]) for row in rows), group))
        for file in group:
            if file in suspects:
                edit = _edit_of(lake, connection, traces, file, columns)
                if edit is not None:
                    found.append(edit)
    return found


def _read_by(lake: Lake, paths: Iterable[str], files: Iterable[str]) -> list[str]:
    """Which of some files of the lake DuckDB reads by these paths: a file system may spell them in
    its own way, up to the lake's root."""
    known = {lake.path(file): file for file in files}
    return [
        known[path] if path in known else next(f for f in files if path.endswith(f"/{f}"))
        for path in paths
    ]


def _texts(lake: Lake, file: str) -> tuple[str, ...]:
    """The columns of a file that hold texts."""
    with lake.opened(file) as handle:
        schema = pq.read_schema(handle)
    return tuple(
        name
        for name, kind in zip(schema.names, schema.types, strict=True)
        if pa.types.is_string(kind) or pa.types.is_large_string(kind)
    )


def _names_persons(column: str) -> bool:
    return column == "person" or holds_persons(column)


def _in_ids(traces: Traces) -> str:
    return f"IN ({', '.join(map(quoted, traces.ids))})"


def _suspect(column: str, traces: Traces) -> str:
    name = identifier(column)
    parts = [f"contains(lower({name}), lower({quoted(form)}))" for form in traces.forms]
    if traces.wholes:
        listed = ", ".join(map(quoted, sorted(traces.wholes)))
        parts.append(f"lower(trim({name})) IN ({listed})")
    if _names_persons(column):
        parts.append(f"{name} {_in_ids(traces)}")
    return " OR ".join(parts) or "false"


def _edit_of(
    lake: Lake,
    connection: duckdb.DuckDBPyConnection,
    traces: Traces,
    file: str,
    columns: Iterable[str],
) -> _Edit | None:
    source = _read(lake, [file])
    who = next((name for name in columns if name in ("person_id", "person")), None)
    about = None if who is None else f"{identifier(who)} {_in_ids(traces)}"
    condition = about or "false"
    counted = connection.execute(
        f"SELECT count(*) FILTER ({condition}), count(*) FROM {source}"
    ).fetchone()
    rows, total = counted or (0, 0)
    values: dict[str, dict[str, str | None]] = {}
    for column in columns:
        name = identifier(column)
        for (value,) in connection.execute(
            f"SELECT DISTINCT {name} FROM {source} WHERE ({_suspect(column, traces)}) "
            f"AND ({condition}) IS NOT TRUE"
        ).fetchall():
            if _names_persons(column) and value in traces.ids:
                values.setdefault(column, {})[value] = None
            elif traces.tells(value):
                values.setdefault(column, {})[value] = traces.without(value)
    if not rows and not values:
        return None
    return _Edit(file, about, values, rows, total - rows)


def _write(lake: Lake, connection: duckdb.DuckDBPyConnection, edit: _Edit) -> None:
    replaced = []
    for column, values in edit.values.items():
        name = identifier(column)
        cases = " ".join(
            f"WHEN {quoted(was)} THEN {'NULL' if now is None else quoted(now)}"
            for was, now in values.items()
        )
        replaced.append(f"CASE {name} {cases} ELSE {name} END AS {name}")
    columns = f"REPLACE ({', '.join(replaced)}) " if replaced else ""
    lake.write_parquet(
        connection,
        f"SELECT * EXCLUDE (file_row_number) {columns}"
        f"FROM {_read(lake, [edit.file], ', file_row_number = true')} "
        f"WHERE ({edit.about or 'false'}) IS NOT TRUE ORDER BY file_row_number",
        edit.file,
    )


# ---- editing -------------------------------------------------------------------------------


def _edit_figures(lake: Lake, traces: Traces, edits: list[_Edit]) -> None:
    with lake.connect() as connection:
        for edit in edits:
            folder = edit.file.rsplit("/", 1)[0]
            if edit.file.startswith("evidence/") and lake.exists(folder, _BASIS):
                basis = lake.read_json(folder, _BASIS)
                basis["erasures"] = sorted({*basis.get("erasures", []), traces.number})
                lake.write_json(basis, folder, _BASIS)
            _write(lake, connection, edit)


def _edit_deliveries(lake: Lake, traces: Traces, feed: FeedName, edits: list[_Edit]) -> None:
    """Counts first: a file that still tells of them is found again, whatever was interrupted."""
    left = {edit.file: edit.left for edit in edits}
    files: dict[str, list[str]] = defaultdict(list)
    for tree in ("raw", "staged"):
        for file in _parquet(lake, tree, feed):
            files[_delivery_of(file)].append(file)
    edited = {_delivery_of(edit.file) for edit in edits}
    for manifest in manifests(lake, feed):
        if manifest.delivery_id in edited:
            accepted = sum(
                left[file] if file in left else _rows(lake, file)
                for file in files[manifest.delivery_id]
            )
            counted = {
                "rows_accepted": accepted,
                "rows_in": accepted + manifest.rows_rejected,
                "erasures": sorted({*manifest.erasures, traces.number}),
            }
            save_manifest(lake, manifest.model_copy(update=counted))
    rewrite_in_force(lake, feed)
    with lake.connect() as connection:
        for edit in edits:
            _write(lake, connection, edit)


def _delivery_of(file: str) -> str:
    return file.rsplit("/", 1)[1].removesuffix(".parquet")


def _rows(lake: Lake, file: str) -> int:
    with lake.opened(file) as handle:
        return int(pq.read_metadata(handle).num_rows)


def _fold_anew(lake: Lake, feed: FeedName, changes: bool) -> None:
    fold(lake, feed, changes=changes, anew=True)


def _rejected(
    lake: Lake, connection: duckdb.DuckDBPyConnection, traces: Traces, feed: FeedName
) -> dict[str, int]:
    """Quarantine files whose rows tell of them, and how many rows do."""
    files = _parquet(lake, "raw_rejected", feed)
    if not files:
        return {}
    parts = [f"contains(lower(row_json), lower({quoted(form)}))"
             for form in (*traces.forms, json.dumps(traces.person_id))]  # fmt: skip
    rows = connection.execute(
        f"SELECT filename, row_json FROM {_read(lake, files, ', filename = true')} "
        f"WHERE {' OR '.join(parts)}"
    ).fetchall()
    told = [str(file) for file, row in rows if traces.in_document(json.loads(row))]
    return Counter(_read_by(lake, told, files))


def _silence(lake: Lake, traces: Traces, said: Mapping[str, int]) -> None:
    def telling(rows: Iterable[tuple[Any, ...]]) -> Iterator[int]:
        for number, row in rows:
            if row is not None and traces.in_document(json.loads(row)):
                yield number

    with lake.connect() as connection:
        for file in said:
            source = _read(lake, [file], ", file_row_number = true")
            rows = connection.execute(f"SELECT file_row_number, row_json FROM {source}").fetchall()
            numbers = ", ".join(map(str, telling(rows)))
            lake.write_parquet(
                connection,
                "SELECT * EXCLUDE (file_row_number) REPLACE ("
                f"CASE WHEN file_row_number NOT IN ({numbers}) THEN row_json END AS row_json) "
                f"FROM {source} ORDER BY file_row_number",
                file,
            )
