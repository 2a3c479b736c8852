"""G11, end to end: how late a grant is ended, with few and with very many others active.

The real reconciler on the real store (SQLite, FULL) and the real clock, against a connector that
ends at once, so that what is measured is ours. A store with 1,000, 100,000 and 1,000,000 active
grants is prepared; a hundred of them expire within the next seconds; the lag is from a grant's
expiry to the call that ends it at the target. Bounded: each size runs for a few seconds.
"""

from __future__ import annotations

import asyncio
import resource
import sqlite3
import statistics
import sys
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

SIZES = (1_000, 100_000, 1_000_000)
EXPIRING = 100
WITHIN = timedelta(seconds=3)
LIMIT_SECONDS = 1.0
