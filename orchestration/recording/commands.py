"""The commands ``record ...`` and ``start``: what people type, checked and put where it belongs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from orchestration.problems import Problem
from orchestration.recording import entries
from orchestration.recording.entries import DIRECTIONS, OUTCOMES, SITTINGS, Answers, Row
from orchestration.settings import Settings, load_settings

Given = Mapping[str, str | None]


def _today(settings: Settings) -> date:
    return datetime.now(settings.organisation.zone).date()


@click.group()
def record() -> None:
    """Record what leaders did, what was decided, and what the figures mean."""


_BY = click.option("--by", "recorded_by", help="who records it: id, mail address or full name")


def _say(settings: Settings, rows: list[Row], recorded_by: str | None, known: Any) -> None:
    """Record the rows and print what became of them."""
    from orchestration.feeds.recording import record as put

    if recorded_by is not None:
        try:
            person = known.person(recorded_by)
        except Problem as problem:
            raise _of_option(problem, "by") from problem
        rows = [{**row, "recorded_by": person} for row in rows]
    try:
        done = put(settings, rows)
    except Problem as problem:
        raise Problem(problem.message, column=problem.column, remedy=problem.remedy) from problem
    for entry in done.added:
        click.echo(f"Recorded {entry}.")
    for entry in done.known:
        click.echo(f"{entry} was recorded before: nothing was added.")
    if done.file is not None:
        click.echo("It counts from the next ingest on.")


def _tell(
    given: Given,
    make: Callable[[Answers], Row],
    recorded_by: str | None = None,
) -> None:
    """Make one row of the options' answers and record it.

    Raises:
        Problem: an answer cannot be meant; names the option.
    """
    from orchestration.recording.known import Known

    settings = load_settings()
    known = Known.read(settings)
    try:
        row = make(Answers(given, known, _today(settings)))
    except Problem as problem:
        raise _of_option(problem, problem.column) from problem
    _say(settings, [row], recorded_by, known)


def _of_option(problem: Problem, name: str | None) -> Problem:
    """The problem of a field as one of the option that gave it."""
    if name is None or name == "entry":  # an argument, which its message names
        return Problem(problem.message, remedy=problem.remedy)
    return Problem(
        f"--{name.replace('_', '-')}: {problem.message}", file=problem.file, remedy=problem.remedy
    )


@record.command("action")
@click.option("--who", required=True, help="the leader: id, mail address or full name")
@click.option("--kind", required=True, help="what they did, such as town_hall or email")
@click.option("--on", help="the day, as 2026-01-31; default today")
@click.option("--unit", help="the org unit addressed; default the leader's own")
@click.option("--message", help="id of the message it carried")
@click.option("--note", help="what sets it apart from another of the same kind and day")
@_BY
def action(recorded_by: str | None, **given: str | None) -> None:
    """What a leader did for learning."""
    _tell(given, lambda answers: entries.leader_action(answers, "command"), recorded_by)


@record.command("attendance")
@click.option("--who", required=True, multiple=True, help="who sat in it; may be given often")
@click.option("--sitting", required=True, help=f"one of {', '.join(SITTINGS)}")
@click.option("--on", help="the day of the sitting; default today")
@_BY
def attendance(who: tuple[str, ...], recorded_by: str | None, **given: str | None) -> None:
    """Who sat in a review, or in a forum of managers."""
    from orchestration.recording.known import Known

    settings = load_settings()
    known = Known.read(settings)
    try:
        rows = [
            entries.attendance(Answers({**given, "who": one}, known, _today(settings)), "command")
            for one in who
        ]
    except Problem as problem:
        raise _of_option(problem, problem.column) from problem
    _say(settings, rows, recorded_by, known)


@record.command("decision")
@click.option("--title", required=True, help="what is asked for, in one sentence")
@click.option("--right", required=True, help="the decision right it falls under")
@click.option("--unit", help="the org unit it is about; default the whole")
@click.option("--owner", help="who has to decide; default the role that the right names")
@click.option("--owner-role", help="the role that has to decide")
@click.option("--proposed-by", help="who asks")
@click.option("--asked-on", help="the day it was asked; default today")
@click.option("--asked-in", help="the sitting it was asked in")
@click.option("--due-on", help="until when; default the days of the right")
@click.option("--amount", help="money asked for")
@click.option("--if-not-taken", help="what happens then")
@_BY
def decision(recorded_by: str | None, **given: str | None) -> None:
    """Ask for a decision: opens an entry of the log and prints its id."""
    given = {**given, "kind": "decision"}
    _tell(given, lambda answers: entries.entry(answers, "command"), recorded_by)


@record.command("commitment")
@click.option("--title", required=True, help="what is owed, in one sentence")
@click.option("--owner", help="who owes it: id, mail address or full name")
@click.option("--owner-role", help="the role that owes it")
@click.option("--due-on", required=True, help="until when, as 2026-01-31")
@click.option("--unit", help="the org unit it is about; default the whole")
@click.option("--right", help="the decision right by which it is done, if any")
@click.option("--asked-on", help="the day it was agreed; default today")
@click.option("--asked-in", help="the sitting it was agreed in")
@click.option("--action", "is_action", is_flag=True, help="an action, not a leader's commitment")
@_BY
def commitment(recorded_by: str | None, is_action: bool, **given: str | None) -> None:
    """What somebody has promised: opens an entry of the log and prints its id."""
    given = {**given, "kind": "action" if is_action else "commitment"}
    _tell(given, lambda answers: entries.entry(answers, "command"), recorded_by)


@record.command("decide")
@click.argument("entry")
@click.option("--by", required=True, help="who decided: id, mail address or full name")
@click.option("--outcome", required=True, help=f"such as {', '.join(OUTCOMES[:2])}")
@click.option("--on", help="the day of the decision; default today")
@click.option("--amount", help="the amount decided, where it differs from the one asked for")
@click.option("--due-on", help="until when it is to be done")
def decide(entry: str, **given: str | None) -> None:
    """That entry ENTRY was decided. Whether the right was theirs is judged by the review."""
    from orchestration.feeds.recording import decision_log

    log = decision_log(load_settings())
    given = {**given, "entry": entry}
    _tell(given, lambda answers: entries.decided(answers, "command", log))


@record.command("close")
@click.argument("entry")
@click.option("--outcome", help="what became of it; default done. 'withdrawn' takes it back")
@click.option("--on", help="the day; default today")
@_BY
def close(entry: str, recorded_by: str | None, **given: str | None) -> None:
    """That entry ENTRY is done, or withdrawn."""
    from orchestration.feeds.recording import decision_log

    log = decision_log(load_settings())
    given = {**given, "entry": entry}
    _tell(given, lambda answers: entries.closed(answers, "command", log), recorded_by)


@record.command("withdraw")
@click.argument("entry")
@_BY
def withdraw(entry: str, recorded_by: str | None) -> None:
    """That the action or comment ENTRY was recorded by mistake."""
    from orchestration.feeds.recording import Held

    held = Held.read(load_settings())
    _tell({}, lambda answers: entries.withdrawn(entry, held, "command"), recorded_by)


@record.command("outcome")
@click.option("--unit", required=True, help="the org unit")
@click.option("--metric", required=True, help="the business outcome, as the programme names it")
@click.option("--period", required=True, help="as 2026-Q3, 2026-07 or 2026-07-01")
@click.option("--numerator", required=True, help="the sum above the line")
@click.option("--denominator", help="the sum below the line, if any")
@click.option("--measured-in", help="such as points, percent or people")
@click.option("--better", help=f"which way is better: {' or '.join(DIRECTIONS)}")
@_BY
def outcome(recorded_by: str | None, **given: str | None) -> None:
    """A business outcome of a unit; a later figure replaces an earlier one."""
    _tell(given, lambda answers: entries.outcome(answers, "command"), recorded_by)


@record.command("comment")
@click.option("--kpi", required=True, help="the KPI")
@click.option("--period", required=True, help="as 2026-10 or 2026-Q3")
@click.option("--text", required=True, help="the comment")
@click.option("--who", help="who comments: id, mail address or full name")
@click.option("--unit", help="the org unit whose figure it is about; default the whole")
def comment(**given: str | None) -> None:
    """What a KPI's owner says of its figure; saying it anew replaces it."""
    _tell(given, lambda answers: entries.comment(answers, "command"))


@record.command("workbook")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--replace", "replace_it", is_flag=True, help="write over an existing file")
def workbook(file: Path, replace_it: bool) -> None:
    """Write the template workbook to FILE: lists and formats ready, nothing filled in."""
    from orchestration.recording.workbook import build

    build(load_settings(), file, replace_it=replace_it)
    click.echo(f"Written: {file}")


@record.command("import")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
def import_(file: Path) -> None:
    """Read the filled-in workbook FILE, all of it or nothing."""
    from orchestration.recording.workbook import read_in

    settings = load_settings()
    done = read_in(settings, file, _today(settings))
    click.echo(f"{len(done.added)} rows recorded, {len(done.known)} were recorded before.")
    if done.file is not None:
        click.echo("They count from the next ingest on.")


_DAY = click.DateTime(formats=["%Y-%m-%d"])


def _date(moment: datetime | None) -> date | None:
    return moment.date() if moment is not None else None


@click.command()
@click.option("--unit", required=True, help="the org unit, or * for the whole organisation")
@click.option("--launch-on", required=True, type=_DAY, help="day 0, as 2026-01-31")
@click.option("--town-hall-on", type=_DAY, help="the day of the launch town hall")
@click.option("--first-review-on", type=_DAY, help="the day of the first monthly review")
@click.option("--sponsor", help="who sponsors it, where the charter or the unit names nobody")
@click.option("--deputy", help="who acts in the sponsor's place")
@click.option("--operator", help="who runs it")
@click.option("--measurer", help="who measures it")
@click.option("--metric", help="the business outcome it is to move")
@click.option("--lag", type=click.IntRange(0, 12), help="after how many quarters")
@click.option("--core-sentence", help="what every message about it says")
@click.option("--restart", is_flag=True, help="begin the 90 days anew")
def start(
    launch_on: datetime,
    town_hall_on: datetime | None,
    first_review_on: datetime | None,
    **given: Any,
) -> None:
    """Open a programme: its 90-day plan runs from the day of launch."""
    from orchestration.recording.programme import Start
    from orchestration.recording.programme import start as open_programme

    settings = load_settings()
    started = open_programme(
        settings,
        Start(
            launch_on=launch_on.date(),
            town_hall_on=_date(town_hall_on),
            first_review_on=_date(first_review_on),
            **given,
        ),
        _today(settings),
    )
    click.echo(
        f"The programme of {started.unit} is open: sponsor {started.sponsor}, day 0 on "
        f"{started.launch_on}, day 90 on {started.day_90}."
    )
    for role in started.vacancies:
        click.echo(f"Vacant: {role}. Name one in governance_roles.csv.")
    for file in started.files:
        click.echo(f"Written: {file}")
