"""Time to access: from "I need to see this table" to its first row.

Measured on a real stage (control plane, PostgreSQL, two people with terminals of their own):
seconds from pressing return on ``protem run`` to the first row on standard output, once where a
rule says yes and once where one approver answers the moment the request can be seen. The peer is
plain ``psql`` with a standing login. Limits: one second, which people feel as an answer (Miller
1968, Nielsen 1993), and two with an approver.

Counted, not timed: what has to be typed and clicked, ours from the commands run here, others' from
their own documentation, step by step as it is written there (``FLOWS``). Their seconds cannot be
had here and are not guessed. Signing in is left out everywhere, as is the statement itself.

    python benchmarks/time_to_access.py [--rounds 7]
"""

import argparse
import json
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import httpx2
from measuring import figure, medians

from protem.entrypoints.demo.stage import built

READ = "select id, status from shop.orders limit 1"
WRITE = "update shop.orders set status = 'paid' where id = 1 returning id"
ASK = ["run", "--on", "orders-db", "--why", "stuck orders", "--ticket", "INC-421", "--", "psql"]
TYPED = "protem run --on orders-db --why 'stuck orders' --ticket INC-421 -- psql -c \"…\""
APPROVES = "protem request approve 01m83p114xm019331t07m02pgf"


@dataclass(frozen=True, kw_only=True)
class Flow:
    """One documented way, from being signed in to a first row or, where it ends there, access.

    Attributes:
        typed: command lines, each ended with return; and texts typed into forms or prompts.
        clicks: choices with a pointer or a key: links, fields, menus, buttons.
        ends_at: how far the documented flow goes.
        approver: what the one approver types and clicks.
    """

    name: str
    source: str
    typed: tuple[str, ...]
    clicks: int
    ends_at: str
    approver: tuple[int, int]

    @property
    def keystrokes(self) -> int:
        """Characters, and a return for each text."""
        return sum(len(text) + 1 for text in self.typed)


FLOWS = (
    Flow(
        name="Protem",
        source="measured below",
        typed=(TYPED,),
        clicks=0,
        ends_at="the row, on exactly its columns",
        approver=(len(APPROVES) + len("y") + 2, 0),
    ),
    Flow(
        name="Teleport: request a resource",
        source="goteleport.com/docs, Resource Access Requests, steps 2, 3 and 5; CLI reference",
        typed=(
            "tsh request search --kind db",
            (
                "tsh request create --resource /teleport.example.com/db/orders-db "
                "--reason 'stuck orders'"
            ),
            "tsh db connect --db-user=reader --db-name=shop orders-db",
        ),
        clicks=0,
        ends_at="a database account with whatever it may do",
        approver=(
            len("tsh request ls")
            + len("tsh request show f406f5d8-3c2a-428f-8547-a1d091a4ddab")
            + len("tsh request review --approve f406f5d8-3c2a-428f-8547-a1d091a4ddab")
            + 3,
            0,
        ),
    ),
    Flow(
        name="Teleport: connect and be asked for a reason",
        source="goteleport.com/docs, Resource Access Requests, automatic requests; since 15 for db",
        typed=("tsh db connect --db-user=reader --db-name=shop orders-db", "stuck orders"),
        clicks=0,
        ends_at="a database account with whatever it may do",
        approver=(
            len("tsh request ls")
            + len("tsh request show f406f5d8-3c2a-428f-8547-a1d091a4ddab")
            + len("tsh request review --approve f406f5d8-3c2a-428f-8547-a1d091a4ddab")
            + 3,
            0,
        ),
    ),
    Flow(
        name="AWS TEAM",
        source="aws-samples/iam-identity-center-team: guides/user.md steps 2 to 10, "
        "walkthrough.md step 5",
        typed=("INC-421", "stuck orders"),
        # create, next; account, role, start, duration: open and choose each; ticket and reason
        # fields; submit; then the portal: account, permission set, console or command line
        clicks=2 + 4 * 2 + 2 + 1 + 3,
        ends_at="an AWS role; reaching a table is one's own further way",
        approver=(0, 5),
    ),
    Flow(
        name="Entra PIM, Azure resource role",
        source="learn.microsoft.com, Activate my Azure resource roles, steps 2 to 10",
        typed=("stuck orders",),
        # identity governance, PIM, my roles, Azure resources, the role, activate; verify twice;
        # the reason field; activate
        clicks=6 + 2 + 1 + 1,
        ends_at="an Azure role; reaching a table is one's own further way",
        approver=(0, 5),
    ),
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--rounds", type=int, default=7)
    rounds = options.parse_args().rounds
    with built() as stage:
        approver = Approver(stage)
        dana = stage.people["dana"].environment
        protem = [sys.executable, "-m", "protem"]
        peers = {
            "plain psql": lambda: first_row(
                ["psql", "-At", "-c", READ, stage.database.dsn(dbname="shop")], None
            ),
            "protem, by a rule": lambda: first_row([*protem, *ASK, "-At", "-c", READ], dana),
            "protem, one approver": lambda: first_row(
                [*protem, *ASK[:1], "--wait", "30s", *ASK[1:], "-At", "-c", WRITE], dana
            ),
        }
        taken: dict[str, list[float]] = {name: [] for name in peers}
        with approver.answering():
            for number in range(rounds + 1):  # the first fills caches
                for name, work in peers.items():
                    seconds = work()
                    if number:
                        taken[name].append(seconds)
    report(medians(taken), taken)


def first_row(argv: list[str], environment: dict[str, str] | None) -> float:
    """Return the seconds until the first line on standard output; wait for the end all the same."""
    begun = time.perf_counter()
    with subprocess.Popen(
        argv,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        row = process.stdout.readline()
        seconds = time.perf_counter() - begun
        _, errors = process.communicate()
    if not row.strip() or process.returncode:
        sys.exit(f"{argv[0]} showed no row: {errors}")
    return seconds


class Approver:
    """Omar, who reads nothing and says yes the moment he can: the best that people could be."""

    def __init__(self, stage) -> None:
        home = stage.people["omar"].environment
        self._call = [sys.executable, "-m", "protem", "request"]
        self._environment = home
        self._over = threading.Event()
        self._client = httpx2.Client(base_url=stage.server.url, trust_env=False)
        self._token = session_of(home)

    def answering(self):
        """Answer until the context ends."""
        return self

    def __enter__(self):
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self._thread.join()
        self._client.close()

    def _answer(self) -> None:
        headers = {"Authorization": f"Bearer {self._token}"}
        while not self._over.wait(0.01):
            query = {"to_review": "true", "state": "pending"}
            waiting = self._client.get("/v1/requests", params=query, headers=headers).json()
            for request in waiting["items"]:
                self._client.post(
                    f"/v1/requests/{request['id']}/reviews",
                    json={"digest": request["digest"], "verdict": "approve"},
                    headers=headers,
                ).raise_for_status()


def session_of(environment) -> str:
    """Return the token that a person's command line keeps."""
    kept = Path(environment["XDG_STATE_HOME"]) / "protem" / "sign-in.json"
    return next(iter(json.loads(kept.read_text())["tokens"].values()))


def report(middle: dict[str, float], taken: dict[str, list[float]]) -> None:
    for name, seconds in middle.items():
        print(f"{name:<22}{seconds:7.2f} s to the first row")
    print()
    print(f"{'':<46}{'commands':>9}{'keys':>6}{'clicks':>8}   approver: keys, clicks")
    for flow in FLOWS:
        commands = sum(" " in text and text.split()[0] in ("protem", "tsh") for text in flow.typed)
        print(
            f"{flow.name:<46}{commands:>9}{flow.keystrokes:>6}{flow.clicks:>8}   "
            f"{flow.approver[0]}, {flow.approver[1]}   ends at {flow.ends_at}"
        )
    for flow in FLOWS[1:]:
        print(f"{flow.name}: {flow.source}")
    figure(
        "TIME", "first row, allowed by a rule, to one second", middle["protem, by a rule"], "<=1"
    )
    figure(
        "TIME",
        "first row, one approver who answers at once, to two seconds",
        middle["protem, one approver"] / 2,
        "<=1",
    )
    ratios = [
        ours / plain
        for ours, plain in zip(taken["protem, by a rule"], taken["plain psql"], strict=True)
    ]
    figure(
        "TIME",
        "first row, allowed by a rule, to plain psql with a standing login",
        middle["protem, by a rule"] / middle["plain psql"],
        "<=10",
        ratios,
    )
    ours = FLOWS[0]
    best = min(flow.keystrokes + flow.clicks for flow in FLOWS[1:] if "table" not in flow.ends_at)
    figure(
        "TIME",
        "keys and clicks to the least of others that reach the table",
        (ours.keystrokes + ours.clicks) / best,
        "<=1.5",
    )


if __name__ == "__main__":
    main()
