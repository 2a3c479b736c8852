"""What the catalogue says about objects, by their numbers, and what everyone may do with them.

Here: the queries and the facts as values. Not here: which objects matter and what follows.

Invariants:
- Read with each plan: nothing is kept, so nothing can be stale.
- A relation, function, operator, type or collation that is gone by now is simply absent.
- "Everyone" is PUBLIC's part of the access list, or of its default where the list is null.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any

from protem.planners.postgresql.sessions import Session

_FACTS = """
with ns as not materialized (
  select n.oid, n.nspname, exists (
    select from pg_catalog.aclexplode(
      coalesce(n.nspacl, pg_catalog.acldefault('n', n.nspowner))) a
    where a.grantee = 0 and a.privilege_type = 'USAGE') as open
  from pg_catalog.pg_namespace n)
select
  (select pg_catalog.json_build_object('name', d.datname, 'open', exists (
      select from pg_catalog.aclexplode(
        coalesce(d.datacl, pg_catalog.acldefault('d', d.datdba))) a
      where a.grantee = 0 and a.privilege_type = 'CONNECT'))
   from pg_catalog.pg_database d where d.datname = pg_catalog.current_database()),
  (select pg_catalog.json_agg(pg_catalog.json_build_object(
      'number', c.oid::bigint, 'schema', n.nspname, 'schema_open', n.open, 'name', c.relname,
      'kind', c.relkind, 'row_security', c.relrowsecurity,
      'everyone', array(
        select a.privilege_type from pg_catalog.aclexplode(coalesce(c.relacl,
          pg_catalog.acldefault(case c.relkind when 'S' then 's' else 'r' end::"char",
                                c.relowner))) a
        where a.grantee = 0),
      'columns', (
        select pg_catalog.json_agg(pg_catalog.json_build_object(
          'number', t.attnum, 'name', t.attname,
          'everyone', array(select a.privilege_type from pg_catalog.aclexplode(t.attacl) a
                            where a.grantee = 0)))
        from pg_catalog.pg_attribute t where t.attrelid = c.oid and not t.attisdropped),
      'key', (select k.conkey from pg_catalog.pg_constraint k
              where k.conrelid = c.oid and k.contype = 'p'),
      'rule', (select r.ev_action::text from pg_catalog.pg_rewrite r
               where r.ev_class = c.oid and r.ev_type = '1' and c.relkind = 'v'),
      'policies', (
        select pg_catalog.json_agg(pg_catalog.json_build_object('command', y.polcmd,
          'using', y.polqual::text, 'check', y.polwithcheck::text))
        from pg_catalog.pg_policy y
        where y.polrelid = c.oid and c.relrowsecurity and 0 = any(y.polroles)),
      'rules', array(select r.ev_type::text from pg_catalog.pg_rewrite r
                     where r.ev_class = c.oid and r.ev_type <> '1' and r.ev_enabled <> 'D'),
      'invoker', coalesce((select o.option_value::boolean
                           from pg_catalog.pg_options_to_table(c.reloptions) o
                           where o.option_name = 'security_invoker'), false),
      'foreign_library', (
        select h.probin from pg_catalog.pg_foreign_table f
        join pg_catalog.pg_foreign_server s on s.oid = f.ftserver
        join pg_catalog.pg_foreign_data_wrapper w on w.oid = s.srvfdw
        join pg_catalog.pg_proc h on h.oid = w.fdwhandler
        where f.ftrelid = c.oid)))
   from pg_catalog.pg_class c join ns n on n.oid = c.relnamespace where c.oid = any($1::oid[])),
  (select pg_catalog.json_agg(pg_catalog.json_build_object(
      'number', o.oid::bigint, 'schema', n.nspname, 'schema_open', n.open,
      'function', o.oprcode::oid::bigint))
   from pg_catalog.pg_operator o join ns n on n.oid = o.oprnamespace
   where o.oid = any($2::oid[])),
  (select pg_catalog.json_agg(pg_catalog.json_build_object(
      'number', p.oid::bigint, 'schema', n.nspname, 'schema_open', n.open, 'name', p.proname,
      'definer', p.prosecdef, 'volatile', p.provolatile = 'v', 'language', l.lanname,
      'library', p.probin, 'arguments', p.pronargs, 'defaults', p.proargdefaults::text,
      'open', exists (select from pg_catalog.aclexplode(
          coalesce(p.proacl, pg_catalog.acldefault('f', p.proowner))) a
        where a.grantee = 0 and a.privilege_type = 'EXECUTE')))
   from pg_catalog.pg_proc p join ns n on n.oid = p.pronamespace
   join pg_catalog.pg_language l on l.oid = p.prolang
   where p.oid = any($3::oid[] || array(
     select o.oprcode::oid from pg_catalog.pg_operator o where o.oid = any($2::oid[])))),
  (select pg_catalog.json_agg(pg_catalog.json_build_object(
      'number', t.oid::bigint, 'schema', n.nspname, 'schema_open', n.open,
      'name', case when t.typcategory = 'A' and e.oid is not null then e.typname
                   else t.typname end,
      'parent', case when t.typtype = 'd' then t.typbasetype::bigint else 0 end,
      'checks', array(select k.conbin::text from pg_catalog.pg_constraint k
                      where k.contypid = t.oid and k.contype = 'c')))
   from pg_catalog.pg_type t join ns n on n.oid = t.typnamespace
   left join pg_catalog.pg_type e on e.typarray = t.oid
   where t.oid = any($4::oid[])),
  (select pg_catalog.json_agg(pg_catalog.json_build_object(
      'number', c.oid::bigint, 'schema', n.nspname, 'schema_open', n.open))
   from pg_catalog.pg_collation c join ns n on n.oid = c.collnamespace
   where c.oid = any($5::oid[]))
"""

_WRITTEN = """
with recursive tree(root, member) as (
  select r, r from pg_catalog.unnest($1::oid[]) r
  union
  select t.root, i.inhrelid from tree t join pg_catalog.pg_inherits i on i.inhparent = t.member)
select pg_catalog.json_agg(pg_catalog.json_build_object(
  'root', t.root::bigint, 'member', t.member::bigint,
  'defaults', (
    select pg_catalog.json_agg(pg_catalog.json_build_object(
      'column', a.attnum, 'generated', a.attgenerated::text,
      'expression', coalesce(d.adbin::text, y.typdefaultbin::text),
      'domain', case when y.typtype = 'd' then y.oid::bigint else 0 end))
    from pg_catalog.pg_attribute a
    left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum
    left join pg_catalog.pg_type y on y.oid = a.atttypid
    where a.attrelid = t.member and a.attnum > 0 and not a.attisdropped and a.attidentity = ''
      and (d.adbin is not null or y.typdefaultbin is not null or y.typtype = 'd')),
  'checks', array(
    select k.conbin::text from pg_catalog.pg_constraint k
    where k.conrelid = t.member and k.contype = 'c'
    union all
    select x.expression from pg_catalog.pg_index i,
      lateral (values (i.indexprs::text), (i.indpred::text)) x(expression)
    where i.indrelid = t.member and x.expression is not null
    union all
    select p.partexprs::text from pg_catalog.pg_partitioned_table p
    where p.partrelid = t.member and p.partexprs is not null),
  'triggers', (
    select pg_catalog.json_agg(pg_catalog.json_build_object(
      'name', g.tgname, 'type', g.tgtype, 'condition', g.tgqual::text,
      'function', p.proname, 'definer', p.prosecdef))
    from pg_catalog.pg_trigger g join pg_catalog.pg_proc p on p.oid = g.tgfoid
    where g.tgrelid = t.member and not g.tgisinternal and g.tgenabled in ('O', 'A'))))
from tree t
"""

_SIGNATURES = """
select pg_catalog.json_object_agg(p.oid, pg_catalog.pg_get_function_identity_arguments(p.oid))
from pg_catalog.pg_proc p where p.oid = any($1::oid[])
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Object:
    """Anything that lives in a schema."""

    number: int
    schema: str
    schema_open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column, also a system column, and PUBLIC's privileges on it alone."""

    number: int
    name: str
    everyone: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """A row policy for everyone; ``command`` is ``*`` or pg_policy's letter for one command."""

    command: str
    using: str | None
    check: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation(Object):
    """A row of pg_class with what decides about privileges.

    Attributes:
        rule: the stored query of a view.
        rules: event types of other rules: 2 update, 3 insert, 4 delete.
    """

    name: str
    kind: str
    row_security: bool
    everyone: frozenset[str]
    columns: Mapping[int, Column]
    key: tuple[int, ...]
    rule: str | None
    policies: tuple[Policy, ...]
    rules: frozenset[str]
    invoker: bool
    foreign_library: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator(Object):
    """An operator and the function behind it."""

    function: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Function(Object):
    """A function; ``open`` when PUBLIC may execute it, ``defaults`` those of its last arguments."""

    name: str
    definer: bool
    volatile: bool
    language: str
    library: str | None
    arguments: int
    defaults: str | None
    open: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Type(Object):
    """A type; for a domain, its parent and the expressions of its checks."""

    name: str
    parent: int
    checks: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger that a user made; ``type`` are the bits of pg_trigger.tgtype."""

    name: str
    type: int
    condition: str | None
    function: str
    definer: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Default:
    """The expression behind a column; ``generated`` is ``s`` or ``v`` for generated columns."""

    column: int
    generated: str
    expression: str | None
    domain: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What runs by itself when a relation, or one that inherits from it, is written."""

    member: int
    defaults: tuple[Default, ...]
    checks: tuple[str, ...]
    triggers: tuple[Trigger, ...]


@dataclass(slots=True)
class Facts:
    """Everything read for one plan, growing as views and defaults lead on."""

    database: str = ""
    database_open: bool = False
    relations: dict[int, Relation] = field(default_factory=dict)
    operators: dict[int, Operator] = field(default_factory=dict)
    functions: dict[int, Function] = field(default_factory=dict)
    types: dict[int, Type] = field(default_factory=dict)
    collations: dict[int, Object] = field(default_factory=dict)
    written: dict[int, tuple[Written, ...]] = field(default_factory=dict)
    asked: set[tuple[str, int]] = field(default_factory=set)

    def missing(self, kind: str, numbers: Collection[int]) -> list[int]:
        """Return those of ``numbers`` not asked for yet, and note that they are being asked."""
        new = [n for n in sorted(numbers) if n and (kind, n) not in self.asked]
        self.asked.update((kind, n) for n in new)
        return new


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Object numbers to look up."""

    relations: Collection[int] = ()
    operators: Collection[int] = ()
    functions: Collection[int] = ()
    types: Collection[int] = ()
    collations: Collection[int] = ()
    written: Collection[int] = ()


async def extend(session: Session, facts: Facts, wanted: Wanted) -> bool:
    """Add to ``facts`` what ``wanted`` names and is not there; say whether it asked anything."""
    relations = facts.missing("relation", wanted.relations)
    operators = facts.missing("operator", wanted.operators)
    functions = facts.missing("function", wanted.functions)
    types = facts.missing("type", wanted.types)
    collations = facts.missing("collation", wanted.collations)
    written = facts.missing("written", wanted.written)
    if relations or operators or functions or types or collations or not facts.database:
        parameters = (relations, operators, functions, types, collations)
        row = await session.fetch_row(_FACTS, parameters)
        _add(facts, row)
    if written:
        (rows,) = await session.fetch_row(_WRITTEN, (written,))
        for row in rows or ():
            facts.written[row["root"]] = (*facts.written.get(row["root"], ()), _written(row))
    return bool(relations or operators or functions or types or collations or written)


async def signatures(session: Session, functions: Collection[int]) -> dict[int, str]:
    """Return identity arguments as PostgreSQL prints them, types outside pg_catalog qualified."""
    if not functions:
        return {}
    (rows,) = await session.fetch_row_with_empty_path(_SIGNATURES, (sorted(functions),))
    return {int(number): text or "" for number, text in (rows or {}).items()}


def _add(facts: Facts, row: tuple[Any, ...]) -> None:
    database, relations, operators, functions, types, collations = row
    facts.database, facts.database_open = database["name"], database["open"]
    facts.relations |= {r["number"]: _relation(r) for r in relations or ()}
    facts.operators |= {o["number"]: Operator(**o) for o in operators or ()}
    facts.functions |= {f["number"]: Function(**f) for f in functions or ()}
    facts.asked.update(("function", number) for number in facts.functions)
    facts.types |= {t["number"]: Type(**{**t, "checks": tuple(t["checks"])}) for t in types or ()}
    facts.collations |= {c["number"]: Object(**c) for c in collations or ()}


def _relation(row: dict[str, Any]) -> Relation:
    columns = {
        c["number"]: Column(
            number=c["number"], name=c["name"], everyone=frozenset(c["everyone"] or ())
        )
        for c in row["columns"] or ()
    }
    changed = {
        "everyone": frozenset(row["everyone"] or ()),
        "columns": columns,
        "key": tuple(row["key"] or ()),
        "policies": tuple(Policy(**policy) for policy in row["policies"] or ()),
        "rules": frozenset(row["rules"]),
    }
    return Relation(**{**row, **changed})


def _written(row: dict[str, Any]) -> Written:
    return Written(
        member=row["member"],
        defaults=tuple(Default(**d) for d in row["defaults"] or ()),
        checks=tuple(row["checks"]),
        triggers=tuple(Trigger(**t) for t in row["triggers"] or ()),
    )
