"""Erasing a person: from everything that this system keeps, with a receipt that names nobody.

What tells of the person (their id, its pseudonym, every name and address they were delivered with)
is looked for in each place and taken out; afterwards every place is looked through again. Whatever
may interrupt it, starting it again finishes it: each step can be repeated, and where names and
addresses are known from, the deliveries of people, comes last.

From its start on nothing of the person is let in (``feeds.erased``), until they are readmitted.
Published figures stay: they are counts. Editions that do not tell of the person keep every byte.

What is not this system's to change is listed for its owner: delivered files, backups, settings. The
charter has to name somebody else first.
"""

from __future__ import annotations

import getpass
import json
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from orchestration.addresses import mailbox
from orchestration.lake import Lake
from orchestration.operations import erase_databases, erase_files, erase_lake, erase_pages
from orchestration.operations.backup import still
from orchestration.operations.restore import refuse_if_alive
from orchestration.operations.traces import Place, Traces
from orchestration.problems import Problem
from orchestration.pseudonyms import ERASURES, KEY, MARTS, Pseudonyms
from orchestration.quality.close import code_version
from orchestration.scorecard.draft import write_beside
from orchestration.settings import Settings
from orchestration.state import Erasure, State


@dataclass(frozen=True)
class Owners:
    """What tells of the person and is its owner's to remove; counts go into the receipt."""

    delivered: tuple[Path, ...]
    copies: tuple[Path, ...]
    others: tuple[Path, ...]


@dataclass(frozen=True)
class Plan:
    """What an erasure finds.

    Attributes:
        namesakes: others who were delivered with one of the person's names or addresses.
        charter: where the charter names them; nothing is erased before it does not.
    """

    places: tuple[Place, ...]
    owners: Owners
    namesakes: int
    charter: tuple[str, ...]


@dataclass(frozen=True)
class Receipt:
    """What an erasure did; ``taken_out`` is over every attempt."""

    number: int
    file: Path
    taken_out: dict[str, int]
    owners: Owners


class Eraser:
    """One person's erasure. Needs a home that is still: no service, no run.

    Args:
        also: further names and addresses of theirs, such as a former name.
        with_delivered: remove the delivered files that tell of them and were landed, too.
        with_copies: remove backups and what restores put aside, too.

    Raises:
        Problem: nobody of this id is known, or something is at work on this home.
    """

    def __init__(
        self,
        settings: Settings,
        person_id: str,
        *,
        also: tuple[str, ...] = (),
        with_delivered: bool = False,
        with_copies: bool = False,
    ) -> None:
        refuse_if_alive(settings, "erase")
        self.settings = settings
        self.lake = Lake(settings.lake_url, settings.duckdb)
        self._with_delivered, self._with_copies = with_delivered, with_copies
        with State.open(settings) as state:
            key = state.key(KEY)
            self._person = Pseudonyms(key, ERASURES).of(person_id)
            known = {each.person: each for each in state.erasures()}
        self._before = known.get(self._person)
        words = [*erase_lake.names_and_addresses(self.lake, person_id), *also]
        if self._before is None and not words and not erase_lake.is_known(self.lake, person_id):
            raise Problem(
                "nobody of this id was ever delivered.",
                remedy="look at the spelling; the id is the one that deliveries have.",
            )
        self.traces = Traces(
            self._before.erasure_id if self._before else len(known) + 1,
            person_id,
            Pseudonyms(key, MARTS).of(person_id),
            tuple(dict.fromkeys(form for word in words for form in _spellings(word))),
        )

    def plan(self) -> Plan:
        """What tells of the person now; nothing is changed."""
        with State.open(self.settings) as state:
            places = [place for find in self._steps(state) for place in find()]
        return Plan(
            tuple(places),
            self._owners(),
            erase_lake.namesakes(self.lake, self.traces),
            tuple(erase_files.in_charter(self.settings, self.traces)),
        )

    def _owners(self) -> Owners:
        told = erase_files.delivered(self.settings, self.traces)
        going = erase_files.landed(self.settings, self.lake, told) if self._with_delivered else []
        return Owners(
            tuple(file for file in told if file not in going),
            () if self._with_copies else tuple(erase_files.copies(self.settings)),
            tuple(erase_files.others(self.settings, self.traces)),
        )

    def erase(self, by: str | None = None) -> Receipt:
        """Take the person out of every place, look again, and write the receipt.

        Args:
            by: who does it; the user of this process where nobody is named.

        Raises:
            Problem: the charter names them; a place cannot be written; something is still there.
        """
        named = erase_files.in_charter(self.settings, self.traces)
        if named:
            raise Problem(
                f"the programme charter names this person: {'; '.join(named)}.",
                remedy="name somebody else there (files of your own charter folder; then "
                "python -m orchestration run, or any command that loads it), and erase again.",
            )
        with ExitStack() as held:
            held.enter_context(still(self.settings, "an erasure"))
            state = held.enter_context(State.open(self.settings))
            erasure = state.begin_erasure(self._person)
            if erasure.erasure_id != self.traces.number:
                raise Problem("another erasure was begun at the same time.", remedy="start again.")
            receipt = _Receipt(self.settings, erasure, by)
            try:
                for find in self._steps(state):
                    for place in find():
                        receipt.add(place)
                        place.act()
                erase_pages.renew_archive(self.settings)
            except OSError as error:
                raise Problem(
                    f"the erasure did not end: {error.strerror or type(error).__name__}.",
                    file=str(error.filename or self.settings.home),
                    remedy="make it writable, then erase again: it goes on from here.",
                ) from error
            left = [place for find in self._steps(state) for place in find()]
            if left:
                raise Problem(
                    "something of the person is still there: "
                    f"{', '.join(f'{place.what} ({place.count})' for place in left)}.",
                    remedy="erase again; if it stays, tell it as a fault of this project.",
                )
            owners = self._owners()
            state.end_erasure(erasure.erasure_id)
            return receipt.end(owners)

    def _steps(self, state: State) -> list[Callable[[], list[Place]]]:
        """The places in the order in which they are cleared: what names are known from is last."""
        settings, lake, traces = self.settings, self.lake, self.traces
        return [
            lambda: erase_files.in_half_written(settings),
            lambda: erase_pages.in_outbox(settings, state, traces),
            lambda: erase_pages.in_drafts(settings, lake, traces),
            lambda: erase_pages.in_editions(settings, state, lake, traces),
            lambda: self._of_messages(state),
            self._in_state,
            self._in_dagster,
            lambda: erase_files.in_what_runs_left(settings, traces),
            lambda: erase_files.in_records(settings, lake, traces),
            self._in_delivered,
            self._in_copies,
            self._in_warehouse,
            lambda: erase_lake.in_documents(lake, traces),
            lambda: erase_lake.in_figures(lake, traces),
            lambda: erase_lake.in_deliveries(settings, lake, traces, people=False),
            lambda: erase_pages.in_archive(settings, traces),
            lambda: erase_lake.in_deliveries(settings, lake, traces, people=True),
        ]

    def _of_messages(self, state: State) -> list[Place]:
        def act() -> None:
            erase_databases.forget_messages(state, self.traces)
            self._take_out_of_state()

        count = erase_databases.messages_to(state, self.traces)
        return [Place("Messages to them, and among recipients", count, act)] if count else []

    def _in_state(self) -> list[Place]:
        with erase_databases.opened(self.settings.state_url) as engine:
            count = erase_databases.told_in(engine, self.traces)
        return [Place("State database, values", count, self._take_out_of_state)] * bool(count)

    def _take_out_of_state(self) -> None:
        with erase_databases.opened(self.settings.state_url) as engine:
            erase_databases.take_out(engine, self.traces)

    def _in_dagster(self) -> list[Place]:
        url = self.settings.paths.instance
        urls: list[str | sa.URL] = (
            [url.replace("://", "+psycopg://", 1)]
            if url is not None
            else [
                sa.URL.create("sqlite", database=str(file))
                for file in sorted((self.settings.home / "dagster").rglob("*.db"))
            ]
        )
        told: list[str | sa.URL] = []
        count = 0
        for each in urls:
            with erase_databases.opened(each) as engine:
                found = erase_databases.told_in(engine, self.traces)
            if found:
                told.append(each)
                count += found

        def act() -> None:
            for each in told:
                with erase_databases.opened(each) as engine:
                    erase_databases.take_out(engine, self.traces)

        return [Place("Dagster's history, values", count, act)] if told else []

    def _in_delivered(self) -> list[Place]:
        if not self._with_delivered:
            return []
        told = erase_files.delivered(self.settings, self.traces)
        return erase_files.in_delivered(erase_files.landed(self.settings, self.lake, told))

    def _in_copies(self) -> list[Place]:
        return erase_files.in_copies(erase_files.copies(self.settings)) if self._with_copies else []

    def _in_warehouse(self) -> list[Place]:
        if self._before is not None and self._before.ended_at is not None:
            words = erase_lake.names_and_addresses(self.lake, self.traces.person_id)
            if not words and not erase_lake.is_known(self.lake, self.traces.person_id):
                return []  # it was built again since, from a lake that does not know them
        return erase_files.in_warehouse(self.settings)


def readmit(settings: Settings, person_id: str) -> bool:
    """Let in what is delivered of a person from now on; whether they had been erased."""
    with State.open(settings) as state:
        return state.readmit(Pseudonyms(state.key(KEY), ERASURES).of(person_id))


def _spellings(word: str) -> list[str]:
    """A name or address, and the form in which mail has it."""
    if "@" not in word:
        return [" ".join(word.split())]
    try:
        return [word.strip(), mailbox(word).address]
    except Problem:
        return [word.strip()]


class _Receipt:
    """The receipt on disk: brought up to date before every step, so that none goes unnoted."""

    def __init__(self, settings: Settings, erasure: Erasure, by: str | None) -> None:
        self.number = erasure.erasure_id
        self.file = settings.home / "erasures" / f"receipt-{erasure.erasure_id}.json"
        earlier: dict[str, Any] = (
            json.loads(self.file.read_bytes()) if self.file.is_file() else {"taken_out": {}}
        )
        self._taken_out: Counter[str] = Counter(earlier["taken_out"])
        self._said = {
            "erasure": erasure.erasure_id,
            "person": erasure.person,
            "started_at": erasure.started_at.isoformat(timespec="seconds"),
            "by": by or getpass.getuser(),
            "code_version": code_version(),
        }
        self._write()

    def add(self, place: Place) -> None:
        """Note what is about to be taken out."""
        self._taken_out[place.what] += place.count
        self._write()

    def end(self, owners: Owners) -> Receipt:
        """Note that nothing is left but what is its owner's to remove."""
        self._said["ended_at"] = datetime.now(UTC).isoformat(timespec="seconds")
        self._said["left_to_their_owner"] = {
            "delivered files": len(owners.delivered),
            "backups and what restores put aside": len(owners.copies),
            "other files": len(owners.others),
        }
        self._write()
        return Receipt(self.number, self.file, dict(self._taken_out), owners)

    def _write(self) -> None:
        said = {**self._said, "taken_out": dict(self._taken_out)}
        write_beside(self.file, json.dumps(said, indent=1).encode() + b"\n")
