"""Judging deliveries with Great Expectations: one suite a feed, in ``expectations/<feed>.json``.

A suite judges the *profile* of a delivery (counts, shares, ages: one row of numbers that DuckDB
computed while landing), never its rows. Deliveries are the rows of the validated table, so that
one validation judges any number of them and tells which of them failed. A ``critical``
expectation refuses the delivery, a ``warning`` is shown and stops nothing.

The result of a feed's newest validation is kept in the lake as Great Expectations writes it,
``validations/<feed>.json``: pages are made from it.

Importing Great Expectations costs seconds; it is imported by the first judgement of a process.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from orchestration.feeds.deliveries import DeliveryManifest
from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT, FeedName

if TYPE_CHECKING:
    from great_expectations import ExpectationSuite
    from great_expectations.core.batch_definition import BatchDefinition

SUITES = PROJECT_ROOT / "expectations"
_DELIVERY = "delivery_id"
CONTRACT_COLUMN = "contract_problem"
MISSING_COLUMN = "profile_keys_missing"


@dataclass(frozen=True)
class Judgement:
    """The verdict on one delivery. Messages hold names, numbers and remedies, no row's values.

    Attributes:
        failed: messages of critical expectations that do not hold; any refuses the delivery.
        warned: messages of warnings that do not hold.
        passed: names of the expectations that hold.
    """

    delivery_id: str
    failed: list[str] = field(default_factory=list)
    warned: list[str] = field(default_factory=list)
    passed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Checked:
    """One expectation and how a delivery stands to it.

    Attributes:
        value: what it looks at is, '12' or '1.6 %'; empty where that is no number.
        allowed: what that may be, in words; empty where the expectation says no bounds.
    """

    name: str
    meaning: str
    holds: bool
    critical: bool
    value: str
    allowed: str


def judge(manifest: DeliveryManifest, *, suites: Path = SUITES) -> Judgement:
    """Judge one delivery by its feed's suite."""
    return judge_all(manifest.feed, [manifest], suites=suites)[0]


def judge_all(
    feed: FeedName,
    manifests: Sequence[DeliveryManifest],
    *,
    changes: bool = False,
    keep_in: Lake | None = None,
    suites: Path = SUITES,
) -> list[Judgement]:
    """Judge deliveries of one feed in one validation; one judgement each, in the order given.

    Args:
        changes: a delivery holds only the rows that changed: none at all is fine, and its volume
            says nothing.
        keep_in: the lake that keeps the result, where these are the feed's newest deliveries.

    Raises:
        Problem: the feed's suite is missing or is not one that Great Expectations reads.
    """
    if not manifests:
        return []
    import pandas as pd

    suite = load_suite(feed, suites)
    columns = _columns(suite)
    profiles = [_row(manifest, columns) for manifest in manifests]
    if changes:
        for profile in profiles:
            profile |= {"volume_ratio": None, "rows_accepted": None}
    frame = pd.DataFrame(profiles)
    for name in columns:
        if all(value is None or isinstance(value, int | float) for value in frame[name]):
            frame[name] = pd.to_numeric(frame[name]).astype("float64")
    outcome = (
        _batch_definition()
        .get_batch(batch_parameters={"dataframe": frame})
        .validate(
            suite,
            result_format={
                "result_format": "COMPLETE",
                "unexpected_index_column_names": [_DELIVERY],
                "return_unexpected_index_query": False,
            },
        )
    )
    if keep_in is not None:
        _keep(keep_in, feed, outcome, [m.delivery_id for m in manifests])
    judgements = {m.delivery_id: Judgement(m.delivery_id) for m in manifests}
    by_id = {m.delivery_id: m for m in manifests}
    rows = dict(zip(by_id, profiles, strict=True))
    for result in outcome.results:
        config = result.expectation_config
        if config is None:
            continue
        name = str(config.meta.get("name", config.type)) if config.meta else str(config.type)
        critical = getattr(config.severity, "value", config.severity) == "critical"
        unexpected = _failing(result, by_id)
        for delivery_id, judgement in judgements.items():
            manifest = by_id[delivery_id]
            column = config.kwargs.get("column")
            if manifest.contract_problem is not None and column != CONTRACT_COLUMN:
                continue  # nothing was read, so there is nothing else to judge
            if delivery_id not in unexpected:
                judgement.passed.append(name)
                continue
            raised = _raised(result)
            message = (
                f"{name}: could not be judged ({raised})"
                if raised
                else _message(name, config.meta or {}, column, rows[delivery_id], manifest)
            )
            (judgement.failed if critical else judgement.warned).append(message)
    for manifest in manifests:
        judgement = judgements[manifest.delivery_id]
        if manifest.contract_problem is not None and not judgement.failed:
            judgement.failed.append(manifest.contract_problem)  # whatever the suite says
    return [judgements[m.delivery_id] for m in manifests]


def _keep(lake: Lake, feed: FeedName, outcome: Any, delivery_ids: Sequence[str]) -> None:
    kept = kept_validation(lake, feed)
    if kept is None or max(kept["deliveries"]) <= max(delivery_ids):
        found = {"deliveries": sorted(delivery_ids), "result": outcome.to_json_dict()}
        lake.write_json(found, *_kept_file(feed))


def _kept_file(feed: FeedName) -> tuple[str, ...]:
    return ("validations", f"{feed}.json")


def kept_validation(lake: Lake, feed: FeedName) -> Any:
    """The feed's newest validation: ``deliveries`` (ids) and Great Expectations' ``result``; None
    where none was kept."""
    return lake.read_json(*_kept_file(feed)) if lake.exists(*_kept_file(feed)) else None


def checked(lake: Lake, manifest: DeliveryManifest) -> list[Checked]:
    """Every expectation that a delivery was judged by, in the suite's order.

    Empty where the feed's newest validation was of other deliveries: what failed is in the
    manifest all the same.
    """
    kept = kept_validation(lake, manifest.feed)
    if kept is None or manifest.delivery_id not in kept["deliveries"]:
        return []
    found = []
    for result in kept["result"]["results"]:
        config = result["expectation_config"]
        meta, kwargs = config.get("meta") or {}, config["kwargs"]
        column = kwargs.get("column")
        if manifest.contract_problem is not None and column != CONTRACT_COLUMN:
            continue
        listed = (result.get("result") or {}).get("unexpected_index_list") or []
        named = {row[_DELIVERY] for row in listed}
        found.append(
            Checked(
                name=str(meta.get("name", config["type"])),
                meaning=str((meta.get("notes") or {}).get("meaning", "")),
                holds=manifest.delivery_id not in named if named else bool(result["success"]),
                critical=config.get("severity") == "critical",
                value=_number(column, _row(manifest, [column]).get(column)) if column else "",
                allowed=_bounds(column, kwargs),
            )
        )
    return found


def _bounds(column: str | None, kwargs: Mapping[str, Any]) -> str:
    """'at most 10 %', 'from 0.5 to 2'."""
    low, high = (_number(column, kwargs.get(name)) for name in ("min_value", "max_value"))
    if low and high:
        return low if low == high else f"from {low} to {high}"
    if low:
        return f"at least {low}"
    return f"at most {high}" if high else ""


def _number(column: str | None, value: Any) -> str:
    """A number of the profile as people say it: a share in per cent; empty where it is none."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return ""
    if "share" in (column or "").split("__")[0].split("_"):
        return f"{100 * value:.4g} %"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def load_suite(feed: FeedName, suites: Path = SUITES) -> ExpectationSuite:
    """The feed's suite, from Great Expectations' own JSON.

    Raises:
        Problem: the file is missing or is not a suite.
    """
    file = suites / f"{feed}.json"
    try:
        stamp = file.stat().st_mtime_ns
    except OSError as error:
        raise Problem(
            f"the feed {feed} has no expectation suite.",
            file=str(file),
            remedy="restore the file; every feed of the contract has one.",
        ) from error
    return _suite(file, stamp)


@cache
def _suite(file: Path, stamp: int) -> ExpectationSuite:
    """Parse one suite file; ``stamp`` makes an edited file a new one."""
    _batch_definition()  # a suite can only be made once there is a context
    import great_expectations as gx

    try:
        return gx.ExpectationSuite(**json.loads(file.read_text(encoding="utf-8")))
    except Exception as error:  # GX raises its own, pydantic's and plain ones here
        raise Problem(
            f"not a Great Expectations suite: {type(error).__name__}: {error}",
            file=str(file),
            remedy="correct the JSON; the other suites of the folder show the form.",
        ) from error


@cache
def _batch_definition() -> BatchDefinition[Any]:
    """A context in memory that writes no file, draws no progress bar and calls nobody."""
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    import great_expectations as gx
    from great_expectations.data_context.types.base import ProgressBarsConfig

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    source = context.data_sources.add_pandas("deliveries")
    return source.add_dataframe_asset("profiles").add_batch_definition_whole_dataframe("all")


def _columns(suite: ExpectationSuite) -> list[str]:
    """The profile columns that a suite's expectations read, in first-use order."""
    names: list[str] = []
    for expectation in suite.expectations:
        kwargs = expectation.configuration.kwargs
        for key in ("column", "column_A", "column_B"):
            if isinstance(kwargs.get(key), str):
                names.append(kwargs[key])
        names.extend(kwargs.get("column_list") or [])
    return list(dict.fromkeys(names))


def _row(manifest: DeliveryManifest, columns: Sequence[str]) -> dict[str, Any]:
    """One delivery as a row of the table that is validated.

    A key that a suite reads and the profile lacks is counted, and the suites refuse that: an
    expectation over an absent number would hold for want of anything to contradict it.
    """
    known = manifest.profile
    derived: dict[str, Any] = {
        _DELIVERY: manifest.delivery_id,
        CONTRACT_COLUMN: None if manifest.contract_problem is None else "set",
        "rows_in": manifest.rows_in,
        "rows_accepted": manifest.rows_accepted,
        "rows_rejected": manifest.rows_rejected,
        "rejected_share": manifest.rows_rejected / manifest.rows_in if manifest.rows_in else 0.0,
    }
    if "null_share__parent_org_unit_id" in known:
        no_parent = known["null_share__parent_org_unit_id"]
        derived["roots"] = None if no_parent is None else round(no_parent * manifest.rows_accepted)
    missing = [c for c in columns if c not in known and c not in derived and c != MISSING_COLUMN]
    read = manifest.contract_problem is None
    return {
        **{column: known.get(column) for column in columns},
        **derived,
        MISSING_COLUMN: len(missing) if read else 0,
    }


def _failing(result: Any, deliveries: Mapping[str, DeliveryManifest]) -> set[str]:
    """The deliveries that one expectation does not hold for."""
    listed = (result.result or {}).get("unexpected_index_list")
    if listed:
        return {row[_DELIVERY] for row in listed}
    return set() if result.success else set(deliveries)


def _raised(result: Any) -> str | None:
    info = result.exception_info or {}
    if info.get("raised_exception"):
        return str(info.get("exception_message"))
    for nested in info.values():
        if isinstance(nested, Mapping) and nested.get("raised_exception"):
            return str(nested.get("exception_message"))
    return None


def _message(
    name: str,
    meta: Mapping[str, Any],
    column: str | None,
    row: Mapping[str, Any],
    manifest: DeliveryManifest,
) -> str:
    """What is wrong, the number it is judged by, and the remedy."""
    notes = meta.get("notes") or {}
    if column == CONTRACT_COLUMN and manifest.contract_problem:
        return f"{name}: {manifest.contract_problem}"
    value = _number(column, row.get(column)) if column else ""
    number = f" It is {value}." if value else ""
    remedy = f" Remedy: {notes['remedy']}" if notes.get("remedy") else ""
    return f"{name}: {notes.get('meaning', 'does not hold.')}{number}{remedy}"
