"""What the user wants to run, byte for byte.

Here: the argument vector and the files it reads, as the request will carry and approvers will see
them. Not here: what it needs (planners) and how it is run (the command line).

Invariants: bounded; text without NUL; inputs are content, never paths that someone may change
after approval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from protem.domain.errors import InvalidError

MAX_ARGUMENTS = 256
MAX_TOTAL_CHARACTERS = 262_144
STANDARD_INPUT = "-"
"""The input name under which standard input travels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """An argument vector and the content of the files that it names.

    Attributes:
        argv: for example ``("psql", "-c", "select 1")``.
        inputs: content by the name under which argv refers to it; ``-`` is standard input.

    Raises:
        InvalidError: when empty, too large or holding NUL.
    """

    argv: tuple[str, ...]
    inputs: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.argv or not self.argv[0]:
            raise InvalidError("a command needs at least a program to run")
        if len(self.argv) > MAX_ARGUMENTS:
            raise InvalidError(f"a command has at most {MAX_ARGUMENTS} arguments")
        texts = [*self.argv, *self.inputs, *self.inputs.values()]
        if sum(map(len, texts)) > MAX_TOTAL_CHARACTERS:
            raise InvalidError(f"command and inputs exceed {MAX_TOTAL_CHARACTERS} characters")
        if any("\0" in text for text in texts):
            raise InvalidError("a command cannot hold NUL characters")
        try:
            "".join(texts).encode()
        except UnicodeEncodeError as error:
            raise InvalidError("a command is valid Unicode text") from error
