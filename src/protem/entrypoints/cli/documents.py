"""Output for programs: versioned JSON, and the same as YAML.

Here: the envelope ``{"version": 1, ...}`` and two spellings of it. Not here: what is in it; every
command's page in docs/command-line.md says.

Invariants: ASCII only, so nothing in it can act on a terminal; times are RFC 3339 UTC; within a
version fields are only added. The YAML is the block form whose every scalar is a JSON scalar.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

VERSION = 1
_DELETE = "\x7f"
_LONGEST_SIMPLE_KEY = 1_000
_LAST_OF_FOUR_DIGITS = 0xFFFF


def document(fields: Mapping[str, Any], output: str) -> str:
    """Return the envelope around ``fields`` as ``json`` or ``yaml``."""
    whole = {"version": VERSION, **fields}
    if output == "yaml":
        return "\n".join(_yaml(whole, ""))
    return json.dumps(whole, indent=2).replace(_DELETE, r"\u007f")


def _yaml(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _yaml_item(_yaml_key(str(key), indent), item, indent)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            yield from _yaml_item(f"{indent}-", item, indent)
    else:
        yield indent + _yaml_scalar(value)


def _yaml_item(start: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, dict | list | tuple) and item:
        yield start
        yield from _yaml(item, indent + "  ")
    else:
        yield f"{start} {_yaml_scalar(item)}"


def _yaml_key(key: str, indent: str) -> str:
    """Return the start of an entry; YAML wants a long key announced."""
    scalar = _yaml_scalar(key)
    if len(scalar) > _LONGEST_SIMPLE_KEY:
        return f"{indent}? {scalar}\n{indent}:"
    return f"{indent}{scalar}:"


def _yaml_scalar(value: Any) -> str:
    """Return a JSON scalar; YAML has no surrogate pairs, so long code points get their own form."""
    if not isinstance(value, str):
        return json.dumps(value)
    return '"' + "".join(map(_yaml_character, value)) + '"'


def _yaml_character(one: str) -> str:
    if ord(one) > _LAST_OF_FOUR_DIGITS:
        return f"\\U{ord(one):08x}"
    return r"\u007f" if one == _DELETE else json.dumps(one)[1:-1]
