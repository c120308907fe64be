"""A real Moodle site, mapped by configuration alone, gives the figures Moodle itself gave."""

from __future__ import annotations

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from orchestration.feeds.deliveries import DeliveryManifest
from orchestration.feeds.landing import land_range
from orchestration.lake import Lake
from orchestration.settings import PathSettings, Settings, load_settings

DATA = Path(__file__).resolve().parents[3] / "shared" / "data" / "moodle"
DAY = date(2026, 11, 2)
TABLES = (
    "mdl_user",
    "mdl_user_info_field",
    "mdl_user_info_data",
    "mdl_course",
    "mdl_course_categories",
    "mdl_user_enrolments",
    "mdl_enrol",
    "mdl_course_completions",
    "mdl_logstore_standard_log",
)
ESCAPES = {"\\n": "\n", "\\t": "\t", "\\r": "\r", "\\\\": "\\"}


def _value(text: str) -> str:
    if text == "\\N":
        return ""
    if "\\" not in text:
        return text
    for escape, meant in ESCAPES.items():
        text = text.replace(escape, meant)
    return text


def _tables(dump: Path) -> Iterator[tuple[str, list[str], list[list[str]]]]:
    """Tables of a PostgreSQL dump, as psql would copy them out."""
    with gzip.open(dump, "rt", encoding="utf-8", newline="\n") as lines:
        for line in lines:
            if not line.startswith("COPY public."):
                continue
            name, _, rest = line.removeprefix("COPY public.").partition(" (")
            columns = rest.partition(")")[0].split(", ")
            rows = []
            for row in lines:
                if row == "\\.\n":
                    break
                if name in TABLES:
                    rows.append([_value(field) for field in row.rstrip("\n").split("\t")])
            if name in TABLES:
                yield name, columns, rows


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Lake]:
    if not DATA.exists():
        pytest.skip(f"NOT RUN: the Moodle dump is not at {DATA}")
    home = tmp_path_factory.mktemp("moodle")
    declared = load_settings(Path(__file__).with_name("organisation.toml"))
    settings = declared.model_copy(update={"paths": PathSettings(home=home)})
    folder = settings.landing_folder / DAY.isoformat()
    folder.mkdir(parents=True)
    for name, columns, rows in _tables(DATA / "moodle-postgresql.sql.gz"):
        with (folder / f"{name}.csv").open("w", newline="", encoding="utf-8") as handle:
            csv.writer(handle).writerows([columns, *rows])
    return settings, Lake(settings.lake_url)


@pytest.fixture(scope="module")
def landed(site: tuple[Settings, Lake]) -> dict[str, DeliveryManifest]:
    settings, lake = site
    found = {}
    for feed in settings.feeds:
        if feed == "records":
            continue  # nobody has recorded anything
        (outcome,) = land_range(settings, lake, feed, DAY, DAY)
        assert outcome.manifest is not None, outcome.note
        assert outcome.manifest.contract_problem is None
        found[str(feed)] = outcome.manifest
    return found


@pytest.fixture(scope="module")
def moodle() -> Any:
    if not DATA.exists():
        pytest.skip(f"NOT RUN: the Moodle dump is not at {DATA}")
    return json.loads((DATA / "reference.json").read_text())


def _rows(site: tuple[Settings, Lake], feed: str, query: str) -> list[tuple[Any, ...]]:
    files = site[1].path("staged", feed, "**", "*.parquet")
    with duckdb.connect() as connection:
        connection.execute("SET TimeZone = 'Europe/London'")
        connection.execute(f"CREATE VIEW {feed} AS SELECT * FROM read_parquet('{files}')")
        return connection.execute(query).fetchall()


def test_no_row_is_rejected(landed: dict[str, DeliveryManifest]) -> None:
    assert [feed for feed, manifest in landed.items() if manifest.rejected_by_reason] == []
    assert all(m.rows_in == m.rows_accepted > 0 for m in landed.values())


def test_people_are_the_users_not_deleted(
    site: tuple[Settings, Lake], landed: dict[str, DeliveryManifest], moodle: Any
) -> None:
    ((people,),) = _rows(site, "people", "SELECT count(*) FROM people WHERE left_on IS NULL")
    # Moodle counts its guest account as a user
    assert people == moodle["users_not_deleted"] - 1


def test_completions_by_month(
    site: tuple[Settings, Lake], landed: dict[str, DeliveryManifest], moodle: Any
) -> None:
    rows = _rows(
        site,
        "enrolments",
        "SELECT strftime(completed_at, '%Y-%m'), count(*) FROM enrolments"
        " WHERE completed_at IS NOT NULL GROUP BY 1",
    )
    expected = moodle["course_completions_by_month"]
    assert len(expected) == 7
    assert {month: count for month, count in rows if month in expected} == expected


def test_people_who_logged_in_by_month(
    site: tuple[Settings, Lake], landed: dict[str, DeliveryManifest], moodle: Any
) -> None:
    rows = _rows(
        site,
        "activity",
        "SELECT strftime(occurred_at, '%Y-%m'), count(*), count(DISTINCT person_id) FROM activity"
        " WHERE verb LIKE '%logged-in' GROUP BY 1",
    )
    expected = {
        month: (figures["logins"], figures["different_users"])
        for month, figures in moodle["site_logins_by_month"].items()
    }
    assert len(expected) == 7
    assert {m: (logins, people) for m, logins, people in rows if m in expected} == expected
