"""Errors as SCIM writes them: the one place that knows its statuses and keywords.

Source: RFC 7644, section 3.12, tables 8 and 9.
"""

from __future__ import annotations

import structlog
from fastapi import FastAPI, Request, Response
from pydantic import ValidationError
from scim2_models import Error, SCIMException
from starlette.exceptions import HTTPException

from protem.domain.directories import OutdatedError, TakenError
from protem.domain.errors import (
    AuditUnavailableError,
    ClockSteppedBackError,
    ConflictError,
    InvalidError,
    NotFoundError,
    ProtemError,
    UnauthenticatedError,
)
from protem.entrypoints.http_api.problem_responses import TooLargeError, request_id_of
from protem.entrypoints.scim.protocol import answer

_MOST_DETAIL = 500
_STATUSES: tuple[tuple[type[ProtemError], int, str | None], ...] = (
    (TakenError, 409, "uniqueness"),
    (OutdatedError, 412, None),
    (ConflictError, 409, None),
    (InvalidError, 400, "invalidValue"),
    (UnauthenticatedError, 401, None),
    (NotFoundError, 404, None),
    (TooLargeError, 413, None),
    (AuditUnavailableError, 503, None),
    (ClockSteppedBackError, 503, None),
)
"""The first family that fits; a family comes before its parent."""
_log = structlog.stdlib.get_logger("protem.scim")


def install(app: FastAPI) -> None:
    """Answer every error of ``app`` with a SCIM error document."""
    app.add_exception_handler(ProtemError, _ours)
    app.add_exception_handler(SCIMException, _of_protocol)
    app.add_exception_handler(ValidationError, _not_valid)
    app.add_exception_handler(HTTPException, _of_framework)
    app.add_exception_handler(Exception, _unforeseen)


def error_answer(status: int, detail: str, keyword: str | None = None) -> Response:
    """Return the document; a 401 says how to authenticate, a 503 when to come again."""
    document = {
        "schemas": [str(Error.__schema__)],
        "status": str(status),
        "detail": detail[:_MOST_DETAIL],
    }
    if keyword:
        document["scimType"] = keyword
    extra = {401: {"www-authenticate": "Bearer"}, 503: {"retry-after": "2"}}
    return answer(document, status, extra.get(status))


async def _ours(request: Request, error: Exception) -> Response:
    for family, status, keyword in _STATUSES:
        if isinstance(error, family):
            detail = f"{error.message}; {error.next_step}" if error.next_step else error.message
            return error_answer(status, detail, keyword)
    return await _unforeseen(request, error)


async def _of_protocol(request: Request, error: Exception) -> Response:
    if not isinstance(error, SCIMException):
        return await _unforeseen(request, error)
    return error_answer(error.status, error.detail, error.scim_type)


async def _not_valid(request: Request, error: Exception) -> Response:
    if not isinstance(error, ValidationError):
        return await _unforeseen(request, error)
    first = Error.from_validation_errors(error)[0]
    return error_answer(first.status or 400, first.detail or "not valid", first.scim_type)


async def _of_framework(request: Request, error: Exception) -> Response:
    if not isinstance(error, HTTPException):
        return await _unforeseen(request, error)
    found = error_answer(error.status_code, str(error.detail))
    found.headers.update(error.headers or {})
    return found


async def _unforeseen(request: Request, error: Exception) -> Response:
    request_id = request_id_of(request)
    _log.error("unforeseen error", request_id=request_id, exc_info=error)
    return error_answer(500, f"the server made a mistake; its log says more under {request_id}")
