"""Provisioning over crashes and at size: what is sent again, what dies half-way, ten thousand."""

import sqlite3

from tests.integration.scim_stage import GROUP_URN, provisioning, user

from protem.storage.sqlite_store import SqliteStore
from protem.testing.directory_records_contract import user as record


async def test_a_repeated_request_after_a_lost_answer(tmp_path):
    """The server dies after the commit: the directory sends it again to the next one."""
    path = tmp_path / "protem.db"
    async with provisioning(path) as stage:
        made = await stage.add_user("a")
        group = await stage.add_group("g", made["id"])
    async with provisioning(path) as stage:
        again = await stage.call("POST", "/Users", json=user("a"))
        assert (again.status_code, again.json()["scimType"]) == (409, "uniqueness")
        found = await stage.call("GET", '/Users?filter=userName eq "a"')
        assert found.json()["Resources"][0]["id"] == made["id"]
        for _ in range(2):
            put = await stage.call("PUT", f"/Users/{made['id']}", json=user("a"))
            assert (put.status_code, put.headers["etag"]) == (200, 'W/"1"')
        add = {"op": "add", "path": "members", "value": [{"value": made["id"]}]}
        assert (await stage.patch(f"/Groups/{group['id']}", add)).headers["etag"] == 'W/"1"'


async def test_death_in_the_middle_leaves_all_or_nothing(tmp_path):
    """A commit that fails at its last statement leaves neither user, account nor log entry."""
    path = tmp_path / "protem.db"
    async with provisioning(path) as stage:
        made = await stage.add_user("a")
    with sqlite3.connect(path) as database:
        database.execute(
            "CREATE TRIGGER dies BEFORE INSERT ON account_groups"
            " BEGIN SELECT RAISE(ROLLBACK, 'the power is gone'); END"
        )
    async with provisioning(path) as stage:
        size = await stage.store.read(lambda tx: tx.audit.size())
        body = {"schemas": [GROUP_URN], "displayName": "g", "members": [{"value": made["id"]}]}
        answer = await stage.call("POST", "/Groups", json=body)
        assert answer.status_code in (409, 503)
        assert await stage.store.read(lambda tx: tx.audit.size()) == size
        assert (await stage.call("GET", "/Groups")).json()["totalResults"] == 0


async def test_ten_thousand_users_are_listed_page_by_page(tmp_path):
    """Every one is seen once, no page is over the bound, and a name is found without a scan."""
    path = tmp_path / "protem.db"
    store = await SqliteStore.open(path)
    many = [record(number, external_id=f"e{number}") for number in range(10_000)]

    def seed(transaction):
        for each in many:
            transaction.directory_users.add(each)

    await store.write(seed)
    await store.close()
    async with provisioning(path) as stage:
        seen, start = set(), 1
        while True:
            query = {"startIndex": start, "count": 1_000, "attributes": "id"}
            page = (await stage.call("GET", "/Users", params=query)).json()
            assert page["totalResults"] == 10_000
            assert page["itemsPerPage"] <= 200
            if not page["Resources"]:
                break
            seen |= {each["id"] for each in page["Resources"]}
            start += page["itemsPerPage"]
        assert len(seen) == 10_000
        last = '/Users?filter=userName eq "u9999@example.com"'
        assert (await stage.call("GET", last)).json()["totalResults"] == 1
        assert (await stage.call("GET", '/Users?filter=userName co "99@"')).json()[
            "totalResults"
        ] == 100
