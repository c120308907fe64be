"""The rendered files: what they say, how they are built, and that they stay the same."""

from __future__ import annotations

import html
import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from pypdf import PdfReader

from orchestration.review.email import SUBJECT_LIMIT, subject_line
from orchestration.review.month import render_month
from orchestration.review.pages import tokens
from orchestration.review.typesetting import page_count
from orchestration.scorecard.draft import read_scorecard
from tests.review import scorecards
from tests.review.reading import check_html, pdf_text, read_html, squeezed, visible

NAMES = (
    "scorecard.json",
    "scorecard.html",
    "scorecard.pdf",
    "review-pack.pdf",
    *(f"sparkline-{n}.png" for n in range(1, 6)),
    "email.html",
    "email.txt",
    "email.json",
)
HOSTILE_PARTS = ('#read("x")', "=1+1", "<script>alert(1)</script>", "{{7*7}}", "$x^2$", "*bold*")


@pytest.fixture(scope="session")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One folder a scorecard of the fixture module."""
    root = tmp_path_factory.mktemp("review")
    folders = {}
    for name, build in scorecards.ALL.items():
        folders[name] = root / name / "2026-10"
        render_month(build(), folders[name])
    return folders


# ---------------------------------------------------------------- files


def test_every_file_is_written_and_nothing_else(rendered: dict[str, Path]) -> None:
    for folder in rendered.values():
        assert sorted(f.name for f in folder.iterdir()) == sorted(NAMES)
        assert [f.name for f in folder.parent.iterdir()] == ["2026-10"], "the aside folder is gone"


def test_rebuilding_gives_the_same_bytes(rendered: dict[str, Path], tmp_path: Path) -> None:
    for name in ("typical", "hostile"):
        again = tmp_path / name
        render_month(scorecards.ALL[name](), again)
        for file in NAMES:
            assert (again / file).read_bytes() == (rendered[name] / file).read_bytes(), file


def test_the_scorecard_survives_the_round_trip(rendered: dict[str, Path]) -> None:
    assert read_scorecard(rendered["typical"] / "scorecard.json") == scorecards.typical()


def test_a_render_that_fails_leaves_the_last_good_files(
    rendered: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "2026-10"
    render_month(scorecards.typical(), folder)
    before = {f.name: f.read_bytes() for f in folder.iterdir()}

    def fail(*_: object) -> str:
        raise RuntimeError("no")

    monkeypatch.setattr("orchestration.review.month.email_text", fail)
    with pytest.raises(RuntimeError):
        render_month(scorecards.quiet(), folder)
    assert {f.name: f.read_bytes() for f in folder.iterdir()} == before
    assert [f.name for f in tmp_path.iterdir()] == ["2026-10"]


# ---------------------------------------------------------------- figures and texts


@pytest.mark.parametrize("file", ["scorecard.html", "scorecard.pdf", "email.html", "email.txt"])
def test_the_scorecard_says_everything_in_the_charters_order(
    rendered: dict[str, Path], file: str
) -> None:
    card = scorecards.typical()
    path = rendered["typical"] / file
    text = (
        squeezed(pdf_text(path))
        if file.endswith(".pdf")
        else visible(path)
        if file.endswith(".html")
        else squeezed(path.read_text(encoding="utf-8"))
    )
    wanted = [card.organisation, card.period_label, "31 October 2026", card.sentence]
    wanted += [card.top_risk or "", "3 of 4"]
    for kpi in card.kpis:
        wanted += [kpi.name, kpi.now.text, kpi.target.text, kpi.mark.text, kpi.owner]
        wanted += [kpi.caution or ""]
        wanted += [b.figure.text for b in kpi.beside]
    wanted += [text for i in card.leadership for text in (i.name, i.figure.text)]
    wanted += [i.target.text for i in card.leadership if i.target is not None]
    for decision in card.decisions:
        wanted += [decision.what, decision.owner, decision.amount or "no cost stated"]
    for words in wanted:
        assert squeezed(words).casefold() in text.casefold(), words
    body = text[text.rindex(squeezed(card.sentence)) :]  # a preheader may name a measure
    places = [body.index(squeezed(k.name)) for k in card.kpis]
    assert places == sorted(places)


def test_the_pack_has_the_detail(rendered: dict[str, Path]) -> None:
    text = squeezed(pdf_text(rendered["typical"] / "review-pack.pdf"))
    card = scorecards.typical()
    for kpi in card.kpis:
        assert (squeezed(kpi.finding) in text) == (kpi.mark.tone != "neutral"), kpi.kpi_id
        assert squeezed(kpi.definition) in text
    for decision in card.decisions:
        for words in (*decision.options, decision.if_not_taken, decision.why):
            assert squeezed(words) in text
    for words in (
        "Units that moved",
        "Bakery sites",
        "61.2 %",
        "Warehouse system go-live",
        "upper limit 95.2 %",
        "391,204",
        "Not yet 31 days in post",
        card.restatements[0],
        "Groups under 5 people",
        "96 %",  # certified in role, of its target
    ):
        assert squeezed(words) in text, words


def test_the_pack_has_decisions_candidates_and_the_next_sitting(
    rendered: dict[str, Path],
) -> None:
    text = squeezed(pdf_text(rendered["typical"] / "review-pack.pdf"))
    order = (
        "Two decisions asked for",
        "Last month's decisions: 3 of 4 done",
        "Two hours for 340 people until 18 December",
        "12 days Decided on 21 October, in time",
        "Decided without the right to: the sponsor decides up to GBP 25,000",
        "Retire three elective modules past their review date",
        "22 days Overdue by 8 days",
        "Older decisions still open",
        "Make food safety mandatory for agency staff",
        "82 days Overdue by 68 days",
        "Commitments and actions",
        "Name a deputy for every site manager",
        "Candidates to decommission",
        "Nobody active in 180 days",
        "Stays until decided: mandatory learning is never retired by silence.",
        "Candidates for a campaign",
        "Learning hours for Bakery sites",
        "Next sitting: Monthly executive review, Thursday 12 November 2026, 10:00, 30 minutes, "
        "Room 4",
        "Exceptions, 10 minutes",
    )
    # the scorecard page names the decisions too
    body = text[text.index(squeezed("Page 1 of")) :]
    places = [body.index(squeezed(words)) for words in order]
    assert places == sorted(places)


def test_the_owners_comment_stands_beside_the_detail(rendered: dict[str, Path]) -> None:
    text = squeezed(pdf_text(rendered["typical"] / "review-pack.pdf"))
    comment = scorecards.rituals.COMMENT
    said = text.index(squeezed(comment.text))
    assert text.index(squeezed("Marcus Lindqvist, 4 November 2026")) > said
    headings = [
        i for i in (m.start() for m in re.finditer("Mandatorylearningontimefell", text)) if i < said
    ]
    assert said - max(headings) < 300, "under the finding it is of"


def test_the_leadership_page(rendered: dict[str, Path]) -> None:
    text = squeezed(pdf_text(rendered["typical"] / "review-pack.pdf"))
    page = scorecards.rituals.LEADERSHIP
    for words in (
        *page.exceptions,
        *page.vacancies,
        page.footnote or "",
        "90-day plan, Operations: day 52 of 90, 89 % on track, 8 of 9 due actions done, one "
        "overdue",
        "Marcus Lindqvist, since 10 September 2026",
        "35 Sponsor completes the flagship course publicly Marcus Lindqvist Overdue, 15 October "
        "2026",
        "The whole plan stands in the leader review sheet.",
        "Due, 30 October 2026",
        "Not yet due, 4 November 2026",
        "In the order of the organisation, never ranked.",
        "Technology Ravi Menon 6 of 13",
        "Two mandatory launches fall due within 30 days in Operations",
        "Food safety refresher, due on 6 November",
        "a new launch names what it replaces. Marcus Lindqvist, by 10 November 2026",
        "Deputy of Ravi Menon, by 12 November 2026",
    ):
        assert squeezed(words) in text, words
    table = text[text.index("Leadershipbyunit") :]
    at = {u.org_unit_id: table.index(squeezed(f"{u.name} {u.sponsor}")) for u in page.units}
    # two levels here, those beneath in the appendix; each in tree order, as given
    places = [at[u.org_unit_id] for u in sorted(page.units, key=lambda u: u.depth > 1)]
    assert places == sorted(places)
    last = at[page.units[-1].org_unit_id]
    office = table[last : last + 90]
    assert office.count("hidden") == 4 and "noRecord" not in office


def test_several_plans_share_a_table(tmp_path: Path) -> None:
    plans = tuple(
        scorecards.rituals.plan(unit, asks_for=asks, held=held)
        for unit, asks, held in (
            ("Operations", None, None),
            ("Commercial", "Scale, adjust or stop: decide at this sitting.", None),
            ("Technology", None, "Adoption held at day 120: 61 % active, 60 % at day 90."),
        )
    )
    page = scorecards.rituals.LEADERSHIP.model_copy(update={"plans": plans})
    render_month(scorecards.typical(leadership_page=page), tmp_path / "2026-10")
    text = squeezed(pdf_text(tmp_path / "2026-10" / "review-pack.pdf"))
    assert squeezed("Sponsor completes the flagship course publicly, Marcus Lindqvist") in text
    assert squeezed("Scale, adjust or stop: decide at this sitting.") in text
    assert squeezed("Adoption held at day 120: 61 % active, 60 % at day 90.") in text
    assert "Notyetdue" not in text
    assert text.count(squeezed("8 of 9 89 % on track")) == 3
    assert "90-day" not in (tmp_path / "2026-10" / "email.txt").read_text("utf-8"), "too many"


def test_the_forecast_stands_on_the_page_once_there_is_one(
    rendered: dict[str, Path], tmp_path: Path
) -> None:
    for file in ("scorecard.html", "email.html"):
        text = visible(rendered["typical"] / file)
        assert squeezed("year-end forecast 44 days") in text
        assert squeezed("year-end forecast 68.0 %") in text
    page = squeezed(pdf_text(rendered["typical"] / "scorecard.pdf"))
    assert "Year-endforecast" in page and squeezed("41 to 47 days") in page
    without = tuple(k.model_copy(update={"forecast": None}) for k in scorecards.KPIS)
    render_month(scorecards.typical(kpis=without), tmp_path / "2026-10")
    for file in ("scorecard.html", "email.html"):
        assert "forecast" not in visible(tmp_path / "2026-10" / file)
    assert "forecast" not in pdf_text(tmp_path / "2026-10" / "review-pack.pdf")


def test_the_email_names_plan_and_next_sitting(rendered: dict[str, Path]) -> None:
    for text in (
        visible(rendered["typical"] / "email.html"),
        squeezed((rendered["typical"] / "email.txt").read_text("utf-8")),
    ):
        assert (
            squeezed(
                "90-day plan, Operations: day 52 of 90, 89 % on track, 8 of 9 due actions done"
            )
            in text
        )
        assert squeezed("Thursday 12 November 2026, 10:00, 30 minutes, Room 4") in text
        assert squeezed("Last month's decisions done: 3 of 4") in text


def test_states_never_look_like_numbers(rendered: dict[str, Path]) -> None:
    for file in ("scorecard.html", "email.html"):
        text = visible(rendered["empty"] / file)
        for words in ("no data", "not reached", "too few people to show", "under half have passed"):
            assert squeezed(words) in text
        assert not re.search(r"(?<![\d.,])0(\.0)?%", text)


def test_sections_without_content_leave_no_trace(rendered: dict[str, Path]) -> None:
    for file in ("scorecard.html", "email.html"):
        text = visible(rendered["empty"] / file)
        for heading in ("Leadership", "Toprisk", "asked for"):
            assert squeezed(heading) not in text
    pack = pdf_text(rendered["empty"] / "review-pack.pdf")
    for heading in (
        "Measures by unit",
        "Restated",
        "People left out",
        "Contractors",
        "show a clear",
        "Candidates",
        "Commitments",
        "Early warning",
        "Exceptions",
        "90-day",
        "Next sitting",
        "Vacant",
        "Year-end",
    ):
        assert heading not in pack
    assert "not recorded yet" in pack, "on the scorecard page"
    plain = (rendered["empty"] / "email.txt").read_text(encoding="utf-8")
    assert "LEADERSHIP" not in plain and "TOP RISK" not in plain


# ---------------------------------------------------------------- hostile texts


def test_hostile_text_prints_literally(rendered: dict[str, Path]) -> None:
    folder = rendered["hostile"]
    texts = {
        "scorecard.html": visible(folder / "scorecard.html"),
        "email.html": visible(folder / "email.html"),
        "review-pack.pdf": squeezed(pdf_text(folder / "review-pack.pdf")),
        "email.txt": squeezed((folder / "email.txt").read_text(encoding="utf-8")),
    }
    for file, text in texts.items():
        for part in HOSTILE_PARTS:
            assert squeezed(part) in text, (file, part)
        assert "49" not in re.findall(r"\}\}|\b49\b", text)
        assert "\u202e" not in text and "\x00" not in text
    for file in ("scorecard.html", "email.html"):
        assert "script" not in {tag for tag, _ in read_html(folder / file).tags}


@pytest.mark.parametrize("name", [n for n in scorecards.ALL if n != "hostile"])
def test_no_template_syntax_is_left(rendered: dict[str, Path], name: str) -> None:
    for file in ("scorecard.html", "email.html", "email.txt", "email.json"):
        text = (rendered[name] / file).read_text(encoding="utf-8")
        assert not re.search(r"\{\{|\{%|\{#|Undefined|None\b", text), file
    pack = pdf_text(rendered[name] / "review-pack.pdf").replace("none finished", "")
    assert not re.search(r"\bnone\b|\bauto\b", pack)


def test_scripts_the_fonts_lack_do_not_stop_the_review(tmp_path: Path) -> None:
    card = scorecards.typical(organisation="\u6f22\u5b57 Foods \U0001f600")
    render_month(card, tmp_path / "2026-10")
    root: Any = PdfReader(tmp_path / "2026-10" / "scorecard.pdf").trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]


# ---------------------------------------------------------------- PDF


@pytest.mark.parametrize("name", scorecards.ALL)
def test_pages(rendered: dict[str, Path], name: str) -> None:
    assert len(PdfReader(rendered[name] / "scorecard.pdf").pages) == 1
    pack = rendered[name] / "review-pack.pdf"
    pages = len(PdfReader(pack).pages)
    if name in ("hostile", "long_names"):
        assert 6 < pages <= 12, "more pages rather than less content"
    else:
        assert 4 <= pages <= 6
    assert page_count(pack.read_bytes()) == pages
    width, height = (float(side) for side in PdfReader(pack).pages[0].mediabox[2:])
    assert (round(width), round(height)) == (595, 842), "A4 portrait"


@pytest.mark.parametrize("file", ["scorecard.pdf", "review-pack.pdf"])
def test_pdfs_are_accessible(rendered: dict[str, Path], file: str) -> None:
    reader = PdfReader(rendered["typical"] / file)
    root: Any = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en-GB"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata is not None
    assert reader.metadata.title == "Meridian Foods: learning adoption review, October 2026"
    assert str(reader.metadata.creation_date_raw).startswith("D:20261031000000")
    assert b"pdfuaid" in root["/Metadata"].get_data(), "declares PDF/UA-1"
    assert reader.outline

    roles: dict[str, int] = {}
    alternatives: list[str] = []

    def walk(node: Any) -> None:
        node = node.get_object() if hasattr(node, "get_object") else node
        if isinstance(node, list):
            for kid in node:
                walk(kid)
        elif isinstance(node, dict):
            role = str(node.get("/S", ""))
            roles[role] = roles.get(role, 0) + 1
            if "/Alt" in node:
                alternatives.append(str(node["/Alt"]))
            if "/K" in node:
                walk(node["/K"])

    walk(root["/StructTreeRoot"])
    assert roles["/Table"] >= 1 and roles["/TH"] >= 6 and roles["/H1"] >= 1
    assert len([a for a in alternatives if a.startswith("Days to competency, 13 points")]) >= 1
    assert len(alternatives) >= (5 if file == "scorecard.pdf" else 10)


def test_only_shipped_fonts_are_used(rendered: dict[str, Path]) -> None:
    for page in PdfReader(rendered["typical"] / "review-pack.pdf").pages:
        resources: Any = page["/Resources"]
        for font in resources["/Font"].values():
            assert "Inter-" in font.get_object()["/BaseFont"]


def test_stale_data_is_said_on_every_page_and_in_the_email(rendered: dict[str, Path]) -> None:
    folder = rendered["stale"]
    for page in PdfReader(folder / "review-pack.pdf").pages:
        assert "Data as of 12 October 2026, not all up to date" in page.extract_text()
    assert squeezed("activity as of 12 October") in squeezed(pdf_text(folder / "scorecard.pdf"))
    for file in ("scorecard.html", "email.html"):
        assert squeezed("up to date: activity as of 12 October") in visible(folder / file)
    assert "activity as of 12 October" in (folder / "email.txt").read_text(encoding="utf-8")
    manifest = json.loads((folder / "email.json").read_text(encoding="utf-8"))
    assert "activity as of 12 October" in manifest["subject"]
    fresh = pdf_text(rendered["typical"] / "review-pack.pdf")
    assert "not all up to date" not in fresh


# ---------------------------------------------------------------- HTML and email


@pytest.mark.parametrize("name", scorecards.ALL)
@pytest.mark.parametrize("file", ["scorecard.html", "email.html"])
def test_html_is_well_formed_and_asks_nothing_of_the_network(
    rendered: dict[str, Path], name: str, file: str
) -> None:
    check_html(rendered[name] / file)
    reader = read_html(rendered[name] / file)
    assert reader.tags[0] == (
        "html",
        {"lang": "en-GB"} | ({"dir": "ltr"} if "email" in file else {}),
    )


def test_the_scorecard_page_has_landmarks_and_real_headers(rendered: dict[str, Path]) -> None:
    reader = read_html(rendered["typical"] / "scorecard.html")
    tags = [tag for tag, _ in reader.tags]
    assert {"main", "header", "footer", "section"} <= set(tags)
    scopes = [attributes.get("scope") for tag, attributes in reader.tags if tag == "th"]
    assert scopes.count("col") == 7 and scopes.count("row") == 5
    pictures = [a for tag, a in reader.tags if tag == "svg"]
    assert len(pictures) == 5 and all(p["role"] == "img" and p["aria-label"] for p in pictures)
    source = (rendered["typical"] / "scorecard.html").read_text(encoding="utf-8")
    assert "prefers-color-scheme: dark" in source and "@media print" in source


@pytest.mark.parametrize("name", scorecards.ALL)
def test_the_email_is_small_whole_and_its_pictures_exist(
    rendered: dict[str, Path], name: str
) -> None:
    folder = rendered[name]
    assert (folder / "email.html").stat().st_size < 100_000
    manifest = json.loads((folder / "email.json").read_text(encoding="utf-8"))
    source = (folder / "email.html").read_text(encoding="utf-8")
    assert (manifest["html"], manifest["text"]) == ("email.html", "email.txt")
    named = [html.unescape(cid) for cid in re.findall(r'src="cid:([^"]+)"', source)]
    assert named == [each["cid"] for each in manifest["inline"]]
    assert len(set(named)) == 5
    for each in manifest["inline"]:
        assert re.fullmatch(r"[A-Za-z0-9._-]{1,64}(@[A-Za-z0-9.-]{1,64})?", each["cid"])
        data = (folder / each["file"]).read_bytes()
        assert data[:8] == b"\x89PNG\r\n\x1a\n" and each["media_type"] == "image/png"
        width, height, _, colour = struct.unpack(">IIBB", data[16:26])
        assert (width, height) == (448, 107) and colour == 6, "two pixels a point, transparent"
    (attachment,) = manifest["attachments"]
    assert attachment["file"] == "review-pack.pdf"
    assert attachment["name"] == "learning-adoption-review-2026-10.pdf"
    assert all(len(line) <= 78 for line in (folder / "email.txt").read_text("utf-8").splitlines())


def test_the_invitation_goes_with_the_mail(tmp_path: Path) -> None:
    render_month(scorecards.typical(), tmp_path / "2026-10", b"BEGIN:VCALENDAR")
    manifest = json.loads((tmp_path / "2026-10" / "email.json").read_text("utf-8"))
    assert manifest["calendar"] == "invitation.ics"
    assert (tmp_path / "2026-10" / "invitation.ics").read_bytes() == b"BEGIN:VCALENDAR"


def test_subjects() -> None:
    subject = subject_line(scorecards.typical())
    assert subject == (
        "Meridian Foods: learning adoption review, October 2026 - Mandatory learning on time fell "
        "to 78.4 %, below its limits, led by Operations; two decisions asked for"
    )
    assert subject_line(scorecards.quiet()) == (
        "Meridian Foods: learning adoption review, October 2026 - no clear change, nothing to "
        "decide: we propose to skip the sitting"
    )
    assert subject_line(scorecards.empty()).endswith("no measure can be judged yet")
    for build in scorecards.ALL.values():
        subject = subject_line(build())
        assert len(subject) <= SUBJECT_LIMIT and subject.isprintable()
    assert "activity as of 12 October" in subject_line(scorecards.long_names())
    broken = scorecards.typical(organisation="A\r\nBcc: x@example.org")
    assert subject_line(broken).startswith("A Bcc: x@example.org: learning")


# ---------------------------------------------------------------- colours


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """WCAG 2 contrast ratio."""
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_colours_keep_wcag_aa(mode: str) -> None:
    colours = tokens()[mode]
    for ground in ("page", "surface"):
        for text in ("ink", "muted", "good", "bad", "neutral"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
    for ground in ("page", "band"):
        for line in ("line", "target", "good", "bad"):
            assert contrast(colours[line], colours[ground]) >= 3.0, (line, ground)


def test_the_emails_pictures_hold_on_light_and_dark() -> None:
    for mode in ("light", "dark"):
        for line in ("line", "target", "good", "bad"):
            assert contrast(tokens()["either"][line], tokens()[mode]["page"]) >= 3.0, (mode, line)


def test_both_template_engines_read_the_same_colours(rendered: dict[str, Path]) -> None:
    source = (rendered["typical"] / "scorecard.html").read_text(encoding="utf-8")
    for mode in ("light", "dark"):
        for name, colour in tokens()[mode].items():
            assert f"--{name}: {colour};" in source
    for file in (Path(__file__).parents[2] / "templates").rglob("*.typ"):
        assert not re.search(r'rgb\("#|#[0-9a-f]{6}\b', file.read_text(encoding="utf-8")), file.name
