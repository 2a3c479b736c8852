"""Errors as ``application/problem+json`` (RFC 9457): the one place that knows statuses.

Here: which error family is which status, and the document. Not here: raising errors.

Invariants: a message of ours is shown, never that of a foreign exception; what nobody foresaw is a
500 that says only its request id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException

from protem.domain.decisions import PolicyDeniedError
from protem.domain.errors import (
    AuditUnavailableError,
    ClockSteppedBackError,
    ConflictError,
    DeniedError,
    ExpiredError,
    IdentityProviderError,
    InvalidError,
    NotFoundError,
    ProtemError,
    RefusedError,
    TargetError,
    UnauthenticatedError,
)

MEDIA_TYPE = "application/problem+json"
_TYPE = "https://protem.dev/problems/"
_RETRY_AFTER_SECONDS = "2"
_HTTP_CODES = {404: "not_found", 405: "method_not_allowed", 400: "invalid"}
_log = structlog.stdlib.get_logger("protem.http")


class TooManyError(ProtemError):
    """The caller has too much open at once."""

    code = "too_many"


class TooLargeError(ProtemError):
    """The body is over its bound."""

    code = "too_large"


STATUSES: tuple[tuple[type[ProtemError], int, str], ...] = (
    (InvalidError, 422, "Not well formed"),
    (UnauthenticatedError, 401, "Not signed in"),
    (IdentityProviderError, 503, "The identity provider cannot be asked now"),
    (DeniedError, 403, "Denied"),
    (NotFoundError, 404, "Not found"),
    (ExpiredError, 410, "Too late"),
    (ConflictError, 409, "In conflict with the present state"),
    (AuditUnavailableError, 503, "The audit log cannot be written"),
    (ClockSteppedBackError, 503, "The clock was set back"),
    (RefusedError, 502, "The target refuses"),
    (TargetError, 503, "The target cannot do it now"),
    (TooManyError, 429, "Too many at once"),
    (TooLargeError, 413, "Too large"),
)
"""The first family that fits; a family comes before its parent."""


def problem_of(error: ProtemError) -> tuple[int, dict[str, Any]]:
    """Return status and document of an error, without the request's id."""
    status, title = 500, "Something went wrong"
    for family, its_status, its_title in STATUSES:
        if isinstance(error, family):
            status, title = its_status, its_title
            break
    document: dict[str, Any] = {
        "type": _TYPE + error.code,
        "title": title,
        "status": status,
        "detail": error.message,
        "code": error.code,
        "next_step": error.next_step,
    }
    if isinstance(error, PolicyDeniedError):
        document["decision"] = error.decision.to_json()
    return status, document


def problem_response(status: int, document: Mapping[str, Any], request_id: str) -> Response:
    """Return the response; it names the request so that a log line can be found."""
    headers = {}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["www-authenticate"] = "Bearer"
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers["retry-after"] = _RETRY_AFTER_SECONDS
    return Response(
        json.dumps({**document, "request_id": request_id}).encode(),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a problem document."""
    app.add_exception_handler(ProtemError, _ours)
    app.add_exception_handler(RequestValidationError, _not_valid)
    app.add_exception_handler(ValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(Exception, _unforeseen)


def request_id_of(request: Request) -> str:
    """Return the id that the boundary gave this request."""
    return str(request.scope.get("protem.request_id", ""))


async def _ours(request: Request, error: Exception) -> Response:
    if not isinstance(error, ProtemError):
        return await _unforeseen(request, error)
    status, document = problem_of(error)
    return problem_response(status, document, request_id_of(request))


async def _not_valid(request: Request, error: Exception) -> Response:
    if not isinstance(error, (RequestValidationError, ValidationError)):
        return await _unforeseen(request, error)
    parts = []
    for found in error.errors():
        where = ".".join(str(part) for part in found["loc"])
        parts.append(f"{where}: {found['msg']}" if where else str(found["msg"]))
    status, document = problem_of(InvalidError("; ".join(parts)[:2_000]))
    return problem_response(status, document, request_id_of(request))


async def _of_framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await _unforeseen(request, error)
    document = {
        "type": "about:blank",
        "title": str(error.detail),
        "status": error.status_code,
        "detail": str(error.detail),
        "code": _HTTP_CODES.get(error.status_code, "http"),
        "next_step": None,
    }
    return problem_response(error.status_code, document, request_id_of(request))


async def _unforeseen(request: Request, error: Exception) -> Response:
    _log.error("unforeseen error", request_id=request_id_of(request), exc_info=error)
    document = {
        "type": _TYPE + "internal",
        "title": "Something went wrong",
        "status": 500,
        "detail": "the server made a mistake; its log has the details under this request id",
        "code": "internal",
        "next_step": None,
    }
    return problem_response(500, document, request_id_of(request))
