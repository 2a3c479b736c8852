"""The doctor: each thing out of order is found, with its age and a step to take."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.errors import RefusedError
from protem.domain.grants import GrantState
from protem.domain.observations import StandingPrivilege
from protem.services.diagnose import diagnose
from protem.services.diagnosis.findings import Severity
from protem.services.diagnosis.stored_grants import ending_for
from protem.services.end_grant import end_grant
from protem.services.request_access import request_access
from protem.testing.in_memory_connector import InMemoryConnector

from .conftest import ORDERS_DB, PUBLIC_HALF


class MendableConnector(InMemoryConnector):
    """A target of which one knows what to type, and who else may log in."""

    standing = ()

    @property
    def sweep_address(self):
        """Where it is."""
        return "postgresql://admin@db.internal:5432/orders?sslmode=verify-full&x=y"

    def removal_by_hand(self, name):
        """What to type."""
        return f"DROP {name};"

    async def standing_privileges(self):
        """Who else."""
        return self.standing


@pytest.fixture
def mendable(company):
    """The company's target, declared again with the optional powers."""
    connector = MendableConnector(company.clock, name=ORDERS_DB, target=company.target)
    target = replace(
        company.around.catalogue.target(ORDERS_DB), own_logins=frozenset({"admin", "planner"})
    )
    planner = company.around.catalogue.planner(ORDERS_DB)
    company.around.catalogue.declare(target, connector, planner)
    return connector


async def an_active_grant(company):
    """A grant of Dana's."""
    asked = await request_access(company.around, company.dana, company.ask("orders"), PUBLIC_HALF)
    await company.reconciler.run_once()
    return asked.grant


async def test_a_healthy_company_has_no_findings(company):
    """Nothing is said of what is in order."""
    await an_active_grant(company)
    assert await diagnose(company.around) == ()


async def test_a_stuck_grant_has_cause_age_tries_next_try_and_a_step(company, mendable):
    """A revocation that the target refuses, long before the deadline."""
    grant = await an_active_grant(company)
    mendable.fail_next(RefusedError("must not drop"), times=4)
    await end_grant(company.around, company.dana, grant.id)
    for _ in range(4):
        await company.reconciler.run_once()
        company.clock.advance(timedelta(seconds=3))
    (found,) = await diagnose(company.around)
    assert (found.severity, found.subject) == (Severity.CRITICAL, grant.id)
    assert "cause given_back, before its deadline" in found.message
    assert "4 tries in 6s or more" in found.message
    assert "next try in 1s" in found.message
    assert "must not drop" in found.message
    assert found.next_step.endswith(f"DROP {grant.id.name_at_target};")


async def test_the_age_of_an_end_is_at_least_what_is_known(company, mendable):
    """From the tries before the deadline, from the deadline after it."""
    grant = await an_active_grant(company)
    mendable.fail_next(RefusedError("no"), times=3)
    await end_grant(company.around, company.dana, grant.id)
    for _ in range(3):
        await company.reconciler.run_once()
        company.clock.advance(timedelta(seconds=2))
    stuck = await company.stored(grant.id)
    assert stuck.state is GrantState.STUCK
    now = company.clock.now()
    assert timedelta(0) < ending_for(stuck, company.around.limits, now) <= timedelta(seconds=6)
    later = now + timedelta(days=2)
    assert ending_for(stuck, company.around.limits, later) >= timedelta(days=1, hours=23)


async def test_an_overdue_end_names_the_sweep_that_ends_it(company, mendable):
    """The command can be pasted: the address is quoted for a shell."""
    await an_active_grant(company)
    mendable.fail_next(RefusedError("no"), times=2)
    company.clock.advance(timedelta(minutes=15, seconds=1))
    await company.reconciler.run_once()
    company.clock.advance(timedelta(seconds=15))
    found = [one for one in await diagnose(company.around) if "overdue" in one.message]
    assert found[0].next_step == (
        "protem sweep --target 'postgresql://admin@db.internal:5432/orders?sslmode=verify-full&x=y'"
    )


async def test_standing_privileges_are_notes_and_our_own_logins_are_none(company, mendable):
    """In use or not, since when, and what to type; Protem's own roles are left out."""
    since = company.clock.now() - timedelta(hours=2)
    mendable.standing = (
        StandingPrivilege(name="planner", message="can read"),
        StandingPrivilege(name="gru", message="can drop", removal="ALTER ROLE gru NOLOGIN;"),
        StandingPrivilege(name="app", message="can write", sessions=3, in_use_since=since),
    )
    gru, app = await diagnose(company.around)
    assert (gru.severity, gru.subject) == (Severity.NOTE, "orders-db/gru")
    assert gru.message == "a standing privilege: can drop; not in use now"
    assert gru.next_step.endswith(": ALTER ROLE gru NOLOGIN;")
    assert app.message.endswith("in use now by 3 sessions, since 2025-12-31T22:00:00.000000Z")


@pytest.mark.usefixtures("mendable")
async def test_an_orphan_comes_with_the_statements_that_remove_it(company):
    """Critical while it can be used."""
    grant = await an_active_grant(company)
    held = company.target.grants[grant.id]
    await end_grant(company.around, company.dana, grant.id)
    await company.reconciler.run_once()
    company.target.grants[grant.id] = held
    (found,) = await diagnose(company.around)
    assert found.severity is Severity.CRITICAL
    assert f"DROP {grant.id.name_at_target};" in found.next_step


@pytest.mark.parametrize(
    ("back", "severity", "words"),
    [
        (timedelta(seconds=10), Severity.CRITICAL, "10s behind"),
        (timedelta(seconds=1), Severity.NOTE, "1.0 s behind"),
    ],
)
async def test_our_own_clock_is_looked_at(company, back, severity, words):
    """Set back a little is worth knowing; more than that stops granting."""
    company.clock.now()
    company.clock.step(-back)
    (found,) = [one for one in await diagnose(company.around) if one.subject == "clock"]
    assert (found.severity, words in found.message) == (severity, True)
    assert found.next_step


async def test_a_targets_clock_apart_is_critical(company):
    """Orders are refused by a target that is too far behind or ahead."""
    observe = company.connector.observe

    async def behind():
        seen = await observe()
        return replace(seen, at=seen.at - timedelta(seconds=8))

    company.connector.observe = behind
    (found,) = await diagnose(company.around)
    assert (found.severity, "8s behind ours" in found.message) == (Severity.CRITICAL, True)
