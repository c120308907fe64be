"""The review stage's assets: the files of a month's review, in its draft folder."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    MaterializeResult,
    MetadataValue,
    asset,
)

from orchestration.lake import Lake
from orchestration.periods import Grain, Period, period_partitions
from orchestration.problems import Problem
from orchestration.settings import Settings

STAGE = "review"


def draft_folder(settings: Settings, period: Period) -> Path:
    """Where the draft of a period's review lies."""
    return settings.home / "drafts" / period.grain.ritual / period.id


def build_assets(settings: Settings) -> list[AssetsDefinition]:
    """Every asset of this stage."""

    @asset(
        key=[STAGE, "month_pages"],
        description=(
            "The monthly executive review as people read it: one-page scorecard (HTML, PDF), "
            "review pack (PDF) and email (HTML, plain text, pictures), rendered from the month's "
            "scorecard and nothing else. The same scorecard gives the same bytes."
        ),
        partitions_def=period_partitions(Grain.MONTH, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        deps=[AssetKey(["scorecard", "month_scorecard"])],
        group_name=STAGE,
        owners=["team:learning"],
        kinds={"python", "html", "pdf"},
    )
    def month_pages(context: AssetExecutionContext) -> MaterializeResult[None]:
        from orchestration.quality.close import require_allowed

        periods = sorted(
            Period.containing(Grain.MONTH, date.fromisoformat(key))
            for key in context.partition_keys
        )
        lake = Lake(settings.lake_url, settings.duckdb)
        for period in periods:
            require_allowed(lake, period)
        rendered = [render_period(settings, period) for period in periods]
        last = rendered[-1]
        return MaterializeResult(
            metadata={
                "periods": len(rendered),
                "files": sum(r["files"] for r in rendered),
                "bytes": sum(r["bytes"] for r in rendered),
                "pack_pages": last["pages"],
                "folder": MetadataValue.path(str(last["folder"])),
                "preview": MetadataValue.md(last["preview"]),
            }
        )

    return [month_pages]


def render_period(settings: Settings, period: Period) -> dict[str, Any]:
    """Render one month from its draft scorecard.

    Returns:
        ``folder``; counts ``files``, ``bytes`` and ``pages`` (of the pack); ``preview``, Markdown
        that names no person.

    Raises:
        Problem: there is no scorecard of that month, or it is of another one.
    """
    from pydantic import ValidationError

    from orchestration.review.month import SCORECARD, render_month
    from orchestration.review.typesetting import page_count
    from orchestration.scorecard.model import Scorecard

    folder = draft_folder(settings, period)
    source = folder / SCORECARD
    try:
        scorecard = Scorecard.model_validate_json(source.read_bytes())
    except FileNotFoundError as error:
        raise Problem(
            f"there is no scorecard of {period.id}.",
            file=str(source),
            remedy="materialize scorecard/month_scorecard for this month first.",
        ) from error
    except ValidationError as error:
        raise Problem(
            f"the scorecard of {period.id} is not valid: {error.error_count()} faults.",
            file=str(source),
            remedy="materialize scorecard/month_scorecard for this month again.",
        ) from error
    if scorecard.period_id != period.id:
        raise Problem(
            f"this is the scorecard of {scorecard.period_id}, not of {period.id}.",
            file=str(source),
            remedy="materialize scorecard/month_scorecard for this month again.",
        )
    files = render_month(scorecard, folder)
    return {
        "folder": folder,
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "pages": page_count((folder / "review-pack.pdf").read_bytes()),
        "preview": _preview(scorecard),
    }


def _preview(scorecard: Any) -> str:
    from orchestration.review.words import clean

    def cell(text: str) -> str:
        return clean(text, 80).replace("|", "\\|").replace("<", "&lt;")

    rows = [
        f"| {cell(k.name)} | {cell(k.now.text)} | {cell(k.target.text)} | {cell(k.mark.text)} |"
        for k in scorecard.kpis
    ]
    head = [cell(scorecard.period_label), "", "| measure | now | target | mark |"]
    return "\n".join([*head, "|---|--:|--:|---|", *rows])
