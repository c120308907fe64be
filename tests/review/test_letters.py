"""Letters to leaders: what they say, to whom they go, that nothing old or named stays behind."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import dagster as dg
import pytest
from pypdf import PdfReader

from orchestration.delivery.mailings import read_letters
from orchestration.periods import Period
from orchestration.problems import Problem
from orchestration.review.assets import build_assets, render_letters
from orchestration.review.email import SUBJECT_LIMIT
from orchestration.review.letters import (
    page_view,
    preview_subject,
    render_previews,
    render_sheets,
    sheet_subject,
)
from orchestration.scorecard.draft import write_leaders
from orchestration.scorecard.model import Figure, LeaderAction, LeaderPage
from orchestration.settings import OrganisationSettings, PathSettings, Settings
from tests.review import rituals, scorecards
from tests.review.reading import check_html, check_pdf, pdf_text, squeezed, visible

RICH, SILENT = rituals.leader_page(), rituals.silent_leader_page()
HOSTILE = rituals.leader_page(
    person_id="P-0013",
    name=scorecards.HOSTILE,
    role=scorecards.HOSTILE,
    unit="Donaudampfschifffahrtsgesellschaft" * 3,
    organisation="A\r\nBcc: x@example.org",
    comments_asked=(scorecards.HOSTILE,),
)
PAGES = (RICH, SILENT, HOSTILE)


def quarter(page: LeaderPage, **more: object) -> LeaderPage:
    """The same leader's page of a quarter."""
    return page.model_copy(update={"period_id": "2026-Q4", "period_label": "Q4 2026", **more})


def of(draft: Path, person: str) -> Path:
    """The folder of the letter about one person."""
    (letter,) = [each for each in read_letters(draft) if each.to[0] == person]
    return draft / letter.folder


@pytest.fixture(scope="module")
def previews(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draft = tmp_path_factory.mktemp("letters") / "monthly_preview" / "2026-10"
    render_previews(PAGES, draft)
    return draft


@pytest.fixture(scope="module")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    draft = tmp_path_factory.mktemp("letters") / "quarterly_sheets" / "2026-Q4"
    render_sheets([quarter(page) for page in PAGES], draft)
    return draft


# ---------------------------------------------------------------- previews


@pytest.mark.parametrize("file", ["email.html", "email.txt"])
def test_a_preview_says_what_is_recorded_and_what_is_asked(previews: Path, file: str) -> None:
    path = of(previews, "P-0007") / file
    text = visible(path) if file.endswith("html") else squeezed(path.read_text("utf-8"))
    for words in (
        "What we have of you for October 2026",
        "Reply or add what is missing by 5 November 2026",
        "One comment asked of you",
        "Mandatory learning on time",
        "Weeks with a visible sponsor action",
        "11 of 13",
        "target 10 weeks",
        "6 October 2026",
        "Attended a manager forum, Bakery sites",
        "recorded, does not count as a visible action",
        "Attendance at the reviews, for the record only: 3 of 3",
        "Name a deputy for every site manager",
        "Overdue by 8 days, waited 22 days",
        "Operations: day 52 of 90, 89 % on track, 8 of 9 due actions done, one overdue",
        "Sponsor completes the flagship course publicly",
        "Recognise five learners",
        "Reply to this mail",
        "record command",
        "This goes to you only.",
    ):
        assert squeezed(words).casefold() in text.casefold(), words


def test_no_record_is_never_worded_as_absence(previews: Path, sheets: Path) -> None:
    texts = [
        (of(previews, "P-0031") / "email.txt").read_text("utf-8"),
        visible(of(previews, "P-0031") / "email.html"),
        (of(sheets, "P-0031") / "email.txt").read_text("utf-8"),
        pdf_text(of(sheets, "P-0031") / "leader-review-sheet.pdf"),
    ]
    for text in texts:
        flat = squeezed(text).casefold()
        assert "norecord" in flat
        for word in ("absent", "absence", "missed", "failed", "inactive", "0%", "0of"):
            assert word not in flat.replace("0of90", ""), word
        for heading in ("waitingforyou", "90-day", "comment", "attendance", "commitmentsand"):
            assert heading not in flat, heading


def test_an_owner_who_leads_nothing_is_asked_for_a_comment_only(tmp_path: Path) -> None:
    page = rituals.owner_page()
    render_previews([page], tmp_path / "2026-10")
    folder = of(tmp_path / "2026-10", "P-0044")
    plain = (folder / "email.txt").read_text("utf-8")
    for text in (squeezed(plain), visible(folder / "email.html")):
        for words in (
            "Your word on October 2026",
            "Reply by 5 November 2026.",
            "comments asked of you",
            "Days to competency",
            "Certified in role",
            "what happened, and what is done about it",
        ):
            assert squeezed(words).casefold() in text.casefold(), words
        for words in ("no record", "not asked", "recorded", "where it stands", "how to add"):
            assert squeezed(words) not in text.casefold(), words
    assert preview_subject(page) == (
        "Meridian Foods: two comments asked of you for October 2026 - reply by 5 November 2026"
    )


def test_actions_of_the_period_stand_apart_from_earlier_ones(tmp_path: Path) -> None:
    earlier = LeaderAction(
        happened_on=date(2026, 9, 17), what="Sent an email", audience="Operations", counts=True
    )
    page = rituals.leader_page(actions=(earlier, *RICH.actions))
    render_previews([page], tmp_path / "2026-10")
    text = (of(tmp_path / "2026-10", "P-0007") / "email.txt").read_text("utf-8")
    assert text.index("RECORDED FOR OCTOBER 2026") < text.index("6 October 2026: Town hall")
    assert text.index("RECORDED BEFORE") < text.index("17 September 2026: Sent an email")
    assert text.index("6 October 2026: Town hall") < text.index("RECORDED BEFORE")


# ---------------------------------------------------------------- sheets


def test_a_sheet_is_one_accessible_page_with_everything(sheets: Path) -> None:
    file = of(sheets, "P-0007") / "leader-review-sheet.pdf"
    reader = check_pdf(file, "Leader review sheet, Q4 2026: Marcus Lindqvist")
    assert len(reader.pages) == 1
    text = squeezed(pdf_text(file))
    assert RICH.plan is not None
    for words in (
        "Sponsor, Operations",
        "11 of 13",
        "Weeks with a visible sponsor action, target 10 weeks",
        "Commitments closed on time, target 90 %",
        "Measures of Operations against target",
        "61.2 % 95.0 % Concerning; target consistently missed",
        "hidden",
        "Hidden: too few people to show, or a figure that would give them away.",
        "14 October 2026 Attended a manager forum, Bakery sites",
        "Approved a budget, Operations †",
        "Commitments and decisions waiting",
        "Overdue by 8 days waited 22 days",
        "90-day plan, Operations: day 52 of 90, 89 % on track, 8 of 9 due actions done, one "
        "overdue",
        "Town hall, 24 September 2026",
        "By 9 Dec 2026",
        "Discussed on",
        "Goes to Marcus Lindqvist and their own manager only.",
        *(item.action for item in RICH.plan.items),
    ):
        assert squeezed(words) in text, words


def test_a_long_record_still_fits_one_page_and_is_counted(tmp_path: Path) -> None:
    actions = tuple(
        RICH.actions[0].model_copy(update={"happened_on": date(2026, 10, 1 + n % 28)})
        for n in range(60)
    )
    log = tuple(rituals.entry(f"Commitment number {n} of a long list") for n in range(6))
    render_sheets([quarter(RICH, actions=actions, log=log)], tmp_path / "2026-Q4")
    file = of(tmp_path / "2026-Q4", "P-0007") / "leader-review-sheet.pdf"
    assert len(PdfReader(file).pages) == 1
    text = squeezed(pdf_text(file))
    shown = text.count("Townhall,Operations")
    assert 4 <= shown <= 14 and f"and{60 - shown}earlier" in text


def test_a_long_log_still_fits_one_page_the_overdue_first(tmp_path: Path) -> None:
    """Of sixty long entries beside a whole plan and long names, as many as there is room for."""
    log = tuple(
        rituals.entry(
            f"Commitment {n} " + "of a long list " * 12,
            status="overdue" if n > 56 else "open",
        )
        for n in range(60)
    )
    actions = tuple(
        action.model_copy(update={"audience": "Continental Manufacturing and Distribution " * 2})
        for action in RICH.actions * 6
    )
    page = quarter(RICH, log=log, actions=actions, name="Maximiliane-Konstantina " * 3)
    render_sheets([page], tmp_path / "2026-Q4")
    file = of(tmp_path / "2026-Q4", "P-0007") / "leader-review-sheet.pdf"
    assert len(PdfReader(file).pages) == 1
    text = squeezed(pdf_text(file))
    shown = re.findall(r"Commitment(\d+)of", text)
    assert shown[:3] == ["57", "58", "59"] and len(shown) >= 3
    assert f"and{60 - len(shown)}moreinthedecisionlog" in text


def test_what_cannot_fit_is_a_problem_that_names_nobody(tmp_path: Path) -> None:
    assert RICH.plan is not None
    plan = RICH.plan.model_copy(update={"items": RICH.plan.items * 12})
    with pytest.raises(Problem, match="does not fit on one page") as raised:
        render_sheets([quarter(RICH, plan=plan)], tmp_path / "2026-Q4")
    assert "Lindqvist" not in str(raised.value) and "P-0007" not in str(raised.value)
    assert not (tmp_path / "2026-Q4" / "letters.json").exists()


# ---------------------------------------------------------------- the list and its folders


def test_a_sheet_goes_to_the_leader_and_their_manager_only(previews: Path, sheets: Path) -> None:
    assert {letter.to for letter in read_letters(sheets)} == {
        ("P-0007", "P-0001"),
        ("P-0031",),
        ("P-0013", "P-0001"),
    }
    assert {letter.to for letter in read_letters(previews)} == {
        ("P-0007",),
        ("P-0031",),
        ("P-0013",),
    }
    roles = {letter.to[0]: letter.role for letter in read_letters(previews)}
    assert roles["P-0007"] == "sponsor"


def test_no_name_stands_in_a_path(previews: Path, sheets: Path) -> None:
    for draft in (previews, sheets):
        for file in draft.rglob("*"):
            for word in ("Marcus", "Lindqvist", "P-0007", "Menon", "P-0031"):
                assert word.casefold() not in str(file.relative_to(draft)).casefold()
    manifest = json.loads((of(sheets, "P-0007") / "email.json").read_text("utf-8"))
    (attached,) = manifest["attachments"]
    assert attached == {
        "file": "leader-review-sheet.pdf",
        "name": "leader-review-sheet-2026-Q4.pdf",
        "media_type": "application/pdf",
    }


def test_letters_of_people_no_longer_listed_are_removed(tmp_path: Path) -> None:
    draft = tmp_path / "2026-10"
    render_previews((RICH, SILENT), draft)
    gone = of(draft, "P-0031")
    render_previews((RICH,), draft)
    assert not gone.exists()
    assert sorted(f.name for f in draft.iterdir()) == sorted(
        [of(draft, "P-0007").name, "letters.json"]
    )
    render_previews((), draft)
    assert read_letters(draft) == () and [f.name for f in draft.iterdir()] == ["letters.json"]
    assert [f.name for f in tmp_path.iterdir()] == ["2026-10"], "the aside folder is gone"


@pytest.mark.parametrize("render", [render_previews, render_sheets])
def test_the_same_pages_give_the_same_bytes(
    render: Callable[[Sequence[LeaderPage], Path], list[Path]], tmp_path: Path
) -> None:
    pages = [quarter(RICH), quarter(SILENT)]
    one, other = tmp_path / "one", tmp_path / "other"
    written = render(pages, one)
    render(pages, other)
    assert written[-1] == one / "letters.json"
    for file in written:
        assert file.read_bytes() == (other / file.relative_to(one)).read_bytes()


# ---------------------------------------------------------------- mails


def test_subjects() -> None:
    assert preview_subject(RICH) == (
        "Meridian Foods: what we have of you for October 2026 - reply or add by 5 November 2026; "
        "one comment asked for"
    )
    assert sheet_subject(quarter(RICH)) == (
        "Meridian Foods: leader review sheet, Q4 2026 - Marcus Lindqvist, Sponsor, Operations"
    )
    for page in PAGES:
        for subject in (preview_subject(page), sheet_subject(page)):
            assert subject.isprintable() and len(subject) <= SUBJECT_LIMIT


def test_mails_are_sound(previews: Path, sheets: Path) -> None:
    pages = [*previews.rglob("email.html"), *sheets.rglob("email.html")]
    assert len(pages) == 6
    for page in pages:
        check_html(page)
        source = page.read_text("utf-8")
        assert "<script>alert(1)</script>" not in source and "Undefined" not in source
        plain = (page.parent / "email.txt").read_text("utf-8")
        assert all(len(line) <= 78 for line in plain.splitlines() if " " in line.strip())


# ---------------------------------------------------------------- assets


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(
        organisation=OrganisationSettings(name="Meridian Foods"), paths=PathSettings(home=tmp_path)
    )


@pytest.mark.parametrize(
    ("name", "period_id", "key"),
    [("monthly_preview", "2026-10", "2026-10-01"), ("quarterly_sheets", "2026-Q3", "2026-07-01")],
)
def test_the_assets_write_letters_and_tell_no_person(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, name: str, period_id: str, key: str
) -> None:
    monkeypatch.setattr("orchestration.quality.close.require_allowed", lambda *_: None)
    pages = [p.model_copy(update={"period_id": period_id}) for p in (RICH, SILENT)]
    write_leaders(settings, Period.parse(period_id), pages)
    wanted = dg.AssetKey(["review", name])
    asset = next(a for a in build_assets(settings) if a.key == wanted)
    result = dg.materialize([asset], partition_key=key, instance=dg.DagsterInstance.ephemeral())
    draft = settings.home / "drafts" / name / period_id
    assert result.success and len(read_letters(draft)) == 2
    (event,) = result.asset_materializations_for_node(f"review__{name}")
    told = {label: each.value for label, each in event.metadata.items()}
    assert told["letters"] == 2
    for word in ("Lindqvist", "P-0007", "Menon"):
        assert word not in str(told)


def test_missing_or_foreign_pages_are_a_clear_problem(settings: Settings) -> None:
    october = Period.parse("2026-10")
    with pytest.raises(Problem, match="do not exist"):
        render_letters(settings, october, "monthly_preview")
    write_leaders(settings, october, [quarter(RICH)])
    with pytest.raises(Problem, match="not the leaders' pages of 2026-10"):
        render_letters(settings, october, "monthly_preview")


def test_a_letter_says_how_old_its_data_is(tmp_path: Path) -> None:
    stale = quarter(RICH, stale_note="activity as of 12 October 2026")
    assert "(activity as of 12 October 2026)" in sheet_subject(stale)
    assert "(activity as of 12 October 2026)" in preview_subject(stale)
    render_previews((stale,), tmp_path / "previews")
    render_sheets((stale,), tmp_path / "sheets")
    said = squeezed("up to date: activity as of 12 October 2026.")
    for folder in ("previews", "sheets"):
        letter = of(tmp_path / folder, RICH.person_id)
        for name in ("email.html", "email.txt"):
            assert said.lower() in squeezed(visible(letter / name)).lower(), (folder, name)
    (sheet,) = of(tmp_path / "sheets", RICH.person_id).glob("*.pdf")
    assert said in squeezed(pdf_text(sheet))
    assert len(PdfReader(sheet).pages) == 1


def test_a_sheet_names_a_manager_only_where_there_is_one(sheets: Path) -> None:
    for person, goes_to in (
        ("P-0007", "Marcus Lindqvist and their own manager"),
        ("P-0031", SILENT.name),
    ):
        folder = of(sheets, person)
        wanted = squeezed(f"This goes to {goes_to}, and to nobody else.")
        assert wanted in squeezed((folder / "email.txt").read_text("utf-8"))
        assert wanted in visible(folder / "email.html")
        printed = squeezed(pdf_text(folder / "leader-review-sheet.pdf"))
        assert squeezed(f"Goes to {goes_to} only.") in printed


def test_words_in_a_figures_place_may_break() -> None:
    page = quarter(
        SILENT,
        flagship=Figure(state="value", value=Decimal(0), text="no record of completion"),
    )
    (shown,) = (f for f in page_view(page)["figures"] if f["name"] == "Flagship course")
    assert shown["figure"]["text"] == shown["figure"]["number"] == "no record of completion"
