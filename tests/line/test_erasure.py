"""A leader of the reviewed organisation is erased: before, their id, name, address and pseudonym
stand in every place that keeps anything; after, on no byte of the home but what is its owner's.

Interrupted on the way, and started again. What is published stays, and nothing asks for work.

ADOPTION_ERASURE_KILLS=10 kills the command at so many random moments.
"""

# no `from __future__ import annotations`: Dagster looks at the annotation of `context` itself
import json
import os
import subprocess
import time
from contextlib import suppress
from datetime import date
from itertools import count
from random import Random
from typing import Any

import dagster as dg
import pytest

from orchestration.archive.site import build_site
from orchestration.delivery.rebuild import rebuild
from orchestration.feeds.awaiting import awaiting
from orchestration.feeds.deliveries import manifests
from orchestration.feeds.landing import land_range
from orchestration.incidents import OPERATIONS, Finding, report
from orchestration.lake import Lake
from orchestration.operations.erase import Eraser, Receipt
from orchestration.operations.erase_lake import names_and_addresses
from orchestration.problems import Problem
from orchestration.quality.close import read_close, require_unmoved, stands_on_now
from orchestration.quality.publish import damage
from orchestration.runs import project_instance
from orchestration.settings import PROJECT_ROOT
from orchestration.state import State
from orchestration.warehouse.charter import charter_in_force
from orchestration.warehouse.late import note_arrivals, touched_periods
from tests.line.reviewed import LAST, PYTHON, Organisation, read_csv, restore, write_csv
from tests.trust.on_disk import places

PERSON, DEPUTY = "E100003", "E100011"  # sponsor of Commercial, with a kit in the mail
LATER = date(2026, 5, 20)
OWNERS = "sample/truth.json"  # what the simulation knows; like any file that is not the system's
SAID = "they stand in a log of {}"


@dg.op
def tell(context: dg.OpExecutionContext) -> None:
    text = SAID.format(os.environ["TOLD_OF"])
    context.log.info(text)
    context.add_output_metadata({"said": text})
    print(text)


@dg.job
def telling() -> None:
    tell()


def plant(organisation: Organisation, name: str) -> None:
    """The person in places where nothing of this organisation's first run says anything of them."""
    settings = organisation.settings
    file = organisation.landing / f"activity_{LATER}.csv.gz"
    known = read_csv(organisation.landing / f"activity_{LAST.end.replace(day=1)}.csv.gz")
    row = known[0] | {"EmployeeNumber": PERSON, "OccurredAt": f"{LATER} 10:00:00Z"}
    write_csv(file, [row | {"EventId": "later-1", "DurationSeconds": "60"},
                     row | {"EventId": "later-2", "DurationSeconds": "-60"}])  # fmt: skip
    (landed,) = land_range(settings, organisation.lake, "activity", LATER, LATER)
    assert landed.manifest is not None
    assert (landed.manifest.rows_accepted, landed.manifest.rows_rejected) == (1, 1)
    assert landed.manifest.verdict == "staged"  # and nobody has judged it yet
    for place in ("logs/run.log", "scratch/left/rows.csv", "dbt/builds/run_results.txt"):
        (settings.home / place).parent.mkdir(parents=True, exist_ok=True)
        with (settings.home / place).open("a") as handle:
            handle.write(f"{SAID.format(name)}\n")
    with State.open(settings) as state:
        finding = Finding("run x", OPERATIONS, "a run failed", SAID.format(name), "", "mend it",
                          state.now())  # fmt: skip
        report(state, finding, settings.alerts)
        state.open_intent("weekly", "2026-W19", opened_by="person", reason=SAID.format(name))
    with pytest.MonkeyPatch.context() as patch, project_instance(settings) as instance:
        patch.setenv("TOLD_OF", name)
        assert telling.execute_in_process(instance=instance).success


def take_out_of_charter(organisation: Organisation) -> None:
    """What its owner does first: others hold the roles."""
    overlay = organisation.settings.charter_overlay
    assert overlay is not None
    for file in overlay.glob("*.csv"):
        file.write_text(file.read_text().replace(f"{PERSON},", f"{DEPUTY},"))
    assert charter_in_force(organisation.settings).fault is None


def test_nothing_of_the_erased_is_on_any_byte(changing: Organisation) -> None:
    settings, home = changing.settings, changing.home
    name, address = sorted(names_and_addresses(changing.lake, PERSON), key=lambda text: "@" in text)
    texts = [PERSON, name, address, changing.pseudonyms.of(PERSON)]
    plant(changing, name)
    build_site(settings)
    with pytest.raises(Problem, match=r"charter names this person: .*governance_roles\.csv, row"):
        Eraser(settings, PERSON).erase()
    take_out_of_charter(changing)

    found = places(home, texts)
    kinds = {"/".join(place.split("/")[: 2 if place.startswith("lake/") else 1]) for place in found}
    trees = ("raw", "raw_rejected", "staged", "versions", "published", "evidence")
    assert kinds == {*(f"lake/{tree}" for tree in trees), "archive", "dagster", "dbt", "drafts",
                     "editions", "landing", "logs", "outbox", "sample", "scratch", "state",
                     "warehouse"}  # fmt: skip
    kept = changing.published()
    values = {period: [rows for rows in models if rows[0].startswith("kpi_")]
              for period, models in kept.items()}  # fmt: skip
    close = read_close(changing.lake, LAST)
    awaited = awaiting(settings, changing.lake)
    assert close is not None

    def erase() -> Receipt:
        return Eraser(settings, PERSON, with_delivered=True).erase("Tess")

    write, written = Lake.write_parquet, count(1)

    def killed(*given: Any) -> None:
        if next(written) == 400:  # amid the deliveries
            raise KeyboardInterrupt
        write(*given)

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Lake, "write_parquet", killed)
        erase()
    receipt = erase()
    assert set(places(home, texts)) == {OWNERS}
    assert [file.relative_to(home).as_posix() for file in receipt.owners.others] == [OWNERS]

    said = json.loads(receipt.file.read_bytes())
    assert (said["by"], said["left_to_their_owner"]["other files"]) == ("Tess", 1)
    assert said["taken_out"]["Delivered rows of people"] == 15
    # figures stay as published; no close is moved, nothing is late, nothing arrives again
    after = changing.published()
    assert {period: [rows for rows in models if rows[0].startswith("kpi_")]
            for period, models in after.items()} == values  # fmt: skip
    assert after != kept
    require_unmoved(close, LAST, stands_on_now(changing.lake))
    note_arrivals(settings, changing.lake)
    assert touched_periods(changing.lake) == []
    still = awaiting(settings, changing.lake)
    assert still.arrived == awaited.arrived - {LATER}
    assert still.unfinished == awaited.unfinished == {LATER}
    for feed in settings.feeds:
        known = manifests(changing.lake, feed)
        assert damage(changing.lake, feed, [m for m in known if m.contract_problem is None]) == {}
    assert all(m.erasures == [1] for m in manifests(changing.lake, "people"))
    with State.open(settings) as state:
        for edition in state.editions():
            again = rebuild(state, settings, edition.edition_id)
            assert again.identical, again
            assert edition.sealed_hash not in (None, edition.content_hash)
    page = (home / "archive" / "monthly" / LAST.id / "edition-1.html").read_text()
    assert "raw data were edited since by erasure 1 (" in page


@pytest.mark.skipif("ADOPTION_ERASURE_KILLS" not in os.environ, reason="make soak")
def test_killed_at_random_moments_the_next_finishes(changing: Organisation) -> None:
    """The command itself, each time on the organisation as it was before."""
    rng, kills = Random(9), int(os.environ.get("ADOPTION_ERASURE_KILLS", "1"))
    command = [PYTHON, "-m", "orchestration", "erase-person", PERSON, "--delivered", "--yes"]
    left = []
    for _ in range(kills):
        restore(changing.home)
        name, address = sorted(
            names_and_addresses(changing.lake, PERSON), key=lambda text: "@" in text
        )
        texts = [PERSON, name, address, changing.pseudonyms.of(PERSON)]
        plant(changing, name)
        take_out_of_charter(changing)
        started = time.monotonic()
        assert changing.command(*command[3:-1], "--dry-run").returncode == 0
        whole = 2.5 * (time.monotonic() - started)  # looking for it, and taking it out
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=changing.environment)
        with suppress(subprocess.TimeoutExpired):
            process.wait(timeout=rng.uniform(0.2, 1) * whole)
        process.kill()
        process.wait()
        left.append(len(places(changing.home, texts)) - 1)
        done = changing.command(*command[3:])
        assert done.returncode == 0, done.stdout + done.stderr
        assert set(places(changing.home, texts)) == {OWNERS}
        with State.open(changing.settings) as state:
            for edition in state.editions():
                assert rebuild(state, changing.settings, edition.edition_id).identical
    print(f"\n{kills} erasures killed, with this many files still to go: {left}; all finished")
