"""Grants and leases over them, in SQL.

Here: ``GrantRecords`` and ``WorkRecords``. Not here: which changes are allowed; the database
itself refuses the others (``triggers``).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from protem.domain.errors import ConflictError, NotFoundError
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.principals import PrincipalId
from protem.storage import statements
from protem.storage.grant_rows import to_grant, to_row
from protem.storage.moments import from_moment, to_moment
from protem.storage.session import Session


class GrantTable:
    """``GrantRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def get(self, grant_id: GrantId) -> Grant:
        """Return the grant, or raise ``NotFoundError``."""
        row = self._session.row(statements.GRANT_GET, {"id": grant_id})
        if row is None:
            raise NotFoundError(f"there is no grant {grant_id}")
        return to_grant(row)

    def add(self, grant: Grant) -> None:
        """Insert a new grant, or raise ``ConflictError``."""
        self._session.change(statements.GRANT_ADD, to_row(grant))

    def save(self, grant: Grant) -> None:
        """Write over the version before, or raise ``ConflictError``."""
        parameters = to_row(grant)
        parameters["grant_id"] = grant.id
        if not self._session.change(statements.GRANT_SAVE, parameters):
            raise ConflictError(f"grant {grant.id} changed; read it again")

    def list(
        self,
        *,
        states: Sequence[GrantState] = (),
        principal: PrincipalId | None = None,
        target: TargetName | None = None,
        before: GrantId | None = None,
        limit: int = 100,
    ) -> Sequence[Grant]:
        """Return grants that match, newest first."""
        statement = statements.grant_list(
            states,
            principal=principal is not None,
            target=target is not None,
            before=before is not None,
        )
        parameters: dict[str, Any] = {"limit": limit}
        parameters |= {f"state_{number}": state for number, state in enumerate(states)}
        if principal is not None:
            parameters["principal"] = str(principal)
        if target is not None:
            parameters["target"] = target
        if before is not None:
            parameters["before"] = before
        return tuple(to_grant(row) for row in self._session.rows(statement, parameters))


class WorkTable:
    """``WorkRecords`` of one transaction."""

    __slots__ = ("_session",)

    def __init__(self, session: Session) -> None:
        self._session = session

    def claim(
        self,
        *,
        now: datetime,
        until: datetime,
        owner: str,
        limit: int,
        except_at: Sequence[TargetName] = (),
    ) -> Sequence[Grant]:
        """Lease what is due, oldest first."""
        self._session.check_writable()
        parameters: dict[str, Any] = {
            "now": from_moment(now),
            "until": from_moment(until),
            "owner": owner,
            "limit": limit,
        }
        parameters |= {f"target_{number}": name for number, name in enumerate(except_at)}
        rows = self._session.rows(statements.work_claim(len(except_at)), parameters)
        claimed = [(grant.due_at or now, grant.id, grant) for grant in map(to_grant, rows)]
        return tuple(grant for _, _, grant in sorted(claimed, key=lambda found: found[:2]))

    def take(self, grant_id: GrantId, *, now: datetime, until: datetime, owner: str) -> bool:
        """Lease one grant that nobody leases."""
        taken = self._session.change(
            statements.WORK_TAKE,
            {
                "grant_id": grant_id,
                "now": from_moment(now),
                "until": from_moment(until),
                "owner": owner,
            },
        )
        return taken == 1

    def renew(self, grant_id: GrantId, *, until: datetime, owner: str) -> bool:
        """Prolong a lease of ours."""
        renewed = self._session.change(
            statements.WORK_RENEW,
            {"grant_id": grant_id, "until": from_moment(until), "owner": owner},
        )
        return renewed == 1

    def release(self, grant_id: GrantId, *, owner: str) -> bool:
        """Give a lease back."""
        released = self._session.change(
            statements.WORK_RELEASE, {"grant_id": grant_id, "owner": owner}
        )
        return released == 1

    def leased(self) -> Sequence[tuple[Grant, datetime]]:
        """Return what is leased, with the end of each lease."""
        rows = self._session.rows(statements.WORK_LEASES, {})
        return tuple((to_grant(row[1:]), to_moment(row[0])) for row in rows)

    def release_all(self) -> None:
        """Forget every lease."""
        self._session.change(statements.WORK_RELEASE_ALL, {})

    def due(self, *, now: datetime, limit: int, skip: int = 0) -> Sequence[Grant]:
        """Return what is due, oldest first."""
        rows = self._session.rows(
            statements.WORK_DUE, {"now": from_moment(now), "limit": limit, "skip": skip}
        )
        return tuple(map(to_grant, rows))

    def next_due(self) -> datetime | None:
        """Return the earliest moment at which ``claim`` could find something.

        A leased grant counts from the end of its lease, so that an owner that died is noticed.
        """
        free = self._session.row(statements.WORK_NEXT_FREE, {})
        moments = [max(due, until) for due, until in self._session.rows(statements.WORK_LEASED, {})]
        if free is not None:
            moments.append(free[0])
        return to_moment(min(moments)) if moments else None
