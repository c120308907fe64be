"""Commands over sealed editions: ``python -m orchestration rebuild``."""

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
        remedy=f"it was sealed by version {found.sealed_by}, and {found.rendered_by} runs: render "
        "it with the version and the settings that sealed it. The sealed files are untouched.",
    )
