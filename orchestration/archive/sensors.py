"""The archive kept current between reviews: data quality changes with every delivery."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime

from dagster import DefaultSensorStatus, SensorDefinition, SensorEvaluationContext, SkipReason

from orchestration.archive.site import build_site
from orchestration.lake import Lake
from orchestration.quality.close import Holdings
from orchestration.settings import Settings

ARCHIVE_SENSOR = "archive_sensor"


def build_sensors(settings: Settings) -> list[SensorDefinition]:
    """Renews the archive when a delivery was judged, and once a day, as feeds become late."""

    def evaluate(context: SensorEvaluationContext) -> SkipReason:
        now = datetime.now(UTC)
        shown = _shown(settings, now)
        if context.cursor == shown:
            return SkipReason("nothing was judged since, and the day is the same")
        built = build_site(settings, now)
        context.update_cursor(shown)
        return SkipReason(f"{built.written} files of the archive were renewed")

    return [
        SensorDefinition(
            name=ARCHIVE_SENSOR,
            evaluation_fn=evaluate,
            minimum_interval_seconds=300,
            default_status=DefaultSensorStatus.RUNNING,
            description="Keeps the archive's page of data quality current; starts no run.",
        )
    ]


def _shown(settings: Settings, now: datetime) -> str:
    """What the page of data quality depends on, as one hash."""
    known = Holdings.read(Lake(settings.lake_url, settings.duckdb)).known
    judged = [(feed, m.delivery_id, m.verdict) for feed, found in known.items() for m in found]
    today = now.astimezone(settings.organisation.zone).date()
    return hashlib.sha256(json.dumps([str(today), judged]).encode()).hexdigest()
