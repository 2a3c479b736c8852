"""What speaks for a request: links that the requester gives, and what the target itself says.

Here: both as values, and their bounds. Not here: getting any of it (services, connectors), which
rule asks for it (policy), and the sentences that pages show (request_wording).

Invariants:
- No value of a target's row is in an exhibit: it holds counts, and a plan of the statement itself.
- What could not be had is an exhibit as well, with the reason: nothing is left out in silence.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from protem.domain.canonical_json import MAX_SAFE_INTEGER, JsonValue
from protem.domain.errors import InvalidError
from protem.domain.instants import format_instant, parse_instant
from protem.domain.web_addresses import checked_address

MAX_LINKS = 5
MAX_LINK = 500
MAX_DETAIL = 20_000
_CUT = " … (cut here: the plan is longer)"


class EvidenceKind(enum.StrEnum):
    """What a target can say of a statement before anybody approved it."""

    DRY_RUN = "dry_run"
    """How many rows it changes or returns when run and rolled back."""
    EXPLAIN = "explain"
    """How the database would run it, and its estimates."""


WORDS = {
    EvidenceKind.DRY_RUN: "a dry run of the statement",
    EvidenceKind.EXPLAIN: "an EXPLAIN of the statement",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    """What the target said of one statement at one moment, or why it did not.

    Attributes:
        at: by the target's clock; where it said nothing, by ours.
        rows: changed or returned in the dry run; as estimated, in an EXPLAIN.
        changed: the tables that the statement changes, as people write them; none if it only reads.
        cost: the estimate of an EXPLAIN, in the planner's own units, rounded up.
        detail: the EXPLAIN as JSON text; "" in a dry run.
        why_not: why it could not be had; "" where it was.

    Raises:
        InvalidError: when a count is out of bounds, or it says both and neither.
    """

    kind: EvidenceKind
    at: datetime
    rows: int | None = None
    changed: tuple[str, ...] = ()
    cost: int | None = None
    detail: str = ""
    why_not: str = ""

    def __post_init__(self) -> None:
        if (self.rows is None) != bool(self.why_not):
            raise InvalidError("an exhibit holds a count, or why there is none")
        if not all(0 <= (number or 0) <= MAX_SAFE_INTEGER for number in (self.rows, self.cost)):
            raise InvalidError("a count of an exhibit is out of bounds")
        object.__setattr__(self, "detail", _shortened(self.detail))

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form in a request; only what says something."""
        form: dict[str, JsonValue] = {"kind": self.kind, "at": format_instant(self.at)}
        said = {"rows": self.rows, "cost": self.cost}
        form |= {name: number for name, number in said.items() if number is not None}
        form |= {"changed": list(self.changed)} if self.changed else {}
        texts = {"detail": self.detail, "why_not": self.why_not}
        return form | {name: text for name, text in texts.items() if text}

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Exhibit:
        """Read ``to_json`` back."""
        return cls(
            kind=EvidenceKind(form["kind"]),
            at=parse_instant(form["at"]),
            rows=form.get("rows"),
            changed=tuple(form.get("changed", ())),
            cost=form.get("cost"),
            detail=form.get("detail", ""),
            why_not=form.get("why_not", ""),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that speaks for one revision; part of what is approved.

    Attributes:
        links: where the requester points: an alert, a plan. Nobody here opens them.
        exhibits: what the target said, one of a kind.

    Raises:
        InvalidError: too many links, or one that may not be followed.
    """

    links: tuple[str, ...] = ()
    exhibits: tuple[Exhibit, ...] = ()

    def __post_init__(self) -> None:
        if len(self.links) > MAX_LINKS:
            raise InvalidError(f"a request carries at most {MAX_LINKS} links as evidence")
        for link in self.links:
            if len(link) > MAX_LINK:
                raise InvalidError(f"a link of evidence is at most {MAX_LINK} characters")
            checked_address(link, "a link of evidence")

    def __bool__(self) -> bool:
        return bool(self.links or self.exhibits)

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form in a request; only what says something."""
        form: dict[str, JsonValue] = {}
        if self.links:
            form["links"] = list(self.links)
        if self.exhibits:
            form["exhibits"] = [exhibit.to_json() for exhibit in self.exhibits]
        return form

    @classmethod
    def from_json(cls, form: Mapping[str, Any]) -> Evidence:
        """Read ``to_json`` back."""
        return cls(
            links=tuple(form.get("links", ())),
            exhibits=tuple(map(Exhibit.from_json, form.get("exhibits", ()))),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Rehearsal:
    """A statement that may be shown to the target before it is approved, as the planner sees it.

    Attributes:
        statement: exactly one, which the server's own parser took for a query.
        not_explained, not_run: why there can be no EXPLAIN, no dry run of it; "" where there can.
    """

    statement: str
    not_explained: str = ""
    not_run: str = ""

    def obstacle(self, kind: EvidenceKind) -> str:
        """Return why ``kind`` cannot be had of it, or "" when nothing stands against it."""
        return self.not_explained if kind is EvidenceKind.EXPLAIN else self.not_run


def _shortened(text: str) -> str:
    return text if len(text) <= MAX_DETAIL else text[: MAX_DETAIL - len(_CUT)] + _CUT
