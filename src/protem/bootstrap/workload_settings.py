"""``[identity.workloads.NAME]``: whose tokens prove workloads, and which ones.

Here: the tables and the prover made of them. Not here: what a token proves (identity.oidc).
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field, field_validator

from protem.bootstrap.settings_table import Duration, SettingsTable, Text
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GroupName
from protem.domain.principals import PrincipalId
from protem.domain.proved_people import RESERVED_GROUPS
from protem.domain.web_addresses import checked_address
from protem.identity.oidc.workloads import OidcWorkloads, WorkloadRule
from protem.ports.clock import Clock

WorkloadName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
_LONGEST_SESSION = timedelta(hours=12)
_DEEPEST = 5
_MOST_CONDITIONS = 50


class WorkloadSettings(SettingsTable):
    """``[identity.workloads.NAME]``."""

    issuer: Text
    audience: Text
    claims: Annotated[dict[str, Any], Field(min_length=1, max_length=_MOST_CONDITIONS)]
    groups: list[str] = []
    session: Duration = timedelta(hours=1)
    reusable: bool = False

    @field_validator("issuer")
    @classmethod
    def _is_an_issuer(cls, issuer: str) -> str:
        try:
            PrincipalId(issuer=issuer, subject="some-workload")
            return checked_address(issuer, "an issuer")
        except InvalidError as error:
            raise ValueError(error.message) from error

    @field_validator("claims")
    @classmethod
    def _are_conditions(cls, claims: dict[str, Any]) -> dict[str, Any]:
        _check_conditions(claims, 1)
        return claims

    @field_validator("groups")
    @classmethod
    def _are_groups(cls, groups: list[str]) -> list[str]:
        for group in groups:
            if GroupName.pattern.fullmatch(group) is None or group.startswith(RESERVED_GROUPS):
                raise ValueError("a group is a name as policy has it, and none of Protem's own")
        return groups

    @field_validator("session")
    @classmethod
    def _is_short(cls, session: timedelta) -> timedelta:
        if session > _LONGEST_SESSION:
            raise ValueError("a workload's session lasts 12h at most")
        return session


def declared_workloads(declared: Mapping[str, WorkloadSettings], clock: Clock) -> OidcWorkloads:
    """Return the prover of the file's workloads; no issuer is asked yet."""
    rules = [
        WorkloadRule(
            name=name,
            issuer=table.issuer,
            audience=table.audience,
            conditions=table.claims,
            groups=frozenset(map(GroupName, table.groups)),
            session=table.session,
            reusable=table.reusable,
        )
        for name, table in declared.items()
    ]
    return OidcWorkloads(rules, clock)


def _check_conditions(conditions: Mapping[str, Any], depth: int) -> None:
    for wanted in conditions.values():
        if isinstance(wanted, dict) and wanted and depth < _DEEPEST:
            _check_conditions(wanted, depth + 1)
            continue
        texts = wanted if isinstance(wanted, list) else [wanted]
        plain = isinstance(wanted, bool | int) or (
            bool(texts) and all(isinstance(text, str) and text.strip("*") for text in texts)
        )
        if not plain:
            raise ValueError(
                "a condition is a text, a list of texts, a number, true, false, or a table of "
                'conditions; "*" alone would let anybody in'
            )
