"""Writes that may be sent twice and act once.

Here: the ``Idempotency-Key`` header, and a store that remembers the answer in the very transaction
of the effect. Not here: the effects.

Invariants:
- Effect and memory commit together, so a crash cannot part them; two calls at once are put in order
  by the store, and the second finds the memory of the first.
- A grant's answer is remembered as a pointer to the grant: a repeat shows it as it is now. A denial
  is remembered word for word. What failed before it had an effect is not remembered.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from fastapi import Request, Response

from protem.domain.decisions import Outcome, PolicyDeniedError
from protem.domain.errors import ConflictError, InvalidError, ProtemError
from protem.domain.grants import Grant
from protem.domain.identifiers import GrantId
from protem.domain.principals import Principal
from protem.entrypoints.http_api.problem_responses import (
    problem_of,
    problem_response,
    request_id_of,
)
from protem.ports.store import RememberedAnswer, Store, Transaction
from protem.services.extend_grant import ExtensionAsked
from protem.services.request_access import AccessRequested
from protem.services.surroundings import Surroundings

T = TypeVar("T")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")
Effect = Callable[[Surroundings], Awaitable[Response]]
Repeat = Callable[[GrantId], Awaitable[Response]]


class _RepeatedError(ProtemError):
    """The key was used before; carries what was answered."""

    def __init__(self, answer: RememberedAnswer) -> None:
        super().__init__("repeated")
        self.answer = answer


async def once(
    request: Request, around: Surroundings, principal: Principal, act: Effect, again: Repeat
) -> Response:
    """Answer a write; with a key, at most one call acts.

    Args:
        request: gives key, path and body.
        around: what ``act`` runs in; with a key its store remembers.
        principal: keys are the caller's own.
        act: does it and answers.
        again: answers for a grant that an earlier call of this key made or changed.

    Raises:
        InvalidError: the key is not 1 to 255 printable ASCII characters.
        ConflictError: the key was used for something else.
    """
    key = request.headers.get("idempotency-key")
    if key is None:
        return await act(around)
    if _KEY.fullmatch(key) is None:
        raise InvalidError("an Idempotency-Key is 1 to 255 printable ASCII characters")
    mark = hashlib.sha256(
        f"{request.method} {request.url.path}\n".encode() + await request.body()
    ).hexdigest()
    known = await around.store.read(lambda view: view.idempotency.get(principal.id, key))
    if known is None:
        store = _RememberingStore(around, principal, key, mark)
        try:
            return await act(replace(around, store=store))
        except _RepeatedError as error:
            known = error.answer
    if known.fingerprint != mark:
        raise ConflictError("this Idempotency-Key was used for another call; use a fresh one")
    remembered = json.loads(known.body)
    if "grant" in remembered:
        return await again(GrantId(remembered["grant"]))
    return problem_response(known.status, remembered, request_id_of(request))


@dataclass(frozen=True, slots=True)
class _RememberingStore:
    """The store, whose next write also remembers what it came to."""

    around: Surroundings
    principal: Principal
    key: str
    mark: str

    @property
    def _store(self) -> Store:
        return self.around.store

    async def write(self, work: Callable[[Transaction], T]) -> T:
        now = self.around.clock.now()

        def work_and_remember(transaction: Transaction) -> T:
            known = transaction.idempotency.get(self.principal.id, self.key)
            if known is not None:
                raise _RepeatedError(known)
            result = work(transaction)
            answer = _answer_of(result, self.mark)
            if answer is not None:
                transaction.idempotency.put(self.principal.id, self.key, answer, now)
            return result

        return await self._store.write(work_and_remember)

    async def read(self, work: Callable[[Transaction], T]) -> T:
        return await self._store.read(work)

    async def close(self) -> None:
        await self._store.close()


def _answer_of(result: object, mark: str) -> RememberedAnswer | None:
    if isinstance(result, tuple) and result:
        result = result[0]
    match result:
        case AccessRequested(decision=decision) if decision.outcome is Outcome.DENIED:
            status, document = problem_of(PolicyDeniedError(decision))
            return _remembered(mark, status, document)
        case AccessRequested(grant=grant) | ExtensionAsked(grant=grant):
            return _remembered(mark, 200, {"grant": grant.id})
        case Grant(id=grant_id):
            return _remembered(mark, 200, {"grant": grant_id})
        case _:
            return None


def _remembered(mark: str, status: int, document: Any) -> RememberedAnswer:
    return RememberedAnswer(fingerprint=mark, status=status, body=json.dumps(document).encode())
