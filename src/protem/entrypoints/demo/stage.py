"""The demo's stage: a private PostgreSQL, a control plane, two people, one folder.

Here: setting up and taking down. Not here: the story.

Invariants:
- Everything lives in one private temporary folder and listens on loopback and free ports, so that
  two demos do not meet and nothing of the user's is read or written.
- ``strike`` ends every process that ``build`` started, also after an interruption; where the
  system has ``setpriv``, they also die with this process if it is killed outright.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from protem.entrypoints.demo.shop import PEOPLE, create_shop, write_settings
from protem.system.child_process import dying_with_us
from protem.testing import postgresql_server
from protem.testing.postgresql_server import PostgresqlServer

SERVER_STARTS_WITHIN_SECONDS = 20.0
_IMPORT_PATH = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
"""Children run in another folder and must find the same code, installed or not."""
SERVER_STOPS_WITHIN_SECONDS = 8.0


class StageError(RuntimeError):
    """The stage could not be built; the message says which part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone with a terminal of their own: separate configuration, state and history."""

    name: str
    environment: Mapping[str, str]


@dataclass(slots=True, kw_only=True)
class ServerProcess:
    """The control plane as a process that can be started again on the same state."""

    folder: Path
    settings: Path
    url: str
    _process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it is ready.

        Raises:
            StageError: when it does not become ready; the message ends its log.
        """
        command = [*dying_with_us(), sys.executable, "-m", "protem"]
        command += ["server", "--config", str(self.settings)]
        with (self.folder / "server.log").open("ab") as log:
            self._process = subprocess.Popen(  # our own program
                command,
                env={**os.environ, "PYTHONPATH": _IMPORT_PATH},
                stdout=log,
                stderr=log,
                cwd=self.folder,
                start_new_session=True,
            )
        deadline = time.monotonic() + SERVER_STARTS_WITHIN_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            if _ready(self.url):
                return
            time.sleep(0.05)
        self.stop()
        log_text = (self.folder / "server.log").read_text(errors="replace")[-800:]
        raise StageError(f"the control plane did not start: {log_text}")

    def kill(self) -> None:
        """Kill it outright, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End it in order, and outright if it does not listen."""
        if self._process is None or self._process.poll() is not None:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(SERVER_STOPS_WITHIN_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the story plays on."""

    folder: Path
    database: PostgresqlServer
    server: ServerProcess
    people: Mapping[str, Person]

    @property
    def audit_key(self) -> Path:
        """The log's public key, kept since the server first ran."""
        return self.folder / "audit.key"

    @property
    def audit_folder(self) -> Path:
        """Where the control plane publishes its log."""
        return self.folder / "state" / "audit"


@contextmanager
def built(*, database_settings: Sequence[str] = ()) -> Iterator[Stage]:
    """Build the stage, and strike it whatever happens.

    Args:
        database_settings: extra ``name=value`` settings of the PostgreSQL server.

    Raises:
        StageError, ServerUnavailableError: when a part does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="protem-demo-"))
    server: ServerProcess | None = None
    database: PostgresqlServer | None = None
    try:
        database = postgresql_server.start(settings=database_settings)
        create_shop(database, folder)
        port = free_port()
        settings = write_settings(folder, database, port)
        _initialise(folder, settings)
        url = f"http://127.0.0.1:{port}"
        server = ServerProcess(folder=folder, settings=settings, url=url)
        server.start()
        hired = {name: _hire(folder, settings, url, name, database) for name in PEOPLE}
        stage = Stage(folder=folder, database=database, server=server, people=hired)
        shutil.copy(stage.audit_folder / "key", stage.audit_key)
        yield stage
    finally:
        if server is not None:
            server.stop()
        if database is not None:
            database.stop()
        shutil.rmtree(folder, ignore_errors=True)


def _initialise(folder: Path, settings: Path) -> None:
    done = _protem(folder, {}, "server", "init", "--config", str(settings))
    if done.returncode != 0:
        raise StageError(f"protem server init failed: {done.stderr.strip()}")


def _ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/readyz", timeout=1) as answer:  # noqa: S310  # loopback
            return bool(answer.status == 200)  # noqa: PLR2004  # HTTP
    except (urllib.error.URLError, OSError):
        return False


def _hire(
    folder: Path,
    settings: Path,
    url: str,
    name: str,
    database: PostgresqlServer,
) -> Person:
    """Make an account, and a terminal of its own that is signed in."""
    home = folder / "homes" / name
    home.mkdir(parents=True, mode=0o700)
    environment = {
        "PATH": f"{database.binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_STATE_HOME": str(home / "state"),
        "PROTEM_SERVER": url,
        "NO_COLOR": "1",
        "LANG": "C.UTF-8",
        "PYTHONPATH": _IMPORT_PATH,
    }
    made = _protem(folder, {}, "server", "account", "token", name, "--config", str(settings))
    token = made.stdout.strip()
    if made.returncode != 0 or not token:
        raise StageError(f"no account for {name}: {made.stderr.strip()}")
    signed_in = _protem(folder, environment, "login", "--token-stdin", given=token)
    if signed_in.returncode != 0:
        raise StageError(f"{name} cannot sign in: {signed_in.stderr.strip()}")
    return Person(name=name, environment=environment)


def _protem(
    folder: Path, environment: Mapping[str, str], *arguments: str, given: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # our own program
        [sys.executable, "-m", "protem", *arguments],
        env={**os.environ, "PYTHONPATH": _IMPORT_PATH, **environment},
        cwd=folder,
        input=given,
        capture_output=True,
        text=True,
        check=False,
    )


def free_port() -> int:
    """Return a port of loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
