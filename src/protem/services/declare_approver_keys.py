"""Keys that the settings file declares for its users.

Here: adding and removing what changed in the file, each with the audit entry of any other key. Not
here: keys that people register themselves; a file never touches those.

Invariants: a declared key that its owner or an administrator removed stays removed for as long as
the file names it: a lost key does not come back with the next start.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from protem.domain import approver_key_events
from protem.domain.approver_keys import ApproverKey
from protem.domain.audit_events import SYSTEM
from protem.domain.errors import ConflictError, InvalidError, NotFoundError
from protem.domain.principals import PrincipalId, PrincipalKind
from protem.ports.store import Transaction
from protem.services.register_approver_key import add_key, checker_of, owned_key
from protem.services.surroundings import Surroundings


async def declare_approver_keys(
    around: Surroundings, declared: Mapping[PrincipalId, Sequence[str]]
) -> None:
    """Make the file's keys as ``declared`` says, after its users were declared.

    Args:
        around: the ports.
        declared: lines such as ``ssh-ed25519 AAAA... name`` by their owner.

    Raises:
        InvalidError: when a line is no key that we take, or its owner no person.
        ConflictError: when a key is or was another's.
    """
    if not any(declared.values()) and around.signature_check is None:
        return
    now = around.clock.now()
    wanted: dict[str, ApproverKey] = {}
    for owner, lines in declared.items():
        for key in _keys(around, owner, lines, now):
            if wanted.setdefault(key.id, key).owner != owner:
                raise ConflictError(f"the settings file gives key {key.id} to two people")

    def work(transaction: Transaction) -> None:
        for known in transaction.approver_keys.declared():
            if known.id not in wanted:
                _drop(transaction, known, now)
        for key in wanted.values():
            _declare(transaction, key)

    await around.store.write(work)
    around.announcer.announce()


def _keys(
    around: Surroundings, owner: PrincipalId, lines: Sequence[str], at: datetime
) -> Sequence[ApproverKey]:
    checker = checker_of(around)
    try:
        return [
            owned_key(owner, key, key.comment, at, declared=True)
            for key in map(checker.ssh_key, lines)
        ]
    except InvalidError as error:
        where = f"identity.local.users.{owner.subject}.approver_keys"
        raise InvalidError(f"{where}: {error.message}") from None


def _declare(transaction: Transaction, key: ApproverKey) -> None:
    if transaction.accounts.get(key.owner).principal.kind is not PrincipalKind.PERSON:
        raise InvalidError(f"{key.owner.subject} is no person and has no keys")
    try:
        known = transaction.approver_keys.get(key.id)
    except NotFoundError:
        known = None
    if known is None or known.owner != key.owner or not (known.in_use or known.declared):
        add_key(transaction, key, SYSTEM)


def _drop(transaction: Transaction, known: ApproverKey, now: datetime) -> None:
    gone = replace(known, declared=False)
    if known.in_use:
        gone = gone.removed(max(now, known.added_at))
        transaction.audit.append(approver_key_events.key_removed(gone, SYSTEM, now))
    transaction.approver_keys.put(gone)
