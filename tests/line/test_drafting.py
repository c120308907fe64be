"""Drafts over a range of the sample organisation's periods against each one drafted by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.quality.close import read_close
from orchestration.scorecard.basis import basis_of
from orchestration.scorecard.build import build_scorecard
from orchestration.scorecard.charter import load_charter
from orchestration.scorecard.draft import page_json, to_json
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.leaders import pages
from orchestration.scorecard.marts import Marts, Row, load_marts
from orchestration.warehouse.published import PublishedRows, published_builds, read_published
from tests.line.reviewed import Organisation


def drafted(organisation: Organisation, period: Period, marts: Marts) -> list[bytes]:
    """The scorecard and the leaders' pages of a period, as they are written."""
    settings, charter = organisation.settings, load_charter(organisation.settings)
    close = read_close(organisation.lake, period)
    assert close is not None
    basis = basis_of(close)
    card = build_scorecard(marts, period, basis, settings, charter)
    own = pages(Figures(marts, period, basis, settings), charter, card)
    return [to_json(card), *(page_json(page) for page in own)]


def with_every_row(lake: Lake, period: Period, marts: Marts) -> Marts:
    """With all that was ever published of the values and signals, of every unit."""

    def rows(grain: Grain, model: str) -> list[Row]:
        return read_published(lake, grain, f"{model}__{grain}")

    kpis = {row["kpi_id"] for row in marts.coarser_values}
    coarser = Grain.QUARTER if period.grain is Grain.MONTH else period.grain
    return replace(
        marts,
        kpi_values=rows(period.grain, "kpi_values"),
        kpi_signals=rows(period.grain, "kpi_signals"),
        coarser_values=[r for r in rows(coarser, "kpi_values") if r["kpi_id"] in kpis],
        coarser_signals=[r for r in rows(coarser, "kpi_signals") if r["kpi_id"] in kpis],
    )


@pytest.mark.parametrize("grain", [Grain.MONTH, Grain.QUARTER])
def test_a_range_gives_the_drafts_that_its_periods_give_alone_and_from_every_row(
    organisation: Organisation, grain: Grain
) -> None:
    lake = organisation.lake
    periods = [Period.parse(name) for name in published_builds(lake, grain)][-6:]
    assert len(periods) > 3
    with PublishedRows(lake) as published:
        of_range = [load_marts(published, period) for period in periods]
    for period, marts in zip(periods, of_range, strict=True):
        with PublishedRows(lake) as published:
            alone = load_marts(published, period)
        assert marts == alone, period.id
        found = drafted(organisation, period, marts)
        assert found == drafted(organisation, period, with_every_row(lake, period, marts))
        assert len(found) > 3, period.id
