"""End what a target itself says is over: no store, no control plane, no memory.

Here: one pass over one target's marked privileges, by the target's own clock. Not here: orphans
whose deadline lies ahead; without the store nobody can tell an orphan from a grant.

What is decided for a privilege that lost its deadline: it is ended. Its right to exist is the
deadline; one that nobody can read must not become a standing privilege. One whose grant cannot be
told is reported and left to a person, since another target may own it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain.errors import ProtemError
from protem.domain.observations import MarkedPrivilege
from protem.ports.connector import Connector, CutsStraySessions


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
    observed = await connector.observe()
    at = now or observed.at
    report = SweepReport(at=at)
    for privilege in observed.privileges:
        report = await _judge(connector, privilege, report, dry_run=dry_run)
    strays = sum(1 for session in observed.sessions if not session.privilege)
    if strays and not dry_run and isinstance(connector, CutsStraySessions):
        try:
            strays = await connector.cut_strays()
        except ProtemError as error:
            return replace(report, failed=(*report.failed, ("sessions", error.message)))
    return replace(report, strays=strays)


async def _judge(
    connector: Connector, privilege: MarkedPrivilege, report: SweepReport, *, dry_run: bool
) -> SweepReport:
    name, grant_id, deadline = privilege.name, privilege.grant_id, privilege.expires_at
    if deadline is not None and deadline > report.at:
        return replace(report, kept=(*report.kept, (name, deadline - report.at)))
    if grant_id is None:
        why = "it bears the mark but not whose it is; look at it and remove it by hand"
        return replace(report, failed=(*report.failed, (name, why)))
    if not dry_run:
        try:
            await connector.end(grant_id)
        except ProtemError as error:
            return replace(report, failed=(*report.failed, (name, error.message)))
    return replace(report, ended=(*report.ended, name))
