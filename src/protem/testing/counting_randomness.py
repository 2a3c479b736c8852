"""Randomness that counts, for tests that want the same names each time."""

from __future__ import annotations

from datetime import datetime

from protem.domain.identifiers import GrantId
from protem.domain.secret import Secret

_CROCKFORD = "0123456789abcdefghjkmnpqrstvwxyz"


class InsecureCountingRandomness:
    """Gives ids and tokens in order; insecure by name and by purpose."""

    def __init__(self) -> None:
        self._count = 0

    def grant_id(self, at: datetime) -> GrantId:
        """Return a ULID whose random part is a counter."""
        self._count += 1
        number = (int(at.timestamp() * 1000) << 80) | self._count
        return GrantId("".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5)))

    def token(self) -> Secret:
        """Return a counted token."""
        self._count += 1
        return Secret(f"ptm_test-token-{self._count:027d}")
