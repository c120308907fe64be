"""One sample, from parameters to files: draw the organisation, write feeds, charter and truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from orchestration.problems import Problem
from orchestration.sample.activity import LearningMarks
from orchestration.sample.charter import write_charter
from orchestration.sample.files import FeedWriter, FileRecord
from orchestration.sample.leadership import lead
from orchestration.sample.learning import teach
from orchestration.sample.organisation import Organisation
from orchestration.sample.parameters import SampleParameters
from orchestration.sample.truth import truth_of
from orchestration.sample.workforce import found

RECORD = "sample.json"
TRUTH = "truth.json"
CHARTER = "charter"


@dataclass(frozen=True)
class SampleReport:
    """What a simulation wrote, or found already written.

    Attributes:
        written: False when the same sample was there already and nothing was touched.
        truth: the file with what is true in it.
    """

    written: bool
    landing: Path
    charter: Path
    truth: Path
    files: int
    activity_rows: int


def draw(parameters: SampleParameters) -> Organisation:
    """The latent organisation of these parameters, its activity apart."""
    organisation = found(parameters, np.random.default_rng([parameters.seed, 1]))
    teach(organisation, np.random.default_rng([parameters.seed, 2]))
    lead(organisation, np.random.default_rng([parameters.seed, 3]))
    return organisation


def _silent(_: str) -> None:
    return None


def simulate(
    parameters: SampleParameters,
    landing: Path,
    folder: Path,
    *,
    force: bool = False,
    progress: Callable[[str], None] = _silent,
) -> SampleReport:
    """Write a sample: feed files into ``landing``; charter, truth and record into ``folder``.

    The same parameters give byte-identical files; where they lie already nothing is touched.

    Raises:
        Problem: another sample lies there and ``force`` is not given.
    """
    there = recorded(folder)
    if there is not None:
        if there["parameters"] == _plain(parameters) and _complete(there, landing, folder):
            return _report(False, landing, folder, there["files"])
        if there["parameters"] != _plain(parameters):
            if not force:
                raise Problem(
                    f"another sample lies in {folder}.",
                    file=str(folder / RECORD),
                    remedy="choose other folders, or replace it with --force.",
                )
            for name in there["files"]:
                (landing / name).unlink(missing_ok=True)
        (folder / RECORD).unlink()
    progress("drawing the organisation")
    organisation = draw(parameters)
    writer = FeedWriter(organisation, landing)
    writer.write(progress)
    write_charter(organisation, folder / CHARTER)
    progress("computing the truth")
    _write_json(truth_of(organisation, writer.marks, writer.files), folder / TRUTH)
    files = {name: asdict(record) for name, record in sorted(writer.files.items())}
    _write_json({"parameters": _plain(parameters), "files": files}, folder / RECORD)
    return _report(True, landing, folder, files)


def recorded(folder: Path) -> dict[str, Any] | None:
    """The record of the sample in a folder, or None."""
    try:
        record: dict[str, Any] = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return record


def _plain(parameters: SampleParameters) -> dict[str, Any]:
    plain: dict[str, Any] = json.loads(json.dumps(parameters.to_json()))
    return plain


def _complete(record: dict[str, Any], landing: Path, folder: Path) -> bool:
    def size(file: Path) -> int:
        return file.stat().st_size if file.is_file() else -1

    return (
        all(size(landing / name) == entry["bytes"] for name, entry in record["files"].items())
        and (folder / TRUTH).is_file()
        and (folder / CHARTER / "programme.csv").is_file()
    )


def _report(
    written: bool, landing: Path, folder: Path, files: dict[str, dict[str, Any]]
) -> SampleReport:
    return SampleReport(
        written=written,
        landing=landing,
        charter=folder / CHARTER,
        truth=folder / TRUTH,
        files=len(files),
        activity_rows=sum(
            entry["rows"] for name, entry in files.items() if name.startswith("activity_")
        ),
    )


def _write_json(value: object, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    aside = file.with_name(f".{file.name}.tmp")
    aside.write_text(json.dumps(value, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    aside.replace(file)


__all__ = ["FileRecord", "LearningMarks", "SampleReport", "draw", "recorded", "simulate"]
