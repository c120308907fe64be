"""Write the sample organisation's raw feed files: ``python -m orchestration.sample``."""

from __future__ import annotations

import sys
import time
from datetime import date
from pathlib import Path

import click

from orchestration.periods import Grain, Period, latest_closed
from orchestration.problems import Problem
from orchestration.sample.parameters import SampleParameters
from orchestration.sample.simulation import recorded, simulate
from orchestration.settings import SAMPLE_SETTINGS, load_settings


@click.command()
@click.option("--landing", type=click.Path(path_type=Path), help="Folder for the feed files.")
@click.option(
    "--sample",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder for the charter, the truth and the record of what was written.",
)
@click.option("--people", default=400, show_default=True)
@click.option("--months", default=26, show_default=True)
@click.option("--seed", default=7, show_default=True)
@click.option(
    "--last-month",
    help="As 2026-10. Default: that of the sample already there, else the latest closed month.",
)
@click.option("--cadence", type=click.Choice(["month", "day"]), default="month", show_default=True)
@click.option(
    "--recent-weeks", default=0, show_default=True, help="Last weeks that deliver weekly as well."
)
@click.option("--teams", type=int, help="Default: one for about 36 people, at least eleven.")
@click.option("--activity-rows", type=int, help="Default: some fourteen a person and month.")
@click.option(
    "--activity-format",
    type=click.Choice(["csv.gz", "parquet"]),
    default="csv.gz",
    show_default=True,
)
@click.option("--force", is_flag=True, help="Replace another sample.")
def main(
    landing: Path | None,
    folder: Path | None,
    people: int,
    months: int,
    seed: int,
    last_month: str | None,
    cadence: str,
    recent_weeks: int,
    teams: int | None,
    activity_rows: int | None,
    activity_format: str,
    force: bool,
) -> None:
    """Write one simulated organisation; again with the same options, nothing is touched."""
    settings = load_settings(SAMPLE_SETTINGS)
    if landing is None:
        landing = settings.landing_folder
    if folder is None:
        folder = (settings.charter_overlay or settings.home / "sample" / "charter").parent
    started = time.monotonic()

    def progress(text: str) -> None:
        click.echo(f"sample: {text} ({time.monotonic() - started:.1f} s)", err=True)

    try:
        if last_month is None:
            there = recorded(folder)
            last_month = there["parameters"]["last_month"] if there and not force else None
        month = (
            latest_closed(Grain.MONTH, date.today())
            if last_month is None
            else Period.parse(last_month)
        )
        parameters = SampleParameters(
            people=people,
            months=months,
            seed=seed,
            cadence="day" if cadence == "day" else "month",
            recent_weeks=recent_weeks,
            teams=teams,
            activity_rows=activity_rows,
            activity_format="parquet" if activity_format == "parquet" else "csv.gz",
            last_month=month,
        )
        report = simulate(parameters, landing, folder, force=force, progress=progress)
    except Problem as problem:
        click.echo(f"sample: {problem}", err=True)
        sys.exit(1)
    if report.written:
        progress(f"{report.files} files, {report.activity_rows} activity rows in {report.landing}")
    else:
        progress(f"already there in {report.landing}; nothing touched")


if __name__ == "__main__":
    main()
