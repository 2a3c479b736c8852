"""A real server beside a real PostgreSQL, whose disk is full, read-only, hanging or swapped.

In each case: nothing is granted and every answer comes within five seconds; what a person ends, and
what expires, is gone at the target; when the disk works again, so does the server, and the books
are complete.
"""

import contextlib
import json
import os
import resource
import shutil
import subprocess
import time

import pytest
from tests.faults.steered_process import SteeredServer, wait_until

from protem.audit.checkpoint import VerifierKey
from protem.audit.verifier import verify_log
from protem.entrypoints.demo.stage import built

PROMISED_SECONDS = 5.0
"""The longest that anybody waits for an answer, whatever the disk does."""
SHORT_SECONDS = 4
ENDED_WITHIN = 15.0
RECOVERED_WITHIN = 40.0
"""A lease that ran out while nothing could be recorded is taken again after 30 s."""


@pytest.fixture(scope="module")
def stage():
    """One PostgreSQL and one state for all; each test runs a server of its own on it."""
    with built() as stage:
        yield stage


@pytest.fixture
def server(stage):
    """A server that works; the test makes its disk fail."""
    server = SteeredServer(stage)
    try:
        server.start()
        yield server
    finally:
        server.fault.unlink(missing_ok=True)
        server.stop()


@contextlib.contextmanager
def steered(server, what):
    """The server's own file calls fail, or hang."""
    server.fault.write_text(what)
    try:
        yield
    finally:
        server.fault.unlink()


@contextlib.contextmanager
def file_size_limit(server):
    """The kernel lets the server write no byte more to any file."""
    none = resource.RLIM_INFINITY
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (1, none))
    try:
        yield
    finally:
        resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (none, none))


@contextlib.contextmanager
def moved_away(path, stand_in=None):
    """Something is gone from its place, or a copy stands there; later it is put back."""
    kept = path.with_name(f"{path.name}.kept")
    path.rename(kept)
    if stand_in is not None:
        shutil.copy(kept, path)
    if stand_in == "cut copy":
        os.truncate(path, kept.stat().st_size - 1)
    try:
        yield
    finally:
        kept.rename(path)


@contextlib.contextmanager
def lost_and_restored(folder):
    """A folder is gone at once, and later back from a copy: other files with the same bytes."""
    lost = folder.with_name(f"{folder.name}.lost")
    folder.rename(lost)
    try:
        yield
    finally:
        shutil.copytree(lost, folder)
        shutil.rmtree(lost)


def refused(server, at_once):
    """Ask again and again; every answer is in time, and from the first refusal on all refuse."""
    times, said, begun = [], None, time.monotonic()
    while len(times) < 3:
        status, document, seconds = server.ask(900)
        assert seconds < PROMISED_SECONDS, f"{status} after {seconds:.1f} s"
        if status == 503:
            assert document["code"] == "audit_unavailable", document
            times.append(seconds)
            said = document["detail"]
        else:
            assert not at_once, f"granted: {document}"
            assert not times, f"granted after a refusal: {document}"
            assert time.monotonic() - begun < PROMISED_SECONDS + 2, "granted for too long"
            time.sleep(0.2)
    return times, said


def story(server, fault, *, at_once=True):
    """Let the disk fail with grants under way; check every promise; return what was measured."""
    known = server.on_record()
    long, short = server.granted(900), server.granted(SHORT_SECONDS)
    expiry = time.monotonic() + SHORT_SECONDS
    with fault:
        struck = time.monotonic()
        refusals, said = refused(server, at_once)
        before = server.at_the_target()
        status, answer, ending = server.end(long)
        assert ending < PROMISED_SECONDS, f"an end was answered after {ending:.1f} s"
        ended = ending + wait_until(
            lambda: long not in server.at_the_target(), ENDED_WITHIN, f"not ended: {answer}"
        )
        expired = wait_until(
            lambda: short not in server.at_the_target(), SHORT_SECONDS + ENDED_WITHIN, "lives on"
        )
        late = time.monotonic() - expiry if expired > 0.05 else 0.0
        assert server.at_the_target() <= before, "granted after a refusal"
        down = time.monotonic() - struck
    recovered = wait_until(server.is_ready, RECOVERED_WITHIN, "not ready again")
    if status == 503:
        assert "ended at orders-db" in answer["detail"], answer
    for grant in (long, short):
        wait_until(lambda g=grant: server.state_of(g) == "ended", RECOVERED_WITHIN, "not recorded")
    server.end(server.granted(900))
    wait_until(lambda: server.at_the_target() == server.on_record(), 40, "an orphan, or a ghost")
    print(
        f"\n{said}\nrefused after {max(refusals):.2f} s at most; "
        f"end: {status} after {ending:.2f} s, gone after {ended:.2f} s; "
        f"expired one gone {late:+.2f} s after its time; "
        f"down {down:.0f} s, ready {recovered:.2f} s after; "
        f"of those refused, {len(server.on_record() - known)} are granted now"
    )
    return long, short


def check_books(server, *grants):
    """Read the published log: both ends come into it, and after a stop it is intact and whole."""
    folder = server.stage.audit_folder

    def are_published():
        lines = (folder / "entries.jsonl").read_bytes().splitlines()
        entries = [json.loads(line) for line in lines]
        ended = {entry.get("grant") for entry in entries if entry["kind"] == "grant.ended"}
        return set(grants) <= ended

    wait_until(are_published, 10, "the ends are not in the log")
    assert server.stop() is not None, "had to be killed"
    key = VerifierKey.parse(server.stage.audit_key.read_text())
    report = verify_log(folder, key, check_rules=True, require_covered=True)
    assert report.intact, report.findings


@pytest.mark.postgresql
@pytest.mark.parametrize("what", ["store full", "store read-only", "store hangs"])
def test_a_store_that_cannot_be_written(server, what):
    """Full, read-only or hanging: no grants, ends reach the target, all is recorded after."""
    check_books(server, *story(server, steered(server, what)))


@pytest.mark.postgresql
def test_a_store_whose_disk_is_dead(server):
    """Not even reads return: every answer in time all the same; what expires is ended."""
    short = server.granted(SHORT_SECONDS)
    with steered(server, "store dead"):
        refusals = [server.ask(900) for _ in range(3)]
        ending = server.end(short)
        print()
        for status, answer, seconds in [*refusals, ending]:
            print(f"{status} after {seconds:.2f} s: {answer.get('detail')}")
        assert {status for status, *_ in refusals} == {503}
        assert max(seconds for *_, seconds in [*refusals, ending]) < PROMISED_SECONDS
        late = wait_until(lambda: short not in server.at_the_target(), ENDED_WITHIN * 2, "lives")
        print(f"the expired one was gone {late:.1f} s after these answers")
    print(f"ready {wait_until(server.is_ready, RECOVERED_WITHIN, 'not ready'):.1f} s after")
    wait_until(lambda: server.state_of(short) == "ended", RECOVERED_WITHIN, "not recorded")
    wait_until(lambda: server.at_the_target() == server.on_record(), 40, "an orphan, or a ghost")
    check_books(server, short)


@pytest.mark.postgresql
def test_no_file_can_grow(server):
    """A limit of the kernel on all the server's files, its log's own included."""
    check_books(server, *story(server, file_size_limit(server)))


@pytest.mark.postgresql
@pytest.mark.parametrize("stand_in", [None, "copy"])
@pytest.mark.parametrize("name", ["protem.db", "protem.db-wal"])
def test_a_database_that_is_not_ours_any_more(server, name, stand_in):
    """What is written to a file that was deleted or replaced is lost, so nothing is granted."""
    check_books(server, *story(server, moved_away(server.state / name, stand_in)))


@pytest.mark.postgresql
@pytest.mark.parametrize(
    ("name", "stand_in"),
    [("audit", None), ("audit/entries.jsonl", None), ("audit/entries.jsonl", "cut copy")],
)
def test_a_log_that_is_gone_or_another(server, name, stand_in):
    """Deleted or replaced under the server: no grants until the true one is back; ends go on."""
    check_books(
        server,
        *story(server, moved_away(server.state / name, stand_in), at_once=False),
    )


@pytest.mark.postgresql
def test_a_log_restored_from_a_copy(server):
    """Deleted, and back from a copy as the refusal advises: it goes on without a restart."""
    fault = lost_and_restored(server.state / "audit")
    check_books(server, *story(server, fault, at_once=False))


@pytest.mark.postgresql
def test_a_log_whose_disk_hangs(server):
    """A sync that does not return: refused from the fifth second on, and nobody waits for it."""
    check_books(server, *story(server, steered(server, "audit hangs"), at_once=False))


@pytest.mark.postgresql
@pytest.mark.parametrize("what", ["store hangs", "audit hangs"])
def test_a_server_whose_disk_hangs_can_be_stopped(server, what):
    """Told to stop while a sync does not return, it is gone in seconds; the next start is good."""
    grant = server.granted(900)
    with steered(server, what):
        time.sleep(1.5)
        spent = server.stop()
        print(f"\n{what}: stopped after {spent and round(spent, 1)} s")
    server.start()
    assert server.end(grant)[0] == 200
    wait_until(lambda: grant not in server.at_the_target(), ENDED_WITHIN, "not ended")
    assert spent is not None, "had to be killed"


@pytest.mark.postgresql
def test_a_disk_that_is_full():
    """A small disk of its own, filled to the last byte, and emptied again."""
    with built() as stage:
        server = SteeredServer(stage)
        kept = server.state.with_name("kept")
        server.state.rename(kept)
        server.state.mkdir(mode=0o700)
        mount = ["mount", "-t", "tmpfs", "-o", "size=16m,mode=0700", "tmpfs", str(server.state)]
        if subprocess.run(mount, check=False, capture_output=True).returncode != 0:
            pytest.skip("mounting a small disk needs root; the other tests fail writes one by one")
        try:
            shutil.copytree(kept, server.state, dirs_exist_ok=True)
            server.state.chmod(0o700)
            server.start()
            check_books(server, *story(server, filled(server)))
        finally:
            server.stop()
            subprocess.run(["umount", str(server.state)], check=True)


@contextlib.contextmanager
def filled(server):
    """Leave not one block."""
    filler = server.state / "filler"
    with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        filler.unlink()
