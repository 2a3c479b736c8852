"""What is granted: a canonical, comparable set of privileges.

Here: privileges of any kind of target in one shape, and the order ``a <= b`` (a is no wider than
b). Not here: what a privilege means; connectors and planners of one scheme share that vocabulary.

Invariants:
- A scope is canonical: a privilege on a part is dropped where the whole is held as well, so equal
  rights give equal scopes, bytes and digests.
- ``part`` None means the whole object and covers every part of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from protem.domain import canonical_json
from protem.domain.errors import InvalidError

MAX_PRIVILEGES = 10_000
"""Nobody can read more before approving; wide tables stay far below."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Privilege:
    """One action on one object, or on one part (a column) of it.

    Attributes:
        kind: of object, in the scheme's words: ``database``, ``schema``, ``table``, ``function``.
        path: names from the outside in, as the target spells them: ``("shop", "orders")``.
        action: in the scheme's words: ``SELECT``, ``USAGE``, ``EXECUTE``.
        part: a column, or None for the whole object.
    """

    kind: str
    path: tuple[str, ...]
    action: str
    part: str | None = None

    @property
    def whole(self) -> Privilege:
        """The same action on the whole object."""
        return Privilege(kind=self.kind, path=self.path, action=self.action)

    @property
    def sort_key(self) -> tuple[str, tuple[str, ...], str, str]:
        """The canonical order of privileges."""
        return (self.kind, self.path, self.action, self.part or "")


@dataclass(frozen=True, slots=True, init=False)
class Scope:
    """A canonical set of privileges."""

    privileges: frozenset[Privilege]

    def __init__(self, privileges: Iterable[Privilege] = ()) -> None:
        given = frozenset(privileges)
        if len(given) > MAX_PRIVILEGES:
            raise InvalidError(f"a scope holds at most {MAX_PRIVILEGES} privileges")
        kept = frozenset(p for p in given if p.part is None or p.whole not in given)
        object.__setattr__(self, "privileges", kept)

    def covers(self, privilege: Privilege) -> bool:
        """Say whether this scope holds ``privilege``, itself or on the whole object."""
        return privilege in self.privileges or privilege.whole in self.privileges

    def __le__(self, other: Scope) -> bool:
        """``a <= b``: whoever may do b may do a."""
        return all(other.covers(privilege) for privilege in self.privileges)

    def __or__(self, other: Scope) -> Scope:
        return Scope(self.privileges | other.privileges)

    def __iter__(self) -> Iterator[Privilege]:
        return iter(sorted(self.privileges, key=lambda p: p.sort_key))

    def __len__(self) -> int:
        return len(self.privileges)

    def __bool__(self) -> bool:
        return bool(self.privileges)

    def to_json(self) -> list[dict[str, canonical_json.JsonValue]]:
        """Return the canonical form: one object per action on an object, parts as a sorted list.

        Shape: ``[{"kind", "path": [..], "action", "parts": [..]}]``; ``parts`` is absent for the
        whole object.
        """
        grouped: dict[Privilege, list[str]] = {}
        for privilege in self:
            parts = grouped.setdefault(privilege.whole, [])
            if privilege.part is not None:
                parts.append(privilege.part)
        rows: list[dict[str, canonical_json.JsonValue]] = []
        for whole, parts in grouped.items():
            row: dict[str, canonical_json.JsonValue] = {
                "kind": whole.kind,
                "path": list(whole.path),
                "action": whole.action,
            }
            if parts:
                row["parts"] = parts
            rows.append(row)
        return rows

    @classmethod
    def from_json(cls, rows: object) -> Scope:
        """Read ``to_json`` back.

        Raises:
            InvalidError: when the shape is not that of ``to_json``.
        """
        if not isinstance(rows, list):
            raise InvalidError("a scope is a list of objects")
        privileges: list[Privilege] = []
        for row in rows:
            privileges.extend(_privileges_of_row(row))
        return cls(privileges)

    @property
    def digest(self) -> str:
        """``sha256:`` digest of the canonical form; equal scopes share it."""
        return canonical_json.digest(self.to_json())


def _privileges_of_row(row: object) -> Iterator[Privilege]:
    match row:
        case {"kind": str(kind), "action": str(action), "path": list(path), **rest} if all(
            isinstance(name, str) for name in path
        ) and set(rest) <= {"parts"}:
            parts = rest.get("parts", [None])
            if not isinstance(parts, list) or not parts:
                raise InvalidError("parts is a non-empty list of names")
            for part in parts:
                if part is not None and not isinstance(part, str):
                    raise InvalidError("parts is a non-empty list of names")
                yield Privilege(kind=kind, path=tuple(path), action=action, part=part)
        case _:
            raise InvalidError("a privilege is an object of kind, path, action and perhaps parts")
