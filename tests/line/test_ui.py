"""What a person does in the Dagster UI, through the API that the UI calls, against real processes.

A webserver and a daemon run as ``make ui`` starts them, on the reviewed organisation. The schedules
and the sensor are stopped first, by the same API, so that the clock on the wall changes nothing.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from orchestration.feeds.deliveries import in_force
from orchestration.periods import Grain, partition_key
from orchestration.runs import project_instance
from orchestration.settings import PROJECT_ROOT
from orchestration.state import State
from orchestration.warehouse.published import published_builds, read_published
from tests.line.reviewed import LAST, PYTHON, Organisation, read_csv, restore, write_csv

LOCATION = "lms_adoption_review"
REPOSITORY = {"repositoryLocationName": LOCATION, "repositoryName": "__repository__"}
STAGES = {"feeds", "quality", "warehouse", "scorecard", "review", "delivery", "archive"}
DONE = {"SUCCESS", "FAILURE", "CANCELED"}
REVIEW = [
    ["scorecard", "month_scorecard"],
    ["review", "month_pages"],
    ["delivery", "month_edition"],
    ["delivery", "month_delivery"],
]
DAY = date(2026, 4, 30)
TITLE = "A new campaign"

NODES = """{ assetNodes { assetKey { path } groupName description isPartitioned isMaterializable
  owners { __typename } kinds partitionDefinition { name } } }"""
RUN = """query ($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value }
  assetMaterializations { assetKey { path } partition metadataEntries { label
    ... on TextMetadataEntry { text } ... on IntMetadataEntry { intValue } } } } } }"""
BACKFILL = """query ($id: String!) { partitionBackfillOrError(backfillId: $id) {
  ... on PartitionBackfill { status error { message } runs { id status startTime endTime } } } }"""
LAUNCH = """mutation ($params: ExecutionParams!) {
  launchPipelineExecution(executionParams: $params) { __typename
    ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }"""
LAUNCH_BACKFILL = """mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) { __typename
    ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }"""


@dataclass(frozen=True)
class Dagster:
    """The running UI of an organisation."""

    organisation: Organisation
    url: str

    def ask(self, query: str, **variables: Any) -> Any:
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(
            f"{self.url}/graphql", body, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
        assert "errors" not in answer, answer["errors"]
        return answer["data"]

    def run(self, run_id: str) -> Any:
        return self.ask(RUN, id=run_id)["runOrError"]

    def wait_for_run(self, run_id: str, seconds: float = 300) -> Any:
        return _wait(lambda: self.run(run_id), lambda run: run["status"] in DONE, seconds)

    def launch(self, keys: list[list[str]], **tags: str) -> str:
        """Materialize some assets, as the button of that name does."""
        answer = self.ask(
            LAUNCH,
            params={
                "mode": "default",
                "selector": {
                    **REPOSITORY,
                    "pipelineName": "__ASSET_JOB",
                    "assetSelection": [{"path": key} for key in keys],
                    "assetCheckSelection": None,
                },
                "runConfigData": {},
                "executionMetadata": {
                    "tags": [
                        {"key": name.replace("__", "/"), "value": value}
                        for name, value in tags.items()
                    ]
                },
            },
        )["launchPipelineExecution"]
        assert answer["__typename"] == "LaunchRunSuccess", answer
        return str(answer["run"]["runId"])

    def backfill(self, keys: list[list[str]], partitions: list[str]) -> str:
        answer = self.ask(
            LAUNCH_BACKFILL,
            params={
                "assetSelection": [{"path": key} for key in keys],
                "partitionNames": partitions,
            },
        )["launchPartitionBackfill"]
        assert answer["__typename"] == "LaunchBackfillSuccess", answer
        return str(answer["backfillId"])

    def wait_for_backfill(self, backfill_id: str, seconds: float = 300) -> Any:
        found = _wait(
            lambda: self.ask(BACKFILL, id=backfill_id)["partitionBackfillOrError"],
            lambda b: b["status"] in ("COMPLETED_SUCCESS", "COMPLETED_FAILED", "FAILED"),
            seconds,
        )
        assert found["status"] == "COMPLETED_SUCCESS", found
        return found


def _wait(ask: Any, done: Any, seconds: float) -> Any:
    until = time.monotonic() + seconds
    while not done(found := ask()):
        assert time.monotonic() < until, found
        time.sleep(0.5)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


# The daemon itself, but looking every three seconds, not thirty, for what backfills wait for.
DAEMON = (
    "import dagster._daemon.controller as controller\n"
    "controller.DEFAULT_DAEMON_INTERVAL_SECONDS = 3\n"
    "from dagster._daemon.cli import cli\n"
    "cli()\n"
)


def _start(organisation: Organisation, *command: str) -> subprocess.Popen[bytes]:
    log = (organisation.home / "logs" / "ui.log").open("ab")
    return subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        env=organisation.environment,
        stdout=log,
        stderr=log,
        start_new_session=True,
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End the process and what it started: its own session, so nobody else's."""
    for sign in (signal.SIGINT, signal.SIGKILL):
        try:
            os.killpg(process.pid, sign)
            process.wait(timeout=15)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            continue


@pytest.fixture(scope="module")
def dagster(organisation: Organisation) -> Iterator[Dagster]:
    port = _free_port()
    workspace = str(PROJECT_ROOT / "workspace.yaml")
    processes = [
        _start(
            organisation,
            str(Path(PYTHON).with_name("dagster-webserver")),
            *("-w", workspace, "-h", "127.0.0.1", "-p", str(port)),
        )
    ]
    running = Dagster(organisation, f"http://127.0.0.1:{port}")
    try:
        until = time.monotonic() + 240
        while True:
            try:
                urllib.request.urlopen(f"{running.url}/server_info", timeout=5).close()
                break
            except OSError:
                assert processes[0].poll() is None and time.monotonic() < until
                time.sleep(0.3)
        _silence(running)
        processes.append(_start(organisation, PYTHON, "-c", DAEMON, "run", "-w", workspace))
        yield running
    finally:
        for process in processes:
            _stop(process)
        restore(organisation.home)
        with project_instance(organisation.settings) as instance:
            instance.wipe_daemon_heartbeats()


def _silence(dagster: Dagster) -> None:
    """Stop every schedule and sensor, as their switches in the UI do."""
    found = dagster.ask(
        """query ($selector: RepositorySelector!) { repositoryOrError(repositorySelector: $selector)
        { ... on Repository { schedules { name scheduleState { id status } }
        sensors { name sensorState { id status } } } } }""",
        selector=REPOSITORY,
    )["repositoryOrError"]
    for schedule in found["schedules"]:
        assert schedule["scheduleState"]["status"] == "RUNNING"
        answer = dagster.ask(
            "mutation ($id: String) { stopRunningSchedule(id: $id) { ... on ScheduleStateResult "
            "{ scheduleState { status } } } }",
            id=schedule["scheduleState"]["id"],
        )
        assert answer["stopRunningSchedule"]["scheduleState"]["status"] == "STOPPED"
    for sensor in found["sensors"]:
        answer = dagster.ask(
            "mutation ($id: String) { stopSensor(id: $id) { ... on StopSensorMutationResult "
            "{ instigationState { status } } } }",
            id=sensor["sensorState"]["id"],
        )
        assert answer["stopSensor"]["instigationState"]["status"] == "STOPPED"
    # three closes, three publications, the preview, retention
    assert len(found["schedules"]) == 8
    assert {sensor["name"] for sensor in found["sensors"]} >= {"arrival_sensor"}


def test_the_code_location_loads(dagster: Dagster) -> None:
    workspace = dagster.ask(
        "{ workspaceOrError { ... on Workspace { locationEntries { name loadStatus "
        "locationOrLoadError { __typename ... on PythonError { message } } } } } }"
    )["workspaceOrError"]
    (entry,) = workspace["locationEntries"]
    assert entry["locationOrLoadError"]["__typename"] == "RepositoryLocation", entry
    assert (entry["name"], entry["loadStatus"]) == (LOCATION, "LOADED")


def test_the_graph_is_grouped_and_described(dagster: Dagster) -> None:
    nodes = dagster.ask(NODES)["assetNodes"]
    assert {node["groupName"] for node in nodes} == STAGES
    for node in nodes:
        assert node["assetKey"]["path"][0] == node["groupName"]
        assert node["description"] and node["owners"] and node["kinds"], node["assetKey"]


def test_the_runs_of_the_command_are_there(dagster: Dagster) -> None:
    runs = dagster.ask("{ runsOrError { ... on Runs { results { jobName status } } } }")
    jobs = {run["jobName"] for run in runs["runsOrError"]["results"] if run["status"] == "SUCCESS"}
    assert jobs >= {"ingest", "monthly_close", "quarterly_close", "monthly_publish"}


def test_one_month_of_one_asset(dagster: Dagster) -> None:
    mails = dagster.organisation.mails()
    run_id = dagster.launch(
        [["scorecard", "month_scorecard"]], dagster__partition=partition_key(LAST)
    )
    run = dagster.wait_for_run(run_id)
    assert run["status"] == "SUCCESS", run
    (made,) = run["assetMaterializations"]
    assert made["assetKey"]["path"] == ["scorecard", "month_scorecard"]
    assert made["partition"] == partition_key(LAST)
    assert dagster.organisation.mails() == mails


def _sealed(organisation: Organisation) -> dict[str, dict[str, bytes]]:
    """Every file of every edition."""
    with State.open(organisation.settings) as state:
        editions = state.editions()
    assert "monthly-2026-04-edition-1" in {each.edition_id for each in editions}
    return {
        each.edition_id: {
            str(file.relative_to(each.folder)): file.read_bytes()
            for file in Path(each.folder).rglob("*")
            if file.is_file()
        }
        for each in editions
    }


def test_a_range_of_months_and_ingest_with_its_month(dagster: Dagster) -> None:
    """Two backfills side by side: months alone; and a delivery date with its month."""
    organisation = dagster.organisation
    mails, builds = organisation.mails(), published_builds(organisation.lake, Grain.MONTH)
    sealed = _sealed(organisation)
    file = organisation.landing / f"initiatives_{DAY}.csv"
    rows = read_csv(file)
    rows[-1]["Title"] = TITLE
    write_csv(file, rows)
    months = [partition_key(LAST.shift(-back)) for back in (2, 1)]
    whole_line = [
        node["assetKey"]["path"]
        for node in dagster.ask(NODES)["assetNodes"]
        if node["isMaterializable"]
        and node["isPartitioned"]
        and not node["assetKey"]["path"][1].startswith(("week", "quarter"))
        and not node["assetKey"]["path"][1].endswith(("__week", "__quarter"))
    ]

    archived = dagster.backfill(REVIEW, months)
    together = dagster.backfill(whole_line, [DAY.isoformat()])

    runs = dagster.wait_for_backfill(archived)["runs"]
    made = [m for run in runs for m in dagster.run(run["id"])["assetMaterializations"]]
    for key in REVIEW:
        assert {m["partition"] for m in made if m["assetKey"]["path"] == key} >= set(months)
    said = [
        {entry["label"]: entry.get("text", entry.get("intValue")) for entry in m["metadataEntries"]}
        for m in made
        if m["assetKey"]["path"] == ["delivery", "month_delivery"]
    ]
    assert {entry["mode"] for entry in said if "mode" in entry} == {"archived"}
    assert all(entry.get("sent", 0) == 0 for entry in said)

    runs = dagster.wait_for_backfill(together)["runs"]
    stages: dict[str, set[str]] = {}
    times: dict[str, tuple[float, float]] = {}
    for run in runs:
        assert run["status"] == "SUCCESS"
        for materialization in dagster.run(run["id"])["assetMaterializations"]:
            name = "/".join(materialization["assetKey"]["path"])
            stages.setdefault(name, set()).add(materialization["partition"])
            times[name] = (run["startTime"], run["endTime"])
    assert set(stages) == {"/".join(key) for key in whole_line}
    assert stages["feeds/landed_initiatives"] == {DAY.isoformat()}
    assert stages["warehouse/month_figures"] >= {partition_key(LAST)}
    assert times["warehouse/versions_initiatives"][1] <= times["quality/month_close"][0]
    newest = in_force(organisation.lake, "initiatives")[-1]
    assert (newest["delivery_date"], newest["sequence"]) == (DAY, 2)
    titles = {
        row["title"]
        for row in read_published(
            organisation.lake, Grain.MONTH, "initiatives__month", period_ids=[LAST.id]
        )
    }
    assert TITLE in titles
    after = published_builds(organisation.lake, Grain.MONTH)
    assert {period for period in builds if builds[period] != after[period]} == {LAST.id}

    # the seal and the delivery of a published month were materialized again: nothing came of it
    assert organisation.mails() == mails
    assert _sealed(organisation) == sealed
