"""What a target says exists there now, and what a connector can promise at all.

Here: the read-back as values, what is stated of it, and declared capabilities. Not here: reading.

Invariants: an observation is complete for its target or it is not made; partial reads raise.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from protem.domain.identifiers import GrantId
from protem.domain.scopes import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a kind of target can enforce by itself; shown to approvers.

    Attributes:
        refuses_new_use_at_expiry: natively, with our control plane dead.
        ends_live_use_at_expiry: natively; False means ``sweep`` beside the target must do it.
        scope_is_enforced: the target itself holds the user to the scope.
        notes: sentences on what is not promised.
    """

    refuses_new_use_at_expiry: bool
    ends_live_use_at_expiry: bool
    scope_is_enforced: bool
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkedPrivilege:
    """A privilege at the target that bears Protem's mark.

    Attributes:
        grant_id: None when the name bears the mark but is not one of ours to parse.
        expires_at: the deadline that the target itself holds; None when it lost it.
        usable: whether new use is possible (can log in, not expired).
        scope: what it can do there now, read back; None where the target cannot tell.
        deviation: how it differs from what was made (extra membership, lost deadline), or "".
    """

    name: str
    grant_id: GrantId | None
    expires_at: datetime | None
    usable: bool
    scope: Scope | None = None
    deviation: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LiveSession:
    """A session that uses a marked privilege, or one whose privilege is already gone.

    Attributes:
        privilege: the marked name, or "" when the account no longer exists.
        handle: what the target calls the session (a backend process id).
    """

    privilege: str
    handle: str
    started_at: datetime | None = None
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """Everything marked at one target at one moment of the target's own clock."""

    at: datetime
    privileges: tuple[MarkedPrivilege, ...] = ()
    sessions: tuple[LiveSession, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetStatement:
    """What one look at a target showed, for the record.

    Attributes:
        began_at: our own clock before anything was read.
        explained_by: the grants that explain privileges that were seen.
        orphans: marked names that no grant explained.
        orphans_left: those of them that could not be ended.
        closes: grants ended before the look began, of which it showed nothing.
        strays: sessions whose account was gone, now cut.
    """

    began_at: datetime
    observation: Observation
    explained_by: tuple[GrantId, ...] = ()
    orphans: tuple[str, ...] = ()
    orphans_left: tuple[str, ...] = ()
    closes: tuple[GrantId, ...] = ()
    strays: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StandingPrivilege:
    """An unmarked privilege of a person at a target: reported, never touched.

    Attributes:
        message: what it can do, for a person.
        sessions: how many use it now.
        in_use_since: since when the oldest of them does, where the target tells.
        removal: what to type at the target to take it away, "" where nobody knows.
    """

    name: str
    message: str
    sessions: int = 0
    in_use_since: datetime | None = None
    removal: str = ""
