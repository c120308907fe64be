"""Damaged deliveries over all feeds and formats: refused, quarantined, or read as they stand.

ADOPTION_DAMAGES=2000 (`make soak`) tries more, and prints what became of them.
"""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path

import pytest

from orchestration.feeds.deliveries import initialise
from orchestration.lake import Lake
from tests.trust.damage import FEEDS, case
from tests.trust.fuzz import Wrong, fingerprint, judged

CASES = int(os.environ.get("ADOPTION_DAMAGES", "100"))


@pytest.fixture(scope="module")
def empty_lake(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("empty") / "lake"
    initialise(Lake(str(folder)))
    return folder


def test_a_damaged_delivery_never_stops_the_line_or_changes_a_row(
    tmp_path: Path, empty_lake: Path
) -> None:
    became: Counter[str] = Counter()
    by_damage: Counter[str] = Counter()
    wrong: list[str] = []
    for seed in range(CASES):
        damaged = case(seed)
        home, again = tmp_path / "one", tmp_path / "two"
        home.mkdir()
        try:
            became[judged(damaged, home, empty_lake)] += 1
            by_damage.update(damaged.damages)
            if seed % 4 == 0:
                again.mkdir()
                judged(damaged, again, empty_lake)
                if list(fingerprint(home)) != list(fingerprint(again)):
                    raise Wrong("landing the same again gave other files")
                became["landed twice alike"] += 1
        except Wrong as fault:
            wrong.append(f"{damaged}: {fault}"[:1000])
        finally:
            shutil.rmtree(home)
            shutil.rmtree(again, ignore_errors=True)
    print(f"\n{CASES} damaged deliveries of {len(FEEDS)} feeds: {dict(sorted(became.items()))}")
    print(f"damages: {dict(sorted(by_damage.items()))}")
    assert not wrong, f"{len(wrong)} of {CASES}:\n" + "\n".join(wrong[:20])
    assert min(became[name] for name in ("refused", "quarantined", "accepted")) > 0
