"""Every error that crosses a layer, drawn by what the caller does next.

Here: one tree with few families. Not here: HTTP statuses and exit codes; each entrypoint maps the
families in one file.

Invariants:
- An adapter translates foreign exceptions at one place; none crosses a port.
- ``code`` is stable and part of the public interface; the message is a sentence for a person and
  carries no secret.
"""

from __future__ import annotations

from datetime import timedelta
from typing import ClassVar


class ProtemError(Exception):
    """Something that has a stable code, a sentence, and perhaps a next step to type."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, next_step: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.next_step = next_step


class InvalidError(ProtemError):
    """What was sent is not well formed or breaks a bound; sending it again will not help."""

    code = "invalid"


class UnplannableError(InvalidError):
    """No scope can be derived from the command; the message names what would allow it."""

    code = "unplannable"


class DeniedError(ProtemError):
    """Policy, an approver or the state of things says no."""

    code = "denied"


class UnauthenticatedError(ProtemError):
    """The caller is not known, or no longer."""

    code = "unauthenticated"


class IdentityProviderError(ProtemError):
    """The provider that proves people is away, or not what it should be."""

    code = "identity_provider_unavailable"


class NotFoundError(ProtemError):
    """There is no such thing, or none that the caller may know of."""

    code = "not_found"


class ConflictError(ProtemError):
    """The thing changed or is in a state that does not allow this; read it again."""

    code = "conflict"


class ExpiredError(ConflictError):
    """The time for this has passed."""

    code = "expired"


class AuditUnavailableError(ProtemError):
    """The audit log cannot be written, so nothing may be granted (law 5)."""

    code = "audit_unavailable"


class ClockSteppedBackError(ProtemError):
    """The clock was set back, so nothing new may begin; what is granted ends in time."""

    code = "clock_stepped_back"


class TargetError(ProtemError):
    """A target did not do what it was asked; the leaves say what to do next."""

    code = "target"


class RetryLaterError(TargetError):
    """The target cannot do it now; nothing was changed; the same call may succeed later."""

    code = "target_retry_later"

    def __init__(
        self, message: str, *, delay: timedelta | None = None, next_step: str | None = None
    ) -> None:
        super().__init__(message, next_step=next_step)
        self.delay = delay


class RefusedError(TargetError):
    """The target refuses for good; a person must change something first."""

    code = "target_refused"


class IndeterminateError(TargetError):
    """It may or may not have happened; observe before trying again."""

    code = "target_indeterminate"
