"""Every workload prover keeps the promises of ``protem.testing.workload_prover_contract``."""

from datetime import timedelta

import pytest
from tests.integration.signed_tokens import AUDIENCE, issuer

from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.proved_workloads import ProvedWorkload
from protem.domain.secret import Secret
from protem.identity.oidc.workloads import OidcWorkloads, WorkloadRule
from protem.system.clock import SystemClock
from protem.system.randomness import SystemRandomness
from protem.testing.in_memory_workloads import InMemoryWorkloads
from protem.testing.workload_prover_contract import (
    GROUPS,
    ProverUnderTest,
    WorkloadProverContract,
)


class TestOidcWorkloads(WorkloadProverContract):
    """Tokens of an issuer on loopback."""

    @pytest.fixture
    async def under(self):
        with issuer() as found:
            rule = WorkloadRule(
                name="ci",
                issuer=found.url,
                audience=AUDIENCE,
                conditions={"repository": "acme/shop"},
                groups=GROUPS,
            )
            prover = OidcWorkloads([rule], SystemClock())

            async def issue():
                return Secret(found.token())

            yield ProverUnderTest(prover=prover, issue=issue)
            await prover.close()


class TestInMemoryWorkloads(WorkloadProverContract):
    """The fake."""

    @pytest.fixture
    async def under(self):
        prover = InMemoryWorkloads()
        job = Principal(
            id=PrincipalId(issuer="https://ci", subject="ci:job"),
            display="job",
            kind=PrincipalKind.WORKLOAD,
            groups=GROUPS,
        )

        async def issue():
            token = SystemRandomness().token()
            proved = ProvedWorkload(
                principal=job,
                table="ci",
                session=timedelta(hours=1),
                digest=token.reveal().encode(),
                until=SystemClock().now(),
            )
            prover.add(token, proved)
            return token

        return ProverUnderTest(prover=prover, issue=issue)
