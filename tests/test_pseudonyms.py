"""Pseudonyms: the standard's HMAC, the same in Python and in SQL, and none to be matched."""

from __future__ import annotations

import hashlib
import hmac

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestration.pseudonyms import Pseudonyms

KEY = bytes(range(32))


def test_it_is_the_hmac_of_purpose_and_id() -> None:
    """Against RFC 4231, case 2, in which the message is what purpose, line and id make up."""
    made = Pseudonyms(b"Jefe".ljust(16, b"\0"), "what do ya want").of("for nothing?")
    block = b"Jefe".ljust(64, b"\0")
    said = b"what do ya want\nfor nothing?"
    inner = hashlib.sha256(bytes(b ^ 0x36 for b in block) + said).digest()
    outer = hashlib.sha256(bytes(b ^ 0x5C for b in block) + inner).hexdigest()
    assert made == outer[:32]
    assert (
        hmac.new(KEY, b"marts\nE1", "sha256")
        .hexdigest()
        .startswith(Pseudonyms(KEY, "marts").of("E1"))
    )


@settings(deadline=None)  # the first example also loads DuckDB
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))))
def test_sql_makes_the_same(ids: list[str]) -> None:
    pseudonyms = Pseudonyms(KEY, "marts")
    with duckdb.connect() as connection:
        rows = connection.execute(
            f"SELECT id, {pseudonyms.sql('id')} FROM (SELECT unnest($1::VARCHAR[]) AS id)", [ids]
        ).fetchall()
        nothing = connection.execute(
            f"SELECT {pseudonyms.sql('id')} FROM (SELECT NULL::VARCHAR AS id)"
        ).fetchall()
    assert [made for _, made in rows] == [pseudonyms.of(person) for person, _ in rows]
    assert nothing == [(None,)]


def test_another_purpose_or_key_makes_others() -> None:
    made = {
        Pseudonyms(key, purpose).of(person)
        for key in (KEY, bytes(32))
        for purpose in ("marts", "erasures")
        for person in ("E1", "E2")
    }
    assert len(made) == 8


def test_a_key_that_could_be_guessed_is_refused() -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        Pseudonyms(b"short", "marts")
