"""Evidence on the pages: what approvers read, and what a requester changes."""

import pytest
from tests.integration.control_plane_in_memory import WRITE, running
from tests.integration.test_web_ui import Browser

from protem.entrypoints.web_ui.installation import install


@pytest.fixture
async def stage():
    """A running control plane with its pages."""
    async with running() as running_stage:
        install(running_stage.app, public_url="http://protem.test")
        yield running_stage


async def _pending(stage, **more):
    return (await stage.ask(WRITE, **more)).json()


async def test_evidence_is_on_the_page_and_in_the_inbox(stage):
    """The full address behind a careful link, what the target said, many rows as a risk."""
    link = "https://alerts.example/d?a=1&b=%3Cscript%3E"
    stage.connector.rehearsed_rows = 5_000
    asked = await _pending(stage, evidence={"links": [link], "explain": True})
    for path in ("/inbox", f"/requests/{asked['id']}"):
        page = (await Browser(stage, "reviewer").get(path)).text
        escaped = link.replace("&", "&amp;")
        assert f'<a href="{escaped}" rel="noopener noreferrer nofollow" class="mono">' in page
        assert f">{escaped}</a>" in page
        assert "EXPLAIN expects 5000 rows" in page
        assert '<li class="risk"><span aria-hidden="true">!</span> EXPLAIN' in page
        assert ("the plan of delete from shop.orders" in page) == (path != "/inbox")


async def test_an_edit_on_the_page_changes_links_and_takes_evidence_anew(stage):
    """What the form says are the links from then on; a hostile one is refused."""
    asked = await _pending(stage, evidence={"links": ["https://a.example/1"], "explain": True})
    browser, path = Browser(stage, "requester"), f"/requests/{asked['id']}"
    fields = {"duration": "5m", "reason": "", "ticket": ""}
    hostile = await browser.post(f"{path}/edit", path, links="javascript:alert(1)", **fields)
    assert hostile.status_code == 422
    links = "https://a.example/2\r\nhttps://a.example/3"
    assert (await browser.post(f"{path}/edit", path, links=links, **fields)).status_code == 303
    shown = (await stage.call("requester", "GET", f"/v1{path}")).json()["request"]["evidence"]
    assert shown["links"] == links.split()
    assert [one["kind"] for one in shown["exhibits"]] == ["explain"]
    assert stage.connector.calls.count("rehearse") == 2
