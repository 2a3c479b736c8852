"""``[identity.oidc.NAME]``: providers that people sign in with.

Here: the tables and the providers made of them. Not here: the protocol (identity.oidc).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator

from protem.bootstrap.secret_references import SecretReference
from protem.bootstrap.settings_table import Duration, SettingsTable, Text
from protem.domain.errors import InvalidError
from protem.domain.principals import PrincipalId
from protem.domain.web_addresses import checked_address
from protem.identity.oidc import OidcProvider, OidcSettings
from protem.identity.oidc.claims import ClaimRules
from protem.ports.clock import Clock
from protem.ports.randomness import Randomness
from protem.services.sign_in import SignInRules

ProviderName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
_LONGEST_SESSION = timedelta(days=7)


class OidcProviderSettings(SettingsTable):
    """``[identity.oidc.NAME]``."""

    issuer: Text
    client_id: Text
    client_secret: SecretReference | None = None
    display: Text | None = None
    scopes: Annotated[list[Text], Field(max_length=20)] = ["openid", "profile", "email"]
    subject_claim: Literal["sub", "oid"] = "sub"
    groups: Literal["claims", "scim"] = "claims"
    groups_claim: Text = "groups"
    group_prefix: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._:/@-]*$")] = ""
    allowed_domains: list[Text] = []
    session: Duration = timedelta(hours=12)

    @field_validator("issuer")
    @classmethod
    def _is_an_issuer(cls, issuer: str) -> str:
        try:
            PrincipalId(issuer=issuer, subject="somebody")
            return checked_address(issuer, "an issuer")
        except InvalidError as error:
            raise ValueError(error.message) from error

    @field_validator("scopes")
    @classmethod
    def _asks_for_openid(cls, scopes: list[str]) -> list[str]:
        if "openid" not in scopes or any(" " in scope for scope in scopes):
            raise ValueError('scopes are single words, and "openid" is one of them')
        return scopes

    @field_validator("session")
    @classmethod
    def _is_not_for_ever(cls, session: timedelta) -> timedelta:
        if session > _LONGEST_SESSION:
            raise ValueError("a session lasts 7d at most")
        return session


def sign_in_rules(declared: OidcProviderSettings) -> SignInRules:
    """Return what follows from the provider's word."""
    return SignInRules(session=declared.session, provisioned_only=declared.groups == "scim")


def declared_providers(
    declared: Mapping[str, OidcProviderSettings],
    folder: Path,
    *,
    clock: Clock,
    randomness: Randomness,
) -> Iterable[OidcProvider]:
    """Yield the providers of the file; none is asked yet, so one that is down stops nothing.

    Raises:
        InvalidError: a secret cannot be read.
    """
    for name, table in declared.items():
        secret = None
        if table.client_secret is not None:
            secret = table.client_secret.read(f"identity.oidc.{name}.client_secret", folder)
        claims = ClaimRules(
            subject_claim=table.subject_claim,
            groups_claim=None if table.groups == "scim" else table.groups_claim,
            group_prefix=table.group_prefix,
            allowed_domains=frozenset(domain.lower() for domain in table.allowed_domains),
        )
        settings = OidcSettings(
            name=name,
            display=table.display or name,
            issuer=table.issuer,
            client_id=table.client_id,
            client_secret=secret,
            scopes=tuple(table.scopes),
            claims=claims,
        )
        yield OidcProvider(settings, clock=clock, randomness=randomness)
