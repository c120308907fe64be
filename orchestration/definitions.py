"""The front door: assembles the Dagster definitions from the stages, nothing else."""

from __future__ import annotations

from dagster import AssetsDefinition, Definitions, definitions

from orchestration import cadences
from orchestration.alerts import sensors as alerts
from orchestration.alerts.reaper import noted_in_process_executor
from orchestration.archive import assets as archive
from orchestration.archive import sensors as archive_sensors
from orchestration.delivery import assets as delivery
from orchestration.feeds import assets as feeds
from orchestration.operations import jobs as operations
from orchestration.periods import Grain
from orchestration.quality import assets as quality
from orchestration.review import assets as review
from orchestration.scorecard import assets as scorecard
from orchestration.settings import Settings, load_settings
from orchestration.warehouse import assets as warehouse
from orchestration.warehouse import fold
from orchestration.warehouse.charter import charter_hash, charter_in_force


def build_assets(settings: Settings) -> list[AssetsDefinition]:
    """Every asset, stage after stage."""
    return [
        *feeds.build_assets(settings),
        *quality.build_assets(settings, lambda: charter_hash(charter_in_force(settings).folder)),
        *fold.build_fold_assets(settings),
        *warehouse.build_assets(settings),
        *scorecard.build_assets(settings),
        *review.build_assets(settings),
        *delivery.build_assets(settings),
        *archive.build_assets(settings, list(Grain)),
    ]


def build_definitions(settings: Settings) -> Definitions:
    """The code location of one organisation."""
    assets = build_assets(settings)
    jobs = cadences.build_jobs(settings, assets)
    return Definitions(
        assets=[*assets, *warehouse.source_specs()],
        jobs=[*jobs, *operations.build_jobs(settings)],
        schedules=[
            *cadences.build_schedules(settings, assets),
            *operations.build_schedules(settings),
        ],
        sensors=[
            *cadences.build_sensors(settings, jobs),
            *alerts.build_sensors(settings),
            *archive_sensors.build_sensors(settings),
        ],
        executor=noted_in_process_executor,
    )


@definitions
def defs() -> Definitions:
    """What Dagster loads: the organisation that the settings file describes."""
    return build_definitions(load_settings())
