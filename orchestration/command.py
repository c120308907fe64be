"""The command line: ``python -m orchestration run | ui | backfill | dry-run | record``."""

from __future__ import annotations

import os
import sys
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.alerts.commands import incidents
from orchestration.delivery.commands import (
    confirmation_link,
    intents,
    serve_events,
    undelivered,
    unknown,
)
from orchestration.delivery.edition_commands import rebuild, restated
from orchestration.delivery.mailings import MAILINGS
from orchestration.operations.commands import backup, erase_person, restore, retention
from orchestration.periods import Grain, Period, latest_closed, partition_key, periods_between
from orchestration.problems import Problem, refusal_of_disk
from orchestration.recording.commands import record, start
from orchestration.settings import PROJECT_ROOT, SAMPLE_SETTINGS, Settings, load_settings
from orchestration.settings import settings_file as settings_in_force

if TYPE_CHECKING:
    from dagster import AssetKey, DagsterInstance, Definitions

    from orchestration.lake import Lake
    from orchestration.state import State
    from orchestration.warehouse.late import Touched


def main() -> None:
    """Entry point: problems, a full disk too, are printed as one message; the rest is a defect."""
    # Dagster's backfill policies are what this system is built on; that they are beta is known
    warnings.filterwarnings("ignore", message=".*backfill_policy.*", module="dagster.*")
    try:
        cli(standalone_mode=False)
    except Problem as problem:
        click.secho(f"\n{problem}", fg="red", err=True)
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    except Exception as error:
        refusal = refusal_of_disk(error)
        if refusal is None:
            raise
        # whatever was under way, Dagster's own record of it included, could not be written
        told = Problem(
            f"the disk takes nothing more: {refusal}.",
            remedy="make room or make it writable, then start the same again: it goes on from the "
            "last state, which is unchanged.",
        )
        click.secho(f"\n{told}", fg="red", err=True)
        sys.exit(1)


@click.group()
def cli() -> None:
    """LMS adoption review: from raw LMS and HR files to the executive review."""


cli.add_command(record)
cli.add_command(start)
cli.add_command(intents)
cli.add_command(unknown)
cli.add_command(undelivered)
cli.add_command(serve_events)
cli.add_command(confirmation_link)
cli.add_command(rebuild)
cli.add_command(restated)
cli.add_command(incidents)
cli.add_command(backup)
cli.add_command(restore)
cli.add_command(retention)
cli.add_command(erase_person)


_STARTED = time.monotonic()
_NAMED = 3


@contextmanager
def _step(text: str) -> Iterator[None]:
    """Print a line with the time since the start, before and after a piece of work."""
    click.echo(f"[{time.monotonic() - _STARTED:5.1f} s] {text} ...", nl=False)
    try:
        yield
    except BaseException:
        click.echo(" failed")
        raise
    click.echo(" done")


def _today(settings: Settings) -> date:
    return datetime.now(settings.organisation.zone).date()


@cli.command()
@click.option(
    "--period",
    "period_id",
    help="what to review: a week as 2026-W45, a month as 2026-10 or a quarter as 2026-Q3; "
    "default the latest closed month",
)
def run(period_id: str | None) -> None:
    """Land what has arrived, review one period and deliver it, once."""
    settings = load_settings()
    named = Period.parse(period_id) if period_id else None
    grain = named.grain if named else Grain.MONTH
    click.echo(f"{settings.organisation.name}: {MAILINGS[grain.ritual].words}")
    if settings_in_force() == SAMPLE_SETTINGS:
        with _step("Sample organisation: raw feed files in the landing folder"):
            last_month = _write_sample(settings)
        period = named or last_month
    else:
        period = named or latest_closed(grain, _today(settings))
    if period.end >= _today(settings):
        raise Problem(
            f"{period.label} is not over yet.",
            remedy=f"review it from {period.shift(1).start} on, or a period before it.",
        )
    with _loaded(settings) as (definitions, instance):
        Review(settings, definitions, instance, period).run()


@cli.command()
@click.option("--from", "first", help="the first period, such as 2023-10; default the first data")
@click.option("--to", "last", help="the last one, such as 2026-09; default the latest closed month")
@click.option(
    "--grain", "only", type=click.Choice([grain.value for grain in Grain]), help="default all three"
)
def backfill(first: str | None, last: str | None, only: str | None) -> None:
    """Build years of history: figures, scorecards and archived packs of every period.

    Each stage is one run over the range. Nothing is mailed: what a person wants to send is sent
    with `run --period` afterwards. What is built already is built anew.
    """
    settings = load_settings()
    latest = latest_closed(Grain.MONTH, _today(settings))
    end = Period.parse(last).end if last else latest.end
    if end >= _today(settings):
        raise Problem(f"{last} is not over yet.", remedy=f"end with {latest.id} or before it.")
    if settings_in_force() == SAMPLE_SETTINGS:
        with _step("Sample organisation: raw feed files in the landing folder"):
            _write_sample(settings)
    start = Period.parse(first).start if first else settings.organisation.history_from
    grains = [Grain(only)] if only else [*reversed(Grain)]
    whole_ranges(settings, dict.fromkeys(grains, start), end)  # refused before anything is done
    with _loaded(settings) as (definitions, instance):
        History(settings, definitions, instance).run(start, end, grains)


@contextmanager
def _loaded(settings: Settings) -> Iterator[tuple[Definitions, DagsterInstance]]:
    """The Dagster definitions and instance; says what is wrong with the charter."""
    with _step("Loading the Dagster definitions"), ThreadPoolExecutor(1) as beside:
        from orchestration.warehouse.project import prepare_manifest

        # dbt parses in a process of its own while this one imports Dagster
        parsed = beside.submit(prepare_manifest, settings)
        from orchestration.alerts.reaper import reap
        from orchestration.definitions import build_definitions
        from orchestration.runs import project_instance
        from orchestration.state import State

        parsed.result()
        definitions = build_definitions(settings)
    _say_charter_fault(settings)
    with project_instance(settings) as instance:
        with State.open(settings) as state:
            if ended := reap(instance, state):
                click.echo(f"Ended {len(ended)} runs whose process had died.")
        yield definitions, instance


def _say_charter_fault(settings: Settings) -> None:
    """Where an edit of the charter is not valid: what is wrong, and that it does not count yet."""
    from orchestration.warehouse.charter import charter_in_force

    fault = charter_in_force(settings).fault
    if fault is not None:
        click.secho(
            f"The charter's last valid version stays in force: {fault}", fg="yellow", err=True
        )


def _write_sample(settings: Settings) -> Period:
    """Write the sample where none lies yet; returns its last month."""
    from orchestration.sample.parameters import SampleParameters
    from orchestration.sample.simulation import recorded, simulate

    charter = settings.charter_overlay
    if charter is None:
        raise Problem("the sample's settings name no charter folder.", file=str(SAMPLE_SETTINGS))
    record = recorded(charter.parent)
    if record is None:
        last = latest_closed(Grain.MONTH, _today(settings))
        simulate(SampleParameters(last_month=last), settings.landing_folder, charter.parent)
        return last
    return Period.parse(record["parameters"]["last_month"])


class Line:
    """What stands before any review, as Dagster runs: the foundation, and ingest."""

    def __init__(
        self, settings: Settings, definitions: Definitions, instance: DagsterInstance
    ) -> None:
        self.settings = settings
        self.definitions = definitions
        self.instance = instance

    def prepare(self) -> None:
        """Build the foundation where it is out of date; land, check and fold what has arrived."""
        self._foundation()
        self._ingest()

    def _foundation(self) -> None:
        from orchestration.cadences import FOUNDATION_JOB
        from orchestration.runs import execute
        from orchestration.warehouse.build import foundation_is_current
        from orchestration.warehouse.lock import warehouse_lock

        with warehouse_lock(self.settings, "a look at the foundation"):
            if foundation_is_current(self.settings):
                return
        with _step("Foundation: the programme charter and staging"):
            execute(self.settings, self.definitions, self.instance, FOUNDATION_JOB)

    def _ingest(self) -> None:
        from orchestration.cadences import INGEST_JOB
        from orchestration.feeds.awaiting import awaiting_dates
        from orchestration.lake import Lake
        from orchestration.runs import execute

        dates = awaiting_dates(self.settings, Lake(self.settings.lake_url, self.settings.duckdb))
        if not dates:
            click.echo("Nothing new in the landing folder.")
            return
        with (
            _step(f"Ingest: land, check and fold {len(dates)} delivery dates"),
            ThreadPoolExecutor(1) as beside,
        ):
            # takes seconds to import, and landing leaves a core free for it
            beside.submit(import_module, "great_expectations")
            execute(
                self.settings,
                self.definitions,
                self.instance,
                INGEST_JOB,
                min(dates).isoformat(),
                max(dates).isoformat(),
            )

    def _first_period(self, grain: Grain) -> Period:
        """The first period of the history that has data.

        Raises:
            Problem: nothing says who the people are.
        """
        from orchestration.feeds.deliveries import in_force
        from orchestration.lake import Lake

        people = in_force(Lake(self.settings.lake_url, self.settings.duckdb), "people")
        if not people:
            raise Problem(
                "no delivery of people is in force, so no figure can stand.",
                file=str(self.settings.landing_folder),
                remedy="put the feeds' files there; see the settings for their names.",
            )
        known = Period.containing(grain, people[0]["delivery_date"]).shift(1)
        start = max(known.start, self.settings.organisation.history_from)
        return next(periods_between(grain, start, start))

    def _over(self, text: str, job: str, first: Period, last: Period, stages: set[str]) -> None:
        """One run of a job's assets of some stages over a range of periods."""
        from orchestration.runs import execute

        with _step(text):
            execute(
                self.settings,
                self.definitions,
                self.instance,
                job,
                partition_key(first),
                partition_key(last),
                assets=self._keys(job, stages),
            )

    def _keys(self, job: str, stages: set[str]) -> list[AssetKey]:
        """The job's assets of some stages."""
        layer = self.definitions.resolve_job_def(job).asset_layer
        return [key for key in layer.selected_asset_keys if key.path[0] in stages]


def whole_ranges(
    settings: Settings, since: Mapping[Grain, date], end: date
) -> dict[Grain, tuple[Period, Period]]:
    """The first and last whole period of each grain, of the history up to ``end``.

    Raises:
        Problem: no whole period of any grain lies there.
    """
    ranges: dict[Grain, tuple[Period, Period]] = {}
    for grain, begin in since.items():
        first = max(begin, settings.organisation.history_from)
        whole = [
            period
            for period in periods_between(grain, first, end)
            if period.start >= first and period.end <= end
        ]
        if whole:
            ranges[grain] = (whole[0], whole[-1])
    if not ranges:
        raise Problem(
            f"no whole period with data lies between {min(since.values())} and {end}.",
            remedy="name a wider range with --from and --to.",
        )
    return ranges


class History(Line):
    """Every period of a range, each stage as one run over it; nothing is sealed or sent."""

    def run(self, start: date, end: date, grains: Sequence[Grain]) -> None:
        """Figures of all grains before pages: a month's page shows its quarter and the other way.

        Raises:
            Problem: no whole period with data lies in the range.
        """
        from orchestration.cadences import close_job_name, restate_job_name

        self.prepare()
        since = {grain: max(start, self._first_period(grain).start) for grain in grains}
        ranges = whole_ranges(self.settings, since, end)
        for grain, (first, last) in ranges.items():
            of = f"{grain}s, {first.id} to {last.id}"
            self._over(f"Close: {of}", close_job_name(grain), first, last, {"quality", "warehouse"})
        for grain, (first, last) in ranges.items():
            of = f"{grain}s, {first.id} to {last.id}"
            self._over(
                f"Scorecards, packs and archive: {of}",
                restate_job_name(grain),
                first,
                last,
                {"scorecard", "review", "archive"},
            )
        click.echo("Nothing was sent. `archive` prints where the reviews lie.")


class Review(Line):
    """One period's review as a sequence of Dagster runs."""

    def __init__(
        self,
        settings: Settings,
        definitions: Definitions,
        instance: DagsterInstance,
        period: Period,
    ) -> None:
        super().__init__(settings, definitions, instance)
        self.period = period
        self.grain = period.grain

    def run(self) -> None:
        """Ingest, close, publish; then print the figures and where the files lie."""
        from orchestration.delivery.editions import open_intent
        from orchestration.delivery.mailings import published_together
        from orchestration.state import State

        self.prepare()
        state = State.open(self.settings)
        ritual, together = self.grain.ritual, published_together(self.grain)
        if self.period.id in state.settled_periods(ritual):
            click.echo(
                f"The review of {self.period.label} was delivered before: nothing is sent again."
            )
            if any(state.pending_intent(each.name, self.period.id) for each in together):
                self._publish()  # of a run that died between the pack and a letter beside it
            else:
                self._finish(state)
        else:
            for grain in reversed(Grain):
                if list(Grain).index(grain) >= list(Grain).index(self.grain):
                    self._figures(grain)
            self._draft()
            for mailing in together:
                if mailing.is_drafted(self.settings, self.period):
                    open_intent(state, mailing.name, self.period.id, opened_by="person")
            self._publish()
        self._report()

    def _finish(self, state: State) -> None:
        """Do what a run left undone that died after the last send: the log and the archive."""
        from orchestration.archive.site import build_site
        from orchestration.delivery.asked import record_asked

        record_asked(state, self.settings, self.grain.ritual, self.period.id)
        build_site(self.settings)

    def _figures(self, grain: Grain) -> None:
        """Close and build every period of the history that has no figures yet, in one run."""
        from orchestration.cadences import close_job_name

        last = latest_closed(grain, self.period.end + timedelta(days=1))
        wanted = self._missing(grain, last)
        if wanted:
            self._over(
                f"Close: {len(wanted)} {grain}s, {wanted[0].id} to {wanted[-1].id}",
                close_job_name(grain),
                wanted[0],
                wanted[-1],
                {"quality", "warehouse"},
            )

    def _missing(self, grain: Grain, last: Period) -> list[Period]:
        """From the first period without figures (and with data) to ``last``; the newest is
        rebuilt when raw data or code changed since."""
        from orchestration.lake import Lake
        from orchestration.warehouse.build import figures_are_current
        from orchestration.warehouse.published import published_builds

        lake = Lake(self.settings.lake_url, self.settings.duckdb)
        built = published_builds(lake, grain)
        wanted = [
            period
            for period in periods_between(grain, self._first_period(grain).start, last.end)
            if period.id not in built
            or (period == last and not figures_are_current(self.settings, lake, period))
        ]
        return list(periods_between(grain, wanted[0].start, last.end)) if wanted else []

    def _draft(self) -> None:
        from orchestration.cadences import close_job_name

        self._over(
            f"Draft: scorecard, pages and email of {self.period.label}",
            close_job_name(self.grain),
            self.period,
            self.period,
            {"scorecard", "review"},
        )

    def _publish(self) -> None:
        from orchestration.cadences import publish_job_name
        from orchestration.runs import execute

        key = partition_key(self.period)
        with _step(f"Publish: seal and deliver through {self.settings.delivery.channel}"):
            execute(
                self.settings,
                self.definitions,
                self.instance,
                publish_job_name(self.grain),
                key,
                key,
            )

    def _report(self) -> None:
        from orchestration.review.assets import PACKS
        from orchestration.scorecard.model import Scorecard
        from orchestration.state import State

        state = State.open(self.settings)
        edition = state.latest_edition(self.grain.ritual, self.period.id)
        pending = state.pending_intent(self.grain.ritual, self.period.id)
        if edition is None and pending is not None and pending.held_by == "person":
            of = f"{pending.ritual} {pending.period_id}"
            raise Problem(
                f"the review of {self.period.label} waits for a person: {pending.reason}.",
                remedy=f"python -m orchestration intents release {of}, then run again; or, where "
                f'it went out, intents cancel {of} --why "...".',
            )
        if edition is None:
            raise Problem(
                f"no edition of {self.period.label} was sealed.",
                remedy="open the run in the UI (make ui) to see why.",
            )
        folder = Path(edition.folder)
        scorecard = Scorecard.model_validate_json((folder / "scorecard.json").read_bytes())
        click.echo(f"\n{scorecard.sentence}\n")
        width = max(len(kpi.name) for kpi in scorecard.kpis)
        for kpi in scorecard.kpis:
            click.echo(
                f"  {kpi.name:<{width}}  {kpi.now.text:>14}  target {kpi.target.text:<12} "
                f"{kpi.mark.text} ({kpi.period_label})"
            )
        click.echo(f"\n{state.delivery_summary(edition)}")
        if self.settings.delivery.channel == "outbox":
            for mail in sorted((self.settings.home / "outbox").glob(f"*{self.period.id}*.eml")):
                click.echo(f"  email      {_shown(mail)}")
        for name, file in (("scorecard", "scorecard.pdf"), *(("pack", pack) for pack in PACKS)):
            if (folder / file).exists():
                click.echo(f"  {name:<9}  {_shown(folder / file)}")


def _shown(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT) if path.is_relative_to(PROJECT_ROOT) else path)


@cli.command()
@click.option("--rebuild", is_flag=True, help="build them again now, as the late sensor does")
def late(rebuild: bool) -> None:
    """List the closed periods that late data touches: what arrived since, and in which units."""
    from orchestration.cadences import restate_job_name, restatements_due
    from orchestration.lake import Lake
    from orchestration.runs import execute, project_instance
    from orchestration.warehouse.late import touched_periods

    settings = load_settings()
    lake = Lake(settings.lake_url, settings.duckdb)
    due = restatements_due(settings, lake)
    found = touched_periods(lake)
    for each in found:
        click.echo(f"{each.period.label} ({each.period.id})")
        for line in _late_lines(lake, each):
            click.echo(f"  {line}")
    click.echo(f"{len(found)} closed periods are touched by late data.")
    if not rebuild or not due:
        return
    from orchestration.definitions import build_definitions

    definitions = build_definitions(settings)
    with project_instance(settings) as instance:
        # quarters before the months that show them; what was touched, then marks that stand on it
        for grain in [grain for grain in reversed(Grain) for _ in ("figures", "marks")]:
            for first, last in restatements_due(settings, lake).get(grain, ()):
                span = first.id if first == last else f"{first.id} to {last.id}"
                with _step(f"Close again, draft and archive: {span}"):
                    execute(
                        settings,
                        definitions,
                        instance,
                        restate_job_name(grain),
                        partition_key(first),
                        partition_key(last),
                    )
    click.echo("Nothing was sent. `restated` lists what published editions say otherwise.")


def _late_lines(lake: Lake, touched: Touched) -> Iterator[str]:
    """What touches a period, one line a feed; units by the names they had then."""
    from orchestration.warehouse.published import read_published

    period = touched.period
    names = {
        row["org_unit_id"]: row["name"]
        for row in read_published(
            lake, period.grain, f"org_units__{period.grain}", period_ids={period.id}
        )
    }
    for each in touched.late:
        units = [str(names.get(unit, unit)) for unit in each.units if unit]
        within = f" in {', '.join(units[:_NAMED])}" if units else ""
        more = f" and {len(units) - _NAMED} more units" if len(units) > _NAMED else ""
        deliveries = ", ".join(each.deliveries[-_NAMED:])
        rows = "1 row" if each.rows == 1 else f"{each.rows:,} rows"
        yield f"{each.feed}: {rows}{within}{more} (delivery {deliveries})"
    if not touched.late:
        yield "its marks: figures of earlier periods have changed since it was built"


@cli.command()
@click.option("--port", default=3000, show_default=True)
def ui(port: int) -> None:
    """Open the Dagster UI and run the schedules and sensors."""
    from orchestration.runs import instance_environment

    settings = load_settings()
    os.environ.update(instance_environment(settings))
    os.environ["PYTHONPATH"] = str(PROJECT_ROOT)  # the event log's class is the project's own
    dagster = str(Path(sys.executable).with_name("dagster"))
    arguments = [dagster, "dev", "-w", str(PROJECT_ROOT / "workspace.yaml"), "-p", str(port)]
    os.chdir(PROJECT_ROOT)
    os.execv(dagster, arguments)  # noqa: S606 (our own dagster, no shell)


@cli.command("dry-run")
@click.option(
    "--ritual",
    type=click.Choice(list(MAILINGS)),
    help="which mail; default the review of the period's kind, without a period the monthly one",
)
@click.option("--period", help="as 2026-W45, 2026-10 or 2026-Q3; default the latest closed one")
def dry_run(ritual: str | None, period: str | None) -> None:
    """Print who would get a mailing, and who is refused and why. Sends nothing."""
    from orchestration.delivery.assets import audience

    settings = load_settings()
    named = Period.parse(period) if period else None
    mailing = MAILINGS[ritual or (named.grain.ritual if named else Grain.MONTH.ritual)]
    if named is not None and named.grain is not mailing.grain:
        raise Problem(
            f"{named.id} is not a {mailing.grain}, and --ritual {mailing.name} is of "
            f"{mailing.grain}s.",
            remedy="write a week as 2026-W45, a month as 2026-10, a quarter as 2026-Q3.",
        )
    of = named or latest_closed(mailing.grain, _today(settings))
    for line in audience(settings, mailing, of):
        click.echo(line)


@cli.command()
def archive() -> None:
    """Bring the review archive up to date and print where it lies; open it in any browser."""
    from orchestration.archive.site import build_site

    site = build_site(load_settings())
    click.echo(f"Editions sent: {site.editions}; reviews archived and not sent: {site.unsent}.")
    for fault in site.faults:
        click.secho(f"  {fault}", fg="red")
    click.echo(f"Archive: {_shown(site.index)}")
