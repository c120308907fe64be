"""What was landed before of a feed: sequence numbers, repetitions, the previous delivery.

Without ``{sequence}`` in its names a delivery is compared with the last one landed for its date:
other content, or the same content under a changed mapping, is the next sequence. With it, the
number in the name is used unless a higher one has landed; the same files again, or the content of
any delivery that this number cannot supersede, are duplicates.
"""

from __future__ import annotations

from datetime import date

from orchestration.feeds.arrivals import Delivery
from orchestration.feeds.deliveries import DeliveryManifest, delivery_id
from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.settings import FeedName


class History:
    """The manifests of one feed, each read when it is first asked for."""

    def __init__(self, lake: Lake, feed: FeedName) -> None:
        self._lake = lake
        self._feed = feed
        self._landed: dict[date, dict[int, DeliveryManifest | None]] = {}
        for file in lake.files("deliveries", feed, suffix=".json"):
            name = file.rsplit("/", 1)[1].removesuffix(".json")
            self._landed.setdefault(date.fromisoformat(name[:10]), {})[int(name[11:])] = None

    def __contains__(self, name: object) -> bool:
        """Whether a delivery of this id was landed."""
        text = str(name)
        try:
            return int(text[11:]) in self._landed.get(date.fromisoformat(text[:10]), {})
        except ValueError:
            return False

    def add(self, manifest: DeliveryManifest) -> None:
        """Remember a delivery that was landed just now."""
        self._landed.setdefault(manifest.delivery_date, {})[manifest.sequence] = manifest

    def manifest(self, day: date, sequence: int) -> DeliveryManifest:
        """The manifest of a landed delivery; raises KeyError where there is none."""
        manifest = self._landed[day][sequence]
        if manifest is None:
            name = f"{delivery_id(day, sequence)}.json"
            manifest = DeliveryManifest.model_validate(
                self._lake.read_json("deliveries", self._feed, name)
            )
            self._landed[day][sequence] = manifest
        return manifest

    def previous(self, day: date) -> DeliveryManifest | None:
        """The last earlier delivery that was not refused."""
        for earlier in sorted((d for d in self._landed if d < day), reverse=True):
            manifest = self.standing(earlier)
            if manifest is not None:
                return manifest
        return None

    def standing(self, day: date) -> DeliveryManifest | None:
        """The last delivery of this date that was not refused: what the next one supersedes."""
        for sequence in sorted(self._landed.get(day, {}), reverse=True):
            manifest = self.manifest(day, sequence)
            if manifest.verdict != "refused":
                return manifest
        return None

    def repeated(
        self, delivery: Delivery, content: str, mapping: str, paths: set[str]
    ) -> DeliveryManifest | None:
        """The landed delivery that this one repeats, if it does.

        Args:
            content: hash of what was delivered.
            mapping: hash of the declaration that reads it.
            paths: the files' paths under the landing folder.
        """
        landed = self._landed.get(delivery.delivery_date, {})
        if not landed:
            return None
        highest = max(landed)
        same = [
            manifest
            for sequence in sorted(landed, reverse=True)
            if content
            in (
                (manifest := self.manifest(delivery.delivery_date, sequence)).content_hash,
                manifest.edited_hash,
            )
            and manifest.declaration_hash == mapping
        ]
        if delivery.sequence is not None:
            for manifest in same:
                if {file.path for file in manifest.files} == paths:
                    return manifest
        if same and (same[0].sequence == highest or (delivery.sequence or highest + 1) <= highest):
            return same[0]
        return None

    def next_sequence(self, delivery: Delivery) -> int:
        """The sequence number that a delivery gets if it is landed now."""
        highest = max(self._landed.get(delivery.delivery_date, {0: None}))
        named = delivery.sequence or 0
        sequence = named if named > highest else highest + 1
        if sequence > 999:
            raise Problem(
                f"{delivery.label}: more than 999 deliveries of {self._feed} for one date.",
                remedy="find out what sends the same date again and again.",
            )
        return sequence
