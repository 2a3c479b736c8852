"""Every tampering with a published log that was tried is found, and intact logs raise no alarm."""

import shutil
from datetime import UTC, datetime, timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from protem.audit import checkpoint as checkpoints
from protem.audit import log_files
from protem.audit.durable_files import Disk
from protem.audit.log_writer import LogWriter
from protem.audit.tree import leaf_hashes
from protem.audit.verifier import verify_log
from protem.domain.audit_events import AuditEvent
from protem.signing.local_key import LocalKey

ORIGIN = "protem.test/log"
SIGNER = LocalKey(Ed25519PrivateKey.from_private_bytes(bytes(range(32))))
KEY = checkpoints.key_of(SIGNER, ORIGIN)
START = datetime(2026, 1, 1, tzinfo=UTC)


def bodies(count, salt=""):
    """Entries like real ones."""
    return [
        AuditEvent(
            kind="request.created",
            at=START + timedelta(seconds=at),
            actor="local|anna",
            data={"number": at, "salt": salt},
        ).canonical_bytes()
        for at in range(count)
    ]


def write_log(folder, *batches, signer=SIGNER):
    """Publish ``batches``, a signed head after each."""
    writer = LogWriter(
        folder=folder,
        head_file=folder.with_name(folder.name + ".head"),
        origin=ORIGIN,
        signer=signer,
        disk=Disk(),
    )
    writer.open()
    writer.commit()
    for batch in batches:
        writer.append(batch)
        writer.commit()
    writer.close()
    return folder


@pytest.fixture(scope="module")
def pristine(tmp_path_factory):
    """A log of 25 entries with three heads; tests work on copies."""
    folder = tmp_path_factory.mktemp("pristine") / "log"
    entries = bodies(25)
    return write_log(folder, entries[:10], entries[10:11], entries[11:])


@pytest.fixture
def log(pristine, tmp_path):
    """A copy to spoil."""
    return shutil.copytree(pristine, tmp_path / "log")


def problems(folder, **options):
    """The stable words of what the verifier finds."""
    return [found.problem for found in verify_log(folder, KEY, **options).findings]


def test_an_intact_log_is_intact(log):
    """No finding, and every entry is covered."""
    report = verify_log(log, KEY, check_rules=True)
    assert (report.findings, report.size, report.uncovered, report.notes) == ((), 25, 0, ())


@pytest.mark.parametrize("name", log_files.FILES)
def test_every_flipped_bit_is_found(log, name):
    """Flip each bit of each file (every 11th of the long ones): always a finding."""
    path = log / name
    original = path.read_bytes()
    step = 11 if len(original) > 500 else 1
    for bit in range(0, len(original) * 8, step):
        spoilt = bytearray(original)
        spoilt[bit // 8] ^= 1 << bit % 8
        path.write_bytes(spoilt)
        assert problems(log), f"bit {bit} of {name}"
    path.write_bytes(original)
    assert not problems(log)


def test_an_altered_entry_is_named(log):
    """The finding tells index, line, bytes and what the entry claims."""
    path = log / log_files.ENTRIES
    lines = path.read_bytes().split(b"\n")
    start = sum(len(line) + 1 for line in lines[:17])
    path.write_bytes(path.read_bytes().replace(b'"number":17', b'"number":71'))
    (found,) = verify_log(log, KEY).findings
    assert found.problem == "entry-altered"
    assert (found.index, found.line) == (17, 18)
    assert found.bytes_at == (start, start + len(lines[17]) + 1)
    assert found.claims is not None
    assert found.claims["kind"] == "request.created"


def test_every_drop_is_named(log):
    """Whichever entry is dropped, it is the one named missing."""
    path = log / log_files.ENTRIES
    lines = path.read_bytes().splitlines(keepends=True)
    for at in range(len(lines)):
        path.write_bytes(b"".join(lines[:at] + lines[at + 1 :]))
        missing = [f.index for f in verify_log(log, KEY).findings if f.problem == "entry-missing"]
        assert missing == [at]


def test_every_insertion_is_named(log):
    """Whichever line is inserted, it is the one named, and nothing is said to be missing."""
    path = log / log_files.ENTRIES
    lines = path.read_bytes().splitlines(keepends=True)
    for at in range(len(lines)):
        path.write_bytes(b"".join([*lines[:at], b'{"v":1}\n', *lines[at:]]))
        found = verify_log(log, KEY).findings
        assert [(f.problem, f.line) for f in found] == [("entry-inserted", at + 1)]


def test_every_swap_is_named(log):
    """Whichever two entries change places, one at least is named as moved."""
    path = log / log_files.ENTRIES
    lines = path.read_bytes().splitlines(keepends=True)
    for low in range(0, len(lines), 3):
        for high in range(low + 1, len(lines), 4):
            spoilt = [*lines]
            spoilt[low], spoilt[high] = lines[high], lines[low]
            path.write_bytes(b"".join(spoilt))
            assert "entry-moved" in problems(log)


def test_every_truncation_is_found(log):
    """Cut at any line, or inside one: the log is shorter than its head."""
    path = log / log_files.ENTRIES
    original = path.read_bytes()
    for end in range(0, len(original), 41):
        path.write_bytes(original[:end])
        assert "log-truncated" in problems(log)
    path.write_bytes(original[:-1])
    assert "log-truncated" in problems(log)


def test_leaves_that_hide_a_change_are_found(log):
    """Entries and leaf hashes altered alike: the heads tell where at the latest."""
    entries = log / log_files.ENTRIES
    entries.write_bytes(entries.read_bytes().replace(b'"number":10', b'"number":99'))
    (log / log_files.LEAVES).write_bytes(leaf_hashes(entries.read_bytes().splitlines()))
    found = verify_log(log, KEY).findings
    assert "log-altered" in [f.problem for f in found]
    assert next(f.index for f in found if f.problem == "log-altered") == 10


def test_a_spliced_log_is_found(log, tmp_path):
    """Any files of another log of the same key and size in place of these are found."""
    other = write_log(tmp_path / "other", bodies(25, "other"))
    for name in (log_files.ENTRIES, log_files.LEAVES, log_files.CHECKPOINT, log_files.HISTORY):
        original = (log / name).read_bytes()
        shutil.copy(other / name, log / name)
        assert problems(log), name
        (log / name).write_bytes(original)


def test_a_fork_is_found(log, tmp_path):
    """A log rewritten with the key itself does not continue a checkpoint kept from before."""
    earlier = log_files.split_history((log / log_files.HISTORY).read_bytes())[0][1]
    forked = write_log(tmp_path / "forked", bodies(30, "forked"))
    assert problems(forked) == []
    assert problems(forked, earlier_checkpoint=earlier) == ["log-forked"]
    shorter = write_log(tmp_path / "shorter", bodies(5))
    assert problems(shorter, earlier_checkpoint=earlier) == ["log-truncated"]
    assert problems(log, earlier_checkpoint=earlier) == []


def test_another_key_is_refused(tmp_path):
    """A log signed by a stranger under our name is not ours."""
    stranger = LocalKey(Ed25519PrivateKey.generate())
    forged = write_log(tmp_path / "forged", bodies(3), signer=stranger)
    assert "checkpoint-invalid" in problems(forged)


def test_an_unsigned_tail_is_not_an_error_unless_asked(log):
    """Entries after the newest head are counted, and wrong only on demand."""
    with (log / log_files.ENTRIES).open("ab") as file:
        file.write(b'{"v":1}\n{"v":1}\n{"to')
    report = verify_log(log, KEY)
    assert (report.intact, report.uncovered, len(report.notes)) == (True, 2, 1)
    assert problems(log, require_covered=True) == ["uncovered"]


@pytest.mark.parametrize("name", log_files.FILES)
def test_a_missing_file_is_found(log, name):
    """Each file is needed."""
    (log / name).unlink()
    assert "file-missing" in problems(log)


def test_gaps_in_a_grants_sequence_are_found(tmp_path):
    """A log signed in good faith over a lost transition breaks a rule, when rules are asked for."""
    grant = "01arz3ndektsv4rrffq69g5fav"
    entries = [
        AuditEvent(kind="grant.ended", at=START, actor="protem", grant_id=grant, sequence=number)
        for number in (1, 2, 4, 5)
    ]
    folder = write_log(tmp_path / "log", [entry.canonical_bytes() for entry in entries])
    assert problems(folder) == []
    (found,) = verify_log(folder, KEY, check_rules=True).findings
    assert (found.problem, found.index) == ("rule-broken", 2)


def test_processes_agree(tmp_path):
    """Two processes find what one finds, over several segments."""
    entries = [b'{"n":%d}' % at for at in range(140_000)]
    folder = write_log(tmp_path / "log", entries[:70_000], entries[70_000:])
    one, two = verify_log(folder, KEY), verify_log(folder, KEY, processes=2)
    assert one == two
    assert (one.intact, one.size, one.checkpoints) == (True, 140_000, 3)
    path = folder / log_files.ENTRIES
    path.write_bytes(path.read_bytes().replace(b'{"n":139000}', b'{"n":-39001}'))
    one, two = verify_log(folder, KEY), verify_log(folder, KEY, processes=2)
    assert one == two
    assert [found.index for found in one.findings] == [139_000]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 40), max_size=5))
def test_honest_logs_raise_no_alarm(tmp_path_factory, sizes):
    """However an honest log grew, it verifies, against each of its own earlier heads too."""
    folder = tmp_path_factory.mktemp("honest") / "log"
    write_log(folder, *[bodies(size, str(at)) for at, size in enumerate(sizes)])
    for note in log_files.split_history((folder / log_files.HISTORY).read_bytes())[0]:
        assert verify_log(folder, KEY, note).intact
