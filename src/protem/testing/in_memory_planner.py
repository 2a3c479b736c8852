"""A planner that knows its answers beforehand.

Here: fixed plans by argument vector, for tests of services. Not here: any analysis.
"""

from __future__ import annotations

from collections.abc import Mapping

from protem.domain.commands import Command
from protem.domain.errors import InvalidError, ProtemError, UnplannableError
from protem.domain.plans import Plan


class InMemoryPlanner:
    """Answers from a table.

    Args:
        answers: a plan to return, or an error to raise, by argument vector; any other command is
            unplannable.
    """

    def __init__(self, answers: Mapping[tuple[str, ...], Plan | ProtemError]) -> None:
        self._answers = dict(answers)
        self._closed = False

    async def plan(self, command: Command) -> Plan:
        """Return or raise what the table says.

        Raises:
            UnplannableError: when the table does not know the command.
            InvalidError: after ``close``.
        """
        if self._closed:
            raise InvalidError("this planner is closed")
        answer = self._answers.get(command.argv)
        if answer is None:
            raise UnplannableError(
                f"no plan is known for {command.argv[0]!r} with these arguments",
                next_step="ask for a profile",
            )
        if isinstance(answer, ProtemError):
            raise answer
        return answer

    async def close(self) -> None:
        """Refuse further plans."""
        self._closed = True
