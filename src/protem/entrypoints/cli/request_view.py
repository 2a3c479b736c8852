"""Whole pages about one plan or one request, for the person who decides.

Here: exactly what will run, exactly which privileges, what the target enforces, what policy says.
Not here: fetching. Nothing that a decision rests on is shortened.
"""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

from protem.domain.durations import format_duration
from protem.domain.errors import ProtemError
from protem.domain.evidence import Evidence
from protem.domain.request_wording import (
    ENFORCEMENT,
    RISKS,
    WRITES,
    exhibit_text,
    privilege_text,
    touches_many,
)
from protem.domain.untrusted_text import printable, printable_lines
from protem.entrypoints.cli.offers import offer_text, standing_offers
from protem.entrypoints.cli.scope_view import (
    capability_lines,
    decision_text,
    finding_lines,
    moment_text,
    need_text,
    needs_of,
    scope_rows,
    time_left,
)
from protem.entrypoints.cli.terminal import styled, width
from protem.entrypoints.cli.waiting import (
    end_text,
    person_text,
    progress_text,
    start_of,
    verdicts,
)

_PUBLIC = "   (everyone holds this)"


def plan_page(planned: Mapping[str, Any], target: str) -> str:
    """Return the page of a dry run."""
    lines = [styled(f"Plan for {printable(target)}", "bold"), ""]
    lines += _block("Runs", _numbered(planned.get("statements")))
    lines += _block("Needs", _privileges(planned.get("scope"), planned.get("held_by_everyone")))
    lines += _block("Note", [*_risks(planned.get("traits")), *_notes(planned.get("findings"))])
    decision = planned.get("decision")
    if isinstance(decision, Mapping):
        lines += _policy(decision)
    capabilities = planned.get("capabilities")
    if isinstance(capabilities, Mapping):
        lines += _block(
            "The target", [one for line in capability_lines(capabilities) for one in _wrapped(line)]
        )
    return "\n".join(lines).rstrip()


def request_page(grant: Mapping[str, Any]) -> str:
    """Return the page of a request: what its approval would mean."""
    found = grant.get("request")
    request: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    found = request.get("command")
    command: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    head = f"Request {printable(grant.get('id', '?'))}"
    lines = [styled(head, "bold"), *_facts(grant, request), ""]
    found = command.get("argv")
    argv = found if isinstance(found, list) else []
    lines += _block("Runs", _indented(shlex.join(map(str, argv))))
    inputs = command.get("inputs")
    for name, content in (inputs if isinstance(inputs, Mapping) else {}).items():
        title = "Standard input" if name == "-" else f"File {printable(name)}"
        lines += _block(title, _indented(str(content)))
    lines += _block("Needs", _privileges(request.get("scope"), None))
    lines += _block("Note", [*_risks(request.get("traits")), *_notes(request.get("findings"))])
    lines += _block("Evidence", _evidence(request))
    decision = grant.get("decision")
    if isinstance(decision, Mapping):
        lines += _policy(decision)
    lines += _block("Stages", _stages(grant.get("progress")))
    said = [f"{printable(who)}: {printable(verdict)}" for verdict, who in verdicts(grant)]
    lines += _block("Reviews", said)
    lines += _block("Offers", [offer_text(grant, offer) for offer in standing_offers(grant)])
    lines += _block("Comments", _comments(grant.get("comments")))
    lines += [*_wrapped(ENFORCEMENT), f"Digest: {printable(grant.get('digest', ''))}"]
    return "\n".join(lines)


def state_text(grant: Mapping[str, Any]) -> str:
    """Return a grant's state with what it waits for or how it ended."""
    state = printable(grant.get("state", "?"))
    match state:
        case "pending":
            return f"pending, waits for {progress_text(grant)}"
        case "approved":
            waits = (time_left(start_of(grant)) or timedelta(0)) > timedelta(0)
            word, moment = ("begins", start_of(grant)) if waits else ("lapses", None)
            return f"approved, {word} {moment_text(moment or grant.get('lapses_at'))}"
        case "active":
            more = "; an extension is asked for" if grant.get("proposed_revision") else ""
            return f"active, ends {moment_text(grant.get('expires_at'))}{more}"
        case "ended" | "ending" | "stuck":
            return f"{state}, {end_text(grant)}"
    return state


def _facts(grant: Mapping[str, Any], request: Mapping[str, Any]) -> list[str]:
    seconds = request.get("duration_seconds", grant.get("duration_seconds"))
    length = format_duration(timedelta(seconds=seconds)) if isinstance(seconds, int) else "?"
    facts: list[tuple[str, Any]] = [
        ("state", state_text(grant)),
        ("who", person_text(request.get("principal", grant.get("principal")))),
        ("target", request.get("target", grant.get("target", "?"))),
        ("for", length),
        ("begins", moment_text(request["start"]) if request.get("start") else None),
        ("why", request.get("reason") or "-"),
        ("ticket", request.get("ticket") or "-"),
        ("profile", request.get("profile")),
        ("glass", "BROKEN: nobody approved it" if request.get("break_glass") is True else None),
        ("asked", moment_text(grant.get("requested_at"))),
    ]
    return [f"  {name:<8}{printable(value)}" for name, value in facts if value]


def _privileges(scope: Any, everyone: Any) -> list[str]:
    held = {privilege_text(row) for row in scope_rows(everyone)}
    lines = []
    for row in scope_rows(scope):
        text = privilege_text(row)
        line = text + (_PUBLIC if text in held else "")
        lines.append(styled(line, "red") if row.get("action") in WRITES else line)
    return lines or ["nothing"]


def _risks(traits: Any) -> list[str]:
    given = traits if isinstance(traits, list | tuple) else []
    return [styled(f"! {RISKS.get(trait, printable(trait))}", "red") for trait in map(str, given)]


def _notes(findings: Any) -> Iterator[str]:
    for found in findings if isinstance(findings, list | tuple) else []:
        if isinstance(found, Mapping):
            yield from _wrapped(printable(found.get("message", "")))
        elif isinstance(found, list | tuple) and found:
            yield from _wrapped(printable(found[-1]))


def _evidence(request: Mapping[str, Any]) -> list[str]:
    """Return what the target said and where the requester points, addresses unbroken."""
    try:
        evidence = Evidence.from_json(request.get("evidence") or {})
    except (ProtemError, KeyError, TypeError, ValueError, AttributeError):
        return ["this version cannot read it: see the request's page"]
    lines = []
    for one in evidence.exhibits:
        said = _wrapped(exhibit_text(one))
        lines += [styled(f"! {line}", "red") for line in said] if touches_many(one) else said
    return [*lines, *map(printable, evidence.links)]


def _numbered(statements: Any) -> list[str]:
    given = statements if isinstance(statements, list | tuple) else []
    if len(given) == 1:
        return _indented(str(given[0]))
    return [line for number, text in enumerate(given, 1) for line in _indented(f"{number}. {text}")]


def _indented(text: str) -> list[str]:
    return printable_lines(text.strip("\n")).split("\n")


def _policy(decision: Mapping[str, Any]) -> list[str]:
    findings = [line for text in finding_lines(decision) for line in _wrapped(text)]
    return [f"Policy: {decision_text(decision)}", *(f"  {line}" for line in findings), ""]


def _stages(progress: Any) -> list[str]:
    """Return who is asked now and who later, where there is more than one stage."""
    if not isinstance(progress, Mapping) or len(progress.get("stages") or []) < 2:  # noqa: PLR2004  # one needs no words
        return []
    lines = []
    for title, key in (("now", "asked_now"), ("later", "asked_later")):
        for need in needs_of({"approvals": progress.get(key)}):
            stage = printable(need.get("stage", 1))
            lines.append(f"{title}, stage {stage}: {need_text(need)}")
    return lines


def _comments(comments: Any) -> list[str]:
    found = comments if isinstance(comments, list) else []
    return [
        line
        for one in found
        if isinstance(one, Mapping)
        for line in _indented(f"{person_text(one.get('author'))}: {one.get('text', '')}")
    ]


def _wrapped(text: str) -> list[str]:
    """Return prose in lines that fit; words move, nothing is cut."""
    return textwrap.wrap(text, width() - 2, break_long_words=False, subsequent_indent="  ")


def _block(title: str, lines: Sequence[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines), ""] if lines else []
