"""A grant as the pages show it: everything that a decision rests on, worked out once.

Here: the document of the API with what templates need beside it: risks in words, who is missing,
what the target enforces. Not here: HTML, and who may see or do what.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from protem.domain.errors import NotFoundError
from protem.domain.grants import LIVE, GrantState
from protem.domain.identifiers import TargetName
from protem.domain.instants import format_start
from protem.domain.request_wording import (
    BROKEN_GLASS,
    CAPABILITIES,
    END_CAUSES,
    RISKS,
    WRITES,
    exhibit_text,
    touches_many,
)
from protem.domain.requests import RequestRevision
from protem.domain.scopes import Scope
from protem.entrypoints.http_api.documents import of_capabilities, of_grant
from protem.services.surroundings import Surroundings
from protem.services.view_grants import GrantView, Proposal

_WAYS_IN = ("database", "schema")
_OVER = {
    GrantState.DENIED: "was denied",
    GrantState.CANCELLED: "was cancelled",
    GrantState.LAPSED: "lapsed before it was used",
}


def request_view(around: Surroundings, view: GrantView) -> dict[str, Any]:
    """Return the API's document of a grant, and what else templates need.

    Beside it: ``asked`` (what is under review: the extension if one waits, else the request),
    ``labels`` and ``enforced`` of the target, ``is_live``, ``is_extension``, ``waits``, and
    ``outcome`` in words.
    """
    grant = view.grant
    under_review = view.proposed or view.current
    return {
        **of_grant(view),
        "asked": _proposal_view(under_review),
        "labels": _labels(around, grant.target),
        "enforced": _enforced(around, grant.target),
        "offered": [
            {
                "by": str(one.offer.by),
                "at": one.offer.at,
                "comment": one.comment,
                "digest": one.revision.digest,
                "changes": changes(view.current.revision, one.revision),
            }
            for one in (view.offers if grant.state is GrantState.PENDING else ())
        ],
        "is_live": grant.state in LIVE,
        "is_extension": view.proposed is not None,
        "waits": grant.state is GrantState.PENDING or view.proposed is not None,
        "outcome": _outcome(view),
    }


def revision_view(revision: RequestRevision) -> dict[str, Any]:
    """Return what one revision asks for: its canonical form, privileges and risks in words."""
    plan = revision.plan
    everyone = Scope(plan.held_by_everyone).to_json()
    privileges = [
        {
            **row,
            "name": ".".join(map(str, row["path"])) if isinstance(row["path"], list) else "",
            "place": place,
            "writes": row["action"] in WRITES,
            "everyone": row in everyone,
        }
        for place, row in enumerate(plan.scope.to_json())
    ]
    glass = [BROKEN_GLASS] if revision.break_glass else []
    return {
        "request": revision.to_json(),
        "digest": revision.digest,
        "privileges": sorted(privileges, key=_weight),
        "statements": list(plan.statements),
        "risks": [
            *glass,
            *(RISKS.get(trait, str(trait)) for trait in sorted(plan.traits, key=_gravity)),
        ],
        "findings": [found.message for found in plan.findings],
        "begins": "" if revision.start is None else format_start(revision.start),
        "links": list(revision.evidence.links),
        "exhibits": [
            {
                "text": exhibit_text(one),
                "detail": one.detail,
                "risk": touches_many(one),
            }
            for one in revision.evidence.exhibits
        ],
    }


def changes(before: RequestRevision, after: RequestRevision) -> list[dict[str, Any]]:
    """Return what differs between two revisions, for whoever saw the first one.

    Shape: ``[{"what", "before": [lines], "after": [lines]}]``.
    """
    first, second = _facts(before), _facts(after)
    return [
        {"what": what, "before": first.get(what, ()), "after": second.get(what, ())}
        for what in dict.fromkeys((*first, *second))
        if first.get(what) != second.get(what)
    ]


def _proposal_view(proposal: Proposal) -> dict[str, Any]:
    decision: Mapping[str, Any] = (
        proposal.decision if isinstance(proposal.decision, Mapping) else {"outcome": "unknown"}
    )
    needs = [need for need in decision.get("approvals") or () if isinstance(need, Mapping)]
    given = [one for one in proposal.approvals if one.digest == proposal.revision.digest]
    yes = [one for one in given if one.verdict == "approve"]
    wanted = sum(int(need["count"]) for need in needs)
    return {
        **revision_view(proposal.revision),
        "decision": {**decision, "findings": decision.get("findings") or ()},
        "needs": needs,
        "signed": any(need.get("signed") for need in needs),
        "wanted": wanted,
        "missing": _missing(proposal, wanted, len(yes)),
        "progress": None if proposal.progress is None else proposal.progress.to_json(),
        "reviews": [one.to_json() for one in given],
    }


def _missing(proposal: Proposal, wanted: int, given: int) -> int:
    """Return how many approvals are still asked for, over all stages."""
    if proposal.progress is None:
        return max(0, wanted - given)
    return sum(need.count for need in (*proposal.progress.missing, *proposal.progress.later))


def _facts(revision: RequestRevision) -> dict[str, Sequence[str]]:
    asked = revision_view(revision)
    facts: dict[str, Sequence[str]] = {
        "command": list(revision.command.argv),
        **{f"input {name}": [text] for name, text in sorted(revision.command.inputs.items())},
        "privileges": [_privilege_line(row) for row in asked["privileges"]],
        "risks": asked["risks"],
        "duration": [f"{int(revision.duration.total_seconds())}s"],
        "begins": [] if revision.start is None else [format_start(revision.start)],
        "reason": [revision.reason],
        "ticket": [revision.ticket],
        "evidence": [*asked["links"], *(one["text"] for one in asked["exhibits"])],
        "profile": [revision.profile or ""],
    }
    return facts


def _gravity(trait: str) -> tuple[int, str]:
    """The gravest risk comes first, in the order of ``RISKS``; unknown ones last."""
    order = list(RISKS)
    return (order.index(trait) if trait in order else len(order), trait)


def _weight(row: Mapping[str, Any]) -> tuple[bool, bool]:
    """What changes data comes first, the way in to it last."""
    return (not row["writes"], row["kind"] in _WAYS_IN)


def _privilege_line(row: Mapping[str, Any]) -> str:
    parts = f" ({', '.join(row['parts'])})" if row.get("parts") else ""
    return f"{row['action']} on {row['kind']} {row['name']}{parts}"


def _labels(around: Surroundings, target: TargetName) -> Mapping[str, str]:
    try:
        return around.catalogue.target(target).labels
    except NotFoundError:
        return {}


def _enforced(around: Surroundings, target: TargetName) -> Sequence[Mapping[str, Any]]:
    try:
        capabilities = of_capabilities(around.catalogue.connector(target).capabilities)
    except NotFoundError:
        return ()
    told = [
        {"holds": bool(capabilities[key]), "text": yes if capabilities[key] else no}
        for key, yes, no in CAPABILITIES
    ]
    return [*told, *({"holds": None, "text": note} for note in capabilities["notes"])]


def _outcome(view: GrantView) -> str:
    grant = view.grant
    if grant.state in _OVER:
        return _OVER[grant.state]
    return END_CAUSES.get(str(grant.end_cause), "is over") if grant.end_cause else ""
