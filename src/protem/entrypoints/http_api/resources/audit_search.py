"""The audit log to look around in: entries that match, and one entry with its proof."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query, Request, Response

from protem.bootstrap.entry_proof import EntryProof, prove_entry
from protem.domain.decisions import PolicyAction
from protem.domain.errors import NotFoundError
from protem.entrypoints.http_api.audit_query import MOST_INDEX, AuditQuery
from protem.entrypoints.http_api.documents import json_response
from protem.entrypoints.http_api.serving import Serving, caller_with, serving
from protem.services.explore_audit import explore_audit, view_entry

router = APIRouter(prefix="/v1/audit", tags=["audit"])
_Index = Annotated[int, Path(ge=0, le=MOST_INDEX)]


@router.get("/search")
async def get_search(request: Request, query: Annotated[AuditQuery, Query()]) -> Response:
    """Return entries that match, newest first.

    A call looks at a bounded number of entries: a page may be short or empty while ``next`` says
    what to ask for as ``before``. ``kind`` is a whole kind or a family: ``grant.ended``, ``grant``.
    """
    await caller_with(request, PolicyAction.AUDIT)
    page = await explore_audit(serving(request).around, query.filter())
    return json_response(
        {
            "entries": [entry.to_json() for entry in page.entries],
            "next": page.next,
            "size": page.size,
            "looked_at": page.looked_at,
        }
    )


@router.get("/entries/{index}")
async def get_entry(request: Request, index: _Index) -> Response:
    """Return one entry with its proof: each step from its bytes up to the signed root.

    ``proof`` is null while no signed head covers the entry. ``proof.document`` is what
    ``protem audit verify`` takes; that, with a key kept elsewhere, is the check that counts.
    """
    await caller_with(request, PolicyAction.AUDIT)
    here = serving(request)
    entry = await view_entry(here.around, index)
    proof = await proof_of(here, index, entry.body)
    return json_response({**entry.to_json(), "proof": None if proof is None else _of_proof(proof)})


async def proof_of(here: Serving, index: int, body: bytes) -> EntryProof | None:
    """Return the proof of an entry; None while no signed head covers it."""
    try:
        return await asyncio.to_thread(prove_entry, here.plane.proofs, index, body)
    except NotFoundError:
        return None


def _of_proof(proof: EntryProof) -> dict[str, Any]:
    return {
        "leaf": proof.leaf.hex(),
        "steps": [
            {
                "sibling": step.sibling.hex(),
                "side": "left" if step.sibling_is_left else "right",
                "result": step.result.hex(),
            }
            for step in proof.steps
        ],
        "size": proof.size,
        "root": proof.root.hex(),
        "checkpoint": proof.note,
        "key": proof.key,
        "holds": not proof.trouble,
        "trouble": proof.trouble or None,
        "document": proof.document,
    }
