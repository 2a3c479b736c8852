"""The proof of one entry as the API and the pages show it."""

from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.audit.checkpoint import VerifierKey, key_of
from protem.audit.inclusion import verify_proof
from protem.audit.publisher import AuditPublisher
from protem.bootstrap.entry_proof import prove_entry
from protem.bootstrap.published_log import PublishedLog
from protem.domain.audit_events import AuditEvent
from protem.domain.errors import NotFoundError
from protem.signing.local_key import LocalKey
from protem.testing.in_memory_store import InMemoryStore

COUNT = 11


@pytest.fixture
async def published(tmp_path):
    """A log of some entries under a signed head, and the bytes of each."""
    store, signer = InMemoryStore(), LocalKey(Ed25519PrivateKey.from_private_bytes(b"k" * 32))

    def work(transaction):
        for number in range(COUNT):
            at = datetime(2026, 1, 1, tzinfo=UTC)
            transaction.audit.append(AuditEvent(kind=f"test.{number}", at=at, actor="protem"))

    await store.write(work)
    log = AuditPublisher(store=store, signer=signer, folder=tmp_path / "log", origin="test")
    await log.publish()
    await log.close()
    rows = await store.read(lambda view: view.audit.entries(start=0, limit=COUNT))
    return PublishedLog(tmp_path / "log", key_of(signer, "test")), [row.body for row in rows]


async def test_every_entry_leads_to_the_signed_root_step_by_step(published):
    """Each step's result is hashed on; the document is one that the verifier takes."""
    proofs, bodies = published
    for index, body in enumerate(bodies):
        proof = prove_entry(proofs, index, body)
        assert proof.trouble == ""
        assert (proof.size, proof.index) == (COUNT, index)
        assert proof.steps[-1].result == proof.root
        proven = verify_proof(proof.document, VerifierKey.parse(proof.key))
        assert (proven.index, proven.entry) == (index, body)


async def test_other_bytes_do_not_hold_and_it_is_said(published):
    """An entry that was changed in the store is shown as not proved."""
    proofs, bodies = published
    proof = prove_entry(proofs, 3, bodies[3].replace(b"test.3", b"test.4"))
    assert "does not lead to the root" in proof.trouble
    assert proof.steps[-1].result != proof.root


async def test_an_entry_above_the_head_has_no_proof_yet(published):
    """It is not there, rather than wrong."""
    proofs, _ = published
    with pytest.raises(NotFoundError):
        prove_entry(proofs, COUNT, b"{}")
