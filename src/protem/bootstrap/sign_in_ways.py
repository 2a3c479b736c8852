"""Everybody who can sign in here: providers, workloads, and the accounts that we keep.

Here: these, made of ``[identity]``. Not here: the accounts of the settings file (control_plane).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from protem.bootstrap.oidc_settings import declared_providers, sign_in_rules
from protem.bootstrap.settings import IdentitySettings
from protem.bootstrap.workload_settings import declared_workloads
from protem.identity.local import LocalIdentity
from protem.ports.clock import Clock
from protem.ports.randomness import Randomness
from protem.ports.sign_in_provider import SignInProvider
from protem.ports.store import Store
from protem.ports.workload_prover import WorkloadProver
from protem.services.sign_in import SignInRules


@dataclass(frozen=True, slots=True, kw_only=True)
class WaysToSignIn:
    """Who vouches for whom.

    Attributes:
        providers: for people, by name, with what follows from their word.
        workloads: for jobs and pods.
        issuers: whose subjects may have accounts here, beside our own.
    """

    providers: Mapping[str, tuple[SignInProvider, SignInRules]]
    workloads: WorkloadProver
    issuers: frozenset[str]

    async def close(self) -> None:
        """Let go of connections."""
        for provider, _ in self.providers.values():
            await provider.close()
        await self.workloads.close()


def ways_to_sign_in(
    declared: IdentitySettings, folder: Path, *, clock: Clock, randomness: Randomness
) -> WaysToSignIn:
    """Return the ways of the settings; nobody is asked yet, so what is down stops nothing.

    Raises:
        InvalidError: a secret cannot be read.
    """
    providers = declared_providers(declared.oidc, folder, clock=clock, randomness=randomness)
    people = {one.issuer for one in declared.oidc.values()}
    return WaysToSignIn(
        providers={one.name: (one, sign_in_rules(declared.oidc[one.name])) for one in providers},
        workloads=declared_workloads(declared.workloads, clock),
        issuers=frozenset(people | {one.issuer for one in declared.workloads.values()}),
    )


def accounts_of(
    declared: IdentitySettings, ways: WaysToSignIn, store: Store, clock: Clock
) -> LocalIdentity:
    """Return what proves sessions of our accounts and of those that are vouched for."""
    return LocalIdentity(store, clock, issuers=ways.issuers, idle=declared.sessions.idle)
