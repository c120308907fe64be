"""Which reviews and letters did not arrive, in words that name roles and nobody."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from orchestration.periods import Grain, Period
from orchestration.scorecard import wording
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.since import latest
from orchestration.settings import Settings
from orchestration.state import Edition, State, Undelivered

_HOW = {
    None: "was refused",
    "bounce": "bounced",
    "blocked": "was blocked",
    "dropped": "was dropped",
}


def undelivered(settings: Settings, state: State) -> list[Undelivered]:
    """What has reached nobody and is not over; see :meth:`State.undelivered`."""
    return state.undelivered(by_report=settings.delivery.channel == "sendgrid")


def unreached(
    settings: Settings, state: State, period: Period, editions: Sequence[Edition]
) -> tuple[str, ...]:
    """What a period's review says of mail that did not arrive, one sentence a mailing and role.

    A review that was sealed keeps what it said.

    Args:
        editions: the sealed editions of the ritual.
    """
    own = latest([each for each in editions if each.period_id == period.id])
    if own:
        try:
            card = json.loads((Path(own[0].folder) / SCORECARD).read_bytes())
            return tuple(card.get("unreached") or ())
        except (OSError, ValueError):
            return ()
    found = undelivered(settings, state)
    alike = Counter(
        (mail_words(each), roles_words(each), happened(settings, each)) for each in found
    )
    return tuple(
        f"The {mail} did not reach the {roles}{f', {count} people' * (count > 1)} (it {how})."
        for (mail, roles, how), count in alike.items()
    )


def mail_words(each: Undelivered) -> str:
    """'monthly review of October 2026'."""
    kind = f"{each.ritual} review" if each.ritual in _RITUALS else each.ritual.replace("_", " ")
    return f"{kind} of {Period.parse(each.period_id).label}"


def roles_words(each: Undelivered) -> str:
    """'executive sponsor and L&D head'."""
    return wording.listed([wording.role_name(role.strip()) for role in each.roles.split(",")])


def happened(settings: Settings, each: Undelivered) -> str:
    """'bounced on 6 November 2026'."""
    return f"{_HOW[each.kind]} on {_day(settings, each.happened_at)}"


def _day(settings: Settings, moment: datetime) -> str:
    return wording.day(moment.astimezone(settings.organisation.zone).date())


_RITUALS = {grain.ritual for grain in Grain}
