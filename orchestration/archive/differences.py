"""What a restating edition changed, as it was sealed with it."""

from __future__ import annotations

from orchestration.archive.shelf import Review
from orchestration.scorecard.restated import FILE, Restatement, from_json, restatements

_WHY = {
    "data": "rows that came late or were corrected",
    "charter": "a change of the programme charter",
    "settings": "a change of settings",
    "code": "a new version of the software",
}


def differences(before: Review, after: Review) -> list[Restatement]:
    """What changed between two editions of one period, in the scorecard's order.

    The list that was sealed; of an edition sealed without one, what the two scorecards show.
    """
    try:
        return from_json((after.folder / FILE).read_bytes())
    except (OSError, ValueError, TypeError, KeyError):
        return restatements(before.card, after.card)


def reasons(before: Review, after: Review) -> list[str]:
    """What stood differently under the two editions, in words."""
    return [
        words for name, words in _WHY.items() if before.hashes.get(name) != after.hashes.get(name)
    ]
