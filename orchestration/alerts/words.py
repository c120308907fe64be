"""What an alert says: what is wrong, since when, what is at risk, how to resolve it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from orchestration.incidents import RECOVERY, Incident
from orchestration.review.words import clean
from orchestration.settings import PROJECT_ROOT, Settings

OPENED, REMINDER, ESCALATION = "opened", "reminder", "escalation"
_FLAPPING = "Comes and goes"
_LISTED = 20
_SUBJECT = 200
_HEADINGS = {
    OPENED: "New",
    REMINDER: "Still open",
    ESCALATION: "Not mended in time",
    RECOVERY: "Recovered",
}
# of several words due to one person on one incident, the weightiest is said
_WEIGHT = (RECOVERY, ESCALATION, OPENED, REMINDER)


@dataclass(frozen=True)
class Words:
    """One message, for mail and for a chat."""

    subject: str
    text: str
    html: str


@dataclass(frozen=True)
class _Block:
    heading: str
    lines: tuple[tuple[str, str], ...]


def stage_of(letter: str) -> str:
    """What a ledger row's letter stands for: ``reminder-3`` is a reminder."""
    return letter.partition("-")[0]


def weightiest(letters: Sequence[str]) -> str:
    """What is said where several messages on one incident are due to the same person."""
    stages = {stage_of(letter) for letter in letters}
    return next(stage for stage in _WEIGHT if stage in stages)


def compose(
    settings: Settings, said: Sequence[tuple[Incident, str]], faults: Sequence[str]
) -> Words:
    """One message on one or more incidents.

    Args:
        said: each incident with its stage (opened, reminder, escalation, recovery).
        faults: owners that could not be reached, in words without names.
    """
    blocks = [_block(settings, incident, stage) for incident, stage in said[:_LISTED]]
    left_out = max(len(said) - _LISTED, 0)
    # an alert is told whatever its words hold: what no header takes goes
    subject = clean(
        f"{settings.organisation.name} adoption review: {_subject(settings, said)}", _SUBJECT
    )
    closing = "This message is sent by the adoption review's watch; nobody reads replies to it."
    if faults:
        closing = (
            f"Told to you because an owner could not be reached ({'; '.join(faults)}). {closing}"
        )
    parts = [
        "\n".join([block.heading, *(f"{name}: {words}" for name, words in block.lines)])
        for block in blocks
    ]
    if left_out:
        parts.append(f"And {left_out} more; the incident list has them all.")
    environment = Environment(
        loader=FileSystemLoader(PROJECT_ROOT / "templates" / "email"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    html = environment.get_template("alert.html.j2").render(
        subject=subject, blocks=blocks, left_out=left_out, closing=closing
    )
    return Words(subject, "\n\n".join([*parts, closing]) + "\n", html)


def _heading(settings: Settings, incident: Incident, stage: str) -> str:
    flapping = stage == OPENED and incident.is_flapping(settings.alerts)
    return _FLAPPING if flapping else _HEADINGS[stage]


def _subject(settings: Settings, said: Sequence[tuple[Incident, str]]) -> str:
    if len(said) == 1:
        ((incident, stage),) = said
        return f"{_heading(settings, incident, stage).lower()}: {incident.title}"
    counts = {stage: sum(each == stage for _, each in said) for stage in _WEIGHT}
    named = ", ".join(
        f"{count} {_HEADINGS[stage].lower()}" for stage, count in counts.items() if count
    )
    return f"{len(said)} faults ({named})"


def _block(settings: Settings, incident: Incident, stage: str) -> _Block:
    title = f"{incident.title[0].upper()}{incident.title[1:]}"
    heading = f"{_heading(settings, incident, stage)}: {title} (incident {incident.incident_id})"
    since = _moment(settings, incident.since)
    if stage == RECOVERY:
        over = incident.recovered_at
        until = _moment(settings, over) if over else "now"
        return _Block(
            heading,
            (("What it was", incident.detail), ("From", since), ("Until", until)),
        )
    return _Block(
        heading,
        (
            ("What", incident.detail),
            ("Since", since),
            *_how_often(settings, incident),
            ("At risk", incident.at_risk),
            ("To resolve", incident.remedy),
        ),
    )


def _how_often(settings: Settings, incident: Incident) -> list[tuple[str, str]]:
    alerts = settings.alerts
    if not incident.is_flapping(alerts):
        return []
    return [
        (
            "How often",
            f"It broke {incident.times} times within {alerts.flapping_hours:g} hours. You are "
            "no longer told each time it comes and goes; it counts as recovered once it has been "
            f"well for {alerts.flapping_hours:g} hours on end.",
        )
    ]


def _moment(settings: Settings, moment: datetime) -> str:
    local = moment.astimezone(settings.organisation.zone)
    return f"{local.day} {local:%B %Y, %H:%M} ({settings.organisation.time_zone})"
