"""Which attributes of a document are returned: ``attributes`` and ``excludedAttributes``.

Names are compared without case; those of the core schema may bear its URN. ``id`` and ``schemas``
are always returned.

Source: RFC 7644, sections 3.4.2.5 and 3.9.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Request
from scim2_models import InvalidValueException

_ALWAYS = frozenset({"id", "schemas"})
_CORE = "urn:ietf:params:scim:schemas:core:2.0:"


@dataclass(frozen=True, slots=True, kw_only=True)
class Projection:
    """The names that were asked for, or asked to be left out; one of the two is empty."""

    wanted: frozenset[str] = frozenset()
    excluded: frozenset[str] = frozenset()

    def leaves_out(self, name: str) -> bool:
        """Say whether a whole attribute is not returned, so that it need not be read."""
        if self.wanted:
            return not any(each == name or each.startswith(f"{name}.") for each in self.wanted)
        return name in self.excluded

    def apply(self, document: Mapping[str, Any]) -> dict[str, Any]:
        """Return what is asked for of a document."""
        if not self.wanted and not self.excluded:
            return dict(document)
        kept = {}
        for name, value in document.items():
            place = name.lower()
            found = value if place in _ALWAYS else self._part(place, value)
            if found is not None:
                kept[name] = found
        return kept

    def _part(self, place: str, value: Any) -> Any:
        if place in (self.wanted or self.excluded):
            return value if self.wanted else None
        names = self.wanted or self.excluded
        if not any(each.startswith((f"{place}.", f"{place}:")) for each in names):
            return None if self.wanted else value
        separator = ":" if place.startswith("urn:") else "."
        if isinstance(value, list):
            parts = [self._members(place, each, separator) for each in value]
            return [part for part in parts if part] or None
        return self._members(place, value, separator)

    def _members(self, place: str, value: Mapping[str, Any], separator: str) -> Any:
        kept = {
            name: part
            for name, inner in value.items()
            if (part := self._part(f"{place}{separator}{name.lower()}", inner)) is not None
        }
        return kept or None


def projection_of(request: Request) -> Projection:
    """Return what the query asks for.

    Raises:
        InvalidValueException: when it asks for both.
    """
    wanted = _names(request.query_params.get("attributes"))
    excluded = _names(request.query_params.get("excludedAttributes"))
    if wanted and excluded:
        raise InvalidValueException(detail="attributes and excludedAttributes exclude each other")
    return Projection(wanted=wanted, excluded=excluded)


def _names(text: str | None) -> frozenset[str]:
    names = (name.strip().lower() for name in (text or "").split(","))
    return frozenset(_short(name) for name in names if name)


def _short(name: str) -> str:
    if not name.startswith(_CORE):
        return name
    return name.removeprefix(_CORE).partition(":")[2] or name
