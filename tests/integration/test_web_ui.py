"""Pages without a browser: sessions, forms, headers, and what is said when things change."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from tests.integration.control_plane_in_memory import (
    HALF,
    READ,
    TARGET,
    WRITE,
    Stage,
    ask_body,
    local,
    running,
)

from protem.entrypoints.web_ui.installation import install
from protem.entrypoints.web_ui.rendering import Provider
from protem.services.manage_accounts import issue_token

OWN = {"origin": "http://protem.test"}
PAGES = ("/inbox", "/grants", "/board")


@pytest.fixture
async def stage() -> AsyncIterator[Stage]:
    async with running() as running_stage:
        install(running_stage.app, public_url="http://protem.test")
        running_stage.app.state.web_ui = replace(
            running_stage.app.state.web_ui,
            providers=(Provider(name="corp", display="Corp <b>SSO</b>"),),
        )
        yield running_stage


class Browser:
    """A browser of one person, without scripts."""

    def __init__(self, stage: Stage, who: str | None) -> None:
        self.client = stage.client()
        if who is not None:
            self.client.cookies.set("protem", stage.tokens[who])

    async def get(self, path: str) -> httpx2.Response:
        return await self.client.get(path)

    async def post(self, path: str, page: str = "/grants", **fields: Any) -> httpx2.Response:
        """Send a form of ``page`` with its anti-forgery token."""
        text = (await self.get(page)).text
        token = re.search(r'name="anti_forgery" value="([0-9a-f]+)"', text)
        assert token is not None
        return await self.client.post(path, data={"anti_forgery": token[1], **fields}, headers=OWN)


async def _pending(stage: Stage, **more: Any) -> dict[str, Any]:
    return (await stage.ask(WRITE, **more)).json()


async def _state(stage: Stage, asked: dict[str, Any]) -> str:
    return (await stage.call("requester", "GET", f"/v1/requests/{asked['id']}")).json()["state"]


@pytest.mark.parametrize("path", [*PAGES, "/requests/" + "0" * 26])
async def test_nobody_sees_a_page_before_signing_in(stage, path):
    """Without a session every page leads to the sign-in page, which leads back."""
    answer = await Browser(stage, None).get(path + "?a=b")
    assert answer.status_code == 303
    assert answer.headers["location"] == f"/sign-in?next={path.replace('/', '%2F')}%3Fa%3Db"


async def test_a_one_time_token_signs_in_once(stage):
    """The form exchanges the token for a cookie that no script reads; a second use is refused."""
    issued = await issue_token(stage.plane.around, "test", local("reviewer"))
    browser = Browser(stage, None)
    fields = {"token": issued.token.reveal(), "next": "/board"}
    answer = await browser.client.post("/sign-in", data=fields, headers=OWN)
    assert (answer.status_code, answer.headers["location"]) == (303, "/board")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert (await browser.get("/board")).status_code == 200
    again = await Browser(stage, None).client.post("/sign-in", data=fields, headers=OWN)
    assert again.status_code == 401
    assert "used already" in again.text


async def test_signing_out_ends_the_session_itself(stage):
    """A copy of the cookie is worth nothing afterwards."""
    browser = Browser(stage, "reviewer")
    assert (await browser.post("/sign-out")).headers["location"] == "/signed-out"
    assert (await Browser(stage, "reviewer").get("/inbox")).status_code == 303


@pytest.mark.parametrize(
    "onwards",
    ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "x", "/a\nb"],
)
async def test_signing_in_leads_nowhere_else(stage, onwards):
    """Only an address on this server is gone on to."""
    issued = await issue_token(stage.plane.around, "test", local("reviewer"))
    answer = await Browser(stage, None).client.post(
        "/sign-in", data={"token": issued.token.reveal(), "next": onwards}, headers=OWN
    )
    assert answer.headers["location"] == "/inbox"


async def test_identity_providers_have_buttons_that_say_their_name(stage):
    """A provider's button leads to its route, keeps where one wanted to go, and is escaped."""
    text = (await Browser(stage, None).get("/sign-in?next=/board")).text
    assert 'href="/v1/sign-in/oidc/corp/start?next=/board"' in text
    assert "Corp &lt;b&gt;SSO&lt;/b&gt;" in text


@pytest.mark.parametrize("path", [*PAGES, "/sign-in", "/requests/nonsense"])
async def test_every_page_is_kept_in_by_its_headers(stage, path):
    """No page may run inline scripts, be framed, be kept, or tell others where one came from."""
    answer = await Browser(stage, None if path == "/sign-in" else "reviewer").get(path)
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert answer.headers["referrer-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=", answer.text) == []


async def test_answers_of_the_api_keep_their_own_headers(stage):
    """Pages did not loosen what the API says of itself."""
    answer = await stage.call("reviewer", "GET", "/v1/me")
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    assert answer.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({"origin": "https://evil.example"}, True),
        ({"origin": "null"}, True),
        ({}, True),
        (OWN, False),
    ],
    ids=["another origin", "no origin", "silence", "no token"],
)
@pytest.mark.parametrize("action", ["review", "cancel", "edit", "end", "extend"])
async def test_a_forged_form_changes_nothing(stage, headers, token, action):
    """What did not come from our own page of this session is refused."""
    asked = await _pending(stage)
    who = "reviewer" if action == "review" else "requester"
    browser = Browser(stage, who)
    text = (await browser.get("/grants")).text
    found = re.search(r'name="anti_forgery" value="([0-9a-f]+)"', text)
    assert found is not None
    fields = {"digest": asked["digest"], "verdict": "approve", "duration": "5m", "by": "5m"}
    if token:
        fields["anti_forgery"] = found[1]
    kind = "grants" if action in ("end", "extend") else "requests"
    path = f"/{kind}/{asked['id']}/{action}"
    answer = await browser.client.post(path, data=fields, headers=headers)
    assert answer.status_code == 403
    assert await _state(stage, asked) == "pending"


async def test_an_approval_from_the_inbox(stage):
    """One form approves what the inbox shows; it is gone from the inbox then."""
    asked = await _pending(stage)
    browser = Browser(stage, "reviewer")
    assert asked["id"] in (await browser.get("/inbox")).text
    answer = await browser.post(
        f"/requests/{asked['id']}/review",
        page="/inbox",
        digest=asked["digest"],
        verdict="approve",
        **{"from": "inbox", "comment": "go"},
    )
    assert answer.headers["location"] == "/inbox?done=approved"
    assert await _state(stage, asked) == "approved"
    after = (await browser.get("/inbox?done=approved")).text
    assert "on record" in after
    assert asked["id"] not in after


async def test_the_same_answer_sent_twice_is_one_answer(stage):
    """A double click, or a form sent again by the back button, is harmless and says the same."""
    asked = await _pending(stage)
    browser = Browser(stage, "reviewer")
    for _ in range(2):
        answer = await browser.post(
            f"/requests/{asked['id']}/review", digest=asked["digest"], verdict="approve"
        )
        assert answer.headers["location"] == f"/requests/{asked['id']}?done=approved"
    shown = (await stage.call("requester", "GET", f"/v1/requests/{asked['id']}")).json()
    assert len(shown["approvals"]) == 1


async def test_a_yes_to_what_was_edited_meanwhile_is_not_a_yes(stage):
    """The page says what changed since it was opened, and asks again with the new digest."""
    asked = await _pending(stage, reason="look")
    body = ask_body(WRITE, duration_seconds=3600, reason="look longer")
    edited = await stage.call("requester", "PUT", f"/v1/requests/{asked['id']}", json=body)
    answer = await Browser(stage, "reviewer").post(
        f"/requests/{asked['id']}/review", digest=asked["digest"], verdict="approve"
    )
    assert answer.status_code == 409
    assert "was changed after you opened it" in answer.text
    assert "<del>look</del>" in answer.text
    assert "<ins>look longer</ins>" in answer.text
    assert f'name="digest" value="{edited.json()["digest"]}"' in answer.text
    assert await _state(stage, asked) == "pending"


async def test_an_answer_that_comes_too_late_says_why(stage):
    """When someone else denied it, the page says so and records nothing."""
    asked = await _pending(stage)
    await stage.call("requester", "POST", f"/v1/requests/{asked['id']}/cancel")
    answer = await Browser(stage, "reviewer").post(
        f"/requests/{asked['id']}/review", digest=asked["digest"], verdict="approve"
    )
    assert answer.status_code == 409
    assert "it is cancelled" in answer.text


async def test_ones_own_request_has_no_approve_button(stage):
    """The requester may cancel and edit, the reviewer may answer, a stranger sees nothing."""
    asked = await _pending(stage)
    own = (await Browser(stage, "requester").get(f"/requests/{asked['id']}")).text
    assert 'value="approve"' not in own
    assert f"/requests/{asked['id']}/cancel" in own
    other = (await Browser(stage, "reviewer").get(f"/requests/{asked['id']}")).text
    assert 'value="approve"' in other
    assert f"/requests/{asked['id']}/cancel" not in other
    stranger = await Browser(stage, "stranger").get(f"/requests/{asked['id']}")
    assert stranger.status_code == 404
    assert "there is no grant" in stranger.text


async def test_editing_and_cancelling_from_the_page(stage):
    """An edit keeps the command and makes a new revision; cancelling twice is one cancelling."""
    asked = await _pending(stage)
    browser = Browser(stage, "requester")
    answer = await browser.post(
        f"/requests/{asked['id']}/edit", duration="20m", reason="more", ticket="INC-1"
    )
    assert answer.status_code == 303, answer.text
    shown = (await stage.call("requester", "GET", f"/v1/requests/{asked['id']}")).json()
    assert (shown["revision"], shown["duration_seconds"]) == (2, 1200)
    assert shown["request"]["command"]["argv"] == list(WRITE)
    for _ in range(2):
        answer = await browser.post(f"/requests/{asked['id']}/cancel")
        assert answer.status_code == 303
    assert await _state(stage, asked) == "cancelled"


async def test_ending_ones_own_and_cutting_anothers(stage):
    """The owner ends, whom policy allows cuts, a bystander cannot; twice is once."""
    for who in ("requester", "reviewer"):
        asked = (await stage.ask(READ, public_half=HALF, wait=5)).json()
        assert asked["state"] == "active"
        refused = await Browser(stage, "auditor").post(f"/grants/{asked['id']}/end")
        assert refused.status_code == 403
        browser = Browser(stage, who)
        answer = await browser.post(f"/grants/{asked['id']}/end", next="/board")
        assert answer.headers["location"] == "/board?done=ending"
        again = await browser.post(f"/grants/{asked['id']}/end", next="/board")
        assert again.headers["location"] == "/board?done=already"


async def test_more_time_from_the_page(stage):
    """The owner of a running grant asks for more; a length that is none is explained."""
    asked = (await stage.ask(READ, public_half=HALF, wait=5)).json()
    browser = Browser(stage, "requester")
    answer = await browser.post(f"/grants/{asked['id']}/extend", by="5m")
    assert answer.headers["location"].endswith("?done=extended")
    wrong = await browser.post(f"/grants/{asked['id']}/extend", by="5 parsecs")
    assert wrong.status_code == 422
    assert "write for example 30m" in wrong.text


async def test_the_request_page_holds_what_the_command_line_shows(stage):
    """Command, privileges, rule with its place, digest, and what the target does not enforce."""
    asked = await _pending(stage, reason="INC-7")
    text = (await Browser(stage, "reviewer").get(f"/requests/{asked['id']}")).text
    for part in (
        "psql -c &#39;delete from shop.orders&#39;",
        "shop.orders",
        "WRITES data",
        "writes-need-one",
        "in-memory:1",
        asked["digest"],
        "not to the statement",
        "INC-7",
        TARGET,
    ):
        assert part in text


async def test_foreign_text_is_text(stage):
    """HTML, template marks and controls of terminals and of direction are shown, not obeyed."""
    hostile = "<script>x</script> {{ 7*7 }} \u202egnp.exe \x1b[2J\u200b"
    asked = await _pending(stage, reason=hostile, ticket="<b>\u2066")
    browser = Browser(stage, "reviewer")
    for path in ("/inbox", f"/requests/{asked['id']}"):
        text = (await browser.get(path)).text
        assert "<script>x" not in text
        assert "&lt;script&gt;x&lt;/script&gt; {{ 7*7 }}" in text
        assert '<span class="hidden-char">\\u202e</span>' in text
        assert not set(text) & set("\u202e\x1b\u200b\u2066")


async def test_a_field_that_is_sent_back_is_not_changed_by_showing_it(stage):
    """What the requester typed comes back from the edit form as it was, controls and all."""
    reason = "a\u200bb </textarea>"
    asked = await _pending(stage, reason=reason)
    text = (await Browser(stage, "requester").get(f"/requests/{asked['id']}")).text
    assert 'rows="3">a\u200bb &lt;/textarea&gt;</textarea>' in text


async def test_the_inbox_comes_in_pages(stage):
    """Twenty a page, with a way to the older ones and back."""
    ids = [(await _pending(stage))["id"] for _ in range(25)]
    browser = Browser(stage, "reviewer")
    first = (await browser.get("/inbox")).text
    assert [grant for grant in ids if f"r-{grant}" in first] == ids[5:]
    older = re.search(r'href="(/inbox\?before=[0-9a-z]{26})"', first)
    assert older is not None
    second = (await browser.get(older[1])).text
    assert [grant for grant in ids if f"r-{grant}" in second] == ids[:5]


async def test_an_open_inbox_is_told_that_it_changed_and_is_not_changed(stage):
    """The news of a list is a line with a link: nothing moves under a finger."""
    await _pending(stage)
    browser = Browser(stage, "reviewer")
    seen = re.search(r"/inbox/news\?seen=[0-9a-f]+", (await browser.get("/inbox")).text)
    assert seen is not None
    assert (await browser.get(seen[0])).text.strip() == ""
    await _pending(stage)
    assert "has changed" in (await browser.get(seen[0])).text


@pytest.mark.parametrize("theme", ["light", "dark", "auto"])
async def test_the_look_is_kept_in_a_cookie(stage, theme):
    """A form without scripts chooses light or dark for this browser, signed in or not."""
    browser = Browser(stage, None)
    answer = await browser.client.post(
        "/theme", data={"theme": theme, "next": "/sign-in"}, headers=OWN
    )
    assert answer.headers["location"] == "/sign-in"
    assert f'data-theme="{theme}"' in (await browser.get("/sign-in")).text


async def test_static_files_are_kept_for_ever_under_their_content(stage):
    """Style and scripts have an address by content; another address is served, but not kept."""
    text = (await Browser(stage, None).get("/sign-in")).text
    address = re.search(r'href="(/static/[0-9a-f]{12}/app\.css)"', text)
    assert address is not None
    client = stage.client()
    found = await client.get(address[1])
    assert found.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert found.headers["content-type"].startswith("text/css")
    old = await client.get("/static/000000000000/app.css")
    assert old.headers["cache-control"] == "no-store"
    for path in ("../rendering.py", "..%2frendering.py", "vendor", "nothing.js"):
        assert (await client.get(f"/static/000000000000/{path}")).status_code == 404


@pytest.mark.parametrize("path", ["/requests/nonsense", "/requests/" + "0" * 26, "/inbox?before=x"])
async def test_errors_are_pages(stage, path):
    """What is not there, or not well formed, is answered by a page that leads on."""
    answer = await Browser(stage, "reviewer").get(path)
    assert answer.status_code in (404, 422)
    assert answer.headers["content-type"].startswith("text/html")
    assert "To the inbox" in answer.text


async def test_pages_are_no_part_of_the_documented_api(stage):
    """The OpenAPI document names only what programs call."""
    paths = (await stage.call(None, "GET", "/v1/openapi.json")).json()["paths"]
    assert [path for path in paths if path.startswith(("/inbox", "/static", "/sign-in"))] == []
