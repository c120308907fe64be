"""The command that lists what is broken: ``python -m orchestration incidents``."""

from __future__ import annotations

import click

from orchestration.settings import load_settings


@click.command()
def incidents() -> None:
    """List the open incidents: what, since when, what is at risk, how to resolve it."""
    from orchestration.incidents import open_incidents
    from orchestration.state import State

    settings = load_settings()
    with State.open(settings) as state:
        found = open_incidents(state)
    click.echo(f"Open incidents: {len(found)}.")
    for each in found:
        since = each.since.astimezone(settings.organisation.zone)
        click.echo(f"\n{each.incident_id}  {each.title}, since {since:%Y-%m-%d %H:%M}")
        for words in (each.detail, each.at_risk, each.remedy):
            click.echo(f"   {words}")
