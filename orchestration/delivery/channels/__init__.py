"""The channels that mail leaves through, behind one interface."""

from __future__ import annotations

from orchestration.delivery.channels.interface import (
    Accepted,
    Channel,
    Failed,
    Outcome,
    Retry,
    Unknown,
)
from orchestration.problems import Problem
from orchestration.settings import Secrets, Settings

__all__ = ["Accepted", "Channel", "Failed", "Outcome", "Retry", "Unknown", "open_channel"]


def open_channel(settings: Settings, secrets: Secrets | None = None) -> Channel:
    """The channel that ``[delivery] channel`` names.

    Args:
        secrets: from the environment when None.

    Raises:
        Problem: its settings or its secret are missing or unsafe.
    """
    secrets = secrets or Secrets()
    delivery = settings.delivery
    if delivery.channel == "outbox":
        from orchestration.delivery.channels.outbox import OutboxChannel

        return OutboxChannel(settings.home / "outbox")
    if delivery.channel == "smtp":
        from orchestration.delivery.channels.smtp import SmtpChannel

        return SmtpChannel(delivery.smtp, secrets.smtp_password, delivery.timeout_seconds)
    if secrets.sendgrid_api_key is None:
        raise Problem(
            "the sendgrid channel has no API key.",
            remedy="set ADOPTION_SENDGRID_API_KEY in the environment.",
        )
    from orchestration.delivery.channels.sendgrid import SendGridChannel

    return SendGridChannel(delivery.sendgrid, secrets.sendgrid_api_key, delivery.timeout_seconds)
