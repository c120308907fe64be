"""From a delivery's views to the contract's columns: the declaration's ``columns`` or ``select``.

A declaration is configuration that people other than the operator may write, so its SQL is held to
what a mapping needs: one SELECT over the delivery's own views. It is parsed (never matched as
text) and refused when it names another table, a file, a schema, or a function that reads.

Types. Text becomes the contract's type by the declaration's formats; a text that does not parse
makes the delivery break its contract. Nothing is rounded on the way: ``3.7`` is no whole number,
``2026-10-31 08:00`` is no date. Without ``timestamp_format`` a time is ISO 8601, with an offset or
in the feed's time zone. Years before 1900 are taken for misread ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import duckdb

from orchestration.feeds.contract import CONTRACT, Column, Feed
from orchestration.feeds.readers import (
    FILE,
    ROW,
    XLSX_TIME,
    ContractProblem,
    Source,
    json_relation,
    missing_column,
    union,
)
from orchestration.lake import identifier, quoted
from orchestration.problems import Problem
from orchestration.settings import FeedName, FeedSettings

_TABLE_FUNCTIONS = {"unnest", "generate_series", "range"}
_READING_FUNCTION = re.compile(
    r"^(read_|parquet_|sniff_|scan_|query|glob$|getenv|getvariable|current_setting|pragma_|duckdb_"
    r"|which_secret|nextval|currval|pg_|sql_auto|json_execute|write_|copy|.*_scan$)"
)
_REFUSED_NODES = {"SHOW_REF", "COLUMN_DATA", "DELIM_GET", "BOUND_TABLE_REF"}
_VIEW_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


@dataclass(frozen=True)
class Mapped:
    """A mapping made concrete for one delivery.

    Attributes:
        relation: SQL with one output column a supplied contract column, of the source's type, and
            ``_file`` and ``_row`` (null where a row has no one source row).
        types: supplied contract column to the DuckDB type it has there.
        sources: supplied contract column to its name in the source, where it is one column.
        counts_rows: whether the mapping keeps every source row (so the counts must agree).
    """

    relation: str
    types: Mapping[str, str]
    sources: Mapping[str, str]
    counts_rows: bool


def check_declaration(
    connection: duckdb.DuckDBPyConnection, feed: Feed, declaration: FeedSettings
) -> None:
    """Refuse a declaration that no delivery could satisfy or that reads what it must not.

    Raises:
        Problem: names the setting and the remedy.
    """
    where = f"[feeds.{feed.name}]"
    for view in declaration.files:
        if not _VIEW_NAME.fullmatch(view):
            raise Problem(
                f"{where} files: {view!r} is not a name that SQL can use.",
                remedy="use letters, digits and underscores, a letter first.",
            )
    for column in declaration.columns or {}:
        if column not in feed.column_names:
            raise _not_in_contract(feed, column, f"{where} columns")
    if declaration.columns is None and declaration.select is None and len(declaration.files) > 1:
        raise Problem(
            f"{where} has several files and no mapping.",
            remedy="add a `select` that says how they join.",
        )
    if declaration.select is not None:
        _parsed(connection, declaration.select, set(declaration.files), f"{where} select")
    for reason, condition in declaration.reject.items():
        _parsed(connection, f"SELECT ({condition}\n)", set(), f"{where} reject {reason!r}")


def _parsed(
    connection: duckdb.DuckDBPyConnection, sql: str, views: set[str], where: str
) -> dict[str, Any]:
    """The syntax tree of one harmless SELECT.

    Raises:
        Problem: it is not one SELECT, or reads something else than the views.
    """
    remedy = "write one SELECT over the views that `files` names, and nothing else."
    text = connection.execute("SELECT json_serialize_sql(?::VARCHAR)", [sql]).fetchall()[0][0]
    tree: dict[str, Any] = json.loads(text)
    if tree.get("error"):
        raise Problem(f"{where}: {tree.get('error_message')}", remedy=remedy)
    if len(tree["statements"]) != 1:
        raise Problem(f"{where}: {len(tree['statements'])} statements.", remedy=remedy)
    allowed = {view.lower() for view in views} | {name.lower() for name in _cte_names(tree)}
    for node in _nodes(tree):
        kind = node.get("type")
        if kind in _REFUSED_NODES:
            raise Problem(f"{where}: this kind of query is not a mapping.", remedy=remedy)
        if kind == "BASE_TABLE":
            path = (node.get("qualified_name") or {}).get("path") or [node["table_name"]]
            qualified = node.get("schema_name") or node.get("catalog_name") or len(path) > 1
            if qualified or node["table_name"].lower() not in allowed:
                raise Problem(
                    f"{where} reads {'.'.join(path)!r}, which is none of the delivery's views "
                    f"({', '.join(sorted(views)) or 'none here'}).",
                    remedy=remedy,
                )
        elif kind == "TABLE_FUNCTION":
            name = str(node["function"].get("function_name", "")).lower()
            if name not in _TABLE_FUNCTIONS:
                raise Problem(f"{where} reads through {name}().", remedy=remedy)
        elif node.get("class") == "FUNCTION":
            name = str(node.get("function_name", "")).lower()
            if name not in _TABLE_FUNCTIONS and _READING_FUNCTION.match(name):
                raise Problem(f"{where} calls {name}().", remedy=remedy)
    return tree


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    pending = [value]
    while pending:
        current = pending.pop()
        if isinstance(current, dict):
            yield current
            pending.extend(current.values())
        elif isinstance(current, list):
            pending.extend(current)


def _cte_names(tree: Any) -> set[str]:
    names: set[str] = set()
    for node in _nodes(tree):
        entries = (node.get("cte_map") or {}).get("map") or []
        names.update(str(entry["key"]) for entry in entries)
        if node.get("type") in ("CTE_NODE", "RECURSIVE_CTE_NODE") and node.get("cte_name"):
            names.add(str(node["cte_name"]))
    return names


def _not_in_contract(
    feed: Feed, column: str, where: str, kind: Callable[..., Problem] = Problem
) -> Problem:
    from difflib import get_close_matches

    close = get_close_matches(column, feed.column_names, 1, 0.5)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return kind(
        f"{where}: the feed {feed.name} has no column {column!r}.{hint}",
        remedy=f"its columns are {', '.join(feed.column_names)}.",
    )


def mapped(
    connection: duckdb.DuckDBPyConnection,
    feed_name: FeedName,
    declaration: FeedSettings,
    sources: Mapping[str, list[Source]],
) -> Mapped:
    """Resolve the mapping against the delivered files. Creates their views for a ``select``.

    Raises:
        ContractProblem: a source column or a required contract column is missing.
    """
    feed = CONTRACT[feed_name]
    if declaration.select is not None:
        return _by_select(connection, feed, declaration, sources)
    (files,) = sources.values()
    wanted = dict(declaration.columns or {name: name for name in feed.column_names})
    for column in feed.columns:
        if column.required and column.name not in wanted:
            raise ContractProblem(
                f"the mapping of {feed.name} does not give {column.name}, which every row needs.",
                column=column.name,
                remedy=f"add {column.name} to [feeds.{feed.name}] columns.",
            )
    files = [_resolved(feed, declaration, source, wanted) for source in files]
    cased = {name.lower(): name for name in files[0].columns}
    names = [cased.get(source.lower(), source) for source in dict.fromkeys(wanted.values())]
    view = union(files, names)
    columns = {name: cased.get(wanted[name].lower(), wanted[name]) for name in wanted}
    outputs = ", ".join(f"{identifier(source)} AS {identifier(c)}" for c, source in columns.items())
    relation = f"SELECT {outputs}, {FILE}, {ROW} FROM ({view})"
    types = (
        _types(connection, relation)
        if declaration.format == "parquet"
        else dict.fromkeys(columns, "VARCHAR")
    )
    return Mapped(relation, types, columns, counts_rows=True)


def _resolved(
    feed: Feed, declaration: FeedSettings, source: Source, wanted: Mapping[str, str]
) -> Source:
    """The source with every wanted column, whatever the case of its header.

    In JSON lines a key that no record has may be left out where the contract allows null, unless
    an unmapped key looks like the same one renamed.

    Raises:
        ContractProblem: a column is missing.
    """
    from difflib import get_close_matches

    have = {name.lower() for name in source.columns}
    absent = {c: name for c, name in wanted.items() if name.lower() not in have}
    if not absent:
        return source
    mapped_names = {name.lower() for name in wanted.values()}
    spare = sorted(have - mapped_names)
    for column, name in absent.items():
        renamed = get_close_matches(name.lower(), spare, 1, 0.6)
        if declaration.format != "jsonl" or feed.column(column).required or renamed:
            raise missing_column(source.place, name, source.columns, wanted.values())
    columns = (*source.columns, *dict.fromkeys(absent.values()))
    return replace(source, columns=columns, relation=json_relation(source, declaration, columns))


def _types(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, str]:
    """Type of each output column but the two of the reader."""
    described = connection.execute(f"DESCRIBE {relation}").fetchall()
    return {row[0]: row[1] for row in described if row[0] not in (FILE, ROW)}


def _by_select(
    connection: duckdb.DuckDBPyConnection,
    feed: Feed,
    declaration: FeedSettings,
    sources: Mapping[str, list[Source]],
) -> Mapped:
    select = (declaration.select or "").strip().rstrip(";")
    where = f"[feeds.{feed.name}] select"
    tree = _parsed(connection, select, set(declaration.files), where)
    for view, files in sources.items():
        if declaration.format == "jsonl" and len(sources) == 1:
            files = _with_named_keys(files, declaration, tree)
        for source in files[1:]:
            for name in source.columns:
                if name not in files[0].columns:
                    raise missing_column(files[0].place, name, files[0].columns)
        connection.execute(
            f"CREATE OR REPLACE TEMP VIEW {identifier(view)} AS {union(files)}"
        ).fetchall()
    numbered = _with_row_number(connection, tree)
    for sql in (numbered, select):
        if sql is None:
            continue
        try:
            types = _types(connection, f"SELECT * FROM (\n{sql}\n)")
            break
        except (duckdb.BinderException, duckdb.CatalogException) as error:
            if sql is select:
                raise _unbound(error, where, sources) from error
    traced = sql is not select
    if traced:
        types = {n: t for n, t in types.items() if n not in ("_landing_file", "_landing_row")}
    lowered = {name.lower(): name for name in types}
    for name in types:
        if name.lower() not in feed.column_names and name.lower() not in (FILE, ROW):
            raise _not_in_contract(feed, name, where, ContractProblem)
    for column in feed.columns:
        if column.required and column.name not in lowered:
            raise ContractProblem(
                f"{where} does not give {column.name}, which every row needs.",
                column=column.name,
                remedy=f"add an output column named {column.name}.",
            )
    supplied = {c: types[lowered[c]] for c in feed.column_names if c in lowered}
    outputs = ", ".join(f"{identifier(lowered[c])} AS {identifier(c)}" for c in supplied)
    place = (
        f"_landing_file AS {FILE}, _landing_row AS {ROW}"
        if traced
        else f"CAST(NULL AS VARCHAR) AS {FILE}, CAST(NULL AS BIGINT) AS {ROW}"
    )
    relation = f"SELECT {outputs}, {place} FROM (\n{sql}\n)"
    return Mapped(relation, supplied, {}, counts_rows=False)


def _with_named_keys(
    files: list[Source], declaration: FeedSettings, tree: dict[str, Any]
) -> list[Source]:
    """JSON sources with the keys that the mapping names and this delivery happens to lack.

    A record leaves out what it has nothing to say about, so a small delivery may lack a key
    altogether. Names that the mapping itself gives to something are left alone.
    """
    named: dict[str, None] = {}
    given = {view.lower() for view in declaration.files} | {n.lower() for n in _cte_names(tree)}
    for node in _nodes(tree):
        if node.get("alias"):
            given.add(str(node["alias"]).lower())
        if node.get("type") == "COLUMN_REF":
            named.update(dict.fromkeys(str(n) for n in node.get("column_names") or []))
        given.update(str(n).lower() for n in node.get("column_name_alias") or [])
        if node.get("type") == "LAMBDA":
            given.update(
                str(n).lower()
                for inner in _nodes(node.get("lhs"))
                for n in inner.get("column_names") or []
            )
    everywhere = dict.fromkeys(name for source in files for name in source.columns)
    have = {name.lower() for name in everywhere} | given | {FILE, ROW}
    columns = (*everywhere, *(name for name in named if name.lower() not in have))
    return [
        replace(s, columns=columns, relation=json_relation(s, declaration, columns)) for s in files
    ]


def _with_row_number(connection: duckdb.DuckDBPyConnection, tree: dict[str, Any]) -> str | None:
    """The SELECT with the file and row that each of its rows stems from, where there is one.

    That is the leftmost view of its FROM clause; a grouped or distinct result has none. Of a
    UNION ALL (several sheets, say), each part has its own.
    """
    node = tree["statements"][0]["node"]
    ctes = {name.lower() for name in _cte_names(tree)}
    parts = [node]
    if node.get("type") == "SET_OPERATION_NODE":
        if node.get("setop_type") != "UNION" or not node.get("setop_all"):
            return None
        parts = node.get("children") or [node.get("left"), node.get("right")]
        if node.get("modifiers"):
            return None
    if not all(part and _place_added(part, ctes) for part in parts):
        return None
    try:
        rendered = connection.execute(
            "SELECT json_deserialize_sql(?::JSON)", [json.dumps(tree)]
        ).fetchall()
    except duckdb.Error:
        return None  # the plain SELECT then serves; its rows are without a source row
    return str(rendered[0][0]).rstrip(";")


def _place_added(node: dict[str, Any], ctes: set[str]) -> bool:
    """Adds file and row to the outputs of one SELECT; whether its rows have them."""
    if node.get("type") != "SELECT_NODE" or node.get("group_expressions") or node.get("having"):
        return False
    if any(m.get("type") == "DISTINCT_MODIFIER" for m in node.get("modifiers") or []):
        return False
    left = node.get("from_table") or {}
    while left.get("type") == "JOIN":
        if left.get("join_type") not in ("INNER", "LEFT", "SEMI", "ANTI"):
            return False
        left = left["left"]
    if left.get("type") != "BASE_TABLE" or left["table_name"].lower() in ctes:
        return False
    if left.get("column_name_alias"):
        return False
    table = left.get("alias") or left["table_name"]
    for name, alias in ((FILE, "_landing_file"), (ROW, "_landing_row")):
        node["select_list"].append(
            {
                "class": "COLUMN_REF",
                "type": "COLUMN_REF",
                "alias": alias,
                "query_location": 0,
                "query_location_length": 0,
                "column_names": [table, name],
            }
        )
    return True


def _unbound(
    error: duckdb.Error, where: str, sources: Mapping[str, list[Source]]
) -> ContractProblem:
    """A name that the mapping uses and the delivered files do not have."""
    text = str(error).splitlines()[0]
    found = re.search(
        r'(?:Referenced column "(?P<a>[^"]+)" not found'
        r'|does not have a column named "(?P<b>[^"]+)"'
        r'|Column "(?P<c>[^"]+)" referenced that exists in the SELECT clause)',
        text,
    )
    if found is None:
        return ContractProblem(
            f"{where} cannot be run on the delivered files: {text}",
            remedy="correct the mapping, or send the files as it expects them.",
        )
    column = found["a"] or found["b"] or found["c"]
    table = re.search(r'Table "([^"]+)" does not have', text)
    views = [table[1]] if table and table[1] in sources else list(sources)
    files = [source for view in views for source in sources[view]]
    columns = list(dict.fromkeys(name for source in files for name in source.columns))
    return missing_column(", ".join(source.place for source in files), column, columns)


@dataclass(frozen=True)
class Conversion:
    """How one source column becomes a contract column, in three steps that each name the last.

    (DuckDB's planning time grows with every repetition of an expression; hence the steps.)

    Attributes:
        given: SQL over the source column: what is there, null where nothing is.
        value: SQL over ``given``: the value in the contract's type.
        valid: SQL condition over ``value``: whether it can be meant; None where it always can.
        can_fail: whether there can be a given without a valid value.
    """

    given: str
    value: str
    valid: str | None = None
    can_fail: bool = True


def conversion(
    column: Column,
    source_type: str,
    names: tuple[str, str, str],
    declaration: FeedSettings,
) -> Conversion:
    """The steps from a source column to a contract column.

    The session's time zone must be the feed's: naive times are of it.

    Args:
        source_type: DuckDB type of the source column.
        names: SQL names of the source column, of its ``given`` and of its ``value``.
    """
    source, given, value = names
    base = source_type.split("(")[0]
    is_float = base in ("DOUBLE", "FLOAT")
    if column.sql_type == "VARCHAR":
        text = _whole_as_text(source) if is_float else f"CAST({source} AS VARCHAR)"
        return Conversion(
            f"nullif({text if base != 'VARCHAR' else source}, '')", given, can_fail=False
        )
    if base == column.sql_type.split("(")[0] and base != "DECIMAL":
        return Conversion(source, given, can_fail=False)
    text = f"nullif(trim({source if base == 'VARCHAR' else f'CAST({source} AS VARCHAR)'}), '')"
    if column.sql_type == "DATE":
        low, high = "DATE '1900-01-01'", "DATE '9999-12-31'"
        layouts = [declaration.date_format]
        if base.startswith("TIMESTAMP"):
            text, parsed = source, f"TRY_CAST({given} AS DATE)"
        else:
            parsed = f"CAST({_strptime(given, layouts, declaration)} AS DATE)"
        return Conversion(text, parsed, f"{value} BETWEEN {low} AND {high}")
    if column.sql_type == "TIMESTAMPTZ":
        low = "TIMESTAMPTZ '1900-01-01 00:00:00+00'"
        high = "TIMESTAMPTZ '9999-12-31 23:59:59+00'"
        if base.startswith("TIMESTAMP") or base == "DATE":
            text, parsed = source, given
        elif declaration.timestamp_format is None:  # the cast would take 'epoch' for a time
            parsed = f"CASE WHEN {given} BETWEEN '0' AND ':' THEN {given} END"
        else:
            parsed = _strptime(given, [declaration.timestamp_format], declaration)
        return Conversion(
            text, f"TRY_CAST({parsed} AS TIMESTAMPTZ)", f"{value} BETWEEN {low} AND {high}"
        )
    if column.sql_type == "BOOLEAN":
        return Conversion(
            _whole_as_text(source) if is_float else text, f"TRY_CAST({given} AS BOOLEAN)"
        )
    if column.sql_type.startswith("DECIMAL"):
        return Conversion(
            text if base == "VARCHAR" else source, f"TRY_CAST({given} AS {column.sql_type})"
        )
    return Conversion(  # a whole number: SQL's own cast would round
        text,
        f"TRY_CAST({given} AS {column.sql_type})",
        f"TRY_CAST({given} AS DOUBLE) = {value}",
    )


def _whole_as_text(expression: str) -> str:
    """A float as text, without a decimal point where it is a whole number (an id, say)."""
    return (
        f"CASE WHEN {expression} = TRY_CAST({expression} AS BIGINT) "
        f"THEN CAST(TRY_CAST({expression} AS BIGINT) AS VARCHAR) "
        f"ELSE CAST({expression} AS VARCHAR) END"
    )


def _strptime(expression: str, layouts: list[str], declaration: FeedSettings) -> str:
    """Each layout in turn: they may give different types (with an offset or without)."""
    if declaration.format == "xlsx":
        layouts = [XLSX_TIME, *layouts]
    # DuckDB takes these words for 1900-01-01, whatever the layout
    words = "('epoch', 'infinity', '-infinity')"
    text = f"CASE WHEN lower({expression}) NOT IN {words} THEN {expression} END"
    tries = [f"try_strptime({text}, {quoted(layout)})" for layout in layouts]
    return tries[0] if len(tries) == 1 else f"coalesce({', '.join(tries)})"
