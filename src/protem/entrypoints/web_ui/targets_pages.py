"""The targets: which there are, and for each who could reach what, who does, and what was seen.

Here: two pages. Not here: the answers (view_target), and what the last look showed, which the
process keeps.

Invariants: the catalogue is for everyone who is signed in; the rest for those whom policy lets
audit and for a target's owners.
"""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from protem.domain.decisions import PolicyAction, PolicyDeniedError
from protem.domain.identifiers import TargetName
from protem.entrypoints.http_api.documents import of_target
from protem.entrypoints.http_api.serving import serving
from protem.entrypoints.http_api.target_documents import of_access, of_look
from protem.entrypoints.web_ui.page_route import page_router
from protem.entrypoints.web_ui.page_text import length
from protem.entrypoints.web_ui.rendering import render
from protem.entrypoints.web_ui.requirement_text import requirement
from protem.entrypoints.web_ui.rights import holds
from protem.entrypoints.web_ui.visitors import around_of, visitor
from protem.services.view_target import view_target

router = page_router()


@router.get("/targets")
async def get_targets(request: Request) -> Response:
    """Return the catalogue; for auditors with what the last look at each showed."""
    me, around = await visitor(request), around_of(request)
    looks = serving(request).plane.loops.looks
    audits = holds(around, me.principal, PolicyAction.AUDIT)
    items: list[dict[str, Any]] = []
    for target in around.catalogue.targets():
        look = looks.get(target.name) if audits else None
        document = of_target(target, around.catalogue.connector(target.name).capabilities)
        items.append({**document, "look": None if look is None else of_look(look)})
    return render(request, "targets.html", items=items, audits=audits)


@router.get("/targets/{name}")
async def get_target(request: Request, name: str) -> Response:
    """Return one target, with access to it for those who may see that."""
    me, around = await visitor(request), around_of(request)
    target = around.catalogue.target(TargetName(name))
    access = None
    try:
        found = await view_target(around, me.principal, target.name)
        access = of_access(found, serving(request).plane.loops.looks.get(target.name))
    except PolicyDeniedError:
        pass  # the catalogue's part is for everyone
    capabilities = around.catalogue.connector(target.name).capabilities
    return render(
        request,
        "target.html",
        target=of_target(target, capabilities),
        access=access,
        duration=length,
        requirement=requirement,
    )
