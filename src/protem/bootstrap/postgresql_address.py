"""From a PostgreSQL target's settings to what libpq is told.

Here: connection strings, quoted as libpq reads them. Not here: connecting.
"""

from __future__ import annotations

from pathlib import Path

from protem.bootstrap.settings import Login, TargetSettings
from protem.domain.secret import Secret


def connection_string(target: TargetSettings, login: Login, *, where: str, folder: Path) -> Secret:
    """Return the libpq keyword string of one role at the target; it holds the password.

    Raises:
        InvalidError: when the password cannot be read.
    """
    facts = {
        **login_facts(target, folder),
        "user": login.user,
        "password": login.password.read(f"{where}.password", folder).reveal(),
    }
    return Secret(" ".join(f"{name}={_quoted(value)}" for name, value in facts.items()))


def login_facts(target: TargetSettings, folder: Path) -> dict[str, str]:
    """Return what any client needs to reach the target, without user and password."""
    facts = {
        "host": target.host,
        "port": str(target.port),
        "dbname": target.dbname,
        "sslmode": target.sslmode,
    }
    if target.sslrootcert is not None:
        facts["sslrootcert"] = str(folder / target.sslrootcert)
    return facts


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
