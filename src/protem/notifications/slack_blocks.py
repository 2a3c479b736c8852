"""A notice as Slack's Block Kit.

Here: the layout, and the bounds that Slack sets. Not here: sending (slack).

Invariants: text that a stranger wrote is plain text, escaped, and every line of it stands behind a
bar, so that it can neither mention anybody, nor link, nor be taken for a label; where anything was
cut there are no buttons, for nobody says yes to what they were not shown; so it is with what asks
for a signature.

Source: docs.slack.dev, block kit reference: 3,000 characters a text, 150 a header, 50 blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from protem.domain.notices import MORE, Notice, NoticeKind
from protem.domain.untrusted_text import printable, printable_lines

APPROVE, DENY = "protem_approve", "protem_deny"
_MOST_SECTION = 2_900
_MOST_HEADER = 140
_MOST_IN_ALL = 12_000
_MOST_BLOCKS = 46
"""Of 50: the rest is for the link, the outcome and the buttons."""
_ESCAPES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
Block = dict[str, Any]


def escaped(text: str) -> str:
    """Return text in which Slack finds no mention, link or command."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def summary_of(notice: Notice) -> str:
    """Return the one line that stands in notifications."""
    return _fitted(printable(notice.title), _MOST_SECTION)


def blocks_of(notice: Notice, link: str, outcome: str | None = None) -> list[Block]:
    """Return the message; with an outcome it asks for nothing."""
    shown, whole = _bounded(notice)
    blocks = [_header(notice), _links(link)]
    if outcome is not None:
        blocks.append(_plain(f"\u2713 {printable(outcome)}"))
    blocks += shown
    if not whole:
        blocks.append(_plain(f"\u26a0 This is not all of it:{MORE}"))
    asks = notice.kind is NoticeKind.REVIEW_WANTED and outcome is None
    if asks and whole and not notice.page_only and notice.grant_id and notice.digest:
        blocks.append(_buttons(f"{notice.grant_id} {notice.digest}"))
    elif asks:
        blocks.append(_plain("Answer on the page: it cannot be answered here."))
    return blocks


def _bounded(notice: Notice) -> tuple[list[Block], bool]:
    blocks: list[Block] = []
    left, whole = _MOST_IN_ALL, len(printable(notice.title)) <= _MOST_HEADER
    for text in _texts(notice):
        fitted = _fitted(text, min(left, _MOST_SECTION))
        whole = whole and fitted == escaped(text) and not text.endswith(MORE)
        left -= len(fitted)
        if left <= len(MORE) or len(blocks) >= _MOST_BLOCKS - 4:
            return blocks, False
        blocks.append(_section(fitted))
    return blocks, whole


def _texts(notice: Notice) -> Iterator[str]:
    for risk in notice.risks:
        yield f"\u26a0 {printable(risk)}"
    for label, text in notice.lines:
        lines = printable_lines(text).split("\n")
        yield "\n".join((printable(label), *(f"\u2502 {line}" for line in lines)))


def _fitted(text: str, most: int) -> str:
    """Return text escaped and within ``most`` characters; no escape is cut in two."""
    whole = escaped(text)
    if len(whole) <= most:
        return whole
    kept, size = [], len(MORE)
    for character in text:
        piece = _ESCAPES.get(character, character)
        size += len(piece)
        if size > most:
            break
        kept.append(piece)
    return "".join(kept) + MORE


def _header(notice: Notice) -> Block:
    return _section(_fitted(printable(notice.title), _MOST_HEADER))


def _plain(text: str) -> Block:
    return _section(_fitted(text, _MOST_SECTION))


def _section(fitted: str) -> Block:
    return {"type": "section", "text": _text(fitted)}


def _text(fitted: str) -> Block:
    return {"type": "plain_text", "text": fitted, "emoji": False}


def _links(link: str) -> Block:
    button = {"type": "button", "action_id": "protem_page", "text": _text("Open the page")}
    return {"type": "actions", "elements": [{**button, "url": link}]}


def _buttons(value: str) -> Block:
    return {
        "type": "actions",
        "elements": [
            _button(APPROVE, "Approve", "primary", value),
            _button(DENY, "Deny", "danger", value),
        ],
    }


def _button(action: str, label: str, style: str, value: str) -> Block:
    return {
        "type": "button",
        "action_id": action,
        "text": _text(label),
        "style": style,
        "value": value,
        "confirm": {
            "title": _text(f"{label} exactly this?"),
            "text": _text("Your answer is for this command, these privileges and this digest."),
            "confirm": _text(label),
            "deny": _text("Not yet"),
        },
    }
