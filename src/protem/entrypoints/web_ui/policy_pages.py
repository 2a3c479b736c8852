"""The rules in force, which of them decided a request, and what a draft would change.

Here: the pages and the draft's form. Not here: deciding and replaying (services).

Invariants: a draft is read, compared and forgotten; no page changes the policy in force.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from fastapi import Request, Response
from starlette.datastructures import UploadFile

from protem.domain.decisions import PolicyAction, refuse_if_denied
from protem.domain.errors import InvalidError, ProtemError
from protem.domain.identifiers import GrantId
from protem.domain.policy_questions import about_role
from protem.entrypoints.http_api.documents import of_grant
from protem.entrypoints.http_api.policy_drafts import (
    check_may_read_rules,
    replay_draft,
    rules_of,
)
from protem.entrypoints.http_api.problem_responses import problem_of
from protem.entrypoints.http_api.serving import serving
from protem.entrypoints.web_ui.page_route import page_router
from protem.entrypoints.web_ui.page_text import length
from protem.entrypoints.web_ui.rendering import own_origin, render
from protem.entrypoints.web_ui.requirement_text import requirement
from protem.entrypoints.web_ui.rights import holds
from protem.entrypoints.web_ui.session_cookie import FORGERY_FIELD, check_not_forged
from protem.entrypoints.web_ui.visitors import Visitor, around_of, visitor
from protem.ports.policy import ShowsRules
from protem.services.replay_policy import ReplayReport
from protem.services.view_grants import view_grant

router = page_router()
PERIODS = {"1": "the last day", "7": "the last 7 days", "30": "the last 30 days"}
_MOST_SHOWN = 100
_MOST_FILES = 100
_NEW_FILE = "draft.cedar"
_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._/-]")


@router.get("/policy")
async def get_policy(request: Request) -> Response:
    """Return the rules in force; with ``?request=ID``, marked by their part in its decision."""
    me, around = await visitor(request), around_of(request)
    check_may_read_rules(around, me.principal)
    policy, decided = rules_of(around), None
    if asked := request.query_params.get("request"):
        decided = of_grant(await view_grant(around, me.principal, GrantId(asked)))
    return render(
        request,
        "policy.html",
        policy_digest=policy.digest,
        rules=policy.rules(),
        files=sorted(policy.files()),
        decided=decided,
        parts=_parts(decided),
        anchor=_anchor,
        administers=holds(around, me.principal, PolicyAction.ADMINISTER),
    )


@router.get("/policy/draft")
async def get_draft(request: Request, file: str = "") -> Response:
    """Return the form of a draft, with a copy of one of the files."""
    await _administrator(request)
    files = rules_of(around_of(request)).files()
    name = file if file in files else next(iter(sorted(files)), _NEW_FILE)
    draft = _Draft(name=name, text=files.get(name, ""), days="30", uploaded={})
    return _draft_page(request, draft, sorted(files))


@router.post("/policy/draft")
async def post_draft(request: Request) -> Response:
    """Replay the draft, and return the same form with what it would change."""
    me = await _administrator(request)
    draft = await _read_draft(request, me)
    policy = rules_of(around_of(request))
    files = sorted(policy.files())
    try:
        report = await replay_draft(
            serving(request),
            me.principal,
            draft.over(policy),
            since=timedelta(days=int(draft.days)),
            most_shown=_MOST_SHOWN,
        )
    except ProtemError as error:
        status, _ = problem_of(error)
        return _draft_page(request, draft, files, trouble=error.message, status=status)
    return _draft_page(request, draft, files, report=report)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Draft:
    """What a form says: one file as text, and others that were uploaded."""

    name: str
    text: str
    days: str
    uploaded: Mapping[str, str]

    def over(self, policy: ShowsRules) -> dict[str, str]:
        """Return the files in force with those of the draft in their place.

        An upload of the same name wins over the text: it was chosen last.
        """
        return {**policy.files(), self.name: self.text, **self.uploaded}


def _anchor(source: str) -> str:
    """Return the id on the page of the rule at ``file:line``."""
    return "at-" + _NOT_PLAIN.sub("_", source)


def _parts(decided: Mapping[str, Any] | None) -> dict[str, str]:
    """Return the status that each rule has in the decision, by the rule's name."""
    decision = None if decided is None else decided["decision"]
    if not isinstance(decision, Mapping):
        return {}
    return {found["rule"]: found["status"] for found in decision["findings"]}


async def _administrator(request: Request) -> Visitor:
    me, around = await visitor(request), around_of(request)
    question = about_role(PolicyAction.ADMINISTER, me.principal, around.clock.now())
    refuse_if_denied(around.policy.decide(question))
    return me


async def _read_draft(request: Request, me: Visitor) -> _Draft:
    """Read the form, files included.

    Raises:
        DeniedError: when another site may have sent it.
        InvalidError: when a file is not text, or the period is none of the form's.
    """
    uploaded: dict[str, str] = {}
    async with request.form(max_files=_MOST_FILES, max_fields=16) as form:
        texts = {name: value for name, value in form.items() if isinstance(value, str)}
        check_not_forged(
            request, me.session, texts.get(FORGERY_FIELD, ""), own_origin=own_origin(request)
        )
        for value in form.getlist("upload"):
            if isinstance(value, UploadFile) and value.filename:
                uploaded[value.filename] = await _text_of(value)
    days = texts.get("days", "30")
    if days not in PERIODS:
        raise InvalidError("a replay goes back 1, 7 or 30 days")
    return _Draft(
        name=texts.get("name", "").strip() or _NEW_FILE,
        text=texts.get("text", "").replace("\r\n", "\n"),
        days=days,
        uploaded=uploaded,
    )


async def _text_of(file: UploadFile) -> str:
    try:
        return (await file.read()).decode()
    except UnicodeDecodeError as error:
        raise InvalidError(f"{ascii(file.filename)[:80]} is not UTF-8 text") from error


def _draft_page(
    request: Request,
    draft: _Draft,
    files: Sequence[str],
    *,
    report: ReplayReport | None = None,
    trouble: str = "",
    status: int = 200,
) -> Response:
    return render(
        request,
        "policy_draft.html",
        status=status,
        draft=draft,
        files=files,
        periods=PERIODS,
        duration=length,
        requirement=requirement,
        report=None if report is None else report.to_json(),
        trouble=trouble,
    )
