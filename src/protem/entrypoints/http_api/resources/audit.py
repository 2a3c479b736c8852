"""The audit log: entries for auditors, heads and proofs for everyone who is signed in."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import PlainTextResponse

from protem.domain.decisions import PolicyAction
from protem.entrypoints.http_api.documents import json_response
from protem.entrypoints.http_api.serving import caller, caller_with, serving
from protem.ports.store import AuditEntry, Transaction

router = APIRouter(prefix="/v1/audit", tags=["audit"])
_Index = Annotated[int, Query(ge=0, le=2**53 - 1)]


@router.get("/entries")
async def get_entries(
    request: Request, start: _Index = 0, limit: Annotated[int, Query(ge=1, le=1_000)] = 100
) -> Response:
    """Return entries from ``start`` on; ``body`` is the exact text that is hashed."""
    await caller_with(request, PolicyAction.AUDIT)

    def work(view: Transaction) -> tuple[list[AuditEntry], int]:
        return list(view.audit.entries(start=start, limit=limit)), view.audit.size()

    entries, size = await serving(request).around.store.read(work)
    return json_response(
        {
            "entries": [{"index": entry.index, "body": entry.body.decode()} for entry in entries],
            "size": size,
        }
    )


@router.get("/checkpoint", response_class=PlainTextResponse)
async def get_checkpoint(request: Request) -> Response:
    """Return the newest signed head as text (C2SP tlog-checkpoint)."""
    await caller(request)
    note = await asyncio.to_thread(serving(request).plane.proofs.checkpoint)
    return Response(note, media_type="text/plain; charset=utf-8")


@router.get("/key", response_class=PlainTextResponse)
async def get_key(request: Request) -> Response:
    """Return the log's verifier key as text (C2SP signed-note)."""
    await caller(request)
    return Response(
        serving(request).plane.proofs.verifier_key + "\n", media_type="text/plain; charset=utf-8"
    )


@router.get("/proof")
async def get_proof(request: Request, index: _Index) -> Response:
    """Return the inclusion proof of an entry, with the head that it leads to."""
    await caller(request)
    proofs = serving(request).plane.proofs
    path = await asyncio.to_thread(proofs.inclusion_proof, index)
    note = await asyncio.to_thread(proofs.checkpoint)
    return json_response(
        {"index": index, "hashes": [node.hex() for node in path], "checkpoint": note}
    )
