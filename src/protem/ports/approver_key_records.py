"""Approvers' keys in a transaction, and the challenges that new ones answer."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from protem.domain.approver_keys import ApproverKey, KeyChallenge, KeyKind
from protem.domain.principals import PrincipalId


class ApproverKeyRecords(Protocol):
    """Every key there ever was, one row each; none is ever deleted."""

    def get(self, key_id: str) -> ApproverKey:
        """Return the key, removed or not.

        Raises:
            NotFoundError: when there is none.
        """
        ...

    def put(self, key: ApproverKey) -> None:
        """Insert it, or write over what may change: name, moments, counter.

        Raises:
            ConflictError: when the stored key is another's, or of other material.
        """
        ...

    def of(self, owner: PrincipalId) -> Sequence[ApproverKey]:
        """Return a person's keys, removed ones too, oldest first."""
        ...

    def declared(self) -> Sequence[ApproverKey]:
        """Return the keys that come from the settings file, by id."""
        ...

    def put_challenge(self, challenge: KeyChallenge) -> None:
        """Keep a challenge in place of the person's earlier one of that kind."""
        ...

    def take_challenge(self, owner: PrincipalId, kind: KeyKind, *, now: datetime) -> KeyChallenge:
        """Return the person's challenge and forget it.

        Raises:
            ExpiredError: when there is none, or no longer.
        """
        ...
