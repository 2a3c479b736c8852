"""What the real store's constraints and triggers say about one grant, in Python, for the fake.

Here: the shape of a row in each state, and what never moves between two versions. Not here: edges
and versions; the fake checks those where it saves.
"""

from __future__ import annotations

from datetime import timedelta

from protem.domain.durations import LONGEST
from protem.domain.errors import ConflictError
from protem.domain.grants import LIVE, TERMINAL, Grant, GrantState

_ACTIVATED = LIVE | {GrantState.ENDED}


def check_row(grant: Grant) -> None:
    """Refuse what the real store's CHECK constraints refuse.

    Raises:
        ConflictError: when a row of this state cannot look like this.
    """
    terminal = grant.state in TERMINAL
    if (grant.due_at is None) is not terminal or (grant.ended_at is not None) is not terminal:
        raise ConflictError("due_at is absent, and ended_at present, in terminal states only")
    activated = grant.state in _ACTIVATED
    if (grant.expires_at is not None) is not activated:
        raise ConflictError("expires_at is absolute from activation on, and absent before")
    if (grant.activated_at is not None) is not activated:
        raise ConflictError("activated_at is present from activation on, and absent before")
    if grant.activated_at is not None and grant.expires_at is not None:
        length = grant.expires_at - grant.activated_at
        if not timedelta(0) < length <= LONGEST:
            raise ConflictError("a grant lasts more than nothing and at most 30 days")


def check_unmoved(stored: Grant, grant: Grant) -> None:
    """Refuse what the real store's triggers refuse.

    Raises:
        ConflictError: when something moved that is fixed.
    """
    if (stored.principal, stored.target, stored.requested_at) != (
        grant.principal,
        grant.target,
        grant.requested_at,
    ):
        raise ConflictError("whose grant it is, and where, never changes")
    if stored.activated_at is None or stored.expires_at is None or grant.expires_at is None:
        return
    if stored.activated_at != grant.activated_at:
        raise ConflictError("a grant is activated once")
    if grant.expires_at == stored.expires_at:
        return
    extended = (
        stored.state is GrantState.ACTIVE
        and grant.state is GrantState.ACTIVE
        and grant.expires_at > stored.expires_at
    )
    if not extended:
        raise ConflictError("expires_at only moves later, and only while active")
