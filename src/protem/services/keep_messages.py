"""Keep messages in a chat true: who said yes since, and when there is nothing to answer any more.

Here: what a message about a request has to say now, posting it, and rewriting what no longer holds.
Not here: the other notices and when they are tried (deliver_notices), or the look of a message.

Invariants:
- A message is compared with its grant's version, never with news of it: whatever changed the grant,
  here, on the page, in a terminal or by time, and whatever was missed, it is rewritten.
- A request that waits no longer when its turn comes is not posted at all.
- Rewriting may happen twice and is recorded after it happened.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from protem.domain import deliveries, notices
from protem.domain.approvals import Approval, Verdict
from protem.domain.deliveries import Delivery
from protem.domain.errors import NotFoundError, ProtemError, RefusedError, RetryLaterError
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId
from protem.domain.notices import Notice, NoticeKind
from protem.domain.requests import RequestRevision
from protem.ports.rewriting_notifier import RewritingNotifier
from protem.ports.store import Transaction
from protem.services.review_request import review_case
from protem.services.surroundings import Surroundings

CALL_TIMEOUT = timedelta(seconds=20)
LOOK_EVERY = timedelta(seconds=2)
_PAUSE = timedelta(seconds=10)
_BATCH = 20
_CHANGED = "The request has changed since; look at the page"
_CLOSED = {GrantState.CANCELLED: "Withdrawn", GrantState.LAPSED: "Lapsed: it waited for too long"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """What a message about one revision has to say now.

    Attributes:
        version: of the grant.
        over: why nothing is to be answered any more; empty while there is.
        notice: the notice of now; None once it is over.
    """

    version: int
    over: str = ""
    notice: Notice | None = None


def present(
    around: Surroundings, view: Transaction, grant_id: GrantId, digest: str, at: datetime
) -> Present:
    """Return what holds of the revision with ``digest``.

    Raises:
        NotFoundError: there is no such grant.
    """
    grant = view.grants.get(grant_id)
    revision = _waiting(view, grant)
    if revision is None or revision.digest != digest:
        return Present(version=grant.version, over=_outcome(view, grant, digest))
    try:
        case = review_case(around, view, grant, revision, at)
    except NotFoundError:
        return Present(
            version=grant.version, over="Who asked, or the target, is not known here any more"
        )
    counted = case.count()
    wanted = notices.review_wanted(
        grant,
        revision,
        case.progress(counted).missing,
        at,
        approved_by=[given.reviewer for given in counted.approvals],
    )
    return Present(version=grant.version, notice=wanted)


async def post(around: Surroundings, rewriting: RewritingNotifier, delivery: Delivery) -> Delivery:
    """Post a notice where it can be rewritten; return its delivery as it is then.

    Raises:
        RetryLaterError, RefusedError: as the channel says.
    """
    notice = delivery.notice
    if not _is_kept_true(notice):
        await rewriting.post(notice)
        return deliveries.delivered(delivery)
    now = await _read(around, notice)
    if _is_over(now, notice):
        return deliveries.delivered(delivery)
    receipt = await rewriting.post(now.notice or notice)
    return deliveries.posted(delivery, receipt=receipt, version=now.version)


@dataclass(slots=True, kw_only=True)
class KeepMessages:
    """The driver of one channel's messages.

    Attributes:
        name: of the channel, in the settings.
    """

    around: Surroundings
    name: str
    rewriting: RewritingNotifier
    _not_before: datetime | None = field(default=None, init=False)

    async def run(self) -> None:
        """Rewrite until cancelled; every step can be repeated."""
        with self.around.announcer.watch() as watch:
            while True:
                await self.run_once()
                await watch.changed(LOOK_EVERY)

    async def run_once(self) -> int:
        """Rewrite what does not hold any more; return how many messages that was."""
        now = self.around.clock.now()
        if self._not_before is not None and now < self._not_before:
            return 0
        outdated = await self.around.store.read(
            lambda view: view.notices.outdated(self.name, limit=_BATCH)
        )
        for done, delivery in enumerate(outdated):
            if not await self._rewrite(delivery):
                return done
        return len(outdated)

    async def _rewrite(self, delivery: Delivery) -> bool:
        """Return whether to go on: a channel that is away is left alone for a while."""
        notice, error = delivery.notice, ""
        now = await _read(self.around, notice)
        over = _is_over(now, notice)
        try:
            async with asyncio.timeout(CALL_TIMEOUT.total_seconds()):
                await self.rewriting.rewrite(delivery.receipt, now.notice or notice, over)
        except RefusedError as refused:
            over = error = refused.message  # it is gone: nobody can click on it either
        except (ProtemError, TimeoutError) as away:
            delay = away.delay if isinstance(away, RetryLaterError) else None
            self._not_before = self.around.clock.now() + (delay or _PAUSE)
            return False
        version = None if over else now.version
        after = deliveries.rewritten(delivery, version, error=error)
        await self.around.store.write(lambda tx: tx.notices.save(after))
        return True


def _is_kept_true(notice: Notice) -> bool:
    return notice.kind is NoticeKind.REVIEW_WANTED and notice.grant_id is not None


def _is_over(now: Present, notice: Notice) -> str:
    """Return why the message itself is over; the next stage has one of its own."""
    if now.notice is not None and now.notice.id != notice.id:
        return "This stage is met; others are asked now"
    return now.over


async def _read(around: Surroundings, notice: Notice) -> Present:
    at, grant_id, digest = around.clock.now(), notice.grant_id, notice.digest or ""
    if grant_id is None:
        raise RefusedError(f"{notice.id} is about no request")
    return await around.store.read(lambda view: present(around, view, grant_id, digest, at))


def _waiting(view: Transaction, grant: Grant) -> RequestRevision | None:
    if grant.state is GrantState.PENDING:
        return view.requests.get(grant.id, grant.revision)
    if grant.state is GrantState.ACTIVE and grant.proposed_revision is not None:
        return view.requests.get(grant.id, grant.proposed_revision)
    return None


def _outcome(view: Transaction, grant: Grant, digest: str) -> str:
    given = verdicts_on(view, grant.id, digest)
    denied = [one for one in given if one.verdict is Verdict.DENY]
    if denied:
        return f"Denied by {_names(denied)}"
    if view.requests.get(grant.id, grant.revision).digest != digest:
        return _CHANGED
    if grant.state in _CLOSED:
        return _CLOSED[grant.state]
    if grant.state is GrantState.DENIED:
        return "Denied by policy"
    return f"Approved by {_names(given) or 'policy'}"


def verdicts_on(view: Transaction, grant_id: GrantId, digest: str) -> list[Approval]:
    """Return all that was said to the revision with ``digest``, oldest first."""
    numbers = range(1, view.requests.latest_number(grant_id) + 1)
    return [
        one
        for number in numbers
        for one in view.approvals.of(grant_id, number)
        if one.digest == digest
    ]


def _names(given: list[Approval]) -> str:
    return ", ".join(sorted(one.reviewer.subject for one in given))
