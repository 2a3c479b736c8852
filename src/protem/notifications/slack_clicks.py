"""What Slack sends when somebody presses a button.

Here: proving that it is Slack's, fresh, and from our workspace and channel, and reading it. Not
here: what follows from it (answer_in_chat).

Invariants: nothing is parsed before the signature over the raw bytes holds; a chat identity is
nobody of ours until the settings name it.

Source: docs.slack.dev, "Verifying requests from Slack" (v0) and "block_actions payload".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs

from slack_sdk.signature import Clock, SignatureVerifier

from protem.domain.approvals import Verdict
from protem.domain.errors import InvalidError, UnauthenticatedError
from protem.domain.identifiers import GrantId
from protem.domain.principals import PrincipalId
from protem.domain.secret import Secret
from protem.notifications.slack_blocks import APPROVE, DENY

_TIMESTAMP = re.compile(r"[0-9]{1,12}")
_SIGNATURE = re.compile(r"v0=[0-9a-f]{64}")
_VALUE = re.compile(r"([0-9a-z]{1,64}) (sha256:[0-9a-f]{64})")
_USER = re.compile(r"[UW][A-Z0-9]{1,30}")
_FORM = "application/x-www-form-urlencoded"
_VERDICTS = {APPROVE: Verdict.APPROVE, DENY: Verdict.DENY}


@dataclass(frozen=True, slots=True, kw_only=True)
class Click:
    """One press of a button.

    Attributes:
        reader: the chat's id of whoever pressed.
        person: whom the settings know them as; None: nobody.
    """

    reader: str
    person: PrincipalId | None
    grant_id: GrantId
    digest: str
    verdict: Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class SlackDoor:
    """Where clicks of one channel come in."""

    workspace: str
    channel: str
    signing_secret: Secret
    people: Mapping[str, PrincipalId]

    def read(self, headers: Sequence[tuple[str, str]], body: bytes, now: datetime) -> Click | None:
        """Return the click; None for what is Slack's and asks for nothing.

        Args:
            headers: names in lower case.
            body: as it came.
            now: the window is five minutes, both ways.

        Raises:
            UnauthenticatedError: it is not Slack's, too old, or not from this channel.
            InvalidError: it is Slack's and not what we know.
        """
        self._check_signature(headers, body, now)
        if _only(headers, "content-type").partition(";")[0].strip().lower() != _FORM:
            raise InvalidError("a click comes as a form")
        payload = _payload(body)
        team, user, place = (_table(payload, key) for key in ("team", "user", "channel"))
        if team.get("id") != self.workspace or user.get("team_id") != self.workspace:
            raise UnauthenticatedError("this comes from another workspace, or somebody of another")
        if place.get("id") != self.channel:
            raise UnauthenticatedError("this comes from another channel")
        return self._click(payload, user)

    def _check_signature(
        self, headers: Sequence[tuple[str, str]], body: bytes, now: datetime
    ) -> None:
        timestamp = _only(headers, "x-slack-request-timestamp")
        signature = _only(headers, "x-slack-signature")
        if not (_TIMESTAMP.fullmatch(timestamp) and _SIGNATURE.fullmatch(signature)):
            raise UnauthenticatedError("this is not signed as Slack signs")
        verifier = SignatureVerifier(self.signing_secret.reveal(), clock=_Moment(now))
        try:
            holds = verifier.is_valid(body, timestamp, signature)
        except UnicodeDecodeError:
            holds = False
        if not holds:
            raise UnauthenticatedError("the signature does not hold, or is too old")

    def _click(self, payload: Mapping[str, Any], user: Mapping[str, Any]) -> Click | None:
        actions, reader = payload.get("actions"), str(user.get("id", ""))
        if payload.get("type") != "block_actions" or not isinstance(actions, list):
            raise InvalidError("only buttons are answered here")
        if len(actions) != 1 or not isinstance(actions[0], dict) or not _USER.fullmatch(reader):
            raise InvalidError("a click is one person's, on one button")
        verdict = _VERDICTS.get(str(actions[0].get("action_id")))
        if verdict is None:
            return None  # the link to the page tells us, too
        value = _VALUE.fullmatch(str(actions[0].get("value")))
        if value is None:
            raise InvalidError("this button is not ours")
        return Click(
            reader=reader,
            person=self.people.get(reader),
            grant_id=GrantId(value[1]),
            digest=value[2],
            verdict=verdict,
        )


class _Moment(Clock):
    def __init__(self, now: datetime) -> None:
        self._now = now.timestamp()

    def now(self) -> float:
        return self._now


def _only(headers: Sequence[tuple[str, str]], name: str) -> str:
    found = [value for key, value in headers if key == name]
    return found[0] if len(found) == 1 else ""


def _payload(body: bytes) -> Mapping[str, Any]:
    try:
        (text,) = parse_qs(body.decode(), strict_parsing=True, max_num_fields=5)["payload"]
        payload = json.loads(text)
    except (ValueError, KeyError, RecursionError) as error:
        raise InvalidError("the form holds no payload") from error
    if not isinstance(payload, dict):
        raise InvalidError("the payload is not an object")
    return payload


def _table(payload: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = payload.get(key)
    return found if isinstance(found, dict) else {}
