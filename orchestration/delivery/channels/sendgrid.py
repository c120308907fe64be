"""SendGrid's v3 mail/send, through the ``sendgrid`` client.

The client is used with its transport replaced in three places, each of which matters here: it has
no timeout of its own; it follows redirects, handing the API key to wherever they lead; and it
wraps a refused connection and a reset in mid-request into the same error, while only the first is
certainly not accepted. It also logs headers, the key among them, at DEBUG: that logger is muted.
"""

from __future__ import annotations

import base64
import http.client
import json
import logging
import time
import urllib.error
import urllib.request
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from orchestration.delivery.channels.interface import (
    Accepted,
    Failed,
    Outcome,
    Retry,
    Unknown,
    detail,
)
from orchestration.delivery.channels.smtp import is_loopback
from orchestration.delivery.message import OutgoingMessage, Part
from orchestration.problems import Problem
from orchestration.settings import SendGridSettings

_LONGEST_WAIT = 3600.0
_CALENDAR = "text/calendar"


class _NotConnected(OSError):
    """No connection came about, so no request was sent."""


class _PlainConnection(http.client.HTTPConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:
            raise _NotConnected(type(error).__name__) from error


class _TlsConnection(http.client.HTTPSConnection):
    def connect(self) -> None:
        try:
            super().connect()
        except OSError as error:  # a TLS failure is one too
            raise _NotConnected(type(error).__name__) from error


class _PlainHandler(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_PlainConnection, request)


class _TlsHandler(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> Any:
        return self.do_open(_TlsConnection, request)  # default context: verified


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Silence(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        return False


_SILENCE = _Silence()


class SendGridChannel:
    """Sends through SendGrid's HTTP interface.

    Args:
        settings: host (the EU's by default) and category.
        key: the API key.
        timeout: seconds for every single wait on the socket.

    Raises:
        Problem: the host is not https.
    """

    name = "sendgrid"

    def __init__(self, settings: SendGridSettings, key: SecretStr, timeout: float) -> None:
        place = urlsplit(settings.host)
        if place.scheme != "https" and not (
            place.scheme == "http" and is_loopback(place.hostname or "")
        ):
            raise Problem(
                "[delivery.sendgrid] host is not an https address.",
                remedy="use https://api.eu.sendgrid.com or https://api.sendgrid.com.",
            )
        self._settings = settings
        self._key = key
        self._timeout = timeout

    def send(self, message: OutgoingMessage) -> Outcome:
        """One POST to /v3/mail/send."""
        from python_http_client.exceptions import HTTPError
        from sendgrid import SendGridAPIClient

        logging.getLogger("python_http_client.client").addFilter(_SILENCE)
        secret = self._key.get_secret_value()
        client = SendGridAPIClient(api_key=secret, host=self._settings.host.rstrip("/"))
        transport = _transport(client.client.request_headers, client.host, self._timeout)
        client.client = transport
        try:
            response = client.send(_payload(message, self._settings.category))
        except HTTPError as error:
            return self._refused(error.status_code, error.headers, error.body)
        except urllib.error.URLError as error:
            if isinstance(error.reason, _NotConnected):
                return Retry(f"no connection: {error.reason}")
            return Unknown(f"the request broke off: {type(error.reason).__name__}")
        except (OSError, http.client.HTTPException) as error:
            # the status line may have come before the answer broke off
            if transport.answered == 202:
                return Accepted(None)
            return Unknown(f"no answer: {type(error).__name__}")
        if response.status_code == 202:
            return Accepted(detail(response.headers.get("X-Message-Id") or "", secret) or None)
        return Unknown(f"HTTP {response.status_code}")

    def _refused(self, status: int, headers: Any, body: bytes) -> Outcome:
        words = f"HTTP {status} {self._words(body)}".strip()
        if status == 429:
            return Retry(words, after=_seconds_to_reset(headers))
        if 300 <= status < 400 or status in (401, 403, 404, 405):
            # key, sender identity or host are wrong: nobody's mail is taken until that is mended
            return Retry(words, halts=True)
        if 400 <= status < 500 and status != 408:
            return Failed(words)
        return Unknown(words)

    def _words(self, body: bytes) -> str:
        try:
            errors = json.loads(body)["errors"]
            words = "; ".join(str(error["message"]) for error in errors)
        except (ValueError, TypeError, KeyError):
            return ""
        return detail(words, self._key.get_secret_value())


def _transport(headers: dict[str, str], host: str, timeout: float) -> Any:
    """The client's own HTTP class, with a timeout, no redirects and known phases."""
    from python_http_client.client import Client

    class Transport(Client):  # type: ignore[misc]  # the package has no types
        answered: int | None = None
        root: Any = None

        def _build_client(self, name: str | None = None) -> Any:
            child = Transport(
                host=self.host,
                version=self._version,
                request_headers=self.request_headers,
                url_path=[*self._url_path, name] if name else self._url_path,
                timeout=timeout,
            )
            child.root = self.root or self
            return child

        def _make_request(self, opener: Any, request: Any, timeout: Any = None) -> Any:
            careful = urllib.request.build_opener(_PlainHandler, _TlsHandler, _NoRedirect)
            response = super()._make_request(careful, request, timeout=timeout)
            (self.root or self).answered = response.getcode()
            return response

    return Transport(host=host, request_headers=headers, version=3, timeout=timeout)


def _payload(message: OutgoingMessage, category: str) -> dict[str, Any]:
    """The request body, as SendGrid's v3 reference describes it."""
    sender = {"email": message.sender.address}
    if message.sender.name:
        sender["name"] = message.sender.name
    recipient = {"email": message.recipient.address}
    if message.recipient.name:
        recipient["name"] = message.recipient.name
    payload: dict[str, Any] = {
        "from": sender,
        "personalizations": [
            {
                "to": [recipient],
                "custom_args": {
                    "message_kind": message.kind,
                    "subject_id": message.subject_id,
                    "recipient_key": message.recipient_key,
                },
            }
        ],
        "subject": message.subject,
        "content": [
            {"type": "text/plain", "value": message.text},
            {"type": "text/html", "value": message.html},
        ],
        "categories": [category, message.kind],
        "headers": {"Auto-Submitted": "auto-generated", "Message-ID": message.message_id},
        "tracking_settings": {
            "click_tracking": {"enable": False, "enable_text": False},
            "open_tracking": {"enable": False},
            "subscription_tracking": {"enable": False},
            "ganalytics": {"enable": False},
        },
    }
    files = [
        *(_file(part, "inline") for part in message.inline),
        *(_file(part, "attachment") for part in message.attachments),
    ]
    if message.calendar is not None:
        # the method may stand in the type, a charset may not (sendgrid-php issue 250)
        invitation = _file(message.calendar, "attachment")
        files.append({**invitation, "type": f"{_CALENDAR}; method=REQUEST"})
    if files:
        payload["attachments"] = files
    return payload


def _file(part: Part, disposition: str) -> dict[str, str]:
    described = {
        "content": base64.b64encode(part.content).decode("ascii"),
        "type": part.media_type,
        "filename": part.name,
        "disposition": disposition,
    }
    if part.content_id:
        described["content_id"] = part.content_id
    return described


def _seconds_to_reset(headers: Any) -> float | None:
    """Seconds until the limit is lifted, by the server's own clock where it tells it.

    ``Retry-After`` is seconds; ``X-RateLimit-Reset`` is a Unix time.
    """
    try:
        if (wait := headers.get("Retry-After")) is not None:
            return min(max(float(wait), 0.0), _LONGEST_WAIT)
        reset = float(headers.get("X-RateLimit-Reset"))
    except (TypeError, ValueError):
        return None
    if reset < 1e6:  # no Unix time of this age: seconds
        return min(max(reset, 0.0), _LONGEST_WAIT)
    try:
        now: float = parsedate_to_datetime(headers.get("Date")).timestamp()
    except (TypeError, ValueError):
        now = time.time()
    return min(max(reset - now, 0.0), _LONGEST_WAIT)
