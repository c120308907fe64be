"""What holds figures, pages and mail back, whichever way the assets are materialized."""

from __future__ import annotations

import pytest

from orchestration.lake import quoted
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
    file = lake.path("versions", "org_units.parquet")
    with lake.connect() as connection:
        connection.execute("CREATE TABLE units AS SELECT * FROM read_parquet($1)", [file])
        said = connection.execute(
            "SELECT decode(value) FROM parquet_kv_metadata($1) WHERE decode(key) = 'folded'", [file]
        ).fetchone()
        connection.execute(
            "INSERT INTO units SELECT * FROM units WHERE valid_to IS NULL "
            "AND parent_org_unit_id IS NOT NULL ORDER BY org_unit_id LIMIT 1"
        )
        assert said is not None  # with what it stands on, else it would be folded anew
        kept = f"KV_METADATA {{folded: {quoted(said[0])}}}"
        connection.execute(f"COPY units TO {quoted(file)} (FORMAT parquet, {kept})")

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
