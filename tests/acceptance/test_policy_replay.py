"""``protem policy replay`` on a server's own store."""

import asyncio
import json
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from click.testing import CliRunner

from protem.bootstrap.control_plane import open_control_plane
from protem.bootstrap.settings import load_settings
from protem.domain import audit_events
from protem.domain.commands import Command
from protem.domain.decisions import PolicyAction
from protem.domain.errors import InvalidError
from protem.domain.grants import Grant, GrantState
from protem.domain.identifiers import TargetName
from protem.domain.plans import Plan, Trait
from protem.domain.policy_questions import about_request
from protem.domain.principals import PrincipalId
from protem.domain.requests import RequestRevision
from protem.domain.scopes import Privilege, Scope
from protem.entrypoints.cli.command_tree import protem
from protem.entrypoints.cli.invocation import Invocation

SETTINGS = """
[identity.local.users.dana]
groups = ["engineers"]
[targets.orders-db]
scheme = "postgresql"
labels = { env = "prod" }
host = "127.0.0.1"
port = 1
dbname = "shop"
sslmode = "disable"
administrator = { user = "a", password = { env = "NOTHING" } }
planner = { user = "p", password = { env = "NOTHING" } }
"""
RULES = """
@id("ask") @approvals("1") @max_duration("1h")
permit (principal in Protem::Group::"engineers", action == Protem::Action::"request", resource);
@id("reads")
permit (principal in Protem::Group::"engineers", action == Protem::Action::"auto_approve", resource)
unless { context.writes };
"""
STRICTER = RULES.replace('@approvals("1")', '@approvals("2")') + (
    '@id("no-drop") @message("no <b>writes</b>")'
    ' forbid (principal, action == Protem::Action::"request", resource) when { context.writes };'
)
PLAN = Plan(scope=Scope([Privilege(kind="table", path=("shop", "orders"), action="SELECT")]))
WRITE = replace(PLAN, traits=frozenset({Trait.WRITES}))


def run(*arguments):
    """Run the program; our own errors propagate to its boundary."""
    result = CliRunner().invoke(protem, list(map(str, arguments)), obj=Invocation())
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def record(around, transaction, number, plan):
    """Put one request on record as asking would, without a database to plan at."""
    now = around.clock.now()
    dana = PrincipalId(issuer="local", subject="dana")
    revision = RequestRevision(
        grant_id=around.randomness.grant_id(now),
        number=1,
        principal=dana,
        target=TargetName("orders-db"),
        command=Command(argv=("psql", "-c", f"statement {number} \x1b[2J")),
        plan=plan,
        duration=timedelta(minutes=15),
    )
    question = about_request(
        PolicyAction.REQUEST,
        revision,
        principal=around.identity.lookup(transaction, dana),
        target=around.catalogue.target(revision.target),
        at=now,
    )
    grant = Grant(
        id=revision.grant_id,
        version=1,
        state=GrantState.PENDING,
        revision=1,
        principal=dana,
        target=revision.target,
        duration=revision.duration,
        requested_at=now,
        lapses_at=now + timedelta(hours=8),
        due_at=now + timedelta(hours=8),
    )
    transaction.grants.add(grant)
    transaction.requests.add(revision)
    decision = around.policy.decide(question)
    transaction.audit.append(audit_events.requested(grant, revision, decision, now))


@pytest.fixture
def host(tmp_path, monkeypatch):
    """A server's host with a settings file, a policy, and a draft of another."""
    monkeypatch.setenv("NOTHING", "x")
    monkeypatch.chdir(tmp_path)
    run("server", "init", "--config", "protem.toml")
    config = tmp_path / "protem.toml"
    config.write_text(SETTINGS)
    for path in (tmp_path / "policy").iterdir():
        path.unlink()
    (tmp_path / "policy" / "rules.cedar").write_text(RULES)
    (tmp_path / "draft").mkdir()
    (tmp_path / "draft" / "rules.cedar").write_text(RULES)
    return tmp_path


def recorded(host, *plans):
    """Record requests with these plans."""

    async def work():
        settings = load_settings(host / "protem.toml")
        async with open_control_plane(settings, host, serving=False) as plane:

            def write(transaction, start):
                for number, plan in enumerate(plans[start : start + 500], start):
                    record(plane.around, transaction, number, plan)

            for start in range(0, len(plans), 500):
                await plane.around.store.write(partial(write, start=start))

    asyncio.run(work())


def test_a_draft_that_changes_nothing_exits_with_0(host):
    """No data on standard output; the count is said on standard error."""
    recorded(host, PLAN, WRITE)
    result = run("policy", "replay", "draft")
    assert (result.exit_code, result.stdout) == (0, "")
    assert result.stderr.startswith("2 requests since ")


def test_what_changes_is_shown_with_its_rule_and_exits_with_1(host):
    """Both answers and the rule with its line; nothing in it can act on the terminal."""
    recorded(host, PLAN, WRITE)
    (host / "draft" / "rules.cedar").write_text(STRICTER)
    result = run("policy", "replay", "draft")
    assert result.exit_code == 1
    assert "needs approval, 1 of anyone, at most 1h  ->  denied" in result.stdout
    assert "new: no-drop (rules.cedar:7): no <b>writes</b>" in result.stdout
    assert "statement 1 \\x1b[2J" in result.stdout
    assert "\x1b" not in result.stdout
    assert "newly denied  1" in result.stdout
    document = json.loads(run("policy", "replay", "draft", "-o", "json").stdout)
    assert (document["version"], document["asked"], document["changed"]) == (1, 2, 1)
    (change,) = document["changes"]
    assert change["kinds"] == ["newly_denied"]
    assert change["recorded"]["outcome"] == "needs_approval"


def test_two_folders_can_be_compared_before_either_is_in_force(host):
    """``--against`` takes the place of the policy in force; fewer are shown when asked."""
    recorded(host, *([WRITE] * 3))
    (host / "draft" / "rules.cedar").write_text(STRICTER)
    assert run("policy", "replay", "draft", "--against", "draft").exit_code == 0
    result = run("policy", "replay", "policy", "--against", "draft", "--limit", "1")
    assert result.exit_code == 1
    assert "denied  ->  needs approval" in result.stdout
    assert "and 2 more; --limit N shows them" in result.stdout


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("permit (principal, action, resource)", "does not end with ';'"),
        ("permit (principal, action, resource) when { context.nothing };", "nothing"),
        ("permit (principal, action, resource) when { " + "(" * 9_000 + " };", "brackets deep"),
        ("permit (principal, action, resource) when { " + "true && " * 9_000 + "true };", "split"),
        ("permit (principal, action, resource) when { " + "if true then " * 9_000 + " };", "split"),
        ("permit (principal, action, resource) when { context" + ".a" * 90 + " };", "path of more"),
    ],
    ids=["open", "schema", "brackets", "chain", "ifs", "dots"],
)
def test_a_draft_that_cannot_be_read_is_refused_with_its_line(host, text, words):
    """What would use up a processor's stack is told from its words, not by falling over."""
    (host / "draft" / "rules.cedar").write_text(text)
    with pytest.raises(InvalidError, match=r"rules\.cedar:1") as caught:
        run("policy", "replay", "draft")
    assert words in caught.value.message


@pytest.mark.usefixtures("host")
def test_the_length_of_the_period_is_bounded():
    """As everywhere, 30 days are the longest."""
    with pytest.raises(InvalidError, match="30d"):
        run("policy", "replay", "draft", "--since", "31d")
