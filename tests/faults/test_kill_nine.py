"""A real control plane, killed outright again and again, beside a real PostgreSQL.

A client asks, uses, ends and extends all the while. At the end the target itself is asked what
exists. ``PROTEM_SOAK_KILLS`` asks for more kills; half of them are in ``test_kill_nine_twice``.
"""

import time

import pytest
from tests.faults.chance import how_many, seeded
from tests.faults.killed_control_plane import Client, KilledServer, ask_everyone_what_is_left

from protem.entrypoints.demo.stage import built

pytestmark = pytest.mark.postgresql
KILLS = how_many("PROTEM_SOAK_KILLS", 300) // 2


def test_kills_while_serving_leave_no_orphan_and_lose_nothing(faults_counted):
    """What was acknowledged exists; what exists is explained; what ended is gone; the log holds."""
    chance = seeded("killed while serving")
    with built() as stage:
        server, client = KilledServer(stage), Client(stage, chance)
        try:
            client.start()
            for _ in range(KILLS):
                server.wait_until(server.is_ready)
                time.sleep(chance.uniform(0, 0.4))
                server.kill("serving")
                server.spawn()
            faults_counted("kill -9 of a control plane", server.deaths.total())
            server.wait_until(server.is_ready)
            client.stopping.set()
            client.join(30)
            assert len(client.granted) >= KILLS
            ask_everyone_what_is_left(stage, server, client)
        finally:
            client.stopping.set()
            client.close()
            server.stop()
