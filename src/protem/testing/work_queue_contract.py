"""What every work queue promises to the use cases that hand work over."""

from __future__ import annotations

import pytest

from protem.domain.grants import EndCause
from protem.ports.work_queue import WorkQueue
from protem.testing.store_samples import pending


class WorkQueueContract:
    """Override ``queue``."""

    @pytest.fixture
    def queue(self) -> WorkQueue:
        """Return the queue under test."""
        raise NotImplementedError

    def test_the_owner_is_one_name(self, queue: WorkQueue) -> None:
        """Leases are taken and given back under the same name."""
        assert queue.owner
        assert queue.owner == queue.owner

    async def test_handing_over_never_fails_nor_waits(self, queue: WorkQueue) -> None:
        """The transaction has committed: whatever happens to the short cut, the caller goes on."""
        for _ in range(1_000):
            queue.hand_over(pending())

    def test_ends_that_could_not_be_recorded_are_taken_at_once(self, queue: WorkQueue) -> None:
        """Keeping one never fails nor waits, and one that is asked for twice is one."""
        for _ in range(2):
            queue.end_later(pending().id, cause=EndCause.REVOKED, actor="local|omar")
