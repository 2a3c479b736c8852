"""Links that answer: who gets one, what it is bound to, and that it answers once."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.answer_links import LASTS
from protem.domain.approval_signatures import SignatureRequiredError
from protem.domain.approvals import Verdict
from protem.domain.errors import DeniedError, RetryLaterError
from protem.domain.grants import GrantState
from protem.domain.notices import NoticeKind
from protem.domain.secret import Secret
from protem.services.activate_grant import activate_grant
from protem.services.answer_by_link import LinkOverError, answer_by_link, view_by_link
from protem.services.cancel_request import cancel_request
from protem.services.channels import Channel
from protem.services.deliver_notices import DeliverNotices, forget_old
from protem.services.extend_grant import extend_grant
from protem.services.make_answer_link import ANSWERS
from protem.services.manage_delegations import DelegationAsked, add_delegation
from protem.services.review_request import NotYourTurnError, review_request
from protem.services.revise_request import revise_request
from protem.testing.in_memory_notifier import InMemoryPersonalNotifier

from .conftest import PUBLIC_HALF
from .review_company import OWNERS, TWO_STAGES, ask, hire, under, yes

SECOND = timedelta(seconds=1)
OWNERS_EXTEND = """@id("longer") @approvals("1") @approvers("db-owners") permit (
  principal in Protem::Group::"engineers", action == Protem::Action::"extend", resource
);
"""


@pytest.fixture
def mail(company):
    """A channel that knows everybody, driven by hand; owners are asked."""
    under(company, OWNERS)
    return tell_by_mail(company)


def tell_by_mail(company, **facts):
    """Give the company one channel with an address book."""
    people = [company.dana, company.eve, company.omar, hire(company, "olga", "db-owners")]
    notifier = InMemoryPersonalNotifier(people=[one.id for one in people])
    channel = Channel(
        notifier=notifier,
        kinds=frozenset(NoticeKind),
        personal=notifier,
        **{"answer_by_link": True, **facts},
    )
    company.around = replace(company.around, channels=(channel,))
    return notifier


async def deliver(company):
    """Deliver all that is due."""
    (channel,) = company.around.channels
    while await DeliverNotices(around=company.around, channel=channel).run_once():
        pass


async def links(company, mail):
    """Deliver, and return the tokens that people were sent, by name, the newest of each."""
    await deliver(company)
    return {who.subject: token_of(way) for who, _, way in mail.handed if way is not None}


def token_of(way):
    """The token in a way."""
    return Secret(way.path.reveal().removeprefix(f"{ANSWERS}/"))


def approve(company, token, verdict=Verdict.APPROVE):
    """Answer by a link."""
    return answer_by_link(company.around, token, verdict, "")


async def is_over(company, token):
    """A link neither shows nor answers anything, and says the same in both cases."""
    for attempt in (lambda: view_by_link(company.around, token), lambda: approve(company, token)):
        with pytest.raises(LinkOverError) as raised:
            await attempt()
        assert str(raised.value) == str(LinkOverError())
    return True


async def test_each_who_is_asked_gets_a_link_of_their_own(company, mail):
    """Both owners, and neither the requester nor an engineer; the list gets none at all."""
    await ask(company)
    found = await links(company, mail)
    assert set(found) == {"omar", "olga"}
    assert found["omar"].reveal() != found["olga"].reveal()
    assert {who.subject for who, _, _ in mail.handed} == {"omar", "olga"}
    assert [notice.only_for for notice in mail.taken] == [None]


async def test_an_answer_is_the_same_as_on_the_page_and_the_log_says_how_it_came(company, mail):
    """The owner's own yes, for the digest, with the channel's name."""
    asked = await ask(company)
    token = (await links(company, mail))["omar"]
    grant = await approve(company, token)
    assert grant.state is GrantState.APPROVED
    entry = (await company.entries())[-1]
    assert (entry["kind"], entry["actor"]) == ("request.approved", str(company.omar.id))
    assert entry["data"]["answered_by_link_of"] == "mail"
    assert entry["data"]["approval"]["digest"] == asked.revision.digest


async def test_a_link_answers_once(company, mail):
    """A second use, of either verdict, is of a link that is over."""
    await ask(company)
    token = (await links(company, mail))["omar"]
    await approve(company, token, Verdict.DENY)
    assert await is_over(company, token)
    left = company.store._tables.answer_links.values()
    assert {link.person.subject for link in left} == {"olga"}


async def test_a_mail_that_comes_late_brings_no_link_to_what_it_does_not_show(company, mail):
    """Edited before it was sent: the mail of the old text is not sent, that of the new is."""
    asked = await ask(company)
    edited = company.ask("emails", minutes=14)
    revised = await revise_request(company.around, company.dana, asked.grant.id, edited)
    await deliver(company)
    assert {notice.digest for _, notice, _ in mail.handed} == {revised.revision.digest}


async def test_looking_changes_nothing(company, mail):
    """A scanner that opens the link ten times leaves it as it was, and the request too."""
    asked = await ask(company)
    token = (await links(company, mail))["omar"]
    before = await company.entries()
    for _ in range(10):
        seen = await view_by_link(company.around, token)
    assert (seen.person.id, seen.view.grant.id) == (company.omar.id, asked.grant.id)
    assert await company.entries() == before
    assert (await approve(company, token)).state is GrantState.APPROVED


async def test_a_link_lasts_ten_minutes_from_when_it_was_sent(company, mail):
    """Delivered late it still has ten minutes; at their end it is over."""
    await ask(company)
    company.clock.advance(timedelta(minutes=30))
    token = (await links(company, mail))["omar"]
    company.clock.advance(LASTS - SECOND)
    await view_by_link(company.around, token)
    company.clock.advance(SECOND)
    assert await is_over(company, token)


async def test_a_second_after_its_end_a_link_is_over(company, mail):
    """Ten minutes and one second."""
    await ask(company)
    token = (await links(company, mail))["omar"]
    company.clock.advance(timedelta(minutes=10, seconds=1))
    assert await is_over(company, token)


async def test_a_link_is_for_what_was_asked_then(company, mail):
    """After an edit the old link approves neither the old nor the new revision."""
    asked = await ask(company)
    token = (await links(company, mail))["omar"]
    edited = company.ask("emails", minutes=14)
    await revise_request(company.around, company.dana, asked.grant.id, edited)
    assert await is_over(company, token)
    fresh = (await links(company, mail))["omar"]
    assert (await approve(company, fresh)).state is GrantState.APPROVED


async def test_a_withdrawn_request_has_no_links(company, mail):
    """An answer that comes after the end of the request is refused."""
    asked = await ask(company)
    token = (await links(company, mail))["omar"]
    await cancel_request(company.around, company.dana, asked.grant.id)
    assert await is_over(company, token)


async def test_a_lapsed_request_has_no_links(company, mail):
    """Sent a moment before the request lapsed."""
    await ask(company)
    company.clock.advance(company.around.limits.request_lapses_after - SECOND)
    token = (await links(company, mail))["omar"]
    company.clock.advance(SECOND)
    assert await is_over(company, token)


async def test_a_disabled_person_answers_nothing(company, mail):
    """Whoever reads the mail of somebody who left."""
    await ask(company)
    token = (await links(company, mail))["omar"]
    company.identity.disable(company.omar.id)
    assert await is_over(company, token)


async def test_an_answer_on_the_page_voids_the_link(company, mail):
    """One person has one answer, wherever it is given."""
    asked = await ask(company)
    token = (await links(company, mail))["omar"]
    await review_request(company.around, company.omar, yes(asked, Verdict.DENY))
    assert await is_over(company, token)


async def test_a_link_is_no_right(company, mail):
    """Whoever has left the group since is refused, as on the page; the link stays as it was."""
    await ask(company)
    token = (await links(company, mail))["omar"]
    company.identity.add(replace(company.omar, groups=frozenset()))
    with pytest.raises(DeniedError):
        await approve(company, token)
    company.identity.add(company.omar)
    assert (await approve(company, token)).state is GrantState.APPROVED


async def test_nobody_answers_their_own_request_by_a_link(company, mail):
    """An owner who asks is sent none; under an alias of theirs neither."""
    alias = replace(hire(company, "dana-2", "db-owners"), alias_of=company.dana.id)
    company.identity.add(alias)
    company.identity.add(replace(company.dana, groups=company.dana.groups | alias.groups))
    mail.people |= {alias.id}
    await ask(company)
    assert set(await links(company, mail)) == {"omar", "olga"}


async def test_a_link_that_became_ones_own_requests_answers_nothing(company, mail):
    """Two identities that turn out to be one person between the mail and the answer."""
    await ask(company)
    token = (await links(company, mail))["omar"]
    company.identity.add(replace(company.omar, alias_of=company.dana.id))
    with pytest.raises((DeniedError, LinkOverError)):
        await approve(company, token)


async def test_where_a_signature_is_asked_for_no_link_is_made(company, mail):
    """The copies lead to the page alone."""
    under(company, OWNERS.replace('@approvals("1")', '@approvals("1") @signed("required")'))
    await ask(company)
    assert await links(company, mail) == {}
    assert {who.subject for who, _, way in mail.handed if way is None} == {"omar", "olga"}


async def test_a_link_is_no_signature(company, mail):
    """When the rules ask for one by now, the link that was made before does not stand in for it."""
    await ask(company)
    token = (await links(company, mail))["omar"]
    under(company, OWNERS.replace('@approvals("1")', '@approvals("1") @signed("required")'))
    with pytest.raises(SignatureRequiredError):
        await approve(company, token)


async def test_without_the_setting_nobody_gets_a_link(company):
    """The copies are sent all the same."""
    under(company, OWNERS)
    mail = tell_by_mail(company, answer_by_link=False)
    await ask(company)
    assert await links(company, mail) == {}
    assert len(mail.handed) == 2


async def test_a_stage_gets_its_links_when_it_opens(company, mail):
    """Security is sent nothing before the owners have answered."""
    under(company, TWO_STAGES)
    sam = hire(company, "sam", "security")
    mail.people |= {sam.id}
    await ask(company)
    first = await links(company, mail)
    assert set(first) == {"omar", "olga"}
    await approve(company, first["omar"])
    second = await links(company, mail)
    assert "sam" in second
    with pytest.raises((NotYourTurnError, LinkOverError)):
        await approve(company, first["omar"])
    assert (await approve(company, second["sam"])).state is GrantState.APPROVED


async def test_who_stands_in_gets_a_link_too(company, mail):
    """A delegate is asked like the one whom they stand in for, and the log says for whom."""
    until = company.clock.now() + timedelta(hours=1)
    asked = DelegationAsked(delegate=company.eve.id, until=until)
    await add_delegation(company.around, company.omar, asked)
    await ask(company)
    token = (await links(company, mail))["eve"]
    await approve(company, token)
    assert (await company.entries())[-1]["data"]["stood_in_for"] == [str(company.omar.id)]


async def test_the_outbox_and_the_store_hold_no_token(company, mail):
    """What is at rest answers nothing: neither the delivery nor the link's own record."""
    await ask(company)
    waiting = json.dumps([one.notice.to_json() for one in company.store._tables.notices.values()])
    assert ANSWERS not in waiting
    token = (await links(company, mail))["omar"]
    assert token.reveal() not in repr(company.store._tables)
    assert len(company.store._tables.answer_links) == 2


async def test_a_crash_after_sending_sends_a_fresh_link_and_one_answer_voids_both(company, mail):
    """Both count until the first answer, by either."""
    await ask(company)
    taken = mail.deliver_to

    async def deliver_and_die(*what):
        await taken(*what)
        company.store.failure = RetryLaterError("the process is gone")

    mail.deliver_to = deliver_and_die
    with pytest.raises(RetryLaterError):
        await deliver(company)
    company.store.failure, mail.deliver_to = None, taken
    await deliver(company)
    (who, _, first), *_ = mail.handed
    (again,) = [way for whom, _, way in mail.handed[1:] if whom == who]
    await view_by_link(company.around, token_of(first))
    await approve(company, token_of(again))
    assert await is_over(company, token_of(first))
    assert await is_over(company, token_of(again))


async def test_of_two_answers_at_once_one_counts(company, mail):
    """A double click: the second finds the link used."""
    await ask(company)
    token = (await links(company, mail))["omar"]
    done = await asyncio.gather(
        approve(company, token), approve(company, token), return_exceptions=True
    )
    assert [type(one) for one in done].count(LinkOverError) == 1


@pytest.mark.parametrize("change", [lambda t: t[:-1], lambda t: t + "x", lambda t: t.swapcase()])
async def test_an_altered_token_is_unknown(company, mail, change):
    """And one that nobody made."""
    await ask(company)
    token = (await links(company, mail))["omar"].reveal()
    assert await is_over(company, Secret(change(token)))
    assert await is_over(company, Secret("\udc80"))


async def test_links_that_are_over_are_forgotten(company, mail):
    """After their ten minutes nothing of them is kept."""
    await ask(company)
    await links(company, mail)
    company.clock.advance(LASTS - SECOND)
    await forget_old(company.around)
    assert len(company.store._tables.answer_links) == 2
    company.clock.advance(SECOND)
    await forget_old(company.around)
    assert company.store._tables.answer_links == {}


async def test_what_was_answered_before_it_was_sent_is_not_sent(company, mail):
    """A copy whose person has answered meanwhile, or whose request is over, is dropped."""
    asked = await ask(company)
    await review_request(company.around, company.omar, yes(asked))
    await deliver(company)
    assert [who for who, notice, _ in mail.handed if notice.kind is NoticeKind.REVIEW_WANTED] == []


async def test_who_has_no_address_any_more_is_passed_over(company, mail):
    """The settings changed between the request and its delivery: dropped, not given up."""
    await ask(company)
    mail.people -= {company.omar.id}
    assert set(await links(company, mail)) == {"olga"}
    later = company.clock.now() - timedelta(days=1)
    lost = await company.store.read(lambda view: view.notices.given_up(since=later, limit=9))
    assert lost == ()


async def test_more_time_is_granted_by_a_link(company, mail):
    """An extension that waits is answered like a request, and its grant goes on at once."""
    asked = await ask(company)
    under(company, f"{OWNERS}{OWNERS_EXTEND}")
    await review_request(company.around, company.omar, yes(asked))
    await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    await company.reconciler.run_once()
    before = (await company.stored(asked.grant.id)).expires_at
    longer = timedelta(minutes=5)
    await extend_grant(company.around, company.dana, asked.grant.id, longer, "still at it")
    token = (await links(company, mail))["olga"]
    seen = await view_by_link(company.around, token)
    assert seen.view.proposed is not None
    after = await approve(company, token)
    assert after.expires_at == before + longer
