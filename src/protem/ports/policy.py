"""Policy as a port: one function, and what some policies can show of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from protem.domain.decisions import Decision, PolicyAction, Question


class Policy(Protocol):
    """Answers questions; synchronous and without I/O, so it can run inside a transaction."""

    def decide(self, question: Question) -> Decision:
        """Return the decision; never raises for a well-formed question.

        A rule that cannot be evaluated gives a denial with a ``failed`` finding.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRule:
    """One rule for people to read.

    Attributes:
        source: ``file:line``.
        permits: false for a rule that forbids.
        message: what it says to people, "" when it says nothing of its own.
        terms: what it asks before it counts, in words.
        text: as written.
    """

    id: str
    source: str
    permits: bool
    actions: frozenset[PolicyAction]
    message: str
    terms: str
    text: str


@runtime_checkable
class ShowsRules(Protocol):
    """Can show the rules that it decides by."""

    @property
    def digest(self) -> str:
        """``sha256:`` digest of the whole set."""
        ...

    def files(self) -> Mapping[str, str]:
        """Return the text of each file by its name."""
        ...

    def rules(self) -> Sequence[ShownRule]:
        """Return every rule, in the order of the files."""
        ...


@runtime_checkable
class ReadsDrafts(Protocol):
    """Can read another set of rules of its own kind, to be compared with this one."""

    def draft(self, files: Mapping[str, str]) -> Policy:
        """Return the policy that ``files``, texts by name, make; touches nothing.

        Raises:
            InvalidError: when anything in them is wrong; the message names file and line.
        """
        ...
