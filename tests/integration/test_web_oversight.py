"""The pages of targets, audit log and policy, without scripts, on the fakes."""

import json
import re
from dataclasses import replace
from html import unescape

import pytest
from tests.integration.control_plane_in_memory import FORBIDDEN, HALF, READ, TARGET, WRITE, running

from protem.domain.secret import Secret
from protem.entrypoints.http_api.app import create_app
from protem.entrypoints.web_ui.installation import install
from protem.entrypoints.web_ui.session_cookie import anti_forgery
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_texts

ORIGIN = "http://protem.test"
RULES = """@id("reads") @message("<b>engineers</b> may ask") permit (
  principal in Protem::Group::"engineers", action == Protem::Action::"request", resource);
@id("at-once") permit (
  principal in Protem::Group::"engineers", action == Protem::Action::"auto_approve", resource)
unless { context.writes };
@id("sees-all") permit (
  principal in Protem::Group::"auditors", action == Protem::Action::"audit", resource);
@id("runs-it") permit (
  principal in Protem::Group::"admins",
  action in [Protem::Action::"administer", Protem::Action::"audit"], resource);
"""
HOSTILE = '</script><img src=x onerror="alert(1)">\u202e'


@pytest.fixture
async def stage():
    """A running control plane whose policy is Cedar's, with pages on its API."""
    async with running() as made:
        policy = CedarPolicy(read_texts([("shop/rules.cedar", RULES)]))
        plane = replace(made.plane, around=replace(made.plane.around, policy=policy))
        made.app = install(create_app(plane), public_url=ORIGIN)
        yield made


async def page(stage, who, path, method="GET", **more):
    """Return a page as that person's browser gets it."""
    async with stage.client(app=stage.app) as client:
        headers = {"origin": ORIGIN, **more.pop("headers", {})}
        if who is not None:
            headers["cookie"] = f"protem={stage.tokens[who]}"
        return await client.request(method, path, headers=headers, **more)


def text_of(answer):
    """Return what a reader sees of a page, roughly."""
    bare = re.sub(r"<[^>]+>", " ", answer.text)
    return re.sub(r"\s+", " ", unescape(bare))


async def draft(stage, who, files=(), **fields):
    """Send a draft's form as a browser does."""
    fields = {
        "anti_forgery": anti_forgery(Secret(stage.tokens[who])),
        "name": "shop/rules.cedar",
        "text": RULES,
        "days": "30",
        **fields,
    }
    parts = [(name, (None, value)) for name, value in fields.items()]
    parts += [("upload", (name, content)) for name, content in files]
    return await page(stage, who, "/policy/draft", "POST", files=parts)


@pytest.mark.parametrize(
    ("path", "statuses"),
    [
        ("/targets", {"stranger": 200, "auditor": 200, "admin": 200}),
        ("/targets/orders-db", {"stranger": 200, "auditor": 200, "admin": 200}),
        ("/targets/nowhere", {"stranger": 404, "auditor": 404, "admin": 404}),
        ("/audit", {"stranger": 403, "auditor": 200, "admin": 200}),
        ("/audit/0", {"stranger": 403, "auditor": 200, "admin": 200}),
        ("/audit/99999", {"stranger": 403, "auditor": 404, "admin": 404}),
        ("/audit/x", {"stranger": 422, "auditor": 422, "admin": 422}),
        ("/audit/0/proof.json", {"stranger": 403, "auditor": 404, "admin": 404}),
        ("/policy", {"stranger": 403, "auditor": 200, "admin": 200}),
        ("/policy/draft", {"stranger": 403, "auditor": 403, "admin": 200}),
    ],
)
async def test_each_page_is_for_whom_it_is_for(stage, path, statuses):
    """And whoever is not signed in is sent to sign in."""
    await stage.ask(READ)
    for who, status in statuses.items():
        answer = await page(stage, who, path)
        assert (who, answer.status_code) == (who, status)
        assert "default-src 'none'" in answer.headers["content-security-policy"]
    if "x" not in path:
        answer = await page(stage, None, path)
        assert (answer.status_code, answer.headers["location"][:9]) == (303, "/sign-in?")


async def test_nobody_is_led_to_a_page_that_refuses_them(stage):
    """The way to audit log and policy is there for those who may go it."""
    for who, led in {"stranger": (), "auditor": ("/audit", "/policy")}.items():
        shown = (await page(stage, who, "/targets")).text
        there = tuple(path for path in ("/audit", "/policy") if f'<a href="{path}"' in shown)
        assert (who, there) == (who, led)


async def test_a_target_shows_its_access_to_auditors_alone(stage):
    """Live grants, what policy would answer, and how honest that is; others see the catalogue."""
    grant = (await stage.ask(READ, public_half=HALF, wait=5)).json()
    shown = text_of(await page(stage, "auditor", f"/targets/{TARGET}"))
    assert "requester" in shown
    assert "Derived, not known" in shown
    assert f'/requests/{grant["id"]}"' in (await page(stage, "auditor", f"/targets/{TARGET}")).text
    plain = text_of(await page(stage, "stranger", f"/targets/{TARGET}"))
    assert "is for auditors" in plain
    assert "requester" not in plain


async def test_the_log_is_searched_by_a_form_without_scripts(stage):
    """Fields are kept, foreign text is escaped, nonsense is said beside the form."""
    grant = (await stage.ask(READ)).json()
    answer = await page(stage, "auditor", f"/audit?grant={grant['id']}&kind=request")
    assert answer.text.count('<tr><td><a href="/audit/') == 2
    assert f'value="{grant["id"]}"' in answer.text
    wrong = await page(stage, "auditor", "/audit", params={"from": "yesterday", "actor": HOSTILE})
    assert wrong.status_code == 422
    assert "RFC 3339" in text_of(wrong)
    assert "<img" not in wrong.text
    assert "\u202e" not in wrong.text
    plain = await page(stage, "auditor", "/audit?from=2026-01-31T12:00&to=2020-01-01T00:00:00Z")
    assert plain.status_code == 200
    jump = await page(stage, "auditor", "/audit?index=1")
    assert (jump.status_code, jump.headers["location"]) == (303, "/audit/1")


async def test_older_entries_are_a_link_away(stage):
    """Pages by index with the filter kept."""
    for _ in range(30):
        await stage.ask(READ)
    first = await page(stage, "auditor", "/audit?kind=request")
    link = unescape(re.search(r'rel="next" href="([^"]+)"', first.text)[1])
    assert "kind=request" in link
    second = await page(stage, "auditor", link)
    rows = [re.findall(r'<tr><td><a href="/audit/(\d+)"', each.text) for each in (first, second)]
    assert len(rows[0]) == 50
    assert int(rows[1][0]) < int(rows[0][-1])


async def test_an_entry_of_hostile_text_is_shown_as_text(stage):
    """Markup, controls and reordering marks in a reason become visible, never active."""
    reason = HOSTILE + "\x1b[2J"
    await stage.ask(READ, reason=reason)
    answer = await page(stage, "auditor", "/audit/0")
    assert "<img" not in answer.text
    assert "\u202e" not in answer.text
    assert "\x1b" not in answer.text
    assert "&lt;img src=x" in answer.text
    assert "No signed head covers this entry yet" in text_of(answer)


async def test_the_rules_are_shown_and_those_that_decided_are_marked(stage):
    """From a request to the rule with its line; markup in a rule is text."""
    grant = (await stage.ask(READ)).json()
    answer = await page(stage, "admin", f"/policy?request={grant['id']}")
    assert 'id="at-shop/rules.cedar_1" class="panel rule took-part"' in answer.text
    assert 'href="#at-shop/rules.cedar_1"' in answer.text
    assert "<b>engineers</b>" not in answer.text
    assert "another version of the rules" not in answer.text
    request_page = (await page(stage, "admin", f"/requests/{grant['id']}")).text
    assert f'href="/policy?request={grant["id"]}"' in request_page
    assert f'href="/audit?grant={grant["id"]}"' in request_page
    assert (await page(stage, "admin", "/policy?request=" + "0" * 26)).status_code == 404
    assert (await page(stage, "admin", "/policy?request=x")).status_code == 422


async def test_a_draft_shows_what_it_would_change(stage):
    """The answer before and after, the rule, and the text still in the form."""
    await stage.ask(READ)
    await stage.ask(WRITE)
    stricter = RULES.replace('@id("reads")', '@id("reads") @approvals("3")')
    answer = await draft(stage, "admin", text=stricter)
    assert answer.status_code == 200, answer.text
    shown = text_of(answer)
    assert "1 of 2 requests" in shown
    assert "needs approval , 1 of anyone becomes needs approval , 3 of anyone" in shown.replace(
        " → ", " "
    )
    assert "@approvals(&#34;3&#34;)" in answer.text
    nothing = text_of(await draft(stage, "admin", text=RULES.replace("\n", "\r\n")))
    assert "0 of 2 requests" in nothing


async def test_files_can_be_uploaded_in_place_of_those_in_force(stage):
    """Each by its name; a file that is not text is refused on the page."""
    await stage.ask(FORBIDDEN)
    forbid = b'@id("none") forbid (principal, action == Protem::Action::"request", resource);'
    shown = text_of(await draft(stage, "admin", [("more.cedar", forbid)]))
    assert "newly denied" in shown
    wrong = await draft(stage, "admin", [("more.cedar", b"\xff\xfe")])
    assert wrong.status_code == 422
    assert "not UTF-8" in text_of(wrong)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"text": "permit ("}, "rules.cedar:1"),
        ({"text": "permit(principal,action,resource) when {" + "(" * 100_000 + "};"}, "brackets"),
        ({"name": "x<script>"}, "is not the name of a policy file"),
        ({"days": "99"}, "1, 7 or 30"),
        ({"text": "//" + "x" * 300_000}, "262,144"),
    ],
    ids=["open", "deep", "name", "days", "long"],
)
async def test_a_draft_that_is_none_is_told_on_the_page(stage, fields, words):
    """What is wrong and where; nothing of it is active."""
    answer = await draft(stage, "admin", **fields)
    assert answer.status_code == 422
    assert words in text_of(answer)
    assert "<script>" not in answer.text


async def test_a_draft_from_another_page_is_refused(stage):
    """Without the session's own token, or from another origin, nothing is replayed."""
    assert (await draft(stage, "admin", anti_forgery="0" * 64)).status_code == 403
    fields = {"anti_forgery": anti_forgery(Secret(stage.tokens["admin"])), "text": RULES}
    parts = [(name, (None, value)) for name, value in fields.items()]
    answer = await page(
        stage,
        "admin",
        "/policy/draft",
        "POST",
        files=parts,
        headers={"origin": "https://elsewhere.test"},
    )
    assert answer.status_code == 403


async def test_a_proof_that_is_there_is_shown_step_by_step_and_as_a_file(stage, tmp_path):
    """The commands to check it offline, and a document that the verifier takes."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # one use
        Ed25519PrivateKey,
    )

    from protem.audit.checkpoint import VerifierKey, key_of  # noqa: PLC0415  # one use
    from protem.audit.inclusion import verify_proof  # noqa: PLC0415  # one use
    from protem.audit.publisher import AuditPublisher  # noqa: PLC0415  # one use
    from protem.bootstrap.published_log import PublishedLog  # noqa: PLC0415  # one use
    from protem.signing.local_key import LocalKey  # noqa: PLC0415  # one use

    for _ in range(5):
        await stage.ask(READ)
    signer = LocalKey(Ed25519PrivateKey.generate())
    log = AuditPublisher(store=stage.store, signer=signer, folder=tmp_path / "log", origin="t")
    await log.publish()
    await log.close()
    proofs = PublishedLog(tmp_path / "log", key_of(signer, "t"))
    stage.app = install(create_app(replace(stage.plane, proofs=proofs)), public_url=ORIGIN)
    answer = await page(stage, "auditor", "/audit/3")
    assert "This server's check: the entry leads to the signed root" in unescape(answer.text)
    assert f"<code>{proofs.verifier_key}</code>" in unescape(answer.text)
    document = json.loads((await page(stage, "auditor", "/audit/3/proof.json")).text)
    assert verify_proof(document, VerifierKey.parse(proofs.verifier_key)).index == 3
