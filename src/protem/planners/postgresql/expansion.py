"""From what a statement names to all that runs with the user's rights because of it.

Here: following views, security_invoker views, defaults, generated columns, checks, index
expressions, row policies, triggers and domains until nothing new turns up. Not here: the
catalogue's SQL, and privileges.

Invariants:
- A view's relations are the owner's affair unless it is a security_invoker view; its functions,
  operators and sequences always run with the user's rights, and so do those behind the columns
  of a table that is written.
- It ends: every object is followed once, and every write goes down one level of views a step.

Source: ``rewrite/rewriteHandler.c`` (``rewriteTargetView``, ``build_column_default``),
``executor/execMain.c`` (``ExecConstraints``), CREATE VIEW in the manual, versions 14 to 18.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from protem.domain.errors import RetryLaterError
from protem.planners.postgresql import catalogue, node_tree
from protem.planners.postgresql.catalogue import (
    Default,
    Facts,
    Function,
    Relation,
    Trigger,
    Wanted,
    Written,
)
from protem.planners.postgresql.needs import (
    DELETE,
    INSERT,
    SELECT,
    UPDATE,
    Needs,
    RelationNeed,
    Write,
    needs_of,
)
from protem.planners.postgresql.node_tree import Node
from protem.planners.postgresql.sessions import Session

_Item = TypeVar("_Item")
_TRIGGER_BITS = {INSERT: 4, DELETE: 8, UPDATE: 16}
_INSTEAD_OF = 64
_RULE_EVENTS = {UPDATE: "2", INSERT: "3", DELETE: "4"}
_POLICY_BITS = {"r": SELECT, "a": INSERT, "w": UPDATE, "d": DELETE}
_STORED = "s"


@dataclass(slots=True)
class Expansion:
    """What runs with the user's rights.

    Attributes:
        required: permission records that the user must satisfy.
        functions, operators, sequences: called, by number; sequences with the function.
        reached: every relation that is touched, by whomever.
        triggers: (relation, trigger) pairs that will fire.
        ruled: relations whose rewrite rules will fire.
    """

    required: list[RelationNeed] = field(default_factory=list)
    functions: set[int] = field(default_factory=set)
    calls: set[tuple[int, frozenset[int]]] = field(default_factory=set)
    operators: set[int] = field(default_factory=set)
    domains: set[int] = field(default_factory=set)
    sequences: set[tuple[int, str]] = field(default_factory=set)
    reached: set[int] = field(default_factory=set)
    triggers: set[tuple[int, Trigger]] = field(default_factory=set)
    ruled: set[int] = field(default_factory=set)
    facts: Facts = field(default_factory=Facts)
    writes: list[Write] = field(default_factory=list)
    _reads: list[RelationNeed] = field(default_factory=list)
    _followed: set[object] = field(default_factory=set)

    def relation(self, number: int) -> Relation:
        """Return a relation's facts.

        Raises:
            RetryLaterError: when it was dropped in the meantime.
        """
        found = self.facts.relations.get(number)
        if found is None:
            raise RetryLaterError("the schema changed while it was read; try again")
        return found

    def absorb(self, needs: Needs, *, executes: bool = True) -> None:
        """Take in what an expression or query runs, but not its permission records."""
        self.functions |= needs.functions
        self.calls |= needs.calls
        self.operators |= needs.operators | needs.equalities
        self.domains |= needs.domains
        if executes:
            self.sequences |= needs.sequences

    def require(self, records: Iterable[RelationNeed]) -> None:
        """Note permission records as the user's to satisfy."""
        for record in records:
            self.required.append(record)
            self._reads.append(record)
            self.reached.add(record.relation)

    def wanted(self, statements: Iterable[Needs]) -> Wanted:
        """Return everything that should be known by now."""
        named = list(statements)
        return Wanted(
            relations=self.reached
            | {number for number, _ in self.sequences}
            | {n for needs in named for n in needs.named_relations},
            operators=self.operators,
            functions=self.functions | {n for needs in named for n in needs.named_functions},
            types=self.domains | {n for needs in named for n in needs.types},
            collations={n for needs in named for n in needs.collations},
            written={write.relation for write in self.writes},
        )

    def follow(self) -> None:
        """Follow everything that is known and was not followed yet, one step."""
        reads, writes = self._once(self._reads), self._once(self.writes)
        fenced = self._once(("policies", record) for record in self.required)
        for record in reads:
            relation = self.relation(record.relation)
            if relation.rule is not None and not record.target:
                self._read_view(relation, record)
        for _, record in fenced:
            self._apply_policies(self.relation(record.relation), record)
        for write in writes:
            relation = self.relation(write.relation)
            self._write(relation, write)
        for domain in self._once(t for t in self.facts.types.values() if t.number in self.domains):
            self.domains |= {domain.parent} - {0}
            self._absorb_expressions(domain.checks)
        for call in self._once(call for call in self.calls if call[0] in self.facts.functions):
            self._default_arguments(self.facts.functions[call[0]], call[1])
        for operator in self.facts.operators.values():
            if operator.number in self.operators:
                self.functions.add(operator.function)

    def _apply_policies(self, relation: Relation, record: RelationNeed) -> None:
        """Take in the expressions of row policies, whose relations are the user's to satisfy."""
        for policy in relation.policies:
            bit = _POLICY_BITS.get(policy.command, record.bits)
            if not record.bits & bit:
                continue
            for text in (policy.using, policy.check):
                if text is not None:
                    needs = needs_of(node_tree.parse(text))
                    self.absorb(needs)
                    self.require(needs.relations)

    def _default_arguments(self, function: Function, given: frozenset[int]) -> None:
        """Take in the expressions of arguments that a call leaves out."""
        if function.defaults is None:
            return
        tree = node_tree.parse(function.defaults)
        expressions = tree if isinstance(tree, list) else []
        first = function.arguments - len(expressions)
        for place, expression in enumerate(expressions, start=first):
            if place not in given:
                self.absorb(needs_of(expression))

    def _write(self, relation: Relation, write: Write) -> None:
        for written in self.facts.written.get(write.relation, ()):
            self._fire(write, relation, written)
        if _RULE_EVENTS[write.event] in relation.rules:
            self.ruled.add(relation.number)
        elif relation.rule is not None and not self._has_instead_trigger(write):
            self._write_view(relation, write)

    def _once(self, items: Iterable[_Item]) -> list[_Item]:
        new = [item for item in dict.fromkeys(items) if item not in self._followed]
        self._followed.update(new)
        return new

    def _absorb_expressions(
        self, expressions: Iterable[str | None], *, executes: bool = True
    ) -> None:
        for text in expressions:
            if text is not None:
                self.absorb(needs_of(node_tree.parse(text)), executes=executes)

    def _read_view(self, view: Relation, record: RelationNeed) -> None:
        needs = needs_of(_rule_of(view))
        self.absorb(needs)
        locked = UPDATE if record.bits & UPDATE else 0
        records = [replace(r, bits=r.bits | locked) for r in needs.relations]
        self._below(view, records)

    def _below(self, view: Relation, records: list[RelationNeed]) -> None:
        """Note relations below a view: the user's to satisfy only under security_invoker."""
        if view.invoker:
            self.require(records)
        else:
            self._reads.extend(records)
            self.reached |= {record.relation for record in records}

    def _write_view(self, view: Relation, write: Write) -> None:
        """Carry a write on an automatically updatable view over to the relation below it."""
        needs = needs_of(_rule_of(view))
        self.absorb(needs)
        place, columns = _simple_view(_rule_of(view))
        if place is None:
            return  # the server has rejected the statement, or rewrites it by a rule
        below = place.integer("relid")
        given = frozenset(columns[n] for n in write.given if n in columns)
        defaulted = frozenset(columns[n] for n in write.defaulted if n in columns)
        self.writes.append(replace(write, relation=below, given=given, defaulted=defaulted))
        others = [r for r in needs.relations if r.relation != below]
        read = frozenset(n for r in needs.relations if r.relation == below for n in r.selected)
        outer = [r for r in self._reads if r.relation == view.number and r.target]
        carried = [
            RelationNeed(
                relation=below,
                bits=record.bits,
                selected=read if record.bits & SELECT else frozenset(),
                inserted=frozenset(columns[n] for n in record.inserted if n in columns),
                updated=frozenset(columns[n] for n in record.updated if n in columns),
                target=True,
            )
            for record in outer
        ]
        self._below(view, others + carried)

    def _has_instead_trigger(self, write: Write) -> bool:
        bits = _TRIGGER_BITS[write.event] | _INSTEAD_OF
        return any(
            trigger.type & bits == bits
            for written in self.facts.written.get(write.relation, ())
            for trigger in written.triggers
        )

    def _fire(self, write: Write, relation: Relation, written: Written) -> None:
        """Take in what the write of one relation, or of one below it in the tree, runs."""
        is_root = written.member == relation.number
        if not is_root and relation.kind != "p" and write.event == INSERT:
            return  # rows of a plain parent go nowhere else
        if is_root:
            for default in written.defaults:
                self._evaluate(write, default)
        if not write.executes:
            return
        if write.event != DELETE:
            self._absorb_expressions(written.checks)
        self.reached.add(written.member)
        for trigger in written.triggers:
            if trigger.type & _TRIGGER_BITS[write.event]:
                self.triggers.add((written.member, trigger))
                self._absorb_expressions([trigger.condition])

    def _evaluate(self, write: Write, default: Default) -> None:
        if write.event == DELETE or (default.expression is None and not default.domain):
            return
        if default.generated:
            uses = default.expression is not None and (
                write.event == INSERT
                or _columns_used(default.expression) & (write.given | write.defaulted)
            )
            if uses and default.generated == _STORED:
                self._absorb_expressions([default.expression])
            return
        omitted = write.event == INSERT and default.column not in write.given
        if omitted or default.column in write.defaulted:
            self._absorb_expressions([default.expression], executes=write.executes)
            self.domains |= {default.domain} - {0}


async def expand(session: Session, statements: list[tuple[Needs, bool]]) -> Expansion:
    """Follow the needs of statements, each with whether it executes, to the end.

    Raises:
        RetryLaterError: when the catalogue changed meanwhile or cannot be read now.
    """
    expansion = Expansion()
    for needs, executes in statements:
        expansion.require(needs.relations)
        expansion.absorb(needs, executes=executes)
        expansion.writes.extend(replace(write, executes=executes) for write in needs.writes)
    every = [needs for needs, _ in statements]
    while await catalogue.extend(session, expansion.facts, expansion.wanted(every)):
        expansion.follow()
    return expansion


def _rule_of(view: Relation) -> Node:
    tree = node_tree.parse(view.rule or "")
    query = tree[0] if isinstance(tree, list) and tree else tree
    if not isinstance(query, Node):
        raise node_tree.NodeTreeError("a view's rule is not a query")
    return query


def _simple_view(query: Node) -> tuple[Node | None, dict[int, int]]:
    """Return the relation entry below an updatable view, and its columns by the view's columns."""
    tree = query.node("jointree")
    sources = tree.nodes("fromlist") if tree is not None else []
    if len(sources) != 1 or sources[0].tag != "RANGETBLREF":
        return None, {}
    place = sources[0].integer("rtindex")
    columns = {}
    for target in query.nodes("targetList"):
        expression = target.node("expr")
        if expression is not None and expression.tag == "VAR":
            columns[target.integer("resno")] = expression.integer("varattno")
    entry = query.nodes("rtable")[place - 1]
    return (entry if entry.fields.get("rtekind") == "0" else None), columns


def _columns_used(expression: str) -> frozenset[int]:
    tree = node_tree.parse(expression)
    return frozenset(node.integer("varattno") for node in node_tree.walk(tree) if node.tag == "VAR")
