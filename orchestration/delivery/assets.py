"""The delivery assets of each mailing: its sealed edition, and the delivery of that edition.

Only a period with an open intent is sealed and sent. Any other materialization (a backfill, a
re-execution, a click in the UI) archives: it succeeds, sends nothing and says so.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    BackfillPolicy,
    Config,
    Failure,
    MaterializeResult,
    MetadataValue,
    asset,
)
from pydantic import Field

from orchestration.delivery import recipients
from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import (
    DeliveryReport,
    Provenance,
    deliver,
    dry_run,
    open_intent,
    seal,
    settings_hash,
    standing,
)
from orchestration.delivery.mailings import MAILINGS, Letter, Mailing, pack, read_letters
from orchestration.delivery.occasions import one_at_a_time, still_due
from orchestration.lake import Lake
from orchestration.periods import Grain, Period, partition_key, period_partitions
from orchestration.problems import Problem
from orchestration.quality.close import manifest_hash
from orchestration.scorecard.restated import to_json
from orchestration.scorecard.since import restating
from orchestration.settings import FeedName, Settings
from orchestration.state import Edition, IntentStatus, State

STAGE = "delivery"
NOTHING = "nothing to send"
_SCORECARD = "scorecard.json"


def drafted_by(mailing: Mailing) -> AssetKey:
    """The asset that drafts a mailing."""
    return AssetKey(["review", mailing.name if mailing.personal else f"{mailing.grain}_pages"])


class EditionConfig(Config):
    """What a person may say when launching the edition of one period by hand."""

    open_intent: bool = Field(
        default=False,
        description="Give leave to send this one period. Without it, a run that no schedule "
        "opened seals and sends nothing.",
    )
    restates: bool = Field(
        default=False,
        description="After a published edition: publish a corrected one to all recipients.",
    )
    reason: str = Field(default="", description="Why; kept with the intent.")


def build_assets(
    settings: Settings, mailings: Iterable[Mailing] = tuple(MAILINGS.values())
) -> list[AssetsDefinition]:
    """The edition and its delivery, of each mailing."""
    built: list[AssetsDefinition] = []
    for mailing in mailings:
        built += [_edition_asset(settings, mailing), _delivery_asset(settings, mailing)]
    return built


def _edition_asset(settings: Settings, mailing: Mailing) -> AssetsDefinition:
    what = (
        f"The sealed edition of the {mailing.words}: the draft's files, frozen with their "
        "recipients before the first send and never written again."
    )
    if mailing.personal:
        what += " All letters of a period are one edition; where there are none, nothing is sent."
    if mailing.once:
        what += " A letter whose occasions were all answered by earlier ones is left out."

    @asset(
        key=[STAGE, f"{mailing.asset}_edition"],
        description=(
            f"{what} Sealed only where an "
            "intent is open; else the run archives. To send by hand, launch one period with "
            "open_intent (and restates, after a published edition)."
        ),
        partitions_def=period_partitions(mailing.grain, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        deps=[drafted_by(mailing)],
        group_name=STAGE,
        owners=["team:learning"],
        kinds={"python"},
    )
    def edition(context: AssetExecutionContext, config: EditionConfig) -> MaterializeResult:
        periods = _periods(context, mailing.grain)
        if config.open_intent and len(periods) != 1:
            raise Problem(
                "open_intent is said for several periods at once.",
                remedy="launch the one period that is to be sent.",
            )
        lake = Lake(settings.lake_url, settings.duckdb)
        refused: dict[str, Problem] = {}
        with State.open(settings) as state:
            if config.open_intent:
                open_intent(
                    state,
                    mailing.name,
                    periods[0].id,
                    opened_by="person",
                    reason=config.reason,
                    restates=config.restates,
                    # a re-execution carries the same config; it must not open another
                    run_id=_root_run(context),
                )
            for period in periods:
                try:
                    done = seal_period(state, settings, lake, mailing, period)
                except Problem as problem:
                    refused[period.id] = problem
                    continue
                context.add_asset_metadata(
                    _edition_metadata(done), partition_key=partition_key(period)
                )
        _raise_refused(refused)
        return MaterializeResult(metadata={"periods": len(periods)})

    return edition


def _delivery_asset(settings: Settings, mailing: Mailing) -> AssetsDefinition:
    @asset(
        key=[STAGE, f"{mailing.asset}_delivery"],
        description=(
            f"The {mailing.words}, handed to the channel of the settings: at most once to "
            "each recipient, whatever crashes. Without an open intent mode is 'archived' and "
            "nothing is sent."
        ),
        partitions_def=period_partitions(mailing.grain, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        deps=[AssetKey([STAGE, f"{mailing.asset}_edition"])],
        group_name=STAGE,
        owners=["team:learning"],
        kinds={"python", settings.delivery.channel},
    )
    def delivery(context: AssetExecutionContext) -> MaterializeResult:
        lake = Lake(settings.lake_url, settings.duckdb)
        refused: dict[str, Problem] = {}
        waiting: list[DeliveryReport] = []
        sent = 0
        with State.open(settings) as state:
            for period in _periods(context, mailing.grain):
                try:
                    report = deliver_period(
                        state, settings, lake, mailing, period, context.run.run_id
                    )
                except Problem as problem:
                    refused[period.id] = problem
                    continue
                metadata = _delivery_metadata(report)
                try:
                    metadata |= record_period(state, settings, mailing, period)
                except Problem as problem:  # what was sent is told all the same
                    refused[period.id] = problem
                context.log.info(f"{period.id}: {metadata}")
                context.add_asset_metadata(metadata, partition_key=partition_key(period))
                sent += report.sent
                if report.mode == "sent" and report.still_planned:
                    waiting.append(report)
        _raise_refused(refused)
        if waiting:
            faults = sorted({fault for report in waiting for fault in report.faults})
            raise Failure(
                f"{sum(report.still_planned for report in waiting)} recipients have not been sent "
                f"to; nothing was accepted for them, and the next run tries again. "
                f"{'; '.join(faults)}",
                metadata=_delivery_metadata(waiting[-1]),
                allow_retries=False,
            )
        return MaterializeResult(metadata={"sent": sent})

    return delivery


def _root_run(context: AssetExecutionContext) -> str:
    """The run that a person launched, of which this may be a re-execution."""
    run = context.run
    return run.root_run_id or run.tags.get("dagster/root_run_id") or run.run_id


def _periods(context: AssetExecutionContext, grain: Grain) -> list[Period]:
    return sorted(
        Period.containing(grain, date.fromisoformat(key)) for key in context.partition_keys
    )


def _raise_refused(refused: Mapping[str, Problem]) -> None:
    """One period's fault must not keep the others from being done; it is raised after them."""
    if len(refused) == 1:
        raise next(iter(refused.values()))
    if refused:
        raise Problem("; ".join(f"{period}: {problem}" for period, problem in refused.items()))


@dataclass(frozen=True)
class Sealing:
    """What became of one period's edition.

    Args:
        mode: ``sealed``, ``unchanged`` (a restatement equal to the edition before), ``held``,
            ``archived``, or ``nothing`` (there was no letter to send).
        refused: who gets nothing and why, where it was sealed now.
    """

    mode: Literal["sealed", "unchanged", "held", "archived", "nothing"]
    edition: Edition | None = None
    refused: tuple[recipients.Refusal, ...] = ()


def seal_period(
    state: State, settings: Settings, lake: Lake, mailing: Mailing, period: Period
) -> Sealing:
    """Seal one period's mailing if its intent is open, its close allows, its draft is of it.

    What a verdict refuses is held and goes out once the verdict allows; what a person held waits
    for that person. Without a single letter the intent of a mailing of letters is settled.

    Raises:
        Problem: the close does not allow, the draft is of another, or the edition cannot be sealed.
    """
    from orchestration.quality.close import require_allowed

    intent = state.pending_intent(mailing.name, period.id)
    if intent is not None:
        existing = state.edition_of_intent(intent.intent_id)
        if existing is not None:  # late data or a later verdict change nothing any more
            return Sealing("sealed", existing)
        if intent.held_by == "person":
            return Sealing("held")
    try:
        close = require_allowed(lake, period)
    except Problem as problem:
        if intent is not None:
            state.hold_intent(intent.intent_id, str(problem), by="close")
        raise
    if intent is None:
        return Sealing("archived", state.latest_edition(mailing.name, period.id))
    if why := mailing.outdated(settings, period, close):
        state.hold_intent(intent.intent_id, f"it {why}.", by="close")
        raise Problem(
            f"{period.label} {why}: its pages are not those of its close.",
            remedy=f"mend what made {period.grain.ritual}_close fail, then run it again; the "
            "schedule does so once a day, and the review goes out then.",
        )
    if intent.status is IntentStatus.HELD:
        state.release_intent(intent.intent_id, by="close")
    draft = mailing.draft(settings, period)
    drafted = read_letters(draft) if mailing.personal else None
    with one_at_a_time(settings) if mailing.once else nullcontext():
        letters = None
        if drafted is not None:
            letters = still_due(state, settings, mailing, period, drafted)
        if letters == ():
            state.settle_intent(intent.intent_id, NOTHING)
            return Sealing("nothing")
        audience = read_audience(settings, lake, mailing, period, letters)
        rendered = letters and tuple(each for each in letters if each.rendered)
        sealed = seal(
            state,
            settings,
            mailing.name,
            period,
            draft,
            audience,
            provenance(
                settings,
                pack(mailing.grain).draft(settings, period),
                period,
                close.stands_on,
            ),
            rendered,
            None
            if mailing.personal
            else lambda before, folder: to_json(restating(lake, before, folder)),
            {each.folder for each in drafted or ()} - {each.folder for each in rendered or ()},
        )
    unchanged = sealed.intent_id != intent.intent_id
    return Sealing("unchanged" if unchanged else "sealed", sealed, audience.refused)


def deliver_period(
    state: State, settings: Settings, lake: Lake, mailing: Mailing, period: Period, run_id: str
) -> DeliveryReport:
    """Deliver one period's sealed edition if its intent is open; else say how it stands.

    Raises:
        Problem: an open intent has no sealed edition; the close does not allow what is not sealed;
            the channel cannot be opened.
    """
    from orchestration.quality.close import require_allowed

    intent = state.pending_intent(mailing.name, period.id)
    edition = (
        state.latest_edition(mailing.name, period.id)
        if intent is None
        else state.edition_of_intent(intent.intent_id)
    )
    if intent is None or edition is None:
        require_allowed(lake, period)
    if intent is None or intent.status is not IntentStatus.OPEN:
        if edition is not None:
            return standing(state, edition, "archived" if intent is None else "held")
        return DeliveryReport(
            "held" if intent is not None else _without_edition(state, mailing, period)
        )
    if edition is None:
        raise Problem(
            f"the {mailing.words} of {period.id} may be sent but is not sealed.",
            remedy=f"materialize delivery/{mailing.asset}_edition of the period first.",
        )
    return deliver(state, settings, edition, open_channel(settings), run_id)


def record_period(
    state: State, settings: Settings, mailing: Mailing, period: Period
) -> dict[str, int]:
    """Enter what the period's published pack asks for into the decision log, once.

    Nothing enters of a review that was archived. What a run that died left out, this run enters.

    Returns:
        Metadata: the number of rows added; empty for letters, which ask for nothing of the log.

    Raises:
        Problem: the recording is refused.
    """
    if mailing.personal:
        return {}
    from orchestration.delivery.asked import record_asked

    return {"entered_in_log": record_asked(state, settings, mailing.name, period.id)}


def _without_edition(
    state: State, mailing: Mailing, period: Period
) -> Literal["archived", "nothing"]:
    last = state.latest_intent(mailing.name, period.id)
    settled = last is not None and last.status is IntentStatus.SETTLED
    return "nothing" if settled else "archived"


def read_audience(
    settings: Settings,
    lake: Lake,
    mailing: Mailing,
    period: Period,
    letters: Sequence[Letter] | None = None,
) -> recipients.Audience:
    """Who gets the period's mailing: who attends the ritual, or the letters' addressees.

    Raises:
        Problem: the charter names nobody who attends, or a setting is wrong.
    """
    from orchestration.warehouse.published import read_published

    def rows(model: str) -> list[dict[str, Any]]:
        return read_published(
            lake, period.grain, f"{model}__{period.grain}", period_ids=[period.id]
        )

    if letters is not None:
        return recipients.letter_recipients(mailing, letters, rows("contacts"), settings)
    return recipients.audience(
        rows("governance"), recipients.attending_roles(mailing.name, settings), settings
    )


def provenance(
    settings: Settings, draft: Path, period: Period, raw: Mapping[FeedName, str]
) -> Provenance:
    """What an edition stands on, from its own scorecard and the period's close.

    Args:
        raw: for each feed, the hash over its deliveries in force.

    Raises:
        Problem: the draft's scorecard is missing, or is another period's.
    """
    file = draft / _SCORECARD
    try:
        content = file.read_bytes()
        card = json.loads(content)
    except (OSError, ValueError) as error:
        raise Problem(
            "the draft has no readable scorecard.",
            file=str(file),
            remedy="materialize the scorecard and its pages first.",
        ) from error
    if (card.get("ritual"), card.get("period_id")) != (period.grain.ritual, period.id):
        raise Problem(f"the draft's scorecard is not that of {period.id}.", file=str(file))
    as_of = card.get("data_as_of")
    return Provenance(
        figures_hash=hashlib.sha256(content).hexdigest(),
        manifest_hash=manifest_hash(raw),
        settings_hash=settings_hash(settings),
        charter_hash=str(card.get("charter_hash", ""))[:64],
        code_version=str(card.get("code_version", ""))[:64],
        data_as_of=date.fromisoformat(as_of) if as_of else None,
    )


def audience(settings: Settings, mailing: Mailing, period: Period) -> list[str]:
    """The lines of a dry run: who would get the period's mailing, who would not and why, and what
    is amiss in the period's governance.

    Raises:
        Problem: the charter or a setting is wrong, or the period has no draft.
    """
    from orchestration.warehouse.published import read_published

    lake = Lake(settings.lake_url, settings.duckdb)
    draft = mailing.draft(settings, period)
    letters = read_letters(draft) if mailing.personal else None
    with State.open(settings) as state:
        if letters is not None:
            letters = still_due(state, settings, mailing, period, letters)
        found = dry_run(
            state,
            settings,
            mailing.name,
            period,
            draft,
            read_audience(settings, lake, mailing, period, letters),
            letters and tuple(each for each in letters if each.rendered),
        )
    faults = read_published(
        lake, period.grain, f"governance_faults__{period.grain}", period_ids=[period.id]
    )
    return [*str(found).splitlines(), *recipients.governance_lines(faults)]


def _edition_metadata(done: Sealing) -> dict[str, Any]:
    """Numbers and reasons only: no address and no name ever stands in Dagster's log."""
    metadata: dict[str, Any] = {"mode": done.mode}
    if done.refused:
        reasons = Counter(f"{each.role}: {each.reason}" for each in done.refused)
        metadata["not_sent_to"] = MetadataValue.json(dict(sorted(reasons.items())))
    if (edition := done.edition) is not None:
        metadata |= {
            "edition_number": edition.number,
            "subject": edition.subject,
            "content_hash": edition.content_hash,
            "folder": MetadataValue.path(edition.folder),
        }
    return metadata


def _delivery_metadata(report: DeliveryReport) -> dict[str, Any]:
    """Numbers only: no address and no name ever stands in Dagster's log."""
    metadata: dict[str, Any] = {"mode": report.mode, "sent": report.sent}
    if report.edition_number is not None:
        metadata |= {
            "accepted": report.accepted,
            "failed": report.failed,
            "unknown": report.unknown,
            "still_planned": report.still_planned,
            "edition_number": report.edition_number,
            "subject": report.subject,
        }
    return metadata
