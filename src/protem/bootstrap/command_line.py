"""Composition for commands that need no server: plan and sweep against one PostgreSQL.

Here: choosing the adapters for a connection string and running one use of them. Not here: words
for people. The adapters load when called: neither is part of the base install.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from protem.domain.commands import Command
from protem.domain.errors import InvalidError
from protem.domain.plans import Plan
from protem.domain.secret import Secret

if TYPE_CHECKING:
    from protem.services.sweep_target import SweepReport

_EXTRA = "pip install 'protem[postgresql]'"


async def plan_at(address: Secret, command: Command) -> Plan:
    """Return what ``command`` needs at the PostgreSQL of ``address``, a libpq connection string.

    Raises:
        UnplannableError, InvalidError, RetryLaterError: as the planner says.
        InvalidError: the driver is not installed.
    """
    try:
        from protem.planners.postgresql import PostgresqlPlanner  # noqa: PLC0415  # an extra
    except ImportError as error:
        raise _lacks_driver(error) from error
    planner = PostgresqlPlanner(lambda: address)
    try:
        return await planner.plan(command)
    finally:
        await planner.close()


def grants_for(plan: Plan, role: str) -> tuple[str, ...]:
    """Return the GRANT statements that let ``role`` run what was planned, and nothing more."""
    from protem.planners.postgresql.grants import grant_statements  # noqa: PLC0415  # an extra

    return tuple(grant_statements(plan.scope, plan.held_by_everyone, role))


async def sweep_at(address: Secret, *, dry_run: bool) -> SweepReport:
    """End what is past its own deadline at the PostgreSQL of ``address``; return what was found.

    Raises:
        RetryLaterError, RefusedError, IndeterminateError: as the connector says.
        InvalidError: the driver is not installed.
    """
    try:
        from protem.connectors.postgresql import PostgresqlConnector  # noqa: PLC0415  # an extra
        from protem.services.sweep_target import sweep_target  # noqa: PLC0415  # with its adapter
    except ImportError as error:
        raise _lacks_driver(error) from error
    connector = PostgresqlConnector(address)
    try:
        return await sweep_target(connector, dry_run=dry_run)
    finally:
        await connector.close()


def _lacks_driver(error: ImportError) -> InvalidError:
    return InvalidError(f"the PostgreSQL driver cannot be loaded: {error}", next_step=_EXTRA)
