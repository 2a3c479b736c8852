"""A catalogue of targets in a dictionary."""

from __future__ import annotations

from collections.abc import Sequence

from protem.domain.errors import NotFoundError
from protem.domain.identifiers import TargetName
from protem.domain.targets import Target
from protem.ports.connector import Connector
from protem.ports.planner import Planner


class InMemoryCatalogue:
    """Knows the targets that were declared."""

    def __init__(self) -> None:
        self._declared: dict[TargetName, tuple[Target, Connector, Planner]] = {}

    def declare(self, target: Target, connector: Connector, planner: Planner) -> None:
        """Add or replace a target."""
        self._declared[target.name] = (target, connector, planner)

    def withdraw(self, name: TargetName) -> None:
        """Forget a target, as a changed settings file would."""
        del self._declared[name]

    def targets(self) -> Sequence[Target]:
        """Return all targets, by name."""
        return [self._declared[name][0] for name in sorted(self._declared)]

    def target(self, name: TargetName) -> Target:
        """Return one target."""
        return self._find(name)[0]

    def connector(self, name: TargetName) -> Connector:
        """Return its connector."""
        return self._find(name)[1]

    def planner(self, name: TargetName) -> Planner:
        """Return its planner."""
        return self._find(name)[2]

    def _find(self, name: TargetName) -> tuple[Target, Connector, Planner]:
        try:
            return self._declared[name]
        except KeyError as error:
            raise NotFoundError(f"there is no target {name}") from error
