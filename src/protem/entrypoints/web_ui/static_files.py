"""The files that pages load: our own style and scripts, and what is vendored.

Here: serving them from memory, for ever under an address that changes with their content. Not here:
how vendored files came here (scripts/vendor).

Invariants: what is served is what was in the package when the process began; no path of a request
ever reaches the file system.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable

from fastapi import APIRouter, Request, Response

from protem.domain.errors import NotFoundError
from protem.entrypoints.http_api.problem_responses import problem_of, problem_response

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
}
_FOR_EVER = "public, max-age=31536000, immutable"
_DIGEST_LENGTH = 12
router = APIRouter()


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticFiles:
    """Every file by its path below ``static``, and one digest over all of them."""

    content: dict[str, bytes]
    digest: str


@router.get("/static/{digest}/{path:path}", include_in_schema=False)
async def get_static(request: Request, digest: str, path: str) -> Response:
    """Return a file; under an older digest, what there is now, not to be kept."""
    found = static_files()
    content = found.content.get(path)
    if content is None:
        status, document = problem_of(NotFoundError("there is no such file"))
        return problem_response(status, document, str(request.scope["protem.request_id"]))
    suffix = path[path.rfind(".") :]
    return Response(
        content,
        media_type=_TYPES[suffix],
        headers={"cache-control": _FOR_EVER if digest == found.digest else "no-store"},
    )


def address(path: str) -> str:
    """Return where a file is served.

    Raises:
        KeyError: when there is none: a template names a file that does not exist.
    """
    found = static_files()
    found.content[path]
    return f"/static/{found.digest}/{path}"


@cache
def static_files() -> StaticFiles:
    """Return all files, read once."""
    folder = files("protem.entrypoints.web_ui") / "static"
    content = dict(sorted(_below(folder, "")))
    over_all = hashlib.sha256()
    for path, body in content.items():
        over_all.update(path.encode() + b"\0" + hashlib.sha256(body).digest())
    return StaticFiles(content=content, digest=over_all.hexdigest()[:_DIGEST_LENGTH])


def _below(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _below(entry, f"{prefix}{entry.name}/")
        elif entry.name[entry.name.rfind(".") :] in _TYPES:
            yield prefix + entry.name, entry.read_bytes()
