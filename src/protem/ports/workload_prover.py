"""Proving workloads, as a port: a token that a CI service or a cluster gave to a job."""

from __future__ import annotations

from typing import Protocol

from protem.domain.proved_workloads import ProvedWorkload
from protem.domain.secret import Secret


class WorkloadProver(Protocol):
    """Knows which workloads may sign in, and by whose word."""

    async def prove(self, token: Secret) -> ProvedWorkload:
        """Return the workload that the token proves, now and to us.

        That a proof is shown once only is for the caller to see to.

        Raises:
            UnauthenticatedError: it proves none: forged, old, for others, or of no workload that
                is known here.
            IdentityProviderError: its issuer is away, so nothing can be said.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
