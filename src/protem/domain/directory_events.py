"""Audit events of directories: a user or a group of theirs came, changed or went.

Here: one constructor per event. Not here: what that did to accounts and grants, which have events
of their own.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from protem.domain.audit_events import MOST_LISTED, AuditEvent, digest_of_names
from protem.domain.canonical_json import JsonValue
from protem.domain.directories import DirectoryGroup, DirectorySource, DirectoryUser
from protem.domain.principals import PrincipalId


def user_changed(
    source: DirectorySource, user: DirectoryUser, change: str, at: datetime
) -> AuditEvent:
    """A directory added, changed or removed one of its users."""
    return AuditEvent(
        kind="directory.user_changed",
        at=at,
        actor=source.actor,
        data={
            "change": change,
            "id": user.id,
            "subject": str(user.principal),
            "active": user.active,
            "manager": user.profile.manager,
            "version": user.version,
        },
    )


def group_changed(
    source: DirectorySource,
    group: DirectoryGroup,
    change: str,
    at: datetime,
    *,
    joined: Iterable[PrincipalId] = (),
    left: Iterable[PrincipalId] = (),
) -> AuditEvent:
    """A directory added, changed or removed a group, or its members."""
    return AuditEvent(
        kind="directory.group_changed",
        at=at,
        actor=source.actor,
        data={
            "change": change,
            "id": group.id,
            "group": group.name,
            "version": group.version,
            "joined": _listed(joined),
            "left": _listed(left),
        },
    )


def _listed(principals: Iterable[PrincipalId]) -> JsonValue:
    names = sorted(map(str, principals))
    listed: list[JsonValue] = list(names[:MOST_LISTED])
    return {"names": listed, "count": len(names), "digest": digest_of_names(names)}
