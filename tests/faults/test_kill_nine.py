"""A real control plane, killed outright again and again, beside a real PostgreSQL.

A client asks, ends and extends all the while. At the end the target itself is asked what exists.
"""

import http.client
import json
import random
import secrets
import threading
import time
from collections import Counter

import psycopg
import pytest

from protem.audit.checkpoint import VerifierKey
from protem.audit.verifier import verify_log
from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.entrypoints.demo.stage import built

KILLS = 30
QUIET_WITHIN_SECONDS = 40
STATEMENTS = ["select id from shop.orders", "select name from shop.products"]
OUR_ROLES = r"select rolname from pg_roles where rolname ~ '^protem_([0-7]|scope)'"
ROLES_OF_GRANTS = r"select rolname from pg_roles where rolname ~ '^protem_[0-7]'"


class Client(threading.Thread):
    """Does what Dana might, at random, and remembers what it was told."""

    def __init__(self, stage, seed):
        super().__init__(daemon=True)
        sign_in = (stage.folder / "homes/dana/state/protem/sign-in.json").read_text()
        self.token = next(word for word in sign_in.split('"') if word.startswith("ptm_"))
        self.port = int(stage.server.url.rsplit(":", 1)[1])
        self.chance = random.Random(seed)
        self.acknowledged, self.counts, self.stopping = [], Counter(), threading.Event()

    def call(self, method, path, body=None):
        """One request on a connection of its own; the server may die in the middle."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=15)
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, path, body and json.dumps(body), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read() or b"{}")
        finally:
            connection.close()

    def run(self):
        """Act until told to stop; an error is the server's death and is counted."""
        while not self.stopping.is_set():
            try:
                self.counts[self.act()] += 1
            except (OSError, http.client.HTTPException, ValueError):
                self.counts["cut off"] += 1
                time.sleep(0.02)

    def act(self):
        """One thing at random."""
        kind = self.chance.choice(["ask", "ask", "ask", "end", "extend"])
        if kind == "ask" or not self.acknowledged:
            verifier = scram_verifier(Secret(secrets.token_hex(24)), secrets.token_bytes(16), 1)
            ask = {
                "target": "orders-db",
                "command": {"argv": ["psql", "-c", self.chance.choice(STATEMENTS)], "inputs": {}},
                "duration_seconds": self.chance.choice([2, 900]),
                "reason": "a test of crashes",
                "ticket": "INC-9",
                "public_half": {"form": "scram-sha-256", "value": verifier},
            }
            status, grant = self.call("POST", "/v1/requests?wait=2", ask)
            if status == 201:
                self.acknowledged.append(grant["id"])
            return f"asked {status}"
        chosen = self.chance.choice(self.acknowledged)
        if kind == "end":
            return f"ended {self.call('POST', f'/v1/grants/{chosen}/end')[0]}"
        body = {"by_seconds": 60, "reason": "more"}
        return f"extended {self.call('POST', f'/v1/grants/{chosen}/extend', body)[0]}"


def at_the_target(stage, query):
    """What PostgreSQL itself says, asked as its superuser."""
    with psycopg.connect(stage.database.dsn()) as connection:
        return {row[0] for row in connection.execute(query)}


def quiet(client):
    """Wait until nothing is on its way in or out, and return the active grants."""
    deadline = time.monotonic() + QUIET_WITHIN_SECONDS
    while time.monotonic() < deadline:
        moving = [
            client.call("GET", f"/v1/grants?mine=true&state={state}")[1]["items"]
            for state in ("provisioning", "ending", "stuck")
        ]
        if not any(moving):
            found, before = [], ""
            while True:
                page = client.call("GET", f"/v1/grants?mine=true&state=active{before}")[1]
                found += page["items"]
                if page["next"] is None:
                    return {grant["id"]: grant for grant in found}
                before = f"&before={page['next']}"
        time.sleep(0.3)
    pytest.fail(f"still moving after {QUIET_WITHIN_SECONDS} s: {moving}")


def test_thirty_kills_leave_no_orphan_and_lose_nothing():
    """What was acknowledged exists; what exists is explained; what ended is gone; the log holds."""
    seed = secrets.randbits(32)
    chance = random.Random(seed)
    print(f"seed {seed}")
    with built() as stage:
        client = Client(stage, seed)
        client.start()
        for _ in range(KILLS):
            time.sleep(chance.uniform(0.05, 0.5))
            stage.server.kill()
            stage.server.start()
        client.stopping.set()
        client.join(30)
        active = quiet(client)
        print(f"{len(client.acknowledged)} acknowledged, {len(active)} active, {client.counts}")
        assert len(client.acknowledged) >= KILLS
        assert at_the_target(stage, ROLES_OF_GRANTS) == {f"protem_{grant}" for grant in active}
        for grant in client.acknowledged:
            assert client.call("GET", f"/v1/grants/{grant}")[0] == 200
        for grant in active:
            assert client.call("POST", f"/v1/grants/{grant}/end")[0] == 200
        assert quiet(client) == {}
        assert at_the_target(stage, OUR_ROLES) == set()
        stage.server.stop()
        key = VerifierKey.parse(stage.audit_key.read_text())
        report = verify_log(stage.audit_folder, key, check_rules=True, require_covered=True)
        assert report.intact, report.findings
