"""The wrapped command, run with a grant's login.

Here: files for libpq, the approved inputs in private files, the child process and its signals,
warnings before the end, and why a session was cut. Not here: how the grant came about.

Invariants: the child gets an argument vector, never a shell; no secret in its arguments or its
environment; it reads the recorded content of its inputs, not whatever the files hold by now.
"""

from __future__ import annotations

import contextlib
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePath
from types import FrameType
from typing import Any

from protem.domain.commands import STANDARD_INPUT
from protem.domain.errors import ProtemError
from protem.domain.secret import Secret
from protem.entrypoints.cli import credentials
from protem.entrypoints.cli.access import note_held
from protem.entrypoints.cli.api_client import ApiClient, path_of
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.psql_arguments import PsqlArguments, is_psql, parse_psql
from protem.entrypoints.cli.scope_view import moment_text, time_left
from protem.entrypoints.cli.terminal import say
from protem.entrypoints.cli.waiting import changed, end_text
from protem.system.child_process import dying_with_us

WARN_BEFORE_SECONDS = (300, 60)
_SIGNALLED = 128
_ESCAPE = "\\! "
"""How a command is typed without leaving psql."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One use of a grant.

    Attributes:
        exact: the command is what was approved, so the user's psqlrc stays out.
    """

    grant: dict[str, Any]
    password: Secret
    argv: tuple[str, ...]
    inputs: Mapping[str, str]
    exact: bool = True


def check_runnable(argv: tuple[str, ...]) -> None:
    """Refuse what cannot be run, before anyone is asked.

    Raises:
        CommandFailedError: it is not psql.
    """
    if not is_psql(argv):
        name = argv[0] if argv else "nothing"
        raise CommandFailedError(
            f"protem does not know how to log {name} in; it runs psql",
            error_code="usage",
            next_step='protem run --on TARGET -- psql -c "select ..."',
        )
    parse_psql(argv)


def run_session(client: ApiClient, session: Session) -> int:
    """Run the command to its end and return its own exit code."""
    login = credentials.login_of(session.grant)
    arguments = parse_psql(session.argv)
    program = shutil.which(arguments.program)
    in_psql = arguments.reads_standard_input and STANDARD_INPUT not in session.inputs
    with _warnings(client, session.grant, _ESCAPE if in_psql else ""):
        if program is None:
            code = _run_without_psql(session, arguments, login)
        else:
            code = _run_psql(program, session, arguments, login)
    if code != 0:
        _say_why_cut(client, session.grant)
    return code


@contextlib.contextmanager
def termination_as_exit() -> Iterator[None]:
    """Turn SIGTERM and SIGHUP into an exit that runs every ``finally`` on its way."""

    def leave(number: int, _frame: FrameType | None) -> None:
        sys.exit(_SIGNALLED + number)

    with _handlers({signal.SIGTERM: leave, signal.SIGHUP: leave}):
        yield


def _run_psql(
    program: str, session: Session, arguments: PsqlArguments, login: Mapping[str, str]
) -> int:
    with credentials.private_folder() as folder:
        credentials.write_login(folder, login, session.password)
        paths = _materialised(folder, session.inputs)
        standard_input = paths.pop(STANDARD_INPUT, None)
        argv = [*dying_with_us(), program, *arguments.argv(paths)[1:]]
        environment = credentials.environment_for(folder, exact=session.exact)
        with contextlib.ExitStack() as stack:
            source = stack.enter_context(open(standard_input, "rb")) if standard_input else None  # noqa: PTH123  # a file object for the child
            return _run_child(argv, environment, source)


def _run_child(argv: list[str], environment: dict[str, str], source: Any) -> int:
    child: list[subprocess.Popen[bytes]] = []

    def forward(number: int, _frame: FrameType | None) -> None:
        if not child:
            sys.exit(_SIGNALLED + number)
        with contextlib.suppress(ProcessLookupError):
            child[0].send_signal(number)

    def interrupt(number: int, frame: FrameType | None) -> None:
        if not sys.stdin.isatty():  # from a keyboard it reaches the child by itself
            forward(number, frame)

    handlers = {signal.SIGTERM: forward, signal.SIGHUP: forward, signal.SIGINT: interrupt}
    with _handlers(handlers):
        sys.stdout.flush()
        child.append(subprocess.Popen(argv, env=environment, stdin=source))  # argv list
        try:
            code = child[0].wait()
        except BaseException:
            child[0].kill()
            child[0].wait()
            raise
    return code if code >= 0 else _SIGNALLED - code


def _run_without_psql(session: Session, arguments: PsqlArguments, login: Mapping[str, str]) -> int:
    from protem.entrypoints.cli import statement_runner  # only without psql

    texts = arguments.statement_texts(session.inputs)
    if not any(text.strip() for text in texts):
        raise CommandFailedError(
            "an interactive session needs psql, which is not installed",
            next_step="apt install postgresql-client",
        )
    say("protem: psql is not installed; running the statements with psycopg")
    return statement_runner.run_statements(login, session.password, texts)


def _materialised(folder: Path, inputs: Mapping[str, str]) -> dict[str, str]:
    """Write the recorded inputs into private files; return their paths by name."""
    paths = {}
    for number, (name, content) in enumerate(inputs.items()):
        place = folder / f"input-{number}"
        place.mkdir(mode=0o700)
        path = place / (PurePath(name).name or "input")
        credentials.write_private(path, content)
        paths[name] = str(path)
    return paths


@contextlib.contextmanager
def _handlers(handlers: Mapping[signal.Signals, Any]) -> Iterator[None]:
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _warnings(client: ApiClient, grant: Mapping[str, Any], escape: str) -> Iterator[None]:
    """Warn on a terminal before the end; follows extensions.

    ``escape`` is what to type before a command to run it from within the session.
    """
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    watcher = threading.Thread(
        target=_watch,
        args=(client.another(), dict(grant), over, escape),
        daemon=True,
        name="expiry",
    )
    watcher.start()
    try:
        yield
    finally:
        over.set()


def _watch(client: ApiClient, grant: dict[str, Any], over: threading.Event, escape: str) -> None:
    """Say each warning once per expiry; a silent server changes nothing about the clock."""
    said: set[tuple[str, int]] = set()
    with client:
        while not over.is_set() and grant.get("state") == "active":
            left = time_left(grant.get("expires_at"))
            if left is None:
                return
            seconds = left.total_seconds()
            due = [mark for mark in WARN_BEFORE_SECONDS if seconds <= mark]
            key = (str(grant.get("expires_at")), min(due, default=0))
            short = int(grant.get("duration_seconds") or 0) <= key[1]
            if due and key not in said and not short:
                said.add(key)
                say(
                    f"\a\rprotem: the grant ends {moment_text(grant.get('expires_at'))}\n"
                    f"protem: more time: {escape}protem extend {grant.get('id')} 15m"
                )
            pause = min(
                (seconds - mark for mark in WARN_BEFORE_SECONDS if seconds > mark), default=5
            )
            try:
                grant = changed(client, grant, max(1.0, min(25.0, pause)))
                note_held(grant)  # an extension shows in the shell prompts of other terminals
            except ProtemError:
                over.wait(min(25.0, max(1.0, pause)))


def _say_why_cut(client: ApiClient, grant: Mapping[str, Any]) -> None:
    """Say on standard error when it was the end of the grant that cut the session."""
    try:
        now = client.get(path_of("grants", str(grant.get("id"))))
    except ProtemError:
        left = time_left(grant.get("expires_at"))
        now = (
            {"state": "ended", "end_cause": "expired"} if left and left.total_seconds() < 0 else {}
        )
    if now.get("state") in ("ending", "ended", "stuck"):
        say(f"protem: the grant {end_text(now)}; the session was cut")
