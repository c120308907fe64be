"""dbt for small lakes: one process loads it once and forks for each build.

Run as a program, it reads a build as a line of JSON and answers with a line: dbt's exit code.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NoReturn


def run_dbt(arguments: Sequence[str], environment: Mapping[str, str], folder: str) -> str | None:
    """Run dbt in a process forked from one that has loaded it.

    Returns:
        What it printed, where it failed.
    """
    with tempfile.NamedTemporaryFile("r") as said:
        build = {
            "arguments": list(arguments),
            "environment": dict(environment),
            "folder": folder,
            "said": said.name,
        }
        server = _server()
        assert server.stdin is not None and server.stdout is not None
        server.stdin.write(json.dumps(build) + "\n")
        server.stdin.flush()
        code = server.stdout.readline()
        return None if code == "0\n" else f"exit code {code}{said.read()}"


@cache
def _server() -> subprocess.Popen[str]:
    """Ends with this process, whose end of the pipe closes then."""
    return subprocess.Popen(
        [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def _serve() -> None:
    import dbt.adapters.duckdb
    import dbt.cli.main  # noqa: F401

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _build(json.loads(line))
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


def _build(asked: dict[str, Any]) -> NoReturn:
    from dbt.cli.main import dbtRunner

    said = os.open(asked["said"], os.O_WRONLY | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ.clear()
    os.environ.update(asked["environment"])
    os.chdir(asked["folder"])
    done = dbtRunner().invoke(asked["arguments"])
    if done.exception is not None:
        print(done.exception)
    sys.stdout.flush()
    os._exit(0 if done.success else 1)


if __name__ == "__main__":
    _serve()
