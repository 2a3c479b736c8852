"""Grants whose passwords are known, made over HTTP at the demo's stage, and what becomes of them.

Here: asking for many, trying their logins, holding sessions under them, and seeing at PostgreSQL
when session and role are gone. Not here: what ends them, and any figure.

Invariants: a moment is read from this machine's clock, which the stage's processes share; whoever
looks at the target does so as its superuser and goes through nothing of ours.
"""

import asyncio
import http.client
import json
import os
import secrets
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import psycopg
from psycopg import errors

from protem.domain.scram import scram_verifier
from protem.domain.secret import Secret

SLEEPING = "select pg_sleep(600)"
COUNTING = "select sum(x) from (select generate_series(1, 1000000000000) as x) as numbers"
"""A query that never waits for anything and needs no memory."""
KNOCKS = (float("-inf"), -1.0, -0.2, -0.02, 0.0, 0.02, 0.1, 0.3, 1.0)
"""Seconds from a grant's expiry at which its login is tried; the first at once."""
LOOK_SECONDS = 0.02
IMPORT_PATH = os.pathsep.join(str(Path(path).absolute()) for path in sys.path if path)
"""Children run in another folder and must find the same code."""
_REFUSED = ("password authentication failed", "is not permitted to log in")
_AT_THE_DOOR = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """One grant as its owner has it."""

    id: str
    password: str
    expires_at: float

    @property
    def role(self):
        """The role's name."""
        return f"protem_{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """One try to log in: when it began, when it was answered, and whether it was let in."""

    began: float
    answered: float
    let_in: bool


@dataclass(slots=True, kw_only=True)
class Fate:
    """What became of one grant; moments are seconds since the epoch, None is never.

    Attributes:
        logins: every try.
        cut_at: when its session was cut, where it had one.
        gone_at: when its role was seen to be gone.
    """

    granted: Granted
    logins: list[Login] = field(default_factory=list)
    cut_at: float | None = None
    gone_at: float | None = None

    @property
    def let_in_late(self):
        """Logins that began after the expiry and were let in: there must be none."""
        return [one for one in self.logins if one.let_in and one.began > self.granted.expires_at]

    @property
    def refused_early(self):
        """Logins that were refused before the expiry: there must be none."""
        expires = self.granted.expires_at
        return [one for one in self.logins if not one.let_in and one.answered < expires]

    @property
    def refused_with_role(self):
        """Logins that were refused while the role was still there."""
        gone = self.gone_at or time.time()
        return [one for one in self.logins if not one.let_in and one.answered < gone]


class Asker:
    """Dana, over one connection to the control plane."""

    def __init__(self, stage):
        state = Path(stage.people["dana"].environment["XDG_STATE_HOME"])
        signed_in = json.loads((state / "protem" / "sign-in.json").read_text())
        self._token = signed_in["tokens"][stage.server.url]
        host = stage.server.url.rpartition("/")[2]
        self._connection = http.client.HTTPConnection(host, timeout=30)

    def call(self, method, path, body=None):
        """Return the answer; anything but 2xx is an error."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        self._connection.request(method, path, body and json.dumps(body), headers)
        answer = self._connection.getresponse()
        text = answer.read()
        if answer.status // 100 != 2:
            raise RuntimeError(f"{method} {path}: {answer.status} {text[:400]!r}")
        return json.loads(text)

    def ask(self, seconds):
        """Return a grant that is active; its password never left this process."""
        password = secrets.token_hex(24)
        verifier = scram_verifier(Secret(password), secrets.token_bytes(16), 1)
        ask = {
            "target": "orders-db",
            "command": {"argv": ["psql", "-c", "select id from shop.orders"], "inputs": {}},
            "duration_seconds": seconds,
            "reason": "a measurement",
            "ticket": "BENCH-1",
            "public_half": {"form": "scram-sha-256", "value": verifier},
        }
        grant = self.call("POST", "/v1/requests?wait=10", ask)
        if grant["state"] != "active":
            raise RuntimeError(f"not active: {grant}")
        expires = datetime.fromisoformat(grant["expires_at"]).timestamp()
        return Granted(id=grant["id"], password=password, expires_at=expires)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._connection.close()


def ask_for_many(stage, count, *, seconds, a_second, clients=4):
    """Return ``count`` active grants, asked for at an even pace."""
    began = time.monotonic()

    def some(first):
        made = []
        with Asker(stage) as asker:
            for number in range(first, count, clients):
                time.sleep(max(0.0, began + number / a_second - time.monotonic()))
                made.append(asker.ask(seconds))
        return made

    with ThreadPoolExecutor(clients) as pool:
        return [one for made in pool.map(some, range(clients)) for one in made]


@contextmanager
def sweeping(stage, period):
    """Run ``protem sweep --every PERIOD`` with nothing of the control plane's at hand."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(stage.database.folder),
        "PYTHONPATH": IMPORT_PATH,
        "PGPASSWORD": (stage.folder / "administrator").read_text(),
        "LANG": "C.UTF-8",
    }
    target = f"postgresql://protem_admin@127.0.0.1:{stage.database.port}/shop"
    process = subprocess.Popen(
        [sys.executable, "-m", "protem", "sweep", "--target", target, "--every", f"{period}s"],
        env=environment,
        cwd="/",
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        yield process
    finally:
        process.terminate()
        process.communicate(timeout=10)


async def fates(stage, grants, *, live, until, ready=None):
    """Use ``grants`` until their time is over, and return what became of each.

    Args:
        stage: where.
        grants: all with some seconds left.
        live: under how many of them a session is held that runs a query.
        until: seconds after the last expiry at which whatever is left is given up.
        ready: called once, when the sessions are there.
    """
    found = [Fate(granted=one) for one in grants]
    give_up = max(one.expires_at for one in grants) + until
    begun = [asyncio.get_running_loop().create_future() for _ in range(live)]
    door = asyncio.Semaphore(_AT_THE_DOOR)
    async with asyncio.TaskGroup() as group:
        holders = [
            group.create_task(_hold(stage, fate, begun[number]))
            for number, fate in enumerate(found[:live])
        ]
        await asyncio.gather(*begun)
        if ready is not None:
            ready()
        for fate in found:
            group.create_task(_knock(stage, fate, door))
        await _watch_roles(stage, found, give_up)
        _, left = await asyncio.wait(holders, timeout=1) if holders else ((), ())
        for holder in left:
            holder.cancel()
    return found


def _login(stage, granted):
    return stage.database.dsn(granted.role, granted.password, "shop")


async def _hold(stage, fate, begun):
    """Hold one session that runs a query, and note when it is cut."""
    connection = await psycopg.AsyncConnection.connect(_login(stage, fate.granted))
    try:
        begun.set_result(None)
        await connection.execute(SLEEPING)
    except errors.AdminShutdown:
        fate.cut_at = time.time()
    finally:
        await connection.close()


async def _knock(stage, fate, door):
    """Try to log in around the expiry."""
    for offset in KNOCKS:
        await asyncio.sleep(max(0.0, fate.granted.expires_at + offset - time.time()))
        async with door:
            began = time.time()
            try:
                connection = await psycopg.AsyncConnection.connect(_login(stage, fate.granted))
            except psycopg.OperationalError as error:
                if not any(words in str(error) for words in _REFUSED):
                    raise
                fate.logins.append(Login(began=began, answered=time.time(), let_in=False))
            else:
                fate.logins.append(Login(began=began, answered=time.time(), let_in=True))
                await connection.close()


async def _watch_roles(stage, found, give_up):
    """Note when each role is gone, until all are or it is given up."""
    left = {fate.granted.role: fate for fate in found}
    connection = await psycopg.AsyncConnection.connect(stage.database.dsn(), autocommit=True)
    async with connection:
        while left and time.time() < give_up:
            cursor = await connection.execute("select rolname from pg_roles")
            there = {row[0] for row in await cursor.fetchall()}
            now = time.time()
            for role in left.keys() - there:
                left.pop(role).gone_at = now
            await asyncio.sleep(LOOK_SECONDS)
