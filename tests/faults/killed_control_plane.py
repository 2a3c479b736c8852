"""A control plane that is killed again and again, the client that uses it, and the last questions.

Here: the process, the client, and what PostgreSQL, the API and the log must say at the end. Not
here: when to kill; each test does that.
"""

import http.client
import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg
import pytest

from protem.audit.checkpoint import VerifierKey
from protem.audit.verifier import verify_log
from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.system.child_process import dying_with_us

QUIET_WITHIN_SECONDS = 90
READY_WITHIN_SECONDS = 30
MOST_SESSIONS = 40
STATEMENTS = ["select id from shop.orders", "select name from shop.products"]
OUR_ROLES = r"select rolname from pg_roles where rolname ~ '^protem_([0-7]|scope)'"
DEADLINES = r"select rolname, rolvaliduntil from pg_roles where rolname ~ '^protem_[0-7]'"
SESSIONS = r"""
select coalesce(usename, 'a role that is gone') from pg_stat_activity
where usename ~ '^protem_[0-7]' or usesysid is not null and usename is null
"""
IMPORT_PATH = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)


class KilledServer:
    """The control plane on a stage's state, as a process that is only ever killed."""

    def __init__(self, stage):
        stage.server.stop()
        self.stage, self.port = stage, port_of(stage)
        self.deaths = Counter()
        self.spawn()

    def spawn(self):
        """Start it and do not wait."""
        command = [*dying_with_us(), sys.executable, "-m", "protem", "server"]
        with (self.stage.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "--config", str(self.stage.server.settings)],
                env={**os.environ, "PYTHONPATH": IMPORT_PATH},
                stdout=log,
                stderr=log,
                cwd=self.stage.folder,
                start_new_session=True,
            )

    def wait_until(self, is_so):
        """Wait for a moment of its life; it must not end by itself before."""
        deadline = time.monotonic() + READY_WITHIN_SECONDS
        while not is_so():
            if self.process.poll() is not None or time.monotonic() > deadline:
                log = (self.stage.folder / "server.log").read_text(errors="replace")[-1500:]
                pytest.fail(f"the control plane did not come up (seen {self.deaths}): {log}")
            time.sleep(0.02)

    def holds_its_state(self):
        """Say whether it has begun to open what the last one left."""
        lock = self.stage.folder / "state" / "lock"
        try:
            open_files = [*Path(f"/proc/{self.process.pid}/fd").iterdir()]
            return any(file.readlink() == lock for file in open_files)
        except OSError:
            return False

    def is_ready(self):
        """Say whether it serves."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=1)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def kill(self, when):
        """Kill it outright and count the death."""
        assert self.process.poll() is None, "the control plane ended by itself"
        self.process.kill()
        self.process.wait()
        self.deaths[when] += 1

    def stop(self):
        """End it in order."""
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class Granted:
    """What the client was told about one grant."""

    password: str
    login: dict | None
    expires_at: str | None = None
    ended: bool = False
    session: psycopg.Connection | None = field(default=None, repr=False)


class Client(threading.Thread):
    """Does what Dana might, at random, and remembers what it was told."""

    def __init__(self, stage, chance):
        super().__init__(daemon=True)
        sign_in = (stage.folder / "homes/dana/state/protem/sign-in.json").read_text()
        self.token = next(word for word in sign_in.split('"') if word.startswith("ptm_"))
        self.port = port_of(stage)
        self.chance = chance
        self.granted, self.counts, self.stopping = {}, Counter(), threading.Event()

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
                time.sleep(0.05)

    def act(self):
        """One thing at random."""
        kind = self.chance.choice(["ask", "ask", "ask", "end", "end", "extend", "use"])
        open_ones = [name for name, told in self.granted.items() if not told.ended]
        if kind == "ask" or not open_ones:
            return self.ask()
        chosen = self.chance.choice(open_ones)
        told = self.granted[chosen]
        if kind == "use":
            return self.use(told)
        if kind == "end":
            status, _ = self.call("POST", f"/v1/grants/{chosen}/end")
            told.ended = status == 200
            return f"ended {status}"
        body = {"by_seconds": 60, "reason": "more"}
        status, grant = self.call("POST", f"/v1/grants/{chosen}/extend", body)
        if status == 200:
            told.expires_at = grant["expires_at"]
        return f"extended {status}"

    def ask(self):
        """Ask for a short or a long grant."""
        password = secrets.token_hex(24)
        verifier = scram_verifier(Secret(password), secrets.token_bytes(16), 1)
        ask = {
            "target": "orders-db",
            "command": {"argv": ["psql", "-c", self.chance.choice(STATEMENTS)], "inputs": {}},
            "duration_seconds": self.chance.choice([2, 2, 900]),
            "reason": "a test of crashes",
            "ticket": "INC-9",
            "public_half": {"form": "scram-sha-256", "value": verifier},
        }
        status, grant = self.call("POST", "/v1/requests?wait=2", ask)
        if status == 201:
            told = Granted(password=password, login=grant["login"], expires_at=grant["expires_at"])
            self.granted[grant["id"]] = told
        return f"asked {status}"

    def use(self, told):
        """Log in as the tool would, and stay."""
        logged_in = [other for other in self.granted.values() if other.session and not other.ended]
        if told.login is None or told.session is not None or len(logged_in) >= MOST_SESSIONS:
            return "used before"
        try:
            told.session = log_in(told)
        except psycopg.OperationalError:
            return "login refused"
        return "logged in"

    def close(self):
        """Leave the target."""
        for told in self.granted.values():
            if told.session is not None:
                told.session.close()


def port_of(stage):
    """Return where the control plane listens."""
    return int(stage.server.url.rsplit(":", 1)[1])


def log_in(told):
    """Open a session with the credential of a grant."""
    return psycopg.connect(**told.login, password=told.password, autocommit=True, connect_timeout=5)


def at_the_target(stage, query):
    """What PostgreSQL itself says, asked as its superuser."""
    with psycopg.connect(stage.database.dsn()) as connection:
        return connection.execute(query).fetchall()


def of_state(client, state):
    """Return every grant in a state, by id."""
    found, before = {}, ""
    while True:
        page = client.call("GET", f"/v1/grants?mine=true&state={state}{before}")[1]
        found |= {grant["id"]: grant for grant in page["items"]}
        if page["next"] is None:
            return found
        before = f"&before={page['next']}"


def quiet(client):
    """Wait until nothing is on its way in or out, and return the active grants."""
    deadline = time.monotonic() + QUIET_WITHIN_SECONDS
    while time.monotonic() < deadline:
        moving = [of_state(client, state) for state in ("provisioning", "ending", "stuck")]
        if not any(moving):
            active = of_state(client, "active")
            if all(
                parse(grant["expires_at"]).timestamp() > time.time() for grant in active.values()
            ):
                return active
        time.sleep(0.3)
    pytest.fail(f"still moving after {QUIET_WITHIN_SECONDS} s: {moving}")


def parse(moment):
    """Return an instant of the API."""
    return datetime.fromisoformat(moment)


def ask_everyone_what_is_left(stage, server, client):
    """Check grants against the target, the client's memory, and the log; print the counts."""
    active = quiet(client)
    deadlines = dict(at_the_target(stage, DEADLINES))
    orphans = deadlines.keys() - {f"protem_{grant}" for grant in active}
    lost = {f"protem_{grant}" for grant in active} - deadlines.keys()
    late_sessions = {name for (name,) in at_the_target(stage, SESSIONS)} - deadlines.keys()
    unknown = [
        name for name in client.granted if client.call("GET", f"/v1/grants/{name}")[0] != 200
    ]
    lost_ends = [
        name
        for name, told in client.granted.items()
        if told.ended and client.call("GET", f"/v1/grants/{name}")[1]["state"] != "ended"
    ]
    uses = late_uses(client, active)
    print(f"deaths {dict(server.deaths)}; {len(client.granted)} grants acknowledged, ", end="")
    print(f"{sum(told.ended for told in client.granted.values())} ends acknowledged; ", end="")
    print(f"client {dict(client.counts)}; {len(active)} active at the end")
    print(
        f"orphans {len(orphans)}, lost grants {len(lost)}, lost revocations {len(lost_ends)}, ",
        end="",
    )
    print(f"late uses {len(late_sessions) + len(uses)}")
    assert (orphans, lost, late_sessions, unknown, lost_ends, uses) == (
        set(), set(), set(), [], [], [],
    )  # fmt: skip
    for name, grant in active.items():
        assert deadlines[f"protem_{name}"] == parse(grant["expires_at"])
        told = client.granted.get(name)
        if told is not None and told.expires_at is not None:
            assert parse(grant["expires_at"]) >= parse(told.expires_at), "an extension was lost"
    end_all(stage, client, active)
    server.stop()
    key = VerifierKey.parse(stage.audit_key.read_text())
    report = verify_log(stage.audit_folder, key, check_rules=True, require_covered=True)
    assert report.intact, report.findings
    print(f"the log verifies: {report.size} entries")


def late_uses(client, active):
    """Try every credential whose grant is over: its session, and to log in with it."""
    found = []
    for name, told in client.granted.items():
        if name in active or told.login is None:
            continue
        if told.session is not None:
            try:
                told.session.execute("select 1")
            except psycopg.OperationalError:
                pass
            else:
                found.append(f"{name} is still logged in")
        try:
            log_in(told).close()
        except psycopg.OperationalError:
            continue
        found.append(f"{name} can still log in")
    return found


def end_all(stage, client, active):
    """End what is left; then nothing of ours is at the target."""
    for grant in active:
        assert client.call("POST", f"/v1/grants/{grant}/end")[0] == 200
    assert quiet(client) == {}
    assert at_the_target(stage, OUR_ROLES) == []
