"""What the quarterly strategy sync adds: goals against outcomes, what moved and why, targets.

The effect is worded as a contribution, with one word of confidence:

strong: the outcome improved by more than it varied before launch, and by more than that, too, than
    in the units that have not started yet; and so it had in the quarter before: one quarter is no
    evidence of more than itself;
some: it improved by more than it varied before launch, and by more than in the units not started
    (or none can be compared with, and two quarters improved);
weak: it improved, but no more than it varied before launch, or no more than where nothing started,
    or in one quarter only and with nothing to compare with;
none: it did not improve, or nothing can be said.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Literal

from orchestration.periods import Grain, Period
from orchestration.scorecard import forecast, leadership, log, wording
from orchestration.scorecard.figures import Figures, unit_of
from orchestration.scorecard.marts import VOLUNTARY, Row
from orchestration.scorecard.model import (
    ChangeSplit,
    Figure,
    Goal,
    Kpi,
    Limits,
    ProposedTarget,
    Strategy,
)
from orchestration.scorecard.outcomes import KPI, Outcomes

Confidence = Literal["strong", "some", "weak", "none"]
MOST_MOVERS = 3
"""Units named as those that moved a KPI most."""
MOST_DEEDS = 3
"""Kinds of leader actions that a success profile names."""


def strategy(figures: Figures, kpis: Sequence[Kpi]) -> Strategy:
    """The quarter's strategy part.

    Args:
        kpis: the scorecard's headline KPIs.
    """
    outcomes = Outcomes(figures)
    sentence, confidence = effect(figures, outcomes, figures.root)
    return Strategy(
        goals=tuple(_goals(figures, outcomes)),
        effect=sentence,
        confidence=confidence,
        splits=tuple(_splits(figures, kpis)),
        profiles=tuple(_profiles(figures, outcomes)),
        commitments=log.commitments(figures),
        proposed=tuple(_proposed(figures, kpis)),
    )


# ---------------------------------------------------------------- goals and effect


def _goals(figures: Figures, outcomes: Outcomes) -> Iterator[Goal]:
    catalogue = figures.catalogue.get(KPI)
    if catalogue is None:
        return
    adoption = [row for row in figures.of_role("headline") if row["kpi_id"] != KPI]
    found = {
        unit: (figures.reading(catalogue, unit), outcomes.of(unit)) for unit in outcomes.units()
    }
    places: dict[str, int] = {}  # one metric's amounts stand in one column: they end alike
    for reading, declared in found.values():
        if declared is not None and figures.shown(reading).state == "value":
            for part in ("numerator", "denominator"):
                if reading.value is not None and reading.value[part] is not None:
                    needed = wording.plain_places(reading.value[part])
                    places[declared.metric] = max(places.get(declared.metric, 0), needed)
    for unit, (reading, declared) in found.items():
        assert declared is not None
        change = figures.shown(reading)
        ends = places.get(declared.metric, 0)
        yield Goal(
            org_unit_id=unit,
            unit=figures.names[unit],
            depth=figures.depth(unit),
            metric=wording.sentence(declared.metric),
            baseline=_amount(reading.value, "denominator", change, ends),
            outcome=_amount(reading.value, "numerator", change, ends),
            change=change,
            target=figures.target(catalogue, reading.value),
            compared=_compared(figures, outcomes, unit, change),
            adoption={
                str(row["kpi_id"]): figures.shown(figures.reading(row, unit)) for row in adoption
            },
        )


def _amount(row: Row | None, part: str, change: Figure, places: int) -> Figure:
    if change.state != "value" or row is None or row[part] is None:
        return change if change.state != "value" else wording.no_data(None)
    return wording.plain_figure(row[part], places)


def _compared(figures: Figures, outcomes: Outcomes, unit: str, change: Figure) -> Figure:
    if change.state != "value" or change.value is None:
        return change
    other = outcomes.not_started(unit)
    if other is None:
        return wording.no_data("no unit that has not started reports the same outcome")
    return points(change.value - other, int(figures.catalogue[KPI]["precision"]))


def points(value: Decimal, precision: int) -> Figure:
    """A difference in percentage points: '+2.1 points'."""
    text = wording.amount(value, "percent", precision, "", difference=True)
    shown = wording.value_figure(value, "percent", precision, "")
    return Figure(state="value", value=shown.value, text=text)


def effect(figures: Figures, outcomes: Outcomes, unit: str) -> tuple[str, Confidence]:
    """The effect on a unit's outcome in one sentence, and the word of confidence."""
    catalogue = figures.catalogue.get(KPI)
    if catalogue is None:
        return "No business outcome is declared.", "none"
    reading = figures.reading(catalogue, unit)
    change = figures.shown(reading)
    declared = outcomes.of(unit)
    if change.state != "value" or change.value is None or declared is None:
        why = f" ({change.reason})" if change.reason else ""
        return f"No effect on the business outcome can be stated yet{why}.", "none"
    precision = int(catalogue["precision"])
    metric = wording.sentence(declared.metric)
    varied, other = outcomes.variation(unit), outcomes.not_started(unit)
    size = wording.amount(abs(change.value), "percent", precision, "")
    if change.value == 0:
        said = f"{metric} stands at its baseline, the four quarters before launch"
    else:
        side = _side(change.value, declared.direction)
        said = f"{metric} is {size} {side} its baseline, the four quarters before launch"
    if other is not None:
        gap = change.value - other
        if gap.quantize(Decimal(1).scaleb(-precision)):
            side = "better" if gap > 0 else "worse"
            text = wording.amount(abs(gap), "percent", precision, "", difference=True)
            said += f", {text.removeprefix('+')} {side} than where the programme has not started"
        else:
            said += ", the same as where the programme has not started"
    if varied is not None:
        beyond = "more" if abs(change.value) > varied else "no more"
        spread = wording.amount(varied, "percent", precision, "")
        said += f"; that is {beyond} than it varied before launch ({spread})"
    else:
        said += "; how far it varied before launch is not known"
    lasting = _improved_before(figures, unit, varied)
    word = confidence(change.value, varied, other, lasting=lasting)
    against = _other_way(figures, outcomes, unit, change.value)
    if change.value <= 0:
        return f"{said}.{against}", word
    return f"{said}. Learning contributed, confidence {word}.{against}", word


def verdict(figures: Figures, found: Strategy) -> str:
    """The effect as a cover says it, '' where there is none to say.

    'Productivity index is 2.0 % above its baseline; learning contributed, confidence some'.
    """
    outcomes = Outcomes(figures)
    declared, catalogue = outcomes.of(figures.root), figures.catalogue.get(KPI)
    if declared is None or catalogue is None:
        return ""
    change = figures.shown(figures.reading(catalogue))
    if change.state != "value" or not change.value:
        return ""
    size = wording.amount(abs(change.value), "percent", int(catalogue["precision"]), "")
    side = _side(change.value, declared.direction)
    said = f"{wording.sentence(declared.metric)} is {size} {side} its baseline"
    if change.value < 0:
        return said
    return f"{said}; learning contributed, confidence {found.confidence}"


def _side(change: Decimal, direction: str) -> str:
    """Above or below the baseline; changes are signed so that a plus is better."""
    return "above" if (change > 0) == (direction != "down") else "below"


def _improved_before(figures: Figures, unit: str, varied: Decimal | None) -> bool:
    """Whether the outcome of the quarter before, too, was better by more than it used to vary."""
    earlier = figures.of(figures.catalogue[KPI], figures.period.shift(-1), unit).value
    if earlier is None or earlier["value"] is None or figures.small(earlier):
        return False
    return bool(varied is not None and earlier["value"] > varied)


def _other_way(figures: Figures, outcomes: Outcomes, unit: str, change: Decimal) -> str:
    """The units whose outcome moved the other way, each with its figure."""
    moved = []
    for each in outcomes.units():
        shown = figures.shown(figures.reading(figures.catalogue[KPI], each))
        if each != unit and shown.state == "value" and shown.value and shown.value * change < 0:
            moved.append(f"{figures.names[each]} ({shown.text})")
    if not moved:
        return ""
    more = len(moved) - MOST_MOVERS
    others = [wording.counted(more, "other unit")] if more > 0 else []
    return f" The other way moved {wording.listed([*moved[:MOST_MOVERS], *others])}."


def confidence(
    change: Decimal, varied: Decimal | None, other: Decimal | None, *, lasting: bool
) -> Confidence:
    """The word of confidence (see the module's description); all in per cent.

    Args:
        lasting: whether the quarter before bears it out.
    """
    if change <= 0:
        return "none"
    gap = None if other is None else change - other
    if varied is None or change <= varied or (gap is not None and gap <= 0):
        return "weak"
    if gap is None and not lasting:
        return "weak"
    return "strong" if gap is not None and gap > varied and lasting else "some"


# ---------------------------------------------------------------- what moved and why


def _splits(figures: Figures, kpis: Sequence[Kpi]) -> Iterator[ChangeSplit]:
    rows: dict[str, list[Row]] = {}
    for row in figures.marts.change_split:
        rows.setdefault(str(row["kpi_id"]), []).append(row)
    for kpi in kpis:
        parts = rows.get(kpi.kpi_id, [])
        whole = next((row for row in parts if not row["org_unit_id"]), None)
        catalogue = figures.catalogue[kpi.kpi_id]
        reading = figures.reading(catalogue)
        earlier = figures.of(catalogue, reading.period.shift(-1), figures.root)
        if whole is None or whole["before"] is None or whole["now"] is None:
            continue
        if kpi.now.state != "value" or figures.small(earlier.value):
            continue  # the parts would tell what is withheld
        unit, precision = unit_of(catalogue), int(catalogue["precision"])
        before, now = (
            wording.value_figure(whole[name], unit, precision, figures.currency)
            for name in ("before", "now")
        )
        assert before.value is not None and now.value is not None
        # the parts add up as they are printed: what rounding leaves goes to the rates
        change, mix = (
            points(now.value - before.value, precision),
            points(whole["mix"] or Decimal(0), precision),
        )
        assert change.value is not None and mix.value is not None
        rate = points(change.value - mix.value, precision)
        yield ChangeSplit(
            kpi_id=kpi.kpi_id,
            name=kpi.name,
            before=before,
            now=now,
            change=change,
            mix=mix,
            rate=rate,
            sentence=f"{kpi.name}: {change.text} on the quarter before, {rate.text} from the rates "
            f"within units and {mix.text} from who is counted"
            f"{_judged(kpi, change.value, figures)}.",
            units=tuple(_movers(figures, parts, figures.hidden(reading))),
        )


def _judged(kpi: Kpi, change: Decimal, figures: Figures) -> str:
    """What the limits say of it; those of its months where the quarter has too few points."""
    monthly = month_of(kpi, figures) if kpi.mark.variation == "too_few_points" else None
    if monthly is not None:
        said = {
            "ordinary": "no clear change",
            "improving": "an improvement that chance would seldom give",
            "concerning": "a change for the worse that chance would seldom give",
        }[monthly.mark.variation]
        better = change > 0 if kpi.direction == "up" else change < 0
        against = {"improving": better, "concerning": not better}.get(monthly.mark.variation, True)
        by = "by its months" if against or not change else "its months point the other way:"
        return f"; {by} {said} in {monthly.period_label}"
    return {
        "ordinary": "; no more than it usually changes",
        "improving": "; an improvement that chance would seldom give",
        "concerning": "; a change for the worse that chance would seldom give",
        "no_data": "; not judged",
    }.get(kpi.mark.variation, "; too early to judge")


def _movers(figures: Figures, parts: Sequence[Row], hidden: frozenset[str]) -> list[str]:
    """The shown units that moved a KPI most, by name only: their parts add up to the whole."""
    moved = {
        str(row["org_unit_id"]): (row["mix"] or Decimal(0)) + (row["rate"] or Decimal(0))
        for row in parts
        if row["org_unit_id"] in figures.units and row["org_unit_id"] not in hidden
    }
    order = sorted(
        (unit for unit in moved if moved[unit]),
        key=lambda unit: (-abs(moved[unit]), figures.place(unit)),
    )
    return [figures.names[unit] for unit in order[:MOST_MOVERS]]


# ---------------------------------------------------------------- success profiles


def _profiles(figures: Figures, outcomes: Outcomes) -> Iterator[str]:
    """Units whose outcome and adoption both improved beyond doubt, and what their leaders did.

    The outcome: by more than it varied before launch. The adoption: the voluntary active learners
    signal an improvement in the quarter, or in one of its months and a concern in none.
    """
    catalogue = figures.catalogue.get(KPI)
    adoption = figures.catalogue.get(VOLUNTARY)
    if catalogue is None or adoption is None:
        return
    for unit in outcomes.units():
        change = figures.shown(figures.reading(catalogue, unit))
        active = figures.shown(figures.reading(adoption, unit))
        varied, declared = outcomes.variation(unit), outcomes.of(unit)
        if unit == figures.root or declared is None or varied is None:
            continue
        if change.value is None or active.state != "value" or change.value <= varied:
            continue
        if not _adopts(figures, unit):
            continue
        size = wording.amount(
            change.value, "percent", int(catalogue["precision"]), figures.currency
        )
        yield (
            f"{figures.names[unit]}: {wording.lower_first(wording.sentence(declared.metric))} "
            f"{size} better than before launch, and {wording.lower_first(str(adoption['name']))} "
            f"above its usual range within the quarter ({active.text} in all). "
            f"{_deeds(figures, unit)}"
        )


def _adopts(figures: Figures, unit: str) -> bool:
    reading = figures.reading(figures.catalogue[VOLUNTARY], unit)
    if not figures.judged(reading):
        return False
    said = {reading.signal["variation"]} if reading.signal is not None else set()
    said |= {
        row["variation"]
        for row in figures.marts.month_signals
        if row["kpi_id"] == VOLUNTARY
        and row["org_unit_id"] == unit
        and row["employment_line"] == "employee"
        and figures.period.start <= row["period_start"] <= figures.period.end
    }
    return "improving" in said and "concerning" not in said


def _deeds(figures: Figures, unit: str) -> str:
    counts: dict[str, int] = {}
    for row in figures.marts.leader_actions:
        within = figures.period.start <= row["happened_on"] <= figures.period.end
        seen = row["visibility"] in leadership.VISIBLE and row["reaches_unit"]
        if figures.unit_of_row(row) == unit and within and seen:
            kind = str(row["kind"])
            counts[kind] = counts.get(kind, 0) + 1
    kinds = sorted(counts, key=lambda kind: (-counts[kind], kind))[:MOST_DEEDS]
    deeds = wording.listed([wording.action_name(kind, counts[kind]) for kind in kinds])
    weeks = leadership.counted(leadership.index(figures, "visible_weeks", unit))
    parts = []
    if weeks.state == "value":
        parts.append(f"its sponsor was visible in {weeks.text} weeks")
    if deeds:
        parts.append(f"seen of its leaders: {deeds}")
    if not parts:
        return "Of its leaders there is no record."
    said = "; ".join(parts)
    return f"{said[:1].upper()}{said[1:]}."


# ---------------------------------------------------------------- targets


def _proposed(figures: Figures, kpis: Sequence[Kpi]) -> Iterator[ProposedTarget]:
    for kpi in kpis:
        if kpi.target.value is None or kpi.direction == "none":
            continue
        proposed, reasoning = _next_target(kpi, figures)
        yield ProposedTarget(
            kpi_id=kpi.kpi_id,
            name=kpi.name,
            target=kpi.target,
            proposed=proposed,
            reasoning=reasoning,
        )


def _next_target(kpi: Kpi, figures: Figures) -> tuple[Figure, str]:
    """The target for the next quarter: tightened only to what the process already gives.

    Where the KPI has enough months they are reasoned from, the quarter's last month in particular:
    a quarter's own chart seldom has points enough.
    """
    if kpi.now.state == "value" and (monthly := month_of(kpi, figures)) is not None:
        proposed, reasoning = _reasoned(monthly, figures)
        by = f" (by its months up to {monthly.period_label})."
        return proposed, reasoning.removesuffix(".") + by
    return _reasoned(kpi, figures)


def month_of(kpi: Kpi, figures: Figures) -> Kpi | None:
    """The same KPI by its limits in the quarter's last month; None where these have too few points.

    Its value, mark and limits are the month's; the target is the quarter's.
    """
    last = Period.containing(Grain.MONTH, figures.period.end)
    if not figures.basis.judged(kpi.kpi_id):
        return None
    row = next(
        (
            r
            for r in figures.marts.month_signals
            if r["kpi_id"] == kpi.kpi_id
            and r["org_unit_id"] == figures.root
            and r["employment_line"] == "employee"
            and r["period_start"] == last.start
            and r["basis"] in (figures.catalogue[kpi.kpi_id]["chart_basis"], None)
        ),
        None,
    )
    if row is None or row.get("variation") in (None, "too_few_points", "no_data"):
        return None
    if int(row.get("points") or 0) < wording.POINTS_FOR_LIMITS or row.get("assurance") is None:
        return None
    limits = None
    if all(row.get(edge) is not None for edge in ("mean", "lower_limit", "upper_limit")):
        limits = Limits(
            basis=row["basis"] or "level",
            mean=row["mean"],
            lower=row["lower_limit"],
            upper=row["upper_limit"],
        )
    return kpi.model_copy(
        update={
            "period_label": last.label,
            "mark": wording.mark(row["variation"], row["assurance"], grain=Grain.MONTH),
            "limits": limits,
        }
    )


def forecast_by_months(kpi: Kpi, figures: Figures) -> Kpi:
    """A stock with the year-end forecast of its months, where its quarters are too few for one.

    What is counted at a period's end is the same number for the quarter and for its last month.
    """
    catalogue = figures.catalogue[kpi.kpi_id]
    if (
        kpi.forecast is not None
        or kpi.caution is not None
        or catalogue["chart_basis"] != "net_gain"
    ):
        return kpi
    monthly = month_of(kpi, figures)
    if monthly is None or monthly.mark.variation != "ordinary":
        return kpi
    expected = forecast.year_end(
        kpi.now,
        monthly.limits,
        Period.containing(Grain.MONTH, figures.period.end),
        unit=kpi.unit,
        precision=int(catalogue["precision"]),
        currency=figures.currency,
    )
    if expected is None:
        return kpi
    return kpi.model_copy(update={"forecast": expected[0], "forecast_range": expected[1]})


def _reasoned(kpi: Kpi, figures: Figures) -> tuple[Figure, str]:
    target, now = kpi.target, kpi.now
    if now.state != "value":
        return target, f"Keep it: {now.text} for {kpi.period_label}."
    met = wording.meets_target(now.value, target.value, kpi.direction)
    if kpi.mark.variation == "no_data":
        return target, "Keep it: its figure is not judged."
    if kpi.mark.variation == "too_few_points" or kpi.mark.assurance == "too_few_points":
        return target, "Keep it: there are too few points to judge what the process can give."
    if kpi.mark.variation == "concerning":
        return target, "Keep it: the process has changed for the worse; restore it first."
    if kpi.mark.variation == "improving" and kpi.mark.assurance != "consistently_met":
        return target, (
            "Keep it: the process has changed for the better, and what it gives now is not known "
            "yet."
        )
    if kpi.mark.assurance == "consistently_missed" and not met:
        return target, (
            "Keep it and fund the way there: as the process runs now it cannot be expected to "
            "reach it."
        )
    if kpi.mark.assurance != "consistently_met" or not met:
        return target, "Keep it: chance alone decides whether the process meets it."
    if kpi.limits is None:
        return target, "Keep it: it is met, and nothing says what the process gives on average."
    if kpi.limits.basis != "level":
        return target, "Keep it: it is met reliably, and a stock has no average to raise it to."
    mean = wording.value_figure(
        kpi.limits.mean,
        kpi.unit,
        int(figures.catalogue[kpi.kpi_id]["precision"]),
        figures.currency,
    )
    tighter = wording.meets_target(mean.value, target.value, kpi.direction)
    if not tighter or mean.value == target.value:
        return target, "Keep it: it is what the process gives on average."
    return mean, (
        f"{'Raise' if kpi.direction == 'up' else 'Tighten'} it to what the process gives on "
        f"average: the target of {target.text} is met reliably and asks for nothing more."
    )
