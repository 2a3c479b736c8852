"""Our reading of SSHSIG and OpenSSH's own, each as the judge of the other."""

import subprocess

import pytest
from cryptography.hazmat.primitives import serialization

from protem.domain.approval_signatures import APPROVAL_NAMESPACE, ssh_message
from protem.domain.approver_keys import KeyKind
from protem.domain.errors import ProtemError
from protem.signing.signature_checker import SignatureChecker
from protem.testing.signature_check_contract import DIGEST, kept
from protem.testing.software_keys import SECURITY_KINDS, SOFTWARE_KINDS, InsecureSshKey

CHECKER = SignatureChecker()
MADE_BY = {
    "ssh-ed25519": ("ed25519", None),
    "ecdsa-sha2-nistp256": ("ecdsa", "256"),
    "ecdsa-sha2-nistp384": ("ecdsa", "384"),
    "ssh-rsa": ("rsa", "3072"),
}


def ssh_keygen(*arguments, given=b""):
    """Run the real program."""
    return subprocess.run(
        ["ssh-keygen", *arguments], input=given, capture_output=True, check=False, timeout=60
    )


def new_key(tmp_path, kind):
    """Make a key with the real program."""
    algorithm, bits = MADE_BY[kind]
    path = tmp_path / "key"
    length = () if bits is None else ("-b", bits)
    made = ssh_keygen("-q", "-t", algorithm, *length, "-N", "", "-C", "omar's key", "-f", str(path))
    assert made.returncode == 0, made.stderr
    return path


@pytest.mark.parametrize("hashed", ["sha256", "sha512"])
@pytest.mark.parametrize("kind", SOFTWARE_KINDS)
def test_what_ssh_keygen_signs_holds(tmp_path, kind, hashed):
    """The command that the documents show makes a signature that counts; the ids agree, too."""
    path = new_key(tmp_path, kind)
    public = path.with_suffix(".pub").read_text()
    key = CHECKER.ssh_key(public)
    listed = ssh_keygen("-l", "-f", str(path.with_suffix(".pub"))).stdout.decode()
    assert key.id in listed.split()
    assert (key.comment, key.text) == ("omar's key", " ".join(public.split()[:2]))
    signed = ssh_keygen(
        "-Y",
        "sign",
        "-n",
        APPROVAL_NAMESPACE,
        "-O",
        f"hashalg={hashed}",
        "-f",
        str(path),
        given=ssh_message(DIGEST),
    )
    assert signed.returncode == 0, signed.stderr
    signature = CHECKER.read(KeyKind.SSH, signed.stdout.decode())
    CHECKER.check(kept(key), signature, DIGEST)
    assert signature.parts["signature"] == signed.stdout.decode()


@pytest.mark.parametrize("kind", SOFTWARE_KINDS)
def test_ssh_keygen_agrees_about_each_signature(tmp_path, kind):
    """Of a key loaded by both: what one takes the other takes, what one refuses the other does."""
    path = new_key(tmp_path, kind)
    private = serialization.load_ssh_private_key(path.read_bytes(), None)
    signer = InsecureSshKey(kind, key=private)
    (tmp_path / "allowed").write_text(f"omar {signer.line}\n")
    key = kept(CHECKER.ssh_key(signer.line))
    good, other = ssh_message(DIGEST), b"something else\n"
    cases = [
        signer.sign(good, APPROVAL_NAMESPACE),
        signer.sign(other, APPROVAL_NAMESPACE),
        signer.sign(good, "file"),
        InsecureSshKey(kind).sign(good, APPROVAL_NAMESPACE),
    ]
    verdicts = []
    for number, armoured in enumerate(cases):
        file = tmp_path / f"{number}.sig"
        file.write_text(armoured)
        theirs = ssh_keygen(
            *("-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "omar"),
            *("-n", APPROVAL_NAMESPACE, "-s", str(file)),
            given=good,
        )
        try:
            CHECKER.check(key, CHECKER.read(KeyKind.SSH, armoured), DIGEST)
            ours = True
        except ProtemError:
            ours = False
        assert ours is (theirs.returncode == 0), (number, theirs.stdout, theirs.stderr)
        verdicts.append(ours)
    assert verdicts == [True, False, False, False]


@pytest.mark.parametrize("kind", SECURITY_KINDS)
@pytest.mark.parametrize("flags", [1, 5])
def test_ssh_keygen_takes_what_our_security_keys_sign(tmp_path, kind, flags):
    """The software security key of the tests makes what a real one would."""
    signer = InsecureSshKey(kind, flags=flags)
    (tmp_path / "allowed").write_text(f"omar {signer.line}\n")
    (tmp_path / "sig").write_text(signer.sign(ssh_message(DIGEST), APPROVAL_NAMESPACE))
    verified = ssh_keygen(
        *("-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "omar"),
        *("-n", APPROVAL_NAMESPACE, "-s", str(tmp_path / "sig")),
        given=ssh_message(DIGEST),
    )
    assert verified.returncode == 0, (verified.stdout, verified.stderr)


@pytest.mark.parametrize("kind", ["dsa", "ecdsa-521", "rsa-1024"])
def test_weak_and_rare_keys_are_refused(tmp_path, kind):
    """What ssh-keygen may still make, and we do not take."""
    name, _, bits = kind.partition("-")
    length = ("-b", bits) if bits else ()
    made = ssh_keygen("-q", "-t", name, *length, "-N", "", "-f", str(tmp_path / "key"))
    assert made.returncode == 0, made.stderr
    with pytest.raises(ProtemError):
        CHECKER.ssh_key((tmp_path / "key.pub").read_text())
