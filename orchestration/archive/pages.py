"""The archive's pages: what lies where, and its bytes. Every link is relative."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any
from urllib.parse import quote

from orchestration.archive.differences import differences, reasons
from orchestration.archive.shelf import RITUALS, DecisionLog, Review
from orchestration.feeds.deliveries import DeliveryManifest
from orchestration.quality.report import FeedReport, Standing
from orchestration.review.pages import template
from orchestration.review.words import clean, counted, long_date, sentence_case, spelled, unbroken
from orchestration.settings import FeedName, Settings

INDEX = "index.html"
QUALITY = "quality.html"
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
_STANDINGS: dict[Standing, str] = {
    "refused": "Refused",
    "late": "Late",
    "warned": "With a warning",
    "rejected": "Rows rejected",
    "sound": "In order",
    "silent": "Nothing delivered",
}
"""How a feed stands in words, what needs somebody first."""
_SENTENCES: dict[Standing, str] = {
    "refused": "The newest delivery was refused",
    "warned": "The newest delivery is in force, with a warning",
    "rejected": "The newest delivery is in force, without some of its rows",
}
_URGENT = ("refused", "late")
_VERDICTS = {"staged": "Not judged yet", "promoted": "Passed", "refused": "Refused"}
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
    reviews: Sequence[Review],
    log: DecisionLog,
    settings: Settings,
    quality: Sequence[FeedReport] = (),
    docs: Mapping[FeedName, str] | None = None,
) -> dict[str, bytes | Path]:
    """Every file of the site: its place to its content, or to the file it is copied from.

    Args:
        quality: the feeds' reports; without any there is no page of data quality.
        docs: Great Expectations' own page of a feed, where there are any.
    """
    pages = _Pages(reviews, settings, quality)
    files: dict[str, bytes | Path] = {}
    for review in reviews:
        files.update(pages.copied(review))
        files[f"{review.stem}.html"] = pages.edition(review)
    for ritual in pages.rituals:
        files[f"{ritual}.html"] = pages.listing(ritual)
    files[LOG] = pages.log(log)
    if pages.restated or pages.moved_on:
        files[RESTATED] = pages.restatements()
    docs = docs or {}
    files.update({_docs_place(feed): page.encode() for feed, page in docs.items()})
    files.update({_feed_place(each.feed): pages.feed(each, each.feed in docs) for each in quality})
    if quality:
        files[QUALITY] = pages.quality()
    files[INDEX] = pages.listing(None)
    return files


class _Pages:
    """Renders the pages of one set of reviews."""

    def __init__(
        self, reviews: Sequence[Review], settings: Settings, quality: Sequence[FeedReport]
    ) -> None:
        self.settings = settings
        self.reports = quality
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
        self.moved_on = [review for review in reviews if review.since]

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
            since=[asdict(each) for each in review.since],
            restated=[clean(str(line), 400) for line in review.card.get("restatements") or ()],
            stands_on=[(words, review.hashes[name]) for name, words in _STANDS_ON.items()]
            if review.hashes
            else [],
            erased=self._erased(review),
            earlier=self._beside(review, 1),
            later=self._beside(review, -1),
        )

    def _erased(self, review: Review) -> str:
        """What erasures did beneath an edition since it was sealed; empty for nothing."""
        if not review.erasures:
            return ""
        told = ", ".join(
            f"{number} ({long_date(moment.astimezone(self.settings.organisation.zone).date())})"
            for number, moment in review.erasures
        )
        one = len(review.erasures) == 1
        words = f"Its raw data were edited since by erasure{'' if one else 's'} {told}"
        if review.redacted_at is not None:
            words += "; who was erased was taken out of its files, too, which have the hash below"
        return f"{words}. Its figures are as they were published."

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
        """Every change between two editions of a period, and since its newest one."""
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
            since=[
                {"link": self._link(review), "changed": [asdict(each) for each in review.since]}
                for review in self.moved_on
            ],
        )

    def quality(self) -> bytes:
        """Every feed and how it stands, what needs somebody first."""
        urgent = [each for each in self.reports if each.standing in _URGENT]
        noted = [each for each in self.reports if each.standing in ("warned", "rejected")]
        lead = (
            f"{sentence_case(spelled(len(urgent)))} of {len(self.reports)} feeds "
            f"{'needs' if len(urgent) == 1 else 'need'} somebody now."
            if urgent
            else f"None of {len(self.reports)} feeds needs anybody now."
        )
        if noted:
            has = "has" if len(noted) == 1 else "have"
            lead += f" {sentence_case(spelled(len(noted)))} more {has} something to look at."
        order = list(_STANDINGS)
        return self._render(
            "quality.html.j2",
            QUALITY,
            "Data quality",
            lead=lead,
            feeds=[
                {
                    "href": _feed_place(each.feed),
                    "name": _feed_name(each.feed),
                    "standing": _STANDINGS[each.standing],
                    "bad": each.standing in _URGENT,
                    "since": _day(each.since),
                    "until": _day(each.freshness.covered_until),
                    "rejected": _rows_rejected(each),
                    "owner": clean(each.owner, 80),
                }
                for each in sorted(self.reports, key=lambda r: order.index(r.standing))
            ],
        )

    def feed(self, report: FeedReport, has_docs: bool) -> bytes:
        """One feed: what is wrong, since when, which rows, whose it is, how to resolve it."""
        judged = report.freshness
        sentence = _SENTENCES.get(report.standing, _STANDINGS[report.standing])
        if report.standing == "refused" and report.deliveries[0].verdict != "refused":
            sentence = "A delivery was refused and not delivered again"
        if report.since is not None:
            sentence += f", since {long_date(report.since)}"
        return self._render(
            "feed.html.j2",
            _feed_place(report.feed),
            _feed_name(report.feed),
            feed={
                "sentence": f"{sentence}.",
                "owner": clean(report.owner, 80),
                "freshness": sentence_case(_dates_said(clean(judged.message, 300))),
            },
            faults=[
                {
                    "what": sentence_case(_dates_said(clean(each.what, 600))),
                    "remedy": clean(each.remedy, 600),
                    "since": _day(each.since),
                    "refuses": each.refuses,
                }
                for each in report.faults
            ],
            of=_delivery_name(report.of) if report.of else None,
            rejected=[
                {
                    "reason": sentence_case(clean(each.reason, 200)),
                    "rows": f"{each.rows:,}",
                    "since": _day(each.since),
                }
                for each in report.rejected
            ],
            samples=[
                {
                    "reason": sentence_case(clean(each.reason, 200)),
                    "file": clean(each.file, 200),
                    "row": "-" if each.row is None else f"{each.row:,}",
                    "shown": [(name, clean(value, 60)) for name, value in each.values],
                }
                for each in report.samples
            ],
            deliveries=[
                {
                    "name": _delivery_name(each),
                    "verdict": _VERDICTS[each.verdict],
                    "bad": each.verdict == "refused",
                    "rows_in": f"{each.rows_in:,}",
                    "accepted": f"{each.rows_accepted:,}",
                    "rejected": f"{each.rows_rejected:,}",
                }
                for each in report.deliveries
            ],
            expectations=[
                {
                    "name": sentence_case(clean(each.name.replace("_", " "), 80)),
                    "meaning": clean(each.meaning, 300),
                    "holds": "yes" if each.holds else "no" if each.critical else "no (a warning)",
                    "bad": not each.holds and each.critical,
                    "value": each.value or "-",
                    "allowed": each.allowed or "-",
                }
                for each in report.expectations
            ],
            docs=_docs_place(report.feed) if has_docs else None,
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
            *([(RESTATED, "Restatements")] if self.restated or self.moved_on else []),
            *([(QUALITY, "Data quality")] if self.reports else []),
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
        stale = clean(str(review.card.get("stale_note") or ""), 160)
        return {
            "href": f"{review.stem}.html",
            "title": self._title(review),
            "edition": f"Edition {number}" if number else "Not sent",
            "sealed": self._sealed_on(review),
            "stale": f"not all data is up to date: {stale}" if stale else "",
        }

    def _entry(self, review: Review) -> dict[str, Any]:
        siblings = self.editions[review.ritual, review.period.id]
        return {
            **self._link(review),
            "sentence": clean(str(review.card.get("sentence") or ""), 300),
            "data_as_of": _day_of_text(review.card.get("data_as_of")),
            "fault": review.fault,
            "sent": review.number is not None,
            "count": len(siblings),
            "since": len(review.since),
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


# ---- feeds ---------------------------------------------------------------------------------


def _feed_place(feed: FeedName) -> str:
    return f"quality/{feed}.html"


def _docs_place(feed: FeedName) -> str:
    return f"quality/data-docs/{feed}.html"


def _feed_name(feed: FeedName) -> str:
    return sentence_case(feed.replace("_", " "))


def _dates_said(text: str) -> str:
    """Dates that stand by themselves as a reader says them; those in names of files stay."""
    return re.sub(
        r"(?<![\w.-])\d{4}-\d{2}-\d{2}(?=[\s,;]|[.]?$)",
        lambda found: _day_of_text(found[0]) or found[0],
        text,
    )


def _rows_rejected(report: FeedReport) -> str:
    """Of the newest delivery that was read: '12 of 3,400'."""
    of = report.of
    return "-" if of is None else unbroken(f"{of.rows_rejected:,} of {of.rows_in:,}")


def _delivery_name(manifest: DeliveryManifest) -> str:
    """'31 October 2026'; with its number where the date was delivered again."""
    day = unbroken(long_date(manifest.delivery_date))
    return day if manifest.sequence == 1 else f"{day}, number {manifest.sequence}"


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
