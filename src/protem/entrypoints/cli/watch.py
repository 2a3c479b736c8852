"""``protem watch``: a live board of grants and of what waits, in the terminal.

Here: fetching, drawing and leaving. Not here: how a row is worded (request_view).

Invariants: the terminal is left as it was found, however the command ends; a server that is away
is said on the board, which goes on with what it knew; nothing is drawn that ``printable`` has not
seen.
"""

from __future__ import annotations

import contextlib
import select
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from protem.domain.untrusted_text import printable
from protem.entrypoints.cli.api_client import ApiClient, connect, items_of
from protem.entrypoints.cli.documents import document
from protem.entrypoints.cli.exit_codes import ExitCode
from protem.entrypoints.cli.failures import CommandFailedError
from protem.entrypoints.cli.invocation import common_options, current
from protem.entrypoints.cli.scope_view import needs_of, time_left
from protem.entrypoints.cli.tables import columns, shortened
from protem.entrypoints.cli.terminal import data, styled, width
from protem.entrypoints.cli.waiting import person_text, verdicts

LIVE = ("provisioning", "active", "ending", "stuck")
FETCH_EVERY_SECONDS = 2.0
DRAW_EVERY_SECONDS = 1.0
_MOST_ROWS = 200
_PAGE = 100
_ALTERNATE, _ORIGINAL = "\033[?1049h\033[?25l", "\033[?25h\033[?1049l"
_HOME, _END_OF_LINE, _REST = "\033[H", "\033[K", "\033[J"


@dataclass(slots=True)
class Board:
    """What is shown.

    Attributes:
        trouble: why the server was not heard, empty when it was.
    """

    grants: list[dict[str, Any]] = field(default_factory=list)
    waiting: list[dict[str, Any]] = field(default_factory=list)
    trouble: str = ""

    def fetch(self, client: ApiClient) -> None:
        """Ask the server; what it does not answer stays as it was."""
        try:
            live = _pages(client, "/v1/grants", LIVE)
            waiting = _pages(client, "/v1/requests", ("pending",))
        except CommandFailedError as error:
            if error.error_code not in ("unreachable", "error"):
                raise  # signed out, or no right: the board cannot get better by waiting
            self.trouble = error.message
            return
        self.trouble = ""
        self.grants = sorted(live, key=lambda one: str(one.get("expires_at") or ""))
        self.waiting = waiting

    def lines(self, *, columns_: int, rows: int, server: str) -> list[str]:
        """Return the board as it fits a terminal of that size; what does not fit is counted."""
        head = f"{_count(self.grants)} live, {_count(self.waiting)} waiting at {server}"
        lines = [styled(shortened(printable(head), columns_), "bold"), ""]
        room = max(2, rows - 9)
        shown = min(len(self.waiting), max(1, room // 3)) if self.waiting else 0
        lines += _section("LEFT", self.grants, room - shown, columns_)
        lines += _section("MISSING", self.waiting, shown or 1, columns_)
        foot = f"not heard from: {self.trouble}" if self.trouble else "q leaves"
        lines.append(shortened(printable(foot), columns_))
        return lines[:rows]


def _pages(client: ApiClient, path: str, states: Sequence[str]) -> list[dict[str, Any]]:
    """Return what is listed, page after page, up to as much as a board can show."""
    query: dict[str, Any] = {"state": list(states), "limit": _PAGE}
    found: list[dict[str, Any]] = []
    while len(found) < _MOST_ROWS:
        page = client.get(path, query)
        found += items_of(page)
        if not page.get("next"):
            break
        query["before"] = page["next"]
    return found[:_MOST_ROWS]


@click.command(name="watch")
@common_options
def command() -> int:
    """Show a live board: who holds what until when, and what waits for people.

    It shows what you may see: your own, what you may review, and everything to an auditor. With
    -o json it prints one document whenever something changes, and needs no terminal.
    """
    with connect() as client:
        if current().machine_readable:
            return _print_changes(client)
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            raise CommandFailedError(
                "a live board needs a terminal", error_code="usage", next_step="protem grant ls"
            )
        board = Board()
        board.fetch(client)
        if board.trouble:
            raise CommandFailedError(board.trouble, error_code="unreachable")
        with _screen():
            _show(client, board)
    return ExitCode.OK


def _show(client: ApiClient, board: Board) -> None:
    """Draw until q or Ctrl-C."""
    fetched = time.monotonic()
    while True:
        _draw(board, client.server)
        if _leave_was_typed(DRAW_EVERY_SECONDS):
            return
        if time.monotonic() - fetched >= FETCH_EVERY_SECONDS:
            board.fetch(client)
            fetched = time.monotonic()


def _draw(board: Board, server: str) -> None:
    size = _size()
    lines = board.lines(columns_=size[0], rows=size[1], server=server)
    sys.stdout.write(_HOME + "".join(f"{line}{_END_OF_LINE}\r\n" for line in lines[:-1]))
    sys.stdout.write(lines[-1] + _END_OF_LINE + _REST)
    sys.stdout.flush()


def _size() -> tuple[int, int]:
    import shutil  # only for the board

    return width(), max(8, shutil.get_terminal_size((80, 24)).lines)


def _leave_was_typed(seconds: float) -> bool:
    ready, _, _ = select.select([sys.stdin], [], [], seconds)
    return bool(ready) and sys.stdin.read(1) in ("q", "Q", "\x03", "\x04", "")


@contextlib.contextmanager
def _screen() -> Iterator[None]:
    """Use the other screen and single keys; put both back whatever happens."""
    import termios  # only for the board, and only where there are terminals
    import tty

    from protem.entrypoints.cli.session import termination_as_exit  # costs; only for the board

    number = sys.stdin.fileno()
    before = termios.tcgetattr(number)
    try:
        with termination_as_exit():
            tty.setcbreak(number)
            sys.stdout.write(_ALTERNATE)
            yield
    except KeyboardInterrupt:
        return
    finally:
        termios.tcsetattr(number, termios.TCSADRAIN, before)
        sys.stdout.write(_ORIGINAL)
        sys.stdout.flush()


def _section(state: str, found: Sequence[Mapping[str, Any]], room: int, columns_: int) -> list[str]:
    title = "Live" if state == "LEFT" else "Waiting for people"
    if not found:
        return [f"{title}: none", ""]
    rows = [
        [
            one.get("id", "?"),
            person_text(one.get("principal")),
            one.get("target", "?"),
            _left(one) if state == "LEFT" else _missing(one),
            _command_of(one),
        ]
        for one in found[:room]
    ]
    header = ["ID", "WHO", "TARGET", state, "RUNS"]
    table = columns(header, rows, elastic=len(header) - 1, width=columns_)
    more = len(found) - len(rows)
    body = [shortened(line, columns_) for line in table.split("\n")]
    return [f"{title}:", *body, *([f"and {more} more"] if more > 0 else []), ""]


def _count(found: Sequence[object]) -> str:
    return f"{_MOST_ROWS} or more" if len(found) >= _MOST_ROWS else str(len(found))


def _left(grant: Mapping[str, Any]) -> str:
    """Return how long a grant has, or what it does instead."""
    left = time_left(grant.get("expires_at"))
    if grant.get("state") != "active" or left is None:
        return str(grant.get("state"))
    seconds = max(0, int(left.total_seconds()))
    hours, minutes = seconds // 3_600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def _missing(grant: Mapping[str, Any]) -> str:
    """Return how many approvals are missing of how many."""
    decision = grant.get("decision")
    needs = needs_of(decision) if isinstance(decision, Mapping) else []
    wanted = sum(need["count"] for need in needs if isinstance(need.get("count"), int))
    given = sum(verdict == "approve" for verdict, _ in verdicts(grant))
    return f"{max(0, wanted - given)} of {wanted}"


def _command_of(grant: Mapping[str, Any]) -> str:
    import shlex  # only for the board

    request = grant.get("request")
    asked = request.get("command") if isinstance(request, Mapping) else None
    argv = asked.get("argv") if isinstance(asked, Mapping) else None
    return shlex.join(map(str, argv)) if isinstance(argv, list) else "?"


def _print_changes(client: ApiClient) -> int:
    """Print the board as a document when it changed, until interrupted or not answered."""
    last: tuple[list[Any], list[Any]] | None = None
    board = Board()
    while True:
        board.fetch(client)
        if board.trouble:
            raise CommandFailedError(board.trouble, error_code="unreachable")
        if last != (board.grants, board.waiting):
            last = board.grants, board.waiting
            fields = {"grants": board.grants, "requests": board.waiting}
            data(document(fields, current().output))
        time.sleep(FETCH_EVERY_SECONDS)
