"""What every chat with messages that can be rewritten promises, as a suite.

Here: the promises of ``ports.message_board``. Not here: what a chat is; the fixture says.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from protem.domain.errors import RefusedError, RetryLaterError
from protem.ports.message_board import MessageBoard
from protem.testing.notifier_contract import NOTICE


@dataclass(frozen=True, slots=True, kw_only=True)
class BoardUnderTest:
    """A chat, and what a test must be able to see and make happen at its other end.

    Attributes:
        says: what a message says now, by its receipt, as text.
        heard: what one reader was told alone, as text.
        be_away: make the other end fail from now on, for a while.
    """

    board: MessageBoard
    says: Callable[[str], str]
    heard: Callable[[str], str]
    be_away: Callable[[], None]


class MessageBoardContract:
    """Override ``chat_board``."""

    @pytest.fixture
    async def chat_board(self) -> BoardUnderTest:
        """The chat under test."""
        raise NotImplementedError

    async def test_each_message_is_rewritten_by_its_receipt(
        self, chat_board: BoardUnderTest
    ) -> None:
        """One alone, and doing so twice is doing so once."""
        board = chat_board.board
        first, second = await board.post(NOTICE), await board.post(NOTICE)
        assert first != second
        for _ in range(2):
            await board.rewrite(first, NOTICE, "denied by ann")
        assert "denied by ann" in chat_board.says(first)
        assert "denied by ann" not in chat_board.says(second)

    async def test_a_whisper_reaches_its_reader(self, chat_board: BoardUnderTest) -> None:
        """And nobody else."""
        await chat_board.board.whisper("U1", "not yours")
        assert "not yours" in chat_board.heard("U1")
        assert "not yours" not in chat_board.heard("U2")

    async def test_what_is_not_there_is_refused_and_a_chat_that_is_away_is_worth_waiting_for(
        self, chat_board: BoardUnderTest
    ) -> None:
        """The first never gets better, the second may."""
        with pytest.raises(RefusedError):
            await chat_board.board.rewrite("no-such", NOTICE, "x")
        chat_board.be_away()
        for call in (chat_board.board.post(NOTICE), chat_board.board.whisper("U1", "x")):
            with pytest.raises(RetryLaterError):
                await call
