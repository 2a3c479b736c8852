"""The channels that people are told by, as use cases see them.

Here: a channel and what it wants to hear of. Not here: putting anything on its way (tell_people).
"""

from __future__ import annotations

from dataclasses import dataclass

from protem.domain.identifiers import GroupName
from protem.domain.notices import Notice, NoticeKind
from protem.ports.message_board import MessageBoard
from protem.ports.notifier import Notifier


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A configured channel and what goes there.

    Attributes:
        kinds: what it wants to hear of; an alarm goes everywhere.
        groups: only notices for one of these; empty: any.
        board: where it keeps messages that can be answered and rewritten.
    """

    notifier: Notifier
    kinds: frozenset[NoticeKind]
    groups: frozenset[GroupName] = frozenset()
    board: MessageBoard | None = None

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
