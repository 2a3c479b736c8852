"""The operating system's randomness."""

from __future__ import annotations

import secrets
from datetime import datetime

from protem.domain.identifiers import GrantId
from protem.domain.secret import Secret

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"
TOKEN_PREFIX = "ptm_"  # noqa: S105  # what secret scanners recognise a token by


class SystemRandomness:
    """Makes identifiers and tokens from the kernel's generator."""

    def grant_id(self, at: datetime) -> GrantId:
        """Return a ULID: 48 bits of milliseconds, 80 random bits."""
        milliseconds = int(at.timestamp() * 1000) & (2**48 - 1)
        number = (milliseconds << 80) | secrets.randbits(80)
        return GrantId("".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5)))

    def token(self) -> Secret:
        """Return a bearer token of 256 bits."""
        return Secret(TOKEN_PREFIX + secrets.token_urlsafe(32))
