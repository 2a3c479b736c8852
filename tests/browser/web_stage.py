"""The real application with people, targets and requests worth looking at, served on loopback.

Here: a control plane on the fakes behind uvicorn in a thread of its own, driven from tests that
know nothing of its event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import uvicorn
from tests.integration.control_plane_in_memory import HALF, Stage, ask_body, local, running

from protem.domain.bearer_tokens import fingerprint
from protem.domain.evidence import Rehearsal
from protem.domain.identifiers import GroupName, TargetName
from protem.domain.instants import format_instant
from protem.domain.notices import NoticeKind
from protem.domain.plans import Finding, Plan, Trait
from protem.domain.principals import Principal
from protem.domain.scopes import Privilege, Scope
from protem.domain.secret import Secret
from protem.domain.targets import Target
from protem.entrypoints.web_ui.installation import install
from protem.ports.store import Account, Transaction
from protem.services.channels import Channel
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness
from protem.testing.in_memory_connector import InMemoryConnector
from protem.testing.in_memory_notifier import InMemoryPersonalNotifier
from protem.testing.in_memory_planner import InMemoryPlanner

ORDERS = TargetName("orders-db")
LEDGER = TargetName("ledger-db")
READ = (
    "psql",
    "-c",
    "select id, status, updated_at from shop.orders where customer = 7 order by id desc limit 20",
)
FIX = (
    "psql",
    "-c",
    (
        "update shop.orders set status = 'queued' where status = 'stuck' "
        "and updated_at < now() - interval '1 hour'"
    ),
)
PURGE = ("psql", "-c", "delete from ledger.holds where expires_at < now()")
HOSTILE = (
    "psql",
    "-c",
    (
        "select 1; --\u202e elif a t'nsi siht \u202c<script>alert(1)</script>\x1b[2K\x07 \u200b'\">"
        "<img src=x onerror=alert(1)>"
    ),
)
HOSTILE_TEXT = (
    "</textarea><script>alert(2)</script>\u202eevil\u202c \x1b]0;pwned\x07 {{ 7*7 }} "
    "<b hx-get=/x hx-trigger=load>"
)
PEOPLE = {"ada": ["engineers"], "grace": ["owners"], "linus": ["owners"], "zoe": ["engineers"]}


def _privilege(action: str, table: str, *columns: str) -> list[Privilege]:
    path = tuple(table.split("."))
    parts: tuple[str | None, ...] = columns or (None,)
    return [Privilege(kind="table", path=path, action=action, part=part) for part in parts]


def _entrance(schema: str, database: str) -> list[Privilege]:
    return [
        Privilege(kind="database", path=(database,), action="CONNECT"),
        Privilege(kind="schema", path=(schema,), action="USAGE"),
    ]


def _plans() -> dict[tuple[str, ...], Plan]:
    shop = _entrance("shop", "orders")
    everyone = frozenset(shop[:1])
    return {
        READ: Plan(
            scope=Scope(
                [
                    *shop,
                    *_privilege("SELECT", "shop.orders", "id", "status", "updated_at", "customer"),
                ]
            ),
            held_by_everyone=everyone,
            statements=(READ[2],),
        ),
        FIX: Plan(
            scope=Scope(
                [
                    *shop,
                    *_privilege("SELECT", "shop.orders", "status", "updated_at"),
                    *_privilege("UPDATE", "shop.orders", "status"),
                ]
            ),
            held_by_everyone=everyone,
            traits=frozenset({Trait.WRITES, Trait.LOCKS_ROWS}),
            rehearsal=Rehearsal(statement=FIX[2]),
            findings=(
                Finding(code="trigger", message="updates fire trigger orders_audit on shop.orders"),
            ),
            statements=(FIX[2],),
        ),
        PURGE: Plan(
            scope=Scope(
                [
                    *_entrance("ledger", "ledger"),
                    *_privilege("SELECT", "ledger.holds", "expires_at"),
                    *_privilege("DELETE", "ledger.holds"),
                ]
            ),
            traits=frozenset({Trait.WRITES}),
            statements=(PURGE[2],),
        ),
        HOSTILE: Plan(
            scope=Scope(
                [
                    Privilege(
                        kind="table",
                        path=("shop", "<script>alert(3)</script>\u202e"),
                        action="SELECT",
                        part="\x1b[31m<b>",
                    ),
                    *_privilege("DELETE", "shop.orders"),
                ]
            ),
            traits=frozenset({Trait.WRITES}),
            findings=(Finding(code="x", message="<img src=x onerror=alert(4)>\u2066\x07"),),
            statements=(HOSTILE[2],),
        ),
    }


def _people(stage: Stage, transaction: Transaction) -> None:
    until = SystemClock().now() + timedelta(hours=1)
    for name, groups in PEOPLE.items():
        principal = Principal(
            id=local(name),
            display=name.capitalize(),
            groups=frozenset(map(GroupName, groups)),
        )
        token = SystemRandomness().token()
        stage.tokens[name] = token.reveal()
        transaction.accounts.put(Account(principal=principal))
        transaction.accounts.add_token(
            token_hash=fingerprint(Secret(token.reveal())),
            owner=principal.id,
            expires_at=until,
            single_use=False,
        )


def _declare(stage: Stage) -> None:
    catalogue: Any = stage.plane.around.catalogue
    for name, labels in (
        (ORDERS, {"env": "prod", "team": "shop"}),
        (LEDGER, {"env": "prod", "team": "payments"}),
    ):
        connector = InMemoryConnector(SystemClock(), name=name)
        target = Target(name=name, scheme="postgresql", labels=labels)
        catalogue.declare(target, connector, InMemoryPlanner(_plans()))


@dataclass(frozen=True, kw_only=True)
class WebStage:
    """A served application, from another thread."""

    address: str
    stage: Stage
    loop: asyncio.AbstractEventLoop
    mail: InMemoryPersonalNotifier

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Run ``work`` where the application lives."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def ask(self, argv: tuple[str, ...] = FIX, who: str = "ada", **more: Any) -> dict[str, Any]:
        """Ask, and return the request as the API shows it."""
        body = {"target": ORDERS, "duration_seconds": 900, "reason": "INC-421", **more}
        answer = self.do(self.stage.call(who, "POST", "/v1/requests", json=ask_body(argv, **body)))
        assert answer.status_code == 201, answer.text
        return answer.json()

    def call(self, who: str, method: str, path: str, **more: Any) -> Any:
        """Make one call of the API and return its document."""
        answer = self.do(self.stage.call(who, method, path, **more))
        assert answer.is_success, answer.text
        return answer.json()

    def review(self, asked: dict[str, Any], who: str = "grace", verdict: str = "approve") -> Any:
        """Give a verdict by the API."""
        body = {"digest": asked["digest"], "verdict": verdict}
        return self.call(who, "POST", f"/v1/requests/{asked['id']}/reviews", json=body)

    def activate(self, asked: dict[str, Any], who: str = "ada") -> Any:
        """Start an approved grant and wait for its privilege."""
        path = f"/v1/grants/{asked['id']}/activate?wait=5"
        return self.call(who, "POST", path, json={"public_half": HALF})

    def link(self, asked: dict[str, Any], who: str = "grace") -> str:
        """Return the address of that person's mailed link, once it was sent."""
        for _ in range(400):
            for person, notice, way in list(self.mail.handed):
                if (person, notice.digest) == (local(who), asked["digest"]) and way is not None:
                    return f"{self.address}{way.path.reveal()}"
            self.do(asyncio.sleep(0.01))
        raise AssertionError("no link was sent")

    def one_time_token(self, who: str) -> str:
        """Return a fresh one-time token."""
        token = SystemRandomness().token()
        until = SystemClock().now() + timedelta(minutes=5)

        def add(transaction: Transaction) -> None:
            transaction.accounts.add_token(
                token_hash=fingerprint(Secret(token.reveal())),
                owner=local(who),
                expires_at=until,
                single_use=True,
            )

        self.do(self.stage.store.write(add))
        return token.reveal()


def break_glass(web: WebStage, who: str = "ada", reason: str = "the shop is down") -> Any:
    """Break the glass; return the grant, which is active."""
    body = ask_body(FIX, target=ORDERS, reason=reason, confirm_target=ORDERS, public_half=HALF)
    found = web.call(who, "POST", "/v1/break-glass?wait=5", json=body)
    return found.get("grant", found)


def a_start() -> str:
    """Return a start of this evening, as the API takes it."""
    return format_instant(SystemClock().now() + timedelta(hours=6))


@contextlib.contextmanager
def served() -> Iterator[WebStage]:
    """Serve the application for as long as the context lasts."""
    found: list[WebStage] = []
    ready, stop = threading.Event(), threading.Event()

    async def serve(listening: socket.socket) -> None:
        mail = InMemoryPersonalNotifier(people=map(local, PEOPLE))
        by_mail = Channel(
            notifier=mail, kinds=frozenset(NoticeKind), personal=mail, answer_by_link=True
        )
        async with running(channels=(by_mail,)) as stage:
            await stage.store.write(lambda transaction: _people(stage, transaction))
            _declare(stage)
            config = uvicorn.Config(
                install(stage.app), lifespan="off", log_config=None, access_log=False
            )
            server = uvicorn.Server(config)
            # Signals belong to the test run, whose main thread this is not.
            server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign]
            address = f"http://localhost:{listening.getsockname()[1]}"
            loop = asyncio.get_running_loop()
            found.append(WebStage(address=address, stage=stage, loop=loop, mail=mail))
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            ready.set()
            await asyncio.to_thread(stop.wait)
            server.should_exit = server.force_exit = True
            await serving

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=_run, args=(serve, listening), daemon=True)
        thread.start()
        assert ready.wait(20), "the application did not start"
        try:
            yield found[0]
        finally:
            stop.set()
            thread.join(20)


def _run(serve: Callable[[socket.socket], Coroutine[Any, Any, None]], listening: Any) -> None:
    asyncio.run(serve(listening))
