"""What holds for every page: readable by anyone, in any light, whatever others wrote into it."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.browser.web_stage import (
    FIX,
    HOSTILE,
    HOSTILE_TEXT,
    LEDGER,
    PURGE,
    READ,
    a_start,
    break_glass,
)

AXE = (Path(__file__).parent / "vendor/axe-core-4.14.1/axe.min.js").read_text()
PAGES = ("/sign-in", "/inbox", "/grants", "/board", "/keys", "/requests/{id}", "/requests/nonsense")


def furnish(web):
    """Put something of every sort onto the pages."""
    held = web.ask(FIX, reason="held")
    web.review(held)
    web.activate(held)
    web.activate(web.ask(READ, "zoe"), "zoe")
    web.call("ada", "POST", f"/v1/requests/{web.ask(reason='gone')['id']}/cancel")
    web.ask(PURGE, "zoe", target=LEDGER)
    owed, _ = break_glass(web), break_glass(web, "zoe")
    web.call("ada", "POST", f"/v1/grants/{owed['id']}/end?wait=5")
    return web.ask(ticket="INC-1", start=a_start())


def violations(page):
    """The accessibility rules that the open page fails, with where."""
    page.evaluate(AXE)
    found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
    return [
        (one["id"], one["impact"], [node["html"][:200] for node in one["nodes"]])
        for one in found["violations"]
    ]


@pytest.mark.parametrize("who", ["grace", "ada"])
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1180])
def test_axe_finds_nothing(web, page_of, who, scheme, width):
    """No page fails an accessibility rule, for reviewer and requester, in both lights and sizes."""
    asked = furnish(web)
    page = page_of(who, color_scheme=scheme, viewport={"width": width, "height": 800})
    for path in PAGES:
        page.context.clear_cookies() if path == "/sign-in" else None
        page.goto(path.format(id=asked["id"]))
        if path == "/sign-in":
            page.context.add_cookies(
                [{"name": "protem", "value": web.stage.tokens[who], "url": web.address}]
            )
        assert violations(page) == [], path


def test_hostile_text_is_text_everywhere(web, page_of):
    """Markup, template marks and controls in every field are shown; nothing runs, nothing loads."""
    asked = web.ask(HOSTILE, reason=HOSTILE_TEXT, ticket="<script>alert(5)</script>\u202e")
    comment = {"digest": asked["digest"], "verdict": "approve", "comment": HOSTILE_TEXT}
    web.call("grace", "POST", f"/v1/requests/{asked['id']}/reviews", json=comment)
    web.activate(asked)
    web.ask(HOSTILE, reason=HOSTILE_TEXT, ticket="<script>alert(5)</script>\u202e")
    for who in ("linus", "ada"):
        page = page_of(who)
        gone = []
        page.on("request", lambda request, gone=gone: gone.append(request.url))
        for path in ("/inbox", "/grants", "/board", f"/requests/{asked['id']}"):
            page.goto(path)
            page.wait_for_timeout(200)
            text = page.inner_text("body")
            assert "\\u202e" in text or path in ("/inbox", "/grants")
            assert not set(text) & set("\u202e\u2066\x1b\x07\u200b")
            assert "49" not in page.inner_text("main").split()
            assert page.locator("main script, main img, main b[hx-get], main i").count() == 0
        assert all(url.startswith(web.address) and not url.endswith("/x") for url in gone)
        assert page.wrong == []


def test_an_injected_element_gets_no_power_from_htmx(page_of):
    """Even if markup slipped in, an element without the page's nonce asks nobody for anything."""
    page = page_of("grace")
    page.goto("/inbox")
    gone = []
    page.on("request", lambda request: gone.append(request.url))
    page.evaluate(
        """() => {
            const bad = document.createElement('div');
            bad.setAttribute('hx-get', '/board');
            bad.setAttribute('hx-trigger', 'load');
            document.querySelector('main').append(bad);
            htmx.process(bad);
        }"""
    )
    page.wait_for_timeout(500)
    assert [url for url in gone if "/board" in url] == []
    assert any("hx-csp" in text for text in page.wrong)


def test_no_script_of_the_page_can_be_turned_into_markup(page_of):
    """Trusted Types: a string assigned to innerHTML by any script is refused."""
    page = page_of("grace")
    page.goto("/inbox")
    refused = page.evaluate(
        """() => { try { document.body.innerHTML = '<p>x</p>'; return false } catch { return true }
        }"""
    )
    assert refused


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_look_can_be_chosen_against_the_system(page_of, scheme):
    """Light and dark follow the system unless one says otherwise, also without scripts."""

    def ground(page):
        return page.evaluate("getComputedStyle(document.body).backgroundColor")

    page = page_of("grace", color_scheme=scheme)
    other = page_of("grace", color_scheme="light" if scheme == "dark" else "dark")
    page.goto("/inbox")
    other.goto("/inbox")
    by_system, by_other_system = ground(page), ground(other)
    assert by_system != by_other_system
    with page.expect_navigation():
        page.click(f"button[value={'light' if scheme == 'dark' else 'dark'}]")
    assert ground(page) == by_other_system
    with page.expect_navigation():
        page.click("button[value=auto]")
    assert ground(page) == by_system


def test_little_moves_for_those_who_asked_for_it(page_of):
    """With reduced motion nothing is animated."""
    page = page_of("grace", reduced_motion="reduce")
    page.goto("/inbox")
    moving = page.evaluate(
        "[...document.querySelectorAll('*')].filter(it => "
        "getComputedStyle(it).transitionDuration !== '0s').length"
    )
    assert moving == 0


def test_six_tabs_do_not_starve_a_seventh(context_of):
    """Only the tab in front listens: browsers open six connections to a server, not more."""
    context = context_of("grace")
    pages = [context.new_page() for _ in range(4)]
    for page in pages:
        page.goto("/board")
    page.goto("/inbox")
    assert page.locator("h1").text_content() == "Inbox"
