"""Restoring a backup, such that nothing is ever sent twice for it.

A restored state is older than the world: it does not know what was sent after the backup was taken.
So before it is put in place, whatever could be sent again is made to wait for a person (see
``State.restored``). The state comes first, in one transaction; from then on nothing leaves by
itself, whatever may interrupt the rest, and restoring again completes it.

Nothing is deleted: what stood there is put aside in ``<home>/replaced-<time>``. What people
recorded since stays, as does what the backup has not (the lake, where it was not asked for).
"""

from __future__ import annotations

import gzip
import os
import shutil
import sqlite3
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from orchestration.alerts.reaper import PROCESS_TAG
from orchestration.archive.site import build_site
from orchestration.lake import Lake
from orchestration.operations.backup import (
    PACKED,
    STATE,
    BackupManifest,
    copy_state,
    edition_faults,
    fill,
    read_backup,
    records_folder,
    rows_of,
    single_file,
    still,
    verify,
)
from orchestration.problems import Problem
from orchestration.runs import project_instance
from orchestration.scorecard.since import since_file
from orchestration.settings import Settings
from orchestration.state import Restored, State, holder_is_dead

_SIGN_OF_LIFE_SECONDS = 90.0
_UNDER_WAY = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]
_SWAPPED = ("editions", "dagster", "charter")


@dataclass(frozen=True)
class Restoration:
    """What a restore did.

    Attributes:
        replaced: folder that holds what stood there; None for a home that was empty.
        forgotten: editions that were sealed after the backup was taken, by their folder.
        intents, messages: that wait for a person now.
        runs_ended: runs that were under way when the backup was taken.
        erased: people who were erased since; the backup brings them back.
        faults: what is not as it should be; names no person.
    """

    manifest: BackupManifest
    replaced: Path | None
    forgotten: tuple[str, ...]
    intents: int
    messages: int
    runs_ended: int
    erased: int
    faults: tuple[str, ...]


def restore(settings: Settings, source: Path, *, replace: bool = False) -> Restoration:
    """Put a backup in place of what this home holds.

    Args:
        replace: also over a home that is in use; what it holds is put aside, not deleted.

    Raises:
        Problem: the backup is damaged or another organisation's; the home is in use and
            ``replace`` is not said; its service or a run of it is alive; the disk refuses.
    """
    source = source.resolve()
    manifest = read_backup(source)
    if manifest.organisation != settings.organisation.name:
        raise Problem(
            f"the backup is of {manifest.organisation}, these settings are of "
            f"{settings.organisation.name}.",
            file=str(source),
            remedy="name the right backup, or the right settings by ADOPTION_SETTINGS.",
        )
    verify(source, manifest)
    in_use = _in_use(settings, manifest)
    if in_use and not replace:
        raise Problem(
            f"this home is in use: it has {', '.join(in_use)}.",
            file=str(settings.home),
            remedy="restore into an empty home, or say --replace: what is there is put aside, not "
            "deleted.",
        )
    if in_use:
        refuse_if_alive(settings, "restore")
    aside = settings.home / f".restoring-{uuid.uuid4().hex}"
    replaced = _free_place(settings.home) if in_use else None
    try:
        settings.home.mkdir(parents=True, exist_ok=True)
        _remove_unfinished(settings.home)
        _unpack(source, manifest, aside)
        if replaced is not None:
            replaced.mkdir(mode=0o700)
        held, erased = _restore_state(settings, aside, manifest, replaced)
        forgotten = _sealed_since(settings, aside)
        _swap(settings, aside, manifest, replaced)
        _add_missing(aside / "records", records_folder(settings))
        _add_missing(aside / "erasures", settings.home / "erasures")
    except (OSError, sqlite3.Error) as error:
        words = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise Problem(
            f"the restore did not end: {words}.",
            file=str(settings.home),
            remedy="make room or make it writable, then start it again with --replace; the backup "
            "is untouched, and nothing is sent meanwhile.",
        ) from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    with project_instance(settings) as instance:
        ended = _end_runs(instance)
    return Restoration(
        manifest=manifest,
        replaced=replaced,
        forgotten=forgotten,
        intents=held.intents,
        messages=held.messages,
        runs_ended=ended,
        erased=erased,
        faults=(*_damaged(settings), *_show(settings)),
    )


# ---- may it --------------------------------------------------------------------------------


def _in_use(settings: Settings, manifest: BackupManifest) -> list[str]:
    """What stands where the backup's parts go."""
    found = []
    if _has_state(settings):
        found.append("a state database")
    folders = {"editions": "sealed editions", "dagster": "a Dagster instance"}
    found += [
        words
        for name, words in folders.items()
        if any((settings.home / name).rglob("*.json" if name == "editions" else "*.db"))
    ]
    if "lake" in manifest.parts and Lake(settings.lake_url, settings.duckdb).files():
        found.append("a lake")
    return found


def _has_state(settings: Settings) -> bool:
    if (database := _database_file(settings)) is not None:
        return database.exists()
    with State.open(settings) as state:
        return any(rows_of(state).values())


def refuse_if_alive(settings: Settings, then: str) -> None:
    """Refuse while the service or a run works on this home.

    Args:
        then: what is to be done once it is still, such as ``restore``.

    Raises:
        Problem: something is alive; says what and what to do.
    """
    if served_by := _processes_of(settings.home / "dagster"):
        raise Problem(
            "the service of this home is running "
            f"(process {', '.join(map(str, served_by[:5]))} of this machine).",
            file=str(settings.home),
            remedy=f"stop it (python -m orchestration ui), then {then}.",
        )
    try:
        with project_instance(settings) as instance:
            beats = instance.get_daemon_heartbeats().values()
            last = max((beat.timestamp for beat in beats), default=0.0)
            alive = [
                record.dagster_run
                for record in instance.get_run_records(RunsFilter(statuses=_UNDER_WAY))
                if (holder := record.dagster_run.tags.get(PROCESS_TAG)) is not None
                and not holder_is_dead(holder)
            ]
    except (sa.exc.DBAPIError, sqlite3.Error):
        return  # a damaged instance is what a restore may be for
    ago = datetime.now(UTC).timestamp() - last
    if ago < _SIGN_OF_LIFE_SECONDS:
        raise Problem(
            f"the schedules and sensors of this home were at work {ago:.0f} seconds ago.",
            file=str(settings.home),
            remedy=f"stop the service (python -m orchestration ui), wait until it has been silent "
            f"for {_SIGN_OF_LIFE_SECONDS:.0f} seconds, then {then}.",
        )
    if alive:
        raise Problem(
            f"a run of {alive[0].job_name} is under way ({alive[0].run_id[:8]}).",
            file=str(settings.home),
            remedy=f"wait until it has ended, or stop it; then {then}.",
        )


def _processes_of(dagster_home: Path) -> list[int]:
    """The processes of this machine that were started for a Dagster home, this one apart.

    A service that is stopping beats no more and works still. Empty where the system does not tell.
    """
    wanted = f"DAGSTER_HOME={dagster_home}".encode()
    found = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            # what serves Python's multiprocessing does no work, and may be this process's own
            if (
                int(place.name) != os.getpid()
                and wanted in (place / "environ").read_bytes().split(b"\0")
                and b"from multiprocessing." not in (place / "cmdline").read_bytes()
            ):
                found.append(int(place.name))
        except OSError:  # it has ended, or is another's
            continue
    return sorted(found)


# ---- the parts -----------------------------------------------------------------------------


def _free_place(home: Path) -> Path:
    """A folder's name for what is replaced now."""
    name = f"replaced-{datetime.now(UTC):%Y-%m-%dT%H%M%SZ}"
    taken = sum(1 for _ in home.glob(f"{name}*"))
    return home / (f"{name}-{taken + 1}" if taken else name)


def _remove_unfinished(home: Path) -> None:
    for left in home.glob(".restoring-*"):
        shutil.rmtree(left, ignore_errors=True)


def _unpack(source: Path, manifest: BackupManifest, aside: Path) -> None:
    """Copy the backup beside what it replaces, its packed databases unpacked."""
    for name in manifest.files:
        place = aside / name
        place.parent.mkdir(parents=True, exist_ok=True)
        if name.startswith("dagster/") and name.endswith(f".db{PACKED}"):
            with (
                gzip.open(source / name, "rb") as packed,
                place.with_suffix("").open("xb") as plain,
            ):
                shutil.copyfileobj(packed, plain)
        else:
            shutil.copyfile(source / name, place)
            if name.startswith("editions/"):
                place.chmod(0o444)  # as when it was sealed


def _restore_state(
    settings: Settings, aside: Path, manifest: BackupManifest, replaced: Path | None
) -> tuple[Restored, int]:
    """Bring the copy to this version, make it wait, and put it in place: at once, or not at all.

    Returns:
        What waits, and how many people the backup brings back that were erased since.
    """
    with State.at(f"sqlite:///{aside / STATE}", settings.home) as copied:
        held = copied.restored(manifest.taken_at)
        rows = rows_of(copied)
    single_file(aside / STATE)
    database = _database_file(settings)
    try:
        if database is not None and not database.exists():
            _install(aside / STATE, database)
            return held, 0
        state = State.open(settings)
    except Problem:
        if database is None or replaced is None:
            raise
        # it cannot be opened, and nobody can before it is replaced
        (replaced / STATE).parent.mkdir(exist_ok=True)
        shutil.copy2(database, replaced / STATE)
        for end in ("-wal", "-shm"):
            Path(f"{database}{end}").unlink(missing_ok=True)
        _install(aside / STATE, database)
        return held, 0
    with state:
        if replaced is not None:
            (replaced / STATE).parent.mkdir(exist_ok=True)
            copy_state(state, replaced / STATE)
        since = _erased_since(rows, rows_of(state))
        fill(state, {**rows, **since})
    return held, sum(row["ended_at"] is None for row in since["erasures"])


def _erased_since(
    backed_up: Mapping[str, Sequence[Mapping[str, Any]]],
    standing: Mapping[str, Sequence[Mapping[str, Any]]],
) -> dict[str, list[Mapping[str, Any]]]:
    """Erasures and keys as they are to be restored: none is forgotten, none has ended that the
    backup does not know to have."""
    ended = {row["person"]: row for row in backed_up["erasures"] if row["ended_at"] is not None}
    persons = {row["person"]: row for row in (*backed_up["erasures"], *standing["erasures"])}
    keys = {row["name"]: row for row in (*standing["keys"], *backed_up["keys"])}
    return {
        "erasures": [ended.get(name, {**row, "ended_at": None}) for name, row in persons.items()],
        "keys": list(keys.values()),
    }


def _install(copied: Path, database: Path) -> None:
    database.parent.mkdir(parents=True, exist_ok=True)
    beside = database.with_name(f".{database.name}.restoring")
    shutil.copyfile(copied, beside)
    beside.chmod(0o600)
    os.replace(beside, database)


def _database_file(settings: Settings) -> Path | None:
    """The state database's file, where it is one."""
    url = sa.make_url(settings.state_url)
    is_file = url.get_backend_name() == "sqlite" and bool(url.database)
    return Path(str(url.database)) if is_file else None


def _sealed_since(settings: Settings, aside: Path) -> tuple[str, ...]:
    """Folders of editions in this home that the backup does not know."""

    def sealed(folder: Path) -> set[str]:
        return {
            file.parent.relative_to(folder).as_posix()
            for file in folder.glob("*/*/edition-*/edition.json")
        }

    return tuple(sorted(sealed(settings.home / "editions") - sealed(aside / "editions")))


def _swap(settings: Settings, aside: Path, manifest: BackupManifest, replaced: Path | None) -> None:
    """Put folder after folder in place of what stands there."""
    if "lake" not in manifest.parts:
        _keep_since(settings, aside)
    for part in _SWAPPED:
        if part in manifest.parts:
            _exchange(settings.home / part, aside / part, replaced)
    if "lake" not in manifest.parts:
        return
    lake = Lake(settings.lake_url, settings.duckdb)
    with still(settings, "a restore of the lake"):
        if lake.is_local:
            _exchange(Path(lake.root), aside / "lake", replaced)
        else:
            _write_lake(lake, aside / "lake")
    # built from the lake that was replaced; it is built again from this one
    if replaced is not None and (settings.home / "warehouse").exists():
        (settings.home / "warehouse").rename(replaced / "warehouse")


def _keep_since(settings: Settings, aside: Path) -> None:
    """What reads otherwise than an edition that stays is what this home says: its figures stay."""
    for folder in (aside / "editions").glob("*/*/edition-*/"):
        place = settings.home / folder.relative_to(aside)
        if not place.is_dir():
            continue
        since_file(folder).unlink(missing_ok=True)
        if since_file(place).is_file():
            shutil.copy2(since_file(place), since_file(folder))


def _exchange(place: Path, new: Path, replaced: Path | None) -> None:
    if place.exists():
        if replaced is None:
            shutil.rmtree(place)  # nothing is in it, or it would have been in use
        else:
            place.rename(replaced / place.name)
    place.parent.mkdir(parents=True, exist_ok=True)
    shutil.move(new, place)


def _write_lake(lake: Lake, source: Path) -> None:
    """Data first, then the index files that make it visible, then without what is not in it."""
    names = [file.relative_to(source).as_posix() for file in source.rglob("*") if file.is_file()]
    index = {name for name in names if name.startswith(("in_force/", "published/index__"))}
    for name in [*sorted(set(names) - index), *sorted(index)]:
        lake.write_bytes((source / name).read_bytes(), name)
    for name in sorted(set(lake.files()) - set(names)):
        lake.remove(name)


def _add_missing(source: Path, folder: Path) -> None:
    """Bring back what people recorded, or receipts; what was written since stays."""
    for file in sorted(source.rglob("*")):
        place = folder / file.relative_to(source)
        if file.is_file() and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, place)


def _end_runs(instance: DagsterInstance) -> int:
    """End the runs that were under way when the backup was taken: their processes are long gone."""
    ended = 0
    for record in instance.get_run_records(RunsFilter(statuses=_UNDER_WAY)):
        instance.report_run_canceled(
            record.dagster_run, "It was under way when the backup was taken that was restored."
        )
        ended += 1
    return ended


def _damaged(settings: Settings) -> list[str]:
    """Restored editions whose files are not as they were sealed."""
    with State.open(settings) as state:
        return edition_faults(state.editions())


def _show(settings: Settings) -> list[str]:
    """Have the archive show what was restored; why it cannot, else nothing."""
    try:
        build_site(settings)
    except Exception as error:  # of a lake that cannot be read, say; the rest is in its place
        words = error.message if isinstance(error, Problem) else type(error).__name__
        return [f"the archive still shows what was there before: {words}"]
    return []
