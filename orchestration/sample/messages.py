"""Messages to staff: core sentences, occasions, and which message is out on which day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from orchestration.sample.parameters import SampleParameters

LAUNCH, REFRESH, TOGETHER, FORGOTTEN = "MSG-LAUNCH", "MSG-REFRESH", "MSG-TOGETHER", "MSG-PROMISE"
TOWN_HALL_DAY = 13
"""Days after launch of the town hall, where the first message is heard."""
LINK = "https://learning.meridian.example/programme"
_LIVE_DAYS = 30
_REFRESH_DAY = 75
_FORGOTTEN_SINCE = 62
_FORGOTTEN_UNTIL = 21


@dataclass(frozen=True)
class Message:
    """One message to everybody: a row of the charter's registry, apart from its approver.

    Attributes:
        issued_on, expires_on: first and last day.
        ask_days: days after ``issued_on`` by which the ask is to be done.
    """

    message_id: str
    core_sentence: str
    issued_on: date
    expires_on: date
    occasion: str
    business_reason: str
    ask: str
    ask_days: int
    minutes: int
    helper: str
    objection: str
    answer: str

    def live_on(self, day: date) -> bool:
        """Whether the message is out on a day."""
        return self.issued_on <= day <= self.expires_on


CORE_SENTENCE = (
    "Every shift, each of us learns one thing that makes tomorrow's work safer and easier."
)


def messages(parameters: SampleParameters) -> list[Message]:
    """Every message issued in the simulated months, in order.

    Launch, a refresh on day 75, and one near the end, with which the last division joins. One is
    out at a time, for thirty days; the planted stale message breaks both rules.
    """
    launch, last = parameters.launch_on, parameters.last_day
    first = _launch(_weekday(launch + timedelta(days=TOWN_HALL_DAY)))
    issued = [first]
    together = _together(parameters.late_launch_on + timedelta(days=TOWN_HALL_DAY + 1))
    closing = together.issued_on <= last and parameters.delegated_from is None
    closing &= together.issued_on > first.expires_on
    refresh = _refresh(_weekday(launch + timedelta(days=_REFRESH_DAY)))
    forgotten = _forgotten(_weekday(last - timedelta(days=_FORGOTTEN_SINCE)), last)
    if parameters.effects.stale_message and forgotten.issued_on > first.expires_on:
        issued.append(forgotten)
        if refresh.expires_on < forgotten.issued_on:
            issued.append(refresh)
    elif refresh.issued_on <= last and not (closing and refresh.expires_on >= together.issued_on):
        issued.append(refresh)
    if closing:
        issued.append(together)
    return sorted(issued, key=lambda message: message.issued_on)


def _weekday(day: date) -> date:
    return day - timedelta(days=max(0, day.weekday() - 4))


def _launch(issued: date) -> Message:
    return Message(
        LAUNCH,
        CORE_SENTENCE,
        issued,
        issued + timedelta(days=_LIVE_DAYS),
        "launch",
        "Scrap and rework cost us more than a day of production each month, and most of it comes "
        "from steps that one of us could show another in ten minutes.",
        "Choose one course of the programme and finish it",
        21,
        60,
        "your team's learning guide",
        "We have no time for this on a full shift.",
        "Thirty minutes a week are set aside for it, and the plan allows for them.",
    )


def _refresh(issued: date) -> Message:
    return Message(
        REFRESH,
        "What one team learns this month, every team can use the next: share it, try it, keep it.",
        issued,
        issued + timedelta(days=_LIVE_DAYS),
        "refresh",
        "Teams that tried a new way have fewer stops, and the teams beside them do not know how.",
        "Show one other team what you learned",
        21,
        30,
        "your team's learning guide",
        "Other teams work differently from ours.",
        "Take the idea and change it until it fits; tell them what you changed.",
    )


def _together(issued: date) -> Message:
    return Message(
        TOGETHER,
        "Nobody here learns alone: ask one question a week, and answer one.",
        issued,
        issued + timedelta(days=_LIVE_DAYS),
        "refresh",
        "Corporate Services joins the programme, so that for the first time every question has "
        "somebody in the house who knows the answer.",
        "Book thirty minutes for your next programme course",
        21,
        30,
        "your team's learning guide",
        "I finished my courses last year.",
        "Then be the one who answers: an hour of yours saves a colleague a day.",
    )


def _forgotten(issued: date, last: date) -> Message:
    return Message(
        FORGOTTEN,
        "Learning is part of the job, not a thing that we do when the job is done.",
        issued,
        last + timedelta(days=_FORGOTTEN_UNTIL),
        "warning",
        "Learning stopped in half of the teams, and the old faults came back.",
        "Agree with your manager when you learn",
        21,
        15,
        "your manager",
        "It gets cancelled whenever we are busy.",
        "It moves within the week; it is not cancelled.",
    )
