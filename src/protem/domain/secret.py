"""A secret value that cannot be printed, logged, pickled or compared by accident.

Here: the one type for passwords, tokens and keys in memory. Not here: where secrets come from
(references in settings, or the client's own randomness).

Invariants: ``repr``, ``str`` and ``format`` never show the value; only ``reveal`` does, so every
use is found by searching for that word.
"""

from __future__ import annotations

import hmac
from typing import Never


class Secret:
    """Wraps a string; ``reveal()`` is the only way to see it."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the value; call it as late and as locally as possible."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __format__(self, _spec: str) -> str:
        return repr(self)

    def __eq__(self, other: object) -> bool:
        """Compare in constant time, so that equality is not an oracle."""
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self._value.encode(), other._value.encode())

    __hash__ = None  # type: ignore[assignment]  # a secret is never a key

    def __reduce__(self) -> Never:
        raise TypeError("a secret is not pickled")
