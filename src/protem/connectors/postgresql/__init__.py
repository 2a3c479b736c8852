"""The connector for PostgreSQL 14 and later.

Here: what the outside may name. ``SCHEME`` is how targets of this kind are declared.
"""

from protem.connectors.postgresql.connector import PostgresqlConnector
from protem.connectors.postgresql.provisioning import SessionLimits
from protem.connectors.postgresql.set_up import setup_statements

SCHEME = "postgresql"

__all__ = [
    "SCHEME",
    "PostgresqlConnector",
    "SessionLimits",
    "setup_statements",
]
