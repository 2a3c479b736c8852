"""Running the real command line in its own process, with its own home."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PROGRAM = [sys.executable, "-m", "protem"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a run ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output as JSON."""
        return json.loads(self.out)


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandLine:
    """One user on one machine."""

    home: Path
    server: str | None = None
    token: str | None = None
    workload_token_file: Path | None = None
    path: str = os.environ["PATH"]

    @property
    def environment(self) -> dict[str, str]:
        """Nothing of the developer's own."""
        runtime = self.home / "runtime"
        runtime.mkdir(mode=0o700, exist_ok=True)
        environment = {
            "HOME": str(self.home),
            "PATH": self.path,
            "PYTHONPATH": str(ROOT / "src"),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_RUNTIME_DIR": str(runtime),
            "LANG": "C.UTF-8",
            "PAGER": "cat",
            "COLUMNS": "80",
            "PGPASSWORD": "not-this-one",
        }
        optional = {
            "PROTEM_SERVER": self.server,
            "PROTEM_TOKEN": self.token,
            "PROTEM_WORKLOAD_TOKEN_FILE": self.workload_token_file,
        }
        return environment | {name: str(value) for name, value in optional.items() if value}

    def run(self, *arguments: str, stdin: str | bytes | None = None, timeout: float = 30) -> Done:
        """Run to the end, with no terminal anywhere."""
        data = stdin.encode() if isinstance(stdin, str) else stdin
        done = subprocess.run(
            [*PROGRAM, *arguments],
            input=data,
            stdin=subprocess.DEVNULL if data is None else None,
            capture_output=True,
            env=self.environment,
            cwd=self.home,
            timeout=timeout,
            check=False,
        )
        return Done(code=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())

    def start(self, *arguments: str, **options: Any) -> subprocess.Popen[bytes]:
        """Start and return at once."""
        return subprocess.Popen(
            [*PROGRAM, *arguments], env=self.environment, cwd=self.home, **options
        )

    def at_terminal(self, *arguments: str) -> Terminal:
        """Start on a terminal of its own, 80 columns wide."""
        return Terminal([*PROGRAM, *arguments], self.environment, self.home)


class Terminal:
    """A process on a pseudo-terminal."""

    def __init__(self, argv: Sequence[str], environment: dict[str, str], folder: Path) -> None:
        self.seen = ""
        self.pid, self._number = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            # A test run in the background ignores the signal, and what it starts inherits that.
            signal.signal(signal.SIGINT, signal.SIG_DFL)
            os.execvpe(argv[0], list(argv), {**environment, "TERM": "xterm"})  # noqa: S606  # no shell

    def expect(self, text: str, seconds: float = 15) -> str:
        """Read until ``text`` has been shown.

        Raises:
            AssertionError: it was not, in time.
        """
        end = time.monotonic() + seconds
        while text not in self.seen:
            left = end - time.monotonic()
            assert left > 0, f"{text!r} not in {self.seen!r}"
            if select.select([self._number], [], [], left)[0] and not self._read():
                assert text in self.seen, f"{text!r} not in {self.seen!r}"
        return self.seen

    def type(self, text: str) -> None:
        """Type ``text``."""
        os.write(self._number, text.encode())

    def wait(self, seconds: float = 15) -> int:
        """Return the exit code."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if select.select([self._number], [], [], 0.02)[0]:
                self._read()
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                os.close(self._number)
                return os.waitstatus_to_exitcode(status)
        raise AssertionError(f"still running: {self.seen!r}")

    def _read(self) -> bool:
        try:
            data = os.read(self._number, 65_536)
        except OSError:
            return False
        self.seen += data.decode(errors="replace")
        return bool(data)
