"""The real server process: set up, locked, streaming, restarted, stopped in order."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx2
import psycopg
import pytest

from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret
from protem.domain.trusted_time import ClockReading
from protem.entrypoints.demo.shop import create_shop, write_settings
from protem.storage.sqlite_store import SqliteStore
from protem.testing import postgresql_server

CONFIG = """
[server]
listen = "127.0.0.1:0"
[identity.local.users.dana]
groups = ["engineers", "on-call"]
[identity.local.users.stranger]
"""


def protem(folder, *arguments, check=True):
    """Run ``protem server ...`` in ``folder`` to its end."""
    return subprocess.run(
        [sys.executable, "-m", "protem", "server", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=check,
    )


@contextmanager
def served(folder):
    """Run a server; give its URL, process and log."""
    log = folder / "server.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "protem", "server"],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            stdout=file,
            stderr=file,
        )
    try:
        deadline = time.monotonic() + 30
        url = None
        while url is None and time.monotonic() < deadline and process.poll() is None:
            for line in log.read_text().splitlines():
                if '"listening"' in line:
                    url = json.loads(line)["url"]
            time.sleep(0.05)
        assert url is not None, log.read_text()
        yield url, process, log
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture
def signed_in():
    """Make clients that are signed in with a one-time token."""
    clients = []

    def sign_in(url, token):
        client = httpx2.Client(base_url=url, timeout=20)
        clients.append(client)
        session = client.post("/v1/sign-in", json={"token": token}).raise_for_status().json()
        client.headers["authorization"] = f"Bearer {session['token']}"
        return client

    yield sign_in
    for client in clients:
        client.close()


class Stream(threading.Thread):
    """An open event stream that keeps what it got."""

    def __init__(self, client, last=None):
        super().__init__(daemon=True)
        self.client, self.last, self.ids, self.kinds = client, last, [], []
        self.opened = threading.Event()

    def run(self):
        """Read until the server ends it."""
        headers = {} if self.last is None else {"last-event-id": self.last}
        try:
            with self.client.stream("GET", "/v1/events", headers=headers, timeout=30) as answer:
                self.opened.set()
                for line in answer.iter_lines():
                    if line.startswith("id: "):
                        self.ids.append(line[4:])
                    if line.startswith("event: "):
                        self.kinds.append(line[7:])
        except httpx2.HTTPError:
            pass

    def wait_for(self, kind):
        """Return once an event of that kind came."""
        end = time.monotonic() + 5
        while kind not in self.kinds and time.monotonic() < end:
            time.sleep(0.02)
        assert kind in self.kinds, self.kinds


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder that ``server init`` has set up."""
    made = tmp_path_factory.mktemp("server")
    (made / "protem.toml").write_text(CONFIG)
    first = protem(made, "init")
    (made / "admin-token").write_text(first.stdout.strip())
    return made


def test_init_twice_changes_nothing_and_shows_no_second_token(folder):
    """Keys, settings and policy stay byte for byte; standard output is empty."""
    paths = [path for path in folder.rglob("*") if path.is_file() and "protem.db" not in path.name]
    before = {path: path.read_bytes() for path in paths}
    again = protem(folder, "init")
    assert again.stdout == ""
    assert {path: path.read_bytes() for path in paths} == before
    assert (folder / "protem-state").stat().st_mode & 0o777 == 0o700
    assert (folder / "protem-state" / "order.key").stat().st_mode & 0o777 == 0o600


def test_streams_resume_see_their_own_and_end_within_five_seconds(folder, signed_in):
    """Three streams: an auditor's has everything and resumes, a stranger's has nothing."""
    with served(folder) as (url, process, log):
        admin = signed_in(url, (folder / "admin-token").read_text())
        token = protem(folder, "account", "token", "stranger").stdout.strip()
        stranger = signed_in(url, token)
        streams = [Stream(admin), Stream(stranger), Stream(admin, last="0")]
        for stream in streams:
            stream.start()
            assert stream.opened.wait(5)
        made = admin.post("/v1/accounts", json={"subject": "new"})
        assert made.status_code == 201
        streams[0].wait_for("account.changed")
        streams[2].wait_for("account.signed_in")
        streams[2].wait_for("account.changed")
        assert streams[2].ids == [str(i) for i in range(1, 1 + len(streams[2].ids))]
        resumed = Stream(admin, last=streams[2].ids[-2])
        resumed.start()
        resumed.wait_for("account.changed")
        assert resumed.ids[0] == streams[2].ids[-1]
        assert admin.get("/v1/doctor").json()["findings"] == []
        assert admin.get("/readyz").status_code == 200
        time.sleep(1.2)
        head = admin.get("/v1/audit/checkpoint").text.splitlines()
        assert head[0] == "protem.local"
        proof = admin.get("/v1/audit/proof", params={"index": 0}).json()
        assert len(proof["hashes"]) >= 2
        assert "protem_audit_entries" in admin.get("/metrics").text
        started = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
        assert time.monotonic() - started < 5
        for stream in [*streams, resumed]:
            stream.join(5)
        assert streams[1].kinds == []
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert lines[-1]["event"] == "stopped"
        assert not any(line["level"] == "error" for line in lines), log.read_text()


def test_a_second_server_on_the_same_state_is_refused(folder):
    """It says who has the folder and what to do; accounts can still be kept beside it."""
    with served(folder):
        second = protem(folder, check=False)
        assert second.returncode == 1
        assert "a server is running on state folder" in second.stderr
        assert "dana" in protem(folder, "account", "list").stdout


def test_a_clock_set_back_freezes_requests_until_a_person_vouches_for_it(folder, signed_in):
    """Not ready, no request, over a restart; ``trust-clock`` only while no server runs."""
    database = folder / "protem-state" / "protem.db"

    async def be_ahead():
        store = await SqliteStore.open(database)
        ahead = ClockReading(
            moment=datetime.now(UTC) + timedelta(days=400), since_boot=timedelta(0), boot="x"
        )
        await store.write(lambda tx: tx.clock.put(ahead))
        await store.close()

    asyncio.run(be_ahead())
    ask = {"target": "x", "command": {"argv": ["psql"]}, "duration_seconds": 60, "reason": "x"}
    token = protem(folder, "account", "token", "dana").stdout.strip()
    with served(folder) as (url, _, _):
        dana = signed_in(url, token)
        assert dana.get("/readyz").json()["checks"]["clock"] == "clock_stepped_back"
        refused = dana.post("/v1/requests", json=ask)
        assert (refused.status_code, refused.json()["code"]) == (503, "clock_stepped_back")
        assert "trust-clock" in refused.json()["next_step"]
        meanwhile = protem(folder, "trust-clock", check=False)
        assert meanwhile.returncode == 1
        assert "a server is running" in meanwhile.stderr
    trusted = protem(folder, "trust-clock")
    assert "time starts again at" in trusted.stderr
    assert "nothing to do" in protem(folder, "trust-clock").stderr
    with served(folder) as (url, _, _):
        client = httpx2.Client(base_url=url)
        assert client.get("/readyz").json()["checks"]["clock"] == "ok"
        client.close()


def test_what_the_file_no_longer_names_is_disabled(folder):
    """The file is the truth for its users; accounts made by command stay."""
    protem(folder, "account", "add", "by-command", "--group", "engineers")
    (folder / "protem.toml").write_text(CONFIG.replace("dana", "erin"))
    lines = protem(folder, "account", "list").stdout.splitlines()
    (folder / "protem.toml").write_text(CONFIG)
    states = {line.split("\t")[0]: line.split("\t")[1] for line in lines}
    assert states["dana"] == "disabled"
    assert states["erin"] == states["by-command"] == states["admin"] == "person"
    again = protem(folder, "account", "list").stdout
    assert "dana\tperson" in again


def test_a_missing_key_or_a_bad_setting_stops_the_start_with_words(tmp_path):
    """Exit 1 and a next step, no traceback."""
    (tmp_path / "protem.toml").write_text("[server]\nlissen = 1\n")
    bad = protem(tmp_path, check=False)
    assert (bad.returncode, "server.lissen" in bad.stderr) == (1, True)
    (tmp_path / "protem.toml").write_text("")
    absent = protem(tmp_path, check=False)
    assert absent.returncode == 1
    assert "protem server init" in absent.stderr
    assert "Traceback" not in bad.stderr + absent.stderr


@pytest.mark.postgresql
def test_a_real_database_end_to_end_over_http(tmp_path, signed_in):
    """Ask, get a role, log in with it, survive a restart, give it back; the role is gone."""
    server = postgresql_server.start()
    try:
        create_shop(server, tmp_path)
        write_settings(tmp_path, server, 0)
        protem(tmp_path, "init")
        token = protem(tmp_path, "account", "token", "dana").stdout.strip()
        _end_to_end(tmp_path, server, signed_in, token)
    finally:
        server.stop()


def _end_to_end(folder, server, signed_in, token):
    password = Secret("0123456789abcdef0123456789abcdef")
    half = {"form": "scram-sha-256", "value": scram_verifier(password, b"0123456789abcdef")}
    ask = {
        "target": "orders-db",
        "command": {"argv": ["psql", "-c", "select id, status from shop.orders"]},
        "duration_seconds": 600,
        "reason": "INC-1",
        "ticket": "INC-1",
        "public_half": half,
    }
    with served(folder) as (url, process, _):
        dana = signed_in(url, token)
        key = {"idempotency-key": "one"}
        answer = dana.post("/v1/requests", json=ask, params={"wait": 10}, headers=key)
        assert answer.status_code == 201, answer.text
        grant = answer.json()
        assert grant["state"] == "active", answer.text
        login = grant["login"]
        took = []
        for _ in range(20):
            started = time.perf_counter()
            more = dana.post("/v1/requests", json=ask, params={"wait": 10}).json()
            took.append((time.perf_counter() - started) * 1000)
            assert more["state"] == "active"
        sys.stderr.write(f"median request to credential: {sorted(took)[10]:.1f} ms\n")
        with psycopg.connect(**login, password=password.reveal()) as connection:
            assert connection.execute("select count(id) from shop.orders").fetchone()[0] > 0
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    with served(folder) as (url, _, _log):
        dana.base_url = url  # the session outlives the restart
        again = dana.post("/v1/requests", json=ask, params={"wait": 10}, headers=key)
        assert again.json()["id"] == grant["id"]
        ended = dana.post(f"/v1/grants/{grant['id']}/end", params={"wait": 10}).json()
        assert ended["state"] == "ended", ended
        with psycopg.connect(server.dsn()) as connection:
            found = connection.execute(
                "select 1 from pg_roles where rolname = %s", (login["user"],)
            ).fetchone()
        assert found is None
