"""PATCH as directories send it.

Here: for users, what Entra writes otherwise than RFC 7644 has it, before the library applies the
operations; for groups, operations read into edits of members, so that a group of thousands is
never loaded to add one. Not here: storing.

Invariants: operations are taken in order, all or none; one on an attribute that we do not keep
changes nothing; taking out a member that is none changes nothing, so a replay is harmless.

Source: RFC 7644, section 3.5.2; learn.microsoft.com, "Develop and plan provisioning for a SCIM
endpoint"; developer.okta.com, "SCIM 2.0 protocol reference".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from scim2_models import (
    Context,
    InvalidPathException,
    InvalidSyntaxException,
    InvalidValueException,
    MutabilityException,
    PatchOp,
    Path,
)
from scim2_models.path import (
    AttrPath,
    CompareOperator,
    Comparison,
    FilterNode,
    LogicalExpr,
    LogicalOperator,
    ValuePath,
)

from protem.domain.errors import InvalidError
from protem.domain.identifiers import DirectoryId
from protem.entrypoints.scim.shapes import TOLERANT, EnterpriseUser, Group, Person
from protem.services.provision_groups import Edit, GroupChange, MemberEdit

MOST_OPERATIONS = 1_000
_MOST_PATH = 2_000
_VERBS = frozenset({"add", "replace", "remove"})
_MANAGER = f"{EnterpriseUser.__schema__}:manager".lower()


def patched_user(current: Mapping[str, Any], document: Mapping[str, Any]) -> Any:
    """Return the user after the operations of a PATCH document.

    Raises:
        SCIMException, pydantic.ValidationError: when an operation is not valid, or not possible.
    """
    operations = [_plain(operation) for operation in _operations(document)]
    person: Any = Person.model_validate(dict(current), scim_policy=TOLERANT)
    patch: Any = PatchOp[Person].model_validate(
        {"schemas": [str(PatchOp.__schema__)], "Operations": operations},
        scim_ctx=Context.RESOURCE_PATCH_REQUEST,
        scim_policy=TOLERANT,
    )
    patch.patch(person, scim_policy=TOLERANT)
    if person.active is None:  # of whom nobody says any more that they are active
        person.active = False
    return person


def group_change(document: Mapping[str, Any]) -> GroupChange:
    """Return what the operations of a PATCH document do to a group.

    Raises:
        SCIMException: when an operation is not valid.
    """
    change = GroupChange()
    for operation in _operations(document):
        verb = str(_member(operation, "op") or "").lower()
        if verb not in _VERBS:
            raise InvalidSyntaxException(detail="op is add, remove or replace")
        path, value = _member(operation, "path"), _member(operation, "value")
        if path is not None:
            change = _changed(change, verb, _parsed(path), value)
            continue
        if verb == "remove" or not isinstance(value, dict):
            raise InvalidValueException(detail="without a path, the value is an object to write")
        for name, part in value.items():
            change = _changed(change, verb, _parsed(name), part)
    return change


def joining(user_ids: Sequence[str]) -> MemberEdit:
    """Return the edit that lets users join.

    Raises:
        InvalidValueException: when one is no user's id.
    """
    return MemberEdit(edit=Edit.JOIN, users=frozenset(map(_user_id, user_ids)))


def becoming(user_ids: Sequence[str]) -> MemberEdit:
    """Return the edit that makes these users, and nobody else, the members."""
    return replace(joining(user_ids), edit=Edit.BECOME)


def _operations(document: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    found = _member(document, "operations")
    if not isinstance(found, list) or not found:
        raise InvalidSyntaxException(detail="Operations is a list of one or more operations")
    if len(found) > MOST_OPERATIONS:
        raise InvalidValueException(detail=f"a PATCH has at most {MOST_OPERATIONS} operations")
    for operation in found:
        path = _member(operation, "path") if isinstance(operation, dict) else ...
        if path is not None and (not isinstance(path, str) or len(path) > _MOST_PATH):
            raise InvalidSyntaxException(detail="an operation is an object; its path is text")
    return found


def _member(document: Mapping[str, Any], name: str) -> Any:
    """Return a member whose name is compared without case (RFC 7643, section 2.1)."""
    return next((value for key, value in document.items() if key.lower() == name), None)


def _plain(operation: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operation with a manager as RFC 7643 has it: Entra sends the bare id."""
    found = {key.lower(): value for key, value in operation.items()}
    path, value = str(found.get("path") or "").lower(), found.get("value")
    if path == _MANAGER and isinstance(value, str):
        found["value"] = {"value": value}
    elif not path and isinstance(value, dict):
        found["value"] = {
            name: {"value": part} if name.lower() == _MANAGER and isinstance(part, str) else part
            for name, part in value.items()
        }
    if path in (_MANAGER, f"{_MANAGER}.value") and found.get("value") in ("", {"value": ""}):
        return {"op": "remove", "path": found["path"]}
    return found


def _parsed(path: str) -> AttrPath | ValuePath:
    try:
        node = Path(path).ast
    except RecursionError as error:
        raise InvalidPathException(detail="the path is nested too deeply") from error
    if isinstance(node, AttrPath | ValuePath):
        return node
    raise InvalidPathException(detail="the path names no attribute")


def _changed(change: GroupChange, verb: str, path: AttrPath | ValuePath, value: Any) -> GroupChange:
    place = path if isinstance(path, AttrPath) else path.attr_path
    if place.uri is not None and place.uri.lower() != str(Group.__schema__).lower():
        return change
    match place.attr.lower():
        case "displayname":
            if verb == "remove":
                raise MutabilityException(detail="a group keeps a displayName")
            return replace(change, display_name=_text("displayName", value))
        case "externalid":
            if verb == "remove":
                return replace(change, external_id=None, forgets_external_id=True)
            text = _text("externalId", value)
            return replace(change, external_id=text, forgets_external_id=False)
        case "members":
            return replace(change, members=(*change.members, _edit(verb, path, value)))
        case _:
            return change


def _edit(verb: str, path: AttrPath | ValuePath, value: Any) -> MemberEdit:
    if isinstance(path, ValuePath):
        if verb != "remove" or path.sub_attr is not None:
            raise InvalidPathException(detail="members in brackets can only be removed")
        return _leaving(list(_selected(path.val_filter)))
    if path.sub_attr is not None:
        raise InvalidPathException(detail="a member is written whole")
    if verb == "add":
        return joining(member_ids(value))
    if verb == "replace":
        return becoming(member_ids(value))
    return _leaving(member_ids(value)) if value else becoming([])


def _selected(node: FilterNode) -> Iterator[str]:
    """Yield the ids that ``value eq "..." or value eq "..."`` names."""
    match node:
        case Comparison(attr_path=AttrPath(attr=attr), op=CompareOperator.eq, value=str(value)) if (
            attr.lower() == "value"
        ):
            yield value
        case LogicalExpr(op=LogicalOperator.or_, terms=terms):
            for term in terms:
                yield from _selected(term)
        case _:
            raise InvalidPathException(detail='members are selected by value eq "ID"')


def member_ids(value: Any) -> Sequence[str]:
    """Return the ids of a list of members, of one, or of none.

    Raises:
        InvalidValueException: when one is not a user.
    """
    members = value if isinstance(value, list) else [] if value is None else [value]
    return [_member_id(member) for member in members]


def _member_id(member: Any) -> str:
    if isinstance(member, dict):
        kind, found = _member(member, "type"), _member(member, "value")
        if kind is not None and str(kind).lower() != "user":
            raise InvalidValueException(
                detail="groups in groups are not taken; assign the people to the group"
            )
        member = found
    if not isinstance(member, str):
        raise InvalidValueException(detail="a member has the id of a user as its value")
    return member


def _user_id(text: str) -> DirectoryId:
    try:
        return DirectoryId(text)
    except InvalidError as error:
        raise InvalidValueException(
            detail="a member is no user of this directory; groups in groups are not taken"
        ) from error


def _leaving(user_ids: Sequence[str]) -> MemberEdit:
    """Return the edit that takes users out; who cannot be one of ours is out already."""
    ours = {text for text in user_ids if DirectoryId.pattern.fullmatch(text)}
    return MemberEdit(edit=Edit.LEAVE, users=frozenset(map(DirectoryId, ours)))


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidValueException(detail=f"{name} is text")
    return value
