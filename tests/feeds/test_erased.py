"""Who was erased does not come back with a delivery, until they are readmitted."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from orchestration.feeds import staging
from orchestration.feeds.landing import reland
from orchestration.operations.erase import readmit
from orchestration.pseudonyms import ERASURES, KEY, Pseudonyms
from orchestration.settings import Settings
from orchestration.state import State

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
