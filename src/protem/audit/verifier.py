"""The offline check of a published log: needs the files, the public key and nothing else.

Here: ``verify_log`` and ``python -m protem.audit.verifier FOLDER --key KEY``. Not here: hashing
(entry_hashing), naming what is wrong (damage), rules about meaning (entry_rules).

Trust: the key that is passed in, and an earlier checkpoint kept elsewhere. The folder is hostile.
Only the standard library, ``cryptography`` and this package are imported.

Invariants: an intact log has no finding; a log in which any byte of the covered entries, the leaf
hashes or the newest checkpoint differs has at least one.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from protem.audit import checkpoint as checkpoints
from protem.audit import log_files
from protem.audit.checkpoint import Checkpoint, CheckpointError, VerifierKey
from protem.audit.damage import Finding, name_damage
from protem.audit.entry_hashing import Hashed, hash_log
from protem.audit.entry_rules import FurtherRule, broken_rules
from protem.audit.tree import HASH_SIZE, root_of

HISTORY_CHECKED = 10_000
_TORN_NOTE = "a writer was interrupted, or is at work"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What was checked and what was found.

    Attributes:
        size: how many entries the signed checkpoint covers; 0 when none could be trusted.
        uncovered: whole entries after them: not signed yet, so nobody vouches for them.
        checkpoints: how many earlier checkpoints of the log itself were checked against its tree.
        findings: what is wrong; empty when the log is intact.
        notes: what is worth knowing and not wrong.
    """

    origin: str
    size: int
    root: bytes
    uncovered: int
    checkpoints: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]

    @property
    def intact(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings


@dataclass(slots=True)
class _Result:
    findings: list[Finding] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def wrong(self, problem: str, detail: str, index: int | None = None) -> None:
        self.findings.append(Finding(problem=problem, detail=detail, index=index))


def verify_log(  # noqa: PLR0913  # one for each thing to check
    folder: Path,
    key: VerifierKey,
    earlier_checkpoint: bytes | None = None,
    *,
    processes: int = 1,
    check_rules: bool = False,
    require_covered: bool = False,
    further_rule: FurtherRule | None = None,
) -> Report:
    """Check the log in ``folder`` and name everything that is wrong with it.

    Args:
        folder: with the files of docs/audit-log.md.
        key: from anywhere but the folder.
        earlier_checkpoint: a signed note kept from before; the log must continue it.
        processes: how many share the hashing.
        check_rules: also parse every entry and check the order of each grant's events.
        require_covered: entries after the newest checkpoint are findings.
        further_rule: with ``check_rules``, also asked of each entry, in order: what is wrong with
            it, if anything, such as ``SignedApprovals.problem``.

    Raises:
        OSError: when a file cannot be read; a missing one is a finding.
    """
    result = _Result()
    missing = [name for name in log_files.FILES if not (folder / name).is_file()]
    for name in missing:
        result.wrong("file-missing", f"there is no file {name}")
    _check_small_files(folder, key, missing, result)
    # The head is read before the entries: what a live writer adds meanwhile is only uncovered.
    head = _newest_head(folder, key, missing, result)
    history = _history(folder, key, missing, result)
    earlier = _earlier(earlier_checkpoint, key, result)
    if head is None or log_files.ENTRIES in missing or log_files.LEAVES in missing:
        return _report(key, head, 0, 0, result)
    known = [head, *history, *([earlier] if earlier else [])]
    hashed = hash_log(folder, [point.size for point in known], processes)
    _check_head(folder, head, hashed, history, result)
    if hashed.roots.get(head.size) == head.root:  # else they differ for the reason just named
        _check_history(hashed, history, result)
    if earlier is not None:
        _check_earlier(earlier, head, hashed, result)
    uncovered = max(0, hashed.size - head.size)
    if uncovered and require_covered:
        result.wrong("uncovered", f"{uncovered} entries are not covered by a checkpoint", head.size)
    if hashed.torn:
        result.notes.append(f"{hashed.torn} bytes at the end are no whole entry: {_TORN_NOTE}")
    if check_rules:
        broken, notes = broken_rules(folder, head.size, further_rule)
        result.findings += broken
        result.notes += notes
    return _report(key, head, uncovered, len(history), result)


def _report(
    key: VerifierKey, head: Checkpoint | None, uncovered: int, history: int, result: _Result
) -> Report:
    return Report(
        origin=key.name,
        size=head.size if head else 0,
        root=head.root if head else b"",
        uncovered=uncovered,
        checkpoints=history,
        findings=tuple(result.findings),
        notes=tuple(result.notes),
    )


def _check_small_files(
    folder: Path, key: VerifierKey, missing: Sequence[str], result: _Result
) -> None:
    for name, expected in (
        (log_files.FORMAT, log_files.FORMAT_LINE),
        (log_files.KEY, f"{key}\n".encode()),
    ):
        if name not in missing and (folder / name).read_bytes() != expected:
            result.wrong(f"{name}-altered", f"the file {name} is not {expected.decode().strip()!a}")


def _newest_head(
    folder: Path, key: VerifierKey, missing: Sequence[str], result: _Result
) -> Checkpoint | None:
    if log_files.CHECKPOINT in missing:
        return None
    try:
        return checkpoints.verify(log_files.read_checkpoint(folder), key)
    except CheckpointError as error:
        result.wrong("checkpoint-invalid", f"the newest checkpoint is not to be trusted: {error}")
        return None


def _history(
    folder: Path, key: VerifierKey, missing: Sequence[str], result: _Result
) -> list[Checkpoint]:
    """Return the newest heads in ``checkpoints`` that hold; the very newest must be there."""
    if log_files.HISTORY in missing or log_files.CHECKPOINT in missing:
        return []
    newest = log_files.read_checkpoint(folder)
    notes, torn = log_files.split_history((folder / log_files.HISTORY).read_bytes())
    if torn:
        result.notes.append(f"the last note in {log_files.HISTORY} is cut off: {_TORN_NOTE}")
    if newest not in notes:
        result.wrong("history-altered", f"{log_files.HISTORY} lacks the newest checkpoint")
    skipped = max(0, len(notes) - HISTORY_CHECKED)
    if skipped:
        result.notes.append(f"the {skipped} oldest checkpoints were not checked one by one")
    heads: list[Checkpoint] = []
    for number, note in enumerate(notes[skipped:], skipped + 1):
        try:
            head = checkpoints.verify(note, key)
        except CheckpointError as error:
            result.wrong("history-altered", f"checkpoint {number} in {log_files.HISTORY}: {error}")
            continue
        if heads and head.size < heads[-1].size:
            result.wrong("history-altered", f"checkpoint {number} covers less than the one before")
        heads.append(head)
    return heads


def _earlier(note: bytes | None, key: VerifierKey, result: _Result) -> Checkpoint | None:
    if note is None:
        return None
    try:
        return checkpoints.verify(note, key)
    except CheckpointError as error:
        result.wrong("earlier-invalid", f"the earlier checkpoint is not to be trusted: {error}")
        return None


def _check_head(
    folder: Path, head: Checkpoint, hashed: Hashed, history: Sequence[Checkpoint], result: _Result
) -> None:
    length = (folder / log_files.LEAVES).stat().st_size
    if length < head.size * HASH_SIZE:
        result.wrong(
            "leaves-truncated", f"{log_files.LEAVES} lacks hashes from {length // HASH_SIZE} on"
        )
    if hashed.roots.get(head.size) == head.root:
        if hashed.mismatch is not None and hashed.mismatch < head.size:
            at = hashed.mismatch
            result.wrong(
                "leaves-altered", f"{log_files.LEAVES} has another hash for entry {at}", at
            )
        return
    if hashed.size < head.size:
        result.wrong(
            "log-truncated",
            f"the checkpoint covers {head.size} entries, the file has {hashed.size}",
            hashed.size,
        )
    with (folder / log_files.LEAVES).open("rb") as file:
        leaves = file.read(head.size * HASH_SIZE)
    if len(leaves) == head.size * HASH_SIZE and root_of(leaves) == head.root:
        first = hashed.size if hashed.mismatch is None else hashed.mismatch
        result.findings += name_damage(folder, first, head.size)
        return
    good = max((p.size for p in history if hashed.roots.get(p.size) == p.root), default=0)
    bad = min((p.size for p in history if hashed.roots.get(p.size) != p.root), default=head.size)
    result.wrong(
        "log-altered",
        f"neither entries nor leaf hashes lead to the signed root, so the entry cannot be named: "
        f"the first difference is among the entries {good} to {max(good, bad - 1)}",
        good,
    )


def _check_history(hashed: Hashed, history: Sequence[Checkpoint], result: _Result) -> None:
    for point in history:
        if point.size > hashed.size:
            result.wrong(
                "log-truncated",
                f"a signed head covers {point.size} entries, the file has {hashed.size}",
                hashed.size,
            )
            return
        if hashed.roots[point.size] != point.root:
            result.wrong(
                "history-differs",
                f"the signed head of {point.size} entries in {log_files.HISTORY} is of another log",
            )
            return


def _check_earlier(earlier: Checkpoint, head: Checkpoint, hashed: Hashed, result: _Result) -> None:
    if earlier.size > head.size:
        result.wrong(
            "log-truncated",
            f"the earlier checkpoint covers {earlier.size} entries, the newest only {head.size}",
            head.size,
        )
    elif hashed.roots.get(earlier.size) != earlier.root:
        result.wrong(
            "log-forked",
            f"the log does not continue the earlier checkpoint of {earlier.size} entries",
        )


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a folder from the command line; 0 intact, 1 not, 2 cannot be checked."""
    parser = argparse.ArgumentParser(prog="python -m protem.audit.verifier", description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--key", required=True, help="the verifier key itself: name+hash+base64")
    parser.add_argument("--since", type=Path, help="a checkpoint file kept from before")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument(
        "--rules", action="store_true", help="check the order of each grant's events"
    )
    options = parser.parse_args(arguments)
    try:
        earlier = options.since.read_bytes() if options.since else None
        report = verify_log(
            options.folder,
            VerifierKey.parse(options.key),
            earlier,
            processes=options.processes,
            check_rules=options.rules,
        )
    except (OSError, CheckpointError) as error:
        sys.stderr.write(f"cannot verify: {error}\n")
        return 2
    for finding in report.findings:
        sys.stdout.write(
            f"{finding.problem}: {ascii(finding.detail)[1:-1]} {finding.claims or ''!a}\n"
        )
    verdict = "intact" if report.intact else "NOT INTACT"
    sys.stdout.write(
        f"{verdict}: {report.size} entries signed, {report.uncovered} not covered yet\n"
    )
    return 0 if report.intact else 1


if __name__ == "__main__":
    sys.exit(main())
