"""What Okta and Entra really send, literally, in the order in which they send it.

Sources: developer.okta.com, "SCIM 2.0 protocol reference"; learn.microsoft.com, "Tutorial: Develop
and plan provisioning for a SCIM endpoint in Microsoft Entra ID".
"""

import pytest
from tests.integration.scim_stage import (
    ENTERPRISE_URN,
    ENTRA,
    GROUP_URN,
    PATCH_URN,
    USER_URN,
    provisioning,
)

LIST_URN = "urn:ietf:params:scim:api:messages:2.0:ListResponse"


@pytest.fixture(params=[False, True], ids=["in-memory", "sqlite"])
async def stage(request, tmp_path):
    """A control plane with both directories, on each store."""
    async with provisioning(tmp_path / "protem.db" if request.param else None) as made:
        yield made


async def test_okta_creates_deactivates_and_activates_a_user(stage):
    """The look-up that finds nothing, POST with a password, GET, PUT, PATCH without a path."""
    found = await stage.call(
        "GET", '/Users?filter=userName%20eq%20"test.user%40okta.local"&startIndex=1&count=100'
    )
    assert found.json() == {
        "schemas": [LIST_URN],
        "totalResults": 0,
        "startIndex": 1,
        "itemsPerPage": 0,
        "Resources": [],
    }
    body = {
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"],
        "userName": "test.user@okta.local",
        "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": True, "value": "test.user@okta.local", "type": "work"}],
        "displayName": "Test User",
        "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7",
        "groups": [],
        "password": "1mz050nq",
        "active": True,
    }
    made = await stage.call("POST", "/Users", json=body)
    assert made.status_code == 201, made.text
    user = made.json()
    assert made.headers["content-type"] == "application/scim+json"
    assert made.headers["location"] == user["meta"]["location"]
    assert made.headers["etag"] == user["meta"]["version"] == 'W/"1"'
    assert "password" not in user
    assert user["emails"] == [{"value": "test.user@okta.local", "type": "work", "primary": True}]
    assert "1mz050nq" not in made.text
    account = await stage.account("00ujl29u0le5T6Aj10h7")
    assert (account.principal.display, account.disabled) == ("Test User", False)

    place = f"/Users/{user['id']}"
    assert (await stage.call("GET", place)).json() == user
    put = await stage.call("PUT", place, json={**user, "displayName": "Another Name"})
    assert (put.status_code, put.json()["displayName"]) == (200, "Another Name")

    off = await stage.patch(place, {"op": "replace", "value": {"active": False}})
    assert (off.status_code, off.json()["active"]) == (200, False)
    assert (await stage.account("00ujl29u0le5T6Aj10h7")).disabled
    on = await stage.patch(place, {"op": "replace", "value": {"active": True}})
    assert on.json()["active"] is True
    assert not (await stage.account("00ujl29u0le5T6Aj10h7")).disabled


async def test_okta_pushes_a_group_and_changes_its_members(stage):
    """POST with a member, PATCH with the id in the value, members by filter and by list, DELETE."""
    anna = await stage.add_user("anna@okta.local")
    ben = await stage.add_user("ben@okta.local")
    made = await stage.call(
        "POST",
        "/Groups",
        json={
            "schemas": [GROUP_URN],
            "displayName": "Test SCIMv2",
            "members": [{"value": anna["id"], "display": "anna@okta.local"}],
        },
    )
    assert made.status_code == 201, made.text
    group = made.json()
    place = f"/Groups/{group['id']}"

    async def groups_of(name):
        return sorted((await stage.account(f"00u-{name}@okta.local")).principal.groups)

    assert await groups_of("anna") == ["Test-SCIMv2"]
    renamed = await stage.patch(
        place, {"op": "replace", "value": {"id": group["id"], "displayName": "DB Owners"}}
    )
    assert renamed.status_code == 204, renamed.text
    assert await groups_of("anna") == ["DB-Owners"]
    await stage.patch(
        place,
        {"op": "add", "path": "members", "value": [{"value": ben["id"], "display": "ben"}]},
    )
    assert await groups_of("ben") == ["DB-Owners"]
    await stage.patch(place, {"op": "remove", "path": f'members[value eq "{anna["id"]}"]'})
    assert (await groups_of("anna"), await groups_of("ben")) == ([], ["DB-Owners"])
    await stage.patch(
        place,
        {"op": "remove", "path": f'members[value eq "{ben["id"]}"]'},
        {"op": "add", "path": "members", "value": [{"value": anna["id"]}]},
    )
    assert (await groups_of("anna"), await groups_of("ben")) == (["DB-Owners"], [])
    await stage.patch(place, {"op": "replace", "path": "members", "value": [{"value": ben["id"]}]})
    assert (await groups_of("anna"), await groups_of("ben")) == ([], ["DB-Owners"])
    listed = (await stage.call("GET", "/Groups?startIndex=1&count=100")).json()
    assert [found["displayName"] for found in listed["Resources"]] == ["DB Owners"]
    assert [each["value"] for each in listed["Resources"][0]["members"]] == [ben["id"]]
    shown = (await stage.call("GET", f"/Users/{ben['id']}")).json()
    assert shown["groups"] == [{"value": group["id"], "display": "DB Owners"}]
    assert (await stage.call("DELETE", place)).status_code == 204
    assert await groups_of("ben") == []


async def test_entra_tests_the_connection_and_creates_a_user(stage):
    """A look-up of a user that cannot exist is an empty list; POST bears the extension."""
    nobody = '/Users?filter=userName%20eq%20"non-existent%20user"'
    assert (await stage.call("GET", nobody, "entra")).json()["totalResults"] == 0
    boss = await stage.add_user("boss@contoso.com", who="entra")
    body = {
        "schemas": [USER_URN, ENTERPRISE_URN],
        "externalId": "0a21f0f2-8d2a-4f8e-bf98-7363c4aed4ef",
        "userName": "Test_User_ab6490ee@contoso.com",
        "active": True,
        "addresses": [],
        "emails": [{"type": "work", "value": "Test_User_fd0ea19b@contoso.com", "primary": True}],
        "meta": {"resourceType": "User"},
        "name": {"formatted": "givenName familyName", "familyName": "familyName",
                 "givenName": "givenName"},
        "roles": [],
        "title": "Engineer",
        ENTERPRISE_URN: {"department": "Sales", "manager": boss["id"]},
    }  # fmt: skip
    refused = await stage.call("POST", "/Users", "entra", json=body)
    assert refused.status_code == 400  # a manager is an object here; Entra writes it by PATCH
    body[ENTERPRISE_URN] = {"department": "Sales"}
    made = await stage.call("POST", "/Users", "entra", json=body)
    assert made.status_code == 201, made.text
    user = made.json()
    subject = "Test_User_ab6490ee@contoso.com"
    assert (await stage.account(subject, ENTRA)).manager is None
    place = f"/Users/{user['id']}"
    for operation in (
        {"op": "Add", "path": f"{ENTERPRISE_URN}:manager", "value": boss["id"]},
        {"op": "Replace", "path": f"{ENTERPRISE_URN}:manager",
         "value": {"$ref": f"../Users/{boss['id']}", "value": boss["id"]}},
        {"op": "Add", "value": {f"{ENTERPRISE_URN}:manager": boss["id"]}},
    ):  # fmt: skip
        patched = await stage.patch(place, operation, who="entra")
        assert patched.status_code == 200, patched.text
        assert patched.json()[ENTERPRISE_URN] == {"manager": {"value": boss["id"]}}
        account = await stage.account(subject, ENTRA)
        assert account.manager == ENTRA.principal_id("boss@contoso.com")
    check = f'/Users?filter=id eq "{user["id"]}" and manager eq "{boss["id"]}"&attributes=id'
    assert [u["id"] for u in (await stage.call("GET", check, "entra")).json()["Resources"]] == [
        user["id"]
    ]
    gone = await stage.patch(
        place, {"op": "Remove", "path": f"{ENTERPRISE_URN}:manager"}, who="entra"
    )
    assert ENTERPRISE_URN not in gone.json()
    assert (await stage.account(subject, ENTRA)).manager is None


async def test_entra_patches_in_its_own_spelling(stage):
    """Capitalised verbs, booleans as text, values in brackets that are not there yet."""
    made = await stage.add_user("p@contoso.com", who="entra", active="True")
    assert made["active"] is True
    place = f"/Users/{made['id']}"
    body = {
        "schemas": [PATCH_URN],
        "Operations": [
            {"op": "Replace", "path": 'emails[type eq "work"].value', "value": "new@contoso.com"},
            {"op": "Replace", "path": "name.familyName", "value": "updatedFamilyName"},
            {"op": "Add", "path": "displayName", "value": "P"},
            {"op": "Replace", "path": 'phoneNumbers[type eq "mobile"].value', "value": "+1"},
        ],
    }
    patched = (await stage.call("PATCH", place, "entra", json=body)).json()
    assert patched["emails"] == [{"value": "new@contoso.com", "type": "work"}]
    assert patched["name"]["familyName"] == "updatedFamilyName"
    off = {"op": "Replace", "path": "active", "value": "False"}
    assert (await stage.patch(place, off, who="entra")).json()["active"] is False
    assert (await stage.account("p@contoso.com", ENTRA)).disabled
    on = {"op": "replace", "value": {"active": "True", "name.givenName": "Given"}}
    after = (await stage.patch(place, on, who="entra")).json()
    assert (after["active"], after["name"]["givenName"]) == (True, "Given")
    by_mail = '/Users?filter=emails[type eq "work"].value eq "new@contoso.com"'
    refused = (await stage.call("GET", by_mail, "entra")).json()
    assert refused["scimType"] == "invalidFilter"
    assert (await stage.call("DELETE", place, "entra")).status_code == 204
    assert (await stage.call("DELETE", place, "entra")).status_code == 404


async def test_entra_keeps_groups(stage):
    """Looked up without members, members added and removed by value, a user's membership asked."""
    member = await stage.add_user("m@contoso.com", who="entra")
    made = await stage.call(
        "POST",
        "/Groups",
        "entra",
        json={
            "schemas": [GROUP_URN, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
            "externalId": "8aa1a0c0-c4c3-4bc0-b4a5-2ef676900159",
            "displayName": "displayName",
            "meta": {"resourceType": "Group"},
        },
    )  # fmt: skip
    assert made.status_code == 201, made.text
    place = f"/Groups/{made.json()['id']}"
    query = '/Groups?excludedAttributes=members&filter=displayName eq "DISPLAYNAME"'
    found = (await stage.call("GET", query, "entra")).json()
    assert found["totalResults"] == 1
    assert "members" not in found["Resources"][0]
    add = {"op": "Add", "path": "members", "value": [{"$ref": None, "value": member["id"]}]}
    for _ in range(2):
        assert (await stage.patch(place, add, who="entra")).status_code == 204
    asked = f'/Groups?filter=id eq "{made.json()["id"]}" and members eq "{member["id"]}"'
    assert (await stage.call("GET", asked, "entra")).json()["totalResults"] == 1
    groups = (await stage.account("m@contoso.com", ENTRA)).principal.groups
    assert groups == {"entra/displayName"}
    remove = {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": member["id"]}]}
    for _ in range(2):
        assert (await stage.patch(place, remove, who="entra")).status_code == 204
    assert (await stage.account("m@contoso.com", ENTRA)).principal.groups == frozenset()
    rename = {"op": "Replace", "path": "displayName", "value": "1879db59-3bdf"}
    assert (await stage.patch(place, rename, who="entra")).status_code == 204
    assert (await stage.call("GET", place, "entra")).json()["displayName"] == "1879db59-3bdf"
