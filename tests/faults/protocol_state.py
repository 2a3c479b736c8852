"""What the model of the grant protocol consists of: its states, its lengths, and its planted bugs.

Here: values. Not here: how they change (``grant_protocol``).

Time is in ticks. ``*_left`` counts the ticks until a moment by the control planes' clock; it goes
down with time to ``-GRACE`` and no further, because nothing depends on how long ago a moment was
beyond that. So time has no end and the states are still finite. The target's clock is behind by
``skew``, which each run of the model chooses at its start.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

GRACE = 1
"""Ticks by which a moment may be past and still matter: the margin, and the most skew."""
NOBODY, DEAD = -1, 2
"""Owners of a lease beside 0 and 1: none, and a run of a control plane that is no more."""


class Row(NamedTuple):
    """The grant in the store, and the lease on it."""

    state: str = "approved"
    expires_left: int = -GRACE
    told: bool = False  # the target was told this expiry
    order_left: int = -GRACE  # until provision_by of the order signed with the decision
    unsettled_left: int = -GRACE
    due_left: int = 0
    owner: int = NOBODY
    lease_left: int = 0
    extended: bool = False


IDLE = "idle"
HOLDS = "holds"
"""Has read the grant under its lease, and will do next what is due."""
BEGINS_ENDING = "begins ending"
"""Has decided that the grant is over, and not recorded it."""
PROVISIONS, ENDS = "provisions", "ends"
"""The call is on its way to the target."""
MADE, GONE = "made", "gone"
"""The call has taken effect; its answer is on its way back, or here and not recorded."""
PUT_OFF, REFUSED, UNKNOWN, NOT_ENDED = "put off", "refused", "unknown", "not ended"
"""It failed, or there is no answer and none will be taken any more; not recorded."""


class Plane(NamedTuple):
    """The memory of one control plane: what it holds of the grant, and its call."""

    phase: str = IDLE
    fresh: bool = False  # what it holds is what the store holds
    state: str = ""  # as held, while it HOLDS
    told: bool = False
    expires_left: int = -GRACE  # as held; of the order, once called
    order_left: int = -GRACE  # until provision_by, of the order held or sent
    retry_left: int = 0  # until it is to be tried again, once it failed
    early: bool = False  # ENDS, GONE: when the call began, something late could still follow
    queued: bool = False  # the grant was leased again behind the back of the task at work


class Target(NamedTuple):
    """What exists at the target."""

    present: bool = False
    expires_left: int = -GRACE
    session: bool = False


class State(NamedTuple):
    """Everything."""

    row: Row = Row()
    planes: tuple[Plane, Plane] = (Plane(), Plane())
    target: Target = Target()
    late: tuple[int, int] | None = None  # provision_by and expiry of a call nobody waits for
    late_end: bool = False
    saw: tuple[bool, bool] | None = None  # the observer: a privilege; a grant past its expiry
    skew: int = 0


class Step(NamedTuple):
    """What happened; ``saves`` counts the versions of the grant that it wrote."""

    name: str
    plane: int = NOBODY
    saves: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Lengths in ticks, and the planted bugs, each of which breaks one rule of the protocol."""

    lease: int = 2
    call: int = 1  # an order with less left than this is signed anew before it is sent
    margin: int = 1
    term: int = 5
    extension: int = 2
    retry: int = 1
    skews: tuple[int, ...] = (0, 1)

    target_ignores_deadline: bool = False
    target_deadline_off_by_one: bool = False
    order_lasts_as_long_as_lease: bool = False
    claim_ignores_lease: bool = False
    record_ignores_lease: bool = False
    record_ignores_version: bool = False
    conflict_forgets_unsettled: bool = False
    ended_without_settling: bool = False
    settling_judged_after_the_call: bool = False
    end_works_beside_own_task: bool = False
    renew_ignores_version: bool = False
    restart_resends: bool = False
    restart_drops_leases: bool = False
    observer_reads_grants_first: bool = False
    failed_end_is_forgotten: bool = False
    network_repeats_answered_calls: bool = False  # no bug of ours: what is assumed of the network


LIVE = frozenset({"provisioning", "active", "ending"})
USABLE = frozenset({"provisioning", "active"})
ENDED = Row(state="ended")
ABSENT = Target()
