"""What has arrived in the landing folder: files found by a feed's patterns, grouped to deliveries.

A pattern is a path under the landing folder in which ``{date}`` (ISO) or ``{date:%Y%m%d}`` stands
for the delivery date, in a file's or a folder's name, ``{sequence}`` for the number of a
re-delivery, and ``*`` and ``?`` for any characters but ``/``. All files of one date (and sequence)
are one delivery. Nothing is opened here.
"""

from __future__ import annotations

import calendar
import os
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Literal

from orchestration.problems import Problem
from orchestration.settings import FeedName, FeedSettings, Settings

PARTIAL_SUFFIXES = (".part", ".tmp", ".filepart")
_IGNORED_PREFIXES = (".", "~$")  # rsync's own temporary names, Excel's lock files
_MONTHS = {name.lower(): n for n, name in enumerate(calendar.month_name) if n} | {
    name.lower(): n for n, name in enumerate(calendar.month_abbr) if n
}
_DIRECTIVES = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "m": r"\d{2}",
    "d": r"\d{2}",
    "j": r"\d{3}",
    "b": "[A-Za-z]{3}",
    "B": "[A-Za-z]{3,9}",
    "H": r"\d{2}",
    "M": r"\d{2}",
    "S": r"\d{2}",
}
_TOKEN = re.compile(r"\{date(?::([^{}]*))?\}|\{sequence\}|[{}]|\*+|\?|[^{}*?]+")

Values = tuple[tuple[str, str], ...]


class StillBeingWritten(Problem):
    """A file of the delivery is young, partial, or changed while it was read: come back later."""


@dataclass(frozen=True)
class Delivery:
    """Files of one feed that belong together.

    Attributes:
        sequence: the number in the files' names, None where the pattern has none.
        files: each view of the declaration and its files, sorted by path.
        status: ``ready`` to land; ``waiting`` for a file that has not come; ``deferred`` because a
            file is still being written.
        note: why it waits, for people.
    """

    feed: FeedName
    delivery_date: date
    sequence: int | None
    files: dict[str, tuple[Path, ...]]
    status: Literal["ready", "waiting", "deferred"] = "ready"
    note: str = ""

    @property
    def label(self) -> str:
        """The delivery as a person names it: its date, and its number where the files have one."""
        number = f" number {self.sequence}" if self.sequence is not None else ""
        return f"{self.delivery_date.isoformat()}{number}"


@dataclass(frozen=True)
class Pattern:
    """A compiled file pattern: one regular expression a path segment."""

    segments: tuple[tuple[re.Pattern[str], tuple[str, ...], str | None], ...]
    has_sequence: bool

    @classmethod
    def compile(cls, pattern: str) -> Pattern:
        """Compile a pattern of the declaration.

        Raises:
            Problem: it leaves the landing folder, has a placeholder that does not exist, or does
                not give a whole date.
        """
        if pattern.startswith(("/", "~")) or "\\" in pattern or ".." in pattern.split("/"):
            raise Problem(
                f"file pattern {pattern!r} leaves the landing folder.",
                remedy="give a path under the landing folder, with / between folders.",
            )
        parts: list[tuple[str, str]] = []  # (kind, text): kinds literal, regex, directive name
        for token in _TOKEN.finditer(pattern):
            parts.extend(_token_parts(token, pattern))
        segments: list[list[tuple[str, str]]] = [[]]
        for kind, text in parts:
            if kind != "literal":
                segments[-1].append((kind, text))
                continue
            first, *others = text.split("/")
            segments[-1].append(("literal", first))
            segments.extend([("literal", other)] for other in others)
        names = {kind for segment in segments for kind, _ in segment}
        if not (
            {"Y", "y"} & names and (({"m", "b", "B"} & names and "d" in names) or "j" in names)
        ):
            raise Problem(
                f"file pattern {pattern!r} does not give a whole date.",
                remedy="write {date} or, say, {date:%Y%m%d}.",
            )
        return cls(tuple(_segment(s) for s in segments if s != [("literal", "")]), "n" in names)


def _token_parts(token: re.Match[str], pattern: str) -> Iterator[tuple[str, str]]:
    text = token[0]
    if text.startswith("{date"):
        layout = token[1] or "%Y-%m-%d"
        for piece in re.finditer(r"%(.)|[^%]+|%", layout):
            if piece[1] is None:
                yield "literal", piece[0]
            elif piece[1] in _DIRECTIVES:
                yield piece[1], _DIRECTIVES[piece[1]]
            else:
                raise Problem(
                    f"file pattern {pattern!r}: %{piece[1]} is not known in a date.",
                    remedy="use " + ", ".join(f"%{d}" for d in _DIRECTIVES) + ".",
                )
    elif text == "{sequence}":
        yield "n", r"\d{1,3}"
    elif text in "{}":
        raise Problem(
            f"file pattern {pattern!r} has a placeholder that does not exist.",
            remedy="the placeholders are {date}, {date:%Y%m%d} and {sequence}.",
        )
    elif text[0] == "*":
        yield "regex", "[^/]*"
    elif text == "?":
        yield "regex", "[^/]"
    else:
        yield "literal", text


def _segment(
    parts: list[tuple[str, str]],
) -> tuple[re.Pattern[str], tuple[str, ...], str | None]:
    """One path segment: its expression, the meaning of its groups, and its text if fixed."""
    fixed = "".join(text for _, text in parts) if {k for k, _ in parts} == {"literal"} else None
    expression, groups = "", []
    for kind, text in parts:
        if kind == "literal":
            expression += re.escape(text)
        elif kind == "regex":
            expression += text
        else:
            expression += f"({text})"
            groups.append(kind)
    return re.compile(expression), tuple(groups), fixed


@dataclass
class _Found:
    """Files of one (date, sequence) while they are gathered."""

    files: dict[str, list[Path]] = field(default_factory=dict)
    partial: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)


def find_deliveries(settings: Settings, feed: FeedName, first: date, last: date) -> list[Delivery]:
    """Deliveries of a feed whose date lies in ``first``..``last``, in the order they supersede.

    A delivery that waits or is deferred is returned too, with its status and why.

    Raises:
        Problem: the feed is not declared, or one of its patterns is wrong.
    """
    declaration = declared(settings, feed)
    root = settings.landing_folder
    found: dict[tuple[date, int | None], _Found] = {}
    numbered = False
    for view, text in declaration.files.items():
        pattern = Pattern.compile(text)
        numbered = numbered or pattern.has_sequence
        for path, values, partial in _walk(root, pattern, first, last):
            day = _date_of(values)
            if day is None or not first <= day <= last:
                continue
            number = next((int(v) for k, v in values if k == "n"), None)
            entry = found.setdefault((day, number), _Found())
            name = path.relative_to(root).as_posix()
            if partial:
                entry.partial.append(name)
            elif not path.resolve().is_relative_to(root.resolve()):
                entry.outside.append(name)
            else:
                entry.files.setdefault(view, []).append(path)
    if numbered:
        _share_unnumbered(found)
    ordered = sorted(found, key=lambda key: (key[0], key[1] or 0))
    return [_delivery(settings, feed, declaration, key, found[key], root) for key in ordered]


def declared(settings: Settings, feed: FeedName) -> FeedSettings:
    """The feed's declaration.

    Raises:
        Problem: the feed is not declared.
    """
    if feed not in settings.feeds:
        raise Problem(
            f"the feed {feed} is not declared.",
            remedy=f"add a [feeds.{feed}] table to the settings file.",
        )
    return settings.feeds[feed]


def _share_unnumbered(found: dict[tuple[date, int | None], _Found]) -> None:
    """Files without a number, where others of their date have one, belong to every number."""
    for day in {day for day, number in found if number is None}:
        numbers = [number for other, number in found if other == day and number is not None]
        if not numbers:
            continue
        common = found.pop((day, None))
        for number in numbers:
            entry = found[(day, number)]
            for view, paths in common.files.items():
                entry.files.setdefault(view, []).extend(paths)
            entry.partial.extend(common.partial)
            entry.outside.extend(common.outside)


def _delivery(
    settings: Settings,
    feed: FeedName,
    declaration: FeedSettings,
    key: tuple[date, int | None],
    entry: _Found,
    root: Path,
) -> Delivery:
    files = {view: tuple(sorted(entry.files[view])) for view in sorted(entry.files)}
    status: Literal["ready", "waiting", "deferred"] = "ready"
    notes = [f"{name} is still being sent" for name in sorted(entry.partial)]
    notes += [
        f"{path.relative_to(root).as_posix()} may still be being written"
        for paths in files.values()
        for path in paths
        if is_young(path, settings.landing.settle_seconds)
    ]
    if notes:
        status = "deferred"
    outside = [f"{name} leads out of the landing folder" for name in sorted(entry.outside)]
    missing = [
        f"no file for {view} ({pattern}) has come"
        for view, pattern in declaration.files.items()
        if view not in files
    ]
    if status == "ready" and (missing or outside):
        status = "waiting"
    return Delivery(feed, key[0], key[1], files, status, "; ".join(notes + outside + missing))


def is_young(path: Path, settle_seconds: float) -> bool:
    """Whether the file was written so lately that its writer may not be done.

    A time ahead of the clock counts as young only within the same span: clocks of two machines
    differ, and a file from the far future would otherwise never be read.
    """
    if settle_seconds <= 0:
        return False
    try:
        return abs(time.time() - path.stat().st_mtime) < settle_seconds
    except FileNotFoundError:
        return True


def _walk(
    root: Path, pattern: Pattern, first: date, last: date
) -> Iterator[tuple[Path, Values, bool]]:
    """Files that match, with the values of their placeholders, and whether they are partial."""
    pending: list[tuple[str, int, Values]] = [(str(root), 0, ())]
    while pending:
        folder, depth, values = pending.pop()
        expression, groups, fixed = pattern.segments[depth]
        is_last = depth + 1 == len(pattern.segments)
        if fixed is not None and not is_last:
            below = os.path.join(folder, fixed)
            if os.path.isdir(below):
                pending.append((below, depth + 1, values))
            continue
        try:
            names = os.listdir(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            if name.startswith(_IGNORED_PREFIXES):
                continue
            stem, partial = name, False
            if is_last and name.endswith(PARTIAL_SUFFIXES):
                stem, partial = name.rsplit(".", 1)[0], True
            match = expression.fullmatch(stem) or (expression.fullmatch(name) if partial else None)
            merged = _merge(values, groups, match) if match else None
            if merged is None:
                continue
            day = _date_of(merged)
            if day is not None and not first <= day <= last:
                continue
            path = os.path.join(folder, name)
            if not is_last:
                pending.append((path, depth + 1, merged))
            elif not os.path.isdir(path):
                yield Path(path), merged, partial


def _merge(values: Values, groups: tuple[str, ...], match: re.Match[str]) -> Values | None:
    """The values so far with those of one more segment; None where they contradict."""
    known = dict(values)
    for name, text in zip(groups, match.groups(), strict=True):
        if known.setdefault(name, text) != text:
            return None
    return tuple(known.items())


def _date_of(values: Values) -> date | None:
    """The date that the placeholders give; None while it is not whole, or where it is no date."""
    known = dict(values)
    try:
        if "Y" in known:
            year = int(known["Y"])
        elif "y" in known:
            year = 2000 + int(known["y"])
        else:
            return None
        if "j" in known:
            return date.fromordinal(date(year, 1, 1).toordinal() + int(known["j"]) - 1)
        if "d" not in known:
            return None
        if "m" in known:
            month = int(known["m"])
        elif name := known.get("b", known.get("B")):
            month = _MONTHS[name.lower()]
        else:
            return None
        return date(year, month, int(known["d"]))
    except (ValueError, KeyError):
        return None
