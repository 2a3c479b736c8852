"""The process around ``steered_server``: a real server whose disk a file steers, and its client.

Here: starting, stopping and asking it, and what the target holds. Not here: which faults (the
tests).
"""

import contextlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg

from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.system.child_process import dying_with_us

PROGRAM = Path(__file__).with_name("steered_server.py")
IMPORT_PATH = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)


class SteeredServer:
    """The control plane on a stage's state, with a disk that can be made to fail."""

    def __init__(self, stage):
        stage.server.stop()
        self.process = None
        self.stage, self.state = stage, stage.folder / "state"
        self.fault = stage.folder / "fault"
        sign_in = (stage.folder / "homes/dana/state/protem/sign-in.json").read_text()
        self.token = next(word for word in sign_in.split('"') if word.startswith("ptm_"))
        self.port = int(stage.server.url.rsplit(":", 1)[1])

    def start(self):
        """Start it and wait until it is ready."""
        self.start_unready()
        wait_until(self.is_ready, 20, "the server was not ready")

    def start_unready(self):
        """Start it and do not wait."""
        command = [*dying_with_us(), sys.executable, str(PROGRAM), str(self.fault), str(self.state)]
        with (self.stage.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, "server", "--config", str(self.stage.server.settings)],
                env={**os.environ, "PYTHONPATH": IMPORT_PATH},
                stdout=log,
                stderr=log,
                cwd=self.stage.folder,
                start_new_session=True,
            )

    def stop(self):
        """Stop it in order; return how long that took, or None where it had to be killed."""
        if self.process is None or self.process.poll() is not None:
            return 0.0
        before = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            return None
        return time.monotonic() - before

    def call(self, method, path, body=None):
        """Return status, document and seconds of one request."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        before = time.monotonic()
        try:
            headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
            connection.request(method, path, body and json.dumps(body), headers)
            answer = connection.getresponse()
            document = json.loads(answer.read() or b"{}")
            return answer.status, document, time.monotonic() - before
        finally:
            connection.close()

    def ask(self, seconds):
        """Ask for what policy gives Dana at once."""
        verifier = scram_verifier(Secret(secrets.token_hex(24)), secrets.token_bytes(16), 1)
        ask = {
            "target": "orders-db",
            "command": {"argv": ["psql", "-c", "select id from shop.orders"], "inputs": {}},
            "duration_seconds": seconds,
            "reason": "a test of disks",
            "ticket": "INC-9",
            "public_half": {"form": "scram-sha-256", "value": verifier},
        }
        return self.call("POST", "/v1/requests?wait=3", ask)

    def granted(self, seconds):
        """Return the id of a new active grant."""
        status, grant, _ = self.ask(seconds)
        assert (status, grant["state"]) == (201, "active")
        return grant["id"]

    def end(self, grant):
        """End a grant."""
        return self.call("POST", f"/v1/grants/{grant}/end")

    def is_ready(self):
        """Whether it says that it can work."""
        with contextlib.suppress(OSError, http.client.HTTPException):
            return self.call("GET", "/readyz")[0] == 200
        return False

    def state_of(self, grant):
        """Return the recorded state of a grant."""
        return self.call("GET", f"/v1/grants/{grant}")[1].get("state")

    def on_record(self):
        """Return the grants of the first page that the books call active."""
        found = self.call("GET", "/v1/grants?mine=true&state=active")[1]
        return {grant["id"] for grant in found["items"]}

    def at_the_target(self):
        """Return the grants whose roles PostgreSQL holds."""
        query = "select rolname from pg_roles where rolname ~ '^protem_[0-7]'"
        with psycopg.connect(self.stage.database.dsn()) as connection:
            return {row[0].removeprefix("protem_") for row in connection.execute(query)}


def wait_until(is_so, seconds, what):
    """Return how long it took."""
    before = time.monotonic()
    while not is_so():
        assert time.monotonic() - before < seconds, what
        time.sleep(0.05)
    return time.monotonic() - before
