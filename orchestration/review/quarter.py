"""The quarterly strategy sync: pack and email, from one scorecard, into one folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from orchestration.review.draft_files import CALENDAR, EMAIL, write_files
from orchestration.review.email import (
    compose,
    content_id,
    manifest,
    preheader,
    sparkline_pictures,
    subject_line,
)
from orchestration.review.figures import absent, figure, in_table
from orchestration.review.pages import fitted_pack, scorecard_html, scorecard_pdf
from orchestration.review.sections import listed_units, log_entry, sentence
from orchestration.review.view import build_view
from orchestration.review.words import clean, counted, listed, minus, sentence_case
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import to_json
from orchestration.scorecard.model import (
    ChangeSplit,
    Figure,
    Goal,
    ProposedTarget,
    Scorecard,
    Strategy,
)

PACK = "strategy-pack.pdf"
MOST_PAGES = 7
SEATS = "seat_use"
OUTCOME = "performance_improvement"
CONFIDENCE = (
    (
        "Strong",
        "the outcome improved by more than it varied before launch, and by more than that again "
        "than in units not yet started",
    ),
    (
        "Some",
        "it improved by more than it varied before launch, and by more than in units not yet "
        "started, where there are any",
    ),
    ("Weak", "it improved, but no more than it varied before launch or than elsewhere"),
    ("None", "it did not improve, or nothing can be said"),
)
"""What each word of confidence stands for."""


def render_quarter(scorecard: Scorecard, folder: Path, calendar: bytes | None = None) -> list[Path]:
    """Render every file of the strategy sync into ``folder``; see :func:`write_files`.

    Args:
        scorecard: the quarter's figures, final.
        folder: the draft's folder; other files in it are left alone.
        calendar: the invitation to the sitting, if one is planned.
    """
    view = quarter_view(scorecard)
    page, scale, card = scorecard_pdf(scorecard)
    pack, _ = fitted_pack(
        "review/quarter.typ",
        lambda units: quarter_view(scorecard, units),
        scale,
        card,
        MOST_PAGES,
        spread=False,  # as short as its content allows
    )
    pictures = sparkline_pictures(scorecard, view)
    figures = to_json(scorecard)
    subject = subject_line(scorecard)
    html, text = compose(
        "quarter",
        view,
        subject,
        preheader(scorecard),
        cids={kpi.kpi_id: content_id(scorecard, kpi.kpi_id) for kpi in scorecard.kpis},
    )
    return write_files(
        folder,
        {
            SCORECARD: figures,
            "scorecard.html": scorecard_html(view),
            "scorecard.pdf": page,
            PACK: pack,
            **{name: picture for _, name, picture in pictures},
            "email.html": html,
            "email.txt": text,
            **({CALENDAR: calendar} if calendar else {}),
            EMAIL: manifest(
                subject,
                figures,
                pictures,
                [(PACK, f"learning-strategy-sync-{scorecard.period_id}.pdf", "application/pdf")],
                calendar=bool(calendar),
            ),
        },
    )


def quarter_view(scorecard: Scorecard, most_units: int = 40) -> dict[str, Any]:
    """The scorecard's view and what the strategy sync adds to it."""
    view = build_view(scorecard, 1.0, most_units)
    strategy = scorecard.strategy or Strategy(
        goals=(), effect="", confidence="none", splits=(), profiles=(), commitments=(), proposed=()
    )
    told = {entry.entry_id for entry in strategy.commitments}
    others = [e for e in scorecard.log if e.kind != "decision" and e.entry_id not in told]
    names = {kpi.kpi_id: clean(kpi.name, 60) for kpi in scorecard.kpis}
    adopted = [k for k in names if any(k in goal.adoption for goal in strategy.goals)]
    goals = listed_units(strategy.goals, most_units)
    seats = next(
        (k for k in view["every"] if k["id"] == SEATS and k["now"]["state"] == "value"), None
    )
    outcome = next((kpi for kpi in view["every"] if kpi["id"] == OUTCOME), None)
    return {
        **view,
        "effect": sentence(strategy.effect, 400) if strategy.effect else None,
        **_effect_in_two(strategy.effect),
        "confidence": clean(strategy.confidence, 20),
        "confidence_words": [list(pair) for pair in CONFIDENCE],
        "goals": [_goal(goal, adopted) for goal in goals],
        "more_goals": len(strategy.goals) - len(goals),
        "adopted": [names[kpi_id] for kpi_id in adopted],
        "outcome": outcome,
        "splits": _splits(strategy.splits),
        "splits_title": _splits_title(strategy.splits),
        "profiles": [sentence(line, 500) for line in strategy.profiles[:8]],
        "proposed": [_proposed(each) for each in strategy.proposed],
        "proposed_title": _proposed_title(strategy.proposed),
        "some_kept": _some_kept(strategy.proposed),
        "commitments": [log_entry(e) for e in (*strategy.commitments, *others)],
        "seats": seats,
    }


def _effect_in_two(effect: str) -> dict[str, str | None]:
    """The effect's first clause as a title, which claims no cause, and the rest beneath it."""
    if not effect:
        return {"effect_title": "Business outcomes by unit", "effect_rest": None}
    first, *rest = re.split(r"(?:;|\.) ", clean(effect, 400), maxsplit=1)
    return {
        "effect_title": first.removesuffix("."),
        "effect_rest": sentence(sentence_case(rest[0]), 400) if rest else None,
    }


def _goal(goal: Goal, adopted: Sequence[str]) -> dict[str, Any]:
    return {
        "unit": clean(goal.unit, 60),
        "depth": goal.depth,
        "metric": clean(goal.metric, 60),
        "cells": [
            in_table(value)
            for value in (goal.baseline, goal.outcome, goal.change, goal.target, goal.compared)
        ],
        "adoption": [
            in_table(goal.adoption[kpi_id]) if kpi_id in goal.adoption else absent()
            for kpi_id in adopted
        ],
    }


def _splits(splits: Sequence[ChangeSplit]) -> list[dict[str, Any]]:
    """The changes with bars on one scale, zero in the middle."""
    largest = max(
        (abs(f.value) for s in splits for f in (s.mix, s.rate) if f.value is not None),
        default=Decimal(0),
    )
    return [
        {
            "name": clean(split.name, 80),
            "sentence": minus(sentence(split.sentence, 300)),
            "before": figure(split.before),
            "now": figure(split.now),
            "change": figure(split.change),
            "bars": [
                {"name": name, "figure": figure(part), **_bar(part, largest)}
                for name, part in (
                    ("Rates within units", split.rate),
                    ("Who is counted", split.mix),
                )
            ],
            "units": [clean(unit, 80) for unit in split.units[:5]],
        }
        for split in splits
    ]


def _bar(part: Figure, largest: Decimal) -> dict[str, float | None]:
    """Where a bar starts and how long it is, as shares of the full width; zero is at 0.5."""
    if part.value is None or part.state != "value" or not largest:
        return {"start": None, "length": None}
    length = round(float(abs(part.value) / largest) / 2, 4)
    return {"start": 0.5 if part.value >= 0 else round(0.5 - length, 4), "length": length}


def _splits_title(splits: Sequence[ChangeSplit]) -> str:
    known = [split for split in splits if split.change.value is not None]
    if not known:
        return "What moved and why"
    most = max(known, key=lambda split: abs(split.change.value or Decimal(0)))
    if not most.change.value:
        return "Nothing moved on the quarter before"
    return f"Moved most: {clean(most.name, 80)}, {figure(most.change)['text']}"


def _proposed(proposed: ProposedTarget) -> dict[str, Any]:
    return {
        "name": clean(proposed.name, 80),
        "target": figure(proposed.target),
        "proposed": figure(proposed.proposed),
        "kept": proposed.target == proposed.proposed,
        "reasoning": sentence(proposed.reasoning, 300),
    }


def _some_kept(proposed: Sequence[ProposedTarget]) -> str | None:
    """What a mail says of the targets that stay, where any does."""
    kept = [clean(each.name, 80) for each in proposed if each.target == each.proposed]
    return f"To stay as they are, for reasons in the pack: {listed(kept)}." if kept else None


def _proposed_title(proposed: Sequence[ProposedTarget]) -> str:
    changed = sum(each.target != each.proposed for each in proposed)
    if not changed:
        return "Targets proposed for next quarter: all kept"
    kept = len(proposed) - changed
    rest = f", {counted(kept, 'is', 'are')} kept" if kept else ""
    return sentence_case(
        f"{counted(changed, 'target is', 'targets are')} proposed to change next quarter{rest}"
    )
