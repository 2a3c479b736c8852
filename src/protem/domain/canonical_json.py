"""One byte string per JSON value, so that a digest means the same everywhere.

Here: the encoding under request digests, orders and audit entries: UTF-8, keys sorted by code
point, no white space, no floats, no NaN. For the values we use (objects with ASCII keys, strings,
integers, booleans, null, arrays) it equals RFC 8785. Not here: parsing; ``json.loads`` reads it.

Invariants: equal values give equal bytes; a value outside the set above is refused, never coerced.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence

from protem.domain.errors import InvalidError

_ALLOWED = "null, booleans, integers, strings, lists and string-keyed objects"

JsonValue = None | bool | int | str | Sequence["JsonValue"] | Mapping[str, "JsonValue"]

_SCALARS = frozenset({str, bool, type(None)})
MAX_SAFE_INTEGER = 2**53 - 1
"""RFC 8785 numbers are IEEE doubles: beyond this, other people's tools would round."""


def encode(value: JsonValue) -> bytes:
    """Return the canonical bytes of ``value``.

    Raises:
        InvalidError: for a float, a huge integer, a lone surrogate or any other type.
    """
    _check(value)
    try:
        text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
        return text.encode("utf-8")
    except (UnicodeEncodeError, TypeError) as error:
        raise InvalidError(f"not encodable as canonical JSON: {error}") from error


def digest(value: JsonValue) -> str:
    """Return ``sha256:`` and the hex SHA-256 of the canonical bytes of ``value``."""
    return digest_of_bytes(encode(value))


def digest_of_bytes(data: bytes) -> str:
    """Return ``sha256:`` and the hex SHA-256 of ``data``."""
    return "sha256:" + hashlib.sha256(data).hexdigest()


def _check(value: object) -> None:
    # Exact types first: this runs for every request and every audit entry.
    if type(value) in _SCALARS:
        return
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str) or not key.isascii():
                raise InvalidError(f"object key {ascii(key)[:80]} is not an ASCII string")
            _check(item)
    elif isinstance(value, list | tuple):
        for item in value:
            _check(item)
    elif isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise InvalidError("integer beyond 2^53-1 in canonical JSON")
    elif not isinstance(value, str):
        raise InvalidError(f"{type(value).__name__} is not one of {_ALLOWED}")
