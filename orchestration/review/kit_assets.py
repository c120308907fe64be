"""The assets of the communication kits: a letter for each sponsor, where there is an occasion."""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
from datetime import date
from pathlib import Path

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
from orchestration.problems import Problem
from orchestration.scorecard.decisions import published_on
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import (
    draft_folder,
    leaders_file,
    read_leaders,
    read_scorecard,
)
from orchestration.scorecard.model import LeaderPage, Scorecard
from orchestration.settings import Settings
from orchestration.state import State
from orchestration.warehouse.published import PublishedRows

STAGE = "review"
CHECK = "kits_whole"


def kit_asset(settings: Settings, grain: Grain) -> AssetsDefinition:
    """The communication kits that ride with a week's or a month's review."""
    key = AssetKey([STAGE, f"{grain.ritual}_kit"])
    figures = (
        "of the month"
        if grain is Grain.MONTH
        else "of the last month whose review was published by then"
    )

    @asset(
        key=key,
        description=(
            f"The communication kits that are due with a {grain}'s review: town hall script, email "
            "announcement and manager cascade for each sponsor for whom a message is live, with "
            f"its core sentence word for word and figures of their own unit, {figures}. Each "
            "occasion (a message issued, an early warning that asks for one) is answered by one "
            "letter only, whichever review comes first; its edition leaves out the others."
        ),
        partitions_def=period_partitions(grain, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        deps=[
            AssetKey(["scorecard", f"{each}_scorecard"])
            for each in dict.fromkeys((grain, Grain.MONTH))
        ],
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
    def kits(context: AssetExecutionContext) -> MaterializeResult:
        from orchestration.quality.close import require_allowed

        periods = sorted(
            Period.containing(grain, date.fromisoformat(key)) for key in context.partition_keys
        )
        lake = Lake(settings.lake_url, settings.duckdb)
        for period in periods:
            require_allowed(lake, period)
        faults: list[str] = []
        with PublishedRows(lake) as published:
            for period in periods:
                written, kept_from = write_kits(settings, published, period)
                faults += [f"{period.id}: {fault}" for fault in kept_from]
                context.add_asset_metadata(
                    {"kits": written, "faults": len(kept_from)}, partition_key=partition_key(period)
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

    return kits


def write_kits(
    settings: Settings, published: PublishedRows, period: Period
) -> tuple[int, list[str]]:
    """Write the letters of one period's kits into ``drafts/<ritual>_kit/<period>``.

    Args:
        published: the run's reader of published rows.

    Returns:
        How many kits there are, and what kept others from theirs, in words that name no person.

    Raises:
        Problem: the period has no scorecard, a month has no leaders' pages, or the charter is not
            valid.
    """
    from orchestration.review.addressees import reaches
    from orchestration.review.kit import (
        Basis,
        build_kits,
        mailing,
        read_cascade_target,
        read_messages,
        render_kits,
        sponsors_of,
    )
    from orchestration.scorecard.governance import Governance

    leaders = published.of_period(period, "named_leaders")
    holders = Governance(
        published.of_period(period, "governance"), {}, leaders, names=settings.privacy.names
    )
    scorecard = read_scorecard(draft_folder(settings, period) / SCORECARD)
    month, pages, faults = (
        (scorecard, read_leaders(leaders_file(settings, period)), [])
        if period.grain is Grain.MONTH
        else _last_published(settings, published_on(period, settings))
    )
    basis = Basis(
        scorecard=scorecard,
        month=month,
        period=period,
        pages=pages,
        sponsors=sponsors_of(leaders, holders),
        decisions=[
            {**row, "title": holders.recorded(str(row["title"] or ""))}
            for row in published.of_period(period, "decision_log")
        ],
        messages=read_messages(settings, holders),
        settings=settings,
        cascades=published.of_period(period, "message_cascade"),
        cascade_target=read_cascade_target(settings),
    )
    kits, kept_from = build_kits(basis)
    folder = settings.home / "drafts" / mailing(period) / period.id
    can_reach = reaches(settings, published, period, deputised=True)
    render_kits([kit.page for kit in kits], folder, can_reach)
    return len(kits), [*faults, *(str(fault) for fault in kept_from)]


def _last_published(
    settings: Settings, day: date
) -> tuple[Scorecard | None, tuple[LeaderPage, ...], list[str]]:
    """The newest monthly review that was due and sealed by a day: scorecard, leaders' pages.

    Where its files cannot be read the kits go out without figures, and the fault is told.
    """
    with State.open(settings) as state:
        sealed = [
            (period, edition.number, Path(edition.folder))
            for edition in state.editions(Grain.MONTH.ritual)
            if published_on(period := Period.parse(edition.period_id), settings) <= day
        ]
    if not sealed:
        return None, (), []
    period, _, folder = max(sealed)
    try:
        return (
            read_scorecard(folder / SCORECARD),
            read_leaders(leaders_file(settings, period)),
            [],
        )
    except Problem as problem:
        return None, (), [str(problem)]
