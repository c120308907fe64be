"""What Python tells dbt before a build: small Parquet tables under ``control/`` in the lake.

dbt variables would do, but a changed variable makes dbt parse the whole project again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.settings import Settings

_SETTINGS = pa.schema(
    [
        ("time_zone", pa.string()),
        ("privacy_threshold", pa.int32()),
        ("currency", pa.string()),
        ("organisation", pa.string()),
    ]
)
_PERIODS = pa.schema(
    [
        ("period_id", pa.string()),
        ("period_start", pa.date32()),
        ("period_end", pa.date32()),
        ("previous_start", pa.date32()),
        ("same_last_year_start", pa.date32()),
    ]
)
_EVENT_DAYS = pa.schema([("event_day", pa.date32()), ("deliveries", pa.int32())])


def _write(lake: Lake, name: str, rows: list[dict[str, Any]], schema: pa.Schema) -> None:
    sink = pa.BufferOutputStream()
    pq.write_table(pa.Table.from_pylist(rows, schema=schema), sink)
    lake.write_bytes(sink.getvalue().to_pybytes(), "control", f"{name}.parquet")


def write_settings(lake: Lake, settings: Settings) -> None:
    """The settings that models read: time zone, privacy threshold, currency, name."""
    organisation = settings.organisation
    row = {
        "time_zone": organisation.time_zone,
        "privacy_threshold": organisation.privacy_threshold,
        "currency": organisation.currency,
        "organisation": organisation.name,
    }
    _write(lake, "settings", [row], _SETTINGS)


def write_periods(lake: Lake, grain: Grain, periods: Sequence[Period]) -> None:
    """The periods that the next build of this grain makes."""
    rows = [
        {
            "period_id": period.id,
            "period_start": period.start,
            "period_end": period.end,
            "previous_start": period.shift(-1).start,
            "same_last_year_start": period.same_last_year.start,
        }
        for period in periods
    ]
    _write(lake, f"periods__{grain}", rows, _PERIODS)


def write_event_days(lake: Lake, days: Mapping[date, int]) -> None:
    """The local days whose activity facts the next build makes.

    Args:
        days: each with the number of deliveries that have events of it in the lake.
    """
    rows = [{"event_day": day, "deliveries": count} for day, count in days.items()]
    _write(lake, "event_days", rows, _EVENT_DAYS)


def initialise_control(lake: Lake, settings: Settings) -> None:
    """Lay empty control tables, so that every model can be read from the first day on."""
    write_settings(lake, settings)
    for grain in Grain:
        if not lake.exists("control", f"periods__{grain}.parquet"):
            write_periods(lake, grain, [])
    if not lake.exists("control", "event_days.parquet"):
        write_event_days(lake, {})
