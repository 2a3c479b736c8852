"""A workload prover in a dictionary: which token proves whom is what the test says.

Here: proofs by token. Not here: signatures and claims; the OpenID prover has those.
"""

from __future__ import annotations

from protem.domain.errors import UnauthenticatedError
from protem.domain.proved_workloads import ProvedWorkload
from protem.domain.secret import Secret


class InMemoryWorkloads:
    """Knows the proofs that were added."""

    def __init__(self) -> None:
        self._known: dict[str, ProvedWorkload] = {}

    def add(self, token: Secret, proved: ProvedWorkload) -> None:
        """Let ``token`` prove a workload."""
        self._known[token.reveal()] = proved

    async def prove(self, token: Secret) -> ProvedWorkload:
        """Return what the token proves."""
        known = self._known.get(token.reveal())
        if known is None:
            raise UnauthenticatedError("this token proves no workload")
        return known

    async def close(self) -> None:
        """Nothing to let go of."""
