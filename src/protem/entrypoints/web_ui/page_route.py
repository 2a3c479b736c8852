"""Errors of pages as pages: what happened, and what to do next.

Here: the one place that turns an error into HTML. Not here: which status an error has
(http_api.problem_responses says so for everybody).
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi import APIRouter, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import RedirectResponse
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException

from protem.domain.decisions import PolicyDeniedError
from protem.domain.errors import InvalidError, ProtemError
from protem.entrypoints.http_api.problem_responses import problem_of, request_id_of
from protem.entrypoints.web_ui.rendering import render
from protem.entrypoints.web_ui.session_cookie import clear_session
from protem.entrypoints.web_ui.visitors import SignInNeededError

_SEE_OTHER = 303
_log = structlog.stdlib.get_logger("protem.web")


class PageRoute(APIRoute):
    """A route whose errors are pages."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler with errors answered."""
        handler = super().get_route_handler()

        async def answered(request: Request) -> Response:
            try:
                return await handler(request)
            except SignInNeededError as error:
                response = see(error.address)
                clear_session(response)
                return response
            except ProtemError as error:
                return error_page(request, error)
            except (RequestValidationError, HTTPException):
                return error_page(request, InvalidError("what was sent is not well formed"))
            except Exception as error:  # noqa: BLE001  # the edge: logged, and shown as a page
                _log.error("unforeseen error", request_id=request_id_of(request), exc_info=error)
                return _mistake(request)

        return answered


def page_router() -> APIRouter:
    """Return a router whose errors are pages."""
    return APIRouter(route_class=PageRoute)


def see(address: str) -> Response:
    """Return the answer to a form that was taken: look there (POST, redirect, GET)."""
    return RedirectResponse(address, status_code=_SEE_OTHER)


def error_page(request: Request, error: ProtemError) -> Response:
    """Return the page of an error."""
    status, document = problem_of(error)
    return render(
        request,
        "error.html",
        status=status,
        title=document["title"],
        message=error.message,
        next_step=error.next_step,
        decision=error.decision.to_json() if isinstance(error, PolicyDeniedError) else None,
        request_id=request_id_of(request),
    )


def _mistake(request: Request) -> Response:
    return render(
        request,
        "error.html",
        status=500,
        title="Something went wrong",
        message="the server made a mistake; its log has the details under this request id",
        next_step=None,
        decision=None,
        request_id=request_id_of(request),
    )
