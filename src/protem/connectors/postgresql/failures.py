"""Psycopg's errors put into the port's three families; the only place that does so.

Invariants: a message carries the server's own primary line at most, never a statement, a
connection string or a verifier.
"""

from __future__ import annotations

import psycopg
from psycopg import errors

from protem.domain.errors import IndeterminateError, RefusedError, RetryLaterError, TargetError

_SET_UP = "see docs/connectors/postgresql.md for the rights that the administrator role needs"
_PASSING_CLASSES = ("40", "53", "55", "57", "58")
"""SQLSTATE classes of load, locks, cancellation and shutdown: the same call may succeed later."""


def is_lost(error: psycopg.Error, connection: psycopg.AsyncConnection[object]) -> bool:
    """Say whether the connection went away, so that the outcome is not known."""
    return connection.closed or isinstance(error, errors.AdminShutdown | errors.CrashShutdown)


def is_collision(error: psycopg.Error) -> bool:
    """Say whether two changed one catalogue row at once, which another try resolves.

    The server says so with an internal error, or for names with a violated catalogue key.
    """
    if isinstance(error, errors.InternalError_):
        return "concurrently" in (error.diag.message_primary or "")
    return isinstance(
        error, errors.UniqueViolation | errors.DeadlockDetected | errors.SerializationFailure
    )


def unreachable(error: psycopg.Error) -> TargetError:
    """Return the family of a failed attempt to connect."""
    said = " ".join(str(error).split())
    if isinstance(error, errors.InvalidAuthorizationSpecification) or "authentication" in said:
        return RefusedError(
            "the database refuses the administrator's login", next_step=f"check it; {_SET_UP}"
        )
    return RetryLaterError(f"the database cannot be reached: {said[:200]}")


def translate(error: psycopg.Error, *, lost: bool, changes: bool) -> TargetError:
    """Return the family of an error that a statement met.

    Args:
        error: what psycopg raised.
        lost: the connection went away.
        changes: the statement would have changed something.
    """
    if lost and changes:
        return IndeterminateError("the connection was lost while the database was being changed")
    if lost:
        return RetryLaterError("the connection to the database was lost")
    said = error.diag.message_primary or type(error).__name__
    if is_collision(error) or (error.sqlstate or "57")[:2] in _PASSING_CLASSES:
        return RetryLaterError(f"the database is busy: {said}")
    if isinstance(error, errors.InsufficientPrivilege):
        return RefusedError(f"the administrator role may not do this: {said}", next_step=_SET_UP)
    return RefusedError(f"the database refuses: {said}")
