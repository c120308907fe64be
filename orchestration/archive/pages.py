"""The archive's pages: what lies where, and its bytes. Every link is relative."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import date
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from orchestration.archive.differences import differences, reasons
from orchestration.archive.shelf import RITUALS, DecisionLog, Review
from orchestration.review.pages import template
from orchestration.review.words import clean, counted, long_date, sentence_case, unbroken
from orchestration.settings import Settings

INDEX = "index.html"
LOG = "decisions.html"
RESTATED = "restatements.html"
_KINDS = {"weekly": "Weekly stand-up", "monthly": "Monthly review", "quarterly": "Quarterly sync"}
_NAMES = {
    "scorecard": "One-page scorecard",
    "review-pack": "Review pack",
    "strategy-pack": "Strategy pack",
}
_FAULTS = {
    "decided_without_right": "Decided by somebody without the right to",
    "unknown_right": "No such decision right is known",
    "unknown_owner": "The owner is not known",
    "decision_for_unknown_entry": "Decided, but never asked for",
}
_OPEN = ("open", "overdue")
_STANDS_ON = {
    "figures": "Figures",
    "data": "Raw data (manifest of the deliveries in force)",
    "charter": "Programme charter",
    "settings": "Settings",
    "code": "Software version",
    "files": "Files of this edition",
}
"""What an edition was sealed with, in the order in which a reader asks."""


def build_pages(
    reviews: Sequence[Review], log: DecisionLog, settings: Settings
) -> dict[str, bytes | Path]:
    """Every file of the site: its place to its content, or to the file it is copied from."""
    pages = _Pages(reviews, settings)
    files: dict[str, bytes | Path] = {}
    for review in reviews:
        files.update(pages.copied(review))
        files[f"{review.stem}.html"] = pages.edition(review)
    for ritual in pages.rituals:
        files[f"{ritual}.html"] = pages.listing(ritual)
    files[LOG] = pages.log(log)
    if pages.restated:
        files[RESTATED] = pages.restatements()
    files[INDEX] = pages.listing(None)
    return files


class _Pages:
    """Renders the pages of one set of reviews."""

    def __init__(self, reviews: Sequence[Review], settings: Settings) -> None:
        self.settings = settings
        self.reviews = reviews
        present = {review.ritual for review in reviews}
        self.rituals = [ritual for ritual in reversed(RITUALS) if ritual in present]
        # newest first, as ``reviews`` is
        self.editions: dict[tuple[str, str], list[Review]] = {}
        for review in reviews:
            self.editions.setdefault((review.ritual, review.period.id), []).append(review)
        self.restated = [
            (before, after) for each in self.editions.values() for after, before in pairwise(each)
        ]

    # ---- pages ---------------------------------------------------------------------------------

    def listing(self, ritual: str | None) -> bytes:
        """The reviews by year, newest first: all, or those of one ritual."""
        latest = [
            each[0] for (name, _), each in self.editions.items() if ritual is None or name == ritual
        ]
        years = [
            {"year": year, "reviews": [self._entry(review) for review in group]}
            for year, group in groupby(latest, key=lambda review: review.period.end.year)
        ]
        name = f"{ritual}.html" if ritual else INDEX
        title = f"{sentence_case(ritual)} reviews" if ritual else "Review archive"
        return self._render("index.html.j2", name, title, years=years, lead=self._lead(latest))

    def edition(self, review: Review) -> bytes:
        """One review: its scorecard as it was sealed, its files, its other editions."""
        siblings = self.editions[review.ritual, review.period.id]
        at = siblings.index(review)
        before = siblings[at + 1] if at + 1 < len(siblings) else None
        style, body = ("", "") if review.fault else _sealed_page(review)
        return self._render(
            "edition.html.j2",
            f"{review.stem}.html",
            self._title(review),
            style=style,
            body=body,
            entry=self._entry(review),
            sentence=clean(str(review.card.get("sentence") or ""), 600),
            files=[] if review.fault else self._files(review),
            superseded=self._link(siblings[0]) if at > 0 else None,
            others=[self._link(other) for other in siblings if other is not review],
            changed=[asdict(d) for d in differences(before, review)] if before else None,
            why=reasons(before, review) if before else [],
            restated=[clean(str(line), 400) for line in review.card.get("restatements") or ()],
            stands_on=[(words, review.hashes[name]) for name, words in _STANDS_ON.items()]
            if review.hashes
            else [],
            earlier=self._beside(review, 1),
            later=self._beside(review, -1),
        )

    def log(self, log: DecisionLog) -> bytes:
        """The decision and action log: what waits, longest first; then what was settled."""
        rows = [self._logged(row, log) for row in log.rows]
        waiting = [row for row in rows if row["status"] in _OPEN]
        settled = [row for row in rows if row["status"] not in _OPEN]
        return self._render(
            "decisions.html.j2",
            LOG,
            "Decision and action log",
            as_of=_day(log.as_of),
            waiting=sorted(waiting, key=lambda r: (-r["waited"], r["title"], r["id"])),
            settled=sorted(settled, key=lambda r: (r["ended"], r["title"], r["id"]), reverse=True),
        )

    def restatements(self) -> bytes:
        """Every change between two editions of a period."""
        return self._render(
            "restatements.html.j2",
            RESTATED,
            "Restatements",
            restated=[
                {
                    "link": self._link(after),
                    "number": after.number,
                    "why": reasons(before, after),
                    "changed": [asdict(each) for each in differences(before, after)],
                }
                for before, after in self.restated
            ],
        )

    def copied(self, review: Review) -> dict[str, bytes | Path]:
        """The review's PDFs, and the pictures of its page."""
        if review.fault:
            return {}
        kept = [file for file in _plain_files(review.folder) if file.suffix == ".pdf"]
        if not (review.folder / "scorecard.html").is_file():
            kept += [review.folder / name for name in _pictures(review.folder).values()]
        return {f"{review.stem}/{file.name}": file for file in kept}

    # ---- parts ---------------------------------------------------------------------------------

    def _render(self, name: str, place: str, title: str, **more: Any) -> bytes:
        up = "../" * place.count("/")
        links = [
            (INDEX, "All reviews"),
            *((f"{ritual}.html", sentence_case(ritual)) for ritual in self.rituals),
            (LOG, "Decision log"),
            *([(RESTATED, "Restatements")] if self.restated else []),
        ]
        page = template(f"archive/{name}").render(
            title=title,
            organisation=clean(self.settings.organisation.name, 80),
            up=up,
            here=place,
            links=links,
            **more,
        )
        return page.encode()

    def _title(self, review: Review) -> str:
        return f"{_KINDS[review.ritual]}, {review.period.label}"

    def _link(self, review: Review) -> dict[str, Any]:
        number = review.number
        return {
            "href": f"{review.stem}.html",
            "title": self._title(review),
            "edition": f"Edition {number}" if number else "Not sent",
            "sealed": self._sealed_on(review),
        }

    def _entry(self, review: Review) -> dict[str, Any]:
        siblings = self.editions[review.ritual, review.period.id]
        return {
            **self._link(review),
            "sentence": clean(str(review.card.get("sentence") or ""), 300),
            "data_as_of": _day_of_text(review.card.get("data_as_of")),
            "stale": clean(str(review.card.get("stale_note") or ""), 160),
            "fault": review.fault,
            "sent": review.number is not None,
            "count": len(siblings),
        }

    def _sealed_on(self, review: Review) -> str | None:
        if review.sealed_at is None:
            return None
        return long_date(review.sealed_at.astimezone(self.settings.organisation.zone).date())

    def _beside(self, review: Review, step: int) -> dict[str, Any] | None:
        """The ritual's review one period earlier (1) or later (-1), its latest edition."""
        periods = [each for name, each in self.editions if name == review.ritual]
        at = periods.index(review.period.id) + step
        if not 0 <= at < len(periods):
            return None
        return self._link(self.editions[review.ritual, periods[at]][0])

    def _lead(self, latest: Sequence[Review]) -> str:
        sent = sum(review.number is not None for review in latest)
        words = sentence_case(counted(sent, "review"))
        unsent = len(latest) - sent
        return f"{words} sent" + (
            f", {counted(unsent, 'review')} archived and not sent" * (unsent > 0)
        )

    def _files(self, review: Review) -> list[dict[str, str]]:
        order = {f"{stem}.pdf": place for place, stem in enumerate(_NAMES)}
        pdfs = [file for file in _plain_files(review.folder) if file.suffix == ".pdf"]
        return [
            {
                "href": f"{review.stem}/{file.name}",
                "name": _NAMES.get(file.stem) or sentence_case(file.stem.replace("-", " ")),
                "size": unbroken(f"{max(1, round(file.stat().st_size / 1024)):,} KB"),
            }
            for file in sorted(pdfs, key=lambda file: (order.get(file.name, len(order)), file.name))
        ]

    def _logged(self, row: Any, log: DecisionLog) -> dict[str, Any]:
        unit = row.get("org_unit_id")
        status = str(row.get("status"))
        ended = row.get("closed_on") or row.get("decided_on")
        amount = row.get("amount")
        waited = int(row.get("waiting_days") or 0)
        due = row.get("first_due_on") or row.get("due_on")
        return {
            "id": str(row.get("entry_id")),
            # what was decided and never asked for has no kind
            "kind": sentence_case(str(row.get("kind") or "decision")),
            "title": clean(str(row.get("title") or row.get("entry_id")), 200),
            "unit": clean(log.units.get(str(unit), str(unit)), 80)
            if unit
            else "whole organisation",
            "owner": sentence_case(clean(str(row["owner"]), 80)),
            "asked": _day(row.get("asked_on")),
            "due": _day(due),
            "amount": unbroken(f"{self.settings.organisation.currency} {amount:,.0f}")
            if amount is not None
            else None,
            "status": status,
            "late": status == "overdue",
            "waited": waited,
            "waited_words": unbroken(f"{waited:,} {'day' if waited == 1 else 'days'}"),
            "ended": ended.isoformat() if isinstance(ended, date) else "",
            "ended_words": _day(ended),
            "outcome": clean(str(row.get("outcome") or ""), 300),
            "note": _FAULTS.get(str(row.get("fault"))),
            "if_not_taken": clean(str(row.get("if_not_taken") or ""), 300),
        }


# ---- the sealed page -----------------------------------------------------------------------


def _sealed_page(review: Review) -> tuple[str, str]:
    """(styles, content of the body) of the page as it was sealed; both empty where it has none.

    It goes into the archive's page as it is: sealed pages are this project's own, escaped when they
    were rendered, and the page's content policy lets nothing run and nothing load from elsewhere.
    Its pictures, which the email names by content id, are found in the review's own folder.
    """
    for name in ("scorecard.html", "email.html"):
        file = review.folder / name
        if file.is_file():
            page = file.read_text(encoding="utf-8")
            break
    else:
        return "", ""
    for cid, picture in _pictures(review.folder).items():
        place = f"{review.stem.rpartition('/')[2]}/{quote(picture)}"
        page = page.replace(f"cid:{cid}", place)
    style = "\n".join(re.findall(r"<style>(.*?)</style>", page, re.DOTALL))
    found = re.search(r"<body(?P<attributes>[^>]*)>(?P<content>.*)</body>", page, re.DOTALL)
    if found is None:
        return "", ""
    content = found["content"]
    # the archive's page has its own main element around it
    content = re.sub(r"<main(?=[\s>])", '<div class="sheet"', content)
    content = content.replace('<div role="main">', '<div class="sheet">')
    return style, content.replace("</main>", "</div>")


def _pictures(folder: Path) -> dict[str, str]:
    """Content id -> file of the email's pictures, those that are there."""
    try:
        inline = json.loads((folder / "email.json").read_bytes()).get("inline") or ()
    except (OSError, ValueError, AttributeError):
        return {}
    names = {file.name for file in _plain_files(folder)}
    return {
        str(each["cid"]): str(each["file"])
        for each in inline
        if isinstance(each, dict) and each.get("cid") and each.get("file") in names
    }


def _plain_files(folder: Path) -> Iterable[Path]:
    return sorted(p for p in folder.iterdir() if p.is_file() and not p.is_symlink())


def _day(day: date | None) -> str | None:
    return unbroken(long_date(day)) if isinstance(day, date) else None


def _day_of_text(text: Any) -> str | None:
    try:
        return _day(date.fromisoformat(str(text)))
    except ValueError:
        return None
