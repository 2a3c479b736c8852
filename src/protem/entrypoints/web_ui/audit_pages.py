"""The audit log to look around in, and one entry with its proof.

Here: the search, the entry, and its proof as a file. Not here: the search itself (explore_audit),
the proof (entry_proof), and the check in the browser (static/proof.js).

Invariants: what the entry's page shows as raw is the exact text that is hashed, but for what is
made visible; the bytes themselves travel beside it, in base64.
"""

from __future__ import annotations

import base64
import json
from typing import Annotated
from urllib.parse import urlencode

from fastapi import Path, Request, Response
from pydantic import ValidationError

from protem.domain.decisions import PolicyAction, refuse_if_denied
from protem.domain.errors import InvalidError, NotFoundError
from protem.domain.policy_questions import about_role
from protem.entrypoints.http_api.audit_query import MOST_INDEX, AuditQuery
from protem.entrypoints.http_api.resources.audit_search import proof_of
from protem.entrypoints.http_api.serving import serving
from protem.entrypoints.web_ui.page_route import page_router, see
from protem.entrypoints.web_ui.rendering import render
from protem.entrypoints.web_ui.visitors import Visitor, around_of, visitor
from protem.services.explore_audit import EntryPage, explore_audit, view_entry

router = page_router()
_Index = Annotated[int, Path(ge=0, le=MOST_INDEX)]
_FIELDS = ("actor", "target", "grant", "kind", "from", "to")
_PAGE = 50
_LONGEST_PLAIN_TIME = len("2026-01-31T12:00:00")


@router.get("/audit")
async def get_audit(request: Request) -> Response:
    """Return entries that match, newest first; a form that makes no sense is shown as such."""
    await _auditor(request)
    given = {name: request.query_params.get(name, "").strip() for name in _FIELDS}
    index = request.query_params.get("index", "").strip()
    if index.isascii() and index.isdigit() and int(index[:17]) <= MOST_INDEX:
        return see(f"/audit/{int(index)}")
    page, trouble = None, ""
    try:
        page = await _search(request, given)
    except InvalidError as error:
        trouble = error.message
    kept = {name: value for name, value in given.items() if value}
    return render(
        request,
        "audit.html",
        status=422 if trouble else 200,
        given=given,
        kept=kept,
        trouble=trouble,
        entries=[] if page is None else [entry.to_json() for entry in page.entries],
        page=page,
        older=None if page is None or page.next is None else _with(kept, before=page.next),
    )


@router.get("/audit/{index}")
async def get_entry(request: Request, index: _Index) -> Response:
    """Return one entry, decoded and raw, with each step of its proof."""
    await _auditor(request)
    here = serving(request)
    entry = await view_entry(here.around, index)
    size = await here.around.store.read(lambda view: view.audit.size())
    proof = await proof_of(here, index, entry.body)
    return render(
        request,
        "audit_entry.html",
        entry=entry.to_json(),
        data=json.dumps(entry.event.get("data"), indent=2, ensure_ascii=False),
        proof=proof,
        bytes64=_in_base64(entry.body),
        note64="" if proof is None else _in_base64(proof.note.encode()),
        size=size,
    )


@router.get("/audit/{index}/proof.json")
async def get_proof(request: Request, index: _Index) -> Response:
    """Return the proof as the file that ``protem audit verify`` takes."""
    await _auditor(request)
    here = serving(request)
    entry = await view_entry(here.around, index)
    proof = await proof_of(here, index, entry.body)
    if proof is None:
        raise NotFoundError(f"no signed head covers entry {index} yet; try again in a second")
    return Response(
        json.dumps(proof.document) + "\n",
        media_type="application/json",
        headers={"content-disposition": f'attachment; filename="entry-{index}-proof.json"'},
    )


async def _auditor(request: Request) -> Visitor:
    me, around = await visitor(request), around_of(request)
    question = about_role(PolicyAction.AUDIT, me.principal, around.clock.now())
    refuse_if_denied(around.policy.decide(question))
    return me


async def _search(request: Request, given: dict[str, str]) -> EntryPage:
    query = {
        **given,
        "from": _in_utc(given["from"]),
        "to": _in_utc(given["to"]),
        "before": request.query_params.get("before"),
        "limit": _PAGE,
    }
    try:
        wanted = AuditQuery.model_validate(query).filter()
    except ValidationError as error:
        where = ", ".join(str(found["loc"][0]) for found in error.errors(include_input=False))
        raise InvalidError(f"these cannot be looked for: {where}") from error
    return await explore_audit(around_of(request), wanted)


def _in_utc(text: str) -> str:
    """Read a time without a zone, which is all that a form's field gives, as UTC."""
    return f"{text}Z" if 0 < len(text) <= _LONGEST_PLAIN_TIME and "Z" not in text else text


def _in_base64(data: bytes) -> str:
    """Return bytes for a script to read as they are: templates change what cannot be seen."""
    return base64.b64encode(data).decode()


def _with(kept: dict[str, str], **more: int) -> str:
    return urlencode({**kept, **more})
