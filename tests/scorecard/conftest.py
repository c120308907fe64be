"""Hand-built published rows: a small organisation whose every figure a test can set."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from orchestration.periods import Grain, Period
from orchestration.scorecard.basis import PeriodBasis
from orchestration.scorecard.build import build_scorecard
from orchestration.scorecard.charter import Charter, load_charter
from orchestration.scorecard.consistency import inconsistencies
from orchestration.scorecard.figures import Figures
from orchestration.scorecard.leaders import pages as leader_pages
from orchestration.scorecard.marts import Marts, Row
from orchestration.scorecard.model import FeedStatus, Kpi, LeaderPage, Scorecard
from orchestration.settings import (
    Naming,
    OrganisationSettings,
    PathSettings,
    PrivacySettings,
    Settings,
)

SEEDS = Path(__file__).resolve().parents[2] / "dbt_project" / "seeds"
HEADLINE = (
    "performance_improvement",
    "time_to_competency",
    "certification_rate",
    "on_time_completion_rate",
    "active_learner_rate",
)


def seed(name: str) -> list[Row]:
    """A shipped seed with its numbers typed as the warehouse publishes them."""
    whole = {"headline_order", "precision", "days"}
    money = {"amount_from", "amount_to"}
    rows = []
    with (SEEDS / f"{name}.csv").open(encoding="utf-8", newline="") as handle:
        for raw in csv.DictReader(handle):
            row: Row = {}
            for column, text in raw.items():
                if text == "":
                    row[column] = None
                elif column in whole:
                    row[column] = int(text)
                elif column in money:
                    row[column] = Decimal(text)
                else:
                    row[column] = text
            rows.append(row)
    return rows


COLUMNS: dict[str, dict[str, Any]] = {
    "decision_log": {
        "entry_id": None, "kind": "decision", "title": None, "right_id": None, "org_unit_id": None,
        "source": "review", "warning_id": None, "asked_on": None, "asked_in": None,
        "proposed_by_person_id": None, "owner_person_id": None, "owner_name": None,
        "owner_role": None, "amount": None, "first_due_on": None, "due_on": None,
        "decided_on": None, "decided_by_person_id": None, "outcome": None, "closed_on": None,
        "withdrawn_on": None, "status": "open", "waiting_days": 0, "closed_on_time": None,
        "fault": None, "if_not_taken": None,
    },
    "named_leaders": {
        "person_id": None, "full_name": None, "role": "sponsor", "org_unit_id": None,
        "manager_id": None, "deputy_person_id": None, "in_role_from": date(2025, 1, 1),
        "is_active": True, "on_leave_days": 0,
    },
    "leader_indices": {
        "subject": "unit", "person_id": None, "org_unit_id": "whole", "index_id": None,
        "numerator": None, "denominator": None, "value": None, "people": None,
        "no_data_reason": None, "detail": None,
    },
    "executives": {
        "org_unit_id": "whole", "employment_line": "employee", "in_numerator": 1,
    },
    "leader_plan": {
        "org_unit_id": "whole", "launch_on": None, "day_now": None, "plan_day": 0,
        "phase": "visible_start", "action": None, "owner_role": None, "owner_person_id": None,
        "owner_name": None, "evidence_kind": "leader_action", "evidence": None, "target": None,
        "reached": None, "due_on": None, "status": "not_yet", "evidence_id": None,
        "evidence_on": None,
    },
    "leader_actions": {
        "action_id": None, "person_id": None, "org_unit_id": None, "kind": "email",
        "visibility": "own_voice", "audience_org_unit_id": None, "message_id": None,
        "happened_on": None, "reaches_unit": 1,
    },
    "message_cascade": {
        "message_id": None, "audience_org_unit_id": None, "org_unit_id": None, "issued_on": None,
        "expires_on": None, "age_days": None, "is_live": 1, "managers": None, "confirmed": None,
        "confirmed_in_window": None,
    },
    "governance_faults": {
        "org_unit_id": None, "role": None, "fault": None, "person_id": None, "detail": None,
    },
    "early_warnings": {
        "warning_id": None, "pain_point": None, "parameter": None, "org_unit_id": None,
        "person_id": None, "message_id": None, "measured": None, "comparison": "at_least",
        "threshold": None, "since_on": None, "countermeasure": None, "owner_role": None,
        "due_on": None, "entry_id": None,
    },
    "early_warning_evidence": {
        "warning_id": None, "org_unit_id": None, "evidence_kind": None, "evidence_id": None,
        "evidence_on": None, "note": None,
    },
    "stalled_enrolments": {
        "org_unit_id": None, "course_id": None, "title": None, "is_mandatory": False,
        "people": None, "begun": None,
    },
    "course_rises": {
        "course_id": None, "title": None, "completions": None, "mean": None, "upper": None,
        "is_rise": 0, "first_ever": 0,
    },
    "leader_completions": {
        "person_id": None, "org_unit_id": None, "course_id": None, "title": None,
        "is_flagship": 0, "completed_on": None,
    },
    "decommission_candidates": {
        "course_id": None, "title": None, "is_mandatory": False, "owner_person_id": None,
        "review_due_on": None, "active_people": 0, "ended_12m": 0, "completed_12m": 0,
        "reasons": None, "right_id": None,
    },
    "kpi_comments": {
        "kpi_id": None, "org_unit_id": None, "person_id": None, "full_name": None, "text": None,
        "recorded_on": None,
    },
    "change_split": {
        "kpi_id": None, "org_unit_id": "", "before": None, "now": None, "mix": None, "rate": None,
    },
    "outcomes": {
        "org_unit_id": None, "reporting_unit_id": None, "outcome_metric": "productivity_index",
        "direction": "up", "launch_quarter": None, "lag_quarters": 1, "quarter_start": None,
        "numerator": None, "denominator": None, "in_numerator": 1, "in_denominator": 0,
        "is_complete": 1,
    },
    "month_signals": {
        "kpi_id": None, "org_unit_id": None, "employment_line": "employee", "basis": "level",
        "variation": None,
    },
}  # fmt: skip
"""The columns of each published model (PLAN's contract between SQL and Python), with defaults."""
DECIMALS = {"measured", "threshold", "before", "now", "mix", "rate", "amount", "mean", "upper",
            "numerator", "denominator", "value", "target", "reached"}  # fmt: skip


def shipped_charter() -> Charter:
    return load_charter(
        Settings(
            organisation=OrganisationSettings(name="Acme"),
            paths=PathSettings(home=SEEDS / "nowhere"),
        )
    )


def decimal(value: Any) -> Decimal | None:
    return None if value is None else Decimal(str(value))


@dataclass
class Case:
    """Rows of one period's marts, grown by the test that holds it."""

    period: Period = field(default_factory=lambda: Period.parse("2026-10"))
    threshold: int = 5
    names: Naming = "leaders"
    values: dict[tuple[str, date, str, str], Row] = field(default_factory=dict)
    signals: dict[tuple[str, date, str, str], Row] = field(default_factory=dict)
    units: list[Row] = field(default_factory=list)
    exclusions: list[Row] = field(default_factory=list)
    governance: list[Row] = field(default_factory=list)
    initiatives: list[Row] = field(default_factory=list)
    catalogue: list[Row] = field(default_factory=lambda: seed("kpi_catalogue"))
    rights: list[Row] = field(default_factory=lambda: seed("decision_rights"))
    feeds: list[FeedStatus] = field(default_factory=list)
    models: dict[str, list[Row]] = field(default_factory=dict)
    charter: Charter = field(default_factory=shipped_charter)

    def unit(
        self,
        org_unit_id: str,
        parent: str | None = None,
        *,
        name: str | None = None,
        headcount: int = 100,
        depth: int | None = None,
        period: Period | None = None,
    ) -> None:
        self.units.append(
            {
                "period_start": (period or self.period).start,
                "org_unit_id": org_unit_id,
                "name": name or org_unit_id,
                "parent_org_unit_id": parent,
                "depth": depth if depth is not None else 0 if parent is None else 1,
                "sponsor_person_id": None,
                "headcount": headcount,
                "eligible": headcount,
            }
        )

    def value(
        self,
        kpi_id: str,
        value: Any = None,
        *,
        period: Period | None = None,
        unit: str = "whole",
        line: str = "employee",
        numerator: Any = None,
        denominator: Any = None,
        lower: Any = None,
        upper: Any = None,
        target: Any = None,
        people: int | None = 100,
        reason: str | None = None,
    ) -> Row:
        at = period or self.period
        row: Row = {
            "period_start": at.start,
            "period_end": at.end,
            "kpi_id": kpi_id,
            "org_unit_id": unit,
            "employment_line": line,
            "numerator": decimal(numerator),
            "denominator": decimal(denominator),
            "value": decimal(value),
            "lower": decimal(lower),
            "upper": decimal(upper),
            "target": decimal(target),
            "people": people,
            "no_data_reason": reason,
        }
        self.values[(kpi_id, at.start, unit, line)] = row
        return row

    def signal(
        self,
        kpi_id: str,
        variation: str,
        assurance: str = "no_target",
        *,
        period: Period | None = None,
        unit: str = "whole",
        basis: str = "level",
        points: int = 20,
        charted: Any = None,
        mean: Any = None,
        lower: Any = None,
        upper: Any = None,
        rules: str = "",
        rebased_on: date | None = None,
    ) -> Row:
        at = period or self.period
        row: Row = {
            "period_start": at.start,
            "kpi_id": kpi_id,
            "org_unit_id": unit,
            "employment_line": "employee",
            "basis": basis,
            "points": points,
            "charted_value": decimal(charted),
            "mean": decimal(mean),
            "lower_limit": decimal(lower),
            "upper_limit": decimal(upper),
            "variation": variation,
            "assurance": assurance,
            "rules": rules,
            "rebased_on": rebased_on,
        }
        self.signals[(kpi_id, at.start, unit, "employee")] = row
        return row

    def holder(
        self,
        role: str,
        full_name: str | None,
        *,
        unit: str | None = None,
        active: bool = True,
        deputy: str | None = None,
        deputy_active: bool = False,
    ) -> None:
        self.governance.append(
            {
                "period_start": self.period.start,
                "role": role,
                "org_unit_id": unit,
                "person_id": full_name,
                "full_name": full_name,
                "email": None,
                "is_active": active,
                "deputy_person_id": deputy,
                "deputy_name": deputy,
                "deputy_email": None,
                "deputy_is_active": deputy_active,
            }
        )

    def excluded(self, reason: str, people: int, *, line: str = "employee") -> None:
        self.exclusions.append(
            {
                "period_start": self.period.start,
                "org_unit_id": "whole",
                "employment_line": line,
                "reason": reason,
                "people": people,
            }
        )

    def initiative(
        self, title: str | None, starts_on: date, ends_on: date | None = None, kind: str = "launch"
    ) -> None:
        self.initiatives.append(
            {
                "period_start": self.period.start,
                "initiative_id": title,
                "kind": kind,
                "title": title,
                "org_unit_id": "whole",
                "starts_on": starts_on,
                "ends_on": ends_on,
                "cost": None,
            }
        )

    def row(self, model: str, **given: Any) -> Row:
        """Add a row to a published model; what is not given has the model's default."""
        unknown = given.keys() - COLUMNS[model].keys() - {"period_start"}
        assert not unknown, f"{model} has no {unknown}"
        row = {"period_start": self.period.start, **COLUMNS[model], **given}
        for name in DECIMALS & row.keys():
            row[name] = decimal(row[name])
        self.models.setdefault(model, []).append(row)
        return row

    def log(self, entry_id: str, **given: Any) -> Row:
        """Add an entry of the decision log."""
        given.setdefault("title", f"Title of {entry_id}")
        return self.row("decision_log", entry_id=entry_id, **given)

    def index(self, index_id: str, part: Any, total: Any, **given: Any) -> Row:
        """Add a leadership index with its numerator and denominator; a value unless given."""
        given.setdefault("value", part)
        return self.row(
            "leader_indices", index_id=index_id, numerator=part, denominator=total, **given
        )

    def feed(self, name: str, verdict: str, data_as_of: date | None = None) -> None:
        self.feeds.append(
            FeedStatus.model_validate(
                {
                    "feed": name,
                    "verdict": verdict,
                    "data_as_of": data_as_of,
                    "rows_accepted": 10,
                    "rows_rejected": 0,
                    "note": "",
                }
            )
        )

    @property
    def settings(self) -> Settings:
        return Settings(
            organisation=OrganisationSettings(name="Acme", privacy_threshold=self.threshold),
            privacy=PrivacySettings(names=self.names),
        )

    @property
    def marts(self) -> Marts:
        grains = {row["kpi_id"]: str(row["grains"]).split("|") for row in self.catalogue}
        own = self.period.grain.value

        def split(rows: Iterable[Row]) -> tuple[list[Row], list[Row]]:
            mine = [r for r in rows if own in grains.get(r["kpi_id"], [own])]
            return mine, [r for r in rows if own not in grains.get(r["kpi_id"], [own])]

        values, coarser_values = split(self.values.values())
        signals, coarser_signals = split(self.signals.values())
        return Marts(
            kpi_values=values,
            kpi_signals=signals,
            coarser_values=coarser_values,
            coarser_signals=coarser_signals,
            org_units=self.units,
            exclusions=self.exclusions,
            governance=self.governance,
            initiatives=self.initiatives,
            kpi_catalogue=self.catalogue,
            decision_rights=self.rights,
            **self.models,
        )

    @property
    def basis(self) -> PeriodBasis:
        return PeriodBasis(
            feeds=tuple(self.feeds),
            data_as_of=self.period.end,
            charter_hash="c" * 8,
            code_version="1",
        )

    def build(self) -> Scorecard:
        return build_scorecard(self.marts, self.period, self.basis, self.settings, self.charter)

    def pages(self) -> dict[str, LeaderPage]:
        """The leaders' own pages by person, checked as the asset checks them."""
        card, figures = self.build(), Figures(self.marts, self.period, self.basis, self.settings)
        pages = leader_pages(figures, self.charter, card)
        assert inconsistencies(card, self.marts, pages) == []
        return {page.person_id: page for page in pages}

    def kpi(self, kpi_id: str) -> Kpi:
        card = self.build()
        return next(k for k in [*card.kpis, *card.below] if k.kpi_id == kpi_id)


@pytest.fixture
def case() -> Case:
    """An organisation of one unit, October 2026, with nothing known yet."""
    empty = Case()
    empty.unit("whole", name="Acme", headcount=500)
    return empty


@pytest.fixture
def quarter_case() -> Case:
    """The same for the third quarter of 2026."""
    empty = Case(period=Period.parse("2026-Q3"))
    empty.unit("whole", name="Acme", headcount=500)
    return empty


@pytest.fixture
def full_case(case: Case) -> Case:
    """Thirteen months of quiet figures for every headline KPI, with roles held."""
    quarter = Period.containing(Grain.QUARTER, date(2026, 9, 30))
    for back in range(13):
        month = case.period.shift(-back)
        case.value("time_to_competency", 41, period=month, numerator=60, denominator=80,
                   lower=38, upper=47, target=45)  # fmt: skip
        case.value("certification_rate", "91.2", period=month, numerator=456, denominator=500,
                   target=90)  # fmt: skip
        case.value("certifications_lapsing_60d", 4, period=month, numerator=4, denominator=456,
                   target=None)  # fmt: skip
        case.value("on_time_completion_rate", "87.0", period=month, numerator=870,
                   denominator=1000, target=95)  # fmt: skip
        case.value("mandatory_overdue_today", 31, period=month, numerator=31, denominator=500)
        case.value("active_learner_rate", "53.2", period=month, numerator=266, denominator=500)
        case.value("adoption_velocity", "12.4", period=month, numerator=62, denominator=500)
        for kpi_id, low, high in (
            ("time_to_competency", 35, 47),
            ("on_time_completion_rate", 82, 91),
            ("active_learner_rate", 48, 58),
            ("adoption_velocity", 9, 15),
        ):
            case.signal(kpi_id, "ordinary", period=month, charted=(low + high) / 2,
                        mean=(low + high) / 2, lower=low, upper=high)  # fmt: skip
        case.signal("certification_rate", "ordinary", "hit_and_miss", basis="net_gain",
                    period=month, charted="0.2", mean="0.1", lower="-0.6", upper="1.4")  # fmt: skip
    case.value("performance_improvement", "3.4", period=quarter, numerator="103.4",
               denominator=100, target=2, people=500)  # fmt: skip
    case.signal("performance_improvement", "ordinary", period=quarter, charted="3.4",
                mean=3, lower=-1, upper=7)  # fmt: skip
    case.value("seat_use", "83.3", period=quarter, numerator=500, denominator=600)
    case.value("idle_seat_cost", 2400, period=quarter, numerator=2400, denominator=600)
    case.signal("seat_use", "ordinary", period=quarter, charted="83.3", mean=83, lower=78, upper=88)
    case.holder("executive_sponsor", "Ada Byron")
    case.holder("ld_head", "Grace Hopper")
    case.holder("compliance_owner", "Alan Turing")
    case.holder("finance", "Luca Pacioli")
    case.holder("program_lead", "Not Printed")
    return case


def fill(case: Case, title: str = "Something") -> None:
    """Give every published model rows, as every grain has them; texts hold ``title``."""
    start, end = case.period.start, case.period.end
    day = end - timedelta(days=1)
    for unit, people in (("o", 300), ("s", 150), ("x", 4)):
        case.unit(unit, "whole", name=f"{title} {unit}", headcount=people)
        case.value("active_learner_rate", 50, unit=unit, people=people, numerator=people // 2,
                   denominator=people, target=60)  # fmt: skip
        case.signal("active_learner_rate", "concerning", unit=unit)
        for index_id in ("leaders_active", "leaders_flagship", "cascade_reach"):
            case.index(index_id, 3, people // 10, org_unit_id=unit, people=people // 10)
        for index_id in ("velocity_before", "velocity_after"):
            case.index(index_id, 5, people, value="12.5", org_unit_id=unit, people=people)
        case.index("visible_weeks", 4, 13, org_unit_id=unit, people=1)
        case.row("governance_faults", org_unit_id=unit, role="operator", fault="vacant")
        case.row("stalled_enrolments", org_unit_id=unit, course_id="C", title=title, people=people)
        case.row("early_warnings", warning_id="sponsor_silent_3", pain_point="no_visible_sponsor",
                 parameter="weeks_without_sponsor_action", org_unit_id=unit, measured=3,
                 threshold=3, since_on=start, countermeasure=f"{title}.", owner_role="sponsor",
                 due_on=end + timedelta(days=10), entry_id=f"w/{unit}")  # fmt: skip
        case.row("early_warning_evidence", warning_id="sponsor_silent_3", org_unit_id=unit,
                 evidence_kind="no_record", evidence_id=unit, note=title,
                 evidence_on=start)  # fmt: skip
        case.row("message_cascade", message_id="m", org_unit_id=unit, managers=9, confirmed=4)
        for number, status in enumerate(("done", "overdue")):
            case.row("leader_plan", org_unit_id=unit, launch_on=end - timedelta(days=100),
                     day_now=100, plan_day=number, action=f"{title} {number}", status=status,
                     owner_role="sponsor", due_on=end - timedelta(days=90 - number),
                     evidence="email", evidence_on=start)  # fmt: skip
        for person in ("p1", "p2"):
            case.row("named_leaders", person_id=person, full_name=f"{title} {person}",
                     org_unit_id=unit, manager_id="p1")  # fmt: skip
            case.row("leader_actions", action_id=f"{unit}/{person}", person_id=person,
                     org_unit_id=unit, happened_on=day, audience_org_unit_id=unit)  # fmt: skip
            case.row("leader_completions", person_id=person, org_unit_id=unit, course_id="F",
                     title=title, is_flagship=1, completed_on=day)  # fmt: skip
        for kind in ("decision", "action", "commitment"):
            case.log(f"{unit}/{kind}", kind=kind, org_unit_id=unit, asked_on=start, title=title,
                     first_due_on=day, status="overdue", right_id="remove_blocker",
                     owner_person_id="p1", owner_role="unit_head", waiting_days=20)  # fmt: skip
        case.row("outcomes", org_unit_id=unit, reporting_unit_id=unit, outcome_metric=title,
                 launch_quarter=start, quarter_start=start, numerator=5, denominator=4)  # fmt: skip
        case.row("change_split", kpi_id="active_learner_rate", org_unit_id=unit, before=1, now=2,
                 mix=1, rate=0)  # fmt: skip
        case.row("month_signals", kpi_id="active_learner_rate", org_unit_id=unit,
                 variation="improving")  # fmt: skip
        case.row("decommission_candidates", course_id=unit, title=f"{title} {unit}",
                 reasons="unused", right_id="decommission_elective")  # fmt: skip
    case.row("change_split", kpi_id="active_learner_rate", before=50, now=53, mix=2, rate=1)
    for text in ("One", "Two"):
        case.row("kpi_comments", kpi_id="active_learner_rate", org_unit_id="whole", person_id="p1",
                 text=f"{title} {text}", recorded_on=end)  # fmt: skip
        case.row("course_rises", course_id=text, title=title, completions=20, upper=9, is_rise=1)
