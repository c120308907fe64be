"""The same lake built by DuckDB and by Spark, once for all tests here.

``ADOPTION_SPARK_CLUSTER=1`` takes a standalone cluster of two workers instead of one process.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestration.periods import Period
from orchestration.settings import PROJECT_ROOT
from tests.independent.random_organisation import Organisation, random_organisation
from tests.independent.test_kpis import PERIODS, build
from tests.spark.cluster import Cluster, cluster
from tests.warehouse.small_lake import SmallLake

CONFIGURATION = Path(__file__).parent / "conf" / "spark-defaults.conf"
ENVIRONMENT = PROJECT_ROOT / ".venv-spark"


@dataclass(frozen=True)
class BothEngines:
    """One organisation's lake and the builds of both engines over it."""

    organisation: Organisation
    duckdb: SmallLake
    spark: SmallLake
    cluster: Cluster | None


@pytest.fixture(scope="session")
def organisation() -> Organisation:
    """A random organisation, the same always."""
    return random_organisation(1)


@pytest.fixture(scope="session")
def on_disk(tmp_path_factory: pytest.TempPathFactory, organisation: Organisation) -> SmallLake:
    """Its lake in a folder, built by DuckDB."""
    started = time.monotonic()
    lake = build(tmp_path_factory.mktemp("engines"), organisation)
    print(f"\nwritten and built by DuckDB in {time.monotonic() - started:.0f} s")
    return lake


@pytest.fixture(scope="session")
def engines(
    tmp_path_factory: pytest.TempPathFactory, organisation: Organisation, on_disk: SmallLake
) -> Iterator[BothEngines]:
    if not ENVIRONMENT.exists():
        pytest.skip("SPARK IS NOT TESTED: `make spark` installs it and runs these tests")
    configuration = tmp_path_factory.mktemp("configuration")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SPARK_CONF_DIR", str(configuration))
        shutil.copy(CONFIGURATION, configuration)
        if not os.environ.get("ADOPTION_SPARK_CLUSTER"):
            yield _built(organisation, on_disk, None)
            return
        (spark_class,) = ENVIRONMENT.glob("lib/*/site-packages/pyspark/bin/spark-class")
        with cluster(spark_class, tmp_path_factory.mktemp("cluster")) as running:
            # what an installation would say: compiled code, several partitions, two machines
            (configuration / CONFIGURATION.name).write_text(
                f"spark.master {running.url}\n"
                "spark.driver.host 127.0.0.1\n"
                "spark.executor.memory 768m\n"
                "spark.executor.cores 1\n"
                "spark.sql.shuffle.partitions 4\n"
                "spark.ui.showConsoleProgress false\n"
            )
            yield _built(organisation, on_disk, running)


def _built(organisation: Organisation, duckdb: SmallLake, running: Cluster | None) -> BothEngines:
    spark = duckdb.on("spark")
    started = time.monotonic()
    spark.build(*map(Period.parse, PERIODS), command=("build",))
    print(f"\nbuilt by Spark, with unit tests, in {time.monotonic() - started:.0f} s")
    return BothEngines(organisation, duckdb, spark, running)
