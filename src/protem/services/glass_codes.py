"""Codes for a sealed envelope: they sign in a local account when nothing else can.

Here: making a set of codes, and the alarm that each use raises. Not here: the session that a code
begins (sign_in), and what may be done with it (policy's ``break_glass``).

Invariants: codes are shown once and kept as hashes; a new set voids the old one; a code is good
once, until its end date, and every use is alarmed before the session begins.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from protem.domain import glass_events
from protem.domain.bearer_tokens import fingerprint
from protem.domain.broken_glass import AlarmOutcome
from protem.domain.errors import ConflictError, InvalidError, NotFoundError
from protem.domain.instants import format_instant
from protem.domain.notices import Notice, NoticeKind
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.secret import Secret
from protem.ports.store import Transaction
from protem.services.sound_alarm import sound_alarm
from protem.services.surroundings import Surroundings

MOST_CODES = 50
LONGEST = timedelta(days=400)
"""Codes older than this are forgotten in a drawer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GlassCodes:
    """A set of codes, shown only now."""

    codes: tuple[Secret, ...]
    expires_at: datetime


async def make_codes(
    around: Surroundings, actor: str, subject: PrincipalId, *, count: int, until: datetime
) -> GlassCodes:
    """Void the codes that ``subject`` has, and return ``count`` new ones.

    Raises:
        InvalidError: the count or the end date is out of bounds.
        NotFoundError: there is no such account.
        ConflictError: it is disabled, or not a person's.
    """
    now = around.clock.now()
    if not 1 <= count <= MOST_CODES:
        raise InvalidError(f"a set has 1 to {MOST_CODES} codes")
    if not now < until <= now + LONGEST:
        raise InvalidError(
            f"codes end after now and by {format_instant(now + LONGEST)}; then make new ones"
        )
    codes = tuple(around.randomness.token() for _ in range(count))

    def work(transaction: Transaction) -> None:
        account = transaction.accounts.get(subject)
        if account.disabled or account.principal.kind is not PrincipalKind.PERSON:
            raise ConflictError(f"{subject.subject} is disabled, or not a person's account")
        hashes = [fingerprint(code) for code in codes]
        transaction.glass_codes.replace(subject, hashes, expires_at=until)
        transaction.audit.append(glass_events.codes_made(actor, subject, now, count, until))

    await around.store.write(work)
    return GlassCodes(codes=codes, expires_at=until)


async def alarm_of_code(around: Surroundings, shown: Secret) -> tuple[AlarmOutcome, ...] | None:
    """Raise the alarm if ``shown`` is a code that would be taken now; None when it is none."""
    now = around.clock.now()

    def work(view: Transaction) -> Principal | None:
        owner = view.glass_codes.owner_of(fingerprint(shown), now=now)
        if owner is None:
            return None
        try:
            return around.identity.lookup(view, owner)
        except NotFoundError:
            return None

    principal = await around.store.read(work)
    if principal is None:
        return None
    return await sound_alarm(around, _notice(around, principal, now))


def use_code(
    transaction: Transaction, shown: Secret, alarms: tuple[AlarmOutcome, ...], now: datetime
) -> PrincipalId:
    """Use the code up, inside the transaction that begins a session, and put it on record.

    Raises:
        UnauthenticatedError: it is used or over meanwhile.
    """
    owner = transaction.glass_codes.use(fingerprint(shown), now=now)
    left = transaction.glass_codes.left(owner, now=now)
    transaction.audit.append(glass_events.code_used(owner, now, left, alarms))
    return owner


def _notice(around: Surroundings, principal: Principal, now: datetime) -> Notice:
    return Notice(
        id=f"glass-code-{around.randomness.grant_id(now)}",
        kind=NoticeKind.BREAK_GLASS,
        at=now,
        title=f"{principal.display} signs in with a code from a sealed envelope",
        lines=(("who", f"{principal.display} ({principal.id})"),),
        people=frozenset({principal.id}),
        path="/",
    )
