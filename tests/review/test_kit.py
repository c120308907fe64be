"""The communication kit: three texts, one sentence, and never a placeholder."""

from __future__ import annotations

import html
import json
import os
import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from pydantic import SecretStr

from orchestration.lake import Lake
from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.recording.links import Signer
from orchestration.review.draft_files import Letter
from orchestration.review.kit import (
    TEXTS,
    Basis,
    Message,
    Sponsor,
    Text,
    build_kits,
    compose,
    fields_of,
    kit_letter,
    occasion,
    read_cascade_target,
    read_messages,
    sponsors_of,
)
from orchestration.review.kit_assets import kit_asset, write_kits
from orchestration.scorecard.draft import write_leaders, write_scorecard
from orchestration.scorecard.governance import Governance
from orchestration.scorecard.model import (
    EarlyWarning,
    Figure,
    LeaderAction,
    LeaderPage,
    Mark,
    Scorecard,
    SheetKpi,
)
from orchestration.settings import (
    ConfirmationSettings,
    OrganisationSettings,
    PathSettings,
    Settings,
)
from orchestration.warehouse.published import PublishedRows, publish
from tests.review import rituals, scorecards
from tests.review.values import NO_DATA, SUPPRESSED, value
from tests.warehouse.small_lake import PSEUDONYMS

OCTOBER = Period.parse("2026-10")
EVERYBODY = Governance((), {}, names="leaders")
"""Holders of nothing: no name is known that a text could hold."""
CORE = "Every week, two hours for the skills our customers notice."
LIMITS = {"town_hall": 180, "announcement": 120, "cascade": 100}
QUIET = Mark(variation="ordinary", assurance="no_target", text="No clear change", tone="neutral")
FALLING = Mark(variation="concerning", assurance="no_target", text="Concerning", tone="bad")
PUBLISHED = date(2026, 11, 6)  # October's review: the fifth working day of November

MESSAGE = Message(
    message_id="M-2",
    core_sentence=CORE,
    audience_org_unit_id="*",
    approver_person_id="P-0001",
    issued_on=date(2026, 10, 20),
    expires_on=date(2026, 11, 19),
    occasion="refresh",
    texts={
        "business_reason": "Scrap cost us a day of production each month",
        "ask": "Choose one course and finish it.",
        "link": "https://learn.example.org/programme",
        "helper": "your team's learning guide",
        "objection": "We have no time for this.",
        "answer": "Thirty minutes a week are set aside",
    },
    ask_by=date(2026, 11, 20),
    minutes="60",
)
CHIEF = Sponsor("P-0001", "Hannah Osei", "executive_sponsor", None, True)
MARCUS = Sponsor("P-0007", "Marcus Lindqvist", "sponsor", "U1", True)
DECISION = {
    "entry_id": "D-1",
    "right_id": "decommission_elective",
    "status": "decided",
    "fault": None,
    "title": "Retire four modules nobody finished",
    "decided_on": date(2026, 10, 12),
    "outcome": "agreed",
    "org_unit_id": None,
}


def sheet(name: str, now: Figure, target: Figure, mark: Mark = QUIET) -> SheetKpi:
    return SheetKpi(
        kpi_id=name.casefold().replace(" ", "_"),
        name=name,
        period_label="October 2026",
        now=now,
        target=target,
        mark=mark,
    )


def page(**more: Any) -> LeaderPage:
    return rituals.leader_page(
        **{
            "flagship": Figure(state="value", value=Decimal(1), text="completed"),
            "actions": (
                LeaderAction(
                    happened_on=date(2026, 10, 14),
                    what="Public completion",
                    audience="Operations",
                    counts=True,
                ),
            ),
            "kpis": (
                sheet("Certified in role", value("83.0 %"), value("90.0 %")),
                sheet("Mandatory learning on time", value("61.2 %"), value("95.0 %"), FALLING),
            ),
            **more,
        }
    )


def month_of(pages: Sequence[LeaderPage], **more: Any) -> Scorecard:
    """A month that publishes of every page's unit what the page says."""
    figures = {page.org_unit_id: {k.kpi_id: k.now for k in page.kpis} for page in pages}
    card = scorecards.typical(**{"warnings": (), **more})
    units = tuple(
        row.model_copy(update={"figures": figures.get(row.org_unit_id, {})}) for row in card.units
    )
    return card.model_copy(update={"units": units})


def basis(**more: Any) -> Basis:
    pages = more.get("pages", (page(),))
    return Basis(
        **{
            "scorecard": scorecards.typical(warnings=()),
            "month": month_of(pages),
            "period": OCTOBER,
            "pages": pages,
            "sponsors": (MARCUS,),
            "decisions": (DECISION,),
            "messages": (MESSAGE,),
            "settings": Settings(organisation=OrganisationSettings(name="Meridian Foods")),
            **more,
        }
    )


def texts(given_basis: Basis) -> dict[str, Text]:
    (kit,), faults = build_kits(given_basis)
    assert faults == []
    return {text.name: text for text in kit.texts}


def warning(pain_point: str, unit: str, since: date = PUBLISHED) -> EarlyWarning:
    return rituals.WARNINGS[0].model_copy(
        update={
            "pain_point": pain_point,
            "org_unit_id": unit,
            "finding": "It is 50 days old",
            "since": since,
        }
    )


# ---- the texts -----------------------------------------------------------------------------


def test_the_town_hall_script_in_full() -> None:
    assert texts(basis())["town_hall"].plain == (
        "Scrap cost us a day of production each month. Every week, two hours for the skills our "
        "customers notice.\n\n"
        "Mandatory learning on time, Operations: 61.2 % in October 2026. Our target is 95.0 %.\n\n"
        "I have completed the flagship course myself, in public, on 14 October 2026. To make room "
        "for this, we decided on 12 October 2026: Retire four modules nobody finished.\n\n"
        "I ask one thing of you by 19 November 2026. Choose one course and finish it. I will tell "
        "you how far we have come on 7 December 2026.\n\n"
        "Message M-2."
    )


def test_the_announcement_in_full() -> None:
    text = texts(basis())["announcement"]
    assert text.subject == "Choose one course and finish it by 19 November 2026"
    assert text.plain == (
        "Subject: Choose one course and finish it by 19 November 2026\n\n"
        "Scrap cost us a day of production each month. Every week, two hours for the skills our "
        "customers notice.\n\n"
        "Mandatory learning on time, Operations: 61.2 % in October 2026. Our target is 95.0 %.\n\n"
        "Choose one course and finish it: https://learn.example.org/programme\n\n"
        "It takes 60 minutes. Who helps: your team's learning guide.\n\n"
        "Marcus Lindqvist, sponsor\n\n"
        "Message M-2."
    )


def test_the_cascade_in_full() -> None:
    assert texts(basis())["cascade"].plain == (
        "Say this to your team: Every week, two hours for the skills our customers notice.\n\n"
        "Do this week: protect 30 minutes of working time for it. Ask your team: Choose one course "
        "and finish it, by 19 November 2026.\n\n"
        "If you hear: We have no time for this. Answer: Thirty minutes a week are set aside.\n\n"
        "Then confirm that your team has heard it, by mail to adoption-review@example.org.\n\n"
        "Message M-2."
    )


def test_one_sentence_and_one_id_in_all_three_and_two_figures_at_most() -> None:
    made = texts(basis())
    for text in made.values():
        assert text.plain.count(CORE) == 1 and text.plain.count("M-2") == 1
        assert len(re.findall(r"\d [%]|\d days", text.plain)) <= 2
        assert text.words <= LIMITS[text.name] == text.limit
    assert list(made) == list(TEXTS)


NEVER = re.compile(r"[{}]|None|  |\(\s*\)|\bundefined\b|\s[,.;:]|:\s*$", re.MULTILINE)
OPTIONAL = sorted(
    set(fields_of(basis(), MARCUS, MESSAGE, ["U1", "U0", "*"])) - {"core_sentence", "message_id"}
)


@hypothesis_settings(max_examples=int(os.environ.get("ADOPTION_EXAMPLES", "80")), deadline=None)
@given(
    missing=st.sets(st.sampled_from(OPTIONAL)),
    long=st.dictionaries(st.sampled_from(OPTIONAL), st.integers(1, 200), max_size=4),
    core=st.integers(1, 60),
)
def test_whatever_is_missing_no_placeholder_leaks_and_no_limit_breaks(
    missing: set[str], long: dict[str, int], core: int
) -> None:
    fields = fields_of(basis(), MARCUS, MESSAGE, ["U1", "U0", "*"])
    fields["core_sentence"] = " ".join(["Learn."] * core)
    fields |= {name: " ".join(["word"] * count) for name, count in long.items()}
    for name in missing:
        del fields[name]
    for name in TEXTS:
        text = compose(name, fields)
        assert not NEVER.search(text.plain), text.plain
        assert text.words <= LIMITS[name]
        assert fields["core_sentence"] in text.plain and "M-2" in text.plain
        for gone in missing - set(long):
            assert not re.search(rf"\b{gone}\b", text.plain) or gone in (
                "ask", "name", "answer", "now", "role", "target", "period", "minutes",
            )  # words of the templates themselves  # fmt: skip


def test_too_long_a_text_drops_sentences_in_a_fixed_order() -> None:
    fields = fields_of(basis(), MARCUS, MESSAGE, ["U1", "U0", "*"])
    full = compose("town_hall", fields)
    order = ("To make room", "I have completed", "I will tell you", "61.2 %", "Scrap cost", "I ask")
    kept = len(order)
    for extra in range(1, 180 - len((CORE + " Message M-2.").split())):
        fields["core_sentence"] = CORE + " more" * extra
        text = compose("town_hall", fields).plain
        there = [part in text for part in order]
        assert there == sorted(there), text  # the first of the order are the first to go
        assert sum(there) <= kept
        kept = sum(there)
        if full.words + extra <= 180:
            assert all(there)
    assert kept < len(order)


def test_a_core_sentence_without_room_is_a_clear_problem() -> None:
    fields = {"core_sentence": " ".join(["word"] * 96), "message_id": "M-9"}
    with pytest.raises(Problem, match="manager cascade of message M-9 takes 103 words at least"):
        compose("cascade", fields)


@pytest.mark.parametrize(
    ("ask_by", "said"),
    [
        # October's review goes out with the kit, on 6 November; November's on 7 December
        (None, "7 December 2026"),
        (date(2026, 11, 9), "7 December 2026"),
        (date(2026, 12, 7), "8 January 2027"),  # not on the day itself
    ],
)
def test_the_sponsor_reports_back_once_the_day_asked_for_is_over(
    ask_by: date | None, said: str
) -> None:
    message = replace(MESSAGE, ask_by=ask_by, expires_on=date(2026, 12, 20))
    text = texts(basis(messages=(message,)))["town_hall"].plain
    assert f"I will tell you how far we have come on {said}." in text


@pytest.mark.parametrize("on_time", [None, SUPPRESSED, value("61.4 %")])
def test_only_what_the_months_review_publishes_is_told(on_time: Figure | None) -> None:
    """What the pack withholds, or says otherwise by now, is not said in a town hall."""
    month = month_of((page(),))
    figures = {"certified_in_role": value("83.0 %")}
    if on_time is not None:
        figures["mandatory_learning_on_time"] = on_time
    units = tuple(row.model_copy(update={"figures": figures}) for row in month.units)
    told = texts(basis(month=month.model_copy(update={"units": units})))["town_hall"].plain
    assert "83.0 %" in told and "61." not in told


def test_before_the_first_published_month_nothing_is_counted() -> None:
    made = texts(basis(month=None))
    assert all("%" not in text.plain for text in made.values())
    assert [text.plain.count(CORE) for text in made.values()] == [1, 1, 1]


@pytest.mark.parametrize(
    ("kpis", "said"),
    [
        ((sheet("Certified in role", value("83.0 %"), NO_DATA),), "83.0 % in October 2026."),
        ((sheet("Certified in role", SUPPRESSED, value("90.0 %")),), None),
        ((sheet("Certified in role", NO_DATA, value("90.0 %")),), None),
        ((), None),
    ],
)
def test_a_missing_figure_removes_its_sentence(kpis: Any, said: str | None) -> None:
    text = texts(basis(pages=(page(kpis=kpis),)))["town_hall"].plain
    assert ("83.0 %" in text) == (said is not None) and "90.0 %" not in text
    assert "too few" not in text and "no data" not in text
    if said is not None:
        assert said in text and "target" not in text


def test_the_figure_is_of_the_month_before_that_of_a_quarter() -> None:
    quarterly = sheet("Performance improvement", value("+1.9 %"), value("+2.0 %"))
    quarterly = quarterly.model_copy(update={"period_label": "Q3 2026"})
    monthly = sheet("Certified in role", value("83.0 %"), value("90.0 %"))
    text = texts(basis(pages=(page(kpis=(quarterly, monthly)),)))["town_hall"].plain
    assert "Certified in role, Operations: 83.0 % in October 2026." in text
    alone = texts(basis(pages=(page(kpis=(quarterly,)),)))["town_hall"].plain
    assert "Performance improvement, Operations: +1.9 % in Q3 2026." in alone


def test_figures_are_of_the_sponsors_own_unit_only() -> None:
    other = page(org_unit_id="U4")
    assert "%" not in texts(basis(pages=(other,)))["town_hall"].plain
    assert "%" not in texts(basis(pages=()))["town_hall"].plain


@pytest.mark.parametrize(
    "more",
    [
        {"outcome": "rejected"},
        {"outcome": None},
        {"status": "open", "decided_on": None},
        {"fault": "decided_without_right"},
        {"right_id": "set_targets"},
        {"org_unit_id": "U4"},
        {"decided_on": date(2026, 6, 1)},
        {"title": "Retire {course}"},
    ],
)
def test_only_what_was_rightly_agreed_for_the_unit_is_said_to_be_removed(more: Any) -> None:
    text = texts(basis(decisions=({**DECISION, **more},)))["town_hall"].plain
    assert "To make room" not in text


def test_no_record_of_a_completion_is_no_sentence() -> None:
    silent = page(flagship=Figure(state="value", value=Decimal(0), text="no record of completion"))
    assert "flagship" not in texts(basis(pages=(silent,)))["town_hall"].plain
    unseen = texts(basis(pages=(page(actions=()),)))["town_hall"].plain
    assert "I have completed the flagship course myself." in unseen


def test_a_date_that_has_passed_is_not_asked_for() -> None:
    late = replace(MESSAGE, ask_by=date(2026, 11, 5))
    made = texts(basis(messages=(late,)))
    assert made["announcement"].subject == "Choose one course and finish it"
    given_basis = basis(messages=(late,))
    (kit,), _ = build_kits(given_basis)
    email = json.loads(kit_letter(kit.page).files["email.json"])
    assert email["subject"] == "Speak to Operations and pass the message on"
    assert "5 November" not in "".join(text.plain for text in made.values())


def test_the_earlier_of_the_ask_and_the_expiry_is_asked_for() -> None:
    for ask_by, said in ((date(2026, 11, 9), "9 November 2026"), (None, None)):
        given_basis = basis(messages=(replace(MESSAGE, ask_by=ask_by),))
        (kit,), _ = build_kits(given_basis)
        letter = kit_letter(kit.page)
        subject = json.loads(letter.files["email.json"])["subject"]
        by = f" by {said}" if said else ""
        assert subject == f"Speak to Operations and pass the message on{by}"
        announcement = next(t for t in kit.texts if t.name == "announcement")
        assert announcement.subject == f"Choose one course and finish it{by}"


def test_one_kit_a_person_and_unit() -> None:
    both = replace(CHIEF, role="sponsor", org_unit_id="U0")
    kits, _ = build_kits(basis(sponsors=(both, CHIEF, CHIEF, MARCUS)))
    assert [(k.page.role, k.page.unit) for k in kits] == [
        ("executive_sponsor", "Meridian Foods"),
        ("sponsor", "Operations"),
    ]
    kits, _ = build_kits(basis(sponsors=(replace(both, person_id="P-0002"), CHIEF)))
    assert len(kits) == 2, "another person of the same unit has their own"


def cascade_row(managers: int, confirmed: int, unit: str = "U1") -> dict[str, Any]:
    return {
        "message_id": "M-2", "org_unit_id": unit, "managers": managers, "confirmed": confirmed,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("row", "issued_on", "through"),
    [
        (cascade_row(13, 13), date(2026, 11, 4), True),  # complete, two days after it was issued
        (cascade_row(13, 11), date(2026, 10, 20), True),  # 84.6 %, its days are over
        (cascade_row(13, 11), date(2026, 10, 27), False),  # 84.6 %, the tenth day is today
        (cascade_row(13, 10), date(2026, 10, 20), False),  # 76.9 %
        (cascade_row(0, 0), date(2026, 10, 20), False),
        (cascade_row(13, 13, "U4"), date(2026, 10, 20), False),
    ],
)
def test_a_cascade_that_is_through_is_not_asked_for_again(
    row: dict[str, Any], issued_on: date, through: bool
) -> None:
    card = scorecards.typical(warnings=())
    page_ = rituals.LEADERSHIP
    (first, *others) = page_.units
    counts = f"{row['confirmed']} of {row['managers']}"
    own = first.model_copy(
        update={
            "org_unit_id": "U1",
            "cascade": value(counts),
            "cascade_message": MESSAGE.message_id,
        }
    )
    card = card.model_copy(
        update={"leadership_page": page_.model_copy(update={"units": (own, *others)})}
    )
    given_basis = basis(
        scorecard=card,
        messages=(replace(MESSAGE, issued_on=issued_on),),
        cascades=(row,),
        cascade_target=Decimal(80),
    )
    (kit,), _ = build_kits(given_basis)
    letter = kit_letter(kit.page)
    subject = json.loads(letter.files["email.json"])["subject"]
    lead = "Three texts for Operations, for the refresh."
    said = " ".join(str(letter.files["email.txt"]).split())
    assert lead in said and "cascade.txt" in letter.files
    assert (f"{lead} {counts} managers confirmed" in said) == through
    if through:
        by = "19 November 2026"
        assert subject == f"Speak to Operations by {by}: {counts} managers confirmed the message"
    else:
        assert subject.startswith("Speak to Operations and pass the message on")


def test_few_managers_are_not_counted_in_a_kit() -> None:
    given_basis = basis(cascades=(cascade_row(3, 3),), cascade_target=Decimal(80))
    (kit,), _ = build_kits(given_basis)
    assert kit.page.confirmed is None


def test_the_plans_target_is_the_charters(home: Settings) -> None:
    assert read_cascade_target(home) == 80


# ---- the registry --------------------------------------------------------------------------


def test_no_kit_without_an_occasion() -> None:
    for issued_on, expires_on, kits in (
        (date(2026, 10, 7), PUBLISHED, 1),
        (PUBLISHED, date(2026, 12, 6), 1),
        (date(2026, 11, 7), date(2026, 12, 7), 0),  # not issued yet
        (date(2026, 10, 6), date(2026, 11, 5), 0),  # over
    ):
        message = replace(MESSAGE, issued_on=issued_on, expires_on=expires_on)
        made, faults = build_kits(basis(messages=(message,)))
        assert (len(made), faults) == (kits, []), issued_on
    assert build_kits(basis(messages=())) == ([], [])


@pytest.mark.parametrize(
    ("pain_point", "unit", "asks"),
    [
        ("inconsistent messaging", "U1", True),
        ("inconsistent messaging", "U0", True),  # of the whole, so of every unit
        ("inconsistent messaging", "U4", False),
        ("no visible sponsor", "U1", True),
        ("no visible sponsor", "U0", False),  # another sponsor's silence
        ("competing priorities", "U1", False),
    ],
)
def test_an_early_warning_is_an_occasion_of_its_own(pain_point: str, unit: str, asks: bool) -> None:
    asking = warning(pain_point, unit)
    given_basis = basis(scorecard=scorecards.typical(warnings=(asking, asking)))
    (kit,), faults = build_kits(given_basis)
    assert faults == []
    asked = ("U1: M-2, issued", f"U1: M-2, {pain_point}")
    assert kit.page.occasions == (asked if asks else asked[:1])
    assert kit.page.why == (
        "an early warning asks for it: It is 50 days old" if asks else "for the refresh"
    )
    letter = kit_letter(kit.page)
    assert (letter.occasions, letter.until) == (kit.page.occasions, MESSAGE.expires_on)


def test_a_message_issued_while_a_warning_stands_answers_both() -> None:
    before = warning("no visible sponsor", "U1", since=date(2026, 10, 19))
    (kit,), _ = build_kits(basis(scorecard=scorecards.typical(warnings=(before,))))
    assert kit.page.why == "for the refresh; an early warning asks for it: It is 50 days old"
    assert kit.page.occasions == ("U1: M-2, issued", "U1: M-2, no visible sponsor")


@pytest.mark.parametrize(
    ("messages", "fault"),
    [
        (
            (MESSAGE, replace(MESSAGE, message_id="M-3", audience_org_unit_id="U0")),
            "2 messages are live for Operations: M-2, M-3",
        ),
        (
            (replace(MESSAGE, expires_on=date(2026, 11, 5)),),
            "no message is live for Operations: M-2 expired on 5 November 2026",
        ),
        ((replace(MESSAGE, approver_person_id=""),), "M-2 is not approved"),
        ((replace(MESSAGE, core_sentence="Two  hours."),), "cannot be repeated word for word"),
        ((replace(MESSAGE, core_sentence="Two\nhours."),), "cannot be repeated word for word"),
        ((replace(MESSAGE, core_sentence="By {date}."),), "holds a placeholder"),
        (
            (replace(MESSAGE, texts={**MESSAGE.texts, "helper": "{{ name }}"}),),
            "holds a placeholder",
        ),
    ],
)
def test_what_is_wrong_with_the_message_is_a_clear_problem(
    messages: tuple[Message, ...], fault: str
) -> None:
    card = scorecards.typical(warnings=(warning("no visible sponsor", "U1"),))
    kits, faults = build_kits(basis(scorecard=card, messages=messages))
    assert kits == [] and len(faults) == 1
    assert fault in str(faults[0]) and "Remedy:" in str(faults[0])
    assert "Marcus" not in str(faults[0])


def test_no_message_at_all_when_a_warning_asks() -> None:
    card = scorecards.typical(warnings=(warning("no visible sponsor", "U1"),))
    _, (fault,) = build_kits(basis(scorecard=card, messages=()))
    assert "no message is live for Operations." in str(fault)


def test_one_faulty_kit_leaves_the_others_alone() -> None:
    own = replace(MESSAGE, message_id="M-3", audience_org_unit_id="U4")
    commercial = Sponsor("P-0009", "Joana Mendes", "sponsor", "U4", True)
    gone = Sponsor("P-0008", "Ravi Menon", "sponsor", "U6", False)
    lost = Sponsor("P-0010", "Ines Fischer", "sponsor", "U99", True)
    kits, faults = build_kits(
        basis(messages=(MESSAGE, own), sponsors=(CHIEF, MARCUS, commercial, gone, lost))
    )
    assert [kit.page.unit for kit in kits] == ["Meridian Foods", "Operations"]
    told = [str(fault) for fault in faults]
    assert len(told) == 3
    assert any("2 messages are live for Commercial" in fault for fault in told)
    assert any("the sponsor of Technology is no longer active" in fault for fault in told)
    assert any("U99 is not among the month's units" in fault for fault in told)


def test_a_unit_hears_what_is_meant_for_those_above_it_and_nothing_beside() -> None:
    line = ["U2", "U1", "U0", "*"]
    for audience, heard in (("U2", True), ("U1", True), ("U0", True), ("*", True), ("U3", False)):
        found = occasion(basis(messages=(replace(MESSAGE, audience_org_unit_id=audience),)), line)
        assert (found is not None) == heard


# ---- the letter ----------------------------------------------------------------------------


class _Paragraphs(HTMLParser):
    """The text of each paragraph of a page, and its links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.paragraphs: list[str] = []
        self.links: list[str] = []
        self.inside = False
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "p":
            self.paragraphs.append("")
            self.inside = True
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        self.inside = self.inside and tag != "p"

    def handle_data(self, data: str) -> None:
        if self.inside:
            self.paragraphs[-1] += data


def test_the_letter_carries_the_texts_and_each_to_paste() -> None:
    given_basis = basis()
    (kit,), _ = build_kits(given_basis)
    letter = kit_letter(kit.page)
    assert letter.to == ("P-0007",) and letter.role == "sponsor"
    assert re.fullmatch(r"[0-9a-f]{24}", letter.folder)
    email = json.loads(letter.files["email.json"])
    assert email["subject"] == "Speak to Operations and pass the message on by 19 November 2026"
    assert {each["file"] for each in email["attachments"]} == {
        f"{stem}.{kind}"
        for stem in ("town-hall", "announcement", "cascade")
        for kind in ("txt", "html")
    }
    mail = _Paragraphs(str(letter.files["email.html"])).paragraphs
    for text in kit.texts:
        stem = text.name.replace("_", "-")
        assert letter.files[f"{stem}.txt"] == text.plain + "\n"
        pasted = _Paragraphs(str(letter.files[f"{stem}.html"]))
        assert tuple(pasted.paragraphs) == text.paragraphs
        assert set(text.paragraphs) <= set(mail)
    assert CORE in " ".join(str(letter.files["email.txt"]).split())
    assert (
        "https://learn.example.org/programme"
        in _Paragraphs(str(letter.files["announcement.html"])).links
    )
    (confirm,) = _Paragraphs(str(letter.files["cascade.html"])).links
    assert confirm == "mailto:adoption-review@example.org?subject=Heard%3A%20M-2%2C%20Operations"
    again, _ = build_kits(given_basis)
    assert kit_letter(again[0].page) == letter


def test_where_links_are_set_up_a_cascade_is_confirmed_by_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = Settings(
        organisation=OrganisationSettings(name="Meridian Foods"),
        confirmations=ConfirmationSettings(base_url="https://adoption.example.org"),
    )
    assert "mailto:" in str(letter_of(settings).files["cascade.html"])  # there is no key
    key = SecretStr("k" * 32)
    monkeypatch.setenv("ADOPTION_LINK_KEY", key.get_secret_value())
    letter = letter_of(settings)
    (confirm,) = _Paragraphs(str(letter.files["cascade.html"])).links
    assert f"that your team has heard it: {confirm}" in str(letter.files["cascade.txt"])
    assert confirm in str(letter.files["email.txt"])  # on one line
    assert "mailto:" not in str(letter.files["cascade.html"])
    place, _, token = confirm.rpartition("/")
    assert place == "https://adoption.example.org/confirm"
    confirmation = Signer(key).read(token)
    assert confirmation is not None
    assert (confirmation.what, confirmation.about) == ("cascaded", "M-2")
    assert confirmation.until == date(2026, 11, 29)  # ten days after the message expires
    assert letter_of(settings) == letter  # rendered again, the same to the byte


def letter_of(settings: Settings) -> Letter:
    given_basis = basis(settings=settings)
    (kit,), faults = build_kits(given_basis)
    assert faults == []
    return kit_letter(kit.page)


def test_hostile_text_is_text() -> None:
    hostile = {
        **dict.fromkeys(MESSAGE.texts, "<script>alert(1)</script> & \u202e\x00"),
        "link": "javascript:alert(1)",
    }
    given_basis = basis(messages=(replace(MESSAGE, texts=hostile),))
    (kit,), _ = build_kits(given_basis)
    letter = kit_letter(kit.page)
    for name, content in letter.files.items():
        if name.endswith(".html"):
            assert "<script" not in str(content) and 'href="javascript' not in str(content)
            assert "<script>alert(1)</script> &" in html.unescape(str(content))
        assert "\x00" not in str(content) and "\u202e" not in str(content)


# ---- reading and writing -------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path) -> Settings:
    """Settings of a home with October's scorecard, leaders' pages and figures."""
    organisation = OrganisationSettings(name="Meridian Foods")
    made = Settings(organisation=organisation, paths=PathSettings(home=tmp_path))
    write_scorecard(made, OCTOBER, scorecards.typical(warnings=()))
    write_leaders(made, OCTOBER, [page()])
    (tmp_path / "charter").mkdir()
    (tmp_path / "charter" / "messages.csv").write_text(
        "message_id,core_sentence,audience_org_unit_id,approver_person_id,issued_on,expires_on,"
        "occasion,ask\n"
        f'M-2,"{CORE}",*,P-0001,2026-10-20,2026-11-19,refresh,Choose one course\n',
        encoding="utf-8",
    )
    import duckdb

    with duckdb.connect() as warehouse:
        warehouse.execute(
            "CREATE TABLE named_leaders__month AS SELECT * FROM (VALUES "
            "(DATE '2026-10-01', 'P-0007', 'Marcus Lindqvist', 'sponsor', 'U1', true), "
            "(DATE '2026-10-01', 'P-0008', 'Ravi Menon', 'sponsor', 'U6', false), "
            "(DATE '2026-10-01', 'P-0011', 'Priya Raman', 'unit_head', 'U1', true)) "
            "AS t (period_start, person_id, full_name, role, org_unit_id, is_active)"
        )
        lake = Lake(made.lake_url, made.duckdb)
        publish(
            lake,
            warehouse,
            Grain.MONTH,
            [(OCTOBER, "build-1")],
            ["named_leaders__month"],
            PSEUDONYMS,
        )
    return made


def test_sponsors_are_those_of_the_month() -> None:
    rows = [
        {"role": role, "person_id": who, "full_name": "A", "org_unit_id": unit, "is_active": True}
        for role, who, unit in (
            ("executive_sponsor", "P-1", "*"),
            ("sponsor", "P-2", "U1"),
            ("sponsor", None, "U2"),
            ("unit_head", "P-3", "U1"),
        )
    ]
    assert [(s.person_id, s.org_unit_id) for s in sponsors_of(rows, EVERYBODY)] == [
        ("P-1", None),
        ("P-2", "U1"),
    ]


def test_the_registry_is_the_charters(home: Settings) -> None:
    (message,) = read_messages(home)
    assert (message.message_id, message.core_sentence, message.minutes) == ("M-2", CORE, "")
    assert message.ask_by is None and message.texts["ask"] == "Choose one course"
    (home.home / "charter" / "messages.csv").write_text("message_id\nM-1\n")
    with pytest.raises(Problem, match="column core_sentence"):
        read_messages(home)


def test_a_months_letters_are_written_and_what_kept_others_is_told(home: Settings) -> None:
    with PublishedRows(Lake(home.lake_url, home.duckdb)) as published:
        count, faults = write_kits(home, published, OCTOBER)
    assert count == 1 and len(faults) == 1
    assert "the sponsor of Technology is no longer active" in faults[0]
    folder = home.home / "drafts" / "monthly_kit" / "2026-10"
    (listed,) = json.loads((folder / "letters.json").read_text())
    assert listed["to"] == ["P-0007"] and listed["role"] == "sponsor"
    assert CORE in (folder / listed["folder"] / "cascade.txt").read_text()


def test_the_asset_writes_letters_and_names_nobody(
    home: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orchestration.quality.close.require_allowed", lambda *_: None)
    asset = kit_asset(home, Grain.MONTH)
    assert asset.key == dg.AssetKey(["review", "monthly_kit"])
    result = dg.materialize(
        [asset], partition_key="2026-10-01", instance=dg.DagsterInstance.ephemeral()
    )
    assert result.success
    (check,) = result.get_asset_check_evaluations()
    assert not check.passed and "Technology" in str(check.metadata["faults"].value)
    (event,) = result.asset_materializations_for_node("review__monthly_kit")
    assert {"kits": 1, "faults": 1}.items() <= {
        n: m.value for n, m in event.metadata.items()
    }.items()
    assert "Marcus" not in str(event.metadata) and "Ravi" not in str(check.metadata)


def test_a_month_without_an_occasion_has_a_list_of_no_letters(home: Settings) -> None:
    (home.home / "charter" / "messages.csv").write_text(
        "message_id,core_sentence,audience_org_unit_id,approver_person_id,issued_on,expires_on\n"
    )
    with PublishedRows(Lake(home.lake_url, home.duckdb)) as published:
        assert write_kits(home, published, OCTOBER) == (0, [])
    folder = home.home / "drafts" / "monthly_kit" / "2026-10"
    assert json.loads((folder / "letters.json").read_text()) == []
