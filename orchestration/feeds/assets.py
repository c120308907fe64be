"""One Dagster asset a declared feed: the deliveries of a range of dates, landed.

A refused delivery does not fail the step. It shows in the metadata here, fails its check in the
next stage, and leaves the last good delivery in force.
"""

# No postponed annotations here: Dagster reads the type of a step's context from the function.

from collections import Counter
from datetime import date
from typing import Any

import dagster as dg
from dagster import AssetExecutionContext

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.landing import Outcome, land_range
from orchestration.feeds.rules import NAMING_A_PERSON
from orchestration.lake import Lake
from orchestration.periods import day_partitions
from orchestration.settings import FeedName, Settings

_ABOUT: dict[FeedName, str] = {
    "people": "Who works here: role, unit, level, employment and leave, as of each day.",
    "org_units": "The organisation's tree of units and their sponsors, as of each day.",
    "courses": "The learning catalogue: owners, flagships, mandatory courses, as of each day.",
    "enrolments": "Who is assigned what, until when, and what became of it.",
    "activity": "What people did in the LMS, event by event (xAPI verbs).",
    "assessments": "Attempts at assessments, with score and result.",
    "certifications": "Certificates issued, expiring and revoked.",
    "leader_actions": "What leaders did for learning, as recorded by people.",
    "business_outcomes": "The business measures that learning is meant to move, by unit.",
    "initiatives": "Campaigns, launches and competing work that explain a change.",
    "decisions": "The decision and action log as people keep it: asked, owed, decided, closed.",
    "records": "What people record by command, workbook or link, and what reviews ask for.",
}


def build_assets(settings: Settings) -> list[dg.AssetsDefinition]:
    """The landing assets ``feeds/landed_<feed>`` of every declared feed."""
    return [_landed(settings, feed) for feed in CONTRACT if feed in settings.feeds]


def _landed(settings: Settings, feed: FeedName) -> dg.AssetsDefinition:
    contract = CONTRACT[feed]
    declaration = settings.feeds[feed]
    judges_people = feed in NAMING_A_PERSON and "people" in settings.feeds
    schema = dg.TableSchema(
        columns=[
            dg.TableColumn(
                column.name,
                column.sql_type,
                constraints=dg.TableColumnConstraints(
                    nullable=not column.required, unique=contract.key == (column.name,)
                ),
                tags={"personal": ""} if column.personal else {},
            )
            for column in contract.columns
        ]
    )

    @dg.asset(
        key=["feeds", f"landed_{feed}"],
        deps=[dg.AssetKey(["quality", "raw_people"])] if judges_people else [],
        partitions_def=day_partitions(settings.organisation),
        backfill_policy=dg.BackfillPolicy.single_run(),
        group_name="feeds",
        owners=["team:data-engineering"],
        kinds={
            "duckdb",
            "parquet",
            declaration.format if declaration.format != "xlsx" else "excel",
        },
        tags={"feed": feed, "feed_kind": contract.kind},
        description=(
            f"{_ABOUT[feed]} Lands the deliveries of a date "
            f"({', '.join(f'`{p}`' for p in declaration.files.values())}) aside as typed Parquet; "
            "rows that break a row rule are quarantined with the reason."
        ),
        metadata={
            "dagster/column_schema": schema,
            "source_owner": declaration.owner,
            "file_patterns": dict(declaration.files),
        },
    )
    def landed(context: AssetExecutionContext) -> None:
        keys = context.partition_key_range
        outcomes = land_range(
            settings,
            Lake(settings.lake_url, settings.duckdb),
            feed,
            date.fromisoformat(keys.start),
            date.fromisoformat(keys.end),
        )
        by_date: dict[date, list[Outcome]] = {}
        for outcome in outcomes:
            by_date.setdefault(outcome.delivery.delivery_date, []).append(outcome)
            if outcome.status in ("refused", "deferred", "waiting"):
                context.log.warning(f"{feed} {outcome.delivery.label}: {outcome.note}")
        # most dates of a long range have no delivery, and nothing to say
        for day in sorted(by_date):
            context.add_asset_metadata(_metadata(by_date[day]), partition_key=day.isoformat())

    return landed


def _metadata(outcomes: list[Outcome]) -> dict[str, Any]:
    """Of one delivery date: counts to plot and a table of its deliveries; no value of a row."""
    counts: Counter[str] = Counter(outcome.status for outcome in outcomes)
    fresh = [o.manifest for o in outcomes if o.status == "landed" and o.manifest is not None]
    accepted = sum(manifest.rows_accepted for manifest in fresh)
    reasons: Counter[str] = Counter()
    for manifest in fresh:
        reasons.update(manifest.rejected_by_reason)
    held = [
        f"{outcome.delivery.label}: {outcome.note}"
        for outcome in outcomes
        if outcome.status in ("deferred", "waiting")
    ]
    return {
        "dagster/row_count": accepted,
        "rows_in": sum(manifest.rows_in for manifest in fresh),
        "rows_accepted": accepted,
        "rows_rejected": sum(manifest.rows_rejected for manifest in fresh),
        "deliveries_landed": counts["landed"],
        "rejected_by_reason": dict(sorted(reasons.items())),
        **{
            f"deliveries_{status}": counts[status]
            for status in ("refused", "duplicate", "deferred", "waiting")
        },
        "not_yet_landed": dg.MetadataValue.md("\n".join(f"- {line}" for line in held) or "none"),
        "deliveries": dg.TableMetadataValue(
            records=[dg.TableRecord(_record(outcome)) for outcome in outcomes],
            schema=_table_schema(),
        ),
    }


def _table_schema() -> Any:
    return dg.TableSchema(
        columns=[
            dg.TableColumn("delivery", "string"),
            dg.TableColumn("status", "string"),
            dg.TableColumn("files", "string"),
            dg.TableColumn("rows_in", "int"),
            dg.TableColumn("rows_accepted", "int"),
            dg.TableColumn("rows_rejected", "int"),
            dg.TableColumn("note", "string"),
        ]
    )


def _record(outcome: Outcome) -> dict[str, str | int]:
    manifest = outcome.manifest
    names = [path.name for paths in outcome.delivery.files.values() for path in paths]
    return {
        "delivery": manifest.delivery_id if manifest else outcome.delivery.label,
        "status": outcome.status,
        "files": ", ".join(names),
        "rows_in": manifest.rows_in if manifest else 0,
        "rows_accepted": manifest.rows_accepted if manifest else 0,
        "rows_rejected": manifest.rows_rejected if manifest else 0,
        "note": outcome.note,
    }
