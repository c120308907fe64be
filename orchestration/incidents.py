"""Incidents: one row a cause from the moment it is seen until it has recovered.

Whoever finds a fault reports it as a :class:`Finding`; reporting it again changes only its words.
Who is told, and when, is decided by ``orchestration.alerts``; each message is a row of the ledger
of kind ``incident``, its subject the incident's number.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection, Row

from orchestration.settings import AlertSettings
from orchestration.state import State, incidents, ledger

MESSAGE_KIND = "incident"
RECOVERY = "recovery"  # the letter of its last message
_LOCK = "incidents"
_CAUSE_CHARACTERS = 255
OPERATIONS = "operations"
PROGRAMME = "programme"


def feed_owner(feed: str) -> str:
    """``Finding.owner`` of what a feed's owner has to mend."""
    return f"feed {feed}"


@dataclass(frozen=True)
class Finding:
    """What is wrong now. Its words go into messages and logs: no personal data, no secrets.

    Args:
        cause: names the fault, the same at every report: ``feed <name>``,
            ``check <asset> <check>``, ``run <job> <first partition>``, ``mail <number>``.
        owner: whose it is: :func:`feed_owner`, ``OPERATIONS`` or ``PROGRAMME``.
        title: what is wrong, a few words.
        detail: the fault in one or two sentences.
        at_risk: which editions it puts at risk, one sentence.
        remedy: how to resolve it.
        since: aware time from which it was wrong.
    """

    cause: str
    owner: str
    title: str
    detail: str
    at_risk: str
    remedy: str
    since: datetime

    def __post_init__(self) -> None:
        if not 0 < len(self.cause) <= _CAUSE_CHARACTERS:
            raise ValueError(f"a cause has 1 to {_CAUSE_CHARACTERS} characters")


@dataclass(frozen=True)
class Incident(Finding):
    """A finding that was reported; open until ``recovered_at``.

    Attributes:
        times: how often the cause broke lately, this time and while it is open included.
        well_since: of one that comes and goes, since when it is well just now.
    """

    incident_id: int
    opened_at: datetime
    seen_at: datetime
    times: int
    well_since: datetime | None
    recovered_at: datetime | None

    def is_flapping(self, alerts: AlertSettings) -> bool:
        """Whether it comes and goes: each time is no longer told, and well is not yet recovered."""
        return self.times >= alerts.flapping_times


def report(state: State, finding: Finding, alerts: AlertSettings) -> Incident:
    """Open the cause's incident, or bring the words of the open one up to date."""
    now = state.now()
    values: dict[str, Any] = {each.name: getattr(finding, each.name) for each in fields(Finding)}
    with state.writing(_LOCK) as connection:
        known = _open(connection, finding.cause)
        if known is None:
            lately = connection.execute(
                sa.select(sa.func.count())
                .select_from(incidents)
                .where(
                    incidents.c.cause == finding.cause,
                    incidents.c.opened_at > now - timedelta(hours=alerts.flapping_hours),
                )
            ).scalar_one()
            return _incident(
                connection.execute(
                    sa.insert(incidents)
                    .values(**values, opened_at=now, seen_at=now, times=lately + 1)
                    .returning(incidents)
                ).one()
            )
        values.pop("since")  # when it began does not move while it lasts
        if known.well_since is not None:
            values |= {"well_since": None, "times": known.times + 1}
        return _incident(
            connection.execute(
                sa.update(incidents)
                .where(incidents.c.incident_id == known.incident_id)
                .values(**values, seen_at=now)
                .returning(incidents)
            ).one()
        )


def recover(state: State, cause: str, alerts: AlertSettings) -> bool:
    """Note that a cause is well; returns whether an incident of it was open.

    What comes and goes has recovered once it was well for as long as the settings say.
    """
    now = state.now()
    with state.writing(_LOCK) as connection:
        known = _open(connection, cause)
        if known is None:
            return False
        steady = timedelta(hours=alerts.flapping_hours)
        values: dict[str, Any] = {"recovered_at": now}
        if known.is_flapping(alerts) and (
            known.well_since is None or now < known.well_since + steady
        ):
            values = {"well_since": known.well_since or now}
        connection.execute(
            sa.update(incidents)
            .where(incidents.c.incident_id == known.incident_id)
            .values(**values)
        )
        return True


def settle(
    state: State, found: Sequence[Finding], judged: Collection[str], alerts: AlertSettings
) -> None:
    """Report what was found and recover whatever else of the judged causes is open.

    Args:
        judged: causes that were looked at and are found broken or well; an open incident of a
            cause that nobody could judge stays as it is.
    """
    broken = set()
    for finding in found:
        report(state, finding, alerts)
        broken.add(finding.cause)
    for incident in open_incidents(state):
        if incident.cause in judged and incident.cause not in broken:
            recover(state, incident.cause, alerts)


def open_incidents(state: State) -> list[Incident]:
    """What is broken, oldest first."""
    with state.reading() as connection:
        return [
            _incident(row)
            for row in connection.execute(
                sa.select(incidents)
                .where(incidents.c.recovered_at.is_(None))
                .order_by(incidents.c.incident_id)
            )
        ]


def incidents_by_id(state: State, numbers: Collection[int]) -> dict[int, Incident]:
    """Some incidents, open or over, by their number."""
    with state.reading() as connection:
        rows = connection.execute(sa.select(incidents).where(incidents.c.incident_id.in_(numbers)))
        return {row.incident_id: _incident(row) for row in rows}


def untold_recoveries(state: State) -> list[Incident]:
    """What is over without a message of its recovery having been planned, oldest first."""
    told = (
        sa.select(ledger.c.ledger_id)
        .where(
            ledger.c.message_kind == MESSAGE_KIND,
            ledger.c.subject_id == sa.cast(incidents.c.incident_id, sa.String),
            ledger.c.letter == RECOVERY,
        )
        .exists()
    )
    with state.reading() as connection:
        return [
            _incident(row)
            for row in connection.execute(
                sa.select(incidents)
                .where(incidents.c.recovered_at.is_not(None), ~told)
                .order_by(incidents.c.incident_id)
            )
        ]


def _open(connection: Connection, cause: str) -> Incident | None:
    row = connection.execute(
        sa.select(incidents)
        .where(incidents.c.cause == cause, incidents.c.recovered_at.is_(None))
        .with_for_update()
    ).one_or_none()
    return None if row is None else _incident(row)


def _incident(row: Row[Any]) -> Incident:
    return Incident(**dict(row._mapping))
