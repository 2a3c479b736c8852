"""Rules about what the entries mean, for an auditor who asks: parses every entry, so it is slow.

Here: each entry is JSON of a known version with a moment; each grant's sequence starts at 1 and
rises by one without gaps or repeats (every transition has one entry, and the other way round);
what statements say of targets agrees with it (attestation). Not here: whether bytes were changed;
the hashes tell that.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from protem.audit import log_files
from protem.audit.attestation import Attestations
from protem.audit.damage import Finding, claims_of
from protem.audit.entry_hashing import lines_from

MAX_NAMED = 100
MOST_NOTED = 10
_KNOWN_VERSION = 1

FurtherRule = Callable[[Mapping[str, Any]], str | None]


def broken_rules(
    folder: Path, size: int, further: FurtherRule | None = None
) -> tuple[list[Finding], list[str]]:
    """Return a finding for each of the first entries that break a rule, ``MAX_NAMED`` at most.

    ``further`` takes in each entry, in order, and returns what is wrong with it, if anything.

    And notes: ended grants of which no statement of their target tells yet.
    """
    findings: list[Finding] = []
    sequences: dict[str, int] = {}
    attestations = Attestations()
    for index, body in enumerate(_bodies(folder, size)):
        problem = _problem(body, sequences, attestations) or _further(body, further)
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
            return findings, []
    return findings, _notes(attestations.waiting)


def _further(body: bytes, further: FurtherRule | None) -> str | None:
    return None if further is None else further(json.loads(body))


def _notes(waiting: Sequence[str]) -> list[str]:
    if not waiting:
        return []
    named = ", ".join(waiting[:MOST_NOTED]) + (", ..." if len(waiting) > MOST_NOTED else "")
    return [f"ended, and not stated of their target yet: {len(waiting)} grants: {named}"]


def _bodies(folder: Path, size: int) -> Iterator[bytes]:
    left = size
    for lines in lines_from(folder / log_files.ENTRIES):
        yield from lines[:left]
        left -= len(lines)
        if left <= 0:
            return


def _problem(body: bytes, sequences: dict[str, int], attestations: Attestations) -> str | None:
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
    contradiction = attestations.problem(entry)
    if grant is None:
        return contradiction
    expected = sequences.get(str(grant), 0) + 1
    if sequence != expected:
        sequences[str(grant)] = sequence if isinstance(sequence, int) else expected
        return f"event {sequence!a} of grant {grant!a} stands where event {expected} should"
    sequences[str(grant)] = expected
    return contradiction
