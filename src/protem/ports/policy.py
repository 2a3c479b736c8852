"""Policy as a port of one function."""

from __future__ import annotations

from typing import Protocol

from protem.domain.decisions import Decision, Question


class Policy(Protocol):
    """Answers questions; synchronous and without I/O, so it can run inside a transaction."""

    def decide(self, question: Question) -> Decision:
        """Return the decision; never raises for a well-formed question.

        A rule that cannot be evaluated gives a denial with a ``failed`` finding.
        """
        ...
