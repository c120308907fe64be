"""What the tests run in processes of their own, to be killed."""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from orchestration.delivery.channels import open_channel
from orchestration.delivery.editions import RetryPolicy, deliver, seal
from orchestration.settings import Secrets, Settings
from orchestration.state import State
from tests.delivery.conftest import PERIOD, PROVENANCE, make_audience


def say_ready(ready: Connection) -> None:
    """Nothing else; starts the server that the processes are forked from."""
    ready.send_bytes(b"!")


def seal_and_deliver(
    ready: Connection, settings: dict[str, Any], run_id: str, draft: str, addresses: list[str]
) -> None:
    """What a publishing run does: seal (an intent seals once), then deliver what is sealed."""
    read = Settings.model_validate(settings)
    with State.open(read) as state:
        ready.send_bytes(b"!")
        edition = seal(
            state, read, "monthly", PERIOD, Path(draft), make_audience(*addresses), PROVENANCE
        )
        deliver(
            state,
            read,
            edition,
            open_channel(read, Secrets(sendgrid_api_key="SG.test")),  # type: ignore[arg-type]
            run_id,
            policy=RetryPolicy(first_wait=0.01, total_wait=5),
        )


def seal_draft(
    ready: Connection, settings: dict[str, Any], draft: str, addresses: list[str]
) -> None:
    """Seal the open intent."""
    read = Settings.model_validate(settings)
    with State.open(read) as state:
        ready.send_bytes(b"!")
        seal(state, read, "monthly", PERIOD, Path(draft), make_audience(*addresses), PROVENANCE)
