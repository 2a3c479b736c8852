"""The example of RFC 7677 section 3, from our verifier's side."""

import base64
import hashlib
import hmac

from protem.domain.scram import check_scram_verifier, scram_verifier
from protem.domain.secret import Secret

SALT = base64.b64decode("W22ZaJ0SNY7soEsUEjb6gQ==")
AUTH_MESSAGE = (
    b"n=user,r=rOprNGfwEbeRWgbNEkqO,"
    b"r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,"
    b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
)
CLIENT_PROOF = base64.b64decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=")
SERVER_SIGNATURE = base64.b64decode("6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=")


def test_rfc_7677_example():
    """The verifier accepts the RFC's client proof and gives the RFC's server signature."""
    parts = check_scram_verifier(scram_verifier(Secret("pencil"), SALT, 4096))
    assert hmac.digest(parts.server_key, AUTH_MESSAGE, "sha256") == SERVER_SIGNATURE
    client_signature = hmac.digest(parts.stored_key, AUTH_MESSAGE, "sha256")
    client_key = bytes(a ^ b for a, b in zip(CLIENT_PROOF, client_signature, strict=True))
    assert hashlib.sha256(client_key).digest() == parts.stored_key
