"""The sample organisation's editions: nothing small can be worked out of pack and letters."""

from __future__ import annotations

from orchestration.delivery.mailings import KITS
from orchestration.review.draft_files import PAGE
from orchestration.review.kit import read_kit_page
from orchestration.scorecard.draft import (
    FILE,
    draft_folder,
    leaders_file,
    read_leaders,
    read_scorecard,
)
from orchestration.scorecard.marts import load_marts
from orchestration.warehouse.published import PublishedRows
from tests.disclosure import Edition
from tests.line.reviewed import LAST, Organisation


def test_nothing_small_can_be_worked_out_of_the_sample(organisation: Organisation) -> None:
    settings = organisation.settings
    card = read_scorecard(draft_folder(settings, LAST) / FILE)
    pages = read_leaders(leaders_file(settings, LAST))
    kits = [
        read_kit_page(page) for page in KITS[LAST.grain].draft(settings, LAST).glob(f"*/{PAGE}")
    ]
    with PublishedRows(organisation.lake) as published:
        edition = Edition(card, load_marts(published, LAST), pages, kits)
    assert edition.leaks() == []
    assert sum(len(quantity.withheld) for quantity in edition.quantities()) > 10
