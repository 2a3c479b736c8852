"""A real browser against the real application: Debian's chromium, driven by playwright."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.browser.web_stage import WebStage, served

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """One browser for all tests."""
    assert CHROMIUM.exists(), "no chromium here: scripts/install-browser"
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        yield started
        started.close()


@pytest.fixture
def web() -> Iterator[WebStage]:
    """A fresh application."""
    with served() as stage:
        yield stage


@pytest.fixture
def context_of(browser: Browser, web: WebStage) -> Iterator[Callable[..., BrowserContext]]:
    """Make browsers of people: ``context_of("grace", viewport=...)`` is signed in."""
    contexts: list[BrowserContext] = []

    def make(who: str | None, **options: Any) -> BrowserContext:
        context = browser.new_context(base_url=web.address, **options)
        context.set_default_timeout(8_000)
        contexts.append(context)
        if who is not None:
            context.add_cookies(
                [
                    {
                        "name": "protem",
                        "value": web.stage.tokens[who],
                        "url": web.address,
                        "httpOnly": True,
                        "sameSite": "Lax",
                    }
                ]
            )
        return context

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page_of(context_of: Callable[..., BrowserContext]) -> Callable[..., Page]:
    """Open a page of a person; what its console says wrong is in ``page.wrong``."""

    def make(who: str | None, **options: Any) -> Page:
        page = context_of(who, **options).new_page()
        wrong: list[str] = []
        page.wrong = wrong  # type: ignore[attr-defined]
        page.on(
            "console",
            lambda said: wrong.append(said.text) if said.type in ("error", "warning") else None,
        )
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: (wrong.append("dialog"), dialog.dismiss()))
        return page

    return make
