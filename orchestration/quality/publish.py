"""Publication of judged deliveries: write-audit-publish, with one commit point.

A staged delivery is judged; what passes is moved from ``staged/`` to ``raw/`` and marked
promoted, what fails is marked refused and its staged rows removed (its rejected rows stay, with
their reasons). Then the feed's index of deliveries in force is replaced: the commit. Every step
can be repeated, so a run that died anywhere is finished by the next.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import (
    DeliveryManifest,
    last_arrival,
    raw_partition,
    rewrite_in_force,
    save_manifest,
)
from orchestration.lake import Lake, quoted
from orchestration.quality.expectations import Judgement, judge_all
from orchestration.settings import FeedName

Judge = Callable[[FeedName, Sequence[DeliveryManifest]], list[Judgement]]


@dataclass(frozen=True)
class Publication:
    """What one publication did: the manifests as they now stand, in delivery order.

    Attributes:
        manifests: every delivery given, with its verdict.
        damaged: delivery id to what is wrong with its files; such a delivery is left as it was
            (still staged, or in force as before) and shown as an error, never silently promoted.
        in_force: every delivery of the feed that is in force now, oldest first.
    """

    feed: FeedName
    manifests: list[DeliveryManifest]
    in_force: list[DeliveryManifest]
    damaged: dict[str, str] = field(default_factory=dict)


def publish(
    lake: Lake,
    feed: FeedName,
    manifests: Sequence[DeliveryManifest],
    *,
    judge: Judge = judge_all,
) -> Publication:
    """Judge what is staged, publish what passes, refuse what fails, and commit once.

    Args:
        manifests: deliveries of ``feed``; those already promoted or refused keep their verdict.
        judge: how deliveries are judged; the feed's expectation suite unless a test says else.
    """
    staged = [
        m
        for m in manifests
        if m.verdict == "staged" or (m.contract_problem is not None and not m.failed_expectations)
    ]
    damaged = damage(lake, feed, [m for m in manifests if m.contract_problem is None])
    verdicts = dict(
        zip((m.delivery_id for m in staged), judge(feed, staged) if staged else [], strict=True)
    )
    arrival = last_arrival(lake, feed) + 1
    settled: list[DeliveryManifest] = []
    for manifest in sorted(manifests, key=lambda m: m.delivery_id):
        verdict = verdicts.get(manifest.delivery_id)
        if verdict is not None and manifest.delivery_id not in damaged:
            if verdict.failed:
                for partition in _partitions(manifest):  # an interrupted run may have moved some
                    lake.remove(*_places(manifest, "raw", partition)[-1])
            else:
                _move_to_raw(lake, manifest)
            manifest = manifest.model_copy(
                update={
                    "verdict": "refused" if verdict.failed else "promoted",
                    "failed_expectations": verdict.failed,
                    "warned_expectations": verdict.warned,
                    "arrival": 0 if verdict.failed else arrival,
                }
            )
            save_manifest(lake, manifest)
        settled.append(manifest)
    in_force = rewrite_in_force(lake, feed)
    for manifest in settled:
        if manifest.verdict != "staged":
            lake.remove("staged", feed, manifest.delivery_id)
    return Publication(feed, settled, in_force, damaged)


def _partitions(manifest: DeliveryManifest) -> list[str]:
    """The raw partition folders that hold a delivery's accepted rows."""
    if not manifest.rows_accepted:
        return []
    days: Iterable[date] = (
        manifest.event_days if manifest.feed == "activity" else [manifest.delivery_date]
    )
    return [raw_partition(CONTRACT[manifest.feed], day.isoformat()) for day in days]


def _move_to_raw(lake: Lake, manifest: DeliveryManifest) -> None:
    """Move the staged rows into ``raw/``; what an interrupted publication moved is there."""
    staged = ("staged", manifest.feed, manifest.delivery_id)
    for file in lake.files(*staged, suffix=".parquet"):
        lake.move((file,), ("raw", manifest.feed, *file.split("/")[len(staged) :]))


def _places(manifest: DeliveryManifest, tree: str, partition: str) -> list[tuple[str, ...]]:
    """Where one partition's file of a delivery may lie: published, or still staged."""
    file = (partition, f"{manifest.delivery_id}.parquet")
    published: list[tuple[str, ...]] = [(tree, manifest.feed, *file)]
    if tree == "raw":
        return [("staged", manifest.feed, manifest.delivery_id, *file), *published]
    return published


def damage(lake: Lake, feed: FeedName, manifests: Sequence[DeliveryManifest]) -> dict[str, str]:
    """Deliveries whose files do not hold the rows that their manifest counts: id to what is wrong.

    Reads row counts from the Parquet footers only.
    """
    wanted: dict[str, dict[str, int]] = {}  # delivery id: tree: rows
    files: dict[str, tuple[str, str]] = {}  # file: delivery id, tree
    faults: dict[str, str] = {}
    for manifest in manifests:
        name = manifest.delivery_id
        if manifest.rows_in != manifest.rows_accepted + manifest.rows_rejected:
            faults[name] = (
                f"{manifest.rows_in} rows in, {manifest.rows_accepted} accepted, "
                f"{manifest.rows_rejected} rejected: rows were lost or invented"
            )
            continue
        rejects = f"delivery_date={manifest.delivery_date}"
        expected = [("raw_rejected", rejects, manifest.rows_rejected)]
        if manifest.verdict != "refused":
            expected += [("raw", p, manifest.rows_accepted) for p in _partitions(manifest)]
        for tree, partition, rows in expected:
            if not rows:
                continue
            here = [p for p in _places(manifest, tree, partition) if lake.exists(*p)]
            if not here:
                faults[name] = f"the file of {tree}/{feed}/{partition} is missing"
                break
            wanted.setdefault(name, {})[tree] = rows
            files[lake.path(*here[0])] = (name, tree)
    found: dict[tuple[str, str], int] = {}
    if files:
        with lake.connect() as connection:
            for file, rows in connection.execute(
                "SELECT file_name, num_rows FROM parquet_file_metadata(["
                + ", ".join(quoted(file) for file in files)
                + "])"
            ).fetchall():
                found[files[file]] = found.get(files[file], 0) + rows
    for name, trees in wanted.items():
        for tree, rows in trees.items():
            if name not in faults and found[name, tree] != rows:
                faults[name] = (
                    f"{rows} rows counted for {tree} but {found[name, tree]} in its files"
                )
    return faults
