"""Real data end to end: the published figures of the Open University data set, and KPIs of one
month worked out again from its files by plain pandas."""

from __future__ import annotations

from decimal import Decimal
from email import message_from_bytes
from functools import cache

import pandas as pd
import pytest

from orchestration.feeds.contract import CONTRACT
from orchestration.quality.close import read_close
from orchestration.settings import FeedName
from tests.oulad.conftest import DATA, MONTH, RESULTS, SNAPSHOTS, OpenUniversity

PUBLISHED = {  # passes and distinctions of registrations, by presentation
    "AAA-2013J": (278, 383),
    "BBB-2014J": (1152, 2292),
    "CCC-2014B": (663, 1936),
    "DDD-2013J": (829, 1938),
    "EEE-2014J": (684, 1188),
    "FFF-2014J": (1117, 2365),
    "GGG-2013J": (592, 952),
}
START, END = pd.Timestamp(MONTH.start), pd.Timestamp(MONTH.end)
SOCIAL, MANDATORY = ("AAA", "BBB", "GGG"), ("BBB", "FFF")
STUDY = ["code_module", "code_presentation"]


def figures(university: OpenUniversity, kpi: str) -> dict[str, tuple[int, int]]:
    """Numerator and denominator of a month's KPI for employees, by unit."""
    rows = university.query(
        f"""SELECT org_unit_id, numerator, denominator FROM kpi_values__month
        WHERE kpi_id = '{kpi}' AND employment_line = 'employee'
        AND period_start = DATE '{MONTH.start}'"""
    )
    return {unit: (int(above), int(below)) for unit, above, below in rows}


@cache
def table(name: str) -> pd.DataFrame:
    """A raw file, with the day its presentation starts and ends where it names one."""
    read = pd.read_csv(DATA / f"{name}.csv.gz", na_values="?")
    if name == "studentAssessment":
        read = read.merge(table("assessments")[["id_assessment", *STUDY]], on="id_assessment")
    if "code_presentation" in read:
        month = read.code_presentation.str[-1].map({"B": "-02-01", "J": "-10-01"})
        read["starts"] = pd.to_datetime(read.code_presentation.str[:4] + month)
    return read


@cache
def studies() -> pd.DataFrame:
    """Registrations, with their result and days as dates."""
    joined = (
        table("studentRegistration")
        .merge(table("studentInfo")[["id_student", *STUDY, "final_result"]])
        .merge(table("courses")[[*STUDY, "module_presentation_length"]])
    )
    day = pd.to_timedelta
    joined["ends"] = joined.starts + day(joined.module_presentation_length, "D")
    joined["registered"] = joined.starts + day(joined.date_registration.fillna(0), "D")
    joined["given_up"] = joined.starts + day(joined.date_unregistration, "D")
    return joined


@cache
def people() -> pd.DataFrame:
    """Students as the registry knew them at the month's end, one row each."""
    known = studies()[lambda s: s.registered <= END].copy()
    resits_over = known.ends + pd.Timedelta(90, "D")
    given_up = known[["starts", "given_up"]].max(axis=1)
    known["left"] = given_up.where(known.given_up <= END, resits_over)
    latest = known.sort_values(["starts", "code_module"]).groupby("id_student").last()
    spans = known.groupby("id_student").agg(hired=("starts", "min"), left=("left", "max"))
    spans["role"], spans["role_started"] = latest.code_module, latest.starts
    spans["unit"] = spans.role.isin(SOCIAL).map({True: "SOC", False: "STEM"})
    return spans


@cache
def eligible() -> pd.DataFrame:
    """Employed at the month's end, and for 31 days at least."""
    everyone = people()
    long_enough = (END - everyone.hired).dt.days + 1 >= 31
    return everyone[(everyone.hired <= END) & (everyone.left > END) & long_enough]


def by_unit(above: pd.Series[int], below: pd.Series[int]) -> dict[str, tuple[int, int]]:
    """Counts by unit, with the whole."""
    units = {unit: (int(above.get(unit, 0)), int(below[unit])) for unit in below.index}
    return {**units, "OU": (int(above.sum()), int(below.sum()))}


def test_different_students(university: OpenUniversity) -> None:
    students = university.query(
        "SELECT count(DISTINCT person_id) FROM stg_lake__people WHERE job_role <> 'staff'"
    )
    assert students == [(28_785,)]
    assert [m.rows_accepted for m in university.delivered("people")][-1] == 28_785 + 4


def test_registrations_and_their_results(university: OpenUniversity) -> None:
    assert [m.rows_accepted for m in university.delivered("enrolments")][-1] == 32_593
    results = university.query("SELECT status, count(*) FROM int_enrolments__month GROUP BY ALL")
    assert dict(results) == {
        "completed": 12_361 + 3_024,
        "failed": 7_052,
        "cancelled": 10_156,
    }
    assert university.query("SELECT count(completed_on) FROM int_enrolments__month") == [(15_385,)]
    certificates = "SELECT count(*), count(DISTINCT certification_id) FROM stg_lake__certifications"
    assert university.query(certificates) == [(15_385, 15_385)]


def test_results_by_presentation(university: OpenUniversity) -> None:
    counted = university.query(
        "SELECT course_id, count(completed_on), count(*) FROM int_enrolments__month "
        "GROUP BY course_id"
    )
    found = {course: (passed, registered) for course, passed, registered in counted}
    assert len(found) == 22
    assert {course: found[course] for course in PUBLISHED} == PUBLISHED
    passed = studies()[lambda s: s.final_result.isin(["Pass", "Distinction"])]
    assert {c: n for c, (n, _) in found.items()} == {
        "-".join(study): count for study, count in passed.groupby(STUDY).size().items()
    }


def test_submissions(university: OpenUniversity) -> None:
    (activity,) = university.delivered("activity")
    assert activity.rows_in == 173_912
    assert activity.rejected_by_reason == {"banked result of an earlier presentation": 1_909}
    assert activity.rows_accepted == 173_912 - 1_909
    assert university.query("SELECT sum(events) FROM fct_course_day") == [(173_912 - 1_909,)]
    (attempts,) = university.delivered("assessments")
    assert attempts.rows_in == 173_912 + 12_361 + 3_024 + 7_052  # submissions, module results
    assert attempts.rejected_by_reason == {"banked result of an earlier presentation": 1_909}
    unscored = university.query(
        """SELECT count(*) FROM stg_lake__assessments
        WHERE score IS NULL AND passed IS NULL AND competency_id LIKE '% assignment'"""
    )
    banked = table("studentAssessment")[lambda s: (s.is_banked == 1) & s.score.isna()]
    assert unscored == [(173 - len(banked),)]


def test_rows_in_are_rows_accepted_and_rejected(university: OpenUniversity) -> None:
    lake = university.lake
    for feed in university.settings.feeds:
        delivered = university.delivered(feed)
        if feed == "records":  # nobody has recorded anything
            assert delivered == []
            continue
        snapshot = CONTRACT[feed].kind == "snapshot"
        dates = SNAPSHOTS if snapshot else (RESULTS,)
        assert [m.delivery_date for m in delivered] == list(dates), feed
        for manifest in delivered:
            assert manifest.verdict == "promoted", (feed, manifest.failed_expectations)
            assert manifest.rows_in == manifest.rows_accepted + manifest.rows_rejected
            assert manifest.rows_accepted == stored(university, "raw", feed, manifest.delivery_id)
            assert manifest.rows_rejected == (
                stored(university, "raw_rejected", feed, manifest.delivery_id)
                if manifest.rows_rejected
                else 0
            )
    assert lake.exists("in_force", "activity.parquet")


def stored(university: OpenUniversity, place: str, feed: FeedName, delivery_id: str) -> int:
    """Rows of a delivery in the lake's Parquet files."""
    lake = university.lake
    files = [lake.path(file) for file in lake.files(place, feed, suffix=".parquet")]
    with lake.connect() as connection:
        rows = connection.execute(
            "SELECT count(*) FROM read_parquet($1, hive_partitioning = false) "
            "WHERE delivery_id = $2",
            [files, delivery_id],
        ).fetchall()
    return int(rows[0][0])


def test_snapshots_know_what_was_known_then(university: OpenUniversity) -> None:
    for manifest in university.delivered("enrolments"):
        then = pd.Timestamp(manifest.delivery_date)
        assert manifest.rows_accepted == int((studies().registered <= then).sum())


@pytest.mark.parametrize("kpi", ["active_learner_rate", "active_learner_rate_total"])
def test_active_learners(university: OpenUniversity, kpi: str) -> None:
    handed_in = table("studentAssessment")[lambda s: s.is_banked == 0]
    day = handed_in.starts + pd.to_timedelta(handed_in.date_submitted, "D")
    counts = (day >= START) & (day <= END)
    if kpi == "active_learner_rate":
        counts &= ~handed_in.code_module.isin(MANDATORY)
    active = eligible()[eligible().index.isin(handed_in[counts].id_student)]
    expected = by_unit(active.groupby("unit").size(), eligible().groupby("unit").size())
    assert figures(university, kpi) == expected


@pytest.mark.parametrize("kpi", ["on_time_completion_rate", "elective_completion_rate"])
def test_completed_on_time(university: OpenUniversity, kpi: str) -> None:
    due = studies()[lambda s: (s.ends >= START) & (s.ends <= END)]
    required = due.code_module.isin(MANDATORY)
    due = due[required if kpi == "on_time_completion_rate" else ~required]
    due = due.merge(people(), left_on="id_student", right_index=True)
    due = due[(due.hired <= due.ends) & (due.left > due.ends)]
    # a withdrawal counts from the first snapshot that states it
    told = pd.Series([pd.Timestamp(day) for day in SNAPSHOTS])
    given_up = due.given_up.fillna(due.ends).where(due.final_result == "Withdrawn")
    known = given_up.map(lambda day: told[told >= day].min(), na_action="ignore")
    due = due[~(pd.to_datetime(known) <= due.ends)]
    done = due[due.final_result.isin(["Pass", "Distinction"])]
    expected = by_unit(done.groupby("unit").size(), due.groupby("unit").size())
    assert figures(university, kpi) == expected


def test_certified_in_role(university: OpenUniversity) -> None:
    required = eligible()[lambda p: (END - p.role_started).dt.days >= 270]
    passed = studies()[
        lambda s: s.final_result.isin(["Pass", "Distinction"]) & (s.ends <= END)
    ].set_index(["id_student", "code_module"])
    pairs = pd.MultiIndex.from_arrays([required.index, required.role])
    certified = required[pairs.isin(passed.index)]
    expected = by_unit(certified.groupby("unit").size(), required.groupby("unit").size())
    assert figures(university, "certification_rate") == expected


def test_days_to_competency(university: OpenUniversity) -> None:
    from lifelines import KaplanMeierFitter

    clocks = people()[lambda p: (p.role_started >= "2013-07-01") & (p.role_started <= END)]
    clocks = clocks[clocks.left >= clocks.role_started].reset_index()
    results = studies()[["id_student", "code_module", "ends", "final_result"]]
    own = clocks.merge(
        results, left_on=["id_student", "role"], right_on=["id_student", "code_module"]
    )
    own = own[own.final_result.isin(["Pass", "Distinction"])]
    before = own[own.ends < own.role_started].id_student
    watched = own[["left"]].clip(upper=END).left
    passed = own[(own.ends >= own.role_started) & (own.ends <= watched)]
    first = passed.groupby("id_student").ends.min()
    clocks = clocks[~clocks.id_student.isin(before)].set_index("id_student")
    observed = clocks.index.isin(first.index)
    last = first.reindex(clocks.index).fillna(clocks.left.clip(upper=END))
    fitter = KaplanMeierFitter().fit((last - clocks.role_started).dt.days, observed)
    rows = university.query(
        f"""SELECT numerator, denominator, value FROM kpi_values__month
        WHERE kpi_id = 'time_to_competency' AND employment_line = 'employee'
        AND org_unit_id = 'OU' AND period_start = DATE '{MONTH.start}'"""
    )
    assert rows == [
        (
            Decimal(int(observed.sum())),
            Decimal(len(clocks)),
            Decimal(int(fitter.median_survival_time_)),
        )
    ]


def test_every_month_and_quarter_was_built(university: OpenUniversity) -> None:
    built = university.query("SELECT count(*) FROM kpi_values__month GROUP BY period_start")
    assert len(built) == 13  # June 2013, after the first snapshot, to June 2014
    close = read_close(university.lake, MONTH)
    assert close is not None
    assert close.verdict == "complete", close.reason
    assert {f for f, v in close.feeds.items() if v.verdict == "not_connected"} == {
        "leader_actions",
        "business_outcomes",
        "initiatives",
        "decisions",  # these two are kept by people, and nobody recorded anything
        "records",
    }


def test_the_review_reads_as_the_figures(university: OpenUniversity) -> None:
    shown = {kpi.kpi_id: kpi.now for kpi in university.scorecard.kpis}
    assert list(shown) == [
        "performance_improvement",
        "time_to_competency",
        "certification_rate",
        "on_time_completion_rate",
        "active_learner_rate",
    ]
    assert shown["performance_improvement"].state == "no_data"
    for kpi in ("certification_rate", "on_time_completion_rate", "active_learner_rate"):
        above, below = figures(university, kpi)["OU"]
        assert shown[kpi].value == round(Decimal(100 * above) / below, 1), kpi
    for name in ("scorecard.pdf", "review-pack.pdf"):
        assert (university.edition / name).read_bytes().startswith(b"%PDF-")
    mails = sorted((university.home / "outbox").glob("*.eml"))
    assert {message_from_bytes(mail.read_bytes())["To"] for mail in mails} == {
        "vice-chancellor@oulad.example",
        "head-of-learning@oulad.example",
    }
    assert "delivered before" not in university.output
