"""A chat, and an outside monitor, told over HTTP; their addresses are secrets, never shown."""

from __future__ import annotations

import logging
import urllib.error
import urllib.request
from urllib.parse import urlsplit

from pydantic import SecretStr

from orchestration.delivery.channels.interface import Accepted, Outcome, Retry
from orchestration.delivery.channels.smtp import is_loopback
from orchestration.problems import Problem

_HEARTBEAT_SECONDS = 8.0


class Chat:
    """A chat channel by the Apprise library.

    Args:
        url: the webhook in Apprise's notation.

    Raises:
        Problem: Apprise does not know what it is. The message does not repeat it.
    """

    def __init__(self, url: SecretStr) -> None:
        import apprise

        # its log names the address; what matters of it is in the outcome
        logging.getLogger("apprise").setLevel(logging.CRITICAL + 1)
        asset = apprise.AppriseAsset(
            async_mode=False, storage_mode="memory", allow_templates=False, http_redirects=False
        )
        self._service = apprise.Apprise(asset=asset)
        if not self._service.add(url.get_secret_value()):
            raise Problem(
                "ADOPTION_ALERT_WEBHOOK is no address that the Apprise library knows.",
                remedy="write it as its documentation says, such as slack://... or "
                "json://host/path.",
            )

    def send(self, subject: str, text: str) -> Outcome:
        """Post one message; accepted only where the service said so."""
        import apprise

        sent = self._service.notify(
            title=subject, body=text, body_format=apprise.NotifyFormat.TEXT, interpret_escapes=False
        )
        return Accepted() if sent else Retry("the chat did not take it")


def beat(url: SecretStr) -> None:
    """Tell an outside monitor that the watch is alive.

    Raises:
        Problem: the address is unfit, or the monitor did not answer with success.
    """
    parts = urlsplit(url.get_secret_value())
    secure = parts.scheme == "https" or (
        parts.scheme == "http" and is_loopback(parts.hostname or "")
    )
    if not secure:
        raise Problem(
            "ADOPTION_HEARTBEAT_URL is not an https address.", remedy="use the monitor's https URL."
        )
    request = urllib.request.Request(url.get_secret_value(), method="GET")  # noqa: S310
    try:
        with urllib.request.urlopen(request, timeout=_HEARTBEAT_SECONDS):  # noqa: S310
            return
    except urllib.error.HTTPError as error:
        reason = f"it answered {error.code}"
    except OSError as error:
        reason = type(error).__name__
    raise Problem(
        f"the outside monitor was not reached: {reason}.",
        remedy="check ADOPTION_HEARTBEAT_URL and the way out to it.",
    )
