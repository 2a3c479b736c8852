"""The shipped unit and container files start what exists, as the papers say."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import psycopg
import pytest

from protem.entrypoints.cli.command_tree import protem
from protem.testing import postgresql_server

ROOT = Path(__file__).parents[2]
UNITS = sorted((ROOT / "packaging/systemd").iterdir())
SERVICES = [path for path in UNITS if path.suffix == ".service"]
CONTAINERFILE = ROOT / "packaging/container/sweep.Containerfile"
PROGRAM = "/opt/protem/bin/protem"
MOST_EXPOSED = 20
"""Of 100, as ``systemd-analyze security`` counts; an unhardened unit has over 90."""
SERVER_ONLY = ["alembic", "cedarpy", "fastapi", "pydantic", "sqlalchemy", "structlog", "uvicorn"]

needs_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed"
)


def settings(path, name):
    """Every value of a unit's setting."""
    return re.findall(rf"^{name}=(.*)$", path.read_text(), re.MULTILINE)


def instructions():
    """The Containerfile's instructions, by word, continued lines joined and remarks left out."""
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(), flags=re.MULTILINE)
    found = {}
    for line in text.replace("\\\n", " ").splitlines():
        word, _, rest = line.partition(" ")
        if word:
            found.setdefault(word, []).append(rest)
    return found


def container_command():
    """What the container runs."""
    found = instructions()
    return json.loads(found["ENTRYPOINT"][0]) + json.loads(found["CMD"][0])


def mistakes(arguments):
    """What the command line's own parser says against arguments, without running anything."""
    command, words, context = protem, list(arguments), None
    try:
        while True:
            context = command.make_context("protem", words, parent=context)
            words = [*context._protected_args, *context.args]
            if not isinstance(command, click.Group) or not words:
                return ""
            _, command, words = command.resolve_command(context, words)
    except click.ClickException as error:
        return error.format_message()


def locked(name):
    """The packages of a lock."""
    text = (ROOT / f"requirements/{name}.txt").read_text()
    return set(re.findall(r"^([a-z0-9-]+)==", text, re.MULTILINE))


@pytest.mark.parametrize("path", SERVICES, ids=lambda path: path.name)
def test_what_a_unit_starts_can_be_typed(path):
    """Each ExecStart line is a command with options that exist."""
    (line,) = settings(path, "ExecStart")
    program, *arguments = shlex.split(line)
    assert program == PROGRAM
    assert mistakes(arguments) == ""


def test_the_check_of_arguments_bites():
    """A wrong option, a missing one and a wrong command are found."""
    assert "--tarket" in mistakes(["sweep", "--tarket", "x"])
    assert "--target" in mistakes(["sweep"])
    assert mistakes(["swept"])


def test_the_timer_starts_its_service_on_the_papers_period():
    """The timer's service is there, and the page says how often it comes."""
    (timer,) = [path for path in UNITS if path.suffix == ".timer"]
    assert timer.with_suffix(".service") in SERVICES
    assert settings(timer, "OnUnitActiveSec") == ["10s"]
    assert settings(timer, "AccuracySec") == ["1s"]
    assert "every ten seconds" in (ROOT / "docs/how-to/run-the-sweep.md").read_text()


def test_the_papers_name_every_shipped_file():
    """Operations leads to each, and repeats none of their settings."""
    text = (ROOT / "docs/operations.md").read_text()
    for path in [*UNITS, CONTAINERFILE]:
        assert f"(../{path.relative_to(ROOT)})" in text
    assert "ExecStart" not in text
    assert "OnUnitActiveSec" not in text


@needs_systemd
def test_systemd_accepts_the_units(tmp_path):
    """Not a word from ``systemd-analyze verify``, and little that they could still do."""
    copies = []
    for path in UNITS:
        copy = tmp_path / path.name
        copy.write_text(path.read_text().replace(PROGRAM, sys.executable))
        copies.append(str(copy))
    verify = ["systemd-analyze", "verify", "--man=no", *copies]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    for copy in copies:
        if copy.endswith(".service"):
            look = ["systemd-analyze", "security", "--offline=true", "--no-pager"]
            look += [f"--threshold={MOST_EXPOSED}", copy]
            done = subprocess.run(look, capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout + done.stderr


def test_the_container_has_what_the_sweep_needs_and_no_more():
    """Its lock is the base and the extra that the sweep's driver is in, by hash; no root."""
    found = instructions()
    copied = [line.split()[0] for line in found["COPY"]]
    assert copied == ["requirements/sweep.txt", "src/protem"]
    assert all((ROOT / name).exists() for name in copied)
    assert "--require-hashes" in found["RUN"][0]
    extra = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert extra["optional-dependencies"]["postgresql"]
    assert (
        "compile sweep pyproject.toml --extra postgresql\n" in (ROOT / "scripts/lock").read_text()
    )
    assert locked("base") < locked("sweep")
    assert locked("sweep") - locked("base") == {
        "psycopg", "psycopg-binary", "psycopg-pool", "tzdata",
    }  # fmt: skip
    (user,) = found["USER"]
    assert all(int(number) > 0 for number in user.split(":"))


def test_one_lock_does_not_contradict_another():
    """The container runs the versions that the tests ran."""

    def pins(name):
        text = (ROOT / f"requirements/{name}.txt").read_text()
        return dict(re.findall(r"^([a-z0-9-]+)==(\S+)", text, re.MULTILINE))

    tested = pins("test")
    assert {name: pin for name, pin in pins("sweep").items() if tested.get(name, pin) != pin} == {}


@pytest.mark.parametrize("source", ["unit", "container"])
def test_what_is_shipped_sweeps_a_database(tmp_path, source):
    """The shipped arguments, a service file as a credential is shown, no server's packages."""
    if source == "unit":
        (line,) = settings(ROOT / "packaging/systemd/protem-sweep.service", "ExecStart")
        arguments = shlex.split(line)[1:]
        (variable,) = settings(ROOT / "packaging/systemd/protem-sweep.service", "Environment")
        assert variable == "PGSERVICEFILE=%d/sweep.conf"
    else:
        python, module, name, *arguments = container_command()
        assert (python, module, name) == ("python", "-m", "protem")
        arguments = arguments[: arguments.index("--every")]
    blocked = (
        "import sys\n"
        "class Blocked:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name.split('.')[0] in {SERVER_ONLY!r}:\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Blocked())\n"
        "from protem.entrypoints.cli.main import main\n"
        "main()\n"
    )
    server = postgresql_server.start()
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(f"create role protem_01{0:024d} valid until '2020-01-01Z'")
        conf = tmp_path / "sweep.conf"
        conf.write_text(
            f"[protem]\nhost=127.0.0.1\nport={server.port}\ndbname=postgres\n"
            f"user=postgres\npassword={postgresql_server.PASSWORD}\nsslmode=disable\n"
        )
        conf.chmod(0o440)  # as systemd shows a credential, and as a password file may not be
        done = subprocess.run(
            [sys.executable, "-c", blocked, *arguments],
            env={
                "PATH": os.defpath,
                "PYTHONPATH": str(ROOT / "src"),
                "PGSERVICEFILE": str(conf),
                "LANG": "C.UTF-8",
            },
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        server.stop()
    assert (done.returncode, done.stdout) == (0, f"ended: protem_01{0:024d}\n"), done.stderr
