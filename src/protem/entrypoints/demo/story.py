"""The demo's story: nine short scenes, each checked; it is told only if it really happened.

Here: what is typed, by whom, and what must come of it. Not here: setting up (stage).

Invariants: every command shown is the command run, as its own process; a scene that does not end
as told raises ``StoryError`` and the demo exits 1.
"""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click

from protem.entrypoints.demo.stage import Person, Stage

T = TypeVar("T")
PATIENCE_SECONDS = 20.0
ORDER_SQL = "select id, status from shop.orders where customer_id = 7 order by id limit 3"
EMAIL_SQL = "select name, email from shop.customers where id = 7"
LONG_SQL = "select count(*), pg_sleep(60) from shop.orders"


class StoryError(RuntimeError):
    """Something did not happen as told."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a command did."""

    code: int
    out: str
    """Data and talk, in the order in which they were printed."""


class Running:
    """A command that goes on while the story does."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self._started = time.monotonic()

    def finish(self) -> Told:
        """Wait for the end and show what was printed."""
        try:
            out, _ = self._process.communicate(timeout=PATIENCE_SECONDS)
        except subprocess.TimeoutExpired as error:
            self._process.kill()
            raise StoryError("a command that should have been cut goes on") from error
        told = Told(code=self._process.returncode, out=out)
        _show(told)
        return told

    @property
    def seconds(self) -> float:
        """How long since it was started."""
        return time.monotonic() - self._started

    def stop(self) -> None:
        """End it if the story broke off."""
        if self._process.poll() is None:
            self._process.terminate()
            self._process.wait(PATIENCE_SECONDS)


class Teller:
    """Types the commands and checks what comes of them."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._scene = 0
        self.running: list[Running] = []

    def scene(self, title: str) -> None:
        """Open a numbered scene."""
        self._scene += 1
        click.echo("\n" + click.style(f"{self._scene}. {title}", bold=True))

    def types(self, person: Person, *command: str) -> Told:
        """Run a command as ``person`` and show both."""
        done = self._start(person, command)
        out, _ = done.communicate(timeout=PATIENCE_SECONDS)
        told = Told(code=done.returncode, out=out)
        _show(told)
        return told

    def starts(self, person: Person, *command: str) -> Running:
        """Run a command that goes on; shown now, its output when it ends."""
        running = Running(self._start(person, command, aside=" &"))
        self.running.append(running)
        return running

    def asks(self, person: Person, *command: str) -> list[dict[str, object]]:
        """Run a ``-o json`` listing without showing it, and return its items."""
        process = self._popen(person, [*command, "-o", "json"])
        out, _ = process.communicate(timeout=PATIENCE_SECONDS)
        if process.returncode != 0:
            raise StoryError(f"{shlex.join(command)} failed: {out.strip()}")
        items: list[dict[str, object]] = json.loads(out)["requests"]
        return items

    def check(self, *, that: bool, says: str, but: str = "") -> None:
        """Tick a fact off, or break the story."""
        if not that:
            raise StoryError(f"not so: {says}. {but}".strip())
        click.echo(click.style("   ✓ ", fg="green") + says)

    def _start(
        self, person: Person, command: Sequence[str], aside: str = ""
    ) -> subprocess.Popen[str]:
        prompt = click.style(f"{person.name}$ ", fg="cyan")
        click.echo(f"   {prompt}{shlex.join(command)}{aside}")
        return self._popen(person, command)

    def _popen(self, person: Person, command: Sequence[str]) -> subprocess.Popen[str]:
        arguments = list(command)
        if arguments[0] == "protem":
            arguments[:1] = [sys.executable, "-m", "protem"]
        return subprocess.Popen(  # argument vectors of this file
            arguments,
            env=dict(person.environment),
            cwd=self._stage.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )


def _show(told: Told) -> None:
    for line in told.out.splitlines():
        if line.strip():
            click.echo("   " + click.style("│ ", dim=True) + line)


def tell(stage: Stage) -> None:
    """Play every scene.

    Raises:
        StoryError: at the first thing that did not happen as told.
    """
    teller = Teller(stage)
    scenes: tuple[Callable[[Teller, Stage], None], ...] = (
        _no_standing_access,
        _the_command_is_the_request,
        _approved_at_once,
        _a_second_person,
        _only_the_scope,
        _revoked_in_flight,
        _expired_in_flight,
        _read_back,
        _verified_offline,
    )
    try:
        for scene in scenes:
            scene(teller, stage)
    finally:
        for running in teller.running:
            running.stop()


def _no_standing_access(teller: Teller, stage: Stage) -> None:
    teller.scene("Dana is on call. She has no access to the production database, and nobody has.")
    dsn = f"postgresql://dana@127.0.0.1:{stage.database.port}/shop"
    told = teller.types(stage.people["dana"], "psql", "-w", dsn, "-c", "select 1")
    teller.check(that=told.code != 0, says="PostgreSQL refuses her")


def _the_command_is_the_request(teller: Teller, stage: Stage) -> None:
    teller.scene("She asks what her query would need. The database's own analyser answers.")
    asked = ("--on", "orders-db", "--why", "stuck orders", "--ticket", "INC-421")
    told = teller.types(
        stage.people["dana"], "protem", "plan", *asked, "--", "psql", "-c", ORDER_SQL
    )
    named = all(column in told.out for column in ("customer_id", "id", "status"))
    teller.check(that=told.code == 0 and named, says="three columns of one table, and no more")


def _approved_at_once(teller: Teller, stage: Stage) -> None:
    teller.scene("No personal data, on call, with a ticket: policy says yes at once.")
    told = teller.types(stage.people["dana"], *_run("15m", ORDER_SQL))
    teller.check(
        that=told.code == 0 and "(3 rows)" in told.out,
        says="rows, through a role that did not exist a second before",
        but=told.out,
    )
    _no_roles(teller, stage)


def _a_second_person(teller: Teller, stage: Stage) -> None:
    teller.scene("An e-mail address is personal data: that takes a second person.")
    dana, omar = stage.people["dana"], stage.people["omar"]
    asking = teller.starts(dana, *_run("15m", EMAIL_SQL, "--wait", "20s"))
    request = _wait_for(lambda: teller.asks(omar, "protem", "request", "ls", "--to-review"))
    grant_id, digest = str(request[0]["id"]), str(request[0]["digest"])
    told = teller.types(omar, "protem", "request", "approve", grant_id, "--digest", digest)
    shown = "pii" in told.out and "email" in told.out
    teller.check(
        that=told.code == 0 and shown,
        says="Omar sees exactly what will run and what is personal, and approves that digest",
        but=told.out,
    )
    told = asking.finish()
    rows = "customer7@example.org" in told.out
    teller.check(that=told.code == 0 and rows, says="Dana's waiting command goes on by itself")


def _only_the_scope(teller: Teller, stage: Stage) -> None:
    teller.scene("A session under a profile can explore, inside that profile's scope only.")
    command = ("protem", "psql", "orders-db", "--profile", "orders-read", "--for", "5m")
    told = teller.types(
        stage.people["dana"],
        *(*command, "--why", "look around", "--ticket", "INC-421"),
        *("--", "-c", "select card_number from shop.payments limit 1"),
    )
    refused = "permission denied for table payments" in told.out
    teller.check(
        that=told.code != 0 and refused,
        says="PostgreSQL itself refuses the table next door",
        but=told.out,
    )


def _revoked_in_flight(teller: Teller, stage: Stage) -> None:
    teller.scene("Omar sees a query that should not go on, and revokes it.")
    dana, omar = stage.people["dana"], stage.people["omar"]
    running = teller.starts(dana, *_run("15m", LONG_SQL))
    grant_id = _wait_for_session(teller, stage)
    asked = time.monotonic()
    told = teller.types(omar, "protem", "grant", "revoke", grant_id)
    teller.check(that=told.code == 0, says="revoked", but=told.out)
    told = running.finish()
    took = time.monotonic() - asked
    cut = "terminating connection" in told.out
    teller.check(
        that=told.code != 0 and cut, says=f"the live query was cut; all of it took {took:.1f} s"
    )


def _expired_in_flight(teller: Teller, stage: Stage) -> None:
    teller.scene("Nobody revokes anything: time does.")
    running = teller.starts(stage.people["dana"], *_run("3s", LONG_SQL))
    told = running.finish()
    cut = "terminating connection" in told.out
    teller.check(
        that=told.code != 0 and cut,
        says=f"a 3-second grant, a 60-second query: cut {running.seconds:.1f} s after asking",
        but=told.out,
    )


def _read_back(teller: Teller, stage: Stage) -> None:
    teller.scene("What is left at the target?")
    _no_roles(teller, stage)
    told = teller.types(stage.people["omar"], "protem", "grant", "ls", "--state", "ended")
    teller.check(that=told.code == 0 and "ended" in told.out, says="every grant ended, on record")


def _verified_offline(teller: Teller, stage: Stage) -> None:
    teller.scene("The log proves it, to anyone, with the server out of the picture.")
    dana = stage.people["dana"]
    copy = stage.folder / "audit-copy"
    shutil.copytree(stage.audit_folder, copy)
    verify = ("protem", "audit", "verify", copy.name, "--key", stage.audit_key.name)
    told = teller.types(dana, *verify)
    teller.check(that=told.code == 0, says="every entry is under a signed head", but=told.out)
    line = _flip_one_byte(copy / "entries.jsonl")
    told = teller.types(dana, *verify)
    named = told.code == 1 and str(line) in told.out
    teller.check(that=named, says=f"one byte altered in entry {line}: found, and named")


def _run(length: str, sql: str, *options: str) -> tuple[str, ...]:
    asked = ("--on", "orders-db", "--for", length, "--why", "stuck orders", "--ticket", "INC-421")
    return ("protem", "run", *asked, *options, "--", "psql", "-c", sql)


def _no_roles(teller: Teller, stage: Stage) -> None:
    """Ask PostgreSQL itself, as its superuser, what bears our mark."""
    sql = r"select rolname from pg_roles where rolname ~ '^protem_[0-7]'"
    psql = (str(stage.database.binaries / "psql"), "-At", stage.database.dsn(), "-c", sql)

    def left() -> str:
        done = subprocess.run(psql, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    gone = _until(lambda: not left())
    teller.check(that=gone, says="read back from PostgreSQL: no role of ours is left", but=left())


def _wait_for_session(teller: Teller, stage: Stage) -> str:
    """Wait until the long query really runs, and return its grant's id."""
    sql = (
        "select usename from pg_stat_activity "
        "where usename ~ '^protem_[0-7]' and state = 'active' and query like '%pg_sleep%'"
    )
    psql = (str(stage.database.binaries / "psql"), "-At", stage.database.dsn(), "-c", sql)

    def seen() -> str:
        done = subprocess.run(psql, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    role = _wait_for(seen)
    teller.check(that=True, says="the query is running in PostgreSQL")
    return role.removeprefix("protem_")


def _flip_one_byte(path: Path) -> int:
    """Change one bit in the middle of the file; return the index of the entry that holds it."""
    data = bytearray(path.read_bytes())
    middle = data.index(b"INC-421", len(data) // 2)
    data[middle] ^= 1
    path.write_bytes(data)
    return data[:middle].count(b"\n")


def _until(fact: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if fact():
            return True
        time.sleep(0.1)
    return False


def _wait_for(look: Callable[[], T]) -> T:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < deadline:
        if found := look():
            return found
        time.sleep(0.1)
    raise StoryError("waited too long for something that should have happened")
