"""Offering less from a page instead of saying no.

Here: reading what the form takes away. Not here: whether it is less (``domain.offers``), and taking
an offer (request_pages).
"""

from __future__ import annotations

from fastapi import Request, Response

from protem.domain.durations import parse_duration
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GrantId
from protem.domain.offers import Narrowing
from protem.domain.requests import RequestRevision
from protem.domain.scopes import Scope
from protem.entrypoints.web_ui.page_route import page_router, see
from protem.entrypoints.web_ui.visitors import Form, around_of, posted
from protem.services.offer_narrower import OfferMade, offer_narrower
from protem.services.view_grants import view_grant

router = page_router()
_MOST_COMMENT = 2_000
TAKE_AWAY = "without-"
"""With the place of a privilege in the scope that was shown: the field of its check box."""


@router.post("/requests/{grant_id}/offer")
async def post_offer(request: Request, grant_id: str) -> Response:
    """Offer what is left of the revision that the visitor saw."""
    sender, form = await posted(request)
    around, wanted = around_of(request), GrantId(grant_id)
    view = await view_grant(around, sender.principal, wanted)  # a stranger learns nothing
    made = OfferMade(
        grant_id=wanted,
        digest=form["digest"],
        narrowing=_narrowing(view.current.revision, form),
        comment=_comment(form),
    )
    await offer_narrower(around, sender.principal, made)
    return see(f"/requests/{wanted}?done=offered")


def _narrowing(revision: RequestRevision, form: Form) -> Narrowing:
    """Return what the form takes away; places mean nothing in another revision's scope."""
    length = form["duration"].strip()
    duration = parse_duration(length) if length else None
    if revision.digest != form["digest"]:
        return Narrowing(duration=duration)  # and it is refused, since the request changed
    rows = revision.plan.scope.to_json()
    places = [name[len(TAKE_AWAY) :] for name in form.fields if name.startswith(TAKE_AWAY)]
    if not all(one.isascii() and one.isdecimal() and int(one[:6]) < len(rows) for one in places):
        raise InvalidError("this form names a privilege that is not asked for")
    return Narrowing(
        duration=None if duration == revision.duration else duration,
        without=Scope.from_json([rows[int(one[:6])] for one in places]),
    )


def _comment(form: Form) -> str:
    comment = form["comment"].replace("\r\n", "\n").strip()
    if len(comment) > _MOST_COMMENT or "\0" in comment:
        raise InvalidError(f"a comment is text of at most {_MOST_COMMENT} characters")
    return comment
