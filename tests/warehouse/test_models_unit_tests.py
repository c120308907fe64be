"""The dbt unit tests beside the models, run on a lake that nothing was delivered to yet."""

from __future__ import annotations

from pathlib import Path

from orchestration.periods import Period
from tests.warehouse.small_lake import SmallLake


def test_unit_tests_pass_and_an_empty_lake_gives_no_figures(tmp_path: Path) -> None:
    small = SmallLake(tmp_path)
    small.build(
        Period.parse("2026-07"),
        Period.parse("2026-Q3"),
        Period.parse("2026-W31"),
        command=("build",),
    )
    for grain in ("week", "month", "quarter"):
        assert small.query(
            f"SELECT DISTINCT org_unit_id, value, no_data_reason IS NULL FROM kpi_values__{grain}"
        ) == [("whole", None, False)]
