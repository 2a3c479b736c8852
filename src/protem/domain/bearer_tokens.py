"""What is kept of a bearer token: its fingerprint, and how long tokens live.

Here: the one hash under which tokens are stored and found. Not here: making tokens (randomness is
a port) or whose they are (the store).

Invariants: tokens hold at least 192 random bits, so a plain SHA-256 cannot be guessed back and no
salt or slow hash is needed; the token itself is never stored.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta

from protem.domain.secret import Secret

ONE_TIME_LIFETIME = timedelta(hours=24)
"""A one-time sign-in token that nobody used is void after this."""
SESSION_LIFETIME = timedelta(hours=12)
"""A session ends after this, used or not, unless the settings say otherwise."""
SESSION_IDLE = timedelta(hours=4)
"""A session that nobody used for so long is over, unless the settings say otherwise."""


def fingerprint(token: Secret) -> bytes:
    """Return the 32-byte SHA-256 of ``token``; text that is not Unicode has one too."""
    return hashlib.sha256(token.reveal().encode(errors="surrogatepass")).digest()
