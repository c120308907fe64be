"""What the scorecard takes over from the period's close: freshness, provenance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from orchestration.feeds.contract import CONTRACT
from orchestration.scorecard import wording
from orchestration.scorecard.model import FeedStatus

if TYPE_CHECKING:
    from orchestration.quality.close import PeriodClose

KPI_FEEDS = {
    "performance_improvement": ("business_outcomes",),
    "time_to_competency": ("people", "assessments", "certifications"),
    "certification_rate": ("people", "certifications"),
    "on_time_completion_rate": ("people", "courses", "enrolments"),
    "mandatory_overdue_today": ("people", "courses", "enrolments"),
    "active_learner_rate": ("people", "courses", "activity"),
    "adoption_velocity": ("people", "courses", "enrolments"),
    "seat_use": ("people", "activity"),
}
"""The feeds that a KPI stands on; a KPI that is not listed stands on all."""

_WHO_AND_WHICH = frozenset({"people", "courses"})
"""Feeds that say who people are and which courses there are: of these a day late changes little,
of what is counted it leaves out what happened on that day."""

MOST_NAMED = 3
"""Feeds of one day that a note names; more are counted."""
_BEHIND = ("stale", "missing", "refused")


@dataclass(frozen=True)
class PeriodBasis:
    """What the figures stand on.

    Attributes:
        feeds: one status a feed, in the contract's order.
        data_as_of: the day up to which every connected feed is known.
    """

    feeds: tuple[FeedStatus, ...]
    data_as_of: date
    charter_hash: str
    code_version: str

    @property
    def behind(self) -> frozenset[str]:
        """The feeds whose data for the period are not complete."""
        return frozenset(feed.feed for feed in self.feeds if feed.verdict in _BEHIND)

    def sound(self, kpi_id: str) -> bool:
        """Whether none of the feeds that the KPI stands on is behind."""
        feeds = KPI_FEEDS.get(kpi_id)
        return not (self.behind if feeds is None else self.behind & {*feeds})

    def judged(self, kpi_id: str) -> bool:
        """Whether what the KPI counts is complete: else its figure is one of missing data, and no
        change, no target met or missed, is claimed of it."""
        behind = self.behind - _WHO_AND_WHICH
        feeds = KPI_FEEDS.get(kpi_id)
        return not (behind if feeds is None else behind & {*feeds})

    def feeds_a_figure(self, feed: str) -> bool:
        """Whether a headline figure or the page of leadership stands on the feed."""
        return feed == "leader_actions" or any(feed in feeds for feeds in KPI_FEEDS.values())

    @property
    def stale_note(self) -> str | None:
        """'activity as of 12 October 2026; people missing', or None when all is complete.

        Feeds known up to the same day are named together, and counted where they are many.
        """
        by_day: dict[date | None, list[str]] = {}
        for feed in self.feeds:
            if feed.verdict in _BEHIND:
                by_day.setdefault(feed.data_as_of, []).append(feed.feed.replace("_", " "))
        notes = []
        for known, names in by_day.items():
            said = f"{len(names)} feeds" if len(names) > MOST_NAMED else wording.listed(names)
            notes.append(f"{said} as of {wording.day(known)}" if known else f"{said} missing")
        return "; ".join(notes) or None


def basis_of(close: PeriodClose) -> PeriodBasis:
    """The close as the scorecard shows it; the time of closing is left out, it changes nothing."""
    feeds = []
    for name in CONTRACT:
        found = close.feeds.get(name)
        if found is not None:
            feeds.append(
                FeedStatus(
                    feed=name,
                    verdict=found.verdict,
                    data_as_of=found.data_as_of,
                    rows_accepted=found.rows_accepted,
                    rows_rejected=found.rows_rejected,
                    note=found.reason,
                )
            )
    return PeriodBasis(
        feeds=tuple(feeds),
        data_as_of=close.data_as_of or close.period_end,
        charter_hash=close.charter_hash,
        code_version=close.code_version,
    )
