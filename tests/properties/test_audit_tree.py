"""The tree equals the definition of RFC 6962, for every size, proof and forgery tried."""

from hashlib import sha256
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from protem.audit import tree
from protem.audit.tree import CompactRange, ProofError

VECTORS = [
    ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
    ("00", "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"),
    ("10", "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"),
    ("2021", "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"),
    ("3031", "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4"),
    ("40414243", "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef"),
    ("5051525354555657", "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c"),
    (
        "606162636465666768696a6b6c6d6e6f",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ),
]
"""The leaves and roots that certificate transparency's own implementations are tested with."""


def naive_root(entries):
    """RFC 6962, section 2.1, word for word."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    k = naive_split(len(entries))
    return sha256(b"\x01" + naive_root(entries[:k]) + naive_root(entries[k:])).digest()


def naive_split(count):
    """The largest power of two smaller than ``count``."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def naive_path(m, entries):
    """RFC 6962, section 2.1.1, word for word."""
    if len(entries) == 1:
        return []
    k = naive_split(len(entries))
    if m < k:
        return [*naive_path(m, entries[:k]), naive_root(entries[k:])]
    return [*naive_path(m - k, entries[k:]), naive_root(entries[:k])]


def naive_subproof(m, entries, whole):
    """RFC 6962, section 2.1.2, word for word."""
    if m == len(entries):
        return [] if whole else [naive_root(entries)]
    k = naive_split(len(entries))
    if m <= k:
        return [*naive_subproof(m, entries[:k], whole), naive_root(entries[k:])]
    return [*naive_subproof(m - k, entries[k:], whole=False), naive_root(entries[:k])]


logs = st.lists(st.binary(max_size=8), max_size=70)


def test_known_roots():
    """The published vectors hold, leaf by leaf."""
    edge = CompactRange()
    for leaf, root in VECTORS:
        edge.append(tree.leaf_hash(bytes.fromhex(leaf)))
        assert edge.root().hex() == root


@given(logs, st.lists(st.integers(0, 70), max_size=4))
def test_roots_equal_the_definition(entries, cuts):
    """However the leaves arrive, in pieces or one by one, the root is the RFC's."""
    packed = tree.leaf_hashes(entries)
    pieces, single = CompactRange(), CompactRange()
    bounds = [0, *sorted(min(cut, len(entries)) for cut in cuts), len(entries)]
    for low, high in pairwise(bounds):
        pieces.extend(packed[low * 32 : high * 32])
    for entry in entries:
        single.append(tree.leaf_hash(entry))
    assert pieces.root() == single.root() == tree.root_of(packed) == naive_root(entries)


@given(st.integers(0, 6), st.integers(0, 63))
def test_aligned_ranges_join(blocks, rest):
    """Ranges hashed apart, at multiples of 64, give the whole tree."""
    entries = [bytes([at % 256, at // 256]) for at in range(blocks * 64 + rest)]
    edge = CompactRange()
    for start in range(0, len(entries), 64):
        part = CompactRange()
        part.extend(tree.leaf_hashes(entries[start : start + 64]))
        edge.join(part.size, part.peaks)
    assert edge.root() == naive_root(entries)


@given(logs.filter(bool), st.data())
def test_inclusion_proofs(entries, data):
    """Proofs equal the RFC's and verify; for another leaf, place, size or path they do not."""
    index = data.draw(st.integers(0, len(entries) - 1))
    packed, root, size = tree.leaf_hashes(entries), naive_root(entries), len(entries)
    path = tree.inclusion_proof(packed, index)
    assert path == naive_path(index, entries)
    leaf = tree.leaf_hash(entries[index])
    tree.verify_inclusion(leaf, index, size, path, root)
    for bad in (
        (tree.leaf_hash(entries[index] + b"x"), index, size, path, root),
        (leaf, index, size, [*path, leaf], root),
        (leaf, index, size, path, sha256(root).digest()),
        (leaf, size, size, path, root),
        (leaf, -1, size, path, root),
    ):
        with pytest.raises(ProofError):
            tree.verify_inclusion(*bad)
    for at in range(len(path)):
        with pytest.raises(ProofError):
            tree.verify_inclusion(leaf, index, size, path[:at] + path[at + 1 :], root)


@given(logs, st.data())
def test_consistency_proofs(entries, data):
    """Proofs equal the RFC's and verify; for another root, size or path they do not."""
    old = data.draw(st.integers(0, len(entries)))
    packed, new = tree.leaf_hashes(entries), len(entries)
    path = tree.consistency_proof(packed, old)
    old_root, new_root = naive_root(entries[:old]), naive_root(entries)
    if 0 < old < new:
        assert path == naive_subproof(old, entries, whole=True)
    tree.verify_consistency(old, old_root, new, new_root, path)
    wrong = sha256(old_root).digest()
    with pytest.raises(ProofError):
        tree.verify_consistency(old, wrong, new, new_root, path)
    with pytest.raises(ProofError):
        tree.verify_consistency(old, old_root, new, new_root, [*path, wrong])
    for at in range(len(path)):
        with pytest.raises(ProofError):
            tree.verify_consistency(old, old_root, new, new_root, path[:at] + path[at + 1 :])
        swapped = [*path[:at], wrong, *path[at + 1 :]]
        with pytest.raises(ProofError):
            tree.verify_consistency(old, old_root, new, new_root, swapped)


class GrowingLog(RuleBasedStateMachine):
    """A log grows, heads are taken, proofs are asked for, and history is rewritten."""

    def __init__(self):
        super().__init__()
        self.entries = []
        self.edge = CompactRange()
        self.heads = []

    @rule(batch=st.lists(st.binary(max_size=4), min_size=1, max_size=20))
    def append(self, batch):
        """Add entries."""
        self.entries += batch
        self.edge.extend(tree.leaf_hashes(batch))

    @rule()
    def take_head(self):
        """Remember a head."""
        self.heads.append((len(self.entries), self.edge.root()))

    @precondition(lambda self: self.heads and self.heads[-1][0])
    @rule(data=st.data(), flip=st.binary(min_size=1, max_size=4))
    def rewrite(self, data, flip):
        """A log whose covered past was changed cannot be made consistent with the head."""
        size, root = data.draw(st.sampled_from([head for head in self.heads if head[0]] or [None]))
        at = data.draw(st.integers(0, size - 1))
        forged = [*self.entries]
        forged[at] += flip
        packed = tree.leaf_hashes(forged)
        path = tree.consistency_proof(packed, size)
        with pytest.raises(ProofError):
            tree.verify_consistency(size, root, len(forged), tree.root_of(packed), path)

    @invariant()
    def every_head_is_a_prefix(self):
        """Each head taken is proved to be a prefix of the log as it is now."""
        packed = tree.leaf_hashes(self.entries)
        for size, root in self.heads[-3:]:
            path = tree.consistency_proof(packed, size)
            tree.verify_consistency(size, root, len(self.entries), self.edge.root(), path)


TestGrowingLog = GrowingLog.TestCase
TestGrowingLog.settings = settings(max_examples=30, stateful_step_count=20, deadline=None)
