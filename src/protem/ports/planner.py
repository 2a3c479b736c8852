"""Planning as a port: from a command to the scope that it needs."""

from __future__ import annotations

from typing import Protocol

from protem.domain.commands import Command
from protem.domain.plans import Plan


class Planner(Protocol):
    """Analyses commands for one target; runs nothing of the command's."""

    async def plan(self, command: Command) -> Plan:
        """Return the sufficient and minimal scope of ``command``.

        Raises:
            UnplannableError: when the scope cannot be derived; names the profile that would do.
            InvalidError: when the target rejects the statement (syntax, unknown name).
            RetryLaterError: when the target cannot be reached.
        """
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...
