"""From what a command runs to the privileges it needs, and which of them everyone holds.

Here: the rules of PostgreSQL's permission checks, turned around. Not here: finding out what runs.

Invariants:
- Sufficient and minimal: each privilege is needed given the others. Where PostgreSQL is content
  with any one of several (``count(*)``, row locks, ``currval``), one that is needed anyway or held
  by everyone is taken first, then the least telling one.
- Built-in functions that everyone may execute are left out: every ``=`` and ``+`` is one.

Source: ``executor/execMain.c`` (``ExecCheckOneRelPerms``), ``commands/sequence.c``,
``catalog/namespace.c`` (USAGE of schemas), versions 14 to 18.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from protem.domain.scopes import Privilege, Scope
from protem.planners.postgresql.catalogue import Object, Relation
from protem.planners.postgresql.expansion import Expansion
from protem.planners.postgresql.needs import DELETE, INSERT, SELECT, UPDATE, Needs
from protem.planners.postgresql.statements import SpelledNames

_Fact = TypeVar("_Fact")
_ACTIONS = {SELECT: "SELECT", INSERT: "INSERT", UPDATE: "UPDATE"}
_SYSTEM_SCHEMAS = ("pg_catalog", "information_schema")
_SEQUENCE_CHOICES = (
    ("setval", ("UPDATE",)),
    ("nextval", ("USAGE", "UPDATE")),
    ("currval", ("SELECT", "USAGE")),
)
"""By function: the actions that each suffice, narrowest first, in the order of deciding."""


class ScopeBuilder:
    """Collects privileges and which of them PUBLIC holds."""

    def __init__(
        self, expansion: Expansion, sensitive: Collection[tuple[tuple[str, ...], str]]
    ) -> None:
        self._expansion = expansion
        self._facts = expansion.facts
        self._sensitive = sensitive
        self._needed: set[Privilege] = set()
        self._held: set[Privilege] = set()
        self._any: list[tuple[Relation, str]] = []

    def add_statement(self, needs: Needs, names: SpelledNames) -> None:
        """Add USAGE of the schemas through which a statement names things."""
        facts = self._facts
        self._use_schemas(self._expansion.relation(need.relation) for need in needs.relations)
        self._use_schemas(_known(facts.relations, needs.named_relations))
        self._use_schemas(_known(facts.functions, needs.named_functions))
        self._use_schemas(_known(facts.operators, needs.operators))
        self._use_schemas(_known(facts.collations, needs.collations))
        columns = {
            column.name
            for need in needs.relations
            for column in self._expansion.relation(need.relation).columns.values()
        }
        mentioned = names.cast | (names.all - columns)
        self._use_schemas(t for t in _known(facts.types, needs.types) if t.name in mentioned)

    def add_database(self) -> None:
        """Add CONNECT."""
        connect = Privilege(kind="database", path=(self._facts.database,), action="CONNECT")
        self._add(connect, held=self._facts.database_open)

    def add_relations(self) -> None:
        """Add what the permission records ask for."""
        for need in self._expansion.required:
            relation = self._expansion.relation(need.relation)
            if relation.kind == "S":
                self._add_sequence(relation, "SELECT")
                continue
            if need.bits & DELETE:
                self._add_table(relation, "DELETE", None)
            columns_by_bit = {SELECT: need.selected, INSERT: need.inserted, UPDATE: need.updated}
            for bit, columns in columns_by_bit.items():
                if need.bits & bit:
                    self._add_columns(relation, _ACTIONS[bit], columns)
        for relation, action in self._any:
            self._add_any_column(relation, action)

    def add_sequences(self) -> None:
        """Add what sequence functions ask for, those that leave no choice first."""
        uses = self._expansion.sequences
        for function, choices in _SEQUENCE_CHOICES:
            for number in sorted(number for number, used in uses if used == function):
                relation = self._facts.relations.get(number)
                if relation is not None and relation.kind == "S":
                    self._add_any_sequence_action(relation, choices)

    def functions(self) -> list[int]:
        """Return the functions whose EXECUTE belongs into the scope."""
        return sorted(
            number
            for number in self._expansion.functions
            if (f := self._facts.functions.get(number)) is not None
            and not (f.schema in _SYSTEM_SCHEMAS and f.open)
        )

    def add_functions(self, signatures: dict[int, str]) -> None:
        """Add EXECUTE, given the functions' identity arguments."""
        for number, arguments in signatures.items():
            function = self._facts.functions[number]
            path = (function.schema, function.name, arguments)
            self._add(Privilege(kind="function", path=path, action="EXECUTE"), held=function.open)

    def scope(self) -> Scope:
        """Return all that was added, as a scope."""
        return Scope(self._needed)

    def held_by_everyone(self) -> frozenset[Privilege]:
        """Return the part of the scope that PUBLIC holds."""
        return self.scope().privileges & self._held

    def _add(self, privilege: Privilege, *, held: bool) -> None:
        self._needed.add(privilege)
        if held:
            self._held.add(privilege)

    def _use_schemas(self, objects: Iterable[Object]) -> None:
        for item in objects:
            if item.schema != "pg_catalog":
                usage = Privilege(kind="schema", path=(item.schema,), action="USAGE")
                self._add(usage, held=item.schema_open)

    def _add_table(self, relation: Relation, action: str, column: int | None) -> None:
        part = None if column is None else relation.columns[column].name
        everyone = relation.everyone
        if column is not None:
            everyone = everyone | relation.columns[column].everyone
        path = (relation.schema, relation.name)
        privilege = Privilege(kind="table", path=path, action=action, part=part)
        self._add(privilege, held=action in everyone)

    def _add_columns(self, relation: Relation, action: str, columns: frozenset[int]) -> None:
        if not columns:
            self._any.append((relation, action))
        if 0 in columns:
            columns = columns - {0} | {number for number in relation.columns if number > 0}
            if not columns:
                self._add_table(relation, action, None)
        for column in columns:
            self._add_table(relation, action, column)

    def _add_any_column(self, relation: Relation, action: str) -> None:
        """Add one column's privilege where any will do and none is held yet."""
        path = (relation.schema, relation.name)
        mine = (p for p in self._needed if p.path == path and p.kind == "table")
        if any(p.action == action for p in mine):
            return
        candidates = [column for column in relation.columns.values() if column.number > 0]
        if not candidates:
            self._add_table(relation, action, None)
            return
        first_of_key = relation.key[0] if relation.key else None
        best = min(
            candidates,
            key=lambda column: (
                action not in relation.everyone | column.everyone,
                (path, column.name) in self._sensitive,
                column.number != first_of_key,
                column.number,
            ),
        )
        self._add_table(relation, action, best.number)

    def _add_sequence(self, relation: Relation, action: str) -> None:
        path = (relation.schema, relation.name)
        privilege = Privilege(kind="sequence", path=path, action=action)
        self._add(privilege, held=action in relation.everyone)

    def _add_any_sequence_action(self, relation: Relation, choices: tuple[str, ...]) -> None:
        path = (relation.schema, relation.name)
        chosen = {p.action for p in self._needed if p.kind == "sequence" and p.path == path}
        if chosen & set(choices):
            return
        held = [action for action in choices if action in relation.everyone]
        self._add_sequence(relation, (held or list(choices))[0])


def _known(facts: Mapping[int, _Fact], numbers: Collection[int]) -> list[_Fact]:
    return [facts[number] for number in numbers if number in facts]
