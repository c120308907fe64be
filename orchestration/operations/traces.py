"""What tells of one person in texts and files, and what stands there once they are erased.

A full name, an e-mail address and an id that is plainly one are found wherever they stand, also
folded over lines, escaped for JSON or HTML, or packed. A name of one word is found where nothing
else stands, an id that could be any number or word only where ids stand: in a column or field of
that meaning.
"""

from __future__ import annotations

import gzip
import html
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from orchestration.feeds.contract import holds_persons

_PLAINLY_AN_ID = re.compile(
    r"(?=.*[A-Za-z])(?=.*\d).{5,}|\d{7,}|[0-9a-f-]{32,}|[A-Za-z]{2,}[._@-][A-Za-z._@-]{2,}"
)
_INSTEAD = "(erased)"
_CHUNK = 1 << 22
_LONGEST = 2000  # bytes that one mention may take, folded and escaped
_ENCODINGS = ("utf-8", "latin-1", "utf-16-le")
_GZIP, _ZIP, _PARQUET = b"\x1f\x8b", b"PK\x03\x04", b"PAR1"
# an encrypted part is a RuntimeError, a broken table a ValueError
_DAMAGED = (OSError, EOFError, ValueError, RuntimeError, zipfile.BadZipFile, zlib.error)
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


@dataclass(frozen=True)
class Place:
    """One kind of place that tells of a person.

    Attributes:
        what: in words; names no person.
        count: of what was found there: files, rows, values.
        act: takes them out; can be repeated after it was interrupted.
    """

    what: str
    count: int
    act: Callable[[], None]


@dataclass(frozen=True)
class Traces:
    """What tells of a person.

    Attributes:
        number: of their erasure; what stands for their id afterwards has it.
        person_id: as deliveries have it.
        pseudonym: as published facts have it.
        words: names and addresses they were ever delivered with.
    """

    number: int
    person_id: str
    pseudonym: str
    words: tuple[str, ...] = ()

    @property
    def ids(self) -> tuple[str, str]:
        """What columns of persons hold for them."""
        return self.person_id, self.pseudonym

    @property
    def instead(self) -> str:
        """What stands for their id where an id has to stand."""
        return f"erased-{self.number}"

    @cached_property
    def texts(self) -> tuple[str, ...]:
        """What is looked for in any text: words and plain ids, as they are."""
        plain = [each for each in self.ids if _PLAINLY_AN_ID.fullmatch(each)]
        # a name of one word may be any word
        words = [each for each in self.words if " " in each or "@" in each]
        return tuple(dict.fromkeys([*words, *plain]))

    @cached_property
    def forms(self) -> tuple[str, ...]:
        """Texts of which one stands, in whatever case, wherever anything tells of them."""
        longest = [max(text.split(), key=len) for text in self.texts]
        return tuple(dict.fromkeys(form for text in longest for form in _written(text)))

    @cached_property
    def _pattern(self) -> re.Pattern[str]:
        forms: list[str] = []
        for text in self.texts:
            spaced = [r"\s+".join(map(re.escape, each.split())) for each in _written(text)]
            # an id is no part of a longer one, a name no part of another word
            forms += [rf"(?<![^\W_]){form}(?![^\W_])" for form in spaced]
        return re.compile("|".join(forms) or r"(?!)", re.IGNORECASE)

    @cached_property
    def _needles(self) -> tuple[bytes, ...]:
        """Lower-case bytes of which some stand wherever anything tells of them."""
        forms = (form.lower() for form in self.forms)
        found = [f.encode(coding, "ignore") for f in forms for coding in _ENCODINGS]
        return tuple(dict.fromkeys(each for each in found if each))

    @cached_property
    def _bytes(self) -> re.Pattern[bytes]:
        forms: list[bytes] = []
        for text in self.texts:
            for encoding in _ENCODINGS:
                try:
                    coded = [each.encode(encoding) for each in _written(text)]
                except UnicodeEncodeError:
                    continue
                edge = (b"", b"") if "16" in encoding else (rb"(?<![A-Za-z0-9])",
                                                            rb"(?![A-Za-z0-9])")  # fmt: skip
                spaced = [re.escape(each).replace(rb"\ ", rb"\s+") for each in coded]
                forms += [edge[0] + each + edge[1] for each in spaced]
        return re.compile(b"|".join(dict.fromkeys(forms)) or rb"(?!)", re.IGNORECASE)

    @cached_property
    def wholes(self) -> frozenset[str]:
        """Lower-case texts that tell of them where they are all there is: every word."""
        return frozenset(word.lower() for word in self.words)

    def tells(self, text: str) -> bool:
        """Whether a text tells of them."""
        lower = text.lower()
        return lower.strip() in self.wholes or (
            any(form.lower() in lower for form in self.forms)
            and self._pattern.search(text) is not None
        )

    def without(self, text: str) -> str:
        """The text without what tells of them."""

        def instead(found: re.Match[str]) -> str:
            is_id = found[0].casefold() in {each.casefold() for each in self.ids}
            return self.instead if is_id else _INSTEAD

        if text.strip().lower() in self.wholes:
            return _INSTEAD
        return self._pattern.sub(instead, text) if self.tells(text) else text

    def of_document(self, document: Any, field: str = "") -> Any:
        """A JSON document without what tells of them, in fields of persons by their id alone."""
        if isinstance(document, dict):
            return {self.without(k): self.of_document(v, k) for k, v in document.items()}
        if isinstance(document, list):
            return [self.of_document(each, field) for each in document]
        if not isinstance(document, str):
            return document
        if holds_persons(field) and document in self.ids:
            return self.instead
        return self.without(document)

    def in_document(self, document: Any) -> bool:
        """Whether a JSON document tells of them."""
        return bool(self.of_document(document) != document)

    def in_json(self, content: bytes) -> bool:
        """Whether the bytes of a JSON file tell of them; of one that is none, as of a text."""
        try:
            return self.in_document(json.loads(content))
        except ValueError:
            return self.in_content(content)

    def in_content(self, content: bytes) -> bool:
        """Whether bytes tell of them, whatever they are packed in."""
        return self._in_stream(io.BytesIO(content))

    def in_file(self, file: Path) -> bool:
        """Whether a file tells of them, by its name or by what is in it, packed or not."""
        if self.tells(file.name):
            return True
        with file.open("rb") as handle:
            return self._in_stream(handle)

    def _in_stream(self, handle: Any) -> bool:
        """In what is packed; what cannot be unpacked, or only half, is looked at as it is."""
        head = handle.read(4)
        handle.seek(0)
        try:
            if head == _PARQUET and self._in_parquet(handle):
                return True
            if head == _ZIP:
                with zipfile.ZipFile(handle) as parts:
                    if any(self._in_plain(parts.open(name)) for name in parts.namelist()):
                        return True
            if head[:2] == _GZIP:
                with gzip.open(handle) as unpacked:
                    if self._in_plain(unpacked):
                        return True
            if head[:2] in _ZLIB and self._in_plain(io.BytesIO(zlib.decompress(handle.read()))):
                return True
        except _DAMAGED:
            pass
        handle.seek(0)
        return self._in_plain(handle)

    def _in_plain(self, handle: Any) -> bool:
        before = b""
        while chunk := handle.read(_CHUNK):
            piece = before + chunk
            lower = piece.lower()
            if any(needle in lower for needle in self._needles) and self._bytes.search(piece):
                return True
            before = chunk[-_LONGEST:]
        return False

    def _in_parquet(self, handle: Any) -> bool:
        import pyarrow as pa
        import pyarrow.parquet as pq

        file = pq.ParquetFile(handle)
        for batch in file.iter_batches():
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                if not pa.types.is_string(column.type) and not pa.types.is_large_string(
                    column.type
                ):
                    continue
                for value in column.unique().to_pylist():
                    of_person = holds_persons(name) and value in self.ids
                    if value is not None and (of_person or self.tells(value)):
                        return True
        return False


def _written(text: str) -> Iterable[str]:
    """A text as files write it: as it is, escaped for JSON, escaped for HTML or XML."""
    forms = [text, json.dumps(text)[1:-1], html.escape(text)]
    forms += [form.replace("&#x27;", "&#39;") for form in forms]
    return dict.fromkeys(forms)
