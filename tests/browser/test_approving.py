"""Approving in a real browser: by keyboard, by thumb, without scripts, in two tabs, too late."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.browser.web_stage import FIX, ORDERS, READ

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}


def state(web, asked):
    """The request's state, by the API."""
    return web.call("ada", "GET", f"/v1/requests/{asked['id']}")["state"]


def tab_to(page, words, at_most=60):
    """Press Tab until what has the focus says ``words``; every stop on the way must be seen."""
    for _ in range(at_most):
        page.keyboard.press("Tab")
        focused = page.locator(":focus")
        outline = focused.evaluate("it => getComputedStyle(it).outlineStyle")
        assert outline != "none", focused.evaluate("it => it.outerHTML")
        if words in (focused.text_content() or ""):
            return
    pytest.fail(f"no amount of tabs leads to {words!r}")


def test_the_whole_way_by_keyboard_alone(web, page_of):
    """Sign in, read, comment and approve without a pointer; the focus is always to be seen."""
    asked = web.ask()
    page = page_of(None)
    page.goto("/")
    page.keyboard.type(web.one_time_token("grace"))
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Inbox", exact=True)).to_be_visible()
    tab_to(page, "Comment or deny")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    page.keyboard.type("looks right")
    for _ in range(2):
        page.keyboard.press("Shift+Tab")
    assert "Approve" in page.locator(":focus").text_content()
    page.keyboard.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("on record")
    assert state(web, asked) == "approved"
    shown = web.call("ada", "GET", f"/v1/requests/{asked['id']}")
    assert shown["approvals"][0]["comment"] == "looks right"
    assert page.wrong == []


def test_the_whole_way_on_a_phone(web, page_of):
    """One tap from the inbox; nothing is wider than the screen and every target fits a thumb."""
    asked = web.ask()
    page = page_of("grace", **PHONE)
    page.goto("/inbox")
    for path in ("/inbox", f"/requests/{asked['id']}", "/grants", "/board"):
        page.goto(path)
        wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert wide <= 0, path
    page.goto("/inbox")
    button = page.get_by_role("button", name=re.compile("^Approve"))
    assert button.bounding_box()["height"] >= 44
    button.tap()
    expect(page.get_by_role("status")).to_contain_text("on record")
    assert state(web, asked) == "approved"
    assert page.wrong == []


def test_the_whole_way_without_scripts(web, page_of):
    """Signing in, denying with a comment, approving, ending and signing out are plain forms."""
    denied, asked = web.ask(reason="first"), web.ask(reason="second")
    page = page_of(None, java_script_enabled=False)
    page.goto(f"/requests/{denied['id']}")
    page.fill("#token", web.one_time_token("grace"))
    page.click("text=Sign in >> nth=-1")
    page.fill("textarea[name=comment]", "not now")
    page.click("button[value=deny]")
    expect(page.locator("[role=status]")).to_contain_text("Denied")
    page.goto("/inbox")
    page.click("button[value=approve]")
    expect(page.locator("[role=status]")).to_contain_text("on record")
    assert (state(web, denied), state(web, asked)) == ("denied", "approved")
    web.activate(asked)
    page.goto("/board")
    page.click("summary:has-text('Cut')")
    page.click("button:has-text('Cut now')")
    expect(page.locator("[role=status]")).to_contain_text("Ending now")
    page.click("text=Sign out")
    expect(page.locator("h1")).to_have_text("Signed out")


def test_a_double_click_is_one_answer(web, page_of):
    """Whoever clicks twice has approved once, and sees that."""
    asked = web.ask()
    page = page_of("grace")
    page.goto(f"/requests/{asked['id']}")
    page.get_by_role("button", name=re.compile("^Approve")).dblclick()
    expect(page.get_by_role("status").first).to_contain_text("on record")
    assert len(web.call("ada", "GET", f"/v1/requests/{asked['id']}")["approvals"]) == 1


def test_two_tabs_and_the_back_button(web, page_of):
    """An answer given in one tab is not given again in another, nor by going back."""
    asked = web.ask()
    first = page_of("grace")
    first.goto("/inbox")
    second = first.context.new_page()
    second.goto("/inbox")
    first.locator("button[value=approve]").click()
    expect(first.get_by_role("status")).to_contain_text("on record")
    second.locator("button[value=approve]").click()
    expect(second.get_by_role("status")).to_contain_text("on record")
    first.go_back()
    first.reload()
    expect(first.locator(".empty")).to_contain_text("Nothing waits")
    assert len(web.call("ada", "GET", f"/v1/requests/{asked['id']}")["approvals"]) == 1


def test_an_answer_to_an_edited_request_asks_again(web, page_of):
    """The reader is told while reading; pressing all the same shows what changed and asks anew."""
    asked = web.ask(reason="look")
    page = page_of("grace")
    page.goto(f"/requests/{asked['id']}")
    page.wait_for_timeout(600)
    command = {"argv": list(FIX)}
    body = {"target": ORDERS, "command": command, "duration_seconds": 7200, "reason": "look more"}
    web.call("ada", "PUT", f"/v1/requests/{asked['id']}", json=body)
    expect(page.locator("#stale")).to_be_visible()
    expect(page.locator("#runs + pre")).to_contain_text("update shop.orders")
    page.locator("button[value=approve]").click()
    expect(page.locator(".changes")).to_contain_text("look more")
    assert state(web, asked) == "pending"
    page.locator("button[value=approve]").click()
    expect(page.get_by_role("status").first).to_contain_text("on record")
    assert state(web, asked) == "approved"


def test_an_open_inbox_hears_of_a_new_request(web, page_of):
    """News come by themselves, as a line; what one is about to press does not move."""
    web.ask(reason="first")
    page = page_of("grace")
    page.goto("/inbox")
    button = page.locator("button[value=approve]")
    before = button.bounding_box()
    page.wait_for_timeout(600)
    web.ask(reason="second")
    expect(page.locator("#news")).to_contain_text("has changed")
    assert page.locator(".card").count() == 1
    assert button.bounding_box() == before
    page.click("#news a")
    expect(page.locator(".card")).to_have_count(2)
    assert page.wrong == []


def test_what_one_holds_counts_down_and_can_be_ended(web, page_of):
    """A grant appears by itself, its time runs every second, and one button ends it."""
    page = page_of("zoe")
    page.goto("/grants")
    page.wait_for_timeout(600)
    web.activate(web.ask(READ, "zoe"), "zoe")
    countdown = page.locator(".rows .countdown")
    expect(countdown).to_have_text(re.compile(r"in 14:\d\d"))
    seen = countdown.text_content()
    page.wait_for_timeout(2100)
    assert countdown.text_content() < seen
    page.click("text=End now")
    expect(page.get_by_role("status")).to_contain_text("Ending now")
    expect(page.locator(".over")).to_contain_text("was given back")
    assert page.wrong == []


def test_an_open_confirmation_is_not_taken_away(web, page_of):
    """While someone is about to cut one grant, the board does not change under the finger."""
    web.activate(web.ask(READ, "zoe"), "zoe")
    page = page_of("grace")
    page.goto("/board")
    page.wait_for_timeout(600)
    page.click("summary:has-text('Cut')")
    web.activate(web.ask(READ, "zoe", reason="another"), "zoe")
    page.wait_for_timeout(1500)
    expect(page.locator(".row")).to_have_count(1)
    page.click("button:has-text('Cut now')")
    expect(page.get_by_role("status")).to_contain_text("Ending now")
    assert page.wrong == []
