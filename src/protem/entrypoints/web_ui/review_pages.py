"""Saying yes or no from a page.

Here: one verdict on the digest that the page showed, and what is answered when things have changed
since. Not here: whether the verdict counts (review_request).

Invariants: a verdict is given on a digest that was on the page; the same verdict sent twice is the
same verdict; whoever comes too late reads why, and what there is now.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import Request, Response

from protem.domain.approvals import Approval, Verdict
from protem.domain.approver_keys import KeyKind
from protem.domain.errors import ConflictError, ExpiredError, InvalidError, NotFoundError
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal
from protem.domain.requests import RequestRevision
from protem.entrypoints.web_ui.key_pages import credential_of
from protem.entrypoints.web_ui.page_route import page_router, see
from protem.entrypoints.web_ui.request_pages import request_page
from protem.entrypoints.web_ui.request_view import changes
from protem.entrypoints.web_ui.visitors import Form, around_of, posted
from protem.ports.store import Transaction
from protem.services.check_signatures import OfferedSignature
from protem.services.review_request import NotYourTurnError, Review, review_request
from protem.services.surroundings import Surroundings
from protem.services.view_grants import GrantView, view_grant

router = page_router()
_CONFLICT = 409
_DONE = {Verdict.APPROVE: "approved", Verdict.DENY: "denied"}
_MOST_COMMENT = 2_000


@router.post("/requests/{grant_id}/review")
async def post_review(request: Request, grant_id: str) -> Response:
    """Record the visitor's verdict on what the visitor saw."""
    sender, form = await posted(request)
    around, review = around_of(request), _review(GrantId(grant_id), form)
    await view_grant(around, sender.principal, review.grant_id)  # a stranger learns nothing
    try:
        await review_request(around, sender.principal, review)
    except (ExpiredError, NotYourTurnError):
        raise
    except ConflictError:
        view = await view_grant(around, sender.principal, review.grant_id)
        if not await _is_given(around, sender.principal, review):
            return await _overtaken(request, sender.principal, view, review)
    onwards = "/inbox" if form["from"] == "inbox" else f"/requests/{review.grant_id}"
    return see(f"{onwards}?done={_DONE[review.verdict]}")


def _review(grant_id: GrantId, form: Form) -> Review:
    verdict, comment = answer_in(form)
    credential = credential_of(form["signature"]) if verdict is Verdict.APPROVE else None
    signature = None
    if credential is not None:
        signature = OfferedSignature(kind=KeyKind.WEBAUTHN, content=credential)
    return Review(
        grant_id=grant_id,
        digest=form["digest"],
        verdict=verdict,
        comment=comment,
        signature=signature,
    )


def answer_in(form: Form) -> tuple[Verdict, str]:
    """Return the verdict and the comment that a form brings.

    Raises:
        InvalidError: it is no verdict, or no comment.
    """
    try:
        verdict = Verdict(form["verdict"])
    except ValueError as error:
        raise InvalidError("a verdict is approve or deny") from error
    comment = form["comment"].replace("\r\n", "\n").strip()
    if len(comment) > _MOST_COMMENT or "\0" in comment:
        raise InvalidError(f"a comment is text of at most {_MOST_COMMENT} characters")
    return verdict, comment


async def _is_given(around: Surroundings, principal: Principal, review: Review) -> bool:
    """Say whether this very verdict is on record: the form was sent twice."""

    def work(view: Transaction) -> bool:
        seen = _revision_seen(view, review)
        given: Sequence[Approval] = (
            () if seen is None else view.approvals.of(review.grant_id, seen.number)
        )
        return any(one.reviewer == principal.id and one.verdict is review.verdict for one in given)

    return await around.store.read(work)


async def _overtaken(
    request: Request, principal: Principal, view: GrantView, review: Review
) -> Response:
    """Return the page as it is now, with what differs from what the visitor saw."""
    now = (view.proposed or view.current).revision
    seen = await around_of(request).store.read(lambda records: _revision_seen(records, review))
    changed: list[dict[str, Any]] = []
    if review.digest != now.digest:
        changed = [] if seen is None else changes(seen, now)
        notice = "This request was changed after you opened it. Your answer was not recorded."
    else:
        state = view.grant.state
        notice = f"Your answer was not recorded: nothing waits here any more, it is {state}."
    return await request_page(
        request, principal, review.grant_id, notice=notice, status=_CONFLICT, changed=changed
    )


def _revision_seen(view: Transaction, review: Review) -> RequestRevision | None:
    for number in range(view.requests.latest_number(review.grant_id), 0, -1):
        try:
            revision = view.requests.get(review.grant_id, number)
        except NotFoundError:
            continue
        if revision.digest == review.digest:
            return revision
    return None
