"""What to do, given what should be and what is: the pure half of the reconciler.

Here: ``plan(grants, observed, now) -> actions``. Not here: doing it (services.reconcile_grants).

Invariants (laws 3, 4):
- The plan depends on nothing but its arguments; the same arguments give the same plan.
- Ending has no precondition: no state, error or missing observation ever removes an end.
- An orphan is only what no live grant explains; ``grants`` must be read *after* ``observed`` was
  taken, so that a grant made in between is not mistaken for one.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import datetime
from typing import assert_never

from protem.domain.grants import LIVE, EndCause, Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.observations import LiveSession, MarkedPrivilege, Observation


@dataclass(frozen=True, slots=True, kw_only=True)
class Lapse:
    """Give up a request or an unused approval."""

    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class Provision:
    """Make the target hold this grant until its expiry."""

    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginEnding:
    """Record that the grant must end, before touching the target."""

    grant: Grant
    cause: EndCause


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Cut, remove and read back at the target."""

    grant: Grant


@dataclass(frozen=True, slots=True, kw_only=True)
class EndOrphan:
    """Remove a marked privilege that no live grant explains."""

    privilege: MarkedPrivilege


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportStray:
    """A session whose account is already gone: nobody's, so it is cut."""

    session: LiveSession


Action = Lapse | Provision | BeginEnding | End | EndOrphan | ReportStray


def plan(
    grants: Iterable[Grant], observed: Observation | None, now: datetime
) -> tuple[Action, ...]:
    """Return every action that is due.

    Args:
        grants: those due, or (with ``observed``) all live ones of the observed target.
        observed: None when only the clock is asked; then no orphan is looked for.
        now: the moment of this pass, read before ``observed`` was taken.
    """
    known = list(grants)
    seen = None if observed is None else {one.grant_id for one in observed.privileges}
    actions = [action for grant in known if (action := _due(grant, seen, now)) is not None]
    if observed is not None:
        explained = {grant.id for grant in known if grant.state in LIVE}
        actions += [
            EndOrphan(privilege=privilege)
            for privilege in observed.privileges
            if privilege.grant_id is not None and privilege.grant_id not in explained
        ]
        actions += [
            ReportStray(session=session) for session in observed.sessions if not session.privilege
        ]
    return tuple(actions)


def _due(grant: Grant, seen: AbstractSet[GrantId | None] | None, now: datetime) -> Action | None:
    match grant.state:
        case GrantState.PENDING | GrantState.APPROVED:
            return Lapse(grant=grant) if grant.lapses_at <= now else None
        case GrantState.PROVISIONING | GrantState.ACTIVE:
            return _due_while_usable(grant, seen, now)
        case GrantState.ENDING | GrantState.STUCK:
            return End(grant=grant)
        case GrantState.ENDED | GrantState.DENIED | GrantState.CANCELLED | GrantState.LAPSED:
            return None
        case _:
            assert_never(grant.state)


def _due_while_usable(
    grant: Grant, seen: AbstractSet[GrantId | None] | None, now: datetime
) -> Action | None:
    if grant.expires_at is None or grant.expires_at <= now:
        return BeginEnding(grant=grant, cause=EndCause.EXPIRED)
    if grant.state is GrantState.PROVISIONING or grant.applied_until != grant.expires_at:
        return Provision(grant=grant)
    if seen is not None:
        # A grant provisioned after the target was read is not missing.
        made_before = grant.provisioned_at is not None and grant.provisioned_at < now
        if grant.id not in seen and made_before:
            return BeginEnding(grant=grant, cause=EndCause.REMOVED_AT_TARGET)
    return None
