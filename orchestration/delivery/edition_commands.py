"""Commands over sealed editions: ``python -m orchestration rebuild | restated``."""

from __future__ import annotations

import click

from orchestration.problems import Problem
from orchestration.settings import load_settings


@click.command()
@click.option("--edition", "edition_id", required=True, help="such as monthly-2026-10-edition-1")
def rebuild(edition_id: str) -> None:
    """Render a sealed edition again and prove that every file is the same to the byte."""
    from orchestration.delivery.rebuild import rebuild as render_again
    from orchestration.state import State

    settings = load_settings()
    with State.open(settings) as state:
        found = render_again(state, settings, edition_id)
    click.echo(f"Rendered again {found.under}.")
    if found.identical:
        click.echo(f"{edition_id}: {len(found.same)} files, every one the same to the byte.")
        return
    for words, names in (
        ("differs", found.different),
        ("is sealed and not rendered any more", found.missing),
        ("is rendered and was not sealed", found.added),
    ):
        for name in names:
            click.secho(f"  {name} {words}", fg="red")
    raise Problem(
        f"{edition_id}: {len(found.same)} files are the same to the byte and "
        f"{len(found.different) + len(found.missing) + len(found.added)} are not.",
        remedy="render it with the version and the settings that sealed it. The sealed files are "
        "untouched.",
    )


@click.command()
def restated() -> None:
    """List the published editions that their period's figures no longer equal, and why."""
    from orchestration.delivery.mailings import PACKS
    from orchestration.lake import Lake
    from orchestration.scorecard.since import latest, moved_on
    from orchestration.state import State
    from orchestration.warehouse.late import note_arrivals, touched_periods

    settings = load_settings()
    lake = Lake(settings.lake_url, settings.duckdb)
    note_arrivals(settings, lake)
    touched = {each.period.id for each in touched_periods(lake)}
    found = 0
    with State.open(settings) as state:
        editions = [each for pack in PACKS for each in latest(state.editions(pack.name))]
    for edition in editions:
        lines = [
            f"  {one.what}{f', {one.unit}' if one.unit else ''}: published {one.was}, "
            f"now {one.now} ({', '.join(one.causes)})"
            for one in moved_on(settings, edition)
        ]
        if edition.period_id in touched:
            lines.append("  late data touches it, see: python -m orchestration late")
        if lines:
            found += 1
            click.echo("\n".join([edition.edition_id, *lines]))
    click.echo(
        f"{found} published periods no longer equal the current figures. To publish a corrected "
        "edition, launch it with open_intent and restates."
        if found
        else "Every published edition equals the current figures."
    )
