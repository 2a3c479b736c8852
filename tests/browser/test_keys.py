"""A key of the browser's signs what the page shows: chromium's own virtual authenticator."""

from __future__ import annotations

import json
import re

import pytest
from playwright.sync_api import expect
from tests.browser.web_stage import FIX, LEDGER, ORDERS, PURGE
from tests.integration.control_plane_in_memory import _rules

from protem.domain.decisions import ApprovalRequirement, Outcome, PolicyAction, Signing
from protem.domain.identifiers import GroupName
from protem.testing.in_memory_policy import FixedRule


@pytest.fixture
def web(web):
    """The application under a rule that wants a signed approval on the ledger."""
    signed = ApprovalRequirement(
        count=1,
        groups=frozenset({GroupName("owners")}),
        rule="signed",
        signed=Signing.REQUIRED,
    )
    rule = FixedRule(
        id="ledger-needs-a-key",
        action=PolicyAction.REQUEST,
        outcome=Outcome.NEEDS_APPROVAL,
        when=lambda question: question.target is not None and question.target.name == LEDGER,
        approvals=(signed,),
    )
    web.stage.plane.around.policy.change(rule, *_rules())
    return web


def with_authenticator(page):
    """Plug a virtual security key into the page's browser."""
    devices = page.context.new_cdp_session(page)
    devices.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "usb",
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    devices.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return page


def add_key(page, name="blue key"):
    """Register the key on the page for that."""
    page.goto("/keys")
    page.fill("#key-name", name)
    page.click("text=Add a key >> nth=-1")
    expect(page.get_by_role("status").first).to_contain_text("registered")


def test_a_signed_approval_from_registration_to_proof(web, page_of):
    """The key is made, signs the digest on the page, and the signature is kept with the yes."""
    asked = web.ask(PURGE, "zoe", target=LEDGER)
    page = with_authenticator(page_of("grace"))
    add_key(page)
    expect(page.locator(".rows")).to_contain_text("blue key")
    page.goto("/inbox")
    expect(page.locator(".review .digest")).to_have_text(asked["digest"])
    page.get_by_role("button", name=re.compile("^Sign and approve")).click()
    expect(page.get_by_role("status").first).to_contain_text("on record")
    shown = web.call("zoe", "GET", f"/v1/requests/{asked['id']}")
    assert shown["state"] == "approved"
    assert json.loads(shown["approvals"][0]["signature"])["kind"] == "webauthn"
    assert page.wrong == []


def test_without_a_key_nothing_is_approved_and_the_page_says_so(web, page_of):
    """Who has no key, or lets the browser's question go, stays on the page and reads why."""
    asked = web.ask(PURGE, "zoe", target=LEDGER)
    page = page_of("grace", java_script_enabled=False)
    page.goto(f"/requests/{asked['id']}")
    page.click("button[value=approve]")
    expect(page.locator("main")).to_contain_text("sign")
    assert web.call("zoe", "GET", f"/v1/requests/{asked['id']}")["state"] == "pending"


def test_a_request_that_changed_is_not_signed(web, page_of):
    """The challenge is of what there is now; a page that shows something else signs nothing."""
    asked = web.ask(PURGE, "zoe", target=LEDGER)
    page = with_authenticator(page_of("grace"))
    add_key(page)
    page.goto(f"/requests/{asked['id']}")
    body = {"target": LEDGER, "command": {"argv": list(PURGE)}, "duration_seconds": 7200}
    web.call("zoe", "PUT", f"/v1/requests/{asked['id']}", json=body)
    page.get_by_role("button", name=re.compile("^Sign and approve")).click()
    expect(page.locator("[data-sign-says]")).to_contain_text("was changed")
    assert web.call("zoe", "GET", f"/v1/requests/{asked['id']}")["approvals"] == []


def test_a_removed_key_signs_nothing_more(web, page_of):
    """Removing is one button; the key stays listed as removed, and its yes no longer counts."""
    asked = web.ask(PURGE, "zoe", target=LEDGER)
    page = with_authenticator(page_of("grace"))
    add_key(page)
    page.get_by_role("button", name=re.compile("^Remove")).click()
    expect(page.get_by_role("status").first).to_contain_text("removed")
    expect(page.locator(".row")).to_contain_text("removed")
    page.goto(f"/requests/{asked['id']}")
    page.get_by_role("button", name=re.compile("^Sign and approve")).click()
    page.wait_for_timeout(800)
    assert web.call("zoe", "GET", f"/v1/requests/{asked['id']}")["state"] == "pending"


def test_denying_needs_no_key(web, page_of):
    """A no is free: nothing asks for a signature."""
    asked = web.ask(PURGE, "zoe", target=LEDGER)
    page = page_of("grace")
    page.goto(f"/requests/{asked['id']}")
    page.click("button[value=deny]")
    expect(page.get_by_role("status").first).to_contain_text("Denied")
    assert web.call("zoe", "GET", f"/v1/requests/{asked['id']}")["state"] == "denied"


def test_an_offer_is_taken_and_a_comment_is_read(web, page_of):
    """An offer shows what is less than asked; the requester takes it with one button."""
    asked = web.ask(FIX, "ada", target=ORDERS)
    offer = {"digest": asked["digest"], "duration_seconds": 300, "comment": "five will do"}
    web.call("grace", "POST", f"/v1/requests/{asked['id']}/offers", json=offer)
    page = page_of("ada")
    page.goto(f"/requests/{asked['id']}")
    page.fill("#say", "thanks <b>")
    page.click("text=Comment >> nth=-1")
    expect(page.locator("#comments + ul")).to_contain_text("thanks <b>")
    expect(page.locator(".offer")).to_contain_text("five will do")
    page.click("text=Take it")
    expect(page.get_by_role("status").first).to_contain_text("narrower")
    shown = web.call("ada", "GET", f"/v1/requests/{asked['id']}")
    assert (shown["state"], shown["duration_seconds"]) == ("approved", 300)
    assert page.wrong == []
