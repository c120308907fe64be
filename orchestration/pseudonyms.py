"""Pseudonyms: a person's id as a keyed hash, the same wherever it is made.

HMAC-SHA-256 (RFC 2104) of purpose and id, of which the first 128 bits are kept, in hex. The key is
random, made once by an organisation and kept in its state database (:meth:`State.key`): without it
nobody finds an id by trying all there are. What one purpose keeps cannot be matched with what
another does.
"""

from __future__ import annotations

import hmac

KEY = "pseudonyms"
"""The key's name in the state database."""
MARTS, ERASURES = "marts", "erasures"
_BLOCK = 64  # bytes that SHA-256 takes at once
_LENGTH = 32


class Pseudonyms:
    """Pseudonyms of one purpose.

    Args:
        key: of the organisation, 16 bytes or more.
        purpose: what they are for, such as ``MARTS``.
    """

    def __init__(self, key: bytes, purpose: str) -> None:
        if not 16 <= len(key) <= _BLOCK:
            raise ValueError("a key has 16 to 64 bytes")
        self._key = key
        self._purpose = purpose

    def of(self, person_id: str) -> str:
        """The pseudonym of an id."""
        said = f"{self._purpose}\n{person_id}".encode()
        return hmac.digest(self._key, said, "sha256").hex()[:_LENGTH]

    def sql(self, column: str) -> str:
        """The same as a DuckDB expression over a column of ids; null stays null."""

        def pad(byte: int) -> str:
            padded = bytes(each ^ byte for each in self._key.ljust(_BLOCK, b"\0"))
            return f"unhex('{padded.hex()}')"

        said = f"encode(concat('{self._purpose}', chr(10), {column}))"
        inner = f"unhex(sha256({pad(0x36)} || {said}))"
        hashed = f"left(sha256({pad(0x5C)} || {inner}), {_LENGTH})"
        return f"CASE WHEN {column} IS NOT NULL THEN {hashed} END"
