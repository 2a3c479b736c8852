"""Reviews of broken glass, and offers of less, as people give them: with scripts and without."""

from __future__ import annotations

import pytest
from tests.browser.web_stage import FIX, break_glass


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_an_owed_review_is_given_from_the_inbox_by_keyboard(web, page_of, scripts):
    """The reason is typed, the button is reached by tab, and the verdict is on the page."""
    held = break_glass(web)
    web.call("ada", "POST", f"/v1/grants/{held['id']}/end?wait=5")
    page = page_of("grace", java_script_enabled=scripts)
    page.goto("/inbox")
    assert "broken glass: nobody approved it" in page.inner_text("main")
    page.get_by_label("What you found").focus()
    page.keyboard.type("the shop was down")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.get_by_text("Your verdict is on record.").wait_for()
    assert "the shop was down" in page.inner_text("main")
    shown = web.call("grace", "GET", f"/v1/glass-reviews/{held['id']}")
    assert shown["review"]["verdict"] == "justified"
    assert page.wrong == []


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_less_is_offered_on_one_page_and_taken_on_the_other(web, page_of, scripts):
    """A shorter time without one privilege; the requester reads what is left and takes it."""
    asked = web.ask(FIX)
    page = page_of("grace", java_script_enabled=scripts)
    page.goto(f"/requests/{asked['id']}")
    page.get_by_text("Offer less").click()
    form = page.locator("form[action$='/offer']")
    form.get_by_label("For").fill("5m")
    form.get_by_role("checkbox").first.check()
    form.get_by_role("button", name="Offer this").click()
    page.get_by_text("the requester is asked").wait_for()
    requester = page_of("ada", java_script_enabled=scripts)
    requester.goto(f"/requests/{asked['id']}")
    assert "Offered instead" in requester.inner_text("main")
    requester.get_by_role("button", name="Take it").click()
    requester.get_by_text("the narrower offer is the request now").wait_for()
    taken = web.call("ada", "GET", f"/v1/requests/{asked['id']}")
    assert taken["state"] == "approved"
    assert taken["duration_seconds"] == 300
    assert len(taken["request"]["scope"]) < len(asked["request"]["scope"])
    assert (page.wrong, requester.wrong) == ([], [])
