"""Which files of the landing folder are one delivery, of which date, and whether it is whole."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import date

import pytest

from orchestration.feeds.arrivals import Pattern, find_deliveries, is_young
from orchestration.problems import Problem

from .conftest import DAY, Organisation, backdate

Make = Callable[..., Organisation]


def found(made: Organisation, first: date = DAY, last: date = DAY) -> list[tuple[str, list[str]]]:
    """Label of each delivery, and its files as ``view:path``."""
    return [
        (
            delivery.label,
            [
                f"{view}:{path.relative_to(made.landing).as_posix()}"
                for view, paths in delivery.files.items()
                for path in paths
            ],
        )
        for delivery in find_deliveries(made.settings, "courses", first, last)
    ]


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("c_{date}.csv", "c_2026-10-31.csv"),
        ("c{date:%Y%m%d}.csv", "c20261031.csv"),
        ("{date}/c.csv", "2026-10-31/c.csv"),
        ("{date:%Y/%m/%d}/c.csv", "2026/10/31/c.csv"),
        ("in/{date:%Y}/c_{date}.csv", "in/2026/c_2026-10-31.csv"),
        ("c_{date:%d-%b-%y}.csv", "c_31-Oct-26.csv"),
        ("c_{date:%d.%B.%Y}.csv", "c_31.October.2026.csv"),
        ("c_{date:%Y%j}.csv", "c_2026304.csv"),
        ("*/export (?)_{date:%Y%m%dT%H%M%S}*.csv", "a/export (1)_20261031T235959Z.csv"),
        ("c+[x]_{date}.csv", "c+[x]_2026-10-31.csv"),
    ],
)
def test_patterns(organisation: Make, pattern: str, name: str) -> None:
    made = organisation({"courses": {"files": {"c": pattern}}})
    made.deliver(name, "x\n")
    made.deliver(name.replace("31", "30", 1).replace("304", "303"), "x\n")
    made.deliver(name + ".bak", "x\n")
    assert found(made) == [("2026-10-31", [f"c:{name}"])]


@pytest.mark.parametrize(
    "name", ["c_2026-13-01.csv", "c_2026-02-30.csv", "xc_2026-10-31.csv", ".c_2026-10-31.csv"]
)
def test_what_is_no_delivery(organisation: Make, name: str) -> None:
    made = organisation({"courses": {"files": {"c": "c_{date}.csv"}}})
    made.deliver(name, "x\n")
    assert found(made, date(2026, 1, 1), date(2026, 12, 31)) == []


def test_contradicting_dates_are_no_delivery(organisation: Make) -> None:
    made = organisation({"courses": {"files": {"c": "{date:%Y-%m}/c_{date}.csv"}}})
    made.deliver("2026-09/c_2026-10-31.csv", "x\n")
    assert found(made) == []


def test_a_folder_that_looks_like_a_file_is_none(organisation: Make) -> None:
    made = organisation({"courses": {"files": {"c": "c_{date}.csv"}}})
    (made.landing / f"c_{DAY}.csv").mkdir()
    assert found(made) == []


def test_several_files_are_one_delivery_in_order(organisation: Make) -> None:
    made = organisation({"courses": {"files": {"c": "c_{date}*.csv"}}})
    for part in ("_2", "_1", ""):
        made.deliver(f"c_{DAY}{part}.csv", "x\n")
    assert found(made) == [
        ("2026-10-31", [f"c:c_{DAY}.csv", f"c:c_{DAY}_1.csv", f"c:c_{DAY}_2.csv"])
    ]


def test_numbers_split_a_date_and_share_what_has_none(organisation: Make) -> None:
    made = organisation(
        {
            "courses": {
                "files": {"c": "c_{date}_{sequence}.csv", "topic": "t_{date}.csv"},
                "select": "SELECT 1 AS course_id",
            }
        }
    )
    for name in (f"c_{DAY}_10.csv", f"c_{DAY}_2.csv", f"t_{DAY}.csv"):
        made.deliver(name, "x\n")
    assert found(made) == [
        ("2026-10-31 number 2", [f"c:c_{DAY}_2.csv", f"topic:t_{DAY}.csv"]),
        ("2026-10-31 number 10", [f"c:c_{DAY}_10.csv", f"topic:t_{DAY}.csv"]),
    ]


def test_a_file_that_is_sent_again_defers_the_delivery(organisation: Make) -> None:
    made = organisation({"courses": {"files": {"c": "c_{date}.csv"}}})
    made.deliver(f"c_{DAY}.csv", "x\n")
    made.deliver(f"c_{DAY}.csv.filepart", "x")
    (delivery,) = find_deliveries(made.settings, "courses", DAY, DAY)
    assert delivery.status == "deferred"


@pytest.mark.parametrize(
    ("pattern", "fault"),
    [
        ("c_{date:%Y-%m}.csv", "does not give a whole date"),
        ("c_{date:%Q}.csv", "%Q is not known"),
        ("{date}_{number}.csv", "placeholder that does not exist"),
        ("../c_{date}.csv", "leaves the landing folder"),
        ("/c_{date}.csv", "leaves the landing folder"),
        ("a\\..\\c_{date}.csv", "leaves the landing folder"),
    ],
)
def test_wrong_patterns(pattern: str, fault: str) -> None:
    with pytest.raises(Problem, match=fault):
        Pattern.compile(pattern)


def test_a_landing_folder_that_does_not_exist_has_nothing(organisation: Make) -> None:
    made = organisation({"courses": {"files": {"c": "c_{date}.csv"}}})
    made.landing.rmdir()
    assert found(made) == []


def test_only_the_dates_asked_for(organisation: Make) -> None:
    made = organisation({"courses": {"files": {"c": "{date}/c.csv"}}})
    for day in range(1, 31):
        made.deliver(f"2026-09-{day:02}/c.csv", "x\n")
    labels = [label for label, _ in found(made, date(2026, 9, 9), date(2026, 9, 11))]
    assert labels == ["2026-09-09", "2026-09-10", "2026-09-11"]


def test_age(organisation: Make) -> None:
    made = organisation("courses")
    path = made.deliver("x", "")
    assert is_young(path, 30)
    assert not is_young(path, 0)
    backdate(path, 31)
    assert not is_young(path, 30)
    backdate(path, -5)  # another machine's clock is ahead
    assert is_young(path, 30)
    backdate(path, -3600)
    assert not is_young(path, 30)
    assert time.time() < path.stat().st_mtime
