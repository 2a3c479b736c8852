"""What the grant protocol promises: of every state, of every step, and of where it can still go.

Here: predicates over the model's states, each with the name that a broken one is reported by.
"""

from __future__ import annotations

from tests.faults.protocol_state import USABLE, State, Step

AFTER_ENDED = "after ended nothing of the grant is at the target"
NO_SESSION = "no session outlives ended"
INTENT_FIRST = "nothing is at the target before the intent is on record"
DEADLINE = "the target holds no later expiry than the grant has"
ACTIVE_IS_THERE = "what is recorded as active is there"
REVOCATION_STANDS = "a recorded revocation is never taken back"
FOR_GOOD = "ended is for good"
ONE_RECORDS = "only the holder of the lease records"
CAN_END = "every state has a way to ended without a person"
_SYSTEM = frozenset(
    {"tick", "claim", "resume", "begin", "record", "give up", "target puts off", "target ends"}
)


def broken(s: State) -> str | None:
    """Return the promise that does not hold in ``s``.

    That ``ended`` is for good makes the first two hold for ever after. With ``DEADLINE``, native
    expiry stops new use within the time that the target's clock is behind.
    """
    row, target = s.row, s.target
    if row.state == "ended":
        if target.present:
            return AFTER_ENDED
        if target.session:
            return NO_SESSION
    elif row.state == "approved" and (target.present or target.session):
        return INTENT_FIRST
    if target.present and target.expires_left > row.expires_left:
        return DEADLINE
    if row.state == "active" and row.told and row.expires_left > 0 and not target.present:
        return ACTIVE_IS_THERE
    return None


def broken_by(before: State, step: Step, after: State) -> str | None:
    """Return the promise that the step from ``before`` to ``after`` breaks."""
    if before.row.state == "ending" and after.row.state in USABLE:
        return REVOCATION_STANDS
    if before.row.state == "ended" and after.row != before.row:
        return FOR_GOOD
    if step.name == "record" and step.saves and before.row.owner != step.plane:
        return ONE_RECORDS
    return None


def finished(s: State) -> bool:
    """Whether nothing is left to be done: ended, or never begun."""
    return s.row.state in ("ended", "approved")


def helps(step: Step) -> bool:
    """Whether ``CAN_END`` may count on this step: of time, one control plane and the target."""
    return step.name in _SYSTEM
