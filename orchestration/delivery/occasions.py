"""Occasions, and the letters that answered them: each once, whichever mailing comes first.

What was answered stands in the sealed editions of every mailing of this kind. One process at a
time looks and seals, so that a week's letter and a month's never answer the same occasion.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from orchestration.delivery.mailings import MAILINGS, Letter, Mailing, read_letters
from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.settings import Settings
from orchestration.state import State

_WAIT_SECONDS = 60.0


@contextmanager
def one_at_a_time(settings: Settings) -> Iterator[None]:
    """Nobody else looks at occasions and seals meanwhile; freed when its process ends.

    Raises:
        Problem: somebody has been at it for too long.
    """
    file = settings.home / "editions" / ".occasions.lock"
    file.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(file, timeout=_WAIT_SECONDS):
            yield
    except Timeout:
        raise Problem(
            "another process has been sealing letters for too long.",
            file=str(file),
            remedy="see what it is doing; the lock is freed when its process ends.",
        ) from None


def still_due(
    state: State, settings: Settings, mailing: Mailing, period: Period, letters: Sequence[Letter]
) -> tuple[Letter, ...]:
    """The letters that answer something which no sealed letter to the same persons answered.

    What names no occasion is always due. An edition of the period itself does not count: one that
    restates says it all again. What the schedule sends late is left out once its last day is over;
    a person may send it still.
    """
    if not mailing.once or not letters:
        return tuple(letters)
    intent = state.pending_intent(mailing.name, period.id)
    answered = _answered(state, mailing, period)
    today = None
    if intent is not None and intent.opened_by == "schedule":
        today = state.now().astimezone(settings.organisation.zone).date()
    return tuple(
        letter
        for letter in letters
        if not answered >= {(letter.to, occasion) for occasion in letter.occasions or ("",)}
        and (today is None or letter.until is None or today <= letter.until)
    )


def _answered(state: State, mailing: Mailing, period: Period) -> set[tuple[tuple[str, ...], str]]:
    """(persons, occasion) of every letter that was sealed with a recipient."""
    found: set[tuple[tuple[str, ...], str]] = set()
    for edition in state.editions():
        own = (edition.ritual, edition.period_id) == (mailing.name, period.id)
        folder = Path(edition.folder)
        # a folder may be gone after years; no occasion is as old
        if own or not MAILINGS[edition.ritual].once or not folder.is_dir():
            continue
        sent = {recipient.letter for recipient in state.recipients(edition.edition_id)}
        for letter in read_letters(folder):
            if letter.folder in sent:
                found |= {(letter.to, occasion) for occasion in letter.occasions}
    return found
