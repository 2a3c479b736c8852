"""Policies about reviews, and the verbs that their tests share."""

from dataclasses import replace

from protem.domain.approvals import Verdict
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_texts
from protem.services.request_access import request_access
from protem.services.review_request import Review

from .conftest import person

ASK = """permit (
  principal in Protem::Group::"engineers", action == Protem::Action::"request", resource
);
"""
APPROVE = """permit (principal, action == Protem::Action::"approve", resource)
when { context.is_manager
  || principal in [Protem::Group::"db-owners", Protem::Group::"security"] };
"""
TWO_STAGES = f"""@id("owners") @approvals("1") @approvers("db-owners") {ASK}
@id("security-last") @stage("2") @approvals("1") @approvers("security") {ASK}
{APPROVE}"""
OWNERS = f"""@id("owners") @approvals("1") @approvers("db-owners") {ASK}{APPROVE}"""
MANAGER = f"""@id("boss") @approvals("1") @approvers("$manager") {ASK}{APPROVE}"""


def under(company, text):
    """Let ``text`` be the company's policy."""
    company.around = replace(company.around, policy=CedarPolicy(read_texts([("a.cedar", text)])))


def yes(asked, verdict=Verdict.APPROVE):
    """A verdict on exactly what was asked."""
    return Review(grant_id=asked.grant.id, digest=asked.revision.digest, verdict=verdict)


def hire(company, name, *groups, **facts):
    """A new person."""
    hired = replace(person(name, *groups), **facts)
    company.identity.add(hired)
    return hired


async def ask(company, what="emails", **facts):
    """Dana's request."""
    return await request_access(company.around, company.dana, company.ask(what, **facts))
