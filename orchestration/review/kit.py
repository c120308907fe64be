"""The communication kit: one message in three texts, for each sponsor, with their own figures.

A kit has an occasion: a message was issued, or an early warning asks for one. It is drafted with
every review of a week or a month while its occasion lasts; delivery sends it once.

The words stand in ``templates/comms``, a line a sentence. A sentence is rendered with strict
fields and left out when one is missing, so that no placeholder can leak; a text that is longer
than its limit loses its optional sentences in the order its template gives them. The core sentence
is the message registry's, word for word, in all three.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, StrictUndefined, UndefinedError
from pydantic import BaseModel, ConfigDict, ValidationError

from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.recording.links import cascaded, link
from orchestration.review.draft_files import (
    PAGE,
    Letter,
    Reaches,
    everybody,
    letter_folder,
    write_letters,
)
from orchestration.review.email import manifest, stale_mark
from orchestration.review.pages import template
from orchestration.review.typesetting import TEMPLATES
from orchestration.review.words import clean, long_date, sentence_case, wrapped
from orchestration.scorecard import wording
from orchestration.scorecard.decisions import published_on
from orchestration.scorecard.draft import canonical_json
from orchestration.scorecard.governance import Governance
from orchestration.scorecard.model import EarlyWarning, Figure, LeaderPage, Scorecard, SheetKpi
from orchestration.settings import Settings
from orchestration.warehouse.charter import SHIPPED_CHARTER, read_seed

TEXTS = {
    "town_hall": "Town hall script",
    "announcement": "Email announcement",
    "cascade": "Manager cascade",
}
"""The three texts by template, with their titles."""

_SPONSORS = ("executive_sponsor", "sponsor")
_ASKS_OF_ALL_BENEATH, _ASKS_OF_ONE = "inconsistent messaging", "no visible sponsor"
"""Pain points whose countermeasure needs the texts: a message reissued, a script for a sponsor."""
_FREES = ("decommission_elective", "decommission_mandatory", "protect_learning_time")
"""Decision rights that take something off people's plates."""
_AGREED = re.compile(r"(agreed|approved|accepted|yes|done)\b", re.IGNORECASE)
_SUBJECT = 78  # what a mail client shows of one
_FREED_WITHIN = timedelta(days=92)
_CASCADE_WINDOW = timedelta(days=10)
"""How long managers have to pass a message on; as ``message_cascade`` counts it."""
_LINE = re.compile(r"(?P<name>[a-z_]+)(?: (?P<drop>\d+))?: (?P<words>.+)")
_FIELDS = ("business_reason", "ask", "link", "helper", "objection", "answer")

# plain text, and only from this project's own templates; the HTML is escaped by its template
_plain = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Message:
    """One row of the message registry; texts are '' where it has none."""

    message_id: str
    core_sentence: str
    audience_org_unit_id: str
    approver_person_id: str
    issued_on: date
    expires_on: date
    occasion: str
    texts: Mapping[str, str]
    ask_by: date | None
    minutes: str

    def live_on(self, day: date) -> bool:
        """Whether it is issued and not expired."""
        return self.issued_on <= day <= self.expires_on

    def asked_by(self, day: date) -> date | None:
        """By when it asks something, as told on ``day``: never after it expires, never before."""
        if self.ask_by is None:
            return None
        asked = min(self.ask_by, self.expires_on)
        return asked if asked >= day else None


@dataclass(frozen=True)
class Sponsor:
    """Who a kit is for: ``name`` '' where texts name nobody, unit None for the whole."""

    person_id: str
    name: str
    role: str
    org_unit_id: str | None
    is_active: bool


@dataclass(frozen=True)
class Text:
    """One of the three texts: its subject (of an email), paragraphs of sentences, words."""

    name: str
    subject: str | None
    paragraphs: tuple[str, ...]
    limit: int

    @property
    def words(self) -> int:
        """Words as a reader counts them, the subject's included."""
        return sum(len(part.split()) for part in (self.subject or "", *self.paragraphs))

    @property
    def plain(self) -> str:
        """To paste: the subject on a line of its own, an empty line between paragraphs."""
        subject = [f"Subject: {self.subject}"] if self.subject else []
        return "\n\n".join([*subject, *self.paragraphs])


class KitPage(BaseModel):
    """All that one sponsor's letter is rendered from; sealed with it as ``page.json``.

    Attributes:
        org_unit_id: None for the whole organisation.
        unit: its name.
        why: why the message is issued now, as in ``for the launch``.
        occasions: what it answers, each of one unit and message.
        confirmed: '38 of 39 managers' where the cascade is through and nothing is to be started.
        asked_by: the day that the letter's subject names.
        confirm_to: the address that a cascade is confirmed to where there is no link.
        fields: what the templates may name, by name.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    person_id: str
    role: str
    org_unit_id: str | None
    organisation: str
    unit: str
    period_id: str
    period_label: str
    data_as_of: date
    stale_note: str
    message_id: str
    expires_on: date
    why: str
    occasions: tuple[str, ...]
    confirmed: str | None
    asked_by: date | None
    confirm_to: str
    fields: dict[str, str]


@dataclass(frozen=True)
class Kit:
    """One sponsor's kit: the page that its letter is rendered from, and its texts."""

    page: KitPage
    texts: tuple[Text, ...]


@dataclass(frozen=True)
class Basis:
    """What a week's or a month's kits are made from.

    Attributes:
        scorecard: of the period: its units and early warnings.
        month: the scorecard whose figures may be told: the month's own, or that of the last month
            that was published; None where none was.
        pages: the named leaders' own pages of that month.
        decisions: rows of the published ``decision_log``.
        messages: the message registry.
        cascades: rows of the published ``message_cascade``.
        cascade_target: per cent of managers that the engagement plan asks for, if it does.
    """

    scorecard: Scorecard
    month: Scorecard | None
    period: Period
    pages: Sequence[LeaderPage]
    sponsors: Sequence[Sponsor]
    decisions: Sequence[Row]
    messages: Sequence[Message]
    settings: Settings
    cascades: Sequence[Row] = ()
    cascade_target: Decimal | None = None

    @property
    def today(self) -> date:
        """The day on which the kits are due."""
        return published_on(self.period, self.settings)


def mailing(period: Period) -> str:
    """The mailing that a period's kits are: 'weekly_kit' or 'monthly_kit'."""
    return f"{period.grain.ritual}_kit"


# ---- reading -------------------------------------------------------------------------------


def read_messages(settings: Settings, holders: Governance | None = None) -> tuple[Message, ...]:
    """The message registry of the charter: as assembled, else the organisation's, else shipped.

    Args:
        holders: says who may be named in the texts; without it they stand as registered.

    Raises:
        Problem: the file is not valid; names file, column and row.
    """
    said = str if holders is None else holders.recorded
    return tuple(
        Message(
            message_id=row["message_id"],
            core_sentence=said(row["core_sentence"]),
            audience_org_unit_id=row["audience_org_unit_id"],
            approver_person_id=row["approver_person_id"],
            issued_on=date.fromisoformat(row["issued_on"]),
            expires_on=date.fromisoformat(row["expires_on"]),
            occasion=row["occasion"],
            texts={name: said(row[name]) for name in _FIELDS},
            ask_by=date.fromisoformat(row["ask_by"]) if row["ask_by"] else None,
            minutes=row["minutes"],
        )
        for _, row in read_seed("messages", _charter_file(settings, "messages"))
    )


def read_cascade_target(settings: Settings) -> Decimal | None:
    """Per cent of managers who are to pass a message on, by the charter's engagement plan.

    Raises:
        Problem: the file is not valid; names file, column and row.
    """
    targets = [
        Decimal(row["target"])
        for _, row in read_seed("engagement_plan", _charter_file(settings, "engagement_plan"))
        if row["evidence_kind"] == "confirmation" and row["target"]
    ]
    return max(targets, default=None)


def _charter_file(settings: Settings, name: str) -> Path:
    folders = (settings.home / "charter", settings.charter_overlay, SHIPPED_CHARTER)
    files = [folder / f"{name}.csv" for folder in folders if folder is not None]
    return next((file for file in files if file.exists()), files[-1])


def sponsors_of(named_leaders: Iterable[Row], holders: Governance) -> tuple[Sponsor, ...]:
    """The executive sponsor and each unit's, from the published ``named_leaders``.

    Args:
        holders: says who may be named; a text of anybody else is signed by their role.
    """
    return tuple(
        Sponsor(
            person_id=str(row["person_id"]),
            name=holders.named(str(row["person_id"])) or "",
            role=str(row["role"]),
            org_unit_id=None if row["org_unit_id"] in (None, "", "*") else str(row["org_unit_id"]),
            is_active=bool(row["is_active"]),
        )
        for row in named_leaders
        if row["role"] in _SPONSORS and row["person_id"] is not None
    )


# ---- building ------------------------------------------------------------------------------


def build_kits(basis: Basis) -> tuple[list[Kit], list[Problem]]:
    """Each sponsor's kit where there is an occasion; beside them what kept others from theirs.

    One kit a person and unit: who sponsors the whole in two roles gets one.
    """
    kits: list[Kit] = []
    faults: list[Problem] = []
    order = {unit.org_unit_id: place for place, unit in enumerate(basis.scorecard.units)}
    root = basis.scorecard.units[0].org_unit_id if basis.scorecard.units else None
    served: set[tuple[str, str | None]] = set()
    for sponsor in sorted(
        basis.sponsors, key=lambda s: (order.get(s.org_unit_id or "", -1), s.role, s.person_id)
    ):
        place = (sponsor.person_id, sponsor.org_unit_id or root)
        if place in served:
            continue
        served.add(place)
        try:
            kit = _kit(basis, sponsor)
        except Problem as problem:
            faults.append(problem)
            continue
        if kit is not None:
            kits.append(kit)
    return kits, faults


def _kit(basis: Basis, sponsor: Sponsor) -> Kit | None:
    line = _line(basis.scorecard, sponsor.org_unit_id)
    chosen = occasion(basis, line)
    if chosen is None:
        return None
    message, why, occasions = chosen
    unit = _unit_name(basis.scorecard, sponsor.org_unit_id)
    if not sponsor.is_active:
        raise Problem(
            f"the sponsor of {unit} is no longer active, so nobody can speak for message "
            f"{message.message_id}.",
            remedy="name a new one in governance_roles.",
        )
    told = basis.month or basis.scorecard
    page = KitPage(
        person_id=sponsor.person_id,
        role=sponsor.role,
        org_unit_id=sponsor.org_unit_id,
        organisation=clean(told.organisation, 60),
        unit=unit,
        period_id=basis.period.id,
        period_label=basis.scorecard.period_label,
        data_as_of=told.data_as_of,
        stale_note=clean(told.stale_note or "", 160),
        message_id=message.message_id,
        expires_on=message.expires_on,
        why=why,
        occasions=occasions,
        confirmed=_confirmed(basis, message, line[0]),
        asked_by=message.asked_by(basis.today),
        confirm_to=_address(basis.settings),
        fields=fields_of(basis, sponsor, message, line),
    )
    return Kit(page, texts_of(page))


def texts_of(page: KitPage) -> tuple[Text, ...]:
    """The three texts of a kit.

    Raises:
        Problem: a text is longer than its limit, whatever is left out.
    """
    return tuple(compose(name, page.fields) for name in TEXTS)


def _confirmed(basis: Basis, message: Message, unit: str) -> str | None:
    """'38 of 39 managers' once the message's cascade is through in a unit; else None.

    It is through when every manager confirmed, or when its days are over and as many as the plan
    asks for did. Of few managers neither is told: it is not where the unit's line of the pack
    withholds it.
    """
    row = next(
        (
            r
            for r in basis.cascades
            if r["message_id"] == message.message_id and r["org_unit_id"] == unit and r["managers"]
        ),
        None,
    )
    if row is None:
        return None
    managers, confirmed = int(row["managers"]), int(row["confirmed"])
    target = basis.cascade_target
    enough = target is not None and 100 * confirmed >= target * managers
    over = basis.today > message.issued_on + _CASCADE_WINDOW
    if confirmed < managers and not (over and enough):
        return None
    page = basis.scorecard.leadership_page
    shown = any(
        u.org_unit_id == unit
        and u.cascade_message == message.message_id
        and u.cascade.state == "value"
        for u in (page.units if page is not None else ())
    )
    return f"{confirmed} of {managers} managers" if shown else None


def occasion(basis: Basis, line: Sequence[str]) -> tuple[Message, str, tuple[str, ...]] | None:
    """The message that a unit's kit carries, why, and what it answers; None without an occasion.

    The issue of the message that is live for the unit is an occasion, and every kind of early
    warning that asks for its texts is another.

    Args:
        line: the unit and every unit above it, '*' for the whole.

    Raises:
        Problem: more than one message is live for the unit on the day that kits are due, or none
            although a warning asks for one; it is not approved; its texts hold a placeholder.
    """
    unit = _unit_name(basis.scorecard, line[0])
    meant = [m for m in basis.messages if m.audience_org_unit_id in line]
    live = [m for m in meant if m.live_on(basis.today)]
    asking = [w for w in basis.scorecard.warnings if _asks(w, line)]
    if len(live) > 1:
        named = ", ".join(sorted(m.message_id for m in live))
        raise Problem(
            f"{len(live)} messages are live for {unit}: {named}.",
            file="messages.csv",
            column="expires_on",
            remedy="agree on one approver; withdraw all but one.",
        )
    if not live and not asking:
        return None
    if not live:
        last = max((m for m in meant if m.expires_on < basis.today), default=None, key=_expiry)
        raise Problem(
            f"no message is live for {unit}"
            + (f": {last.message_id} expired on {long_date(last.expires_on)}." if last else "."),
            file="messages.csv",
            column="expires_on",
            remedy="issue one, with a core sentence and an approver.",
        )
    (message,) = live
    _check(message)
    words = {"launch": "the launch", "refresh": "the refresh"}.get(message.occasion, "a message")
    # what happened last is why it comes now
    newest = max(asking, key=lambda w: w.since, default=None)
    why = f"for {words}"
    if newest is not None:
        asks = f"an early warning asks for it: {newest.finding.removesuffix('.')}"
        why = asks if newest.since > message.issued_on else f"{why}; {asks}"
    kinds = dict.fromkeys(w.pain_point for w in asking)
    answered = tuple(f"{line[0]}: {message.message_id}, {kind}" for kind in ("issued", *kinds))
    return message, why, answered


def _asks(warning: EarlyWarning, line: Sequence[str]) -> bool:
    if warning.pain_point == _ASKS_OF_ALL_BENEATH:
        return warning.org_unit_id in line
    return warning.pain_point == _ASKS_OF_ONE and warning.org_unit_id == line[0]


def _expiry(message: Message) -> tuple[date, str]:
    return message.expires_on, message.message_id


def _check(message: Message) -> None:
    """A message is approved, holds one clean core sentence and no placeholder."""
    if not message.approver_person_id:
        raise Problem(
            f"message {message.message_id} is not approved.",
            file="messages.csv",
            column="approver_person_id",
            remedy="let its sponsor approve it, and name them.",
        )
    if clean(message.core_sentence, 2000) != message.core_sentence:
        raise Problem(
            f"the core sentence of {message.message_id} holds line breaks, double blanks or "
            "hidden characters, so it cannot be repeated word for word.",
            file="messages.csv",
            column="core_sentence",
            remedy="write it on one line.",
        )
    for name, text in {"core_sentence": message.core_sentence, **message.texts}.items():
        if re.search(r"[{}]", text):
            raise Problem(
                f"message {message.message_id} holds a placeholder.",
                file="messages.csv",
                column=name,
                remedy="write it out.",
            )


def fields_of(
    basis: Basis, sponsor: Sponsor, message: Message, line: Sequence[str]
) -> dict[str, str]:
    """What the templates may name; a field that is missing is not in it."""
    page = next((p for p in basis.pages if p.person_id == sponsor.person_id), None)
    asked = message.asked_by(basis.today)
    found: dict[str, str | None] = {
        "message_id": message.message_id,
        "core_sentence": message.core_sentence,
        "ask_by": long_date(asked) if asked else None,
        "minutes": message.minutes,
        "unit": _unit_name(basis.scorecard, sponsor.org_unit_id),
        "name": sponsor.name,
        "role": wording.role_name(sponsor.role),
        "report_on": long_date(_review_after(asked or basis.today, basis.settings)),
        "confirm_to": _address(basis.settings),
        "confirm_link": link(basis.settings, cascaded(message.message_id, message.expires_on)),
        **{name: message.texts.get(name) for name in _FIELDS},
        **_figure(basis, page, line[0]),
        **_completed(page),
        **_removed(basis, line),
    }
    for name in ("ask", "helper"):  # its sentence goes on after it
        found[name] = (found[name] or "").rstrip(" .")
    for name in ("objection", "answer", "business_reason"):
        found[name] = _whole_sentence(found[name] or "")
    return {
        name: clean(text, 2000)
        for name, text in found.items()
        if text and text.strip() and not re.search(r"[{}]", text)
    }


def _review_after(day: date, settings: Settings) -> date:
    """The day of the first monthly review published after a day."""
    month = Period.containing(Grain.MONTH, day).shift(-1)
    while (published := published_on(month, settings)) <= day:
        month = month.shift(1)
    return published


def _figure(basis: Basis, page: LeaderPage | None, unit: str) -> dict[str, str | None]:
    """One measure of the sponsor's own unit and its target, as the month's review publishes it.

    The first that signals; else the first with a target, of that month rather than of a quarter.
    Where data are behind, the day that they reach goes with it into every text.
    """
    month = basis.month
    if month is None or page is None or page.org_unit_id != unit:
        return {}
    row = next((r for r in month.units if r.org_unit_id == unit), None)
    published = row.figures if row is not None else {}
    shown = [k for k in page.kpis if k.now.state == "value" and k.now == published.get(k.kpi_id)]
    if not shown:
        return {}
    kpi = min(
        shown,
        key=lambda k: (
            not _signals(k),
            k.target.state != "value",
            k.period_label != month.period_label,
        ),
    )
    return {
        "measure": kpi.name,
        "now": _number(kpi.now),
        "target": _number(kpi.target) if kpi.target.state == "value" else None,
        "period": kpi.period_label,
        "stale_as_of": long_date(month.data_as_of) if month.stale_note else None,
    }


def _signals(kpi: SheetKpi) -> bool:
    return kpi.mark.variation in ("improving", "concerning")


def _number(figure: Figure) -> str | None:
    return figure.text if figure.value is not None and re.search(r"\d", figure.text) else None


def _completed(page: LeaderPage | None) -> dict[str, str | None]:
    """That the sponsor took the flagship course, and since when in public."""
    if page is None or page.flagship.state != "value" or not page.flagship.value:
        return {}
    public = [a for a in page.actions if a.what == wording.action_title("public_completion")]
    return {
        "completed": "completed the flagship course",
        "completed_on": long_date(max(a.happened_on for a in public)) if public else None,
    }


def _removed(basis: Basis, line: Sequence[str]) -> dict[str, str | None]:
    """The last decision that freed time of the unit's people."""
    end = basis.period.end
    freed = [
        row
        for row in basis.decisions
        if row["right_id"] in _FREES
        and row["status"] in ("decided", "done")
        and not row["fault"]
        and row["title"]
        and row["decided_on"] is not None
        and end - _FREED_WITHIN <= row["decided_on"] <= end
        and _AGREED.match(str(row["outcome"] or ""))
        and (row["org_unit_id"] is None or row["org_unit_id"] in line)
    ]
    if not freed:
        return {}
    last = max(freed, key=lambda row: (row["decided_on"], str(row["entry_id"])))
    return {
        "removed": clean(str(last["title"]), 160).rstrip(" ."),
        "removed_on": long_date(last["decided_on"]),
    }


def _line(scorecard: Scorecard, unit: str | None) -> list[str]:
    """The unit, the units above it, and '*'."""
    units = scorecard.units
    if unit is None or not units:
        return [units[0].org_unit_id, "*"] if units else ["*"]
    place = next((at for at, row in enumerate(units) if row.org_unit_id == unit), None)
    if place is None:
        raise Problem(
            f"the sponsored unit {unit} is not among the month's units.",
            remedy="correct it in governance_roles.",
        )
    line, depth = [unit], units[place].depth
    for row in reversed(units[:place]):  # in tree order, so the nearest above comes first
        if row.depth < depth:
            line.append(row.org_unit_id)
            depth = row.depth
    return [*line, "*"]


def _unit_name(scorecard: Scorecard, unit: str | None) -> str:
    row = next((r for r in scorecard.units if r.org_unit_id == unit), None)
    whole = row is None or row.depth == 0
    return clean(scorecard.organisation if whole or row is None else row.name, 80)


def _address(settings: Settings) -> str:
    sender = settings.delivery.sender
    return sender.partition("<")[2].rstrip(">").strip() or sender


def _whole_sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?", "\u2026")) else f"{text}."


# ---- composing -----------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sentence:
    name: str
    drop: int | None
    words: str
    paragraph: int


@lru_cache(maxsize=8)
def _template(name: str) -> tuple[int, tuple[_Sentence, ...]]:
    """(limit, sentences) of a text's template.

    Raises:
        Problem: a line is not one of its kind.
    """
    file = TEMPLATES / "comms" / f"{name}.j2"
    limit, paragraph, sentences = 0, 0, []
    for line in re.sub(r"\{#.*?#\}", "", file.read_text(encoding="utf-8"), flags=re.S).split("\n"):
        if not line.strip():
            paragraph += 1
            continue
        read = _LINE.fullmatch(line.strip())
        if read is None:
            raise Problem(
                f"not a line of a text: {line.strip()[:60]!r}.",
                file=str(file),
                remedy="write a name, a number where the sentence may go, a colon and the words.",
            )
        if read["name"] == "limit":
            limit = int(read["words"])
        else:
            drop = int(read["drop"]) if read["drop"] else None
            sentences.append(_Sentence(read["name"], drop, read["words"], paragraph))
    return limit, tuple(sentences)


def compose(name: str, fields: Mapping[str, str]) -> Text:
    """One text of these fields, within its limit.

    Args:
        name: of ``TEXTS``.
        fields: those that are there; ``core_sentence`` and ``message_id`` among them.

    Raises:
        Problem: what must stay is longer than the limit.
    """
    limit, sentences = _template(name)
    kept: dict[str, tuple[_Sentence, str]] = {}
    for sentence in sentences:
        words = _rendered(sentence.words, fields)
        if words is not None:
            kept.setdefault(sentence.name, (sentence, words))
    while (text := _text(name, kept, limit)).words > limit:
        optional = [s for s, _ in kept.values() if s.drop is not None]
        if not optional:
            raise Problem(
                f"the {TEXTS[name].lower()} of message {fields['message_id']} takes "
                f"{text.words} words at least; {limit} are allowed.",
                file="messages.csv",
                column="core_sentence",
                remedy="shorten the core sentence.",
            )
        del kept[min(optional, key=lambda s: s.drop or 0).name]
    return text


def _rendered(words: str, fields: Mapping[str, str]) -> str | None:
    try:
        return _plain.from_string(words).render(fields)
    except UndefinedError:
        return None


def _text(name: str, kept: Mapping[str, tuple[_Sentence, str]], limit: int) -> Text:
    paragraphs: dict[int, list[str]] = {}
    for sentence, words in kept.values():
        if sentence.name != "subject":
            paragraphs.setdefault(sentence.paragraph, []).append(words)
    subject = clean(kept["subject"][1], _SUBJECT) if "subject" in kept else None
    return Text(name, subject, tuple(" ".join(each) for each in paragraphs.values()), limit)


# ---- rendering -----------------------------------------------------------------------------


def render_kits(pages: Sequence[KitPage], draft: Path, reaches: Reaches = everybody) -> list[Path]:
    """Each sponsor's letter into the draft's folder; see :func:`write_letters`.

    Args:
        reaches: a letter that reaches nobody is listed and not rendered.
    """
    return write_letters(draft, [kit_letter(page, reaches) for page in pages])


def read_kit_page(file: Path) -> KitPage:
    """Read what a sealed letter was rendered from.

    Raises:
        Problem: the file is missing or is not one of this version.
    """
    try:
        return KitPage.model_validate_json(file.read_bytes())
    except (FileNotFoundError, ValidationError) as error:
        raise Problem("not the page of a kit of this version.", file=str(file)) from error


def kit_letter(page: KitPage, reaches: Reaches = everybody) -> Letter:
    """The sponsor's letter: the three texts in the mail, and each as .txt and .html to paste."""
    letter = Letter(
        folder=letter_folder(
            mailing(Period.parse(page.period_id)),
            page.period_id,
            page.person_id,
            page.role,
            page.org_unit_id or "*",
        ),
        to=(page.person_id,),
        role=page.role,
        files={},
        occasions=page.occasions,
        until=page.expires_on,
    )
    return replace(letter, files=_kit_files(page)) if reaches(letter.to) else letter


def _kit_files(page: KitPage) -> dict[str, bytes | str]:
    texts = texts_of(page)
    views = [_view(text, page) for text in texts]
    view = {
        "kind": "Communication kit",
        "organisation": page.organisation,
        "period": page.period_label,
        "data_as_of": long_date(page.data_as_of),
        "stale": page.stale_note or None,
        "lead": f"Three texts for {page.unit}, {page.why}."
        + (
            f" {sentence_case(page.confirmed)} confirmed that their teams have heard it: the "
            "cascade need not go out again."
            if page.confirmed
            else ""
        ),
        "notes": [
            f"Message {page.message_id} runs until {long_date(page.expires_on)}. All three texts "
            "carry its core sentence word for word: change what is around it, never the sentence.",
            "Add one lesson of your own to the script; nobody can write that for you.",
        ],
        "texts": views,
    }
    subject = clean(f"{_asked(page)}{stale_mark(page.stale_note)}", 160)
    html = template("comms/letter.html.j2").render(
        view=view, subject=subject, preheader=view["lead"]
    )
    plain = template("comms/letter.txt.j2").render(view=view)
    content = canonical_json(page.model_dump(mode="json"))
    files: dict[str, bytes | str] = {
        PAGE: content,
        "email.html": re.sub(r"\n\s*", "\n", html),
        "email.txt": re.sub(r"\n{4,}", "\n\n\n", plain).strip() + "\n",
    }
    attached = []
    for text, shown in zip(texts, views, strict=True):
        stem = text.name.replace("_", "-")
        files[f"{stem}.txt"] = text.plain + "\n"
        files[f"{stem}.html"] = template("comms/text.html.j2").render(text=shown)
        attached += [
            (f"{stem}.txt", f"{stem}-{page.period_id}.txt", "text/plain"),
            (f"{stem}.html", f"{stem}-{page.period_id}.html", "text/html"),
        ]
    files["email.json"] = manifest(subject, content, attachments=attached)
    return files


def _asked(page: KitPage) -> str:
    """What the letter's subject asks, by the date that its texts name."""
    by = f" by {long_date(page.asked_by)}" if page.asked_by else ""
    if page.confirmed:
        return f"Speak to {page.unit}{by}: {page.confirmed} confirmed the message"
    return f"Speak to {page.unit} and pass the message on{by}"


def _view(text: Text, page: KitPage) -> dict[str, Any]:
    """A text for the templates: paragraphs in parts, of which some are links."""
    links = {page.confirm_to: _confirmation(page)}
    for address in (page.fields.get("link", ""), page.fields.get("confirm_link", "")):
        if re.match(r"https?://\S+$", address):
            links[address] = address
    return {
        "title": TEXTS[text.name],
        "subject": text.subject,
        "counted": f"{text.words} of {text.limit} words",
        "plain": "\n\n".join(wrapped(paragraph) for paragraph in text.plain.split("\n\n")),
        "paragraphs": [_parts(paragraph, links) for paragraph in text.paragraphs],
    }


def _confirmation(page: KitPage) -> str:
    subject = quote(f"Heard: {page.message_id}, {page.unit}")
    return f"mailto:{page.confirm_to}?subject={subject}"


def _parts(paragraph: str, links: Mapping[str, str]) -> list[dict[str, str | None]]:
    pieces = re.split(f"({'|'.join(re.escape(link) for link in links)})", paragraph)
    return [{"words": piece, "href": links.get(piece)} for piece in pieces if piece]
