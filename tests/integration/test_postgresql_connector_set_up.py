"""The shipped set-up: the file for psql and the composed statements give the same rights."""

import asyncio
import subprocess
from importlib.resources import files

import pytest
from tests.contracts.connector_cases import ADMIN, HOSTILE, postgresql_case

from protem.testing import postgresql_server

WITH_PSQL = {
    version: folder / "psql"
    for version, folder in postgresql_server.find_binaries().items()
    if (folder / "psql").exists()
}
RIGHTS = """
SELECT c.oid::regclass::text, x.privilege_type, x.is_grantable
FROM pg_class c, aclexplode(c.relacl) x WHERE x.grantee = '{0}'::regrole
UNION ALL SELECT p.oid::regprocedure::text, x.privilege_type, x.is_grantable
FROM pg_proc p, aclexplode(p.proacl) x WHERE x.grantee = '{0}'::regrole
UNION ALL SELECT n.nspname, x.privilege_type, x.is_grantable
FROM pg_namespace n, aclexplode(n.nspacl) x WHERE x.grantee = '{0}'::regrole
UNION ALL SELECT d.datname, x.privilege_type, x.is_grantable
FROM pg_database d, aclexplode(d.datacl) x WHERE x.grantee = '{0}'::regrole
UNION ALL SELECT r.rolname, 'MEMBER', false FROM pg_auth_members m JOIN pg_roles r
ON r.oid = m.roleid WHERE m.member = '{0}'::regrole
ORDER BY 1, 2
"""


@pytest.mark.postgresql
@pytest.mark.skipif(not WITH_PSQL, reason="no psql; apt install postgresql-client")
async def test_file_and_statements_agree():
    """Run twice without harm, the file gives another role exactly what the statements give."""
    version, psql = min(WITH_PSQL.items())
    server = postgresql_server.start(version)
    try:
        async with postgresql_case(server) as case:
            file = files("protem.connectors.postgresql") / "set_up.sql"
            schemas = '{shop,"' + HOSTILE.replace("\\", "\\\\").replace('"', '\\"') + '"}'
            arguments = [str(psql), server.dsn(dbname=case.database), "-X", "-q"]
            arguments += ["-v", "ON_ERROR_STOP=1", "-v", "administrator=other_admin"]
            arguments += ["-v", f"database={case.database}", "-v", f"schemas={schemas}"]
            for _ in range(2):
                await asyncio.to_thread(
                    subprocess.run, [*arguments, "-f", str(file)], check=True, capture_output=True
                )
            composed = await case.as_superuser(RIGHTS.format(ADMIN))
            from_file = await case.as_superuser(RIGHTS.format("other_admin"))
            assert composed == from_file
            assert len(composed) > 10
    finally:
        server.stop()
