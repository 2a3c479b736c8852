"""Revisions, verdicts and the log's entries, in SQL."""

from __future__ import annotations

from collections.abc import Sequence

from protem.domain.approvals import Approval
from protem.domain.audit_events import AuditEvent
from protem.domain.errors import NotFoundError
from protem.domain.identifiers import GrantId
from protem.domain.requests import RequestRevision
from protem.ports.store import AuditEntry
from protem.storage import statements
from protem.storage.request_rows import from_approval, from_revision, to_approval, to_revision
from protem.storage.session import Session


class RequestTable:
    """``RequestRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, revision: RequestRevision) -> None:
        """Insert a revision, or raise ``ConflictError``."""
        self._session.change(statements.REVISION_ADD, from_revision(revision))

    def get(self, grant_id: GrantId, number: int) -> RequestRevision:
        """Return one revision, or raise ``NotFoundError``."""
        parameters = {"grant_id": grant_id, "number": number}
        row = self._session.row(statements.REVISION_GET, parameters)
        if row is None:
            raise NotFoundError(f"there is no revision {number} of {grant_id}")
        return to_revision(row)

    def latest_number(self, grant_id: GrantId) -> int:
        """Return the highest number, 0 when there is none."""
        row = self._session.row(statements.REVISION_LATEST, {"grant_id": grant_id})
        return 0 if row is None else int(row[0])


class ApprovalTable:
    """``ApprovalRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def add(self, approval: Approval) -> None:
        """Insert a verdict, or raise ``ConflictError``."""
        self._session.change(statements.APPROVAL_ADD, from_approval(approval))

    def of(self, grant_id: GrantId, revision: int) -> Sequence[Approval]:
        """Return the verdicts on one revision, oldest first."""
        parameters = {"grant_id": grant_id, "revision": revision}
        return tuple(map(to_approval, self._session.rows(statements.APPROVALS_OF, parameters)))


class AuditTable:
    """``AuditRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def append(self, event: AuditEvent) -> int:
        """Add the event after the last entry; the write lock keeps the place ours."""
        position = self.size()
        self._session.change(
            statements.ENTRY_ADD, {"position": position, "body": event.canonical_bytes()}
        )
        return position

    def entries(self, *, start: int, limit: int) -> Sequence[AuditEntry]:
        """Return entries from ``start``, in order."""
        rows = self._session.rows(statements.ENTRIES, {"start": start, "limit": limit})
        return tuple(AuditEntry(index=position, body=body) for position, body in rows)

    def size(self) -> int:
        """Return how many entries there are: one more than the last one's place."""
        last = self._session.row(statements.ENTRY_LAST, {})
        return 0 if last is None else int(last[0]) + 1
