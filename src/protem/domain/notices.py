"""What people are told outside of Protem, the same on every channel.

Here: the notice as a value, and its constructors: the one place that says what is shown. Not here:
who gets it by which channel, its look there, or delivery.

Invariants: a notice holds no secret and no value from a target's rows; every text in it may be
hostile and is escaped by the channel that shows it; nothing that a decision rests on is left out
without saying so.
"""

from __future__ import annotations

import enum
import hashlib
import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from protem.domain.broken_glass import BrokenGlass
from protem.domain.canonical_json import JsonValue
from protem.domain.comments import Comment
from protem.domain.decisions import ApprovalRequirement, Decision
from protem.domain.delegations import Delegation
from protem.domain.durations import format_duration
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import GrantId, GroupName, TargetName
from protem.domain.instants import format_instant, format_start, parse_instant
from protem.domain.principals import PrincipalId
from protem.domain.request_wording import (
    END_CAUSES,
    RISKS,
    describe_need,
    exhibit_text,
    privilege_text,
)
from protem.domain.requests import RequestRevision

FORMAT = "protem.dev/notice/v1"
MOST_CHARACTERS = 2_000
"""Of one text; what is longer is cut, with a word that there is more on the page."""
REMIND_EVERY = timedelta(days=1)
"""While broken glass owes a review, it is told again after each of these."""
MORE = " … (more on the page)"


class NoticeKind(enum.StrEnum):
    """Why somebody is told."""

    REVIEW_WANTED = "review_wanted"
    DECIDED = "decided"
    OFFERED = "offered"
    COMMENTED = "commented"
    DELEGATED = "delegated"
    DELEGATION_ENDED = "delegation_ended"
    BREAK_GLASS = "break_glass"
    REVIEW_DUE = "review_due"
    ENDED = "ended"
    STUCK = "stuck"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell.

    Attributes:
        id: the same at every delivery of it, so that a receiver can drop repeats.
        groups: who should see it; empty: everyone who watches.
        people: persons who should see it whatever their groups.
        digest: of the revision that a reviewer would answer, when there is one.
        title: one line.
        lines: label and text, in order; what the page and the terminal show, too.
        risks: what is dangerous about it, one sentence each.
        page_only: it can be answered on the page alone: a signature is asked for.
        only_for: the one person whose own copy this is; None: it is for all that a channel tells.
        path: where to look and to answer, below the public address.
    """

    id: str
    kind: NoticeKind
    at: datetime
    title: str
    lines: tuple[tuple[str, str], ...] = ()
    risks: tuple[str, ...] = ()
    grant_id: GrantId | None = None
    target: TargetName | None = None
    digest: str | None = None
    groups: frozenset[GroupName] = frozenset()
    people: frozenset[PrincipalId] = frozenset()
    page_only: bool = False
    only_for: PrincipalId | None = None
    path: str = "/"

    @property
    def is_alarm(self) -> bool:
        """Whether it goes to every channel, at once, whatever each asked for."""
        return self.kind is NoticeKind.BREAK_GLASS

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that is kept, and sent to webhooks."""
        own = {} if self.only_for is None else {"only_for": str(self.only_for)}
        return {
            "format": FORMAT,
            "id": self.id,
            "kind": self.kind,
            "at": format_instant(self.at),
            "title": self.title,
            "lines": [[label, text] for label, text in self.lines],
            "risks": list(self.risks),
            "grant": self.grant_id,
            "target": self.target,
            "digest": self.digest,
            "groups": sorted(self.groups),
            "people": sorted(map(str, self.people)),
            "page_only": self.page_only,
            "path": self.path,
            **own,
        }

    def copy_for(self, person: PrincipalId) -> Notice:
        """Return the copy that goes to one person alone, with an id of its own."""
        name = hashlib.sha256(str(person).encode()).hexdigest()[:16]
        return replace(self, id=f"{self.id}.{name}", only_for=person)

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Notice:
        """Read ``to_json`` back."""
        return cls(
            id=form["id"],
            kind=NoticeKind(form["kind"]),
            at=parse_instant(form["at"]),
            title=form["title"],
            lines=tuple((label, text) for label, text in form["lines"]),
            risks=tuple(form["risks"]),
            grant_id=None if form["grant"] is None else GrantId(form["grant"]),
            target=None if form["target"] is None else TargetName(form["target"]),
            digest=form["digest"],
            groups=frozenset(GroupName(name) for name in form["groups"]),
            people=frozenset(PrincipalId.parse(name) for name in form["people"]),
            page_only=form["page_only"],
            only_for=PrincipalId.parse(form["only_for"]) if "only_for" in form else None,
            path=form["path"],
        )


def review_wanted(
    grant: Grant,
    revision: RequestRevision,
    asked: Sequence[ApprovalRequirement],
    at: datetime,
    approved_by: Sequence[PrincipalId] = (),
) -> Notice:
    """Say to those who are asked now what they would approve.

    Args:
        grant: the grant, as it waits.
        revision: what would happen.
        asked: the approvals that are missing and open now.
        at: now.
        approved_by: who said yes already.
    """
    lines = list(_request_lines(revision))
    if approved_by:
        lines.append(("Approved by", ", ".join(sorted(who.subject for who in approved_by))))
    lines.append(("Missing", " and ".join(map(_missing, asked)) or "nobody"))
    lines.append(("Digest", revision.digest))
    stage = min((need.stage for need in asked), default=1)
    return Notice(
        id=f"{grant.id}.{revision.number}.{stage}.review",
        kind=NoticeKind.REVIEW_WANTED,
        at=at,
        title=f"{revision.principal.subject} asks for {revision.target}",
        lines=tuple(lines),
        risks=_risks(revision),
        grant_id=grant.id,
        target=revision.target,
        digest=revision.digest,
        groups=frozenset().union(*(need.groups for need in asked)),
        people=frozenset().union(*(need.people for need in asked)),
        page_only=any(need.signed is not None for need in asked),
        path=f"/requests/{grant.id}",
    )


def decided(grant: Grant, revision: RequestRevision, at: datetime, by: str) -> Notice:
    """Say to the requester, and to those who were asked, that there is nothing to answer now."""
    said = {GrantState.DENIED: "denied", GrantState.CANCELLED: "withdrawn"}
    word = said.get(grant.state, "approved")
    return Notice(
        id=f"{grant.id}.{grant.version}.decided",
        kind=NoticeKind.DECIDED,
        at=at,
        title=f"{revision.principal.subject}'s request for {revision.target} is {word}",
        lines=(*_request_lines(revision), ("By", by)),
        grant_id=grant.id,
        target=revision.target,
        digest=revision.digest,
        people=frozenset({revision.principal}),
        path=f"/requests/{grant.id}",
    )


def offered(
    grant: Grant, revision: RequestRevision, at: datetime, by: PrincipalId, comment: str
) -> Notice:
    """Say to the requester that somebody approves less, and what is left of it."""
    said = (("Comment", _cut(comment)),) if comment else ()
    return Notice(
        id=f"{grant.id}.{revision.number}.offered",
        kind=NoticeKind.OFFERED,
        at=at,
        title=f"{by.subject} offers {revision.principal.subject} less on {revision.target}",
        lines=(("Offered by", by.subject), *said, *_request_lines(revision)),
        grant_id=grant.id,
        target=revision.target,
        digest=revision.digest,
        people=frozenset({revision.principal}),
        path=f"/requests/{grant.id}",
    )


def commented(grant: Grant, comment: Comment, people: frozenset[PrincipalId]) -> Notice:
    """Say to ``people`` what somebody said about a request."""
    author, requester = comment.author.subject, grant.principal.subject
    return Notice(
        id=f"{grant.id}.{comment.number}.comment",
        kind=NoticeKind.COMMENTED,
        at=comment.at,
        title=f"{author} comments on {requester}'s request for {grant.target}",
        lines=(("Who", author), ("Comment", _cut(comment.text))),
        grant_id=grant.id,
        target=grant.target,
        people=people,
        path=f"/requests/{grant.id}",
    )


def delegation(told: Delegation, at: datetime) -> Notice:
    """Say to a delegate that they stand in for somebody, or no longer do."""
    ended = told.ended_at is not None
    who, what = told.delegator.subject, "no longer stand" if ended else "stand"
    lines = [
        ("For", who),
        ("Groups", "all" if told.group is None else str(told.group)),
        ("Ended" if ended else "Until", format_instant(told.ended_at or told.until)),
    ]
    return Notice(
        id=f"{told.id}.{'ended' if ended else 'began'}",
        kind=NoticeKind.DELEGATION_ENDED if ended else NoticeKind.DELEGATED,
        at=at,
        title=f"{told.delegate.subject}: you {what} in for {who}",
        lines=tuple(lines),
        people=frozenset({told.delegate}),
        path="/inbox",
    )


def review_due(
    grant: Grant, revision: RequestRevision, broken: BrokenGlass, at: datetime
) -> Notice:
    """Say to those who may review that broken glass still owes a review; once for each day."""
    over_for = max(at - (grant.ended_at or at), timedelta(0))
    due = broken.due_at(grant)
    late = " is overdue" if at >= due else " is owed"
    return Notice(
        id=f"{grant.id}.{over_for // REMIND_EVERY}.due",
        kind=NoticeKind.REVIEW_DUE,
        at=at,
        title=f"A review of {grant.principal.subject}'s broken glass at {grant.target}{late}",
        lines=(*_request_lines(revision), ("Review due", format_instant(due))),
        risks=_risks(revision),
        grant_id=grant.id,
        target=grant.target,
        digest=revision.digest,
        path=f"/requests/{grant.id}",
    )


def over(grant: Grant, at: datetime) -> Notice:
    """Say that a grant has ended, or cannot be ended."""
    stuck = grant.state is GrantState.STUCK
    how = "cannot be ended" if stuck else END_CAUSES.get(str(grant.end_cause), "is over")
    lines = [("Who", grant.principal.subject), ("Target", str(grant.target))]
    if stuck:
        lines.append(("The target said", _cut(grant.last_error)))
    return Notice(
        id=f"{grant.id}.{grant.version}.over",
        kind=NoticeKind.STUCK if stuck else NoticeKind.ENDED,
        at=at,
        title=f"{grant.principal.subject}'s grant on {grant.target} {how}",
        lines=tuple(lines),
        grant_id=grant.id,
        target=grant.target,
        people=frozenset() if stuck else frozenset({grant.principal}),
        path=f"/requests/{grant.id}",
    )


def open_requirements(decision: Decision) -> tuple[ApprovalRequirement, ...]:
    """Return what is asked before anybody answered: the first stage."""
    first = min((need.stage for need in decision.approvals), default=1)
    return tuple(need for need in decision.approvals if need.stage == first)


def _request_lines(revision: RequestRevision) -> Iterator[tuple[str, str]]:
    yield "Who", revision.principal.subject
    yield "Runs", _cut(shlex.join(revision.command.argv))
    for name, content in revision.command.inputs.items():
        yield ("Standard input" if name == "-" else f"File {name}"), _cut(content)
    yield "Target", str(revision.target)
    yield "Privileges", _cut("\n".join(map(privilege_text, revision.plan.scope.to_json())))
    yield "For", format_duration(revision.duration)
    if revision.start is not None:
        yield "Begins", format_start(revision.start)
    for label, text in (("Reason", revision.reason), ("Ticket", revision.ticket)):
        if text:
            yield label, _cut(text)
    said = [exhibit_text(each) for each in revision.evidence.exhibits]
    if revision.evidence:
        yield "Evidence", _cut("\n".join((*said, *revision.evidence.links)))


def _risks(revision: RequestRevision) -> tuple[str, ...]:
    return tuple(RISKS.get(trait, str(trait)) for trait in sorted(revision.plan.traits))


def _missing(need: ApprovalRequirement) -> str:
    return describe_need(need) + (", signed" if need.signed is not None else "")


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[: MOST_CHARACTERS - len(MORE)] + MORE
