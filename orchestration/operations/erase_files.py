"""Taking a person out of plain files: what people recorded, logs, what builds left, deliveries."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
import uuid
from functools import partial
from pathlib import Path

from orchestration.feeds.contract import holds_persons
from orchestration.feeds.deliveries import manifests, save_manifest
from orchestration.feeds.landing import content_hash, file_hash
from orchestration.lake import Lake
from orchestration.operations.backup import backups_in, plain_files, records_folder
from orchestration.operations.half_written import OURS, WORDS, half_written
from orchestration.operations.traces import Place, Traces
from orchestration.settings import Settings, settings_file

_LEFT_BY_RUNS = ("logs", "dbt", "scratch", "locks", "dagster")
_DATABASE = (".db", ".db-wal", ".db-shm", ".db-journal")


def in_records(settings: Settings, lake: Lake, traces: Traces) -> list[Place]:
    """What people recorded, in the folder that the system writes it to."""
    told = [
        file
        for file in plain_files(records_folder(settings))
        if _records_without(file.read_bytes(), traces) != file.read_bytes()
    ]

    def act() -> None:
        for file in told:
            content = _records_without(file.read_bytes(), traces)
            beside = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
            beside.write_bytes(content)
            shutil.copystat(file, beside)  # as old as before: it has not come anew
            _note_edit(settings, lake, file, beside, traces)
            os.replace(beside, file)

    return [Place("Recorded by people, files", len(told), act)] if told else []


def _records_without(content: bytes, traces: Traces) -> bytes:
    lines = []
    for line in content.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            lines.append(traces.without(line.decode(errors="replace")).encode())
            continue
        if row.get("person_id") == traces.person_id:
            continue
        said = {name: value for name, value in row.items() if value != traces.person_id}
        if said != row or traces.in_document(row):
            line = json.dumps(traces.of_document(said), ensure_ascii=False).encode()
        lines.append(line)
    return b"".join(line + b"\n" for line in lines)


def _note_edit(settings: Settings, lake: Lake, file: Path, edited: Path, traces: Traces) -> None:
    """Have the file as it will be count as landed already, before it is."""
    name = file.relative_to(settings.landing_folder).as_posix()
    for manifest in manifests(lake, "records"):
        if any(each.path == name for each in manifest.files):
            files = [
                each.model_copy(
                    update={"sha256": file_hash(edited), "bytes": edited.stat().st_size}
                )
                if each.path == name
                else each
                for each in manifest.files
            ]
            noted = {
                "files": files,
                "edited_hash": content_hash((each.view, each.sha256) for each in files),
                "erasures": sorted({*manifest.erasures, traces.number}),
            }
            save_manifest(lake, manifest.model_copy(update=noted))


def in_half_written(settings: Settings) -> list[Place]:
    """What killed runs left half written, whoever it tells of: nothing could search it."""
    files = half_written(settings)

    def act() -> None:
        for file in files:
            file.unlink(missing_ok=True)

    return [Place(WORDS, len(files), act)] if files else []


def in_what_runs_left(settings: Settings, traces: Traces) -> list[Place]:
    """Logs, dbt's target, scratch folders, what steps of runs kept; databases apart."""
    told = [
        file
        for folder in _LEFT_BY_RUNS
        for file in plain_files(settings.home / folder)
        if not file.name.endswith(_DATABASE) and traces.in_file(file)
    ]

    def act() -> None:
        for file in told:
            _take_out(file, traces)

    return [Place("Logs and what runs left, files", len(told), act)] if told else []


def _take_out(file: Path, traces: Traces) -> None:
    """Edit a text; remove what is none: it is made anew, or was needed by its run alone."""
    content = file.read_bytes()
    packed = content[:2] == b"\x1f\x8b"
    try:
        text = (gzip.decompress(content) if packed else content).decode()
    except UnicodeDecodeError:
        text = ""
    if not text or traces.tells(file.name):
        file.unlink()
        return
    without = traces.without(text).encode()
    beside = file.with_name(f".{file.name}.{uuid.uuid4().hex}.tmp")
    beside.write_bytes(gzip.compress(without) if packed else without)
    shutil.copymode(file, beside)
    os.replace(beside, file)


def in_warehouse(settings: Settings) -> list[Place]:
    """The models' databases, which are built again from the lake."""
    folder = settings.warehouse_file.parent
    files = [f for f in plain_files(folder) if f.suffix != ".lock"]
    if settings.spark_folder.is_dir():
        files += [*plain_files(settings.spark_folder)]

    def act() -> None:
        for file in files:
            file.unlink(missing_ok=True)
        shutil.rmtree(settings.spark_folder, ignore_errors=True)

    built = [file for file in files if not file.name.endswith(".holder.json")]
    return [Place("Warehouse, files (built again by the next run)", len(built), act)] * bool(built)


# ---- the owner's ---------------------------------------------------------------------------


def delivered(settings: Settings, traces: Traces) -> list[Path]:
    """Files in the landing folder that tell of them, apart from what people recorded here."""
    records = records_folder(settings)
    return [
        file
        for file in plain_files(settings.landing_folder)
        if not file.is_relative_to(records) and traces.in_file(file)
    ]


def landed(settings: Settings, lake: Lake, files: list[Path]) -> list[Path]:
    """Those of some delivered files that were landed as they lie there: what else is in them is
    kept."""
    known = {
        (file.path, file.bytes)
        for feed in settings.feeds
        for manifest in manifests(lake, feed)
        for file in manifest.files
    }
    return [
        file
        for file in files
        if (file.relative_to(settings.landing_folder).as_posix(), file.stat().st_size) in known
    ]


def in_delivered(files: list[Path]) -> list[Place]:
    """Delivered files, where their owner says that they are to go."""

    def act() -> None:
        for file in files:
            file.unlink(missing_ok=True)

    return [Place("Delivered files", len(files), act)] if files else []


def in_copies(copies: list[Path]) -> list[Place]:
    """Backups and homes that were put aside, where their owner says that they are to go."""
    return [Place("Backups and what restores put aside", len(copies),
                  partial(_remove_folders, copies))] * bool(copies)  # fmt: skip


def _remove_folders(folders: list[Path]) -> None:
    for folder in folders:
        shutil.rmtree(folder)


def copies(settings: Settings) -> list[Path]:
    """Backups, and homes that a restore put aside: they hold what was there when they were made."""
    made = (
        backups_in(settings.backup_folder, settings.organisation.name)
        if settings.backup_folder is not None
        else []
    )
    return [*made, *sorted(settings.home.glob("replaced-*/"))]


def others(settings: Settings, traces: Traces) -> list[Path]:
    """Files that are not the system's and tell of them: settings, whatever lies in the home."""
    elsewhere = (settings.landing_folder, *copies(settings))
    found = [
        file
        for place in sorted(settings.home.iterdir())
        if place.name not in OURS and place not in elsewhere
        for file in ([place] if place.is_file() else plain_files(place))
        if traces.in_file(file)
    ]
    named = settings_file()
    if named.is_file() and named not in found and traces.in_file(named):
        found.append(named)
    return found


def in_charter(settings: Settings, traces: Traces) -> list[str]:
    """Where the charter names them: file and row."""
    found = []
    for folder in (settings.home / "charter", settings.charter_overlay):
        for file in sorted(folder.glob("*.csv")) if folder is not None else ():
            rows = csv.DictReader(io.StringIO(file.read_text(encoding="utf-8-sig"), newline=""))
            for number, row in enumerate(rows, start=1):
                if any(
                    (holds_persons(column or "") and value == traces.person_id)
                    or traces.tells(str(value))
                    for column, value in row.items()
                ):
                    found.append(f"{file}, row {number}")
    return found
