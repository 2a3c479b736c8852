"""What the process tells of its files: keys and certificates, by age."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from protem.bootstrap.certificates import CertificateFile, certificate_files
from protem.bootstrap.process_checks import in_certificate, in_key, in_published_log
from protem.bootstrap.settings import Settings
from protem.services.diagnosis.findings import Severity
from protem.signing.local_key import create_key

NOW = datetime(2026, 6, 1, tzinfo=UTC)
YEAR = timedelta(days=366)


def certificate(end):
    """A certificate in PEM that is good until ``end``."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test authority")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - YEAR)
        .not_valid_after(end)
        .sign(key, hashes.SHA256())
    )
    return made.public_bytes(serialization.Encoding.PEM)


def findings(tmp_path, *ends):
    """What is said of a file with certificates of these ends."""
    path = tmp_path / "ca.crt"
    path.write_bytes(b"".join(map(certificate, ends)))
    file = CertificateFile(name="targets.orders-db.sslrootcert", path=path)
    return list(in_certificate(file, NOW))


@pytest.mark.parametrize(
    ("left", "severity", "words"),
    [
        (timedelta(days=29), Severity.WARNING, "runs out on 2026-06-30, in 29d"),
        (timedelta(0), Severity.CRITICAL, "ran out on 2026-06-01"),
        (timedelta(days=-3), Severity.CRITICAL, "ran out on 2026-05-29"),
    ],
)
def test_a_certificate_is_told_by_its_end(tmp_path, left, severity, words):
    """A warning for thirty days, then critical."""
    (found,) = findings(tmp_path, NOW + left)
    assert (found.severity, words in found.message) == (severity, True)
    assert found.subject == "targets.orders-db.sslrootcert"
    assert "ca.crt" in found.next_step


def test_a_certificate_with_a_month_left_is_no_finding(tmp_path):
    """Thirty days to the second."""
    assert findings(tmp_path, NOW + timedelta(days=30)) == []


def test_of_several_authorities_the_next_to_run_out_counts(tmp_path):
    """One that is long past beside a good one is no trouble; all past are."""
    assert findings(tmp_path, NOW - YEAR, NOW + YEAR) == []
    (soon,) = findings(tmp_path, NOW - YEAR, NOW + timedelta(days=1), NOW + YEAR)
    assert soon.severity is Severity.WARNING
    (past,) = findings(tmp_path, NOW - YEAR, NOW - timedelta(days=1))
    assert "2026-05-31" in past.message


@pytest.mark.parametrize("content", [None, b"", b"no certificate"])
def test_a_file_that_is_none_is_critical(tmp_path, content):
    """Absent or something else: connections that need it fail."""
    path = tmp_path / "ca.crt"
    if content is not None:
        path.write_bytes(content)
    (found,) = in_certificate(CertificateFile(name="targets.a.sslrootcert", path=path), NOW)
    assert found.severity is Severity.CRITICAL


def test_the_files_are_those_that_settings_name(tmp_path):
    """By their keys, relative to the settings file; targets without one have none."""
    login = {"user": "u", "password": {"env": "X"}}
    target = {
        "scheme": "postgresql", "host": "h", "dbname": "d", "administrator": login,
        "planner": login,
    }  # fmt: skip
    settings = Settings.model_validate(
        {"targets": {"b": {**target, "sslrootcert": "tls/ca.crt"}, "a": target}}
    )
    (file,) = certificate_files(settings, tmp_path)
    assert (file.name, file.path) == ("targets.b.sslrootcert", tmp_path / "tls/ca.crt")


def test_a_key_is_told_when_others_can_read_it_and_when_it_is_old(tmp_path):
    """Its age is the file's; a key of today in a private file is no finding."""
    path = tmp_path / "audit.key"
    create_key(path)
    now = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    assert list(in_key(path, now + timedelta(days=365))) == []
    (old,) = in_key(path, now + timedelta(days=366, seconds=1))
    assert (old.severity, "366 days old" in old.message) == (Severity.NOTE, True)
    path.chmod(0o644)
    (found,) = in_key(path, now)
    assert (found.severity, found.next_step) == (Severity.CRITICAL, f"chmod 600 {path}")
    path.unlink()
    (gone,) = in_key(path, now)
    assert gone.severity is Severity.CRITICAL


def test_a_log_that_lags_is_told():
    """A second's entries are no lag."""
    assert list(in_published_log(1_000)) == []
    (found,) = in_published_log(1_001)
    assert found.severity is Severity.WARNING
