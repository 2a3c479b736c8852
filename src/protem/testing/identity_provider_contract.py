"""What every identity provider promises, as a suite.

Here: the promises of ``ports.identity_provider`` towards services. Not here: how a provider comes
to know principals; the fixture says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from protem.domain.errors import NotFoundError, UnauthenticatedError
from protem.domain.identifiers import GroupName
from protem.domain.principals import Principal, PrincipalId
from protem.domain.secret import Secret
from protem.ports.identity_provider import IdentityProvider
from protem.ports.store import Store

ADA = Principal(
    id=PrincipalId(issuer="local", subject="ada"),
    display="Ada",
    groups=frozenset({GroupName("engineers")}),
)
NOBODY = PrincipalId(issuer="local", subject="nobody")


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentityUnderTest:
    """A provider and the two things a test must be able to make happen.

    Attributes:
        enroll: make the principal known, or changed, and return a token that proves it.
        disable: make it unusable, the way the system around the provider would.
    """

    provider: IdentityProvider
    store: Store
    enroll: Callable[[Principal], Awaitable[Secret]]
    disable: Callable[[PrincipalId], Awaitable[None]]


class IdentityContract:
    """Override ``identity``."""

    @pytest.fixture
    async def identity(self) -> IdentityUnderTest:
        """The provider under test, knowing nobody yet."""
        raise NotImplementedError

    async def test_a_token_proves_its_principal_with_its_groups(
        self, identity: IdentityUnderTest
    ) -> None:
        """The whole principal comes back, each time."""
        token = await identity.enroll(ADA)
        for _ in range(2):
            proved = await identity.provider.authenticate(token)
            assert proved.id == ADA.id
            assert proved.groups >= ADA.groups

    async def test_groups_are_those_of_now(self, identity: IdentityUnderTest) -> None:
        """A change of groups shows at the very next call, also to an older token."""
        token = await identity.enroll(ADA)
        await identity.provider.authenticate(token)
        await identity.enroll(Principal(id=ADA.id, display="Ada"))
        proved = await identity.provider.authenticate(token)
        assert GroupName("engineers") not in proved.groups

    @pytest.mark.parametrize("text", ["", "wrong", "x" * 100_000, "\0", "\u202e", "\ud800", "'--"])
    async def test_any_other_text_proves_nobody(
        self, identity: IdentityUnderTest, text: str
    ) -> None:
        """The one error that means: sign in."""
        await identity.enroll(ADA)
        with pytest.raises(UnauthenticatedError):
            await identity.provider.authenticate(Secret(text))

    async def test_a_disabled_principal_proves_nothing_at_once(
        self, identity: IdentityUnderTest
    ) -> None:
        """Nothing remembered outlives the account."""
        token = await identity.enroll(ADA)
        await identity.provider.authenticate(token)
        await identity.disable(ADA.id)
        with pytest.raises(UnauthenticatedError):
            await identity.provider.authenticate(token)
        with pytest.raises(NotFoundError):
            await identity.store.read(lambda view: identity.provider.lookup(view, ADA.id))

    async def test_lookup_reads_inside_the_transaction(self, identity: IdentityUnderTest) -> None:
        """Known principals come whole, unknown ones are not found."""
        await identity.enroll(ADA)
        found = await identity.store.read(lambda view: identity.provider.lookup(view, ADA.id))
        assert found.id == ADA.id
        for unknown in (NOBODY, PrincipalId(issuer="https://elsewhere", subject="ada")):
            with pytest.raises(NotFoundError):
                await identity.store.read(
                    lambda view, who=unknown: identity.provider.lookup(view, who)  # type: ignore[misc]  # mypy infers no lambda defaults
                )
