"""Replay a change of policy over recorded requests: what would have been answered otherwise.

Here: every request and extension on record in a period, put to two policies as one question, and
what changes. Not here: reading policy files, and showing the result to people.

What is asked is as it was recorded: command, scope, reason, ticket, length and moment. Who asks and
where is as it is now: today's groups of the requester, today's rota, today's labels and tags of
the target. So the present policy may answer otherwise than at the time; ``drifted`` counts those.

Not replayed: who may approve, revoke or audit; a draft that changes only that changes nothing here.

Invariants:
- Changes nothing. Reads the log backwards in pieces that each take a moment, so that a server goes
  on beside it; memory is bounded by ``most_shown``, not by the period.
- What could not be asked is counted by its reason, never left out in silence.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from protem.domain.canonical_json import JsonValue
from protem.domain.decision_changes import ChangeKind, Side, differences, rules_that_differ
from protem.domain.decisions import Decision, PolicyAction, RuleFinding
from protem.domain.errors import ConflictError, NotFoundError, ProtemError
from protem.domain.grants import GrantState
from protem.domain.identifiers import GrantId
from protem.domain.instants import format_instant, parse_instant
from protem.domain.policy_questions import about_request
from protem.domain.principals import Principal
from protem.domain.requests import RequestRevision
from protem.domain.targets import Target
from protem.ports.policy import Policy
from protem.ports.store import Transaction
from protem.services.surroundings import Surroundings
from protem.services.view_grants import Looker

MOST_SHOWN = 1_000
_ENTRIES_AT_ONCE = 500
_MOST_RULES = 100
_LATE_ENTRIES = timedelta(minutes=5)
"""An entry may be written a little later than the moment it names: a read goes on that far."""
_MARK = b'"decision":{'


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """What to replay.

    Attributes:
        new: the draft.
        old: what it is compared with; None is the policy in force.
        since: how far back.
        most_shown: changed requests that are returned whole; all are counted.
        within: give up after this, with what was found until then; None never.
    """

    new: Policy
    old: Policy | None = None
    since: timedelta = timedelta(days=30)
    most_shown: int = MOST_SHOWN
    within: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedRequest:
    """One revision as the log tells it, with who and where as they are now.

    Attributes:
        recorded: the outcome at the time.
        recorded_digest: of the policy set that said so.
    """

    at: datetime
    action: PolicyAction
    revision: RequestRevision
    requester: Principal
    target: Target
    recorded: str
    recorded_digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayedChange:
    """One request that would be answered otherwise.

    Attributes:
        rules: the findings that one policy has and the other has not.
    """

    request: RecordedRequest
    kinds: tuple[ChangeKind, ...]
    old: Decision
    new: Decision
    rules: tuple[tuple[Side, RuleFinding], ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that the command line and the API show."""
        request = self.request
        return {
            "grant": request.revision.grant_id,
            "revision": request.revision.number,
            "at": format_instant(request.at),
            "action": request.action,
            "principal": str(request.revision.principal),
            "target": request.revision.target,
            "argv": list(request.revision.command.argv),
            "profile": request.revision.profile,
            "duration_seconds": int(request.revision.duration.total_seconds()),
            "kinds": list(self.kinds),
            "recorded": {"outcome": request.recorded, "policy_digest": request.recorded_digest},
            "old": self.old.to_json(),
            "new": self.new.to_json(),
            "rules": [
                {
                    "policy": side,
                    "rule": found.rule,
                    "source": found.source,
                    "status": found.status,
                    "message": found.message,
                }
                for side, found in self.rules
            ],
        }


@dataclass(slots=True, kw_only=True)
class ReplayReport:
    """What a replay showed.

    Attributes:
        until: the moment it was begun.
        reached: the oldest moment that was asked about.
        complete: false when time ran out before ``since``.
        asked: requests and extensions put to both policies.
        drifted: of these, how many the old policy answers otherwise today than was recorded.
        changed: of these, how many the two policies answer differently.
        counts: ``changed`` by kind; one request may count in several.
        changes: the newest of them.
        hidden: changes left out of ``changes`` because the caller may not see those requests.
        rules: how many changed requests each rule had a part in.
        not_asked: requests that could not be put to policy, by reason.
    """

    since: datetime
    until: datetime
    reached: datetime
    complete: bool = True
    asked: int = 0
    drifted: int = 0
    changed: int = 0
    counts: Counter[ChangeKind] = field(default_factory=Counter)
    changes: list[ReplayedChange] = field(default_factory=list)
    hidden: int = 0
    rules: Counter[tuple[Side, str, str]] = field(default_factory=Counter)
    not_asked: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that the command line and the API show."""
        return {
            "since": format_instant(self.since),
            "until": format_instant(self.until),
            "reached": format_instant(self.reached),
            "complete": self.complete,
            "asked": self.asked,
            "drifted": self.drifted,
            "changed": self.changed,
            "counts": {kind: self.counts[kind] for kind in ChangeKind},
            "rules": [
                {"policy": side, "rule": rule, "source": source, "requests": count}
                for (side, rule, source), count in self.rules.most_common(_MOST_RULES)
            ],
            "not_asked": dict(sorted(self.not_asked.items())),
            "changes": [change.to_json() for change in self.changes],
            "hidden": self.hidden,
        }


async def replay_policy(around: Surroundings, asked: Replay) -> ReplayReport:
    """Return what ``asked.new`` would have answered otherwise than the old policy, newest first.

    Raises:
        AuditUnavailableError: when the store cannot be read.
    """
    now = around.clock.now()
    report = ReplayReport(since=now - asked.since, until=now, reached=now)
    end = await around.store.read(lambda view: view.audit.size())
    while end > 0:
        start = max(0, end - _ENTRIES_AT_ONCE)
        piece = await _read(around, report, start, end)
        whole = await asyncio.to_thread(_compare_all, around, asked, report, piece.requests)
        if not whole:
            report.complete = False
            break
        if piece.newest is not None and piece.newest < report.since - _LATE_ENTRIES:
            break
        end = start
    if report.complete:
        report.reached = report.since
    return report


async def replay_policy_for(
    around: Surroundings, principal: Principal, asked: Replay
) -> ReplayReport:
    """Return the same, with those requests alone that ``principal`` may see.

    Counts are of everything: whoever may change policy may know how much a change does.

    Raises:
        AuditUnavailableError: when the store cannot be read.
    """
    report = await replay_policy(around, asked)
    now = around.clock.now()

    def work(view: Transaction) -> list[ReplayedChange]:
        looker = Looker(around=around, view=view, principal=principal, at=now)
        return [
            change
            for change in report.changes
            if looker.audits() or looker.may_see(view.grants.get(change.request.revision.grant_id))
        ]

    seen = await around.store.read(work) if report.changes else []
    report.hidden, report.changes = len(report.changes) - len(seen), seen
    return report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Piece:
    requests: Sequence[RecordedRequest]
    newest: datetime | None


async def _read(around: Surroundings, report: ReplayReport, start: int, end: int) -> _Piece:
    """Return the requests among some entries, newest first; count those that cannot be asked."""
    targets = {target.name: target for target in around.catalogue.targets()}

    def work(view: Transaction) -> tuple[_Piece, Counter[str]]:
        found: list[RecordedRequest] = []
        missing: Counter[str] = Counter()
        newest: datetime | None = None
        for entry in reversed(view.audit.entries(start=start, limit=end - start)):
            event = json.loads(entry.body)
            at = parse_instant(event["at"])
            newest = at if newest is None else max(newest, at)
            if not report.since <= at <= report.until or not _is_request(entry.body, event):
                continue
            try:
                found.append(_recorded(around, view, event, targets))
            except _NotAskedError as error:
                missing[error.message] += 1
        return _Piece(requests=found, newest=newest), missing

    piece, missing = await around.store.read(work)  # may be run again: counted once, here
    report.not_asked += missing
    return piece


def _is_request(body: bytes, event: dict[str, Any]) -> bool:
    """Say whether an entry tells what policy said to a revision: asked, edited, narrowed."""
    if _MARK not in body or event["grant"] is None:
        return False
    return "decision" in event["data"] and _number(event["data"]) is not None


def _number(data: dict[str, Any]) -> int | None:
    request = data.get("request")
    found = request.get("revision") if isinstance(request, dict) else data.get("revision")
    return found if isinstance(found, int) else None


class _NotAskedError(ProtemError):
    """A recorded request that cannot be put to policy; the message is the reason."""


def _recorded(
    around: Surroundings, view: Transaction, event: dict[str, Any], targets: dict[Any, Target]
) -> RecordedRequest:
    data = event["data"]
    try:
        revision = view.requests.get(GrantId(event["grant"]), _number(data) or 0)
    except (NotFoundError, ConflictError) as error:
        raise _NotAskedError("the request is not in the store as it was recorded") from error
    target = targets.get(revision.target)
    if target is None:
        raise _NotAskedError("the target is not declared any more")
    try:
        requester = around.identity.lookup(view, revision.principal)
    except NotFoundError as error:
        raise _NotAskedError("the requester has no enabled account any more") from error
    extends, at = data.get("state") == GrantState.ACTIVE, parse_instant(event["at"])
    if requester.oncall_as_of is not None:  # an answer of today, taken as fresh as it was then
        requester = replace(requester, oncall_as_of=min(requester.oncall_as_of, at))
    return RecordedRequest(
        at=at,
        action=_action_of(revision, extends=extends),
        revision=revision,
        requester=requester,
        target=target,
        recorded=str(data["decision"]["outcome"]),
        recorded_digest=str(data["decision"]["policy_digest"]),
    )


def _compare_all(
    around: Surroundings, asked: Replay, report: ReplayReport, requests: Sequence[RecordedRequest]
) -> bool:
    """Add ``requests`` to the report; say whether time sufficed."""
    until = None if asked.within is None else report.until + asked.within
    old = asked.old or around.policy
    for request in requests:
        if until is not None and around.clock.now() >= until:
            return False
        _compare(report, request, old, asked)
    return True


def _compare(report: ReplayReport, request: RecordedRequest, old: Policy, asked: Replay) -> None:
    asked_then = about_request(
        request.action,
        request.revision,
        principal=request.requester,
        target=request.target,
        at=request.at,
    )
    question = replace(asked_then, exhibits=None)  # nobody knows what it would have shown
    before, after = old.decide(question), asked.new.decide(question)
    report.asked += 1
    report.reached = min(report.reached, request.at)
    report.drifted += before.outcome != request.recorded
    kinds = differences(before, after)
    if not kinds:
        return
    report.changed += 1
    report.counts.update(kinds)
    rules = rules_that_differ(before, after)
    report.rules.update({(side, found.rule, found.source) for side, found in rules})
    if len(report.changes) < asked.most_shown:
        report.changes.append(
            ReplayedChange(request=request, kinds=kinds, old=before, new=after, rules=rules)
        )


def _action_of(revision: RequestRevision, *, extends: bool) -> PolicyAction:
    if revision.break_glass:
        return PolicyAction.BREAK_GLASS
    return PolicyAction.EXTEND if extends else PolicyAction.REQUEST
