"""Ask a rota who is on call, and keep the answer.

Here: one look at one schedule: the network first, then a transaction. Not here: how often
(bootstrap), and what the answer changes (the identity decorator reads it).

Invariants: a rota that is down changes nothing: its last answer goes on to count, and ages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from protem.domain import review_events
from protem.domain.errors import NotFoundError
from protem.domain.oncall import OncallAnswer, ScheduleName
from protem.domain.principals import PrincipalId
from protem.ports.rota import Rota
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


async def refresh_rota(around: Surroundings, rota: Rota, ahead: timedelta) -> OncallAnswer:
    """Read the shifts from now to ``ahead`` of it, and keep them; say so when others are on call.

    Raises:
        RetryLaterError, RefusedError: as the rota says; nothing is changed.
        AuditUnavailableError: it could not be kept.
    """
    now = around.clock.now()
    read = await rota.shifts(now=now, until=now + ahead)

    def work(transaction: Transaction) -> tuple[OncallAnswer, bool]:
        answer = _with_unknown_accounts(around, transaction, read)
        before = _last(transaction, rota.schedule)
        transaction.oncall.put(answer)
        changed = before is None or _told(before, before.as_of) != _told(answer, answer.as_of)
        if changed:
            on_call, unknown = _told(answer, answer.as_of)
            transaction.audit.append(
                review_events.oncall_changed(rota.schedule, on_call, unknown, now)
            )
        return answer, changed

    answer, changed = await around.store.write(work)
    if changed:
        around.announcer.announce()
    return answer


async def list_oncall(around: Surroundings) -> Sequence[OncallAnswer]:
    """Return the last answers, by schedule."""
    return await around.store.read(lambda view: view.oncall.list())


def _last(transaction: Transaction, schedule: ScheduleName) -> OncallAnswer | None:
    return next((one for one in transaction.oncall.list() if one.schedule == schedule), None)


def _told(answer: OncallAnswer, moment: datetime) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return tuple(sorted(map(str, answer.on_call(moment)))), tuple(sorted(answer.unknown))


def _with_unknown_accounts(
    around: Surroundings, transaction: Transaction, answer: OncallAnswer
) -> OncallAnswer:
    """Return ``answer`` with those who are mapped to no enabled account among the unknown."""

    def is_known(person: PrincipalId) -> bool:
        try:
            around.identity.lookup(transaction, person)
        except NotFoundError:
            return False
        return True

    people = {shift.person for shift in answer.shifts}
    absent = {person for person in people if not is_known(person)}
    return replace(
        answer,
        shifts=tuple(shift for shift in answer.shifts if shift.person not in absent),
        unknown=tuple(sorted({*answer.unknown, *map(str, absent)})),
    )
