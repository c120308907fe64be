"""The profile of a delivery: one flat row of numbers, computed by DuckDB in one pass.

Great Expectations judges deliveries by it, so that rows never leave DuckDB. It holds no value of a
row. Shares lie in 0..1; an age is the delivery date minus the local date, in days (negative: after
the delivery date); null means that there is nothing to compute from.

=============================================  ====================================================
key                                            meaning
=============================================  ====================================================
rows_in, rows_accepted, rows_rejected          counts
rejected_share                                 rows_rejected / rows_in, 0 for no rows
rejected_share__<rule>                         the same by rule (``rules.rule_ids``)
missing_columns                                0: a missing column refuses the delivery
columns_not_supplied                           optional columns that the declaration leaves out
files, bytes                                   what was delivered
rows_of_previous, volume_ratio,                the last earlier delivery that was not refused: its
days_since_previous                            rows, rows_accepted / its rows, days between
redelivery_ratio                               rows_accepted / the rows of the delivery of the same
                                               date that this one would supersede; null for none
distinct_keys                                  distinct keys among the accepted rows
null_share__<column>                           every column
newest_age_days__<column>,                     dates and times
oldest_age_days__<column>
min__<column>, max__<column>                   numbers
max_length__<column>                           text
true_share__<column>                           booleans
unknown_share__<column>                        coded columns: non-null values not in ``rules.CODES``
newest_age_days, oldest_age_days, event_days   event feeds: of the event time; local days
persons_checked                                feeds that name a person: 1 if persons were judged
manager_cycle_rows                             people: rows quarantined for a manager cycle
=============================================  ====================================================
"""

from __future__ import annotations

from datetime import date
from typing import Any

from orchestration.feeds.contract import Feed
from orchestration.feeds.rules import CODES
from orchestration.lake import identifier, quoted


def measures(feed: Feed, time_zone: str) -> dict[str, str]:
    """SQL aggregates over the accepted rows, by profile key; ages are still dates.

    The rows have the contract's columns and, for events, ``_day``: the local date of the event.
    """
    found: dict[str, str] = {}
    if feed.event_time is not None:
        found |= {
            "event_days": "count(DISTINCT _day)",
            "newest_age_days": "max(_day)",
            "oldest_age_days": "min(_day)",
        }
    for column in feed.columns:
        name, cell = column.name, identifier(column.name)
        found[f"null_share__{name}"] = f"avg(CASE WHEN {cell} IS NULL THEN 1 ELSE 0 END)"
        if column.sql_type in ("DATE", "TIMESTAMPTZ"):
            for end, function in (("newest", "max"), ("oldest", "min")):
                extreme = f"{function}({cell})"
                if column.sql_type == "TIMESTAMPTZ":  # the extreme first: one conversion, not n
                    extreme = f"CAST(timezone({quoted(time_zone)}, {extreme}) AS DATE)"
                found[f"{end}_age_days__{name}"] = extreme
        elif column.sql_type == "VARCHAR":
            found[f"max_length__{name}"] = f"max(length({cell}))"
        elif column.sql_type == "BOOLEAN":
            found[f"true_share__{name}"] = f"avg(CAST({cell} AS INTEGER))"
        else:
            found[f"min__{name}"] = f"CAST(min({cell}) AS DOUBLE)"
            found[f"max__{name}"] = f"CAST(max({cell}) AS DOUBLE)"
        if codes := CODES.get(feed.name, {}).get(name):
            listed = ", ".join(map(quoted, codes))
            found[f"unknown_share__{name}"] = f"avg(CAST({cell} NOT IN ({listed}) AS INTEGER))"
    return found


def finished(day: date, measured: dict[str, Any]) -> dict[str, Any]:
    """The measured row with dates turned to ages and shares rounded."""
    profile: dict[str, Any] = {}
    for key, value in measured.items():
        if isinstance(value, date):
            value = (day - value).days
        elif isinstance(value, float):
            value = round(value, 6)
        profile[key] = value
    return profile
