"""What a web service's answer means for a notice, the same for every channel over HTTP.

Here: statuses as our errors, and keeping quiet while a service asks us to. Not here: any channel.

Invariants: no error repeats what the service said; a service that asks us to wait is not asked
before its time, nor is it waited for without bound.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from http import HTTPStatus

from protem.domain.errors import RefusedError, RetryLaterError
from protem.ports.clock import Clock

_WORTH_TRYING_AGAIN = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_EARLY,
        HTTPStatus.TOO_MANY_REQUESTS,
        # set right at the receiver, the same notice will be taken
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.NOT_FOUND,
    }
)
_WAIT = timedelta(seconds=30)
_LONGEST_WAIT = timedelta(minutes=15)
_MOST_DIGITS = 9


def check_taken(name: str, status: int) -> None:
    """Return if the channel ``name`` took the notice, as its status says.

    Raises:
        RetryLaterError: it may take it later.
        RefusedError: it never will.
    """
    if HTTPStatus.OK <= status < HTTPStatus.MULTIPLE_CHOICES:
        return
    said = f"{name} answered {status}"
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _WORTH_TRYING_AGAIN:
        raise RetryLaterError(said)
    raise RefusedError(said)


class Patience:
    """Until when a service asked us to leave it alone."""

    def __init__(self, name: str, clock: Clock) -> None:
        self._name, self._clock = name, clock
        self._not_before: datetime | None = None

    def check(self) -> None:
        """Return if the service may be asked now.

        Raises:
            RetryLaterError: not yet.
        """
        now = self._clock.now()
        if self._not_before is not None and now < self._not_before:
            raise self._later(self._not_before - now)

    def asked(self, retry_after: str | None) -> RetryLaterError:
        """Take note of a ``Retry-After`` header; return what to raise."""
        wait = _seconds(retry_after)
        self._not_before = self._clock.now() + wait
        return self._later(wait)

    def _later(self, wait: timedelta) -> RetryLaterError:
        return RetryLaterError(f"{self._name} asks us to wait", delay=wait)


def _seconds(text: str | None) -> timedelta:
    if text is None or not (text.isascii() and text.isdigit()) or len(text) > _MOST_DIGITS:
        return _WAIT
    return min(timedelta(seconds=int(text)), _LONGEST_WAIT)
