"""The asset of the communication kits: a letter for each sponsor, in months that call for one."""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
from datetime import date

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    MaterializeResult,
    MetadataValue,
    asset,
)

from orchestration.lake import Lake
from orchestration.periods import Grain, Period, partition_key, period_partitions
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import (
    draft_folder,
    leaders_file,
    read_leaders,
    read_scorecard,
)
from orchestration.settings import Settings
from orchestration.warehouse.published import read_published

STAGE = "review"
CHECK = "kits_whole"


def kit_asset(settings: Settings) -> AssetsDefinition:
    """The month's communication kits."""
    key = AssetKey([STAGE, "monthly_kit"])

    @asset(
        key=key,
        description=(
            "The communication kits of the month: town hall script, email announcement and manager "
            "cascade for each sponsor, with figures of their own unit and the live message's core "
            "sentence word for word. Only where a message was issued since the last review, or an "
            "early warning asks for one; else a list of no letters."
        ),
        partitions_def=period_partitions(Grain.MONTH, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        deps=[AssetKey(["scorecard", "month_scorecard"])],
        check_specs=[
            AssetCheckSpec(
                CHECK,
                asset=key,
                description=(
                    "Every sponsor who is due a kit has one: a live, approved message, one for "
                    "each audience, and a sponsor in office."
                ),
            )
        ],
        group_name=STAGE,
        owners=["team:learning"],
        kinds={"python", "html"},
    )
    def monthly_kit(context: AssetExecutionContext) -> MaterializeResult:
        from orchestration.quality.close import require_allowed

        periods = sorted(
            Period.containing(Grain.MONTH, date.fromisoformat(key))
            for key in context.partition_keys
        )
        lake = Lake(settings.lake_url, settings.duckdb)
        for period in periods:
            require_allowed(lake, period)
        faults: list[str] = []
        for period in periods:
            kits, kept_from = write_kits(settings, lake, period)
            faults += [f"{period.id}: {fault}" for fault in kept_from]
            context.add_asset_metadata(
                {"kits": kits, "faults": len(kept_from)}, partition_key=partition_key(period)
            )
        return MaterializeResult(
            metadata={"periods": len(periods)},
            check_results=[
                AssetCheckResult(
                    check_name=CHECK,
                    asset_key=key,
                    # not blocking: the other sponsors' kits go out
                    passed=not faults,
                    severity=AssetCheckSeverity.ERROR,
                    metadata={"faults": MetadataValue.json(faults[:50])},
                )
            ],
        )

    return monthly_kit


def write_kits(settings: Settings, lake: Lake, period: Period) -> tuple[int, list[str]]:
    """Write the letters of one month's kits into ``drafts/monthly_kit/<period>``.

    Returns:
        How many kits there are, and what kept others from theirs, in words that name no person.

    Raises:
        Problem: the month has no scorecard or no leaders' pages, or the charter is not valid.
    """
    from orchestration.review.draft_files import KIT
    from orchestration.review.kit import (
        Basis,
        build_kits,
        read_cascade_target,
        read_messages,
        render_kits,
        sponsors_of,
    )
    from orchestration.scorecard.governance import Governance

    def published(model: str) -> list[dict[str, object]]:
        return read_published(lake, Grain.MONTH, f"{model}__month", period_ids={period.id})

    holders = Governance(
        published("governance"), {}, published("named_leaders"), names=settings.privacy.names
    )
    basis = Basis(
        scorecard=read_scorecard(draft_folder(settings, period) / SCORECARD),
        period=period,
        pages=read_leaders(leaders_file(settings, period)),
        sponsors=sponsors_of(published("named_leaders"), holders),
        decisions=[
            {**row, "title": holders.recorded(str(row["title"] or ""))}
            for row in published("decision_log")
        ],
        messages=read_messages(settings, holders),
        settings=settings,
        cascades=published("message_cascade"),
        cascade_target=read_cascade_target(settings),
    )
    kits, faults = build_kits(basis)
    render_kits([kit.page for kit in kits], settings.home / "drafts" / KIT / period.id)
    return len(kits), [str(fault) for fault in faults]
