"""What one analysed query asks of the server, by object number.

Here: the walk over a query tree. Not here: the names of the objects and who holds what
(catalogue), and the privileges that follow (scope).

Invariants: pure; everything is a number of the server's, so no name can mislead.

Source: ``nodes/parsenodes.h`` (RangeTblEntry, RTEPermissionInfo), ``executor/execExpr.c`` (which
functions the executor checks: function calls, operators, aggregates and window functions, and
equality in GROUP BY, DISTINCT and windows; not casts through input and output functions, and not
what indexes and sorts use), versions 14 to 18.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from protem.planners.postgresql.node_tree import Node, NodeTreeError, Value, walk

INSERT, SELECT, UPDATE, DELETE = 1, 2, 4, 8
"""Bits of ``requiredPerms`` (``nodes/parsenodes.h``, ``AclMode``)."""

_COMMAND_UPDATE, _COMMAND_INSERT, _COMMAND_DELETE, _COMMAND_MERGE = "2", "3", "4", "5"
_RTE_RELATION, _RTE_VALUES = "0", "5"
_FIRST_ATTRIBUTE = 7
"""``-FirstLowInvalidHeapAttributeNumber``: bit 8 is column 1, bit 7 the whole row."""

_TYPE_FIELDS = ("resulttype", "consttype")
_EXPLICIT_CALL = "0"
_REGCLASS = "2205"
_SEQUENCE_FUNCTIONS = {1574: "nextval", 1575: "currval", 1576: "setval", 1765: "setval"}
_LASTVAL = 2559
_EXTERNAL_PARAMETER = "0"


@dataclass(frozen=True, slots=True, kw_only=True)
class RelationNeed:
    """The permission record of one relation; column 0 is the whole row, below 0 system columns."""

    relation: int
    bits: int
    selected: frozenset[int] = frozenset()
    inserted: frozenset[int] = frozenset()
    updated: frozenset[int] = frozenset()
    target: bool = False
    """Whether this is the relation that the query writes, rather than reads."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """One kind of write to a relation.

    Attributes:
        event: INSERT, UPDATE or DELETE.
        given: columns that get a value; for INSERT, all others get their default.
        defaulted: columns that are set to DEFAULT in so many words.
        executes: False under EXPLAIN: rights are checked, nothing is written.
    """

    relation: int
    event: int
    given: frozenset[int] = frozenset()
    defaulted: frozenset[int] = frozenset()
    executes: bool = True


@dataclass(slots=True)
class Needs:
    """What was found; sets of object numbers unless said otherwise."""

    relations: list[RelationNeed] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    functions: set[int] = field(default_factory=set)
    calls: set[tuple[int, frozenset[int]]] = field(default_factory=set)
    """(function, places of the arguments given); PostgreSQL's planner adds the defaults later."""
    named_functions: set[int] = field(default_factory=set)
    operators: set[int] = field(default_factory=set)
    equalities: set[int] = field(default_factory=set)
    types: set[int] = field(default_factory=set)
    domains: set[int] = field(default_factory=set)
    collations: set[int] = field(default_factory=set)
    named_relations: set[int] = field(default_factory=set)
    sequences: set[tuple[int, str]] = field(default_factory=set)
    """(sequence, function); 0 when the argument is not a constant."""
    whole_tables: set[int] = field(default_factory=set)
    locks_rows: bool = False
    has_parameters: bool = False


def needs_of(tree: Value) -> Needs:
    """Collect what ``tree`` needs: a query, a list of queries, or an expression.

    Raises:
        NodeTreeError: when the tree refers to entries that it does not hold.
    """
    needs = Needs()
    try:
        for node in walk(tree):
            collect = _COLLECTORS.get(node.tag)
            if collect is not None:
                collect(node, needs)
            for name in _TYPE_FIELDS:
                if name in node.fields:
                    needs.types.add(node.integer(name))
    except (IndexError, ValueError) as error:
        raise NodeTreeError("a query tree that does not hold together") from error
    return needs


def permission_records(query: Node) -> Iterator[RelationNeed]:
    """Yield the permission records of one query: own nodes from 16 on, before that in RTEs."""
    entries = query.nodes("rtable")
    records, target = entries, query.integer("resultRelation")
    if "rteperminfos" in query.fields:
        records = query.nodes("rteperminfos")
        target = entries[target - 1].integer("perminfoindex") if target else 0
    for number, record in enumerate(records, start=1):
        bits = record.integer("requiredPerms")
        if bits and record.integer("relid"):
            yield RelationNeed(
                target=number == target,
                relation=record.integer("relid"),
                bits=bits,
                selected=_attributes(record, "selectedCols"),
                inserted=_attributes(record, "insertedCols"),
                updated=_attributes(record, "updatedCols"),
            )


def _attributes(record: Node, name: str) -> frozenset[int]:
    return frozenset(bit - _FIRST_ATTRIBUTE for bit in record.numbers(name))


def _query(query: Node, needs: Needs) -> None:
    needs.relations.extend(permission_records(query))
    needs.locks_rows = needs.locks_rows or bool(query.nodes("rowMarks"))
    for clause in (*query.nodes("groupClause"), *query.nodes("distinctClause")):
        needs.equalities.add(clause.integer("eqop"))
    command = query.fields.get("commandType")
    if command in (_COMMAND_UPDATE, _COMMAND_INSERT, _COMMAND_DELETE, _COMMAND_MERGE):
        needs.writes.extend(_writes(query, str(command)))
    if command not in (_COMMAND_INSERT, _COMMAND_MERGE):
        needs.whole_tables.update(_unrestricted(query))


def _writes(query: Node, command: str) -> Iterator[Write]:
    entries = query.nodes("rtable")
    target = entries[query.integer("resultRelation") - 1].integer("relid")
    if command == _COMMAND_MERGE:
        for action in query.nodes("mergeActionList"):
            yield from _write(target, str(action.fields.get("commandType")), action, entries)
        return
    yield from _write(target, command, query, entries)
    conflict = query.node("onConflict")
    if conflict is not None and conflict.nodes("onConflictSet"):
        entry_list = conflict.nodes("onConflictSet")
        given, defaulted = _assigned(entry_list, entries)
        yield Write(relation=target, event=UPDATE, given=given, defaulted=defaulted)


def _write(target: int, command: str, source: Node, entries: list[Node]) -> Iterator[Write]:
    event = {_COMMAND_INSERT: INSERT, _COMMAND_UPDATE: UPDATE, _COMMAND_DELETE: DELETE}.get(command)
    if event is None:
        return  # MERGE ... DO NOTHING
    given: frozenset[int] = frozenset()
    defaulted: frozenset[int] = frozenset()
    if event != DELETE:
        given, defaulted = _assigned(source.nodes("targetList"), entries)
    yield Write(relation=target, event=event, given=given, defaulted=defaulted)


def _assigned(targets: list[Node], entries: list[Node]) -> tuple[frozenset[int], frozenset[int]]:
    """Return the columns that are given a value, and those set to DEFAULT somewhere."""
    given: set[int] = set()
    defaulted: set[int] = set()
    for target in targets:
        if target.fields.get("resjunk") == "true":
            continue
        column = target.integer("resno")
        expression = target.node("expr")
        (defaulted if _is_default(expression, entries) else given).add(column)
    return frozenset(given), frozenset(defaulted)


def _is_default(expression: Node | None, entries: list[Node]) -> bool:
    if expression is None:
        return False
    if expression.tag == "SETTODEFAULT":
        return True
    if expression.tag != "VAR" or not 0 < expression.integer("varno") <= len(entries):
        return False
    entry = entries[expression.integer("varno") - 1]
    rows = entry.fields.get("values_lists")
    if entry.fields.get("rtekind") != _RTE_VALUES or not isinstance(rows, list):
        return False
    place = expression.integer("varattno") - 1
    cells = [row[place] for row in rows if isinstance(row, list) and 0 <= place < len(row)]
    return any(isinstance(cell, Node) and cell.tag == "SETTODEFAULT" for cell in cells)


def _unrestricted(query: Node) -> Iterator[int]:
    """Yield the relations that a query reads or changes with no WHERE, join condition or LIMIT."""
    tree = query.node("jointree")
    if tree is None or tree.fields.get("quals") or query.fields.get("limitCount"):
        return
    stack = tree.nodes("fromlist")
    references = []
    while stack:
        item = stack.pop()
        if item.tag == "JOINEXPR":
            if item.fields.get("quals"):
                return
            stack.extend(n for n in (item.node("larg"), item.node("rarg")) if n is not None)
        else:
            references.append(item.integer("rtindex"))
    entries = query.nodes("rtable")
    for reference in references:
        entry = entries[reference - 1]
        if entry.fields.get("rtekind") == _RTE_RELATION:
            yield entry.integer("relid")


def _function_call(node: Node, needs: Needs) -> None:
    function = node.integer("funcid")
    needs.functions.add(function)
    places = frozenset(
        argument.integer("argnumber") if argument.tag == "NAMEDARGEXPR" else place
        for place, argument in enumerate(node.nodes("args"))
    )
    needs.calls.add((function, places))
    if node.fields.get("funcformat") == _EXPLICIT_CALL:
        needs.named_functions.add(function)
    if function == _LASTVAL:
        needs.sequences.add((0, "lastval"))
    called = _SEQUENCE_FUNCTIONS.get(function)
    if called is not None:
        arguments = node.nodes("args")
        constant = arguments[0] if arguments else None
        needs.sequences.add((_object_number(constant), called))


def _object_number(constant: Node | None) -> int:
    """Return the number in a ``regclass`` constant, little-endian; 0 when it is none."""
    if constant is None or constant.tag != "CONST" or constant.fields.get("consttype") != _REGCLASS:
        return 0
    raw = constant.fields.get("constvalue")
    if not isinstance(raw, str) or not raw.startswith("["):
        return 0
    values = [int(value) % 256 for value in raw.strip("[] ").split()]
    return int.from_bytes(bytes(values[:4]), "little")


def _aggregate(node: Node, needs: Needs) -> None:
    function = node.integer("aggfnoid" if node.tag == "AGGREF" else "winfnoid")
    needs.functions.add(function)
    needs.named_functions.add(function)


def _operator(node: Node, needs: Needs) -> None:
    needs.operators.add(node.integer("opno"))


def _window(node: Node, needs: Needs) -> None:
    for clause in (*node.nodes("partitionClause"), *node.nodes("orderClause")):
        needs.equalities.add(clause.integer("eqop"))


def _set_operation(node: Node, needs: Needs) -> None:
    needs.equalities.update(clause.integer("eqop") for clause in node.nodes("groupClauses"))


def _constant(node: Node, needs: Needs) -> None:
    number = _object_number(node)
    if number:
        needs.named_relations.add(number)


def _sample(node: Node, needs: Needs) -> None:
    needs.named_functions.add(node.integer("tsmhandler"))


def _collation(node: Node, needs: Needs) -> None:
    needs.collations.add(node.integer("collOid"))


def _domain(node: Node, needs: Needs) -> None:
    needs.domains.add(node.integer("resulttype"))


def _parameter(node: Node, needs: Needs) -> None:
    if node.fields.get("paramkind") == _EXTERNAL_PARAMETER:
        needs.has_parameters = True


_COLLECTORS = {
    "QUERY": _query,
    "FUNCEXPR": _function_call,
    "AGGREF": _aggregate,
    "WINDOWFUNC": _aggregate,
    "OPEXPR": _operator,
    "DISTINCTEXPR": _operator,
    "NULLIFEXPR": _operator,
    "SCALARARRAYOPEXPR": _operator,
    "WINDOWCLAUSE": _window,
    "SETOPERATIONSTMT": _set_operation,
    "CONST": _constant,
    "TABLESAMPLECLAUSE": _sample,
    "COLLATEEXPR": _collation,
    "COERCETODOMAIN": _domain,
    "PARAM": _parameter,
}
