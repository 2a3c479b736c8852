"""The page behind a mail's link, without a browser: what opens it, what answers, what does not."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from tests.integration.control_plane_in_memory import WRITE, _people, build, local
from tests.integration.test_notices_delivered import ALL

from protem.domain.answer_links import LASTS
from protem.entrypoints.web_ui.installation import install
from protem.services.channels import Channel
from protem.services.deliver_notices import DeliverNotices
from protem.services.manage_accounts import disable_account
from protem.testing.in_memory_notifier import InMemoryPersonalNotifier
from protem.testing.manual_clock import ManualClock

OWN = {"origin": "http://protem.test"}
HOSTILE = "</textarea><script>alert(1)</script>\u202e\x1b[2J<img src=x onerror=alert(1)>"


@pytest.fixture
async def stage():
    """A control plane whose mail is delivered by hand, on a clock of ours."""
    clock, mail = ManualClock(), InMemoryPersonalNotifier(people=map(local, ("reviewer", "admin")))
    by_mail = Channel(notifier=mail, kinds=ALL, personal=mail, answer_by_link=True)
    found = build(clock=clock, channels=(by_mail,))
    await found.store.write(lambda transaction: _people(found, transaction))
    install(found.app, public_url="http://protem.test")
    found.clock, found.mail, found.by_mail = clock, mail, by_mail
    return found


async def linked(stage, **more):
    """Ask, deliver, and return the request and the path of the reviewer's link."""
    asked = (await stage.ask(WRITE, **more)).json()
    await DeliverNotices(around=stage.plane.around, channel=stage.by_mail).run_once()
    ways = [way for who, _, way in stage.mail.handed if who == local("reviewer") and way]
    return asked, ways[-1].path.reveal()


async def answer(stage, path, verdict="approve", headers=OWN, client=None, **fields):
    """Send the form of the page."""
    data = {"token": path.rpartition("/")[2], "verdict": verdict, **fields}
    async with client or stage.client() as browser:
        return await browser.post("/answers", data=data, headers=headers)


async def get(stage, path, method="GET", **more):
    """Open the link without a session."""
    return await stage.call(None, method, path, **more)


async def state(stage, asked):
    """The request's state and its answers, as the requester sees them."""
    found = (await stage.call("requester", "GET", f"/v1/requests/{asked['id']}")).json()
    return found["state"], len(found["approvals"])


def without_id(page):
    """The page without its own number, moment and address."""
    return re.sub(
        r"Request id <code>[^<]*|nonce=\"[^\"]*|(next\" value|data-now)=\"[^\"]*", "", page.text
    )


async def test_the_page_shows_all_that_a_decision_rests_on(stage):
    """What runs, privileges, risk, reason, who is missing, the digest, and as whom one answers."""
    asked, path = await linked(stage, reason="stuck orders")
    page = await get(stage, path)
    assert page.status_code == 200
    for text in (
        "delete from shop.orders", "WRITES data", "shop.orders", "stuck orders",
        asked["digest"], "1 approval", "owners", "You answer as", "reviewer", "requester",
    ):  # fmt: skip
        assert text in page.text, text


async def test_the_page_is_kept_nowhere_and_its_address_goes_nowhere(stage):
    """No store, no Referer with the token, no frame; and no session is given."""
    _, path = await linked(stage)
    headers = (await get(stage, path)).headers
    assert headers["cache-control"] == "no-store"
    assert headers["referrer-policy"] == "strict-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "set-cookie" not in headers


async def test_what_only_opens_the_link_changes_nothing(stage):
    """Previews and scanners: GET and HEAD, many times, with every other method refused."""
    asked, path = await linked(stage)
    for method in ("GET", "HEAD", "GET", "OPTIONS", "PUT", "DELETE", "POST"):
        await get(stage, path, method, headers=OWN)
    await get(stage, f"{path}?verdict=approve&token={path.rpartition('/')[2]}")
    await get(stage, f"/answers?verdict=approve&token={path.rpartition('/')[2]}")
    assert await state(stage, asked) == ("pending", 0)
    assert (await answer(stage, path)).status_code == 303
    assert await state(stage, asked) == ("approved", 1)


@pytest.mark.parametrize(("verdict", "after"), [("approve", "approved"), ("deny", "denied")])
async def test_a_button_answers_and_says_so(stage, verdict, after):
    """Once; with the comment on record."""
    asked, path = await linked(stage)
    said = await answer(stage, path, verdict, comment="looks\r\nright")
    done = await get(stage, said.headers["location"])
    assert "Approved." in done.text or "Denied." in done.text
    found = (await stage.call("requester", "GET", f"/v1/requests/{asked['id']}")).json()
    assert found["state"] == after
    assert found["approvals"][0]["comment"] == "looks\nright"
    assert found["approvals"][0]["reviewer"] == "local|reviewer"


async def test_a_second_click_and_a_second_tab_answer_nothing(stage):
    """The first answer stands, whatever the second says."""
    asked, path = await linked(stage)
    assert (await get(stage, path)).status_code == 200
    await answer(stage, path)
    for again in (await answer(stage, path), await answer(stage, path, "deny")):
        assert again.status_code == 410
        assert "you have just given" in again.text
    assert await state(stage, asked) == ("approved", 1)


async def test_of_every_link_that_does_not_count_the_same_is_said(stage):
    """Used, expired, unknown, altered, withdrawn, of a disabled person: one page."""
    pages = []
    _, used = await linked(stage)
    await answer(stage, used)
    _, path = await linked(stage)
    altered, unknown = path[:-1] + ("A" if path[-1] != "A" else "B"), "/answers/" + "k" * 47
    withdrawn, gone = await linked(stage)
    await stage.call("requester", "POST", f"/v1/requests/{withdrawn['id']}/cancel")
    _, old = await linked(stage)
    for one in (used, altered, unknown, gone, "/answers/x", "/answers/" + "k" * 5_000):
        pages += [await get(stage, one), await answer(stage, one)]
    stage.clock.advance(LASTS + timedelta(seconds=1))
    pages += [await get(stage, old), await answer(stage, old)]
    _, left = await linked(stage)
    await disable_account(stage.plane.around, "local|admin", local("reviewer"))
    pages += [await get(stage, left), await answer(stage, left)]
    assert {page.status_code for page in pages} == {410}
    assert len({without_id(page) for page in pages}) == 1


async def test_after_an_edit_the_link_answers_nothing(stage):
    """Approve while editing: neither the text that was mailed nor the new one."""
    asked, path = await linked(stage)
    wanted = {"target": "orders-db", "duration_seconds": 300, "command": {"argv": list(WRITE)}}
    await stage.call("requester", "PUT", f"/v1/requests/{asked['id']}", json=wanted)
    assert (await answer(stage, path)).status_code == 410
    assert await state(stage, asked) == ("pending", 0)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"referer": "http://protem.test/"},
    ],
)
async def test_a_form_of_another_site_answers_nothing(stage, headers):
    """Even with the token: the browser must say that our own page sent it."""
    asked, path = await linked(stage)
    assert (await answer(stage, path, headers=headers)).status_code == 403
    assert await state(stage, asked) == ("pending", 0)


async def test_a_link_of_somebody_else_answers_nothing(stage):
    """Whoever is signed in as another person was passed the mail; the link stays its owner's."""
    asked, path = await linked(stage)
    for who in ("requester", "admin", "stranger"):
        other, poster = stage.client(), stage.client()
        for browser in (other, poster):
            browser.cookies.set("protem", stage.tokens[who])
        async with other:
            page = await other.get(path)
        refused = await answer(stage, path, client=poster)
        assert (page.status_code, refused.status_code) == (403, 403)
        assert "delete from" not in page.text
    assert await state(stage, asked) == ("pending", 0)
    own = stage.client()
    own.cookies.set("protem", stage.tokens["reviewer"])
    assert (await answer(stage, path, client=own)).status_code == 303


async def test_a_link_is_no_session(stage):
    """With the page open nothing else is to be seen or done."""
    asked, path = await linked(stage)
    async with stage.client() as browser:
        assert (await browser.get(path)).status_code == 200
        assert (await browser.get(f"/requests/{asked['id']}")).status_code == 303
        assert (await browser.get(f"/v1/requests/{asked['id']}")).status_code == 401


async def test_everything_others_wrote_is_text(stage):
    """HTML, controls and what reorders text, in the reason, the ticket and a comment."""
    asked, path = await linked(stage, reason=HOSTILE, ticket=HOSTILE[:100])
    comment = {"text": HOSTILE}
    await stage.call("requester", "POST", f"/v1/requests/{asked['id']}/comments", json=comment)
    page = (await get(stage, path)).text
    assert "<script>alert" not in page
    assert "<img" not in page
    assert not {"\u202e", "\x1b"} & set(page)


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"comment": "x" * 1_000_000}, 422),
        ({"comment": "x" * 1_100_000}, 413),
        ({"comment": "\0"}, 422),
        ({"verdict": "perhaps"}, 422),
        ({"verdict": ""}, 422),
    ],
)
async def test_what_is_no_answer_uses_nothing_up(stage, fields, status):
    """A megabyte of comment, NUL, no verdict: refused, and the link counts as before."""
    asked, path = await linked(stage)
    assert (await answer(stage, path, **fields)).status_code == status
    assert await state(stage, asked) == ("pending", 0)
    assert (await answer(stage, path)).status_code == 303


async def test_the_access_log_names_the_route_and_never_the_token(stage, capsys):
    """Of the page and of the form; who answered stands there."""
    _, path = await linked(stage)
    await get(stage, path)
    await answer(stage, path)
    log = capsys.readouterr().out
    assert "/answers/{token}" in log
    assert "principal=local|reviewer" in log.rpartition("route=/answers")[0]
    assert path.rpartition("/")[2] not in log
