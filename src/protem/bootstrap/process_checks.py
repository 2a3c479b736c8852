"""What only the process can tell the doctor: its loops, its files, its published log.

Here: one check a subject, as findings. Not here: anything that a port can tell (services.diagnose).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from protem.bootstrap.background_loops import BackgroundLoops
from protem.bootstrap.certificates import CertificateFile
from protem.domain.durations import format_duration
from protem.domain.errors import InvalidError
from protem.services.diagnosis.findings import DoctorFinding, Severity
from protem.signing.local_key import load_key

FAR_BEHIND = 1_000
"""Unpublished entries that are no longer just the last second's."""
OLD_KEY = timedelta(days=365)
CERTIFICATE_RUNS_OUT_WITHIN = timedelta(days=30)


def in_loops(loops: BackgroundLoops) -> Iterator[DoctorFinding]:
    """Yield each loop that fails; of a target that cannot be read the doctor's own look tells."""
    told = {f"observe {name}" for name, look in loops.looks.items() if look.reachable is False}
    for name, why in loops.troubles.items():
        if name not in told:
            yield DoctorFinding(
                severity=Severity.CRITICAL,
                subject=name,
                message=f"this part of the server fails: {why}",
                next_step="read the server's log: journalctl -u protem",
            )


def in_key(path: Path, now: datetime) -> Iterator[DoctorFinding]:
    """Yield what is wrong with a private key, and its age once that is a question."""
    try:
        load_key(path)
        made = datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except (InvalidError, OSError) as error:
        what = error if isinstance(error, InvalidError) else None
        yield DoctorFinding(
            severity=Severity.CRITICAL,
            subject=str(path),
            message=what.message if what else f"key file {path} cannot be read",
            next_step=(what.next_step if what else None) or "restore the key from your backup",
        )
        return
    age = now - made
    if age > OLD_KEY:
        yield DoctorFinding(
            severity=Severity.NOTE,
            subject=str(path),
            message=f"this key is {age.days} days old, by the date of its file",
            next_step="nothing has to be done; make sure that nobody else has had a copy",
        )


def in_certificate(file: CertificateFile, now: datetime) -> Iterator[DoctorFinding]:
    """Yield a certificate file that has run out, soon will, or cannot be read."""
    renewed = f"put the renewed certificate into {file.path}; it is read at the next connection"
    try:
        end = file.runs_out(now)
    except InvalidError as error:
        yield DoctorFinding(
            severity=Severity.CRITICAL,
            subject=file.name,
            message=error.message,
            next_step=f"put the authority's certificate into {file.path}",
        )
        return
    if end <= now:
        yield DoctorFinding(
            severity=Severity.CRITICAL,
            subject=file.name,
            message=f"ran out on {end:%Y-%m-%d}: connections that check it fail",
            next_step=renewed,
        )
    elif end - now < CERTIFICATE_RUNS_OUT_WITHIN:
        yield DoctorFinding(
            severity=Severity.WARNING,
            subject=file.name,
            message=f"runs out on {end:%Y-%m-%d}, in {format_duration(end - now)}",
            next_step=renewed,
        )


def in_published_log(behind: int) -> Iterator[DoctorFinding]:
    """Yield that heads lag, given how many entries are under none."""
    if behind > FAR_BEHIND:
        yield DoctorFinding(
            severity=Severity.WARNING,
            subject="audit",
            message=f"{behind} entries are not under a signed checkpoint yet",
            next_step="look at the disk that holds the audit folder: df -h, iostat -x 1",
        )
