"""Known secrets go through a whole elevation; then every byte that was written is searched."""

import base64
import json
import subprocess
import sys

import pytest

from protem.entrypoints.demo.stage import built

READ = "select id from shop.orders limit 1"
COMMANDS = [
    ["plan", "--on", "orders-db", "--", "psql", "-c", READ],
    ["run", "--on", "orders-db", "--why", "x", "--ticket", "I-1", "--", "psql", "-c", READ],
    ["run", "--on", "orders-db", "--why", "x", "--ticket", "I-1", "--", "psql", "-c", "select 1/0"],
    ["run", "--on", "orders-db", "--", "psql", "-c", "select nonsense"],
    ["--debug", "run", "--on", "nowhere", "--", "psql", "-c", READ],
    ["status"],
    ["doctor"],
]


@pytest.fixture(scope="module")
def played():
    """A stage on which everything was tried, and what the commands printed."""
    with built() as stage:
        printed = [
            subprocess.run(
                [sys.executable, "-m", "protem", *command],
                env=dict(stage.people[who].environment),
                cwd=stage.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )
            for who in ("dana", "omar")
            for command in COMMANDS
        ]
        stage.server.stop()
        yield stage, b"".join(done.stdout + done.stderr for done in printed)


def secrets_of(stage):
    """Each secret, and the one file that may hold it."""
    found = {
        stage.folder / name: (stage.folder / name).read_text()
        for name in ("administrator", "planner")
    }
    for name in stage.people:
        path = stage.folder / f"homes/{name}/state/protem/sign-in.json"
        found[path] = next(word for word in path.read_text().split('"') if word.startswith("ptm_"))
    return found


def spellings(secret):
    """How a secret might stand in a file."""
    raw = secret.encode()
    return {
        raw,
        base64.b64encode(raw).rstrip(b"="),
        raw.hex().encode(),
        json.dumps(secret)[1:-1].encode(),
    }


def test_no_secret_is_written_anywhere_but_where_it_belongs(played):
    """Not in the store, the log, the server's output, PostgreSQL's own log or a leftover file."""
    stage, _ = played
    files = [
        path
        for folder in (stage.folder, stage.database.folder)
        for path in folder.rglob("*")
        if path.is_file() and path.name != "password"
    ]
    assert len(files) > 100
    contents = {path: path.read_bytes() for path in files}
    for home, secret in secrets_of(stage).items():
        holders = {
            str(path)
            for path, data in contents.items()
            if path != home and any(spelling in data for spelling in spellings(secret))
        }
        assert holders == set(), home.name


def test_no_secret_is_printed(played):
    """Whatever goes wrong, and with --debug."""
    stage, printed = played
    assert b"read back" in printed
    for secret in secrets_of(stage).values():
        assert not any(spelling in printed for spelling in spellings(secret))


def test_a_public_half_is_neither_logged_nor_shown(played):
    """Useless for logging in as it is, a verifier still stays out of log and output."""
    stage, printed = played
    log = b"".join(path.read_bytes() for path in stage.audit_folder.iterdir() if path.is_file())
    server = (stage.folder / "server.log").read_bytes()
    assert b"grant.activated" in log
    assert b"SCRAM-SHA-256$" not in log + server + printed


def test_nothing_of_a_session_is_left_behind(played):
    """No service file, pass file or input of a finished run."""
    stage, _ = played
    left = [
        path for path in stage.folder.rglob("*") if "pgpass" in path.name or "service" in path.name
    ]
    assert left == []
