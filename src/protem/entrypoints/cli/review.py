"""``protem review``: what was done behind broken glass, and the verdict on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import click

from protem.domain.identifiers import GrantId
from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.api_client import connect, items_of, object_of, path_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.request_view import request_page
from protem.entrypoints.cli.review_table import review_table, review_text
from protem.entrypoints.cli.terminal import data, say


@click.group(name="review")
def command() -> None:
    """List, show and give the reviews that broken glass owes."""


@command.command(name="ls")
@click.option("--all", "every", is_flag=True, help="Those that were given, too; newest first.")
@common_options
def ls(*, every: bool) -> None:
    """List what is owed, the oldest first."""
    with connect() as client:
        found = items_of(client.get("/v1/glass-reviews", {"all": "true"} if every else {}))
    if current().machine_readable:
        data(document({"glass_reviews": found}, current().output))
    else:
        data(review_table(found) if found else "No review is owed.")


@command.command(name="show")
@click.argument("grant_id", metavar="ID")
@common_options
def show(*, grant_id: str) -> None:
    """Show what was asked for and run, and where its review stands."""
    with connect() as client:
        found = object_of(client.get(path_of("glass-reviews", GrantId(grant_id))))
    if current().machine_readable:
        data(document({"glass_review": found}, current().output))
        return
    data(request_page(found))
    data(f"\nReview: {printable(review_text(found))}")
    review = found.get("review")
    if isinstance(review, Mapping):
        data(f"  by {printable(review.get('reviewer'))}: {printable(review.get('comment'))}")


@command.command(name="done")
@click.argument("grant_id", metavar="ID")
@click.option("--justified/--not-justified", "justified", required=True, help="The verdict.")
@click.option("--comment", required=True, metavar="TEXT", help="Why.")
@common_options
def done(*, grant_id: str, justified: bool, comment: str) -> None:
    """Give the review, once."""
    body: dict[str, Any] = {
        "verdict": "justified" if justified else "not_justified",
        "comment": comment,
    }
    with connect() as client:
        path = path_of("glass-reviews", GrantId(grant_id))
        found = object_of(client.post(path, body))
    if current().machine_readable:
        data(document({"glass_review": found}, current().output))
    else:
        say(f"Review of {printable(grant_id)}: {printable(review_text(found))}.")
