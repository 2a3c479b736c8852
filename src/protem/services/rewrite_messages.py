"""Rewrite the messages of a chat that ask for what was answered, wherever it was answered.

Here: looking at every open message of a channel. Not here: posting (deliver_notices).

Invariants: what a message says follows from the grant as it is now, so nothing is lost by a crash,
by an answer on the page, or by notices that arrive in another order; a message that cannot be
rewritten now holds up no other.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta

from protem.domain import posted_messages
from protem.domain.approvals import Approval
from protem.domain.errors import NotFoundError, RefusedError, RetryLaterError
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.posted_messages import PostedMessage
from protem.ports.message_board import MessageBoard
from protem.ports.store import Transaction
from protem.services.channels import Channel
from protem.services.surroundings import Surroundings

_MOST_OPEN = 10_000


async def rewrite_messages(around: Surroundings, channel: Channel, within: timedelta) -> None:
    """Rewrite those that ask for nothing any more, each within ``within``."""
    board = channel.board
    if board is None:
        return
    now = around.clock.now()

    def work(view: Transaction) -> list[tuple[PostedMessage, str]]:
        settled = []
        for message in view.messages.open(channel.name, now=now, limit=_MOST_OPEN):
            notice = message.notice
            said = outcome_of(view, notice.grant_id, notice.digest)
            if said is not None:
                settled.append((message, said))
        return settled

    for message, said in await around.store.read(work):
        after = await _rewrite(around, board, message, said, within)
        await around.store.write(lambda tx, after=after: tx.messages.put(after))  # type: ignore[misc]  # mypy infers no lambda defaults


async def _rewrite(
    around: Surroundings,
    board: MessageBoard,
    message: PostedMessage,
    said: str,
    within: timedelta,
) -> PostedMessage:
    try:
        async with asyncio.timeout(within.total_seconds()):
            await board.rewrite(message.receipt, message.notice, said)
    except RefusedError:  # it was deleted, or is too old to be changed
        return posted_messages.closed(message)
    except Exception as error:  # noqa: BLE001  # a channel's bug must not stop the others
        delay = error.delay if isinstance(error, RetryLaterError) else None
        return posted_messages.put_off(message, around.clock.now(), delay)
    return posted_messages.closed(message)


def outcome_of(view: Transaction, grant_id: GrantId | None, digest: str | None) -> str | None:
    """Return what came of a question; None while an answer to it is waited for."""
    if grant_id is None:
        return "nothing waits here"
    try:
        grant = view.grants.get(grant_id)
    except NotFoundError:
        return "there is no such request any more"
    number = _under_review(grant)
    asked = None if number is None else view.requests.get(grant_id, number).digest
    return posted_messages.outcome(grant, digest, asked, verdicts_on(view, grant_id, digest))


def verdicts_on(view: Transaction, grant_id: GrantId, digest: str | None) -> list[Approval]:
    """Return what was said to the revision with ``digest``, oldest first."""
    numbers = range(1, view.requests.latest_number(grant_id) + 1)
    return [
        one
        for number in numbers
        for one in view.approvals.of(grant_id, number)
        if one.digest == digest
    ]


def _under_review(grant: Grant) -> int | None:
    if grant.state is GrantState.PENDING:
        return grant.revision
    return grant.proposed_revision if grant.state is GrantState.ACTIVE else None
