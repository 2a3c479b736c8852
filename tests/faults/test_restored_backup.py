"""An old copy of the store that is put back beside a newer log brings no access back."""

import secrets
import sqlite3
import time

import psycopg
from tests.faults.chance import seeded
from tests.faults.killed_control_plane import OUR_ROLES, Client, KilledServer, at_the_target

from protem.connectors.postgresql.marks import GRANT_LOCK
from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.entrypoints.demo.stage import built

SECONDS = 14


def ask(client):
    """Ask for a grant of ``SECONDS`` and return its id without waiting for the target."""
    verifier = scram_verifier(Secret(secrets.token_hex(24)), secrets.token_bytes(16), 1)
    body = {
        "target": "orders-db",
        "command": {"argv": ["psql", "-c", "select id from shop.orders"], "inputs": {}},
        "duration_seconds": SECONDS,
        "reason": "a test of backups",
        "ticket": "INC-9",
        "public_half": {"form": "scram-sha-256", "value": verifier},
    }
    status, grant = client.call("POST", "/v1/requests", body)
    assert (status, grant["state"]) == (201, "provisioning"), grant
    return grant["id"]


def refuses_for_its_log(client):
    """Whether the server is up and says that the log contradicts its store."""
    try:
        checks = client.call("GET", "/readyz")[1]["checks"]
    except OSError:
        return False
    return checks["audit"] == "audit_unavailable"


def size_of_log(stage):
    """How many entries the newest signed head covers."""
    return int((stage.audit_folder / "checkpoint").read_text().splitlines()[1])


def size_of_store(copy):
    """How many entries a copy of the store holds."""
    database = sqlite3.connect(copy)
    try:
        return database.execute("select count(*) from audit_entries").fetchone()[0]
    finally:
        database.close()


def wait_for(is_so, seconds=30):
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_what_an_old_copy_says_is_being_made_is_not_made_again(tmp_path):
    """The copy is from when the grant was on its way; meanwhile it was ended, and stays so."""
    copy = tmp_path / "copy.db"
    with built() as stage:
        client = Client(stage, seeded("a client that asks once"))
        database = stage.folder / "state" / "protem.db"
        with psycopg.connect(stage.database.dsn(dbname="shop"), autocommit=True) as holder:
            holder.execute("select pg_advisory_lock(%s)", [GRANT_LOCK])
            grant = ask(client)
            source = sqlite3.connect(database)
            source.execute("vacuum into ?", [str(copy)])
            source.close()
            assert client.call("POST", f"/v1/grants/{grant}/end")[0] == 200
        wait_for(lambda: client.call("GET", f"/v1/grants/{grant}")[1]["state"] == "ended")
        wait_for(lambda: size_of_log(stage) > size_of_store(copy))
        stage.server.stop()

        old = sqlite3.connect(copy)
        old.execute("update grants set lease_owner = null, lease_until = null")
        old.commit()
        assert old.execute("select state from grants where id = ?", [grant]).fetchone() == (
            "provisioning",
        )
        old.close()
        for suffix in ("-wal", "-shm"):
            database.with_name(database.name + suffix).unlink(missing_ok=True)
        database.write_bytes(copy.read_bytes())
        server = KilledServer(stage)
        try:
            server.wait_until(lambda: refuses_for_its_log(client))
            seen = set()
            until = time.monotonic() + SECONDS
            while client.call("GET", f"/v1/grants/{grant}")[1]["state"] != "ended":
                seen.update(at_the_target(stage, OUR_ROLES))
                assert time.monotonic() < until + 10
                time.sleep(0.05)
        finally:
            server.stop()
        assert seen == set(), "nothing was made at the target at any time"
