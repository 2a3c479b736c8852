"""Add a key to those with which a person signs approvals.

Here: the challenge that shows possession, used once and in time, and the key with its audit entry.
Not here: keys that the settings file declares (declare_approver_keys), formats (the port).

Invariants: only people have keys, each key one person; what is on record is the whole public key.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from protem.domain import approver_key_events
from protem.domain.approval_signatures import SignatureRefusedError
from protem.domain.approver_keys import (
    CHALLENGE_LIFETIME,
    MOST_KEYS,
    ApproverKey,
    KeyChallenge,
    KeyKind,
)
from protem.domain.errors import ConflictError, DeniedError, NotFoundError
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.ports.signature_check import PublicKey, SignatureCheck
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


async def challenge_for_key(
    around: Surroundings, principal: Principal, kind: KeyKind
) -> KeyChallenge:
    """Return a fresh challenge for a new key; the person's earlier one of that kind is void.

    Raises:
        DeniedError: when the caller is no person.
    """
    _check_person(principal)
    challenge = KeyChallenge(
        owner=principal.id,
        kind=kind,
        text=around.randomness.token().reveal(),
        expires_at=around.clock.now() + CHALLENGE_LIFETIME,
    )
    await around.store.write(lambda transaction: transaction.approver_keys.put_challenge(challenge))
    return challenge


async def webauthn_options(around: Surroundings, principal: Principal) -> Mapping[str, Any]:
    """Return what a browser makes a key with, as ``PublicKeyCredentialCreationOptions`` in JSON.

    Raises:
        DeniedError: when the caller is no person.
        SignatureRefusedError: when this server checks no signatures.
    """
    checker = checker_of(around)
    challenge = await challenge_for_key(around, principal, KeyKind.WEBAUTHN)
    known = await around.store.read(lambda view: view.approver_keys.of(principal.id))
    return checker.creation_options(principal, challenge.text, known)


async def register_ssh_key(
    around: Surroundings, principal: Principal, name: str, public_key: str, signature: str
) -> ApproverKey:
    """Add an ssh key that signed the caller's challenge.

    Args:
        around: the ports.
        principal: who calls.
        name: what its owner calls it; empty: the key's own comment.
        public_key: one line, ``ssh-ed25519 AAAA... comment``.
        signature: of the challenge and a line feed, in the namespace ``key@protem.dev``.

    Raises:
        InvalidError: when the key is none that we take.
        ExpiredError: when no challenge waits, or no longer.
        SignatureRefusedError: when the challenge is not signed by this key.
        ConflictError: when the key is known already, or there are too many.
        DeniedError: when the caller is no person.
    """
    _check_person(principal)
    checker = checker_of(around)
    key = checker.ssh_key(public_key)
    now = around.clock.now()

    def work(transaction: Transaction) -> ApproverKey:
        challenge = transaction.approver_keys.take_challenge(principal.id, KeyKind.SSH, now=now)
        checker.check_possession(key, challenge.text, signature)
        return add_key(transaction, _registered(principal, key, name, now), str(principal.id))

    return await _added(around, work)


async def register_webauthn_key(
    around: Surroundings, principal: Principal, name: str, credential: object
) -> ApproverKey:
    """Add the key that a browser made with the options of ``webauthn_options``.

    Raises:
        ExpiredError, SignatureRefusedError, ConflictError, DeniedError: as for an ssh key.
    """
    _check_person(principal)
    checker = checker_of(around)
    now = around.clock.now()

    def work(transaction: Transaction) -> ApproverKey:
        waiting = transaction.approver_keys.take_challenge(principal.id, KeyKind.WEBAUTHN, now=now)
        key = checker.created(credential, waiting.text)
        return add_key(transaction, _registered(principal, key, name, now), str(principal.id))

    return await _added(around, work)


def add_key(transaction: Transaction, key: ApproverKey, actor: str) -> ApproverKey:
    """Put a key in use inside a transaction, with its audit entry.

    Raises:
        ConflictError: when it is in use already, is or was another's, or there are too many.
    """
    try:
        known = transaction.approver_keys.get(key.id)
    except NotFoundError:
        known = None
    if known is not None and known.owner != key.owner:
        raise ConflictError(f"key {key.id} is known already; a key belongs to one person")
    if known is not None and known.in_use:
        raise ConflictError(f"key {key.id} is in use already")
    if sum(other.in_use for other in transaction.approver_keys.of(key.owner)) >= MOST_KEYS:
        raise ConflictError(
            f"a person has at most {MOST_KEYS} keys in use", next_step="protem key rm ID"
        )
    transaction.approver_keys.put(key)
    transaction.audit.append(approver_key_events.key_added(key, actor, key.added_at))
    return key


def checker_of(around: Surroundings) -> SignatureCheck:
    """Return what checks signatures.

    Raises:
        SignatureRefusedError: when this server has nothing that does.
    """
    if around.signature_check is None:
        raise SignatureRefusedError("this server checks no signatures")
    return around.signature_check


def owned_key(
    owner: PrincipalId, key: PublicKey, name: str, at: datetime, *, declared: bool = False
) -> ApproverKey:
    """Return the record of a key that is its owner's from ``at`` on."""
    return ApproverKey(
        id=key.id,
        owner=owner,
        kind=key.kind,
        public_key=key.text,
        name=name or key.comment or key.kind.value,
        added_at=at,
        declared=declared,
        sign_count=key.sign_count,
    )


def _registered(principal: Principal, key: PublicKey, name: str, at: datetime) -> ApproverKey:
    return owned_key(principal.id, key, name, at)


def _check_person(principal: Principal) -> None:
    if principal.kind is not PrincipalKind.PERSON:
        raise DeniedError("only people sign approvals; robots and agents have no keys")


async def _added(around: Surroundings, work: Any) -> ApproverKey:
    key: ApproverKey = await around.store.write(work)
    around.announcer.announce()
    return key
