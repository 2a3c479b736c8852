"""Plans psql commands by asking the database which privileges their statements need.

Here: the planner: command in, plan out. Not here: each step; see the modules named
``postgresql_*`` and ``psql_command`` beside this one.

Invariants:
- Nothing of the command is executed or planned; the server analyses it (Parse) and that is all.
- Nothing is remembered from one plan to the next but open connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from protem.domain.commands import Command
from protem.domain.errors import InvalidError, RetryLaterError, UnplannableError
from protem.domain.plans import Plan, Trait
from protem.domain.secret import Secret
from protem.planners.postgresql import catalogue, node_tree, psql_command
from protem.planners.postgresql.expansion import expand
from protem.planners.postgresql.findings import findings_of, in_server_log
from protem.planners.postgresql.needs import Needs, needs_of
from protem.planners.postgresql.rehearsals import rehearsal_of
from protem.planners.postgresql.scope import ScopeBuilder
from protem.planners.postgresql.sessions import Session, SessionPool
from protem.planners.postgresql.statements import Statement

_SHOWN_CHARACTERS = 60
_LONGEST_SECONDS = 60.0
"""Beyond the server's own limits: for a network that swallows what is sent."""
_Analysed = tuple[Statement, Needs]


class PostgresqlPlanner:
    """Implements ``protem.ports.planner.Planner`` for one PostgreSQL database.

    Args:
        conninfo: gives the libpq connection string of the planner's role, asked for whenever a
            connection is opened, so that a changed secret is picked up.
        pool_size: how many plans are made at the same time; the others wait.
        sensitive_columns: ``(("schema", "table"), "column")`` pairs to avoid when any column will
            do, as for ``count(*)``.
    """

    def __init__(
        self,
        conninfo: Callable[[], Secret],
        *,
        pool_size: int = 2,
        sensitive_columns: Collection[tuple[tuple[str, ...], str]] = (),
    ) -> None:
        self._pool = SessionPool(conninfo, size=pool_size)
        self._sensitive_columns = frozenset(sensitive_columns)

    async def plan(self, command: Command) -> Plan:
        """Return the scope, traits and findings of a psql command.

        Raises:
            UnplannableError: utility statements, psql's own commands, interactive sessions.
            InvalidError: the server rejects a statement; its message is repeated.
            RefusedError: the planner's role lacks USAGE on a schema, or the database is unsuited.
            RetryLaterError: the database cannot be reached or cannot answer now.
        """
        statements = list(psql_command.statements_of(command))
        may_be_stale = self._pool.has_idle
        try:
            async with asyncio.timeout(_LONGEST_SECONDS):
                try:
                    return await self._plan(statements)
                except RetryLaterError:
                    if not may_be_stale:
                        raise
                    await self._pool.forget_idle()  # cut meanwhile; analysis is repeatable
                    return await self._plan(statements)
        except TimeoutError as error:
            raise RetryLaterError("the database did not answer in time") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._pool.close()

    async def _plan(self, statements: list[Statement]) -> Plan:
        async with self._pool.session() as session:
            try:
                analysed = [
                    (statement, await _analyse(session, statement))
                    for statement in statements
                    if statement.analysed is not None
                ]
                await session.forget()
                return await self._judge(session, statements, analysed)
            except node_tree.NodeTreeError as error:
                raise UnplannableError(
                    f"the server's analysis cannot be read: {error}",
                    next_step=psql_command.USE_A_PROFILE,
                ) from error

    async def _judge(
        self, session: Session, statements: list[Statement], analysed: list[_Analysed]
    ) -> Plan:
        expansion = await expand(
            session, [(needs, statement.executes) for statement, needs in analysed]
        )
        builder = ScopeBuilder(expansion, self._sensitive_columns)
        builder.add_database()
        for statement, needs in analysed:
            builder.add_statement(needs, statement.names)
        builder.add_relations()
        builder.add_sequences()
        builder.add_functions(await catalogue.signatures(session, builder.functions()))
        noticed = findings_of(expansion, [needs for _, needs in analysed])
        if session.facts.logs_statements and analysed:
            noticed.append(in_server_log())
        scope, findings = builder.scope(), tuple(n.finding for n in noticed)
        return Plan(
            scope=scope,
            held_by_everyone=builder.held_by_everyone(),
            traits=frozenset(n.trait for n in noticed if isinstance(n.trait, Trait)),
            findings=findings,
            statements=tuple(statement.text for statement in statements),
            rehearsal=rehearsal_of(statements, [needs for _, needs in analysed], scope, findings),
        )


async def _analyse(session: Session, statement: Statement) -> Needs:
    text = statement.analysed or ""
    wrapped = await session.analyse(text)
    if wrapped is None:
        raise InvalidError("there is no statement to analyse after EXPLAIN")
    tokens = node_tree.tokens_of(node_tree.unwrap(wrapped))
    if node_tree.is_utility(tokens):
        raise UnplannableError(
            f"{_shown(text)} is a utility statement: PostgreSQL derives no privileges from it",
            next_step=psql_command.USE_A_PROFILE,
        )
    needs = needs_of(node_tree.parse_tokens(tokens))
    if needs.has_parameters:
        raise InvalidError("the statement has a parameter such as $1, which psql -c cannot fill")
    return needs


def _shown(statement: str) -> str:
    line = " ".join(statement.split())
    return repr(line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "...")
