"""The archive on disk: written file by file so that what a reader opens is never half of a site.

A file is written aside and renamed, and only where its content differs. New files come first, then
those that changed, the index after them, and what is no longer part of the site goes last: at
every moment each link of a page leads to a file that is there. A build that dies leaves the site of
before, or that of before with newer pages in it; the next one completes it.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from orchestration.archive.pages import INDEX, build_pages
from orchestration.archive.shelf import decision_log, reviews_of
from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.quality.data_docs import data_docs
from orchestration.quality.report import FeedReport, feed_reports
from orchestration.review.draft_files import save
from orchestration.settings import FeedName, Settings

_WAIT_SECONDS = 600.0


@dataclass(frozen=True)
class Site:
    """What a build did. ``faults`` names the editions whose files cannot be shown; no person."""

    index: Path
    editions: int
    unsent: int
    written: int
    unchanged: int
    removed: int
    faults: tuple[str, ...]


def archive_folder(settings: Settings) -> Path:
    """``<home>/archive``, where the site lies."""
    return settings.home / "archive"


def build_site(settings: Settings, now: datetime | None = None) -> Site:
    """Bring the archive up to date with every sealed edition and with the feeds' quality.

    Args:
        now: aware time by which feeds are late; the clock's when None.

    Raises:
        Problem: the state database or the disk refuses, or another build takes too long.
    """
    folder = archive_folder(settings)
    folder.parent.mkdir(parents=True, exist_ok=True)
    # what one build removes as unknown must not be what another has just written
    lock = FileLock(folder.with_suffix(".lock"))
    try:
        with lock.acquire(timeout=_WAIT_SECONDS):
            reviews = reviews_of(settings)
            lake = Lake(settings.lake_url, settings.duckdb)
            pages = build_pages(
                reviews,
                decision_log(lake, settings.privacy.names),
                settings,
                _reports(settings, lake, now or datetime.now(UTC)),
                _data_docs(settings, lake),
            )
            written, unchanged, removed = write_site(folder, pages)
    except Timeout as error:
        raise Problem(
            "another build of the archive has not ended.",
            file=str(folder),
            remedy="wait for it, or stop it; the lock is freed when its process ends.",
        ) from error
    except OSError as error:
        raise Problem(
            f"the archive cannot be written: {error.strerror or type(error).__name__}.",
            file=str(folder),
            remedy="check that the disk is not full or read-only; then build it again.",
        ) from error
    return Site(
        index=folder / INDEX,
        editions=sum(review.number is not None for review in reviews),
        unsent=sum(review.number is None for review in reviews),
        written=written,
        unchanged=unchanged,
        removed=removed,
        faults=tuple(
            f"{review.ritual} {review.period.id}: {review.fault}"
            for review in reviews
            if review.fault
        ),
    )


def _reports(settings: Settings, lake: Lake, now: datetime) -> list[FeedReport]:
    """The feeds' reports; none before anything was ever delivered."""
    found = feed_reports(settings, lake, now)
    return found if any(report.deliveries for report in found) else []


def _data_docs(settings: Settings, lake: Lake) -> dict[FeedName, str]:
    """Great Expectations' own pages, where the settings ask for them."""
    if not settings.quality.data_docs:
        return {}
    drawn = {feed: data_docs(lake, feed) for feed in settings.feeds}
    return {feed: page for feed, page in drawn.items() if page is not None}


def write_site(folder: Path, files: Mapping[str, bytes | Path]) -> tuple[int, int, int]:
    """Make ``folder`` hold exactly these files.

    Args:
        files: place in the folder to content, or to the file to copy.

    Returns:
        Files written, left as they were, removed.
    """
    fresh = [name for name in files if name != INDEX and not (folder / name).exists()]
    known = [name for name in files if name != INDEX and name not in set(fresh)]
    written = 0
    for name in [*fresh, *known, *([INDEX] if INDEX in files else [])]:
        source = files[name]
        content = source.read_bytes() if isinstance(source, Path) else source
        target = folder / name
        if target.is_file() and target.read_bytes() == content:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}.tmp")
        try:
            save(aside, content)
            os.replace(aside, target)
        finally:
            aside.unlink(missing_ok=True)
        written += 1
    removed = _remove_others(folder, set(files))
    return written, len(files) - written, removed


def _remove_others(folder: Path, names: set[str]) -> int:
    removed = 0
    for file in sorted(folder.rglob("*"), reverse=True):  # what lies in a folder before it
        if file.is_dir() and not file.is_symlink():
            if not any(file.iterdir()):
                file.rmdir()
        elif file.relative_to(folder).as_posix() not in names:
            file.unlink()
            removed += 1
    return removed
