"""A notice as Slack shows it: Block Kit, with buttons where a click may answer.

Here: the blocks and what a button's click carries. Not here: sending them (slack) or taking clicks
(slack_clicks).

Invariants:
- Nothing that somebody else wrote is read as Slack's markup: it stands in rich text and plain text
  elements, which have none. The one place that has, the line of a push message, is escaped.
- Slack's limits are kept by leaving out, and the message says so.
- A button that answers is bound to the grant and the digest, which covers the revision's number.
  There is none where a signature is asked for, nor where the message does not show everything: what
  was left out may be what matters.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from protem.domain.approvals import Verdict
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GrantId
from protem.domain.notices import Notice, NoticeKind
from protem.domain.untrusted_text import printable, printable_lines

Block = dict[str, Any]
MOST_BLOCKS = 50
MOST_OF_A_BLOCK = 3_000
MOST_OF_ALL = 12_000
"""Characters of all blocks as JSON; above about 13,000 Slack answers msg_blocks_too_long."""
MOST_OF_A_HEADER = 150
LOOK = "look"
_CUT = " … (cut: the rest is on the page)"
_MORE = "This message does not show everything: answer on the page, where all of it is."
_LABELS = {Verdict.APPROVE: ("Approve", "primary"), Verdict.DENY: ("Deny", "danger")}
_SIGNED = "A signed approval is asked for: answer on the page or in a terminal."


def summary(notice: Notice) -> str:
    """Return the line of push messages, where ``&``, ``<`` and ``>`` are markup."""
    text = printable(notice.title).replace("&", "&amp;").replace("<", "&lt;")
    return _cut(text.replace(">", "&gt;"), MOST_OF_A_BLOCK)


def blocks(notice: Notice, link: str, over: str = "") -> list[Block]:
    """Return the message.

    Args:
        notice: what it says.
        link: to the page.
        over: why nothing is to be answered; empty while there is.
    """
    head: list[Block] = [{"type": "header", "text": _plain(notice.title, MOST_OF_A_HEADER)}]
    if over:
        head.append(_rich(_bold(_cut(over, MOST_OF_A_HEADER))))
    more, signed = _rich(_bold(_MORE)), _rich(_bold(_SIGNED))
    buttons = [] if over or notice.page_only else _answers(notice)
    tail = [] if over or not notice.page_only else [signed]
    room = MOST_OF_ALL - _size([*head, more, *tail, _actions(buttons, link)])
    content, is_whole = _fitting(notice, room, MOST_BLOCKS - len(head) - len(tail) - 2)
    if not is_whole or notice.is_cut:
        tail, buttons = [more, *tail], []
    return [*head, *content, *tail, _actions(buttons, link)]


def bound(notice: Notice) -> str:
    """Return what a click carries: which grant, and which digest of it."""
    return f"{notice.grant_id} {notice.digest}"


def unbound(value: str) -> tuple[GrantId, str]:
    """Read back what ``bound`` gave.

    Raises:
        InvalidError: it did not.
    """
    grant_id, _, digest = value.partition(" ")
    if not digest:
        raise InvalidError("the button names no request")
    return GrantId(grant_id), digest


def _fitting(notice: Notice, room: int, most: int) -> tuple[list[Block], bool]:
    """Return what fits, and whether that is everything."""
    given = list(_content(notice))
    kept: list[Block] = []
    for block in given:
        if _size([block]) <= room and len(kept) < most:
            room -= _size([block])
            kept.append(block)
    longest = max((len(printable_lines(text)) for _, text in notice.lines), default=0)
    return kept, len(kept) == len(given) and longest <= MOST_OF_A_BLOCK


def _content(notice: Notice) -> Iterator[Block]:
    for risk in notice.risks:
        mark = {"type": "emoji", "name": "warning"}
        yield _rich([mark, {"type": "text", "text": " "}, *_bold(printable(risk))])
    for label, text in notice.lines:
        shown = _cut(printable_lines(text), MOST_OF_A_BLOCK) or " "
        quoted = {
            "type": "rich_text_preformatted",
            "elements": [{"type": "text", "text": shown}],
        }
        block = _rich(_bold(printable(label)))
        yield {**block, "elements": [*block["elements"], quoted]}


def _answers(notice: Notice) -> list[Block]:
    if notice.kind is not NoticeKind.REVIEW_WANTED or not notice.grant_id or not notice.digest:
        return []
    return [_answer(notice, verdict) for verdict in Verdict]


def _actions(buttons: list[Block], link: str) -> Block:
    look = {"type": "button", "action_id": LOOK, "text": _plain("Look at the page"), "url": link}
    return {"type": "actions", "elements": [*buttons, look]}


def _answer(notice: Notice, verdict: Verdict) -> Block:
    label, style = _LABELS[verdict]
    return {
        "type": "button",
        "action_id": verdict.value,
        "value": bound(notice),
        "style": style,
        "text": _plain(label),
        "confirm": {
            "title": _plain(f"{label}?"),
            "text": _plain(notice.title, 100),
            "confirm": _plain(label),
            "deny": _plain("Not now"),
            "style": style,
        },
    }


def _plain(text: str, most: int = 75) -> Block:
    return {"type": "plain_text", "text": _cut(printable(text), most) or " ", "emoji": False}


def _rich(elements: list[Block]) -> Block:
    section = {"type": "rich_text_section", "elements": elements}
    return {"type": "rich_text", "elements": [section]}


def _bold(text: str) -> list[Block]:
    shown = _cut(printable(text), MOST_OF_A_BLOCK) or " "
    return [{"type": "text", "text": shown, "style": {"bold": True}}]


def _size(given: list[Block]) -> int:
    return len(json.dumps(given))


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - len(_CUT)] + _CUT
