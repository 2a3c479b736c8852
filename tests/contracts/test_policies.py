"""Every policy keeps the promises of ``protem.testing.policy_contract``."""

from datetime import timedelta

import pytest

from protem.domain.decisions import ApprovalRequirement, Outcome, PolicyAction
from protem.domain.identifiers import GroupName
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_texts
from protem.testing.in_memory_policy import FixedRule, InMemoryPolicy
from protem.testing.policy_contract import PolicyContract

OWNERS = GroupName("owners")
HOUR = timedelta(hours=1)
CEDAR = """
@id("engineers-ask") @approvals("2") @approvers("owners") @max_duration("1h")
permit (principal in Protem::Group::"engineers", action == Protem::Action::"request", resource);

@id("staging-at-once")
permit (
  principal in Protem::Group::"engineers",
  action == Protem::Action::"auto_approve",
  resource in Protem::Label::"env=staging"
);

@id("owners-approve")
permit (principal in Protem::Group::"owners", action == Protem::Action::"approve", resource)
unless { context.is_self };

@id("broken")
permit (principal, action == Protem::Action::"request", resource in Protem::Label::"env=broken")
when { (context.hour + 1) * 9223372036854775807 > 0 };
"""


def env_of(question):
    """The environment of the question's target."""
    return question.target.labels.get("env")


def is_engineer(question):
    """Whether an engineer asks."""
    return "engineers" in question.principal.groups


def fails(question):
    """Fail on the broken environment."""
    if env_of(question) == "broken":
        raise ArithmeticError("overflow")
    return False


class TestInMemoryPolicy(PolicyContract):
    """The fake keeps the promises."""

    @pytest.fixture
    def policy(self):
        """The contract's rules as values."""
        return InMemoryPolicy(
            FixedRule(
                id="broken", action=PolicyAction.REQUEST, outcome=Outcome.ALLOWED, when=fails
            ),
            FixedRule(
                id="staging-at-once",
                action=PolicyAction.REQUEST,
                outcome=Outcome.ALLOWED,
                when=lambda asked: is_engineer(asked) and env_of(asked) == "staging",
                longest=HOUR,
            ),
            FixedRule(
                id="engineers-ask",
                action=PolicyAction.REQUEST,
                outcome=Outcome.NEEDS_APPROVAL,
                when=is_engineer,
                approvals=(
                    ApprovalRequirement(count=2, groups=frozenset({OWNERS}), rule="engineers-ask"),
                ),
                longest=HOUR,
            ),
            FixedRule(
                id="owners-approve",
                action=PolicyAction.APPROVE,
                outcome=Outcome.ALLOWED,
                when=lambda asked: (
                    "owners" in asked.principal.groups
                    and asked.requester.person != asked.principal.person
                ),
            ),
        )

    @pytest.fixture
    def empty_policy(self):
        """No rule."""
        return InMemoryPolicy()


class TestCedarPolicy(PolicyContract):
    """Cedar keeps the promises."""

    @pytest.fixture
    def policy(self):
        """The contract's rules as text."""
        return CedarPolicy(read_texts([("contract.cedar", CEDAR)]))

    @pytest.fixture
    def empty_policy(self):
        """No file."""
        return CedarPolicy(read_texts([]))
