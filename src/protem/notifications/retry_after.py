"""How long a receiver asks to be left alone.

Here: the ``Retry-After`` header in seconds. Not here: its form as a date, which no chat sends.
"""

from __future__ import annotations

import re
from datetime import timedelta

import httpx2

_LONGEST = 3_600


def asked_delay(response: httpx2.Response) -> timedelta | None:
    """Return what the answer asks for, at most an hour; None when it asks for nothing."""
    seconds = response.headers.get("retry-after", "")
    if not re.fullmatch(r"[0-9]{1,9}", seconds):
        return None
    return timedelta(seconds=min(int(seconds), _LONGEST))
