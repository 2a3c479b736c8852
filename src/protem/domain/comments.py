"""What people say about a request without a verdict.

Here: one comment and its bounds. Not here: who may say it, and how hostile text is shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from protem.domain.canonical_json import JsonValue
from protem.domain.errors import InvalidError
from protem.domain.identifiers import GrantId
from protem.domain.instants import format_instant
from protem.domain.principals import PrincipalId

MAX_COMMENT = 2_000
MAX_COMMENTS = 200
"""On one request: a conversation that is longer belongs elsewhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One remark.

    Attributes:
        number: 1 for the first on a request.

    Raises:
        InvalidError: when it is empty, too long, or holds NUL.
    """

    grant_id: GrantId
    number: int
    author: PrincipalId
    at: datetime
    text: str

    def __post_init__(self) -> None:
        if not self.text.strip() or len(self.text) > MAX_COMMENT or "\0" in self.text:
            raise InvalidError(f"a comment is 1 to {MAX_COMMENT} characters, none of them NUL")
        try:
            self.text.encode()
        except UnicodeEncodeError as error:
            raise InvalidError("a comment is Unicode text") from error

    def to_json(self) -> dict[str, JsonValue]:
        """Return the form that is logged and shown."""
        return {
            "number": self.number,
            "author": str(self.author),
            "at": format_instant(self.at),
            "text": self.text,
        }
