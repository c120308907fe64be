"""Retention: what has been kept for as long as the settings say is removed.

Editions and what reads otherwise since, the state database with its ledger, raw deliveries and what
figures stand on are never touched. Of quarantined rows what they say is removed; that they were
refused, where they stood and why is kept, so that rows in still are rows accepted and rejected.

Removing a run removes its events: Dagster then shows the partitions that nothing newer materialized
as not materialized. No stage asks Dagster; each asks the lake.
"""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from dagster import DagsterInstance, DagsterRunStatus, RunsFilter

from orchestration.delivery.mailings import MAILINGS
from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import DeliveryManifest, manifests
from orchestration.feeds.landing import feed_lock
from orchestration.feeds.staging import rejected_parts
from orchestration.lake import Lake, quoted
from orchestration.operations.backup import backups_in, plain_files
from orchestration.operations.half_written import WORDS, half_written
from orchestration.periods import Grain
from orchestration.problems import Problem
from orchestration.scorecard.restated import FILE as RESTATEMENTS
from orchestration.settings import Settings
from orchestration.state import State
from orchestration.warehouse.lock import warehouse_lock
from orchestration.warehouse.published import published_builds

_OVER = [DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE, DagsterRunStatus.CANCELED]


@dataclass(frozen=True)
class Removal:
    """One kind of thing that has been kept for long enough.

    Attributes:
        what: in words, with how long it is kept.
        items: what is removed, one a line; names no person.
        bytes: that become free; 0 where that cannot be told.
        act: removes it.
    """

    what: str
    items: tuple[str, ...]
    bytes: int
    act: Callable[[], None]


def due(settings: Settings, instance: DagsterInstance, now: datetime) -> list[Removal]:
    """What is to be removed now; nothing is yet. Kinds with nothing to remove are left out."""
    kept = settings.retention
    home = settings.home
    found = [
        _runs(settings, instance, _before(now, kept.run_days)),
        _ticks(instance, _before(now, kept.tick_days)),
        _files("Logs", home / "logs", home, _before(now, kept.log_days)),
        _files("Mail in the outbox", home / "outbox", home, _before(now, kept.outbox_days)),
        _drafts(settings, _before(now, kept.draft_days)),
        _quarantine(settings, _before(now, kept.quarantine_days)),
        _builds(settings),
        _half_written(settings, now),
        _backups(settings),
    ]
    return [removal for removal in found if removal is not None and removal.items]


def remove(removals: Iterable[Removal]) -> None:
    """Remove what :func:`due` found.

    Raises:
        Problem: the disk refuses, or an ingest or a build holds what is to be changed for too long.
    """
    for removal in removals:
        try:
            removal.act()
        except OSError as error:
            raise Problem(
                f"{removal.what}: not all of it could be removed: {error.strerror}.",
                file=error.filename,
                remedy="make it writable, then start retention again; it goes on from here.",
            ) from error


def _before(now: datetime, days: int | None) -> datetime | None:
    return None if days is None else now - timedelta(days=days)


# ---- Dagster -------------------------------------------------------------------------------


def _runs(settings: Settings, instance: DagsterInstance, before: datetime | None) -> Removal | None:
    if before is None:
        return None
    records = instance.get_run_records(RunsFilter(statuses=_OVER, updated_before=before))
    runs = [record.dagster_run for record in records]
    folder = settings.home / "dagster"
    places = [
        place
        for run in runs
        for place in (
            folder / "history" / "runs" / f"{run.run_id}.db",
            folder / "storage" / run.run_id,
        )
    ]

    def act() -> None:
        for run in runs:
            instance.delete_run(run.run_id)
            shutil.rmtree(folder / "storage" / run.run_id, ignore_errors=True)

    jobs = Counter(run.job_name for run in runs)
    return Removal(
        f"Runs of Dagster with their events, last changed before {before:%Y-%m-%d}",
        tuple(f"{job}: {count} runs" for job, count in sorted(jobs.items())),
        sum(map(_size, places)),
        act,
    )


def _ticks(instance: DagsterInstance, before: datetime | None) -> Removal | None:
    if before is None:
        return None
    states = instance.all_instigator_state()
    moment = before.timestamp()
    ticks = {
        state.instigator_name: len(
            instance.get_ticks(state.instigator_origin_id, state.selector_id, before=moment)
        )
        for state in states
    }

    def act() -> None:
        for state in states:
            instance.purge_ticks(state.instigator_origin_id, state.selector_id, before=moment)

    return Removal(
        f"Ticks of schedules and sensors before {before:%Y-%m-%d}",
        tuple(f"{name}: {count} ticks" for name, count in sorted(ticks.items()) if count),
        0,
        act,
    )


# ---- files of the home ---------------------------------------------------------------------


def _files(words: str, folder: Path, home: Path, before: datetime | None) -> Removal | None:
    if before is None:
        return None
    return _old(f"{words} from before {before:%Y-%m-%d}", plain_files(folder), home, before)


def _old(what: str, files: Iterable[Path], home: Path, before: datetime) -> Removal:
    old = [file for file in files if _newest(file) < before.timestamp()]

    def act() -> None:
        for file in old:
            file.unlink(missing_ok=True)

    return Removal(what, _listed(old, home), sum(map(_size, old)), act)


def _half_written(settings: Settings, now: datetime) -> Removal:
    """A run may still be at it for hours; after a day none is."""
    return _old(WORDS, half_written(settings), settings.home, now - timedelta(days=1))


def _drafts(settings: Settings, before: datetime | None) -> Removal | None:
    """Drafts that were sent or never will be.

    What is pending stays, and so do packs that were archived unsent: the archive shows them; and
    what older versions wrote with the list of what reads otherwise in it.
    """
    if before is None:
        return None
    root = settings.home / "drafts"
    with State.open(settings) as state:
        pending = {(each.ritual, each.period_id) for each in state.pending_intents()}
        sealed = {(each.ritual, each.period_id) for each in state.editions()}
    waiting = {
        (MAILINGS[ritual].grain.ritual, period) for ritual, period in pending if ritual in MAILINGS
    }
    old: list[Path] = []
    for name, mailing in MAILINGS.items():
        old += [
            place
            for place in _folders(root / name)
            if (name, place.name) not in pending
            and (mailing.personal or (name, place.name) in sealed)
            # the letters of a period are drafted and proved from its pack's draft
            and (mailing.personal or (name, place.name) not in waiting)
            and not (place / RESTATEMENTS).is_file()
        ]
    old += [
        file
        for ritual in (grain.ritual for grain in Grain)
        for file in plain_files(root / "leaders" / ritual)
        if (ritual, file.stem) not in waiting
    ]
    old = [place for place in old if _newest(place) < before.timestamp()]

    def act() -> None:
        for place in old:
            if place.is_dir():
                shutil.rmtree(place)
            else:
                place.unlink(missing_ok=True)

    return Removal(
        f"Drafts of what was sent or never will be, from before {before:%Y-%m-%d}",
        _listed(old, settings.home),
        sum(map(_size, old)),
        act,
    )


def _backups(settings: Settings) -> Removal | None:
    """Scheduled backups beyond the newest ones."""
    if settings.backup_folder is None:
        return None
    found = backups_in(settings.backup_folder, settings.organisation.name)
    old = found[: max(0, len(found) - settings.backup.keep)]

    def act() -> None:
        for place in old:
            shutil.rmtree(place)

    return Removal(
        f"Backups beyond the newest {settings.backup.keep}",
        tuple(map(str, old)),
        sum(map(_size, old)),
        act,
    )


# ---- the lake ------------------------------------------------------------------------------


def _quarantine(settings: Settings, before: datetime | None) -> Removal | None:
    if before is None:
        return None
    lake = Lake(settings.lake_url, settings.duckdb)
    full = [
        manifest
        for feed in CONTRACT
        for manifest in manifests(lake, feed)
        if manifest.rows_rejected
        and manifest.landed_at < before
        and lake.exists(*rejected_parts(manifest))
    ]
    full = _saying(lake, full)

    def act() -> None:
        for manifest in full:
            with feed_lock(settings, manifest.feed), lake.connect() as connection:
                file = quoted(lake.path(*rejected_parts(manifest)))
                lake.write_parquet(
                    connection,
                    "SELECT delivery_id, source_file, row_number, reason, "
                    f"CAST(NULL AS VARCHAR) AS row_json FROM read_parquet({file}, "
                    "hive_partitioning = false, file_row_number = true) "
                    "ORDER BY file_row_number",
                    *rejected_parts(manifest),
                )

    return Removal(
        f"What quarantined rows say, of deliveries landed before {before:%Y-%m-%d}",
        tuple(f"{m.feed} {m.delivery_id}: {m.rows_rejected} rows" for m in full),
        0,
        act,
    )


def _saying(lake: Lake, found: Sequence[DeliveryManifest]) -> list[DeliveryManifest]:
    """Those whose quarantined rows still say something."""
    if not found:
        return []
    files = {lake.path(*rejected_parts(manifest)): manifest for manifest in found}
    with lake.connect() as connection:
        rows = connection.execute(
            "SELECT DISTINCT filename FROM read_parquet([" + ", ".join(map(quoted, files)) + "], "
            "hive_partitioning = false, filename = true) WHERE row_json IS NOT NULL"
        ).fetchall()
    saying = {name for (name,) in rows}
    return [manifest for file, manifest in files.items() if file in saying]


def _builds(settings: Settings) -> Removal | None:
    """Published builds that no index names: a superseded one goes at once, a killed run leaves its
    own."""
    lake = Lake(settings.lake_url, settings.duckdb)

    def unnamed() -> list[tuple[str, str, str]]:
        with warehouse_lock(settings, "retention"):  # so that none is being published
            found: dict[tuple[str, str, str], None] = {}
            for grain in Grain:
                named = set(published_builds(lake, grain).items())
                for file in lake.files("published", grain.value):
                    _, _, period, build, *_ = file.split("/")
                    if (period, build) not in named and period != "none":
                        found[grain.value, period, build] = None
            return list(found)

    builds = unnamed()

    def act() -> None:
        still_unnamed = set(unnamed())
        for build in builds:
            if build in still_unnamed:
                lake.remove("published", *build)

    return Removal(
        "Published figures that a killed run left half",
        tuple(f"published/{'/'.join(build)}" for build in builds),
        0,
        act,
    )


# ---- sizes and names -----------------------------------------------------------------------


def _folders(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield from (p for p in sorted(folder.iterdir()) if p.is_dir() and not p.is_symlink())


def _newest(place: Path) -> float:
    files = [place] if place.is_file() else [*plain_files(place)]
    return max((file.stat().st_mtime for file in files), default=0.0)


def _size(place: Path) -> int:
    if place.is_file():
        return place.stat().st_size
    return sum(file.stat().st_size for file in plain_files(place))


def _listed(places: Iterable[Path], home: Path) -> tuple[str, ...]:
    return tuple(
        f"{place.relative_to(home).as_posix()}, "
        f"{time.strftime('%Y-%m-%d', time.gmtime(_newest(place)))}"
        for place in places
    )
