"""The log, alone or beside a list kept outside, tells which approvals are signed as they had to."""

import copy
from datetime import timedelta

import pytest

from protem.audit.signed_approvals import SignedApprovals
from protem.domain.approval_signatures import APPROVAL_NAMESPACE, ApprovalSignature, ssh_message
from protem.domain.approver_keys import KeyKind, fingerprint_of
from protem.services.activate_grant import activate_grant
from protem.services.request_access import request_access
from protem.services.review_request import review_request
from protem.signing.allowed_signers import read_allowed_signers
from protem.signing.signature_checker import SignatureChecker
from protem.testing.software_keys import InsecureSshKey

from .conftest import PUBLIC_HALF
from .test_approver_keys import signing  # noqa: F401  # a fixture
from .test_signing_approvals import add_ssh_key, by_ssh, yes

OMAR = InsecureSshKey()


@pytest.fixture
async def log(request):
    """The entries of a grant whose approval had to be signed and was."""
    company = request.getfixturevalue("signing")
    await add_ssh_key(company, company.omar, OMAR)
    company.clock.advance(timedelta(seconds=1))
    asked = await request_access(company.around, company.dana, company.ask("orders"))
    signature = by_ssh(OMAR, asked.revision.digest)
    await review_request(company.around, company.omar, yes(asked, signature))
    await activate_grant(company.around, company.dana, asked.grant.id, PUBLIC_HALF)
    return await company.entries()


def problems(entries, outside=None):
    """What a verifier says of them."""
    keys = None if outside is None else read_allowed_signers(outside)
    signed = SignedApprovals(SignatureChecker().check, keys)
    return [found for entry in entries if (found := signed.problem(entry))]


def of_kind(entries, kind):
    """The first entry of that kind."""
    return next(entry for entry in entries if entry["kind"] == kind)


def signature_by(signer, digest):
    """A stored signature of another key."""
    text = signer.sign(ssh_message(digest), APPROVAL_NAMESPACE)
    return ApprovalSignature(
        kind=KeyKind.SSH, key_id=fingerprint_of(signer.blob), parts={"signature": text}
    ).to_text()


def test_a_log_as_it_was_written_holds(log):
    """By its own word, and by a list that says the same."""
    assert problems(log) == []
    assert problems(log, f"local|omar {OMAR.line}\n") == []


def test_a_list_kept_outside_has_the_last_word(log):
    """A key that the control plane registered for itself is none of the list's."""
    for outside in ("", f"local|omar {InsecureSshKey().line}\n", f"local|eve {OMAR.line}\n"):
        approval, activation = problems(log, outside)
        assert "was not 'local|omar''s" in approval
        assert "1 approvals had to be signed" in activation


def test_an_approval_that_had_to_be_signed_and_is_not_is_found(log):
    """The grant's begin says what it needed."""
    changed = copy.deepcopy(log)
    of_kind(changed, "request.approved")["data"]["approval"]["signature"] = None
    (found,) = problems(changed)
    assert "the log has 0" in found


def test_a_forged_signature_is_found(log):
    """By a key nobody has, of another request, in another's name, or malformed."""
    digest = of_kind(log, "request.approved")["data"]["approval"]["digest"]
    other = signature_by(OMAR, "sha256:" + "0" * 64)
    for text in (signature_by(InsecureSshKey(), digest), other, "x", 7):
        changed = copy.deepcopy(log)
        of_kind(changed, "request.approved")["data"]["approval"]["signature"] = text
        assert len(problems(changed)) == 2
    changed = copy.deepcopy(log)
    of_kind(changed, "request.approved")["data"]["approval"]["reviewer"] = "local|eve"
    assert len(problems(changed)) == 2


def test_a_key_counts_from_its_entry_to_its_removal(log):
    """Before it was added, and after it was removed, its signature is none."""
    without = [entry for entry in log if entry["kind"] != "key.added"]
    assert len(problems(without)) == 2
    added = of_kind(log, "key.added")
    removed = {**added, "kind": "key.removed"}
    at = log.index(of_kind(log, "request.approved"))
    assert len(problems([*log[:at], removed, *log[at:]])) == 2
    assert len(problems([*log[: at + 1], removed, *log[at + 1 :]])) == 1
    theirs = {**added, "data": {**added["data"], "owner": "local|eve"}}
    assert "is now" in problems([*log, removed, theirs])[0]


@pytest.mark.parametrize("data", [None, 7, {}, {"approval": {}}, {"id": [], "owner": 1}], ids=str)
def test_entries_of_any_shape_are_findings(log, data):
    """Nothing that a hostile log holds breaks the check."""
    for kind in ("key.added", "key.removed", "request.approved", "grant.activated"):
        assert len(problems([{**log[0], "kind": kind, "data": data}])) <= 1
