"""Secrets planted in the environment of whole real runs are on no disk and in no output after."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from pydantic import SecretStr

from orchestration.alerts.chat import beat
from orchestration.alerts.sensors import Watched, watch
from orchestration.delivery.assets import build_assets
from orchestration.delivery.mailings import pack
from orchestration.periods import Grain, partition_key
from orchestration.problems import Problem
from orchestration.runs import project_instance
from orchestration.settings import SETTINGS_VARIABLE, Secrets, Settings
from orchestration.state import State
from tests.delivery.servers import SendGridServer, SmtpServer, in_turn
from tests.line.reviewed import CANARY, LAST, PLANTED, PYTHON, FirstRun, Organisation, failures
from tests.trust.on_disk import held, places

DATABASE = f"postgresql+psycopg://adoption:{CANARY}-database@127.0.0.1:9/adoption"


def through(settings: Settings, **delivery: Any) -> Settings:
    """The same settings with mail going out by another channel."""
    changed = settings.delivery.model_copy(update=delivery)
    return settings.model_copy(update={"delivery": changed})


def publish(settings: Settings, instance: dg.DagsterInstance) -> str:
    """Materialize the pack's edition and its delivery, which fails; what the run says of it."""
    done = dg.materialize(
        build_assets(settings, [pack(Grain.MONTH)]),
        instance=instance,
        partition_key=partition_key(LAST),
        raise_on_error=False,
    )
    assert not done.success
    return failures(done)


@pytest.mark.filterwarnings("ignore:Requiring AUTH while not requiring TLS")
def test_no_secret_is_anywhere_after_runs_that_failed(
    first_run: FirstRun,
    changing: Organisation,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    """The first run had them all too; these use them, against servers that repeat them."""
    assert set(PLANTED) == {f"ADOPTION_{name.upper()}" for name in Secrets.model_fields}
    for name, value in PLANTED.items():
        monkeypatch.setenv(name, value)
    settings = changing.settings
    said = [first_run.output, first_run.errors]
    for file in (settings.home / "state").glob("state.sqlite*"):
        file.unlink()  # the review is due again
    with State.open(settings) as state, project_instance(settings) as instance:
        state.open_intent("monthly", LAST.id, opened_by="person")
        with SendGridServer(in_turn("401")) as server:
            server.echo = f"Bearer {PLANTED['ADOPTION_SENDGRID_API_KEY']}"
            sendgrid = settings.delivery.sendgrid.model_copy(update={"host": server.host})
            said.append(publish(through(settings, channel="sendgrid", sendgrid=sendgrid), instance))
            assert server.requests
        with SmtpServer(in_turn("250"), password="another") as relay:
            smtp = settings.delivery.smtp.model_copy(
                update={"host": "127.0.0.1", "port": relay.port, "security": "none",
                        "username": "relay"}
            )  # fmt: skip
            said.append(publish(through(settings, channel="smtp", smtp=smtp), instance))
        with pytest.raises(Problem) as told:  # neither chat nor monitor can be reached
            watch(settings, state, instance, Watched({"monthly_publish": frozenset()}, ()))
        said.append(str(told.value))
        assert "the chat was not taken" in said[-1]
        with pytest.raises(Problem, match="the outside monitor was not reached") as told:
            beat(SecretStr(PLANTED["ADOPTION_HEARTBEAT_URL"]))
        said.append(str(told.value))
    other = tmp_path / "settings.toml"
    text = changing.settings_file.read_text()
    other.write_text(text.replace("\n[paths]\n", f'\n[paths]\nstate = "{DATABASE}"\n', 1))
    for command in (
        [PYTHON, "-m", "orchestration", "incidents"],
        [str(Path(PYTHON).with_name("dagster")), "instance", "info"],
    ):
        done = subprocess.run(
            command,
            env={**changing.environment, SETTINGS_VARIABLE: str(other)},
            capture_output=True,
            text=True,
            timeout=300,
        )
        said += [done.stdout, done.stderr]
    assert "state database" in said[-3] and "run_storage" in said[-2]
    printed = capfd.readouterr()
    said += [printed.out, printed.err]
    assert held("\n".join(said).encode(), [CANARY]) == set()
    assert places(settings.home, [CANARY]) == {}
