"""Naming what is wrong with a log: which entry, which line, which bytes.

Here: comparing the entries found with the leaf hashes that were signed, as a difference of two
sequences. Not here: finding that something is wrong (verifier); this runs only then.

Invariants: work and memory are bounded, whatever a hostile file holds; what an altered entry claims
is reported as a claim, never used.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from protem.audit import log_files
from protem.audit.entry_hashing import lines_from
from protem.audit.tree import HASH_SIZE, leaf_hash

WINDOW = 100_000
"""So many entries from the first difference on are compared in detail."""

MAX_NAMED = 100
_CLAIMS = ("kind", "grant", "at", "actor", "target")
_CLAIM_LENGTH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        problem: a stable word, such as ``entry-altered``.
        index: the entry's index in the signed log, if one is concerned.
        line: the line in ``entries.jsonl``, counted from 1.
        bytes_at: first byte of the line and the byte after its last, in that file.
        claims: what the altered entry says of itself; not to be believed.
    """

    problem: str
    detail: str
    index: int | None = None
    line: int | None = None
    bytes_at: tuple[int, int] | None = None
    claims: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    hash: bytes
    start: int
    end: int
    body: bytes


def name_damage(folder: Path, first: int, signed_size: int) -> list[Finding]:
    """Compare lines with signed leaf hashes from entry ``first`` on, the first that differs.

    ``leaves`` must have been found true to the signed root.
    """
    with (folder / log_files.LEAVES).open("rb") as file:
        file.seek(first * HASH_SIZE)
        packed = file.read(min(WINDOW, signed_size - first) * HASH_SIZE)
    leaves = [packed[at : at + HASH_SIZE] for at in range(0, len(packed), HASH_SIZE)]
    lines = list(_lines(folder / log_files.ENTRIES, first))
    findings: list[Finding] = []
    for low, high, start, stop in _hunks([line.hash for line in lines], leaves):
        if first + start >= signed_size:
            break
        findings += _name_hunk(lines[low:high], leaves, (first, start, stop), low)
        if len(findings) >= MAX_NAMED:
            break
    return findings[:MAX_NAMED]


def claims_of(body: bytes) -> dict[str, str] | None:
    """Return what an entry says of itself, shortened; None when it is not a JSON object."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    return {
        name: str(document[name])[:_CLAIM_LENGTH]
        for name in _CLAIMS
        if document.get(name) is not None
    }


def _lines(path: Path, first: int) -> Iterator[_Line]:
    index, start, missing = 0, 0, 2 * WINDOW
    blocks = lines_from(path)
    previous = next(blocks)
    for block in blocks:  # the last block is the torn rest, which is no line
        for body in previous:
            end = start + len(body) + 1
            if index >= first:
                yield _Line(leaf_hash(body), start, end, body[: log_files.MAX_ENTRY_SIZE])
                missing -= 1
                if not missing:
                    return
            index, start = index + 1, end
        previous = block


def _hunks(found: Sequence[bytes], signed: Sequence[bytes]) -> Iterator[tuple[int, int, int, int]]:
    """Yield where the sequences differ: ``found[a:b]`` stands in place of ``signed[c:d]``."""
    places = {leaf: at for at, leaf in reversed(list(enumerate(signed)))}
    i = j = 0
    while i < len(found) and j < len(signed):
        if found[i] == signed[j]:
            i, j = i + 1, j + 1
            continue
        skip, place = _resume(found, places, i, j)
        if place is None:
            break
        yield i, i + skip, j, place
        i, j = i + skip, place
    if i < len(found) or j < len(signed):
        yield i, len(found), j, len(signed)


def _resume(
    found: Sequence[bytes], places: Mapping[bytes, int], i: int, j: int
) -> tuple[int, int | None]:
    """Find the nearest place where both go on alike, by lines skipped on either side."""
    best = len(places) + len(found) + 1
    result: tuple[int, int | None] = (0, None)
    skip = 0
    while skip < best and i + skip < len(found):
        place = places.get(found[i + skip])
        if place is not None and place >= j and skip + place - j < best:
            best, result = skip + place - j, (skip, place)
        skip += 1
    return result


def _name_hunk(
    lines: Sequence[_Line], leaves: Sequence[bytes], signed: tuple[int, int, int], low: int
) -> list[Finding]:
    first, start, stop = signed
    places = {leaf: first + at for at, leaf in enumerate(leaves)}
    findings = []
    paired = min(len(lines), stop - start)
    for at, line in enumerate(lines[:MAX_NAMED]):
        index = first + start + at if at < paired else None
        number = first + low + at + 1
        other = places.get(line.hash)
        if index is None and start >= len(leaves):
            break  # beyond the signed entries: not covered, not wrong
        problem = "entry-inserted" if index is None else "entry-altered"
        where = f"line {number}" if index is None else f"entry {index} (line {number})"
        verb = "was inserted" if index is None else "is not the one that was signed"
        if other is not None:
            problem, verb = "entry-moved", f"holds entry {other} of the signed log"
        findings.append(
            Finding(
                problem=problem,
                detail=f"{where} {verb}",
                index=index,
                line=number,
                bytes_at=(line.start, line.end),
                claims=claims_of(line.body),
            )
        )
    if stop - start > paired:
        gone = first + start + paired
        last = first + stop - 1
        span = f"entry {gone} is" if gone == last else f"entries {gone} to {last} are"
        findings.append(Finding(problem="entry-missing", detail=f"{span} missing", index=gone))
    return findings
