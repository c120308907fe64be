"""What a scorecard's figures stood on, kept beside it in the lake: for restatements.

``evidence/<grain>/<period_id>/<figures hash>/`` holds the period's published values, a fingerprint
of every person's part in them, the units, and what defined them. The figures hash is that of the
scorecard, so a sealed edition names its evidence and nothing ever overwrites it. It holds groups of
any size, and so it stays in the lake and is never laid beside a page; persons are pseudonyms.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from orchestration.lake import Lake, quoted
from orchestration.periods import Period
from orchestration.quality.close import PeriodClose
from orchestration.settings import FeedName, Settings
from orchestration.warehouse.charter import charter_in_force, read_seed
from orchestration.warehouse.project import project_fingerprint
from orchestration.warehouse.published import PublishedRows, history_hash, published_builds

PEOPLE = "int_population"
PSEUDONYMS = "pseudonyms"
FACTS = {
    "fct_active_learners": ("active_learner_rate", "active_learner_rate_total"),
    "fct_enrolments_due": (
        "on_time_completion_rate",
        "elective_completion_rate",
        "mandatory_short_notice",
    ),
    "fct_mandatory_overdue": ("mandatory_overdue_today",),
    "fct_first_completions": ("adoption_velocity", "adoption_velocity_mandatory"),
    "fct_certification_pairs": ("certification_rate", "certification_lapses_60_days"),
    "fct_competency_clocks": ("time_to_competency",),
    "fct_seat_use": ("seat_use",),
    "fct_outcomes": ("performance_improvement",),
}
"""The published person-level models and the KPIs counted from them."""
DEFINES = {
    "active_learner_rate": ("learning_verbs",),
    "active_learner_rate_total": ("learning_verbs",),
    "seat_use": ("learning_verbs", "licences"),
    "certification_rate": ("role_requirements",),
    "certification_lapses_60_days": ("role_requirements",),
    "time_to_competency": ("role_requirements",),
    "adoption_velocity": ("programme_courses",),
    "adoption_velocity_mandatory": ("programme_courses",),
    "performance_improvement": ("programme",),
}
"""The charter's files that define a KPI, beside ``population``, which defines all."""
_DEFINING = (
    "kpi_catalogue",
    "population",
    "signal_rules",
    *sorted({seed for seeds in DEFINES.values() for seed in seeds}),
)
_CATALOGUE = ("kpi_id", "role", "grains", "unit", "direction", "precision")
"""Columns of the catalogue that enter a figure; the others are words."""
_NOT_CONTENT = ("period_start", "period_end", "person_id", "org_unit_id", "build_id")

Amount = Decimal | None


@dataclass(frozen=True)
class Value:
    """One KPI of one unit as published, employees only."""

    numerator: Amount
    denominator: Amount
    value: Amount
    target: Amount

    @property
    def counted(self) -> tuple[Amount, Amount, Amount]:
        """All but the target."""
        return (self.numerator, self.denominator, self.value)


@dataclass(frozen=True)
class Evidence:
    """What one period's figures stood on.

    Attributes:
        values: by KPI and unit.
        facts: of each person-level model, person -> (unit, fingerprint of their rows).
        persons: what stands for a person in it; facts of different kinds cannot be compared.
        erased: how many people were erased from it since it was kept.
        parents: unit -> the unit above it.
        definitions: hash of each part of the charter, as it applied to the period; ``kpi:<id>`` is
            the KPI's own row of the catalogue.
        code: hash over the models.
        settings: hash over the settings that models read.
        history: hash over the figures of the periods before, which the marks stand on.
        pages: hash over what else decides what a page shows: software, privacy threshold.
        build: the build in force that they are.
        arrivals: of each feed, the newest arrival that the close knew; None where an older version
            kept none.
    """

    values: Mapping[tuple[str, str], Value]
    facts: Mapping[str, Mapping[str, tuple[str, str]]]
    parents: Mapping[str, str | None]
    definitions: Mapping[str, str]
    code: str
    settings: str
    history: str
    pages: str
    build: str
    arrivals: Mapping[FeedName, int] | None
    persons: str = PSEUDONYMS
    erased: int = 0

    def within(self, unit: str) -> frozenset[str]:
        """The unit and every unit beneath it."""
        found = {unit}
        while more := {u for u, above in self.parents.items() if above in found} - found:
            found |= more
        return frozenset(found)


def keep_evidence(
    settings: Settings,
    published: PublishedRows,
    period: Period,
    close: PeriodClose,
    figures_hash: str,
    sealed: Collection[str],
) -> None:
    """Keep what the period's published figures stand on, under the hash of their scorecard.

    Evidence of drafts that were never sealed goes; what an edition stands on stays as it is.

    Args:
        published: the reader of the run that made the scorecard.
        sealed: figures hashes of the period's editions.
    """
    lake = published.lake
    place = ("evidence", period.grain.value, period.id)
    if period.id not in published_builds(lake, period.grain):
        return
    if not lake.exists(*place, figures_hash, "basis.json"):
        _write(settings, published, period, close, (*place, figures_hash))
    known = {name.split("/")[3] for name in lake.files(*place)}
    for left in sorted(known - {figures_hash, *sealed}):
        lake.remove(*place, left)


def is_of_figures_in_force(lake: Lake, period: Period, figures_hash: str) -> bool:
    """Whether a scorecard was made from the figures in force; true where that was not kept."""
    place = ("evidence", period.grain.value, period.id, figures_hash, "basis.json")
    build = published_builds(lake, period.grain).get(period.id)
    return not lake.exists(*place) or bool(lake.read_json(*place)["build"] == build)


def read_evidence(lake: Lake, period: Period, figures_hash: str) -> Evidence | None:
    """What an edition's figures stood on; None where nothing was kept (an older edition)."""
    place = ("evidence", period.grain.value, period.id, figures_hash)
    if not lake.exists(*place, "basis.json"):
        return None
    basis = lake.read_json(*place, "basis.json")
    with lake.connect() as connection:

        def rows(name: str) -> list[Any]:
            file = quoted(lake.path(*place, f"{name}.parquet"))
            return connection.execute(f"SELECT * FROM read_parquet({file})").fetchall()

        values = {(row[0], row[1]): Value(*row[2:]) for row in rows("values")}
        facts: dict[str, dict[str, tuple[str, str]]] = {}
        for model, person, unit, content in rows("facts"):
            facts.setdefault(model, {})[person] = (unit, content)
    return Evidence(
        values=values,
        facts=facts,
        parents=basis["parents"],
        definitions=basis["definitions"],
        code=basis["code"],
        settings=basis["settings"],
        history=basis["history"],
        pages=basis["pages"],
        build=basis["build"],
        arrivals=basis.get("arrivals"),
        persons=basis.get("persons", "hashes"),
        erased=len(basis.get("erasures", [])),
    )


def _write(
    settings: Settings,
    published: PublishedRows,
    period: Period,
    close: PeriodClose,
    place: tuple[str, ...],
) -> None:
    """``basis.json`` comes last: evidence that has one is whole."""
    lake, connection = published.lake, published.connection
    build = published_builds(lake, period.grain)[period.id]

    def file_of(model: str) -> str | None:
        parts = ("published", period.grain.value, period.id, build, f"{model}__{period.grain}")
        file = (*parts[:-1], f"{parts[-1]}.parquet")
        return lake.path(*file) if lake.exists(*file) else None

    values = file_of("kpi_values")
    empty = (
        "SELECT NULL::VARCHAR AS kpi_id, NULL::VARCHAR AS org_unit_id, "
        "NULL::DECIMAL(18,4) AS numerator, NULL::DECIMAL(18,4) AS denominator, "
        "NULL::DECIMAL(18,4) AS value, NULL::DECIMAL(18,4) AS target WHERE false"
    )
    lake.write_parquet(
        connection,
        "SELECT kpi_id, org_unit_id, numerator, denominator, value, target "
        f"FROM read_parquet({quoted(values)}) "
        "WHERE employment_line = 'employee' ORDER BY ALL"
        if values
        else empty,
        *place,
        "values.parquet",
    )
    parts = []
    for model in (PEOPLE, *FACTS):
        if file := file_of(model):
            described = connection.execute(
                f"DESCRIBE SELECT * FROM read_parquet({quoted(file)})"
            ).fetchall()
            types = {str(row[0]): str(row[1]) for row in described}
            parts.append(_fingerprints(model, file, types, period))
    nobody = (
        "SELECT NULL::VARCHAR AS model, NULL::VARCHAR AS person, NULL::VARCHAR AS unit, "
        "NULL::VARCHAR AS content WHERE false"
    )
    lake.write_parquet(
        connection,
        " UNION ALL ".join([nobody, *parts]) + " ORDER BY ALL",
        *place,
        "facts.parquet",
    )
    units = file_of("org_units")
    parents = (
        connection.execute(
            "SELECT org_unit_id, parent_org_unit_id "
            f"FROM read_parquet({quoted(units)}) ORDER BY ALL"
        ).fetchall()
        if units
        else []
    )
    lake.write_json(
        {
            "build": build,
            "persons": PSEUDONYMS,
            "parents": dict(parents),
            "definitions": _definitions(settings, period),
            "code": project_fingerprint(),
            "settings": _hash(
                settings.organisation.model_dump(mode="json", exclude={"name", "privacy_threshold"})
            ),
            "history": history_hash(published.figures(period.grain), period),
            "pages": _hash([close.code_version, settings.organisation.privacy_threshold]),
            "arrivals": {feed: judged.arrival for feed, judged in close.feeds.items()},
        },
        *place,
        "basis.json",
    )


def _fingerprints(model: str, file: str, columns: Mapping[str, str], period: Period) -> str:
    """One row a person: their unit, and a hash over all else that is said of them.

    What happened after the period, such as a completion long past its due date, says nothing of it.
    """
    if model == PEOPLE:
        content = ["employment_line", "is_eligible"]
    else:
        content = [column for column in columns if column not in _NOT_CONTENT]
    known = [
        f"CASE WHEN {column} <= DATE '{period.end}' THEN {column} END"
        if columns[column] == "DATE"
        else column
        for column in content
    ]
    said = ", ".join(f"coalesce(({value})::VARCHAR, '')" for value in known)
    # outcomes are reported by units
    who = "person_id" if "person_id" in columns else "concat_ws('|', org_unit_id, quarter_start)"
    return (
        f"SELECT {quoted(model)} AS model, {who} AS person, "
        "max(org_unit_id)::VARCHAR AS unit, "
        f"md5(string_agg(concat_ws('|', {said}), chr(10) ORDER BY concat_ws('|', {said}))) "
        f"AS content FROM read_parquet({quoted(file)}) GROUP BY {who}"
    )


def _definitions(settings: Settings, period: Period) -> dict[str, str]:
    """Rows that came to apply after the period define nothing in it."""
    folder = charter_in_force(settings).folder
    found: dict[str, str] = {}
    for name in _DEFINING:
        rows = [
            row
            for _, row in read_seed(name, folder / f"{name}.csv")
            if not row.get("valid_from") or row["valid_from"] <= period.end.isoformat()
        ]
        if name == "kpi_catalogue":
            for kpi_id in {row["kpi_id"] for row in rows}:
                mine = [[r[c] for c in _CATALOGUE] for r in rows if r["kpi_id"] == kpi_id]
                found[f"kpi:{kpi_id}"] = _hash(mine)
        else:
            found[name] = _hash([sorted(row.items()) for row in rows])
    return found


def _hash(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()
