"""Breaking the glass: alarmed first, on record, short, by persons alone, reviewed by another."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from protem.bootstrap.settings import Settings
from protem.domain.broken_glass import AlarmOutcome, GlassVerdict
from protem.domain.decisions import PolicyAction, PolicyDeniedError
from protem.domain.errors import (
    AuditUnavailableError,
    ConflictError,
    DeniedError,
    InvalidError,
    NotFoundError,
    UnauthenticatedError,
)
from protem.domain.grants import GrantState
from protem.domain.notices import NoticeKind
from protem.domain.principals import PrincipalKind
from protem.policy.cedar_policy import CedarPolicy
from protem.ports.store import Account
from protem.services.break_glass import Emergency, break_glass
from protem.services.diagnose import diagnose
from protem.services.diagnosis.findings import Severity
from protem.services.end_grant import end_grant
from protem.services.extend_grant import extend_grant
from protem.services.glass_codes import make_codes
from protem.services.manage_accounts import disable_account
from protem.services.review_glass import list_glass, review_glass
from protem.services.sign_in import sign_in
from protem.testing.in_memory_store import InMemoryStore

from .conftest import ORDERS_DB, POLICY, PUBLIC_HALF, person

RULE = """
@id("on-call-breaks-the-glass")
@max_duration("20m")
permit (
  principal in Protem::Group::"on-call",
  action == Protem::Action::"break_glass",
  resource in Protem::Label::"env=prod"
);
"""


class Bell:
    """Alarms that note what was stored when they were raised."""

    def __init__(self, store: InMemoryStore) -> None:
        self.store, self.notices, self.stored_then, self.fails = store, [], [], None
        self.channels = ("chat", "mail")

    async def sound(self, notice):
        """Note it; fail as told."""
        self.notices.append(notice)
        entries = await self.store.read(lambda view: view.audit.size())
        grants = await self.store.read(lambda view: len(view.grants.list()))
        self.stored_then.append((entries, grants))
        if self.fails == "hang":
            await asyncio.Event().wait()
        if self.fails is not None:
            raise self.fails
        return [AlarmOutcome(channel=name, delivered=True) for name in self.channels]


@pytest.fixture
def bell(company, tmp_path):
    """Alarms, and a policy under which the on-call may break the glass."""
    rules = "".join(found.read_text() for found in sorted(POLICY.glob("*.cedar")))
    (tmp_path / "policy.cedar").write_text(rules + RULE)
    made = Bell(company.store)
    company.around = replace(company.around, policy=CedarPolicy.load(tmp_path), alarms=made)
    return made


def emergency(company, *, confirmed=ORDERS_DB, reason="the site is down", **more):
    """What a responder types."""
    ask = company.ask("emails", reason=reason, ticket="", **more)
    return Emergency(ask=ask, confirmed=confirmed, public_half=PUBLIC_HALF)


async def broken(company, **more):
    """Break the glass as Dana and let the target follow."""
    done = await break_glass(company.around, company.dana, emergency(company, **more))
    await asyncio.sleep(0)
    return done


async def kinds(company):
    """The kinds of all entries."""
    return [entry["kind"] for entry in await company.entries()]


async def test_everybody_is_alarmed_before_anything_is_granted(company, bell):
    """When the alarm is raised the store holds neither a grant nor an entry of it."""
    done = await broken(company)
    assert bell.stored_then == [(0, 0)]
    (notice,) = bell.notices
    assert notice.kind is NoticeKind.BREAK_GLASS
    assert notice.grant_id == done.asked.grant.id
    assert ("why", "the site is down") in notice.lines


async def test_an_alarm_shows_where_the_responder_points_and_waits_for_no_evidence(company, bell):
    """Links go to every channel; the target is asked for nothing before the access."""
    link = "https://alerts.example/7"
    made = emergency(company)
    made = replace(made, ask=replace(made.ask, links=(link,), explain=True))
    done = await break_glass(company.around, company.dana, made)
    assert ("evidence", link) in bell.notices[0].lines
    assert done.asked.revision.evidence.links == (link,)
    assert "rehearse" not in company.connector.calls


async def test_all_of_it_is_on_record_in_one_transaction(company, bell):
    """Request, the break with what alarms came to, activation: without gaps in the sequence."""
    done = await broken(company)
    assert done.asked.grant.state is GrantState.PROVISIONING
    entries = await company.entries()
    assert [entry["kind"] for entry in entries] == [
        "request.created",
        "grant.glass_broken",
        "grant.activated",
    ]
    assert [entry["seq"] for entry in entries] == [1, 2, 3]
    assert entries[0]["data"]["request"]["break_glass"] is True
    assert [outcome["channel"] for outcome in entries[1]["data"]["alarms"]] == list(bell.channels)
    assert done.asked.revision.digest == entries[0]["data"]["digest"]


@pytest.mark.usefixtures("bell")
async def test_the_review_is_owed_from_the_first_moment(company):
    """It is there with the grant, due a day after the planned end, and shown to who may give it."""
    done = await broken(company)
    (owed,) = await list_glass(company.around, company.omar, open_only=True)
    assert owed.grant.id == done.asked.grant.id
    assert owed.due_at == done.asked.grant.expires_at + timedelta(hours=24)
    assert owed.yours
    assert not owed.overdue
    (own,) = await list_glass(company.around, company.dana, open_only=True)
    assert not own.yours


@pytest.mark.parametrize("fails", [OSError("down"), RuntimeError("a bug"), "hang"])
async def test_access_goes_on_when_no_channel_works(company, bell, fails):
    """It is an emergency: the grant begins, and the entry says that nobody was reached."""
    bell.fails = fails
    limits = replace(company.around.limits, alarm_wait=timedelta(seconds=-0.99))
    company.around = replace(company.around, limits=limits)
    done = await broken(company)
    assert done.asked.grant.state is GrantState.PROVISIONING
    assert [outcome.delivered for outcome in done.alarms] == [False, False]
    (entry,) = [e for e in await company.entries() if e["kind"] == "grant.glass_broken"]
    assert not any(outcome["delivered"] for outcome in entry["data"]["alarms"])
    for channel in bell.channels:  # and it is tried again
        due = await company.store.read(
            lambda view, name=channel: view.notices.due(name, now=company.clock.now(), limit=9)
        )
        assert [delivery.notice for delivery in due] == bell.notices


async def test_nothing_begins_when_the_log_cannot_be_written(company, bell):
    """Law 5 holds in an emergency, too; nobody is alarmed for what cannot begin."""
    company.audit_log.failure = AuditUnavailableError("the disk is full")
    with pytest.raises(AuditUnavailableError):
        await broken(company)
    assert bell.notices == []


async def test_a_store_that_fails_after_the_alarm_grants_nothing(company, bell):
    """The alarm was raised for nothing, which is the safe way round."""
    company.store.failure = AuditUnavailableError("the disk is full")
    with pytest.raises(AuditUnavailableError):
        await broken(company)
    company.store.failure = None
    assert len(bell.notices) == 1
    assert await kinds(company) == []


async def test_who_may_not_is_refused_on_record_and_alarms_nobody(company, bell):
    """Eve is not on call: denied with its entry, and no channel can be flooded by her."""
    with pytest.raises(PolicyDeniedError):
        await break_glass(company.around, company.eve, emergency(company))
    assert bell.notices == []
    assert await kinds(company) == ["request.created", "request.denied"]


@pytest.mark.parametrize("kind", [PrincipalKind.WORKLOAD, PrincipalKind.AGENT])
async def test_only_persons_break_the_glass(company, bell, kind):
    """A workload or an agent is refused whatever policy says of its groups."""
    acts_for = company.dana.id if kind is PrincipalKind.AGENT else None
    machine = person("machine", "engineers", "on-call", kind=kind, acts_for=acts_for)
    company.identity.add(machine)
    with pytest.raises(DeniedError, match="only a person"):
        await break_glass(company.around, machine, emergency(company))
    assert bell.notices == []
    assert await kinds(company) == []


@pytest.mark.parametrize(
    "changes",
    [{"confirmed": "orders"}, {"reason": ""}, {"reason": "  \n "}, {"reason": "down"}],
)
async def test_the_name_is_typed_and_a_reason_given(company, bell, changes):
    """Otherwise nothing happens, and nobody is alarmed."""
    with pytest.raises(InvalidError) as caught:
        await broken(company, **changes)
    assert caught.value.next_step
    assert bell.notices == []


async def test_it_is_short(company, bell):
    """Policy's ceiling holds, and the setting's where policy says more or nothing."""
    with pytest.raises(PolicyDeniedError) as by_policy:
        await broken(company, minutes=21)
    assert by_policy.value.next_step == "--for 20m"
    with pytest.raises(DeniedError) as by_setting:
        await broken(company, minutes=31)
    assert by_setting.value.next_step == "--for 30m"
    assert bell.notices == []


async def test_each_time_is_its_own(company, bell):
    """The same person again: another grant, another alarm, another review."""
    first, second = await broken(company), await broken(company)
    assert first.asked.grant.id != second.asked.grant.id
    assert len(bell.notices) == len({notice.id for notice in bell.notices}) == 2
    assert len(await list_glass(company.around, company.omar, open_only=True)) == 2


@pytest.mark.usefixtures("bell")
async def test_it_is_never_extended(company):
    """More time is the glass broken again."""
    done = await broken(company)
    await company.reconciler.run_once()
    with pytest.raises(DeniedError, match="break the glass again") as caught:
        await extend_grant(company.around, company.dana, done.asked.grant.id, timedelta(minutes=1))
    assert caught.value.next_step


async def over(company):
    """Break the glass, and give the grant back."""
    grant_id = (await broken(company)).asked.grant.id
    await company.reconciler.run_once()
    await end_grant(company.around, company.dana, grant_id)
    await company.reconciler.run_once()
    assert (await company.stored(grant_id)).state is GrantState.ENDED
    return grant_id


async def judge(company, who, grant_id, comment="orders were stuck, she freed them"):
    """Give the review."""
    return await review_glass(company.around, who, grant_id, GlassVerdict.JUSTIFIED, comment)


@pytest.mark.usefixtures("bell")
async def test_another_person_reviews_it_once(company):
    """The verdict is on record with its reason; a second one is refused."""
    grant_id = await over(company)
    done = await judge(company, company.omar, grant_id)
    assert done.broken.review.verdict is GlassVerdict.JUSTIFIED
    entry = (await company.entries())[-1]
    assert (entry["kind"], entry["actor"]) == ("glass.reviewed", "local|omar")
    assert entry["data"]["of"] == grant_id
    assert entry["grant"] is None  # the grant is over, and its sequence with it
    with pytest.raises(ConflictError):
        await judge(company, company.omar, grant_id)
    assert await list_glass(company.around, company.omar, open_only=True) == []


@pytest.mark.usefixtures("bell")
async def test_nobody_reviews_themselves_nor_without_the_right(company):
    """Dana may not, Eve does not even see it, and an agent of the owner's may not."""
    grant_id = await over(company)
    with pytest.raises(DeniedError):
        await judge(company, company.dana, grant_id)
    with pytest.raises(NotFoundError):
        await judge(company, company.eve, grant_id)
    agent = person("bot", "db-owners", kind=PrincipalKind.AGENT, acts_for=company.omar.id)
    with pytest.raises(DeniedError):
        await judge(company, agent, grant_id)
    with pytest.raises(InvalidError):
        await judge(company, company.omar, grant_id, comment="  ")


@pytest.mark.usefixtures("bell")
async def test_it_is_reviewed_when_it_is_over(company):
    """While the access lasts nobody can know what will have been done with it."""
    grant_id = (await broken(company)).asked.grant.id
    with pytest.raises(ConflictError, match="not over"):
        await judge(company, company.omar, grant_id)


@pytest.mark.usefixtures("bell")
async def test_the_doctor_is_loud_about_late_reviews_and_nobody_is_locked_out(company):
    """A note while it is due, a warning when late; the glass can be broken all the same."""
    grant_id = await over(company)

    async def finding():
        (found,) = [f for f in await diagnose(company.around) if f.subject == grant_id]
        return found

    assert (await finding()).severity is Severity.NOTE
    company.clock.advance(timedelta(hours=24))
    late = await finding()
    assert late.severity is Severity.WARNING
    assert "overdue" in late.message
    assert late.next_step == f"protem review show {grant_id}"
    assert (await broken(company)).asked.grant.state is GrantState.PROVISIONING


async def envelope(company, count=2):
    """Codes of Dana's."""
    await company.store.write(lambda tx: tx.accounts.put(Account(principal=company.dana)))
    until = company.clock.now() + timedelta(days=90)
    return await make_codes(company.around, "operator", company.dana.id, count=count, until=until)


async def test_a_code_signs_in_once_and_alarms_first(company, bell):
    """The alarm comes before the session; the second use is refused and alarms nobody."""
    made = await envelope(company)
    before = len(await company.entries())
    done = await sign_in(company.around, made.codes[0])
    assert done.principal == company.dana
    assert bell.stored_then == [(before, 0)]
    entries = (await company.entries())[before:]
    assert entries[0]["kind"] == "glass.code_used"
    assert entries[0]["data"]["left"] == 1
    with pytest.raises(UnauthenticatedError):
        await sign_in(company.around, made.codes[0])
    assert len(bell.notices) == 1
    assert (await sign_in(company.around, made.codes[1])).principal == company.dana


async def test_codes_are_void_when_they_should_be(company, bell):
    """At their end, after a new set, and when the account is disabled."""
    first = await envelope(company)
    second = await envelope(company)
    with pytest.raises(UnauthenticatedError):
        await sign_in(company.around, first.codes[0])
    await disable_account(company.around, "operator", company.dana.id)
    with pytest.raises(UnauthenticatedError):
        await sign_in(company.around, second.codes[0])
    third = await envelope(company)
    company.clock.advance(timedelta(days=90))
    with pytest.raises(UnauthenticatedError):
        await sign_in(company.around, third.codes[0])
    assert bell.notices == []


@pytest.mark.usefixtures("bell")
async def test_no_code_is_ever_in_the_log(company):
    """Neither when made nor when used."""
    made = await envelope(company)
    await sign_in(company.around, made.codes[0])
    text = str(await company.entries())
    assert not any(code.reveal() in text for code in made.codes)


def test_settings_keep_it_short():
    """Hours of silence in an emergency are refused by the settings themselves."""
    for table in ({"longest": "9h"}, {"alarm_wait": "1m"}):
        with pytest.raises(ValueError, match="at most"):
            Settings.model_validate({"break_glass": table})


def test_a_rule_that_asks_people_is_refused(tmp_path):
    """Break-glass asks nobody, so approvals on it would be a rule without effect."""
    rule = RULE.replace("@max_duration", '@approvals("1")\n@max_duration')
    (tmp_path / "policy.cedar").write_text(rule)
    with pytest.raises(InvalidError, match="asks nobody"):
        CedarPolicy.load(tmp_path)
    assert PolicyAction.BREAK_GLASS in set(PolicyAction)
