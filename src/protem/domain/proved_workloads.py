"""A workload as its issuer vouches for it, at the moment of sign-in.

Here: the value. Not here: tokens and their claims (the prover).

Invariants: a subject belongs to one table of the settings, so two tables with different groups can
never speak of the same principal.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from protem.domain.principals import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class ProvedWorkload:
    """Who signed in.

    Attributes:
        principal: of kind workload, with the groups that the settings give.
        table: the name in the settings of what vouched for it, for the log.
        session: how long its session lasts.
        digest: of the proof, which may be spent once; None where it may be shown again.
        until: the proof is good for nothing after this.
    """

    principal: Principal
    table: str
    session: timedelta
    digest: bytes | None
    until: datetime
