"""A real Spark cluster on the loopback address: one master and two workers, each a process."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
PACKAGE = "org.apache.spark.deploy"


@dataclass(frozen=True)
class Cluster:
    """A running cluster: where drivers reach it, and where its workers keep what they ran."""

    url: str
    work: tuple[Path, ...]

    def executors_by_worker(self) -> list[int]:
        """How many executors each worker has run."""
        return [len(list(folder.glob("app-*/*/stderr"))) for folder in self.work]


@contextmanager
def cluster(spark_class: Path, folder: Path) -> Iterator[Cluster]:
    """Start a master and two workers of one core each, and end them afterwards."""
    port, page = _free_port(), _free_port()
    url = f"spark://{HOST}:{port}"
    work = (folder / "worker-1", folder / "worker-2")
    with ExitStack() as running:

        def start(*arguments: str) -> None:
            name = f"{arguments[0].rpartition('.')[2]}-{time.monotonic_ns()}"
            log = running.enter_context((folder / f"{name}.log").open("w"))
            process = subprocess.Popen(
                [str(spark_class), *arguments, "--host", HOST],
                env={**os.environ, "SPARK_LOCAL_IP": HOST, "SPARK_NO_DAEMONIZE": "1"},
                stdout=log,
                stderr=log,
            )
            running.callback(process.wait)
            running.callback(process.terminate)

        start(f"{PACKAGE}.master.Master", "--port", str(port), "--webui-port", str(page))
        _wait_for(page, workers=0)
        for place in work:
            place.mkdir()
            start(
                f"{PACKAGE}.worker.Worker",
                *("--cores", "1", "--memory", "1g", "--work-dir", str(place)),
                *("--webui-port", str(_free_port()), url),
            )
        _wait_for(page, workers=len(work))
        yield Cluster(url, work)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(page: int, *, workers: int, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{page}/json/", timeout=5) as answer:
                state: dict[str, Any] = json.load(answer)
            if state["aliveworkers"] >= workers:
                return
        except OSError:
            pass
        assert time.monotonic() < end, "the cluster did not start"
        time.sleep(0.5)
