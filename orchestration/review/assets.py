"""The review stage's assets: the files of each ritual's review and of its leaders' letters."""

import re
from collections.abc import Callable
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
from orchestration.periods import Grain, Period, partition_key, period_partitions
from orchestration.problems import Problem
from orchestration.review.draft_files import PREVIEW, SHEETS
from orchestration.review.kit_assets import kit_asset
from orchestration.review.words import clean
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import (
    draft_folder,
    leaders_file,
    read_leaders,
    read_scorecard,
)
from orchestration.scorecard.model import Scorecard
from orchestration.settings import Settings
from orchestration.warehouse.published import PublishedRows

STAGE = "review"
PACKS = ("review-pack.pdf", "strategy-pack.pdf")
_SAME = "The same scorecard gives the same bytes."
_PAGES = {
    Grain.WEEK: (
        "The weekly stand-up digest: an email of one phone screen (HTML, plain text), rendered "
        f"from the week's scorecard and nothing else. {_SAME}"
    ),
    Grain.MONTH: (
        "The monthly executive review as people read it: one-page scorecard (HTML, PDF), review "
        "pack (PDF) and email (HTML, plain text, pictures), rendered from the month's scorecard "
        f"and nothing else. {_SAME}"
    ),
    Grain.QUARTER: (
        "The quarterly strategy sync as people read it: one-page scorecard (HTML, PDF), strategy "
        "pack (PDF: outcomes by unit, what moved and why, targets, commitments, leadership, "
        "statistics) and email, rendered from the quarter's scorecard and nothing else. "
        f"{_SAME}"
    ),
}
_LETTERS = {
    PREVIEW: (
        Grain.MONTH,
        "What each named leader will find of themselves in the monthly review, in a letter of "
        "their own: what is recorded, their plan and commitments, the comments asked of them. "
        "Sent before publication, so that they can add what is missing.",
    ),
    SHEETS: (
        Grain.QUARTER,
        "The quarterly leader review sheet (one A4 page, PDF) of each named leader, in a letter "
        "to them and their own manager only: actions against plan, their unit's figures against "
        "target, commitments.",
    ),
}


def build_assets(settings: Settings) -> list[AssetsDefinition]:
    """Every asset of this stage."""
    return [
        *(_pages_asset(settings, grain) for grain in _PAGES),
        *(_letters_asset(settings, name) for name in _LETTERS),
        *(kit_asset(settings, grain) for grain in (Grain.WEEK, Grain.MONTH)),
    ]


def _pages_asset(settings: Settings, grain: Grain) -> AssetsDefinition:
    @asset(
        key=[STAGE, f"{grain}_pages"],
        description=_PAGES[grain],
        partitions_def=period_partitions(grain, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        deps=[AssetKey(["scorecard", f"{grain}_scorecard"])],
        group_name=STAGE,
        owners=["team:learning"],
        kinds={"python", "html"} if grain is Grain.WEEK else {"python", "html", "pdf"},
    )
    def pages(context: AssetExecutionContext) -> MaterializeResult:
        return _each_period(context, settings, grain, render_period)

    return pages


def _letters_asset(settings: Settings, name: str) -> AssetsDefinition:
    grain, description = _LETTERS[name]

    @asset(
        key=[STAGE, name],
        description=description,
        partitions_def=period_partitions(grain, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        deps=[AssetKey(["scorecard", f"{grain}_scorecard"])],
        group_name=STAGE,
        owners=["team:learning"],
        kinds={"python", "html"} if name == PREVIEW else {"python", "html", "pdf"},
    )
    def letters(context: AssetExecutionContext) -> MaterializeResult:
        return _each_period(
            context, settings, grain, lambda s, period: render_letters(s, period, name)
        )

    return letters


def _each_period(
    context: AssetExecutionContext,
    settings: Settings,
    grain: Grain,
    render: Callable[[Settings, Period], dict[str, Any]],
) -> MaterializeResult:
    """Render every period of the run, once the close of all of them allows it."""
    from orchestration.quality.close import require_allowed

    periods = sorted(
        Period.containing(grain, date.fromisoformat(key)) for key in context.partition_keys
    )
    lake = Lake(settings.lake_url, settings.duckdb)
    for period in periods:
        require_allowed(lake, period)
    files = 0
    for period in periods:
        done = render(settings, period)
        files += int(done["files"])
        context.add_asset_metadata(
            {
                **{name: value for name, value in done.items() if isinstance(value, int)},
                "folder": MetadataValue.path(str(done["folder"])),
                **({"preview": MetadataValue.md(done["preview"])} if "preview" in done else {}),
            },
            partition_key=partition_key(period),
        )
    return MaterializeResult(metadata={"periods_rendered": len(periods), "files_rendered": files})


def render_period(settings: Settings, period: Period) -> dict[str, Any]:
    """Render one period's review from its draft scorecard.

    Returns:
        ``folder``; counts ``files``, ``bytes`` and, of a pack, ``pack_pages``; ``preview``,
        Markdown that names no person.

    Raises:
        Problem: there is no scorecard of that period, or it is of another one.
    """
    from orchestration.review.invitation import invitation, sealed_invitation
    from orchestration.review.typesetting import page_count

    folder = draft_folder(settings, period)
    scorecard = read_scorecard(folder / SCORECARD)
    if scorecard.period_id != period.id:
        raise Problem(
            f"this is the scorecard of {scorecard.period_id}, not of {period.id}.",
            file=str(folder / SCORECARD),
            remedy=f"materialize scorecard/{period.grain}_scorecard for this {period.grain} again.",
        )
    calendar = None
    if scorecard.sitting is not None:
        calendar = invitation(
            scorecard,
            settings.delivery.sender,
            before=sealed_invitation(settings, period.grain.ritual, period.id),
        )
    files = page_renderer(period.grain)(scorecard, folder, calendar)
    pack = next((file for file in files if file.name in PACKS), None)
    return {
        "folder": folder,
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        **({"pack_pages": page_count(pack.read_bytes())} if pack else {}),
        "preview": _preview(scorecard),
    }


def render_letters(settings: Settings, period: Period, name: str) -> dict[str, Any]:
    """Render one period's letters of one mailing from the leaders' pages.

    A letter that can reach nobody (the domain is not allowed, say) is listed and not rendered.

    Returns:
        ``folder``; counts ``files``, ``bytes`` and ``letters``. Nothing that names a person.

    Raises:
        Problem: there are no leaders' pages of that period, or they are of another one.
    """
    from orchestration.review.addressees import reaches
    from orchestration.review.letters import render_previews, render_sheets

    source = leaders_file(settings, period)
    pages = read_leaders(source)
    if any(page.period_id != period.id for page in pages):
        raise Problem(
            f"these are not the leaders' pages of {period.id}.",
            file=str(source),
            remedy=f"materialize scorecard/{period.grain}_scorecard for this {period.grain} again.",
        )
    folder = settings.home / "drafts" / name / period.id
    with PublishedRows(Lake(settings.lake_url, settings.duckdb)) as published:
        can_reach = reaches(settings, published, period, deputised=name != SHEETS)
    files = (render_previews if name == PREVIEW else render_sheets)(pages, folder, can_reach)
    return {
        "folder": folder,
        "files": len(files),
        "bytes": sum(file.stat().st_size for file in files),
        "letters": len(pages),
    }


def page_renderer(grain: Grain) -> Callable[[Scorecard, Path, bytes | None], list[Path]]:
    """What renders a scorecard of this grain into a folder, with the invitation if there is one."""
    from orchestration.review.month import render_month
    from orchestration.review.quarter import render_quarter
    from orchestration.review.week import render_week

    return {
        Grain.WEEK: render_week,
        Grain.MONTH: render_month,
        Grain.QUARTER: render_quarter,
    }[grain]


def _preview(scorecard: Scorecard) -> str:
    """The measures as a Markdown table: no owner, no unit, no person."""

    def cell(text: str) -> str:
        return re.sub(r"([\\|`<\[\]*_])", r"\\\1", clean(text, 80))

    rows = [
        f"| {cell(k.name)} | {cell(k.now.text)} | {cell(k.target.text)} | {cell(k.mark.text)} |"
        for k in scorecard.kpis
    ]
    head = [cell(scorecard.period_label), "", "| measure | now | target | mark |"]
    return "\n".join([*head, "|---|--:|--:|---|", *rows])
