"""Who a letter can reach, asked before anything is rendered for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from orchestration.addresses import Unreachable, addressee, allowed_domains
from orchestration.periods import Period
from orchestration.review.draft_files import Reaches
from orchestration.settings import Settings
from orchestration.warehouse.published import PublishedRows


def reaches(
    settings: Settings, published: PublishedRows, period: Period, *, deputised: bool
) -> Reaches:
    """Whether a letter of a period reaches any of its addressees.

    Of somebody whom the period's contacts do not know nothing can be said; they are refused when
    it is sealed.

    Args:
        published: the run's reader of published rows.
        deputised: whether somebody inactive is stood in for.

    Raises:
        Problem: an allowed domain is none.
    """
    rows = published.of_period(period, "contacts")
    known: Mapping[str, Mapping[str, Any]] = {str(row["person_id"]): row for row in rows}
    allowed = allowed_domains(settings)

    def any_of(to: Sequence[str]) -> bool:
        return any(
            person not in known
            or not isinstance(
                addressee(known, person, allowed, deputised=deputised)[0], Unreachable
            )
            for person in to
        )

    return any_of
