"""Each named leader's own page: their actions, their unit's figures, what waits for them.

A page holds the leader's own organisation and nothing of another: figures of their own unit, their
own line of the leadership indices, their own entries of the log, and of a plan that is not their
unit's only the actions that are theirs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal

from orchestration.periods import Grain, nth_working_day
from orchestration.scorecard import leadership, log, plan, wording
from orchestration.scorecard.charter import Charter
from orchestration.scorecard.decisions import published_on
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.marts import Row
from orchestration.scorecard.model import (
    Figure,
    Kpi,
    LeaderAction,
    LeaderPage,
    LogEntry,
    PlanProgress,
    Scorecard,
    SheetKpi,
    Unit,
)

SENIORITY = ("executive_sponsor", "elt_member", "sponsor", "unit_head")
"""Roles of named leaders, the most senior first."""
_UNIT_ROLES = ("sponsor", "unit_head")
SPONSORS = ("executive_sponsor", "sponsor")
VISIBLE_WEEKS, COMMITMENTS = "sponsor_visible_weeks", "commitments_closed_on_time"
ELSEWHERE = "elsewhere"
NOT_ASKED = "not asked of this role"


def pages(figures: Figures, charter: Charter, card: Scorecard) -> tuple[LeaderPage, ...]:
    """One page for each named leader who is still active, by person id.

    Before a monthly review the owners of KPIs that signal have one, too, where they are no named
    leaders: it asks for their comment.

    Args:
        card: the scorecard of the same period; its comments are not asked for again.
    """
    roles: dict[str, list[Row]] = {}
    for row in figures.marts.named_leaders:
        if row["is_active"] and row["person_id"] is not None:
            roles.setdefault(str(row["person_id"]), []).append(row)
    found = {who: _page(figures, charter, card, who, rows) for who, rows in roles.items()}
    if figures.period.grain is Grain.MONTH:
        found |= {who: page for who, page in _owners(figures, card).items() if who not in found}
    return tuple(
        figures.governance.without_names(found[who]).model_copy(update={"name": found[who].name})
        for who in sorted(found)
    )


def _owners(figures: Figures, card: Scorecard) -> dict[str, LeaderPage]:
    """A page for each KPI owner whose comment is asked for; of their own line nothing is asked."""
    nothing = wording.no_data(None, NOT_ASKED)
    pages: dict[str, LeaderPage] = {}
    for catalogue in figures.of_role("headline"):
        for role in str(catalogue["owner_role"] or "").split("|"):
            person = figures.governance.owner_person(role.strip(), figures.root)
            asked = _comments_asked(figures, card, person) if person is not None else ()
            if person is None or not asked or person in pages:
                continue
            pages[person] = LeaderPage(
                person_id=person,
                manager_person_id=None,
                name=_name(figures, person),
                role=wording.role_name(role.strip()),
                org_unit_id=figures.root,
                unit=figures.names[figures.root],
                organisation=figures.settings.organisation.name,
                period_id=figures.period.id,
                period_label=figures.period.label,
                period_end=figures.period.end,
                data_as_of=figures.basis.data_as_of,
                stale_note=figures.basis.stale_note,
                visible_weeks=nothing,
                visible_target=wording.no_data(None, wording.NO_TARGET),
                flagship=nothing,
                commitments=nothing,
                commitments_target=wording.no_data(None, wording.NO_TARGET),
                decision_wait=nothing,
                attendance=nothing,
                actions=(),
                kpis=_kpis(figures, figures.root, person),
                plan=None,
                log=_log(figures, person),
                comments_asked=asked,
                reply_by=reply_by(figures),
            )
    return pages


def _page(
    figures: Figures, charter: Charter, card: Scorecard, person: str, rows: Sequence[Row]
) -> LeaderPage:
    senior = min(rows, key=lambda r: (_rank(str(r["role"])), figures.place(r["org_unit_id"])))
    unit = own_unit(figures, rows)
    roles = {str(row["role"]) for row in rows}
    sponsors, leads = bool(roles & {*SPONSORS}), bool(roles & {*SPONSORS, *_UNIT_ROLES})
    flagship = leader_index(figures, "leaders_flagship", person, unit)
    attended = leader_index(figures, leadership.ATTENDED, person, unit)
    name = _name(figures, person)
    return LeaderPage(
        person_id=person,
        manager_person_id=str(senior["manager_id"]) if senior["manager_id"] else None,
        name=name,
        # without a name the role has to tell: 'finance', not 'ELT'
        role=wording.role_name(str(senior["role"])) if name else figures.governance.role(person),
        org_unit_id=unit,
        unit=figures.names[unit],
        organisation=figures.settings.organisation.name,
        period_id=figures.period.id,
        period_label=figures.period.label,
        period_end=figures.period.end,
        data_as_of=figures.basis.data_as_of,
        stale_note=figures.basis.stale_note,
        visible_weeks=leadership.counted(leader_index(figures, "visible_weeks", person, unit))
        if sponsors
        else wording.no_data(None, NOT_ASKED),
        visible_target=_target(figures, charter, person, VISIBLE_WEEKS, "weeks")
        if sponsors
        else wording.no_data(None, wording.NO_TARGET),
        flagship=_flagship(flagship),
        commitments=leadership.counted(leader_index(figures, "commitments_on_time", person, unit)),
        commitments_target=_target(figures, charter, person, COMMITMENTS, "percent"),
        decision_wait=leadership.waited(
            leader_index(figures, "decision_wait_days", person, unit), figures.currency
        ),
        attendance=_attendance(attended),
        actions=_actions(figures, person, unit),
        kpis=_kpis(figures, unit, None if leads else person),
        plan=_plan(figures, person, unit),
        log=_log(figures, person),
        comments_asked=_comments_asked(figures, card, person),
        reply_by=reply_by(figures),
    )


def _name(figures: Figures, person: str) -> str | None:
    """A preview greets its leader; what their manager reads, too, names by the setting."""
    if figures.period.grain is Grain.MONTH:
        return figures.governance.full_name(person)
    return figures.governance.named(person)


def _target(figures: Figures, charter: Charter, person: str, kpi_id: str, unit: Unit) -> Figure:
    """The target agreed with a leader that is in force at the period's end."""
    target = charter.leader_target(person, kpi_id, figures.period.end)
    if target is None:
        return wording.no_data("no target set", wording.NO_TARGET)
    return wording.value_figure(target, unit, 0, figures.currency)


def own_unit(figures: Figures, rows: Sequence[Row]) -> str:
    """The unit that a leader's page is of: the topmost they lead or sponsor, else the whole."""
    whole = any(row["role"] == "executive_sponsor" for row in rows)
    led = [figures.unit_of_row(row) for row in rows if row["role"] in _UNIT_ROLES]
    known = [unit for unit in led if unit in figures.units]
    if whole or not known:
        return figures.root
    return min(known, key=lambda unit: (figures.depth(unit), figures.place(unit)))


def leader_index(figures: Figures, index_id: str, person: str, unit: str) -> Row | None:
    """A leader's own line of an index: of their page's unit, else of the first they have."""
    row = leadership.index(figures, index_id, unit, person)
    if row is not None:
        return row
    others = (figures.indices.get((index_id, each, person)) for each in figures.order)
    return next((other for other in others if other is not None), None)


def reply_by(figures: Figures) -> date | None:
    """The last working day before publication; none in a weekly digest."""
    if figures.period.grain is Grain.WEEK:
        return None
    published = published_on(figures.period, figures.settings)
    return nth_working_day(published, -1, figures.settings.organisation)


def _rank(role: str) -> int:
    return SENIORITY.index(role) if role in SENIORITY else len(SENIORITY)


def _flagship(row: Row | None) -> Figure:
    if row is None or not row["denominator"]:
        return wording.no_data(None, wording.NO_RECORD)
    if row["numerator"]:
        return Figure(state="value", value=Decimal(1), text="completed")
    return Figure(state="value", value=Decimal(0), text="no record of completion")


def _attendance(row: Row | None) -> Figure:
    if row is None or row["value"] is None:
        return wording.no_data(None, wording.NO_RECORD)
    reviews = "review" if row["value"] == 1 else "reviews"
    shown = wording.plain_figure(row["value"])
    return Figure(state="value", value=shown.value, text=f"{shown.text} {reviews}")


def _actions(figures: Figures, person: str, unit: str) -> tuple[LeaderAction, ...]:
    own = figures.beneath(unit)
    rows: dict[str, Row] = {}
    for row in figures.marts.leader_actions:  # one a unit that they lead: the page's own goes first
        mine = figures.unit_of_row(row) == unit
        if str(row["person_id"]) == person and (mine or str(row["action_id"]) not in rows):
            rows[str(row["action_id"])] = row
    found = []
    for row in sorted(rows.values(), key=lambda r: (r["happened_on"], str(r["action_id"]))):
        audience = row["audience_org_unit_id"]
        if audience in (None, ""):
            where = "no audience recorded"
        elif audience == "*" or audience == figures.root:
            where = "the whole organisation"
        else:
            where = figures.names[audience] if audience in own & set(figures.names) else ELSEWHERE
        found.append(
            LeaderAction(
                happened_on=row["happened_on"],
                what=wording.action_title(str(row["kind"])),
                audience=where,
                counts=bool(row["reaches_unit"]) and row["visibility"] in leadership.VISIBLE,
            )
        )
    return tuple(found)


def _kpis(figures: Figures, unit: str, owner: str | None = None) -> tuple[SheetKpi, ...]:
    """The unit's headline KPIs; with ``owner`` only those that this person owns."""
    found = []
    for catalogue in figures.of_role("headline"):
        if owner is not None and owner not in _owners_of(figures, catalogue):
            continue
        reading = figures.reading(catalogue, unit)
        now = figures.shown(reading)
        found.append(
            SheetKpi(
                kpi_id=str(catalogue["kpi_id"]),
                name=str(catalogue["name"]),
                period_label=reading.period.label,
                now=now,
                target=figures.target(catalogue, reading.value),
                mark=figures.mark(reading, now),
            )
        )
    return tuple(found)


def _plan(figures: Figures, person: str, unit: str) -> PlanProgress | None:
    """The plan of the leader's unit; else, of the next plan above, their own actions only."""
    plans = plan.plans(figures)
    if unit in plans:
        return plan.progress(figures, unit, plans[unit])
    at = figures.tree.get(unit)
    seen = {unit}
    while at is not None and at not in seen:
        seen.add(at)
        own = [row for row in plans.get(at, []) if _is_theirs(row, figures, person, at)]
        if own:
            return plan.progress(figures, at, own, whole_plan=False)
        at = figures.tree.get(at)
    return None


def _is_theirs(row: Row, figures: Figures, person: str, unit: str) -> bool:
    """Whether an action of a plan is a leader's: of several holders of a role it is each one's."""
    if row["owner_person_id"] is not None:
        return str(row["owner_person_id"]) == person
    return figures.governance.holds(person, str(row["owner_role"] or ""), unit)


def _log(figures: Figures, person: str) -> tuple[LogEntry, ...]:
    rows = [
        row
        for row in figures.marts.decision_log
        if row["status"] in log.OPEN and str(row["owner_person_id"]) == person
    ]
    rows.sort(key=lambda r: (str(r["asked_on"] or ""), str(r["entry_id"])))
    return tuple(log.entry(row, figures) for row in rows)


def _comments_asked(figures: Figures, card: Scorecard, person: str) -> tuple[str, ...]:
    """Headline KPIs that signal, that this leader owns, and that have no comment yet."""
    asked = []
    for kpi in card.kpis:
        owners = _owners_of(figures, figures.catalogue[kpi.kpi_id])
        signals = kpi.mark.variation in ("improving", "concerning")
        if signals and kpi.comment is None and person in owners:
            asked.append(_asked(kpi, figures))
    return tuple(asked)


def _owners_of(figures: Figures, catalogue: Row) -> set[str | None]:
    roles = str(catalogue["owner_role"] or "").split("|")
    return {figures.governance.owner_person(role.strip(), figures.root) for role in roles}


def _asked(kpi: Kpi, figures: Figures) -> str:
    """What an owner is asked to comment on: value, direction, usual range and target."""
    target = f", target {kpi.target.text}" if kpi.target.value is not None else ""
    how = wording.against_range(
        [point.value for point in kpi.charted],
        kpi.limits,
        variation=kpi.mark.variation,
        unit=kpi.unit,
        precision=int(figures.catalogue[kpi.kpi_id]["precision"]),
        currency=figures.currency,
    )
    return f"{kpi.name}: {kpi.now.text} in {kpi.period_label}, {how}{target}"
