"""The request: exactly what will happen, in a form that people approve by digest.

Here: one immutable revision of a request and its canonical bytes. Not here: its life (grants) or
who said yes (approvals).

Invariants:
- A revision never changes; an edit is a new revision with a new digest, which voids approvals.
- The digest covers every field that changes what is granted (law 6).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from protem.domain import canonical_json
from protem.domain.commands import Command
from protem.domain.durations import check_duration
from protem.domain.errors import InvalidError
from protem.domain.evidence import Evidence
from protem.domain.identifiers import GrantId, ProfileName, TargetName
from protem.domain.instants import check_instant, format_instant
from protem.domain.plans import Plan
from protem.domain.principals import PrincipalId

MAX_REASON = 2_000
MAX_TICKET = 128
FORMAT = "protem.dev/request/v1"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestRevision:
    """What is asked, whole.

    Attributes:
        grant_id: shared by all revisions, and by the grant.
        number: 1 for the first revision.
        profile: set when a session under a named scope is asked instead of one command.
        plan: scope, traits and findings as the planner derived them from ``command``.
        break_glass: asked in an emergency: nobody approves, everybody is alarmed. In the
            canonical form only when it is so.
        evidence: links, and what the target said of it; in the canonical form when there is any.
        start: not to be activated before; None: as soon as it is approved. In the canonical form
            only when there is one.
        requester_person: the person behind an agent that asks; None: the principal itself. Not
            part of the digest: it says who may not approve, never what is granted.

    Raises:
        InvalidError: when a field is out of bounds.
    """

    grant_id: GrantId
    number: int
    principal: PrincipalId
    target: TargetName
    command: Command
    plan: Plan
    duration: timedelta
    profile: ProfileName | None = None
    reason: str = ""
    ticket: str = ""
    requester_person: PrincipalId | None = None
    break_glass: bool = False
    evidence: Evidence = Evidence()  # noqa: RUF009  # immutable
    start: datetime | None = None
    _canonical: bytes = field(default=b"", init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_duration(self.duration)
        if self.number < 1:
            raise InvalidError("revisions count from 1")
        if len(self.reason) > MAX_REASON or len(self.ticket) > MAX_TICKET:
            raise InvalidError(
                f"reason is at most {MAX_REASON} and ticket at most {MAX_TICKET} characters"
            )
        if self.start is not None:
            check_instant(self.start)
        if "\0" in self.reason + self.ticket:
            raise InvalidError("reason and ticket cannot hold NUL characters")

    @property
    def person(self) -> PrincipalId:
        """Whose request this is; that person cannot approve it (law 6)."""
        return self.requester_person or self.principal

    def to_json(self) -> dict[str, canonical_json.JsonValue]:
        """Return the canonical form that is digested, shown, signed and logged."""
        return {
            "format": FORMAT,
            "id": self.grant_id,
            "revision": self.number,
            "principal": str(self.principal),
            "target": self.target,
            "profile": self.profile,
            "command": {"argv": list(self.command.argv), "inputs": dict(self.command.inputs)},
            "scope": self.plan.scope.to_json(),
            "traits": sorted(self.plan.traits),
            "findings": [[found.code, found.message] for found in self.plan.findings],
            "duration_seconds": int(self.duration.total_seconds()),
            "reason": self.reason,
            "ticket": self.ticket,
            **({"break_glass": True} if self.break_glass else {}),
            **({"evidence": self.evidence.to_json()} if self.evidence else {}),
            **({} if self.start is None else {"start": format_instant(self.start)}),
        }

    def begins(self, now: datetime) -> datetime:
        """Return when it would begin if it were approved now: its start, or at once."""
        return now if self.start is None else max(now, self.start)

    def canonical_bytes(self) -> bytes:
        """Return the bytes whose digest approvals are bound to."""
        if not self._canonical:  # encoded once: one request needs its digest in five places
            object.__setattr__(self, "_canonical", canonical_json.encode(self.to_json()))
        return self._canonical

    @property
    def digest(self) -> str:
        """``sha256:`` digest of the canonical bytes."""
        return canonical_json.digest_of_bytes(self.canonical_bytes())
