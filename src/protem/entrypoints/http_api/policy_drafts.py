"""What the API and the pages do alike with rules: who may read them, and the bounds of a replay.

Invariants: one replay at a time in a process, since it takes a processor; it gives up after
``MOST_TIME``; the draft is read and asked on another thread than the one that serves.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta

from protem.domain.decisions import Outcome, PolicyAction, refuse_if_denied
from protem.domain.errors import NotFoundError
from protem.domain.policy_questions import about_role
from protem.domain.principals import Principal
from protem.entrypoints.http_api.problem_responses import TooManyError
from protem.entrypoints.http_api.serving import Serving
from protem.ports.policy import ReadsDrafts, ShowsRules
from protem.services.replay_policy import Replay, ReplayReport, replay_policy_for
from protem.services.surroundings import Surroundings

MOST_TIME = timedelta(seconds=20)


def check_may_read_rules(around: Surroundings, principal: Principal) -> None:
    """Return when policy lets ``principal`` audit or administer.

    Raises:
        PolicyDeniedError: when it does not.
    """
    now = around.clock.now()
    audits = around.policy.decide(about_role(PolicyAction.AUDIT, principal, now))
    if audits.outcome is not Outcome.ALLOWED:
        refuse_if_denied(around.policy.decide(about_role(PolicyAction.ADMINISTER, principal, now)))


def rules_of(around: Surroundings) -> ShowsRules:
    """Return the policy in force, for reading.

    Raises:
        NotFoundError: when it has no rules to show.
    """
    policy = around.policy
    if not isinstance(policy, ShowsRules):
        raise NotFoundError("the policy of this server cannot be shown as rules")
    return policy


async def replay_draft(
    here: Serving,
    principal: Principal,
    files: Mapping[str, str],
    *,
    since: timedelta,
    most_shown: int,
) -> ReplayReport:
    """Return what the policy that ``files`` make would have answered otherwise.

    Raises:
        InvalidError: when the draft is refused; the message names file and line.
        TooManyError: while another replay runs.
        NotFoundError: when this server's policy knows no drafts.
    """
    policy = here.around.policy
    if not isinstance(policy, ReadsDrafts):
        raise NotFoundError("the policy of this server reads no drafts")
    if here.replaying.locked():
        raise TooManyError("another replay is under way; try again when it is over")
    async with here.replaying:
        draft = await asyncio.to_thread(policy.draft, files)
        asked = Replay(new=draft, since=since, most_shown=most_shown, within=MOST_TIME)
        return await replay_policy_for(here.around, principal, asked)
