"""Following a grant until it is usable or over.

Here: the long polls, the line that says what is waited for, and the errors of grants that are
over. Not here: asking, and what is done with the grant.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from protem.domain.request_wording import END_CAUSES
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli import offers
from protem.entrypoints.cli.api_client import ApiClient, path_of
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.scope_view import moment_text, needs_of, time_left
from protem.entrypoints.cli.terminal import StatusLine, say

POLL_SECONDS = 25.0
LIVE_POLL_SECONDS = 1.0
PROVISION_WITHIN_SECONDS = 60.0
_UNUSABLE = ("ending", "ended", "stuck")


class StillPendingError(CommandFailedError):
    """The request waits for people, or an approved one for its start; it goes on without us."""

    def __init__(self, grant: Mapping[str, Any]) -> None:
        grant_id, again = printable(grant.get("id", "")), "protem run --resume"
        if grant.get("state") == "approved":
            what = f"is approved and begins {moment_text(start_of(grant))}"
            again = f"then: {again}"
        else:
            what = f"waits for approval: {progress_text(grant)}"
        super().__init__(
            f"request {grant_id} {what}", error_code="pending", next_step=f"{again} {grant_id}"
        )


def start_of(grant: Mapping[str, Any]) -> str | None:
    """Return when a grant is to begin, as the server wrote it; None: at once."""
    request = grant.get("request")
    start = request.get("start") if isinstance(request, Mapping) else None
    return start if isinstance(start, str) else None


def wait_for_start(
    client: ApiClient, grant: dict[str, Any], seconds: float | None
) -> dict[str, Any]:
    """Return an approved grant when its start has come, or as soon as it is something else.

    Args:
        client: of the server.
        grant: as last seen.
        seconds: the most to wait; None for as long as it takes.

    Raises:
        StillPendingError: the time is up.
    """
    line, began = StatusLine(), time.monotonic()
    try:
        while grant.get("state") == "approved":
            ahead = time_left(start_of(grant))
            left = 0.0 if ahead is None else ahead.total_seconds()
            if left <= 0:
                break
            passed = time.monotonic() - began
            if seconds is not None and passed + left > seconds:
                raise StillPendingError(grant)
            line.show("Approved; Ctrl-C keeps it. It begins", moment_text(start_of(grant)))
            grant = changed(client, grant, min(POLL_SECONDS, left))
    finally:
        line.clear()
    return grant


def wait_for_approval(
    client: ApiClient, grant: dict[str, Any], seconds: float | None
) -> dict[str, Any]:
    """Return the grant once it is no longer pending.

    Args:
        client: of the server.
        grant: as last seen.
        seconds: the most to wait; None for as long as the request lives.

    Raises:
        StillPendingError: the time is up.
    """
    line = StatusLine()
    start = time.monotonic()
    known, answered = _said_yes(grant), set[str]()
    try:
        while grant.get("state") == "pending":
            for who in sorted(_said_yes(grant) - known):
                line.clear()
                say(f"{printable(who)} approved.")
            known = _said_yes(grant)
            if offers.standing_offers(grant):
                line.clear()
                taken = offers.ask_about(client, grant, answered)
                if taken is not None:
                    grant = taken
                    continue
            passed = time.monotonic() - start
            if seconds is not None and passed >= seconds:
                raise StillPendingError(grant)
            clock = f"{int(passed) // 60}:{int(passed) % 60:02}"
            line.show(f"Waiting for {progress_text(grant)}; Ctrl-C keeps the request.", clock)
            left = POLL_SECONDS if seconds is None else min(POLL_SECONDS, seconds - passed)
            grant = changed(client, grant, max(LIVE_POLL_SECONDS, left))
    finally:
        line.clear()
    return grant


def _said_yes(grant: Mapping[str, Any]) -> set[str]:
    return {who for verdict, who in verdicts(grant) if verdict == "approve"}


def wait_until_active(client: ApiClient, grant: dict[str, Any]) -> dict[str, Any]:
    """Return the grant once the target has it.

    Raises:
        CommandFailedError: it is over before it began, or the target takes too long.
    """
    deadline = time.monotonic() + PROVISION_WITHIN_SECONDS
    while grant.get("state") == "provisioning" and time.monotonic() < deadline:
        grant = changed(client, grant, 5)
    refuse_if_over(grant)
    if grant.get("state") != "active":
        said = printable(grant.get("last_error") or "no reason given")
        raise CommandFailedError(
            f"the target is not ready: {said}", next_step=f"protem grant show {grant.get('id')}"
        )
    return grant


def changed(client: ApiClient, grant: Mapping[str, Any], wait: float) -> dict[str, Any]:
    """Return the grant when it has changed, or after ``wait`` seconds."""
    path = path_of("grants", str(grant.get("id")))
    found = client.get(path, {"after_version": grant.get("version", 0)}, wait=wait)
    if not isinstance(found, dict) or "state" not in found:
        raise CommandFailedError("the server's answer is not a grant; are versions compatible?")
    return found


def progress_text(grant: Mapping[str, Any]) -> str:
    """Return ``1 of 2 approvals (asked: db-owners; approved: dana)``."""
    decision = grant.get("decision")
    needs = needs_of(decision) if isinstance(decision, Mapping) else []
    wanted = sum(need["count"] for need in needs if isinstance(need.get("count"), int))
    groups = _asked_now(grant, needs)
    people = [who for verdict, who in verdicts(grant) if verdict == "approve"]
    noun = "approval" if wanted == 1 else "approvals"
    notes = []
    if groups:
        notes.append("asked: " + ", ".join(map(printable, groups)))
    if people:
        notes.append("approved: " + ", ".join(map(printable, people)))
    count = f"{max(0, wanted - len(people))} of {wanted} {noun}" if wanted else "approval"
    return count + (f" ({'; '.join(notes)})" if notes else "")


def _asked_now(grant: Mapping[str, Any], needs: list[Mapping[str, Any]]) -> list[str]:
    """Return whom the open stage asks, or whom the decision names where stages are unknown."""
    progress = grant.get("progress")
    now = progress.get("asked_now") if isinstance(progress, Mapping) else None
    asked = [need for need in now if isinstance(need, Mapping)] if isinstance(now, list) else needs
    groups = {str(group) for need in asked for group in need.get("groups") or []}
    people = {person_text(who) for need in asked for who in need.get("people") or []}
    return sorted(groups | people)


def verdicts(grant: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return ``(verdict, who)`` of the current digest's reviews."""
    found = grant.get("approvals")
    return [
        (str(one.get("verdict")), person_text(one.get("reviewer")))
        for one in (found if isinstance(found, list) else [])
        if isinstance(one, Mapping) and one.get("digest") in (None, grant.get("digest"))
    ]


def person_text(principal: Any) -> str:
    """Return a principal as people write it: without the issuer when it is local."""
    if isinstance(principal, Mapping):
        principal = principal.get("id") or principal.get("subject") or principal.get("display")
    return str(principal).removeprefix("local|")


def refuse_if_over(grant: Mapping[str, Any]) -> None:
    """Raise the error of a grant that cannot be used any more.

    Raises:
        CommandFailedError: denied (3), cancelled, lapsed, expired or revoked (6), failed (1).
    """
    state, grant_id = grant.get("state"), printable(grant.get("id", ""))
    see = f"protem request show {grant_id}"
    if state == "denied":
        raise CommandFailedError(_denial_text(grant), error_code="denied", next_step=see)
    if state in ("cancelled", "lapsed"):
        said = "was cancelled" if state == "cancelled" else "lapsed before it was used"
        raise CommandFailedError(
            f"request {grant_id} {said}", error_code="expired", next_step="ask again"
        )
    if state in _UNUSABLE:
        failed = grant.get("end_cause") == "provision_failed"
        said = printable(grant.get("last_error") or "") if failed else ""
        raise CommandFailedError(
            f"grant {grant_id} {end_text(grant)}" + (f": {said}" if said else ""),
            error_code="error" if failed else "expired",
            next_step=see if failed else "ask again",
        )


def end_text(grant: Mapping[str, Any]) -> str:
    """Return why a grant is over, or what keeps it from being over, in words."""
    if grant.get("state") in ("ending", "stuck") and grant.get("last_error"):
        return f"tried again until it works: {printable(grant['last_error'])}"
    return END_CAUSES.get(str(grant.get("end_cause")), "is over")


def _denial_text(grant: Mapping[str, Any]) -> str:
    grant_id = printable(grant.get("id", ""))
    reviews = grant.get("approvals")
    for one in reviews if isinstance(reviews, list) else []:
        if isinstance(one, Mapping) and one.get("verdict") == "deny":
            comment = str(one.get("comment") or "").strip()
            text = f"{person_text(one.get('reviewer'))} denied request {grant_id}"
            return text + (f": {comment}" if comment else "")
    return f"request {grant_id} was denied"
