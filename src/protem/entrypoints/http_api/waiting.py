"""Waiting for a grant to change, on news rather than by asking again.

Here: ``?wait=``. Not here: news itself (the announcer port).

Invariants: news may be lost, so the grant is read again on a period too; a wait ends by itself
within ``LONGEST_WAIT``, and at once when nothing is to be waited for.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Annotated

from fastapi import Query

from protem.domain.grants import LIVE, Grant, GrantState
from protem.services.surroundings import Surroundings

LONGEST_WAIT = 60.0
_LOOK_AGAIN_SECONDS = 1.0

Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait at most.")]


def is_provisioning(grant: Grant) -> bool:
    """Say whether the target is yet to be told."""
    return grant.state is GrantState.PROVISIONING or (
        grant.state is GrantState.ACTIVE and grant.applied_until != grant.expires_at
    )


def is_live(grant: Grant) -> bool:
    """Say whether something may still exist at the target."""
    return grant.state in LIVE


async def wait_while(
    around: Surroundings, grant: Grant, unsettled: Callable[[Grant], bool], seconds: float
) -> Grant:
    """Return the grant when ``unsettled`` is no longer true of it, or time is up.

    Call it without a pause after reading ``grant``, so that no news falls in between.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    with around.announcer.watch(grant.id) as watch:
        while unsettled(grant) and (left := deadline - loop.time()) > 0:
            await watch.changed(timedelta(seconds=min(left, _LOOK_AGAIN_SECONDS)))
            grant = await around.store.read(lambda view: view.grants.get(grant.id))  # noqa: B023  # read at once
        return grant
