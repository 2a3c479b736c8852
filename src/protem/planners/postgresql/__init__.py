"""The planner for psql commands: the database's own analyser tells the privileges.

Here: what the outside may name. ``planner`` has the port's methods; ``psql_command`` and ``lexer``
read the command, ``sessions`` and ``statements`` ask the server to analyse, ``node_tree`` reads its
answer, ``needs``, ``expansion`` and ``catalogue`` follow it, ``scope`` and ``findings`` say it.
"""

from protem.planners.postgresql.grants import grant_statements
from protem.planners.postgresql.planner import PostgresqlPlanner

__all__ = ["PostgresqlPlanner", "grant_statements"]
