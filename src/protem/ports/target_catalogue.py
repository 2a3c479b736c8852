"""The declared targets, and the adapters that speak to each, as a port."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from protem.domain.identifiers import TargetName
from protem.domain.targets import Target
from protem.ports.connector import Connector
from protem.ports.planner import Planner


class TargetCatalogue(Protocol):
    """Knows every target of this control plane."""

    def targets(self) -> Sequence[Target]:
        """Return all targets, by name."""
        ...

    def target(self, name: TargetName) -> Target:
        """Return one target.

        Raises:
            NotFoundError: when it is not declared.
        """
        ...

    def connector(self, name: TargetName) -> Connector:
        """Return the target's connector, always the same object.

        Raises:
            NotFoundError: when the target is not declared.
        """
        ...

    def planner(self, name: TargetName) -> Planner:
        """Return the target's planner, always the same object.

        Raises:
            NotFoundError: when the target is not declared.
        """
        ...
