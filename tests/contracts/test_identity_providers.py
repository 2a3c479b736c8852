"""The identity contract on the local provider, over both stores, and on the fake."""

from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.bearer_tokens import fingerprint
from protem.domain.errors import UnauthenticatedError
from protem.domain.principals import PrincipalId, PrincipalKind
from protem.identity.local import REMEMBERED, LocalIdentity
from protem.ports.store import Account
from protem.storage.sqlite_store import SqliteStore
from protem.system.randomness import SystemRandomness
from protem.testing.identity_provider_contract import ADA, IdentityContract, IdentityUnderTest
from protem.testing.in_memory_identity import InMemoryIdentity
from protem.testing.in_memory_store import InMemoryStore
from protem.testing.manual_clock import ManualClock


def local_over(store, clock):
    """Wrap the local provider the way account services use it."""
    provider = LocalIdentity(store, clock)

    async def enroll(principal):
        token = SystemRandomness().token()

        def work(transaction):
            transaction.accounts.put(Account(principal=principal))
            transaction.accounts.add_token(
                token_hash=fingerprint(token),
                owner=principal.id,
                expires_at=clock.now() + timedelta(hours=1),
                single_use=False,
            )

        await store.write(work)
        provider.forget(principal.id)
        return token

    async def disable(principal_id):
        def work(transaction):
            account = transaction.accounts.get(principal_id)
            transaction.accounts.put(replace(account, disabled=True))

        await store.write(work)
        provider.forget(principal_id)

    return IdentityUnderTest(provider=provider, store=store, enroll=enroll, disable=disable)


class TestLocalIdentityInMemory(IdentityContract):
    """Accounts in dictionaries."""

    @pytest.fixture
    async def identity(self):
        """Nobody is known yet."""
        return local_over(InMemoryStore(), ManualClock())


class TestLocalIdentityOnSqlite(IdentityContract):
    """Accounts in SQLite."""

    @pytest.fixture
    async def identity(self, tmp_path):
        """Nobody is known yet."""
        store = await SqliteStore.open(tmp_path / "protem.db")
        yield local_over(store, ManualClock())
        await store.close()


class TestInMemoryIdentity(IdentityContract):
    """The fake."""

    @pytest.fixture
    async def identity(self):
        """Nobody is known yet."""
        provider = InMemoryIdentity()

        async def enroll(principal):
            token = SystemRandomness().token()
            provider.add(principal, token)
            return token

        async def disable(principal_id):
            provider.disable(principal_id)

        return IdentityUnderTest(
            provider=provider, store=InMemoryStore(), enroll=enroll, disable=disable
        )


async def test_an_agent_is_nobody_while_its_person_is_disabled():
    """Disabling a person reaches the agents that act for it, remembered or not."""
    under = local_over(InMemoryStore(), ManualClock())
    await under.enroll(ADA)
    agent = replace(
        ADA,
        id=PrincipalId(issuer="local", subject="ada-agent"),
        kind=PrincipalKind.AGENT,
        acts_for=ADA.id,
    )
    token = await under.enroll(agent)
    await under.provider.authenticate(token)
    await under.disable(ADA.id)
    with pytest.raises(UnauthenticatedError):
        await under.provider.authenticate(token)


async def test_an_expired_session_is_over_within_the_time_of_memory():
    """Memory adds at most ``REMEMBERED`` to a session's life, and a clock set back none."""
    clock = ManualClock()
    under = local_over(InMemoryStore(), clock)
    token = await under.enroll(ADA)
    clock.advance(timedelta(hours=1) - timedelta(microseconds=1))
    await under.provider.authenticate(token)
    clock.advance(REMEMBERED)
    with pytest.raises(UnauthenticatedError):
        await under.provider.authenticate(token)
