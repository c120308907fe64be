"""An independent look at a finished scorecard against the rows it was made from.

It shares no path with the builder but the words for a figure: every shown value is found again in
the published rows, and nothing that had to be withheld is shown or can be worked out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from itertools import takewhile

from orchestration.periods import Grain, Period
from orchestration.scorecard.basis import KPI_FEEDS
from orchestration.scorecard.marts import Marts, Row, latest_ended
from orchestration.scorecard.model import Figure, Kpi, LeaderPage, Scorecard, UnitRow
from orchestration.scorecard.suppression import remainders

_MOST_DECISIONS = 3
_HEADLINES = range(3, 6)
_TONES = {"improving": "good", "concerning": "bad"}
_Rows = dict[tuple[str, str, str], Row]
"""Employees' values by KPI, start of the period and unit."""


def inconsistencies(
    scorecard: Scorecard, marts: Marts, pages: Sequence[LeaderPage] = ()
) -> list[str]:
    """Everything that is wrong, one sentence each; holds no figure that had to be withheld."""
    rows = _rows(marts)
    return [
        *_headline(scorecard, marts),
        *_values(scorecard, marts, rows),
        *_withheld(scorecard),
        *_groups(scorecard, marts, rows),
        *_marks(scorecard, marts),
        *_log(scorecard, marts),
        *_leadership(scorecard, marts),
        *_goals(scorecard),
        *_pages(scorecard, marts, pages),
    ]


def _headline(scorecard: Scorecard, marts: Marts) -> Iterator[str]:
    wanted = sorted(
        (row for row in marts.kpi_catalogue if row["role"] == "headline"),
        key=lambda row: row["headline_order"] or 99,
    )
    if [kpi.kpi_id for kpi in scorecard.kpis] != [row["kpi_id"] for row in wanted]:
        yield "the headline KPIs are not the catalogue's, in its order"
    if len(scorecard.kpis) not in _HEADLINES:
        yield f"{len(scorecard.kpis)} headline KPIs; a scorecard has three to five"
    if len(scorecard.decisions) > _MOST_DECISIONS:
        yield f"{len(scorecard.decisions)} decisions are asked for; a review takes three"


def _values(scorecard: Scorecard, marts: Marts, rows: _Rows) -> Iterator[str]:
    precision = {row["kpi_id"]: int(row["precision"]) for row in marts.kpi_catalogue}
    root = scorecard.units[0].org_unit_id
    threshold = scorecard.privacy_threshold

    def differs(kpi_id: str, period: Period, unit: str, shown: Decimal | None) -> str | None:
        row = rows.get((kpi_id, period.start.isoformat(), unit))
        place = f"{kpi_id} of {unit} in {period.id}"
        if row is None or row["value"] is None:
            return f"{place}: shown, but there is no published value"
        if 0 < (row["people"] if row["people"] is not None else threshold) < threshold:
            return f"{place}: shown, but stands for too few people"
        step = Decimal(1).scaleb(-precision[kpi_id])
        if shown is None or shown.quantize(step) != row["value"].quantize(step):
            return f"{place}: shown as {shown}, published as {row['value']}"
        return None

    for kpi in (*scorecard.kpis, *scorecard.below):
        period = _period(kpi, scorecard)
        if kpi.now.state == "value":
            fault = differs(kpi.kpi_id, period, root, kpi.now.value)
            if fault:
                yield fault
        for point in kpi.series:
            if point.value is not None:
                fault = differs(kpi.kpi_id, Period.parse(point.period_id), root, point.value)
                if fault:
                    yield fault
        for other in kpi.beside:
            grain = period if _has(rows, other.kpi_id, period, root) else None
            if other.figure.state == "value" and grain is not None:
                fault = differs(other.kpi_id, grain, root, other.figure.value)
                if fault:
                    yield fault
        for unit in scorecard.units:
            figure = unit.figures.get(kpi.kpi_id)
            if figure is not None and figure.state == "value":
                fault = differs(kpi.kpi_id, period, unit.org_unit_id, figure.value)
                if fault:
                    yield fault


def _withheld(scorecard: Scorecard) -> Iterator[str]:
    """A withheld figure carries nothing, nor do the figures and marks beside it."""
    for kpi in (*scorecard.kpis, *scorecard.below):
        if kpi.now.state != "suppressed":
            continue
        beside = (kpi.numerator, kpi.denominator)
        if any(figure.state == "value" for figure in beside) or kpi.interval_text or kpi.limits:
            yield f"{kpi.kpi_id}: withheld, but what it is made of is shown"
        if kpi.mark.variation != "no_data" or kpi.mark.rules:
            yield f"{kpi.kpi_id}: withheld, but its mark tells of it"
    for unit in scorecard.units:
        for kpi_id in unit.signals:
            if unit.figures[kpi_id].state != "value":
                yield f"{kpi_id} of {unit.org_unit_id}: not shown, but its signal is"
    for place, figure in _figures(scorecard):
        if figure.state != "value" and figure.value is not None:
            yield f"{place}: carries a value although it is {figure.state}"


def _groups(scorecard: Scorecard, marts: Marts, rows: _Rows) -> Iterator[str]:
    """No small group can be worked out from the shown units (see ``suppression``)."""
    for kpi in scorecard.kpis:
        period = _period(kpi, scorecard)
        parents = {
            row["org_unit_id"]: row["parent_org_unit_id"]
            for row in marts.org_units
            if row["period_start"] == period.start
        } or {
            row["org_unit_id"]: row["parent_org_unit_id"]
            for row in marts.org_units
            if row["period_start"] == scorecard.period_start
        }
        shown = {
            unit.org_unit_id
            for unit in scorecard.units
            if unit.figures[kpi.kpi_id].state in ("value", "not_reached")
        }
        people = {}
        for unit in parents:
            row = rows.get((kpi.kpi_id, period.start.isoformat(), unit))
            people[unit] = int(row["people"] or 0) if row is not None else 0
        left = remainders(parents, people, frozenset(parents) - shown)
        for unit, count in left.items():
            if 0 < count < scorecard.privacy_threshold:
                yield f"{kpi.kpi_id}: a group of too few people in {unit} can be worked out"


def _marks(scorecard: Scorecard, marts: Marts) -> Iterator[str]:
    root = scorecard.units[0].org_unit_id
    signals = {
        (row["kpi_id"], row["period_start"]): row
        for row in [*marts.kpi_signals, *marts.coarser_signals]
        if row["org_unit_id"] == root and row["employment_line"] == "employee"
    }
    for kpi in (*scorecard.kpis, *scorecard.below):
        if kpi.mark.tone != _TONES.get(kpi.mark.variation, "neutral"):
            yield f"{kpi.kpi_id}: the tone of its mark says what the signal does not"
        row = signals.get((kpi.kpi_id, _period(kpi, scorecard).start))
        known = row["variation"] if row is not None else "too_few_points"
        if _is_behind(kpi, scorecard):
            known = "no_data"
        if kpi.now.state == "value" and kpi.mark.variation != known:
            yield f"{kpi.kpi_id}: marked {kpi.mark.variation}, the limits say {known}"


def _is_behind(kpi: Kpi, scorecard: Scorecard) -> bool:
    """Whether what the KPI counts in this period is not delivered to its end."""
    if _period(kpi, scorecard).id != scorecard.period_id:
        return False
    late = {
        each.feed for each in scorecard.feeds if each.verdict in ("stale", "missing", "refused")
    }
    late -= {"people", "courses"}
    return bool(late & {*KPI_FEEDS.get(kpi.kpi_id, late)})


def _log(scorecard: Scorecard, marts: Marts) -> Iterator[str]:
    """Every entry that is open stands on the page, and none stands there twice."""
    overdue = scorecard.stand_up.overdue if scorecard.stand_up else ()
    shown = [entry.entry_id for entry in (*scorecard.log, *overdue)]
    shown += [str(each.entry_id) for each in scorecard.candidates if each.asked_on is not None]
    agrees = {r["decision_id"] for r in marts.decision_rights if r["silence"] == "takes_effect"}
    for entry_id in sorted({each for each in shown if shown.count(each) > 1}):
        yield f"log entry {entry_id}: stands on the page twice"
    for row in marts.decision_log:
        if row["status"] == "overdue" and row["right_id"] in agrees:
            continue  # silence has settled it
        if row["status"] in ("open", "overdue") and str(row["entry_id"]) not in shown:
            yield f"log entry {row['entry_id']}: is open, but not on the page"


def _leadership(scorecard: Scorecard, marts: Marts) -> Iterator[str]:
    """No small group can be worked out from the leadership page's columns."""
    page = scorecard.leadership_page
    if page is None:
        return
    root = scorecard.units[0].org_unit_id
    parents = {
        str(row["org_unit_id"]): row["parent_org_unit_id"]
        for row in marts.org_units
        if row["period_start"] == scorecard.period_start
    }
    units = {unit.org_unit_id: unit for unit in page.units}

    def counted(index_id: str) -> dict[str, int]:
        return {
            str(row["org_unit_id"] or root): int(row["people"] or 0)
            for row in marts.leader_indices
            if row["subject"] == "unit" and row["index_id"] == index_id
        }

    executives: dict[str, int] = {}
    for row in marts.executives:
        at: str | None = str(row["org_unit_id"])
        while at is not None and row["employment_line"] == "employee":
            executives[at] = executives.get(at, 0) + 1
            at = parents.get(at)
    groups: list[tuple[str, dict[str, int], dict[str, Figure]]] = []
    for index_id in ("leaders_active", "leaders_flagship", "velocity_before", "velocity_after"):
        people = counted(index_id)
        if index_id == "leaders_flagship":  # the leadership line tells the ELT's part
            people = {unit: count - executives.get(unit, 0) for unit, count in people.items()}
        groups.append((index_id, people, {u: getattr(row, index_id) for u, row in units.items()}))
    for message in sorted({str(u.cascade_message) for u in page.units if u.cascade_message}):
        managers = {
            str(row["org_unit_id"] or root): int(row["managers"] or 0)
            for row in marts.message_cascade
            if row["message_id"] == message
        }
        told = {u: row.cascade for u, row in units.items() if row.cascade_message == message}
        groups.append((f"cascade of {message}", managers, told))
    for name, people, figures in groups:
        withheld = frozenset(
            unit for unit in parents if unit not in figures or figures[unit].state == "suppressed"
        )
        for unit, count in remainders(parents, people, withheld).items():
            # a velocity counts its people in two periods
            least = scorecard.privacy_threshold * (2 if name.startswith("velocity") else 1)
            if 0 < count < least:
                yield f"{name}: a group of too few people in {unit} can be worked out"


def _goals(scorecard: Scorecard) -> Iterator[str]:
    """A goal shows a unit's figures as the unit table does, and nothing of one withheld."""
    units = {unit.org_unit_id: unit for unit in scorecard.units}
    for goal in scorecard.strategy.goals if scorecard.strategy else ():
        unit = units.get(goal.org_unit_id)
        if unit is None or any(unit.figures.get(k) != f for k, f in goal.adoption.items()):
            yield f"goal of {goal.org_unit_id}: shows other figures than the unit table"
        parts = (goal.baseline, goal.outcome, goal.compared)
        if goal.change.state != "value" and any(part.state == "value" for part in parts):
            yield f"goal of {goal.org_unit_id}: withheld, but what it is made of is shown"
    for kpi in (*scorecard.kpis, *scorecard.below):
        judged = kpi.limits is not None and kpi.mark.variation == "ordinary"
        # a quarter's stock may go by its months
        by_months = scorecard.strategy is not None and kpi.mark.variation == "too_few_points"
        if kpi.forecast is not None and not (judged or by_months):
            yield f"{kpi.kpi_id}: has a forecast, but its process is not predictable"


def _pages(scorecard: Scorecard, marts: Marts, pages: Sequence[LeaderPage]) -> Iterator[str]:
    """A leader's page shows their own organisation and their own entries only."""
    units = {unit.org_unit_id: unit for unit in scorecard.units}
    own = {
        (str(row["owner_person_id"]), str(row["entry_id"]))
        for row in marts.decision_log
        if row["owner_person_id"] is not None
    }
    for number, page in enumerate(pages, start=1):
        place = f"leader page {number}"  # a person's id is no text for a log
        unit = units.get(page.org_unit_id)
        if unit is None or any(
            unit.figures.get(kpi.kpi_id, kpi.now) != kpi.now for kpi in page.kpis
        ):
            yield f"{place}: shows other figures than its unit's"
        led = {
            row["org_unit_id"]
            for row in marts.named_leaders
            if str(row["person_id"]) == page.person_id
        }
        if unit is not None and page.org_unit_id not in led and unit.depth:
            yield f"{place}: is of a unit that the leader does not lead"
        if any((page.person_id, entry.entry_id) not in own for entry in page.log):
            yield f"{place}: shows an entry of the log that waits for somebody else"
        below = _beneath(page.org_unit_id, scorecard)
        foreign = {u.name for u in scorecard.units} - {u.name for u in below}
        foreign -= {scorecard.units[0].name}
        if any(action.audience in foreign for action in page.actions):
            yield f"{place}: names another organisation"


def _beneath(unit: str, scorecard: Scorecard) -> list[UnitRow]:
    """The unit and those beneath it: in tree order they follow it and lie deeper."""
    ids = [row.org_unit_id for row in scorecard.units]
    if unit not in ids:
        return []
    first, *rest = scorecard.units[ids.index(unit) :]
    return [first, *takewhile(lambda row: row.depth > first.depth, rest)]


def _rows(marts: Marts) -> _Rows:
    return {
        (row["kpi_id"], row["period_start"].isoformat(), row["org_unit_id"]): row
        for row in [*marts.kpi_values, *marts.coarser_values]
        if row["employment_line"] == "employee"
    }


def _has(rows: _Rows, kpi_id: str, period: Period, unit: str) -> bool:
    return (kpi_id, period.start.isoformat(), unit) in rows


def _period(kpi: Kpi, scorecard: Scorecard) -> Period:
    """The period a KPI's figure is of, from its label."""
    own = Period.containing(Grain(scorecard.ritual.removesuffix("ly")), scorecard.period_start)
    if kpi.period_label == own.label:
        return own
    for grain in Grain:
        at = latest_ended(grain, own)
        for _ in range(60):
            if at.label == kpi.period_label:
                return at
            at = at.shift(-1)
    return own


def _figures(scorecard: Scorecard) -> Iterator[tuple[str, Figure]]:
    for kpi in (*scorecard.kpis, *scorecard.below):
        yield kpi.kpi_id, kpi.now
        yield f"{kpi.kpi_id} numerator", kpi.numerator
        yield f"{kpi.kpi_id} denominator", kpi.denominator
        yield f"{kpi.kpi_id} year to date", kpi.year_to_date
        yield f"{kpi.kpi_id} last year", kpi.same_period_last_year
        if kpi.forecast is not None:
            yield f"{kpi.kpi_id} forecast", kpi.forecast
        for other in kpi.beside:
            yield other.kpi_id, other.figure
    for unit in scorecard.units:
        yield f"headcount of {unit.org_unit_id}", unit.headcount
        for kpi_id, figure in unit.figures.items():
            yield f"{kpi_id} of {unit.org_unit_id}", figure
    for item in scorecard.leadership:
        yield item.kpi_id, item.figure
    for left_out in scorecard.exclusions:
        yield left_out.reason, left_out.people
    for leader in scorecard.leadership_page.units if scorecard.leadership_page else ():
        for name, value in leader:
            if isinstance(value, Figure):
                yield f"{name} of {leader.org_unit_id}", value
    for goal in scorecard.strategy.goals if scorecard.strategy else ():
        for name, value in goal:
            if isinstance(value, Figure):
                yield f"{name} of {goal.org_unit_id}", value
    for line in scorecard.contractors:
        yield f"{line.kpi_id} of contractors", line.figure
