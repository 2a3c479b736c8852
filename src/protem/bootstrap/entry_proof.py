"""One entry of the log with the proof that it is under a signed head, checked before it is shown.

Here: leaf, path and head of one moment, and each step from the entry up to the root. Not here: the
arithmetic's check by others (``protem audit verify``, a browser); this one is a server's word on
itself, so it convinces nobody who does not trust the server.
"""

from __future__ import annotations

from dataclasses import dataclass

from protem.audit import checkpoint, inclusion, tree
from protem.domain.errors import ConflictError
from protem.ports.audit_log import ServesProofs

_TRIES = 5
"""A new head may be signed between reading the path and the head that it leads to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProofStep:
    """One hash on the way: SHA-256 over 1, left and right.

    Attributes:
        sibling_is_left: where the proof's hash stands; the other side is the hash so far.
    """

    sibling: bytes
    sibling_is_left: bool
    result: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryProof:
    """The proof of one entry.

    Attributes:
        leaf: SHA-256 over 0 and the entry's bytes.
        note: the signed head as text (C2SP tlog-checkpoint).
        key: the log's verifier key, as the server says it.
        document: the same as ``protem audit prove`` prints.
        trouble: "" when the steps lead to the signed root, else why not.
    """

    index: int
    leaf: bytes
    steps: tuple[ProofStep, ...]
    size: int
    root: bytes
    note: str
    key: str
    document: dict[str, object]
    trouble: str


def prove_entry(proofs: ServesProofs, index: int, body: bytes) -> EntryProof:
    """Return the proof that ``body`` stands at ``index``; blocks while it reads the log's files.

    Raises:
        NotFoundError: when no head covers the entry yet.
        ConflictError: when heads are signed faster than one can be read.
    """
    for _ in range(_TRIES):
        note = proofs.checkpoint()
        path = list(proofs.inclusion_proof(index))
        if proofs.checkpoint() == note:
            return _checked(proofs, index, body, path, note)
    raise ConflictError("the log's head moves too fast to prove an entry now; try again")


def _checked(
    proofs: ServesProofs, index: int, body: bytes, path: list[bytes], note: str
) -> EntryProof:
    leaf, trouble = tree.leaf_hash(body), ""
    try:
        key = checkpoint.VerifierKey.parse(proofs.verifier_key)
        head = checkpoint.verify(note.encode(), key)
        tree.verify_inclusion(leaf, index, head.size, path, head.root)
    except (tree.ProofError, checkpoint.CheckpointError) as error:
        trouble = str(error)
        head = checkpoint.peek(note.encode())
    return EntryProof(
        index=index,
        leaf=leaf,
        steps=tuple(_steps(leaf, index, head.size, path)),
        size=head.size,
        root=head.root,
        note=note,
        key=proofs.verifier_key,
        document=inclusion.document(index, body, path, note.encode()),
        trouble=trouble,
    )


def _steps(leaf: bytes, index: int, size: int, path: list[bytes]) -> list[ProofStep]:
    """Return what is hashed with what, in order (RFC 9162, section 2.1.3.2)."""
    position, last, node, steps = index, size - 1, leaf, []
    for sibling in path:
        left = bool(position & 1) or position == last
        node = tree.node_hash(sibling, node) if left else tree.node_hash(node, sibling)
        steps.append(ProofStep(sibling=sibling, sibling_is_left=left, result=node))
        if left:
            while position and not position & 1:
                position, last = position >> 1, last >> 1
        position, last = position >> 1, last >> 1
    return steps
