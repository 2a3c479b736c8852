"""What the audit log says of sessions.

Invariants: no entry holds a token or its fingerprint; a session is named by its public id.
"""

from __future__ import annotations

from datetime import datetime

from protem.domain.audit_events import AuditEvent
from protem.domain.sign_in_sessions import SignInSession


def began(session: SignInSession, by: str) -> AuditEvent:
    """Someone proved who they are and got a session; ``by`` names the provider that was asked."""
    return AuditEvent(
        kind="account.signed_in",
        at=session.began_at,
        actor=str(session.owner),
        data={"method": session.method, "session": session.id, **({"by": by} if by else {})},
    )


def ended(session: SignInSession, actor: str, at: datetime) -> AuditEvent:
    """A session was ended before its time."""
    return AuditEvent(
        kind="account.signed_out",
        at=at,
        actor=actor,
        data={"subject": str(session.owner), "session": session.id},
    )
