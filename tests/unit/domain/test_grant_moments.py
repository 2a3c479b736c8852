"""What holds at the very moment at which something ends."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain import grants
from protem.domain.errors import ExpiredError
from protem.domain.orders import PublicHalf
from protem.testing.store_samples import START, pending

HALF = PublicHalf(form="scram-sha-256", value="x")


def test_an_approval_is_not_used_at_the_moment_it_lapses():
    """A microsecond before it activates; at its moment it does not."""
    approved = grants.approve(pending(), lapses_at=START)
    just_before = grants.activate(approved, at=START - timedelta(microseconds=1), public_half=HALF)
    assert just_before.state is grants.GrantState.PROVISIONING
    with pytest.raises(ExpiredError):
        grants.activate(approved, at=START, public_half=HALF)


def test_an_extension_is_not_proposed_at_the_moment_of_expiry():
    """Nor is it applied then: the end is already due."""
    active = replace(
        pending(), state=grants.GrantState.ACTIVE, activated_at=START, expires_at=START
    )
    with pytest.raises(ExpiredError):
        grants.propose_extension(active, at=START, revision=2)
    with pytest.raises(ExpiredError):
        grants.extend(active, at=START, revision=2, duration=timedelta(hours=2))
