"""What is mailed: the packs of the three rituals, and the personal letters around them.

A mailing's name stands where a ritual's stands: in ``drafts/``, ``editions/``, intents and ledger.
A pack is one email for an audience. Letters are drafted in a folder each and listed in
``letters.json``; all letters of a period are one edition, and everybody gets their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from orchestration.periods import Grain, Period
from orchestration.problems import Problem
from orchestration.quality.close import PeriodClose, manifest_hash
from orchestration.scorecard.draft import FILE as SCORECARD
from orchestration.scorecard.draft import draft_folder, read_stands_on
from orchestration.settings import Settings

LETTERS, EMAIL = "letters.json", "email.json"
_FOLDER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")  # as many letters as the ledger keeps


@dataclass(frozen=True)
class Mailing:
    """One kind of mail.

    Args:
        name: stands where the ritual's name stands.
        grain: of its periods.
        sent: ``with`` the ritual's publication (packs, and letters that ride with them), or
            ``before`` it, to be answered until then.
        personal: letters to persons; else one email to the ritual's audience.
        deputised: a letter to somebody no longer active goes to their deputy; else to nobody.
        own_manager_only: besides the person it is about (the first addressee), a letter may go to
            that person's manager and to nobody else.
        once: a letter answers occasions, and goes out only where one of them was answered by no
            letter yet, of whatever period.
    """

    name: str
    grain: Grain
    sent: Literal["with", "before"] = "with"
    personal: bool = False
    deputised: bool = True
    own_manager_only: bool = False
    once: bool = False

    @property
    def asset(self) -> str:
        """How its assets' names start: the pack's with its grain, the letters' with their own."""
        return self.name if self.personal else self.grain.value

    @property
    def words(self) -> str:
        """What it is called in a sentence: 'monthly review', 'monthly kit'."""
        return self.name.replace("_", " ") if self.personal else f"{self.name} review"

    def draft(self, settings: Settings, period: Period) -> Path:
        """Where it is drafted until it is sealed."""
        return settings.home / "drafts" / self.name / period.id

    def is_drafted(self, settings: Settings, period: Period) -> bool:
        """Whether a whole draft lies there."""
        return self._last_file(settings, period).is_file()

    def _last_file(self, settings: Settings, period: Period) -> Path:
        """What names the other files of its draft, which is written last."""
        return self.draft(settings, period) / (LETTERS if self.personal else EMAIL)

    def outdated(self, settings: Settings, period: Period, close: PeriodClose) -> str:
        """Why its draft may not go out under the period's close; empty where it may.

        A close whose figures, scorecard or pages then failed leaves the draft of the close before.
        """
        raw = read_stands_on(settings, period)  # None: an older version kept none
        if raw is not None and raw != manifest_hash(close.stands_on):
            return "was drafted on other data than it was closed on"
        scorecard = draft_folder(settings, period) / SCORECARD
        last = self._last_file(settings, period)
        whole = (
            not scorecard.exists()
            or not last.exists()
            or last.stat().st_mtime_ns >= scorecard.stat().st_mtime_ns
        )
        return "" if whole else "has a new scorecard and was not drafted to its end"


PREVIEW = Mailing("monthly_preview", Grain.MONTH, sent="before", personal=True)
KITS = {
    grain: Mailing(f"{grain.ritual}_kit", grain, personal=True, once=True)
    for grain in (Grain.WEEK, Grain.MONTH)
}
"""The communication kit rides with the first review after its occasion, of a week or a month."""
SHEETS = Mailing(
    "quarterly_sheets", Grain.QUARTER, personal=True, deputised=False, own_manager_only=True
)
PACKS = tuple(Mailing(grain.ritual, grain) for grain in Grain)
MAILINGS: dict[str, Mailing] = {
    each.name: each for each in (*PACKS, PREVIEW, *KITS.values(), SHEETS)
}
"""Every mailing by name; packs first."""


def pack(grain: Grain) -> Mailing:
    """The pack of a ritual."""
    return MAILINGS[grain.ritual]


def published_together(grain: Grain) -> tuple[Mailing, ...]:
    """What one publication of a ritual sends: the pack, then the letters that ride with it."""
    return tuple(each for each in MAILINGS.values() if each.grain is grain and each.sent == "with")


@dataclass(frozen=True)
class Letter:
    """One letter of a draft: its folder, the persons it goes to, the role they get it in.

    Attributes:
        occasions: what it answers, where its mailing answers each occasion once.
        until: the last day on which it may be sent, if there is one.
        rendered: whether there is anything to send; not where nobody could get it.
    """

    folder: str
    to: tuple[str, ...]
    role: str
    occasions: tuple[str, ...] = ()
    until: date | None = None
    rendered: bool = True


def read_letters(draft: Path) -> tuple[Letter, ...]:
    """The letters of a draft, by folder; none where the list is empty.

    Raises:
        Problem: there is no list, or it lists something that is no letter.
    """
    file = draft / LETTERS
    try:
        listed: Any = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Problem(
            "the letters have not been drafted.",
            file=str(file),
            remedy="materialize the review's pages and letters first.",
        ) from error
    except ValueError as error:
        raise Problem("not readable as JSON.", file=str(file)) from error
    if not isinstance(listed, list):
        raise Problem("not a list of letters.", file=str(file))
    letters = [_letter(file, each, row) for row, each in enumerate(listed, start=1)]
    folders = [letter.folder for letter in letters]
    if len(set(folders)) != len(folders):
        raise Problem("two letters lie in one folder.", file=str(file), column="folder")
    return tuple(sorted(letters, key=lambda letter: letter.folder))


def _letter(file: Path, described: Any, row: int) -> Letter:
    if not isinstance(described, Mapping):
        raise Problem("not a letter.", file=str(file), row=row)
    folder, to = described.get("folder"), described.get("to")
    if not isinstance(folder, str) or not _FOLDER.fullmatch(folder):
        raise Problem(
            "a letter's folder is not a plain name of up to 64 letters, digits, dots and hyphens.",
            file=str(file),
            column="folder",
            row=row,
        )
    if not isinstance(to, list) or not all(isinstance(each, str) and each for each in to):
        raise Problem(
            "a letter's addressees are not a list of person ids.",
            file=str(file),
            column="to",
            row=row,
        )
    occasions, until = described.get("occasions", []), described.get("until")
    if not isinstance(occasions, list) or not all(isinstance(each, str) for each in occasions):
        raise Problem(
            "a letter's occasions are not a list of words.",
            file=str(file),
            column="occasions",
            row=row,
        )
    try:
        last_day = date.fromisoformat(until) if until is not None else None
    except (TypeError, ValueError) as error:
        raise Problem(
            "a letter's last day is not a date.", file=str(file), column="until", row=row
        ) from error
    role = str(described.get("role") or "leader")
    rendered = described.get("rendered", True) is not False
    return Letter(folder, tuple(dict.fromkeys(to)), role, tuple(occasions), last_day, rendered)


def without(content: bytes, left_out: Collection[str]) -> bytes:
    """The content of ``letters.json`` without the letters of some folders."""
    if not left_out:
        return content
    kept = [each for each in json.loads(content) if each["folder"] not in left_out]
    return json.dumps(kept, indent=1, ensure_ascii=False).encode() + b"\n"
