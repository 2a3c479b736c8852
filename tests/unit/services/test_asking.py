"""Asking: what policy lets through at once, what waits for people, what is refused."""

from dataclasses import replace
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from protem.domain.decisions import Outcome, PolicyDeniedError
from protem.domain.errors import (
    AuditUnavailableError,
    ConflictError,
    ExpiredError,
    NotFoundError,
    UnplannableError,
)
from protem.domain.grants import GrantState
from protem.services.activate_grant import activate_grant
from protem.services.cancel_request import cancel_request
from protem.services.plan_command import plan_command
from protem.services.request_access import request_access
from protem.services.revise_request import revise_request
from protem.services.surroundings import Limits
from protem.services.view_grants import GrantFilter, list_grants

from .conftest import ORDERS_DB, PUBLIC_HALF, SCOPES


async def test_a_plan_touches_nothing(company):
    """A dry run leaves no row, no entry and no call at the target."""
    planned = await plan_command(company.around, company.dana, company.ask("orders"))
    assert planned.decision.outcome is Outcome.ALLOWED
    assert planned.revision.plan.scope == SCOPES["orders"].scope
    assert await company.entries() == []
    assert company.connector.calls == []


async def test_an_auto_approved_request_is_provisioned_in_one_step(company):
    """With the public half sent along, one call and one pass make the privilege exist."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    assert asked.grant.state is GrantState.PROVISIONING
    await company.reconciler.run_once()
    held = company.target.grants[asked.grant.id]
    assert held.scope == SCOPES["orders"].scope
    assert held.expires_at == company.clock.now() + timedelta(minutes=15)
    kinds = [entry["kind"] for entry in await company.entries()]
    assert kinds == [
        "request.created",
        "request.allowed",
        "grant.activated",
        "grant.provisioned",
    ]


async def test_intent_is_on_record_before_the_target_is_touched(company):
    """After asking and before the reconciler runs, the log knows and the target does not."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    (entry,) = [row for row in await company.entries() if row["kind"] == "grant.activated"]
    assert entry["data"]["name_at_target"] == asked.grant.id.name_at_target
    assert company.connector.calls == []


async def test_personal_data_waits_for_a_second_person(company):
    """The same person, target and length: another column is another decision."""
    asked = await request_access(company.around, company.dana, company.ask("emails"), PUBLIC_HALF)
    assert asked.grant.state is GrantState.PENDING
    assert asked.decision.outcome is Outcome.NEEDS_APPROVAL
    await company.reconciler.run_once()
    assert company.target.grants == {}


async def test_nobody_buries_the_approvers(company):
    """One principal's waiting requests are bounded; one that is withdrawn makes room, alone."""
    around = replace(company.around, limits=Limits(most_waiting=3))
    asked = [await request_access(around, company.dana, company.ask("emails")) for _ in range(3)]
    before = await company.entries()
    with pytest.raises(ConflictError, match="3 requests of yours wait") as refused:
        await request_access(around, company.dana, company.ask("emails"))
    assert str(refused.value.next_step).endswith(f"cancel {asked[0].grant.id}")
    assert await company.entries() == before
    assert (await request_access(around, company.dana, company.ask("orders"))).grant
    assert (await request_access(around, company.eve, company.ask("emails"))).grant
    await cancel_request(around, company.dana, asked[0].grant.id)
    assert (await request_access(around, company.dana, company.ask("emails"))).grant
    with pytest.raises(ConflictError):
        await request_access(around, company.dana, company.ask("emails"))


async def test_one_request_is_found_below_ten_thousand_others(company):
    """What waits for somebody is on one of a few pages, however much waits for others."""
    buried = await request_access(company.around, company.dana, company.ask("emails"))

    def flood(transaction):
        by_omar = {"principal": company.omar.id}
        for _ in range(10_000):
            grant_id = company.around.randomness.grant_id(company.clock.now())
            transaction.grants.add(replace(buried.grant, id=grant_id, **by_omar))
            transaction.requests.add(replace(buried.revision, grant_id=grant_id, **by_omar))

    company.clock.advance(timedelta(seconds=1))
    await company.store.write(flood)
    wanted, found = GrantFilter(to_review=True, limit=20), []
    for _ in range(11):
        page = await list_grants(company.around, company.omar, wanted)
        found += [view.grant.id for view in page.views]
        if page.next is None:
            break
        wanted = replace(wanted, before=page.next)
    assert found == [buried.grant.id]
    assert page.next is None


@pytest.mark.parametrize("changes", [{"ticket": ""}, {"reason": ""}, {"minutes": 61}])
async def test_what_no_approval_could_mend_is_denied_and_on_record(company, changes):
    """A missing ticket, a missing reason or too long a time is said at once, with a next step."""
    with pytest.raises(PolicyDeniedError) as caught:
        await request_access(company.around, company.dana, company.ask("orders", **changes))
    assert caught.value.next_step
    kinds = [entry["kind"] for entry in await company.entries()]
    assert kinds == ["request.created", "request.denied"]


async def test_a_stranger_is_denied(company):
    """Someone in no group that a rule names gets nothing."""
    with pytest.raises(PolicyDeniedError):
        await request_access(company.around, company.omar, company.ask("orders"))


async def test_no_audit_no_privilege(company):
    """While the log cannot be published, nothing is asked, activated or edited."""
    asked = await request_access(company.around, company.dana, company.ask("orders"))
    company.audit_log.failure = AuditUnavailableError("disk full")
    with pytest.raises(AuditUnavailableError):
        await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    with pytest.raises(AuditUnavailableError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    assert company.target.grants == {}


async def test_a_profile_is_asked_by_name(company):
    """A session under a profile gets the profile's scope and says so to approvers."""
    asked = await request_access(company.around, company.dana, company.ask("", profile="read"))
    assert asked.revision.plan.scope == SCOPES["orders"].scope
    assert [finding.code for finding in asked.revision.plan.findings] == ["profile"]


async def test_an_unplannable_command_names_the_profiles(company):
    """When no scope can be derived, the way on is named."""
    with pytest.raises(UnplannableError) as caught:
        await request_access(company.around, company.dana, company.ask("do $$ $$"))
    assert "read" in caught.value.next_step


async def test_unknown_targets_and_profiles_are_named(company):
    """A misspelt profile lists those that exist."""
    with pytest.raises(NotFoundError, match="read"):
        await request_access(company.around, company.dana, company.ask("", profile="write"))


async def test_another_persons_grant_does_not_exist(company):
    """Activating, cancelling or editing someone else's request answers as for none."""
    asked = await request_access(company.around, company.dana, company.ask("orders"))
    with pytest.raises(NotFoundError):
        await activate_grant(company.around, company.eve, asked.grant.id, PUBLIC_HALF)
    with pytest.raises(NotFoundError):
        await cancel_request(company.around, company.eve, asked.grant.id)
    with pytest.raises(NotFoundError):
        await revise_request(company.around, company.eve, asked.grant.id, company.ask("orders"))


async def test_an_unused_approval_lapses(company):
    """At its moment an approval is worth nothing, reconciled or not."""
    asked = await request_access(company.around, company.dana, company.ask("orders"))
    company.clock.advance(company.around.limits.approval_lapses_after)
    with pytest.raises(ExpiredError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    await company.reconciler.run_once()
    grant = await company.stored(asked.grant.id)
    assert grant.state is GrantState.LAPSED


async def test_a_grant_is_activated_once(company):
    """The second activation is refused and changes nothing."""
    asked = await request_access(company.around, company.dana, company.ask("orders"))
    first = await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    with pytest.raises(ConflictError):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    grant = await company.stored(first.id)
    assert grant.version == first.version


async def test_a_cancelled_request_stays_cancelled(company):
    """Withdrawn means withdrawn: no activation, no second cancel."""
    asked = await request_access(company.around, company.dana, company.ask("orders"))
    await cancel_request(company.around, company.dana, asked.grant.id)
    for again in (
        activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF),
        cancel_request(company.around, company.dana, asked.grant.id),
    ):
        with pytest.raises(ConflictError):
            await again


async def test_the_order_is_signed_and_whole(company):
    """What the connector gets names scope, expiry, digest and decision, under our signature."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    signed = asked.grant.order
    key = Ed25519PublicKey.from_public_bytes(company.around.order_signer.public_key)
    key.verify(signed.signature, signed.order.canonical_bytes())
    assert signed.order.request_digest == asked.revision.digest
    assert signed.order.target == ORDERS_DB
    assert signed.order.decision["outcome"] == "allowed"
