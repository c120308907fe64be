"""The assets, materialized by Dagster: who may send, and what a run archives."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any, ClassVar

import pytest
from dagster import (
    AssetSpec,
    DagsterInstance,
    Failure,
    RunConfig,
    materialize,
)

from orchestration.delivery import assets as delivery_assets
from orchestration.delivery.assets import EditionConfig, audience, build_assets
from orchestration.delivery.channels import Accepted, Retry
from orchestration.delivery.mailings import MAILINGS, pack
from orchestration.lake import Lake
from orchestration.periods import Grain, Period, partition_key
from orchestration.problems import Problem
from orchestration.quality import close as close_module
from orchestration.quality.close import FeedVerdict, PeriodClose, manifest_hash
from orchestration.scorecard.draft import to_json, write_stands_on
from orchestration.settings import Settings
from orchestration.state import State
from orchestration.warehouse import published
from tests.delivery.conftest import PERIOD, make_draft, make_settings
from tests.review.scorecards import typical

JULY = Period.containing(Grain.MONTH, date(2026, 7, 1))
ROLES = [
    ("executive_sponsor", "ada@example.org"),
    ("ld_head", "bob@example.org"),
    ("ld_head", "canary@evil.com"),
    ("finance", "fin@example.org"),
]


class World:
    """Stands for the stages before delivery: verdicts, governance rows, drafts."""

    def __init__(self, home: Path) -> None:
        self.settings = make_settings(home)
        self.held: set[str] = set()
        self.asked: list[str] = []
        self.faults: list[dict[str, Any]] = []
        self.instance = DagsterInstance.ephemeral()

    def require_allowed(self, lake: Lake, period: Period) -> PeriodClose:
        self.asked.append(period.id)
        if period.id in self.held:
            raise Problem(f"{period.id} is held: activity is stale.")
        judged = FeedVerdict.model_construct(stands_on="hash")
        return PeriodClose.model_construct(feeds={"activity": judged})

    def read_published(self, lake: Lake, grain: Grain, model: str, *, period_ids: Any) -> Any:
        assert len(period_ids) == 1
        if model == "governance_faults__month":
            return self.faults
        assert model == "governance__month"
        return [
            {
                "role": role,
                "org_unit_id": "U1",
                "person_id": "P1",
                "email": email,
                "is_active": True,
                "deputy_is_active": None,
            }
            for role, email in ROLES
        ]

    def draft(self, period: Period, words: str = "78 %", of: Period | None = None) -> None:
        folder = self.settings.home / "drafts" / "monthly" / period.id
        card = typical(period_id=(of or period).id, sentence=words, decisions=())
        make_draft(folder, words, to_json(card))

    def run(
        self,
        first: Period = PERIOD,
        last: Period | None = None,
        *,
        only: str | None = None,
        tags: dict[str, str] | None = None,
        **config: Any,
    ) -> Any:
        built: list[Any] = build_assets(self.settings, [pack(Grain.MONTH)])
        pages = AssetSpec(["review", "month_pages"], partitions_def=built[0].partitions_def)
        asked = [a for a in built if only is None or a.key.path[-1] == only]
        span = {
            "dagster/asset_partition_range_start": partition_key(first),
            "dagster/asset_partition_range_end": partition_key(last or first),
        }
        result = materialize(
            [*built, pages],
            selection=[a.key for a in asked],
            instance=self.instance,
            tags={**span, **(tags or {})},
            run_config=RunConfig({"delivery__month_edition": EditionConfig(**config)})
            if only != "month_delivery"
            else None,
            raise_on_error=False,
        )
        return result

    def metadata(self, result: Any, name: str, period: Period = PERIOD) -> dict[str, Any]:
        (event,) = [
            e.materialization
            for e in result.get_asset_materialization_events()
            if e.asset_key.path[-1] == name and e.partition == partition_key(period)
        ]
        return {key: value.value for key, value in event.metadata.items()}

    @property
    def mails(self) -> list[str]:
        return sorted(file.name for file in (self.settings.home / "outbox").glob("*.eml"))

    def open(self, period: Period = PERIOD) -> int:
        with State.open(self.settings) as state:
            return state.open_intent("monthly", period.id, opened_by="schedule").intent_id


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    made = World(tmp_path / "home")
    monkeypatch.setattr(close_module, "require_allowed", made.require_allowed)
    monkeypatch.setattr(published, "read_published", made.read_published)
    made.draft(PERIOD)
    with made.instance:
        yield made


def failure(result: Any) -> str:
    return "\n".join(
        str(event.step_failure_data.error.to_string()) for event in result.get_step_failure_events()
    )


def test_the_schedules_intent_is_sealed_and_sent_once(world: World) -> None:
    world.open()
    result = world.run()
    assert result.success
    sealed = world.metadata(result, "month_edition")
    assert (sealed["mode"], sealed["edition_number"]) == ("sealed", 1)
    sent = world.metadata(result, "month_delivery")
    assert {k: sent[k] for k in ("mode", "sent", "accepted", "failed", "unknown")} == {
        "mode": "sent",
        "sent": 2,
        "accepted": 2,
        "failed": 0,
        "unknown": 0,
    }
    assert sent["still_planned"] == 0 and sent["subject"] == "Adoption review — October 2026"
    assert len(world.mails) == 2
    world.draft(PERIOD, "late data")
    again = world.run()
    assert world.metadata(again, "month_edition")["mode"] == "archived"
    assert world.metadata(again, "month_delivery")["mode"] == "archived"
    assert world.metadata(again, "month_delivery")["sent"] == 0
    assert len(world.mails) == 2


def test_a_range_without_intents_is_archived(world: World) -> None:
    result = world.run(JULY, PERIOD)
    assert result.success
    for count in range(4):
        period = JULY.shift(count)
        for name in ("month_edition", "month_delivery"):
            assert world.metadata(result, name, period)["mode"] == "archived"
        assert world.metadata(result, "month_delivery", period)["sent"] == 0
    assert not (world.settings.home / "outbox").exists()
    assert not (world.settings.home / "editions").exists()


def test_in_a_range_only_the_open_period_is_sent(world: World) -> None:
    world.open()
    result = world.run(JULY, PERIOD)
    assert result.success
    assert world.metadata(result, "month_delivery")["sent"] == 2
    assert world.metadata(result, "month_delivery", JULY)["mode"] == "archived"


@pytest.mark.parametrize("only", [None, "month_edition", "month_delivery"])
@pytest.mark.parametrize("opened", [False, True])
def test_every_asset_obeys_the_verdict(world: World, only: str | None, opened: bool) -> None:
    world.held.add(PERIOD.id)
    if opened:
        world.open()
    result = world.run(only=only)
    assert not result.success
    assert "activity is stale" in failure(result)
    assert world.mails == []


def test_what_a_verdict_held_goes_out_when_it_allows(world: World) -> None:
    intent = world.open()
    world.held.add(PERIOD.id)
    assert not world.run().success
    with State.open(world.settings) as state:
        assert state.intent(intent).status == "held"
        assert "activity is stale" in state.intent(intent).reason
    world.held.clear()
    assert world.metadata(world.run(), "month_delivery")["sent"] == 2
    assert world.run().success and len(world.mails) == 2


def test_what_a_person_held_waits_for_the_person(world: World) -> None:
    intent = world.open()
    with State.open(world.settings) as state:
        state.hold_intent(intent, "the board first", by="person")
    result = world.run()
    assert world.metadata(result, "month_edition")["mode"] == "held"
    assert world.metadata(result, "month_delivery")["mode"] == "held"
    assert world.mails == []
    with State.open(world.settings) as state:
        state.release_intent(intent, by="person")
    assert world.metadata(world.run(), "month_delivery")["sent"] == 2


@pytest.mark.parametrize("fault", ["figures", "pages"])
def test_what_a_failed_close_left_is_held_until_it_is_drafted_again(
    world: World, fault: str
) -> None:
    """Data moved; the close was stored anew, then its figures or its pages failed."""
    intent = world.open()
    raw = manifest_hash({"activity": "hash"})
    write_stands_on(world.settings, PERIOD, raw if fault == "pages" else "an earlier one")
    email = world.settings.home / "drafts" / "monthly" / PERIOD.id / "email.json"
    if fault == "pages":
        os.utime(email, ns=(0, 0))
    refused = world.run()
    words = {"figures": "drafted on other data than", "pages": "not drafted to its end"}[fault]
    assert not refused.success and words in failure(refused)
    with State.open(world.settings) as state:
        held = state.intent(intent)
        assert (held.status, held.held_by) == ("held", "close") and words in held.reason
        assert state.editions() == []
    assert world.mails == []
    # the close of the next day succeeds
    write_stands_on(world.settings, PERIOD, raw)
    email.touch()
    assert world.metadata(world.run(), "month_delivery")["sent"] == 2
    with State.open(world.settings) as state:
        (edition,) = state.editions()
        assert edition.manifest_hash == raw
        assert not (Path(edition.folder) / "stands-on.json").exists()


def test_a_later_verdict_does_not_stop_what_is_sealed(world: World) -> None:
    world.open()
    assert world.run(only="month_edition").success
    world.held.add(PERIOD.id)
    world.draft(PERIOD, "late data")
    assert world.metadata(world.run(), "month_delivery")["sent"] == 2


def test_delivery_alone_needs_a_sealed_edition(world: World) -> None:
    world.open()
    result = world.run(only="month_delivery")
    assert "is not sealed" in failure(result)


def test_a_person_opens_by_run_config_and_must_say_restates(world: World) -> None:
    first = world.run(open_intent=True, reason="asked by the sponsor")
    assert world.metadata(first, "month_delivery")["sent"] == 2
    world.draft(PERIOD, "late data")
    refused = world.run(open_intent=True)
    assert "was published already" in failure(refused)
    restated = world.run(open_intent=True, restates=True)
    assert world.metadata(restated, "month_edition")["edition_number"] == 2
    assert len(world.mails) == 4
    # the UI's re-execution carries the same config; it sends nothing
    world.draft(PERIOD, "even later data")
    again = world.run(
        open_intent=True,
        restates=True,
        tags={"dagster/root_run_id": restated.run_id, "dagster/parent_run_id": restated.run_id},
    )
    assert world.metadata(again, "month_delivery")["sent"] == 0
    assert len(world.mails) == 4


def test_a_person_opens_one_period_at_a_time(world: World) -> None:
    assert "several periods" in failure(world.run(JULY, PERIOD, open_intent=True))


def test_a_restatement_of_nothing_is_unchanged(world: World) -> None:
    world.run(open_intent=True)
    result = world.run(open_intent=True, restates=True)
    assert world.metadata(result, "month_edition")["mode"] == "unchanged"
    assert world.metadata(result, "month_delivery")["sent"] == 0


def test_one_periods_fault_does_not_keep_others_waiting(world: World) -> None:
    world.open()
    world.held.add(JULY.id)
    result = world.run(JULY, PERIOD, only="month_edition")
    assert not result.success
    with State.open(world.settings) as state:
        assert state.latest_edition("monthly", PERIOD.id) is not None


def test_anothers_draft_is_not_sealed(world: World) -> None:
    world.open()
    world.draft(PERIOD, of=JULY)
    assert "is not that of 2026-10" in failure(world.run())


def test_undelivered_recipients_fail_the_run_and_are_tried_again(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Moody:
        name = "moody"
        outcomes: ClassVar[list[Any]] = [
            Accepted("m"),
            Retry("no login for <bob@example.org>", halts=True),
        ]

        def send(self, message: Any) -> Any:
            return self.outcomes.pop(0) if self.outcomes else Accepted("m")

    world.open()
    monkeypatch.setattr(delivery_assets, "open_channel", lambda _: Moody())
    result = world.run()
    assert Failure.__name__ in failure(result) and "1 recipients" in failure(result)
    assert world.metadata(world.run(), "month_delivery")["accepted"] == 2


def test_dagsters_log_holds_no_address_and_no_secret(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADOPTION_SENDGRID_API_KEY", "SG.canary-secret")
    world.open()
    world.run()
    world.held.add(PERIOD.id)
    world.run()
    logged = "\n".join(
        repr(record.event_log_entry)
        for run in world.instance.get_run_ids()
        for record in world.instance.get_records_for_run(run).records
    )
    assert "month_delivery" in logged
    for secret in ("ada@", "bob@", "canary", "@example.org"):
        assert secret not in logged


def test_the_lines_of_a_dry_run(world: World) -> None:
    world.faults = [
        {"org_unit_id": "U1", "role": "sponsor", "fault": "two_holders", "person_id": "P7",
         "detail": "P7 and P8"},
        {"org_unit_id": "U2", "role": "operator", "fault": "vacant", "person_id": None,
         "detail": None},
    ]  # fmt: skip
    told = "\n".join(audience(world.settings, pack(Grain.MONTH), PERIOD))
    assert told.endswith(
        "Governance faults: 2\n  operator U2: vacant\n  sponsor U1 P7: two holders (P7 and P8)"
    )
    assert "ada@example.org  executive_sponsor" in told
    assert "canary@evil.com: the domain is not in allowed_domains" in told
    assert "nothing would be sent" in told
    assert "fin@" not in told


def test_every_mailing_has_its_assets(settings: Settings) -> None:
    keys = [a.key.to_user_string() for a in build_assets(settings)]
    letters = ["monthly_preview", "weekly_kit", "monthly_kit", "quarterly_sheets"]
    names = ["week", "month", "quarter", *letters]
    assert keys == [f"delivery/{name}_{what}" for name in names for what in ("edition", "delivery")]
    assert list(MAILINGS) == ["weekly", "monthly", "quarterly", *letters]
