"""Crashes at every point of a delivery, simulated and real: counted at the server."""

from __future__ import annotations

import multiprocessing
import os
import random
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import cache, partial
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestration import state as state_module
from orchestration.delivery.channels import Accepted, Failed, Outcome, Retry, Unknown
from orchestration.delivery.editions import RetryPolicy, deliver, verify
from orchestration.delivery.mailings import KIT
from orchestration.delivery.message import OutgoingMessage
from orchestration.settings import Settings
from orchestration.state import SendStatus, State
from tests.delivery import worker
from tests.delivery.conftest import (
    PERIOD,
    Clock,
    make_draft,
    make_settings,
    seal_edition,
)
from tests.delivery.servers import SendGridServer, SmtpServer
from tests.delivery.test_letters import make_letters, seal_letters


class Killed(BaseException):
    """Stands for SIGKILL: whatever runs afterwards in this 'process' writes nothing."""


class MortalState(State):
    """Dies at its n-th write, before or after the commit; dead, it writes nothing more."""

    deadline = -1
    committed = False
    dead = False

    def _write(self, lock: str | None = None) -> Any:
        if self.dead:
            raise Killed
        self.deadline -= 1
        if self.deadline == 0 and not self.committed:
            self.dead = True
            raise Killed
        return super()._write(lock)

    def claim(self, *arguments: Any, **named: Any) -> bool:
        claimed = super().claim(*arguments, **named)
        self._die_late()
        return claimed

    def finish(self, *arguments: Any, **named: Any) -> bool:
        finished = super().finish(*arguments, **named)
        self._die_late()
        return finished

    def _die_late(self) -> None:
        if self.deadline <= 0 and self.committed and not self.dead:
            self.dead = True
            raise Killed


class Server:
    """A channel to a server that keeps its own count and may lie or break."""

    name = "server"

    def __init__(self, answers: list[str]) -> None:
        self.answers = answers
        self.accepted: Counter[tuple[str, str]] = Counter()  # (letter, address)
        self.state: MortalState | None = None

    def send(self, message: OutgoingMessage) -> Outcome:
        answer = self.answers.pop(0) if self.answers else "accepted"
        if "counted" in answer or answer == "accepted":
            self.accepted[message.letter, message.recipient.address] += 1
        if answer.startswith("killed"):
            assert self.state is not None
            self.state.dead = True
            raise Killed
        if answer.startswith("broken"):
            raise RuntimeError("a fault of our own")
        known: dict[str, Outcome] = {
            "accepted": Accepted("m"),
            "failed": Failed("550"),
            "retry": Retry("busy"),
            "later": Retry("limit", after=120.0),
            "halt": Retry("login", halts=True),
        }
        return known.get(answer, Unknown("timeout"))


ANSWERS = st.sampled_from(
    ["accepted", "accepted", "failed", "retry", "later", "halt", "unknown", "unknown counted",
     "killed", "killed counted", "broken", "broken counted"]
)  # fmt: skip
RUN = st.tuples(
    st.lists(ANSWERS, max_size=6),
    st.integers(-1, 12),  # the write it dies at; -1 and 0: none
    st.booleans(),  # before or after the commit
    st.sampled_from([0, 30, 61, 200]),  # seconds until the next run
)
MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None  # an fsync costs nothing there
ADDRESSES = ["ada@example.org", "bob@example.org", "eve@example.org"]


# one person with two letters, and two who get the same one
LETTERS = [("of-1", ADDRESSES[0]), ("of-2", ADDRESSES[0]), ("of-2", ADDRESSES[1])]
MAILS = {"monthly": [("", address) for address in ADDRESSES], KIT.name: LETTERS}


@cache
def sealed_home() -> Path:
    """A home with a sealed edition of a pack and one of letters, copied by each example."""
    home = Path(tempfile.mkdtemp(prefix="adoption-sealed-", dir=MEMORY))
    settings = make_settings(home)
    with State.open(settings) as state:
        seal_edition(state, settings, make_draft(home / "draft"), *ADDRESSES)
        letters = make_letters(home / "letters", {"of-1": ("P1",), "of-2": ("P1", "P2")})
        seal_letters(state, settings, letters, *LETTERS)
    return home


@pytest.fixture(scope="module", autouse=True)
def _prepared() -> Iterator[None]:
    CONTEXT.set_forkserver_preload(PRELOADED)
    run_to_the_end(worker.say_ready, ())  # starts the server that the processes are forked from
    yield
    shutil.rmtree(sealed_home(), ignore_errors=True)


@settings(
    max_examples=int(os.environ.get("ADOPTION_EXAMPLES", "30")),
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
@given(st.lists(RUN, max_size=5), st.sampled_from(sorted(MAILS)))
def test_whatever_happens_nobody_gets_it_twice_and_nobody_is_lost(
    runs: list[Any], mailing: str
) -> None:
    home = Path(tempfile.mkdtemp(prefix="adoption-run-", dir=MEMORY))
    shutil.copytree(sealed_home(), home, dirs_exist_ok=True)
    try:
        _check_runs(make_settings(home), runs, mailing)
    finally:
        shutil.rmtree(home)


def _check_runs(read: Settings, runs: list[Any], mailing: str) -> None:
    clock = Clock()
    server = Server([])
    clean: list[Any] = [([], 0, False, 600), ([], 0, False, 600)]
    for number, (answers, deadline, committed, pause) in enumerate([*runs, *clean]):
        engine = State.open(read)._engine
        state = MortalState(engine, read.home, clock.now)
        edition = state.latest_edition(mailing, PERIOD.id)
        assert edition is not None
        state.deadline, state.committed = deadline, committed
        server.answers, server.state = list(answers), state
        with suppress(Killed, RuntimeError):
            deliver(
                state,
                read,
                edition,
                server,
                f"run-{number}",
                policy=RetryPolicy(attempts=2),
                sleep=clock.sleep,
            )
        assert max(server.accepted.values(), default=0) <= 1
        clock.sleep(pause)
    with State.open(read) as after:
        rows = {(row.letter, row.recipient): row.status for row in after.ledger_rows()}
        assert list(rows) == MAILS[mailing]
        assert set(rows.values()) <= {
            SendStatus.ACCEPTED,
            SendStatus.FAILED,
            SendStatus.UNKNOWN,
        }
        for mail, status in rows.items():
            if status is not SendStatus.UNKNOWN:
                assert server.accepted[mail] == (status is SendStatus.ACCEPTED)
        assert after.pending_intents(mailing) == []


# ---- real processes, really killed ---------------------------------------------------------

CONTEXT = multiprocessing.get_context("forkserver")
PRELOADED = ["tests.delivery.worker", "sendgrid", "orchestration.delivery.channels.smtp"]
KILLS = int(os.environ.get("ADOPTION_KILLS", "10"))


def run_and_kill(
    target: Any, arguments: tuple[Any, ...], when: Callable[[], bool], delay: float
) -> bool:
    """Run in a process of its own; SIGKILL it some seconds after something happened.

    Returns whether it was still alive then.
    """
    ready, told = CONTEXT.Pipe(duplex=False)
    process = CONTEXT.Process(target=target, args=(told, *arguments))
    process.start()
    told.close()
    assert ready.poll(60)
    while process.is_alive() and not when():
        time.sleep(0.0005)
    process.join(delay)
    alive = process.is_alive()
    process.kill()
    process.join()
    assert alive or process.exitcode == 0
    return alive


def run_to_the_end(target: Any, arguments: tuple[Any, ...]) -> None:
    assert not run_and_kill(target, arguments, lambda: True, 60)


@pytest.mark.parametrize("kind", ["sendgrid", "smtp"])
def test_killed_processes_never_send_twice(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    chance = random.Random(20261031)
    addresses = [f"r{n:02d}@example.org" for n in range(50)]
    behaviour = random.Random(7)
    answers = {
        "sendgrid": ["202"] * 7 + ["429:Retry-After:0", "500", "503", "reset"] + ["202-lost"] * 3,
        "smtp": ["250"] * 8 + ["rcpt:450", "dot:451", "lost", "drop"],
    }[kind]
    met: Counter[str] = Counter()

    def behave(recipient: str) -> str:
        met[recipient] += 1
        time.sleep(behaviour.uniform(0, 0.01))
        return behaviour.choice(answers) if met[recipient] < 3 else answers[0]

    home = tmp_path / "home"
    server: SendGridServer | SmtpServer
    with SendGridServer(behave) if kind == "sendgrid" else SmtpServer(behave) as server:
        where: dict[str, Any] = (
            {"sendgrid": {"host": server.host}}
            if isinstance(server, SendGridServer)
            else {"smtp": {"host": "127.0.0.1", "port": server.port, "security": "none"}}
        )
        read = make_settings(home, channel=kind, timeout_seconds=2, **where)
        dumped = read.model_dump(mode="json")
        draft = make_draft(home / "draft")
        with State.open(read) as state:
            edition = seal_edition(state, read, draft, *addresses)
        make_draft(draft, "late data between kill and restart")
        killed_at = []
        for number in range(KILLS):
            arguments = (dumped, f"run-{number}")
            goal = sum(met.values()) + chance.randint(0, 5)
            if run_and_kill(
                worker.deliver_latest,
                arguments,
                partial(lambda goal: sum(met.values()) >= goal, goal),
                chance.uniform(0, 0.015),
            ):
                killed_at.append(sum(server.accepted.values()))
        # else nothing was proved: most kills must have hit a process that was sending
        assert len({at for at in killed_at if 0 < at < len(addresses)}) >= min(KILLS, 10) // 2
        for number in range(3):
            run_to_the_end(worker.deliver_latest, (dumped, f"last-{number}"))
        accepted = {to: count for (_, to), count in server.accepted.items()}
    assert max(accepted.values()) == 1
    with State.open(read) as state:
        assert seal_edition(state, read, draft, *addresses) == edition
        verify(edition)
        rows = {row.recipient: row.status for row in state.ledger_rows()}
    assert sorted(rows) == addresses
    assert set(rows.values()) <= {SendStatus.ACCEPTED, SendStatus.FAILED, SendStatus.UNKNOWN}
    for address, status in rows.items():
        if status is SendStatus.ACCEPTED:
            assert accepted[address] == 1
        if status is SendStatus.FAILED:
            assert address not in accepted
    with State.open(read) as state:
        assert state.pending_intents() == []


def test_killed_sealing_leaves_one_whole_edition(tmp_path: Path) -> None:
    chance = random.Random(20261101)
    read = make_settings(tmp_path / "home")
    dumped = read.model_dump(mode="json")
    draft = make_draft(tmp_path / "draft")
    for number in range(30):
        (draft / f"page-{number}.png").write_bytes(os.urandom(20000))
    with State.open(read) as state:
        state.open_intent("monthly", PERIOD.id, opened_by="schedule")
    arguments = (dumped, str(draft), ["ada@example.org"])
    for _ in range(KILLS):
        run_and_kill(worker.seal_draft, arguments, lambda: True, chance.uniform(0, 0.06))
        with State.open(read) as state:
            edition = state.latest_edition("monthly", PERIOD.id)
            if edition is not None:
                verify(edition)  # never half of one
    run_to_the_end(worker.seal_draft, arguments)
    with State.open(read) as state:
        edition = state.latest_edition("monthly", PERIOD.id)
        assert edition is not None and edition.number == 1
        verify(edition)
        assert len(state.recipients(edition.edition_id)) == 1


def test_a_killed_senders_row_is_known_to_be_dead_at_once(tmp_path: Path) -> None:
    read = make_settings(tmp_path / "home")
    with State.open(read) as state:
        edition = seal_edition(state, read, make_draft(tmp_path / "draft"), "ada@example.org")
        state.plan("edition", edition.edition_id, ["ada@example.org"])
        (row,) = state.ledger_rows()
        pid = os.fork()
        if pid == 0:
            with State.open(read) as own:
                own.claim(row, run_id="r", holder=state_module.new_holder())
            os.kill(os.getpid(), 9)
        os.waitpid(pid, 0)
        assert state.ledger_rows()[0].status is SendStatus.SENDING
        lease = state.ledger_rows()[0].lease_until
        assert lease is not None and lease > state.now() + timedelta(seconds=30)
        assert state.expire() == 1
        assert state.ledger_rows()[0].status is SendStatus.UNKNOWN
