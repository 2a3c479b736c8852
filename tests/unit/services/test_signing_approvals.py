"""Signed approvals: by a key of the reviewer's own, in use, over this very content."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from protem.domain.approval_signatures import (
    APPROVAL_NAMESPACE,
    POSSESSION_NAMESPACE,
    ApprovalSignature,
    SignatureRefusedError,
    SignatureRequiredError,
    possession_message,
    ssh_message,
)
from protem.domain.approvals import Verdict
from protem.domain.approver_keys import KeyKind
from protem.domain.errors import (
    DeniedError,
)
from protem.domain.grants import GrantState
from protem.policy.cedar_policy import CedarPolicy
from protem.services.activate_grant import activate_grant
from protem.services.answer_in_chat import answer_in_chat
from protem.services.check_signatures import OfferedSignature
from protem.services.extend_grant import extend_grant
from protem.services.register_approver_key import (
    challenge_for_key,
    register_ssh_key,
    register_webauthn_key,
    webauthn_options,
)
from protem.services.remove_approver_key import remove_approver_key
from protem.services.request_access import request_access
from protem.services.review_request import Review, review_request
from protem.services.view_approver_keys import list_approver_keys, signing_challenge
from protem.signing.signature_checker import SignatureChecker
from protem.signing.webauthn_assertion import Site
from protem.testing.software_keys import (
    USER_PRESENT,
    USER_VERIFIED,
    InsecureAuthenticator,
    InsecureSshKey,
)

from .conftest import PUBLIC_HALF

POLICY = """
@id("reads") @approvals("1") @approvers("db-owners") @signed("{signed}")
permit (
  principal in Protem::Group::"engineers", action == Protem::Action::"request", resource
);
@id("longer") @approvals("1") @approvers("db-owners") @signed("{signed}")
permit (
  principal in Protem::Group::"engineers", action == Protem::Action::"extend", resource
);
@id("owners")
permit (
  principal in Protem::Group::"db-owners", action == Protem::Action::"approve", resource
);
@id("admins")
permit (
  principal in Protem::Group::"admins", action == Protem::Action::"administer", resource
);
"""


@pytest.fixture
def policy_of(tmp_path):
    """A policy whose approvals must be signed so."""

    def make(signed):
        (tmp_path / "rules.cedar").write_text(POLICY.format(signed=signed))
        return CedarPolicy.load(tmp_path)

    return make


@pytest.fixture
def signing(company, policy_of):
    """The company, where an owner signs each approval."""
    company.around = replace(
        company.around,
        policy=policy_of("required"),
        signature_check=SignatureChecker(Site(rp_id="localhost")),
    )
    return company


@pytest.fixture
async def asked(signing):
    """Dana's request."""
    return await request_access(signing.around, signing.dana, signing.ask("orders"))


async def add_ssh_key(company, owner, signer, name=""):
    """Register a key as its owner would."""
    challenge = await challenge_for_key(company.around, owner, KeyKind.SSH)
    proof = signer.sign(possession_message(challenge.text), POSSESSION_NAMESPACE)
    return await register_ssh_key(company.around, owner, name, signer.line, proof)


async def add_device(company, owner, device):
    """Register a WebAuthn key as its owner's browser would."""
    answer = device.create(await webauthn_options(company.around, owner))
    return await register_webauthn_key(company.around, owner, "phone", answer)


def yes(asked, signature=None):
    """A yes to exactly what was asked, signed so."""
    return Review(
        grant_id=asked.grant.id,
        digest=asked.revision.digest,
        verdict=Verdict.APPROVE,
        signature=signature,
    )


def by_ssh(signer, digest, namespace=APPROVAL_NAMESPACE):
    """What ``ssh-keygen -Y sign`` makes of a digest."""
    return OfferedSignature(kind=KeyKind.SSH, content=signer.sign(ssh_message(digest), namespace))


async def by_device(company, who, device, asked):
    """What a browser makes of the request's challenge."""
    challenge = await signing_challenge(company.around, who, asked.grant.id)
    assert challenge.digest == asked.revision.digest
    return OfferedSignature(kind=KeyKind.WEBAUTHN, content=device.get(challenge.webauthn))


async def test_an_unsigned_yes_is_refused_with_what_to_type(signing, asked):
    """The reviewer learns which rule asks for it, and the command; nothing is stored."""
    with pytest.raises(SignatureRequiredError, match="reads") as refused:
        await review_request(signing.around, signing.omar, yes(asked))
    assert refused.value.code == "signature_required"
    assert refused.value.next_step == f"protem request approve {asked.grant.id} --sign"
    assert (await signing.stored(asked.grant.id)).state is GrantState.PENDING


async def test_a_press_in_a_chat_is_no_signature(signing, asked):
    """Though the one who pressed has a key and may approve; a no needs none."""
    await add_ssh_key(signing, signing.omar, InsecureSshKey())
    said = await answer_in_chat(signing.around, signing.omar.id, replace(yes(asked), by_chat="ops"))
    assert said.startswith("Not recorded: ")
    assert (await signing.stored(asked.grant.id)).state is GrantState.PENDING
    no = replace(yes(asked), by_chat="ops", verdict=Verdict.DENY)
    assert await answer_in_chat(signing.around, signing.omar.id, no) == "Your refusal is recorded."


async def test_a_signed_yes_approves_and_is_on_record_whole(signing, asked):
    """The log holds the key and the signature, and the order carries it to the target."""
    signer = InsecureSshKey()
    key = await add_ssh_key(signing, signing.omar, signer)
    signature = by_ssh(signer, asked.revision.digest)
    grant = await review_request(signing.around, signing.omar, yes(asked, signature))
    assert grant.state is GrantState.APPROVED
    entries = await signing.entries()
    added = next(entry for entry in entries if entry["kind"] == "key.added")
    assert added["data"]["owner"] == "local|omar"
    assert (added["data"]["id"], added["data"]["public_key"]) == (key.id, signer.line)
    approved = next(entry for entry in entries if entry["kind"] == "request.approved")
    logged = ApprovalSignature.from_text(approved["data"]["approval"]["signature"])
    assert (logged.key_id, logged.parts["signature"]) == (key.id, signature.content)
    active = await activate_grant(signing.around, signing.dana, asked.grant.id, PUBLIC_HALF)
    assert active.order.order.approvals[0]["signature"] == logged.to_text()
    assert active.order.order.decision["approvals"][0]["signed"] is True


async def test_a_browser_signs_the_digest(signing, asked):
    """Registered and asked with the options of the server, a WebAuthn key approves."""
    device = InsecureAuthenticator()
    key = await add_device(signing, signing.omar, device)
    signature = await by_device(signing, signing.omar, device, asked)
    grant = await review_request(signing.around, signing.omar, yes(asked, signature))
    assert grant.state is GrantState.APPROVED
    (stored,) = await list_approver_keys(signing.around, signing.omar)
    assert (stored.id, stored.sign_count) == (key.id, 1)


async def test_a_counter_that_does_not_rise_is_refused(signing, asked):
    """As that of a copied authenticator would not."""
    device = InsecureAuthenticator(counter=7)
    await add_device(signing, signing.omar, device)
    device.counter = 6
    signature = await by_device(signing, signing.omar, device, asked)
    with pytest.raises(SignatureRefusedError, match="copied"):
        await review_request(signing.around, signing.omar, yes(asked, signature))


async def test_user_verification_is_asked_for_where_policy_says(signing, asked, policy_of):
    """A touch is not enough then, nor a software key; a PIN is."""
    signing.around = replace(signing.around, policy=policy_of("user_verified"))
    signer, device = InsecureSshKey(), InsecureAuthenticator()
    await add_ssh_key(signing, signing.omar, signer)
    await add_device(signing, signing.omar, device)
    challenge = await signing_challenge(signing.around, signing.omar, asked.grant.id)
    assert challenge.webauthn["userVerification"] == "required"
    for weak in (
        by_ssh(signer, asked.revision.digest),
        await by_device(signing, signing.omar, device, asked),
    ):
        with pytest.raises(SignatureRequiredError, match="PIN"):
            await review_request(signing.around, signing.omar, yes(asked, weak))
    device.flags = USER_PRESENT | USER_VERIFIED
    strong = await by_device(signing, signing.omar, device, asked)
    grant = await review_request(signing.around, signing.omar, yes(asked, strong))
    assert grant.state is GrantState.APPROVED


async def test_a_signature_of_anything_else_is_refused(signing, asked):
    """Another digest, another namespace, a key nobody knows, the requester's own key."""
    signer, stranger, requesters = InsecureSshKey(), InsecureSshKey(), InsecureSshKey()
    await add_ssh_key(signing, signing.omar, signer)
    await add_ssh_key(signing, signing.dana, requesters)
    digest = asked.revision.digest
    for wrong in (
        by_ssh(signer, "sha256:" + "0" * 64),
        by_ssh(signer, digest, POSSESSION_NAMESPACE),
        by_ssh(stranger, digest),
        by_ssh(requesters, digest),
        OfferedSignature(kind=KeyKind.SSH, content="-----BEGIN"),
        OfferedSignature(kind=KeyKind.WEBAUTHN, content={}),
    ):
        with pytest.raises(SignatureRefusedError):
            await review_request(signing.around, signing.omar, yes(asked, wrong))
    assert (await signing.stored(asked.grant.id)).state is GrantState.PENDING


async def test_a_removed_key_neither_signs_nor_has_signed(signing, asked):
    """Removed after the yes and before its use, the grant no longer begins; added again neither."""
    signer = InsecureSshKey()
    key = await add_ssh_key(signing, signing.omar, signer)
    await review_request(
        signing.around, signing.omar, yes(asked, by_ssh(signer, asked.revision.digest))
    )
    signing.clock.advance(timedelta(seconds=1))
    await remove_approver_key(signing.around, signing.omar, key.id)
    with pytest.raises(DeniedError, match="no longer"):
        await activate_grant(signing.around, signing.dana, asked.grant.id, PUBLIC_HALF)
    signing.clock.advance(timedelta(seconds=1))
    await add_ssh_key(signing, signing.omar, signer)
    with pytest.raises(DeniedError, match="no longer"):
        await activate_grant(signing.around, signing.dana, asked.grant.id, PUBLIC_HALF)
    removed = [entry for entry in await signing.entries() if entry["kind"] == "key.removed"]
    assert [entry["data"]["public_key"] for entry in removed] == [signer.line]


async def test_a_signature_is_checked_again_when_the_grant_begins(signing, asked):
    """What someone wrote into the store after the review counts for nothing."""
    signer = InsecureSshKey()
    await add_ssh_key(signing, signing.omar, signer)
    await review_request(
        signing.around, signing.omar, yes(asked, by_ssh(signer, asked.revision.digest))
    )
    approvals = signing.store._tables.approvals
    forged = by_ssh(InsecureSshKey(), asked.revision.digest).content
    for text in (None, "x", approvals[0].signature.replace("BEGIN", "BEGUN")):
        approvals[0] = replace(approvals[0], signature=text)
        with pytest.raises(DeniedError, match="no longer"):
            await activate_grant(signing.around, signing.dana, asked.grant.id, PUBLIC_HALF)
    kept = ApprovalSignature(
        kind=KeyKind.SSH,
        key_id=next(iter(signing.store._tables.approver_keys)),
        parts={"signature": forged},
    )
    approvals[0] = replace(approvals[0], signature=kept.to_text())
    with pytest.raises(DeniedError, match="no longer"):
        await activate_grant(signing.around, signing.dana, asked.grant.id, PUBLIC_HALF)


async def test_a_server_that_checks_no_signatures_grants_nothing_that_needs_one(signing, asked):
    """Neither at the review nor, of an older yes, at the activation."""
    signer = InsecureSshKey()
    await add_ssh_key(signing, signing.omar, signer)
    signed = yes(asked, by_ssh(signer, asked.revision.digest))
    await review_request(signing.around, signing.omar, signed)
    signing.around = replace(signing.around, signature_check=None)
    with pytest.raises(DeniedError):
        await activate_grant(signing.around, signing.dana, asked.grant.id, PUBLIC_HALF)
    with pytest.raises(SignatureRefusedError):
        await webauthn_options(signing.around, signing.omar)


async def test_an_extension_is_signed_anew(signing, asked):
    """The first yes is not one to the longer revision; its own digest is signed."""
    signer = InsecureSshKey()
    await add_ssh_key(signing, signing.omar, signer)
    signature = by_ssh(signer, asked.revision.digest)
    await review_request(signing.around, signing.omar, yes(asked, signature))
    grant = await activate_grant(signing.around, signing.dana, asked.grant.id, PUBLIC_HALF)
    await signing.reconciler.run_once()
    longer = await extend_grant(signing.around, signing.dana, grant.id, timedelta(minutes=5))
    with pytest.raises(SignatureRequiredError, match="longer"):
        await review_request(signing.around, signing.omar, yes(longer))
    with pytest.raises(SignatureRefusedError):
        await review_request(signing.around, signing.omar, yes(longer, signature))
    challenge = await signing_challenge(signing.around, signing.omar, grant.id)
    assert challenge.digest == longer.revision.digest
    extended = await review_request(
        signing.around, signing.omar, yes(longer, by_ssh(signer, longer.revision.digest))
    )
    assert extended.duration == timedelta(minutes=20)


async def test_a_signature_that_is_not_asked_for_is_checked_and_kept(company, asked_unsigned):
    """A bad one is refused, a good one is on record."""
    signer = InsecureSshKey()
    await add_ssh_key(company, company.omar, signer)
    digest = asked_unsigned.revision.digest
    with pytest.raises(SignatureRefusedError):
        await review_request(
            company.around, company.omar, yes(asked_unsigned, by_ssh(InsecureSshKey(), digest))
        )
    await review_request(company.around, company.omar, yes(asked_unsigned, by_ssh(signer, digest)))
    entries = await company.entries()
    approved = next(entry for entry in entries if entry["kind"] == "request.approved")
    assert json.loads(approved["data"]["approval"]["signature"])["kind"] == "ssh"


@pytest.fixture
async def asked_unsigned(company):
    """A request whose approval need not be signed, at a server that can check."""
    checker = SignatureChecker(Site(rp_id="localhost"))
    company.around = replace(company.around, signature_check=checker)
    return await request_access(company.around, company.dana, company.ask("emails"))
