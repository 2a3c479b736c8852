"""What every catalogue of targets promises."""

from __future__ import annotations

import pytest

from protem.domain.errors import NotFoundError
from protem.domain.identifiers import TargetName
from protem.ports.target_catalogue import TargetCatalogue

NOWHERE = TargetName("nowhere")


class TargetCatalogueContract:
    """Override ``catalogue`` with one of at least two targets."""

    @pytest.fixture
    def catalogue(self) -> TargetCatalogue:
        """Return the catalogue under test."""
        raise NotImplementedError

    def test_targets_are_listed_by_name(self, catalogue: TargetCatalogue) -> None:
        """All of them, each once, in order."""
        names = [target.name for target in catalogue.targets()]
        assert len(names) >= 2
        assert names == sorted(set(names))

    def test_each_target_has_its_own_adapters(self, catalogue: TargetCatalogue) -> None:
        """One connector and one planner a target, always the same objects, never shared."""
        names = [target.name for target in catalogue.targets()]
        for adapter in (catalogue.connector, catalogue.planner):
            assert all(adapter(name) is adapter(name) for name in names)
            assert len({id(adapter(name)) for name in names}) == len(names)
        assert [catalogue.target(name).name for name in names] == names

    def test_what_is_not_declared_is_not_found(self, catalogue: TargetCatalogue) -> None:
        """Neither the target nor anything of it."""
        for look in (catalogue.target, catalogue.connector, catalogue.planner):
            with pytest.raises(NotFoundError):
                look(NOWHERE)
