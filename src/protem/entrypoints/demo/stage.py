"""The demo's stage: a private PostgreSQL, a control plane, two people, one folder.

Here: setting up and taking down. Not here: the story.

Invariants:
- Everything lives in one private temporary folder and listens on loopback and free ports, so that
  two demos do not meet and nothing of the user's is read or written.
- ``strike`` ends every process that ``build`` started, also after an interruption; where the
  system has ``setpriv``, they also die with this process if it is killed outright.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from protem.entrypoints.demo.shop import DATABASE, create_shop, write_settings
from protem.testing import postgresql_server
from protem.testing.postgresql_server import PostgresqlServer

SERVER_STARTS_WITHIN_SECONDS = 20.0
SERVER_STOPS_WITHIN_SECONDS = 8.0


class StageError(RuntimeError):
    """The stage could not be built; the message says which part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """Someone with a terminal of their own: separate configuration, state and history."""

    name: str
    environment: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """What the story plays on."""

    folder: Path
    database: PostgresqlServer
    server_url: str
    people: Mapping[str, Person]
    administrator_dsn: str

    @property
    def audit_folder(self) -> Path:
        """Where the control plane publishes its log."""
        return self.folder / "state" / "audit"


@contextmanager
def built(people: Sequence[tuple[str, str]]) -> Iterator[Stage]:
    """Build the stage for ``people`` (name, group), and strike it whatever happens.

    Raises:
        StageError, ServerUnavailableError: when a part does not start.
    """
    folder = Path(tempfile.mkdtemp(prefix="protem-demo-"))
    processes: list[subprocess.Popen[bytes]] = []
    database: PostgresqlServer | None = None
    try:
        database = postgresql_server.start(folder=folder / "postgresql")
        administrator_dsn = create_shop(database, folder)
        port = _free_port()
        settings = write_settings(folder, database, port)
        _initialise(folder, settings)
        url = f"http://127.0.0.1:{port}"
        processes.append(_start_server(folder, settings, url))
        hired = {
            name: _hire(folder, settings, url, name, group, database) for name, group in people
        }
        yield Stage(
            folder=folder,
            database=database,
            server_url=url,
            people=hired,
            administrator_dsn=administrator_dsn,
        )
    finally:
        for process in processes:
            _stop(process)
        if database is not None:
            database.stop()
        shutil.rmtree(folder, ignore_errors=True)
