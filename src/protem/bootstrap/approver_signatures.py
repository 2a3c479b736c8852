"""What checks approvers' signatures at this server, and the keys that its file declares.

Here: the site that browsers sign for, from the address that people reach us by. Not here: checking.
"""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import urlsplit

from protem.bootstrap.settings import Settings, local_id
from protem.domain.principals import PrincipalId
from protem.signing.signature_checker import SignatureChecker
from protem.signing.webauthn_assertion import Site

_LOCAL = "localhost"


def signature_checker(settings: Settings) -> SignatureChecker:
    """Return the checker for ``server.public_url``; without one, for http on this machine."""
    return SignatureChecker(site_of(settings.server.public_url))


def site_of(public_url: str | None) -> Site:
    """Return the relying party that people know as ``public_url``."""
    if public_url is None:
        return Site(rp_id=_LOCAL)
    parts = urlsplit(public_url)
    origin = f"{parts.scheme}://{parts.netloc}"
    return Site(rp_id=parts.hostname or _LOCAL, origins=frozenset({origin.lower()}))


def declared_keys(settings: Settings) -> dict[PrincipalId, Sequence[str]]:
    """Return the key lines of the file by their owner."""
    users = settings.identity.local.users
    return {local_id(name): tuple(user.approver_keys) for name, user in users.items()}
