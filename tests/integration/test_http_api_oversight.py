"""Policy replay, a target's access and the audit log's search over HTTP, on the fakes."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from tests.integration.control_plane_in_memory import HALF, READ, TARGET, WRITE, local, running

from protem.domain.identifiers import GroupName, ProfileName
from protem.domain.scopes import Privilege, Scope
from protem.entrypoints.http_api.app import create_app
from protem.policy.cedar_policy import CedarPolicy
from protem.policy.policy_folder import read_texts
from protem.services.surroundings import Surroundings

RULES = """@id("reads") permit (
  principal in Protem::Group::"engineers", action == Protem::Action::"request", resource);
@id("sees-all") permit (
  principal in Protem::Group::"auditors", action == Protem::Action::"audit", resource);
@id("runs-it") permit (
  principal in Protem::Group::"admins",
  action in [Protem::Action::"administer", Protem::Action::"audit"], resource);
"""
STRICTER = RULES.replace('@id("reads")', '@id("reads") @approvals("2")')


@pytest.fixture
async def stage():
    """A running control plane."""
    async with running() as made:
        yield made


async def with_cedar(stage, text=RULES):
    """Return an application over the same parts that decides by Cedar."""
    policy = CedarPolicy(read_texts([("rules.cedar", text)]))
    return create_app(replace(stage.plane, around=replace(stage.plane.around, policy=policy)))


async def call(stage, app, who, method, path, **more):
    """Make one call to another application than the stage's own."""
    async with stage.client(who, app) as client:
        return await client.request(method, path, **more)


async def test_a_draft_is_replayed_and_nothing_else_happens(stage):
    """Counts, the request, both answers and the rule; the request stays as it was."""
    asked = (await stage.ask(READ)).json()
    app = await with_cedar(stage)
    body = {"files": {"rules.cedar": STRICTER}}
    answer = await call(stage, app, "admin", "POST", "/v1/policy/replay", json=body)
    assert answer.status_code == 200, answer.text
    report = answer.json()
    assert (report["asked"], report["changed"], report["complete"]) == (1, 1, True)
    assert report["counts"]["approvals_changed"] == 1
    (change,) = report["changes"]
    assert (change["grant"], change["argv"]) == (asked["id"], list(READ))
    assert change["new"]["approvals"][0]["count"] == 2
    after = (await stage.call("requester", "GET", f"/v1/requests/{asked['id']}")).json()
    assert after == asked


@pytest.mark.parametrize(
    ("files", "status", "words"),
    [
        ({}, 422, "files"),
        ({"notes.txt": ""}, 422, "policy file"),
        ({"a\u202e.cedar": ""}, 422, "policy file"),
        ({"a.cedar": "permit"}, 422, "a.cedar:1"),
        ({"a.cedar": "("}, 422, "a.cedar:1"),
        ({"a.cedar": "permit(principal,action,resource) when {" + "(" * 200_000}, 422, "a.cedar:1"),
        ({"a.cedar": "x" * 300_000}, 422, "262,144"),
        ({f"{number}.cedar": "" for number in range(101)}, 422, "files"),
        ({"a.cedar": "//" + "x" * 1_100_000}, 413, "1048576"),
        ({"a.cedar": "\x00"}, 422, "a.cedar:1"),
    ],
    ids=["none", "name", "bidi", "open", "bracket", "deep", "long", "many", "huge", "nul"],
)
async def test_drafts_that_are_none_are_refused(stage, files, status, words):
    """With a problem document that says where, within its time, and the server goes on."""
    app = await with_cedar(stage)
    answer = await call(stage, app, "admin", "POST", "/v1/policy/replay", json={"files": files})
    assert answer.status_code == status, answer.text[:300]
    assert words in answer.json()["detail"]
    assert (await call(stage, app, "admin", "GET", "/v1/me")).status_code == 200


@pytest.mark.parametrize(
    "more", [{"since_seconds": 0}, {"since_seconds": 2_592_001}, {"limit": -1}]
)
async def test_the_bounds_of_a_replay_hold(stage, more):
    """At most 30 days, at most so many shown."""
    body = {"files": {"a.cedar": ""}, **more}
    answer = await stage.call("admin", "POST", "/v1/policy/replay", json=body)
    assert answer.status_code == 422


async def test_one_replay_at_a_time(stage):
    """A second one is told to wait; it costs a processor."""
    serving = stage.app.state.serving
    async with serving.replaying:
        body = {"files": {"a.cedar": ""}}
        answer = await stage.call("admin", "POST", "/v1/policy/replay", json=body)
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many")


async def test_an_administrator_who_may_not_audit_gets_counts_alone(stage):
    """Who asked for what stays with those who may see it."""
    await stage.ask(READ)
    rules = RULES.replace('"administer"), Protem::Action::"audit"]', '"administer"]')
    rules = rules.replace(', Protem::Action::"audit"]', "]")
    app = await with_cedar(stage, rules)
    body = {"files": {"rules.cedar": ""}}
    report = (await call(stage, app, "admin", "POST", "/v1/policy/replay", json=body)).json()
    assert (report["changed"], report["changes"], report["hidden"]) == (1, [], 1)


async def test_the_rules_are_shown_with_place_and_text(stage):
    """Each rule as written, with the line that findings name."""
    app = await with_cedar(stage)
    shown = (await call(stage, app, "auditor", "GET", "/v1/policy")).json()
    assert shown["files"] == [{"name": "rules.cedar", "text": RULES}]
    assert [rule["source"] for rule in shown["rules"]] == [f"rules.cedar:{n}" for n in (1, 3, 5)]
    assert shown["rules"][0]["text"].startswith('@id("reads") permit')
    assert shown["rules"][0]["actions"] == ["request"]


async def test_access_to_a_target_says_who_could_and_who_has(stage):
    """Profiles and recorded requests by person, the live grant, and what stands beside it."""
    declare_profile(stage)
    grant = (await stage.ask(READ, public_half=HALF, wait=5)).json()
    await stage.ask(WRITE)
    access = (await stage.call("auditor", "GET", f"/v1/targets/{TARGET}/access")).json()
    by_basis = {(each["basis"], *each["argv"]): each for each in access["possible"]}
    profile = by_basis["profile", "psql"]
    assert (profile["profile"], profile["duration_seconds"]) == ("read", 900)
    assert {answer["principal"] for answer in profile["answers"]} == {
        "local|requester",
        "local|requester-agent",
    }
    assert profile["denied"] == access["accounts_asked"] - 2
    write = by_basis["recorded", *WRITE]
    assert {answer["outcome"] for answer in write["answers"]} == {"needs_approval"}
    assert [live["id"] for live in access["live"]] == [grant["id"]]
    assert access["accounts_left_out"] == 0
    assert access["look"] is not None


async def test_a_target_that_cannot_be_read_is_said(stage):
    """The rest of the page is there; why the target was not read, too."""
    access = (await stage.call("auditor", "GET", f"/v1/targets/{TARGET}/access")).json()
    assert access["standing"] is None
    assert access["standing_trouble"] == "this kind of target is not read for them"


async def test_the_owners_of_a_target_see_its_access_without_the_right_to_audit(stage):
    """The group in the label ``owner``; of its live grants only what they may see anyway."""
    around = stage.plane.around
    target = around.catalogue.target(TARGET)
    around.catalogue.declare(
        replace(target, labels={**target.labels, "owner": "owners"}),
        stage.connector,
        around.catalogue.planner(TARGET),
    )
    path = f"/v1/targets/{TARGET}/access"
    assert (await stage.call("reviewer", "GET", path)).status_code == 200
    assert (await stage.call("requester", "GET", path)).status_code == 403


async def test_many_accounts_are_bounded_and_the_rest_is_counted(stage):
    """Nobody waits for ten thousand answers."""
    from protem.domain.principals import Principal  # noqa: PLC0415  # one use
    from protem.ports.store import Account  # noqa: PLC0415  # one use

    def work(transaction):
        for number in range(1_000):
            engineer = Principal(
                id=local(f"p{number:04}"), display="x", groups=frozenset({GroupName("engineers")})
            )
            transaction.accounts.put(Account(principal=engineer))

    await stage.store.write(work)
    await stage.ask(READ)
    access = (await stage.call("auditor", "GET", f"/v1/targets/{TARGET}/access")).json()
    assert access["accounts_asked"] == 300
    assert access["accounts_left_out"] == 1_007 - 300


async def test_entries_are_found_by_who_and_what(stage):
    """Decoded beside the exact bytes, newest first, with where to go on."""
    grant = (await stage.ask(READ)).json()
    path = f"/v1/audit/search?grant={grant['id']}&kind=request"
    page = (await stage.call("auditor", "GET", path)).json()
    kinds = [entry["event"]["kind"] for entry in page["entries"]]
    assert kinds == ["request.allowed", "request.created"]
    assert page["next"] is None
    first = (await stage.call("auditor", "GET", f"{path}&limit=1")).json()
    assert first["next"] == first["entries"][0]["index"]
    last = (await stage.call("auditor", "GET", f"{path}&before={first['next']}")).json()
    assert last["entries"] == page["entries"][1:]
    one = (await stage.call("auditor", "GET", f"/v1/audit/entries/{first['next']}")).json()
    assert one["body"] == first["entries"][0]["body"]
    assert one["proof"] is None


@pytest.mark.parametrize(
    "query",
    [
        "from=yesterday",
        "to=2026-01-01T00:00:00",
        "grant=x",
        "target=A%20B",
        "before=-1",
        "limit=501",
        "kind=" + "x" * 513,
        "nothing=1",
    ],
)
async def test_a_search_that_makes_no_sense_is_refused(stage, query):
    """422 with a problem document."""
    answer = await stage.call("auditor", "GET", f"/v1/audit/search?{query}")
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "invalid"


async def test_hostile_words_find_nothing_and_break_nothing(stage):
    """Quotes, controls and other alphabets in every filter that takes words."""
    await stage.ask(READ)
    for word in ('"', "\\", "\u202e", "<script>", "%", "' or 1=1 --", "\x00"):
        query = {"actor": word, "kind": word}
        answer = await stage.call("auditor", "GET", "/v1/audit/search", params=query)
        assert (answer.status_code, answer.json()["entries"]) == (200, [])


async def test_the_server_answers_while_a_replay_runs(stage):
    """Another caller does not wait for it."""
    for _ in range(50):
        await stage.ask(READ)
    app = await with_cedar(stage)
    body = {"files": {"rules.cedar": STRICTER}}
    replay = asyncio.create_task(call(stage, app, "admin", "POST", "/v1/policy/replay", json=body))
    async with asyncio.timeout(timedelta(seconds=10).total_seconds()):
        answer = await call(stage, app, "requester", "GET", "/v1/me")
        assert answer.status_code == 200
        assert (await replay).json()["changed"] == 50


def declare_profile(stage):
    """Give the target a profile."""
    around: Surroundings = stage.plane.around
    target = around.catalogue.target(TARGET)
    scope = Scope([Privilege(kind="table", path=("shop", "orders"), action="SELECT")])
    around.catalogue.declare(
        replace(target, profiles={ProfileName("read"): scope}),
        stage.connector,
        around.catalogue.planner(TARGET),
    )
