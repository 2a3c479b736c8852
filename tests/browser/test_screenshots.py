"""The pictures of the documentation, taken from the pages as they are."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.browser.web_stage import FIX, LEDGER, PURGE, READ

FOLDER = Path(os.environ.get("PROTEM_SCREENSHOTS") or "/nowhere")
PHONE = {"viewport": {"width": 390, "height": 844}}
DESK = {"viewport": {"width": 1180, "height": 820}}


@pytest.mark.skipif("PROTEM_SCREENSHOTS" not in os.environ, reason="PROTEM_SCREENSHOTS=FOLDER")
def test_pictures(web, page_of):
    """Every picture of docs/images is taken here, light and dark, wide and narrow."""
    held = web.ask(FIX, reason="Orders stuck since 14:05")
    web.review(held)
    web.activate(held)
    read = web.ask(READ, "zoe", reason="Customer 7 sees no orders", duration_seconds=1800)
    web.activate(read, "zoe")
    web.ask(PURGE, "zoe", target=LEDGER, ticket="OPS-88", reason="Expired holds block refunds")
    asked = web.ask(
        FIX, reason="Orders stuck since 14:05: the queue consumer lost its lease.", ticket="INC-421"
    )
    shots = [
        ("sign-in", None, "/sign-in"),
        ("inbox", "grace", "/inbox"),
        ("request", "grace", f"/requests/{asked['id']}"),
        ("grants", "ada", "/grants"),
        ("board", "grace", "/board"),
        ("keys", "grace", "/keys"),
    ]
    for scheme in ("light", "dark"):
        for name, who, path in shots:
            for size, options in (("", DESK), ("-phone", PHONE)):
                page = page_of(who, color_scheme=scheme, **options)
                page.goto(path)
                page.wait_for_timeout(300)
                page.screenshot(path=FOLDER / f"{name}{size}-{scheme}.png", full_page=True)
                assert page.wrong == []
