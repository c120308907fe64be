"""The code location as a whole: what is in it, how it is described, what it imports."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from dagster import AssetKey, AssetsDefinition, BackfillPolicy, Definitions

from orchestration.cadences import INGEST_JOB, close_job_name, publish_job_name
from orchestration.definitions import build_definitions
from orchestration.periods import Grain
from orchestration.settings import (
    PROJECT_ROOT,
    SAMPLE_SETTINGS,
    SETTINGS_VARIABLE,
    load_settings,
)

STAGES = ("feeds", "quality", "warehouse", "scorecard", "review", "delivery", "archive")
HEAVY = ("great_expectations", "typst", "openpyxl", "sendgrid", "pandas", "matplotlib", "altair")


@pytest.fixture(scope="module")
def settings_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's settings with the shipped charter, in a home of its own: nothing was run."""
    home = tmp_path_factory.mktemp("home")
    lines = SAMPLE_SETTINGS.read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("charter = ")]
    text = "\n".join(kept).replace('home = "var"', f'home = "{home}"')
    assert len(kept) == len(lines) - 1 and str(home) in text
    file = home / "settings.toml"
    file.write_text(text, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def definitions(settings_file: Path) -> Definitions:
    return build_definitions(load_settings(settings_file))


def test_every_asset_says_what_it_is(definitions: Definitions) -> None:
    mute = []
    for spec in definitions.resolve_all_asset_specs():
        name = spec.key.to_user_string()
        if spec.key.path[0] not in STAGES:
            mute.append(f"{name}: of no stage")
        if spec.group_name != spec.key.path[0]:
            mute.append(f"{name}: group {spec.group_name}")
        if not (spec.description or "").strip():
            mute.append(f"{name}: no description")
        if not list(spec.owners):
            mute.append(f"{name}: no owner")
        if not spec.kinds:
            mute.append(f"{name}: no kinds")
    assert mute == []


def test_the_line_runs_from_files_to_mail(definitions: Definitions, settings_file: Path) -> None:
    graph = definitions.resolve_asset_graph()
    mail = AssetKey(["delivery", "month_delivery"])
    upstream = graph.get_ancestor_asset_keys(mail)
    for feed in load_settings(settings_file).feeds:
        assert AssetKey(["feeds", f"landed_{feed}"]) in upstream
        assert AssetKey(["quality", f"raw_{feed}"]) in upstream
    for name in (
        ["quality", "month_close"],
        ["warehouse", "fct_course_day"],
        ["warehouse", "kpi_values__month"],
        ["warehouse", "kpi_signals__month"],
        ["warehouse", "month_figures"],
        ["scorecard", "month_scorecard"],
        ["review", "month_pages"],
        ["delivery", "month_edition"],
    ):
        assert AssetKey(name) in upstream


def test_stages_depend_in_one_direction(definitions: Definitions) -> None:
    graph = definitions.resolve_asset_graph()
    backwards = [
        f"{parent.to_user_string()} -> {key.to_user_string()}"
        for key in graph.get_all_asset_keys()
        for parent in graph.get(key).parent_keys
        if key.path[0] in STAGES
        and parent.path[0] in STAGES
        and STAGES.index(parent.path[0]) > STAGES.index(key.path[0])
        # an unknown person can only be judged against people that were published
        and not (parent.path[0] == "quality" and key.path[0] == "feeds")
        # the close stands on the folded organisation
        and not (parent.path[0] == "warehouse" and key.path[0] == "quality")
    ]
    assert backwards == []


def test_each_job_holds_one_partitions_definition(definitions: Definitions) -> None:
    jobs = {INGEST_JOB, publish_job_name(Grain.MONTH), *(close_job_name(g) for g in Grain)}
    assert jobs <= {job.name for job in definitions.resolve_all_job_defs()}
    for name in jobs:
        assert definitions.resolve_job_def(name).partitions_def is not None


def test_every_dbt_model_and_test_is_an_asset_or_a_check(
    settings_file: Path, definitions: Definitions
) -> None:
    settings = load_settings(settings_file)
    manifest = json.loads((settings.home / "dbt" / "manifest.json").read_text())
    graph = definitions.resolve_asset_graph()
    assets = {key.path[-1] for key in graph.get_all_asset_keys() if key.path[0] == "warehouse"}
    nodes = manifest["nodes"].values()
    models = {n["name"] for n in nodes if n["resource_type"] in ("model", "seed")}
    assert models - assets == set()
    checks = {key.name for key in graph.asset_check_keys}
    tests = {n["name"] for n in nodes if n["resource_type"] == "test"}
    assert tests - checks == set()


def test_loading_stays_light(settings_file: Path, definitions: Definitions) -> None:
    script = (
        "import sys, json\n"
        "from orchestration.definitions import build_definitions\n"
        "from orchestration.settings import load_settings\n"
        "build_definitions(load_settings())\n"
        f"print(json.dumps([name for name in {HEAVY!r} if name in sys.modules]))\n"
    )
    loaded = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script],
        capture_output=True,
        text=True,
        cwd=PROJECT_ROOT,
        env={**os.environ, SETTINGS_VARIABLE: str(settings_file)},
    )
    assert loaded.returncode == 0, loaded.stderr[-2000:]
    assert json.loads(loaded.stdout.splitlines()[-1]) == []


def test_a_backfill_is_one_run_over_its_range(definitions: Definitions) -> None:
    partitioned = [
        asset
        for asset in definitions.assets or ()
        if isinstance(asset, AssetsDefinition) and asset.partitions_def is not None
    ]
    assert len(partitioned) > 30
    for asset in partitioned:
        assert asset.backfill_policy == BackfillPolicy.single_run(), asset.keys
