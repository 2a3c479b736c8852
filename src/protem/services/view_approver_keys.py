"""Show a person their keys, and what to sign for one request.

Here: the list, and the challenge of a request. Not here: who may see a request (view_grants).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from protem.domain.approver_keys import ApproverKey
from protem.domain.decisions import Decision, PolicyAction, Signing
from protem.domain.errors import ConflictError
from protem.domain.grants import GrantState
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal
from protem.services.ask_policy import ask_policy
from protem.services.register_approver_key import checker_of
from protem.services.surroundings import Surroundings
from protem.services.view_grants import view_grant


@dataclass(frozen=True, slots=True, kw_only=True)
class SigningChallenge:
    """What an approver signs for the revision under review.

    Attributes:
        webauthn: ``PublicKeyCredentialRequestOptions`` as JSON over the digest's bytes.
    """

    digest: str
    webauthn: Mapping[str, Any]


async def list_approver_keys(around: Surroundings, principal: Principal) -> Sequence[ApproverKey]:
    """Return the caller's keys, removed ones too, oldest first."""
    return await around.store.read(lambda view: view.approver_keys.of(principal.id))


async def signing_challenge(
    around: Surroundings, principal: Principal, grant_id: GrantId
) -> SigningChallenge:
    """Return what the caller signs to approve what is under review now.

    Raises:
        NotFoundError: when the caller may not see it.
        ConflictError: when nothing is under review.
    """
    seen = await view_grant(around, principal, grant_id)
    if seen.proposed is not None:
        revision, action = seen.proposed.revision, PolicyAction.EXTEND
    elif seen.grant.state is GrantState.PENDING:
        revision, action = seen.current.revision, PolicyAction.REQUEST
    else:
        raise ConflictError(f"{grant_id} is {seen.grant.state}; there is nothing to review")
    now = around.clock.now()

    def work(view: Any) -> tuple[Sequence[ApproverKey], Decision]:
        requester = around.identity.lookup(view, revision.principal)
        decision = ask_policy(around, action, revision, principal=requester, at=now)
        return view.approver_keys.of(principal.id), decision

    keys, decision = await around.store.read(work)
    verified = any(need.signed is Signing.USER_VERIFIED for need in decision.approvals)
    options = checker_of(around).request_options(revision.digest, keys, user_verified=verified)
    return SigningChallenge(digest=revision.digest, webauthn=options)
