"""The commands ``backup``, ``restore`` and ``retention``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click

from orchestration.problems import Problem
from orchestration.settings import load_settings

_LISTED = 20


@click.command()
@click.argument("to", type=click.Path(path_type=Path, file_okay=False))
@click.option("--lake", is_flag=True, help="the lake too; ingest and builds wait meanwhile")
def backup(to: Path, lake: bool) -> None:
    """Back up into a new folder beneath TO what cannot be rebuilt; nothing need be stopped.

    That is the state database (intents, editions, ledger, incidents), the sealed editions, the
    Dagster instance, what people recorded, the charter in force. Every file is read back.
    """
    from orchestration.operations.backup import backup as back_up

    settings = load_settings()
    done = back_up(settings, to, lake=lake)
    counts = done.manifest.counts
    click.echo(f"Backup: {done.folder}")
    click.echo(
        f"  {counts['editions']} editions, {counts['intents']} intents, {counts['ledger']} messages"
    )
    parts = ", ".join(done.manifest.parts)
    click.echo(f"  parts: {parts}" + ("" if lake else " (the lake only with --lake)"))
    if settings.paths.instance is not None:
        click.echo("  Dagster's history is on PostgreSQL and not in it: back that up by itself")
    click.echo(
        f"  {len(done.manifest.files):,} files, {shown_bytes(done.manifest.bytes)}; "
        "every one was read back and is the same"
    )
    if done.manifest.faults:
        raise Problem(
            f"the backup was made, and this is not as it should be: "
            f"{'; '.join(done.manifest.faults)}.",
            remedy="restore what is named from an earlier backup.",
        )


@click.command()
@click.argument("source", type=click.Path(path_type=Path, file_okay=False))
@click.option("--replace", is_flag=True, help="over a home in use; what is there is put aside")
def restore(source: Path, replace: bool) -> None:
    """Put the backup in folder SOURCE in place. Nothing is sent for it by itself.

    What may have been sent since the backup was taken waits for a person, review by review
    (intents) and message by message (unknown).
    """
    from orchestration.operations.restore import restore as put_back
    from orchestration.review.words import counted

    settings = load_settings()
    done = put_back(settings, source, replace=replace)
    taken = done.manifest.taken_at.astimezone(settings.organisation.zone)
    click.echo(
        f"Restored the backup of {taken:%Y-%m-%d %H:%M} ({settings.organisation.time_zone}): "
        f"{', '.join(done.manifest.parts)}."
    )
    if done.replaced is not None:
        click.echo(f"What was there lies in {done.replaced}; remove it when all is well.")
    if "lake" not in done.manifest.parts:
        click.echo("The lake was not in it and was left as it is.")
    if done.runs_ended:
        click.echo(f"{done.runs_ended} runs were under way then and are marked as cancelled.")
    for folder in done.forgotten:
        click.echo(f"Sealed after the backup, so the state does not know it: {folder}")
    click.echo(
        "What may have been sent since the backup waits for a person: "
        f"{counted(done.intents, 'pending review')}, {counted(done.messages, 'message')}, and "
        "every review of a period that is over by now.\n"
        "  python -m orchestration intents list    # then release (not sent yet) or cancel (sent)\n"
        "  python -m orchestration unknown list    # then resend or settle"
    )
    if done.faults:
        raise Problem(
            f"it was restored, and this is not as it should be: {'; '.join(done.faults)}.",
            remedy="restore what is named from another backup.",
        )


@click.command()
@click.option("--dry-run", is_flag=True, help="print what would be removed, and remove nothing")
def retention(dry_run: bool) -> None:
    """Remove what was kept for as long as [retention] says; never editions, ledger or raw data."""
    from orchestration.operations.retention import due, remove
    from orchestration.runs import project_instance

    settings = load_settings()
    with project_instance(settings) as instance:
        found = due(settings, instance, datetime.now(UTC))
        for each in found:
            size = f", {shown_bytes(each.bytes)}" if each.bytes else ""
            click.echo(f"{each.what}: {len(each.items)}{size}")
            for item in each.items[:_LISTED]:
                click.echo(f"  {item}")
            if len(each.items) > _LISTED:
                click.echo(f"  and {len(each.items) - _LISTED} more")
        if not found:
            click.echo("Nothing has been kept for longer than the settings say.")
        elif dry_run:
            click.echo("Nothing was removed: this was a dry run.")
        else:
            remove(found)
            click.echo("All of it was removed.")


def shown_bytes(count: int) -> str:
    """'3.4 MB'."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"
