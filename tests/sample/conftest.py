"""One small sample, written once, and a reader of its files."""

from __future__ import annotations

import csv
import gzip
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestration.periods import Period
from orchestration.sample import SampleParameters, simulate

SMALL = SampleParameters(people=150, months=15, seed=11, last_month=Period.parse("2026-10"))


@dataclass(frozen=True)
class Sample:
    """Where a written sample lies."""

    landing: Path
    folder: Path

    def names(self, prefix: str) -> list[str]:
        return sorted(p.name for p in self.landing.glob(f"{prefix}_20*"))

    def rows(self, name: str) -> list[dict[str, str]]:
        content = (self.landing / name).read_bytes()
        if name.endswith(".gz"):
            content = gzip.decompress(content)
        return list(csv.DictReader(io.StringIO(content.decode("utf-8"), newline="")))

    @property
    def truth(self) -> dict[str, Any]:
        loaded: dict[str, Any] = json.loads((self.folder / "truth.json").read_text())
        return loaded


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("sample")
    simulate(SMALL, folder / "landing", folder / "sample")
    return Sample(folder / "landing", folder / "sample")
