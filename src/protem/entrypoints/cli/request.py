"""``protem request``: requests, and the reviewer's yes or no to one exact content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from protem.domain import canonical_json
from protem.domain.approval_signatures import APPROVAL_NAMESPACE, ssh_message
from protem.domain.identifiers import GrantId
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli import client_state
from protem.entrypoints.cli.api_client import ApiClient, connect, items_of, object_of, path_of
from protem.entrypoints.cli.ask_options import Length
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.grant import STATES, list_items
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.offers import accept as take_offer
from protem.entrypoints.cli.offers import offer_text, offered_request, rows_without, standing_offers
from protem.entrypoints.cli.request_view import request_page, state_text
from protem.entrypoints.cli.ssh_signing import sign_with_one_of
from protem.entrypoints.cli.terminal import data, say


@click.group(name="request")
def command() -> None:
    """List, show, approve, deny, discuss and cancel requests."""


@command.command(name="ls")
@click.option("--state", type=click.Choice(STATES), help="Only this state.")
@click.option("--mine", is_flag=True, help="Only your own.")
@click.option("--to-review", is_flag=True, help="Only those that wait for you.")
@click.option("--limit", type=click.IntRange(1, 100), default=50, show_default=True)
@common_options
def ls(*, state: str | None, mine: bool, to_review: bool, limit: int) -> None:
    """List requests, newest first."""
    query = {"state": state, "mine": mine, "to_review": to_review, "limit": limit}
    list_items("/v1/requests", query, "requests")


@command.command(name="show")
@click.argument("grant_id", metavar="ID")
@common_options
def show(*, grant_id: str) -> None:
    """Show exactly what is asked for."""
    with connect() as client:
        request = _fetched(client, grant_id)
    if current().machine_readable:
        data(document({"request": request}, current().output))
    else:
        data(request_page(request))


@command.command(name="approve")
@click.argument("grant_id", metavar="ID")
@click.option("--digest", metavar="sha256:...", help="Approve only this exact content.")
@click.option("--yes", is_flag=True, help="Do not ask; approve what is there now.")
@click.option("--comment", default="", metavar="TEXT")
@click.option("--for", "seconds", type=Length(), metavar="10m", help="Offer less time instead.")
@click.option(
    "--without",
    multiple=True,
    metavar="'UPDATE on shop.orders'",
    help="Offer it without this privilege instead; can be given again.",
)
@click.option("--sign", is_flag=True, help="Sign it with your key even if nobody asks for that.")
@click.option("--key", type=click.Path(path_type=Path), help="The ssh key to sign with.")
@common_options
def approve(  # noqa: PLR0913  # one parameter for each option
    *,
    grant_id: str,
    digest: str | None,
    yes: bool,
    comment: str,
    seconds: int | None,
    without: tuple[str, ...],
    sign: bool,
    key: Path | None,
) -> None:
    """Show exactly what will run and with which privileges, ask, and approve that content.

    Where policy asks for it, the digest of what was shown is signed with your ssh key.

    With --for or --without it is an offer: less than was asked, approved as soon as the requester
    takes it.
    """
    if seconds is None and not without:
        _review(
            Answer(verdict="approve", digest=digest, yes=yes, comment=comment, sign=sign, key=key),
            grant_id,
        )
        return
    with connect() as client:
        request = _reviewed(client, grant_id, "offer", digest=digest, yes=yes)
        rows = rows_without(request["request"].get("scope"), without)
        body = {
            "digest": request["digest"],
            "comment": comment,
            "without": rows,
            **({} if seconds is None else {"duration_seconds": seconds}),
        }
        if sign or key or _asks_to_sign(request):
            digest_of_offer = canonical_json.digest(offered_request(request, rows, seconds))
            body["signature"] = _signature(client, digest_of_offer, key)
        found = object_of(client.post(path_of("requests", GrantId(grant_id), "offers"), body))
    if current().machine_readable:
        data(document({"request": found}, current().output))
        return
    for offer in standing_offers(found)[-1:]:
        say(f"Offered. {offer_text(found, offer)}.")


@command.command(name="accept")
@click.argument("grant_id", metavar="ID")
@click.option("--digest", metavar="sha256:...", help="Take this offer, where there are several.")
@common_options
def accept(*, grant_id: str, digest: str | None) -> None:
    """Take the offer that somebody made on your request."""
    with connect() as client:
        request = _fetched(client, grant_id)
        found = [one for one in standing_offers(request) if digest in (None, one.get("digest"))]
        if len(found) != 1:
            texts = [f"{offer_text(request, one)} --digest {one.get('digest')}" for one in found]
            raise CommandFailedError(
                "say which offer: " + "; ".join(texts) if found else "there is no such offer",
                error_code="conflict",
                next_step=f"protem request show {printable(grant_id)}",
            )
        _tell(take_offer(client, GrantId(grant_id), str(found[0]["digest"])))


@command.command(name="comment")
@click.argument("grant_id", metavar="ID")
@click.argument("text")
@common_options
def comment(*, grant_id: str, text: str) -> None:
    """Say something about a request without a verdict."""
    with connect() as client:
        path = path_of("requests", GrantId(grant_id), "comments")
        found = object_of(client.post(path, {"text": text}))
    if current().machine_readable:
        data(document({"request": found}, current().output))
    else:
        say("Said.")


@command.command(name="deny")
@click.argument("grant_id", metavar="ID")
@click.option("--digest", metavar="sha256:...", help="Deny only this exact content.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--comment", default="", metavar="TEXT", help="Why; the requester reads it.")
@common_options
def deny(*, grant_id: str, digest: str | None, yes: bool, comment: str) -> None:
    """Say no to a request."""
    _review(Answer(verdict="deny", digest=digest, yes=yes, comment=comment), grant_id)


@command.command(name="cancel")
@click.argument("grant_id", metavar="ID")
@common_options
def cancel(*, grant_id: str) -> None:
    """Withdraw your own request."""
    with connect() as client:
        request = object_of(client.post(path_of("requests", GrantId(grant_id), "cancel")))
    client_state.forget_request(GrantId(grant_id))
    _tell(request)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What the reviewer typed.

    Attributes:
        digest: the content that is meant; None: what is there, after a look.
        sign: sign even if policy does not ask for it.
    """

    verdict: str
    digest: str | None
    yes: bool
    comment: str
    sign: bool = False
    key: Path | None = None


def _review(answer: Answer, grant_id: str) -> None:
    with connect() as client:
        request = _reviewed(client, grant_id, answer.verdict, digest=answer.digest, yes=answer.yes)
        digest = str(request["digest"])
        body: dict[str, Any] = {"digest": digest, "verdict": answer.verdict}
        body["comment"] = answer.comment
        if answer.verdict == "approve" and (answer.sign or answer.key or _asks_to_sign(request)):
            body["signature"] = _signature(client, digest, answer.key)
        _tell(object_of(client.post(path_of("requests", GrantId(grant_id), "reviews"), body)))


def _reviewed(
    client: ApiClient, grant_id: str, verdict: str, *, digest: str | None, yes: bool
) -> dict[str, Any]:
    """Return the request once it was shown, and a person or a digest stands for it."""
    request = _fetched(client, grant_id)
    shown = _checked_digest(request)
    if digest is not None and digest != shown:
        raise CommandFailedError(
            f"request {printable(grant_id)} is now {shown}, not what you named",
            error_code="conflict",
            next_step=f"protem request show {grant_id}",
        )
    if digest is None and not yes:
        _ask(request, verdict)
    elif not current().machine_readable:
        say(request_page(request))
    return request


def _fetched(client: ApiClient, grant_id: str) -> dict[str, Any]:
    found = client.get(path_of("requests", GrantId(grant_id)))
    if not isinstance(found, dict) or not isinstance(found.get("request"), dict):
        raise CommandFailedError("the server's answer is not a request; are versions compatible?")
    proposed = found.get("proposed")
    if isinstance(proposed, dict) and isinstance(proposed.get("request"), dict):
        return {**found, **proposed}  # an extension: what is under review is the longer revision
    return found


def _checked_digest(request: dict[str, Any]) -> str:
    """Return the digest of what is shown, computed here: a yes binds to what the reviewer saw."""
    computed = canonical_json.digest(request["request"])
    if computed != request.get("digest"):
        raise CommandFailedError(
            "the request's content does not match its digest; do not review it"
        )
    return computed


def _asks_to_sign(request: dict[str, Any]) -> bool:
    decision = request.get("decision")
    needs = decision.get("approvals") if isinstance(decision, dict) else None
    return any(isinstance(need, dict) and need.get("signed") for need in needs or ())


def _signature(client: ApiClient, digest: str, key: Path | None) -> dict[str, str]:
    """Sign ``digest``, which was computed here from what was shown; nothing of the server's."""
    keys = items_of(client.get("/v1/approver-keys"))
    say(f"Signing {digest} with your key.")
    armoured = sign_with_one_of(ssh_message(digest), APPROVAL_NAMESPACE, key, keys)
    return {"kind": "ssh", "signature": armoured}


def _ask(request: dict[str, Any], verdict: str) -> None:
    """Show the whole content on the terminal and ask."""
    grant_id = printable(request.get("id"))
    command_of = "approve" if verdict == "offer" else verdict
    if not current().may_prompt:
        raise CommandFailedError(
            "there is no terminal to ask on",
            error_code="usage",
            next_step=f"protem request {command_of} {grant_id} --digest {request['digest']}",
        )
    say(request_page(request))
    question = "Offer less than this?" if verdict == "offer" else f"{verdict.capitalize()} this?"
    if not click.confirm(question, default=False, err=True):
        raise CommandFailedError("not sent", error_code="interrupted")


def _tell(request: dict[str, Any]) -> None:
    if current().machine_readable:
        data(document({"request": request}, current().output))
    else:
        say(f"Request {printable(request.get('id'))} is {state_text(request)}.")
