"""Hashing the entries of a log file, in segments that can be shared out among processes.

Here: reading lines, leaf hashes, the peaks of each segment, and where the file ``leaves`` first
disagrees. Not here: what a disagreement means (damage), what was signed (verifier).

A segment is ``SEGMENT`` entries and starts at a multiple of that, so that its peaks join the tree
whoever computed them. Bytes are hashed as stored; nothing is parsed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from protem.audit import log_files
from protem.audit.tree import HASH_SIZE, CompactRange, leaf_hashes

SEGMENT = 1 << 16
_READ_SIZE = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One segment to hash: its first index, where it starts, and the sizes at which to stop."""

    folder: Path
    first: int
    offset: int
    stops: Sequence[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """What was read.

    Attributes:
        count: whole lines, at most ``SEGMENT``.
        end: the offset after the last of them.
        peaks: of the segment's own tree.
        at_stops: size of the whole log, and the segment's peaks there.
        mismatch: the first index whose hash in ``leaves`` is another one or missing.
        torn: how many bytes follow that are no whole line.
    """

    first: int
    count: int
    end: int
    peaks: Sequence[bytes]
    at_stops: Sequence[tuple[int, Sequence[bytes]]]
    mismatch: int | None
    torn: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hashed:
    """The whole file: its size, the roots asked for, and what did not fit."""

    size: int
    roots: dict[int, bytes]
    mismatch: int | None
    torn: int


def hash_log(folder: Path, stops: Sequence[int], processes: int = 1) -> Hashed:
    """Hash all entries and return the roots at ``stops`` and at the end.

    Raises:
        OSError: when a file cannot be read.
    """
    edge = CompactRange()
    roots: dict[int, bytes] = {0: edge.root()}
    mismatch, torn = None, 0
    for segment in _segments(folder, sorted(set(stops)), processes):
        for size, peaks in segment.at_stops:
            upto = edge.copy()
            upto.join(size - segment.first, peaks)
            roots[size] = upto.root()
        edge.join(segment.count, segment.peaks)
        mismatch = segment.mismatch if mismatch is None else mismatch
        torn = segment.torn
    roots[edge.size] = edge.root()
    return Hashed(size=edge.size, roots=roots, mismatch=mismatch, torn=torn)


def lines_from(path: Path, offset: int = 0) -> Iterator[list[bytes]]:
    """Yield blocks of whole lines without their line feeds; the last block is the torn rest.

    The rest is one item, empty when the file ends in a line feed.
    """
    with path.open("rb", buffering=0) as file:
        file.seek(offset)
        rest = b""
        while block := file.read(_READ_SIZE):
            lines = (rest + block).split(b"\n")
            rest = lines.pop()
            if lines:
                yield lines
            if len(rest) > log_files.MAX_ENTRY_SIZE:
                break
        yield [rest]


def hash_segment(work: Work) -> Segment:
    """Read and hash one segment."""
    hashes: list[bytes] = []
    count, end, torn = 0, work.offset, 0
    waiting: list[bytes] = []
    for lines in lines_from(work.folder / log_files.ENTRIES, work.offset):
        if waiting:
            room = SEGMENT - count
            taken = waiting[:room]
            hashes.append(leaf_hashes(taken))
            count += len(taken)
            end += sum(map(len, taken)) + len(taken)
            if count == SEGMENT:
                waiting = []
                break
        waiting = lines
    else:
        torn = len(waiting[0]) if waiting else 0
    packed = b"".join(hashes)
    edge, at_stops, done = CompactRange(), [], 0
    for stop in work.stops:
        here = stop - work.first
        if 0 < here <= count:
            edge.extend(packed[done * HASH_SIZE : here * HASH_SIZE])
            done = here
            at_stops.append((stop, tuple(edge.peaks)))
    edge.extend(packed[done * HASH_SIZE :])
    return Segment(
        first=work.first,
        count=count,
        end=end,
        peaks=tuple(edge.peaks),
        at_stops=at_stops,
        mismatch=_first_mismatch(work, packed),
        torn=torn,
    )


def _first_mismatch(work: Work, packed: bytes) -> int | None:
    with (work.folder / log_files.LEAVES).open("rb") as file:
        file.seek(work.first * HASH_SIZE)
        published = file.read(len(packed))
    if published == packed:
        return None
    for at in range(0, len(packed), HASH_SIZE):
        if published[at : at + HASH_SIZE] != packed[at : at + HASH_SIZE]:
            return work.first + at // HASH_SIZE
    return None


def _segments(folder: Path, stops: Sequence[int], processes: int) -> Iterator[Segment]:
    if processes > 1:
        # A generator, so that the first segments are hashed while the rest is being found.
        work = (
            Work(folder=folder, first=at * SEGMENT, offset=offset, stops=_within(stops, at))
            for at, offset in enumerate(_starts(folder / log_files.ENTRIES))
        )
        with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
            yield from pool.map(hash_segment, work)
        return
    at, offset = 0, 0
    while True:
        segment = hash_segment(
            Work(folder=folder, first=at * SEGMENT, offset=offset, stops=_within(stops, at))
        )
        yield segment
        if segment.count < SEGMENT:
            return
        at, offset = at + 1, segment.end


def _within(stops: Sequence[int], at: int) -> list[int]:
    return [stop for stop in stops if at * SEGMENT < stop <= (at + 1) * SEGMENT]


def _starts(path: Path) -> Iterator[int]:
    """Yield the offsets of every ``SEGMENT``-th line; counting is far cheaper than hashing."""
    yield 0
    seen, position = 0, 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_READ_SIZE):
            found = block.count(b"\n")
            if seen + found >= SEGMENT:
                at = -1
                for _ in range(SEGMENT - seen):
                    at = block.index(b"\n", at + 1)
                yield position + at + 1
                found -= SEGMENT - seen
                seen = 0
            seen += found
            position += len(block)
