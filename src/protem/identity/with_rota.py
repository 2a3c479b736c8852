"""Who is on call, put into groups at the moment of the question, over any identity provider.

Here: the groups ``oncall:SCHEDULE``, from the last answers in the store. Not here: asking rotas
(``services.refresh_rota``): a look-up never waits for a network.

Invariants:
- Nobody is in such a group by an account, a claim or a directory.
- An answer that is older than the settings allow puts nobody into a group; a younger one tells its
  age along, for policy.
- The person on call is in the group, not their agents.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

from protem.domain.oncall import ONCALL_PREFIX, OncallAnswer, ScheduleName
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.secret import Secret
from protem.identity.passing_on import PassesOn
from protem.ports.clock import Clock
from protem.ports.identity_provider import IdentityProvider
from protem.ports.store import Store, Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class WithRota(PassesOn):
    """An identity provider whose principals are in the groups of those on call.

    Attributes:
        schedules: those that the settings name; answers of others do not count.
        longest_age: of an answer that counts.
        firsts: of identities that are one person, the first of each.
    """

    identity: IdentityProvider
    store: Store
    clock: Clock
    schedules: frozenset[ScheduleName]
    longest_age: timedelta
    firsts: Mapping[PrincipalId, PrincipalId] = field(default_factory=dict)

    async def authenticate(self, bearer: Secret) -> Principal:
        """Return whom the token proves, with the groups of now."""
        principal = await self.identity.authenticate(bearer)
        if not self.schedules:
            return self._on_call(principal, ())
        return self._on_call(principal, await self.store.read(lambda view: view.oncall.list()))

    def lookup(self, transaction: Transaction, principal_id: PrincipalId) -> Principal:
        """Return a principal as it is now, with the groups of now."""
        principal = self.identity.lookup(transaction, principal_id)
        return self._on_call(principal, transaction.oncall.list() if self.schedules else ())

    def _on_call(self, principal: Principal, answers: Iterable[OncallAnswer]) -> Principal:
        now = self.clock.now()
        mine = {principal.id, principal.person}
        counting = [
            answer
            for answer in answers
            if answer.schedule in self.schedules
            and now - answer.as_of <= self.longest_age
            and principal.kind is PrincipalKind.PERSON
            and mine & {self.firsts.get(who, who) for who in answer.on_call(now)}
        ]
        claimed = {group for group in principal.groups if group.startswith(ONCALL_PREFIX)}
        if not counting and not claimed:
            return principal
        return replace(
            principal,
            groups=(principal.groups - claimed) | {one.schedule.group for one in counting},
            oncall_as_of=min((one.as_of for one in counting), default=None),
        )
