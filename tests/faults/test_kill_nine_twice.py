"""The second crash: a control plane killed while it still recovers from having been killed."""

import time

import pytest
from tests.faults.chance import how_many, seeded
from tests.faults.killed_control_plane import Client, KilledServer, ask_everyone_what_is_left

from protem.entrypoints.demo.stage import built

pytestmark = pytest.mark.postgresql
KILLS = how_many("PROTEM_SOAK_KILLS", 300) // 2
LONGEST_RECOVERY_SECONDS = 0.3
LET_IT_SERVE_EVERY = 3


def test_kills_while_recovering_leave_no_orphan_and_lose_nothing(faults_counted):
    """Killed from the moment it opens its state, twice out of three times before it can serve."""
    chance = seeded("killed while recovering")
    with built() as stage:
        server, client = KilledServer(stage), Client(stage, chance)
        try:
            client.start()
            for number in range(KILLS):
                server.wait_until(server.holds_its_state)
                time.sleep(chance.uniform(0, LONGEST_RECOVERY_SECONDS))
                if number % LET_IT_SERVE_EVERY == 0:  # or there would be nothing to recover
                    server.wait_until(server.is_ready)
                    time.sleep(chance.uniform(0, 0.4))
                server.kill("serving" if server.is_ready() else "recovering")
                server.spawn()
            faults_counted("kill -9 of a control plane", server.deaths.total())
            faults_counted("of these while it recovered", server.deaths["recovering"])
            server.wait_until(server.is_ready)
            client.stopping.set()
            client.join(30)
            assert server.deaths["recovering"] >= KILLS // 5
            ask_everyone_what_is_left(stage, server, client)
        finally:
            client.stopping.set()
            client.close()
            server.stop()
