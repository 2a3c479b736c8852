"""What an approver should know of a command beside its scope, in plain sentences.

Here: traits for policy and findings for people. Not here: privileges.

Invariants: what cannot be seen is said; a finding's code is stable.

Definitions: WHOLE_TABLE is a relation, outside the system's own schemas, in a query that has no
WHERE, no join condition and no LIMIT of its own. WRITES is any INSERT, UPDATE, DELETE or
MERGE, also under EXPLAIN, because the scope lets its holder do it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protem.domain.plans import Finding, Trait
from protem.planners.postgresql.catalogue import Function, Relation
from protem.planners.postgresql.expansion import Expansion
from protem.planners.postgresql.needs import DELETE, INSERT, UPDATE, Needs

_SYSTEM_SCHEMAS = ("pg_catalog", "information_schema")
_EVENTS = {INSERT: "INSERT", UPDATE: "UPDATE", DELETE: "DELETE"}
_SEEN_LANGUAGES = ("internal", "c")
_FILE_FUNCTIONS = frozenset(
    [
        "pg_read_file",
        "pg_read_binary_file",
        "pg_ls_dir",
        "pg_stat_file",
        "lo_import",
        "lo_export",
        "pg_ls_logdir",
        "pg_ls_waldir",
        "pg_ls_tmpdir",
        "pg_ls_archive_statusdir",
        "pg_ls_summariesdir",
        "pg_ls_logicalsnapdir",
        "pg_ls_logicalmapdir",
        "pg_ls_replslotdir",
        "pg_current_logfile",
        "pg_hba_file_rules",
        "pg_ident_file_mappings",
        "pg_show_all_file_settings",
    ]
)
_TEXT_RUNNING_FUNCTIONS = frozenset(
    [
        "query_to_xml",
        "query_to_xmlschema",
        "query_to_xml_and_xmlschema",
        "cursor_to_xml",
        "cursor_to_xmlschema",
        "table_to_xml",
        "table_to_xmlschema",
        "table_to_xml_and_xmlschema",
        "schema_to_xml",
        "schema_to_xmlschema",
        "schema_to_xml_and_xmlschema",
        "database_to_xml",
        "database_to_xmlschema",
        "database_to_xml_and_xmlschema",
        "ts_stat",
        "ts_rewrite",
    ]
)
_ROLE_FUNCTIONS = {
    "pg_cancel_backend": "pg_signal_backend",
    "pg_terminate_backend": "pg_signal_backend",
}
_LARGE_OBJECT_FUNCTIONS = frozenset(
    ["lo_get", "lo_put", "lo_open", "lo_unlink", "lo_truncate", "lo_truncate64"]
)
_SEQUENCE_FUNCTIONS = frozenset({1574, 1575})
"""nextval and currval: their effect is in the scope, as a privilege on the sequence."""
_NETWORK_LIBRARIES = ("dblink", "postgres_fdw", "mysql_fdw", "oracle_fdw", "tds_fdw", "http")
_FILE_LIBRARIES = ("file_fdw", "adminpack")


@dataclass(frozen=True, slots=True)
class Noticed:
    """A finding and the trait it carries, if any."""

    trait: Trait | None
    finding: Finding


def findings_of(expansion: Expansion, statements: list[Needs]) -> list[Noticed]:
    """Return everything worth saying, each once, in a stable order."""
    found = {
        noticed.finding.message: noticed
        for noticed in (
            *_of_statements(expansion, statements),
            *_of_relations(expansion),
            *_of_functions(expansion),
            *_of_sequences(expansion),
        )
    }
    return [found[message] for message in sorted(found, key=lambda m: (found[m].finding.code, m))]


def in_server_log() -> Noticed:
    """Say that the statement was printed where the planner cannot prevent it."""
    return _noticed(
        None,
        "statement_in_server_log",
        "the server writes analysed statements to its own log, because log_min_messages is not"
        " 'fatal' for the planner's role",
    )


def _noticed(trait: Trait | None, code: str, message: str) -> Noticed:
    return Noticed(trait, Finding(code=code, message=message))


def _of_statements(expansion: Expansion, statements: list[Needs]) -> Iterator[Noticed]:
    for needs in statements:
        for write in needs.writes:
            name = _name(expansion.relation(write.relation))
            yield _noticed(Trait.WRITES, "writes", f"changes {name} ({_EVENTS[write.event]})")
        for number in needs.whole_tables:
            relation = expansion.relation(number)
            if relation.schema not in _SYSTEM_SCHEMAS:
                message = f"takes every row of {_name(relation)}: no WHERE, join condition or LIMIT"
                yield _noticed(Trait.WHOLE_TABLE, "whole_table", message)
        if needs.locks_rows:
            message = "locks the rows it selects, so that others wait"
            yield _noticed(Trait.LOCKS_ROWS, "locks_rows", message)


def _of_relations(expansion: Expansion) -> Iterator[Noticed]:
    for member, trigger in expansion.triggers:
        if not trigger.definer:
            yield _noticed(
                Trait.UNSEEN_CODE,
                "trigger",
                f"trigger {trigger.name!r} on {_name(expansion.relation(member))} runs"
                f" {trigger.function}() with the user's rights; what it touches cannot be seen",
            )
    for number in expansion.ruled:
        message = f"rewrite rules of {_name(expansion.relation(number))} run other statements"
        yield _noticed(Trait.UNSEEN_CODE, "rewrite_rule", message)
    required = {need.relation for need in expansion.required}
    for number in expansion.reached:
        relation = expansion.relation(number)
        if relation.row_security and number in required:
            yield _noticed(
                Trait.UNSEEN_CODE,
                "row_policy",
                f"row-level security of {_name(relation)} decides which rows are there, by"
                " expressions that run with the user's rights",
            )
        if relation.kind == "f":
            yield from _of_foreign_table(relation)


def _of_foreign_table(relation: Relation) -> Iterator[Noticed]:
    library = relation.foreign_library or ""
    if any(name in library for name in _FILE_LIBRARIES):
        message = f"foreign table {_name(relation)} reads a file of the database's host"
        yield _noticed(Trait.READS_SERVER_FILES, "reads_server_files", message)
        return
    message = (
        f"foreign table {_name(relation)} reaches another server, for which the login role or"
        " PUBLIC needs a user mapping"
    )
    yield _noticed(Trait.REACHES_NETWORK, "reaches_network", message)


def _of_functions(expansion: Expansion) -> Iterator[Noticed]:
    for number in expansion.functions:
        function = expansion.facts.functions.get(number)
        if function is None:
            continue
        name = f"{function.schema}.{function.name}()"
        if function.volatile and number not in _SEQUENCE_FUNCTIONS:
            message = f"calls {name}, which is volatile: it may have effects of its own"
            yield _noticed(Trait.VOLATILE_FUNCTION, "volatile_function", message)
        if function.schema in _SYSTEM_SCHEMAS:
            yield from _of_built_in_function(function, name)
        else:
            yield from _of_other_function(function, name)


def _of_built_in_function(function: Function, name: str) -> Iterator[Noticed]:
    if function.name in _FILE_FUNCTIONS:
        message = f"calls {name}, which reads or writes files of the database's host"
        yield _noticed(Trait.READS_SERVER_FILES, "reads_server_files", message)
    if function.name in _TEXT_RUNNING_FUNCTIONS:
        message = f"calls {name}, which runs a text or a name as a query; its needs cannot be seen"
        yield _noticed(Trait.UNSEEN_CODE, "runs_text", message)
    if function.name in _ROLE_FUNCTIONS:
        role = _ROLE_FUNCTIONS[function.name]
        message = f"calls {name}, which works on other roles' sessions only for members of {role}"
        yield _noticed(None, "needs_role", message)
    if function.name in _LARGE_OBJECT_FUNCTIONS:
        message = f"calls {name}; privileges on large objects are not part of a scope"
        yield _noticed(Trait.UNSEEN_CODE, "large_object", message)


def _of_other_function(function: Function, name: str) -> Iterator[Noticed]:
    library = function.library or ""
    if function.definer:
        message = f"calls {name}, which runs with the rights of its owner"
        yield _noticed(None, "security_definer", message)
    elif function.language not in _SEEN_LANGUAGES:
        message = (
            f"calls {name}, written in {function.language}, which runs with the user's rights;"
            " what it touches cannot be seen"
        )
        yield _noticed(Trait.UNSEEN_CODE, "unseen_function", message)
    if any(part in library for part in _NETWORK_LIBRARIES):
        yield _noticed(Trait.REACHES_NETWORK, "reaches_network", f"calls {name} of {library}")
    if any(part in library for part in _FILE_LIBRARIES):
        yield _noticed(Trait.READS_SERVER_FILES, "reads_server_files", f"calls {name}")


def _of_sequences(expansion: Expansion) -> Iterator[Noticed]:
    constant = {number for number, _ in expansion.sequences if number}
    for number, function in expansion.sequences:
        if function == "lastval" and not constant:
            message = "lastval() reads the sequence that was used last; which one cannot be seen"
            yield _noticed(Trait.UNSEEN_CODE, "unseen_sequence", message)
        elif not number and function != "lastval":
            message = f"{function}() is called with a computed name; which sequence cannot be seen"
            yield _noticed(Trait.UNSEEN_CODE, "unseen_sequence", message)


def _name(relation: Relation) -> str:
    return f"{relation.schema}.{relation.name}"
