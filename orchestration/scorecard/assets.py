"""The scorecard assets: one a review, its partitions the review's periods."""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
import hashlib
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from dagster import (
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    Failure,
    MaterializeResult,
    MetadataValue,
    asset,
)

from orchestration.lake import Lake
from orchestration.periods import Grain, Period, partition_key, period_partitions
from orchestration.scorecard.basis import basis_of
from orchestration.scorecard.build import build_scorecard
from orchestration.scorecard.charter import load_charter
from orchestration.scorecard.consistency import inconsistencies
from orchestration.scorecard.draft import write_leaders, write_scorecard, write_stands_on
from orchestration.scorecard.evidence import keep_evidence
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.leaders import pages as leader_pages
from orchestration.scorecard.marts import load_marts
from orchestration.scorecard.model import Scorecard
from orchestration.scorecard.since import keep_restatements, restated_since
from orchestration.scorecard.unreached import unreached
from orchestration.settings import Settings
from orchestration.state import State
from orchestration.warehouse.late import note_arrivals
from orchestration.warehouse.published import PublishedRows, raw_state_of

STAGE = "scorecard"
CHECK = "scorecard_consistent"


def build_assets(
    settings: Settings, grains: Sequence[Grain] = tuple(Grain)
) -> list[AssetsDefinition]:
    """The scorecard of each of these reviews."""
    return [_scorecard_asset(settings, grain) for grain in grains]


def _scorecard_asset(settings: Settings, grain: Grain) -> AssetsDefinition:
    key = AssetKey([STAGE, f"{grain}_scorecard"])
    coarser = [other for other in Grain if list(Grain).index(other) > list(Grain).index(grain)]
    # a quarter's success profiles look at the signals of its own months
    finer = [Grain.MONTH] if grain is Grain.QUARTER else []

    @asset(
        key=key,
        description=(
            f"The one typed scorecard of each {grain}: figures rounded, worded, small groups "
            "withheld, decisions asked for. Every page of the review is laid out from it. Written "
            "as scorecard.json to the review's draft folder; each named leader's own page lies "
            "apart."
        ),
        partitions_def=period_partitions(grain, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        # the others' figures lie in another partitions definition; Dagster maps time windows
        deps=[AssetKey(["warehouse", f"{other}_figures"]) for other in (grain, *coarser, *finer)],
        check_specs=[
            AssetCheckSpec(
                CHECK,
                asset=key,
                blocking=True,
                description=(
                    "The headline KPIs are the catalogue's, every shown value is the published "
                    "one, no group below the privacy threshold is shown or can be worked out, "
                    "every open log entry stands once, and no leader sees another's organisation."
                ),
            )
        ],
        group_name=STAGE,
        owners=["team:data-engineering"],
        kinds={"python", "json"},
    )
    def scorecard(context: AssetExecutionContext) -> Iterator[Any]:
        from orchestration.quality.close import manifest_hash, require_allowed

        lake = Lake(settings.lake_url, settings.duckdb)
        periods = sorted(
            Period.containing(grain, date.fromisoformat(key)) for key in context.partition_keys
        )
        closes = [require_allowed(lake, period) for period in periods]
        charter = load_charter(settings)
        faults: list[str] = []
        note_arrivals(settings, lake)
        with PublishedRows(lake) as published:
            for period, close in zip(periods, closes, strict=True):
                # what the figures were built from: the close may be of a later day, if dbt failed
                raw = raw_state_of(lake, period) or manifest_hash(close.stands_on)
                marts = load_marts(published, period)
                basis = basis_of(close)
                card = build_scorecard(marts, period, basis, settings, charter)
                with State.open(settings) as state:
                    editions = state.editions(grain.ritual)
                    lost = unreached(settings, state, period, editions)
                card = card.model_copy(
                    update={
                        "restatements": restated_since(settings, period, editions),
                        "unreached": lost,
                    }
                )
                # leaders see the month and the quarter; the stand-up's week is nobody's own page
                pages = (
                    ()
                    if grain is Grain.WEEK
                    else leader_pages(Figures(marts, period, basis, settings), charter, card)
                )
                wrong = inconsistencies(card, marts, pages)
                faults += [f"{period.id}: {fault}" for fault in wrong]
                if wrong:
                    continue  # the period's last good scorecard stays
                file = write_scorecard(settings, period, card)
                write_stands_on(settings, period, raw)
                keep_evidence(
                    settings,
                    published,
                    period,
                    close,
                    hashlib.sha256(file.read_bytes()).hexdigest(),
                    {each.figures_hash for each in editions if each.period_id == period.id},
                )
                restated = keep_restatements(settings, lake, period, editions)
                if grain is not Grain.WEEK:
                    write_leaders(settings, period, pages)
                context.add_asset_metadata(
                    {
                        **headline_metadata(card),
                        "reads_otherwise_than_published": restated,
                        "file": MetadataValue.path(str(file)),
                    },
                    partition_key=partition_key(period),
                )
        checked = AssetCheckResult(
            check_name=CHECK,
            asset_key=key,
            passed=not faults,
            severity=AssetCheckSeverity.ERROR,
            metadata={"periods": len(periods), "faults": MetadataValue.json(faults[:50])},
        )
        if faults:
            yield checked
            raise Failure(
                f"{len(faults)} faults in the scorecard, the first: {faults[0]}",
                metadata={"faults": MetadataValue.json(faults[:50])},
                allow_retries=False,
            )
        yield MaterializeResult(asset_key=key, check_results=[checked])

    return scorecard


def headline_metadata(card: Scorecard) -> dict[str, Any]:
    """The headline figures as plotted numbers, and a preview table without persons."""
    figures = {
        kpi.kpi_id: MetadataValue.float(float(kpi.now.value))
        for kpi in card.kpis
        if kpi.now.value is not None
    }
    lines = ["| KPI | period | now | target | mark |", "|---|---|---:|---:|---|"]
    for kpi in (*card.kpis, *card.below):
        cells = (kpi.name, kpi.period_label, kpi.now.text, kpi.target.text, kpi.mark.text)
        lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
    return {
        **figures,
        "signals": sum(k.mark.tone != "neutral" for k in (*card.kpis, *card.below)),
        "decisions": len(card.decisions),
        "preview": MetadataValue.md("\n".join(lines)),
    }


def _cell(text: str) -> str:
    """Text that cannot break out of a Markdown table."""
    for mark in ("\\", "|", "`", "<", "[", "]", "*", "_"):
        text = text.replace(mark, f"\\{mark}")
    return " ".join(text.split())
