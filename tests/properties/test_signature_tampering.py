"""No change to a signature or a key gets through, and none breaks the check."""

import base64
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protem.domain.approval_signatures import (
    APPROVAL_NAMESPACE,
    ApprovalSignature,
    SignatureRefusedError,
    ssh_message,
)
from protem.domain.approver_keys import KeyKind
from protem.domain.errors import InvalidError
from protem.signing.signature_checker import SignatureChecker
from protem.signing.webauthn_assertion import Site, decode, encode
from protem.testing.signature_check_contract import DIGEST, OMAR, assertion, kept, registered
from protem.testing.software_keys import (
    SECURITY_KINDS,
    SOFTWARE_KINDS,
    InsecureAuthenticator,
    InsecureSshKey,
    armour,
)

CHECKER = SignatureChecker(Site(rp_id="localhost"))
SIGNERS = [InsecureSshKey(kind) for kind in (*SOFTWARE_KINDS, *SECURITY_KINDS)]
SIGNED = [
    (kept(CHECKER.ssh_key(signer.line)), signer.sign(ssh_message(DIGEST), APPROVAL_NAMESPACE))
    for signer in SIGNERS
]
DEVICE = InsecureAuthenticator()
DEVICE_KEY = registered(CHECKER, DEVICE)
ASSERTION = assertion(CHECKER, DEVICE, DEVICE_KEY)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.binary().map(encode),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


def changed(data, where, change):
    """``data`` with one byte changed, some inserted, or the rest cut off."""
    at = where % len(data)
    kind, value = change
    if kind == "flip":
        return data[:at] + bytes([data[at] ^ (value % 255 + 1)]) + data[at + 1 :]
    return data[:at] if kind == "cut" else data[:at] + bytes([value % 256]) * 3 + data[at:]


CHANGES = st.tuples(st.sampled_from(["flip", "cut", "insert"]), st.integers(0, 10_000))


@given(st.sampled_from(SIGNED), st.integers(0, 10_000), CHANGES)
def test_a_changed_ssh_signature_is_refused(signed, where, change):
    """One byte other, missing or more, anywhere in it."""
    key, armoured = signed
    blob = base64.b64decode("".join(armoured.split("\n")[1:-2]))
    altered = armour(changed(blob, where, change))
    with pytest.raises(SignatureRefusedError):
        CHECKER.check(key, CHECKER.read(KeyKind.SSH, altered), DIGEST)
    # as one who writes to the store would try it
    forged = ApprovalSignature(kind=KeyKind.SSH, key_id=key.id, parts={"signature": altered})
    with pytest.raises(SignatureRefusedError):
        CHECKER.check(key, forged, DIGEST)


@given(st.sampled_from(sorted(ASSERTION.parts)), st.integers(0, 10_000), CHANGES)
def test_a_changed_assertion_is_refused(part, where, change):
    """In the authenticator's data, the client's data or the signature."""
    altered = encode(changed(decode(ASSERTION.parts[part]), where, change))
    forged = replace(ASSERTION, parts={**ASSERTION.parts, part: altered})
    with pytest.raises(SignatureRefusedError):
        CHECKER.check(DEVICE_KEY, forged, DIGEST)


@given(JSON)
def test_whatever_is_offered_is_refused_in_words(offered):
    """JSON of any shape, as a signature, a registration or a stored form."""
    for kind in KeyKind:
        with pytest.raises(SignatureRefusedError):
            CHECKER.read(kind, offered)
    for credential in (offered, {"response": offered, "rawId": offered}):
        with pytest.raises(SignatureRefusedError):
            CHECKER.created(credential, "challenge")
    for text in (offered, json.dumps(offered)):
        with pytest.raises(SignatureRefusedError):
            ApprovalSignature.from_text(text)


@given(st.binary(max_size=300), st.sampled_from(["client_data", "attestationObject", "blob"]))
def test_whatever_the_bytes_are_they_are_refused_in_words(data, place):
    """Random bytes where CBOR, JSON or SSH's wire form should be."""
    if place == "blob":
        for text in (armour(data), armour(b"SSHSIG\0\0\0\1" + data)):
            with pytest.raises(SignatureRefusedError):
                CHECKER.read(KeyKind.SSH, text)
        with pytest.raises(InvalidError):
            CHECKER.ssh_key(f"ssh-ed25519 {base64.b64encode(data).decode()}")
        return
    answer = DEVICE.create(CHECKER.creation_options(OMAR, "challenge", ()))
    name = "clientDataJSON" if place == "client_data" else place
    answer["response"][name] = encode(data)
    with pytest.raises(SignatureRefusedError):
        CHECKER.created(answer, "challenge")


@given(st.binary(min_size=1, max_size=200))
def test_whatever_key_is_stored_the_answer_is_a_refusal(data):
    """A COSE key of any bytes signs nothing."""
    text = f"webauthn localhost {encode(DEVICE.credential_id)} {encode(data)}"
    with pytest.raises(SignatureRefusedError):
        CHECKER.check(replace(DEVICE_KEY, public_key=text), ASSERTION, DIGEST)
