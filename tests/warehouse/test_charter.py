"""The charter: what ships is valid, an overlay replaces it, and every slip is named."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT, OrganisationSettings, PathSettings, Settings
from orchestration.warehouse.charter import (
    BLOCKERS,
    REVIEW_RULES,
    SEEDS,
    SHIPPED_CHARTER,
    assemble_charter,
    charter_hash,
    charter_in_force,
    read_seed,
)


def settings_for(home: Path, overlay: Path | None = None) -> Settings:
    return Settings(
        organisation=OrganisationSettings(name="Test"),
        paths=PathSettings(home=home, charter=overlay),
    )


def overlaid(tmp_path: Path, name: str, text: str, encoding: str = "utf-8") -> Settings:
    """Settings with one overlay file; ``...`` at its start stands for the seed's header."""
    overlay = tmp_path / "overlay"
    overlay.mkdir(exist_ok=True)
    if text.startswith("..."):
        needed = (c.name for c in SEEDS[name].columns if not c.may_lack)
        text = ",".join(needed) + text[3:]
    (overlay / f"{name}.csv").write_bytes(text.encode(encoding))
    return settings_for(tmp_path / "home", overlay)


def refusal(settings: Settings) -> Problem:
    with pytest.raises(Problem) as caught:
        assemble_charter(settings)
    assert not list((settings.home / "charter").glob("*")), "nothing may be written"
    return caught.value


def cells(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_shipped_files_are_exactly_the_declared_ones_in_canonical_form(tmp_path: Path) -> None:
    assert {file.stem for file in SHIPPED_CHARTER.glob("*.csv")} == set(SEEDS)
    folder = assemble_charter(settings_for(tmp_path))
    for name in SEEDS:
        shipped = (SHIPPED_CHARTER / f"{name}.csv").read_bytes()
        assert (folder / f"{name}.csv").read_bytes() == shipped, name


def test_properties_describe_every_column_with_the_declared_type() -> None:
    file = PROJECT_ROOT / "dbt_project/models/charter/_charter__seeds.yml"
    described: dict[str, Any] = {
        seed["name"]: seed for seed in yaml.safe_load(file.read_text())["seeds"]
    }
    assert set(described) == set(SEEDS)
    for name, seed in SEEDS.items():
        types = {column.name: column.sql_type for column in seed.columns}
        assert described[name]["config"]["column_types"] == types
        assert [column["name"] for column in described[name]["columns"]] == list(seed.header)


def test_default_content_of_the_charter(tmp_path: Path) -> None:
    folder = assemble_charter(settings_for(tmp_path))
    catalogue = cells(folder, "kpi_catalogue")
    headline = sorted((r["headline_order"], r["kpi_id"]) for r in catalogue if r["headline_order"])
    assert [kpi_id for _, kpi_id in headline] == [
        "performance_improvement",
        "time_to_competency",
        "certification_rate",
        "on_time_completion_rate",
        "active_learner_rate",
    ]
    assert {r["kpi_id"] for r in catalogue if r["chart_basis"] != "level"} == {"certification_rate"}
    population = {row["rule"]: row["value"] for row in cells(folder, "population")}
    assert population == {"joiner_days": "31", "leave_share": "0.5"}
    days = [int(row["day"]) for row in cells(folder, "engagement_plan")]
    assert sorted(set(days)) == [
        *(0, 5, 10, 14, 15, 25, 30),
        *(35, 45, 50, 55, 60),
        *(65, 70, 75, 80, 90, 120, 180),
    ]
    rights = {row["decision_id"]: row for row in cells(folder, "decision_rights")}
    assert len(rights) == 14  # nine of CHARTER.md, funding split at its limit; time and seats
    assert [i for i, row in rights.items() if row["silence"] == "takes_effect"] == [
        "decommission_elective"
    ]
    assert [i for i, row in rights.items() if row["silence"] == "never"] == [
        "decommission_mandatory",
        "scale_adjust_stop",
    ]
    rules = {row["rule"] for row in cells(folder, "review_rules")}
    assert rules == set(REVIEW_RULES)
    assert {row["blocker"] for row in cells(folder, "blocker_rights")} == set(BLOCKERS)
    assert [row["starts_at"] for row in cells(folder, "review_calendar")] == [
        "09:30",
        "10:00",
        "10:00",
    ]
    verbs = {row["verb"].rsplit("/", 1)[1] for row in cells(folder, "learning_verbs")}
    assert not verbs & {"launched", "initialized", "logged-in", "registered", "terminated"}


def test_overlay_replaces_a_file_whole_and_tidies_what_a_spreadsheet_does(tmp_path: Path) -> None:
    text = (
        "\ufefftarget,kpi_id,org_unit_id,valid_from\r\n"
        "42.5, active_learner_rate ,*,2026-01-01\r\n,,,\r\n"
    )
    folder = assemble_charter(overlaid(tmp_path, "kpi_targets", text))
    assert (folder / "kpi_targets.csv").read_text() == (
        "kpi_id,org_unit_id,valid_from,target\nactive_learner_rate,*,2026-01-01,42.5\n"
    )
    assert (folder / "population.csv").exists()


def test_unchanged_files_are_not_touched_and_the_hash_follows_content(tmp_path: Path) -> None:
    settings = overlaid(tmp_path, "kpi_targets", "...\nseat_use,*,2026-01-01,70\n")
    folder = assemble_charter(settings)
    before = {file.name: file.stat().st_mtime_ns for file in folder.iterdir()}
    first = charter_hash(folder)
    assert assemble_charter(settings) == folder
    assert {file.name: file.stat().st_mtime_ns for file in folder.iterdir()} == before
    assert charter_hash(folder) == first
    overlaid(tmp_path, "kpi_targets", "...\nseat_use,*,2026-01-01,71\n")
    assemble_charter(settings)
    changed = {f.name for f in folder.iterdir() if f.stat().st_mtime_ns != before.get(f.name)}
    assert changed == {"kpi_targets.csv"}
    assert charter_hash(folder) != first


def test_last_good_charter_stays_when_the_overlay_breaks(tmp_path: Path) -> None:
    settings = overlaid(tmp_path, "kpi_targets", "...\nseat_use,*,2026-01-01,70\n")
    folder = assemble_charter(settings)
    good = charter_hash(folder)
    overlaid(tmp_path, "kpi_targets", "...\nseat_use,*,soon,70\n")
    with pytest.raises(Problem):
        assemble_charter(settings)
    assert charter_hash(folder) == good


@pytest.mark.parametrize(
    ("name", "row", "filled"),
    [
        (
            "programme",
            "OPS,2026-12-01,productivity_index,1,We learn,2026-11-01",
            "OPS,2026-12-01,productivity_index,1,We learn,2026-11-01,,",
        ),
        (
            "messages",
            "M1,We learn,*,P1,2026-12-01,2026-12-31",
            "M1,We learn,*,P1,2026-12-01,2026-12-31" + "," * 9,
        ),
        (
            "engagement_plan",
            "14,visible_start,Hold the town hall,sponsor,leader_action,1",
            "14,visible_start,Hold the town hall,sponsor,leader_action,1,",
        ),
        (
            "review_calendar",
            "weekly,Stand-up,15,program_lead,wins 15",
            "weekly,Stand-up,15,program_lead,wins 15,,,",
        ),
    ],
)
def test_an_overlay_of_an_earlier_version_is_filled_with_empty_cells(
    tmp_path: Path, name: str, row: str, filled: str
) -> None:
    folder = assemble_charter(overlaid(tmp_path, name, f"...\n{row}\n"))
    assert (folder / f"{name}.csv").read_text() == f"{','.join(SEEDS[name].header)}\n{filled}\n"


@pytest.mark.parametrize("name", ["review_rules", "blocker_rights"])
def test_no_rule_of_the_reviews_may_be_left_out(tmp_path: Path, name: str) -> None:
    lines = (SHIPPED_CHARTER / f"{name}.csv").read_text().splitlines()
    column, dropped = lines[0].split(",")[0], lines[-1].split(",")[0]
    problem = refusal(overlaid(tmp_path, name, "\n".join(lines[:-1]) + "\n"))
    assert (problem.column, problem.row) == (column, None)
    assert f"'{dropped}' is missing" in str(problem)


def test_a_seed_of_an_older_version_is_removed_from_the_assembled_folder(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    folder = assemble_charter(settings)
    (folder / "retired_seed.csv").write_text("a\n1\n")
    assemble_charter(settings)
    assert not (folder / "retired_seed.csv").exists()


def test_rows_in_force_at_different_dates_may_share_an_identifier(tmp_path: Path) -> None:
    text = "...\nseat_use,*,2026-01-01,70\nseat_use,*,2026-04-01,75\nseat_use,U1,2026-01-01,60\n"
    assert assemble_charter(overlaid(tmp_path, "kpi_targets", text))


@pytest.mark.parametrize(
    ("name", "text", "column", "row", "said"),
    [
        ("kpi_targets", "...\nseat_usage,*,2026-01-01,70\n", "kpi_id", 1, "mean 'seat_use'"),
        ("kpi_targets", "...\nseat_use,*,01/02/2026,70\n", "valid_from", 1, "2026-01-31"),
        ("kpi_targets", "...\nseat_use,*,2026-02-30,70\n", "valid_from", 1, "not a date"),
        ("kpi_targets", "...\nseat_use,*,2026-01-01,seventy\n", "target", 1, "not a number"),
        ("kpi_targets", '...\nseat_use,*,2026-01-01,"70,5"\n', "target", 1, "not a number"),
        ("kpi_targets", "...\nseat_use,*,2026-01-01,NaN\n", "target", 1, "not a number"),
        ("kpi_targets", "...\nseat_use,*,2026-01-01,7e1\n", "target", 1, "not a number"),
        ("kpi_targets", "...\nseat_use,*,2026-01-01,0.12345\n", "target", 1, "4 decimal places"),
        ("kpi_targets", "...\nseat_use,*,2026-01-01,700\n", "target", 1, "not a percentage"),
        ("kpi_targets", "...\nseat_use,,2026-01-01,70\n", "org_unit_id", 1, "empty"),
        ("kpi_targets", "...\nseat_use,*,2026-01-01,70,x\n", None, 1, "5 cells"),
        ("kpi_targets", "...\nadoption_velocity,*,2026-01-01,5\n", "target", 1, "never a target"),
        (
            "kpi_targets",
            "...\nseat_use,*,2026-01-01,70\n\nseat_use,*,2026-01-01,71\n",
            "kpi_id",
            3,
            "same kpi_id, org_unit_id, valid_from as row 1",
        ),
        ("kpi_targets", "kpi,org_unit_id,valid_from,target\n", "kpi", None, "mean 'kpi_id'"),
        ("kpi_targets", "kpi_id,org_unit_id,target\n", "valid_from", None, "missing"),
        ("kpi_targets", "kpi_id;org_unit_id;valid_from;target\n", None, None, "not by a comma"),
        ("kpi_targets", "kpi_id,kpi_id,valid_from,target\n", None, None, "twice"),
        ("kpi_targets", "", "kpi_id", None, "missing"),
        ("kpi_targets", '...\n"seat_use,*,2026-01-01,70\n', None, None, "never closed"),
        ("leader_targets", "...\nP1,seat_use,1,2026-01-01,\n", "kpi_id", 1, "no KPI"),
        (
            "population",
            "...\njoiner_days,31,2000-01-01\n",
            "rule",
            None,
            "'leave_share' is missing",
        ),
        (
            "population",
            "...\njoiner_days,31,2000-01-01\nleave_share,50,2000-01-01\n",
            "value",
            2,
            "0.5 for half",
        ),
        ("governance_roles", "...\nsponsr,*,P1,,2026-01-01,\n", "role", 1, "mean 'sponsor'"),
        ("governance_roles", "...\nmanager,*,P1,,2026-01-01,\n", "role", 1, "not known here"),
        (
            "governance_roles",
            "...\nsponsor,*,P1,,2026-02-01,2026-02-01\n",
            "valid_to",
            1,
            "is not after valid_from",
        ),
        ("messages", "...\nM1,Go,*,P1,2026-02-01,2026-01-01\n", "expires_on", 1, "not after"),
        ("licences", "...\nL1,-5,10,2026-01-01,2026-12-31\n", "seats", 1, "too small"),
        ("licences", "...\nL1,5.5,10,2026-01-01,2026-12-31\n", "seats", 1, "whole number"),
        ("learning_verbs", "...\nread,99999999999,2000-01-01,\n", "min_seconds", 1, "whole number"),
        ("signal_rules", "...\nr,3,2,2,2000-01-01,x\n", "of_length", 1, "cannot lie among"),
        ("signal_rules", "...\nr,1,1,,2000-01-01,x\n", "of_length", 1, "without a zone"),
        (
            "signal_rules",
            "...\n" + "".join(f"r{i},1,1,3,2000-01-01,x\n" for i in range(9)),
            "rule_id",
            9,
            "one rule too many",
        ),
        (
            "review_calendar",
            "...\nweekly,Stand-up,15,program_lead,wins 3|blockers 7\n",
            "agenda",
            1,
            "take 10 minutes",
        ),
        (
            "review_calendar",
            "...\nweekly,Stand-up,15,program_lead | manager_rep,all 15\n",
            "attendee_roles",
            1,
            "blanks",
        ),
        (
            "review_calendar",
            "ritual,name,minutes,attendee_roles,agenda,starts_at\n"
            "weekly,Stand-up,15,program_lead,wins 15,9.30\n",
            "starts_at",
            1,
            "write it as 09:30",
        ),
        (
            "review_calendar",
            "ritual,name,minutes,attendee_roles,agenda,starts_at\n"
            "weekly,Stand-up,15,program_lead,wins 15,24:00\n",
            "starts_at",
            1,
            "not a time of day",
        ),
        (
            "blocker_rights",
            "...\nstale_feed,A feed is behind,publish_stal\n",
            "decision_id",
            1,
            "mean 'publish_stale'",
        ),
        (
            "blocker_rights",
            "...\nstale_feeds,A feed is behind,publish_stale\n",
            "blocker",
            1,
            "mean 'stale_feed'",
        ),
        ("review_rules", "...\naction_days,-1,2000-01-01\n", "value", 1, "too small"),
        (
            "engagement_plan",
            "...\n14,visible_start,Hold the town hall,,leader_action,1\n",
            "owner_role",
            1,
            "empty",
        ),
        (
            "engagement_plan",
            "...\n14,visible_start,Hold the town hall,sponsr,leader_action,1\n",
            "owner_role",
            1,
            "mean 'sponsor'",
        ),
        (
            "engagement_plan",
            "...,evidence\n14,visible_start,Hold it,sponsor,leader_action,1,town_hal\n",
            "evidence",
            1,
            "mean 'town_hall'",
        ),
        (
            "engagement_plan",
            "...,evidence\n14,visible_start,Hold it,sponsor,leader_action,1,town_hall\n"
            "30,visible_start,Review,sponsor,decision_log,1,first_review_on\n",
            "evidence",
            2,
            "name a decision right",
        ),
        (
            "engagement_plan",
            "...,evidence\n14,visible_start,Hold it,sponsor,leader_action,1,town_hall\n"
            "45,visible_start,Complete it,elt_member,completion,90,\n",
            "evidence",
            2,
            "names nothing that proves it",
        ),
        (
            "decision_rights",
            "...\nd,D,ld_head,elt_member,,5,escalates,100,50,2000-01-01\n",
            "amount_to",
            1,
            "not above",
        ),
    ],
)
def test_every_slip_names_file_column_row_and_remedy(
    tmp_path: Path, name: str, text: str, column: str | None, row: int | None, said: str
) -> None:
    problem = refusal(overlaid(tmp_path, name, text))
    assert (problem.file or "").endswith(f"overlay/{name}.csv")
    assert (problem.column, problem.row) == (column, row)
    assert said in str(problem)
    assert problem.remedy


@pytest.mark.parametrize(
    ("column", "cell", "blamed", "said"),
    [
        ("grains", "week|quarter", "grains", "is not built by week"),
        ("grains", "yearly", "grains", "not known here"),
        ("unit", "count", "unit", "computed in percent"),
        ("direction", "sideways", "direction", "use one of down, none, up"),
        ("role", "below", "headline_order", "headline KPIs have an order"),
        ("parent_kpi_id", "seat_usage", "parent_kpi_id", "mean 'seat_use'"),
        ("kpi_id", "certified_rate", "kpi_id", "mean 'certification_rate'"),
    ],
)
def test_the_catalogue_may_not_leave_what_the_models_build(
    tmp_path: Path, column: str, cell: str, blamed: str, said: str
) -> None:
    rows = cells(SHIPPED_CHARTER, "kpi_catalogue")
    at = next(i for i, row in enumerate(rows) if row["kpi_id"] == "certification_rate")
    rows[at][column] = cell
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    with (overlay / "kpi_catalogue.csv").open("w", newline="") as handle:
        writer = csv.DictWriter(handle, SEEDS["kpi_catalogue"].header)
        writer.writeheader()
        writer.writerows(rows)
    problem = refusal(settings_for(tmp_path / "home", overlay))
    assert (problem.column, problem.row) == (blamed, at + 1)
    assert said in str(problem)


def test_latin_1_is_refused_with_the_remedy(tmp_path: Path) -> None:
    settings = overlaid(
        tmp_path, "messages", "...\nM1,Größe,*,P1,2026-01-01,2026-01-31\n", "cp1252"
    )
    assert "CSV UTF-8" in str(refusal(settings))


def test_unknown_file_names_are_refused_and_notes_are_not(tmp_path: Path) -> None:
    overlay = tmp_path / "overlay"
    overlay.mkdir()
    (overlay / "README.md").write_text("why our targets differ")
    (overlay / ".DS_Store").write_bytes(b"\0")
    settings = settings_for(tmp_path / "home", overlay)
    assemble_charter(settings)
    shutil.rmtree(settings.home)
    (overlay / "kpi_target.csv").write_text("x\n")
    assert "mean 'kpi_targets.csv'" in str(refusal(settings))
    (overlay / "kpi_target.csv").rename(overlay / "kpi_targets.xlsx")
    assert "save it as kpi_targets.csv" in str(refusal(settings))


def test_a_missing_overlay_folder_is_refused(tmp_path: Path) -> None:
    assert "does not exist" in str(refusal(settings_for(tmp_path / "home", tmp_path / "none")))


def test_row_numbers_count_records_not_lines(tmp_path: Path) -> None:
    text = '...\nM1,"two\nlines",*,P1,2026-01-01,2026-01-31\nM2,x,*,P1,bad,2026-01-31\n'
    problem = refusal(overlaid(tmp_path, "messages", text))
    assert (problem.column, problem.row) == ("issued_on", 2)


def test_text_that_looks_like_a_number_or_a_formula_stays_text(tmp_path: Path) -> None:
    text = "...\n007,=1+1,*,P1,2026-01-01,2026-01-31\n"
    folder = assemble_charter(overlaid(tmp_path, "messages", text))
    ((_, row),) = read_seed("messages", folder / "messages.csv")
    assert (row["message_id"], row["core_sentence"]) == ("007", "=1+1")


def test_a_slip_leaves_the_last_valid_charter_in_force(tmp_path: Path) -> None:
    settings = overlaid(
        tmp_path, "population", "...\njoiner_days,31,2000-01-01\nleave_share,0.5,2000-01-01\n"
    )
    first = charter_in_force(settings)
    assert first.fault is None
    good = {file.name: file.read_bytes() for file in first.folder.iterdir()}
    overlaid(
        tmp_path, "population", "...\njoiner_days,soon,2000-01-01\nleave_share,0.5,2000-01-01\n"
    )
    kept = charter_in_force(settings)
    assert kept.fault is not None and (kept.fault.column, kept.fault.row) == ("value", 1)
    assert {file.name: file.read_bytes() for file in kept.folder.iterdir()} == good
    overlaid(tmp_path, "population", "...\njoiner_days,14,2000-01-01\nleave_share,0.5,2000-01-01\n")
    mended = charter_in_force(settings)
    assert mended.fault is None
    assert cells(mended.folder, "population")[0]["value"] == "14"


def test_without_a_valid_charter_before_a_slip_is_refused(tmp_path: Path) -> None:
    settings = overlaid(tmp_path, "population", "...\njoiner_days,soon,2000-01-01\n")
    with pytest.raises(Problem, match="soon"):
        charter_in_force(settings)


def test_the_overlay_may_not_be_the_folder_of_the_charter_in_force(tmp_path: Path) -> None:
    (tmp_path / "charter").mkdir()
    with pytest.raises(Problem, match="where the charter in force is kept"):
        assemble_charter(settings_for(tmp_path, tmp_path / "charter"))
