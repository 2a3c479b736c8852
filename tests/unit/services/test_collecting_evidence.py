"""Evidence on its way into a request: who asks for it, what is noted, what it costs to lack it."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from protem.domain.approvals import Verdict
from protem.domain.decisions import Outcome, PolicyDeniedError
from protem.domain.errors import ConflictError, InvalidError, RefusedError
from protem.domain.evidence import EvidenceKind, Rehearsal
from protem.domain.grants import GrantState
from protem.domain.notices import review_wanted
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_texts
from protem.services import collect_evidence
from protem.services.activate_grant import activate_grant
from protem.services.plan_command import plan_command
from protem.services.request_access import request_access
from protem.services.review_request import Review, review_request
from protem.services.revise_request import revise_request

from .conftest import ORDERS_DB, POLICY, PUBLIC_HALF, SCOPES

LINK = "https://alerts.example/7"
WRITES_SHOW_ROWS = """
@id("writes-show-rows") @additional @evidence("dry_run")
permit (principal, action == Protem::Action::"request", resource) when { context.writes };
"""


@dataclass(frozen=True)
class PlansToRehearse:
    """Plans by name, each a statement that may be tried unless ``obstacle`` says why not."""

    obstacle: str = ""

    async def plan(self, command):
        """Return the fixed plan."""
        name = command.argv[-1]
        return replace(SCOPES[name], rehearsal=Rehearsal(statement=name, not_run=self.obstacle))

    async def close(self):
        """Nothing to let go of."""


def asks_for(company, rules=WRITES_SHOW_ROWS, *, obstacle=""):
    """Put ``rules`` beside those of the demo, and a planner whose plans may be tried."""
    demo = [(path.name, path.read_text()) for path in POLICY.glob("*.cedar")]
    company.around = replace(
        company.around, policy=CedarPolicy(read_texts([*demo, ("z.cedar", rules)]))
    )
    target = company.around.catalogue.target(ORDERS_DB)
    company.around.catalogue.declare(target, company.connector, PlansToRehearse(obstacle))


async def exhibits_on_record(company):
    """What the log says of evidence, by kind, and the outcome of each request."""
    return [
        (entry["data"]["decision"]["outcome"], entry["data"]["request"].get("evidence"))
        for entry in await company.entries()
        if entry["kind"] in ("request.created", "request.revised")
    ]


async def test_what_policy_asks_for_is_in_what_is_approved(company):
    """The count is taken before anybody is asked, and is under the digest, in the log and told."""
    asks_for(company)
    company.connector.rehearsed_rows = 3
    asked = await request_access(company.around, company.dana, company.ask("update"))
    (counted,) = asked.revision.evidence.exhibits
    assert (counted.kind, counted.rows) == (EvidenceKind.DRY_RUN, 3)
    ((outcome, recorded),) = await exhibits_on_record(company)
    assert (outcome, recorded["exhibits"][0]["rows"]) == ("needs_approval", 3)
    notice = review_wanted(asked.grant, asked.revision, (), company.clock.now())
    assert "Would touch 3 rows of shop.orders" in dict(notice.lines)["Evidence"]
    review = Review(grant_id=asked.grant.id, digest=asked.revision.digest, verdict=Verdict.APPROVE)
    await review_request(company.around, company.omar, review)
    active = await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    assert active.order.order.request_digest == asked.revision.digest
    assert company.connector.calls.count("rehearse") == 1


async def test_a_plan_says_what_will_be_asked_of_the_target_and_asks_nothing(company):
    """The dry run of a request names the evidence; the target is not touched."""
    asks_for(company)
    planned = await plan_command(company.around, company.dana, company.ask("update"))
    assert planned.decision.outcome is Outcome.NEEDS_APPROVAL
    assert planned.decision.evidence == {EvidenceKind.DRY_RUN}
    assert company.connector.calls == []


@pytest.mark.parametrize("way", ["obstacle", "refused", "slow"])
async def test_a_request_that_lacks_what_policy_asks_for_is_denied(company, monkeypatch, way):
    """Whatever stood against it, nothing new begins, and the reason is said and on record."""
    asks_for(company, obstacle="it calls a volatile function" if way == "obstacle" else "")
    if way == "refused":
        company.connector.fail_next(RefusedError("the database says no"))
    if way == "slow":
        monkeypatch.setattr(collect_evidence, "LONGEST_WAIT", timedelta(milliseconds=10))
        company.connector.hang_next()
    with pytest.raises(PolicyDeniedError) as caught:
        await request_access(company.around, company.dana, company.ask("update"))
    why = {"obstacle": "volatile", "refused": "says no", "slow": "no answer within"}[way]
    assert "needs a dry run of the statement, which could not be had" in caught.value.message
    assert why in caught.value.message
    ((outcome, recorded),) = await exhibits_on_record(company)
    assert outcome == "denied"
    assert why in recorded["exhibits"][0]["why_not"]


async def test_a_session_under_a_profile_has_no_statement_to_try(company):
    """Where a rule asks for evidence of everything, a profile is denied with what to do instead."""
    asks_for(company, WRITES_SHOW_ROWS.replace("when { context.writes }", ""))
    with pytest.raises(PolicyDeniedError, match="ask for that alone"):
        await request_access(company.around, company.dana, company.ask("", profile="read"))


async def test_whoever_is_denied_anyway_learns_nothing_of_the_target(company):
    """No statement is tried for somebody whose request policy refuses for another reason."""
    asks_for(company)
    with pytest.raises(PolicyDeniedError, match="ticket"):
        await request_access(
            company.around, company.dana, replace(company.ask("update", ticket=""), explain=True)
        )
    assert company.connector.calls == []


async def test_what_the_requester_wishes_is_noted_where_it_cannot_be_had(company):
    """An EXPLAIN that nobody demands never stops a request; why it is missing is said."""
    asks_for(company)
    company.connector.fail_next(RefusedError("the database says no"))
    ask = replace(company.ask("orders"), explain=True, links=(LINK,))
    asked = await request_access(company.around, company.dana, ask, PUBLIC_HALF)
    assert asked.grant.state is GrantState.PROVISIONING
    assert asked.revision.evidence.links == (LINK,)
    (exhibit,) = asked.revision.evidence.exhibits
    assert exhibit.why_not == "the database says no"


async def test_without_a_wish_or_a_rule_the_target_is_not_asked(company):
    """Evidence costs the target something, and so is taken only where somebody wants it."""
    asks_for(company)
    asked = await request_access(company.around, company.dana, company.ask("orders"))
    assert not asked.revision.evidence
    assert company.connector.calls == []


async def test_an_edit_takes_evidence_anew(company):
    """The old count goes with the old revision; what cannot be had leaves the request as it was."""
    asks_for(company)
    asked = await request_access(company.around, company.dana, company.ask("update"))
    company.connector.rehearsed_rows = 9
    edited = await revise_request(
        company.around, company.dana, asked.grant.id, company.ask("update", minutes=5)
    )
    assert edited.revision.evidence.exhibits[0].rows == 9
    company.connector.fail_next(RefusedError("the database says no"))
    with pytest.raises(PolicyDeniedError):
        await revise_request(company.around, company.dana, asked.grant.id, company.ask("update"))
    assert (await company.stored(asked.grant.id)).revision == edited.revision.number


async def test_a_rule_that_came_later_holds_at_activation(company):
    """What was approved without evidence is not given once policy asks for some."""
    asks_for(company, "")
    asked = await request_access(company.around, company.dana, company.ask("update"))
    review = Review(grant_id=asked.grant.id, digest=asked.revision.digest, verdict=Verdict.APPROVE)
    await review_request(company.around, company.omar, review)
    asks_for(company)
    with pytest.raises(PolicyDeniedError, match="needs a dry run"):
        await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)


async def test_a_hostile_link_is_refused_before_anything_is_on_record(company):
    """No row and no entry tells of it."""
    with pytest.raises(InvalidError):
        await request_access(
            company.around, company.dana, replace(company.ask("orders"), links=("javascript:x",))
        )
    assert await company.entries() == []


async def test_whoever_buries_the_approvers_gets_nothing_tried(company):
    """Over the bound of what may wait, the refusal comes before the target is asked."""
    asks_for(company)
    company.around = replace(company.around, limits=replace(company.around.limits, most_waiting=1))
    await request_access(company.around, company.dana, company.ask("update"))
    with pytest.raises(ConflictError, match="wait for approval already"):
        await request_access(company.around, company.dana, company.ask("update"))
    assert company.connector.calls.count("rehearse") == 1
