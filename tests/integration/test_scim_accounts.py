"""What provisioning does to people: accounts, sessions, grants, groups, managers."""

import asyncio
import json

import pytest
from tests.integration.control_plane_in_memory import HALF, WRITE
from tests.integration.scim_stage import ENTERPRISE_URN, ENTRA, OKTA, provisioning, user

from protem.domain import audit_events
from protem.domain.directories import DirectorySource, SubjectFrom
from protem.domain.errors import InvalidError
from protem.domain.identifiers import DirectoryName, GrantId
from protem.domain.principals import Principal, PrincipalKind
from protem.ports.store import Account
from protem.services.manage_accounts import disable_account

OFF = {"op": "replace", "path": "active", "value": False}
ON = {"op": "replace", "path": "active", "value": True}


@pytest.fixture(params=[False, True], ids=["in-memory", "sqlite"])
async def stage(request, tmp_path):
    """A control plane with both directories, on each store."""
    async with provisioning(tmp_path / "protem.db" if request.param else None) as made:
        yield made


async def engineer(stage, name="anna"):
    """Provision an engineer with a session; return the user and the group."""
    found = await stage.add_user(name)
    group = await stage.add_group("engineers", found["id"])
    stage.access.tokens[name] = await stage.session(f"00u-{name}")
    return found, group


async def entries(stage):
    """Every audit entry, oldest first."""
    found = await stage.store.read(lambda tx: tx.audit.entries(start=0, limit=1_000))
    return [json.loads(entry.body) for entry in found]


async def ended(stage, grant):
    """Wait until the grant is over and return it."""
    place = GrantId(grant["id"])
    async with asyncio.timeout(20):
        while True:
            found = await stage.store.read(lambda tx: tx.grants.get(place))
            if found.state == "ended":
                return found
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("how", ["patch", "put", "delete"])
async def test_whoever_is_deactivated_is_out_at_once(stage, how):
    """The session proves nobody, what waits is cancelled, the live grant ends at its target."""
    found, _ = await engineer(stage)
    live = (await stage.access.ask(public_half=HALF, who="anna", wait=5)).json()
    assert live["state"] == "active", live
    waiting = (await stage.access.ask(WRITE, who="anna")).json()
    assert stage.access.connector.target.grants
    assert (await stage.access.call("anna", "GET", "/v1/me")).status_code == 200
    place = f"/Users/{found['id']}"
    if how == "patch":
        done = await stage.patch(place, OFF)
    elif how == "put":
        done = await stage.call("PUT", place, json=user("anna", active=False))
    else:
        done = await stage.call("DELETE", place)
    assert done.status_code in (200, 204), done.text
    assert (await stage.access.call("anna", "GET", "/v1/me")).status_code == 401
    over = await ended(stage, live)
    assert over.end_cause == "principal_disabled"
    assert not stage.access.connector.target.grants
    cancelled = await stage.store.read(lambda tx: tx.grants.get(GrantId(waiting["id"])))
    assert cancelled.state == "cancelled"
    actors = {e["actor"] for e in await entries(stage) if e["kind"] == "grant.ending"}
    assert actors == {"scim|okta"}
    assert (await stage.account("00u-anna")).disabled


async def test_who_comes_back_may_sign_in_but_has_nothing_of_before(stage):
    """Re-activation enables the account with its groups; old tokens and grants stay over."""
    found, _ = await engineer(stage)
    place = f"/Users/{found['id']}"
    await stage.patch(place, OFF)
    await stage.patch(place, ON)
    account = await stage.account("00u-anna")
    assert (account.disabled, account.principal.groups) == (False, {"engineers"})
    assert (await stage.access.call("anna", "GET", "/v1/me")).status_code == 401
    stage.access.tokens["anna"] = await stage.session("00u-anna")
    assert (await stage.access.call("anna", "GET", "/v1/me")).status_code == 200
    await stage.call("DELETE", place)
    again = await stage.add_user("anna")
    assert again["id"] != found["id"]
    account = await stage.account("00u-anna")
    assert (account.disabled, account.principal.groups) == (False, frozenset())


async def test_leaving_a_group_takes_effect_at_the_next_decision(stage):
    """A remembered proof is forgotten: the very next request is decided without the group."""
    found, group = await engineer(stage)
    asked = await stage.access.ask(who="anna")
    assert asked.status_code == 201
    path = f'members[value eq "{found["id"]}"]'
    await stage.patch(f"/Groups/{group['id']}", {"op": "remove", "path": path})
    assert (await stage.access.ask(who="anna")).status_code == 403
    late = await stage.access.call(
        "anna", "POST", f"/v1/grants/{asked.json()['id']}/activate", json={"public_half": HALF}
    )
    assert late.status_code == 403


async def test_a_directory_does_not_enable_whom_an_operator_disabled(stage):
    """A replayed PUT that says active changes nothing; off and on again does."""
    found = await stage.add_user("anna", active=True)
    await disable_account(stage.around, audit_events.SYSTEM, OKTA.principal_id("00u-anna"))
    place = f"/Users/{found['id']}"
    for display in ("Anna", "Anna B"):
        body = user("anna", active=True, displayName=display)
        assert (await stage.call("PUT", place, json=body)).status_code == 200
    account = await stage.account("00u-anna")
    assert (account.disabled, account.principal.display) == (True, "Anna B")
    await stage.patch(place, OFF)
    await stage.patch(place, ON)
    assert not (await stage.account("00u-anna")).disabled


async def test_agents_of_the_deactivated_are_out_too(stage):
    """An agent that acts for the person loses its session with them."""
    found, _ = await engineer(stage)
    agent = Principal(
        id=OKTA.principal_id("agent"),
        display="agent",
        kind=PrincipalKind.AGENT,
        acts_for=OKTA.principal_id("00u-anna"),
    )
    await stage.store.write(lambda tx: tx.accounts.put(Account(principal=agent)))
    stage.access.tokens["agent"] = await stage.session("agent")
    assert (await stage.access.call("agent", "GET", "/v1/me")).status_code == 200
    await stage.patch(f"/Users/{found['id']}", OFF)
    assert (await stage.access.call("agent", "GET", "/v1/me")).status_code == 401


async def test_a_new_subject_is_a_new_person(stage):
    """Where the user name is the subject, renaming cuts the former principal off."""
    found = await stage.add_user("old@contoso.com", who="entra")
    group = await stage.add_group("team", found["id"], who="entra")
    body = user("new@contoso.com")
    assert (await stage.call("PUT", f"/Users/{found['id']}", "entra", json=body)).status_code == 200
    old = await stage.account("old@contoso.com", ENTRA)
    new = await stage.account("new@contoso.com", ENTRA)
    assert (old.disabled, old.principal.groups) == (True, frozenset())
    assert (new.disabled, new.principal.groups) == (False, {"entra/team"})
    assert group["displayName"] == "team"


async def test_managers_are_found_whenever_they_come(stage):
    """By id, external id or user name; before or after the person; and lost when they go."""

    async def manager():
        return (await stage.account("00u-anna")).manager

    anna = await stage.add_user("anna", **{ENTERPRISE_URN: {"manager": {"value": "00u-boss"}}})
    assert await manager() is None
    boss = await stage.add_user("boss")
    wanted = OKTA.principal_id("00u-boss")
    assert await manager() == wanted
    path = f"{ENTERPRISE_URN}:manager"
    for name in (boss["id"], "boss", "00u-boss"):
        await stage.patch(f"/Users/{anna['id']}", {"op": "replace", "path": path, "value": name})
        assert await manager() == wanted
    await stage.call("DELETE", f"/Users/{boss['id']}")
    assert await manager() is None
    await stage.add_user("boss")
    assert await manager() == wanted


async def test_a_decision_knows_the_manager_that_the_directory_names(stage):
    """The identity port gives policy the manager, and forgets it with the directory."""
    boss = await stage.add_user("boss")
    anna = await stage.add_user("anna", **{ENTERPRISE_URN: {"manager": {"value": "00u-boss"}}})
    identity, anna_id = stage.around.identity, OKTA.principal_id("00u-anna")

    async def manager():
        return (await stage.store.read(lambda tx: identity.lookup(tx, anna_id))).manager

    assert await manager() == OKTA.principal_id("00u-boss")
    await stage.call("DELETE", f"/Users/{boss['id']}")
    assert await manager() is None
    assert anna["active"]


async def test_sources_are_apart(stage):
    """The same user name twice, each in its own source; neither sees or changes the other's."""
    mine = await stage.add_user("same@example.com")
    theirs = await stage.add_user("same@example.com", who="entra")
    group = await stage.add_group("owners", mine["id"])
    await stage.add_group("owners", theirs["id"], who="entra")
    groups = (await stage.account("00u-same@example.com")).principal.groups
    assert groups == {"owners"}
    assert (await stage.account("same@example.com", ENTRA)).principal.groups == {"entra/owners"}
    for method, body in (("GET", None), ("PUT", user("x")), ("DELETE", None)):
        answer = await stage.call(method, f"/Users/{mine['id']}", "entra", json=body)
        assert answer.status_code == 404
    add = {"op": "add", "path": "members", "value": [{"value": theirs["id"]}]}
    assert (await stage.patch(f"/Groups/{group['id']}", add, who="entra")).status_code == 404
    assert (await stage.patch(f"/Groups/{group['id']}", add)).status_code == 400
    listed = (await stage.call("GET", "/Users", "entra")).json()
    assert [each["id"] for each in listed["Resources"]] == [theirs["id"]]


async def test_one_person_comes_from_one_directory(stage):
    """A subject that another user has is refused, as is a user name in another case."""
    await stage.add_user("anna")
    for body in (
        {**user("other"), "externalId": "00u-anna"},
        {**user("ANNA"), "externalId": "00u-other"},
        user("anna"),
    ):
        again = await stage.call("POST", "/Users", json=body)
        assert (again.status_code, again.json()["scimType"]) == (409, "uniqueness")
    other = await stage.add_user("ben")
    renamed = await stage.call("PUT", f"/Users/{other['id']}", json=user("anna"))
    assert (renamed.status_code, renamed.json()["scimType"]) == (409, "uniqueness")


async def test_the_log_tells_who_came_changed_and_went(stage):
    """Each change has one entry by the directory; a change that changes nothing has none."""
    found, group = await engineer(stage)
    body = user("anna")
    for _ in range(3):
        assert (await stage.call("PUT", f"/Users/{found['id']}", json=body)).status_code == 200
    again = {"op": "add", "path": "members", "value": [{"value": found["id"]}]}
    await stage.patch(f"/Groups/{group['id']}", again)
    await stage.call("DELETE", f"/Groups/{group['id']}")
    await stage.call("DELETE", f"/Users/{found['id']}")
    seen = [
        (entry["kind"], entry["data"]["change"])
        for entry in await entries(stage)
        if entry["actor"] == "scim|okta"
    ]
    assert seen == [
        ("directory.user_changed", "added"),
        ("account.changed", "provisioned"),
        ("directory.group_changed", "added"),
        ("directory.group_changed", "removed"),
        ("directory.user_changed", "removed"),
        ("account.changed", "disabled"),
    ]


@pytest.mark.parametrize(
    ("issuer", "prefix"), [("local", ""), ("https://x", "protem:"), ("https://x", " "), ("", "")]
)
def test_a_directory_gives_out_nothing_of_ours(issuer, prefix):
    """No local account, no group of Protem's own, no group without a name."""
    with pytest.raises(InvalidError):
        DirectorySource(
            name=DirectoryName("x"),
            issuer=issuer,
            subject_from=SubjectFrom.USER_NAME,
            group_prefix=prefix,
        )
