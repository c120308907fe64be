"""Servers that misbehave on purpose, over real sockets, and count what they accepted."""

from __future__ import annotations

import json
import socket
import ssl
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email import message_from_bytes, policy
from email.message import EmailMessage
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

Behaviour = Callable[[str], str]  # recipient's address -> what to do with this attempt


def in_turn(*answers: str) -> Behaviour:
    """Each recipient meets these answers one after the other; the last one from then on."""
    met: Counter[str] = Counter()

    def behave(recipient: str) -> str:
        index = min(met[recipient], len(answers) - 1)
        met[recipient] += 1
        return answers[index]

    return behave


def reset(connection: socket.socket) -> None:
    """Close with RST instead of FIN."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


class SendGridServer:
    """SendGrid's v3 mail/send as far as the client sees it.

    Answers: ``202``; ``202-broken`` (the answer breaks off after its status line); ``202-lost``
    (accepted, then the connection is reset without an answer); ``202-hang``; ``hang``, ``reset``
    (not accepted); ``429:<header>:<value>``; any other status.
    """

    def __init__(self, behave: Behaviour, delay: float = 0.0) -> None:
        self.accepted: Counter[tuple[str, str]] = Counter()  # (subject id, recipient)
        self.attempts: list[str] = []
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.echo = ""
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:  # where a followed redirect would lead
                with outer._lock:
                    outer.attempts.append("GET")
                self._reply(200)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                person = body["personalizations"][0]
                recipient = person["to"][0]["email"]
                with outer._lock:
                    outer.requests.append(body)
                    outer.headers.append(dict(self.headers))
                    outer.attempts.append(recipient)
                    answer = behave(recipient)
                    if answer.startswith("202"):
                        outer.accepted[(person["custom_args"]["subject_id"], recipient)] += 1
                time.sleep(delay)
                self._answer(answer)

            def _answer(self, answer: str) -> None:
                if answer in ("202-lost", "reset"):
                    reset(self.connection)
                    self.close_connection = True
                elif answer in ("202-hang", "hang"):
                    outer._stopping.wait(20)
                    self.close_connection = True
                elif answer == "202-broken":
                    self.wfile.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 50\r\n\r\nhalf")
                    self.close_connection = True
                elif answer == "202":
                    self._reply(202, {"X-Message-Id": f"sg-{len(outer.attempts)}"})
                elif answer.startswith("429:"):
                    _, header, value = answer.split(":")
                    self._reply(429, {header: value})
                elif answer.startswith("302:"):
                    self._reply(302, {"Location": answer.removeprefix("302:")})
                else:
                    self._reply(int(answer))

            def _reply(self, status: int, headers: dict[str, str] | None = None) -> None:
                words = f"refused {outer.echo or 'here'}"
                body = (
                    b"" if status == 202 else json.dumps({"errors": [{"message": words}]}).encode()
                )
                self.send_response(status)
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: Any) -> None:  # clients are killed here on purpose
                pass

        self._server = Server(("127.0.0.1", 0), Handler)
        self.host = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True
        )

    def __enter__(self) -> SendGridServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()


class SmtpServer:
    """An SMTP server (aiosmtpd).

    Answers: ``250``; ``rcpt:<code>``; ``mail:<code>``; ``dot:<code>`` (reply to the final dot, not
    accepted); ``lost`` (accepted, then reset without a reply); ``drop`` (not accepted, reset after
    the dot); ``hang`` (accepted, never answers).
    """

    def __init__(
        self,
        behave: Behaviour,
        *,
        tls: ssl.SSLContext | None = None,
        implicit_tls: bool = False,
        password: str | None = None,
    ) -> None:
        self.messages: list[tuple[str, EmailMessage, bytes]] = []
        self.accepted: Counter[tuple[str, str]] = Counter()  # (message id, recipient)
        outer = self

        class Handler:
            async def handle_MAIL(
                self, server: Any, session: Any, envelope: Any, address: str, options: Any
            ) -> str:
                envelope.mail_from = address
                answer = behave("sender") if outer.asks_sender else "250"
                return f"{answer.partition(':')[2]} no" if answer.startswith("mail:") else "250 ok"

            async def handle_RCPT(
                self, server: Any, session: Any, envelope: Any, address: str, options: Any
            ) -> str:
                answer = session.answer = behave(address)  # of this connection; several may be open
                if answer.startswith("rcpt:"):
                    return f"{answer.partition(':')[2]} <{address}> not today"
                envelope.rcpt_tos.append(address)
                return "250 ok"

            async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
                answer, to = session.answer, envelope.rcpt_tos[0]
                content: bytes = envelope.original_content
                if answer in ("250", "lost", "hang"):
                    parsed = message_from_bytes(content, policy=policy.default)
                    assert isinstance(parsed, EmailMessage)
                    outer.messages.append((to, parsed, content))
                    outer.accepted[(str(parsed["Message-ID"]), to)] += 1
                if answer in ("lost", "drop"):
                    server.transport.abort()
                    return "250 never arrives"
                if answer == "hang":
                    import asyncio

                    await asyncio.sleep(20)
                if answer.startswith("dot:"):
                    return f"{answer.partition(':')[2]} after all"
                return "250 2.0.0 queued as 4711"

        def authenticate(*arguments: Any) -> AuthResult:
            given = arguments[-1].password.decode()
            return AuthResult(success=given == password, handled=False)

        self.asks_sender = False
        options: dict[str, Any] = {}
        if tls is not None and not implicit_tls:
            options |= {"tls_context": tls, "require_starttls": True}
        if implicit_tls:
            options["ssl_context"] = tls
        if password is not None:
            options |= {
                "authenticator": authenticate,
                "auth_required": True,
                "auth_require_tls": tls is not None and not implicit_tls,
            }
        self._controller = Controller(Handler(), hostname="127.0.0.1", port=free_port(), **options)
        self.port = self._controller.port

    def __enter__(self) -> SmtpServer:
        self._controller.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._controller.stop()


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def talker(talk: Callable[[socket.socket], None]) -> Iterator[int]:
    """A bare TCP server that runs ``talk`` on each connection; yields its port."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=_quietly, args=(talk, connection), daemon=True).start()

    threading.Thread(target=serve, daemon=True).start()
    try:
        yield int(listener.getsockname()[1])
    finally:
        listener.close()


def _quietly(talk: Callable[[socket.socket], None], connection: socket.socket) -> None:
    try:
        talk(connection)
    except OSError:
        pass
    finally:
        connection.close()


def self_signed(folder: Path, name: str = "127.0.0.1") -> tuple[Path, ssl.SSLContext]:
    """A certificate for the loopback address, and a server context that shows it."""
    import subprocess

    certificate, key = folder / "certificate.pem", folder / "key.pem"
    kind = "IP" if name[0].isdigit() else "DNS"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName={kind}:{name}",
         "-keyout", str(key), "-out", str(certificate)],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
