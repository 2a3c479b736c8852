"""A control plane whose reviewers are asked in Slack, and shorthand for what people do there."""

import asyncio
from contextlib import asynccontextmanager

import httpx2
from tests.integration.control_plane_in_memory import WRITE, local, running
from tests.integration.slack_workspace import (
    CHANNEL,
    SIGNING_SECRET,
    TOKEN,
    WORKSPACE,
    signed,
)

from protem.domain.notices import NoticeKind
from protem.domain.secret import Secret
from protem.entrypoints.chat.app import PREFIX, create_chat_app
from protem.entrypoints.http_api.app import create_app
from protem.notifications.slack import SlackNotifier
from protem.notifications.slack_clicks import SlackDesk
from protem.services.channels import Channel
from protem.services.deliver_notices import DeliverNotices
from protem.services.keep_messages import KeepMessages
from protem.system.clock import SystemClock

WANTED = frozenset({NoticeKind.REVIEW_WANTED})
PLACE = f"{PREFIX}/approvals"
PEOPLE = {
    "U0REVIEWER": local("reviewer"),
    "U0REQUESTER": local("requester"),
    "U0STRANGER": local("stranger"),
    "U0AUDITOR": local("auditor"),
    "U0GONE": local("nobody-any-more"),
    "U0AGENT": local("reviewer-agent"),
}


class SlackStage:
    """A control plane, its Slack, and shorthand for what people do there."""

    def __init__(self, access, workspace, channel):
        self.access, self.workspace, self.around = access, workspace, access.plane.around
        self.clock = self.around.clock
        self.driver = DeliverNotices(around=self.around, channel=channel)
        self.keeper = KeepMessages(
            around=self.around, name=channel.name, rewriting=channel.rewriting
        )
        desk = SlackDesk(
            workspace=WORKSPACE,
            channel=CHANNEL,
            signing_secret=Secret(SIGNING_SECRET),
            people=PEOPLE,
            clock=self.clock,
            hooks=workspace.hooks,
        )
        mounts = {PREFIX: create_chat_app(self.around, {channel.name: desk})}
        self.app = create_app(access.plane, mounts=mounts)

    async def post(self, body, headers, place=PLACE):
        """Post to the route."""
        transport = httpx2.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://p.test") as http:
            return await http.post(place, content=body, headers=headers)

    async def send(self, payload, **more):
        """Post a payload as Slack does, now."""
        at = more.pop("at", self.clock.now())
        return await self.post(*signed(payload, at, **more))

    async def click(self, verdict, user="U0REVIEWER", button=None, **changed):
        """Click on the newest message that can be answered; return what the user reads."""
        button = button or self.workspace.buttons()[verdict]
        response = await self.send(self.workspace.interaction(button, user, **changed))
        assert (response.status_code, response.content) == (200, b"")
        return self.workspace.replies[-1]["text"]

    async def ask(self, **more):
        """Ask for a write, and wait for its message."""
        before = len(self.workspace.messages)
        asked = (await self.access.ask(WRITE, **more)).json()
        await until(lambda: len(self.workspace.messages) == before + 1)
        return asked

    async def state(self, asked):
        """The grant's state now."""
        grant = await self.around.store.read(lambda view: view.grants.get(asked["id"]))
        return grant.state

    async def answer_on_the_page(self, asked, verdict):
        """What a click on the page does."""
        body = {"digest": asked["digest"], "verdict": verdict}
        path = f"/v1/requests/{asked['id']}/reviews"
        return await self.access.call("reviewer", "POST", path, json=body)


async def until(condition):
    """Wait a little for what loops do."""
    for _ in range(500):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen")


@asynccontextmanager
async def slack_stage(workspace, kinds=WANTED):
    """Run a control plane that posts to it."""
    slack = SlackNotifier(
        name="approvals",
        channel=CHANNEL,
        token=Secret(TOKEN),
        clock=SystemClock(),
        public_url="https://protem.test",
        api=workspace.api,
    )
    channel = Channel(notifier=slack, kinds=kinds, rewriting=slack)
    async with running(channels=(channel,)) as access:
        yield SlackStage(access, workspace, channel)
