"""Targets, audit log and policy in a real browser: by keyboard, on a phone, in light and dark."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from playwright.sync_api import expect
from tests.browser.web_stage import FIX, HOSTILE, HOSTILE_TEXT, ORDERS, READ

from protem.audit.checkpoint import key_of
from protem.audit.publisher import AuditPublisher
from protem.bootstrap.published_log import PublishedLog
from protem.domain.identifiers import ProfileName
from protem.domain.scopes import Privilege, Scope
from protem.entrypoints.http_api.serving import Serving
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_texts
from protem.signing.local_key import LocalKey

RULES = """// Who may ask for what.

@id("engineers-ask")
@approvals("1")
@approvers("owners")
@max_duration("1h")
permit (
  principal in Protem::Group::"engineers",
  action in [Protem::Action::"request", Protem::Action::"extend"],
  resource
);

@id("reads-at-once")
permit (
  principal in Protem::Group::"engineers",
  action == Protem::Action::"auto_approve",
  resource
)
unless { context.writes };

@id("auditors-see")
permit (principal in Protem::Group::"auditors", action == Protem::Action::"audit", resource);

@id("admins-run-it")
permit (
  principal in Protem::Group::"admins",
  action in [Protem::Action::"audit", Protem::Action::"administer"],
  resource
);
"""
SHOWN = {
    "targets": "/targets",
    "target": f"/targets/{ORDERS}",
    "audit": "/audit",
    "audit-entry": "/audit/1",
    "policy": "/policy",
    "policy-draft": "/policy/draft",
}
pytestmark = pytest.mark.usefixtures("overseen")
FORBID = """
@id("no-writes-by-hand")
@message("writes go through a migration")
forbid (principal, action == Protem::Action::"request", resource)
when { context.writes };
"""
AXE = (Path(__file__).parent / "vendor/axe-core-4.14.1/axe.min.js").read_text()
PAGES = ["/targets", f"/targets/{ORDERS}", "/audit", "/audit/1", "/policy", "/policy/draft"]


@pytest.fixture
def overseen(web, tmp_path):
    """The application with rules that can be read, a published log, and requests on record."""
    around = web.stage.plane.around
    target = around.catalogue.target(ORDERS)
    scope = Scope([Privilege(kind="table", path=("shop", "orders"), action="SELECT")])
    around.catalogue.declare(
        replace(target, profiles={ProfileName("look-around"): scope}),
        around.catalogue.connector(ORDERS),
        around.catalogue.planner(ORDERS),
    )
    around = replace(around, policy=CedarPolicy(read_texts([("prod.cedar", RULES)])))
    signer = LocalKey(Ed25519PrivateKey.generate())
    log = AuditPublisher(store=around.store, signer=signer, folder=tmp_path / "log", origin="t")
    proofs = PublishedLog(tmp_path / "log", key_of(signer, "t"))
    app = web.stage.app
    plane = replace(web.stage.plane, around=around, proofs=proofs)
    app.state.serving = Serving(plane=plane, metrics=app.state.serving.metrics)
    web.activate(web.ask(READ))
    web.ask(FIX)
    if "PROTEM_SCREENSHOTS" not in os.environ:
        web.ask(HOSTILE, reason=HOSTILE_TEXT)
    web.do(log.publish())
    web.do(log.close())
    return web


def test_pictures(page_of, tmp_path):
    """These pages are whole, light and dark, wide and narrow; PROTEM_SCREENSHOTS keeps pictures."""
    folder = Path(os.environ.get("PROTEM_SCREENSHOTS", tmp_path))
    for scheme in ("light", "dark"):
        for size, width in (("", 1180), ("-phone", 390)):
            page = page_of("admin", color_scheme=scheme, viewport={"width": width, "height": 820})
            for name, path in SHOWN.items():
                page.goto(path)
                if name == "policy-draft":
                    page.get_by_label("Its text").fill(RULES + FORBID)
                    page.get_by_role("button", name="Replay").click()
                page.wait_for_timeout(300)
                page.screenshot(path=folder / f"{name}{size}-{scheme}.png", full_page=True)
                assert page.wrong == []


def test_the_browser_checks_the_proof_itself(page_of):
    """Hashes and signature by WebCrypto; a byte that differs is told in red."""
    page = page_of("auditor")
    page.goto("/audit/1")
    check = page.locator("#browser-check")
    expect(check).to_contain_text("Checked in this browser: the entry leads to")
    expect(check).to_contain_text("the signature is the key's")
    assert page.wrong == []
    for attribute, words in {
        "data-entry": "does not lead to the signed root",
        "data-path": "does not lead to the signed root",
        "data-key": "not signed by the key",
    }.items():
        script = f"""async () => {{
          const place = document.getElementById("browser-check");
          const was = place.getAttribute("{attribute}");
          const last = was.trimEnd().slice(-2, -1) === "0" ? "1" : "0";
          const at = was.trimEnd().length - 2;
          place.setAttribute("{attribute}", was.slice(0, at) + last + was.slice(at + 1));
          const source = document.querySelector('script[src*="proof.js"]').src;
          await import(source + "?{attribute}");
        }}"""
        page.goto("/audit/1")
        page.evaluate(script)
        expect(check).to_contain_text(words)
        expect(check).to_have_class("notice risk")


def test_a_draft_is_tried_by_keyboard_alone(page_of):
    """From the policy to the table of what would change, without a pointer."""
    page = page_of("admin")
    page.goto("/policy")
    page.get_by_role("link", name="Try a change").focus()
    page.keyboard.press("Enter")
    page.get_by_label("Its text").focus()
    page.keyboard.press("Control+End")
    page.keyboard.insert_text(FORBID)
    page.get_by_role("button", name="Replay").focus()
    page.keyboard.press("Enter")
    report = page.locator("#report")
    expect(report).to_contain_text("2 of 3 requests")
    expect(report).to_contain_text("newly denied")
    expect(report).to_contain_text("no-writes-by-hand")
    assert FORBID.strip() in page.get_by_label("Its text").input_value()
    assert page.wrong == []


def test_a_file_is_tried_by_upload(page_of, tmp_path):
    """Each file in the place of the one of its name."""
    (tmp_path / "more.cedar").write_text(FORBID)
    page = page_of("admin")
    page.goto("/policy/draft")
    page.get_by_label("Or files").set_input_files(tmp_path / "more.cedar")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#report")).to_contain_text("more.cedar:2")


def test_pages_work_without_scripts(context_of):
    """Everything is there and nothing is hidden behind a script."""
    page = context_of("admin", java_script_enabled=False).new_page()
    for path in PAGES:
        assert page.goto(path).status == 200
        expect(page.locator("h1")).to_be_visible()
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#report")).to_contain_text("0 of 3 requests")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1180])
def test_pages_are_for_everyone_and_fit(page_of, scheme, width):
    """No accessibility rule fails; no page scrolls sideways; nothing of others runs."""
    page = page_of("admin", viewport={"width": width, "height": 740}, color_scheme=scheme)
    for path in (*PAGES, "/audit?from=yesterday", "/targets/nowhere"):
        page.goto(path)
        if path == "/policy/draft":
            page.get_by_label("Its text").fill(RULES + FORBID)
            page.get_by_role("button", name="Replay").click()
            expect(page.locator("#report")).to_be_visible()
        page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
        page.evaluate(AXE)
        found = page.evaluate("axe.run(document, {resultTypes: ['violations']})")
        wrong = [
            (one["id"], one["impact"], [node["html"][:200] for node in one["nodes"]])
            for one in found["violations"]
        ]
        assert wrong == [], path
        text = page.inner_text("body")
        assert not set(text) & set("\u202e\u2066\x1b\x07\u200b"), path
        assert page.locator("main script, main img, main i").count() == 0
    assert [said for said in page.wrong if "status of 4" not in said] == []
