"""How long the main job takes: ``python tests/benchmarks/run_line.py [--people N] [--months N]``.

Runs ``python -m orchestration run`` twice on a fresh sample organisation in a temporary home, then
lands a large activity delivery, and prints a table and JSON. Measures; asserts nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import date
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from orchestration.settings import SAMPLE_SETTINGS, load_settings  # noqa: E402


def settings_in(home: Path) -> Path:
    """The sample's settings with everything under ``home``."""
    text = SAMPLE_SETTINGS.read_text(encoding="utf-8")
    text = text.replace('home = "var"', f'home = "{home}"')
    text = text.replace('charter = "var/sample/charter"', f'charter = "{home}/sample/charter"')
    file = home / "adoption.toml"
    file.write_text(text, encoding="utf-8")
    return file


def write_sample(settings_file: Path, people: int, months: int, rows: int | None) -> None:
    """The sample's files, of the size asked for, ending with the latest closed month."""
    from orchestration.periods import Grain, latest_closed
    from orchestration.sample.parameters import SampleParameters
    from orchestration.sample.simulation import simulate

    settings = load_settings(settings_file)
    simulate(
        SampleParameters(
            people=people,
            months=months,
            activity_rows=rows,
            last_month=latest_closed(Grain.MONTH, date.today()),
        ),
        settings.landing_folder,
        settings.home / "sample",
    )


def timed(command: list[str], environment: dict[str, str]) -> dict[str, Any]:
    """Wall and CPU seconds and peak memory of one command and its children."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    done = subprocess.run(
        command, env={**os.environ, **environment}, cwd=ROOT, capture_output=True, text=True
    )
    wall = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        sys.exit(done.stdout + done.stderr)
    return {
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(
            after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1
        ),
        "peak_memory_mb": after.ru_maxrss // 1024,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--people", type=int, default=400)
    parser.add_argument("--months", type=int, default=26)
    parser.add_argument("--activity-rows", type=int)
    arguments = parser.parse_args()
    results: dict[str, Any] = {"parameters": vars(arguments)}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        home = Path(folder)
        settings_file = settings_in(home)
        started = time.perf_counter()
        write_sample(settings_file, arguments.people, arguments.months, arguments.activity_rows)
        results["sample written"] = {"wall_seconds": round(time.perf_counter() - started, 1)}
        environment = {"ADOPTION_SETTINGS": str(settings_file)}
        command = [sys.executable, "-m", "orchestration", "run"]
        results["first run"] = timed(command, environment)
        results["second run"] = timed(command, environment)
    for name, figures in results.items():
        print(f"{name:16} " + "  ".join(f"{k} {v}" for k, v in figures.items()))
    print(json.dumps(results))


if __name__ == "__main__":
    main()
