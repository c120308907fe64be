"""Who was erased does not come back with a delivery, until they are readmitted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

import pytest

from orchestration.feeds import staging
from orchestration.feeds.deliveries import in_force, manifests
from orchestration.feeds.landing import reland
from orchestration.operations.erase import Eraser, readmit
from orchestration.operations.erase_lake import names_and_addresses
from orchestration.pseudonyms import ERASURES, KEY, Pseudonyms
from orchestration.quality.publish import damage
from orchestration.settings import Settings
from orchestration.state import State
from orchestration.warehouse.fold import fold

from .conftest import DAY, Organisation, event, header, person

Make = Callable[..., Organisation]


def erased(settings: Settings, person_id: str) -> str:
    """Note that somebody is erased; their pseudonym."""
    with State.open(settings) as state:
        name = Pseudonyms(state.key(KEY), ERASURES).of(person_id)
        state.end_erasure(state.begin_erasure(name).erasure_id)
    return name


@pytest.mark.parametrize("spilled", [False, True])
def test_rows_about_them_are_counted_and_say_nothing(
    organisation: Make, monkeypatch: pytest.MonkeyPatch, spilled: bool
) -> None:
    if spilled:
        monkeypatch.setattr(staging, "_SPILL_BYTES", 0)
    made = organisation({"people": {}, "activity": {}})
    erased(made.settings, "p1")
    made.deliver(
        f"people_{DAY}.csv",
        header("people")
        + person("p1", full_name="Ada Lovelace")
        + person("p2", manager_id="p1")
        + person("p3", manager_id="p2")
        + person("p1", full_name="Ada Again"),
    )
    made.deliver(
        f"activity_{DAY}.csv",
        header("activity")
        + event("e1")
        + event("e2", "p2")
        + event("e3", duration_seconds=-1)
        + event("e4", "p2", duration_seconds=-1),
    )
    people = made.one("people")
    assert made.staged(people, "person_id, manager_id") == [("p2", None), ("p3", "p2")]
    assert people.rejected_by_reason == {"erased person": 2}
    assert (people.rows_in, people.rows_accepted, people.rows_rejected) == (4, 2, 2)
    assert people.profile["rejected_share"] == 0  # it is no fault of the delivery
    assert made.rejected(people, "row_number, reason, row_json") == [
        (1, "erased person", None),
        (4, "erased person", None),
    ]
    activity = made.one("activity")
    assert made.staged(activity, "event_id") == [("e2",)]
    assert activity.rejected_by_reason == {"erased person": 2, "negative duration": 1}
    said = made.rejected(activity, "row_json")
    assert [text is None for (text,) in said] == [True, True, False]


def test_where_they_are_named_beside_others_the_name_goes(organisation: Make) -> None:
    made = organisation({"org_units": {}, "records": {"format": "csv"}})
    erased(made.settings, "p1")
    made.deliver(
        f"org_units_{DAY}.csv",
        "org_unit_id,name,parent_org_unit_id,sponsor_person_id\nu1,One,,p1\nu2,Two,u1,p2\n",
    )
    units = made.one("org_units")
    assert made.staged(units, "org_unit_id, sponsor_person_id") == [("u1", None), ("u2", "p2")]
    assert units.rows_rejected == 0


def test_readmitted_they_count_again(organisation: Make) -> None:
    made = organisation("people")
    name = erased(made.settings, "p1")
    made.deliver(f"people_{DAY}.csv", header("people") + person("p1") + person("p2"))
    first = made.one("people")
    assert made.staged(first, "person_id") == [("p2",)]
    assert readmit(made.settings, "p1")
    assert not readmit(made.settings, "p1")  # once
    assert not readmit(made.settings, "p3")
    again = reland(made.settings, made.lake, "people", first.delivery_id)
    assert made.staged(again, "person_id") == [("p1",), ("p2",)]
    with State.open(made.settings) as state:  # erased once more they keep their number
        before = state.erasures()
        assert state.begin_erasure(name).erasure_id == before[0].erasure_id
        assert state.erasures()[0].readmitted_at is None


def test_names_are_known_from_every_row_that_was_delivered(organisation: Make) -> None:
    """Accepted, staged or quarantined, of whatever day; of nobody else."""
    made = organisation("people")
    for day, rows in {
        date(2026, 10, 1): person("p1", full_name="Ada Byron", email="ada@example.org"),
        date(2026, 10, 2): person("p1", full_name=" Ada Lovelace ")
        + person("p1", full_name="Countess", hired_on="2026-01-02", left_on="2026-01-01")
        + person("p2", full_name="Ben"),
    }.items():
        made.deliver(f"people_{day}.csv", header("people") + rows)
        made.one("people", day)
        if day.day == 1:
            made.publish("people")
    assert names_and_addresses(made.lake, "p1") == (
        "Ada Byron", "Ada Lovelace", "Countess", "ada@example.org"
    )  # fmt: skip
    assert names_and_addresses(made.lake, "p3") == ()


def test_counts_and_versions_are_those_of_what_is_left(organisation: Make) -> None:
    made = organisation("people")
    for day, boss in {date(2026, 10, 1): "p1", date(2026, 10, 2): "p3"}.items():
        made.deliver(
            f"people_{day}.csv",
            header("people") + person("p1") + person("p2", manager_id=boss) + person("p3"),
        )
        made.one("people", day)
    made.publish("people")
    fold(made.lake, "people")
    before = {m.delivery_id: m.content_hash for m in manifests(made.lake, "people")}
    Eraser(made.settings, "p1", with_delivered=True).erase()
    after = manifests(made.lake, "people")
    assert {m.delivery_id: m.content_hash for m in after} == before
    assert [(m.rows_in, m.rows_accepted, m.erasures) for m in after] == [(2, 2, [1])] * 2
    assert [row["rows_accepted"] for row in in_force(made.lake, "people")] == [2, 2]
    assert damage(made.lake, "people", after) == {}
    folded = made.query(
        "SELECT person_id, manager_id, valid_from::VARCHAR, valid_to::VARCHAR "
        f"FROM read_parquet('{made.lake.path('versions', 'people.parquet')}')"
    )
    assert folded == [
        ("p2", None, "2026-10-01", "2026-10-02"),
        ("p2", "p3", "2026-10-02", None),
        ("p3", None, "2026-10-01", None),
    ]
