"""What every audit log promises, as a test class: override ``ledger`` and inherit the rest.

Here: the promises of ``ports.audit_log`` that a fake and the real log share. Not here: files,
signatures and crashes; those are tests of the real log alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from protem.domain.audit_events import AuditEvent
from protem.domain.errors import AuditUnavailableError
from protem.ports.audit_log import AuditLog
from protem.ports.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """The log under test, its store, and how to take away and give back what it writes to."""

    log: AuditLog
    store: Store
    break_sink: Callable[[], None]
    repair_sink: Callable[[], None]

    async def happen(self, count: int = 1) -> None:
        """Store ``count`` events."""
        for number in range(count):
            event = AuditEvent(
                kind="account.changed",
                at=datetime(2026, 1, 1, tzinfo=UTC),
                actor="protem",
                data={"number": number, "text": "line\nfeed \u202e and \x1b[31m"},
            )
            await self.store.write(lambda tx, event=event: tx.audit.append(event))  # type: ignore[misc]  # mypy infers no lambda defaults


class AuditLogContract:
    """The promises."""

    @pytest.fixture
    def ledger(self) -> Ledger:
        """Override: an empty log over an empty store."""
        raise NotImplementedError

    async def test_an_empty_log_is_published(self, ledger: Ledger) -> None:
        """Nothing happened yet, and that can be said."""
        assert await ledger.log.publish() == 0
        ledger.log.check_writable()

    async def test_everything_stored_is_published(self, ledger: Ledger) -> None:
        """The head covers all that the store holds, once and again."""
        await ledger.happen(3)
        assert await ledger.log.publish() == 3
        await ledger.happen(2)
        assert await ledger.log.publish() == 5

    async def test_publishing_again_changes_nothing(self, ledger: Ledger) -> None:
        """A publish with no news returns the same size."""
        await ledger.happen(2)
        assert [await ledger.log.publish() for _ in range(3)] == [2, 2, 2]

    async def test_publishers_at_the_same_time_do_no_harm(self, ledger: Ledger) -> None:
        """Calls that overlap each return a whole head."""
        await ledger.happen(4)
        assert set(await asyncio.gather(*(ledger.log.publish() for _ in range(8)))) == {4}

    async def test_a_log_that_cannot_be_written_says_so(self, ledger: Ledger) -> None:
        """Without its sink the log refuses, before and after trying."""
        await ledger.log.publish()
        ledger.break_sink()
        with pytest.raises(AuditUnavailableError):
            ledger.log.check_writable()
        await ledger.happen()
        with pytest.raises(AuditUnavailableError):
            await ledger.log.publish()
        with pytest.raises(AuditUnavailableError):
            ledger.log.check_writable()

    async def test_a_repaired_log_catches_up(self, ledger: Ledger) -> None:
        """What happened while the sink was away is published when it is back."""
        await ledger.happen()
        await ledger.log.publish()
        ledger.break_sink()
        await ledger.happen(2)
        with pytest.raises(AuditUnavailableError):
            await ledger.log.publish()
        ledger.repair_sink()
        assert await ledger.log.publish() == 3
        ledger.log.check_writable()
