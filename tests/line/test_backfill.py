"""Backfill by one command: figures and archived packs of a range, each stage one run, no mail.

ADOPTION_HISTORY=1 also closes every month and quarter, and some weeks, in order and holds a
backfill of all of them at once, and of single periods of each, against that, row for row.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from typing import Any

import pytest

from orchestration.cadences import close_job_name
from orchestration.command import cli
from orchestration.feeds.awaiting import awaiting_dates
from orchestration.periods import Grain, Period, partition_key
from orchestration.problems import Problem
from orchestration.state import State
from orchestration.warehouse.published import published_builds, read_published
from tests.line.reviewed import LAST, Organisation, failures

GRAINS = (Grain.QUARTER, Grain.MONTH)
WEEKS = 5


def figures(organisation: Organisation, grain: Grain) -> dict[str, list[dict[str, Any]]]:
    """Every row of the KPI tables by table and period."""
    return {
        f"{table} {period_id}": read_published(
            organisation.lake, grain, f"{table}__{grain}", period_ids={period_id}
        )
        for table in ("kpi_values", "kpi_signals")
        for period_id in published_builds(organisation.lake, grain)
    }


def backfilled(organisation: Organisation, *arguments: str) -> str:
    done = organisation.command("backfill", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_one_month_again_gives_the_same_rows_an_archived_pack_and_no_mail(
    changing: Organisation,
) -> None:
    before, mails = figures(changing, Grain.MONTH), changing.mails()
    month = LAST.shift(-3)
    said = backfilled(changing, "--from", month.id, "--to", month.id, "--grain", "month")
    assert f"Close: months, {month.id} to {month.id}" in said
    assert "Nothing was sent" in said
    assert figures(changing, Grain.MONTH) == before
    draft = changing.home / "drafts" / "monthly" / month.id
    assert (draft / "review-pack.pdf").read_bytes().startswith(b"%PDF")
    page = next((changing.home / "archive" / "monthly" / month.id).glob("*.html"))
    assert "not sent" in page.read_text().lower()
    assert changing.mails() == mails
    with State.open(changing.settings) as state:
        assert [edition.period_id for edition in state.editions("monthly")] == [LAST.id]


def test_a_range_without_a_whole_period_or_not_over_yet_is_refused_before_anything_is_done(
    organisation: Organisation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADOPTION_SETTINGS", str(organisation.settings_file))
    waiting = awaiting_dates(organisation.settings, organisation.lake)
    assert waiting  # what the review wrote into the log is taken in by the next run
    for to, says in (("2026-W02", "no whole period"), ("2999-01", "is not over yet")):
        with pytest.raises(Problem, match=says):
            cli(
                ["backfill", "--from", "2026-W02", "--to", to, "--grain", "month"],
                standalone_mode=False,
            )
    assert awaiting_dates(organisation.settings, organisation.lake) == waiting


def in_order(organisation: Organisation) -> list[tuple[Grain, Period]]:
    """Every published period as it would have been closed: as they end."""
    periods = [
        (grain, Period.parse(period_id))
        for grain in GRAINS
        for period_id in published_builds(organisation.lake, grain)
    ]
    return sorted(periods, key=lambda each: (each[1].end, each[0]))


def closed_in_order(
    organisation: Organisation, periods: Sequence[tuple[Grain, Period]]
) -> dict[Grain, dict[str, list[dict[str, Any]]]]:
    """The figures of periods closed one after the other, with none known before."""
    forget_figures(organisation)
    for grain, period in periods:
        keys = [f"quality/{grain}_close", *organisation.models(grain), f"warehouse/{grain}_figures"]
        done = organisation.materialize(close_job_name(grain), keys, partition_key(period))
        assert done.success, failures(done)
    return {grain: figures(organisation, grain) for grain in dict.fromkeys(g for g, _ in periods)}


def forget_figures(organisation: Organisation) -> None:
    for place in ("warehouse", "lake/published", "lake/closes", "lake/late"):
        if (organisation.home / place).exists():  # nothing was late before it was touched
            shutil.rmtree(organisation.home / place)


@pytest.mark.skipif("ADOPTION_HISTORY" not in os.environ, reason="make soak")
def test_a_backfill_is_month_by_month_in_order_and_any_month_alone(changing: Organisation) -> None:
    periods = in_order(changing)
    one_by_one = closed_in_order(changing, periods)
    assert {len(published_builds(changing.lake, grain)) for grain in GRAINS} == {4, 14}

    forget_figures(changing)
    mails = changing.mails()
    first = next(period for grain, period in periods if grain is Grain.MONTH)
    said = backfilled(changing, "--from", first.id, "--to", LAST.id)
    assert said.count("Close: ") == said.count("Scorecards, packs and archive: ") == len(Grain)
    assert {grain: figures(changing, grain) for grain in GRAINS} == one_by_one
    assert changing.mails() == mails
    for grain, period in periods:
        draft = changing.home / "drafts" / grain.ritual / period.id
        assert (draft / "scorecard.pdf").exists(), period.id
    weeks = published_builds(changing.lake, Grain.WEEK)
    drafted = {folder.name for folder in (changing.home / "drafts" / "weekly").iterdir()}
    assert drafted == set(weeks) and len(weeks) > 50

    again(changing, first.shift(4))
    assert {grain: figures(changing, grain) for grain in GRAINS} == one_by_one


@pytest.mark.skipif("ADOPTION_HISTORY" not in os.environ, reason="make soak")
def test_a_backfill_of_weeks_is_week_by_week_in_order_and_any_week_alone(
    changing: Organisation,
) -> None:
    last = Period.containing(Grain.WEEK, LAST.end).shift(-1)
    weeks = [last.shift(back) for back in range(1 - WEEKS, 1)]
    one_by_one = closed_in_order(changing, [(Grain.WEEK, week) for week in weeks])[Grain.WEEK]
    assert [*published_builds(changing.lake, Grain.WEEK)] == [week.id for week in weeks]
    assert all(one_by_one[f"kpi_values {week.id}"] for week in weeks)

    forget_figures(changing)
    backfilled(changing, "--from", weeks[0].id, "--to", last.id, "--grain", "week")
    assert figures(changing, Grain.WEEK) == one_by_one
    for alone in (weeks[0], weeks[WEEKS // 2], last):
        again(changing, alone)
        assert figures(changing, Grain.WEEK) == one_by_one, alone.id


def again(organisation: Organisation, alone: Period) -> None:
    """One period's figures are made once more, with those of all others there."""
    backfilled(organisation, "--from", alone.id, "--to", alone.id, "--grain", alone.grain)
