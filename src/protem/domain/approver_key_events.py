"""Audit events of approvers' keys: the log alone tells which key was whose, and when.

Here: their constructors. Not here: the signatures; each is in its approval's own entry.
"""

from __future__ import annotations

from datetime import datetime

from protem.domain.approver_keys import ApproverKey
from protem.domain.audit_events import AuditEvent

ADDED, REMOVED = "key.added", "key.removed"


def key_added(key: ApproverKey, actor: str, at: datetime) -> AuditEvent:
    """From now on this key signs for its owner."""
    return _of_key(ADDED, key, actor, at)


def key_removed(key: ApproverKey, actor: str, at: datetime) -> AuditEvent:
    """From now on nothing that it signs or signed counts."""
    return _of_key(REMOVED, key, actor, at)


def _of_key(kind: str, key: ApproverKey, actor: str, at: datetime) -> AuditEvent:
    return AuditEvent(
        kind=kind,
        at=at,
        actor=actor,
        data={
            "owner": str(key.owner),
            "id": key.id,
            "key_kind": key.kind,
            "public_key": key.public_key,
            "name": key.name,
            "declared": key.declared,
        },
    )
