"""The application that takes clicks in a chat, mounted beside the API under one server.

Here: one route for each channel: believe, acknowledge, answer. It is an application of its own
because its callers are: they sign bodies and bear no token. Not here: what Slack signs and sends
(notifications.slack_clicks), and what an answer does (answer_in_chat).

Invariants:
- Slack is acknowledged before anything is decided, since it waits for three seconds alone; a crash
  in between loses a click, never an answer, and the message still stands there.
- Whoever clicked is told what came of it, and nobody else.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from protem.domain.errors import InvalidError, NotFoundError, ProtemError, RetryLaterError
from protem.entrypoints.http_api.problem_responses import (
    TooLargeError,
    problem_of,
    problem_response,
    request_id_of,
)
from protem.notifications.slack_clicks import FORM, MOST_BYTES, SlackClick, SlackDesk
from protem.services.answer_in_chat import ChatAnswer, answer_in_chat
from protem.services.surroundings import Surroundings

PREFIX = "/chat/slack"
"""Where it is mounted."""
_log = structlog.stdlib.get_logger("protem.chat")


def create_chat_app(around: Surroundings, desks: Mapping[str, SlackDesk]) -> Starlette:
    """Return the application.

    Args:
        around: the ports.
        desks: what takes clicks, by the channel's name in the settings.
    """
    app = Starlette(
        routes=[Route("/{name}", _post_click, methods=["POST"])],
    )
    app.state.around, app.state.desks = around, dict(desks)
    return app


async def _post_click(request: Request) -> Response:
    try:
        return await _take(request)
    except ProtemError as error:
        status, document = problem_of(error)
        return problem_response(status, document, request_id_of(request))


async def _take(request: Request) -> Response:
    name = request.path_params["name"]
    desk: SlackDesk | None = request.app.state.desks.get(name)
    if desk is None:
        raise NotFoundError("there is no such channel")
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
        raise InvalidError(f"a click is sent as {FORM}")
    body = await _bounded(request)
    desk.check(body, dict(request.headers))
    click = desk.read(body)
    if click is None:
        return Response()
    request.scope["protem.principal"] = None if click.person is None else str(click.person)
    return Response(background=BackgroundTask(_answer, request.app.state.around, name, desk, click))


async def _answer(around: Surroundings, name: str, desk: SlackDesk, click: SlackClick) -> None:
    if click.person is None:
        words = (
            f"Nothing was recorded: the settings of this server name nobody for the user"
            f" {click.user}. Answer on the page, or ask who runs the server to name you."
        )
    else:
        answer = ChatAnswer(
            channel=name,
            person=click.person,
            grant_id=click.grant_id,
            digest=click.digest,
            verdict=click.verdict,
        )
        words = await answer_in_chat(around, answer)
    try:
        await desk.tell(click.reply_to, words)
    except RetryLaterError as error:
        _log.warning("no reply", channel=name, error=error.message)


async def _bounded(request: Request) -> bytes:
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MOST_BYTES:
            raise TooLargeError(f"a click has at most {MOST_BYTES} bytes")
    return bytes(body)
