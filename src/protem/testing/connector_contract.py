"""What every connector promises, as tests: the fake and the real thing pass them alike.

Here: the promises, and what a case must offer to be tested. Not here: how to start a service;
each case does that. To use it, derive a class from ``ConnectorContract`` and override the fixture
``case``.
"""

from __future__ import annotations

import asyncio
import itertools
from datetime import datetime, timedelta
from typing import Protocol

import pytest

from protem.domain.errors import ProtemError, RefusedError, RetryLaterError
from protem.domain.evidence import EvidenceKind
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.observations import MarkedPrivilege
from protem.domain.orders import Order, PublicHalf, Receipt, SignedOrder
from protem.domain.principals import PrincipalId
from protem.domain.scopes import Privilege, Scope
from protem.ports.connector import Connector, RehearsesStatements

_HOUR = timedelta(hours=1)
_numbers = itertools.count(1)


class ConnectorCase(Protocol):
    """One kind of target, ready to be tested.

    Attributes:
        connector: of the target called ``target``.
        scope: privileges that exist there.
        hostile_scope: the same on objects whose names hold quotes, newlines and the like.
        statement: one that the scope allows and that changes one row; None where nothing is
            rehearsed at this kind of target.
    """

    connector: Connector
    target: TargetName
    scope: Scope
    hostile_scope: Scope
    statement: str | None

    async def now(self) -> datetime:
        """Return the target's own time."""
        ...

    def public_half(self) -> PublicHalf:
        """Return one that fits."""
        ...

    async def log_in(self, receipt: Receipt) -> str:
        """Open a session as the client would and return a handle.

        Raises:
            RefusedError: when the target refuses.
        """
        ...

    async def is_open(self, session: str) -> bool:
        """Say whether the session still works."""
        ...

    def anew(self) -> Connector:
        """Return another connector for the same target, as a new process would have."""
        ...

    def of_target(self, name: TargetName) -> Connector:
        """Return a connector for another target that shares the server."""
        ...

    def unreachable(self) -> Connector:
        """Return a connector whose target does not answer."""
        ...


class ConnectorContract:
    """Promises; ``case`` must be overridden."""

    @pytest.fixture
    def case(self) -> ConnectorCase:
        """Return the case under test."""
        raise NotImplementedError

    async def test_a_grant_is_observed_with_deadline_and_scope(self, case: ConnectorCase) -> None:
        """What was provisioned is seen under its name, with its deadline and exactly its scope."""
        order = await an_order(case)
        receipt = await case.connector.provision(order, case.public_half())
        seen = await only(case.connector, order.order.grant_id)
        assert seen.name == receipt.name_at_target == order.order.grant_id.name_at_target
        assert (seen.expires_at, seen.scope) == (order.order.expires_at, case.scope)
        assert seen.usable
        assert seen.deviation == ""

    async def test_provisioning_twice_is_one_grant(self, case: ConnectorCase) -> None:
        """The same order again changes nothing."""
        order, half = await an_order(case), case.public_half()
        first = await case.connector.provision(order, half)
        assert await case.connector.provision(order, half) == first
        assert (await only(case.connector, order.order.grant_id)).deviation == ""

    async def test_a_later_expiry_moves_the_deadline(self, case: ConnectorCase) -> None:
        """An extension moves the deadline; an older order never moves it back."""
        order, half = await an_order(case), case.public_half()
        later = await an_order(case, lasting=2 * _HOUR, grant_id=order.order.grant_id)
        for each in (order, later, order):
            await case.connector.provision(each, half)
        seen = await only(case.connector, order.order.grant_id)
        assert (seen.expires_at, seen.deviation) == (later.order.expires_at, "")

    async def test_ending_cuts_sessions_and_leaves_nothing(self, case: ConnectorCase) -> None:
        """After the end there is no privilege, no session, and no way in."""
        order = await an_order(case)
        receipt = await case.connector.provision(order, case.public_half())
        session = await case.log_in(receipt)
        assert await case.is_open(session)
        await case.connector.end(order.order.grant_id)
        assert not await case.is_open(session)
        assert await find(case.connector, order.order.grant_id) is None
        with pytest.raises(RefusedError):
            await case.log_in(receipt)

    async def test_ending_twice_or_without_a_grant_is_harmless(self, case: ConnectorCase) -> None:
        """Ending is idempotent, and there need not be anything."""
        order = await an_order(case)
        await case.connector.end(order.order.grant_id)
        await case.connector.provision(order, case.public_half())
        await case.connector.end(order.order.grant_id)
        await case.connector.end(order.order.grant_id)

    async def test_a_new_process_can_end(self, case: ConnectorCase) -> None:
        """The grant's id alone is enough to end it, with no memory of making it."""
        order = await an_order(case)
        await case.connector.provision(order, case.public_half())
        other = case.anew()
        await other.end(order.order.grant_id)
        assert await find(case.connector, order.order.grant_id) is None
        await other.close()

    async def test_an_interrupted_grant_can_be_seen_and_ended(self, case: ConnectorCase) -> None:
        """Cancelled at any moment, a grant is absent or whole, and ending it leaves nothing."""
        for pause in (0.0, 0.0005, 0.001, 0.002, 0.004, 0.008):
            order = await an_order(case)
            task = asyncio.create_task(
                asyncio.wait_for(case.connector.provision(order, case.public_half()), 30)
            )
            await asyncio.sleep(pause)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            seen = await find(case.connector, order.order.grant_id)
            assert seen is None or (seen.deviation, seen.scope) == ("", case.scope)
            await case.connector.end(order.order.grant_id)
            assert await find(case.connector, order.order.grant_id) is None

    async def test_an_order_past_its_expiry_is_refused(self, case: ConnectorCase) -> None:
        """The target's own clock decides, on first use and later."""
        fine = await an_order(case)
        await case.connector.provision(fine, case.public_half())
        for lasting in (-_HOUR, timedelta(0)):
            late = await an_order(case, lasting=lasting)
            with pytest.raises(RefusedError):
                await case.connector.provision(late, case.public_half())
            assert await find(case.connector, late.order.grant_id) is None

    async def test_a_late_order_makes_nothing(self, case: ConnectorCase) -> None:
        """Past ``provision_by`` by the target's clock a call that was held up has no effect."""
        for scope_was_used in (False, True):
            late = await an_order(case, issued=-timedelta(seconds=31))
            with pytest.raises(RetryLaterError):
                await case.connector.provision(late, case.public_half())
            assert await find(case.connector, late.order.grant_id) is None
            if not scope_was_used:
                fine = await an_order(case)
                await case.connector.provision(fine, case.public_half())

    async def test_a_late_order_extends_nothing(self, case: ConnectorCase) -> None:
        """Past ``provision_by`` the deadline of a grant that exists stays where it is."""
        order, half = await an_order(case), case.public_half()
        await case.connector.provision(order, half)
        longer = await an_order(
            case,
            lasting=2 * _HOUR,
            grant_id=order.order.grant_id,
            issued=-timedelta(seconds=31),
        )
        with pytest.raises(RetryLaterError):
            await case.connector.provision(longer, half)
        seen = await only(case.connector, order.order.grant_id)
        assert seen.expires_at == order.order.expires_at

    async def test_an_order_from_the_future_is_refused(self, case: ConnectorCase) -> None:
        """A target whose clock is far behind would end the grant too late, so it makes none."""
        early = await an_order(case, issued=timedelta(seconds=45))
        with pytest.raises(RefusedError):
            await case.connector.provision(early, case.public_half())
        assert await find(case.connector, early.order.grant_id) is None

    async def test_an_order_for_another_target_is_refused(self, case: ConnectorCase) -> None:
        """An order is good for one target only."""
        order = await an_order(case, target=TargetName("somewhere-else"))
        with pytest.raises(RefusedError):
            await case.connector.provision(order, case.public_half())

    async def test_a_plain_secret_is_refused(self, case: ConnectorCase) -> None:
        """A public half of the wrong kind is refused, and not repeated in the message."""
        order = await an_order(case)
        form = case.public_half().form
        for half in (
            PublicHalf(form=form, value="a-plain-password"),
            PublicHalf(form="other", value="a-plain-password"),
        ):
            with pytest.raises(RefusedError) as caught:
                await case.connector.provision(order, half)
            assert "a-plain-password" not in str(caught.value)

    async def test_an_unknown_privilege_is_refused(self, case: ConnectorCase) -> None:
        """What is not in the vocabulary is never passed on to the target."""
        odd = Scope([Privilege(kind="moon", path=("x",), action="LAND")])
        order = await an_order(case, scope=odd)
        with pytest.raises(RefusedError):
            await case.connector.provision(order, case.public_half())
        assert await find(case.connector, order.order.grant_id) is None

    async def test_two_grants_do_not_disturb_each_other(self, case: ConnectorCase) -> None:
        """Ending one of two with the same scope leaves the other whole (law 8)."""
        first, second = await an_order(case), await an_order(case)
        await case.connector.provision(first, case.public_half())
        receipt = await case.connector.provision(second, case.public_half())
        session = await case.log_in(receipt)
        await case.connector.end(first.order.grant_id)
        assert await case.is_open(session)
        seen = await only(case.connector, second.order.grant_id)
        assert (seen.scope, seen.deviation) == (case.scope, "")

    async def test_many_at_once(self, case: ConnectorCase) -> None:
        """Sixteen grants of one scope are made and ended at the same time without an error."""
        orders = [await an_order(case) for _ in range(16)]
        await asyncio.gather(
            *(case.connector.provision(order, case.public_half()) for order in orders)
        )
        await asyncio.gather(*(case.connector.end(order.order.grant_id) for order in orders))
        assert (await case.connector.observe()).privileges == ()

    async def test_odd_names_neither_break_nor_inject(self, case: ConnectorCase) -> None:
        """Objects with hostile names are granted exactly, and read back exactly."""
        order = await an_order(case, scope=case.hostile_scope)
        await case.connector.provision(order, case.public_half())
        seen = await only(case.connector, order.order.grant_id)
        assert (seen.scope, seen.deviation) == (case.hostile_scope, "")
        await case.connector.end(order.order.grant_id)

    async def test_another_targets_grants_are_not_seen(self, case: ConnectorCase) -> None:
        """Two targets that share a server see and end only their own."""
        order = await an_order(case)
        await case.connector.provision(order, case.public_half())
        other = case.of_target(TargetName("neighbour"))
        assert not (await other.observe()).privileges
        await other.close()
        assert await find(case.connector, order.order.grant_id) is not None

    async def test_an_unreachable_target_asks_to_retry_later(self, case: ConnectorCase) -> None:
        """No connection means that nothing was changed, for every call."""
        order, gone = await an_order(case), case.unreachable()
        with pytest.raises(RetryLaterError):
            await gone.provision(order, case.public_half())
        with pytest.raises(RetryLaterError):
            await gone.end(order.order.grant_id)
        with pytest.raises(RetryLaterError):
            await gone.observe()
        await gone.close()

    async def test_no_error_carries_the_public_half(self, case: ConnectorCase) -> None:
        """Not even the half that may be known is repeated in an error."""
        half = case.public_half()
        with pytest.raises(ProtemError) as caught:
            await case.connector.provision(await an_order(case, lasting=-_HOUR), half)
        assert half.value not in repr(caught.value)

    async def test_what_is_rehearsed_leaves_nothing(self, case: ConnectorCase) -> None:
        """A dry run counts, an EXPLAIN estimates; the target then shows what it showed before."""
        connector = case.connector
        assert isinstance(connector, RehearsesStatements) == (case.statement is not None)
        if case.statement is None or not isinstance(connector, RehearsesStatements):
            return
        before = (await connector.observe()).privileges
        for _ in range(2):
            counted = await connector.rehearse(case.statement, case.scope, EvidenceKind.DRY_RUN)
            assert (counted.rows, counted.detail) == (1, "")
        shown = await connector.rehearse(case.statement, case.scope, EvidenceKind.EXPLAIN)
        assert shown.detail
        assert shown.rows is not None
        assert (await connector.observe()).privileges == before

    async def test_what_cannot_be_rehearsed_is_refused(self, case: ConnectorCase) -> None:
        """A scope that the target does not know is refused, and silence is tried again later."""
        unknown = Scope([Privilege(kind="moon", path=("shop",), action="USAGE")])
        for connector, scope, refusal in (
            (case.connector, unknown, RefusedError),
            (case.unreachable(), case.scope, RetryLaterError),
        ):
            if case.statement is None or not isinstance(connector, RehearsesStatements):
                continue
            with pytest.raises(refusal):
                await connector.rehearse(case.statement, scope, EvidenceKind.DRY_RUN)
        if connector is not case.connector:
            await connector.close()


def a_grant_id() -> GrantId:
    """Return an id that no other test of this run uses."""
    return GrantId(f"01{next(_numbers):024d}")


async def an_order(
    case: ConnectorCase,
    *,
    lasting: timedelta = _HOUR,
    scope: Scope | None = None,
    grant_id: GrantId | None = None,
    target: TargetName | None = None,
    issued: timedelta = timedelta(0),
) -> SignedOrder:
    """Return an order for the case's target; ``issued`` from now, good for half a minute."""
    now = await case.now()
    order = Order(
        grant_id=grant_id or a_grant_id(),
        target=target or case.target,
        principal=PrincipalId(issuer="local", subject="ana"),
        scope=case.scope if scope is None else scope,
        expires_at=now + lasting,
        issued_at=now + issued,
        provision_by=now + issued + timedelta(seconds=30),
        request_digest="sha256:" + "0" * 64,
    )
    return SignedOrder(order=order, key_id="test", signature=b"")


async def find(connector: Connector, grant_id: GrantId) -> MarkedPrivilege | None:
    """Return what is observed of a grant."""
    found = [seen for seen in (await connector.observe()).privileges if seen.grant_id == grant_id]
    assert len(found) <= 1
    return found[0] if found else None


async def only(connector: Connector, grant_id: GrantId) -> MarkedPrivilege:
    """Return what is observed of a grant that must be there."""
    seen = await find(connector, grant_id)
    assert seen is not None
    return seen
