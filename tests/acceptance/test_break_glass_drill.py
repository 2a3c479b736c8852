"""The drill: identity provider, chat and approvers are away; the glass is broken all the same.

A real control plane beside a real PostgreSQL. Somebody opens the sealed envelope, signs in with a
code from it, breaks the glass and reads the table; later another person reviews it.
"""

import base64
import json
import os
import subprocess
import sys
import time

import pytest

from protem.audit.checkpoint import VerifierKey
from protem.audit.verifier import verify_log
from protem.entrypoints.demo.stage import built, free_port

pytestmark = pytest.mark.postgresql
WITHIN_SECONDS = 10
RULE = """
@id("on-call-breaks-the-glass")
@max_duration("20m")
permit (
  principal in Protem::Group::"on-call",
  action == Protem::Action::"break_glass",
  resource in Protem::Label::"env=prod"
);
"""
AWAY = """
[identity.oidc.company]
issuer = "http://127.0.0.1:{port}"
client_id = "protem"
client_secret = {{ file = "{folder}/client-secret" }}

[notifications.webhooks.chat]
url = "http://127.0.0.1:{port}/hook"
secret = {{ file = "{folder}/webhook-secret" }}
"""
ASK = ("--on", "orders-db", "--for", "10m")
WHY = ("--why", "the shop is down")
STATEMENT = ("--", "psql", "-At", "-c", "select email from shop.customers limit 1")


def protem(environment, folder, *arguments, given=""):
    """Run the command line in that environment, without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "protem", *arguments],
        env={**os.environ, **environment},
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def sign_out_everybody(stage):
    """Leave nobody a session, so that nobody could approve anything."""
    for person in stage.people.values():
        assert protem(person.environment, stage.folder, "logout").returncode == 0


@pytest.fixture(scope="module")
def stage():
    """A company in trouble: provider and chat are dead ports, and nobody is signed in."""
    with built() as found:
        (found.folder / "policy" / "glass.cedar").write_text(RULE)
        secrets = {
            "client-secret": "not a secret of anybody",
            "webhook-secret": "whsec_" + base64.b64encode(b"k" * 32).decode(),
        }
        for name, text in secrets.items():
            (found.folder / name).write_text(text)
            (found.folder / name).chmod(0o600)
        settings = found.folder / "protem.toml"
        away = AWAY.format(port=free_port(), folder=found.folder)
        settings.write_text(settings.read_text() + away)
        sign_out_everybody(found)
        found.server.stop()
        found.server.start()
        yield found


def open_the_envelope(stage):
    """Return the codes that were printed for Dana."""
    config = str(stage.folder / "protem.toml")
    command = ("server", "account", "break-glass-codes", "dana", "--count", "2")
    operator = stage.people["dana"].environment
    made = protem(operator, stage.folder, *command, "--config", config)
    assert made.returncode == 0, made.stderr
    return made.stdout.split()


def log_of(stage):
    """The published log."""
    lines = (stage.audit_folder / "entries.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def test_the_drill(stage):
    """Signed in by a code, in at once with everybody told who could be, reviewed afterwards."""
    dana, omar = (stage.people[name].environment for name in ("dana", "omar"))
    codes = open_the_envelope(stage)
    assert protem(dana, stage.folder, "login", "--token-stdin", given=codes[0]).returncode == 0
    again = protem(omar, stage.folder, "login", "--token-stdin", given=codes[0])
    assert again.returncode != 0, "a code is good once"

    unconfirmed = protem(dana, stage.folder, "run", "--break-glass", *ASK, *WHY, *STATEMENT)
    assert unconfirmed.returncode != 0
    assert "--confirm-target orders-db" in unconfirmed.stderr

    confirmed = ("--confirm-target", "orders-db")
    emergency = ("run", "--break-glass", *confirmed, *ASK, *WHY, *STATEMENT)
    done = protem(dana, stage.folder, *emergency)
    assert done.returncode == 0, done.stderr
    assert "@" in done.stdout
    assert "chat was not reached" in done.stderr
    assert done.stderr.index("told before you get in") < done.stderr.index("granted, ends")

    listed = protem(dana, stage.folder, "review", "ls", "-o", "json")
    (owed,) = json.loads(listed.stdout)["glass_reviews"]
    assert not owed["yours"]
    assert "due" in protem(dana, stage.folder, "status").stdout

    config = str(stage.folder / "protem.toml")
    token = protem(omar, stage.folder, "server", "account", "token", "omar", "--config", config)
    back = protem(omar, stage.folder, "login", "--token-stdin", given=token.stdout)
    assert back.returncode == 0, back.stderr
    assert owed["id"] in protem(omar, stage.folder, "doctor").stdout
    verdict = ("review", "done", owed["id"], "--justified", "--comment", "she mended it")
    reviewed = protem(omar, stage.folder, *verdict)
    assert reviewed.returncode == 0, reviewed.stderr
    assert "No review is owed" in protem(omar, stage.folder, "review", "ls").stdout

    check_log(stage, owed["id"])


def check_log(stage, grant_id):
    """The published log verifies with its rules, and tells the whole story in order."""
    story = ["glass.code_used", "grant.glass_broken", "grant.provisioned", "glass.reviewed"]
    deadline = time.monotonic() + WITHIN_SECONDS
    while True:
        entries = log_of(stage)
        told = [entry["kind"] for entry in entries if entry["kind"] in story]
        if told == story:
            break
        assert time.monotonic() < deadline, told
        time.sleep(0.1)
    (broken,) = [entry for entry in entries if entry["kind"] == "grant.glass_broken"]
    assert broken["grant"] == grant_id
    chat, log = broken["data"]["alarms"]
    assert (chat["channel"], chat["delivered"]) == ("chat", False)
    assert chat["error"]
    assert log == {"channel": "server-log", "delivered": True, "error": ""}
    log_text = (stage.folder / "server.log").read_text()
    assert f"glass-{grant_id}" in log_text
    key = VerifierKey.parse(stage.audit_key.read_text())
    assert verify_log(stage.audit_folder, key, check_rules=True).intact
