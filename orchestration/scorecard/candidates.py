"""What a review may stop, and where it may help: courses to decommission, units for a campaign.

A unit is a campaign candidate where its voluntary active learners are worse than its own usual
range, or where they miss their target and the unit's limits say that they cannot be expected to
reach it. A low figure alone makes none. The topmost such unit stands for those beneath it, and one
that a decision is asked for already is left out.

A course that is only past its review is not proposed to be retired, but to be reviewed by its
owner. What is asked for enters the decision log with its first publication, and keeps that date.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from decimal import Decimal

from orchestration.scorecard import log, wording
from orchestration.scorecard.charter import Charter
from orchestration.scorecard.decisions import due_on, first_asked_on
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.marts import Row
from orchestration.scorecard.model import Candidate, Decision, Kpi

CAMPAIGN_KPI = "active_learner_rate"
PAST_REVIEW = "past_review"
_STANDS_ON = {"unused": "activity", "failing": "enrolments"}
"""The feed by which a course is a candidate; while that is behind, silence must retire nothing."""
COURSE_OWNER = "course_owner"
CAMPAIGN_RIGHTS = ("fund_campaign_within_limit", "fund_campaign")


def decommission(figures: Figures, charter: Charter) -> tuple[Candidate, ...]:
    """Courses to decommission or to review (mandatory ones last, by title).

    None is new while the data that speak against it are behind. A course that the log has already
    keeps the log's due date; one whose entry is settled, by an
    answer or by silence, is a candidate no longer.
    """
    return tuple(_decommission(figures, charter))


def not_asked_yet(found: Sequence[Candidate]) -> tuple[Candidate, ...]:
    """The courses to decommission that no earlier publication asked for."""
    return tuple(each for each in found if each.asked_on is None and each.right_id is not None)


def _decommission(figures: Figures, charter: Charter) -> Iterator[Candidate]:
    rights = {str(row["decision_id"]): row for row in figures.marts.decision_rights}
    known = {str(row["entry_id"]): row for row in figures.marts.decision_log}
    rows = sorted(
        figures.marts.decommission_candidates,
        key=lambda r: (bool(r["is_mandatory"]), str(r["title"] or ""), str(r["course_id"])),
    )
    for row in rows:
        right = rights.get(str(row["right_id"]))
        if right is None:
            continue  # nobody could decide it
        found = _new(row, right, figures, charter)
        entry = known.get(str(found.entry_id))
        if entry is None:
            reasons = str(row["reasons"] or "").split("|")
            if not any(_STANDS_ON.get(reason) in figures.basis.behind for reason in reasons):
                yield found
        elif entry["status"] in log.OPEN:
            yield _waiting(found, entry, right, figures)


def _new(row: Row, right: Row, figures: Figures, charter: Charter) -> Candidate:
    title = str(row["title"] or row["course_id"])
    kind = "mandatory module" if row["is_mandatory"] else "elective module"
    asked_on = first_asked_on(figures.period, figures.settings)
    due = due_on(figures.period, right["days"], figures.settings, asked_on=asked_on)
    evidence = tuple(_evidence(row, figures, charter))
    if str(row["reasons"] or "") == PAST_REVIEW:
        owner = row["owner_person_id"]
        return Candidate(
            kind="decommission",
            what=f"Review of {title} ({kind})",
            title=f"Review the course {title}",
            evidence=evidence,
            owner=figures.governance.person(owner, COURSE_OWNER),
            due_on=due,
            silence="It is not retired; the review stays overdue.",
            entry_id=f"review/{row['course_id']}",
            owner_person_id=owner,
            owner_role_id=COURSE_OWNER,
        )
    role = str(right["decides_role"])
    return Candidate(
        kind="decommission",
        what=f"{title} ({kind})",
        title=title,
        evidence=evidence,
        owner=figures.governance.owner(role, figures.root),
        due_on=due,
        silence=_silence(right, due),
        entry_id=f"decommission/{row['course_id']}",
        right_id=str(right["decision_id"]),
        owner_person_id=figures.governance.owner_person(role, figures.root),
        owner_role_id=role,
    )


def _silence(right: Row, due: date) -> str:
    return {
        "takes_effect": f"No answer by {wording.day(due)} retires it.",
        "never": "It is never retired by silence; no answer goes one level up.",
    }.get(str(right["silence"]), "No answer goes one level up.")


def _waiting(found: Candidate, row: Row, right: Row, figures: Figures) -> Candidate:
    """A candidate as the log has it; past its date it is for who stands one level up."""
    entry = log.entry(row, figures)
    due = row["due_on"] or entry.due_on or found.due_on
    silence = found.silence if found.right_id is None else _silence(right, due)
    owner = entry.owner
    role = str(row["owner_role"] or found.owner_role_id or "")
    if found.right_id is not None and due < figures.period.end:
        above = figures.governance.above(role, figures.root, row["owner_person_id"])
        if above is not None:
            owner = figures.governance.owner(above, figures.root)
            silence = f"It was not answered in time and goes one level up, to {owner}."
    return found.model_copy(
        update={
            "owner": owner,
            "due_on": due,
            "silence": silence,
            "asked_on": entry.asked_on,
            "status_text": log.age(entry),
        }
    )


def _evidence(row: Row, figures: Figures, charter: Charter) -> Iterator[str]:
    """Use, completion, then a review that is overdue.

    No count of fewer people than the privacy threshold.
    """
    least, reasons = figures.threshold, str(row["reasons"] or "").split("|")
    after = charter.rule("unused_after_days", figures.period.end)
    since = f" in the last {wording.plain_number(after)} days" if after else ""
    active = int(row["active_people"] or 0)
    if active == 0:
        yield f"Unused: nobody learned in it{since}."
    elif active < least:
        yield f"Used by too few people to show{since}."
    else:
        yield f"Used: {active:,} people learned in it{since}."
    ended, completed = int(row["ended_12m"] or 0), int(row["completed_12m"] or 0)
    failing = "Failing: " if "failing" in reasons else ""
    if ended == 0:
        yield "No enrolment in it ended in the last 12 months."
    elif ended < least:
        few = "few of those who take it complete it." if failing else ""
        yield f"{failing}{few or 'Completion: too few enrolments ended in 12 months to show.'}"
    else:
        share = wording.amount(Decimal(100 * completed) / ended, "percent", 0, "")
        lead = failing or "Completion: "
        yield (
            f"{lead}{share} of the {ended:,} enrolments that ended in the last 12 months were "
            "completed."
        )
    if PAST_REVIEW in reasons and row["review_due_on"] is not None:
        yield f"Past its review: it was due on {wording.day(row['review_due_on'])}."


def campaigns(
    figures: Figures, decisions: Sequence[Decision], kpis: Sequence[Kpi]
) -> tuple[Candidate, ...]:
    """Units for a campaign, in tree order."""
    return tuple(_campaigns(figures, decisions, kpis))


def _campaigns(
    figures: Figures, decisions: Sequence[Decision], kpis: Sequence[Kpi]
) -> Iterator[Candidate]:
    catalogue = figures.catalogue.get(CAMPAIGN_KPI)
    rights = {str(row["decision_id"]): row for row in figures.marts.decision_rights}
    right = next((rights[name] for name in CAMPAIGN_RIGHTS if name in rights), None)
    whole = next((kpi for kpi in kpis if kpi.kpi_id == CAMPAIGN_KPI), None)
    if catalogue is None or right is None or whole is None or not figures.basis.sound(CAMPAIGN_KPI):
        return
    asked = {d.org_unit_id for d in decisions if "/campaign/" in d.decision_id}
    grounds: dict[str, tuple[str, ...]] = {}
    for unit in figures.order:
        if unit == figures.root:
            continue
        reading = figures.reading(catalogue, unit)
        now = figures.shown(reading)
        if now.state != "value" or reading.signal is None:
            continue
        said = f"{catalogue['name']}: {now.text} in {reading.period.label}"
        if reading.signal["variation"] == "concerning":
            grounds[unit] = (f"{said}, worse than the unit's own usual range.",)
        elif (
            reading.signal["assurance"] == "consistently_missed"
            and reading.signal["variation"] != "improving"
        ):
            target = figures.target(catalogue, reading.value)
            met = wording.meets_target(now.value, target.value, catalogue["direction"])
            if met is False:
                grounds[unit] = (
                    f"{said}, against a target of {target.text}.",
                    "As the unit runs now its limits do not reach the target.",
                )
    due = due_on(figures.period, right["days"], figures.settings)
    for unit in figures.topmost(grounds):
        if unit in asked:
            continue
        yield Candidate(
            kind="campaign",
            what=f"A campaign for {wording.lower_first(str(catalogue['name']))} in "
            f"{figures.names[unit]}",
            evidence=grounds[unit],
            owner=figures.governance.owner(str(right["decides_role"]), unit),
            due_on=due,
            silence="No answer starts no campaign.",
        )
