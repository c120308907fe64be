"""The weekly digest: what stands first, what is cut, what disappears, and one phone screen."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import pytest

from orchestration.review.email import SUBJECT_LIMIT
from orchestration.review.week import has_nothing, render_week, subject_line
from orchestration.review.words import clean
from orchestration.scorecard.draft import read_scorecard
from orchestration.scorecard.model import Scorecard
from tests.review import rituals, scorecards
from tests.review.reading import check_html, squeezed, visible

BASE = scorecards.typical()
MANY = rituals.STAND_UP.model_copy(
    update={
        "overdue": tuple(
            rituals.action(f"Overdue action number {n}", "Ingrid Solberg", 15 + n)
            for n in range(6, -1, -1)
        )
    }
)
WEEKS: dict[str, Scorecard] = {
    "rich": rituals.week(BASE),
    "many": rituals.week(BASE, MANY),
    "still": rituals.week(BASE, rituals.STILL, log=()),
    "bare": rituals.week(BASE, None, sitting=None, log=()),
    "stale": rituals.week(scorecards.stale(), rituals.STILL, log=()),
    "hostile": rituals.week(
        BASE,
        rituals.STAND_UP.model_copy(
            update={
                "overdue": (rituals.action(scorecards.HOSTILE, scorecards.HOSTILE, 20),),
                "wins": (rituals.Win(what=scorecards.HOSTILE, unit=scorecards.HOSTILE),),
            }
        ),
        organisation="A\r\nBcc: x@example.org",
    ),
    "long": rituals.week(
        BASE,
        rituals.STAND_UP.model_copy(
            update={
                "blockers": tuple(
                    b.model_copy(
                        update={"what": "Donaudampfschifffahrt" * 20, "unit": "Werk " * 40}
                    )
                    for b in rituals.STAND_UP.blockers
                )
            }
        ),
    ),
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("week")
    for name, card in WEEKS.items():
        render_week(card, root / name, b"BEGIN:VCALENDAR" if card.sitting else None)
    return {name: root / name for name in WEEKS}


def test_the_files_of_a_week(rendered: dict[str, Path]) -> None:
    rich = {f.name for f in rendered["rich"].iterdir()}
    assert rich == {"scorecard.json", "email.html", "email.txt", "email.json", "invitation.ics"}
    assert read_scorecard(rendered["rich"] / "scorecard.json") == WEEKS["rich"]
    manifest = json.loads((rendered["rich"] / "email.json").read_text("utf-8"))
    assert manifest["calendar"] == "invitation.ics"
    assert (manifest["inline"], manifest["attachments"]) == ([], [])
    bare = json.loads((rendered["bare"] / "email.json").read_text("utf-8"))
    assert "calendar" not in bare and not (rendered["bare"] / "invitation.ics").exists()


def test_the_same_week_gives_the_same_bytes(rendered: dict[str, Path], tmp_path: Path) -> None:
    render_week(WEEKS["rich"], tmp_path / "again", b"BEGIN:VCALENDAR")
    for file in rendered["rich"].iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


@pytest.mark.parametrize("file", ["email.html", "email.txt"])
def test_overdue_first_then_blockers_wins_and_warnings(
    rendered: dict[str, Path], file: str
) -> None:
    path = rendered["rich"] / file
    text = visible(path) if file.endswith("html") else squeezed(path.read_text("utf-8"))
    body = text[text.index(squeezed("Data as of 1 Nov 2026")) :]
    wanted = (
        WEEKS["rich"].sentence,
        "five carried over",
        "Confirm the shift cover for learning hours",
        "Marcus Lindqvist, Operations: overdue by 6 days, asked 20 days ago",
        "Reissue the core message to Technology",
        "96 enrolments in food safety have stood still for 30 days, Bakery sites",
        "Joana Mendes can: remove what stands in a unit's way",
        "Ingrid Solberg can: fund a campaign, up to the limit",
        "Active learners rose to 79 %, above the usual range, Technology",
        "First 14 people through Negotiating with retailers, Commercial",
        "Two mandatory launches fall due within 30 days in Operations",
        "the operations head defers one launch within 5 working days. Marcus Lindqvist, by "
        "10 November",
        "The deputy acts in the sponsor's place. Deputy of Ravi Menon, by 12 November",
        "Monday 2 November 2026, 09:30, 15 minutes",
    )
    places = [body.casefold().index(squeezed(words).casefold()) for words in wanted]
    assert places == sorted(places)
    for heading in ("Two actions overdue", "Five blockers, the first three", "Three quick wins"):
        assert squeezed(heading).casefold() in body.casefold()
    assert "coresentenceis52daysold" not in body, "at most two warnings"


def test_what_is_carried_over_keeps_owner_and_age(rendered: dict[str, Path]) -> None:
    for text in (
        visible(rendered["rich"] / "email.html"),
        squeezed((rendered["rich"] / "email.txt").read_text("utf-8")),
    ):
        carried = "Name a deputy for every site manager: Marcus Lindqvist, asked 49 days ago"
        assert squeezed(carried) in text
        assert "idleseats" not in text, "asked for this week, so not carried"


def test_the_given_order_stays_and_the_rest_is_counted(rendered: dict[str, Path]) -> None:
    html = visible(rendered["many"] / "email.html")
    for number in (6, 5, 4):
        assert f"Overdueactionnumber{number}IngridSolberg" in html
    for number in (3, 2, 1, 0):  # one line each: title, owner, days
        line = squeezed(f"Overdue action number {number}: Ingrid Solberg, {1 + number} day")
        assert html.count(line) == 1, number
    assert "inthetextofthismail" not in html
    plain = (rendered["many"] / "email.txt").read_text("utf-8")
    places = [plain.index(f"Overdue action number {n}") for n in range(6, -1, -1)]
    assert places == sorted(places)


def test_nothing_to_say_says_so_and_proposes_to_skip(rendered: dict[str, Path]) -> None:
    for name in ("still", "bare"):
        text = visible(rendered[name] / "email.html")
        assert squeezed("Nothing to say this week") in text
        assert squeezed("We propose to skip this week's stand-up") in text
        for heading in ("blocker", "overdue,", "quickwin", "warning", "None"):
            assert heading not in text.replace("Nothingisoverdue", "")
        assert subject_line(WEEKS[name]) == (
            "Meridian Foods: adoption stand-up, Week 44, 2026 - nothing to say: we propose to "
            "skip the stand-up"
        )
    assert not has_nothing(WEEKS["stale"]), "a feed that is behind is something to say"


def test_one_section_alone_leaves_no_trace_of_the_others(tmp_path: Path) -> None:
    wins = rituals.STILL.model_copy(update={"wins": rituals.STAND_UP.wins[:1]})
    card = rituals.week(BASE, wins, sitting=None, log=())
    render_week(card, tmp_path / "w")
    text = visible(tmp_path / "w" / "email.html")
    assert "Onequickwin" in text
    for words in ("overdue", "locker", "arlywarning", "skip", "stand-up:"):
        assert words not in text, words
    assert subject_line(card).endswith("2026 - one quick win")


def test_stale_feeds_are_named(rendered: dict[str, Path]) -> None:
    text = visible(rendered["stale"] / "email.html")
    assert squeezed("Not all data is up to date: activity as of 12 October.") in text
    assert "(activity as of 12 October)" in subject_line(WEEKS["stale"])
    assert "uptodate" not in visible(rendered["rich"] / "email.html")


def test_subjects_stay_on_one_line(rendered: dict[str, Path]) -> None:
    assert subject_line(WEEKS["rich"]) == (
        "Meridian Foods: adoption stand-up, Week 44, 2026 - two actions overdue, five blockers, "
        "three early warnings and three quick wins"
    )
    for card in WEEKS.values():
        subject = subject_line(card)
        assert subject.isprintable() and len(subject) <= SUBJECT_LIMIT


@pytest.mark.parametrize("name", WEEKS)
def test_the_mail_is_sound(rendered: dict[str, Path], name: str) -> None:
    check_html(rendered[name] / "email.html")
    plain = (rendered[name] / "email.txt").read_text("utf-8")
    assert all(len(line) <= 78 for line in plain.splitlines() if " " in line.strip())
    for source in (plain, (rendered[name] / "email.html").read_text("utf-8")):
        assert "Undefined" not in source and "{%" not in source
        assert name == "hostile" or "{{" not in source
    assert "<script>alert(1)</script>" not in (rendered[name] / "email.html").read_text("utf-8")


def test_the_week_of_the_fixture_is_the_one_named() -> None:
    assert WEEKS["rich"].period_start == date(2026, 10, 26)
    assert WEEKS["rich"].period_start.isocalendar().week == 44


def test_every_action_that_is_carried_over_stands_in_the_text(tmp_path: Path) -> None:
    entries = tuple(
        rituals.entry(f"Carried number {n}").model_copy(update={"entry_id": f"C-{n}"})
        for n in range(5)
    )
    render_week(rituals.week(BASE, rituals.STAND_UP, log=entries), tmp_path / "w")
    plain = squeezed((tmp_path / "w" / "email.txt").read_text("utf-8"))
    html = visible(tmp_path / "w" / "email.html")
    assert [n for n in range(5) if f"Carriednumber{n}" in plain] == [0, 1, 2, 3, 4]
    assert [n for n in range(5) if f"Carriednumber{n}" in html] == [0, 1, 2]
    assert "and2morecarriedover,notyetdue" in html


@pytest.mark.parametrize("limit", range(20, 60))
def test_no_text_is_cut_inside_a_date(limit: int) -> None:
    cut = clean("activity as of 12 October 2026, people as of 3 Nov 2026 and more", limit)
    assert len(cut) <= limit
    left = cut.replace("as of 12 October 2026", "").replace("as of 3 Nov 2026", "")
    assert not any(c.isdigit() for c in left) and "as of" not in left


def test_roles_to_settle_stand_in_one_line(rendered: dict[str, Path], tmp_path: Path) -> None:
    faults = ("Bakery sites: two people hold the role of sponsor", "Technology: a circle.")
    stand_up = rituals.STILL.model_copy(update={"faults": faults})
    card = rituals.week(BASE, stand_up, log=())
    render_week(card, tmp_path / "w")
    line = squeezed(
        "Roles to settle: Bakery sites: two people hold the role of sponsor. Technology: a circle."
    )
    assert not has_nothing(card)
    for text in (
        visible(tmp_path / "w" / "email.html"),
        squeezed((tmp_path / "w" / "email.txt").read_text("utf-8")),
    ):
        assert line in text
    assert "Rolestosettle" not in visible(rendered["rich"] / "email.html")
