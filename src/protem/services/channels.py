"""The channels that people are told by, as use cases see them.

Here: a channel and what it wants to hear of. Not here: putting anything on its way (tell_people).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from protem.domain.identifiers import GroupName
from protem.domain.notices import Notice, NoticeKind
from protem.ports.message_board import MessageBoard
from protem.ports.notifier import Notifier
from protem.ports.personal_notifier import PersonalNotifier

_FOR_WHO_MAY = frozenset({NoticeKind.REVIEW_WANTED, NoticeKind.REVIEW_DUE})
"""For whoever may answer, which is asked of policy when each copy is sent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Channel:
    """A configured channel and what goes there.

    Attributes:
        kinds: what it wants to hear of; an alarm goes everywhere.
        groups: only notices for one of these; empty: any.
        personal: reaches single persons; None where the channel is for all alike.
        answer_by_link: whether persons who are asked get a link that answers.
        board: where it keeps messages that can be answered and rewritten.
    """

    notifier: Notifier
    kinds: frozenset[NoticeKind]
    groups: frozenset[GroupName] = frozenset()
    personal: PersonalNotifier | None = None
    answer_by_link: bool = False
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

    def copies(self, notice: Notice) -> Iterator[Notice]:
        """Yield the copies for single persons; whether each may have one is for its delivery."""
        if self.personal is None or notice.is_alarm:
            return
        known = self.personal.people
        reached = known if notice.kind in _FOR_WHO_MAY else known & notice.people
        yield from map(notice.copy_for, sorted(reached, key=str))
