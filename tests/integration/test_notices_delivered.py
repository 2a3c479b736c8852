"""People are told of what waits and what happened: at least once, by every channel apart."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.integration.control_plane_in_memory import HALF, READ, WRITE, build, running

from protem.domain.deliveries import TRIED_FOR, DeliveryState, begin, delivered
from protem.domain.errors import RefusedError, RetryLaterError
from protem.domain.identifiers import GroupName
from protem.domain.notices import NoticeKind
from protem.services.channels import Channel
from protem.services.deliver_notices import REMEMBERED, DeliverNotices
from protem.services.diagnose import diagnose
from protem.services.tell_people import tell
from protem.system.clock import SystemClock
from protem.testing.in_memory_notifier import InMemoryNotifier
from protem.testing.in_memory_store import InMemoryStore
from protem.testing.manual_clock import ManualClock
from protem.testing.notifier_contract import NOTICE

ALL = frozenset(NoticeKind)


def channel(name="chat", kinds=ALL, groups=()):
    """A channel in memory."""
    return Channel(
        notifier=InMemoryNotifier(name), kinds=kinds, groups=frozenset(map(GroupName, groups))
    )


@pytest.fixture
async def stage():
    """A control plane with two channels."""
    chat, mail = channel(), channel("mail", frozenset({NoticeKind.DECIDED}))
    async with running(channels=(chat, mail)) as found:
        found.chat, found.mail = chat.notifier.taken, mail.notifier.taken
        yield found


async def until(condition):
    """Wait a little for what loops do."""
    for _ in range(400):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


async def test_those_who_are_asked_are_told_what_would_run(stage):
    """The command, the privileges, the risk, who is asked, and what a yes is bound to."""
    asked = (await stage.ask(WRITE, reason="stuck <b>orders</b>")).json()
    await until(lambda: stage.chat)
    (notice,) = stage.chat
    lines = dict(notice.lines)
    assert notice.kind is NoticeKind.REVIEW_WANTED
    assert "delete from shop.orders" in lines["Runs"]
    assert lines["Privileges"] == "DELETE on table shop.orders"
    assert (lines["Digest"], lines["Missing"]) == (asked["digest"], "1 of owners")
    assert lines["Reason"] == "stuck <b>orders</b>"
    assert notice.risks == ("WRITES data",)
    assert notice.groups == {"owners"}
    assert stage.mail == []


async def test_the_answer_is_told_to_every_channel_that_wants_it(stage):
    """Approved, denied and withdrawn each say so once."""
    for verdict in ("approve", "deny"):
        asked = (await stage.ask(WRITE)).json()
        body = {"digest": asked["digest"], "verdict": verdict}
        await stage.call("reviewer", "POST", f"/v1/requests/{asked['id']}/reviews", json=body)
    third = (await stage.ask(WRITE)).json()
    await stage.call("requester", "POST", f"/v1/requests/{third['id']}/cancel")
    await until(lambda: len(stage.mail) == 3)
    said = sorted(notice.title.rpartition(" ")[2] for notice in stage.mail)
    assert said == ["approved", "denied", "withdrawn"]


async def test_an_end_is_told_once(stage):
    """Given back, with who and where."""
    live = (await stage.ask(READ, public_half=HALF, wait=5)).json()
    await stage.call("requester", "POST", f"/v1/grants/{live['id']}/end", params={"wait": 5})
    await until(lambda: any(notice.kind is NoticeKind.ENDED for notice in stage.chat))
    ends = [notice for notice in stage.chat if notice.kind is NoticeKind.ENDED]
    assert [notice.title for notice in ends] == ["requester's grant on orders-db was given back"]


async def test_an_edit_is_told_anew(stage):
    """Another digest is another notice; the same one is not told twice."""
    asked = (await stage.ask(WRITE)).json()
    body = {**asked["request"], "duration_seconds": 300}
    wanted = {key: body[key] for key in ("target", "duration_seconds")}
    wanted["command"] = {"argv": list(WRITE)}
    await stage.call("requester", "PUT", f"/v1/requests/{asked['id']}", json=wanted)
    await until(lambda: len(stage.chat) == 2)
    assert len({notice.digest for notice in stage.chat}) == 2


@pytest.fixture
def slow():
    """One channel driven by hand on a clock of ours."""
    clock, one = ManualClock(), channel()
    stage = build(clock=clock, channels=(one,))
    return stage, clock, one.notifier, DeliverNotices(around=stage.plane.around, channel=one)


async def put(stage, clock):
    """Put a notice on its way."""
    notice = replace(NOTICE, at=clock.now())
    await stage.store.write(lambda tx: tell(stage.plane.around, tx, notice))


async def test_a_channel_that_is_away_for_an_hour_is_told_when_it_is_back(slow):
    """Tried less and less often, and then at once again."""
    stage, clock, notifier, driver = slow
    await put(stage, clock)
    notifier.failure, tries = RetryLaterError("away"), 0
    for _ in range(720):
        tries += await driver.run_once()
        clock.advance(timedelta(seconds=5))
    assert 10 < tries < 40
    notifier.failure = None
    clock.advance(timedelta(minutes=6))
    await driver.run_once()
    assert [notice.id for notice in notifier.taken] == [NOTICE.id]
    assert await driver.run_once() == 0


@pytest.mark.parametrize("error", [RefusedError("no"), RetryLaterError("away")])
async def test_what_cannot_be_delivered_is_given_up_and_the_doctor_says_so(slow, error):
    """At once when it is refused for good, after a day when it is away."""
    stage, clock, notifier, driver = slow
    await put(stage, clock)
    notifier.failure = error
    await driver.run_once()
    clock.advance(TRIED_FOR)
    await driver.run_once()
    given_up = await stage.store.read(
        lambda view: view.notices.given_up(since=clock.now() - timedelta(days=7), limit=9)
    )
    assert [one.state for one in given_up] == [DeliveryState.GIVEN_UP]
    found = await diagnose(stage.plane.around)
    assert any(one.subject == "notices to chat" for one in found)


async def test_a_crash_after_delivering_delivers_again_with_the_same_id(slow):
    """At least once: a receiver drops repeats by id."""
    stage, clock, notifier, driver = slow
    await put(stage, clock)
    stage.store.failure = RetryLaterError("the disk is gone")
    with pytest.raises(RetryLaterError):
        await driver.run_once()
    stage.store.failure = None
    await driver.run_once()
    assert [notice.id for notice in notifier.taken] == [NOTICE.id, NOTICE.id]


async def test_what_was_delivered_long_ago_is_forgotten():
    """The outbox does not grow for ever; what still waits stays, however old."""
    old = replace(NOTICE, at=SystemClock().now() - REMEMBERED - timedelta(days=1))
    store = InMemoryStore()
    for place, after in (("done", delivered), ("waiting", lambda one: one)):
        delivery = after(begin(old, place))
        await store.write(lambda tx, one=delivery: tx.notices.add(one))
    stage = build(store)
    async with stage.plane.running():
        await until(lambda: set(store._tables.notices) == {(NOTICE.id, "waiting")})


def test_a_channel_hears_what_it_asked_for_and_every_alarm():
    """Kinds and groups choose; an alarm goes everywhere."""
    quiet = channel(kinds=frozenset({NoticeKind.STUCK}), groups=["security"])
    assert not quiet.wants(NOTICE)
    stuck = replace(NOTICE, kind=NoticeKind.STUCK)
    assert quiet.wants(stuck)
    assert not quiet.wants(replace(stuck, groups=frozenset({GroupName("owners")})))
    assert quiet.wants(replace(NOTICE, kind=NoticeKind.BREAK_GLASS, groups=frozenset()))
