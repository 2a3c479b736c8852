"""One PostgreSQL for the module, one control plane and one home for each test."""

from __future__ import annotations

import psycopg
import pytest
from tests.acceptance.cli.command_line_driver import CommandLine
from tests.acceptance.cli.loopback_control_plane import SESSION_TOKEN, LoopbackControlPlane

from protem.testing import postgresql_server


@pytest.fixture(scope="module")
def postgresql():
    """Start a real PostgreSQL with a table that grants may read."""
    server = postgresql_server.start()
    try:
        with psycopg.connect(server.dsn(), autocommit=True) as connection:
            connection.execute(
                "CREATE SCHEMA shop; CREATE TABLE shop.orders (id int, status text, note text);"
                "INSERT INTO shop.orders VALUES (1, 'paid', 'n'), (2, 'open', 'n');"
                "CREATE ROLE shop_reader; GRANT USAGE ON SCHEMA shop TO shop_reader;"
                "GRANT SELECT (id, status) ON shop.orders TO shop_reader"
            )
        yield server
    finally:
        server.stop()


@pytest.fixture
def plane():
    """Start a control plane without a target behind it."""
    found = LoopbackControlPlane()
    yield found
    found.stop()


@pytest.fixture
def live_plane(postgresql):
    """Start a control plane that makes real roles."""
    found = LoopbackControlPlane(postgresql)
    yield found
    found.stop()


@pytest.fixture
def cli(tmp_path, plane):
    """Sign in to the control plane without a target."""
    return CommandLine(home=tmp_path, server=plane.url, token=SESSION_TOKEN)


@pytest.fixture
def live_cli(tmp_path, live_plane):
    """Sign in to the control plane with a real target."""
    return CommandLine(home=tmp_path, server=live_plane.url, token=SESSION_TOKEN)
