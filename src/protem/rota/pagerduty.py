"""A schedule of PagerDuty, by its REST API v2: ``GET /oncalls``.

Here: the pages of one schedule's entries. Not here: accounts (``people``).

Source: https://developer.pagerduty.com/api-reference/3a6b910f11050-list-all-of-the-on-calls:
``since``, ``until``, ``schedule_ids[]``, ``include[]=users``, ``limit`` and ``offset``; an entry
without an end is on call for good.

Invariants: the token is sent to the configured address only, and is in no error.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from protem.domain.errors import InvalidError, RefusedError
from protem.domain.instants import format_instant, parse_instant
from protem.domain.oncall import OncallAnswer, ScheduleName
from protem.domain.secret import Secret
from protem.rota.people import NamedShift, People, answer_of
from protem.rota.web_source import WebSource

API = "https://api.pagerduty.com"
_PAGE = 100
_MOST_PAGES = 50


def pagerduty_source(token: Secret) -> WebSource:
    """Return the way to the API with a read-only API key."""
    return WebSource(
        "PagerDuty",
        {
            "Authorization": f"Token token={token.reveal()}",
            "Accept": "application/vnd.pagerduty+json;version=2",
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PagerDutySchedule:
    """``ports.rota.Rota`` over one schedule.

    Attributes:
        schedule_id: PagerDuty's, such as ``PI7DH85``.
    """

    schedule: ScheduleName
    schedule_id: str
    people: People
    web: WebSource
    api: str = API

    async def shifts(self, *, now: datetime, until: datetime) -> OncallAnswer:
        """Return who is on call.

        Raises:
            RetryLaterError: PagerDuty does not answer.
            RefusedError: it refuses the token or the schedule, or answers something else.
        """
        named: list[NamedShift] = []
        for page in range(_MOST_PAGES):
            query = [
                ("schedule_ids[]", self.schedule_id),
                ("include[]", "users"),
                ("since", format_instant(now)),
                ("until", format_instant(until)),
                ("limit", str(_PAGE)),
                ("offset", str(page * _PAGE)),
            ]
            document = _object(await self.web.get(f"{self.api}/oncalls", query))
            named += _entries(document, self.schedule_id, now, until)
            if document.get("more") is not True:
                return answer_of(self.schedule, named, self.people, now=now, until=until)
        raise RefusedError(f"PagerDuty has no end of entries for schedule {self.schedule}")

    async def close(self) -> None:
        """Let go of connections."""
        await self.web.close()


def _object(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError("PagerDuty does not answer JSON") from error
    if not isinstance(found, dict) or not isinstance(found.get("oncalls"), list):
        raise RefusedError("PagerDuty's answer has no list of on-calls")
    return found


def _entries(
    document: Mapping[str, Any], schedule_id: str, now: datetime, until: datetime
) -> Iterator[NamedShift]:
    for entry in document["oncalls"]:
        match entry:
            case {"user": {"id": str(user_id)} as user, "schedule": {"id": str(schedule)}}:
                if schedule != schedule_id:
                    continue
                names = (str(user.get("email") or ""), user_id, str(user.get("summary") or ""))
                starts = _moment(entry.get("start"), now)
                ends = _moment(entry.get("end"), until)
                if starts < ends:
                    yield NamedShift(names=names, starts=starts, ends=ends)
            case {"schedule": None}:
                continue  # on call by an escalation policy alone
            case _:
                raise RefusedError("PagerDuty's answer has an entry without user and schedule")


def _moment(text: object, missing: datetime) -> datetime:
    if text is None:
        return missing
    try:
        return parse_instant(str(text))
    except InvalidError as error:
        raise RefusedError("PagerDuty's answer has a time that is none") from error
