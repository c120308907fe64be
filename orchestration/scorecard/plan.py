"""Where the 90-day leader engagement plans stand: day N of 90, what is done, what is late."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from decimal import Decimal

from orchestration.periods import Grain, Period
from orchestration.scorecard import wording
from orchestration.scorecard.figures import Figures, Reading
from orchestration.scorecard.marts import VOLUNTARY, Row
from orchestration.scorecard.model import Figure, PlanItem, PlanProgress

PLAN_DAYS = 90
HELD_ON = (180, 120)
"""Days after the launch at which a page looks back at day 90, the later first."""
CLOSING_RIGHT = "scale_adjust_stop"
"""The decision right of the plan's last day."""
_HOLD = "hold"
_EVIDENCE = {
    "governance_roles": "Governance roles",
    "calendar": "Calendar",
    "confirmation": "Managers' confirmations",
    "decision_log": "Decision log",
    "completion": "Course completion",
    "leader_targets": "Leader targets",
    "message": "Message registry",
    "feedback": "Survey",
    "figures": "Figures",
}


def plans(figures: Figures) -> dict[str, list[Row]]:
    """Rows of each unit's plan that has started, units in tree order, rows in the plan's."""
    found: dict[str, list[Row]] = {}
    for row in figures.marts.leader_plan:
        if row["launch_on"] is not None and row["launch_on"] <= figures.period.end:
            found.setdefault(figures.unit_of_row(row), []).append(row)
    known = [unit for unit in figures.order if unit in found]
    return {
        unit: sorted(found[unit], key=lambda r: (r["plan_day"], str(r["action"])))
        for unit in [*known, *sorted(set(found) - set(known))]
    }


def progress(
    figures: Figures, unit: str, rows: Sequence[Row], *, whole_plan: bool = True
) -> PlanProgress:
    """One unit's plan.

    Args:
        whole_plan: False for a page that shows only one leader's actions of the plan: it says
            nothing of the programme's closing decision and of whether adoption held.
    """
    launch_on = rows[0]["launch_on"]
    day = int(rows[0]["day_now"])
    counted = [row for row in rows if row["phase"] != _HOLD]
    due = [row for row in counted if row["due_on"] <= figures.period.end]
    done = sum(row["status"] == "done" for row in due)
    return PlanProgress(
        unit=figures.names.get(unit, unit),
        leader=figures.governance.owner("sponsor", unit),
        launch_on=launch_on,
        day=day,
        on_track=_share(done, len(due), figures),
        done=done,
        due_by_now=len(due),
        items=tuple(_item(row, figures) for row in counted),
        asks_for=_asks_for(figures, unit, counted, day) if whole_plan else None,
        held=held(figures, unit, launch_on) if whole_plan else None,
    )


def overdue(rows: Sequence[Row]) -> list[Row]:
    """The plan's actions that are overdue, the earliest due first."""
    return sorted(
        (row for row in rows if row["status"] == "overdue" and row["phase"] != _HOLD),
        key=lambda r: (r["due_on"], r["plan_day"], str(r["action"])),
    )


def awaits_closing(rows: Sequence[Row]) -> bool:
    """Whether the plan has reached its last day and what follows it is not decided."""
    last = [r for r in rows if CLOSING_RIGHT in str(r["evidence"] or "").split("|")]
    return rows[0]["day_now"] >= PLAN_DAYS and not any(row["status"] == "done" for row in last)


def held(figures: Figures, unit: str, launch_on: date) -> str | None:
    """Whether adoption held after the plan, in one sentence; None before day 120.

    The voluntary active learners of the last period that had ended by day 120 (or 180) against
    those of the last one that had ended by day 90; in words only as far as the limits go.
    """
    day = next((d for d in HELD_ON if launch_on + timedelta(days=d) <= figures.period.end), None)
    catalogue = figures.catalogue.get(VOLUNTARY)
    if day is None or catalogue is None or unit not in figures.units:
        return None
    before = _ended_by(figures.period.grain, launch_on + timedelta(days=PLAN_DAYS))
    after = _ended_by(figures.period.grain, launch_on + timedelta(days=day))
    then, now = (figures.of(catalogue, period, unit) for period in (before, after))
    shown = [figures.shown(reading) for reading in (then, now)]
    if before == after or any(figure.state != "value" for figure in shown):
        return None
    return (
        f"Day {day}: {wording.lower_first(str(catalogue['name']))} {shown[1].text} in "
        f"{after.label}, {shown[0].text} in {before.label} as the plan ended; "
        f"{_verdict(now)}."
    )


def _verdict(reading: Reading) -> str:
    variation = reading.signal["variation"] if reading.signal is not None else "too_few_points"
    return {
        "ordinary": "no clear change since, adoption held",
        "improving": "better than its usual range, adoption held",
        "concerning": "worse than its usual range, adoption did not hold",
    }.get(str(variation), "too early to judge whether adoption held")


def _ended_by(grain: Grain, day: date) -> Period:
    last = Period.containing(grain, day)
    return last if last.end <= day else last.shift(-1)


def _asks_for(figures: Figures, unit: str, rows: Sequence[Row], day: int) -> str | None:
    if day < PLAN_DAYS:
        return None
    right = next(
        (r for r in figures.marts.decision_rights if r["decision_id"] == CLOSING_RIGHT), None
    )
    if right is None or not awaits_closing(rows):
        return None
    who = figures.governance.owner(str(right["decides_role"]), unit)
    return f"Day {PLAN_DAYS} is reached: scale, adjust or stop is for {who} to decide."


def closing(figures: Figures) -> tuple[str, ...]:
    """The units whose closing decision is asked for, in tree order.

    A unit that was launched on one day with a unit above it has that one's decision.
    """
    found = {unit: rows for unit, rows in plans(figures).items() if awaits_closing(rows)}
    launches = {unit: rows[0]["launch_on"] for unit, rows in found.items()}
    return tuple(
        unit
        for unit in found
        if not any(
            launches[unit] == launches[above]
            for above in found
            if above != unit and unit in figures.beneath(above)
        )
    )


def _share(done: int, due: int, figures: Figures) -> Figure:
    if not due:
        return wording.no_data("nothing is due yet")
    return wording.value_figure(Decimal(100 * done) / due, "percent", 0, figures.currency)


def _item(row: Row, figures: Figures) -> PlanItem:
    return PlanItem(
        day=int(row["plan_day"]),
        due_on=row["due_on"],
        phase=str(row["phase"]).replace("_", " "),
        action=str(row["action"]),
        owner=figures.governance.person(row["owner_person_id"], row["owner_role"]),
        status=row["status"],
        evidence=_evidence(row) if row["status"] == "done" else None,
    )


def _evidence(row: Row) -> str | None:
    kind = str(row["evidence_kind"] or "")
    if kind == "leader_action":
        what = wording.action_title(str(row["evidence"] or "").split("|")[0])
    else:
        what = _EVIDENCE.get(kind, kind.replace("_", " "))
    on = row["evidence_on"]
    return ", ".join(part for part in (what, wording.day(on) if on else "") if part) or None
