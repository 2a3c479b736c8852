"""People proved by an OpenID provider (OpenID Connect Core 1.0)."""

from protem.identity.oidc.provider import OidcProvider, OidcSettings

__all__ = ["OidcProvider", "OidcSettings"]
