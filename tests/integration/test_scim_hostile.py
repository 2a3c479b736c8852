"""What the SCIM endpoints do with what nobody should send, and with what is sent twice."""

import asyncio
import json

import pytest
from tests.integration.scim_stage import (
    GROUP_URN,
    PATCH_URN,
    TOKENS,
    provisioning,
    user,
)

from protem.domain.errors import AuditUnavailableError
from protem.entrypoints.scim.app import create_scim_app

ERROR_URN = "urn:ietf:params:scim:api:messages:2.0:Error"
ROUTES = [
    ("GET", "/Users"), ("POST", "/Users"), ("GET", "/Users/x"), ("PUT", "/Users/x"),
    ("PATCH", "/Users/x"), ("DELETE", "/Users/x"), ("GET", "/Groups"), ("POST", "/Groups"),
    ("GET", "/Groups/x"), ("PUT", "/Groups/x"), ("PATCH", "/Groups/x"), ("DELETE", "/Groups/x"),
    ("GET", "/ServiceProviderConfig"), ("GET", "/ResourceTypes"), ("GET", "/ResourceTypes/User"),
    ("GET", "/Schemas"), ("GET", "/Schemas/x"), ("POST", "/Bulk"), ("POST", "/.search"),
    ("POST", "/Users/.search"), ("POST", "/Groups/.search"),
]  # fmt: skip
BELL = "\x07"
DEEP = "[" * 100_000 + "]" * 100_000
MEGABYTE = "x" * 1_000_000


@pytest.fixture
async def stage():
    """A control plane with both directories, in memory."""
    async with provisioning() as made:
        yield made


def is_refusal(answer, status, keyword=None):
    """Check that an answer is a SCIM error, and return it."""
    document = answer.json()
    assert (answer.status_code, document["status"]) == (status, str(status)), answer.text
    assert answer.headers["content-type"] == "application/scim+json"
    assert document["schemas"] == [ERROR_URN]
    assert document.get("scimType") == keyword, document
    assert len(document["detail"]) <= 500
    return document


@pytest.mark.parametrize("token", [None, "wrong", "x" * 5_000, TOKENS["okta"][:-1], "ptm_x", "é"])
async def test_no_route_answers_without_a_directorys_token(stage, token):
    """Nobody, a wrong token, most of a right one: 401 with a challenge, on every route."""
    for method, path in ROUTES:
        headers = {} if token is None else {"authorization": f"Bearer {token}".encode()}
        answer = await stage.call(method, path, None, headers=headers)
        is_refusal(answer, 401)
        assert answer.headers["www-authenticate"] == "Bearer"
    calls = create_scim_app(stage.around, ()).openapi()["paths"].values()
    assert sum(len(methods) for methods in calls) == len(ROUTES)


async def test_a_persons_session_is_no_directorys_token_nor_the_reverse(stage):
    """Neither door opens with the other's key."""
    await stage.add_user("anna")
    session = await stage.session("00u-anna")
    is_refusal(await stage.call("GET", "/Users", session), 401)
    stage.access.tokens["okta"] = TOKENS["okta"]
    assert (await stage.access.call("okta", "GET", "/v1/me")).status_code == 401


@pytest.mark.parametrize(
    ("body", "keyword"),
    [
        (b"", "invalidSyntax"),
        (b"{", "invalidSyntax"),
        (b"[]", "invalidSyntax"),
        (b"null", "invalidSyntax"),
        (b"\xff\xfe", "invalidSyntax"),
        (DEEP.encode(), "invalidSyntax"),
        (json.dumps({**user("a"), "name": [[[]]]}).encode(), "invalidValue"),
        (b'{"schemas":[' + b'"x",' * 50_000 + b'"x"],"userName":"a"}', "invalidSyntax"),
        (b'{"userName": NaN}', "invalidSyntax"),
        (json.dumps(user("a" * 256)).encode(), "invalidValue"),
        (json.dumps({**user("a"), "userName": MEGABYTE}).encode(), "invalidValue"),
        (json.dumps(user("")).encode(), "invalidValue"),
        (json.dumps({**user("a"), "userName": None}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "userName": 7}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "active": "perhaps"}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "active": [True]}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "emails": "a@b"}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "emails": [{"value": "a"}] * 21}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "externalId": "with space"}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "externalId": "ünicode"}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "externalId": None}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "displayName": f"a{BELL}b"}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "displayName": "a\u202eb"}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "displayName": "\ud800"}).encode(), "invalidValue"),
        (json.dumps({**user("a"), "name": {"givenName": "\x00"}}).encode(), "invalidValue"),
    ],
    ids=range(25),
)  # fmt: skip
async def test_bodies_that_are_no_users_are_refused(stage, body, keyword):
    """Wrong JSON, wrong types, wrong sizes, wrong letters: 400, and nobody was added."""
    answer = await stage.call(
        "POST", "/Users", content=body, headers={"content-type": "application/scim+json"}
    )
    document = is_refusal(answer, 400, keyword)
    assert "\x00" not in document["detail"]
    assert (await stage.call("GET", "/Users")).json()["totalResults"] == 0


async def test_a_body_over_the_bound_and_another_media_type_are_refused(stage):
    """Over a megabyte is 413 before it is read; what is not JSON is not read as JSON."""
    much = json.dumps({**user("a"), "x": MEGABYTE * 2}).encode()
    assert (await stage.call("POST", "/Users", content=much)).status_code == 413
    form = {"content-type": "application/x-www-form-urlencoded"}
    refused = await stage.call("POST", "/Users", content=b"{}", headers=form)
    is_refusal(refused, 400, "invalidSyntax")


@pytest.mark.parametrize(
    "name",
    ["protem:declared", "PROTEM:declared", " protem:x", "Прод", "a\nb;", "{}", "x" * 129, "-x",
     "<script>", "", " ", "a\u200bb", "\uff41dmins"],
)  # fmt: skip
async def test_group_names_that_policy_cannot_have_are_refused(stage, name):
    """Reserved, foreign, unprintable and overlong names; by POST, PUT and PATCH."""
    body = {"schemas": [GROUP_URN], "displayName": name}
    is_refusal(await stage.call("POST", "/Groups", json=body), 400, "invalidValue")
    made = await stage.add_group("fine")
    place = f"/Groups/{made['id']}"
    is_refusal(await stage.call("PUT", place, json=body), 400, "invalidValue")
    rename = {"op": "replace", "path": "displayName", "value": name}
    is_refusal(await stage.patch(place, rename), 400, "invalidValue")
    assert (await stage.call("GET", place)).json()["displayName"] == "fine"


async def test_names_that_become_one_name_are_refused(stage):
    """``DB Owners``, ``db-owners`` and ``DB  Owners`` are one group to policy."""
    await stage.add_group("DB Owners")
    other = await stage.add_group("others")
    for name in ("db-owners", "DB  Owners", "DB-OWNERS"):
        body = {"schemas": [GROUP_URN], "displayName": name}
        is_refusal(await stage.call("POST", "/Groups", json=body), 409, "uniqueness")
        rename = {"op": "replace", "value": {"displayName": name}}
        refused = await stage.patch(f"/Groups/{other['id']}", rename)
        is_refusal(refused, 409, "uniqueness")


async def test_groups_in_groups_are_refused_so_nothing_is_cyclic(stage):
    """By type or by id, in another group or in itself; members already there stay."""
    anna = await stage.add_user("anna")
    one = await stage.add_group("one", anna["id"])
    two = await stage.add_group("two")
    for member in (
        {"value": two["id"], "type": "Group"},
        {"value": two["id"]},
        {"value": one["id"]},
    ):
        add = {"op": "add", "path": "members", "value": [member]}
        refused = is_refusal(await stage.patch(f"/Groups/{one['id']}", add), 400, "invalidValue")
        assert "groups in groups" in refused["detail"]
    members = (await stage.call("GET", f"/Groups/{one['id']}")).json()["members"]
    assert [member["value"] for member in members] == [anna["id"]]


@pytest.mark.parametrize(
    ("operations", "keyword"),
    [
        ([], "invalidSyntax"),
        ("x", "invalidSyntax"),
        ([7], "invalidSyntax"),
        ([{"op": "zap", "path": "displayName", "value": "x"}], None),
        ([{"op": "replace", "path": 7, "value": "x"}], "invalidSyntax"),
        ([{"op": "replace", "path": "a b", "value": "x"}], "invalidPath"),
        ([{"op": "replace", "path": "x" * 3_000, "value": "x"}], "invalidSyntax"),
        ([{"op": "replace", "path": "members[" + "not (" * 300, "value": 1}], "invalidPath"),
        ([{"op": "remove"}], None),
        ([{"op": "replace", "path": "displayName", "value": {"a": "b"}}], "invalidValue"),
        ([{"op": "add", "path": "displayName", "value": "x"}] * 1_001, "invalidValue"),
        ([{"op": "replace", "path": "displayName", "value": "New"},
          {"op": "replace", "path": "displayName", "value": 7}], "invalidValue"),
    ],
    ids=range(12),
)  # fmt: skip
@pytest.mark.parametrize("kind", ["Users", "Groups"])
async def test_patches_that_cannot_be_are_refused_whole(stage, kind, operations, keyword):
    """A wrong operation leaves nothing of the right ones before it."""
    made = await (stage.add_user("a") if kind == "Users" else stage.add_group("a"))
    place = f"/{kind}/{made['id']}"
    body = {"schemas": [PATCH_URN], "Operations": operations}
    answer = await stage.call("PATCH", place, json=body)
    document = is_refusal(answer, 400, keyword or answer.json().get("scimType"))
    assert document["scimType"].startswith(("invalid", "noTarget"))
    assert (await stage.call("GET", place)).json() == made


@pytest.mark.parametrize(
    "text",
    ["", "x", "userName", 'userName eq "a', 'password eq "x"', 'userName gt "a"', "userName eq 7",
     'emails[type eq "work"]', 'groups eq "x"', 'id eq "a" or title pr', "(" * 1_900,
     "not (" * 300 + "id pr" + ")" * 300, "x" * 2_001, 'meta.created gt "2026"',
     " or ".join(["id pr"] * 60)],
)  # fmt: skip
async def test_filters_that_are_not_served_are_refused(stage, text):
    """``invalidFilter``, never everybody and never nobody."""
    for kind in ("Users", "Groups"):
        answer = await stage.call("GET", f"/{kind}", params={"filter": text})
        is_refusal(answer, 400, "invalidFilter")


async def test_filters_pages_and_projections(stage):
    """Each operator finds whom it should; pages follow each other; attributes are chosen."""
    for number in range(5):
        name = f"User{number}"
        emails = [{"value": f"u{number}@example.com"}]
        await stage.add_user(name, emails=emails, active=number != 3, displayName=f"N{number}")

    async def found(text, **query):
        answer = await stage.call("GET", "/Users", params={"filter": text, **query})
        assert answer.status_code == 200, answer.text
        return [each["userName"][-1] for each in answer.json()["Resources"]]

    for text, wanted in (
        ('userName eq "USER1"', "1"),
        ('externalId eq "00u-User1"', "1"),
        ('externalId eq "00U-USER1"', ""),
        ('userName sw "user" and not (userName ew "4")', "0123"),
        ('displayName co "n" and active eq true', "0124"),
        ("active eq false", "3"),
        ('active eq "False"', "3"),
        ('emails eq "u2@EXAMPLE.com" or emails.value eq "u0@example.com"', "02"),
        ('userName ne "User0"', "1234"),
        ("displayName pr", "01234"),
        ("manager pr", ""),
        ('urn:ietf:params:scim:schemas:core:2.0:User:userName eq "User4"', "4"),
        ('id eq "nonsense"', ""),
    ):
        assert "".join(await found(text)) == wanted, text
    pages = []
    for start in (1, 3, 5, 7):
        query = {"startIndex": start, "count": 2}
        page = (await stage.call("GET", "/Users", params=query)).json()
        assert (page["totalResults"], page["startIndex"]) == (5, start)
        pages += [each["userName"] for each in page["Resources"]]
    assert pages == [f"User{number}" for number in range(5)]
    for query in ({"count": 0}, {"count": -5}):
        assert (await stage.call("GET", "/Users", params=query)).json()["Resources"] == []
    for query in ({"count": "x"}, {"startIndex": "1e3"}, {"count": "9" * 4_000}):
        answer = await stage.call("GET", "/Users", params=query)
        assert answer.status_code in (200, 400)
    chosen = {
        "attributes": "userName,emails.value,urn:ietf:params:scim:schemas:core:2.0:User:active"
    }
    shown = (await stage.call("GET", "/Users", params=chosen)).json()["Resources"][0]
    assert set(shown) == {"schemas", "id", "userName", "emails", "active"}
    left = {"excludedAttributes": "emails,meta.version,id"}
    shown = (await stage.call("GET", "/Users", params=left)).json()["Resources"][0]
    assert "emails" not in shown
    assert "version" not in shown["meta"]
    assert shown["id"]
    both = await stage.call("GET", "/Users", params={**chosen, **left})
    is_refusal(both, 400, "invalidValue")


async def test_versions_keep_two_writers_apart(stage):
    """A stale If-Match is 412 and changes nothing; a known version is 304; nonsense is 412."""
    made = await stage.add_user("a")
    place, first = f"/Users/{made['id']}", made["meta"]["version"]
    fresh = await stage.call("PUT", place, json=user("a", title="x", displayName="A"),
                             headers={"if-match": first})  # fmt: skip
    assert (fresh.status_code, fresh.headers["etag"]) == (200, 'W/"2"')
    for stale in (first, '"nonsense"', 'W/"99999999999999999999"'):
        headers = {"if-match": stale}
        change = {"op": "replace", "path": "displayName", "value": "B"}
        for answer in (
            await stage.call("PUT", place, json=user("a"), headers=headers),
            await stage.patch(place, change, headers=headers),
            await stage.call("DELETE", place, headers=headers),
        ):
            is_refusal(answer, 412)
    known = await stage.call("GET", place, headers={"if-none-match": 'W/"2"'})
    assert (known.status_code, known.content) == (304, b"")
    assert (await stage.call("DELETE", place, headers={"if-match": 'W/"2"'})).status_code == 204


async def test_changes_at_once_lose_nothing(stage):
    """Twenty PATCHes of one user and of one group at once all take effect."""
    made = await stage.add_user("a")
    members = [await stage.add_user(f"m{number}") for number in range(20)]
    group = await stage.add_group("g")
    changes = [
        stage.patch(
            f"/Groups/{group['id']}",
            {"op": "add", "path": "members", "value": [{"value": member["id"]}]},
        )
        for member in members
    ]
    changes += [
        stage.patch(f"/Users/{made['id']}", {"op": "replace", "path": path, "value": path})
        for path in ("displayName", "name.givenName", "name.familyName", "name.formatted")
    ]
    assert {answer.status_code for answer in await asyncio.gather(*changes)} <= {200, 204}
    assert len((await stage.call("GET", f"/Groups/{group['id']}")).json()["members"]) == 20
    after = (await stage.call("GET", f"/Users/{made['id']}")).json()
    assert len(after["name"]) == 3
    assert after["displayName"] == "displayName"


async def test_what_is_gone_stays_gone(stage):
    """Everything on a removed user is 404; a group that is told to let it go is content."""
    made = await stage.add_user("a")
    group = await stage.add_group("g", made["id"])
    place = f"/Users/{made['id']}"
    assert (await stage.call("DELETE", place)).status_code == 204
    is_refusal(await stage.patch(place, {"op": "replace", "path": "active", "value": True}), 404)
    for method in ("GET", "PUT", "DELETE"):
        is_refusal(await stage.call(method, place, json=user("a")), 404)
    leave = {"op": "remove", "path": f'members[value eq "{made["id"]}"]'}
    assert (await stage.patch(f"/Groups/{group['id']}", leave)).status_code == 204
    assert (await stage.account("00u-a")).disabled


async def test_unknown_places_and_methods_are_scim_errors(stage):
    """404 and 405 in the protocol's own form; what is not supported is 501."""
    is_refusal(await stage.call("GET", "/Robots"), 404)
    is_refusal(await stage.call("POST", "/Users/x"), 405)
    is_refusal(await stage.call("DELETE", "/Schemas"), 405)
    is_refusal(await stage.call("GET", "/Schemas?filter=id%20pr"), 403)
    for path in ("/Bulk", "/.search", "/Users/.search"):
        is_refusal(await stage.call("POST", path, json={}), 501)


async def test_a_store_that_cannot_write_is_said_to_come_again(stage):
    """503 with a time to try again, and nothing half-done."""
    stage.store.failure = AuditUnavailableError("the disk is full")
    answer = await stage.call("POST", "/Users", json=user("a"))
    is_refusal(answer, 503)
    assert answer.headers["retry-after"]
    stage.store.failure = None
    assert (await stage.call("POST", "/Users", json=user("a"))).status_code == 201
