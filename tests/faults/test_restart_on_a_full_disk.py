"""A server that is started again while its disk is full: what is over ends all the same."""

import signal
import sqlite3
import time

from tests.faults.steered_process import SteeredServer, wait_until
from tests.faults.test_disk_faults import ENDED_WITHIN

from protem.entrypoints.demo.stage import built

LEASE_SECONDS = 30


def test_what_a_dead_run_leased_ends_though_nothing_can_be_recorded():
    """The lease it left cannot be taken over on record; once that ran out the grant is ended."""
    with built() as stage:
        server = SteeredServer(stage)
        server.start()
        try:
            grant = server.granted(6)
            server.process.send_signal(signal.SIGKILL)
            server.process.wait()
            with sqlite3.connect(server.state / "protem.db") as books:
                books.execute(
                    "update grants set lease_owner = 'dead', lease_until = ? where id = ?",
                    [int((time.time() + LEASE_SECONDS) * 1_000_000), grant],
                )
            books.close()
            server.fault.write_text("store full")
            server.start_unready()
            over_within = LEASE_SECONDS + ENDED_WITHIN
            wait_until(lambda: not server.at_the_target(), over_within, "it did not end")
            assert server.ask(60)[0] == 503, "nothing is granted meanwhile"
            server.fault.unlink()
            wait_until(lambda: server.state_of(grant) == "ended", 40, "it was not recorded")
        finally:
            server.stop()
