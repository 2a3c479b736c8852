"""End what a target itself says is over: no store, no control plane, no memory.

Here: one pass over one target's marked privileges, by the target's own clock. Not here: orphans
whose deadline lies ahead; without the store nobody can tell an orphan from a grant.

What is decided for a privilege that lost its deadline: it is ended. Its right to exist is the
deadline; one that nobody can read must not become a standing privilege. One whose grant cannot be
told is reported and left to a person, since another target may own it.

Invariants:
- A pass ends in bounded time, also at a target that accepts calls and answers none.
- One privilege that cannot be ended, or takes long, does not hold up the others for more than that.
- A failure is reported only of what is still there when it is read back: a control plane or another
  sweep may have ended it in between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TypeVar

from protem.domain.errors import ProtemError, RetryLaterError
from protem.domain.observations import MarkedPrivilege
from protem.ports.connector import Connector, CutsStraySessions

T = TypeVar("T")
_AT_ONCE = 4
"""Enough to keep a target busy; the control plane may be working there too."""
_CALL_SECONDS = 30.0
"""One call of a connector: longer than any single statement is given."""
_NOBODYS = "it bears the mark but not whose it is; look at it and remove it by hand"


@dataclass(frozen=True, slots=True, kw_only=True)
class SweepReport:
    """What one pass found and did.

    Attributes:
        at: the target's own time.
        ended: names ended, or with ``dry_run`` those that would be.
        kept: names with the time that each has left.
        failed: names, or ``sessions``, with the reason; the next pass tries again.
        strays: sessions of accounts that no longer exist: cut, or with ``dry_run`` only counted.
    """

    at: datetime
    ended: tuple[str, ...] = ()
    kept: tuple[tuple[str, timedelta], ...] = ()
    failed: tuple[tuple[str, str], ...] = ()
    strays: int = 0


async def sweep_target(
    connector: Connector, now: datetime | None = None, *, dry_run: bool = False
) -> SweepReport:
    """End every marked privilege past its own deadline, and cut sessions of vanished accounts.

    One failure does not stop the rest.

    Args:
        connector: of the target.
        now: judge by this moment instead of the target's own clock.
        dry_run: say what would be done and touch nothing.

    Raises:
        TargetError: when the target cannot be read at all.
    """
    observed = await _in_time(connector.observe())
    report = _judge(observed.privileges, now or observed.at)
    strays = sum(1 for session in observed.sessions if not session.privilege)
    if dry_run:
        return replace(report, strays=strays)
    report = await _end(connector, observed.privileges, report)
    if strays and isinstance(connector, CutsStraySessions):
        try:
            strays = await _in_time(connector.cut_strays())
        except ProtemError as error:
            return replace(report, failed=(*report.failed, ("sessions", error.message)))
    return replace(report, strays=strays)


def _judge(privileges: tuple[MarkedPrivilege, ...], at: datetime) -> SweepReport:
    """Say of each privilege what is to become of it; ``ended`` are those to end."""
    ended, kept, failed = [], [], []
    for privilege in privileges:
        deadline = privilege.expires_at
        if deadline is not None and deadline > at:
            kept.append((privilege.name, deadline - at))
        elif privilege.grant_id is None:
            failed.append((privilege.name, _NOBODYS))
        else:
            ended.append(privilege.name)
    return SweepReport(at=at, ended=tuple(ended), kept=tuple(kept), failed=tuple(failed))


async def _end(
    connector: Connector, privileges: tuple[MarkedPrivilege, ...], judged: SweepReport
) -> SweepReport:
    """End what was judged to be over; move what could not be ended to ``failed``."""
    slots = asyncio.Semaphore(_AT_ONCE)
    due = set(judged.ended)

    async def end(privilege: MarkedPrivilege) -> tuple[str, str] | None:
        if privilege.grant_id is None:
            return None
        try:
            async with slots:
                await _in_time(connector.end(privilege.grant_id))
        except ProtemError as error:
            return privilege.name, error.message
        except Exception as error:  # noqa: BLE001  # a fault of ours must not spare the others
            # The text of a foreign exception may hold what must not be shown.
            return privilege.name, f"unexpected {type(error).__name__} in the connector"
        return None

    tried = await asyncio.gather(*(end(one) for one in privileges if one.name in due))
    failed = [failure for failure in tried if failure is not None]
    if failed:
        failed = await _still_there(connector, failed)
    left = {name for name, _ in failed}
    return replace(
        judged,
        ended=tuple(name for name in judged.ended if name not in left),
        failed=(*judged.failed, *failed),
    )


async def _still_there(
    connector: Connector, failed: list[tuple[str, str]]
) -> list[tuple[str, str]]:
    """Drop the failures to end what somebody else has ended meanwhile."""
    try:
        seen = await _in_time(connector.observe())
    except ProtemError:
        return failed
    names = {privilege.name for privilege in seen.privileges}
    return [(name, why) for name, why in failed if name in names]


async def _in_time(call: Awaitable[T]) -> T:
    """Wait for a call of the connector, but not for ever.

    Raises:
        RetryLaterError: it took too long.
    """
    try:
        async with asyncio.timeout(_CALL_SECONDS):
            return await call
    except TimeoutError:
        raise RetryLaterError(f"the target did not answer within {_CALL_SECONDS:.0f} s") from None
