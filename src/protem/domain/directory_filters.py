"""What a directory may ask for: conditions over its users and groups.

Here: the conditions as values, and whether one holds. Not here: their text (SCIM's grammar, an
entrypoint) and what each attribute is of a record (services).

Source: RFC 7644, section 3.4.2.2.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from protem.domain.directories import comparable


class Attribute(enum.StrEnum):
    """What can be asked about; the values are SCIM's names in lower case."""

    ID = "id"
    EXTERNAL_ID = "externalid"
    USER_NAME = "username"
    DISPLAY_NAME = "displayname"
    ACTIVE = "active"
    EMAIL = "emails.value"
    MANAGER = "manager.value"
    MEMBER = "members.value"


EXACT = frozenset({Attribute.ID, Attribute.EXTERNAL_ID, Attribute.MANAGER, Attribute.MEMBER})
"""These differ by case; the others are compared as names are."""


class Operator(enum.StrEnum):
    """How two texts are compared."""

    EQUAL = "eq"
    NOT_EQUAL = "ne"
    CONTAINS = "co"
    STARTS_WITH = "sw"
    ENDS_WITH = "ew"


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """One of the attribute's values compares so with ``value``."""

    attribute: Attribute
    operator: Operator
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Present:
    """The attribute has a value."""

    attribute: Attribute


@dataclass(frozen=True, slots=True, kw_only=True)
class Not:
    """The condition does not hold."""

    term: Condition


@dataclass(frozen=True, slots=True, kw_only=True)
class Both:
    """Every condition holds."""

    terms: tuple[Condition, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Either:
    """One of the conditions holds."""

    terms: tuple[Condition, ...]


Condition = Comparison | Present | Not | Both | Either
Values = Callable[[Attribute], Sequence[str]]
"""The values of an attribute of one record; none when it has none."""


def holds(condition: Condition, values: Values) -> bool:
    """Say whether a condition holds for the record that has these values."""
    match condition:
        case Comparison():
            return _compares(condition, values(condition.attribute))
        case Present():
            return bool(values(condition.attribute))
        case Not():
            return not holds(condition.term, values)
        case Both():
            return all(holds(term, values) for term in condition.terms)
        case Either():
            return any(holds(term, values) for term in condition.terms)


def pinned(condition: Condition, attribute: Attribute) -> str | None:
    """Return the one value that the attribute must equal wherever this holds, if there is one."""
    match condition:
        case Comparison() if (
            condition.attribute is attribute and condition.operator is Operator.EQUAL
        ):
            return condition.value
        case Both():
            found = (pinned(term, attribute) for term in condition.terms)
            return next((value for value in found if value is not None), None)
        case _:
            return None


def _compares(comparison: Comparison, values: Sequence[str]) -> bool:
    def form(text: str) -> str:
        return text if comparison.attribute in EXACT else comparable(text)

    wanted, found = form(comparison.value), [form(value) for value in values]
    match comparison.operator:
        case Operator.EQUAL:
            return wanted in found
        case Operator.NOT_EQUAL:
            return wanted not in found
        case Operator.CONTAINS:
            return any(wanted in value for value in found)
        case Operator.STARTS_WITH:
            return any(value.startswith(wanted) for value in found)
        case Operator.ENDS_WITH:
            return any(value.endswith(wanted) for value in found)
