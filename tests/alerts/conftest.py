"""An organisation with a few feeds, a clock that is moved by hand, a webhook over a real socket."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from pydantic import SecretStr

from orchestration.alerts.sensors import Watched, watch
from orchestration.feeds.deliveries import initialise
from orchestration.lake import Lake
from orchestration.settings import FeedSettings, Secrets, Settings
from orchestration.state import State
from tests.delivery.servers import Behaviour, SmtpServer, in_turn
from tests.quality.small_deliveries import in_place, manifest_of

# a Tuesday morning; the month of September 2026 was due on its third working day, 5 October
NOW = datetime(2026, 10, 6, 9, 0, tzinfo=UTC)
NOTHING = Watched({}, ())
OWNER, LEAD, OPERATIONS = "hr@example.org", "lead@example.org", "ops@example.org"
FEEDS = ("people", "org_units", "courses", "enrolments", "activity", "records")


class Web:
    """An HTTP server that takes posts (a chat) and gets (a monitor), and may refuse them."""

    def __init__(self) -> None:
        self.posts: list[dict[str, Any]] = []
        self.gets: list[str] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if outer.status == 200:
                    outer.posts.append(json.loads(body))
                self._answer()

            def do_GET(self) -> None:
                if outer.status == 200:
                    outer.gets.append(self.path)
                self._answer()

            def _answer(self) -> None:
                self.send_response(outer.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]

    def __enter__(self) -> Web:
        threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        ).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()


@dataclass
class Office:
    """An organisation under watch."""

    settings: Settings
    state: State
    lake: Lake
    instance: DagsterInstance
    mail: SmtpServer
    web: Web
    moment: datetime = NOW
    secrets: Secrets = field(default_factory=Secrets)

    def watch(self, watched: Watched = NOTHING, **after: float) -> str:
        """One round, some time (as of ``timedelta``) after the one before."""
        self.moment += timedelta(**after)
        return watch(self.settings, self.state, self.instance, watched, self.secrets)

    def deliver(self, day: date, *feeds: str) -> None:
        """A delivery of that date, in force, of some feeds; of all where none is named."""
        for name in feeds or [feed for feed in FEEDS if feed != "records"]:
            in_place(self.lake, manifest_of(name, day, verdict="promoted"))  # type: ignore[arg-type]

    def mails(self) -> list[tuple[str, str]]:
        """Recipient and subject of every mail so far, without the organisation's name."""
        return [
            (to, str(mail["Subject"]).strip().removeprefix("Example adoption review: "))
            for to, mail, _ in self.mail.messages
        ]

    def text(self, index: int = -1) -> str:
        body = self.mail.messages[index][1].get_body(("plain",))
        assert body is not None
        return str(body.get_content())


OfficeFactory = Callable[..., Office]


@pytest.fixture
def instance() -> Iterator[DagsterInstance]:
    with DagsterInstance.ephemeral() as made:
        yield made


@pytest.fixture
def open_office(tmp_path: Path, instance: DagsterInstance) -> Iterator[OfficeFactory]:
    """Opens an organisation; ``mail`` answers as told, ``alerts`` and feeds are as given."""
    opened: list[Any] = []

    def make(
        *answers: str,
        behave: Behaviour | None = None,
        chat: bool = False,
        monitor: bool = False,
        alerts: dict[str, Any] | None = None,
        domains: tuple[str, ...] = ("example.org",),
        owners: dict[str, dict[str, Any]] | None = None,
    ) -> Office:
        mail = SmtpServer(behave or in_turn(*(answers or ("250",)))).__enter__()
        web = Web().__enter__()
        opened.extend([mail, web])
        owned = {feed: {"owner_email": OWNER} for feed in FEEDS} if owners is None else owners
        settings = Settings.model_validate(
            {
                "organisation": {
                    "name": "Example",
                    "time_zone": "Europe/London",
                    "country": "GB",
                    "subdivision": "ENG",
                    "history_from": "2026-01-01",
                },
                "paths": {"home": str(tmp_path)},
                "delivery": {
                    "channel": "smtp",
                    "allowed_domains": domains,
                    "timeout_seconds": 5,
                    "smtp": {"host": "127.0.0.1", "port": mail.port, "security": "none"},
                },
                "alerts": {
                    "lead_email": LEAD,
                    "operations_email": OPERATIONS,
                    **(alerts or {}),
                },
                "feeds": {
                    feed: FeedSettings(
                        files={"f": f"{feed}_{{date}}.csv"}, deadline_days=3, **owned.get(feed, {})
                    )
                    for feed in FEEDS
                },
            }
        )
        state = State.open(settings)
        opened.append(state)
        lake = Lake(settings.lake_url, settings.duckdb)
        initialise(lake)
        office = Office(settings, state, lake, instance, mail, web)
        office.secrets = Secrets(
            alert_webhook=SecretStr(f"json://127.0.0.1:{web.port}/chat-canary") if chat else None,
            heartbeat_url=SecretStr(f"http://127.0.0.1:{web.port}/beat-canary")
            if monitor
            else None,
        )
        state.now = lambda: office.moment  # type: ignore[method-assign]
        return office

    yield make
    for each in reversed(opened):
        each.__exit__(None, None, None)
