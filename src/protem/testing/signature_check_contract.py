"""What every signature check promises: override ``checker``, of the site localhost, and inherit."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from protem.domain.approval_signatures import (
    APPROVAL_NAMESPACE,
    POSSESSION_NAMESPACE,
    ApprovalSignature,
    SignatureRefusedError,
    possession_message,
    ssh_message,
)
from protem.domain.approver_keys import ApproverKey, KeyKind
from protem.domain.errors import InvalidError
from protem.domain.principals import Principal, PrincipalId
from protem.ports.signature_check import PublicKey, SignatureCheck
from protem.testing.software_keys import (
    SECURITY_KINDS,
    SOFTWARE_KINDS,
    USER_PRESENT,
    USER_VERIFIED,
    InsecureAuthenticator,
    InsecureSshKey,
)

DIGEST = "sha256:" + "5a" * 32
OTHER_DIGEST = "sha256:" + "a5" * 32
OMAR = Principal(id=PrincipalId(issuer="local", subject="omar"), display="Omar")
CHALLENGE = "a-challenge-that-nobody-guesses"


def kept(key: PublicKey) -> ApproverKey:
    """Return the record of a key that is Omar's."""
    return ApproverKey(
        id=key.id,
        owner=OMAR.id,
        kind=key.kind,
        public_key=key.text,
        name="a key",
        added_at=datetime(2026, 1, 1, tzinfo=UTC),
        sign_count=key.sign_count,
    )


def registered(checker: SignatureCheck, device: InsecureAuthenticator) -> ApproverKey:
    """Register a device as a browser does."""
    return kept(
        checker.created(device.create(checker.creation_options(OMAR, CHALLENGE, ())), CHALLENGE)
    )


def assertion(
    checker: SignatureCheck, device: InsecureAuthenticator, key: ApproverKey, digest: str = DIGEST
) -> ApprovalSignature:
    """Sign a digest as a browser does."""
    options = checker.request_options(digest, (key,), user_verified=False)
    return checker.read(KeyKind.WEBAUTHN, device.get(options))


class SignatureCheckContract:
    """The promises; nothing but ``SignatureRefusedError`` and ``InvalidError`` ever comes out."""

    @pytest.fixture
    def checker(self) -> SignatureCheck:
        """Override: return the checker under test."""
        raise NotImplementedError

    @pytest.mark.parametrize("kind", [*SOFTWARE_KINDS, *SECURITY_KINDS])
    def test_an_ssh_key_of_each_kind_signs(self, checker: SignatureCheck, kind: str) -> None:
        """Its signature over the digest's line holds, in the form that is kept, too."""
        signer = InsecureSshKey(kind)
        key = kept(checker.ssh_key(f"{signer.line} a comment"))
        armoured = signer.sign(ssh_message(DIGEST), APPROVAL_NAMESPACE)
        signature = checker.read(KeyKind.SSH, armoured)
        facts = checker.check(key, ApprovalSignature.from_text(signature.to_text()), DIGEST)
        assert facts.user_verified is False
        assert facts.sign_count == (1 if kind in SECURITY_KINDS else 0)

    @pytest.mark.parametrize("kind", SECURITY_KINDS)
    def test_a_security_key_says_who_was_there(self, checker: SignatureCheck, kind: str) -> None:
        """With nobody there the signature is none; with a PIN it says so."""
        signer = InsecureSshKey(kind, flags=USER_PRESENT | USER_VERIFIED)
        key = kept(checker.ssh_key(signer.line))
        armoured = signer.sign(ssh_message(DIGEST), APPROVAL_NAMESPACE)
        assert checker.check(key, checker.read(KeyKind.SSH, armoured), DIGEST).user_verified
        signer.flags = USER_VERIFIED
        armoured = signer.sign(ssh_message(DIGEST), APPROVAL_NAMESPACE)
        with pytest.raises(SignatureRefusedError, match="touched"):
            checker.check(key, checker.read(KeyKind.SSH, armoured), DIGEST)

    @pytest.mark.parametrize(
        ("message", "namespace"),
        [
            (ssh_message(OTHER_DIGEST), APPROVAL_NAMESPACE),
            (ssh_message(DIGEST), "file"),
            (ssh_message(DIGEST), POSSESSION_NAMESPACE),
            (DIGEST.encode(), APPROVAL_NAMESPACE),
            (b"", APPROVAL_NAMESPACE),
        ],
        ids=["other digest", "other namespace", "possession", "no line feed", "nothing"],
    )
    def test_an_ssh_signature_is_of_one_message_in_one_namespace(
        self, checker: SignatureCheck, message: bytes, namespace: str
    ) -> None:
        """A signature of anything else is refused."""
        signer = InsecureSshKey()
        signature = checker.read(KeyKind.SSH, signer.sign(message, namespace))
        with pytest.raises(SignatureRefusedError):
            checker.check(kept(checker.ssh_key(signer.line)), signature, DIGEST)

    def test_a_signature_is_by_the_key_that_is_asked_for(self, checker: SignatureCheck) -> None:
        """Another key's is refused, even when it names the one that is asked for."""
        mine, other = InsecureSshKey(), InsecureSshKey()
        key = kept(checker.ssh_key(mine.line))
        signature = checker.read(KeyKind.SSH, other.sign(ssh_message(DIGEST), APPROVAL_NAMESPACE))
        for claimed in (signature, replace(signature, key_id=key.id)):
            with pytest.raises(SignatureRefusedError):
                checker.check(key, claimed, DIGEST)

    def test_possession_is_shown_by_the_challenge_alone(self, checker: SignatureCheck) -> None:
        """Of this challenge, by this key, in the namespace for it."""
        signer = InsecureSshKey()
        key = checker.ssh_key(signer.line)
        message = possession_message(CHALLENGE)
        checker.check_possession(key, CHALLENGE, signer.sign(message, POSSESSION_NAMESPACE))
        for wrong in (
            signer.sign(possession_message("another"), POSSESSION_NAMESPACE),
            signer.sign(message, APPROVAL_NAMESPACE),
            InsecureSshKey().sign(message, POSSESSION_NAMESPACE),
            "",
        ):
            with pytest.raises(SignatureRefusedError):
                checker.check_possession(key, CHALLENGE, wrong)

    @pytest.mark.parametrize("algorithm", [-7, -8])
    @pytest.mark.parametrize("verified", [False, True])
    def test_a_webauthn_key_signs(
        self, checker: SignatureCheck, algorithm: int, *, verified: bool
    ) -> None:
        """Registered and used, it signs the digest's bytes and says who was there."""
        flags = USER_PRESENT | (USER_VERIFIED if verified else 0)
        device = InsecureAuthenticator(algorithm=algorithm, flags=flags)
        key = registered(checker, device)
        facts = checker.check(key, assertion(checker, device, key), DIGEST)
        assert facts.user_verified is verified
        assert facts.sign_count == 1

    @pytest.mark.parametrize(
        "change",
        [
            {"flags": 0},
            {"flags": USER_VERIFIED},
            {"origin": "http://localhost.evil.example"},
            {"origin": "https://evil.example"},
            {"origin": "null"},
            {"client_data": {"type": "webauthn.create"}},
            {"client_data": {"challenge": "AAAA"}},
            {"client_data": {"crossOrigin": True}},
            {"client_data": {"origin": 7}},
        ],
        ids=str,
    )
    def test_an_assertion_is_of_one_ceremony_at_one_site(
        self, checker: SignatureCheck, change: dict[str, Any]
    ) -> None:
        """Without a person, from elsewhere, or for something else, it is refused."""
        device = InsecureAuthenticator()
        key = registered(checker, device)
        for name, value in change.items():
            setattr(device, name, value)
        with pytest.raises(SignatureRefusedError):
            checker.check(key, assertion(checker, device, key), DIGEST)

    def test_an_assertion_is_of_one_digest_by_one_key(self, checker: SignatureCheck) -> None:
        """Over another digest, for another site, or by another key, it is refused."""
        device = InsecureAuthenticator()
        key = registered(checker, device)
        options = dict(checker.request_options(DIGEST, (key,), user_verified=False))
        elsewhere = device.get(options | {"rpId": "evil.example"})
        stranger = InsecureAuthenticator()
        for wrong in (
            assertion(checker, device, key, OTHER_DIGEST),
            assertion(checker, stranger, key),
            checker.read(KeyKind.WEBAUTHN, elsewhere),
        ):
            with pytest.raises(SignatureRefusedError):
                checker.check(key, wrong, DIGEST)

    def test_a_registration_answers_its_challenge_at_this_site(
        self, checker: SignatureCheck
    ) -> None:
        """Another challenge, site, origin or ceremony, nobody there, another id: refused."""
        options = dict(checker.creation_options(OMAR, CHALLENGE, ()))
        good = InsecureAuthenticator().create(options)
        answers = [
            InsecureAuthenticator().create(options | {"rp": {"id": "evil.example"}}),
            InsecureAuthenticator(origin="https://evil.example").create(options),
            InsecureAuthenticator(flags=0).create(options),
            InsecureAuthenticator(client_data={"type": "webauthn.get"}).create(options),
            good | {"rawId": "AAAA"},
            good | {"response": {}},
        ]
        for answer in answers:
            with pytest.raises(SignatureRefusedError):
                checker.created(answer, CHALLENGE)
        with pytest.raises(SignatureRefusedError):
            checker.created(good, "another challenge")

    @pytest.mark.parametrize("kind", list(KeyKind))
    @pytest.mark.parametrize(
        "offered", [None, 7, "", "x" * 100_000, [], {}, {"response": 7}, {"response": {}}], ids=repr
    )
    def test_what_is_no_signature_is_refused(
        self, checker: SignatureCheck, kind: KeyKind, offered: object
    ) -> None:
        """Whatever comes, the answer is a refusal."""
        with pytest.raises(SignatureRefusedError):
            checker.read(kind, offered)
        with pytest.raises(SignatureRefusedError):
            checker.created(offered, CHALLENGE)

    @pytest.mark.parametrize(
        "line",
        [
            "",
            "ssh-ed25519",
            "ssh-dss AAAA",
            "ssh-ed25519 AAAA",
            "ssh-ed25519 !!!!",
            "ssh-rsa " + InsecureSshKey().line.split()[1],
            InsecureSshKey().line + "AAAA",
            'command="x" ' + InsecureSshKey().line,
            InsecureSshKey().line + "x" * 5_000,
        ],
        ids=range(9),
    )
    def test_what_is_no_public_key_is_refused(self, checker: SignatureCheck, line: str) -> None:
        """Unknown kinds, options, broken base64, trailing bytes, a kind that is not its own."""
        with pytest.raises(InvalidError):
            checker.ssh_key(line)
