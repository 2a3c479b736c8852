"""The targets of the settings file, with their connectors and planners.

Here: the catalogue port, and which adapters speak to which scheme. Not here: the adapters.

Invariants: an adapter is loaded and built at first use and once; a missing extra is named; every
secret is read at start, so that a wrong reference shows there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from protem.bootstrap.approver_signatures import approvals_check
from protem.bootstrap.postgresql_address import connection_string, login_facts
from protem.bootstrap.settings import Settings, TargetSettings, declared_target
from protem.domain.errors import InvalidError, NotFoundError
from protem.domain.identifiers import TargetName
from protem.domain.targets import Target
from protem.ports.connector import Connector
from protem.ports.planner import Planner


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetAdapters:
    """How to build what speaks to one target."""

    connector: Callable[[], Connector]
    planner: Callable[[], Planner]


class DeclaredTargets:
    """Knows the declared targets; builds their adapters when first asked."""

    def __init__(
        self, targets: Sequence[Target], adapters: Mapping[TargetName, TargetAdapters]
    ) -> None:
        self._targets = {target.name: target for target in sorted(targets, key=lambda t: t.name)}
        self._adapters = adapters
        self._connectors: dict[TargetName, Connector] = {}
        self._planners: dict[TargetName, Planner] = {}

    def targets(self) -> Sequence[Target]:
        """Return all targets, by name."""
        return tuple(self._targets.values())

    def target(self, name: TargetName) -> Target:
        """Return one target.

        Raises:
            NotFoundError: when it is not declared.
        """
        try:
            return self._targets[name]
        except KeyError:
            raise NotFoundError(
                f"there is no target {name}", next_step="protem target ls"
            ) from None

    def connector(self, name: TargetName) -> Connector:
        """Return the target's connector, always the same object.

        Raises:
            NotFoundError: when the target is not declared.
        """
        if name not in self._connectors:
            self.target(name)
            self._connectors[name] = self._adapters[name].connector()
        return self._connectors[name]

    def planner(self, name: TargetName) -> Planner:
        """Return the target's planner, always the same object.

        Raises:
            NotFoundError: when the target is not declared.
        """
        if name not in self._planners:
            self.target(name)
            self._planners[name] = self._adapters[name].planner()
        return self._planners[name]

    async def close(self) -> None:
        """Let go of every connection."""
        for planner in self._planners.values():
            await planner.close()
        for connector in self._connectors.values():
            await connector.close()


def declared_targets(settings: Settings, folder: Path, order_key: bytes) -> DeclaredTargets:
    """Return the catalogue of a settings file in ``folder``.

    Args:
        settings: the file.
        folder: where it is; paths in it are relative to this.
        order_key: raw Ed25519 public key that orders are signed with.

    Raises:
        InvalidError: when a secret cannot be read, or an extra is not installed.
    """
    targets = [declared_target(name, settings) for name in settings.targets]
    adapters = {
        target.name: _BY_SCHEME[target.scheme](
            target, settings.targets[target.name], folder, order_key
        )
        for target in targets
    }
    return DeclaredTargets(targets, adapters)


def _postgresql(
    target: Target, declared: TargetSettings, folder: Path, order_key: bytes
) -> TargetAdapters:
    name = target.name
    try:
        from protem.connectors.postgresql import PostgresqlConnector  # noqa: PLC0415  # an extra
        from protem.planners.postgresql import PostgresqlPlanner  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise _missing_extra(name, "postgresql", error) from error
    administrator = connection_string(
        declared,
        declared.administrator,
        where=f"targets.{name}.administrator",
        folder=folder,
    )
    planner = connection_string(
        declared,
        declared.planner,
        where=f"targets.{name}.planner",
        folder=folder,
    )
    marked = [(tag.path, tag.part) for tag in target.tags if tag.part is not None]
    return TargetAdapters(
        connector=lambda: PostgresqlConnector(
            administrator,
            target=name,
            login=login_facts(declared, folder),
            scram_iterations=declared.scram_iterations,
            order_key=order_key,
            check_approvals=approvals_check(name, declared.approver_keys_file, folder),
        ),
        planner=lambda: PostgresqlPlanner(lambda: planner, sensitive_columns=marked),
    )


def _missing_extra(name: TargetName, extra: str, error: ModuleNotFoundError) -> InvalidError:
    return InvalidError(
        f"target {name} needs the extra {extra!r}, whose module {error.name} is not installed",
        next_step=f"pip install 'protem[{extra}]'",
    )


_BY_SCHEME: Mapping[str, Callable[[Target, TargetSettings, Path, bytes], TargetAdapters]] = {
    "postgresql": _postgresql,
}
