"""Publication: what passes is in force, what fails leaves the last good one in force."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import pytest

from orchestration.feeds.deliveries import (
    DeliveryManifest,
    in_force,
    initialise,
    manifests,
    unfinished,
)
from orchestration.lake import Lake
from orchestration.quality.expectations import Judgement
from orchestration.quality.publish import publish
from orchestration.settings import FeedName
from tests.quality.small_deliveries import manifest_of, rows_of, stage

JAN, FEB, MAR = (date(2026, month, 28) for month in (1, 2, 3))


def verdicts(**failing: str) -> Callable[[FeedName, Sequence[DeliveryManifest]], list[Judgement]]:
    """A judge that refuses the deliveries of these months."""

    def judge(_: FeedName, judged: Sequence[DeliveryManifest]) -> list[Judgement]:
        return [
            Judgement(
                m.delivery_id,
                failed=[text] if (text := failing.get(f"{m.delivery_date:%b}".lower())) else [],
                warned=["a warning"],
            )
            for m in judged
        ]

    return judge


def test_what_passes_is_in_force_and_what_fails_is_not(lake: Lake) -> None:
    stage(lake, manifest_of("people", JAN, rows=7, rejected=2))
    stage(lake, manifest_of("people", FEB, rows=9, rejected=3))
    assert rows_of(lake, "people") == 0  # staged rows are invisible
    done = publish(lake, "people", manifests(lake, "people"), judge=verdicts(feb="too few rows"))
    assert [(m.delivery_id, m.verdict) for m in done.manifests] == [
        ("2026-01-28.001", "promoted"),
        ("2026-02-28.001", "refused"),
    ]
    assert manifests(lake, "people") == done.manifests
    assert done.manifests[0].warned_expectations == ["a warning"]
    assert done.manifests[1].failed_expectations == ["too few rows"]
    assert [row["delivery_id"] for row in in_force(lake, "people")] == ["2026-01-28.001"]
    assert rows_of(lake, "people") == 7
    assert lake.files("staged", "people") == []
    assert len(lake.files("raw_rejected", "people")) == 2  # the reasons stay
    assert lake.files("raw", "people", "delivery_date=2026-02-28") == []
    assert done.damaged == {}


def test_a_refused_redelivery_leaves_the_last_good_one_in_force(lake: Lake) -> None:
    stage(lake, manifest_of("people", JAN, rows=7))
    publish(lake, "people", manifests(lake, "people"), judge=verdicts())
    stage(lake, manifest_of("people", JAN, 2, rows=1))
    publish(lake, "people", manifests(lake, "people"), judge=verdicts(jan="too few rows"))
    assert [row["delivery_id"] for row in in_force(lake, "people")] == ["2026-01-28.001"]
    stage(lake, manifest_of("people", JAN, 3, rows=8))
    publish(lake, "people", manifests(lake, "people"), judge=verdicts())
    assert [row["delivery_id"] for row in in_force(lake, "people")] == ["2026-01-28.003"]
    assert rows_of(lake, "people") == 8


def test_activity_lands_on_each_of_its_event_days(lake: Lake) -> None:
    days = [date(2026, 1, 30), date(2026, 1, 31), date(2026, 2, 1)]
    stage(lake, manifest_of("activity", FEB, rows=8, event_days=days))
    publish(lake, "activity", manifests(lake, "activity"), judge=verdicts())
    assert rows_of(lake, "activity") == 8
    assert [f for f in lake.files("raw", "activity") if "placeholder" not in f] == [
        f"raw/activity/event_day={day}/2026-02-28.001.parquet" for day in days
    ]


def test_a_delivery_that_broke_its_contract_gets_its_reason(lake: Lake) -> None:
    broken = manifest_of("people", JAN, rows=0, contract_problem="row 3: no", verdict="refused")
    stage(lake, broken)
    done = publish(lake, "people", manifests(lake, "people"), judge=verdicts(jan="contract_kept"))
    assert done.manifests[0].failed_expectations == ["contract_kept"]
    assert done.manifests[0].verdict == "refused" and in_force(lake, "people") == []


def test_publishing_again_changes_no_byte(lake: Lake) -> None:
    for day in (JAN, FEB):
        stage(lake, manifest_of("people", day))
    publish(lake, "people", manifests(lake, "people"), judge=verdicts(feb="no"))
    before = contents(lake)

    def no_judge(*_: object) -> list[Judgement]:
        raise AssertionError("what was judged is not judged again")

    publish(lake, "people", manifests(lake, "people"), judge=no_judge)
    assert contents(lake) == before


@pytest.mark.parametrize(
    ("tamper", "why"),
    [
        (lambda lake: lake.remove("staged", "people", "2026-01-28.001"), "is missing"),
        (lambda lake: rewrite_staged(lake, 6), "7 rows counted for raw but 6 in its files"),
        (
            lambda lake: lake.remove("raw_rejected", "people", "delivery_date=2026-01-28"),
            "the file of raw_rejected/people/delivery_date=2026-01-28 is missing",
        ),
    ],
)
def test_files_that_do_not_hold_what_was_counted_are_never_promoted(
    lake: Lake, tamper: Callable[[Lake], None], why: str
) -> None:
    stage(lake, manifest_of("people", JAN, rows=7, rejected=2))
    stage(lake, manifest_of("people", FEB, rows=9))
    tamper(lake)
    done = publish(lake, "people", manifests(lake, "people"), judge=verdicts())
    assert why in done.damaged["2026-01-28.001"]
    assert done.manifests[0].verdict == "staged"
    assert [row["delivery_id"] for row in in_force(lake, "people")] == ["2026-02-28.001"]


def test_counts_that_do_not_add_up_are_damage(lake: Lake) -> None:
    manifest = manifest_of("people", JAN, rows=7).model_copy(update={"rows_in": 9})
    stage(lake, manifest)
    done = publish(lake, "people", [manifest], judge=verdicts())
    assert "9 rows in, 7 accepted, 0 rejected" in done.damaged["2026-01-28.001"]
    assert in_force(lake, "people") == []


class Died(BaseException):
    """The process, killed."""


def mortal(patch: pytest.MonkeyPatch, steps: int) -> None:
    """Let ``steps`` changes of the lake happen; the process dies before the next."""
    left = [steps]

    def guarded(change: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object, **kwargs: object) -> object:
            if not left[0]:
                raise Died
            left[0] -= 1
            return change(*args, **kwargs)

        return step

    for name in ("move", "remove", "write_bytes"):
        patch.setattr(Lake, name, guarded(getattr(Lake, name)))


def test_a_crash_anywhere_is_finished_by_the_next_run(tmp_path: Path) -> None:
    """Killed before each change in turn: readers see old or new, and a second run ends alike."""

    prepared = Lake(str(tmp_path / "prepared"))
    initialise(prepared)
    stage(prepared, manifest_of("activity", JAN, rows=5))
    publish(prepared, "activity", manifests(prepared, "activity"), judge=verdicts())
    days = [date(2026, 2, 1), date(2026, 2, 2)]
    stage(prepared, manifest_of("activity", FEB, rows=6, event_days=days))
    stage(prepared, manifest_of("activity", MAR, rows=7, rejected=1))

    def prepare(name: str) -> Lake:
        shutil.copytree(prepared.root, tmp_path / name)
        return Lake(str(tmp_path / name))

    judge = verdicts(mar="refused")
    whole = prepare("whole")
    publish(whole, "activity", manifests(whole, "activity"), judge=judge)
    expected, crashes = contents(whole), 0
    for steps in range(100):
        lake = prepare(f"crash{steps}")
        with pytest.MonkeyPatch.context() as patch:
            mortal(patch, steps)
            try:
                publish(lake, "activity", manifests(lake, "activity"), judge=judge)
                break
            except Died:
                crashes += 1
        assert rows_of(lake, "activity") in (5, 11)  # before or after the commit, no third
        if dates := unfinished(lake, "activity", manifests(lake, "activity")):
            found = manifests(lake, "activity", min(dates), max(dates))
            publish(lake, "activity", found, judge=judge)
        assert contents(lake) == expected
    assert crashes >= 7
    assert unfinished(whole, "activity", manifests(whole, "activity")) == set()


def test_a_judgement_that_changed_after_a_crash_leaves_no_raw_rows(lake: Lake) -> None:
    stage(lake, manifest_of("people", JAN))
    with pytest.MonkeyPatch.context() as patch:
        mortal(patch, 1)  # the file has moved, the verdict was not written
        with pytest.raises(Died):
            publish(lake, "people", manifests(lake, "people"), judge=verdicts())
    assert lake.files("raw", "people", "delivery_date=2026-01-28") != []
    publish(lake, "people", manifests(lake, "people"), judge=verdicts(jan="now refused"))
    assert lake.files("raw", "people", "delivery_date=2026-01-28") == []


def contents(lake: Lake) -> dict[str, bytes]:
    return {f: (Path(lake.root) / f).read_bytes() for f in lake.files() if "/." not in f}


def rewrite_staged(lake: Lake, rows: int) -> None:
    """Put fewer rows where landing counted more."""
    (file,) = lake.files("staged", "people", "2026-01-28.001")
    with lake.connect() as connection:
        lake.write_parquet(
            connection, f"SELECT * FROM read_parquet('{lake.path(file)}') LIMIT {rows}", file
        )
