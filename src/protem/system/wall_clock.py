"""What the wall clock of this machine shows, for what is only shown itself.

Here: one reading. Not here: time that anything is decided by (``clock``); this module loads
nothing, because a shell prompt waits for it.
"""

from __future__ import annotations

import time


def wall_seconds() -> float:
    """Return seconds since 1970 UTC."""
    return time.time()
