"""Landing: a delivery's files become staged Parquet, quarantined rows and a manifest.

Nothing lands twice: files that were landed for their date already change nothing. Nothing lands
half: a file still being written is left for later, a delivery that breaks its contract is refused
as a whole, and staged rows are invisible until quality has judged and published them.

Layout: accepted rows ``staged/<feed>/<delivery_id>/<partition>/<delivery_id>.parquet``, rejected
rows ``raw_rejected/<feed>/delivery_date=<date>/<delivery_id>.parquet``, the manifest last.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Literal

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
    initialise,
    save_manifest,
)
from orchestration.feeds.history import History
from orchestration.feeds.readers import ContractProblem, Source, inspect
from orchestration.feeds.staging import ASIDE, Staging, rejected_parts
from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.settings import FeedName, Settings

__all__ = [
    "Delivery",
    "LandingSession",
    "Outcome",
    "StillBeingWritten",
    "feed_lock",
    "find_deliveries",
    "land",
    "land_range",
    "reland",
]

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


@contextlib.contextmanager
def feed_lock(settings: Settings, feed: FeedName) -> Iterator[None]:
    """Hold a feed's deliveries: one process at a time lands or publishes them.

    Raises:
        Problem: another process held them for longer than ``duckdb.lock_timeout_seconds``.
    """
    lock = FileLock(settings.home / "locks" / f"landing-{feed}.lock")
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True)
    try:
        lock.acquire(timeout=settings.duckdb.lock_timeout_seconds)
    except Timeout as error:
        raise Problem(
            f"another process is landing {feed}.",
            file=lock.lock_file,
            remedy="wait for it to finish, then try again.",
        ) from error
    try:
        yield
    finally:
        lock.release()


class LandingSession:
    """One DuckDB connection, one lock and one scratch folder for landing deliveries of one feed."""

    def __init__(self, settings: Settings, lake: Lake, feed: FeedName) -> None:
        self.settings = settings
        self.lake = lake
        self.feed = CONTRACT[feed]
        self.declaration = declared(settings, feed)
        self._held = contextlib.ExitStack()

    def __enter__(self) -> LandingSession:
        self._held.enter_context(feed_lock(self.settings, self.feed.name))
        try:
            initialise(self.lake)
            scratch = self.settings.home / "scratch"
            scratch.mkdir(parents=True, exist_ok=True)
            self._scratch = Path(tempfile.mkdtemp(prefix=f"landing-{self.feed.name}-", dir=scratch))
            self._staging = Staging(self.settings, self.lake, self.feed.name, self._scratch)
            self._history = History(self.lake, self.feed.name)
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()

    def _close(self) -> None:
        if hasattr(self, "_staging"):
            self._staging.close()
        if hasattr(self, "_scratch"):
            shutil.rmtree(self._scratch, ignore_errors=True)
        self._held.close()

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
                    except OSError as error:
                        raise StillBeingWritten(
                            f"the file cannot be read now ({error.strerror}).", file=name
                        ) from error
            content = content_hash((source.view, source.sha256) for source in sources)
            mapping = self._declaration_hash()
            if not again:
                earlier = self._history.repeated(
                    delivery, content, mapping, {s.name for s in sources}
                )
                if earlier is not None:
                    return earlier, False
            self._unchanged(delivery, before)
            sequence = self._history.next_sequence(delivery)
            manifest = DeliveryManifest(
                feed=self.feed.name,
                delivery_id=delivery_id(delivery.delivery_date, sequence),
                delivery_date=delivery.delivery_date,
                sequence=sequence,
                files=[
                    DeliveredFile(view=s.view, path=s.name, sha256=s.sha256, bytes=s.size)
                    for s in sources
                ],
                content_hash=content,
                declaration_hash=mapping,
                landed_at=datetime.now(UTC),
            )
            self._discard(manifest)  # what a landing that died may have left
            try:
                if problem is not None:
                    raise problem
                previous = self._history.previous(manifest.delivery_date)
                replaced = self._history.standing(manifest.delivery_date)
                with self.lake.writing():
                    manifest = self._staging.stage(manifest, sources, previous, replaced)
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
        self._history.add(manifest)
        return manifest, True

    def reland(self, name: str) -> DeliveryManifest:
        """See the function of this name."""
        if name not in self._history:
            raise Problem(
                f"{self.feed.name} has no delivery {name}.",
                remedy="the deliveries folder of the lake lists those there are.",
            )
        day = date.fromisoformat(name[:10])
        earlier = self._history.manifest(day, int(name[11:]))
        files: dict[str, list[Path]] = {}
        for file in earlier.files:
            path = self.settings.landing_folder / file.path
            if not path.exists() or file_hash(path) != file.sha256:
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
        decides["zone"] = self.settings.organisation.time_zone
        decides["longest"] = self.settings.landing.max_field_characters
        return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()

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
        *folders, file = rejected_parts(manifest)
        self.lake.remove(*folders, file)
        self.lake.remove(*folders, file + ASIDE)


def _unreadable(path: Path, name: str, view: str) -> Source:
    """A file that broke the contract while it was inspected: its bytes still have a hash."""
    return Source(view, name, path, path, file_hash(path), path.stat().st_size)


def file_hash(path: Path) -> str:
    """The SHA-256 of a delivered file's bytes."""
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def content_hash(files: Iterable[tuple[str, str]]) -> str:
    """Of what was delivered, whatever the files are called.

    Args:
        files: the view of each and the hash of its bytes.
    """
    parts = sorted(f"{view}:{hashed}" for view, hashed in files)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
