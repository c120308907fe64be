"""What a review may stop, and where it may help: courses to decommission, units for a campaign.

A unit is a campaign candidate where its voluntary active learners are worse than its own usual
range, or where they miss their target and the unit's limits say that they cannot be expected to
reach it. A low figure alone makes none. The topmost such unit stands for those beneath it, and one
that a decision is asked for already is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from orchestration.scorecard import wording
from orchestration.scorecard.charter import Charter
from orchestration.scorecard.decisions import due_on
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.marts import Row
from orchestration.scorecard.model import Candidate, Decision, Kpi

CAMPAIGN_KPI = "active_learner_rate"
CAMPAIGN_RIGHTS = ("fund_campaign_within_limit", "fund_campaign")


def candidates(
    figures: Figures, charter: Charter, decisions: Sequence[Decision], kpis: Sequence[Kpi]
) -> tuple[Candidate, ...]:
    """Courses to decommission (mandatory ones last, by title), then campaigns in tree order."""
    return (*_decommission(figures, charter), *_campaigns(figures, decisions, kpis))


def _decommission(figures: Figures, charter: Charter) -> Iterator[Candidate]:
    rights = {str(row["decision_id"]): row for row in figures.marts.decision_rights}
    rows = sorted(
        figures.marts.decommission_candidates,
        key=lambda r: (bool(r["is_mandatory"]), str(r["title"] or ""), str(r["course_id"])),
    )
    for row in rows:
        right = rights.get(str(row["right_id"]))
        if right is None:
            continue  # nobody could decide it
        kind = "mandatory module" if row["is_mandatory"] else "elective module"
        due = due_on(figures.period, right["days"], figures.settings)
        yield Candidate(
            kind="decommission",
            what=f"{row['title'] or row['course_id']} ({kind})",
            evidence=tuple(_evidence(row, figures, charter)),
            owner=figures.governance.owner(str(right["decides_role"]), figures.root),
            due_on=due,
            silence={
                "takes_effect": f"No answer by {wording.day(due)} retires it.",
                "never": "It is never retired by silence; no answer goes one level up.",
            }.get(str(right["silence"]), "No answer goes one level up."),
        )


def _evidence(row: Row, figures: Figures, charter: Charter) -> Iterator[str]:
    """The evidence in sentences; no count of fewer people than the privacy threshold."""
    least, on = figures.threshold, figures.period.end
    for reason in str(row["reasons"] or "").split("|"):
        if reason == "unused":
            after = charter.rule("unused_after_days", on)
            since = f" in the last {wording.plain_number(after)} days" if after else ""
            active = int(row["active_people"] or 0)
            if active == 0:
                yield f"Unused: nobody learned in it{since}."
            elif active < least:
                yield f"Hardly used: too few people to show learned in it{since}."
            else:
                yield f"Hardly used: {active:,} people learned in it{since}."
        elif reason == "failing":
            ended, completed = int(row["ended_12m"] or 0), int(row["completed_12m"] or 0)
            if ended < least:
                yield "Failing: few of those who take it complete it."
            else:
                share = wording.amount(Decimal(100 * completed) / ended, "percent", 0, "")
                yield (
                    f"Failing: {share} of the {ended:,} enrolments that ended in the last 12 "
                    "months were completed."
                )
        elif reason == "past_review" and row["review_due_on"] is not None:
            yield f"Past its review: it was due on {wording.day(row['review_due_on'])}."


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
            silence="No answer starts no campaign; it goes one level up.",
        )
