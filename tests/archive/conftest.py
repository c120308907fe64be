"""An archive with everything in it: editions, a restatement, what was never sent, private mail."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestration.archive.shelf import DecisionLog
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import Provenance, deliver, seal
from orchestration.feeds.deliveries import DeliveryManifest
from orchestration.periods import Period
from orchestration.quality.expectations import Checked
from orchestration.quality.freshness import Freshness
from orchestration.quality.report import Fault, FeedReport, Rejected, Sample
from orchestration.review.month import render_month
from orchestration.review.quarter import render_quarter
from orchestration.review.week import render_week
from orchestration.scorecard.draft import draft_folder
from orchestration.scorecard.model import Figure, Scorecard
from orchestration.settings import OrganisationSettings, PathSettings, Settings
from orchestration.state import Edition, State
from tests.delivery.conftest import make_audience
from tests.quality.small_deliveries import manifest_of
from tests.review import rituals, scorecards

PROVENANCE = Provenance("f" * 64, "a" * 64, "b" * 64, "c" * 64, "code-1", date(2026, 10, 31))
SECRET = "Only for the leader's own eyes"
LOG = DecisionLog(
    rows=(
        {
            "entry_id": "D-1",
            "kind": "decision",
            "title": "Retire 'Safety basics 2019'",
            "org_unit_id": "OPS",
            "owner": "Marcus Lindqvist",
            "asked_on": date(2026, 10, 9),
            "first_due_on": date(2026, 10, 23),
            "due_on": date(2026, 11, 20),
            "amount": 12500,
            "status": "overdue",
            "waiting_days": 22,
            "if_not_taken": "Two courses teach the same lesson",
            "fault": None,
        },
        {
            "entry_id": "A-1",
            "kind": "action",
            "title": scorecards.HOSTILE,
            "org_unit_id": None,
            "owner": "program lead",
            "asked_on": date(2026, 10, 30),
            "first_due_on": None,
            "status": "open",
            "waiting_days": 1,
            "fault": "unknown_owner",
        },
        {
            "entry_id": "D-2",
            "kind": "decision",
            "title": "Fund the autumn campaign",
            "org_unit_id": None,
            "owner": "Hannah Osei",
            "asked_on": date(2026, 9, 1),
            "first_due_on": date(2026, 9, 15),
            "decided_on": date(2026, 9, 11),
            "outcome": "Agreed, up to the limit",
            "status": "decided",
            "waiting_days": 10,
            "fault": "decided_without_right",
        },
    ),
    units={"OPS": "Operations"},
    as_of=date(2026, 10, 31),
)


def _delivery(month: int, *, sequence: int = 1, **more: Any) -> DeliveryManifest:
    day = date(2026, month, 28)
    return manifest_of("people", day, sequence, rows=1200, rejected=4).model_copy(
        update={"verdict": "promoted", **more}
    )


REFUSED = _delivery(10, verdict="refused", contract_problem="broken", rows_in=0, rows_accepted=0)
QUALITY = (
    FeedReport(
        feed="people",
        owner="HR systems",
        standing="refused",
        freshness=Freshness(
            "people",
            "late",
            "the data ends on 2026-09-28, 39 days ago; October 2026 was due on 2026-11-04.",
            date(2026, 9, 28),
            39,
            date(2026, 11, 4),
            date(2026, 10, 31),
        ),
        faults=(
            Fault(
                "file people_2026-10-28.csv, column Email: the column is missing; the file has: "
                "EmployeeNumber, FullName, E-Mail.",
                "send the column under its declared name, or correct the feed's mapping.",
                date(2026, 10, 28),
                True,
            ),
            Fault(scorecards.HOSTILE, scorecards.HOSTILE, date(2026, 8, 28), False),
        ),
        rejected=(
            Rejected("unknown person", 3, date(2026, 6, 28)),
            Rejected(scorecards.HOSTILE, 1, date(2026, 9, 28)),
        ),
        samples=(
            Sample("people_2026-09-28.csv", 1017, "unknown person", (("person_id", "#0a1b2c3d"),)),
            Sample(scorecards.HOSTILE, None, scorecards.HOSTILE, ()),
        ),
        of=_delivery(9),
        deliveries=(REFUSED, _delivery(9, sequence=2), _delivery(9), _delivery(8)),
        expectations=(
            Checked("few_rows_rejected", "Too many rows were rejected.", False, True, "12 %",
                    "at most 10 %"),
            Checked("volume_alike", scorecards.HOSTILE, True, False, "", ""),
        ),
    ),
    FeedReport(
        feed="leader_actions",
        owner="Programme office",
        standing="silent",
        freshness=Freshness(
            "leader_actions",
            "not_connected",
            "optional, and no delivery was ever in force.",
            None,
            None,
            date(2026, 11, 4),
            date(2026, 10, 31),
        ),
        faults=(),
        rejected=(),
        samples=(),
        of=None,
        deliveries=(),
        expectations=(),
    ),
)  # fmt: skip


def month(period_id: str, **changes: Any) -> Scorecard:
    """The typical scorecard, as of another month."""
    period = Period.parse(period_id)
    return scorecards.typical(
        period_id=period_id,
        period_label=period.label,
        period_start=period.start,
        period_end=period.end,
        data_as_of=period.end,
        **changes,
    )


def seal_draft(state: State, settings: Settings, period: Period, **provenance: str) -> Edition:
    """Seal a period's draft under an intent of its own, and deliver it to the outbox."""
    ritual = period.grain.ritual
    earlier = state.latest_edition(ritual, period.id)
    state.open_intent(
        ritual, period.id, opened_by="person", reason="test", restates=earlier is not None
    )
    edition = seal(
        state,
        settings,
        ritual,
        period,
        draft_folder(settings, period),
        make_audience("ada@example.org"),
        replace(PROVENANCE, **provenance),
    )
    assert deliver(state, settings, edition, open_channel(settings), "run").settled
    return edition


def make_reviews(settings: Settings) -> None:
    """August never sent, September sent, October sent and restated, November drafted, one week
    and one quarter of hostile texts sent; and mail for one leader only."""
    for period_id in ("2026-08", "2026-09", "2026-10", "2026-11"):
        render_month(month(period_id), draft_folder(settings, Period.parse(period_id)))
    week = Period.parse("2026-W44")
    render_week(rituals.week(scorecards.typical()), draft_folder(settings, week))
    quarter = Period.parse("2026-Q3")
    render_quarter(rituals.quarter(scorecards.hostile()), draft_folder(settings, quarter))
    private = settings.home / "drafts" / "monthly_kit" / "2026-10" / "sponsor-ops"
    private.mkdir(parents=True)
    (private / "email.html").write_text(SECRET)
    with State.open(settings) as state:
        for period_id in ("2026-09", "2026-10", "2026-W44", "2026-Q3"):
            seal_draft(state, settings, Period.parse(period_id))
        card = month("2026-10")
        better = Figure(state="value", value=card.kpis[2].now.value, text="87.0 %")
        kpis = (*card.kpis[:2], card.kpis[2].model_copy(update={"now": better}), *card.kpis[3:])
        october = Period.parse("2026-10")
        render_month(card.model_copy(update={"kpis": kpis}), draft_folder(settings, october))
        seal_draft(state, settings, october, manifest_hash="d" * 64)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return make_settings(tmp_path)


def make_settings(home: Path) -> Settings:
    return Settings.model_validate(
        {
            "organisation": OrganisationSettings(
                name="Meridian Foods", time_zone="Europe/London"
            ).model_dump(),
            "paths": PathSettings(home=home).model_dump(),
            "delivery": {"allowed_domains": ["example.org"]},
        }
    )


@pytest.fixture(scope="session")
def archived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Settings of a home with reviews in it; not to be changed."""
    settings = make_settings(tmp_path_factory.mktemp("archived"))
    make_reviews(settings)
    yield settings


@pytest.fixture
def reviewed(archived: Settings, tmp_path: Path) -> Settings:
    """A copy of the archived home, to be changed."""
    home = tmp_path / "home"
    shutil.copytree(archived.home, home)
    return make_settings(home)
