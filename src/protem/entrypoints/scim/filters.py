"""SCIM's filters, read into conditions.

Here: which attributes and operators we serve. What we do not serve is refused as
``invalidFilter``, never answered with too much or too little. Not here: whether a condition holds.

Source: RFC 7644, section 3.4.2.2.
"""

from __future__ import annotations

from collections.abc import Collection

from scim2_models import InvalidFilterException, ScimFilter
from scim2_models.path import AttrPath, FilterNode, LogicalExpr, LogicalOperator
from scim2_models.path import Comparison as ComparisonNode
from scim2_models.path import Not as NotNode
from scim2_models.path import Present as PresentNode

from protem.domain.directory_filters import (
    Attribute,
    Both,
    Comparison,
    Condition,
    Either,
    Not,
    Operator,
    Present,
)

OF_USERS = frozenset(Attribute) - {Attribute.MEMBER}
OF_GROUPS = frozenset(
    {Attribute.ID, Attribute.EXTERNAL_ID, Attribute.DISPLAY_NAME, Attribute.MEMBER}
)
_MOST_TEXT = 2_000
_SHORT = {"emails": Attribute.EMAIL, "manager": Attribute.MANAGER, "members": Attribute.MEMBER}
_MOST_TERMS = 50


def condition_of(text: str | None, attributes: Collection[Attribute]) -> Condition | None:
    """Return the condition that a filter states over ``attributes``; None for no filter.

    Raises:
        InvalidFilterException: when it is no filter, or one that is not served.
    """
    if text is None:
        return None
    if len(text) > _MOST_TEXT:
        raise InvalidFilterException(detail=f"a filter has at most {_MOST_TEXT} characters")
    try:
        return _Reader(attributes).read(ScimFilter(text).ast)
    except RecursionError as error:
        raise InvalidFilterException(detail="the filter is nested too deeply") from error


class _Reader:
    def __init__(self, attributes: Collection[Attribute]) -> None:
        self._attributes = attributes
        self._terms = 0

    def read(self, node: FilterNode) -> Condition:
        self._terms += 1
        if self._terms > _MOST_TERMS:
            raise InvalidFilterException(detail=f"a filter has at most {_MOST_TERMS} terms")
        match node:
            case ComparisonNode():
                return self._comparison(node)
            case PresentNode():
                return Present(attribute=self._attribute(node.attr_path))
            case NotNode():
                return Not(term=self.read(node.expr))
            case LogicalExpr():
                terms = tuple(map(self.read, node.terms))
                return Both(terms=terms) if node.op is LogicalOperator.and_ else Either(terms=terms)
            case _:
                raise InvalidFilterException(detail="this server does not filter in brackets")

    def _comparison(self, node: ComparisonNode) -> Condition:
        attribute = self._attribute(node.attr_path)
        try:
            operator = Operator(str(node.op.value))
        except ValueError as error:
            served = ", ".join(Operator)
            raise InvalidFilterException(detail=f"this server compares by {served}") from error
        value = node.value
        if attribute is Attribute.ACTIVE and operator in (Operator.EQUAL, Operator.NOT_EQUAL):
            value = str(value).lower()  # Entra writes booleans as text
        if not isinstance(value, str):
            raise InvalidFilterException(detail=f"{attribute} is compared with text")
        return Comparison(attribute=attribute, operator=operator, value=value)

    def _attribute(self, path: AttrPath) -> Attribute:
        name = path.attr.lower() + (f".{path.sub_attr.lower()}" if path.sub_attr else "")
        found = _SHORT.get(name)
        if found is None:
            found = next((each for each in Attribute if each == name), None)
        if found is None or found not in self._attributes:
            served = ", ".join(sorted(self._attributes))
            raise InvalidFilterException(detail=f"this server filters by {served}")
        return found
