"""Three of the headline KPIs in pandas, month by month, as a plain script would have it.

For comparison only. The days to competency and the business outcome are left out: they are small,
and a Kaplan-Meier estimate of every unit in pandas says nothing about the engine.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.dataset as ds

from orchestration.periods import Grain, Period
from orchestration.settings import Settings
from orchestration.warehouse.charter import charter_in_force

ZONE = "Europe/London"


def headlines(settings: Settings, periods: list[Period]) -> pd.DataFrame:
    """Active learners, mandatory learning on time and certificates, of every unit and period."""
    lake, charter = settings.home / "lake", charter_in_force(settings).folder
    people = pd.read_parquet(lake / "versions" / "people.parquet").drop(
        columns=["full_name", "email", "location", "manager_id"]
    )
    people["employment_line"] = (
        people.pop("employment_type").eq("contractor").map({True: "contractor", False: "employee"})
    )
    days = ["hired_on", "role_started_on", "left_on", "leave_from", "leave_to"]
    for column in [*days, "valid_from", "valid_to"]:
        people[column] = pd.to_datetime(people[column])
    courses = pd.read_parquet(lake / "versions" / "courses.parquet")
    mandatory = set(courses.loc[courses.is_mandatory, "course_id"])
    learned = _learned(lake, charter, periods, mandatory)
    due = _due(lake, courses[courses.is_mandatory])
    certificates = _certificates(lake)
    required = pd.read_csv(charter / "role_requirements.csv")
    ancestors = _ancestors(lake)
    found = []
    for period in periods:
        start, end = pd.Timestamp(period.start), pd.Timestamp(period.end)
        known = people[
            (people.valid_from <= end) & (people.valid_to.isna() | (people.valid_to > end))
        ]
        away = known.leave_to.clip(upper=end) - known.leave_from.clip(lower=start)
        eligible = known[
            (known.left_on.isna() | (known.left_on > end))
            & ((end - known.hired_on).dt.days + 1 >= 31)
            & ~(away.dt.days + 1 > 0.5 * ((end - start).days + 1))
        ]
        active = eligible.assign(done=eligible.person_id.isin(learned[period]))
        found.append(_counted(period, "active_learner_rate", active))
        found.append(_counted(period, "on_time_completion_rate", _on_time(due, known, start, end)))
        if period.grain is not Grain.WEEK:
            held = _held(eligible, required, certificates, end)
            found.append(_counted(period, "certification_rate", held))
    counted = pd.concat(found).merge(ancestors, on="org_unit_id")
    keys = ["grain", "period_start", "kpi_id", "ancestor_id", "employment_line"]
    rolled = counted.groupby(keys, as_index=False)[["numerator", "denominator"]].sum()
    return rolled.rename(columns={"ancestor_id": "org_unit_id"})


def _counted(period: Period, kpi: str, rows: pd.DataFrame) -> pd.DataFrame:
    counted = rows.groupby(["org_unit_id", "employment_line"], as_index=False).agg(
        numerator=("done", "sum"), denominator=("done", "size")
    )
    return counted.assign(grain=period.grain.value, period_start=period.start, kpi_id=kpi)


def _learned(
    lake: Path, charter: Path, periods: list[Period], mandatory: set[str]
) -> dict[Period, set[str]]:
    """Who learned voluntarily in each period; the events are read a month at a time."""
    verbs = pd.read_csv(charter / "learning_verbs.csv").set_index("verb").min_seconds
    found: dict[Period, set[str]] = {period: set() for period in periods}
    columns = ["person_id", "course_id", "verb", "duration_seconds"]
    for month in (period for period in periods if period.grain is Grain.MONTH):
        for day in pd.date_range(month.start, month.end):
            folder = lake / "raw" / "activity" / f"event_day={day.date()}"
            if not folder.exists():
                continue
            events = ds.dataset(folder).to_table(columns=columns).to_pandas()
            counts = events[
                (events.duration_seconds.fillna(0) >= events.verb.map(verbs))
                & ~events.course_id.isin(mandatory)
            ]
            learners = set(counts.person_id.unique())
            for grain in Grain:
                period = Period.containing(grain, day.date())
                if period in found:
                    found[period] |= learners
    return found


def _local(times: pd.Series[pd.Timestamp]) -> pd.Series[pd.Timestamp]:
    return times.dt.tz_convert(ZONE).dt.normalize().dt.tz_localize(None)


def _due(lake: Path, mandatory: pd.DataFrame) -> pd.DataFrame:
    """Mandatory enrolments with their first due date and how they ended."""
    versions = pd.read_parquet(lake / "versions" / "enrolments.parquet").sort_values("valid_from")
    versions["valid_from"] = pd.to_datetime(versions.valid_from)
    by_id = versions.groupby("enrolment_id")
    latest = by_id[["person_id", "course_id"]].last()
    latest["due_on"] = _local(by_id.due_at.first())
    latest["completed_on"] = _local(by_id.completed_at.last())
    cancelled = versions[versions.status == "cancelled"].groupby("enrolment_id").valid_from.min()
    ended = by_id.status.last() == "cancelled"
    latest["cancelled_on"] = cancelled.where(ended.reindex(cancelled.index))
    retired = mandatory.sort_values("valid_from").groupby("course_id").last().retired_on
    latest = latest[latest.course_id.isin(set(mandatory.course_id)) & latest.due_on.notna()]
    return latest.assign(retired_on=pd.to_datetime(latest.course_id.map(retired)))


def _on_time(
    due: pd.DataFrame, known: pd.DataFrame, start: pd.Timestamp, end: pd.Timestamp
) -> pd.DataFrame:
    rows = due[(due.due_on >= start) & (due.due_on <= end)].merge(known, on="person_id")
    rows = rows[
        (rows.hired_on <= rows.due_on)
        & (rows.left_on.isna() | (rows.left_on > rows.due_on))
        & ~((rows.leave_from <= rows.due_on) & (rows.leave_to >= rows.due_on))
        & (rows.retired_on.isna() | (rows.retired_on >= rows.due_on))
        & ~(
            (rows.cancelled_on <= rows.due_on)
            & (rows.completed_on.isna() | (rows.completed_on > rows.cancelled_on))
        )
    ]
    return rows.assign(done=rows.completed_on <= rows.due_on)


def _certificates(lake: Path) -> pd.DataFrame:
    issued = pd.read_parquet(lake / "raw" / "certifications")
    return pd.DataFrame(
        {
            "person_id": issued.person_id,
            "competency_id": issued.competency_id,
            "issued_on": _local(issued.issued_at),
            "expires_on": _local(issued.expires_at),
        }
    )


def _held(
    eligible: pd.DataFrame, required: pd.DataFrame, certificates: pd.DataFrame, end: pd.Timestamp
) -> pd.DataFrame:
    pairs = eligible.merge(required[["job_role", "competency_id", "grace_days"]], on="job_role")
    started = pairs.role_started_on.fillna(pairs.hired_on)
    pairs = pairs[started + pd.to_timedelta(pairs.grace_days, unit="D") <= end]
    valid = certificates[(certificates.issued_on <= end) & (certificates.expires_on > end)]
    valid = valid[["person_id", "competency_id"]].drop_duplicates().assign(done=True)
    pairs = pairs.merge(valid, on=["person_id", "competency_id"], how="left")
    return pairs.assign(done=pairs.done.notna())


def _ancestors(lake: Path) -> pd.DataFrame:
    """Each unit with every unit above it and itself."""
    parents = pd.read_parquet(lake / "versions" / "org_units.parquet").set_index("org_unit_id")
    rows = []
    for unit in parents.index:
        above = unit
        while isinstance(above, str):
            rows.append((unit, above))
            above = parents.parent_org_unit_id[above]
    return pd.DataFrame(rows, columns=["org_unit_id", "ancestor_id"])
