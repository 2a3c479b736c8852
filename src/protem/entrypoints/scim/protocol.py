"""What every SCIM call has in common: who calls, bodies, versions, answers and errors.

Here: the protocol's envelope (RFC 7644, sections 3.1, 3.12 and 3.14; RFC 6750). Not here: users and
groups.

Invariants:
- A token is compared by its hash, in constant time, with those of all directories; it is never
  logged, and an error repeats no value that was sent.
- Every answer is ``application/scim+json``; every error is a SCIM error document.
"""

from __future__ import annotations

import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from fastapi import Request, Response
from scim2_models import (
    InvalidSyntaxException,
    InvalidValueException,
    PreconditionFailedException,
)

from protem.bootstrap.scim_settings import TrustedDirectory
from protem.domain.bearer_tokens import fingerprint
from protem.domain.directories import DirectorySource
from protem.domain.errors import InvalidError, NotFoundError, UnauthenticatedError
from protem.domain.identifiers import DirectoryId
from protem.domain.secret import Secret
from protem.entrypoints.http_api.serving import bearer
from protem.entrypoints.scim.shapes import MOST_RESULTS, etag
from protem.services.browse_directory import Window
from protem.services.surroundings import Surroundings

MEDIA_TYPE = "application/scim+json"
_JSON_TYPES = frozenset({MEDIA_TYPE, "application/json", ""})
_DEFAULT_COUNT = 100
_FURTHEST = 1_000_000_000
_MOST_DEPTH = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class ScimServing:
    """What handlers need.

    Attributes:
        public_url: under which directories reach us; None to go by the request.
    """

    around: Surroundings
    directories: tuple[TrustedDirectory, ...]
    public_url: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One authenticated call."""

    around: Surroundings
    source: DirectorySource
    base: str


def authenticated(request: Request) -> Call:
    """Return the call of the directory whose token came along.

    Raises:
        UnauthenticatedError: when none did, or it is nobody's.
    """
    serving: ScimServing = request.app.state.scim
    given = _hash_of_token(request)
    found = None
    for directory in serving.directories:  # all of them, whichever matches: no timing to read
        if hmac.compare_digest(directory.token_hash, given):
            found = directory.source
    if found is None:
        raise UnauthenticatedError("this token is no directory's")
    request.scope["protem.principal"] = found.actor
    base = str(request.base_url).rstrip("/")
    if serving.public_url is not None:
        base = serving.public_url.rstrip("/") + str(request.scope.get("root_path", ""))
    return Call(around=serving.around, source=found, base=base)


def _hash_of_token(request: Request) -> bytes:
    try:
        return fingerprint(Secret(bearer(request).reveal()))
    except UnauthenticatedError:
        raise UnauthenticatedError("this call needs Authorization: Bearer TOKEN") from None


async def read_document(request: Request) -> dict[str, Any]:
    """Return the body, which is one JSON object of bounded depth.

    Raises:
        InvalidSyntaxException: when it is not.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _JSON_TYPES:
        raise InvalidSyntaxException(detail=f"a body is {MEDIA_TYPE}")
    try:
        document = json.loads(await request.body(), parse_constant=_no_number)
        deep = _is_deeper(document, _MOST_DEPTH)
    except (ValueError, RecursionError) as error:
        raise InvalidSyntaxException(detail="the body is not JSON") from error
    if not isinstance(document, dict) or deep:
        raise InvalidSyntaxException(detail="the body is one JSON object, not deeply nested")
    return document


def _no_number(_text: str) -> NoReturn:
    raise ValueError("JSON has no such number")


def _is_deeper(value: Any, levels: int) -> bool:
    if not isinstance(value, dict | list):
        return False
    inside = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_is_deeper(each, levels - 1) for each in inside)


def directory_id(text: str) -> DirectoryId:
    """Return the id in a path.

    Raises:
        NotFoundError: when it is none of ours.
    """
    try:
        return DirectoryId(text)
    except InvalidError as error:
        raise NotFoundError("there is no such resource") from error


def expected_version(request: Request) -> int | None:
    """Return the version that ``If-Match`` asks for; None when any will do.

    Raises:
        PreconditionFailedException: when it names no version that we ever gave.
    """
    given = request.headers.get("if-match", "*").strip()
    if given == "*":
        return None
    digits = given.removeprefix("W/").strip('"')
    if not digits.isascii() or not digits.isdigit() or len(digits) > len(str(_FURTHEST)):
        raise PreconditionFailedException(detail="If-Match names no version of this resource")
    return int(digits)


def is_known(request: Request, version: int) -> bool:
    """Say whether ``If-None-Match`` names this version, so that nothing need be sent."""
    given = request.headers.get("if-none-match", "").split(",")
    return any(each.strip() in ("*", etag(version)) for each in given)


def window_of(request: Request) -> Window:
    """Return the page that is asked for (RFC 7644, section 3.4.2.4).

    Raises:
        InvalidValueException: when a bound is no number.
    """
    start = _number(request, "startIndex", 1)
    count = _number(request, "count", _DEFAULT_COUNT)
    return Window(start=max(1, start), count=max(0, min(count, MOST_RESULTS)))


def _number(request: Request, name: str, default: int) -> int:
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        return max(-1, min(int(text[:32]), _FURTHEST))
    except ValueError as error:
        raise InvalidValueException(detail=f"{name} is a whole number") from error


def answer(
    document: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """Return a SCIM document."""
    return Response(
        json.dumps(document).encode(), status, headers=dict(headers or {}), media_type=MEDIA_TYPE
    )


def list_answer(documents: Sequence[Mapping[str, Any]], *, total: int, start: int) -> Response:
    """Return a page of documents."""
    return answer(
        {
            "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
            "totalResults": total,
            "startIndex": start,
            "itemsPerPage": len(documents),
            "Resources": list(documents),
        }
    )
