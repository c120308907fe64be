"""Which delivery dates have files in the landing folder, or landed, that are not in force yet."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

from orchestration.feeds.arrivals import Delivery, find_deliveries
from orchestration.feeds.deliveries import DeliveryManifest, manifests, unfinished
from orchestration.lake import Lake
from orchestration.settings import Settings


@dataclass(frozen=True)
class Awaiting:
    """What an ingest has something to do for.

    Attributes:
        arrived: dates with a whole delivery of any feed that no manifest accounts for.
        unfinished: dates of deliveries that an ingest which died had landed and not published.
    """

    arrived: frozenset[date]
    unfinished: frozenset[date]


def awaiting_dates(settings: Settings, lake: Lake) -> list[date]:
    """Dates, in order, that an ingest has something to do for."""
    found = awaiting(settings, lake)
    return sorted(found.arrived | found.unfinished)


def awaiting(settings: Settings, lake: Lake) -> Awaiting:
    """What has arrived, and what was left unfinished.

    A look at names, sizes and times, cheap enough for every tick; landing itself compares content,
    so that a date named here without need costs a reading and changes nothing.
    """
    first = settings.organisation.history_from
    last = datetime.now(settings.organisation.zone).date()
    arrived: set[date] = set()
    left: set[date] = set()
    for feed in settings.feeds:
        known = manifests(lake, feed)
        landed: dict[date, list[DeliveryManifest]] = {}
        for manifest in known:
            landed.setdefault(manifest.delivery_date, []).append(manifest)
        arrived.update(
            delivery.delivery_date
            for delivery in find_deliveries(settings, feed, first, last)
            if delivery.status == "ready"
            and not any(
                _accounts_for(settings, manifest, delivery)
                for manifest in landed.get(delivery.delivery_date, [])
            )
        )
        left |= unfinished(lake, feed, known)
    return Awaiting(frozenset(arrived), frozenset(left))


def _accounts_for(settings: Settings, manifest: DeliveryManifest, delivery: Delivery) -> bool:
    """Whether the manifest was landed from these files as they lie there now."""
    known = {file.path: file.bytes for file in manifest.files}
    paths = [path for group in delivery.files.values() for path in group]
    for path in paths:
        stat = path.stat()
        name = path.relative_to(settings.landing_folder).as_posix()
        written = datetime.fromtimestamp(stat.st_mtime, UTC)
        if known.get(name) != stat.st_size or written > manifest.landed_at:
            return False
    return True
