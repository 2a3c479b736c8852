"""Refuse what would bury approvers under the requests of one principal.

Here: the count and its bound. Not here: when it is asked.
"""

from __future__ import annotations

from protem.domain.errors import ConflictError
from protem.domain.grants import GrantState
from protem.domain.principals import PrincipalId
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings


def refuse_flood(
    around: Surroundings, view: Transaction, principal: PrincipalId, *, more: int
) -> None:
    """Return unless too many requests of ``principal`` wait, with ``more`` that are to come.

    Raises:
        ConflictError: naming one to withdraw.
    """
    most = around.limits.most_waiting
    waiting = view.grants.list(states=(GrantState.PENDING,), principal=principal, limit=most + 1)
    if len(waiting) + more > most:
        raise ConflictError(
            f"{most} requests of yours wait for approval already",
            next_step=f"withdraw what you need no more: protem request cancel {waiting[-1].id}",
        )
