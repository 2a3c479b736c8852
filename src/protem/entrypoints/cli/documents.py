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


def document(fields: Mapping[str, Any], output: str) -> str:
    """Return the envelope around ``fields`` as ``json`` or ``yaml``."""
    whole = {"version": VERSION, **fields}
    if output == "yaml":
        return "\n".join(_yaml(whole, ""))
    return json.dumps(whole, indent=2)


def _yaml(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _yaml_item(f"{indent}{json.dumps(str(key))}:", item, indent)
    elif isinstance(value, list | tuple) and value:
        for item in value:
            yield from _yaml_item(f"{indent}-", item, indent)
    else:
        yield indent + json.dumps(value)


def _yaml_item(start: str, item: Any, indent: str) -> Iterator[str]:
    if isinstance(item, dict | list | tuple) and item:
        yield start
        yield from _yaml(item, indent + "  ")
    else:
        yield f"{start} {json.dumps(item)}"
