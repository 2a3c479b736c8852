"""The log is asked whether it can be written while it is being written."""

import sys
import threading

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from protem.audit.durable_files import Disk
from protem.audit.log_writer import LogWriter
from protem.signing.local_key import LocalKey


@pytest.fixture
def hasty_threads():
    """Let threads take turns as often as Python can, so that races show."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("hasty_threads")
def test_asking_during_a_publish_raises_no_false_alarm(tmp_path):
    """A file that grows between two looks was not cut: asking holds no request up for that."""
    writer = LogWriter(
        folder=tmp_path / "log",
        head_file=tmp_path / "head",
        signer=LocalKey(Ed25519PrivateKey.from_private_bytes(b"k" * 32)),
        origin="protem.test/log",
        disk=Disk(),
    )
    writer.open()
    stop = threading.Event()

    def publish():
        while not stop.is_set():
            writer.append([b'{"a":1}'] * 3)

    publishing = threading.Thread(target=publish)
    publishing.start()
    try:
        for _ in range(5_000):
            writer.check()
    finally:
        stop.set()
        publishing.join()
        writer.close()
