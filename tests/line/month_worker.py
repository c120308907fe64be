"""The command that reviews a month, run in a process of its own to be killed.

The process is forked from one that has imported everything, since the imports are not what is
tested, and leads a group of its own, so that dbt can be killed with it.
"""

from __future__ import annotations

import os
import sys
from multiprocessing.connection import Connection

# forked processes find these imported
import great_expectations  # noqa: F401
import typst  # noqa: F401

import orchestration.alerts.reaper
import orchestration.definitions
import orchestration.runs  # noqa: F401
from orchestration.command import main


def review(begun: Connection, output: str, environment: dict[str, str], period: str) -> None:
    """``python -m orchestration run --period ...``; what it says goes to a file."""
    os.setsid()
    said = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(said, 1)
    os.dup2(said, 2)
    os.environ.update(environment)
    sys.argv = ["orchestration", "run", "--period", period]
    begun.send_bytes(b"!")
    main()
