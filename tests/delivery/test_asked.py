"""What a published review asks for enters the decision log: once, whatever crashes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagster import AssetSpec, DagsterInstance, RunConfig, materialize

from orchestration.delivery import asked as asked_module
from orchestration.delivery.asked import asked_rows, plain_amount, record_asked
from orchestration.delivery.assets import EditionConfig, build_assets, drafted_by
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import deliver
from orchestration.delivery.mailings import pack
from orchestration.feeds.recording import decision_log, record
from orchestration.periods import Grain, partition_key
from orchestration.quality import close as close_module
from orchestration.quality.close import PeriodClose
from orchestration.scorecard.draft import to_json
from orchestration.scorecard.model import Candidate, Decision, EarlyWarning, LogEntry, Scorecard
from orchestration.settings import Settings
from orchestration.state import Edition, State
from orchestration.warehouse import published
from tests.delivery.conftest import PERIOD, make_draft, make_settings, seal_edition
from tests.review.scorecards import typical

CAMPAIGN, SEATS = "2026-10/campaign/SAL", "2026-10/idle-seats"


def decision(entry_id: str = CAMPAIGN, **more: Any) -> Decision:
    return Decision(
        **{
            "decision_id": entry_id,
            "what": "Fund a campaign in Sales",
            "why": "It fell.",
            "options": ("Fund it",),
            "amount": "up to GBP 25,000",
            "owner": "Ada Byron",
            "owner_role": "executive sponsor",
            "due_on": date(2026, 11, 23),
            "if_not_taken": "It stays unanswered.",
            "right_id": "fund_campaign_within_limit",
            "org_unit_id": "SAL",
            "owner_person_id": "P1",
            "owner_role_id": "executive_sponsor",
            **more,
        }
    )


WARNING = EarlyWarning(
    warning_id="sponsor_silent_3",
    pain_point="no visible sponsor",
    unit="Operations",
    finding="No record of a visible sponsor action for 3 weeks",
    since=date(2026, 10, 12),
    evidence=(),
    countermeasure="Offer the sponsor a script and a slot.",
    owner="program lead",
    due_on=date(2026, 11, 10),
    entry_id="sponsor_silent_3/OPS/2026-10-12",
    org_unit_id="OPS",
    owner_role_id="program_lead",
)


def card(**more: Any) -> Scorecard:
    return typical(
        ritual="monthly",
        period_id="2026-10",
        currency="GBP",
        decisions=(
            decision(),
            decision(SEATS, what="Give back seats", amount="GBP 12,400", org_unit_id=None),
        ),
        warnings=(WARNING,),
    ).model_copy(update=more)


@pytest.mark.parametrize(
    ("text", "sum_"),
    [
        ("GBP 12,400", "12400"), ("GBP 950.50", "950.50"), ("GBP 1,204,000", "1204000"),
        ("12400", "12400"), ("up to GBP 25,000", None), ("GBP 10 to 20", None),
        ("working time only", None), ("USD 12,400", None), ("GBP 12,40", None), ("GBP", None),
        ("", None), (None, None), ("GBP -5", None), ("GBP 1.234", None),
    ],
)  # fmt: skip
def test_only_a_plain_sum_is_an_amount(text: str | None, sum_: str | None) -> None:
    assert plain_amount(text, "GBP") == (None if sum_ is None else Decimal(sum_))


def test_what_is_asked_as_rows_of_the_log() -> None:
    assert asked_rows(card(), date(2026, 11, 6), {}) == [
        {
            "source": "review", "subject": "decision", "entry_id": CAMPAIGN, "kind": "decision",
            "title": "Fund a campaign in Sales", "right_id": "fund_campaign_within_limit",
            "org_unit_id": "SAL", "owner_role": "executive_sponsor", "owner_person_id": "P1",
            "asked_on": date(2026, 11, 6), "asked_in": "2026-10", "due_on": date(2026, 11, 23),
            "amount": None, "if_not_taken": "It stays unanswered.",
        },
        {
            "source": "review", "subject": "decision", "entry_id": SEATS, "kind": "decision",
            "title": "Give back seats", "right_id": "fund_campaign_within_limit",
            "org_unit_id": None, "owner_role": "executive_sponsor", "owner_person_id": "P1",
            "asked_on": date(2026, 11, 6), "asked_in": "2026-10", "due_on": date(2026, 11, 23),
            "amount": Decimal(12400), "if_not_taken": "It stays unanswered.",
        },
        {
            "source": "review", "subject": "decision", "kind": "action",
            "entry_id": "sponsor_silent_3/OPS/2026-10-12", "warning_id": "sponsor_silent_3",
            "title": "Offer the sponsor a script and a slot.", "org_unit_id": "OPS",
            "owner_role": "program_lead", "asked_on": date(2026, 11, 6), "asked_in": "2026-10",
            "due_on": date(2026, 11, 10),
        },
    ]  # fmt: skip


def test_a_review_published_late_asks_for_nothing_in_the_past() -> None:
    rows = asked_rows(card(), date(2026, 11, 24), {})
    assert [row["due_on"] for row in rows] == [date(2026, 11, 24)] * 3
    rows = asked_rows(card(), date(2026, 11, 20), {})
    assert [row["due_on"] for row in rows] == [
        date(2026, 11, 23), date(2026, 11, 23), date(2026, 11, 20),
    ]  # fmt: skip


def candidate(entry_id: str = "decommission/C1", **more: Any) -> Candidate:
    return Candidate(
        **{
            "kind": "decommission",
            "what": "Coaching (elective module)",
            "title": "Coaching",
            "evidence": ("Unused: nobody learned in it.",),
            "owner": "Grace Hopper",
            "due_on": date(2026, 11, 16),
            "silence": "No answer by 16 November 2026 retires it.",
            "entry_id": entry_id,
            "right_id": "decommission_elective",
            "owner_person_id": "P3",
            "owner_role_id": "ld_head",
            **more,
        }
    )


def test_candidates_enter_one_by_one_with_the_date_that_was_printed() -> None:
    together = decision("2026-10/decommission-elective", covers=("decommission/C1",))
    review = candidate("review/C2", title="Review the course Typing", right_id=None,
                       owner_role_id="course_owner")  # fmt: skip
    campaign = candidate(None, kind="campaign")
    asked = card(decisions=(together,), warnings=(), candidates=(candidate(), review, campaign))
    first, second = asked_rows(asked, date(2026, 11, 6), {})
    assert first == {
        "source": "review", "subject": "decision", "entry_id": "decommission/C1",
        "kind": "decision", "title": "Decommission Coaching", "right_id": "decommission_elective",
        "owner_role": "ld_head", "owner_person_id": "P3", "asked_on": date(2026, 11, 6),
        "asked_in": "2026-10", "due_on": date(2026, 11, 16),
        "if_not_taken": "No answer by 16 November 2026 retires it.",
    }  # fmt: skip
    assert (second["kind"], second["title"], second["right_id"]) == (
        "action", "Review the course Typing", None,
    )  # fmt: skip


def test_what_the_log_has_already_keeps_its_owner_and_its_date() -> None:
    again = card(decisions=(), candidates=(candidate(),))
    known = {"decommission/C1": {"asked_in": "2026-09"}, str(WARNING.entry_id): {"kind": "action"}}
    assert asked_rows(again, date(2026, 11, 6), known) == []


def test_what_silence_decided_is_entered_once(state: State, settings: Settings) -> None:
    entry = LogEntry(entry_id="decommission/C1", kind="decision", title="Decommission Coaching",
                     unit=None, owner="Grace Hopper", asked_on=date(2026, 10, 6),
                     due_on=date(2026, 10, 16), status="decided", status_text="took effect",
                     waiting_days=10, took_effect_on=date(2026, 10, 16))  # fmt: skip
    said = card(decisions=(), warnings=(), candidates=(), log=(entry,))
    record(settings, asked_rows(card(decisions=(), warnings=(), candidates=(candidate(),), log=()),
                                date(2026, 10, 6), {}))  # fmt: skip
    rows = asked_rows(said, date(2026, 11, 6), decision_log(settings))
    assert rows == [
        {"source": "review", "subject": "decision", "entry_id": "decommission/C1",
         "decided_on": date(2026, 10, 16), "outcome": "took effect, no answer by then"}
    ]  # fmt: skip
    record(settings, rows)
    assert asked_rows(said, date(2026, 11, 7), decision_log(settings)) == []


def test_a_decision_that_waited_is_asked_of_another_and_keeps_its_entry() -> None:
    late = card(decisions=(decision("2026-07/idle-seats", owner_person_id="P2"),), warnings=())
    known = {"2026-07/idle-seats": {"asked_in": "2026-07", "owner_person_id": "P1"}}
    assert asked_rows(late, date(2026, 11, 6), known) == [
        {
            "source": "review", "subject": "decision", "entry_id": "2026-07/idle-seats",
            "owner_role": "executive_sponsor", "owner_person_id": "P2",
            "due_on": date(2026, 11, 23),
        }
    ]  # fmt: skip
    unnamed = card(decisions=(decision("2026-07/idle-seats", owner_person_id=None),), warnings=())
    assert asked_rows(unnamed, date(2026, 11, 6), known) == []


# ---- with a log on disk --------------------------------------------------------------------


def sealed(state: State, settings: Settings, draft: Path, content: Scorecard) -> Edition:
    make_draft(draft, card=to_json(content))
    # 23:30 in London on the 6th is the 6th there
    state.now = lambda: datetime(2026, 11, 6, 23, 30, tzinfo=UTC)
    edition = seal_edition(state, settings, draft, "ada@example.org")
    state.now = lambda: datetime.now(UTC)
    return edition


def recorded_lines(settings: Settings) -> list[dict[str, Any]]:
    files = sorted((settings.landing_folder / "records").glob("*.jsonl"))
    return [json.loads(line) for line in files[-1].read_text().splitlines()] if files else []


def test_a_published_review_enters_once(state: State, settings: Settings, draft: Path) -> None:
    edition = sealed(state, settings, draft, card())
    assert record_asked(state, settings, "monthly", PERIOD.id) == 0  # nobody has it yet
    deliver(state, settings, edition, open_channel(settings), "run")
    assert record_asked(state, settings, "monthly", "2026-09") == 0
    assert record_asked(state, settings, "monthly", PERIOD.id) == 3
    assert record_asked(state, settings, "monthly", PERIOD.id) == 0
    lines = recorded_lines(settings)
    assert [(line["entry_id"], line["kind"], line["asked_on"]) for line in lines] == [
        (CAMPAIGN, "decision", "2026-11-06"),
        (SEATS, "decision", "2026-11-06"),
        ("sponsor_silent_3/OPS/2026-10-12", "action", "2026-11-06"),
    ]
    assert lines[1]["amount"] == "12400.00" and "amount" not in lines[0]


def test_the_day_it_was_asked_is_the_organisations(tmp_path: Path) -> None:
    settings = make_settings(tmp_path)
    organisation = settings.organisation.model_copy(update={"time_zone": "Pacific/Auckland"})
    settings = settings.model_copy(update={"organisation": organisation})
    with State.open(settings) as state:
        edition = sealed(state, settings, tmp_path / "draft", card())
        deliver(state, settings, edition, open_channel(settings), "run")
        record_asked(state, settings, "monthly", PERIOD.id)
    assert {line["asked_on"] for line in recorded_lines(settings)} == {"2026-11-07"}


@pytest.mark.parametrize("point", ["before recording", "after recording"])
def test_a_crash_loses_and_doubles_nothing(
    state: State, settings: Settings, draft: Path, monkeypatch: pytest.MonkeyPatch, point: str
) -> None:
    class Killed(BaseException):
        pass

    def die(*arguments: Any) -> None:
        raise Killed

    edition = sealed(state, settings, draft, card())
    deliver(state, settings, edition, open_channel(settings), "run")
    with monkeypatch.context() as patch:
        if point == "before recording":
            patch.setattr(asked_module, "record", die)
        else:
            patch.setattr(state, "mark_recorded", die)
        with pytest.raises(Killed):
            record_asked(state, settings, "monthly", PERIOD.id)
    assert [each.edition_id for each in state.unrecorded_editions("monthly")] == [
        edition.edition_id
    ]
    # a person closes one meanwhile; saying it again must not open it anew
    if point == "after recording":
        record(settings, [{"source": "command", "subject": "decision", "entry_id": CAMPAIGN,
                           "outcome": "approved", "decided_on": "2026-11-07",
                           "owner_person_id": "P5"}])  # fmt: skip
    added = record_asked(state, settings, "monthly", PERIOD.id)
    assert added == (3 if point == "before recording" else 0)
    log = decision_log(settings)
    assert sorted(log) == sorted([CAMPAIGN, SEATS, "sponsor_silent_3/OPS/2026-10-12"])
    if point == "after recording":
        assert (log[CAMPAIGN]["outcome"], log[CAMPAIGN]["owner_person_id"]) == ("approved", "P5")
    assert state.unrecorded_editions("monthly") == []


def test_a_restatement_adds_only_what_is_new(state: State, settings: Settings, draft: Path) -> None:
    first = sealed(state, settings, draft, card(warnings=()))
    deliver(state, settings, first, open_channel(settings), "run")
    assert record_asked(state, settings, "monthly", PERIOD.id) == 2
    state.open_intent("monthly", PERIOD.id, opened_by="person", restates=True)
    (draft / "scorecard.json").write_bytes(to_json(card()))
    second = seal_edition(state, settings, draft, "ada@example.org")
    deliver(state, settings, second, open_channel(settings), "run")
    assert record_asked(state, settings, "monthly", PERIOD.id) == 1


def test_a_weekly_digest_enters_its_warnings(tmp_path: Path) -> None:
    digest = card(ritual="weekly", period_id="2026-W44", decisions=())
    assert [row["entry_id"] for row in asked_rows(digest, date(2026, 11, 2), {})] == [
        "sponsor_silent_3/OPS/2026-10-12"
    ]


# ---- the asset -----------------------------------------------------------------------------


@pytest.fixture
def line(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Runs the monthly delivery over a draft that asks for three things."""
    make_draft(pack(Grain.MONTH).draft(settings, PERIOD), card=to_json(card()))
    holder = {"role": "ld_head", "email": "ada@example.org", "person_id": "P1", "is_active": True}
    close = PeriodClose.model_construct(feeds={})
    monkeypatch.setattr(close_module, "require_allowed", lambda *_: close)
    monkeypatch.setattr(published, "read_published", lambda *_, **__: [holder])
    built = build_assets(settings, [pack(Grain.MONTH)])
    pages = AssetSpec(drafted_by(pack(Grain.MONTH)), partitions_def=built[0].partitions_def)
    with DagsterInstance.ephemeral() as instance:

        def run(**config: Any) -> dict[str, Any]:
            result = materialize(
                [*built, pages],
                selection=[a.key for a in built],
                instance=instance,
                partition_key=partition_key(PERIOD),
                run_config=RunConfig({"delivery__month_edition": EditionConfig(**config)}),
            )
            (event,) = [
                e.materialization
                for e in result.get_asset_materialization_events()
                if e.asset_key.path[-1] == "month_delivery"
            ]
            return {name: value.value for name, value in event.metadata.items()}

        yield run


def test_an_archived_run_enters_nothing(line: Any, settings: Settings) -> None:
    assert (line()["mode"], line()["entered_in_log"]) == ("archived", 0)
    assert recorded_lines(settings) == []


def test_a_published_run_enters_and_an_archived_one_after_it_does_not(
    line: Any, settings: Settings
) -> None:
    sent = line(open_intent=True)
    assert (sent["mode"], sent["sent"], sent["entered_in_log"]) == ("sent", 1, 3)
    again = line()
    assert (again["mode"], again["entered_in_log"]) == ("archived", 0)
    assert len(recorded_lines(settings)) == 3


def test_the_next_run_enters_what_a_crash_left_out(
    line: Any, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(asked_module, "record", full)
        with pytest.raises(OSError, match="No space"):
            line(open_intent=True)
    assert recorded_lines(settings) == []
    done = line()
    assert (done["mode"], done["sent"], done["entered_in_log"]) == ("archived", 0, 3)
