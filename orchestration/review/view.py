"""What the templates see of a scorecard: plain text and chart geometry, nothing left to compute."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from orchestration.review import charts
from orchestration.review.figures import absent, figure, in_table
from orchestration.review.sections import (
    candidate,
    day,
    early_warning,
    leadership_page,
    listed_units,
    log_entry,
    next_sitting,
    plan_lines,
)
from orchestration.review.words import (
    clean,
    counted,
    long_date,
    minus,
    sentence_case,
    spelled,
    unbroken,
)
from orchestration.scorecard.model import BesideFigure, Decision, Kpi, Scorecard, UnitRow

MOST_DECISIONS = 3
MOST_MOVED_UNITS = 6
_SIGNALS = ("improving", "concerning")
_ABOUT = {"index_change": "change on its own baseline"}
"""What a unit leaves unsaid, beside the measure's name."""
NOT_ADDITIVE = "not additive"
"""Why a level or a median has no year to date."""
_UNIT_WORDS = {
    "percent": "per cent",
    "days": "days",
    "count": "people",
    "per_100": "per 100 people",
    "currency": "money",
    "weeks": "weeks",
    "index_change": "per cent change",
}


KINDS = {
    "weekly": "adoption stand-up",
    "monthly": "learning adoption review",
    "quarterly": "learning strategy sync",
}
"""What each ritual's review is called in a title and in a subject."""


def has_signal(kpi: Kpi) -> bool:
    """Whether the KPI's variation is a signal, good or bad."""
    return kpi.mark.variation in _SIGNALS


def build_view(scorecard: Scorecard, cap: float = 1.0, most_units: int = 40) -> dict[str, Any]:
    """The scorecard as JSON-able texts and geometry.

    Args:
        scorecard: the figures, final.
        cap: how much of the usual lengths a text may take (1 = all); a smaller page asks for less.
        most_units: most lines of the unit table; whole levels of the tree go first.
    """

    def cut(text: str, limit: int) -> str:
        return clean(text, max(24, int(limit * cap)))

    every = (*scorecard.kpis, *scorecard.below)
    signalling = [k for k in every if has_signal(k)]
    signalling.sort(key=lambda k: k.mark.variation != "concerning")
    quiet = [k for k in every if not has_signal(k)]
    organisation = cut(scorecard.organisation, 80)
    units = listed_units(scorecard.units, most_units)
    decisions = [e for e in scorecard.log if e.kind == "decision"]
    asked_again = {d.decision_id for d in scorecard.decisions[:MOST_DECISIONS]}
    return {
        "kind": sentence_case(KINDS[scorecard.ritual]),
        "words": _words(scorecard),
        "title": f"{organisation}: {KINDS[scorecard.ritual]}, {scorecard.period_label}",
        "organisation": organisation,
        "running": clean(scorecard.organisation, 40),
        "period": clean(scorecard.period_label, 40),
        "data_as_of": long_date(scorecard.data_as_of),
        "date": [scorecard.data_as_of.year, scorecard.data_as_of.month, scorecard.data_as_of.day],
        "stale": cut(scorecard.stale_note, 160) if scorecard.stale_note else None,
        "sentence": cut(scorecard.sentence, 420),
        "skip": skips(scorecard),
        "kpis": [_kpi(k, scorecard, cap) for k in scorecard.kpis],
        "detail": [_kpi(k, scorecard, cap) for k in signalling],
        "detail_title": sentence_case(
            f"{counted(len(signalling), 'measure shows', 'measures show')} a clear change"
        ),
        "quiet": [_kpi(k, scorecard, cap) for k in quiet],
        "quiet_title": _quiet_title(quiet, every),
        "every": [_kpi(k, scorecard, cap) for k in every],
        "leadership": [
            {
                "name": cut(item.name, 90),
                "figure": figure(item.figure),
                "target": unbroken(item.target.text)
                if item.target is not None and item.figure.state == item.target.state == "value"
                else None,
                "spark": charts.sparkline(item.series),
                "alt": f"{clean(item.name, 90)}, {counted(len(item.series), 'point')}, "
                f"now {item.figure.text}",
            }
            for item in scorecard.leadership
        ],
        "leadership_title": _leadership_title(scorecard),
        "top_risk": cut(scorecard.top_risk, 300) if scorecard.top_risk else None,
        "decisions": [
            _decision(d, number, cap)
            for number, d in enumerate(scorecard.decisions[:MOST_DECISIONS], start=1)
        ],
        "decisions_title": sentence_case(
            f"{counted(len(scorecard.decisions[:MOST_DECISIONS]), 'decision')} asked for"
        ),
        "done": _done(scorecard),
        "forecasts": any(k.forecast is not None for k in scorecard.kpis),
        "quiet_forecasts": any(k.forecast is not None for k in quiet),
        "decided": [log_entry(e) for e in decisions if e.asked_on >= scorecard.period_start],
        "older": [
            log_entry(e)
            for e in decisions
            if e.asked_on < scorecard.period_start and e.entry_id not in asked_again
        ],
        "commitments": [log_entry(e) for e in scorecard.log if e.kind != "decision"],
        "decommission": [candidate(c) for c in scorecard.candidates if c.kind == "decommission"],
        "campaigns": [candidate(c) for c in scorecard.candidates if c.kind == "campaign"],
        "warnings": [early_warning(w) for w in scorecard.warnings],
        "leadership_page": leadership_page(scorecard.leadership_page, most_units),
        "plan_lines": plan_lines(scorecard.leadership_page),
        "sitting": next_sitting(scorecard.sitting),
        "units": _units(scorecard, units),
        "hidden_units": any(
            f.state == "suppressed" for u in units for f in (u.headcount, *u.figures.values())
        ),
        "more_units": len(scorecard.units) - len(units),
        "exclusions": [
            {"reason": sentence_case(clean(e.reason, 90)), "people": figure(e.people)}
            for e in scorecard.exclusions
        ],
        "contractors": [_beside(b, 1.0) for b in scorecard.contractors],
        "feed_notes": any(f.note for f in scorecard.feeds),
        "not_additive": any(k.year_to_date.reason == NOT_ADDITIVE for k in quiet),
        "feeds": [
            {
                "feed": sentence_case(clean(f.feed, 40).replace("_", " ")),
                "verdict": f.verdict.replace("_", " "),
                "tone": "bad" if f.verdict in ("stale", "missing", "refused") else "neutral",
                "as_of": long_date(f.data_as_of) if f.data_as_of else "\u2013",
                "accepted": _rows(f.rows_accepted, f.verdict),
                "rejected": _rows(f.rows_rejected, f.verdict),
                "note": cut(f.note, 160),
            }
            for f in scorecard.feeds
        ],
        "restatements": [cut(r, 240) for r in scorecard.restatements[:12]],
        "more_restatements": max(0, len(scorecard.restatements) - 12),
        "unreached": [cut(line, 240) for line in scorecard.unreached[:12]],
        "privacy_threshold": str(scorecard.privacy_threshold),
        "charter": clean(scorecard.charter_hash)[:12],
        "code_version": clean(scorecard.code_version, 40),
    }


def _words(scorecard: Scorecard) -> dict[str, str]:
    """What the review's periods are called in a heading and in a sentence."""
    name = {"weekly": "week", "monthly": "month", "quarterly": "quarter"}[scorecard.ritual]
    drawn = max((len(charts.plotted(k)) for k in scorecard.kpis), default=0)
    count = max(drawn, 5) if name == "quarter" else 13
    return {
        "span": unbroken(f"Last {count} {name}s"),
        "last": f"Last {name}'s",
        "this": f"this {name}'s",
    }


def skips(scorecard: Scorecard) -> bool:
    """Nothing signals and nothing needs deciding: the sitting is proposed to be skipped.

    Where no measure can be judged at all, silence is no news and nothing is proposed.
    """
    return (
        scorecard.nothing_to_decide
        and not scorecard.decisions
        and not scorecard.warnings
        and not any(has_signal(k) for k in scorecard.kpis)
        and any(k.mark.variation == "ordinary" for k in scorecard.kpis)
    )


def headline(finding: str, limit: int = 240) -> str:
    """A finding as a title: without its full stop."""
    return clean(finding, limit).removesuffix(".")


def _beside(beside: BesideFigure, cap: float) -> dict[str, Any]:
    return {
        "name": clean(beside.name, int(90 * cap)),
        "figure": figure(beside.figure),
        "definition": clean(beside.definition, int(240 * cap)),
    }


def _kpi(kpi: Kpi, scorecard: Scorecard, cap: float) -> dict[str, Any]:
    limits, target = charts.drawable_limits(kpi), charts.target_line(kpi)
    moved = [u for u in scorecard.units[1:] if kpi.kpi_id in u.signals]
    return {
        "id": kpi.kpi_id,
        "name": clean(kpi.name, int(90 * cap)),
        "period": None
        if kpi.period_label == scorecard.period_label
        else unbroken(clean(kpi.period_label, 40)),
        "period_label": clean(kpi.period_label, 40),
        "now": figure(kpi.now),
        "target": figure(kpi.target),
        "interval": clean(kpi.interval_text, 90) if kpi.interval_text else None,
        "mark": {
            "text": clean(kpi.mark.text, int(80 * cap) + 30),
            "tone": kpi.mark.tone,
            "variation": kpi.mark.variation,
        },
        "owner": sentence_case(clean(kpi.owner, int(60 * cap))),
        "caution": clean(kpi.caution, 160) if kpi.caution else None,
        "about": _ABOUT.get(kpi.unit),
        "finding": headline(kpi.finding, int(240 * cap)),
        "beside": [_beside(b, cap) for b in kpi.beside],
        "spark": charts.sparkline(charts.plotted(kpi), limits, target),
        "chart": charts.behaviour_chart(kpi, scorecard.annotations, scorecard.currency)
        if has_signal(kpi)
        else None,
        "basis": charts.basis_words(kpi),
        "alt": charts.described(kpi, scorecard.currency),
        "direction": {"up": "higher is better", "down": "lower is better", "none": "no direction"}[
            kpi.direction
        ],
        "unit": _UNIT_WORDS[kpi.unit],
        "numerator": figure(kpi.numerator),
        "denominator": figure(kpi.denominator),
        "last_year": figure(kpi.same_period_last_year),
        "year_to_date": absent()
        if kpi.year_to_date.reason == NOT_ADDITIVE
        else figure(kpi.year_to_date),
        "of_target": _of_target(kpi),
        "forecast": figure(kpi.forecast) if kpi.forecast else absent(),
        "forecast_range": unbroken(minus(clean(kpi.forecast_range, 60)))
        if kpi.forecast_range
        else None,
        "comment": {
            "text": clean(kpi.comment.text, int(500 * cap)),
            "by": clean(kpi.comment.by, 60),
            "on": day(kpi.comment.recorded_on),
        }
        if kpi.comment
        else None,
        "moved": _moved(kpi, moved[:MOST_MOVED_UNITS]),
        "more_moved": max(0, len(moved) - MOST_MOVED_UNITS),
        "definition": clean(kpi.definition, int(420 * cap)),
        "numerator_definition": headline(kpi.numerator_definition, int(240 * cap)),
        "denominator_definition": headline(kpi.denominator_definition, int(240 * cap)),
        "business_outcome": headline(kpi.business_outcome, 160),
        "guardrail": headline(kpi.guardrail, 160),
    }


def _of_target(kpi: Kpi) -> str | None:
    """The figure as a per cent of its target; None without one, or where less is better."""
    now, target = kpi.now.value, kpi.target.value
    if now is None or target is None or target <= 0 or kpi.direction != "up":
        return None
    return unbroken(f"{(100 * now / target).quantize(Decimal(1), ROUND_HALF_UP)} %")


def _moved(kpi: Kpi, rows: Sequence[UnitRow]) -> list[dict[str, Any]]:
    """Units that signal, with a zero-based bar (0 to 1; None where there is nothing to draw)."""
    values = {
        row.org_unit_id: float(f.value)
        for row in rows
        if (f := row.figures.get(kpi.kpi_id)) is not None and f.value is not None
    }
    full = 100.0 if kpi.unit == "percent" else max(values.values(), default=0.0)
    moved = []
    for row in rows:
        at = values.get(row.org_unit_id)
        shown = row.figures.get(kpi.kpi_id)
        moved.append(
            {
                "name": clean(row.name, 60),
                "figure": figure(shown) if shown else absent(),
                "signal": row.signals[kpi.kpi_id],
                "tone": "good" if row.signals[kpi.kpi_id] == "improving" else "bad",
                "bar": round(min(at / full, 1.0), 4)
                if at is not None and full > 0 and at >= 0
                else None,
            }
        )
    return moved


def _quiet_title(quiet: Sequence[Kpi], every: Sequence[Kpi]) -> str:
    judged = sum(k.mark.variation == "ordinary" for k in quiet)
    others = len(quiet) - judged
    alone = len(quiet) == len(every)
    if not judged:
        which = "No measure" if alone else "None of the others"
        return f"{which} can be judged yet"
    if others:
        noun = "measure" if alone else "other measure"
        return f"No clear change in {counted(judged, noun)}; {spelled(others)} cannot be judged yet"
    if alone:
        return "No measure shows a clear change"
    return f"No clear change in the other {counted(len(quiet), 'measure')}"


def _leadership_title(scorecard: Scorecard) -> str | None:
    """The leadership section's finding: its first figure, named."""
    if not scorecard.leadership:
        return None
    known = [item for item in scorecard.leadership if item.figure.state == "value"]
    if not known:
        return "Leadership: nothing recorded yet"
    if known[0].kpi_id == "sponsor_visible_weeks":
        return f"The sponsor acted visibly in {known[0].figure.text} weeks"
    return f"{sentence_case(clean(known[0].name, 90))}: {known[0].figure.text}"


def _decision(decision: Decision, number: int, cap: float) -> dict[str, Any]:
    def cut(text: str, limit: int) -> str:
        return clean(text, int(limit * cap))

    return {
        "number": str(number),
        "what": cut(decision.what, 200),
        "why": cut(decision.why, 400),
        "options": [cut(option, 240) for option in decision.options[:5]],
        "amount": sentence_case(cut(decision.amount, 60)) if decision.amount else None,
        "owner": sentence_case(cut(decision.owner, 60)),
        "role": ""
        if decision.owner_role.casefold() in decision.owner.casefold()
        else f", {cut(decision.owner_role, 60)}",
        "due": long_date(decision.due_on),
        "if_not_taken": cut(decision.if_not_taken, 300),
    }


def _done(scorecard: Scorecard) -> str:
    if scorecard.decisions_done is None or scorecard.decisions_total is None:
        return "not recorded yet"
    return f"{scorecard.decisions_done} of {scorecard.decisions_total}"


def _rows(count: int, verdict: str) -> str:
    return "\u2013" if verdict in ("missing", "not_connected") and not count else f"{count:,}"


def _units(scorecard: Scorecard, units: Sequence[UnitRow]) -> list[dict[str, Any]]:
    rows = []
    for unit in units:
        cells = []
        for kpi in scorecard.kpis:
            shown = unit.figures.get(kpi.kpi_id)
            signal = unit.signals.get(kpi.kpi_id)
            cells.append(
                {
                    **(in_table(shown) if shown else absent()),
                    "tone": {"improving": "good", "concerning": "bad", None: None}[signal],
                    "signal": signal,
                }
            )
        rows.append(
            {
                "name": clean(unit.name, 60),
                "depth": unit.depth,
                "headcount": in_table(unit.headcount),
                "cells": cells,
            }
        )
    return rows
