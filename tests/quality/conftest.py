"""A lake with nothing in it, and an organisation in London."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestration.feeds.contract import CONTRACT
from orchestration.feeds.deliveries import initialise
from orchestration.lake import Lake
from orchestration.settings import FeedSettings, Settings


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    initialise(lake)
    return lake


@pytest.fixture
def make_settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings of an organisation in London with all feeds declared."""

    def make(
        on_stale: str = "mark", without: tuple[str, ...] = (), **feeds: dict[str, Any]
    ) -> Settings:
        declared = {
            name: FeedSettings(files={"f": f"{name}_{{date}}.csv"}, **feeds.get(name, {}))
            for name in CONTRACT
            if name not in without
        }
        return Settings.model_validate(
            {
                "organisation": {
                    "name": "Test",
                    "time_zone": "Europe/London",
                    "country": "GB",
                    "subdivision": "ENG",
                    "history_from": "2026-01-01",
                },
                "paths": {"home": str(tmp_path)},
                "review": {"on_stale": on_stale},
                "landing": {"settle_seconds": 0},
                "feeds": declared,
            }
        )

    return make
