"""``protem oncall``: who is on call, and how old that answer is."""

from __future__ import annotations

from datetime import timedelta

import click

from protem.domain.durations import format_duration
from protem.entrypoints.cli.api_client import connect, items_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.tables import columns
from protem.entrypoints.cli.terminal import data
from protem.entrypoints.cli.waiting import person_text


@click.command(name="oncall")
@common_options
def command() -> None:
    """Say who is on call by each schedule, and how old that answer is."""
    with connect() as client:
        items = items_of(client.get("/v1/oncall"))
    if current().machine_readable:
        data(document({"oncall": items}, current().output))
        return
    rows = []
    for one in items:
        age, people, unknown = one.get("age_seconds"), one.get("on_call"), one.get("unknown")
        rows.append(
            (
                one.get("schedule", "?"),
                ", ".join(map(person_text, people if isinstance(people, list) else [])) or "nobody",
                format_duration(timedelta(seconds=age)) if isinstance(age, int) else "?",
                ", ".join(map(str, unknown if isinstance(unknown, list) else [])) or "-",
            )
        )
    data(columns(("SCHEDULE", "ON CALL", "AGE", "UNKNOWN"), rows) if rows else "No schedules.")
