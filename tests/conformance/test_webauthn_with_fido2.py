"""Our WebAuthn check and Yubico's relying party, each as the judge of the other."""

import pytest
from fido2.server import Fido2Server
from fido2.webauthn import AttestedCredentialData, PublicKeyCredentialRpEntity

from protem.domain.approval_signatures import SignatureRefusedError, digest_bytes
from protem.domain.approver_keys import KeyKind
from protem.signing.signature_checker import SignatureChecker
from protem.signing.webauthn_assertion import Site, encode
from protem.testing.signature_check_contract import CHALLENGE, DIGEST, OMAR, kept
from protem.testing.software_keys import USER_PRESENT, USER_VERIFIED, InsecureAuthenticator

SITE = Site(rp_id="protem.example.com", origins=frozenset({"https://protem.example.com"}))
CHECKER = SignatureChecker(SITE)
SERVER = Fido2Server(
    PublicKeyCredentialRpEntity(id=SITE.rp_id, name="Protem"),
    verify_origin=lambda origin: origin in SITE.origins,
)
ORIGIN = "https://protem.example.com"


def theirs(device, answer):
    """Whether Yubico's server takes the assertion."""
    state = {"challenge": encode(digest_bytes(DIGEST)), "user_verification": None}
    made = AttestedCredentialData.create(bytes(16), device.credential_id, device.cose_key())
    try:
        SERVER.authenticate_complete(state, [made], answer)
    except ValueError:
        return False
    return True


def ours(key, answer):
    """Whether we take it."""
    try:
        CHECKER.check(key, CHECKER.read(KeyKind.WEBAUTHN, answer), DIGEST)
    except SignatureRefusedError:
        return False
    return True


@pytest.mark.parametrize("algorithm", [-7, -8])
@pytest.mark.parametrize(
    ("change", "options", "taken"),
    [
        ({}, {}, True),
        ({"flags": USER_PRESENT | USER_VERIFIED}, {}, True),
        ({"flags": 0}, {}, False),
        ({"origin": "https://other.example.com"}, {}, False),
        ({"origin": "http://protem.example.com"}, {}, False),
        ({"client_data": {"type": "webauthn.create"}}, {}, False),
        ({}, {"challenge": encode(b"another challenge")}, False),
        ({}, {"rpId": "example.com"}, False),
    ],
    ids=str,
)
def test_both_judge_assertions_alike(algorithm, change, options, taken):
    """Registered with both, an authenticator's answer is taken by both or by neither."""
    device = InsecureAuthenticator(origin=ORIGIN, algorithm=algorithm)
    asked = CHECKER.creation_options(OMAR, CHALLENGE, ())
    registration = device.create(asked)
    state = {"challenge": asked["challenge"], "user_verification": None}
    assert SERVER.register_complete(state, registration).credential_data is not None
    key = kept(CHECKER.created(registration, CHALLENGE))
    for name, value in change.items():
        setattr(device, name, value)
    wanted = CHECKER.request_options(DIGEST, (key,), user_verified=False)
    answer = device.get({**wanted, **options})
    assert (ours(key, answer), theirs(device, answer)) == (taken, taken)
