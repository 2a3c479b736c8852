"""The plan: what follows from what should be and what is."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from protem.domain import grants
from protem.domain.grant_reconciliation import (
    BeginEnding,
    End,
    EndOrphan,
    Lapse,
    Provision,
    ReportStray,
    plan,
)
from protem.domain.grants import EndCause, Grant, GrantState
from protem.domain.identifiers import GrantId, TargetName
from protem.domain.observations import LiveSession, MarkedPrivilege, Observation
from protem.domain.orders import PublicHalf, Receipt
from protem.domain.principals import PrincipalId

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
GRANT = Grant(
    id=GrantId("01jd0000000000000000000000"),
    version=1,
    state=GrantState.PENDING,
    revision=1,
    principal=PrincipalId(issuer="local", subject="dana"),
    target=TargetName("orders-db"),
    duration=HOUR,
    requested_at=NOW,
    lapses_at=NOW + HOUR,
    due_at=NOW + HOUR,
)
APPROVED = grants.approve(GRANT, lapses_at=NOW + HOUR)
PROVISIONING = grants.activate(APPROVED, at=NOW, public_half=PublicHalf(form="x", value="y"))
ACTIVE = grants.provisioned(
    PROVISIONING, at=NOW, receipt=Receipt(name_at_target="x"), applied_until=NOW + HOUR
)
ENDING = grants.begin_ending(ACTIVE, at=NOW, cause=EndCause.REVOKED)


def seen(grant):
    """A marked privilege that belongs to ``grant``."""
    return MarkedPrivilege(
        name=grant.id.name_at_target, grant_id=grant.id, expires_at=None, usable=True
    )


def kinds(actions):
    """The classes of the actions, in order."""
    return [type(action) for action in actions]


@pytest.mark.parametrize("grant", [GRANT, APPROVED])
def test_an_unused_request_lapses_at_its_moment(grant):
    """Not a microsecond before, and exactly at the moment."""
    just_before = NOW + HOUR - timedelta(microseconds=1)
    assert plan([grant], None, just_before) == ()
    assert kinds(plan([grant], None, NOW + HOUR)) == [Lapse]


@pytest.mark.parametrize("grant", [PROVISIONING, ACTIVE])
def test_an_expired_grant_begins_to_end_at_its_moment(grant):
    """Expiry is inclusive: at E the grant is over, provisioned or not."""
    (action,) = plan([grant], None, NOW + HOUR)
    assert action == BeginEnding(grant=grant, cause=EndCause.EXPIRED)


def test_a_grant_without_an_expiry_is_treated_as_expired():
    """A missing deadline is never an eternal one."""
    broken = replace(ACTIVE, expires_at=None)
    assert kinds(plan([broken], None, NOW)) == [BeginEnding]


def test_provisioning_is_repeated_until_recorded():
    """A grant whose privilege is not on record yet is provisioned, whatever was seen."""
    assert kinds(plan([PROVISIONING], None, NOW)) == [Provision]


def test_an_extension_is_told_to_the_target():
    """A deadline that the target has not been told is due work."""
    longer = grants.extend(ACTIVE, at=NOW, revision=2, duration=2 * HOUR)
    assert kinds(plan([longer], None, NOW)) == [Provision]


@pytest.mark.parametrize("observed", [None, Observation(at=NOW)])
@pytest.mark.parametrize("grant", [ENDING, replace(ENDING, state=GrantState.STUCK)])
def test_ending_has_no_precondition(grant, observed):
    """With or without an observation, seen or not, stuck or not: end it."""
    assert kinds(plan([grant], observed, NOW)) == [End]


def test_what_no_live_grant_explains_is_an_orphan():
    """A mark without a grant, or with one that is over, is ended."""
    over = grants.ended(ENDING, at=NOW)
    observed = Observation(at=NOW, privileges=(seen(GRANT),))
    assert kinds(plan([], observed, NOW)) == [EndOrphan]
    assert kinds(plan([over], observed, NOW)) == [EndOrphan]


@pytest.mark.parametrize("grant", [PROVISIONING, ACTIVE, ENDING])
def test_what_a_live_grant_explains_is_no_orphan(grant):
    """From intent to proof, a grant explains its privilege."""
    observed = Observation(at=NOW, privileges=(seen(grant),))
    assert EndOrphan not in kinds(plan([grant], observed, NOW))


def test_a_privilege_removed_by_hand_ends_its_grant():
    """What an operator took away at the target is not made again."""
    later = NOW + timedelta(seconds=1)
    (action,) = plan([ACTIVE], Observation(at=later), later)
    assert action == BeginEnding(grant=ACTIVE, cause=EndCause.REMOVED_AT_TARGET)


def test_a_grant_made_during_the_look_is_not_missing():
    """Absence is only believed of what was there before the look began."""
    assert plan([ACTIVE], Observation(at=NOW), NOW) == ()


def test_sessions_without_an_account_are_reported():
    """A login that slipped in while its account was being removed is not overlooked."""
    stray = LiveSession(privilege="", handle="42")
    actions = plan([], Observation(at=NOW, sessions=(stray,)), NOW)
    assert actions == (ReportStray(session=stray),)


def test_every_terminal_state_is_left_alone():
    """Nothing is ever due for a grant that is over."""
    for state in grants.TERMINAL:
        assert plan([replace(ACTIVE, state=state)], None, NOW + 100 * HOUR) == ()
