"""What every workload prover promises, as a suite.

Here: the promises of ``ports.workload_prover`` towards services. Not here: how tokens come about;
the fixture says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from protem.domain.errors import UnauthenticatedError
from protem.domain.identifiers import GroupName
from protem.domain.principals import PrincipalKind
from protem.domain.secret import Secret
from protem.ports.workload_prover import WorkloadProver

GROUPS = frozenset({GroupName("ci")})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProverUnderTest:
    """A prover, and a way to a token of a workload that it knows, in the groups ``GROUPS``."""

    prover: WorkloadProver
    issue: Callable[[], Awaitable[Secret]]


class WorkloadProverContract:
    """Override ``under``."""

    @pytest.fixture
    async def under(self) -> ProverUnderTest:
        """The prover under test."""
        raise NotImplementedError

    async def test_a_token_proves_its_workload(self, under: ProverUnderTest) -> None:
        """A workload, with the groups that our side gives it, and a session of some length."""
        proved = await under.prover.prove(await under.issue())
        assert proved.principal.kind is PrincipalKind.WORKLOAD
        assert proved.principal.groups == GROUPS
        assert proved.principal.acts_for is None
        assert proved.session.total_seconds() > 0
        assert proved.until.tzinfo is not None

    async def test_each_token_is_a_proof_of_its_own(self, under: ProverUnderTest) -> None:
        """The same token has the same digest, another token another; the principal is one."""
        first, second = await under.issue(), await under.issue()
        proofs = [await under.prover.prove(token) for token in (first, first, second)]
        assert proofs[0] == proofs[1]
        assert proofs[0].digest != proofs[2].digest
        assert proofs[0].principal == proofs[2].principal

    @pytest.mark.parametrize(
        "text", ["", ".", "..", "a.b.c", "x" * 100_000, "\0", "\u202e", "\ud800", "e30.e30.e30"]
    )
    async def test_any_other_text_proves_nobody(self, under: ProverUnderTest, text: str) -> None:
        """Text that is no token of a known issuer is refused, and nothing else happens."""
        with pytest.raises(UnauthenticatedError):
            await under.prover.prove(Secret(text))
