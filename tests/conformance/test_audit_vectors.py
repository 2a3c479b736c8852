"""The published format is frozen: the writer makes the golden bytes and the verifier takes them."""

import importlib.util
import json
from pathlib import Path

import pytest

from protem.audit import checkpoint as checkpoints
from protem.audit import inclusion, log_files
from protem.audit.checkpoint import Checkpoint, CheckpointError, VerifierKey
from protem.audit.tree import ProofError
from protem.audit.verifier import verify_log

VECTORS = Path(__file__).parent / "audit_vectors"
KEY = VerifierKey.parse((VECTORS / "log" / "key").read_text(encoding="utf-8"))
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpR"
    "Zb6KE6RyyBwJnAM=\n"
)
"""The example of Go's golang.org/x/mod/sumdb/note, whose format C2SP signed-note is."""


def test_the_writer_makes_the_golden_files(tmp_path):
    """Byte for byte, all six files."""
    spec = importlib.util.spec_from_file_location("make", VECTORS / "make_vectors.py")
    assert spec is not None
    assert spec.loader is not None
    make = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(make)
    make.write(tmp_path / "log")
    for name in log_files.FILES:
        assert (tmp_path / "log" / name).read_bytes() == (VECTORS / "log" / name).read_bytes(), name


def test_the_verifier_takes_the_golden_log():
    """It is intact, meaning and all."""
    report = verify_log(VECTORS / "log", KEY, check_rules=True)
    assert (report.findings, report.size, report.checkpoints) == ((), 7, 4)


def test_the_golden_proof_holds():
    """Made again it is the same, and it proves entry 4."""
    proof = json.loads((VECTORS / "proof-4.json").read_text(encoding="utf-8"))
    assert inclusion.prove(VECTORS / "log", 4) == proof
    proven = inclusion.verify_proof(proof, KEY)
    lines = (VECTORS / "log" / log_files.ENTRIES).read_bytes().split(b"\n")
    assert (proven.index, proven.entry) == (4, lines[4])


@pytest.mark.parametrize(
    "change",
    [
        {"index": 3},
        {"index": True},
        {"index": "4"},
        {"entry": "{}"},
        {"entry": "\ud800"},
        {"path": []},
        {"path": ["!"]},
        {"path": "AAAA"},
        {"checkpoint": ""},
        {"type": "protem-audit-proof/2"},
    ],
)
def test_a_changed_proof_fails(change):
    """Whatever part is another one, the proof does not hold."""
    proof = json.loads((VECTORS / "proof-4.json").read_text(encoding="utf-8"))
    with pytest.raises((ProofError, CheckpointError)):
        inclusion.verify_proof(proof | change, KEY)


def test_every_entry_can_be_proved():
    """And an entry that no checkpoint covers cannot."""
    for index in range(7):
        assert inclusion.verify_proof(inclusion.prove(VECTORS / "log", index), KEY).index == index
    with pytest.raises(ValueError, match="covers 7"):
        inclusion.prove(VECTORS / "log", 7)


def test_gos_own_note_verifies():
    """Key id, key text and signature are those of other implementations."""
    key = VerifierKey.parse(GO_KEY)
    assert str(key) == GO_KEY
    assert checkpoints.verify_note(GO_NOTE.encode(), key).startswith("If you think")
    with pytest.raises(CheckpointError):
        checkpoints.verify_note(GO_NOTE.replace("think", "thimk").encode(), key)


def test_signatures_of_witnesses_are_allowed():
    """A line by another key neither helps nor harms."""
    note = log_files.read_checkpoint(VECTORS / "log").decode()
    witness = GO_NOTE.rstrip("\n").split("\n")[-1]
    assert checkpoints.verify(f"{note}{witness}\n".encode(), KEY).size == 7
    body, _, _ = note.rpartition("\n\n")
    with pytest.raises(CheckpointError, match="no signature by"):
        checkpoints.verify(f"{body}\n\n{witness}\n".encode(), KEY)


@pytest.mark.parametrize(
    "body",
    [
        "protem.example/vectors\n07\n{root}\n",
        "protem.example/vectors\n-1\n{root}\n",
        "protem.example/vectors\n7\n\n{root}\n",
        "protem.example/vectors\n7\nAAAA\n",
        "another.example\n7\n{root}\n",
        "protem.example/vectors\n7\n",
    ],
)
def test_a_signed_note_that_is_no_checkpoint_is_refused(body):
    """Even with a good signature, only the canonical three lines are a checkpoint."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import (  # noqa: PLC0415  # here only
        Ed25519PrivateKey,
    )

    class Loose(Checkpoint):
        """Writes any text."""

        def text(self):
            """The text under test."""
            return body.format(root="A" * 43 + "=")

    from protem.signing.local_key import LocalKey  # noqa: PLC0415  # here only

    signer = LocalKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
    note = checkpoints.sign(Loose(origin=KEY.name, size=7, root=bytes(32)), signer)
    with pytest.raises(CheckpointError):
        checkpoints.verify(note, KEY)
