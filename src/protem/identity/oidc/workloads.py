"""Workloads proved by OpenID tokens: jobs of a CI service, pods of a cluster.

Here: which table of the settings a token belongs to, and the principal that follows. Not here:
signature, issuer and times (tokens), conditions (claim_conditions), spent proofs (services).

Sources: RFC 7519; RFC 8725; OpenID Connect Core 1.0, 3.1.3.7.

Invariants:
- A token is for us alone: one that others accept, too, could be passed on by them.
- A person's ID token and a notice of logout are no workload's token, whoever signed them.
- The first table that fits decides, and its name begins the subject: so one principal has the
  groups of one table, whatever else its issuer vouches for.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from protem.domain.errors import InvalidError, UnauthenticatedError
from protem.domain.identifiers import GroupName
from protem.domain.principals import Principal, PrincipalId, PrincipalKind
from protem.domain.proved_people import usable_display
from protem.domain.proved_workloads import ProvedWorkload
from protem.domain.secret import Secret
from protem.identity.oidc.claim_conditions import Condition, hold
from protem.identity.oidc.fetching import ProviderClient
from protem.identity.oidc.metadata import MetadataSource
from protem.identity.oidc.tokens import LEEWAY, MOST_CHARACTERS, signed_claims
from protem.ports.clock import Clock

LONGEST_TOKEN_LIFE = timedelta(hours=24)
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F))).replace("%", "")
_OF_PEOPLE = ("nonce", "events", "at_hash", "c_hash")
"""Claims of ID tokens and of logout tokens; no CI service or cluster puts them into a job's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkloadRule:
    """One table of the settings.

    Attributes:
        audience: what tokens for us are made out to.
        conditions: what the claims must say.
        session: how long a session lasts.
        reusable: whether a token may sign in again before it expires.
    """

    name: str
    issuer: str
    audience: str
    conditions: Mapping[str, Condition]
    groups: frozenset[GroupName] = frozenset()
    session: timedelta = timedelta(hours=1)
    reusable: bool = False


class OidcWorkloads:
    """``WorkloadProver`` over the issuers that the settings name."""

    def __init__(self, rules: Sequence[WorkloadRule], clock: Clock) -> None:
        self._rules, self._clock = tuple(rules), clock
        self._clients: list[ProviderClient] = []
        self._sources: dict[str, MetadataSource] = {}
        for rule in rules:
            if rule.issuer not in self._sources:
                client = ProviderClient(rule.name)
                self._clients.append(client)
                self._sources[rule.issuer] = MetadataSource(
                    name=rule.name, issuer=rule.issuer, client=client, clock=clock, only_keys=True
                )

    async def prove(self, token: Secret) -> ProvedWorkload:
        """Return the workload; its issuer is asked for keys only when we trust its name."""
        text = token.reveal()
        issuer = _issuer_named(text)
        source = self._sources.get(issuer)
        if source is None:
            raise _refused("its issuer vouches for no workload here")
        claims = await signed_claims(text, source=source, issuer=issuer, clock=self._clock)
        until = _until(claims)
        if any(name in claims for name in _OF_PEOPLE):
            raise _refused("it speaks of a person, not of a workload")
        rule = self._rule_for(issuer, claims)
        return ProvedWorkload(
            principal=_principal(claims, rule),
            table=rule.name,
            session=rule.session,
            digest=None if rule.reusable else _digest(text, issuer, claims),
            until=until,
        )

    async def close(self) -> None:
        """Let go of connections."""
        for client in self._clients:
            await client.close()

    def _rule_for(self, issuer: str, claims: Mapping[str, Any]) -> WorkloadRule:
        audience = claims.get("aud")
        names = {audience} if isinstance(audience, str) else _texts(audience)
        for_us = [
            rule for rule in self._rules if rule.issuer == issuer and names == {rule.audience}
        ]
        if not for_us:
            raise _refused("it is not made out to this server alone; look at its audience")
        for rule in for_us:
            if hold(rule.conditions, claims):
                return rule
        raise _refused("its claims fit no table of [identity.workloads]")


def _principal(claims: Mapping[str, Any], rule: WorkloadRule) -> Principal:
    subject = claims.get("sub")
    if not isinstance(subject, str) or not subject:
        raise _refused("it names no subject")
    try:
        # quoted: branches and environments have names with spaces and letters of any script
        name = PrincipalId(issuer=rule.issuer, subject=f"{rule.name}:{quote(subject, _PRINTABLE)}")
    except (InvalidError, UnicodeError) as error:
        raise _refused("its subject is too long or is no text") from error
    return Principal(
        id=name,
        display=usable_display(subject, rule.name),
        kind=PrincipalKind.WORKLOAD,
        groups=rule.groups,
    )


def _until(claims: Mapping[str, Any]) -> datetime:
    """Return when the token is void; both times were checked to be numbers."""
    life = timedelta(seconds=claims["exp"] - claims["iat"])
    if life > LONGEST_TOKEN_LIFE:
        raise _refused("it is good for longer than a day; ask its issuer for a short one")
    return datetime.fromtimestamp(claims["exp"], UTC) + LEEWAY


def _digest(text: str, issuer: str, claims: Mapping[str, Any]) -> bytes:
    """Name the proof: by its id, else by what was signed (a signature can be written two ways)."""
    name = claims.get("jti")
    if isinstance(name, str) and name:
        return hashlib.sha256(json.dumps(["jti", issuer, name]).encode()).digest()
    return hashlib.sha256(json.dumps(["text", text.rpartition(".")[0]]).encode()).digest()


def _issuer_named(text: str) -> str:
    """Return whom the token claims to be of; that it is, is for its signature to say."""
    parts = text.split(".")
    if len(text) > MOST_CHARACTERS or not text.isascii() or len(parts) != 3:  # noqa: PLR2004  # a JWS has three
        raise _refused("it is not a signed token")
    try:
        found = json.loads(urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        raise _refused("it is not a signed token") from None
    issuer = found.get("iss") if isinstance(found, dict) else None
    return issuer if isinstance(issuer, str) else ""


def _texts(value: Any) -> set[str]:
    whole = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return set(value) if whole else set()


def _refused(why: str) -> UnauthenticatedError:
    return UnauthenticatedError(f"this workload token cannot be used: {why}")
