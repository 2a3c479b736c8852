"""Broken glass in the pages: what is owed a review, and giving it.

Here: the list of what the visitor owes, the state of one, and the verdict. Not here: who may
(review_glass), and the request itself (request_pages).
"""

from __future__ import annotations

from typing import Any

from fastapi import Request, Response

from protem.domain.broken_glass import GlassVerdict
from protem.domain.errors import ConflictError, InvalidError
from protem.domain.identifiers import GrantId
from protem.domain.instants import format_instant
from protem.domain.principals import Principal
from protem.entrypoints.web_ui.page_route import page_router, see
from protem.entrypoints.web_ui.request_view import revision_view
from protem.entrypoints.web_ui.visitors import around_of, posted
from protem.services.review_glass import GlassView, list_glass, review_glass, show_glass
from protem.services.surroundings import Surroundings

router = page_router()
DONE = "glass-reviewed"


async def owed_by(around: Surroundings, principal: Principal) -> list[dict[str, Any]]:
    """Return the breaks whose review the principal may give now, the oldest first."""
    found = await list_glass(around, principal, open_only=True)
    return [glass_view(one) for one in found if one.yours]


def glass_view(found: GlassView) -> dict[str, Any]:
    """Return what templates show of one break: whose, where, its review or when that is due."""
    review = found.broken.review
    return {
        "id": str(found.grant.id),
        "principal": str(found.grant.principal),
        "target": str(found.grant.target),
        "state": str(found.grant.state),
        "over": found.grant.state not in ("provisioning", "active"),
        "asked": revision_view(found.revision),
        "due_at": found.due_at,
        "overdue": found.overdue,
        "yours": found.yours,
        "review": None if review is None else {**review.to_json(), "at": format_instant(review.at)},
    }


@router.post("/requests/{grant_id}/glass-review")
async def post_glass_review(request: Request, grant_id: str) -> Response:
    """Say whether it was justified, once; the same verdict sent twice is one."""
    sender, form = await posted(request)
    around, wanted = around_of(request), GrantId(grant_id)
    try:
        verdict = GlassVerdict(form["verdict"])
    except ValueError as error:
        raise InvalidError("a verdict is justified or not_justified") from error
    comment = form["comment"].replace("\r\n", "\n").strip()
    try:
        await review_glass(around, sender.principal, wanted, verdict, comment)
    except ConflictError:
        given = (await show_glass(around, sender.principal, wanted)).broken.review
        if given is None or (given.reviewer, given.verdict) != (sender.principal.id, verdict):
            raise
    return see(f"/requests/{wanted}?done={DONE}")
