"""The sample organisation's own rows of the programme charter, as seed CSVs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from datetime import date, timedelta
from pathlib import Path

from orchestration.periods import Grain, periods_between
from orchestration.sample import content
from orchestration.sample.actions import launch_of, sponsors
from orchestration.sample.leadership import PRODUCTIVITY, SATISFACTION, message_rows
from orchestration.sample.messages import TOWN_HALL_DAY, messages
from orchestration.sample.organisation import UNSET, Organisation, to_date
from orchestration.sample.reviews import first_review_on, weekday_back

SEAT_COST = "18.50"
LAG_QUARTERS = 1
_FORMS_DAY = 62


def seats(organisation: Organisation) -> int:
    """Seats paid for in every quarter: an eighth more than the people at the start."""
    return round(organisation.parameters.people * 1.125 / 10) * 10


def charter_files(organisation: Organisation) -> dict[str, str]:
    """File name and content of each seed that replaces the shipped one."""
    parameters = organisation.parameters
    return {
        name: _csv(rows)
        for name, rows in {
            "programme.csv": _programme(organisation),
            "programme_courses.csv": _programme_courses(),
            "governance_roles.csv": organisation.governance,
            "licences.csv": _licences(organisation),
            "role_requirements.csv": _role_requirements(organisation),
            "messages.csv": message_rows(organisation),
            "leader_targets.csv": _leader_targets(organisation),
            "kpi_targets.csv": _kpi_targets(parameters.first_day.isoformat()),
        }.items()
    }


def write_charter(organisation: Organisation, folder: Path) -> None:
    """Write the seeds into ``folder``, each whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in charter_files(organisation).items():
        aside = folder / f".{name}.tmp"
        aside.write_text(text, encoding="utf-8", newline="")
        aside.replace(folder / name)


def _csv(rows: Iterable[Mapping[str, object]]) -> str:
    rows = list(rows)
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue()


def _programme(organisation: Organisation) -> list[dict[str, object]]:
    parameters = organisation.parameters
    core_sentence = messages(parameters)[0].core_sentence
    rows: list[dict[str, object]] = []

    def add(unit: str, launch: date, hall_day: int, metric: str) -> None:
        rows.append(
            {
                "org_unit_id": unit,
                "launch_on": launch,
                "outcome_metric": metric,
                "outcome_lag_quarters": LAG_QUARTERS,
                "core_sentence": core_sentence,
                "valid_from": parameters.first_day.replace(year=parameters.first_day.year - 1),
                "town_hall_on": weekday_back(launch + timedelta(days=hall_day)),
                "first_review_on": first_review_on(launch),
            }
        )

    add("*", parameters.launch_on, TOWN_HALL_DAY, PRODUCTIVITY)
    for d, division in enumerate(content.DIVISIONS):
        metric = SATISFACTION if division.code == "COM" else PRODUCTIVITY
        late = d == content.LATE
        launch = parameters.late_launch_on if late else parameters.launch_on
        add(division.code, launch, TOWN_HALL_DAY + late, metric)
    return rows


def _programme_courses() -> list[dict[str, object]]:
    rows: list[dict[str, object]] = [{"course_id": "*flagship", "kind": "flagship"}]
    rows += [
        {"course_id": course.code, "kind": "programme"}
        for course in content.COURSES
        if course.programme and not course.flagship
    ]
    return rows


def _licences(organisation: Organisation) -> list[dict[str, object]]:
    parameters = organisation.parameters
    return [
        {
            "licence_id": f"SEATS-{quarter.id}",
            "seats": seats(organisation),
            "cost_per_seat": SEAT_COST,
            "period_start": quarter.start,
            "period_end": quarter.end,
        }
        for quarter in periods_between(Grain.QUARTER, parameters.first_day, parameters.last_day)
    ]


def _role_requirements(organisation: Organisation) -> list[dict[str, object]]:
    return [
        {
            "job_role": "*" if requirement.role == UNSET else content.ROLES[requirement.role],
            "org_unit_id": "*",
            "competency_id": content.COMPETENCIES[requirement.competency].code,
            "grace_days": requirement.grace_days,
            "valid_from": to_date(requirement.valid_from),
            "valid_to": "",
        }
        for requirement in organisation.requirements
    ]


def _leader_targets(organisation: Organisation) -> list[dict[str, object]]:
    """From the day that the engagement plan puts them into the leaders' review forms."""
    number = organisation.people["person_id"]
    rows: list[dict[str, object]] = []
    for person, unit in sponsors():
        since = weekday_back(launch_of(organisation, unit) + timedelta(days=_FORMS_DAY))
        rows += [
            {
                "person_id": str(number[person]),
                "kpi_id": kpi,
                "target": target,
                "valid_from": since,
                "valid_to": "",
            }
            for kpi, target in (
                ("sponsor_visible_weeks", 9 if unit else 10),
                ("commitments_closed_on_time", 90),
            )
        ]
    return rows


def _kpi_targets(valid_from: str) -> list[dict[str, object]]:
    """Targets of the sample organisation; units of their own where they differ."""
    return [
        {"kpi_id": kpi, "org_unit_id": unit, "valid_from": valid_from, "target": target}
        for kpi, unit, target in (
            ("performance_improvement", "*", 2),
            ("time_to_competency", "*", 60),
            ("competency_by_day_90", "*", 70),
            ("certification_rate", "*", 90),
            ("on_time_completion_rate", "*", 90),
            ("on_time_completion_rate", "OPS", 92),
            ("mandatory_overdue_today", "*", 0),
            ("active_learner_rate", "*", 40),
            ("seat_use", "*", 80),
            ("sponsor_visible_weeks", "*", 10),
            ("leaders_flagship_completed", "*", 90),
            ("commitments_closed_on_time", "*", 90),
        )
    ]
