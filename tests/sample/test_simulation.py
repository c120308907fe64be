"""Repeatability, replacing a sample, the command, the planted effects and scale."""

from __future__ import annotations

import csv
import dataclasses
import hashlib
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.sample import SampleParameters, simulate
from orchestration.sample.__main__ import main
from orchestration.settings import PROJECT_ROOT
from tests.sample.conftest import Sample

LAST = Period.parse("2026-10")
TINY = SampleParameters(people=60, months=2, seed=3, last_month=LAST)


def fingerprint(folder: Path) -> dict[str, str]:
    return {
        str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }


def write(parameters: SampleParameters, folder: Path, *, force: bool = False) -> bool:
    return simulate(parameters, folder / "landing", folder / "sample", force=force).written


@pytest.mark.parametrize("change", [{}, {"cadence": "day"}, {"activity_format": "parquet"}])
def test_same_parameters_same_bytes(tmp_path: Path, change: dict[str, str]) -> None:
    parameters = dataclasses.replace(TINY, **change)
    for name in ("one", "two"):
        assert write(parameters, tmp_path / name)
    assert fingerprint(tmp_path / "one") == fingerprint(tmp_path / "two")


def test_chunks_give_the_same_number_of_events(tmp_path: Path) -> None:
    rows = []
    for chunk_rows in (1_000, 50_000):
        parameters = dataclasses.replace(TINY, activity_rows=6_000, chunk_rows=chunk_rows)
        folder = tmp_path / str(chunk_rows)
        report = simulate(parameters, folder / "landing", folder / "sample")
        rows.append(report.activity_rows)
    assert 6_000 <= rows[1] <= 6_100
    assert abs(rows[0] - rows[1]) < 30  # re-sent rows are drawn from the first chunk


def test_another_seed_is_another_organisation(tmp_path: Path) -> None:
    write(TINY, tmp_path / "one")
    write(dataclasses.replace(TINY, seed=4), tmp_path / "two")
    one, two = fingerprint(tmp_path / "one"), fingerprint(tmp_path / "two")
    assert one["landing/people_2026-10-31.csv"] != two["landing/people_2026-10-31.csv"]


def test_a_second_run_touches_nothing(tmp_path: Path) -> None:
    assert write(TINY, tmp_path)
    before = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")}
    assert not write(TINY, tmp_path)
    assert {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*")} == before


def test_a_lost_file_is_written_again(tmp_path: Path) -> None:
    write(TINY, tmp_path)
    before = fingerprint(tmp_path)
    (tmp_path / "landing" / "people_2026-09-30.csv").unlink()
    assert write(TINY, tmp_path)
    assert fingerprint(tmp_path) == before


def test_another_sample_is_replaced_only_by_force(tmp_path: Path) -> None:
    write(dataclasses.replace(TINY, months=4), tmp_path)
    before = fingerprint(tmp_path)
    with pytest.raises(Problem, match="--force"):
        write(TINY, tmp_path)
    assert fingerprint(tmp_path) == before
    assert write(TINY, tmp_path, force=True)
    assert not (tmp_path / "landing" / "people_2026-06-30.csv").exists()


def test_the_command(tmp_path: Path) -> None:
    where = ["--landing", str(tmp_path / "landing"), "--sample", str(tmp_path / "sample")]
    size = ["--people", "60", "--months", "2"]
    run = CliRunner().invoke(main, [*where, *size, "--last-month", "2026-08"])
    assert run.exit_code == 0 and "2026-08 written" in run.output
    again = CliRunner().invoke(main, [*where, *size])  # keeps the last month of what is there
    assert again.exit_code == 0 and "nothing touched" in again.output
    other = CliRunner().invoke(main, [*where, *size, "--seed", "8"])
    assert other.exit_code == 1 and "--force" in other.output
    wrong = CliRunner().invoke(main, [*where, "--people", "3"])
    assert wrong.exit_code == 1 and "60 or more" in wrong.output


def test_the_planted_effects_show_in_the_truth() -> None:
    """The story of the default sample: learning rises after launch, compliance slips at the end."""
    from orchestration.sample.activity import ActivityStream, LearningMarks
    from orchestration.sample.organisation import to_day
    from orchestration.sample.simulation import draw
    from orchestration.sample.truth import period_truth

    parameters = SampleParameters(last_month=LAST)
    organisation = draw(parameters)
    marks = LearningMarks(organisation.size, parameters)
    stream = ActivityStream(organisation)
    for month in parameters.calendar:
        for chunk in stream.days(to_day(month.start), to_day(month.end)):
            marks.add(chunk)

    def rate(kpi: str, unit: str, first: int, last: int) -> float:
        figures = [
            period_truth(organisation, marks, month)["kpis"][kpi]["employee"][unit]
            for month in parameters.calendar[first:last]
        ]
        return 100 * sum(n for n, _ in figures) / sum(d for _, d in figures)

    assert parameters.launch_on.isoformat() == "2025-10-01"
    rise = rate("active_learner_rate", "MF", 20, 26) - rate("active_learner_rate", "MF", 1, 13)
    assert rise > 10
    still = rate("active_learner_rate", "COR", 20, 26) - rate("active_learner_rate", "COR", 1, 13)
    assert abs(still) < 6
    fall = rate("active_learner_rate", "SUP", 23, 26) - rate("active_learner_rate", "SUP", 17, 20)
    assert fall < -3  # its sponsor fell silent
    assert rate("on_time_completion_rate", "MF", 24, 26) < 82
    assert rate("on_time_completion_rate", "MF", 0, 24) > 90
    assert 85 < rate("certification_rate", "MF", 25, 26) < 97


def test_charter_names_people_who_are_there(sample: Sample) -> None:
    people = {row["EmployeeNumber"]: row for row in sample.rows(sample.names("people")[-1])}
    with open(sample.folder / "charter" / "governance_roles.csv", newline="") as handle:
        roles = list(csv.DictReader(handle))
    assert {row["role"] for row in roles} == {
        "executive_sponsor",
        "ld_head",
        "program_lead",
        "manager_rep",
        "operations_head",
        "finance",
        "people_head",
        "compliance_owner",
        "elt_member",
        "sponsor",
        "unit_head",
        "operator",
        "measurer",
    }
    for row in roles:
        assert row["person_id"] in people
        assert not row["deputy_person_id"] or not people[row["deputy_person_id"]]["LeavingDate"]
    gone = [row["role"] for row in roles if people[row["person_id"]]["LeavingDate"]]
    assert gone == ["measurer"]


PEAK = """
import resource, sys
from pathlib import Path
from orchestration.periods import Period
from orchestration.sample import SampleParameters, simulate
rows, folder = int(sys.argv[1]), Path(sys.argv[2])
parameters = SampleParameters(people=2000, months=2, last_month=Period.parse("2026-10"),
    activity_rows=rows, activity_format="parquet", chunk_rows=50_000)
simulate(parameters, folder / "landing", folder / "sample")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    peaks = []
    for rows in (200_000, 2_000_000):
        run = subprocess.run(
            [sys.executable, "-c", PEAK, str(rows), str(tmp_path / str(rows))],
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            check=True,
        )
        peaks.append(int(run.stdout))
    files = [
        pq.ParquetFile(file)
        for file in sorted((tmp_path / "2000000" / "landing").glob("activity_*.parquet"))
    ]
    assert 2_000_000 <= sum(file.metadata.num_rows for file in files) < 2_001_000
    ids = [value for file in files for value in file.read(["EventId"]).column(0).to_numpy()]
    assert len(ids) - len(set(ids)) < 30  # re-sent and planted doubles only
    assert peaks[1] - peaks[0] < 80  # MB; the rows alone would take some 200
