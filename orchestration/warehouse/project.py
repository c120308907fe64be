"""The dbt project as this organisation runs it: environment, manifest, invocation folder."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

from filelock import FileLock

from orchestration.lake import Lake
from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT, Settings
from orchestration.warehouse.charter import charter_in_force

DBT_PROJECT = PROJECT_ROOT / "dbt_project"


def dbt_executable() -> str:
    """The dbt beside this Python."""
    return str(Path(sys.executable).with_name("dbt"))


def dbt_of_this_run() -> list[str]:
    """The command that starts dbt and ends it with this process; dbt's arguments follow."""
    program = Path(__file__).with_name("dbt_process.py")
    return [sys.executable, "-P", str(program), str(os.getpid())]


def dbt_environment(settings: Settings) -> dict[str, str]:
    """What the dbt project reads from its environment (profiles.yml, sources, seed path)."""
    lake = Lake(settings.lake_url)
    return {
        "ADOPTION_WAREHOUSE": str(settings.warehouse_file),
        "ADOPTION_SPARK": str(settings.spark_folder),
        "ADOPTION_LAKE": lake.root,
        # DuckDB reads what is not local by fsspec, in dbt as elsewhere
        "ADOPTION_FILESYSTEMS": json.dumps([] if lake.is_local else [{"fs": lake.protocol}]),
        "ADOPTION_CHARTER": str(settings.home / "charter"),
        "ADOPTION_MEMORY_LIMIT": settings.duckdb.memory_limit,
        "ADOPTION_THREADS": str(settings.duckdb.threads),
        "DBT_PROFILES_DIR": str(DBT_PROJECT),
        "DBT_TARGET": settings.warehouse.engine,
        "DBT_TARGET_PATH": str(target_folder(settings)),
        "DBT_LOG_PATH": str(target_folder(settings)),
        "DBT_LOG_LEVEL_FILE": "info",  # its debug lines are a sixth of what a model costs
        "DBT_SEND_ANONYMOUS_USAGE_STATS": "false",
        "DO_NOT_TRACK": "1",
    }


def target_folder(settings: Settings) -> Path:
    """Where dbt keeps its manifest, partial parse and logs for this organisation."""
    return settings.home / "dbt"


@lru_cache(maxsize=8)
def project_fingerprint() -> str:
    """SHA-256 over every file of the dbt project that decides a figure: its code version."""
    digest = hashlib.sha256()
    for file in sorted(DBT_PROJECT.rglob("*")):
        relative = file.relative_to(DBT_PROJECT)
        if relative.parts[0] in ("target", "logs", "seeds") or not file.is_file():
            continue
        if file.suffix in (".sql", ".yml", ".md"):
            digest.update(str(relative).encode() + b"\0" + file.read_bytes() + b"\0")
    return digest.hexdigest()


def prepare_manifest(settings: Settings) -> Path:
    """The dbt manifest of the project as it stands; parsed anew only when something changed.

    Raises:
        Problem: the charter is not valid and none was before, or dbt cannot parse the project.
    """
    charter_in_force(settings)
    environment = dbt_environment(settings)
    target = target_folder(settings)
    manifest = target / "manifest.json"
    stamp = target / "manifest.fingerprint"
    fingerprint = hashlib.sha256(
        (project_fingerprint() + repr(sorted(environment.items()))).encode()
    ).hexdigest()
    target.mkdir(parents=True, exist_ok=True)
    with FileLock(target / "manifest.lock"):
        if manifest.exists() and stamp.exists() and stamp.read_text() == fingerprint:
            return manifest
        parsed = subprocess.run(  # noqa: S603 (our own dbt, no shell)
            [*dbt_of_this_run(), "parse", "--quiet", "--project-dir", str(DBT_PROJECT)],
            env={**os.environ, **environment},
            cwd=DBT_PROJECT,
            capture_output=True,
            text=True,
        )
        if parsed.returncode != 0:
            raise Problem(
                f"dbt cannot parse the project: {(parsed.stdout + parsed.stderr).strip()[-2000:]}",
                file=str(DBT_PROJECT),
                remedy="correct the model or seed it names.",
            )
        stamp.write_text(fingerprint)
    return manifest
