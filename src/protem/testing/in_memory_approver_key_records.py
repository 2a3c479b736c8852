"""Approvers' keys in dictionaries.

Here: the records with the refusals of the real ones, whose port says what each method does.
"""

# ruff: noqa: D102  # the port says it

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from protem.domain.approver_keys import ApproverKey, KeyChallenge, KeyKind
from protem.domain.errors import ConflictError, ExpiredError, NotFoundError
from protem.domain.principals import PrincipalId
from protem.testing.in_memory_tables import Records


class InMemoryApproverKeys(Records):
    """Approvers' keys and challenges."""

    def get(self, key_id: str) -> ApproverKey:
        found = self._transaction.readable.approver_keys.get(key_id)
        if found is None:
            raise NotFoundError("there is no such key")
        return found

    def put(self, key: ApproverKey) -> None:
        keys = self._transaction.changeable.approver_keys
        stored = keys.get(key.id, key)
        if (stored.owner, stored.kind, stored.public_key) != (key.owner, key.kind, key.public_key):
            raise ConflictError("whose key it is, and its material, never change")
        keys[key.id] = key

    def of(self, owner: PrincipalId) -> Sequence[ApproverKey]:
        keys = self._transaction.readable.approver_keys.values()
        theirs = [key for key in keys if key.owner == owner]
        return tuple(sorted(theirs, key=lambda key: (key.added_at, key.id)))

    def declared(self) -> Sequence[ApproverKey]:
        keys = self._transaction.readable.approver_keys.values()
        return tuple(sorted((key for key in keys if key.declared), key=lambda key: key.id))

    def put_challenge(self, challenge: KeyChallenge) -> None:
        challenges = self._transaction.changeable.key_challenges
        challenges[challenge.owner, challenge.kind] = challenge

    def take_challenge(self, owner: PrincipalId, kind: KeyKind, *, now: datetime) -> KeyChallenge:
        challenges = self._transaction.changeable.key_challenges
        found = challenges.get((owner, kind))
        if found is None or found.expires_at <= now:
            raise ExpiredError("no challenge waits for this key, or no longer; begin anew")
        del challenges[owner, kind]
        return found
