"""Slack's interactivity, mounted beside the API under one server.

Here: one route, an answer within Slack's three seconds, and the decision after it. Not here: what a
click is (notifications.slack_clicks) and whether it counts (answer_in_chat).

Invariants: whoever cannot prove to be Slack learns nothing but that; a decision never delays the
answer to Slack, and its outcome reaches the person alone.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from protem.domain.errors import InvalidError, ProtemError, UnauthenticatedError
from protem.entrypoints.http_api.problem_responses import TooLargeError
from protem.notifications.slack_clicks import Click, SlackDoor
from protem.ports.message_board import MessageBoard
from protem.services.answer_in_chat import answer_in_chat
from protem.services.review_request import Review
from protem.services.surroundings import Surroundings

PREFIX = "/chat/slack"
"""Where it is mounted; the channel's name follows."""
_STATUSES = {UnauthenticatedError: 401, InvalidError: 400, TooLargeError: 413}
_log = structlog.stdlib.get_logger("protem.chat")


def create_slack_app(around: Surroundings, doors: Mapping[str, SlackDoor]) -> Starlette:
    """Return the application.

    Args:
        around: the ports.
        doors: by the name of their channel, which has a board.
    """
    boards = {one.name: one.board for one in around.channels if one.board is not None}

    async def clicked(request: Request) -> Response:
        name = request.path_params["name"]
        try:
            door = doors[name]
            click = door.read(request.headers.items(), await request.body(), around.clock.now())
        except KeyError:
            return Response(status_code=404)
        except (UnauthenticatedError, InvalidError, TooLargeError) as error:
            _log.warning("click refused", channel=name[:40], error=error.message)
            return PlainTextResponse(error.message, _STATUSES[type(error)])
        if click is None:
            return Response()
        task = BackgroundTask(_answer, around, boards[name], name, click)
        return Response(background=task)

    return Starlette(routes=[Route("/{name}", clicked, methods=["POST"])])


async def _answer(around: Surroundings, board: MessageBoard, name: str, click: Click) -> None:
    review = Review(
        grant_id=click.grant_id,
        digest=click.digest,
        verdict=click.verdict,
        by_chat=name,
    )
    said = await answer_in_chat(around, click.person, review)
    try:
        await board.whisper(click.reader, said)
    except ProtemError as error:
        _log.warning("answer not told", channel=name, error=error.message)
