"""Whether the log's statements about targets agree with the grants that it says ended.

Here: of each ended grant, a later statement that closes it or shows its target without it; a
statement that contradicts an end is wrong, an end that waits for its statement is not. Not here:
gaps and shapes (entry_rules).

A statement's moment is when its look began: what ended after that may still have been seen. A
privilege that a statement itself calls an orphan is an incident, told and ended, not a
contradiction.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Any

_MARK = "protem_"


class Attestations:
    """Reads entries in order and remembers which ends are still without a statement."""

    def __init__(self) -> None:
        self._ended: dict[str, tuple[str, datetime]] = {}
        self._waiting: dict[str, dict[str, datetime]] = defaultdict(dict)

    @property
    def waiting(self) -> tuple[str, ...]:
        """The ended grants that no statement covers yet, oldest first."""
        found = [(at, grant) for ends in self._waiting.values() for grant, at in ends.items()]
        return tuple(grant for _, grant in sorted(found))

    def problem(self, entry: Mapping[str, Any]) -> str | None:
        """Take in one entry; return what it contradicts, if anything."""
        kind, at = entry.get("kind"), datetime.fromisoformat(entry["at"])
        target = str(entry.get("target"))
        if kind == "grant.ended":
            self._ended[_MARK + str(entry["grant"])] = (target, at)
            self._waiting[target][str(entry["grant"])] = at
        elif kind == "clock.trusted":
            self._start_again_from(at)
        elif kind == "target.observed":
            try:
                return self._statement(target, at, entry["data"])
            except (AttributeError, KeyError, TypeError, ValueError):
                return "it is not a statement as docs/audit-log.md has it"
        return None

    def _statement(self, target: str, at: datetime, data: Mapping[str, Any]) -> str | None:
        names, closes = list(map(str, data["privileges"])), list(map(str, data.get("closes", ())))
        whole = data.get("privilege_count", len(names)) == len(names)
        digest = data.get("privileges_sha256")
        wrong = self._contradiction(target, at, data)
        for grant in closes:
            if _MARK + grant not in self._ended:
                wrong = f"it closes grant {grant!a}, which had not ended"
            elif _MARK + grant in names:
                wrong = f"it closes grant {grant!a} and names its privilege"
            self._waiting[target].pop(grant, None)
        if whole and digest is not None and digest != _digest(names):
            wrong = "its digest is not that of the names in it"
        if whole:
            for grant, ended_at in tuple(self._waiting[target].items()):
                if ended_at <= at and _MARK + grant not in names:
                    del self._waiting[target][grant]
        return wrong

    def _contradiction(self, target: str, at: datetime, data: Mapping[str, Any]) -> str | None:
        orphans = data.get("orphan_names")
        if orphans is None or len(orphans) != data["orphans"]:
            return None  # an older statement, or one with too many to name
        for name in map(str, data["privileges"]):
            where, ended_at = self._ended.get(name, ("", at))
            if where == target and ended_at <= at and name not in orphans:
                return f"it names {name!a} as explained, whose grant had ended before"
        return None

    def _start_again_from(self, at: datetime) -> None:
        """A person set time back: what ended before this entry ended by its moment."""
        self._ended = {name: (where, min(then, at)) for name, (where, then) in self._ended.items()}
        for ends in self._waiting.values():
            ends.update({grant: min(then, at) for grant, then in ends.items()})


def _digest(names: list[str]) -> str:
    return hashlib.sha256("".join(f"{name}\n" for name in sorted(names)).encode()).hexdigest()
