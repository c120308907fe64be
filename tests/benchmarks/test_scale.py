"""The scale benchmark's own parts on a quarter of a small organisation: the lake it writes is one
that publication accepts, and its floor agrees with pandas on every figure both compute."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import in_force, manifests
from orchestration.lake import Lake
from orchestration.quality.publish import damage
from orchestration.settings import Settings, load_settings
from tests.benchmarks import run_scale
from tests.benchmarks.long_lake import LongLake, Size, write_organisation

SIZE = Size(rows=6_000, people=150, months=3, units=13, fan_out=3, courses=12)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home: Path = tmp_path_factory.mktemp("scale")
    found = load_settings(write_organisation(home, SIZE))
    LongLake(found, SIZE).write(SIZE.calendar)
    run_scale.stage_fold(found, SIZE)
    (home / "scratch").mkdir()
    return found


def test_the_lake_is_as_publication_leaves_one(settings: Settings) -> None:
    lake = Lake(settings.lake_url, settings.duckdb)
    for feed in CONTRACT:
        known = manifests(lake, feed)
        assert damage(lake, feed, known) == {}
        assert [m.delivery_id for m in known] == [
            row["delivery_id"] for row in in_force(lake, feed)
        ]
    assert sum(m.rows_accepted for m in manifests(lake, "activity")) == SIZE.rows


def test_floor_and_pandas_agree(settings: Settings) -> None:
    run_scale.stage_floor(settings, SIZE)
    run_scale.stage_pandas(settings, SIZE)
    floor = f"read_parquet('{run_scale.headline_file(settings, 'floor')}')"
    peer = f"read_parquet('{run_scale.headline_file(settings, 'pandas')}')"
    both = (
        "active_learner_rate",
        "certification_rate",
        "on_time_completion_rate",
    )
    plain = duckdb.sql(f"FROM {floor} WHERE kpi_id IN {both} ORDER BY ALL").fetchall()
    pandas = duckdb.sql(f"FROM {peer} ORDER BY ALL").fetchall()
    assert plain == pandas
    counted = duckdb.sql(
        f"SELECT kpi_id, count(*), sum(numerator) FROM {floor} GROUP BY ALL ORDER BY ALL"
    ).fetchall()
    assert [kpi for kpi, _, _ in counted] == [*both, "time_to_competency"]
    assert all(rows > 25 and numerator > 0 for _, rows, numerator in counted)
