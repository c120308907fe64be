"""Secrets planted in the environment and the settings are never shown by what is wrong there."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT, SAMPLE_SETTINGS, Secrets, load_settings
from orchestration.state import State

CANARY = "canary-5f1c"
SECRETS = {
    "ADOPTION_SMTP_PASSWORD": CANARY,
    "ADOPTION_SENDGRID_API_KEY": f"SG.{CANARY}",
    "ADOPTION_ALERT_WEBHOOK": f"https://chat.invalid/hook/{CANARY}",
    "ADOPTION_HEARTBEAT_URL": f"https://beat.invalid/{CANARY}",
}


def settings_with(folder: Path, text: str, *, state: str = "") -> Path:
    file = folder / "settings.toml"
    sample = SAMPLE_SETTINGS.read_text(encoding="utf-8")
    assert sample.count("\n[paths]\n") == 1
    if state:
        sample = sample.replace("\n[paths]\n", f'\n[paths]\nstate = "{state}"\n')
    file.write_text(sample + text, encoding="utf-8")
    return file


def test_secrets_of_the_environment_are_not_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    secrets = Secrets()
    assert secrets.smtp_password is not None
    assert secrets.smtp_password.get_secret_value() == CANARY
    settings = load_settings(settings_with(tmp_path, ""))
    for text in (
        repr(secrets),
        str(secrets),
        secrets.model_dump_json(),
        str(secrets.model_dump()),
        repr(settings),
        settings.model_dump_json(),
    ):
        assert CANARY not in text


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://adoption:{CANARY}@127.0.0.1:1/adoption",
        f"postgresql://adoption:{CANARY}@127.0.0.1:1/adoption?sslmode=bad",
        f"nonsense://adoption:{CANARY}@host/x",
        CANARY,
    ],
)
def test_a_state_database_that_cannot_be_reached_does_not_show_its_password(
    tmp_path: Path, url: str
) -> None:
    with pytest.raises(Problem) as caught:
        State.at(url, tmp_path)
    assert CANARY not in str(caught.value)
    assert CANARY not in repr(load_settings(settings_with(tmp_path, "", state=url)))


def test_wrong_settings_do_not_show_what_stands_in_them(tmp_path: Path) -> None:
    file = settings_with(tmp_path, f'\n[delivery.smtp]\npassword = "{CANARY}"\n')
    done = subprocess.run(
        [sys.executable, "-m", "orchestration", "dry-run"],
        cwd=PROJECT_ROOT,
        env={**os.environ, "ADOPTION_SETTINGS": str(file)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1
    assert "password" in done.stderr and "Traceback" not in done.stderr
    assert CANARY not in done.stdout + done.stderr
