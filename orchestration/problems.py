"""The one error a user of the system is meant to read: what is wrong, where, and the remedy."""

from __future__ import annotations

import errno
import os

_LONGEST = {"file": 1000}  # a path may be long


def shown(name: str, longest: int = 120) -> str:
    """A name from somebody's file, fit to be printed: short, and no control characters."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return plain if len(plain) <= longest else f"{plain[:longest]}..."


_TAKES_NOTHING = (
    *(os.strerror(code) for code in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES)),
    # SQLite's words; the last where its log has no room
    "database or disk is full",
    "attempt to write a readonly database",
    "disk I/O error",
)


def refusal_of_disk(error: BaseException | None) -> str | None:
    """Why a file system takes nothing more (it is full, read-only), where that is what happened.

    Looks at what caused the error too: libraries wrap what the system said in words of their own.
    """
    seen: list[BaseException] = []  # errors may be each other's cause
    while error is not None and error not in seen:
        seen.append(error)
        said = str(error)
        found = next((words for words in _TAKES_NOTHING if words in said), None)
        if found is not None:
            return found
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return None


class Problem(Exception):
    """A fault of input, settings or state that a person can mend.

    Args:
        message: what is wrong, one sentence.
        file: the file (path or URL) it was found in.
        column: the column concerned.
        row: the 1-based data row in that file (the header is not counted).
        remedy: what to do about it, one sentence.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        column: str | None = None,
        row: int | None = None,
        remedy: str | None = None,
    ) -> None:
        self.message = message
        self.file = file
        self.column = column
        self.row = row
        self.remedy = remedy
        place = ", ".join(
            f"{name} {shown(str(value), _LONGEST.get(name, 120))}"
            for name, value in (("file", file), ("column", column), ("row", row))
            if value is not None
        )
        text = f"{place}: {message}" if place else message
        super().__init__(f"{text} Remedy: {remedy}" if remedy else text)
