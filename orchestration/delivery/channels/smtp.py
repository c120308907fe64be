"""An SMTP relay, one connection a message, judged by how far the dialogue got.

RFC 5321 section 4.1.1.4: the server takes responsibility with its reply to the final dot. Before
``DATA`` was answered nothing can have been accepted, whatever broke; from then on a missing reply
is a doubt.
"""

from __future__ import annotations

import ipaddress
import re
import smtplib
import socket
import ssl

from pydantic import SecretStr

from orchestration.delivery.channels.interface import (
    Accepted,
    Failed,
    Outcome,
    Retry,
    Unknown,
    detail,
)
from orchestration.delivery.message import OutgoingMessage
from orchestration.problems import Problem
from orchestration.settings import SmtpSettings


class SmtpChannel:
    """Sends through one relay.

    Args:
        settings: host, port, security, user name.
        password: for that user name.
        timeout: seconds for every single wait on the socket.

    Raises:
        Problem: a password is missing, or would travel unencrypted.
    """

    name = "smtp"

    def __init__(self, settings: SmtpSettings, password: SecretStr | None, timeout: float) -> None:
        if settings.username and password is None:
            raise Problem(
                "[delivery.smtp] has a username but there is no password.",
                remedy="set ADOPTION_SMTP_PASSWORD in the environment.",
            )
        if settings.username and settings.security == "none" and not is_loopback(settings.host):
            raise Problem(
                "[delivery.smtp] would send the password over an unencrypted connection.",
                remedy='set security = "starttls" or "tls".',
            )
        self._settings = settings
        self._password = password
        self._timeout = timeout

    def send(self, message: OutgoingMessage) -> Outcome:
        """One attempt: connect, log in, envelope, data."""
        content = message.mime()
        try:
            relay = self._connect()
        except Exception as error:  # whatever breaks here, no message was ever offered
            return self._before_data(error, "connection")
        try:
            return self._transfer(relay, message, content)
        finally:
            _hang_up(relay)

    def _connect(self) -> smtplib.SMTP:
        settings = self._settings
        name = socket.gethostname() or "localhost"
        relay: smtplib.SMTP
        if settings.security == "tls":
            relay = smtplib.SMTP_SSL(
                settings.host,
                settings.port,
                local_hostname=name,
                timeout=self._timeout,
                context=ssl.create_default_context(),
            )
        else:
            relay = smtplib.SMTP(
                settings.host, settings.port, local_hostname=name, timeout=self._timeout
            )
        try:
            relay.ehlo_or_helo_if_needed()
            if settings.security == "starttls":
                relay.starttls(context=ssl.create_default_context())
                relay.ehlo_or_helo_if_needed()
            if settings.username and self._password is not None:
                relay.login(settings.username, self._password.get_secret_value())
        except BaseException:
            relay.close()
            raise
        return relay

    def _transfer(self, relay: smtplib.SMTP, message: OutgoingMessage, content: bytes) -> Outcome:
        try:
            code, reply = relay.mail(message.sender.address)
            if code != 250:
                # about the sender: the next recipient would meet the same
                return Retry(f"MAIL FROM: {self._words(code, reply)}", halts=code >= 500)
            code, reply = relay.rcpt(message.recipient.address)
            if code >= 500:
                return Failed(f"RCPT TO: {self._words(code, reply)}")
            if code not in (250, 251):
                return Retry(f"RCPT TO: {self._words(code, reply)}")
            code, reply = relay.docmd("DATA")
            if code >= 500:
                return Failed(f"DATA: {self._words(code, reply)}")
            if code != 354:
                return Retry(f"DATA: {self._words(code, reply)}")
        except (OSError, smtplib.SMTPException) as error:
            return self._before_data(error, "envelope")
        try:
            relay.send(re.sub(rb"(?m)^\.", b"..", content) + b".\r\n")  # dots: RFC 5321, 4.5.2
            code, reply = relay.getreply()
        except (OSError, smtplib.SMTPException) as error:
            return Unknown(f"no reply to the message: {type(error).__name__}")
        if 200 <= code < 300:
            return Accepted(detail(reply.decode("utf-8", "replace")) or None)
        if code >= 500:
            return Failed(f"after the message: {self._words(code, reply)}")
        # some filters answer 4xx to the dot and deliver all the same
        return Unknown(f"after the message: {self._words(code, reply)}")

    def _before_data(self, error: Exception, phase: str) -> Retry:
        """Nothing was accepted. Halts where the relay refuses us for good (login, sender)."""
        if isinstance(error, smtplib.SMTPResponseException):
            words = self._words(error.smtp_code, error.smtp_error)
            return Retry(f"{phase}: {words}", halts=error.smtp_code >= 500)
        unfit = isinstance(error, smtplib.SMTPNotSupportedError)  # no STARTTLS, no login
        return Retry(f"{phase}: {type(error).__name__}", halts=unfit)

    def _words(self, code: int, reply: bytes | str) -> str:
        words = reply.decode("utf-8", "replace") if isinstance(reply, bytes) else str(reply)
        secret = self._password.get_secret_value() if self._password else None
        return f"{code} {detail(words, secret)}"


def _hang_up(relay: smtplib.SMTP) -> None:
    """Close without waiting for the answer to QUIT: the outcome is known by now."""
    try:
        relay.putcmd("quit")
    except (OSError, smtplib.SMTPException):
        pass
    finally:
        relay.close()


def is_loopback(host: str) -> bool:
    """Whether the host is this machine."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"
