"""Which decisions a review is asked for, and its one top risk: documented rules, no judgement.

At most three decisions, in this order (each needs a row of ``decision_rights`` that says who
decides and in how many days; without one nobody could, and nothing is asked):

1. scale, adjust or stop, for each unit whose 90-day plan has reached its last day;
2. protected working time for the first KPI of learning on the job (``PRACTICE``) that signals
   concern, in the topmost units that do;
3. a campaign for the largest unit whose voluntary active learners signal concern (the whole
   organisation only when no unit below it does);
4. decisions that are overdue, each one level up from who let it wait, the longest due first (they
   keep the log's own entry id: it is the same decision, with another owner);
5. a campaign for the first headline KPI that consistently misses its target, misses it now, and
   does not improve;
6. idle seats, when more than a fifth of the seats paid for are idle: the amount is their cost;
7. modules to decommission, the elective ones, then the mandatory ones;
8. a tighter target for the first headline KPI that consistently meets it, at a quarter's end.

One KPI asks once. What an earlier review asked is not asked again while it waits, nor for a
quarter of a year after it was settled. A figure that is suppressed, or that stands on a feed whose
data are stale, asks for nothing.

The top risk is the first that holds: a concerning headline KPI, a target missed now and always,
lapses that would take certification under its target (or a tenth of it, without a target) within
60 days, a feed that is behind.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from orchestration.periods import Grain, Period, is_working_day, nth_working_day
from orchestration.scorecard import wording
from orchestration.scorecard.basis import PeriodBasis
from orchestration.scorecard.governance import Governance
from orchestration.scorecard.marts import Row
from orchestration.scorecard.model import Annotation, Candidate, Decision, Kpi, UnitRow
from orchestration.settings import Settings

MOST_DECISIONS = 3
SETTLED_DAYS = 90
"""Days for which the answer to a decision stands before the same is asked again."""
MOST_NAMED = 4
"""Units or initiatives that one sentence names."""
IDLE_SHARE = Decimal(20)
"""Per cent of purchased seats that may be idle before a decision is asked for."""
LAPSING_SHARE = Decimal(10)
"""Per cent of valid certificates that may lapse in 60 days before it is a risk by itself."""

ELECTIVE_RIGHT, MANDATORY_RIGHT = "decommission_elective", "decommission_mandatory"
PRACTICE = ("on_time_completion_rate", "certification_rate", "time_to_competency")
"""KPIs that working time for learning can bring back, the most pressing first."""


@dataclass(frozen=True)
class Evidence:
    """What the rules look at: figures as shown (never a suppressed value), rights, holders.

    Attributes:
        log: rows of the published ``decision_log``.
        decommission: candidates to decommission that no earlier review asked for.
        closing: units whose plan has reached its last day undecided, in tree order; each asks for
            itself, since their plans start on different days.
    """

    period: Period
    kpis: tuple[Kpi, ...]
    below: tuple[Kpi, ...]
    units: tuple[UnitRow, ...]
    basis: PeriodBasis
    rights: tuple[Row, ...]
    governance: Governance
    settings: Settings
    annotations: tuple[Annotation, ...] = ()
    log: tuple[Row, ...] = ()
    decommission: tuple[Candidate, ...] = ()
    closing: tuple[str, ...] = ()

    def sound(self, kpi: Kpi) -> bool:
        """Whether a decision may stand on the KPI: it is shown and none of its feeds is behind."""
        return kpi.now.state == "value" and self.basis.sound(kpi.kpi_id)

    def asked_before(self, rule: str) -> bool:
        """Whether an earlier review asked the same and it waits still, or was settled lately."""
        return any(
            str(row["entry_id"]).partition("/")[2] == rule and self._stands(row)
            for row in self.log
            if not str(row["entry_id"]).startswith(f"{self.period.id}/")
        )

    def _stands(self, row: Row) -> bool:
        if row["status"] in ("open", "overdue"):
            return True
        settled_on = row["decided_on"] or row["closed_on"] or row.get("withdrawn_on")
        return settled_on is not None and (self.period.end - settled_on).days < SETTLED_DAYS

    def right(self, *ids: str, money: Decimal | None = None) -> Row | None:
        """The decision right of the first of these ids (or with it as stem) that covers the sum.

        Of several it is the one with the lowest limit.
        """
        rows = sorted(
            self.rights,
            key=lambda r: (r["amount_to"] is None, r["amount_to"] or 0, str(r["decision_id"])),
        )
        for wanted in ids:
            for row in rows:
                known = str(row["decision_id"])
                if known != wanted and not known.startswith(f"{wanted}_"):
                    continue
                low, high = row["amount_from"], row["amount_to"]
                if money is None or (
                    (low is None or low <= money) and (high is None or money <= high)
                ):
                    return row
        return None

    @property
    def whole(self) -> UnitRow:
        """The root unit."""
        return self.units[0]


def ask(evidence: Evidence) -> tuple[Decision, ...]:
    """The decisions asked of this review; none in a weekly digest."""
    if evidence.period.grain is Grain.WEEK:
        return ()
    pressing = _pressing(evidence)
    campaign = _concern_campaign(evidence)
    answered = {kpi.kpi_id for kpi in (pressing,) if kpi is not None}
    before = any(evidence.asked_before(f"campaign/{unit.org_unit_id}") for unit in evidence.units)
    answered |= {"active_learner_rate"} if campaign is not None or before else set()
    asked = [
        *_scale_adjust_stop(evidence),
        _protected_time(evidence, pressing) if pressing is not None else None,
        campaign,
        *_escalated(evidence),
        _missed_target_campaign(evidence, answered),
        _idle_seats(evidence),
        _decommission(evidence, mandatory=False),
        _decommission(evidence, mandatory=True),
        _tighter_target(evidence),
    ]
    return tuple(decision for decision in asked if decision is not None)[:MOST_DECISIONS]


def published_on(period: Period, settings: Settings) -> date:
    """The day on which the review of the period is published.

    For a week the set weekday after it, or the next working day; for a month or a quarter the
    n-th working day after its end.
    """
    if period.grain is Grain.WEEK:
        day = period.shift(1).start + timedelta(days=settings.review.weekly_weekday)
        return nth_working_day(day - timedelta(days=1), 1, settings.organisation)
    count = (
        settings.review.monthly_working_day
        if period.grain is Grain.MONTH
        else settings.review.quarterly_working_day
    )
    return nth_working_day(period.end, count, settings.organisation)


def first_asked_on(period: Period, settings: Settings) -> date:
    """The day on which what a period ends with is first published.

    A quarter ends with a month whose review asks for the same candidates, mostly days before.
    """
    published = published_on(period, settings)
    if period.grain is not Grain.QUARTER:
        return published
    month = published_on(Period.containing(Grain.MONTH, period.end), settings)
    return min(month, published)


def due_on(
    period: Period, days: int | None, settings: Settings, *, asked_on: date | None = None
) -> date:
    """Publication plus the right's calendar days, or the next working day.

    A right without a number of days ('quarterly') falls due with the next quarter's review.

    Args:
        asked_on: the day to count from, where it is not the period's own publication.
    """
    organisation = settings.organisation
    published = asked_on or published_on(period, settings)
    if days is None:
        quarter = Period.containing(Grain.QUARTER, published)
        return published_on(quarter, settings)
    due = published + timedelta(days=days)
    return due if is_working_day(due, organisation) else nth_working_day(due, 1, organisation)


def _decision(
    evidence: Evidence,
    right: Row,
    rule: str,
    unit: str,
    *,
    what: str,
    why: str,
    options: tuple[str, ...],
    if_not_taken: str,
    amount: str | None = None,
    due: date | None = None,
    covers: tuple[str, ...] = (),
) -> Decision | None:
    """A decision by right; None where an earlier review asked it and its answer stands."""
    if evidence.asked_before(rule):
        return None
    role = str(right["decides_role"])
    days = right["days"]
    late = (
        " If it is not taken by then, the proposal takes effect."
        if right["silence"] == "takes_effect"
        else " If it is not taken by then, it goes one level up."
        if right["silence"] == "escalates"
        else ""
    )
    return Decision(
        decision_id=f"{evidence.period.id}/{rule}",
        what=what,
        why=why,
        options=options,
        amount=amount,
        owner=evidence.governance.owner(role, unit),
        owner_role=wording.listed([wording.role_name(part.strip()) for part in role.split("|")]),
        due_on=due or due_on(evidence.period, _whole_days(days), evidence.settings),
        if_not_taken=f"{if_not_taken}{late}".strip(),
        right_id=str(right["decision_id"]),
        org_unit_id=None if unit == evidence.whole.org_unit_id else unit,
        owner_person_id=evidence.governance.owner_person(role, unit),
        owner_role_id=role,
        covers=covers,
    )


def _whole_days(days: object) -> int | None:
    try:
        return int(str(days))
    except ValueError:
        return None


def _scale_adjust_stop(evidence: Evidence) -> list[Decision | None]:
    right = evidence.right("scale_adjust_stop")
    if right is None:
        return []
    names = {unit.org_unit_id: unit.name for unit in evidence.units}
    return [
        _decision(
            evidence,
            right,
            f"scale-adjust-stop/{unit}",
            unit,
            what=f"Scale, adjust or stop the programme in {names.get(unit, unit)}",
            why="The 90-day plan of leader engagement has reached its last day.",
            options=(
                "Scale: take it to the next units, with the next commitments",
                "Adjust: go on with another plan, named here",
                "Stop, with a stated reason",
            ),
            if_not_taken="The programme runs on without a plan.",
        )
        for unit in evidence.closing
    ]


def _escalated(evidence: Evidence) -> list[Decision]:
    """Decisions past their due date, asked of who stands one level up."""
    rights = {str(row["decision_id"]): row for row in evidence.rights}
    known = {unit.org_unit_id for unit in evidence.units}
    late = [
        row
        for row in evidence.log
        if row["kind"] in ("decision", None)
        and row["status"] == "overdue"
        and row["first_due_on"]
        # who was asked one level up has until the later date; the log goes on calling it overdue
        and not (row["due_on"] and row["due_on"] >= evidence.period.end)
    ]
    found = []
    for row in sorted(late, key=lambda r: (r["first_due_on"], str(r["entry_id"]))):
        right = rights.get(str(row["right_id"]))
        role = str(row["owner_role"] or (right or {}).get("decides_role") or "")
        unit = str(row["org_unit_id"] or "")
        unit = unit if unit in known else evidence.whole.org_unit_id
        above = evidence.governance.above(role, unit, row["owner_person_id"])
        if right is None or right["silence"] == "takes_effect" or above is None:
            continue  # nobody could decide it, or silence has decided it, or it is at the top
        who = evidence.governance.person(row["owner_person_id"], role)
        money = None
        if row["amount"] is not None:
            currency = evidence.settings.organisation.currency
            money = wording.amount(row["amount"], "currency", 0, currency)
        found.append(
            Decision(
                decision_id=str(row["entry_id"]),
                what=str(row["title"] or right["decision"]),
                why=f"It was due on {wording.day(row['first_due_on'])} and has waited "
                f"{wording.days(int(row['waiting_days'] or 0))} for {who}.",
                options=("Decide it now", "Withdraw it, with a stated reason"),
                amount=money,
                owner=evidence.governance.owner(above, unit),
                owner_role=wording.role_name(above),
                due_on=due_on(evidence.period, _whole_days(right["days"]), evidence.settings),
                if_not_taken=str(row["if_not_taken"] or "It stays undecided."),
                right_id=str(right["decision_id"]),
                org_unit_id=None if unit == evidence.whole.org_unit_id else unit,
                owner_person_id=evidence.governance.owner_person(above, unit),
                owner_role_id=above,
            )
        )
    return found


def _decommission(evidence: Evidence, *, mandatory: bool) -> Decision | None:
    rights = {str(row["decision_id"]): row for row in evidence.rights}
    wanted = MANDATORY_RIGHT if mandatory else ELECTIVE_RIGHT
    rows = [each for each in evidence.decommission if each.right_id == wanted]
    right = rights.get(wanted)
    if right is None or not rows:
        return None
    titles = sorted(str(each.title) for each in rows)
    more = len(titles) - MOST_NAMED
    named = [*titles[:MOST_NAMED], *([wording.counted(more, "other")] if more > 0 else [])]
    kind = "mandatory" if mandatory else "elective"
    return _decision(
        evidence,
        right,
        f"decommission-{kind}",
        evidence.whole.org_unit_id,
        what=f"Decommission {wording.counted(len(rows), f'{kind} module')}: "
        f"{wording.listed(named)}",
        why="Unused or seldom completed; the evidence stands with each candidate.",
        options=(
            "Decommission all of them",
            "Keep some, each with an owner and a review date",
            "Keep all, with a stated reason",
        ),
        if_not_taken="They stay in the catalogue." if right["silence"] != "takes_effect" else "",
        due=rows[0].due_on,
        covers=tuple(str(each.entry_id) for each in rows),
    )


def _topmost(units: tuple[UnitRow, ...], kpi_id: str) -> list[UnitRow]:
    """The concerned units below the whole, without those beneath a concerned one."""
    found: list[UnitRow] = []
    inside: int | None = None  # depth of the concerned unit whose subtree is being passed
    for unit in units:  # in tree order
        if inside is not None and unit.depth > inside:
            continue
        concerned = unit.depth > 0 and unit.signals.get(kpi_id) == "concerning"
        inside = unit.depth if concerned else None
        if concerned:
            found.append(unit)
    return found


def _where(units: list[UnitRow], kpi_id: str) -> str:
    return wording.listed([f"{unit.name} ({unit.figures[kpi_id].text})" for unit in units])


def _pressing(evidence: Evidence) -> Kpi | None:
    if evidence.right("protect_learning_time") is None:
        return None
    concerning = {
        kpi.kpi_id: kpi
        for kpi in evidence.kpis
        if kpi.mark.variation == "concerning" and evidence.sound(kpi)
    }
    return next((concerning[kpi_id] for kpi_id in PRACTICE if kpi_id in concerning), None)


def _protected_time(evidence: Evidence, kpi: Kpi) -> Decision | None:
    right = evidence.right("protect_learning_time")
    if right is None:
        return None
    units = _topmost(evidence.units, kpi.kpi_id)[:MOST_NAMED]
    name = wording.lower_first(kpi.name)
    where = wording.listed([unit.name for unit in units]) or "the whole organisation"
    competing = [
        f"{note.title} (until {wording.day(note.ends_on)})" if note.ends_on else note.title
        for note in evidence.annotations
        if note.kind == "competing work"
        and (note.ends_on is None or note.ends_on > evidence.period.end)
    ][:MOST_NAMED]
    why = [kpi.finding]
    if units:
        why.append(f"Outside their own usual range: {_where(units, kpi.kpi_id)}.")
    if kpi.beside and kpi.beside[0].figure.state == "value":
        why.append(f"{kpi.beside[0].name}: {kpi.beside[0].figure.text}.")
    if competing:
        why.append(f"At the same time: {wording.listed(competing)}.")
    return _decision(
        evidence,
        right,
        f"protected-time/{kpi.kpi_id}",
        evidence.whole.org_unit_id,
        what=f"Protect working time in {where}, to restore {name}",
        why=" ".join(why),
        options=(
            "Protect hours in the weekly plan until the figure is back in its usual range",
            "Move competing work or the next launch to make room",
            "Change nothing and look again next month",
        ),
        amount="working time only",
        if_not_taken="The figure is left to recover by itself.",
    )


def _campaign(
    evidence: Evidence, rule: str, unit: UnitRow, kpi: Kpi, why: str, consequence: str
) -> Decision | None:
    right = evidence.right("fund_campaign_within_limit", "fund_campaign")
    if right is None:
        return None
    limit = right["amount_to"]
    up_to = None
    if limit is not None:
        text = wording.amount(limit, "currency", 0, evidence.settings.organisation.currency)
        up_to = f"up to {text}"
    where = "the whole organisation" if unit is evidence.whole else unit.name
    return _decision(
        evidence,
        right,
        rule,
        unit.org_unit_id,
        what=f"Fund a campaign for {wording.lower_first(kpi.name)} in {where}",
        why=why,
        options=(
            f"Fund the campaign, {up_to}" if up_to else "Fund the campaign",
            "Ask the unit's leaders for a plan without funding",
            "Wait for the next review",
        ),
        amount=up_to,
        if_not_taken=consequence,
    )


def _concern_campaign(evidence: Evidence) -> Decision | None:
    kpi = next((k for k in evidence.kpis if k.kpi_id == "active_learner_rate"), None)
    if kpi is None or not evidence.sound(kpi):
        return None
    concerned = [u for u in evidence.units if u.signals.get(kpi.kpi_id) == "concerning"]
    units = [u for u in concerned if u is not evidence.whole]
    if not units and kpi.mark.variation == "concerning":
        units = [evidence.whole]
    if not units:
        return None
    unit = max(units, key=lambda u: (u.headcount.value or Decimal(0), u.org_unit_id))
    figure = unit.figures[kpi.kpi_id]
    where = "" if unit is evidence.whole else f" in {unit.name}"
    why = (
        f"{kpi.name}{where}: {figure.text} in {kpi.period_label}, a change for the worse that "
        "chance would seldom give."
    )
    others = len(units) - 1
    if others:
        why += f" {wording.counted(others, 'other unit').capitalize()} "
        why += "signals the same." if others == 1 else "signal the same."
    return _campaign(
        evidence,
        f"campaign/{unit.org_unit_id}",
        unit,
        kpi,
        why,
        "The change stays unanswered until the next review.",
    )


def _missed(evidence: Evidence, answered: set[str]) -> Kpi | None:
    return next(
        (
            kpi
            for kpi in evidence.kpis
            if _misses(kpi)
            and kpi.mark.variation != "improving"
            and kpi.kpi_id not in answered
            and evidence.sound(kpi)
        ),
        None,
    )


def _misses(kpi: Kpi) -> bool:
    """Limits that cannot reach the target say little once the figure itself has reached it."""
    met = wording.meets_target(kpi.now.value, kpi.target.value, kpi.direction)
    return kpi.mark.assurance == "consistently_missed" and not met


def _missed_target_campaign(evidence: Evidence, answered: set[str]) -> Decision | None:
    kpi = _missed(evidence, answered)
    if kpi is None:
        return None
    return _campaign(
        evidence,
        f"target-missed/{kpi.kpi_id}",
        evidence.whole,
        kpi,
        f"{kpi.name} misses its target consistently: {kpi.now.text} in {kpi.period_label} against "
        f"{kpi.target.text}. As it runs now it cannot be expected to reach it.",
        "The target stays out of reach of the process as it runs now.",
    )


def _idle_seats(evidence: Evidence) -> Decision | None:
    use = next((k for k in evidence.below if k.kpi_id == "seat_use"), None)
    if use is None or not evidence.sound(use) or use.now.value is None:
        return None
    cost = next((b.figure for b in use.beside if b.kpi_id == "idle_seat_cost"), None)
    idle = 100 - use.now.value
    if cost is None or cost.value is None or cost.value <= 0 or idle <= IDLE_SHARE:
        return None
    right = evidence.right("release_idle_seats", "fund_campaign", money=cost.value)
    if right is None:
        return None
    share = wording.amount(idle, "percent", max(0, -int(idle.as_tuple().exponent)), "")
    return _decision(
        evidence,
        right,
        "idle-seats",
        evidence.whole.org_unit_id,
        what="Give back or reassign idle seats",
        why=f"{share} of the seats paid for were used by no employee counted here in "
        f"{use.period_label}; they cost {cost.text}. Contractors and people on leave may hold some "
        "of them.",
        options=(
            "Give the idle seats back at renewal",
            "Reassign them to units that wait for access",
            "Keep them, with a stated reason",
        ),
        amount=f"{cost.text} a quarter",
        if_not_taken=f"The idle seats go on costing about {cost.text} a quarter.",
    )


def _tighter_target(evidence: Evidence) -> Decision | None:
    period = evidence.period
    if period.end != Period.containing(Grain.QUARTER, period.end).end:
        return None  # targets are a quarterly decision
    for kpi in evidence.kpis:
        if kpi.mark.assurance != "consistently_met" or not evidence.sound(kpi):
            continue
        if kpi.kpi_id == "certification_rate" and _lapses(evidence):
            continue  # it is about to miss the target it has
        full = kpi.unit == "percent" and kpi.target.value is not None and kpi.target.value >= 100
        right = evidence.right("set_targets")
        if kpi.direction == "none" or full or right is None:
            continue
        verb = "Raise" if kpi.direction == "up" else "Tighten"
        name = wording.lower_first(kpi.name)
        return _decision(
            evidence,
            right,
            f"target-met/{kpi.kpi_id}",
            evidence.whole.org_unit_id,
            what=f"{verb} the target of {name}, now {kpi.target.text}",
            why=f"{kpi.name} meets its target consistently: {kpi.now.text} in "
            f"{kpi.period_label} against {kpi.target.text}.",
            options=(f"{verb} the target", "Keep the target"),
            if_not_taken="The target stays, and asks for nothing that is not reached already.",
        )
    return None


# ---------------------------------------------------------------- the top risk


def top_risk(evidence: Evidence) -> str | None:
    """The first risk that holds, in one sentence; None when none does."""
    for kpi in evidence.kpis:
        if kpi.mark.variation == "concerning":
            units = _topmost(evidence.units, kpi.kpi_id)[:MOST_NAMED]
            return (
                f"{kpi.finding} Outside their own usual range: {_where(units, kpi.kpi_id)}."
                if units
                else kpi.finding
            )
    for kpi in evidence.kpis:
        if _misses(kpi) and kpi.now.state == "value":
            return (
                f"{kpi.name} misses its target consistently: {kpi.now.text} in "
                f"{kpi.period_label} against {kpi.target.text}."
            )
    return _lapses(evidence) or _behind(evidence)


def _lapses(evidence: Evidence) -> str | None:
    kpi = next((k for k in evidence.kpis if k.kpi_id == "certification_rate"), None)
    if kpi is None or kpi.now.value is None:
        return None
    lapsing = next((b.figure for b in kpi.beside if b.kpi_id == "certifications_lapsing_60d"), None)
    valid, required = kpi.numerator.value, kpi.denominator.value
    if lapsing is None or not lapsing.value or not valid or not required:
        return None
    one = lapsing.value == 1
    what = f"{lapsing.text} {'certificate lapses' if one else 'certificates lapse'} within 60 days"
    after = 100 * (valid - lapsing.value) / required
    target = kpi.target.value
    if target is None:
        if 100 * lapsing.value / valid < LAPSING_SHARE:
            return None
        return f"{what}, of {kpi.numerator.text} that are valid."
    if kpi.now.value < target or after >= target:
        return None
    left = wording.amount(after, "percent", 1, "")
    return (
        f"{what}: unless renewed, {wording.lower_first(kpi.name)} goes from {kpi.now.text} to "
        f"{left}, below its target of {kpi.target.text}."
    )


def _behind(evidence: Evidence) -> str | None:
    note = evidence.basis.stale_note
    return f"Figures stand on incomplete data: {note}." if note else None
