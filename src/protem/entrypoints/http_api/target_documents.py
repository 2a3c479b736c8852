"""A target's access, encoded: what policy would answer, what is live, what the last look showed."""

from __future__ import annotations

from typing import Any

from protem.bootstrap.target_observer import LastLook
from protem.domain.canonical_json import JsonValue
from protem.domain.decisions import Decision
from protem.domain.instants import format_instant
from protem.domain.observations import Observation, StandingPrivilege
from protem.entrypoints.http_api.documents import of_grant
from protem.services.observe_targets import TargetState
from protem.services.view_target import PossibleAccess, TargetAccess


def of_access(access: TargetAccess, look: LastLook | None) -> dict[str, Any]:
    """Return ``TargetAccess``; ``look`` is what this process knows of the target."""
    standing = access.standing
    return {
        "name": access.target.name,
        "at": format_instant(access.at),
        "possible": [_of_possible(possible) for possible in access.possible],
        "accounts_asked": access.accounts_asked,
        "accounts_left_out": access.accounts_left_out,
        "live": [of_grant(view) for view in access.live],
        "live_hidden": access.live_hidden,
        "standing": None if standing is None else [_of_standing(found) for found in standing],
        "standing_trouble": access.standing_trouble or None,
        "look": None if look is None else of_look(look),
    }


def of_look(look: LastLook) -> dict[str, Any]:
    """Return what the last look that went well showed."""
    return {
        "reachable": look.reachable,
        "orphans_ended": look.orphans_ended,
        "standing_count": look.standing,
        "seen": None if look.state is None else _of_state(look.state),
    }


def _of_possible(possible: PossibleAccess) -> dict[str, Any]:
    ask = possible.ask
    return {
        "basis": possible.basis,
        "profile": ask.profile,
        "argv": list(ask.command.argv),
        "scope": ask.plan.scope.to_json(),
        "traits": sorted(ask.plan.traits),
        "duration_seconds": int(ask.duration.total_seconds()),
        "answers": [
            {
                "principal": str(principal.id),
                "display": principal.display,
                "kind": principal.kind,
                **_of_answer(decision),
            }
            for principal, decision in possible.answers
        ],
        "denied": possible.denied,
    }


def _of_answer(decision: Decision) -> dict[str, JsonValue]:
    whole = decision.to_json()
    return {name: whole[name] for name in ("outcome", "findings", "approvals", "longest_seconds")}


def _of_standing(found: StandingPrivilege) -> dict[str, Any]:
    since = found.in_use_since
    return {
        "name": found.name,
        "message": found.message,
        "sessions": found.sessions,
        "in_use_since": None if since is None else format_instant(since),
        "removal": found.removal or None,
    }


def _of_state(state: TargetState) -> dict[str, Any]:
    return {
        **_of_observation(state.observation),
        "orphans": list(state.orphans),
        "orphans_left": [{"name": name, "why": why} for name, why in state.failed],
        "strays_cut": state.strays,
        "clock_ahead_seconds": round(state.skew.total_seconds(), 3),
    }


def _of_observation(observed: Observation) -> dict[str, Any]:
    return {
        "at": format_instant(observed.at),
        "privileges": [
            {
                "name": found.name,
                "grant": found.grant_id,
                "expires_at": None
                if found.expires_at is None
                else format_instant(found.expires_at),
                "usable": found.usable,
                "deviation": found.deviation or None,
            }
            for found in observed.privileges
        ],
        "sessions": [
            {
                "privilege": found.privilege or None,
                "handle": found.handle,
                "started_at": None
                if found.started_at is None
                else format_instant(found.started_at),
                "origin": found.origin or None,
            }
            for found in observed.sessions
        ],
    }
