"""Put what people should know on its way, in the transaction of the change that it tells of.

Here: which channels a notice goes to. Not here: what it says (``domain.notices``) or delivering it
(deliver_notices).

Invariants: a notice is kept if and only if its change is; telling never refuses a change.
"""

from __future__ import annotations

from dataclasses import dataclass

from protem.domain import deliveries
from protem.domain.identifiers import GroupName
from protem.domain.notices import Notice, NoticeKind
from protem.ports.notifier import Notifier
from protem.ports.store import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A configured channel and what goes there.

    Attributes:
        kinds: what it wants to hear of; an alarm goes everywhere.
        groups: only notices for one of these; empty: any.
    """

    notifier: Notifier
    kinds: frozenset[NoticeKind]
    groups: frozenset[GroupName] = frozenset()

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self.notifier.name

    def wants(self, notice: Notice) -> bool:
        """Say whether the notice goes there."""
        if notice.is_alarm:
            return True
        for_them = not self.groups or not notice.groups or bool(self.groups & notice.groups)
        return notice.kind in self.kinds and for_them


def tell(channels: tuple[Channel, ...], transaction: Transaction, notice: Notice) -> None:
    """Keep a delivery for every channel that wants the notice."""
    for channel in channels:
        if channel.wants(notice):
            transaction.notices.add(deliveries.begin(notice, channel.name))
