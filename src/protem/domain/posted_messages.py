"""A message in a chat that asks for an answer, and what it says once the answer is there.

Here: the message as a value, and the sentence that takes the place of its buttons. Not here:
posting and rewriting (``ports.message_board``).

Invariants: a message is open until it was rewritten; whether it still asks follows from the grant,
never from the message.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from protem.domain.approvals import Approval, Verdict
from protem.domain.grants import Grant, GrantState
from protem.domain.notices import Notice

_PAUSE = timedelta(seconds=30)
_SAID = {Verdict.APPROVE: "approved", Verdict.DENY: "denied"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PostedMessage:
    """One notice as it stands in one channel.

    Attributes:
        receipt: how the channel finds it again.
        look_at: when to look whether it still asks, at the earliest; None once it was rewritten.
    """

    notice: Notice
    channel: str
    receipt: str
    look_at: datetime | None


def closed(message: PostedMessage) -> PostedMessage:
    """It says what came of it, or is gone."""
    return replace(message, look_at=None)


def put_off(message: PostedMessage, at: datetime, delay: timedelta | None) -> PostedMessage:
    """The channel cannot rewrite it now; look again after ``delay``."""
    return replace(message, look_at=at + (delay or _PAUSE))


def outcome(
    grant: Grant, digest: str | None, asked: str | None, given: Sequence[Approval]
) -> str | None:
    """Return what came of the question that a message asks; None while it is open.

    Args:
        grant: as it is now.
        digest: what the message asks about.
        asked: digest of the revision that waits for an answer now; None when none does.
        given: verdicts on the revision that the message asks about.
    """
    if asked is not None:
        return None if asked == digest else "the request has changed, look at the page"
    if grant.state is GrantState.CANCELLED:
        return "withdrawn"
    if said := [f"{_SAID[one.verdict]} by {one.reviewer.subject}" for one in given]:
        return f"already decided: {', '.join(said)}"
    return f"nothing waits here any more, it is {grant.state}"
