"""The small web application beside the pipeline: provider events in, confirmations in, no figures.

It belongs behind a proxy that speaks TLS. Addresses of requests hold tokens, so none is logged. A
GET changes nothing, since mail scanners open every link; only the button on its page does.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from datetime import date
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from orchestration.delivery.webhook import SIGNATURE, TIMESTAMP, Refused, Webhook
from orchestration.problems import Problem
from orchestration.recording.links import Confirmation, Signer, confirm
from orchestration.review.pages import template
from orchestration.review.words import clean, long_date
from orchestration.settings import Secrets, Settings
from orchestration.state import State

_EVENTS_BYTES = 8 * 2**20  # a batch has a few hundred kB
_FORM_BYTES = 4096
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex",
}
_log = logging.getLogger(__name__)

Endpoint = Callable[[Request], Awaitable[Response]]


def application(settings: Settings, state: State, secrets: Secrets) -> Starlette:
    """The application: ``/sendgrid/events`` and ``/confirm/<token>``, each where its key is set.

    Raises:
        Problem: no key is set, or one is not usable.
    """
    routes = [Route("/health", _health, methods=["GET"])]
    if secrets.sendgrid_webhook_key is not None:
        webhook = Webhook(state, secrets.sendgrid_webhook_key.get_secret_value())
        routes.append(Route("/sendgrid/events", _events(webhook), methods=["POST"]))
    if secrets.link_key is not None:
        pages = _Pages(settings, state, Signer(secrets.link_key))
        routes.append(Route("/confirm/{token}", pages.answer, methods=["GET", "POST"]))
    if len(routes) == 1:
        raise Problem(
            "there is nothing to serve: no key is set.",
            remedy="set ADOPTION_SENDGRID_WEBHOOK_KEY for SendGrid's events, ADOPTION_LINK_KEY "
            "for confirmation links, or both.",
        )
    return Starlette(routes=routes)


async def _health(_: Request) -> Response:
    return PlainTextResponse("ok\n")


async def _body(request: Request, most: int) -> bytes | None:
    """The body; None where it is longer than it may be."""
    read = bytearray()
    async for part in request.stream():
        read += part
        if len(read) > most:
            return None
    return bytes(read)


def _events(webhook: Webhook) -> Endpoint:
    async def receive(request: Request) -> Response:
        try:
            body = await _body(request, _EVENTS_BYTES)
        except ClientDisconnect:
            return Response(status_code=400)
        if body is None:
            return Response(status_code=413)
        signature = request.headers.get(SIGNATURE, "")
        timestamp = request.headers.get(TIMESTAMP, "")
        try:
            await run_in_threadpool(webhook.receive, body, signature, timestamp)
        except Refused as refused:
            _log.warning("a request was refused: %s", refused)
            return Response(status_code=refused.status)
        except Problem as problem:
            _log.error("events could not be kept: %s", problem.message)
            return Response(status_code=503)  # SendGrid tries again
        return Response(status_code=204)

    return receive


class _Pages:
    """The page behind a confirmation link."""

    def __init__(self, settings: Settings, state: State, signer: Signer) -> None:
        self._settings = settings
        self._state = state
        self._signer = signer

    async def answer(self, request: Request) -> Response:
        """GET and HEAD show the question; POST records the answer."""
        confirmation = self._signer.read(request.path_params["token"])
        if confirmation is None:
            return self._page("This link is not one of ours.", "Ask for a new one.", 404)
        today = self._today()
        if today > confirmation.until:
            until = long_date(confirmation.until)
            return self._page(f"This link was good until {until}.", "Ask for a new one.", 410)
        if confirmation.on is not None and today < confirmation.on:
            on = long_date(confirmation.on)
            return self._page(f"The sitting is on {on}.", "Confirm once it has been held.", 409)
        if request.method != "POST":
            return self._question(confirmation)
        try:
            body = await _body(request, _FORM_BYTES)
        except ClientDisconnect:
            return Response(status_code=400)
        form = parse_qs((body or b"").decode("utf-8", "replace"))
        address = form.get("address", [""])[0]
        if "@" not in address:
            return self._question(confirmation, missing=True)
        try:
            await run_in_threadpool(confirm, self._settings, confirmation, address, today)
        except Problem as problem:
            _log.error("a confirmation could not be recorded: %s", problem.message)
            return self._page(
                "It could not be recorded just now.", "Please try again in some minutes.", 503
            )
        # the same words for every address: the page is no directory of who works here
        return self._page(
            "Thank you.", "It is recorded if this is your mail address in the HR records.", 200
        )

    def _today(self) -> date:
        return self._state.now().astimezone(self._settings.organisation.zone).date()

    def _question(self, confirmation: Confirmation, *, missing: bool = False) -> Response:
        if confirmation.what == "cascaded":
            asked, button = (
                f"Message {confirmation.about}: has your team heard it?",
                "I cascaded this",
            )
        else:
            on = long_date(confirmation.on) if confirmation.on else ""
            sitting = confirmation.about.replace("_", " ")
            kind = sitting if confirmation.about == "manager_forum" else f"{sitting} review"
            asked, button = f"The {kind} of {on}: were you there?", "I attended"
        note = "Please give your work mail address." if missing else ""
        return self._page(asked, note, 400 if missing else 200, button)

    def _page(self, title: str, note: str, status: int, button: str = "") -> Response:
        html = template("confirm/page.html.j2").render(
            organisation=clean(self._settings.organisation.name, 80),
            title=clean(title, 200),
            note=note,
            button=button,
        )
        return HTMLResponse(html, status, _HEADERS)


def serve(settings: Settings, host: str, port: int) -> None:
    """Serve until stopped. Requests are not logged: their addresses hold tokens.

    Raises:
        Problem: no key is set, or the state database cannot be opened.
    """
    import uvicorn

    with State.open(settings) as state:
        uvicorn.run(
            application(settings, state, Secrets()),
            host=host,
            port=port,
            access_log=False,
            log_level="warning",
            server_header=False,
            limit_concurrency=64,
            timeout_keep_alive=5,
        )
