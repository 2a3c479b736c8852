"""Links that answer one request, once, for ten minutes, as one person.

Here: what a link is bound to, and what a mail must show of it. Not here: making one
(make_answer_link) or taking an answer by it (answer_by_link).

Invariants: a link is kept as the hash of its token alone; it is bound to a person, a revision and
that revision's digest; it gives its person no right that they have not at that moment anyway.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from protem.domain.identifiers import GrantId
from protem.domain.principals import PrincipalId
from protem.domain.secret import Secret

LASTS = timedelta(minutes=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerLink:
    """One link, without its token.

    Attributes:
        person: whose answer it gives, and nobody else's.
        channel: the name of the channel that it went out by.
    """

    person: PrincipalId
    grant_id: GrantId
    revision: int
    digest: str
    channel: str
    expires_at: datetime

    def counts_at(self, moment: datetime) -> bool:
        """Say whether it may be used; at its very end it no longer may."""
        return moment < self.expires_at


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerWay:
    """What a channel shows to one person.

    Attributes:
        path: below the public address; whoever has it can answer as that person.
        until: when it stops counting.
    """

    path: Secret
    until: datetime
