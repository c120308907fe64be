"""What holds figures, pages and mail back, whichever way the assets are materialized."""

from __future__ import annotations

import email
from email.message import EmailMessage
from email.policy import default as email_policy
from typing import cast

import pytest

from orchestration.periods import Grain
from orchestration.quality.close import read_close
from orchestration.state import State
from tests.line.reviewed import LAST, Organisation, failures, write_settings

MAY = LAST.shift(1)
CLOSE = "quality/month_close"
FIGURES = "warehouse/month_figures"
SCORECARD = "scorecard/month_scorecard"
PAGES = "review/month_pages"
EDITION = "delivery/month_edition"
DELIVERY = "delivery/month_delivery"


def test_a_failing_test_of_a_model_holds_the_figures_back(changing: Organisation) -> None:
    """The fault: a unit is in the table of units twice, as a broken fold would leave it."""
    before = changing.published()
    lake = changing.lake
    with lake.connect() as connection:
        connection.execute(
            "CREATE TABLE units AS SELECT * FROM read_parquet($1)",
            [lake.path("versions", "org_units.parquet")],
        )
        connection.execute(
            "INSERT INTO units SELECT * FROM units WHERE valid_to IS NULL "
            "AND parent_org_unit_id IS NOT NULL ORDER BY org_unit_id LIMIT 1"
        )
        lake.write_parquet(connection, "SELECT * FROM units", "versions", "org_units.parquet")

    both = changing.month(CLOSE, *changing.models(), FIGURES)
    assert not both.success
    failed = {
        event.asset_check_evaluation_data.check_name
        for event in both.all_events
        if event.event_type_value == "ASSET_CHECK_EVALUATION"
        and not event.asset_check_evaluation_data.passed
    }
    assert any(name.startswith("grain_is_int_org_tree__month") for name in failed), failed
    assert FIGURES.split("/")[1] not in {
        event.asset_key.path[-1] for event in both.get_asset_materialization_events()
    }
    assert changing.published() == before

    alone = changing.month(FIGURES)
    assert not alone.success
    assert "the last build did not pass" in failures(alone)
    assert changing.published() == before


@pytest.fixture
def held(changing: Organisation) -> Organisation:
    """The organisation with the setting to hold, and a month closed that its feeds do not cover."""
    write_settings(changing.home, "hold.toml", on_stale="hold")
    holding = Organisation(changing.home, "hold.toml")
    assert holding.month(CLOSE, first=MAY).success
    close = read_close(holding.lake, MAY)
    assert close is not None
    assert (close.verdict, close.allowed) == ("held", False)
    assert close.feeds["activity"].verdict == "stale"
    return holding


def test_a_held_month_stops_every_asset_of_the_review(held: Organisation) -> None:
    published, mails = held.published(), held.mails()
    for keys in (held.models(), [FIGURES], [SCORECARD], [PAGES], [EDITION], [DELIVERY]):
        for first in (MAY, LAST):  # alone, and in a range after a month that is allowed
            result = held.month(*keys, first=first, last=MAY)
            assert not result.success, (keys[0], first.id)
            assert f"{MAY.label} is held" in failures(result), (keys[0], first.id)
    assert held.published() == published
    assert held.mails() == mails
    assert not (held.home / "drafts" / "monthly" / MAY.id).exists()


def test_a_held_month_keeps_its_intent_until_it_is_released(held: Organisation) -> None:
    with State.open(held.settings) as state:
        state.open_intent("monthly", MAY.id, opened_by="schedule")
    assert not held.month(EDITION, first=MAY).success
    with State.open(held.settings) as state:
        intent = state.pending_intent("monthly", MAY.id)
        assert intent is not None
        assert intent.held_by == "close"
        assert state.latest_edition("monthly", MAY.id) is None


def test_a_month_that_was_never_closed_is_refused(changing: Organisation) -> None:
    for keys in (changing.models(), [FIGURES], [SCORECARD], [PAGES], [EDITION], [DELIVERY]):
        result = changing.month(*keys, first=MAY)
        assert not result.success
        assert f"{MAY.label} was not closed" in failures(result), keys[0]


def test_a_stale_month_goes_out_marked(changing: Organisation) -> None:
    done = changing.month(CLOSE, *changing.models(), FIGURES, SCORECARD, PAGES, first=MAY)
    assert done.success, failures(done)
    close = read_close(changing.lake, MAY)
    assert close is not None
    assert (close.verdict, close.allowed) == ("stale", True)
    assert close.stale_note
    as_of = f"{close.data_as_of.day} {close.data_as_of:%B %Y}" if close.data_as_of else ""
    draft = changing.home / "drafts" / "monthly" / MAY.id
    for name in ("scorecard.html", "email.html", "email.txt"):
        page = (draft / name).read_text(encoding="utf-8")
        assert as_of in page.replace("\N{NO-BREAK SPACE}", " "), name

    before = set(changing.mails("monthly"))
    sent = changing.month(
        EDITION,
        DELIVERY,
        first=MAY,
        run_config={
            "ops": {"delivery__month_edition": {"config": {"open_intent": True, "reason": "test"}}}
        },
    )
    assert sent.success, failures(sent)
    new = {n: mail for n, mail in changing.mails("monthly").items() if n not in before}
    assert len(new) == len(before)
    for content in new.values():
        mail = cast(EmailMessage, email.message_from_bytes(content, policy=email_policy))
        assert f"as of {as_of}" in mail["Subject"]
    assert set(changing.published(Grain.MONTH)) >= {LAST.id, MAY.id}
