"""``protem audit``: read, verify, prove and export the audit log.

Here: arguments, output and exit codes. Not here: the verifier (protem.audit), the connection
(api_client). ``verify`` needs no server, ever; ``prove`` and ``export`` none with ``--from``.

Exit codes: 0 ok, 1 tampered or failed. Data goes to standard output, talk to standard error; text
from the log is escaped before it reaches a terminal, since anyone may have chosen it.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from protem.audit.checkpoint import VerifierKey
    from protem.audit.damage import Finding
    from protem.audit.signed_approvals import SignedApprovals
    from protem.audit.verifier import Report

_PAGE = 1_000
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"}
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUTPUT = click.option(
    "-o", "--output", type=click.Choice(["table", "json"]), default="table", show_default=True
)


@click.group(name="audit")
def command() -> None:
    """Read, verify, prove and export the audit log."""


@command.command()
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option("--key", help="Verifier key, or a file that holds it. Keep it apart from the log.")
@click.option(
    "--since", type=_FILE, help="A checkpoint kept from before; the log must continue it."
)
@click.option(
    "--rules",
    is_flag=True,
    help="Also check each grant's order of events, the signatures under approvals, and that"
    " statements of targets agree.",
)
@click.option(
    "--approver-keys", type=_FILE, help="With --rules: only keys of this list count as approvers'."
)
@click.option("--require-covered", is_flag=True, help="Entries after the newest head are wrong.")
@click.option("--processes", type=click.IntRange(1, 64), default=1, show_default=True)
@_OUTPUT
def verify(  # noqa: PLR0913  # one parameter for each option
    *,
    path: Path,
    key: str | None,
    since: Path | None,
    rules: bool,
    approver_keys: Path | None,
    require_covered: bool,
    processes: int,
    output: str,
) -> None:
    """Check a log's folder, or a proof made by `prove`, without any server.

    Exits 0 when it is intact and 1 when it is not; names every altered entry.
    """
    from protem.audit.verifier import verify_log  # loaded when used

    if approver_keys and not rules:
        raise click.UsageError("--approver-keys counts only with --rules")
    trusted = _key(key, path)
    if path.is_file():
        _verify_proof(path, trusted, output)
        return
    try:
        report = verify_log(
            path,
            trusted,
            since.read_bytes() if since else None,
            processes=processes,
            check_rules=rules,
            require_covered=require_covered,
            further_rule=_signed_approvals(approver_keys).problem if rules else None,
        )
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    _print_report(report, output)
    if not report.intact:
        raise SystemExit(1)


@command.command()
@click.argument("index", type=click.IntRange(min=0))
@click.option("--from", "folder", type=_FOLDER, help="A log's folder; else the server is asked.")
def prove(index: int, folder: Path | None) -> None:
    """Print a proof that entry INDEX is in the log, for `verify` to check anywhere."""
    from protem.audit import inclusion  # loaded when used

    try:
        proof = inclusion.prove(folder, index) if folder else _served_proof(_connect(), index)
    except (ValueError, OSError) as error:
        raise click.ClickException(_plain(str(error))) from error
    click.echo(json.dumps(proof))


@command.command()
@click.argument("destination", type=click.Path(path_type=Path))
@click.option("--from", "folder", type=_FOLDER, help="A log's folder; else the server is asked.")
def export(destination: Path, folder: Path | None) -> None:
    """Copy what is signed to DESTINATION, a new folder that `verify` can check."""
    from protem.audit import log_export  # loaded when used

    try:
        if folder:
            size = log_export.export_folder(folder, destination)
        else:
            client = _connect()
            checkpoint = _text(client.get("/v1/audit/checkpoint"))
            size = log_export.export_entries(
                _fetched(client),
                checkpoint=checkpoint.encode(),
                key=_text(client.get("/v1/audit/key")),
                destination=destination,
            )
    except (ValueError, OSError) as error:
        raise click.ClickException(_plain(str(error))) from error
    click.echo(f"{size} entries; next: protem audit verify {destination} --key KEY", err=True)


@command.command()
@click.option("-n", "--lines", type=click.IntRange(0, 10_000), default=10, show_default=True)
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens from now on.")
@_OUTPUT
def tail(*, lines: int, follow: bool, output: str) -> None:
    """Show the newest entries of the server's log."""
    client = _connect()
    size = int(client.get("/v1/audit/entries", {"start": 0, "limit": 1})["size"])
    seen = max(0, size - lines)
    for index, body in _pages(client, seen):
        _print_entry(index, body, output)
        seen = index + 1
    if not follow:
        return
    for _ in client.stream_events():  # an event says that there is more to read
        for index, body in _pages(client, seen):
            _print_entry(index, body, output)
            seen = index + 1


def _signed_approvals(keys_file: Path | None) -> SignedApprovals:
    from protem.audit import signed_approvals  # loaded when used
    from protem.domain.errors import InvalidError  # loaded when used
    from protem.signing.allowed_signers import read_allowed_signers  # loaded when used
    from protem.signing.signature_checker import SignatureChecker  # loaded when used

    try:
        outside = None
        if keys_file is not None:
            outside = read_allowed_signers(keys_file.read_text(encoding="utf-8"))
    except (InvalidError, UnicodeDecodeError) as error:
        raise click.ClickException(f"{keys_file}: {_plain(str(error))}") from error
    return signed_approvals.SignedApprovals(SignatureChecker().check, outside)


def _connect() -> Any:
    from protem.entrypoints.cli import api_client  # type: ignore[attr-defined,unused-ignore]  # loaded when used

    return api_client.connect()


def _served_proof(client: Any, index: int) -> dict[str, object]:
    """Put the server's parts together, and see that they fit before somebody relies on them."""
    from protem.audit import checkpoint, inclusion, tree  # loaded when used

    answer = client.get("/v1/audit/proof", {"index": index})
    found = client.get("/v1/audit/entries", {"start": index, "limit": 1})["entries"]
    if not found:
        raise click.ClickException(f"the server shows no entry {index}")
    entry, note = str(found[0]["body"]).encode(), str(answer["checkpoint"]).encode()
    path = [bytes.fromhex(step) for step in answer["hashes"]]
    head = checkpoint.peek(note)
    tree.verify_inclusion(tree.leaf_hash(entry), index, head.size, path, head.root)
    return inclusion.document(index, entry, path, note)


def _pages(client: Any, start: int) -> Iterator[tuple[int, str]]:
    while True:
        entries = client.get("/v1/audit/entries", {"start": start, "limit": _PAGE})["entries"]
        if not entries:
            return
        for entry in entries:
            yield int(entry["index"]), str(entry["body"])
        start = int(entries[-1]["index"]) + 1


def _fetched(client: Any) -> Iterator[bytes]:
    for _, body in _pages(client, 0):
        yield body.encode()


def _text(answer: object) -> str:
    if not isinstance(answer, str):
        raise click.ClickException("the server sent something else than text")
    return answer


def _key(given: str | None, path: Path) -> VerifierKey:
    from protem.audit.checkpoint import CheckpointError, VerifierKey  # when used
    from protem.audit.log_files import read_key  # loaded when used

    try:
        if given is None and path.is_dir():
            key = VerifierKey.parse(read_key(path))
            click.echo(
                "warning: the key comes from the folder itself, so this shows only that the log "
                "agrees with itself; pass --key with the key you kept",
                err=True,
            )
            return key
        if given is None:
            raise click.UsageError("a proof is checked against --key, the verifier key you kept")
        file = Path(given)
        is_file = len(given) < 4096 and file.is_file()  # noqa: PLR2004  # PATH_MAX
        return VerifierKey.parse(file.read_text(encoding="utf-8") if is_file else given)
    except (CheckpointError, OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"no usable verifier key: {_plain(str(error))}") from error


def _verify_proof(path: Path, key: VerifierKey, output: str) -> None:
    from protem.audit.inclusion import verify_proof  # loaded when used

    try:
        proven = verify_proof(json.loads(path.read_bytes()), key)
    except (ValueError, OSError, RecursionError) as error:
        raise click.ClickException(f"the proof does not hold: {_plain(str(error))}") from error
    entry = proven.entry.decode()
    if output == "json":
        document = {"v": 1, "intact": True, "index": proven.index, "entry": entry}
        click.echo(json.dumps(document | {"size": proven.checkpoint.size}))
        return
    click.echo(f"entry {proven.index} is in the log of {proven.checkpoint.size} signed entries:")
    click.echo(_plain(entry))


def _print_report(report: Report, output: str) -> None:
    if output == "json":
        document = {
            "v": 1,
            "intact": report.intact,
            "origin": report.origin,
            "size": report.size,
            "root": report.root.hex(),
            "uncovered": report.uncovered,
            "checkpoints": report.checkpoints,
            "findings": [_finding(found) for found in report.findings],
            "notes": list(report.notes),
        }
        click.echo(json.dumps(document))
        return
    for note in report.notes:
        click.echo(f"note: {_plain(note)}", err=True)
    for found in report.findings:
        click.echo(f"{found.problem}: {_plain(found.detail)}")
        if found.bytes_at:
            click.echo(f"  bytes {found.bytes_at[0]} to {found.bytes_at[1] - 1} of entries.jsonl")
        if found.claims:
            said = ", ".join(f"{name} {value}" for name, value in found.claims.items())
            click.echo(f"  it claims: {_plain(said)}")
    verdict = "intact" if report.intact else "NOT INTACT"
    click.echo(
        f"{verdict}: {_plain(report.origin)}, {report.size} signed entries, "
        f"{report.uncovered} not covered yet, {report.checkpoints} checkpoints"
    )


def _finding(found: Finding) -> dict[str, object]:
    return {
        "problem": found.problem,
        "detail": found.detail,
        "index": found.index,
        "line": found.line,
        "bytes": list(found.bytes_at) if found.bytes_at else None,
        "claims": dict(found.claims) if found.claims else None,
    }


def _print_entry(index: int, body: str, output: str) -> None:
    if output == "json":
        click.echo(json.dumps({"index": index, "body": body}))
        return
    try:
        entry = json.loads(body)
    except ValueError:
        entry = None
    if not isinstance(entry, Mapping):
        click.echo(f"{index:>8}  {_plain(body)}")
        return
    fields = [str(entry.get(name) or "-") for name in ("at", "kind", "actor", "grant", "target")]
    click.echo(f"{index:>8}  " + "  ".join(_plain(text) for text in fields))


def _plain(text: str) -> str:
    """Escape what could move the cursor, hide or reorder text."""
    return "".join(
        character.encode("unicode_escape").decode()
        if unicodedata.category(character) in _HIDDEN
        else character
        for character in text
    )
