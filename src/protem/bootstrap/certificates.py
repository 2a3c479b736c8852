"""The certificate files that the settings name, and until when they are good.

Here: which files, and reading their dates. Not here: trusting any; libpq does that.

A file may hold several authorities, of which some may be long past: what counts is the next one to
run out, and once all have, the last one that did.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cryptography import x509

from protem.bootstrap.settings import Settings
from protem.domain.errors import InvalidError


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFile:
    """One file of certificates.

    Attributes:
        name: the settings key that names it, such as ``targets.orders-db.sslrootcert``.
    """

    name: str
    path: Path

    def runs_out(self, now: datetime) -> datetime:
        """Return when the next of its certificates runs out, or the last did.

        Raises:
            InvalidError: when it cannot be read, or holds no certificate.
        """
        try:
            found = x509.load_pem_x509_certificates(self.path.read_bytes())
        except OSError as error:
            raise InvalidError(f"{self.path} cannot be read: {error.strerror}") from error
        except ValueError as error:
            raise InvalidError(f"{self.path} holds no certificate in PEM") from error
        ends = [certificate.not_valid_after_utc for certificate in found]
        return min((end for end in ends if end > now), default=max(ends))


def certificate_files(settings: Settings, folder: Path) -> tuple[CertificateFile, ...]:
    """Return the files of a settings file in ``folder``, by name."""
    return tuple(
        CertificateFile(name=f"targets.{name}.sslrootcert", path=folder / target.sslrootcert)
        for name, target in sorted(settings.targets.items())
        if target.sslrootcert is not None
    )
