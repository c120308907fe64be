"""Nothing is rendered for somebody whom no mail may go to."""

from __future__ import annotations

import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from orchestration.lake import Lake
from orchestration.periods import Period
from orchestration.review import addressees, kit, letters
from orchestration.review.addressees import reaches
from orchestration.review.assets import render_letters
from orchestration.scorecard.draft import write_leaders
from orchestration.settings import Settings
from orchestration.warehouse.published import PublishedRows, _write_index
from tests.delivery.test_rebuild import kit_pages
from tests.review import rituals
from tests.trust.on_disk import places

OCTOBER, QUARTER = Period.parse("2026-10"), Period.parse("2026-Q4")
CONTACTS = """
('P-0007', 'marcus@example.org', true, NULL),
('P-0008', 'olga@elsewhere.com', true, NULL),
('P-0009', 'pia@example.org.evil.com', true, NULL),
('P-0010', 'quinn@elsewhere.com', false, 'P-0007'),
('P-0011', 'rosa@example.org', false, 'P-0008'),
('P-0012', NULL, true, NULL)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    made = Settings.model_validate(
        {
            "organisation": {"name": "Meridian Foods"},
            "paths": {"home": str(tmp_path)},
            "delivery": {"allowed_domains": ["example.org"]},
        }
    )
    lake = Lake(made.lake_url, made.duckdb)
    for period in (OCTOBER, QUARTER):
        grain = period.grain
        with lake.connect() as connection:
            lake.write_parquet(
                connection,
                f"SELECT *, 'b' AS build_id FROM (VALUES {CONTACTS}) "
                "AS c(person_id, email, is_active, deputy_person_id)",
                "published", grain, period.id, "b", f"contacts__{grain}.parquet",
            )  # fmt: skip
        _write_index(lake, grain, {period.id: "b"})
    return made


@pytest.mark.parametrize(
    ("person", "deputised", "reached"),
    [
        ("P-0007", True, True),
        ("P-0008", True, False),
        ("P-0009", True, False),  # a domain that begins like ours
        ("P-0010", True, True),  # the deputy is inside
        ("P-0010", False, False),
        ("P-0011", True, False),  # the deputy is outside
        ("P-0012", True, False),
        ("P-9999", True, True),  # not known: refused when it is sealed
    ],
)
def test_who_is_reached(settings: Settings, person: str, deputised: bool, reached: bool) -> None:
    lake = Lake(settings.lake_url, settings.duckdb)
    with PublishedRows(lake) as published:
        ask = reaches(settings, published, OCTOBER, deputised=deputised)
    assert ask((person,)) is reached
    assert ask((person, "P-0007")) is True


@pytest.mark.parametrize(
    ("mailing", "period"), [("monthly_preview", OCTOBER), ("quarterly_sheets", QUARTER)]
)
def test_nothing_is_rendered_for_who_is_outside(
    settings: Settings, mailing: str, period: Period, monkeypatch: pytest.MonkeyPatch
) -> None:
    done_for = events(monkeypatch, letters, "page_view")
    names = {"P-0007": "Marcus Lindqvist", "P-0008": "Olga Outside", "P-0009": "Pia Outside"}
    pages = [
        rituals.leader_page(
            person_id=person,
            name=name,
            manager_person_id=None,
            period_id=period.id,
            period_label=period.label,
        )
        for person, name in names.items()
    ]
    write_leaders(settings, period, pages)
    done = render_letters(settings, period, mailing)
    draft = settings.home / "drafts" / mailing / period.id
    assert Path(str(done["folder"])) == draft
    listed = json.loads((draft / "letters.json").read_text())
    assert [each["to"] for each in listed] == [["P-0007"], ["P-0008"], ["P-0009"]]
    assert [each.get("rendered", True) for each in listed] == [True, False, False]
    assert [place.name for place in draft.iterdir() if place.is_dir()] == [listed[0]["folder"]]
    assert places(draft, ["Outside"]) == {}
    assert places(draft, ["Marcus Lindqvist"]) != {}
    assert done_for.index(("asked", "P-0007")) < done_for.index(("rendered", "P-0007"))
    assert {person for step, person in done_for if step == "rendered"} == {"P-0007"}
    assert ("asked", "P-0008") in done_for


def test_no_kit_is_rendered_for_who_is_outside(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done_for = events(monkeypatch, kit, "_kit_files")
    page = kit_pages()[0]
    pages = [page.model_copy(update={"person_id": person}) for person in ("P-0008", "P-0007")]
    with PublishedRows(Lake(settings.lake_url)) as published:
        ask = reaches(settings, published, OCTOBER, deputised=True)
    kit.render_kits(pages, tmp_path / "kits", ask)
    assert done_for == [("asked", "P-0008"), ("asked", "P-0007"), ("rendered", "P-0007")]
    assert len([place for place in (tmp_path / "kits").iterdir() if place.is_dir()]) == 1


def events(patch: pytest.MonkeyPatch, module: ModuleType, renders: str) -> list[tuple[str, str]]:
    """In which order it is asked whether mail may go to somebody, and something is made for them.

    Args:
        renders: the module's function that makes it, given their page.
    """
    found: list[tuple[str, str]] = []
    ask, render = addressees.addressee, getattr(module, renders)

    def asked(known: Any, person: str, *more: Any, **named: Any) -> Any:
        found.append(("asked", person))
        return ask(known, person, *more, **named)

    def rendered(page: Any, *more: Any) -> Any:
        found.append(("rendered", page.person_id))
        return render(page, *more)

    patch.setattr(addressees, "addressee", asked)
    patch.setattr(module, renders, rendered)
    return found
