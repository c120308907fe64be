"""Row rules: what quarantines a row, in one home, as SQL over the contract's columns.

A row that breaks a rule goes to ``raw_rejected`` with the reason of the first rule it breaks;
everything else of the delivery is accepted. Rules of single rows come first, then what needs more
than the row: an unknown person, a duplicate key, a manager cycle.

Choices that figures depend on:

- *Duplicate key within a delivery*: the first row (by file and row) that broke no other rule is
  kept. In a delivery of changes the last one is kept, since it is the state at the day's end.
- *Unknown person*: a person whom no people snapshot in force ever had. Judged only where people
  have been delivered at all; the rows stay in quarantine, and landing the delivery again
  (``landing.reland``) rescues them once the people have come.
- *Manager cycle* (A reports to B, B to A): every row of the cycle is quarantined, since none of
  them says who reports to whom and emptying ``manager_id`` would edit the source silently. This
  costs those few people of one snapshot, counted and warned of; refusing the snapshot would cost
  every joiner, mover and leaver of the day for a fault that no KPI reads. People above or below
  the cycle are kept. Someone who is their own manager is no cycle: that is how many HR systems
  write "nobody above".
- *Event in the future*: later than the day after the delivery date, in the organisation's time
  zone; the day of grace is for sources east of it.
- *Harmless text*: names that look like formulas, markup or templates are text and are accepted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from orchestration.feeds.contract import Feed
from orchestration.lake import identifier, quoted
from orchestration.settings import FeedName, FeedSettings, Settings

NAMING_A_PERSON: frozenset[FeedName] = frozenset(
    ("activity", "enrolments", "assessments", "certifications", "leader_actions", "records")
)
KNOWN_PEOPLE = "_landing_people"

LEADER_ACTION_KINDS = (
    "town_hall",
    "email",
    "manager_cascade",
    "budget_approval",
    "blocker_removed",
    "public_completion",
    "learning_referenced",
    "learner_recognised",
    "manager_forum_attended",
    "time_freed",
    "review_attended",
    "survey_run",
)
ENTRY_KINDS = ("decision", "action", "commitment")
"""What the decision and action log holds; anything else is quarantined."""

SUBJECTS = ("leader_action", "decision", "comment", "outcome")
"""What a record can be about; anything else is quarantined."""

CODES: dict[FeedName, dict[str, tuple[str, ...]]] = {
    "people": {
        "leader_level": ("elt", "senior", "manager", "none"),
        "employment_type": ("employee", "contractor"),
    },
    "enrolments": {
        "status": (
            "enrolled",
            "not_started",
            "in_progress",
            "completed",
            "failed",
            "cancelled",
            "withdrawn",
        )
    },
    "leader_actions": {"kind": LEADER_ACTION_KINDS},
    "business_outcomes": {"direction": ("up", "down")},
    "initiatives": {"kind": ("campaign", "launch", "competing_work", "outage", "process_change")},
    "decisions": {"source": ("person", "review", "warning", "plan")},
    "records": {
        "source": ("command", "link", "workbook", "review"),
        "direction": ("up", "down"),
    },
}
"""Known codes of coded columns; others are accepted and counted in the profile."""


@dataclass(frozen=True)
class RowRule:
    """One rule.

    Attributes:
        id: stable name, as in the profile's keys.
        reason: what ``raw_rejected`` and the manifest say.
        condition: SQL that is true for a row that breaks the rule; None where the rule is judged
            over the whole delivery.
    """

    id: str
    reason: str
    condition: str | None = None


DUPLICATE = RowRule("duplicate_key", "duplicate key")
MANAGER_CYCLE = RowRule("manager_cycle", "manager cycle")
ERASED = RowRule("erased_person", "erased person")
"""No fault of a delivery, and so in no share of rejected rows; see ``feeds.erased``."""
UNKNOWN_PERSON = RowRule(
    "unknown_person",
    "unknown person",
    f"person_id NOT IN (SELECT person_id FROM {KNOWN_PEOPLE})",
)


def _in(column: str, words: Iterable[str]) -> str:
    return f"lower(trim({column})) IN ({', '.join(map(quoted, words))})"


_DATES_IN_ORDER = (
    RowRule("due_before_asked", "due before it was asked", "due_on < asked_on"),
    RowRule("decided_before_asked", "decided before it was asked", "decided_on < asked_on"),
    RowRule("closed_before_asked", "closed before it was asked", "closed_on < asked_on"),
    RowRule("negative_amount", "negative amount", "amount < 0"),
)


def _needs(subject: str, *columns: str) -> RowRule:
    """A record of this subject says nothing without these columns."""
    lacking = " OR ".join(f"{identifier(column)} IS NULL" for column in columns)
    return RowRule(
        f"{subject}_incomplete",
        f"{subject.replace('_', ' ')} without {', '.join(columns[:-1])} or {columns[-1]}",
        f"{_in('subject', [subject])} AND ({lacking})",
    )


_STATED_OF_ENTRIES = (
    "title",
    "owner_person_id",
    "owner_role",
    "right_id",
    "due_on",
    "amount",
    "decided_on",
    "decided_by_person_id",
    "outcome",
    "closed_on",
    "if_not_taken",
)
_OWN: dict[FeedName, tuple[RowRule, ...]] = {
    "people": (
        RowRule("left_before_hired", "left before hired", "left_on < hired_on"),
        RowRule("leave_reversed", "leave ends before it begins", "leave_to < leave_from"),
    ),
    "courses": (RowRule("negative_duration", "negative duration", "duration_minutes < 0"),),
    "activity": (RowRule("negative_duration", "negative duration", "duration_seconds < 0"),),
    "enrolments": (
        RowRule(
            "completed_before_enrolled",
            "completed before enrolled",
            "completed_at < enrolled_at",
        ),
    ),
    "certifications": (
        RowRule("expires_before_issued", "expires before issued", "expires_at < issued_at"),
    ),
    "initiatives": (RowRule("ends_before_start", "ends before it starts", "ends_on < starts_on"),),
    "decisions": (
        RowRule("unknown_kind", "unknown kind", f"NOT {_in('kind', ENTRY_KINDS)}"),
        *_DATES_IN_ORDER,
    ),
    "records": (
        RowRule("unknown_subject", "unknown subject", f"NOT {_in('subject', SUBJECTS)}"),
        _needs("leader_action", "person_id", "kind", "happened_on"),
        _needs("comment", "kpi_id", "period_id", "text"),
        _needs("outcome", "org_unit_id", "metric", "period_start", "numerator"),
        RowRule(
            "decision_empty",
            "decision that opens nothing and changes nothing",
            f"{_in('subject', ['decision'])} AND "
            f"coalesce({', '.join(f'CAST({c} AS VARCHAR)' for c in _STATED_OF_ENTRIES)}) IS NULL",
        ),
        RowRule(
            "unknown_kind",
            "unknown kind",
            f"{_in('subject', ['decision'])} AND NOT {_in('kind', ENTRY_KINDS)}",
        ),
        RowRule(
            "unknown_period",
            "unknown period",
            "NOT regexp_full_match(period_id, "
            "'[0-9]{4}-(0[1-9]|1[0-2]|Q[1-4]|W(0[1-9]|[1-4][0-9]|5[0-3]))')",
        ),
        *_DATES_IN_ORDER,
    ),
}
_FUTURE = RowRule("future_event", "event in the future")


def too_long(longest: int, condition: str | None = None) -> RowRule:
    """The rule that no field may be longer than this many characters."""
    return RowRule("field_too_long", f"a field is longer than {longest} characters", condition)


def rule_ids(feed: Feed) -> list[str]:
    """Every rule a feed can break, whatever its declaration says: the profile names each."""
    own = [rule.id for rule in _OWN.get(feed.name, ())]
    future = [_FUTURE.id] if _timed(feed) else []
    person = [UNKNOWN_PERSON.id] if feed.name in NAMING_A_PERSON else []
    cycle = [MANAGER_CYCLE.id] if feed.name == "people" else []
    return [
        "required_missing",
        "field_too_long",
        *own,
        *future,
        "declared",
        *person,
        DUPLICATE.id,
        *cycle,
    ]


def row_rules(
    feed: Feed, declaration: FeedSettings, settings: Settings, day: date, judge_people: bool
) -> list[RowRule]:
    """The rules of one delivery, in the order in which they are tried.

    Args:
        day: the delivery date.
        judge_people: whether there is a table of known people to judge persons by.
    """
    longest = settings.landing.max_field_characters
    rules = [
        RowRule("required_missing", f"{c.name} is missing", f"{identifier(c.name)} IS NULL")
        for c in feed.columns
        if c.required
    ]
    texts = ", ".join(
        f"length({identifier(c.name)})" for c in feed.columns if c.sql_type == "VARCHAR"
    )
    rules.append(too_long(longest, f"greatest({texts}) > {longest}"))
    rules += _OWN.get(feed.name, ())
    limit = _first_moment(day + timedelta(days=2), settings)
    for name in _timed(feed):
        sql_type = feed.column(name).sql_type
        bound = (
            f"TIMESTAMPTZ {quoted(limit)}"
            if sql_type == "TIMESTAMPTZ"
            else f"DATE '{day + timedelta(days=2)}'"
        )
        rules.append(RowRule(_FUTURE.id, _FUTURE.reason, f"{identifier(name)} >= {bound}"))
    rules += [
        RowRule("declared", reason, f"({condition}\n)")
        for reason, condition in declaration.reject.items()
    ]
    if judge_people and feed.name in NAMING_A_PERSON:
        rules.append(UNKNOWN_PERSON)
    rules.append(DUPLICATE)
    if feed.name == "people":
        rules.append(MANAGER_CYCLE)
    rules.append(ERASED)
    return rules


def _timed(feed: Feed) -> tuple[str, ...]:
    """Columns that cannot lie in the future."""
    others: dict[FeedName, tuple[str, ...]] = {
        "enrolments": ("started_at", "completed_at"),
        "decisions": ("asked_on", "decided_on", "closed_on"),
        "records": ("happened_on", "asked_on", "decided_on", "closed_on"),
    }
    event = () if feed.event_time is None else (feed.event_time,)
    return (*event, *others.get(feed.name, ()))


def _first_moment(day: date, settings: Settings) -> str:
    """The first moment of a local day, in UTC."""
    local = datetime.combine(day, time(), tzinfo=settings.organisation.zone)
    return local.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S+00")


def manager_cycle(managers: Iterable[tuple[str, str]]) -> set[str]:
    """People who, followed from manager to manager, come back to themselves.

    Args:
        managers: (person_id, manager_id), one pair a person; someone who is their own manager, or
            whose manager is not among the persons, ends a chain.
    """
    manager = {person: boss for person, boss in managers if person != boss}
    settled: set[str] = set()
    cycles: set[str] = set()
    for start in manager:
        path: list[str] = []
        on_path: dict[str, int] = {}
        person = start
        while person in manager and person not in settled:
            if person in on_path:
                cycles.update(path[on_path[person] :])
                break
            on_path[person] = len(path)
            path.append(person)
            person = manager[person]
        settled.update(path)
    return cycles


def org_tree_fault(units: Iterable[tuple[str, str | None]]) -> tuple[str, list[str], str] | None:
    """What keeps (unit, parent) pairs from being one tree: the fault, the units, and the remedy."""
    parent = dict(units)
    roots = sorted(unit for unit, above in parent.items() if above is None)
    orphans = sorted(unit for unit, above in parent.items() if above and above not in parent)
    own = {unit for unit, above in parent.items() if unit == above}
    cycle = sorted(
        own | manager_cycle((u, above) for u, above in parent.items() if above is not None)
    )
    if cycle:
        return "the units report to each other in a circle", cycle, "correct one unit's parent"
    if orphans:
        return (
            "the parent of these units is not in the delivery",
            orphans,
            "send the parent units too, or correct the parent's id",
        )
    if len(roots) != 1:
        return (
            f"the units have {len(roots)} roots where one whole is needed",
            roots,
            "give every unit but the topmost a parent",
        )
    return None
