"""What a feed's owner has to know of its quality: what failed, since when, which rows, what to do.

It names no person. Of a rejected row it says file, row and reason, and of its values only those
that its rule looked at: keys and persons as short tokens, the same within one delivery and
meaningless outside it; personal data and free text never.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from itertools import takewhile
from operator import itemgetter
from typing import Any, Literal

from orchestration.feeds.contract import CONTRACT, Column, Feed
from orchestration.feeds.deliveries import DeliveryManifest
from orchestration.feeds.rules import DUPLICATE, MANAGER_CYCLE, row_rules, too_long
from orchestration.feeds.staging import rejected_parts
from orchestration.lake import Lake, quoted
from orchestration.quality.close import Holdings, holes
from orchestration.quality.expectations import Checked, checked
from orchestration.quality.freshness import Freshness, freshness
from orchestration.settings import FeedName, Settings

Standing = Literal["refused", "late", "warned", "rejected", "sound", "silent"]
_DELIVERIES = 12
_NAMED = 3
_REASONS = 12
_OF_EACH_REASON = 3
_SHOWN = 40  # characters of a value
_FREE_TEXT = frozenset({"title", "text", "outcome", "if_not_taken", "name"})
"""Columns that people write into, of other people at times."""


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a feed now.

    Attributes:
        what: in words, with the number it is judged by.
        remedy: how to resolve it.
        since: date of the first delivery of the unbroken row that have it, or of the deadline.
        refuses: whether it keeps the delivery out; else it is a warning.
    """

    what: str
    remedy: str
    since: date
    refuses: bool


@dataclass(frozen=True)
class Rejected:
    """Rows of one reason in the newest delivery that was read.

    Attributes:
        since: date of the first delivery of the unbroken row that have such rows.
    """

    reason: str
    rows: int
    since: date


@dataclass(frozen=True)
class Sample:
    """One rejected row: where it stands, why, and what its rule looked at, by column."""

    file: str
    row: int | None
    reason: str
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class FeedReport:
    """The quality of one declared feed.

    Attributes:
        standing: ``refused`` (its newest delivery, or one that nothing has made up for), ``late``,
            ``warned``, ``rejected`` (rows of its newest delivery), ``sound``, or ``silent``
            (optional, and nothing ever came).
        of: the delivery that ``rejected`` and ``samples`` are of.
        deliveries: the newest, newest first.
        expectations: each of the suite's, for the newest delivery; empty where that was judged by
            a version that kept no results.
    """

    feed: FeedName
    owner: str
    standing: Standing
    freshness: Freshness
    faults: tuple[Fault, ...]
    rejected: tuple[Rejected, ...]
    samples: tuple[Sample, ...]
    of: DeliveryManifest | None
    deliveries: tuple[DeliveryManifest, ...]
    expectations: tuple[Checked, ...]

    @property
    def since(self) -> date | None:
        """Since when it stands like this; None where nothing is wrong."""
        weighs = self.standing in ("refused", "late")
        dates = [fault.since for fault in self.faults if fault.refuses == weighs]
        return min(dates or [each.since for each in self.rejected], default=None)


def feed_reports(settings: Settings, lake: Lake, now: datetime) -> list[FeedReport]:
    """The report of every declared feed, in the contract's order.

    Args:
        now: aware time, for deadlines.
    """
    holdings = Holdings.read(lake)
    return [
        _report(settings, lake, holdings, feed, now) for feed in CONTRACT if feed in settings.feeds
    ]


def _report(
    settings: Settings, lake: Lake, holdings: Holdings, feed: FeedName, now: datetime
) -> FeedReport:
    known = sorted(holdings.known[feed], key=lambda m: (m.delivery_date, m.sequence))
    judged = freshness(settings, feed, holdings.standing[feed], now)
    newest_of_date = list({m.delivery_date: m for m in known}.values())
    newest = newest_of_date[-1] if newest_of_date else None
    missing = [m for m in holes(settings, holdings, feed) if m != newest]
    faults = [*_late(settings, judged), *_delivery_faults(newest_of_date), *_holes(missing)]
    read = next((m for m in reversed(newest_of_date) if m.contract_problem is None), None)
    rejected = _rejected(newest_of_date)
    return FeedReport(
        feed=feed,
        owner=settings.feeds[feed].owner,
        standing=_standing(newest, missing, judged, faults, rejected),
        freshness=judged,
        faults=tuple(faults),
        rejected=tuple(rejected),
        samples=tuple(_samples(settings, lake, read)) if read else (),
        of=read,
        deliveries=tuple(reversed(known[-_DELIVERIES:])),
        expectations=tuple(checked(lake, newest)) if newest else (),
    )


def _standing(
    newest: DeliveryManifest | None,
    missing: Sequence[DeliveryManifest],
    judged: Freshness,
    faults: Sequence[Fault],
    rejected: Sequence[Rejected],
) -> Standing:
    if missing or (newest is not None and newest.verdict == "refused"):
        return "refused"
    if judged.state == "late":
        return "late"
    if faults:
        return "warned"
    if rejected:
        return "rejected"
    return "silent" if newest is None else "sound"


# ---- faults --------------------------------------------------------------------------------


def _late(settings: Settings, judged: Freshness) -> Iterator[Fault]:
    if judged.state not in ("late", "quiet"):
        return
    patterns = ", ".join(settings.feeds[judged.feed].files.values())
    late = judged.state == "late"
    yield Fault(
        what=f"{judged.message[0].upper()}{judged.message[1:]}",
        remedy=f"put a whole delivery ({patterns}) into the landing folder; it is taken up by "
        "itself within minutes.",
        since=judged.due_on if late else (judged.covered_until or judged.due_on),
        refuses=late,
    )


def _delivery_faults(deliveries: Sequence[DeliveryManifest]) -> Iterator[Fault]:
    """What the newest delivery failed or was warned of, and since which delivery.

    Args:
        deliveries: the newest of each date, oldest first.
    """
    if not deliveries:
        return
    newest = deliveries[-1]
    for texts, refuses in ((_failed, True), (_warned, False)):
        for name, text in texts(newest).items():
            what, _, remedy = text.partition(" Remedy: ")
            having = [name in texts(manifest) for manifest in deliveries]
            yield Fault(
                what=what,
                remedy=remedy or "have the export corrected and deliver the same date again.",
                since=_since(deliveries, having),
                refuses=refuses,
            )


def _holes(missing: Sequence[DeliveryManifest]) -> Iterator[Fault]:
    """That deliveries before the newest were refused and no later one makes up for them."""
    if not missing:
        return
    newest = missing[-1]
    named = ", ".join(m.delivery_id for m in missing[-_NAMED:])
    more = f" and {len(missing) - _NAMED} before" * (len(missing) > _NAMED)
    why = "; ".join(text.partition(" Remedy: ")[0] for text in _failed(newest).values())
    yield Fault(
        what=f"refused and not delivered again, so that what it held is missing: {named}{more}. "
        f"{newest.delivery_id}: {why}",
        remedy="have the export corrected and deliver the same date again.",
        since=missing[0].delivery_date,
        refuses=True,
    )


def _failed(manifest: DeliveryManifest) -> dict[str, str]:
    """What keeps the delivery out: expectation to words."""
    failed = _by_name(manifest.failed_expectations)
    if manifest.contract_problem is not None:
        failed.setdefault("contract_kept", manifest.contract_problem)
    return failed


def _warned(manifest: DeliveryManifest) -> dict[str, str]:
    return _by_name(manifest.warned_expectations)


def _by_name(messages: Iterable[str]) -> dict[str, str]:
    """Messages by the expectation that each is of: its words change from delivery to delivery."""
    return {name: words for name, _, words in (text.partition(": ") for text in messages)}


def _since(deliveries: Sequence[DeliveryManifest], having: Sequence[bool]) -> date:
    """Date of the first of the deliveries that have it without a break up to the newest."""
    unbroken = takewhile(itemgetter(1), zip(reversed(deliveries), reversed(having), strict=True))
    return [manifest.delivery_date for manifest, _ in unbroken][-1]


def _rejected(deliveries: Sequence[DeliveryManifest]) -> list[Rejected]:
    read = [m for m in deliveries if m.contract_problem is None]
    if not read:
        return []
    found = [
        Rejected(reason, rows, _since(read, [bool(m.rejected_by_reason.get(reason)) for m in read]))
        for reason, rows in read[-1].rejected_by_reason.items()
        if rows
    ]
    return sorted(found, key=lambda each: (-each.rows, each.reason))


# ---- rows ----------------------------------------------------------------------------------


def _samples(settings: Settings, lake: Lake, manifest: DeliveryManifest) -> Iterator[Sample]:
    """The first rejected rows of each reason."""
    parts = rejected_parts(manifest)
    if not manifest.rows_rejected or not lake.exists(*parts):
        return
    feed = CONTRACT[manifest.feed]
    looked_at = _columns_of_reasons(settings, feed, manifest)
    with lake.connect() as connection:
        rows = connection.execute(
            "SELECT source_file, row_number, reason, row_json FROM read_parquet("
            f"{quoted(lake.path(*parts))}, hive_partitioning = false) "
            "QUALIFY row_number() OVER (PARTITION BY reason ORDER BY source_file, row_number, "
            f"row_json) <= {_OF_EACH_REASON} ORDER BY reason, source_file, row_number, row_json "
            f"LIMIT {_REASONS * _OF_EACH_REASON}"
        ).fetchall()
    longest = settings.landing.max_field_characters
    for file, number, reason, content in rows:
        values = json.loads(content) if content else {}
        columns = looked_at.get(reason, ())
        if reason == too_long(longest).reason:
            columns = tuple(c for c in columns if len(str(values.get(c.name) or "")) > longest)
        yield Sample(
            file=file or "",
            row=number,
            reason=reason,
            values=tuple(_shown(feed, manifest, columns, values)) if values else (),
        )


def _columns_of_reasons(
    settings: Settings, feed: Feed, manifest: DeliveryManifest
) -> dict[str, tuple[Column, ...]]:
    """The columns that each reason's rule looks at."""
    found: dict[str, tuple[Column, ...]] = {}
    rules = row_rules(
        feed, settings.feeds[feed.name], settings, manifest.delivery_date, judge_people=True
    )
    for rule in rules:
        words = set(re.findall(r"[a-z_]+", rule.condition or ""))
        if rule.id == DUPLICATE.id:
            words = set(feed.key)
        elif rule.id == MANAGER_CYCLE.id:
            words = {"person_id", "manager_id"}
        columns = tuple(column for column in feed.columns if column.name in words)
        found[rule.reason] = tuple(dict.fromkeys((*found.get(rule.reason, ()), *columns)))
    return found


def _shown(
    feed: Feed, manifest: DeliveryManifest, looked_at: Sequence[Column], values: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """What of a row may be shown: its key, then what its rule looked at."""
    keys = [feed.column(name) for name in feed.key]
    for column in dict.fromkeys((*keys, *looked_at)):
        value = values.get(column.name)
        if value is None:
            shown = "(empty)"
        elif len(str(value)) > _SHOWN:
            shown = f"({len(str(value)):,} characters)"
        elif column.personal or column.name in _FREE_TEXT:
            shown = "(not shown)"
        elif column in keys or column.name.endswith("_id") or column.name == "recorded_by":
            shown = _token(manifest, column, value)
        else:
            shown = str(value)
        yield column.name, shown


def _token(manifest: DeliveryManifest, column: Column, value: Any) -> str:
    """The same value of one delivery has the same token, a person in whatever column; without the
    delivered file it says nothing."""
    of_person = column.is_person
    seed = f"{manifest.content_hash}\n{'person' if of_person else column.name}\n{value}"
    return f"#{hashlib.sha256(seed.encode()).hexdigest()[:8]}"
