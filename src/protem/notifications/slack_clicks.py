"""Clicks on our messages in Slack: whether to believe them, whose they are, and answering them.

Here: Slack's side of an interaction (its signature, its form, its way back). Not here: what an
answer does (answer_in_chat) and the route (entrypoints.chat).

Invariants:
- Nothing of a body is parsed before its signature holds for its very bytes and it is of now; both
  ways, since a clock that is wrong by more than the window proves nothing.
- A click counts from the configured workspace, in the configured channel, by a member of that
  workspace whom the settings name. A user of Slack is nobody here by themselves.
- What we say back goes to an address under the configured one alone, without redirects.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import httpx2
from slack_sdk.signature import Clock as SlackClock
from slack_sdk.signature import SignatureVerifier

from protem.domain.approvals import Verdict
from protem.domain.errors import DeniedError, InvalidError, RetryLaterError, UnauthenticatedError
from protem.domain.identifiers import GrantId
from protem.domain.principals import PrincipalId
from protem.domain.secret import Secret
from protem.notifications.slack_blocks import LOOK, unbound
from protem.ports.clock import Clock

HOOKS = "https://hooks.slack.com/"
MOST_BYTES = 262_144
"""Of one interaction, which repeats the message that it was in."""
FORM = "application/x-www-form-urlencoded"
_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_WITHIN_SECONDS = 10.0
_ANSWERS = {verdict.value: verdict for verdict in Verdict}


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackClick:
    """One answer, as Slack vouches for it.

    Attributes:
        user: Slack's id of who clicked, a member of the workspace.
        person: whom the settings name for them; None: nobody.
        reply_to: where to say something to that user alone, while Slack lets us.
    """

    user: str
    person: PrincipalId | None
    grant_id: GrantId
    digest: str
    verdict: Verdict
    reply_to: str


class SlackDesk:
    """Takes the clicks of one configured channel."""

    def __init__(
        self,
        *,
        workspace: str,
        channel: str,
        signing_secret: Secret,
        people: Mapping[str, PrincipalId],
        clock: Clock,
        hooks: str = HOOKS,
    ) -> None:
        """Build it.

        Args:
            workspace: Slack's id of it.
            channel: Slack's id of it.
            signing_secret: of our app.
            people: whom Slack's user ids stand for.
            clock: tells what is of now.
            hooks: what every address that we answer to begins with.
        """
        self._workspace, self._channel, self._people = workspace, channel, dict(people)
        self._hooks = hooks.rstrip("/") + "/"
        self._verifier = SignatureVerifier(signing_secret.reveal(), _OurClock(clock))

    def check(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Return if Slack sent this body, now.

        Args:
            body: as it came.
            headers: by their names in small letters.

        Raises:
            UnauthenticatedError: it did not, or not now; which of them is not said.
        """
        stamp = headers.get("x-slack-request-timestamp", "")
        signature = headers.get("x-slack-signature", "")
        known = _TIMESTAMP.fullmatch(stamp) and _SIGNATURE.fullmatch(signature) and body.isascii()
        if not known or not self._verifier.is_valid(body, stamp, signature):
            raise UnauthenticatedError("this is not signed by Slack, or not of now")

    def read(self, body: bytes) -> SlackClick | None:
        """Return the answer in a body that ``check`` let pass; None where it is none.

        Raises:
            InvalidError: the body is not what Slack sends.
            DeniedError: it comes from elsewhere than the settings say.
        """
        payload = _payload(body)
        team, user = _part(payload, "team"), _part(payload, "user")
        if team.get("id") != self._workspace or user.get("team_id") != self._workspace:
            raise DeniedError("this is another workspace, or somebody of another")
        if _part(payload, "channel").get("id") != self._channel:
            raise DeniedError("this is another channel")
        found = _action(payload)
        if found is None:
            return None
        verdict, value = found
        grant_id, digest = unbound(value)
        name = _text(user, "id")
        return SlackClick(
            user=name,
            person=self._people.get(name),
            grant_id=grant_id,
            digest=digest,
            verdict=verdict,
            reply_to=self._reply_to(payload),
        )

    async def tell(self, reply_to: str, words: str) -> None:
        """Say something to the one who clicked, and to nobody else; the message stays.

        Raises:
            RetryLaterError: Slack did not take it.
        """
        body = {
            "response_type": "ephemeral",
            "replace_original": False,
            "text": words,
            "blocks": [
                {"type": "section", "text": {"type": "plain_text", "text": words, "emoji": False}}
            ],
        }
        try:
            async with httpx2.AsyncClient(timeout=_WITHIN_SECONDS, follow_redirects=False) as http:
                response = await http.post(reply_to, json=body)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise RetryLaterError(f"no reply to Slack: {type(error).__name__}") from None
        if not response.is_success:
            raise RetryLaterError(f"Slack answered {response.status_code} to a reply")

    def _reply_to(self, payload: Mapping[str, Any]) -> str:
        address = _text(payload, "response_url")
        if not address.startswith(self._hooks) or not address.isascii():
            raise DeniedError("the way back leads elsewhere than to Slack")
        return address


class _OurClock(SlackClock):
    """Trusted time, in the form that Slack's library asks for it."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now().timestamp()


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        fields = parse_qs(body.decode("ascii"), strict_parsing=True, max_num_fields=4)
        (text,) = fields["payload"]
        payload = json.loads(text)
    except (ValueError, KeyError, RecursionError) as error:
        raise InvalidError("the body is no form with one payload of JSON") from error
    if not isinstance(payload, dict):
        raise InvalidError("the payload is no object")
    return payload


def _action(payload: Mapping[str, Any]) -> tuple[Verdict, str] | None:
    """Return the answer and what its button carries; a look at the page is no answer.

    Raises:
        InvalidError: it is no click on one button of ours.
    """
    actions = payload.get("actions")
    if payload.get("type") != "block_actions" or not isinstance(actions, list):
        raise InvalidError("this is no click on a button")
    if len(actions) != 1 or not isinstance(actions[0], dict):
        raise InvalidError("one click is on one button")
    button = _text(actions[0], "action_id")
    if button == LOOK:
        return None
    if button not in _ANSWERS:
        raise InvalidError("this is no button of ours")
    return _ANSWERS[button], _text(actions[0], "value")


def _part(payload: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    found = payload.get(name)
    if not isinstance(found, dict):
        raise InvalidError(f"the payload has no {name}")
    return found


def _text(part: Mapping[str, Any], name: str) -> str:
    found = part.get(name)
    if not isinstance(found, str):
        raise InvalidError(f"the payload has no {name}")
    return found
