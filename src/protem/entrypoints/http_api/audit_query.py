"""What a search of the audit log asks for, as it stands in an address."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from protem.domain.identifiers import GrantId, TargetName
from protem.domain.instants import parse_instant
from protem.services.explore_audit import EntryFilter

MOST_INDEX = 2**53 - 1
_Word = Annotated[str, Field(max_length=512)]


class AuditQuery(BaseModel):
    """The query of a search; what is empty asks for nothing, as an empty field of a form does."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    actor: _Word = ""
    target: _Word = ""
    grant: _Word = ""
    kind: _Word = ""
    since: Annotated[str, Field(alias="from", max_length=64)] = ""
    until: Annotated[str, Field(alias="to", max_length=64)] = ""
    before: Annotated[int | None, Field(ge=0, le=MOST_INDEX)] = None
    limit: Annotated[int, Field(ge=1, le=500)] = 50

    def filter(self) -> EntryFilter:
        """Return it in the inside's words.

        Raises:
            InvalidError: for a name that is none, or a time without a zone.
        """
        return EntryFilter(
            actor=self.actor or None,
            target=TargetName(self.target) if self.target else None,
            grant=GrantId(self.grant) if self.grant else None,
            kind=self.kind or None,
            since=parse_instant(self.since) if self.since else None,
            until=parse_instant(self.until) if self.until else None,
            before=self.before,
            limit=self.limit,
        )
