"""Offers, comments, delegations and owed reviews are told once, to those whom they concern."""

from __future__ import annotations

from datetime import timedelta

import pytest
from tests.integration.control_plane_in_memory import HALF, READ, WRITE, ask_body, local, running
from tests.integration.test_notices_delivered import ALL, channel, until

from protem.bootstrap import background_loops
from protem.domain.notices import Notice, NoticeKind
from protem.services import deliver_notices
from protem.services.channels import Channel
from protem.services.remind_of_reviews import remind_of_reviews
from protem.testing.in_memory_notifier import InMemoryPersonalNotifier
from protem.testing.manual_clock import ManualClock

DAY = timedelta(days=1)


@pytest.fixture
async def stage(monkeypatch, request):
    """A control plane with a chat and a mail channel, on a clock of ours, whose loops run fast."""
    rounds = getattr(request, "param", 0.02)
    monkeypatch.setattr(background_loops, "_REMIND_EVERY_SECONDS", rounds)
    monkeypatch.setattr(deliver_notices, "LOOK_EVERY", timedelta(seconds=0.02))
    chat, clock = channel(), ManualClock()
    names = ("requester", "reviewer", "stranger")
    mail = InMemoryPersonalNotifier(people=map(local, names))
    by_mail = Channel(notifier=mail, kinds=ALL, personal=mail)
    async with running(channels=(chat, by_mail), clock=clock) as found:
        found.chat, found.mail, found.clock = chat.notifier.taken, mail.handed, clock
        yield found


def of_kind(notices, kind):
    """The notices of a kind."""
    return [notice for notice in notices if notice.kind is kind]


def mailed(stage, kind):
    """Who was sent a copy of such a notice, in order."""
    return [who.subject for who, notice, _ in stage.mail if notice.kind is kind]


async def post(stage, who, path, **body):
    """Post a document and return the answer's."""
    answer = await stage.call(who, "POST", path, json=body)
    assert answer.is_success, answer.text
    return answer.json()


async def test_an_offer_is_told_to_the_requester(stage):
    """Who offers, why, and what is left; nobody else is sent a copy."""
    asked = (await stage.ask(WRITE)).json()
    path = f"/v1/requests/{asked['id']}/offers"
    less = {"digest": asked["digest"], "duration_seconds": 60, "comment": "a minute <b>will do</b>"}
    await post(stage, "reviewer", path, **less)
    await until(lambda: mailed(stage, NoticeKind.OFFERED))
    (notice,) = of_kind(stage.chat, NoticeKind.OFFERED)
    lines = dict(notice.lines)
    assert notice.title == "reviewer offers requester less on orders-db"
    assert (lines["Offered by"], lines["For"]) == ("reviewer", "1m")
    assert lines["Comment"] == "a minute <b>will do</b>"
    assert notice.digest != asked["digest"]
    assert mailed(stage, NoticeKind.OFFERED) == ["requester"]


async def test_an_offer_that_is_taken_and_whole_is_told_as_decided(stage):
    """The channels that heard of the request hear that nothing waits any more."""
    asked = (await stage.ask(WRITE)).json()
    less = {"digest": asked["digest"], "duration_seconds": 60}
    made = await post(stage, "reviewer", f"/v1/requests/{asked['id']}/offers", **less)
    digest = made["offers"][0]["digest"]
    await post(stage, "requester", f"/v1/requests/{asked['id']}/accept", digest=digest)
    await until(lambda: of_kind(stage.chat, NoticeKind.DECIDED))
    (notice,) = of_kind(stage.chat, NoticeKind.DECIDED)
    assert notice.title.endswith("is approved")


async def test_a_comment_is_told_to_those_who_take_part_and_not_to_its_author(stage):
    """First to the requester; their reply to who commented; never to a bystander."""
    asked = (await stage.ask(WRITE)).json()
    path = f"/v1/requests/{asked['id']}/comments"
    await post(stage, "reviewer", path, text="which orders?")
    await until(lambda: mailed(stage, NoticeKind.COMMENTED) == ["requester"])
    await post(stage, "requester", path, text="those of \x1b[31mtoday")
    await until(lambda: mailed(stage, NoticeKind.COMMENTED) == ["requester", "reviewer"])
    first, second = of_kind(stage.chat, NoticeKind.COMMENTED)
    assert dict(first.lines) == {"Who": "reviewer", "Comment": "which orders?"}
    assert second.people == {local("reviewer")}


async def test_a_comment_that_concerns_nobody_else_is_not_told(stage):
    """A requester who talks to themselves before anybody answered."""
    asked = (await stage.ask(WRITE)).json()
    await post(stage, "requester", f"/v1/requests/{asked['id']}/comments", text="hm")
    await post(stage, "reviewer", f"/v1/requests/{asked['id']}/comments", text="yes?")
    await until(lambda: of_kind(stage.chat, NoticeKind.COMMENTED))
    (notice,) = of_kind(stage.chat, NoticeKind.COMMENTED)
    assert dict(notice.lines)["Comment"] == "yes?"


async def test_a_delegate_is_told_when_it_begins_and_when_it_is_withdrawn(stage):
    """By the delegator; what the delegate ends themselves is no news to them."""
    until_when = (stage.clock.now() + DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = {"to": "local|stranger", "until": until_when}
    first = await post(stage, "reviewer", "/v1/delegations", **body)
    await post(stage, "reviewer", f"/v1/delegations/{first['id']}/end")
    await until(lambda: mailed(stage, NoticeKind.DELEGATION_ENDED))
    second = await post(stage, "reviewer", "/v1/delegations", **body)
    await post(stage, "stranger", f"/v1/delegations/{second['id']}/end")
    await until(lambda: len(mailed(stage, NoticeKind.DELEGATED)) == 2)
    assert set(mailed(stage, NoticeKind.DELEGATED)) == {"stranger"}
    assert mailed(stage, NoticeKind.DELEGATION_ENDED) == ["stranger"]
    began = of_kind(stage.chat, NoticeKind.DELEGATED)[0]
    assert began.title == "stranger: you stand in for reviewer"
    assert dict(began.lines)["Until"].startswith(until_when[:10])


async def broken(stage):
    """Break the glass, and give it back."""
    body = ask_body(READ, reason="the site is down", confirm_target="orders-db", public_half=HALF)
    live = await post(stage, "requester", "/v1/break-glass?wait=5", **body)
    grant = live.get("grant", live)
    await stage.call("requester", "POST", f"/v1/grants/{grant['id']}/end", params={"wait": 5})
    return grant["id"]


def due(stage):
    """The reminders that chat was told."""
    return of_kind(stage.chat, NoticeKind.REVIEW_DUE)


async def test_a_review_that_is_owed_is_told_at_the_end_and_each_day_until_it_is_given(stage):
    """By the loops of a running control plane; once a day, and overdue from the second day on."""
    grant_id = await broken(stage)
    await until(lambda: len(due(stage)) == 1)
    assert due(stage)[0].title.endswith("is owed")
    for days in (2, 3):
        stage.clock.advance(DAY)
        await until(lambda days=days: len(due(stage)) == days)
        assert due(stage)[-1].title.endswith("is overdue")
    assert len({notice.id for notice in due(stage)}) == 3
    verdict = {"verdict": "justified", "comment": "it was down"}
    await post(stage, "reviewer", f"/v1/glass-reviews/{grant_id}", **verdict)
    stage.clock.advance(DAY)
    assert await remind_of_reviews(stage.plane.around) == 0
    assert len(due(stage)) == 3


@pytest.mark.parametrize("stage", [3_600], indirect=True)
async def test_the_first_word_of_an_owed_review_comes_with_the_end(stage):
    """From the transaction of the end, without waiting for a round."""
    await broken(stage)
    await until(lambda: due(stage))


async def test_a_review_that_is_owed_is_told_to_who_may_give_it(stage):
    """A copy to the owner, none to who broke the glass, none to a stranger; no link answers."""
    await broken(stage)
    await until(lambda: mailed(stage, NoticeKind.REVIEW_DUE))
    assert mailed(stage, NoticeKind.REVIEW_DUE) == ["reviewer"]
    assert [way for _, notice, way in stage.mail if notice.kind is NoticeKind.REVIEW_DUE] == [None]


async def test_reminding_again_and_again_tells_once(stage):
    """Twenty rounds on one day, and those of the loop, are one notice."""
    await broken(stage)
    for _ in range(20):
        assert await remind_of_reviews(stage.plane.around) == 1
    await until(lambda: due(stage))
    stage.clock.advance(DAY)
    await until(lambda: len(due(stage)) == 2)
    assert len({notice.id for notice in due(stage)}) == 2


async def test_nothing_is_owed_while_the_access_lasts(stage):
    """The review waits for the end, and so does the first word of it."""
    body = ask_body(READ, reason="the site is down", confirm_target="orders-db", public_half=HALF)
    await post(stage, "requester", "/v1/break-glass?wait=5", **body)
    assert await remind_of_reviews(stage.plane.around) == 0
    assert due(stage) == []


def test_a_copy_comes_back_from_its_form_and_older_forms_are_read():
    """The outbox of an older release holds no ``only_for``."""
    notice = Notice(id="x", kind=NoticeKind.TEST, at=ManualClock().now(), title="t")
    copy = notice.copy_for(local("reviewer"))
    assert Notice.from_json(copy.to_json()) == copy
    assert "only_for" not in notice.to_json()
    assert Notice.from_json(notice.to_json()) == notice
    assert copy.id != notice.copy_for(local("requester")).id
