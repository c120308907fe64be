"""The review stage's assets: the files of a month's review, in its draft folder."""

import re
from datetime import date
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
from orchestration.periods import Grain, Period, partition_key, period_partitions
from orchestration.problems import Problem
from orchestration.review.words import clean
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import draft_folder, read_scorecard
from orchestration.scorecard.model import Scorecard
from orchestration.settings import Settings

STAGE = "review"


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
    def month_pages(context: AssetExecutionContext) -> MaterializeResult:
        from orchestration.quality.close import require_allowed

        periods = sorted(
            Period.containing(Grain.MONTH, date.fromisoformat(key))
            for key in context.partition_keys
        )
        lake = Lake(settings.lake_url, settings.duckdb)
        for period in periods:
            require_allowed(lake, period)
        files = 0
        for period in periods:
            done = render_period(settings, period)
            files += int(done["files"])
            context.add_asset_metadata(
                {
                    "files": done["files"],
                    "bytes": done["bytes"],
                    "pack_pages": done["pages"],
                    "folder": MetadataValue.path(str(done["folder"])),
                    "preview": MetadataValue.md(done["preview"]),
                },
                partition_key=partition_key(period),
            )
        return MaterializeResult(
            metadata={"periods_rendered": len(periods), "files_rendered": files}
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
    from orchestration.review.month import render_month
    from orchestration.review.typesetting import page_count

    folder = draft_folder(settings, period)
    scorecard = read_scorecard(folder / SCORECARD)
    if scorecard.period_id != period.id:
        raise Problem(
            f"this is the scorecard of {scorecard.period_id}, not of {period.id}.",
            file=str(folder / SCORECARD),
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


def _preview(scorecard: Scorecard) -> str:
    """The five measures as a Markdown table: no owner, no unit, no person."""

    def cell(text: str) -> str:
        return re.sub(r"([\\|`<\[\]*_])", r"\\\1", clean(text, 80))

    rows = [
        f"| {cell(k.name)} | {cell(k.now.text)} | {cell(k.target.text)} | {cell(k.mark.text)} |"
        for k in scorecard.kpis
    ]
    head = [cell(scorecard.period_label), "", "| measure | now | target | mark |"]
    return "\n".join([*head, "|---|--:|--:|---|", *rows])
