"""Crashes at every point of a delivery, simulated and real: counted at the server."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import random
import shutil
import tempfile
import threading
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
MAILS = {"monthly": [("", address) for address in ADDRESSES], "monthly_kit": LETTERS}


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


RECIPIENTS = [f"r{n:02d}@example.org" for n in range(50)]
ANSWERS_OF = {
    "sendgrid": [
        *["202"] * 8, "429:Retry-After:0", "429:reset", "400", "500", "503",
        "reset", "hang", "202-lost", "202-lost", "202-hang", "202-broken",
    ],
    "smtp": [
        *["250"] * 8, "rcpt:450", "rcpt:550", "dot:451", "dot:554", "drop", "lost", "lost", "hang",
    ],
}  # fmt: skip


class Misbehaving:
    """What a server answers, seeded; from a recipient's third attempt on it takes the message."""

    def __init__(self, kind: str, seed: int) -> None:
        self._answers = ANSWERS_OF[kind]
        self._chance = random.Random(seed)
        self._lock = threading.Lock()
        self.met: Counter[str] = Counter()
        self.given: Counter[str] = Counter()

    def __call__(self, recipient: str) -> str:
        with self._lock:
            time.sleep(self._chance.uniform(0, 0.01))
            answer = self._chance.choice(self._answers)
            self.met[recipient] += 1
            if self.met[recipient] > 2:
                answer = self._answers[0]
            self.given[answer] += 1
        if answer == "429:reset":
            return f"429:X-RateLimit-Reset:{int(time.time()) + 1}"
        return answer


class Sender:
    """A run's delivery in a process of its own, which first seals again as a run does."""

    def __init__(self, *arguments: Any) -> None:
        self._ready, told = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=worker.seal_and_deliver, args=(told, *arguments))
        self._process.start()
        told.close()

    def wait_until(self, done: Callable[[], bool]) -> None:
        assert self._ready.poll(60)
        while self._process.is_alive() and not done():
            time.sleep(0.0005)

    def kill(self) -> bool:
        """SIGKILL; whether it was alive."""
        alive = self._process.is_alive()
        self._process.kill()
        self._process.join()
        assert alive or self._process.exitcode == 0
        return alive

    def join(self) -> None:
        self._process.join(120)
        assert self._process.exitcode == 0


def deliver_under_kills(kind: str, seed: int, kills: int, counts: Counter[str]) -> None:
    """One edition to 50 recipients, its processes killed at random moments up to ``kills`` times,
    then restarted until done; what was counted at the server against what the ledger says."""
    chance = random.Random(seed)
    behave = Misbehaving(kind, seed)
    home = Path(tempfile.mkdtemp(prefix="adoption-kills-", dir=MEMORY))
    server: SendGridServer | SmtpServer
    with SendGridServer(behave) if kind == "sendgrid" else SmtpServer(behave) as server:
        where: dict[str, Any] = (
            {"sendgrid": {"host": server.host}}
            if isinstance(server, SendGridServer)
            else {"smtp": {"host": "127.0.0.1", "port": server.port, "security": "none"}}
        )
        read = make_settings(home, channel=kind, timeout_seconds=0.5, **where)
        draft = make_draft(home / "draft")
        with State.open(read) as state:
            edition = seal_edition(state, read, draft, *RECIPIENTS)
        # late data: other words and one recipient more, in every restart's draft
        make_draft(draft, "late data between kill and restart")
        sealing = (str(draft), [*RECIPIENTS, "late@example.org"])
        dumped = read.model_dump(mode="json")
        done = 0
        for number in itertools.count():
            with State.open(read) as state:
                if not state.pending_intents():
                    break
            senders = [Sender(dumped, f"run-{number}", *sealing)]
            if number % 3 == 1:  # a second click while the first run sends
                senders.append(Sender(dumped, f"click-{number}", *sealing))
                counts["second clicks"] += 1
            if done < kills:
                goal = sum(behave.met.values()) + chance.randint(0, 5)
                for sender in senders:
                    sender.wait_until(partial(_reached, behave.met, goal))
                time.sleep(chance.uniform(0, 0.015))
                victims = senders[: chance.randint(1, len(senders))]
                hit = sum(victim.kill() for victim in victims)
                with State.open(read) as state:
                    if state.pending_intents():  # else the delivery was over before
                        counts["kills"] += hit
                        done += hit
                senders = senders[len(victims) :]
            for sender in senders:
                sender.join()
            assert number < 40 + 2 * kills, "it is never done"
            if done >= kills:
                time.sleep(0.3)  # what was put off by the server falls due
        accepted = Counter({to: count for (_, to), count in server.accepted.items()})
        texts = texts_of(server)
    with State.open(read) as state:
        assert state.editions() == [edition]
        verify(edition)
        rows = {row.recipient: row.status for row in state.ledger_rows()}
        assert state.recipients(edition.edition_id) and state.pending_intents() == []
    shutil.rmtree(home)
    assert len(texts) == 1 and "late data" not in texts.pop()
    assert sorted(rows) == RECIPIENTS and set(accepted) <= set(RECIPIENTS)
    counts["deliveries"] += 1
    counts["recipients"] += len(rows)
    counts["attempts"] += sum(behave.met.values())
    counts["twice"] += sum(count > 1 for count in accepted.values())
    counts["lost"] += sum(
        status is SendStatus.ACCEPTED and not accepted[address] for address, status in rows.items()
    )
    counts["failed though taken"] += sum(
        status is SendStatus.FAILED and bool(accepted[address]) for address, status in rows.items()
    )
    counts.update(f"ledger {status}" for status in rows.values())
    counts.update(
        f"unknown, {'taken' if accepted[address] else 'not taken'} by the server"
        for address, status in rows.items()
        if status is SendStatus.UNKNOWN
    )
    counts.update({f"answer {answer}": number for answer, number in behave.given.items()})


def texts_of(server: SendGridServer | SmtpServer) -> set[str]:
    """What the messages offered to a server say, to tell the sealed edition from a later draft."""
    if isinstance(server, SendGridServer):
        return {str(body["content"][0]["value"]) for body in server.requests}
    bodies = (message.get_body(("plain",)) for _, message, _ in server.messages)
    return {body.get_content() for body in bodies if body is not None}


def _reached(met: Counter[str], goal: int) -> bool:
    return sum(met.values()) >= goal


@pytest.mark.parametrize("kind", ["sendgrid", "smtp"])
def test_killed_processes_never_send_twice(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    counts: Counter[str] = Counter({"kills": 0, "twice": 0, "lost": 0, "failed though taken": 0})
    seeds = itertools.count(20261031)
    while counts["kills"] < KILLS:
        deliver_under_kills(kind, next(seeds), KILLS - counts["kills"], counts)
    print(f"\n{kind}:", *(f"{words} {number}" for words, number in counts.items()), sep="\n  ")
    assert counts["twice"] == counts["lost"] == counts["failed though taken"] == 0
    standing = [counts[f"ledger {each}"] for each in ("accepted", "failed", "unknown")]
    assert sum(standing) == counts["recipients"] == 50 * counts["deliveries"]
    assert counts["second clicks"] > 0


def test_a_second_click_while_the_first_run_sends_changes_nothing(tmp_path: Path) -> None:
    with SmtpServer(lambda _: time.sleep(0.002) or "250") as server:
        where = {"host": "127.0.0.1", "port": server.port, "security": "none"}
        read = make_settings(tmp_path / "home", channel="smtp", smtp=where)
        draft = make_draft(tmp_path / "draft")
        with State.open(read) as state:
            edition = seal_edition(state, read, draft, *RECIPIENTS)
        arguments = (str(draft), RECIPIENTS)
        clicks = [Sender(read.model_dump(mode="json"), f"click-{n}", *arguments) for n in (1, 2)]
        for click in clicks:
            click.join()
        assert sorted(server.accepted.values()) == [1] * 50
    with State.open(read) as state:
        counts = state.counts("edition", edition.edition_id)
        assert counts[SendStatus.ACCEPTED] == 50 and state.pending_intents() == []


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
