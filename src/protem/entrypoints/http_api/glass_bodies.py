"""Bodies about broken glass, and the document that tells of it.

Here: shapes. Not here: meaning (services).
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from protem.domain.instants import format_instant
from protem.entrypoints.http_api.bodies import AskBody, Body, PublicHalfBody
from protem.services.break_glass import Emergency
from protem.services.review_glass import GlassView


class BreakGlassBody(AskBody):
    """An ask in an emergency."""

    confirm_target: Annotated[str, Field(max_length=255)]
    public_half: PublicHalfBody

    def emergency(self) -> Emergency:
        """Return it in the inside's words."""
        return Emergency(
            ask=self.ask(),
            confirmed=self.confirm_target,
            public_half=self.public_half.public_half(),
        )


class GlassReviewBody(Body):
    """A verdict."""

    verdict: Literal["justified", "not_justified"]
    comment: Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[^\x00]*$")]


def of_glass(view: GlassView) -> dict[str, Any]:
    """Return ``GlassReview``."""
    broken, grant, review = view.broken, view.grant, view.broken.review
    verdict = None
    if review is not None:
        verdict = {**review.to_json(), "at": format_instant(review.at)}
    return {
        "id": broken.grant_id,
        "principal": str(grant.principal),
        "person": str(broken.person),
        "target": broken.target,
        "broken_at": format_instant(broken.broken_at),
        "state": grant.state,
        "ended_at": None if grant.ended_at is None else format_instant(grant.ended_at),
        "due_at": format_instant(view.due_at),
        "overdue": view.overdue,
        "yours": view.yours,
        "request": view.revision.to_json(),
        "digest": view.revision.digest,
        "review": verdict,
    }
