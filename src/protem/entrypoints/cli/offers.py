"""Offers on a request: less than was asked, for the requester to take with one key.

Here: what ``--without`` takes away, an offer in words, and the question at the terminal. Not here:
waiting (``waiting``), and the reviewer's page (``request_view``).

Invariants: an offer whose content does not match its digest, or whose command is another, is shown
to nobody and never taken.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

import click

from protem.domain import canonical_json
from protem.domain.durations import format_duration
from protem.domain.errors import InvalidError
from protem.domain.offers import scope_without
from protem.domain.request_wording import name_of, privilege_text
from protem.domain.scopes import Scope
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.api_client import ApiClient, object_of, path_of
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import current
from protem.entrypoints.cli.scope_view import scope_rows
from protem.entrypoints.cli.terminal import say

_PRIVILEGE = re.compile(
    r"\s*(?P<action>\w+)\s+on\s+(?:(?P<kind>\w+)\s+)?(?P<name>\S+)\s*(?:\((?P<parts>[^()]*)\))?\s*",
    re.IGNORECASE,
)


def rows_without(scope: Any, texts: Sequence[str]) -> list[dict[str, Any]]:
    """Return the rows of ``scope`` that ``texts`` name, such as ``UPDATE on shop.orders``.

    Raises:
        CommandFailedError: when one of them names nothing that is asked for.
    """
    return [row for text in texts for row in _named(scope_rows(scope), text)]


def _named(rows: Sequence[Mapping[str, Any]], text: str) -> list[dict[str, Any]]:
    said = _PRIVILEGE.fullmatch(text)
    action, kind, name, parts = said.group("action", "kind", "name", "parts") if said else [""] * 4
    found = []
    for row in rows:
        path = row.get("path")
        names = [str(part) for part in path] if isinstance(path, list) else []
        if (
            str(row.get("action", "")).upper() == action.upper()
            and kind in (None, row.get("kind"))
            and name in (name_of(names), ".".join(names))
        ):
            kept = {key: row[key] for key in ("kind", "path", "action", "parts") if key in row}
            if parts is not None:
                kept["parts"] = [part.strip() for part in parts.split(",")]
            found.append(kept)
    if not found:
        lines = "; ".join(privilege_text(row) for row in rows)
        raise CommandFailedError(
            f"{printable(text)} is not asked for; that is: {lines}",
            error_code="usage",
            next_step="--without 'UPDATE on shop.orders'",
        )
    return found


def offered_request(
    grant: Mapping[str, Any], without: Sequence[Mapping[str, Any]], seconds: int | None
) -> dict[str, Any]:
    """Return what the offer will be, made here, so that a signature is for nothing else.

    Raises:
        CommandFailedError: when it is no part of what is asked.
    """
    asked = dict(grant["request"])
    try:
        if without:
            left = scope_without(Scope.from_json(asked["scope"]), Scope.from_json([*without]))
            asked["scope"] = left.to_json()
    except InvalidError as error:
        raise CommandFailedError(error.message, error_code="usage") from error
    if seconds is not None:
        asked["duration_seconds"] = seconds
    asked["revision"] = int(grant.get("latest_revision") or asked["revision"]) + 1
    return asked


def standing_offers(grant: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Return the offers on a request whose content is what their digest says."""
    asked = grant.get("request")
    command = asked.get("command") if isinstance(asked, Mapping) else None
    found = grant.get("offers")
    return [
        offer
        for offer in (found if isinstance(found, list) else [])
        if isinstance(offer, Mapping)
        and isinstance(offer.get("request"), dict)
        and canonical_json.digest(offer["request"]) == offer.get("digest")
        and offer["request"].get("command") == command
    ]


def offer_text(grant: Mapping[str, Any], offer: Mapping[str, Any]) -> str:
    """Return ``omar offers: 10m, without UPDATE on table shop.orders (status)``."""
    asked, offered = grant.get("request"), offer.get("request")
    before: Mapping[str, Any] = asked if isinstance(asked, Mapping) else {}
    after: Mapping[str, Any] = offered if isinstance(offered, Mapping) else {}
    seconds = after.get("duration_seconds")
    parts = [format_duration(timedelta(seconds=seconds))] if isinstance(seconds, int) else []
    kept = {privilege_text(row) for row in scope_rows(after.get("scope"))}
    gone = [
        text for row in scope_rows(before.get("scope")) if (text := privilege_text(row)) not in kept
    ]
    parts += [f"without {text}" for text in gone]
    who = str(offer.get("by", "?")).removeprefix("local|")
    comment = printable(offer.get("comment") or "")
    return f"{printable(who)} offers: {', '.join(parts)}" + (f" ({comment})" if comment else "")


def ask_about(
    client: ApiClient, grant: dict[str, Any], answered: set[str]
) -> dict[str, Any] | None:
    """Ask about each new offer at the terminal; return the grant when one is taken.

    Args:
        client: of the server.
        grant: as last seen.
        answered: digests that were asked about; grows.
    """
    for offer in standing_offers(grant):
        digest = str(offer["digest"])
        if digest in answered:
            continue
        answered.add(digest)
        text = offer_text(grant, offer)
        if not current().may_prompt:
            say(f"{text}. Take it: protem request accept {printable(grant.get('id'))}")
        elif click.confirm(f"{text}. Accept?", default=True, err=True):
            return accept(client, str(grant["id"]), digest)
    return None


def accept(client: ApiClient, grant_id: str, digest: str) -> dict[str, Any]:
    """Take an offer; return the grant."""
    return object_of(client.post(path_of("requests", grant_id, "accept"), {"digest": digest}))
