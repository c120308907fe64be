"""The dbt assets of each partitions definition, and the publication of their figures."""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from graphlib import TopologicalSorter
from importlib.metadata import version
from typing import Any

import duckdb
from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    AssetSpec,
    BackfillPolicy,
    MaterializeResult,
    MetadataValue,
    Output,
    asset,
)
from dagster_dbt import (
    DagsterDbtTranslator,
    DagsterDbtTranslatorSettings,
    DbtCliResource,
    dbt_assets,
)
from packaging.version import Version

from orchestration.feeds.deliveries import initialise
from orchestration.lake import Lake
from orchestration.periods import Grain, Period, day_partitions, period_partitions
from orchestration.problems import Problem
from orchestration.pseudonyms import KEY, MARTS, Pseudonyms
from orchestration.quality.close import (
    PeriodClose,
    require_allowed,
    require_unmoved,
    stands_on_now,
)
from orchestration.settings import Settings
from orchestration.state import State
from orchestration.warehouse.build import (
    DAY_TAG,
    FOUNDATION_TAG,
    Basis,
    BuildRecord,
    bring_base_up_to_date,
    bring_foundation_up_to_date,
    day_flags,
    foundation_is_current,
    log_folder,
    pending_event_days,
    prepare_event_days,
    record_event_days,
    record_foundation,
)
from orchestration.warehouse.control import initialise_control, write_periods
from orchestration.warehouse.lock import warehouse_connection, warehouse_lock
from orchestration.warehouse.project import (
    DBT_PROJECT,
    dbt_environment,
    dbt_of_this_run,
    prepare_manifest,
)
from orchestration.warehouse.published import (
    BUILD,
    PublishedFigures,
    figures_in_force,
    history_hash,
    initialise_published,
    publish,
)
from orchestration.warehouse.spark_tables import begin_build, end_build, show_tables

STAGE = "warehouse"
OWNERS = ["team:data-engineering"]


class StageTranslator(DagsterDbtTranslator):
    """Names dbt resources ``warehouse/<name>``, in the group ``warehouse``."""

    def __init__(self) -> None:
        # the history's tables are one source to Dagster
        super().__init__(DagsterDbtTranslatorSettings(enable_duplicate_source_asset_keys=True))

    def get_asset_key(self, dbt_resource_props: Mapping[str, Any]) -> AssetKey:
        """Sources keep the key that their definition names; the rest lie under the stage."""
        if dbt_resource_props["resource_type"] == "source":
            return super().get_asset_key(dbt_resource_props)
        return AssetKey([STAGE, dbt_resource_props["name"]])

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """The stage."""
        return STAGE

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> Sequence[str]:
        """Models belong to the data engineers, the charter's seeds to L&D."""
        return ["team:learning"] if dbt_resource_props["resource_type"] == "seed" else OWNERS


class LeanDbt(DbtCliResource):
    """dbt without two things that cost seconds at every call and that nothing here uses.

    dagster-dbt asks a process of its own for dbt's version, and opens the warehouse beside dbt to
    look up columns; the version is known from the installed package, columns come from the models'
    documentation.
    """

    @property
    def _cli_version(self) -> Version:
        return Version(version("dbt-core"))

    def _initialize_dbt_core_adapter(self, args: Sequence[str]) -> Any:
        return None


def build_assets(settings: Settings) -> list[AssetsDefinition]:
    """Every asset of this stage but the folding of snapshots."""
    manifest = json.loads(prepare_manifest(settings).read_text())
    models = [_foundation_assets(settings, manifest), _day_assets(settings, manifest)]
    for grain in Grain:
        models += [
            _period_assets(settings, manifest, grain),
            _figures_asset(settings, manifest, grain),
        ]
    return models


def source_specs() -> list[AssetSpec]:
    """What models read that no asset makes: shown in the graph, never materialized."""
    return [
        AssetSpec(
            [STAGE, "settings"],
            description="The organisation's settings that models read, and the periods and days "
            "that a run builds: written to the lake's `control` folder before each dbt build.",
            group_name=STAGE,
            owners=OWNERS,
            kinds={"parquet"},
        ),
        AssetSpec(
            [STAGE, "history"],
            description="Figures published before, as the models of later periods read them: the "
            "lake's `published` folder, of the builds in force.",
            group_name=STAGE,
            owners=OWNERS,
            kinds={"parquet"},
        ),
    ]


def initialise_lake(settings: Settings) -> Lake:
    """The lake with every empty table that models expect to find."""
    lake = Lake(settings.lake_url, settings.duckdb)
    initialise(lake)
    initialise_published(lake)
    initialise_control(lake, settings)
    return lake


def _foundation_assets(settings: Settings, manifest: Mapping[str, Any]) -> AssetsDefinition:
    @dbt_assets(
        manifest=manifest,
        select=f"tag:{FOUNDATION_TAG}",
        name="foundation_models",
        dagster_dbt_translator=StageTranslator(),
    )
    def foundation_models(context: AssetExecutionContext) -> Iterator[Any]:
        initialise_lake(settings)
        with warehouse_lock(settings, f"foundation models, run {context.run.run_id}"):
            if foundation_is_current(settings):
                yield from _unchanged(context)
                return
            yield from _dbt(context, settings, FOUNDATION_TAG)
            if not context.is_subset:
                record_foundation(settings)

    return foundation_models


def _day_assets(settings: Settings, manifest: Mapping[str, Any]) -> AssetsDefinition:
    @dbt_assets(
        manifest=manifest,
        select=f"tag:{DAY_TAG}",
        name="day_models",
        partitions_def=day_partitions(settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        dagster_dbt_translator=StageTranslator(),
    )
    def day_models(context: AssetExecutionContext) -> Iterator[Any]:
        """Builds every day that landed data touched and whose facts are not up to date."""
        lake = initialise_lake(settings)
        with warehouse_lock(settings, f"day facts, run {context.run.run_id}"):
            if bring_foundation_up_to_date(settings):
                context.log.info("First rebuilt the foundation, which was out of date.")
            days = pending_event_days(settings, lake)
            if not days:
                yield from _unchanged(context)
                return
            context.log.info(
                "Activity facts of %d days, %s to %s.",
                len(days),
                days[0].event_day,
                days[-1].event_day,
            )
            prepare_event_days(lake, days)
            yield from _dbt(context, settings, DAY_TAG, *day_flags(settings, days))
            if not context.is_subset:
                record_event_days(settings, days)

    return day_models


def _period_assets(
    settings: Settings, manifest: Mapping[str, Any], grain: Grain
) -> AssetsDefinition:
    @dbt_assets(
        manifest=manifest,
        select=f"tag:{grain}",
        name=f"{grain}_models",
        partitions_def=period_partitions(grain, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        dagster_dbt_translator=StageTranslator(),
    )
    def period_models(context: AssetExecutionContext) -> Iterator[Any]:
        periods = periods_of_run(context, grain)
        lake = initialise_lake(settings)
        require_standing_closes(lake, periods)
        with warehouse_lock(settings, f"{grain} models, run {context.run.run_id}"):
            rebuilt = bring_base_up_to_date(settings, lake)
            if rebuilt:
                context.log.info("First rebuilt what was out of date: %s.", ", ".join(rebuilt))
            write_periods(lake, grain, periods)
            record = BuildRecord(settings, grain)
            record.begin(
                Basis.now(settings, lake, periods),
                {key.path[-1] for key in context.selected_asset_keys},
            )
            yield from _dbt(context, settings, grain.value)
            record.passed(_tested(context))

    return period_models


def _tested(context: AssetExecutionContext) -> set[str]:
    """The selected models of which every check is selected too."""
    skipped = {
        check.asset_key
        for check in context.assets_def.check_keys
        if check not in context.selected_asset_check_keys
    }
    return {key.path[-1] for key in context.selected_asset_keys - skipped}


def _figures_asset(
    settings: Settings, manifest: Mapping[str, Any], grain: Grain
) -> AssetsDefinition:
    published = published_models(manifest, grain)
    built = {
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model" and grain.value in node["tags"]
    }

    @asset(
        key=[STAGE, f"{grain}_figures"],
        description=(
            f"The tested figures of each {grain}, published to the lake as Parquet. A build that "
            "failed a test, or was partial, is refused and the last good figures stay."
        ),
        partitions_def=period_partitions(grain, settings.organisation),
        backfill_policy=BackfillPolicy.single_run(),
        deps=[AssetKey([STAGE, model]) for model in published],
        group_name=STAGE,
        owners=OWNERS,
        kinds={"python", "parquet"},
    )
    def figures(context: AssetExecutionContext) -> MaterializeResult:
        periods = periods_of_run(context, grain)
        lake = initialise_lake(settings)
        closes = require_standing_closes(lake, periods)
        with (
            warehouse_lock(settings, f"publishing {grain} figures, run {context.run.run_id}"),
            warehouse_connection(settings) as connection,
        ):
            show_tables(settings, connection)
            basis = BuildRecord(settings, grain).require_passed(
                periods, Basis.now(settings, lake, periods), built
            )
            known = figures_in_force(lake, grain)
            digests = {period: _digests(connection, grain, period) for period in periods}
            for period, (levels, _) in digests.items():
                known[period.id] = PublishedFigures(levels, None, {})
            builds = []
            for period, (levels, values) in digests.items():
                provenance = {
                    **basis,
                    "period_id": period.id,
                    "levels": levels,
                    "values": values,
                    "history": history_hash(known, period),
                    "arrivals": {f: v.arrival for f, v in closes[period].feeds.items()},
                }
                build_id = hashlib.sha256(
                    json.dumps(provenance, sort_keys=True).encode()
                ).hexdigest()[:16]
                lake.write_json(provenance, "published", grain, period.id, build_id, BUILD)
                builds.append((period, build_id))
            with State.open(settings) as state:
                pseudonyms = Pseudonyms(state.key(KEY), MARTS)
            rows = publish(lake, connection, grain, builds, published, pseudonyms)
        return MaterializeResult(
            metadata={
                "dagster/row_count": rows[f"kpi_values__{grain}"],
                "periods": len(periods),
                "builds": MetadataValue.md(
                    "| period | build |\n|---|---|\n"
                    + "\n".join(f"| {period.id} | `{build}` |" for period, build in builds[-24:])
                ),
                "rows_by_model": MetadataValue.json(rows),
            }
        )

    return figures


def _digests(
    connection: duckdb.DuckDBPyConnection, grain: Grain, period: Period
) -> tuple[str | None, str | None]:
    """Hashes over a period's KPI values, and over these with their marks."""
    found = connection.execute(
        "SELECT md5(string_agg(line, chr(10) ORDER BY line) FILTER (NOT is_mark)), "
        "md5(string_agg(line, chr(10) ORDER BY line)) FROM ("
        f"SELECT v::VARCHAR AS line, false AS is_mark FROM main.kpi_values__{grain} AS v"
        " WHERE period_start = $start UNION ALL "
        f"SELECT s::VARCHAR, true FROM main.kpi_signals__{grain} AS s"
        " WHERE period_start = $start)",
        {"start": period.start},
    ).fetchone()
    return found or (None, None)


def published_models(manifest: Mapping[str, Any], grain: Grain) -> list[str]:
    """The tables of one grain that are published: all but views and the organisation's closure."""
    return sorted(
        node["name"]
        for node in manifest["nodes"].values()
        if node["resource_type"] == "model"
        and grain.value in node["tags"]
        and node["config"]["materialized"] == "table"
        and not node["config"].get("meta", {}).get("unpublished", False)
    )


def periods_of_run(context: AssetExecutionContext, grain: Grain) -> list[Period]:
    """The periods of the run's partitions, in order."""
    return sorted(
        Period.containing(grain, date.fromisoformat(key)) for key in context.partition_keys
    )


def require_standing_closes(lake: Lake, periods: Sequence[Period]) -> dict[Period, PeriodClose]:
    """The closes of periods; refuses unless each allows figures, on the data in force now.

    Raises:
        Problem: a period is not closed, open or held, or data came in since its close.
    """
    now = stands_on_now(lake)
    closes = {period: require_allowed(lake, period) for period in periods}
    for period, close in closes.items():
        require_unmoved(close, period, now)
    return closes


def _unchanged(context: AssetExecutionContext) -> Iterator[Output[None]]:
    """Materialize without work: what stands in the warehouse is what a build would give."""
    definition = context.assets_def
    within = {
        name: [
            parent
            for parent in definition.keys_by_output_name
            if definition.keys_by_output_name[parent] in definition.asset_deps[key]
        ]
        for name, key in definition.keys_by_output_name.items()
    }
    selected = context.op_execution_context.selected_output_names
    for name in TopologicalSorter(within).static_order():
        if name in selected:
            yield Output(None, name, metadata={"unchanged": True})


def _dbt(
    context: AssetExecutionContext, settings: Settings, tag: str, *flags: str
) -> Iterator[Any]:
    """Run dbt on the selected models of one group, streaming its events to Dagster."""
    os.environ.update(dbt_environment(settings))
    executable, *arguments = dbt_of_this_run()
    dbt = LeanDbt(
        project_dir=str(DBT_PROJECT),
        profiles_dir=str(DBT_PROJECT),
        dbt_executable=executable,
        global_config_flags=arguments,
    )
    begin_build(settings)
    # dagster-dbt adds the selection: the group's, or the subset that was asked for
    invocation = dbt.cli(
        ["build", "--exclude-resource-type", "unit_test", *flags],
        context=context,
        target_path=log_folder(settings, tag),
    )
    events: list[Any] = []
    failure: Exception | None = None
    try:
        events.extend(invocation.stream())
    except Exception as error:
        failure = error
    end_build(settings, invocation.process.poll())
    rows = _row_counts(settings) if failure is None else {}
    for event in events:
        if (
            isinstance(event, Output)
            and event.output_name in context.assets_def.keys_by_output_name
        ):
            model = context.assets_def.keys_by_output_name[event.output_name].path[-1]
            if model in rows:
                event = event.with_metadata({**event.metadata, "dagster/row_count": rows[model]})
        yield event
    if failure is not None:
        raise Problem(
            f"dbt build of the {tag} models failed: {failure}",
            remedy="mend what it names and materialize again; nothing of it was published.",
        ) from failure


def _row_counts(settings: Settings) -> dict[str, int]:
    """Rows of every table (not view) of the warehouse, after dbt has let go of it."""
    with warehouse_connection(settings, read_only=True) as connection:
        return dict(
            connection.execute(
                "SELECT table_name, estimated_size FROM duckdb_tables() WHERE schema_name = 'main'"
            ).fetchall()
        )
