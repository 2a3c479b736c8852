"""What every store promises of directories' users and groups."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from protem.domain.directories import (
    DirectoryGroup,
    DirectoryUser,
    EmailAddress,
    PersonName,
    UserProfile,
    comparable,
)
from protem.domain.errors import ConflictError, InvalidError, NotFoundError
from protem.domain.identifiers import DirectoryId, DirectoryName, GroupName
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.ports.store import Account, Store, Transaction
from protem.testing.store_samples import ANNA, BEN, MINUTE, START

OKTA, ENTRA = DirectoryName("okta"), DirectoryName("entra")


def directory_id(number: int) -> DirectoryId:
    """Return an id that sorts by ``number``."""
    return DirectoryId(f"{number:026d}")


def user(number: int, *, source: DirectoryName = OKTA, **profile: Any) -> DirectoryUser:
    """Return a user of a directory at version 1."""
    wanted: dict[str, Any] = {"user_name": f"u{number}@example.com", "active": True, **profile}
    return DirectoryUser(
        source=source,
        id=directory_id(number),
        principal=PrincipalId(issuer=f"https://{source}.example", subject=f"subject-{number}"),
        profile=UserProfile(**wanted),
        version=1,
        created_at=START,
        changed_at=START,
    )


def group(number: int, *, source: DirectoryName = OKTA, name: str | None = None) -> DirectoryGroup:
    """Return a group of a directory at version 1."""
    called = name or f"group-{number}"
    return DirectoryGroup(
        source=source,
        id=directory_id(number),
        name=GroupName(called),
        display_name=called,
        external_id=None,
        version=1,
        created_at=START,
        changed_at=START,
    )


class StoreDirectoryContract:
    """Users, groups and memberships of directories; managers and agents of accounts."""

    async def test_a_directorys_user_comes_back_whole(self, store: Store) -> None:
        """Every attribute round-trips, and every way to find a user finds it."""
        full = user(
            1,
            user_name="Ånna.O'Neil@example.com",
            external_id="00u1;--",
            active=False,
            display_name="Ånna <b>",
            name=PersonName(formatted="Å", family="O'Neil", given="Ånna"),
            emails=(
                EmailAddress(value="a@example.com", kind="work", primary=True),
                EmailAddress(value="b@example.com"),
            ),
            manager="boss@example.com",
        )
        await store.write(lambda tx: tx.directory_users.add(full))
        assert await store.read(lambda tx: tx.directory_users.get(OKTA, full.id)) == full

        def found(tx: Transaction) -> list[object]:
            users = tx.directory_users
            return [
                users.named(OKTA, comparable("ÅNNA.O'NEIL@EXAMPLE.COM")),
                users.of_principal(full.principal),
                *users.with_external_id(OKTA, "00u1;--"),
                *users.with_manager(OKTA, ["nobody", "boss@example.com"]),
                *users.list(OKTA, skip=0, limit=5),
            ]

        assert await store.read(found) == [full] * 5

    async def test_a_source_sees_its_own_alone(self, store: Store) -> None:
        """What another source asks for by id, name, external id or manager is not there."""
        mine = user(1, external_id="e", manager="m")
        theirs = user(2, source=ENTRA, user_name=mine.profile.user_name, external_id="e")
        groups = group(1), group(2, source=ENTRA, name="group-1")

        def both(tx: Transaction) -> None:
            for each in (mine, theirs):
                tx.directory_users.add(each)
            for one in groups:
                tx.directory_groups.add(one)

        await store.write(both)

        def seen(tx: Transaction) -> list[object]:
            users, theirs = tx.directory_users, tx.directory_groups
            return [
                users.named(ENTRA, mine.user_name_key),
                users.with_external_id(ENTRA, "e"),
                users.with_manager(ENTRA, ["m"]),
                users.list(ENTRA, skip=0, limit=9),
                theirs.named(ENTRA, "group-1"),
                theirs.list(ENTRA, skip=0, limit=9),
            ]

        assert await store.read(seen) == [theirs, (theirs,), (), (theirs,), groups[1], (groups[1],)]
        for wrong in (
            lambda tx: tx.directory_users.get(ENTRA, mine.id),
            lambda tx: tx.directory_groups.get(ENTRA, groups[0].id),
        ):
            with pytest.raises(NotFoundError):
                await store.read(wrong)
        await store.write(lambda tx: tx.directory_users.remove(ENTRA, mine.id))
        await store.write(lambda tx: tx.directory_groups.remove(ENTRA, groups[0].id))
        assert await store.read(lambda tx: tx.directory_users.count(OKTA)) == 1
        assert await store.read(lambda tx: tx.directory_groups.count(OKTA)) == 1

    async def test_names_and_principals_are_used_once(self, store: Store) -> None:
        """A user name within its source, a principal anywhere, a group's name within its source."""
        await store.write(lambda tx: tx.directory_users.add(user(1)))
        await store.write(lambda tx: tx.directory_users.add(user(2)))
        await store.write(lambda tx: tx.directory_groups.add(group(1)))
        await store.write(lambda tx: tx.directory_groups.add(group(2)))
        other = replace(user(3, source=ENTRA), principal=user(1).principal)
        for wrong in (
            user(1),
            replace(user(3), version=2),
            user(3, user_name="U1@EXAMPLE.COM"),
            other,
        ):
            with pytest.raises(ConflictError):
                await store.write(lambda tx, wrong=wrong: tx.directory_users.add(wrong))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        for one in (group(1), group(3, name="GROUP-1"), replace(group(3), version=2)):
            with pytest.raises(ConflictError):
                await store.write(lambda tx, one=one: tx.directory_groups.add(one))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        renamed = replace(user(2, user_name="U1@example.com"), version=2)
        with pytest.raises(ConflictError):
            await store.write(lambda tx: tx.directory_users.save(renamed))
        with pytest.raises(ConflictError):
            await store.write(
                lambda tx: tx.directory_groups.save(replace(group(2, name="Group-1"), version=2))
            )

    async def test_a_save_is_of_the_next_version(self, store: Store) -> None:
        """Of two changes of one version one wins; what is not there cannot be saved."""
        await store.write(lambda tx: tx.directory_users.add(user(1)))
        await store.write(lambda tx: tx.directory_groups.add(group(1)))
        changed = replace(user(1, display_name="New"), version=2, changed_at=START + MINUTE)
        regrouped = replace(group(1, name="Group-One"), version=2)
        await store.write(lambda tx: tx.directory_users.save(changed))
        await store.write(lambda tx: tx.directory_groups.save(regrouped))
        assert await store.read(lambda tx: tx.directory_users.get(OKTA, changed.id)) == changed
        assert await store.read(lambda tx: tx.directory_groups.get(OKTA, regrouped.id)) == regrouped
        for wrong in (
            changed,
            replace(user(2), version=2),
            replace(changed, source=ENTRA, version=3),
        ):
            with pytest.raises(ConflictError):
                await store.write(lambda tx, wrong=wrong: tx.directory_users.save(wrong))  # type: ignore[misc]  # mypy cannot infer a lambda with a default
        with pytest.raises(ConflictError):
            await store.write(lambda tx: tx.directory_groups.save(regrouped))

    async def test_members_join_and_leave_any_number_of_times(self, store: Store) -> None:
        """Joining and leaving are idempotent; removing a user or a group removes memberships."""

        def begin(tx: Transaction) -> None:
            for number in (1, 2, 3):
                tx.directory_users.add(user(number))
                tx.directory_groups.add(group(number))
            for number in (1, 2):
                tx.directory_groups.join(directory_id(number), [directory_id(1), directory_id(2)])
                tx.directory_groups.join(directory_id(number), [directory_id(2)])

        await store.write(begin)

        def members(number: int) -> Any:
            return lambda tx: [u.id for u in tx.directory_groups.members(directory_id(number))]

        def groups(number: int) -> Any:
            return lambda tx: [g.id for g in tx.directory_groups.of_user(directory_id(number))]

        one, two = directory_id(1), directory_id(2)
        assert await store.read(members(1)) == [one, two]
        assert await store.read(lambda tx: tx.directory_groups.member_ids(one)) == (one, two)
        assert await store.read(groups(2)) == [one, two]
        for _ in range(2):
            await store.write(lambda tx: tx.directory_groups.leave(one, [one, directory_id(3)]))
        assert await store.read(members(1)) == [two]
        await store.write(lambda tx: tx.directory_groups.remove(OKTA, two))
        assert await store.read(groups(2)) == [one]
        for _ in range(2):
            await store.write(lambda tx: tx.directory_users.remove(OKTA, two))
        assert await store.read(members(1)) == []
        for group_id, user_id in ((one, directory_id(9)), (directory_id(9), one)):
            with pytest.raises(ConflictError):
                await store.write(
                    lambda tx, g=group_id, u=user_id: tx.directory_groups.join(g, [u])  # type: ignore[misc]  # mypy cannot infer a lambda with a default
                )

    async def test_listing_is_by_id_in_pages(self, store: Store) -> None:
        """Pages follow each other without gaps, whatever the order of insertion."""

        def begin(tx: Transaction) -> None:
            for number in (4, 2, 5, 1, 3):
                tx.directory_users.add(user(number))
                tx.directory_groups.add(group(number))

        await store.write(begin)
        for skip, wanted in ((0, [1, 2]), (2, [3, 4]), (4, [5]), (6, [])):
            for records in ("directory_users", "directory_groups"):

                def page(tx: Transaction, records: str = records, skip: int = skip) -> list[int]:
                    found = getattr(tx, records).list(OKTA, skip=skip, limit=2)
                    return [int(each.id) for each in found]

                assert await store.read(page) == wanted

    async def test_reading_never_provisions(self, store: Store) -> None:
        """Each change of these records in a read is an error."""
        for change in (
            lambda tx: tx.directory_users.add(user(1)),
            lambda tx: tx.directory_users.remove(OKTA, directory_id(1)),
            lambda tx: tx.directory_groups.add(group(1)),
            lambda tx: tx.directory_groups.leave(directory_id(1), [directory_id(1)]),
        ):
            with pytest.raises(InvalidError):
                await store.read(change)

    async def test_an_account_keeps_its_manager_and_knows_its_agents(self, store: Store) -> None:
        """The manager round-trips and can go again; agents are found by their person."""
        anna = Account(principal=Principal(id=ANNA, display="Anna"), manager=BEN)
        ben = Account(principal=Principal(id=BEN, display="Ben"))
        agent = Account(
            principal=Principal(
                id=PrincipalId(issuer="local", subject="agent"),
                display="",
                kind=PrincipalKind.AGENT,
                acts_for=ANNA,
            )
        )

        def work(tx: Transaction) -> None:
            for account in (anna, ben, agent):
                tx.accounts.put(account)

        await store.write(work)
        assert await store.read(lambda tx: tx.accounts.get(ANNA)) == anna
        assert await store.read(lambda tx: tx.accounts.agents_of(ANNA)) == (agent,)
        assert await store.read(lambda tx: tx.accounts.agents_of(BEN)) == ()
        await store.write(lambda tx: tx.accounts.put(replace(anna, manager=None)))
        assert (await store.read(lambda tx: tx.accounts.get(ANNA))).manager is None
