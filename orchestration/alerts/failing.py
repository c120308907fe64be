"""Which runs have failed and were not made good: by job and by the partitions that they were of.

One period's success says nothing of another's, so a failure is over when runs of the same job that
came after it have done its partitions. Runs that fail over the same partitions are one failure,
however many and wherever their ranges begin and end.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from dagster import AssetKey, DagsterRun, DagsterRunStatus, RunRecord

from orchestration.cadences import RANGE_END_TAG, RANGE_START_TAG

PARTITION_TAG = "dagster/partition"
_DAY = timedelta(days=1)
Span = tuple[date, date]


@dataclass
class Failure:
    """Runs of one job that failed over the same partitions, newest first.

    Attributes:
        spans: what of their partitions is not made good, by first and last key; empty for a job
            without partitions.
        assets: what the newest of them was to make; None for all of the job.
    """

    spans: list[Span]
    assets: frozenset[AssetKey] | None
    runs: list[RunRecord] = field(default_factory=list)

    @property
    def first(self) -> date | None:
        """The first partition that is not made good."""
        return min((first for first, _ in self.spans), default=None)

    @property
    def last(self) -> date | None:
        """The last one."""
        return max((last for _, last in self.spans), default=None)

    def covers(self, partition: date | None) -> bool:
        """Whether a partition (None: of a job without) is one of those."""
        return _holds(self.spans, partition)


@dataclass(frozen=True)
class Judged:
    """What the newest runs of a job say.

    Attributes:
        failures: not made good.
        well: the partitions that later runs have made good or done, by span.
        whole: whether a run without partitions did what it was asked.
    """

    failures: list[Failure]
    well: list[Span]
    whole: bool

    def is_well(self, partition: date | None) -> bool:
        """Whether the newest word on a partition is a success."""
        if any(failure.covers(partition) for failure in self.failures):
            return False
        return self.whole if partition is None else _holds(self.well, partition)


def judge(records: Iterable[RunRecord], job_assets: frozenset[AssetKey]) -> Judged:
    """Judge a job by its ended runs.

    Args:
        records: runs that succeeded or failed, newest first.
        job_assets: all assets of the job; empty where it has none.
    """
    failures: list[Failure] = []
    done: list[tuple[Span | None, frozenset[AssetKey]]] = []
    well: list[Span] = []
    whole = False
    for record in records:
        run = record.dagster_run
        span = span_of(run)
        made = frozenset(run.asset_selection) if run.asset_selection else job_assets
        if run.status is DagsterRunStatus.SUCCESS:
            done.append((span, made))
            whole = whole or span is None
            well += [span] if span else []
            continue
        left = _left(span, made, done)
        if left is None:
            continue
        known = [f for f in failures if _same(f, left, made, job_assets)]
        if not known:
            known = [Failure([], made if run.asset_selection else None)]
            failures += known
        # what newer failures say of a partition stands
        for each in known:
            for of in each.spans:
                left = _without(left, of)
        known[0].spans = _joined([*known[0].spans, *left])
        known[0].runs.append(record)
    return Judged(failures, well, whole)


def span_of(run: DagsterRun) -> Span | None:
    """The partitions of a run by first and last key; None where they are no dates."""
    first = run.tags.get(RANGE_START_TAG) or run.tags.get(PARTITION_TAG)
    last = run.tags.get(RANGE_END_TAG) or first
    try:
        return (date.fromisoformat(first), date.fromisoformat(last)) if first and last else None
    except ValueError:
        return None


def _left(
    span: Span | None,
    wanted: frozenset[AssetKey],
    done: Sequence[tuple[Span | None, frozenset[AssetKey]]],
) -> list[Span] | None:
    """What of a failed run's partitions later runs have not made good; None for nothing."""
    if span is None:
        made = [assets for of, assets in done if of is None]
        is_made = bool(made) and wanted <= frozenset().union(*made)
        return None if is_made else []
    left = [span]
    # a range may be made good in parts, and each part in steps
    for of, assets in done:
        if of is None:
            continue
        beside = [more for other, more in done if other and other[0] <= of[0] and of[1] <= other[1]]
        if wanted <= frozenset(assets).union(*beside):
            left = _without(left, of)
    return left or None


def _same(
    failure: Failure, left: list[Span], assets: frozenset[AssetKey], job_assets: frozenset[AssetKey]
) -> bool:
    mine = failure.assets if failure.assets is not None else job_assets
    if mine and assets and not mine & assets:
        return False  # runs launched by hand share a job's name and nothing else
    if not left:
        return not failure.spans
    return any(a <= d and c <= b for a, b in failure.spans for c, d in left)


def _holds(spans: Sequence[Span], partition: date | None) -> bool:
    if partition is None:
        return not spans
    return any(first <= partition <= last for first, last in spans)


def _without(spans: Sequence[Span], hole: Span) -> list[Span]:
    found: list[Span] = []
    for first, last in spans:
        if hole[1] < first or last < hole[0]:
            found.append((first, last))
            continue
        if first < hole[0]:
            found.append((first, hole[0] - _DAY))
        if hole[1] < last:
            found.append((hole[1] + _DAY, last))
    return found


def _joined(spans: Sequence[Span]) -> list[Span]:
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + _DAY:
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found
