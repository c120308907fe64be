"""The strategy sync: what stands on its pages, in which order, and what disappears."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from pypdf import PdfReader

from orchestration.review.email import SUBJECT_LIMIT, subject_line
from orchestration.review.quarter import quarter_view, render_quarter
from orchestration.scorecard.draft import read_scorecard
from orchestration.scorecard.model import Scorecard
from tests.review import rituals, scorecards
from tests.review.reading import check_html, check_pdf, pdf_text, squeezed, visible
from tests.review.values import NO_DATA, SUPPRESSED

QUARTERS: dict[str, Scorecard] = {
    "rich": rituals.quarter(scorecards.typical()),
    "bare": rituals.quarter(scorecards.empty(), None, sitting=None),
    "empty": rituals.quarter(scorecards.empty(), rituals.NO_STRATEGY, sitting=None),
    "stale": rituals.quarter(scorecards.stale()),
    "hostile": rituals.quarter(
        scorecards.hostile(),
        rituals.STRATEGY.model_copy(
            update={
                "effect": scorecards.HOSTILE,
                "profiles": (scorecards.HOSTILE,) * 3,
                "splits": tuple(
                    s.model_copy(update={"name": scorecards.HOSTILE, "units": ("Werk" * 60,)})
                    for s in rituals.STRATEGY.splits
                ),
            }
        ),
    ),
}


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("quarter")
    for name, card in QUARTERS.items():
        render_quarter(card, root / name, b"BEGIN:VCALENDAR" if card.sitting else None)
    return {name: root / name for name in QUARTERS}


def test_the_files_of_a_quarter(rendered: dict[str, Path]) -> None:
    assert {f.name for f in rendered["rich"].iterdir()} == {
        "scorecard.json",
        "scorecard.html",
        "scorecard.pdf",
        "strategy-pack.pdf",
        *(f"sparkline-{n}.png" for n in range(1, 6)),
        "email.html",
        "email.txt",
        "email.json",
        "invitation.ics",
    }
    assert read_scorecard(rendered["rich"] / "scorecard.json") == QUARTERS["rich"]
    manifest = json.loads((rendered["rich"] / "email.json").read_text("utf-8"))
    assert manifest["calendar"] == "invitation.ics"
    (attached,) = manifest["attachments"]
    assert attached["name"] == "learning-strategy-sync-2026-Q3.pdf"
    assert "calendar" not in json.loads((rendered["bare"] / "email.json").read_text("utf-8"))


def test_the_same_quarter_gives_the_same_bytes(rendered: dict[str, Path], tmp_path: Path) -> None:
    render_quarter(QUARTERS["rich"], tmp_path / "again", b"BEGIN:VCALENDAR")
    for file in rendered["rich"].iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes(), file.name


def test_the_pack_follows_the_sittings_agenda(rendered: dict[str, Path]) -> None:
    text = squeezed(pdf_text(rendered["rich"] / "strategy-pack.pdf"))
    body = text[text.index("Page1of") :]
    order = (
        "Units in the programme gained 1.8 points more than units not yet started",
        "Other causes are not ruled out.",
        "Confidence: some.",
        "Goals against outcomes by unit",
        "What worked: success profiles",
        "People certified within 90 days had opened their first course in the first week.",
        "Moved most: Voluntary active learners, quarterly, +6.1 points",
        "One target is proposed to change next quarter, one is kept",
        "Year to date, plan, year before and forecast",
        "72.0 % of purchased seats are in use, target 80.0 %; idle seats: £84,000.",
        "Two decisions asked for",
        "Last quarter's decisions: 3 of 4 done",
        "Name a deputy for every site manager",
        "Next sitting: Quarterly strategy sync, Monday 19 October 2026, 10:00, 60 minutes, "
        "Board room",
        "What worked and what stopped, 15 minutes",
        "The sponsor acted visibly in 9 of 13 weeks",
        "Technology has no deputy sponsor.",
        "Appendix: what the figures stand on",
        "The statistics behind the effect",
        "Some: it improved by more than it varied before launch",
    )
    places = [body.index(squeezed(words)) for words in order]
    assert places == sorted(places)


def test_goals_stand_against_outcomes_and_adoption(rendered: dict[str, Path]) -> None:
    text = squeezed(pdf_text(rendered["rich"] / "strategy-pack.pdf"))
    for row in (
        "Operations Productivity index 96.0 98.2 +2.2 +4.0 +0.9 83.0 % 84.1 % 56.1 %",
        "Commercial Productivity index 101.2 105.6 +4.4 +4.0 +3.1 90.3 % 93.0 % 74.9 %",
        "Technology Productivity index 99.8 103.7 +3.9 +4.0 no data 87.5 % \u2013 hidden",
    ):
        assert squeezed(row) in text, row


def test_the_change_is_split_with_bars_on_one_scale(rendered: dict[str, Path]) -> None:
    text = squeezed(pdf_text(rendered["rich"] / "strategy-pack.pdf"))
    for words in (
        "from 91.4 % to 86.8 %: \u22124.6 points",
        "Rates within units \u22123.8 points",
        "Who is counted \u22120.8 points",
        "Moved it most: Bakery sites \u22122.1 points, Logistics \u22121.2 points.",
    ):
        assert squeezed(words) in text, words
    on_time, active = quarter_view(QUARTERS["rich"])["splits"]
    bars = [(bar["start"], bar["length"]) for bar in (*on_time["bars"], *active["bars"])]
    # the largest part, 5.7 points, fills one half: 3.8 / 5.7 / 2, 0.8 / 5.7 / 2, ...
    assert bars == [(0.1667, 0.3333), (0.4298, 0.0702), (0.5, 0.5), (0.5, 0.0351)]


def test_a_part_that_is_not_a_value_has_no_bar() -> None:
    split = rituals.STRATEGY.splits[0].model_copy(update={"mix": SUPPRESSED, "rate": NO_DATA})
    strategy = rituals.STRATEGY.model_copy(update={"splits": (split,)})
    view = quarter_view(rituals.quarter(scorecards.typical(), strategy))
    bars = view["splits"][0]["bars"]
    assert [bar["length"] for bar in bars] == [None, None]
    assert bars[1]["figure"]["text"] == "too few people to show"


@pytest.mark.parametrize(
    ("effect", "title", "rest"),
    [
        (
            "Scrap is 2.0 % better than in the four quarters before launch; that is more than it "
            "varied before launch (0.8 %). Learning is one contribution among others.",
            "Scrap is 2.0 % better than in the four quarters before launch",
            "That is more than it varied before launch (0.8 %). Learning is one contribution among "
            "others.",
        ),
        ("No business outcome is declared.", "No business outcome is declared", None),
        ("", "Business outcomes by unit", None),
    ],
)
def test_the_title_is_the_effect_and_claims_no_cause(
    effect: str, title: str, rest: str | None
) -> None:
    strategy = rituals.STRATEGY.model_copy(update={"effect": effect, "confidence": "strong"})
    view = quarter_view(rituals.quarter(scorecards.typical(), strategy))
    assert (view["effect_title"], view["effect_rest"]) == (title, rest)


def test_proposed_targets(rendered: dict[str, Path]) -> None:
    text = squeezed(pdf_text(rendered["rich"] / "strategy-pack.pdf"))
    wanted = "72.0 % 76.0 % Met in each of the last four quarters"
    assert squeezed(wanted) in text
    assert squeezed("Mandatory learning on time 95.0 % kept Kept: 212 people are overdue") in text
    all_kept = rituals.STRATEGY.model_copy(update={"proposed": rituals.STRATEGY.proposed[1:]})
    view = quarter_view(rituals.quarter(scorecards.typical(), all_kept))
    assert view["proposed_title"] == "Targets proposed for next quarter: all kept"


def test_plan_year_to_date_and_forecast_stand_side_by_side(rendered: dict[str, Path]) -> None:
    text = squeezed(pdf_text(rendered["rich"] / "strategy-pack.pdf"))
    row = "48 days 55 days 45 days \u2013 63 days 44 days 41 to 47 days"
    assert squeezed(row) in text
    assert squeezed("86.2 % 85.8 % 90.0 % 96 % 84.1 % \u2013") in text


def test_sections_without_content_leave_no_trace(rendered: dict[str, Path]) -> None:
    for name in ("bare", "empty"):
        text = pdf_text(rendered[name] / "strategy-pack.pdf")
        for heading in (
            "evidence that",
            "No effect",
            "Goals against",
            "success profiles",
            "Moved most",
            "proposed",
            "Seat use",
            "Commitments",
            "Candidates",
            "Early warning",
            "statistics",
            "Next sitting",
        ):
            assert heading not in text, (name, heading)
        mail = visible(rendered[name] / "email.html")
        for words in ("Confidence", "proposed", "instead"):
            assert words not in mail


def test_the_mail_says_effect_forecast_and_targets(rendered: dict[str, Path]) -> None:
    for text in (
        visible(rendered["rich"] / "email.html"),
        squeezed((rendered["rich"] / "email.txt").read_text("utf-8")),
    ):
        for words in (
            "Learning strategy sync, Q3 2026",
            "Units in the programme gained 1.8 points more",
            "Confidence: some",
            "year-end forecast 44 days",
            "Voluntary active learners, quarterly: 76.0 % instead of 72.0 %",
            "Last quarter's decisions done: 3 of 4",
            "Monday 19 October 2026, 10:00, 60 minutes, Board room",
        ):
            assert squeezed(words) in text, words
        assert "95.0%insteadof" not in text, "a kept target is no news"


@pytest.mark.parametrize("name", QUARTERS)
def test_mail_and_pack_are_sound(rendered: dict[str, Path], name: str) -> None:
    folder = rendered[name]
    for file in ("email.html", "scorecard.html"):
        check_html(folder / file)
    source = (folder / "email.html").read_text("utf-8")
    manifest = json.loads((folder / "email.json").read_text("utf-8"))
    named = [html.unescape(cid) for cid in re.findall(r'src="cid:([^"]+)"', source)]
    assert named == [each["cid"] for each in manifest["inline"]] and len(named) == 5
    plain = (folder / "email.txt").read_text("utf-8")
    assert all(len(line) <= 78 for line in plain.splitlines() if " " in line.strip())
    pages = len(PdfReader(folder / "strategy-pack.pdf").pages)
    assert 3 <= pages <= (10 if name == "hostile" else 7)
    assert len(PdfReader(folder / "scorecard.pdf").pages) == 1
    subject = subject_line(QUARTERS[name])
    assert manifest["subject"] == subject and subject.isprintable()
    assert len(subject) <= SUBJECT_LIMIT


def test_the_pack_is_accessible(rendered: dict[str, Path]) -> None:
    title = "Meridian Foods: learning strategy sync, Q3 2026"
    for file in ("strategy-pack.pdf", "scorecard.pdf"):
        check_pdf(rendered["rich"] / file, title)
    assert subject_line(QUARTERS["rich"]).startswith(title)


def test_where_nothing_can_be_judged_the_subject_says_the_effect() -> None:
    early = scorecards.KPIS[0].mark
    assert early.variation == "too_few_points"
    kpis = tuple(k.model_copy(update={"mark": early}) for k in scorecards.KPIS)
    said = "Productivity index is 2.0 % above its baseline; learning contributed, confidence some."
    card = rituals.quarter(scorecards.typical(kpis=kpis, below=(), sentence=said))
    assert subject_line(card) == (
        "Meridian Foods: learning strategy sync, Q3 2026 - Productivity index is 2.0 % above its "
        "baseline; two decisions asked for"
    )
    assert "no measure can be judged yet" in subject_line(
        card.model_copy(update={"strategy": None})
    )


def test_the_mail_names_the_targets_that_stay(rendered: dict[str, Path]) -> None:
    for name in ("email.html", "email.txt"):
        assert squeezed("for reasons in the pack: Mandatory learning on time.") in squeezed(
            (rendered["rich"] / name).read_text("utf-8")
        )


def test_stale_data_is_said_everywhere(rendered: dict[str, Path]) -> None:
    for page in PdfReader(rendered["stale"] / "strategy-pack.pdf").pages:
        assert "not all up to date" in page.extract_text()
    assert "activity as of 12 October" in subject_line(QUARTERS["stale"])


def test_the_series_names_its_own_length(rendered: dict[str, Path]) -> None:
    quarters = tuple(
        k.model_copy(update={"series": k.series[-5:], "charted": (), "limits": None})
        for k in scorecards.KPIS
    )
    card = rituals.quarter(scorecards.typical(kpis=quarters))
    assert quarter_view(card)["words"]["span"].replace("\u00a0", " ") == "Last 5 quarters"
