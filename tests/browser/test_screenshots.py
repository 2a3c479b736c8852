"""The pictures of the documentation, taken from the pages as they are."""

from __future__ import annotations

import os
from pathlib import Path

from playwright.sync_api import expect
from tests.browser.web_stage import FIX, LEDGER, PURGE, READ

FOLDER = os.environ.get("PROTEM_SCREENSHOTS")
PHONE = {"viewport": {"width": 390, "height": 844}}
DESK = {"viewport": {"width": 1180, "height": 820}}


def test_pictures(web, page_of):
    """Each page of the documentation is whole; with PROTEM_SCREENSHOTS=docs/images it is kept."""
    held = web.ask(FIX, reason="Orders stuck since 14:05")
    web.review(held)
    web.activate(held)
    read = web.ask(READ, "zoe", reason="Customer 7 sees no orders", duration_seconds=1800)
    web.activate(read, "zoe")
    web.ask(PURGE, "zoe", target=LEDGER, ticket="OPS-88", reason="Expired holds block refunds")
    asked = web.ask(
        FIX,
        reason="Orders stuck since 14:05: the queue consumer lost its lease.",
        ticket="INC-421",
        evidence={"links": ["https://alerts.example.com/d/orders-stuck"], "explain": True},
    )
    path = f"/requests/{asked['id']}"
    pictures = [
        ("inbox", "grace", "/inbox", "light", DESK),
        ("inbox-phone", "grace", "/inbox", "dark", PHONE),
        ("request", "grace", path, "light", DESK),
        ("board", "grace", "/board", "dark", DESK),
    ]
    for name, who, where, scheme, size in pictures:
        page = page_of(who, color_scheme=scheme, **size)
        page.goto(where)
        expect(page.locator(".headline, h1 .target").first).to_be_visible()
        picture = page.screenshot(full_page=True)
        assert page.wrong == []
        if FOLDER is not None:
            (Path(FOLDER) / f"{name}.png").write_bytes(picture)
