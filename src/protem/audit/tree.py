"""The Merkle tree of RFC 6962 (RFC 9162, section 2.1) over SHA-256.

Here: pure functions over bytes. Leaf hashes travel *packed*: 32 bytes each, back to back, as the
file ``leaves`` holds them, so that a million of them are one object and a subtree is one slice.
Not here: files, signatures, what an entry means.

Invariants: a leaf and a node never hash alike (prefixes 0 and 1); a verification returns nothing
and raises ``ProofError`` when it fails, so that no result can be forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Self

HASH_SIZE = 32
EMPTY_ROOT = sha256(b"").digest()

_MAX_BLOCK_HEIGHT = 12
"""Subtrees are hashed at most 4,096 leaves at a time: enough for speed, small for the cache."""


class ProofError(ValueError):
    """The proof does not show what it should; the message says which step failed."""


def leaf_hash(entry: bytes) -> bytes:
    """Return the hash of one entry."""
    return sha256(b"\0" + entry).digest()


def leaf_hashes(entries: Iterable[bytes]) -> bytes:
    """Return the packed hashes of ``entries``."""
    return b"".join([sha256(b"\0" + entry).digest() for entry in entries])


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node."""
    return sha256(b"\1" + left + right).digest()


class CompactRange:
    """The right edge of a growing tree: O(log n) hashes from which root and growth follow.

    Attributes:
        size: how many leaves there are.
        peaks: roots of the perfect subtrees from left to right, one for each set bit of ``size``.
    """

    __slots__ = ("peaks", "size")

    def __init__(self, size: int = 0, peaks: Sequence[bytes] = ()) -> None:
        if len(peaks) != size.bit_count():
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks")
        self.size = size
        self.peaks = list(peaks)

    def copy(self) -> Self:
        """Return an independent copy."""
        return type(self)(self.size, self.peaks)

    def append(self, leaf: bytes) -> None:
        """Add one leaf hash."""
        self._push(leaf, 0)

    def extend(self, packed: bytes) -> None:
        """Add packed leaf hashes, by the largest perfect subtrees that fit."""
        position, end = 0, _count(packed)
        while position < end:
            aligned = (self.size & -self.size).bit_length() - 1 if self.size else _MAX_BLOCK_HEIGHT
            height = min(aligned, (end - position).bit_length() - 1, _MAX_BLOCK_HEIGHT)
            stop = position + (1 << height)
            self._push(_perfect_root(packed[position * HASH_SIZE : stop * HASH_SIZE]), height)
            position = stop

    def join(self, size: int, peaks: Sequence[bytes]) -> None:
        """Add a range of ``size`` leaves, known by its peaks, that starts where this one ends.

        Raises:
            ValueError: when the first peak would not stand on a multiple of its own size.
        """
        at = 0
        for height in reversed(range(size.bit_length())):
            if size >> height & 1:
                if self.size % (1 << height):
                    raise ValueError(
                        "ranges can be joined only at a multiple of their largest peak"
                    )
                self._push(peaks[at], height)
                at += 1

    def root(self) -> bytes:
        """Return the root of the tree."""
        if not self.peaks:
            return EMPTY_ROOT
        root = self.peaks[-1]
        for peak in reversed(self.peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def _push(self, subtree: bytes, height: int) -> None:
        grown = self.size + (1 << height)
        rest = self.size >> height
        while rest & 1:
            subtree = node_hash(self.peaks.pop(), subtree)
            rest >>= 1
        self.peaks.append(subtree)
        self.size = grown


def root_of(packed: bytes) -> bytes:
    """Return the root over packed leaf hashes."""
    edge = CompactRange()
    edge.extend(packed)
    return edge.root()


def inclusion_proof(packed: bytes, index: int) -> list[bytes]:
    """Return the path from leaf ``index`` to the root, lowest sibling first (section 2.1.3.1).

    Raises:
        ValueError: when there is no such leaf.
    """
    low, high = 0, _count(packed)
    if not 0 <= index < high:
        raise ValueError(f"there is no entry {index} in a log of {high}")
    path = []
    while high - low > 1:
        middle = low + _split(high - low)
        if index < middle:
            path.append(_range_root(packed, middle, high))
            high = middle
        else:
            path.append(_range_root(packed, low, middle))
            low = middle
    return path[::-1]


def consistency_proof(packed: bytes, old_size: int) -> list[bytes]:
    """Return the proof that the first ``old_size`` leaves are a prefix (section 2.1.4.1).

    Raises:
        ValueError: when the tree is smaller than ``old_size``.
    """
    low, high = 0, _count(packed)
    if not 0 <= old_size <= high:
        raise ValueError(f"a log of {high} has no prefix of {old_size}")
    if old_size in {0, high}:
        return []
    path, whole = [], True
    while old_size != high:
        middle = low + _split(high - low)
        if old_size <= middle:
            path.append(_range_root(packed, middle, high))
            high = middle
        else:
            path.append(_range_root(packed, low, middle))
            low, whole = middle, False
    if not whole:
        path.append(_range_root(packed, low, high))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes
) -> None:
    """Check that ``leaf`` stands at ``index`` in the tree of ``size`` and ``root`` (2.1.3.2).

    Raises:
        ProofError: when it does not.
    """
    if not 0 <= index < size:
        raise ProofError(f"there is no entry {index} in a log of {size}")
    _check_hashes([leaf, root, *path])
    position, last, node = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise ProofError("the inclusion path is too long")
        if position & 1 or position == last:
            node = node_hash(sibling, node)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            node = node_hash(node, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofError("the inclusion path is too short")
    if node != root:
        raise ProofError(f"entry {index} does not lead to the root")


def verify_consistency(
    old_size: int, old_root: bytes, new_size: int, new_root: bytes, path: Sequence[bytes]
) -> None:
    """Check that the old tree is a prefix of the new one (section 2.1.4.2).

    Raises:
        ProofError: when it is not shown to be.
    """
    _check_hashes([old_root, new_root, *path])
    if not 0 <= old_size <= new_size:
        raise ProofError(f"a log of {new_size} is older than one of {old_size}")
    if old_size in {0, new_size}:
        expected = EMPTY_ROOT if old_size == 0 else new_root
        if path or old_root != expected:
            raise ProofError("the roots differ, or the path is too long")
        return
    steps = list(path) if old_size & (old_size - 1) else [old_root, *path]
    if not steps:
        raise ProofError("the consistency path is too short")
    old, new = _climb(old_size - 1, new_size - 1, steps)
    if old != old_root or new != new_root:
        raise ProofError(f"the log of {new_size} does not continue the log of {old_size}")


def _climb(position: int, last: int, steps: Sequence[bytes]) -> tuple[bytes, bytes]:
    """Return the old and the new root that a consistency path leads to."""
    while position & 1:
        position, last = position >> 1, last >> 1
    old = new = steps[0]
    for sibling in steps[1:]:
        if last == 0:
            raise ProofError("the consistency path is too long")
        if position & 1 or position == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        position, last = position >> 1, last >> 1
    if last != 0:
        raise ProofError("the consistency path is too short")
    return old, new


def _perfect_root(packed: bytes) -> bytes:
    while len(packed) > HASH_SIZE:
        packed = b"".join(
            [
                sha256(b"\1" + packed[at : at + 2 * HASH_SIZE]).digest()
                for at in range(0, len(packed), 2 * HASH_SIZE)
            ]
        )
    return packed


def _range_root(packed: bytes, low: int, high: int) -> bytes:
    return root_of(packed[low * HASH_SIZE : high * HASH_SIZE])


def _split(count: int) -> int:
    """Return the largest power of two below ``count``."""
    return 1 << (count - 1).bit_length() - 1


def _count(packed: bytes) -> int:
    count, rest = divmod(len(packed), HASH_SIZE)
    if rest:
        raise ValueError(f"leaf hashes are {HASH_SIZE} bytes each")
    return count


def _check_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(item) != HASH_SIZE for item in hashes):
        raise ProofError(f"every hash has {HASH_SIZE} bytes")
