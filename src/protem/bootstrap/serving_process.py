"""The server process: listen, serve, and stop within five seconds.

Here: socket, event loop, signals and order of stopping. Not here: the application.

Invariants: it listens before it says so, and only when everything it needs is open. On SIGTERM or
SIGINT: no new connections, streams end, calls under way get two seconds, loops are cancelled, the
store is closed last.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import structlog
import uvicorn
import uvloop

from protem.bootstrap.control_plane import open_control_plane
from protem.bootstrap.logging_setup import set_up_logging
from protem.bootstrap.plane import ControlPlane
from protem.bootstrap.settings import ServerSettings, Settings, parse_listen
from protem.domain.errors import InvalidError

_CALLS_FINISH_WITHIN_SECONDS = 2
_BACKLOG = 1_024
_SWITCH_SECONDS = 0.0005
"""The store's threads do little at a time; at Python's 5 ms a request waits for them in between."""
_log = structlog.stdlib.get_logger("protem.server")

MakeApplication = Callable[[ControlPlane], Any]


def run_server(settings: Settings, folder: Path, make_application: MakeApplication) -> None:
    """Serve until told to stop.

    Raises:
        ProtemError: when it cannot start; it says which part and what to do.
    """
    set_up_logging(settings.server.log)
    sys.setswitchinterval(_SWITCH_SECONDS)
    # uvicorn raises the signal again when it has stopped; ours is the handler it then meets.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, folder, make_application))


async def _serve(settings: Settings, folder: Path, make_application: MakeApplication) -> None:
    async with open_control_plane(settings, folder) as plane:
        with _listening(settings.server) as listening:
            server = uvicorn.Server(
                uvicorn.Config(
                    make_application(plane),
                    http="httptools",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    proxy_headers=False,
                    timeout_graceful_shutdown=_CALLS_FINISH_WITHIN_SECONDS,
                )
            )
            async with plane.running():
                host, port = listening.getsockname()[:2]
                shown = f"[{host}]" if ":" in host else host
                public = settings.server.public_url
                _log.info("listening", url=f"http://{shown}:{port}", public_url=public)
                await server.serve(sockets=[listening])
    _log.info("stopped")


def _listening(settings: ServerSettings) -> socket.socket:
    host, port = parse_listen(settings.listen)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        raise InvalidError(
            f"cannot listen on {settings.listen}: {error.strerror}",
            next_step="choose another [server] listen, or stop what uses it",
        ) from error
