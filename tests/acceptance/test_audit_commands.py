"""``protem audit`` as a person types it, and the verifier as a program of its own."""

import base64
import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from protem.audit import log_files
from protem.entrypoints.cli.audit import command as audit

VECTORS = Path(__file__).parents[1] / "conformance" / "audit_vectors"
KEY = (VECTORS / "log" / "key").read_text(encoding="utf-8").strip()
SOURCE = Path(__file__).parents[2] / "src"


@pytest.fixture
def log(tmp_path):
    """A copy of the golden log."""
    return shutil.copytree(VECTORS / "log", tmp_path / "log")


def run(*arguments):
    """Run the command group."""
    return CliRunner().invoke(audit, [str(argument) for argument in arguments])


def spoil(log):
    """Alter one byte of entry 3."""
    path = log / log_files.ENTRIES
    path.write_bytes(path.read_bytes().replace(b'"nul ', b'"nil '))


def test_verify_says_intact(log, tmp_path):
    """Exit 0, with the key as text or as a file, in words or JSON."""
    (tmp_path / "my.key").write_text(KEY + "\n", encoding="utf-8")
    for key in (KEY, tmp_path / "my.key"):
        result = run("verify", log, "--key", key)
        assert (result.exit_code, result.stderr) == (0, "")
        assert result.stdout.startswith("intact: protem.example/vectors, 7 signed entries")
    report = json.loads(run("verify", log, "--key", KEY, "-o", "json").stdout)
    assert (report["v"], report["intact"], report["size"]) == (1, True, 7)


def test_verify_without_a_key_warns(log):
    """The folder's own key proves little, and that is said apart from the data."""
    result = run("verify", log)
    assert result.exit_code == 0
    assert "agrees with itself" in result.stderr


def test_verify_names_the_altered_entry(log):
    """Exit 1 and the entry, its bytes and its claims."""
    spoil(log)
    result = run("verify", log, "--key", KEY)
    assert result.exit_code == 1
    assert "entry 3 (line 4) is not the one that was signed" in result.stdout
    assert "kind grant.extended, grant 01arz3ndektsv4rrffq69g5fav" in result.stdout
    assert "NOT INTACT" in result.stdout
    (found,) = json.loads(run("verify", log, "--key", KEY, "-o", "json").stdout)["findings"]
    assert (found["problem"], found["index"], found["line"]) == ("entry-altered", 3, 4)


def test_verify_since(log, tmp_path):
    """A checkpoint kept from before is continued by the true log alone."""
    notes, _ = log_files.split_history((log / log_files.HISTORY).read_bytes())
    (tmp_path / "kept").write_bytes(notes[1])
    assert run("verify", log, "--key", KEY, "--since", tmp_path / "kept").exit_code == 0
    (tmp_path / "kept").write_bytes(notes[1].replace(b"\n1\n", b"\n2\n"))
    assert run("verify", log, "--key", KEY, "--since", tmp_path / "kept").exit_code == 1


def test_hostile_text_is_escaped(log):
    """No control or bidi character of an entry reaches the terminal raw."""
    path = log / log_files.ENTRIES
    hostile = b'{"kind":"\\u001b[31m\\u202ex"}'
    path.write_bytes(hostile + b"\n" + path.read_bytes().split(b"\n", 1)[1])
    result = run("verify", log, "--key", KEY)
    assert result.exit_code == 1
    assert "\x1b" not in result.stdout
    assert "\u202e" not in result.stdout
    assert "\\x1b[31m\\u202ex" in result.stdout


def test_a_proof_travels(log, tmp_path):
    """Prove from a folder, verify with the key alone; another key or entry fails."""
    (tmp_path / "proof.json").write_text(run("prove", 2, "--from", log).stdout, encoding="utf-8")
    result = run("verify", tmp_path / "proof.json", "--key", KEY)
    assert result.exit_code == 0
    assert "entry 2 is in the log of 7 signed entries" in result.stdout
    proof = json.loads((tmp_path / "proof.json").read_text(encoding="utf-8"))
    (tmp_path / "proof.json").write_text(json.dumps(proof | {"index": 3}), encoding="utf-8")
    assert run("verify", tmp_path / "proof.json", "--key", KEY).exit_code == 1
    assert run("prove", 7, "--from", log).exit_code == 1


def test_an_export_is_a_log(log, tmp_path):
    """What is signed is copied, byte for byte, once; unsigned bytes are not."""
    with (log / log_files.ENTRIES).open("ab") as file:
        file.write(b'{"not":"signed"}\n{"torn')
    assert run("export", tmp_path / "copy", "--from", log).exit_code == 0
    for name in log_files.FILES:
        expected = (VECTORS / "log" / name).read_bytes()
        assert (tmp_path / "copy" / name).read_bytes() == expected
    assert run("verify", tmp_path / "copy", "--key", KEY, "--require-covered").exit_code == 0
    assert run("export", tmp_path / "copy", "--from", log).exit_code == 1


@pytest.mark.parametrize(("spoilt", "code"), [(False, 0), (True, 1)])
def test_the_verifier_is_a_program(log, spoilt, code):
    """``python -m protem.audit.verifier`` judges by itself."""
    if spoilt:
        spoil(log)
    done = subprocess.run(
        [sys.executable, "-m", "protem.audit.verifier", str(log), "--key", KEY],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (code, "")
    assert ("entry 3 (line 4)" in done.stdout) is spoilt


def test_the_verifier_imports_nothing_else_of_protem():
    """Standard library, cryptography and the audit package: that is all there is to trust."""
    program = (
        "import sys, protem.audit.verifier\n"
        "print(*sorted(n for n in sys.modules if n.startswith('protem.')), sep='\\n')"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"PYTHONPATH": str(SOURCE)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert all(name.startswith("protem.audit") for name in done.stdout.split())


class FolderServer:
    """Answers as the server's audit routes do, from the golden folder."""

    def __init__(self, folder):
        self.bodies = (folder / log_files.ENTRIES).read_text(encoding="utf-8").split("\n")[:-1]
        self.folder = folder

    def get(self, path, params=None):
        """Answer one request."""
        match path:
            case "/v1/audit/entries":
                start, limit = params["start"], min(params["limit"], 3)
                page = list(enumerate(self.bodies))[start : start + limit]
                entries = [{"index": at, "body": body} for at, body in page]
                return {"entries": entries, "size": len(self.bodies)}
            case "/v1/audit/checkpoint":
                return (self.folder / log_files.CHECKPOINT).read_text(encoding="utf-8")
            case "/v1/audit/key":
                return (self.folder / log_files.KEY).read_text(encoding="utf-8")
            case "/v1/audit/proof":
                proof = json.loads((VECTORS / "proof-4.json").read_text(encoding="utf-8"))
                hashes = [base64.b64decode(step).hex() for step in proof["path"]]
                return {"index": 4, "hashes": hashes, "checkpoint": proof["checkpoint"]}
            case _:
                pytest.fail(f"no route {path}")

    def stream_events(self):
        """One event, then the stream ends."""
        self.bodies.append(self.bodies[0].replace("extended", "ended"))
        yield {"id": "7"}


@pytest.fixture
def server(log, monkeypatch):
    """The commands talk to this instead of a real server."""
    served = FolderServer(log)
    monkeypatch.setattr("protem.entrypoints.cli.audit._connect", lambda: served)
    return served


def test_export_from_the_server(server, tmp_path):
    """Fetched in pages, the copy verifies; entries that do not fit the head are refused."""
    assert run("export", tmp_path / "copy").exit_code == 0
    assert run("verify", tmp_path / "copy", "--key", KEY).exit_code == 0
    server.bodies[2] = "{}"
    result = run("export", tmp_path / "forged")
    assert result.exit_code == 1
    assert not (tmp_path / "forged").exists()


def test_prove_from_the_server(server, tmp_path):
    """The parts are put together and verify; parts that do not fit are refused."""
    (tmp_path / "proof.json").write_text(run("prove", 4).stdout, encoding="utf-8")
    assert run("verify", tmp_path / "proof.json", "--key", KEY).exit_code == 0
    server.bodies[4] = "{}"
    assert run("prove", 4).exit_code == 1


def test_tail_shows_the_newest_and_follows(server):
    """The last entries in order, then what happens; as JSON, one entry a line."""
    assert server.bodies
    result = run("tail", "-n", 2)
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["5", "6"]
    result = run("tail", "-n", 1, "--follow", "-o", "json")
    assert [json.loads(line)["index"] for line in result.stdout.splitlines()] == [6, 7]
