"""The commands ``backup``, ``restore``, ``retention`` and ``erase-person``."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestration.problems import Problem
from orchestration.settings import load_settings

if TYPE_CHECKING:
    from orchestration.operations.erase import Owners

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
    if done.erased:
        click.echo(
            f"Erased since the backup, and perhaps back with it: {done.erased}. Erase them again "
            "(python -m orchestration erase-person)."
        )
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


@click.command("erase-person")
@click.argument("person_id")
@click.option("--also", multiple=True, help="a further name or address of theirs; may be repeated")
@click.option("--delivered", is_flag=True, help="remove landed files that tell of them, too")
@click.option("--copies", is_flag=True, help="remove backups and what restores put aside, too")
@click.option("--by", help="who erases, for the receipt; else the user of this machine")
@click.option("--dry-run", is_flag=True, help="print what would be taken out, and change nothing")
@click.option("--yes", is_flag=True, help="do not ask")
@click.option("--readmit", is_flag=True, help="let in again what is delivered of them from now on")
def erase_person(
    person_id: str,
    also: tuple[str, ...],
    delivered: bool,
    copies: bool,
    by: str | None,
    dry_run: bool,
    yes: bool,
    readmit: bool,
) -> None:
    """Erase a person from everything that is kept here; figures and receipt stay.

    With the service stopped. It cannot be undone; interrupted, start it again.
    """
    from orchestration.operations import erase

    settings = load_settings()
    if readmit:
        if not erase.readmit(settings, person_id):
            raise Problem("nobody of this id is erased.", remedy="look at the spelling.")
        click.echo("What is delivered of them from now on counts again.")
        return
    eraser = erase.Eraser(
        settings, person_id, also=also, with_delivered=delivered, with_copies=copies
    )
    plan = eraser.plan()
    for place in plan.places:
        click.echo(f"{place.what}: {place.count:,}")
    if not plan.places:
        click.echo("Nothing that is kept here tells of this person.")
    if plan.namesakes:
        click.echo(f"{plan.namesakes} others have one of their names: it goes there as well.")
    for named in plan.charter:
        click.echo(f"The charter names them, which has to be mended first: {named}")
    if dry_run:
        _say_owners(plan.owners)
        click.echo("Nothing was changed: this was a dry run.")
        return
    if not yes:
        click.confirm("Take all of it out? It cannot be undone", abort=True)
    done = eraser.erase(by)
    _say_owners(done.owners)
    click.echo(f"Erased. Receipt {done.number}: {done.file}")


def _say_owners(owners: Owners) -> None:
    for words, files in (
        (
            "Delivered files that tell of them are yours to remove; landed ones go by --delivered",
            owners.delivered,
        ),
        ("Backups bring them back when restored; remove them, or say --copies", owners.copies),
        ("Other files that tell of them are yours to change", owners.others),
    ):
        if files:
            click.echo(f"{words}: {len(files)}")
            for file in files[:_LISTED]:
                click.echo(f"  {file}")
            if len(files) > _LISTED:
                click.echo(f"  and {len(files) - _LISTED} more")


def shown_bytes(count: int) -> str:
    """'3.4 MB'."""
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("KB", 10**3)):
        if count >= size:
            return f"{count / size:,.1f} {unit}"
    return f"{count} bytes"
