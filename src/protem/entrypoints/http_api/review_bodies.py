"""The bodies of reviews beyond a yes or no: offers, acceptance, comments, delegations.

Here: shapes and bounds of input. Not here: meaning (services, domain).
"""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from protem.domain.durations import check_duration
from protem.domain.identifiers import GroupName
from protem.domain.instants import parse_instant
from protem.domain.offers import Narrowing
from protem.domain.principals import PrincipalId
from protem.domain.scopes import Scope
from protem.entrypoints.http_api.bodies import (
    Body,
    SshSignatureBody,
    WebauthnSignatureBody,
    local_id,
)
from protem.services.manage_delegations import DelegationAsked

_DIGEST = Field(pattern=r"^sha256:[0-9a-f]{64}$")
_MOST_SECONDS = 30 * 86_400


class OfferBody(Body):
    """What a reviewer takes away from the revision with this digest.

    ``without`` has the form of a scope: ``[{"kind", "path", "action", "parts"?}]``.
    """

    digest: Annotated[str, _DIGEST]
    duration_seconds: Annotated[int, Field(ge=1, le=_MOST_SECONDS)] | None = None
    without: Annotated[list[dict[str, Any]], Field(max_length=1_000)] | None = None
    comment: Annotated[str, Field(max_length=2_000, pattern=r"^[^\x00]*$")] = ""
    signature: SshSignatureBody | WebauthnSignatureBody | None = None

    def narrowing(self) -> Narrowing:
        """Return it in the inside's words."""
        seconds = self.duration_seconds
        return Narrowing(
            duration=None if seconds is None else check_duration(timedelta(seconds=seconds)),
            without=Scope.from_json(self.without or []),
        )


class AcceptBody(Body):
    """Which offer the requester takes."""

    digest: Annotated[str, _DIGEST]


class CommentBody(Body):
    """A remark."""

    text: Annotated[str, Field(min_length=1, max_length=2_000, pattern=r"^[^\x00]*$")]


class DelegationBody(Body):
    """Who stands in, until when (RFC 3339 with a zone), and for which group."""

    to: Annotated[str, Field(min_length=1, max_length=511)]
    until: Annotated[str, Field(max_length=64)]
    group: Annotated[str, Field(max_length=128)] | None = None

    def asked(self) -> DelegationAsked:
        """Return it in the inside's words; a name without an issuer is a local account."""
        return DelegationAsked(
            delegate=PrincipalId.parse(self.to) if "|" in self.to else local_id(self.to),
            until=parse_instant(self.until),
            group=None if self.group is None else GroupName(self.group),
        )
