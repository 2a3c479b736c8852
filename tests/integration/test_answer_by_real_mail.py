"""From a request to a mailbox and back: the real store, loops, mail and pages in one piece."""

import re

import pytest
from tests.contracts.test_mail import Mailbox, parts
from tests.integration.control_plane_in_memory import WRITE, _people, build, local
from tests.integration.test_notices_delivered import ALL, until

from protem.entrypoints.web_ui.installation import install
from protem.notifications.mail import MailNotifier, MailServer
from protem.services.channels import Channel
from protem.storage.sqlite_store import SqliteStore

OWN = {"origin": "http://protem.test"}


@pytest.fixture
async def stage(tmp_path):
    """A control plane on SQLite whose mail goes to a server of ours."""
    mailbox = Mailbox()
    server = MailServer(host="127.0.0.1", port=await mailbox.start(), security="none")
    addresses = {local("reviewer"): "rita@example.com", local("requester"): "ron@example.com"}
    notifier = MailNotifier(
        name="owners",
        server=server,
        sender="protem@example.com",
        to=["list@example.com"],
        public_url="http://protem.test",
        people=addresses,
    )
    channel = Channel(notifier=notifier, kinds=ALL, personal=notifier, answer_by_link=True)
    store = await SqliteStore.open(tmp_path / "protem.db")
    found = build(store, channels=(channel,))
    await store.write(lambda transaction: _people(found, transaction))
    install(found.app, public_url="http://protem.test")
    found.mails = mailbox.mails
    async with found.plane.running():
        yield found
    await store.close()
    await mailbox.stop()


async def test_a_request_is_mailed_and_approved_from_the_mailbox(stage):
    """The list reads of it, the reviewer alone gets a link, and the requester hears the answer."""
    asked = (await stage.ask(WRITE, reason="stuck\r\nBcc: eve@example.com")).json()
    await until(lambda: len(stage.mails) == 2)
    bodies = {to: parts(mail)[0] for to, mail in stage.mails}
    assert set(bodies) == {("list@example.com",), ("rita@example.com",)}
    assert "/answers/" not in bodies["list@example.com",]
    (link,) = re.findall(
        r"^http://protem\.test(/answers/\S+)", bodies["rita@example.com",], re.MULTILINE
    )
    assert asked["digest"] in (await stage.call(None, "GET", link)).text
    form = {"token": link.rpartition("/")[2], "verdict": "approve"}
    for status in (303, 410):
        said = await stage.call(None, "POST", "/answers", data=form, headers=OWN)
        assert said.status_code == status
    found = (await stage.call("requester", "GET", f"/v1/requests/{asked['id']}")).json()
    assert (found["state"], found["approvals"][0]["reviewer"]) == ("approved", "local|reviewer")
    await until(lambda: len(stage.mails) == 4)
    assert {to for to, _ in stage.mails[2:]} == {("list@example.com",), ("ron@example.com",)}
