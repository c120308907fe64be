"""The archive's assets: one a ritual, after its delivery; each renews the whole site."""

from collections.abc import Sequence

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

from orchestration.archive.site import build_site
from orchestration.periods import Grain, period_partitions
from orchestration.settings import Settings

STAGE = "archive"
CHECK = "editions_as_sealed"


def build_assets(
    settings: Settings, grains: Sequence[Grain] = (Grain.MONTH,)
) -> list[AssetsDefinition]:
    """The archive after the delivery of each of these rituals."""
    return [_site_asset(settings, grain) for grain in grains]


def _site_asset(settings: Settings, grain: Grain) -> AssetsDefinition:
    key = AssetKey([STAGE, f"{grain}_site"])

    @asset(
        key=key,
        description=(
            f"The review archive, renewed after the {grain.ritual} review: a static site of every "
            "sealed edition, of reviews archived unsent and of the decision log. Opens from disk "
            "at archive/index.html in the home folder. Holds no personal letter."
        ),
        partitions_def=period_partitions(grain, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        # of a period that is built again without being delivered, its draft
        deps=[AssetKey(["delivery", f"{grain}_delivery"]), AssetKey(["review", f"{grain}_pages"])],
        check_specs=[
            AssetCheckSpec(
                CHECK,
                asset=key,
                description="Every sealed edition's files are there, as they were sealed.",
            )
        ],
        group_name=STAGE,
        owners=["team:learning"],
        kinds={"python", "html"},
    )
    def site(context: AssetExecutionContext) -> MaterializeResult:
        built = build_site(settings)
        return MaterializeResult(
            metadata={
                "site": MetadataValue.path(str(built.index)),
                "editions": built.editions,
                "not_sent": built.unsent,
                "files_written": built.written,
                "files_unchanged": built.unchanged,
                "files_removed": built.removed,
            },
            check_results=[
                AssetCheckResult(
                    check_name=CHECK,
                    asset_key=key,
                    passed=not built.faults,
                    severity=AssetCheckSeverity.ERROR,
                    metadata={"faults": MetadataValue.json(list(built.faults[:50]))},
                )
            ],
        )

    return site
