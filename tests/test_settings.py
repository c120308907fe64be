"""Settings: what is wrong is named; secrets never come from the file or show in text."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestration.problems import Problem
from orchestration.settings import PROJECT_ROOT, Secrets, Settings, load_settings

MINIMAL = '[organisation]\nname = "Test"\n'


def _load(tmp_path: Path, text: str) -> Settings:
    file = tmp_path / "adoption.toml"
    file.write_text(text, encoding="utf-8")
    return load_settings(file)


def test_defaults_lie_under_the_home_folder(tmp_path: Path) -> None:
    settings = _load(tmp_path, MINIMAL)
    assert settings.home == PROJECT_ROOT / "var"
    assert settings.landing_folder == PROJECT_ROOT / "var" / "landing"
    assert settings.lake_url == str(PROJECT_ROOT / "var" / "lake")
    assert settings.delivery.channel == "outbox"
    assert settings.organisation.time_zone == "UTC"


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ('[organisation]\nname = "T"\ntime_zone = "Mars/Olympus"\n', "organisation.time_zone"),
        ('[organisation]\nname = "T"\ncountry = "XX"\n', "XX"),
        ('[organisation]\nname = "T"\ncolour = "red"\n', "organisation.colour"),
        (MINIMAL + '[delivery]\nchannel = "pigeon"\n', "delivery.channel"),
        (MINIMAL + '[warehouse]\nengine = "abacus"\n', "warehouse.engine"),
        (
            MINIMAL
            + '[paths]\nstate = "postgresql+psycopg://h/d"\ninstance = "postgresql://h/d"\n',
            "a database of their own",
        ),
        (MINIMAL + '[delivery.smtp]\npassword = "hunter2"\n', "delivery.smtp.password"),
        (MINIMAL + '[feeds.peeple]\nfiles = { a = "a_{date}.csv" }\n', "feeds.peeple"),
        (MINIMAL + '[feeds.people]\nfiles = { a = "a.csv" }\n', "no {date}"),
        (MINIMAL + '[feeds.people]\nfiles = { a = "../../etc/{date}" }\n', "leaves the landing"),
        (MINIMAL + '[feeds.people]\nfiles = { a = "/etc/{date}" }\n', "leaves the landing"),
    ],
)
def test_a_wrong_setting_is_named(tmp_path: Path, text: str, named: str) -> None:
    with pytest.raises(Problem) as caught:
        _load(tmp_path, text)
    assert named in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_missing_or_broken_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Problem, match="does not exist"):
        load_settings(tmp_path / "none.toml")
    with pytest.raises(Problem, match="not readable as TOML"):
        _load(tmp_path, "[organisation\n")


def test_secrets_come_from_the_environment_and_do_not_print(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ADOPTION_SMTP_PASSWORD", "canary-7f3a")
    secrets = Secrets()
    assert secrets.smtp_password is not None
    assert secrets.smtp_password.get_secret_value() == "canary-7f3a"
    assert "canary-7f3a" not in repr(secrets) + str(secrets) + secrets.model_dump_json()
