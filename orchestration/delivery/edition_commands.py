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
    """List the periods whose published edition no longer equals the current figures, and why."""
    from orchestration.delivery.mailings import MAILINGS
    from orchestration.lake import Lake
    from orchestration.scorecard.since import late_deliveries, latest, moved_on
    from orchestration.state import State

    settings = load_settings()
    lake = Lake(settings.lake_url, settings.duckdb)
    with State.open(settings) as state:
        editions = [each for each in state.editions() if not MAILINGS[each.ritual].personal]
    found = 0
    for ritual in sorted({each.ritual for each in editions}):
        for edition in latest([each for each in editions if each.ritual == ritual]):
            lines = [
                f"  {one.what}: published {one.was}, now {one.now} ({', '.join(one.causes)})"
                for one in moved_on(settings, lake, edition)
            ]
            late = late_deliveries(lake, edition)
            if late:
                lines.append(
                    f"  deliveries since that bear on it: {', '.join(late)}; close the "
                    f"{MAILINGS[ritual].grain} again to see what they change"
                )
            if lines:
                found += 1
                click.echo(edition.edition_id)
                for line in lines:
                    click.echo(line)
    click.echo(
        f"{found} published periods no longer equal the current figures. To publish a corrected "
        "edition, launch it with open_intent and restates."
        if found
        else "Every published edition equals the current figures."
    )
