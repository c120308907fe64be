"""The assets of quality: one a feed that publishes what passes, and one a grain that closes.

The checks on ``raw_<feed>`` display the verdict; they do not block. What holds back a bad delivery
is its own verdict (it is never promoted), and what holds back a period is its close. A blocking
check would do both worse: in a run over a range of dates one bad delivery would stop the good
ones, and in another run it would stop nothing.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from functools import partial
from typing import Any

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
    TableColumn,
    TableRecord,
    TableSchema,
    asset,
)

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import DeliveryManifest, initialise, manifests
from orchestration.feeds.landing import feed_lock
from orchestration.lake import Lake, quoted
from orchestration.periods import Grain, Period, day_partitions, period_partitions
from orchestration.quality.close import Holdings, PeriodClose, close_file, close_period
from orchestration.quality.expectations import judge_all
from orchestration.quality.freshness import Freshness, freshness
from orchestration.quality.publish import Publication, publish
from orchestration.settings import FeedName, Settings

_TABLE_ROWS = 50
_OWNERS = ["team:data-engineering"]
Clock = Callable[[], datetime]


def _utc_now() -> datetime:
    return datetime.now(UTC)


def build_assets(
    settings: Settings, charter_hash: Callable[[], str], now: Clock = _utc_now
) -> list[AssetsDefinition]:
    """``quality/raw_<feed>`` for each declared feed, and the close of each grain.

    Args:
        charter_hash: hash of the charter in force; the charter belongs to a later stage.
        now: the clock, for freshness and deadlines.
    """
    return [
        *(_raw_asset(settings, feed, now) for feed in CONTRACT if feed in settings.feeds),
        *(_close_asset(settings, grain, charter_hash, now) for grain in Grain),
    ]


def _raw_asset(settings: Settings, feed: FeedName, now: Clock) -> AssetsDefinition:
    contract, declared = CONTRACT[feed], settings.feeds[feed]
    key = AssetKey(["quality", f"raw_{feed}"])

    @asset(
        key=key,
        deps=[AssetKey(["feeds", f"landed_{feed}"])],
        partitions_def=day_partitions(settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        group_name="quality",
        kinds={"greatexpectations", "duckdb", "parquet"},
        owners=_OWNERS,
        description=(
            f"The deliveries of `{feed}` that passed its expectation suite "
            f"(expectations/{feed}.json), in force for everything downstream. A refused delivery "
            "never gets here; the last good one stays."
        ),
        metadata={
            "dagster/column_schema": TableSchema(
                columns=[
                    *(TableColumn(c.name, c.sql_type) for c in contract.columns),
                    TableColumn("delivery_id", "VARCHAR"),
                ]
            ),
            "feed_owner": declared.owner,
            "suite": f"expectations/{feed}.json",
        },
        check_specs=[
            AssetCheckSpec(
                "contract",
                asset=key,
                description="Every file of the delivery is readable and has the contract's "
                "columns and types. Names file, column and row of the first fault.",
            ),
            AssetCheckSpec(
                "expectations",
                asset=key,
                description="The Great Expectations suite of the feed. ERROR: the delivery is "
                "refused. WARN: it is in force, and somebody should look.",
            ),
            AssetCheckSpec(
                "rows_conserved",
                asset=key,
                description="Rows in = rows accepted + rows rejected, and the files hold as many.",
            ),
            AssetCheckSpec(
                "freshness",
                asset=key,
                description="Age of the newest data in force. ERROR: past the feed's deadline. "
                "WARN: nothing new for longer than usual.",
            ),
        ],
    )
    def raw(context: AssetExecutionContext) -> MaterializeResult:
        lake = Lake(settings.lake_url, settings.duckdb)
        initialise(lake)
        keys = context.partition_keys
        first, last = date.fromisoformat(keys[0]), date.fromisoformat(keys[-1])
        judge = partial(judge_all, changes=declared.delivery == "changes", keep_in=lake)
        with feed_lock(settings, feed):
            publication = publish(lake, feed, manifests(lake, feed, first, last), judge=judge)
        for manifest in publication.manifests:
            if manifest.verdict == "refused":
                context.log.warning("%s %s refused: %s", feed, manifest.delivery_id, _why(manifest))
        by_date: dict[str, list[DeliveryManifest]] = {}
        for manifest in publication.manifests:
            by_date.setdefault(manifest.delivery_date.isoformat(), []).append(manifest)
        # most dates of a long range have no delivery, and nothing to say
        for partition in sorted(by_date):
            context.add_asset_metadata(
                _partition_metadata(lake, by_date[partition]), partition_key=partition
            )
        return MaterializeResult(
            metadata={"deliveries_in_force": len(publication.in_force)},
            check_results=[
                _contract_check(publication),
                _expectations_check(publication),
                _rows_check(publication),
                freshness_check(settings, freshness(settings, feed, publication.in_force, now())),
            ],
        )

    return raw


def _partition_metadata(lake: Lake, deliveries: Sequence[DeliveryManifest]) -> dict[str, Any]:
    """Of one delivery date: counts to plot and, where something came, what it was."""
    rows_in, accepted, rejected = _counts(deliveries)
    found: dict[str, Any] = {
        # Of the newest that passed: a superseded delivery's rows are no longer there.
        "dagster/row_count": next(
            (m.rows_accepted for m in reversed(deliveries) if m.verdict == "promoted"), 0
        ),
        "rows_in": rows_in,
        "rows_accepted": accepted,
        "rows_rejected": rejected,
        "deliveries": len(deliveries),
        "deliveries_promoted": sum(m.verdict == "promoted" for m in deliveries),
        "deliveries_refused": sum(m.verdict == "refused" for m in deliveries),
        "delivered": _deliveries_table(deliveries),
    }
    if rejected:
        found["rejected_by_reason"] = _reasons_table(deliveries)
        found["rejected_rows"] = _rejected_rows_table(lake, deliveries)
    return found


def _newest(publication: Publication) -> list[DeliveryManifest]:
    """The newest delivery of each date: what came before it no longer matters."""
    return list({m.delivery_date: m for m in publication.manifests}.values())


def _counts(deliveries: Sequence[DeliveryManifest]) -> tuple[int, int, int]:
    return (
        sum(m.rows_in for m in deliveries),
        sum(m.rows_accepted for m in deliveries),
        sum(m.rows_rejected for m in deliveries),
    )


def _why(manifest: DeliveryManifest) -> str:
    return manifest.contract_problem or "; ".join(manifest.failed_expectations)


def _contract_check(publication: Publication) -> AssetCheckResult:
    broken = [m for m in _newest(publication) if m.contract_problem is not None]
    return AssetCheckResult(
        check_name="contract",
        passed=not broken,
        severity=AssetCheckSeverity.ERROR,
        description=_lines([f"{m.delivery_id}: {m.contract_problem}" for m in broken])
        or _judged(publication),
        metadata={
            "deliveries": len(_newest(publication)),
            "deliveries_broken": len(broken),
            "files": MetadataValue.json(
                [file.path for m in broken for file in m.files][:_TABLE_ROWS]
            ),
        },
    )


def _expectations_check(publication: Publication) -> AssetCheckResult:
    judged = [m for m in _newest(publication) if m.contract_problem is None]
    failed = [(m, text) for m in judged for text in m.failed_expectations]
    warned = [(m, text) for m in judged for text in m.warned_expectations]
    return AssetCheckResult(
        check_name="expectations",
        passed=not (failed or warned),
        severity=AssetCheckSeverity.ERROR if failed else AssetCheckSeverity.WARN,
        description=_lines([f"{m.delivery_id}: {text}" for m, text in [*failed, *warned]])
        or _judged(publication),
        metadata={
            "deliveries": len(judged),
            "expectations_failed": len(failed),
            "expectations_warned": len(warned),
        },
    )


def _rows_check(publication: Publication) -> AssetCheckResult:
    rows_in, accepted, rejected = _counts(publication.manifests)
    faults = publication.damaged
    return AssetCheckResult(
        check_name="rows_conserved",
        passed=not faults,
        severity=AssetCheckSeverity.ERROR,
        description=_lines([f"{name}: {fault}" for name, fault in faults.items()])
        or f"{rows_in} in = {accepted} accepted + {rejected} rejected",
        metadata={"rows_in": rows_in, "rows_accepted": accepted, "rows_rejected": rejected},
    )


def freshness_check(settings: Settings, judged: Freshness) -> AssetCheckResult:
    """The check ``freshness`` of a feed: an error past its deadline, a warning while quiet."""
    return AssetCheckResult(
        asset_key=AssetKey(["quality", f"raw_{judged.feed}"]),
        check_name="freshness",
        passed=judged.state in ("fresh", "not_connected"),
        severity=(AssetCheckSeverity.ERROR if judged.state == "late" else AssetCheckSeverity.WARN),
        description=f"{judged.feed}: {judged.message} Owner: {settings.feeds[judged.feed].owner}.",
        metadata={
            "state": judged.state,
            "covered_until": str(judged.covered_until or ""),
            "due_on": str(judged.due_on),
            **({} if judged.age_days is None else {"age_days": judged.age_days}),
        },
    )


def _judged(publication: Publication) -> str:
    count = len(_newest(publication))
    return f"{count} deliveries, none at fault" if count else "no delivery of these dates"


def _lines(texts: Sequence[str]) -> str:
    more = [f"and {len(texts) - _TABLE_ROWS} more"] if len(texts) > _TABLE_ROWS else []
    return "\n".join([*texts[:_TABLE_ROWS], *more])


def _deliveries_table(deliveries: Sequence[DeliveryManifest]) -> MetadataValue:
    return MetadataValue.table(
        [
            TableRecord(
                {
                    "delivery": m.delivery_id,
                    "verdict": m.verdict,
                    "rows_in": m.rows_in,
                    "rows_accepted": m.rows_accepted,
                    "rows_rejected": m.rows_rejected,
                    "files": ", ".join(file.path for file in m.files),
                    "why": _why(m) or "; ".join(m.warned_expectations),
                }
            )
            for m in deliveries[-_TABLE_ROWS:]
        ],
        schema=_schema(
            "delivery verdict rows_in:int rows_accepted:int rows_rejected:int files why"
        ),
    )


def _reasons_table(deliveries: Sequence[DeliveryManifest]) -> MetadataValue:
    reasons: dict[str, int] = {}
    for manifest in deliveries:
        for reason, rows in manifest.rejected_by_reason.items():
            reasons[reason] = reasons.get(reason, 0) + rows
    return MetadataValue.table(
        [
            TableRecord({"reason": reason, "rows": rows})
            for reason, rows in sorted(reasons.items(), key=lambda item: -item[1])
        ],
        schema=_schema("reason rows:int"),
    )


def _rejected_rows_table(lake: Lake, deliveries: Sequence[DeliveryManifest]) -> MetadataValue:
    """Where the first rejected rows stand: file and row number, never what is in them."""
    rows: list[TableRecord] = []
    files = [
        lake.path(*parts)
        for m in deliveries
        if m.rows_rejected
        and lake.exists(
            *(
                parts := (
                    "raw_rejected",
                    m.feed,
                    f"delivery_date={m.delivery_date}",
                    f"{m.delivery_id}.parquet",
                )
            )
        )
    ]
    if files:
        with lake.connect() as connection:
            found = connection.execute(
                "SELECT delivery_id, source_file, row_number, reason FROM read_parquet(["
                + ", ".join(quoted(file) for file in files[-_TABLE_ROWS:])
                + "], hive_partitioning = false) "
                f"ORDER BY delivery_id DESC, source_file, row_number LIMIT {_TABLE_ROWS}"
            ).fetchall()
        rows = [
            TableRecord({"delivery": d, "file": f or "", "row": n or 0, "reason": r})
            for d, f, n, r in found
        ]
    return MetadataValue.table(rows, schema=_schema("delivery file row:int reason"))


def _schema(columns: str) -> TableSchema:
    """``name`` or ``name:type``, separated by spaces."""
    named = [column.partition(":") for column in columns.split()]
    return TableSchema(columns=[TableColumn(name, kind or "string") for name, _, kind in named])


def _close_asset(
    settings: Settings, grain: Grain, charter_hash: Callable[[], str], now: Clock
) -> AssetsDefinition:
    key = AssetKey(["quality", f"{grain}_close"])

    @asset(
        key=key,
        deps=[AssetKey(["quality", f"raw_{feed}"]) for feed in CONTRACT if feed in settings.feeds],
        partitions_def=period_partitions(grain, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        group_name="quality",
        kinds={"python", "json"},
        owners=_OWNERS,
        description=(
            f"What the figures of a {grain} stand on, feed by feed, and the verdict that every "
            f"later asset of the {grain.ritual} review obeys: open, complete, stale or held. It "
            "materializes whatever the verdict; what lies behind it refuses."
        ),
        check_specs=[
            AssetCheckSpec(
                "complete",
                asset=key,
                description=(
                    "Every required feed covers the period. WARN: it goes out marked with the "
                    "age of its data. ERROR: it is held or has not ended; later assets refuse."
                ),
            )
        ],
    )
    def close(context: AssetExecutionContext) -> MaterializeResult:
        lake = Lake(settings.lake_url, settings.duckdb)
        initialise(lake)
        holdings, charter = Holdings.read(lake), charter_hash()
        closes: list[PeriodClose] = []
        for partition in context.partition_keys:
            period = Period.containing(grain, date.fromisoformat(partition))
            made = close_period(settings, lake, period, charter, now(), holdings)
            context.log.info("%s: %s. %s", made.period_id, made.verdict, made.reason)
            closes.append(made)
            context.add_asset_metadata(_close_metadata(lake, made, period), partition_key=partition)
        return MaterializeResult(check_results=[_complete_check(closes)])

    return close


def _close_metadata(lake: Lake, close: PeriodClose, period: Period) -> dict[str, Any]:
    return {
        "verdict": close.verdict,
        "reason": close.reason,
        "allowed": close.allowed,
        "data_as_of": str(close.data_as_of or ""),
        "rows_accepted": sum(feed.rows_accepted for feed in close.feeds.values()),
        "rows_rejected": sum(feed.rows_rejected for feed in close.feeds.values()),
        "feeds": _feeds_table(close),
        "charter_hash": close.charter_hash,
        "code_version": close.code_version,
        "manifest": MetadataValue.path(lake.path(*close_file(period))),
    }


def _feeds_table(close: PeriodClose) -> MetadataValue:
    return MetadataValue.table(
        [
            TableRecord(
                {
                    "feed": name,
                    "verdict": feed.verdict,
                    "data_as_of": str(feed.data_as_of or ""),
                    "deliveries_in_force": feed.deliveries_in_force,
                    "rows_accepted": feed.rows_accepted,
                    "rows_rejected": feed.rows_rejected,
                    "reason": feed.reason,
                }
            )
            for name, feed in close.feeds.items()
        ],
        schema=_schema(
            "feed verdict data_as_of deliveries_in_force:int rows_accepted:int "
            "rows_rejected:int reason"
        ),
    )


def _complete_check(closes: Sequence[PeriodClose]) -> AssetCheckResult:
    """The verdicts of one run as one check: the worst decides, all are named."""
    stopped = [c for c in closes if not c.allowed]
    stale = [c for c in closes if c.verdict == "stale"]
    named = [f"{c.period_id} {c.verdict}: {c.reason}" for c in [*stopped, *stale]]
    return AssetCheckResult(
        check_name="complete",
        passed=not named,
        severity=AssetCheckSeverity.ERROR if stopped else AssetCheckSeverity.WARN,
        description=_lines(named) or f"{len(closes)} period(s) complete",
        metadata={"held_or_open": len(stopped), "stale": len(stale), "periods": len(closes)},
    )
