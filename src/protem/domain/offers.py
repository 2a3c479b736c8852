"""A narrower request that a reviewer offers instead of a refusal.

Here: making the narrower revision, and the check that it is narrower. Not here: accepting it
(services).

Invariants:
- What is offered is never wider than what was asked: scope within scope, duration no longer,
  everything else word for word the same.
- It is a revision with a number and a digest of its own; its reviewer's yes is for that digest.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain.errors import InvalidError
from protem.domain.identifiers import GrantId
from protem.domain.principals import PrincipalId
from protem.domain.requests import RequestRevision
from protem.domain.scopes import Privilege, Scope

MAX_OFFERS = 20
"""For one request, all reviewers together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """What a reviewer takes away.

    Attributes:
        duration: the most that they offer; None leaves it.
        without: privileges to leave out; each must be part of what is asked.
    """

    duration: timedelta | None = None
    without: Scope = Scope()  # noqa: RUF009  # immutable


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """One narrower revision.

    Attributes:
        revision: its number.
        base_revision: of the revision that it narrows; the offer stands while that is current.
    """

    grant_id: GrantId
    revision: int
    base_revision: int
    by: PrincipalId
    at: datetime


def narrowed(asked: RequestRevision, by: Narrowing, *, number: int) -> RequestRevision:
    """Return ``asked`` without what ``by`` takes away.

    The traits and findings of the plan stay: they may say too much of the narrower request, never
    too little.

    Raises:
        InvalidError: when nothing is taken away, nothing would be left, or something would be
            taken away that is not asked for as such.
    """
    duration = asked.duration if by.duration is None else by.duration
    if duration > asked.duration:
        raise InvalidError("an offer is no longer than what was asked; a longer time is a new ask")
    scope = scope_without(asked.plan.scope, by.without)
    offer = replace(asked, number=number, duration=duration, plan=replace(asked.plan, scope=scope))
    if (offer.duration, offer.plan.scope) == (asked.duration, asked.plan.scope):
        raise InvalidError("this takes nothing away; approve the request as it is")
    if not is_narrower(offer, asked):  # pragma: no cover  # leaving out cannot widen
        raise InvalidError("an offer is never wider than what was asked")
    return offer


def is_narrower(offer: RequestRevision, asked: RequestRevision) -> bool:
    """Say whether ``offer`` grants no more than ``asked``, and is the same in all else."""
    same = replace(asked, number=offer.number, duration=offer.duration, plan=offer.plan)
    plan_same = replace(asked.plan, scope=offer.plan.scope) == offer.plan
    return (
        offer == same
        and plan_same
        and offer.plan.scope <= asked.plan.scope
        and offer.duration <= asked.duration
    )


def scope_without(scope: Scope, taken: Scope) -> Scope:
    """Return ``scope`` without what ``taken`` names: whole lines, or columns that it names.

    Raises:
        InvalidError: when something is not in it as such, or nothing would be left.
    """
    left = set(scope.privileges)
    for privilege in taken:
        gone = {one for one in left if _is_within(one, privilege)}
        if not gone:
            where = ".".join(privilege.path)
            part = f" ({privilege.part})" if privilege.part else ""
            raise InvalidError(
                f"{privilege.action} on {privilege.kind} {where}{part} is not asked for as such;"
                " take away a whole line of what is needed, or columns that it names"
            )
        left -= gone
    if not left:
        raise InvalidError("nothing would be left; deny the request instead")
    return Scope(left)


def _is_within(held: Privilege, taken: Privilege) -> bool:
    """Say whether ``held`` goes when ``taken`` goes: itself, or a part of the whole."""
    return taken in (held, held.whole)
