"""Which addresses we may talk to: what is said to others goes over TLS, or stays on this machine.

Here: the rule. Not here: talking.
"""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from protem.domain.errors import InvalidError


def is_protected(address: str) -> bool:
    """Say whether ``address`` is https, or http to this very machine, and in plain form.

    One with a user name, a port 0, or characters that are not printable ASCII is not.
    """
    try:
        parts = urlsplit(address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return False
    plain = address.isascii() and address.isprintable() and not parts.username
    secure = parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host))
    return bool(host) and plain and secure and port != 0


def is_this_machine(host: str) -> bool:
    """Say whether ``host`` can be no other machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def checked_address(address: str, what: str) -> str:
    """Return ``address`` if we may talk to it.

    Raises:
        InvalidError: it is neither https nor this machine.
    """
    if not is_protected(address):
        raise InvalidError(f"{what} is an https address")
    return address
