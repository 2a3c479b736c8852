"""The accounts that this server keeps, behind the identity port: local ones and providers' people.

Here: proving a session token, and reading an account inside a transaction. Not here: changing
accounts (services.manage_accounts) or exchanging one-time tokens (services.sign_in).

Invariants:
- Only the fingerprint of a token is looked up, so timing tells nothing about stored tokens.
- A proof is remembered for at most ``REMEMBERED``, and is forgotten at once when its account
  changes in this process. Whatever is written is checked again in its own transaction.
- A session that nobody used for ``idle`` proves nobody; uses are noted here, and put on record by
  services.manage_sessions, so that proving costs no write.
- An agent has its person's manager.
- An agent is nobody while the person it acts for is disabled (law 6).
- People of a provider that the settings do not name any more are nobody.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from protem.domain.bearer_tokens import SESSION_IDLE, fingerprint
from protem.domain.errors import NotFoundError, UnauthenticatedError
from protem.domain.principals import Principal, PrincipalId
from protem.domain.secret import Secret
from protem.domain.sign_in_sessions import SignInSession
from protem.ports.clock import Clock
from protem.ports.store import Store, Transaction

ISSUER = "local"
REMEMBERED = timedelta(seconds=1)
"""By so much may a session outlive its expiry, or a change made by another process."""
_MOST_REMEMBERED = 10_000
_SIGN_IN = "protem login"


class LocalIdentity:
    """Proves callers by session tokens of the store's accounts."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        issuers: frozenset[str] = frozenset(),
        idle: timedelta = SESSION_IDLE,
    ) -> None:
        """Know local accounts, and those of ``issuers``; a session unused for ``idle`` is over."""
        self._store = store
        self._clock = clock
        self._issuers = issuers | {ISSUER}
        self._idle = idle
        self._used: dict[bytes, datetime] = {}
        self._proved: dict[bytes, tuple[datetime, Principal]] = {}
        self._generation = 0

    async def authenticate(self, bearer: Secret) -> Principal:
        """Return the principal of a session token.

        Raises:
            UnauthenticatedError: unknown, expired or disabled.
        """
        now = self._clock.now()
        token_hash = fingerprint(bearer)
        remembered = self._proved.get(token_hash)
        if remembered is not None and timedelta(0) <= now - remembered[0] < REMEMBERED:
            return remembered[1]
        generation = self._generation
        principal = await self._store.read(lambda view: self._prove(view, token_hash, now))
        if generation == self._generation:  # nothing was forgotten while we read
            if len(self._proved) >= _MOST_REMEMBERED:
                self._proved.clear()
            self._proved[token_hash] = now, principal
        return principal

    def uses(self) -> Mapping[bytes, datetime]:
        """Return the last use of each session, as far as it is not on record."""
        return dict(self._used)

    def uses_kept(self, kept: Mapping[bytes, datetime]) -> None:
        """Drop these notes, but those that are newer by now."""
        for token_hash, at in kept.items():
            if self._used.get(token_hash) == at:
                del self._used[token_hash]

    def lookup(self, transaction: Transaction, principal_id: PrincipalId) -> Principal:
        """Return an enabled principal as the transaction sees it.

        Raises:
            NotFoundError: unknown or disabled, or an agent of such a person.
        """
        if principal_id.issuer not in self._issuers:
            raise NotFoundError(f"no provider here vouches for {principal_id}")
        account = transaction.accounts.get(principal_id)
        acts_for = account.principal.acts_for
        person = account if acts_for is None else transaction.accounts.get(acts_for)
        if account.disabled or person.disabled:
            raise NotFoundError(f"account {principal_id.subject} is disabled")
        if person.manager is None:
            return account.principal
        return replace(account.principal, manager=person.manager)

    def forget(self, principal_id: PrincipalId) -> None:
        """Look the principal up anew at its next call, and so its agents."""
        self._generation += 1
        stale = [
            token_hash
            for token_hash, (_, principal) in self._proved.items()
            if principal_id in (principal.id, principal.acts_for)
        ]
        for token_hash in stale:
            del self._proved[token_hash]

    def _prove(self, view: Transaction, token_hash: bytes, now: datetime) -> Principal:
        try:
            owner = view.accounts.owner_of(token_hash, now=now, single_use=False)
            principal = self.lookup(view, owner)
        except (UnauthenticatedError, NotFoundError) as error:
            raise UnauthenticatedError(
                "the session is unknown, over, or of a disabled account", next_step=_SIGN_IN
            ) from error
        self._note_use(view.sessions.find(token_hash), token_hash, now)
        return principal

    def _note_use(self, session: SignInSession | None, token_hash: bytes, now: datetime) -> None:
        """Note that a session was used just now, unless it has been idle for too long."""
        if session is None:
            return
        last = max(session.used_at, self._used.get(token_hash, session.used_at))
        if now - last > self._idle:
            raise UnauthenticatedError(
                "the session was not used for too long and is over", next_step=_SIGN_IN
            )
        self._used[token_hash] = max(last, now)
