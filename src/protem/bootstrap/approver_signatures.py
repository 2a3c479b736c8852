"""What checks approvers' signatures at this server, and the keys that its file declares.

Here: the site that browsers sign for, from the address that people reach us by. Not here: checking.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

from protem.bootstrap.settings import Settings, local_id
from protem.domain.approval_signatures import SignatureRefusedError
from protem.domain.errors import InvalidError
from protem.domain.order_approvals import refuse_unless_approved
from protem.domain.orders import Order
from protem.domain.principals import PrincipalId
from protem.signing.allowed_signers import read_allowed_signers
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


def approvals_check(
    name: str, keys_file: str | None, folder: Path
) -> Callable[[Order], None] | None:
    """Return a target's own check of the approvals in its orders, None where it has no list.

    The list is read for every order, so that a key taken out of it counts no more from then on.
    """
    if keys_file is None:
        return None
    path, checker = folder / keys_file, SignatureChecker()

    def check(order: Order) -> None:
        try:
            keys = read_allowed_signers(path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, InvalidError) as error:
            raise SignatureRefusedError(
                f"targets.{name}.approver_keys_file cannot be used: {error}"
            ) from None
        refuse_unless_approved(order, keys, checker.check)

    return check
