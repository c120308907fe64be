"""Land one damaged delivery and judge what became of it."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import DeliveryManifest
from orchestration.feeds.landing import land_range
from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.settings import Settings
from tests.trust.damage import DAY, Case
from tests.trust.reading import converted, rows_of


class Wrong(AssertionError):
    """What the system did with a damaged delivery, and must not."""


def land_case(case: Case, home: Path, empty_lake: Path) -> DeliveryManifest:
    """Land the case in an organisation of its own, which lies under ``home`` afterwards."""
    shutil.copytree(empty_lake, home / "lake")
    settings = settings_of(case, home)
    (home / "landing").mkdir()
    (home / "landing" / case.name).write_bytes(case.content)
    outcomes = land_range(settings, Lake(settings.lake_url, settings.duckdb), case.feed, DAY, DAY)
    assert len(outcomes) == 1, outcomes
    if outcomes[0].manifest is None:
        raise Wrong(f"neither landed nor refused: {outcomes[0]}")
    return outcomes[0].manifest


def settings_of(case: Case, home: Path) -> Settings:
    return Settings.model_validate(
        {
            "organisation": {"name": "Fuzz"},
            "paths": {"home": str(home)},
            "landing": {"settle_seconds": 0},
            "duckdb": {"memory_limit": "1GB"},
            "feeds": {
                case.feed: {
                    "files": {case.feed: f"{case.feed}_{{date}}.{case.form}"},
                    "format": case.form.removesuffix(".gz"),
                }
            },
        }
    )


def judged(case: Case, home: Path, empty_lake: Path) -> str:
    """``refused``, ``quarantined`` (rows of it) or ``accepted``, where all is as it must be.

    Raises:
        Wrong: a traceback would have reached the user, a refusal says too little, rows are lost,
            or a row in the lake is not what the file says.
    """
    try:
        manifest = land_case(case, home, empty_lake)
    except Problem as problem:
        raise Wrong(f"a damaged delivery stopped the landing: {problem}") from problem
    except Wrong:
        raise
    except Exception as error:
        raise Wrong(f"{type(error).__name__}: {str(error)[:300]}") from error
    lake = Lake(settings_of(case, home).lake_url)
    if any((home / "scratch").iterdir()):
        raise Wrong("scratch files were left behind")
    if manifest.contract_problem is not None:
        _judge_refusal(case, manifest, lake)
        return "refused"
    _judge_rows(case, manifest, lake)
    return "quarantined" if manifest.rows_rejected else "accepted"


def _judge_refusal(case: Case, manifest: DeliveryManifest, lake: Lake) -> None:
    message = manifest.contract_problem or ""
    if case.name not in message and "column" not in message:
        raise Wrong(f"the refusal names neither file nor column: {message}")
    if "Remedy:" not in message and "taken by the reader" not in message:
        raise Wrong(f"the refusal says nothing to do: {message}")
    if len(message) > 2000:
        raise Wrong(f"a refusal of {len(message)} characters")
    if not message.isprintable():
        raise Wrong(f"control characters in the refusal: {message!r}")
    if (manifest.rows_in, manifest.rows_accepted, manifest.rows_rejected) != (0, 0, 0):
        raise Wrong("a refused delivery has rows")
    if lake.files("staged", case.feed) or lake.files("raw_rejected", case.feed):
        raise Wrong("a refused delivery left rows behind")
    if case.damages == ("nothing",):
        raise Wrong(f"a sound delivery was refused: {message}")


def _judge_rows(case: Case, manifest: DeliveryManifest, lake: Lake) -> None:
    columns = ", ".join(f'"{name}"' for name in CONTRACT[case.feed].column_names)
    with lake.connect() as connection:
        accepted = _rows(connection, lake, f"staged/{case.feed}", columns)
        rejected = _rows(connection, lake, f"raw_rejected/{case.feed}", "row_number, reason")
    if manifest.rows_in != len(accepted) + len(rejected):
        raise Wrong(f"{manifest.rows_in} rows in, {len(accepted)} + {len(rejected)} written")
    if (manifest.rows_accepted, manifest.rows_rejected) != (len(accepted), len(rejected)):
        raise Wrong("the manifest counts otherwise than the files")
    if any(number is None or not reason for number, reason in rejected):
        raise Wrong("a quarantined row without its number or reason")
    try:
        read = rows_of(case.content, case.form)
    except Exception as error:
        raise Wrong(f"landed what another reader cannot read: {error!r}"[:300]) from error
    if len(read) != manifest.rows_in:
        raise Wrong(f"{len(read)} rows in the file, {manifest.rows_in} rows in")
    out = {number for number, _ in rejected}
    try:
        expected = [converted(case.feed, row) for n, row in read.items() if n not in out]
    except ValueError as error:
        raise Wrong(f"accepted a cell that cannot be meant: {error}"[:300]) from error
    different = (Counter(expected) - Counter(accepted)) + (Counter(accepted) - Counter(expected))
    if different:
        raise Wrong(f"rows other than the file's: {str(list(different)[:4])[:600]}")
    keys = [CONTRACT[case.feed].column_names.index(name) for name in CONTRACT[case.feed].key]
    if len({tuple(row[n] for n in keys) for row in accepted}) != len(accepted):
        raise Wrong("a key was accepted twice")
    for n, column in enumerate(CONTRACT[case.feed].columns):
        if column.required and any(row[n] is None for row in accepted):
            raise Wrong(f"accepted a row without {column.name}")


def _rows(connection: Any, lake: Lake, folder: str, columns: str) -> list[tuple[Any, ...]]:
    files = [lake.path(file) for file in lake.files(folder, suffix=".parquet")]
    if not files:
        return []
    found: list[tuple[Any, ...]] = connection.execute(
        f"SELECT {columns} FROM read_parquet($1, hive_partitioning = false)", [files]
    ).fetchall()
    return found


def fingerprint(home: Path) -> Iterator[tuple[str, bytes]]:
    """Every data file of the lake: what landing the same again must give, byte for byte."""
    for file in sorted((home / "lake").rglob("*.parquet")):
        yield file.relative_to(home).as_posix(), file.read_bytes()
