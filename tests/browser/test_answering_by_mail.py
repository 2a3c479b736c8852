"""A mail's link in a real browser: with scripts and without, on a phone, twice, by a stranger."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect
from tests.browser.test_approving import PHONE, state
from tests.browser.test_every_page import violations
from tests.browser.web_stage import HOSTILE, HOSTILE_TEXT


@pytest.mark.parametrize("scripts", [True, False])
def test_a_link_is_opened_and_approves(web, page_of, scripts):
    """One click from the mail and one on the page, without signing in, scripts or not."""
    asked = web.ask()
    page = page_of(None, java_script_enabled=scripts)
    page.goto(web.link(asked))
    expect(page.locator("main")).to_contain_text("update shop.orders set status")
    expect(page.locator(".risks")).to_contain_text("WRITES data")
    expect(page.locator("code.digest")).to_have_text(asked["digest"])
    assert state(web, asked) == "pending"
    page.get_by_role("button", name=re.compile("^Approve")).click()
    expect(page.get_by_role("status")).to_contain_text("on record")
    assert state(web, asked) == "approved"
    assert "ptm_" not in page.url
    assert page.wrong == []


def test_a_link_denies_with_a_comment_on_a_phone(web, page_of):
    """Nothing is wider than the screen, and every target fits a thumb."""
    asked = web.ask()
    page = page_of(None, **PHONE)
    page.goto(web.link(asked))
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    button = page.locator("button[value=deny]")
    assert button.bounding_box()["height"] >= 44
    page.fill("textarea[name=comment]", "not now")
    button.tap()
    expect(page.get_by_role("status")).to_contain_text("Denied")
    assert state(web, asked) == "denied"
    assert page.wrong == []


def test_a_double_click_and_a_second_tab_are_one_answer(web, page_of):
    """What comes second says that the link is over, and that what was given stands."""
    asked = web.ask()
    first = page_of(None)
    first.goto(web.link(asked))
    second = first.context.new_page()
    second.goto(web.link(asked))
    first.get_by_role("button", name=re.compile("^Approve")).dblclick()
    expect(first.locator("main")).to_contain_text("on record")
    second.locator("button[value=deny]").click()
    expect(second.locator("main")).to_contain_text("does not answer anything")
    shown = web.call("ada", "GET", f"/v1/requests/{asked['id']}")
    assert (shown["state"], len(shown["approvals"])) == ("approved", 1)


def test_who_is_signed_in_as_somebody_else_sees_nothing_of_it(web, page_of):
    """A mail that was passed on."""
    asked = web.ask()
    page = page_of("zoe")
    page.goto(web.link(asked))
    expect(page.locator("main")).to_contain_text("somebody else's")
    expect(page.locator("main")).not_to_contain_text("update shop.orders")
    assert state(web, asked) == "pending"


def test_hostile_text_behind_a_link_does_nothing_and_the_page_is_accessible(web, page_of):
    """No dialog, no error of the page's own, nothing that axe finds."""
    asked = web.ask(HOSTILE, reason=HOSTILE_TEXT)
    page = page_of(None)
    page.goto(web.link(asked))
    expect(page.locator("main")).to_contain_text("alert(2)")
    assert violations(page) == []
    assert page.wrong == []
