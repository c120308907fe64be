"""Small files built to fill memory and disk are refused, soon and in little memory."""

from __future__ import annotations

import gzip
import io
import json
import re
import subprocess
import sys
import time
import zipfile
import zlib
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from orchestration.feeds import readers
from orchestration.feeds.landing import land_range
from orchestration.lake import Lake
from orchestration.settings import PROJECT_ROOT, Settings

DAY = date(2026, 10, 31)
HEADER = b"person_id,full_name\n"
WORST_MB, WORST_SECONDS = 700, 60


def endless(block: bytes, megabytes: int) -> bytes:
    """A gzip file of a block over and over."""
    engine = zlib.compressobj(9, zlib.DEFLATED, 31)
    once = block * ((1 << 20) // len(block))
    pieces = [engine.compress(HEADER), *(engine.compress(once) for _ in range(megabytes))]
    return b"".join([*pieces, engine.flush()])


def parquet(table: pa.Table) -> bytes:
    sink = io.BytesIO()
    pq.write_table(
        table, sink, compression="zstd", use_dictionary=False, row_group_size=table.num_rows
    )
    return sink.getvalue()


def many_rows() -> bytes:
    return parquet(pa.table({"person_id": pa.nulls(20_000_000, pa.string())}))


def long_values() -> bytes:
    return parquet(pa.table({"person_id": ["x" * (1 << 20)] * 200}))


def workbook(strings: str, rows: str, prolog: str = "") -> bytes:
    """A workbook written by hand: one sheet, these shared strings and rows."""
    main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    package = "http://schemas.openxmlformats.org/package/2006"
    kind = "application/vnd.openxmlformats-officedocument.spreadsheetml"
    files = {
        "[Content_Types].xml": f'<Types xmlns="{package}/content-types">'
        f'<Override PartName="/xl/workbook.xml" ContentType="{kind}.sheet.main+xml"/>'
        f'<Override PartName="/xl/worksheets/sheet1.xml" ContentType="{kind}.worksheet+xml"/>'
        f'<Override PartName="/xl/sharedStrings.xml" ContentType="{kind}.sharedStrings+xml"/>'
        "</Types>",
        "_rels/.rels": f'<Relationships xmlns="{package}/relationships"><Relationship Id="r1" '
        f'Type="{office}/officeDocument" Target="xl/workbook.xml"/></Relationships>',
        "xl/workbook.xml": f'<workbook xmlns="{main}" xmlns:r="{office}"><sheets>'
        '<sheet name="S" sheetId="1" r:id="r1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": f'<Relationships xmlns="{package}/relationships">'
        f'<Relationship Id="r1" Type="{office}/worksheet" Target="worksheets/sheet1.xml"/>'
        f'<Relationship Id="r2" Type="{office}/sharedStrings" Target="sharedStrings.xml"/>'
        "</Relationships>",
        "xl/sharedStrings.xml": f'{prolog}<sst xmlns="{main}">{strings}</sst>',
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{main}"><sheetData>{rows}</sheetData>'
        "</worksheet>",
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as book:
        for name, content in files.items():
            book.writestr(name, content)
    return buffer.getvalue()


def one_text_in_every_cell() -> bytes:
    """The text is stored once, and ten thousand rows name it ten times."""
    head = '<row><c t="inlineStr"><is><t>person_id</t></is></c></row>'
    line = "<row>" + '<c t="s"><v>0</v></c>' * 10 + "</row>"
    return workbook(f"<si><t>{'x' * 30_000}</t></si>", head + line * 10_000)


def entities() -> bytes:
    """Ten to the ninth: each entity is ten of the one before."""
    made = "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )  # fmt: skip
    prolog = f'<!DOCTYPE sst [<!ENTITY a "aaaaaaaaaa">{made}]>'
    return workbook("<si><t>&j;</t></si>", '<row><c t="s"><v>0</v></c></row>', prolog)


def blank_sheet() -> bytes:
    return workbook("", " " * (120 << 20))


GROWS = r"the file of [\d,]+ bytes unpacks to [\d,]+ and more"
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "rows.csv.gz": (lambda: endless(b"p1,Ann\n", 400), GROWS),
    "line.csv.gz": (lambda: endless(b"x", 400), GROWS),
    "twice.csv.gz": (lambda: gzip.compress(endless(b"x", 400)), "not (utf-8|whole)|header"),
    "rows.parquet": (many_rows, r"says that it has 20,000,000 rows"),
    "values.parquet": (long_values, GROWS),
    "cells.xlsx": (one_text_in_every_cell, GROWS),
    "entities.xlsx": (entities, "not readable as an XLSX workbook"),
    "blanks.xlsx": (blank_sheet, GROWS),
}


def settings_of(home: Path, name: str) -> Settings:
    form = name.split(".")[1]
    return Settings.model_validate(
        {
            "organisation": {"name": "Test"},
            "paths": {"home": str(home)},
            "landing": {"settle_seconds": 0},
            "duckdb": {"memory_limit": "400MB"},
            "feeds": {
                "people": {
                    "files": {"people": f"{{date}}/{name}"},
                    "format": form,
                    "columns": {"person_id": "person_id"},
                }
            },
        }
    )


def land(home: Path, name: str) -> str:
    """What becomes of a bomb that lies in the landing folder: why it was refused."""
    settings = settings_of(home, name)
    (outcome,) = land_range(settings, Lake(settings.lake_url, settings.duckdb), "people", DAY, DAY)
    assert outcome.status == "refused", outcome
    return outcome.note


@pytest.fixture(scope="module")
def landed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, object]]:
    """Every bomb landed by one process, which says how long each took and how much memory."""
    home = tmp_path_factory.mktemp("bombs")
    for name, (made, _) in BOMBS.items():
        file = home / "landing" / DAY.isoformat() / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(made())
        assert file.stat().st_size < 700_000, name
    done = subprocess.run(
        [sys.executable, "-m", "tests.trust.test_bombs", str(home)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, dict[str, object]] = json.loads(done.stdout.splitlines()[-1])
    left = [f for f in (home / "scratch").rglob("*") if f.is_file()]
    assert left == [], "scratch files are left"
    return told


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_is_refused_soon_and_in_little_memory(
    landed: dict[str, dict[str, object]], name: str
) -> None:
    told = landed[name]
    assert re.search(BOMBS[name][1], str(told["why"])), told["why"]
    assert name in str(told["why"]) and "Remedy: " in str(told["why"])
    assert float(str(told["seconds"])) < WORST_SECONDS
    assert float(str(told["megabytes"])) < WORST_MB


def test_a_table_that_packs_well_is_no_bomb(tmp_path: Path) -> None:
    """A hundred thousand like rows with a key shrink to a fiftieth and are taken."""
    rows = b"".join(b"p%06d,Ann Archer of the second floor\n" % n for n in range(100_000))
    content = gzip.compress(HEADER + rows)
    file = tmp_path / "landing" / DAY.isoformat() / "rows.csv.gz"
    file.parent.mkdir(parents=True)
    file.write_bytes(content)
    settings = settings_of(tmp_path, "rows.csv.gz")
    (outcome,) = land_range(settings, Lake(settings.lake_url, settings.duckdb), "people", DAY, DAY)
    assert outcome.status == "landed"
    assert outcome.manifest is not None and outcome.manifest.rows_accepted == 100_000


def test_texts_that_would_fill_the_memory_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A workbook's texts are held whole, however well they are packed."""
    monkeypatch.setattr(readers, "_MAX_HELD", 100_000)
    file = tmp_path / "landing" / DAY.isoformat() / "texts.xlsx"
    file.parent.mkdir(parents=True)
    texts = "".join(f"<si><t>{n:0100d}</t></si>" for n in range(2000))
    file.write_bytes(workbook(texts, ""))
    assert re.search(
        r"texts unpack to 2\d\d,\d{3} bytes, more than 100,000", land(tmp_path, file.name)
    )


def test_entries_that_lead_out_of_a_workbook_write_nothing(tmp_path: Path) -> None:
    names = ("../../escaped.txt", str(tmp_path / "absolute.txt"), "xl/../../../escaped.txt")
    buffer = io.BytesIO(
        workbook(
            "",
            '<row><c t="inlineStr"><is><t>person_id</t></is></c></row>'
            '<row><c t="inlineStr"><is><t>p1</t></is></c></row>',
        )
    )
    with zipfile.ZipFile(buffer, "a") as book:
        for name in names:
            book.writestr(name, "outside")
    file = tmp_path / "home" / "landing" / DAY.isoformat() / "out.xlsx"
    file.parent.mkdir(parents=True)
    file.write_bytes(buffer.getvalue())
    settings = settings_of(tmp_path / "home", file.name)
    (outcome,) = land_range(settings, Lake(settings.lake_url, settings.duckdb), "people", DAY, DAY)
    assert outcome.status == "landed" and outcome.manifest is not None
    assert outcome.manifest.rows_accepted == 1
    assert [f for f in tmp_path.rglob("*") if f.name in ("escaped.txt", "absolute.txt")] == []


def main(home: Path) -> None:
    """Land every bomb of the folder, and print what became of each."""
    told = {}
    for name in BOMBS:
        Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
        began = time.monotonic()
        why = land(home, name)
        (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        told[name] = {
            "why": why,
            "seconds": time.monotonic() - began,
            "megabytes": int(peak) / 1024,
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
