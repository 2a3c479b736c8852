"""Rules about what the entries mean, for an auditor who asks: parses every entry, so it is slow.

Here: each entry is JSON of a known version with a moment; each grant's sequence starts at 1 and
rises by one without gaps or repeats (every transition has one entry, and the other way round).
Not here: whether bytes were changed; the hashes tell that.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from protem.audit import log_files
from protem.audit.damage import Finding, claims_of
from protem.audit.entry_hashing import lines_from

MAX_NAMED = 100
_KNOWN_VERSION = 1


def broken_rules(folder: Path, size: int) -> list[Finding]:
    """Return a finding for each of the first entries that break a rule, ``MAX_NAMED`` at most."""
    findings: list[Finding] = []
    sequences: dict[str, int] = {}
    for index, body in enumerate(_bodies(folder, size)):
        problem = _problem(body, sequences)
        if problem:
            findings.append(
                Finding(
                    problem="rule-broken",
                    detail=f"entry {index}: {problem}",
                    index=index,
                    line=index + 1,
                    claims=claims_of(body),
                )
            )
        if len(findings) == MAX_NAMED:
            break
    return findings


def _bodies(folder: Path, size: int) -> Iterator[bytes]:
    left = size
    for lines in lines_from(folder / log_files.ENTRIES):
        yield from lines[:left]
        left -= len(lines)
        if left <= 0:
            return


def _problem(body: bytes, sequences: dict[str, int]) -> str | None:
    try:
        entry = json.loads(body)
        version, moment = entry["v"], datetime.fromisoformat(entry["at"])
        grant, sequence = entry["grant"], entry["seq"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return "it is not an entry as docs/audit-log.md has it"
    if version != _KNOWN_VERSION:
        return f"its version {version!a} is not known"
    if moment.tzinfo is None:
        return "its moment names no zone"
    if grant is None:
        return None
    expected = sequences.get(str(grant), 0) + 1
    if sequence != expected:
        sequences[str(grant)] = sequence if isinstance(sequence, int) else expected
        return f"event {sequence!a} of grant {grant!a} stands where event {expected} should"
    sequences[str(grant)] = expected
    return None
