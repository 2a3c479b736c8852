"""Signing approvals at the command line, against the real API, with the real ssh-keygen."""

import asyncio
import json
import subprocess
from dataclasses import replace

import pytest
import uvicorn
from tests.acceptance.cli.command_line_driver import CommandLine
from tests.integration.control_plane_in_memory import WRITE, running

from protem.domain.decisions import ApprovalRequirement, Outcome, PolicyAction, Signing
from protem.domain.identifiers import GroupName
from protem.testing.in_memory_policy import FixedRule


@pytest.fixture
async def stage():
    """A control plane whose writes need an owner's signed yes."""
    async with running() as made:
        policy = made.plane.around.policy
        need = ApprovalRequirement(
            count=1, groups=frozenset({GroupName("owners")}), rule="key", signed=Signing.REQUIRED
        )
        signed = FixedRule(
            id="key",
            action=PolicyAction.REQUEST,
            outcome=Outcome.NEEDS_APPROVAL,
            approvals=(need,),
        )
        policy.change(signed, *policy._rules)
        yield made


@pytest.fixture
async def owner(stage, tmp_path):
    """An owner's command line, and a server that it talks to."""
    config = uvicorn.Config(
        stage.app, host="127.0.0.1", port=0, log_level="warning", lifespan="off", ws="none"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # it tells nobody when
        await asyncio.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    yield CommandLine(home=tmp_path, server=url, token=stage.tokens["reviewer"])
    server.should_exit = True
    await serving


def make_key(folder, name="id_ed25519"):
    """A key as ssh-keygen makes it."""
    folder.mkdir(mode=0o700, exist_ok=True)
    path = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


async def run(cli, *arguments):
    """Run beside the server, which lives in this process."""
    return await asyncio.to_thread(cli.run, *arguments)


async def test_an_owner_adds_a_key_and_approves_with_it(stage, owner):
    """Without a key: exit 4 and what to type; with one in ~/.ssh it signs what it showed."""
    grant = (await stage.ask(WRITE)).json()
    refused = await run(owner, "request", "approve", grant["id"], "--yes")
    assert refused.code == 4, refused.err
    assert "protem key add" in refused.err
    key = make_key(owner.home / ".ssh")
    added = await run(owner, "key", "add", f"{key}.pub", "--name", "laptop")
    assert added.code == 0, added.err
    listed = await run(owner, "key", "ls", "-o", "json")
    assert [found["name"] for found in listed.json["keys"]] == ["laptop"]
    approved = await run(owner, "request", "approve", grant["id"], "--yes")
    assert approved.code == 0, approved.err
    assert grant["digest"] in approved.err
    rows = await stage.store.read(lambda view: view.audit.entries(start=0, limit=100))
    entries = [json.loads(row.body) for row in rows]
    (kept,) = [e["data"]["approval"] for e in entries if e["kind"] == "request.approved"]
    signature = json.loads(kept["signature"])["signature"]
    assert verify(owner.home, key, grant["digest"], signature) == 0
    assert verify(owner.home, key, "sha256:" + "0" * 64, signature) != 0
    removed = await run(owner, "key", "rm", listed.json["keys"][0]["id"])
    assert removed.code == 0, removed.err
    assert (await run(owner, "key", "ls", "-o", "json")).json["keys"] == []
    assert len((await run(owner, "key", "ls", "--all", "-o", "json")).json["keys"]) == 1


async def test_another_key_than_a_registered_one_is_refused(stage, owner):
    """The server says so, exit 3; a key that is not there is exit 4."""
    make_key(owner.home / ".ssh")
    await run(owner, "key", "add", str(owner.home / ".ssh/id_ed25519"))
    stranger = make_key(owner.home / "other")
    grant = (await stage.ask(WRITE)).json()
    approve = ("request", "approve", grant["id"], "--yes", "--key")
    refused = await run(owner, *approve, str(stranger))
    assert refused.code == 3, refused.err
    absent = await run(owner, *approve, str(owner.home / "none"))
    assert absent.code == 4, absent.err
    (owner.home / "config/protem").mkdir(parents=True)
    chosen = owner.home / ".ssh/id_ed25519"
    (owner.home / "config/protem/config.toml").write_text(f'[approve]\nkey = "{chosen}"\n')
    approved = await run(owner, "request", "approve", grant["id"], "--yes")
    assert approved.code == 0, approved.err


async def test_a_person_is_shown_what_they_sign(stage, owner):
    """At a terminal the whole request is there before the question, and no means no signature."""
    make_key(owner.home / ".ssh")
    await run(owner, "key", "add", str(owner.home / ".ssh/id_ed25519"))
    grant = (await stage.ask(WRITE)).json()

    def at_terminal():
        terminal = owner.at_terminal("request", "approve", grant["id"])
        seen = terminal.expect("Approve this?")
        assert "delete from shop.orders" in seen
        assert grant["digest"] in seen
        terminal.type("n\n")
        return terminal.wait()

    assert await asyncio.to_thread(at_terminal) != 0
    now = (await stage.call("reviewer", "GET", f"/v1/requests/{grant['id']}")).json()
    assert now["approvals"] == []


async def test_nobody_signs_who_is_not_signed_in(owner):
    """Exit 4 as ever."""
    stranger = replace(owner, token="ptm_unknown")
    assert (await run(stranger, "key", "ls")).code == 4


def verify(folder, key, digest, signature):
    """What ssh-keygen says of a signature in the log."""
    (folder / "allowed").write_text(f"omar {key.with_suffix('.pub').read_text()}")
    (folder / "sig").write_text(signature)
    return subprocess.run(
        [
            *("ssh-keygen", "-Y", "verify", "-f", folder / "allowed", "-I", "omar"),
            *("-n", "approval@protem.dev", "-s", folder / "sig"),
        ],
        input=f"{digest}\n".encode(),
        capture_output=True,
        check=False,
    ).returncode
