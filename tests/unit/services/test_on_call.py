"""On call at the moment of the decision: rotas that are down, old, empty, overlapping."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.decisions import Outcome
from protem.domain.errors import DeniedError, RetryLaterError
from protem.domain.grants import GrantState
from protem.domain.oncall import OncallAnswer, ScheduleName, Shift
from protem.domain.principals import PrincipalId, PrincipalKind
from protem.identity.linked_persons import LinkedPersons, first_identities
from protem.identity.with_rota import WithRota
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_texts
from protem.services.activate_grant import activate_grant
from protem.services.refresh_rota import list_oncall, refresh_rota
from protem.services.request_access import request_access
from protem.services.review_request import review_request

from .conftest import PUBLIC_HALF, person
from .review_company import yes

DB, NET = ScheduleName("db"), ScheduleName("net")
POLICY = """
@approvals("1") @approvers("oncall:db")
permit (principal, action == Protem::Action::"request", resource);
permit (principal in Protem::Group::"oncall:net", action == Protem::Action::"auto_approve",
  resource)
when { context has oncall_age_seconds && context.oncall_age_seconds <= 600 };
permit (principal in Protem::Group::"oncall:db", action == Protem::Action::"approve", resource);
"""
HOUR = timedelta(hours=1)


class SteeredRota:
    """A rota that says what the test says, or is down."""

    def __init__(self, schedule, clock):
        self.schedule, self.clock = schedule, clock
        self.people, self.down, self.unknown = (), False, ()

    async def shifts(self, *, now, until):
        """Everyone for all of the time asked."""
        if self.down:
            raise RetryLaterError("no answer")
        shifts = tuple(Shift(person=who.id, starts=now, ends=until) for who in self.people)
        return OncallAnswer(
            schedule=self.schedule, as_of=now, until=until, shifts=shifts, unknown=self.unknown
        )

    async def close(self):
        """Nothing to close."""


@pytest.fixture
def rotas(company):
    """Two schedules of the company; answers count for two hours."""
    company.around = replace(
        company.around,
        policy=CedarPolicy(read_texts([("a.cedar", POLICY)])),
        identity=WithRota(
            identity=company.identity,
            store=company.store,
            clock=company.clock,
            schedules=frozenset({DB, NET}),
            longest_age=2 * HOUR,
        ),
    )
    return SteeredRota(DB, company.clock), SteeredRota(NET, company.clock)


async def refresh(company, *rotas):
    """Ask them as the loop does; one that is down changes nothing."""
    for rota in rotas:
        try:
            await refresh_rota(company.around, rota, 3 * HOUR)
        except RetryLaterError:
            assert rota.down


async def test_who_is_on_call_approves(company, rotas):
    """By no group of their account, and no longer than the shift."""
    db, _ = rotas
    asked = await request_access(company.around, company.dana, company.ask("emails"))
    with pytest.raises(DeniedError):
        await review_request(company.around, company.omar, yes(asked))
    db.people = (company.omar,)
    await refresh(company, db)
    grant = await review_request(company.around, company.omar, yes(asked))
    assert grant.state is GrantState.APPROVED
    db.people = (company.eve,)
    company.clock.advance(timedelta(minutes=1))
    await refresh(company, db)
    with pytest.raises(DeniedError):
        await activate_grant(company.around, company.dana, grant.id, PUBLIC_HALF)


async def test_two_rotas_down_leave_their_last_answers_until_they_are_too_old(company, rotas):
    """What was said last goes on to count, with its age, as long as the settings let it."""
    db, net = rotas
    db.people, net.people = (company.omar,), (company.dana,)
    await refresh(company, db, net)
    db.down = net.down = True
    company.clock.advance(timedelta(minutes=10))
    await refresh(company, db, net)
    at_once = await request_access(company.around, company.dana, company.ask("emails"))
    assert at_once.decision.outcome is Outcome.ALLOWED
    company.clock.advance(timedelta(seconds=1))  # 10 minutes and a second: too old for the rule
    asked = await request_access(company.around, company.dana, company.ask("emails"))
    assert asked.decision.outcome is Outcome.NEEDS_APPROVAL
    company.clock.advance(2 * HOUR - timedelta(minutes=10, seconds=1))
    grant = await review_request(company.around, company.omar, yes(asked))
    assert grant.state is GrantState.APPROVED
    company.clock.advance(timedelta(seconds=1))
    with pytest.raises(DeniedError):
        await activate_grant(company.around, company.dana, grant.id, PUBLIC_HALF)


async def test_an_empty_schedule_takes_everyone_off_call(company, rotas):
    """An answer that nobody is on call is an answer."""
    db, _ = rotas
    db.people = (company.omar,)
    await refresh(company, db)
    db.people = ()
    company.clock.advance(timedelta(minutes=1))
    await refresh(company, db)
    asked = await request_access(company.around, company.dana, company.ask("emails"))
    with pytest.raises(DeniedError):
        await review_request(company.around, company.omar, yes(asked))


async def test_no_account_is_in_a_group_of_those_on_call_by_itself(company, rotas):
    """A claim of ``oncall:net`` from elsewhere is worth nothing, nor is that of an agent."""
    _, net = rotas
    company.identity.add(person("dana", "engineers", "oncall:net"))
    found = await company.store.read(
        lambda view: company.around.identity.lookup(view, company.dana.id)
    )
    assert found.groups == {"engineers"}
    asked = await request_access(company.around, company.dana, company.ask("emails"))
    assert asked.decision.outcome is Outcome.NEEDS_APPROVAL
    robot = person("robot", "oncall:net", kind=PrincipalKind.AGENT, acts_for=company.dana.id)
    company.identity.add(robot)
    net.people = (company.dana,)
    await refresh(company, net)
    asked = await request_access(company.around, robot, company.ask("emails"))
    assert asked.decision.outcome is Outcome.NEEDS_APPROVAL


async def test_unknown_people_are_told_and_change_is_on_record(company, rotas):
    """One entry a change, none for the same answer again."""
    db, _ = rotas
    ghost = person("ghost")
    db.people, db.unknown = (company.omar, company.eve, ghost), ("x@example.com",)
    await refresh(company, db)
    await refresh(company, db)
    (answer,) = await list_oncall(company.around)
    assert answer.unknown == ("local|ghost", "x@example.com")
    assert answer.on_call(company.clock.now()) == {company.omar.id, company.eve.id}
    entries = [one for one in await company.entries() if one["kind"] == "oncall.changed"]
    assert [one["data"]["on_call"] for one in entries] == [["local|eve", "local|omar"]]


async def test_an_alias_is_on_call_as_its_person(company, rotas):
    """The rota knows one identity, and the person signs in by another."""
    db, _ = rotas
    alias = replace(person("x"), id=PrincipalId(issuer="https://login.example", subject="7"))
    company.identity.add(alias)
    firsts = first_identities([[company.omar.id, alias.id]])
    linked = LinkedPersons(company.identity, firsts)
    company.around = replace(
        company.around, identity=replace(company.around.identity, identity=linked, firsts=firsts)
    )
    db.people = (alias,)
    await refresh(company, db)
    asked = await request_access(company.around, company.dana, company.ask("emails"))
    grant = await review_request(company.around, company.omar, yes(asked))
    assert grant.state is GrantState.APPROVED
