"""What every use case stands in: the ports, chosen once by the composition root.

Here: one bundle and the settings of the life cycle. Not here: any adapter.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from protem.domain.bearer_tokens import SESSION_IDLE, SESSION_LIFETIME
from protem.domain.broken_glass import ALARM_WAIT, LONGEST, REVIEW_WITHIN
from protem.ports.alarms import Alarms, NoAlarms
from protem.ports.announcer import Announcer
from protem.ports.audit_log import AuditLog
from protem.ports.clock import Clock
from protem.ports.identity_provider import IdentityProvider
from protem.ports.policy import Policy
from protem.ports.randomness import Randomness
from protem.ports.signature_check import SignatureCheck
from protem.ports.signer import Signer
from protem.ports.store import Store
from protem.ports.target_catalogue import TargetCatalogue
from protem.ports.work_queue import WorkQueue
from protem.services.channels import Channel


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How long things may wait, and how many.

    Attributes:
        most_waiting: requests of one principal that may wait for approvers at the same time.
        request_lapses_after: an unanswered request is given up so long after it would begin.
        approval_lapses_after: an approval not used is given up so long after it could be.
        lease: how long one try at a target may take before another worker may step in.
        session_lifetime: a session ends after this, used or not.
        session_idle: a session that nobody used for this long is over.
        glass_longest: what the glass is broken for lasts at most this.
        glass_review_within: its review is due so long after its end.
        alarm_wait: how long all channels together are waited for before such access.
        retry_first: delay after the first failed try; doubles up to ``retry_longest``.
    """

    most_waiting: int = 50
    request_lapses_after: timedelta = timedelta(hours=8)
    approval_lapses_after: timedelta = timedelta(hours=1)
    session_lifetime: timedelta = SESSION_LIFETIME
    session_idle: timedelta = SESSION_IDLE
    lease: timedelta = timedelta(seconds=30)
    retry_first: timedelta = timedelta(milliseconds=500)
    retry_longest: timedelta = timedelta(seconds=30)
    glass_longest: timedelta = LONGEST
    glass_review_within: timedelta = REVIEW_WITHIN
    alarm_wait: timedelta = ALARM_WAIT

    def pause_after(self, failed_before: int) -> timedelta:
        """Return the pause after a failed try that so many others came before."""
        doubled: timedelta = self.retry_first * (1 << min(failed_before, 20))
        return min(doubled, self.retry_longest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """The ports that use cases reach the world through.

    Attributes:
        signature_check: None where approvals cannot be signed; then one that must be never counts.
        channels: where people are told of what waits for them and of what happened.
    """

    store: Store
    policy: Policy
    catalogue: TargetCatalogue
    identity: IdentityProvider
    clock: Clock
    randomness: Randomness
    audit_log: AuditLog
    order_signer: Signer
    announcer: Announcer
    work_queue: WorkQueue
    limits: Limits = Limits()  # immutable
    signature_check: SignatureCheck | None = None
    channels: tuple[Channel, ...] = ()
    alarms: Alarms = NoAlarms()  # noqa: RUF009  # without state

    def check_ready_to_grant(self) -> None:
        """Return if something new may begin now; ending never asks (laws 5 and 10).

        Raises:
            AuditUnavailableError: when it could not be put on record.
            ClockSteppedBackError: when its end could not be told.
        """
        self.audit_log.check_writable()
        self.clock.check_steady()
