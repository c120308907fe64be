"""The monthly job killed at seeded random moments: dbt, publication, render, seal, deliver.

The command that reviews a month is killed with its dbt or alone, started again until it is done,
at last by two people at once; then files and figures are those of a month nobody disturbed.
ADOPTION_MONTH_KILLS=100 (`make soak`) kills more often, and reviews a month whose files have just
arrived, so that the ingest and the quarter are killed too; there the disk also fills up, and the
lake turns read-only, at each stage.
"""

from __future__ import annotations

import email
import hashlib
import json
import multiprocessing
import os
import random
import re
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.policy import default as email_policy
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dagster import DagsterRunStatus
from filelock import FileLock
from pypdf import PdfReader

from orchestration.delivery.editions import verify
from orchestration.periods import Grain
from orchestration.quality.close import read_close
from orchestration.runs import project_instance
from orchestration.state import SendStatus, State
from tests.line import month_worker
from tests.line.reviewed import LAST, Organisation, deliver_month, restore

KILLS = int(os.environ.get("ADOPTION_MONTH_KILLS", "2"))
WHOLE = "ADOPTION_MONTH_KILLS" in os.environ
KILLS_A_MONTH = 10
MAY = LAST.shift(1)
CONTEXT = multiprocessing.get_context("forkserver")
SHOWN = ("lake", "drafts", "editions", "archive", "outbox", "landing/records")
MOMENT = re.compile(rb'("(?:landed_at|closed_at|sealed_at|ge_load_time)": )"[^"]*"')
DIFFERS = "|".join(
    (
        r"^lake/published/",  # under names of builds, each its own; compared by its rows
        r"^lake/control/",  # what the last build was asked for: less, once some of it is done
        r"^(lake|archive)/.*\brecords\b",  # what the review itself wrote: the next run takes it in
        r"^archive/quality\.html$",  # and says so
        r"(^|/)\.|\.lock$",
        r"\.tmp$",  # left half written, read by nobody, removed by retention
    )
)
"""What rightly differs when a month is done in several goes."""


def begun_stages(said: str) -> list[tuple[str, float]]:
    """The stages that the command says it began, with the second it did."""
    lines = re.findall(r"^\[ *([\d.]+) s\] (\w+)(?:: \d+( \w+))?", said, re.MULTILINE)
    return [(f"{word}{grain}", float(seconds)) for seconds, word, grain in lines]


class Process:
    """The command, under way in a process and a group of its own."""

    def __init__(self, organisation: Organisation, name: str) -> None:
        self._output = organisation.home.with_name(f"{name}.txt")  # on another disk, as it were
        ready, begun = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(
            target=month_worker.review,
            args=(begun, str(self._output), organisation.environment, MAY.id),
        )
        self._process.start()
        begun.close()
        assert ready.poll(120)

    @property
    def said(self) -> str:
        return self._output.read_text(encoding="utf-8")

    @property
    def stage(self) -> str:
        """What it is at, or was when it ended; between two stages, the one before."""
        return [("", 0.0), *begun_stages(self.said)][-1][0]

    def wait_until_loaded(self) -> None:
        """Until it has its definitions and is about to do something that could be broken."""
        while self._process.is_alive() and " done\n" not in self.said:
            time.sleep(0.02)

    def wait_until(self, stages: Sequence[str]) -> str:
        """Until it is at one of these stages; at which, or none where it has ended."""
        while self._process.is_alive():
            if (stage := self.stage) in stages:
                return stage
            time.sleep(0.02)
        return ""

    def kill(self, *, group: bool) -> bool:
        """SIGKILL, with dbt or without; whether it was still at work."""
        alive = self._process.is_alive()
        assert self._process.pid is not None
        if alive:
            (os.killpg if group else os.kill)(self._process.pid, signal.SIGKILL)
        self._process.join()
        return alive and self._process.exitcode == -signal.SIGKILL

    def join(self) -> int:
        self._process.join(900)
        assert self._process.exitcode is not None, "it is never done"
        return self._process.exitcode


class Wholeness:
    """Looks at every file that readers see and that changed since it looked last."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._seen: dict[Path, tuple[int, int]] = {}

    def half_written(self) -> list[str]:
        found = []
        for place in SHOWN:
            for file in (self._home / place).rglob("*"):
                hidden = any(part.startswith(".") for part in file.relative_to(self._home).parts)
                if hidden or file.suffix == ".tmp" or not file.is_file():
                    continue
                stat = file.stat()
                if self._seen.get(file) == (stat.st_mtime_ns, stat.st_ino):
                    continue
                self._seen[file] = (stat.st_mtime_ns, stat.st_ino)
                try:
                    _read_whole(file)
                except Exception as error:
                    found.append(f"{file}: {error!r}")
        return found


def _read_whole(file: Path) -> None:
    content = file.read_bytes()
    match file.suffix:
        case ".parquet":
            pq.read_table(file)
        case ".pdf":
            assert content.rstrip().endswith(b"%%EOF")
            assert len(PdfReader(file).pages) > 0
        case ".png":
            assert content.endswith(b"IEND\xaeB`\x82")
        case ".json":
            json.loads(content)
        case ".jsonl":
            assert [json.loads(line) for line in content.splitlines()] and content[-1:] == b"\n"
        case ".html":
            assert content.rstrip().endswith(b"</html>")
        case ".eml":
            mail = email.message_from_bytes(content, policy=email_policy)
            assert not any(part.defects for part in mail.walk())
    if file.name == "edition.json":
        for name, digest in json.loads(content)["files"].items():
            assert hashlib.sha256((file.parent / name).read_bytes()).hexdigest() == digest, name


def editions_are_whole(organisation: Organisation) -> None:
    with State.open(organisation.settings) as state:
        for edition in state.editions():
            verify(edition)


def outcome(organisation: Organisation) -> dict[str, Any]:
    """Everything that the month comes to, to the byte, but for the moments at which it was made."""
    home = organisation.home
    found: dict[str, Any] = {
        f"published {grain} {period}": rows
        for grain in (Grain.MONTH, Grain.QUARTER)
        for period, rows in organisation.published(grain).items()
    }
    for place in ("lake", "drafts", "editions", "archive"):
        for file in (home / place).rglob("*"):
            name = file.relative_to(home).as_posix()
            if file.is_file() and not re.search(DIFFERS, name):
                content = file.read_bytes()
                found[name] = MOMENT.sub(rb'\1""', content) if file.suffix == ".json" else content
    found["log"] = sorted(
        json.dumps({name: cell for name, cell in json.loads(line).items() if name != "recorded_at"})
        for file in (home / "landing" / "records").glob("*.jsonl")
        for line in file.read_text(encoding="utf-8").splitlines()
    )
    with State.open(organisation.settings) as state:
        found["editions"] = [
            (e.ritual, e.period_id, e.number, e.content_hash) for e in state.editions()
        ]
        found["recipients"] = [
            (row.subject_id, row.letter, row.recipient) for row in state.ledger_rows()
        ]
        found["intents"] = state.pending_intents()
    return found


def mails_of_may(organisation: Organisation) -> dict[str, list[bytes]]:
    """Each mail's parts, decoded: without the moment of sealing and chosen boundaries."""
    return {
        name: [
            part.get_payload(decode=True)
            for part in email.message_from_bytes(content, policy=email_policy).walk()
            if not part.is_multipart()
        ]
        for name, content in organisation.mails().items()
        if MAY.id in name
    }


def all_is_let_go(organisation: Organisation) -> None:
    """No run of a dead process is alive, and every lock is free."""
    with project_instance(organisation.settings) as instance:
        statuses = Counter(run.status for run in instance.get_runs())
    assert set(statuses) <= {DagsterRunStatus.SUCCESS, DagsterRunStatus.FAILURE}, statuses
    for file in organisation.home.rglob("*.lock"):
        with FileLock(file, timeout=0):
            pass


def to_the_end(organisation: Organisation, name: str) -> Counter[str]:
    """Started by two people at once: one waits for the other or is refused by words."""
    counts: Counter[str] = Counter()
    both = [Process(organisation, f"{name}-{person}") for person in "ab"]
    codes = [process.join() for process in both]
    for process, code in zip(both, codes, strict=True):
        assert "Traceback" not in process.said, process.said
        assert code in (0, 1), process.said
        counts["refused" if code else "done"] += 1
    if not counts["done"]:
        last = Process(organisation, f"{name}-c")
        assert last.join() == 0, last.said
    return counts


@dataclass(frozen=True)
class Undisturbed:
    """What became of the month when nobody disturbed it.

    Attributes:
        stages: what it went through, and the seconds that each took.
    """

    organisation: Organisation
    outcome: dict[str, Any]
    mails: dict[str, list[bytes]]
    stages: dict[str, float]


@pytest.fixture(scope="module")
def undisturbed(changing_module: Organisation) -> Undisturbed:
    CONTEXT.set_forkserver_preload([month_worker.__name__])
    prepare(changing_module)
    calm = Process(changing_module, "calm")
    calm.wait_until_loaded()
    start = time.monotonic()
    assert calm.join() == 0, calm.said
    ended = time.monotonic() - start
    _, *begun = begun_stages(calm.said)
    since = [at for _, at in begun]
    until = [*since[1:], begun[0][1] + ended]
    return Undisturbed(
        changing_module,
        outcome(changing_module),
        mails_of_may(changing_module),
        {stage: to - at for (stage, at), to in zip(begun, until, strict=True)},
    )


def prepare(organisation: Organisation) -> None:
    """The home as it is before the month is reviewed."""
    restore(organisation.home)
    if WHOLE:
        # without certifications, so that the month is stale
        deliver_month(organisation.landing, MAY, without=("certifications",))
    else:  # what April's review asked for would be landed first, and figures built anew on it
        shutil.rmtree(organisation.landing / "records")


def test_a_stale_month_goes_out_marked(undisturbed: Undisturbed) -> None:
    organisation = undisturbed.organisation
    close = read_close(organisation.lake, MAY)
    assert close is not None
    assert (close.verdict, close.allowed) == ("stale", True)
    assert close.stale_note
    as_of = f"{close.data_as_of.day} {close.data_as_of:%B %Y}" if close.data_as_of else ""
    draft = organisation.home / "drafts" / "monthly" / MAY.id
    for name in ("scorecard.html", "email.html", "email.txt"):
        page = (draft / name).read_text(encoding="utf-8")
        assert as_of in page.replace("\N{NO-BREAK SPACE}", " "), name
    mails = {n: m for n, m in organisation.mails("monthly").items() if MAY.id in n}
    assert len(mails) == len(organisation.mails("monthly")) - len(mails)
    for content in mails.values():
        mail = email.message_from_bytes(content, policy=email_policy)
        assert f"as of {as_of}" in mail["Subject"]
    assert set(organisation.published(Grain.MONTH)) >= {LAST.id, MAY.id}


def test_a_killed_month_is_the_month_that_nobody_killed(undisturbed: Undisturbed) -> None:
    organisation, rng = undisturbed.organisation, random.Random(20260531)
    every = list(undisturbed.stages)
    counts: Counter[str] = Counter({"kills": 0})
    stages: Counter[str] = Counter()
    while counts["kills"] < KILLS:
        counts["months"] += 1
        assert counts["months"] < 2 * KILLS
        prepare(organisation)
        whole = Wholeness(organisation.home)
        # each kill at a stage drawn beforehand, since some stages take most of the time
        left = min(KILLS_A_MONTH, KILLS - counts["kills"])
        at_stages = rng.sample(range(len(every)), min(left, len(every)))
        at_stages += rng.choices(range(len(every)), k=left - len(at_stages))
        for number, wanted in enumerate(sorted(at_stages)):
            process = Process(organisation, f"month-{counts['months']}-{number}")
            if reached := process.wait_until(every[wanted:]):  # at it, or past it
                time.sleep(rng.uniform(0, 0.9) * undisturbed.stages[reached])
            if not process.kill(group=rng.random() < 0.5):
                assert process.join() == 0, process.said
                break
            counts["kills"] += 1
            stages[process.stage] += 1
            assert whole.half_written() == []
            editions_are_whole(organisation)
        counts.update(to_the_end(organisation, f"month-{counts['months']}"))
        assert whole.half_written() == []
        all_is_let_go(organisation)
        assert differences(outcome(organisation), undisturbed.outcome) == []
        counts.update(mails_sent(organisation, undisturbed))
        print(f"\n{dict(counts)}; killed in {dict(stages)}", flush=True)
    print(f"a month that nobody disturbs takes {sum(undisturbed.stages.values()):.1f} s")
    if KILLS_A_MONTH * len(every) <= KILLS:  # so many that chance does not leave one out
        assert set(STAGES if WHOLE else every) <= set(stages)


def differences(found: dict[str, Any], expected: dict[str, Any]) -> list[str]:
    """The names of what is not as expected: the contents would fill pages."""
    return sorted(
        name for name in found | expected if found.get(name, ...) != expected.get(name, ...)
    )


def mails_sent(organisation: Organisation, undisturbed: Undisturbed) -> Counter[str]:
    """Each mail is the undisturbed one; one is missing only where the ledger says unknown."""
    sent = mails_of_may(organisation)
    with State.open(organisation.settings) as state:
        rows = [row for row in state.ledger_rows() if MAY.id in row.subject_id]
    unknown = sum(row.status is SendStatus.UNKNOWN for row in rows)
    assert all(row.status in (SendStatus.ACCEPTED, SendStatus.UNKNOWN) for row in rows)
    assert differences(sent, undisturbed.mails) == sorted(undisturbed.mails.keys() - sent.keys())
    assert len(sent) >= len(undisturbed.mails) - unknown
    return Counter(mails=len(sent), unknown=unknown)


STAGES = ("Ingest", "Close quarters", "Close months", "Draft", "Publish")


@pytest.mark.skipif(not WHOLE, reason="make soak")
@pytest.mark.parametrize("fault", ["full", "read-only"])
def test_a_disk_that_takes_nothing_is_said_at_every_stage(
    undisturbed: Undisturbed, fault: str, tmp_path: Path
) -> None:
    organisation = undisturbed.organisation
    prepare(organisation)
    with mounted(organisation.home if fault == "full" else organisation.home / "lake", tmp_path):
        whole = Wholeness(organisation.home)
        refused = []
        for stage in STAGES:
            process = Process(organisation, f"{fault}-{stage}")
            if not process.wait_until([stage]):
                assert process.join() == 0, process.said
                break
            with FAULTS[fault](organisation):
                code = process.join()
                assert whole.half_written() == []
            editions_are_whole(organisation)
            if code == 0:
                assert (fault, stage) in NOTHING_WRITTEN
                continue
            assert code == 1 and "Traceback" not in process.said, process.said
            assert re.search(SAID[fault], process.said), process.said
            refused.append(stage)
        last = Process(organisation, f"{fault}-last")
        assert last.join() == 0, last.said
        assert differences(outcome(organisation), undisturbed.outcome) == []
        assert differences(mails_of_may(organisation), undisturbed.mails) == []
        all_is_let_go(organisation)
    print(f"\n{fault} at {', '.join(refused)}: said, and the month goes on")
    assert len(refused) >= 2


SAID = {
    "full": "No space left on device|disk is full|disk I/O error|not full",
    "read-only": "Read-only file system",
}
NOTHING_WRITTEN = {("read-only", "Publish")}
"""Where the lake is only read."""


@contextmanager
def mounted(folder: Path, tmp_path: Path) -> Iterator[None]:
    """The folder as a file system of its own with some megabytes of room."""
    aside = tmp_path / "aside"
    shutil.copytree(folder, aside)
    size = sum(file.stat().st_size + 4096 for file in aside.rglob("*")) + (150 << 20)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("this machine lets no test mount a disk")
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


@contextmanager
def full(organisation: Organisation) -> Iterator[None]:
    room = organisation.home / "filler"
    with room.open("wb", buffering=0) as handle, suppress(OSError):
        while handle.write(b"x" * (1 << 20)):
            pass
    with room.open("ab", buffering=0) as handle, suppress(OSError):
        while handle.write(b"x" * 512):
            pass
    try:
        yield
    finally:
        room.unlink()


@contextmanager
def read_only(organisation: Organisation) -> Iterator[None]:
    lake = str(organisation.home / "lake")
    for _ in range(600):  # a file that is being written keeps it writable
        if subprocess.run(["mount", "-o", "remount,ro", lake], capture_output=True).returncode == 0:
            break
        time.sleep(0.05)
    else:
        raise AssertionError("it is never idle")
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", lake], check=True)


FAULTS = {"full": full, "read-only": read_only}
