"""A network that fails at a chosen message: a proxy between a PostgreSQL client and its server.

Here: a TCP proxy that reads the client's messages (protocol 3, "Message Flow") so that a fault
falls between two of them, and counts them. Not here: what is sent, or TLS, which hides messages.

Invariants: messages are counted over all connections in the order in which they arrive, the
start-up ones included; the server's bytes pass as they come; nothing outlives ``opened``.
"""

from __future__ import annotations

import asyncio
import enum
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

_LENGTH = struct.Struct("!I")
_ASKS_ENCRYPTION = {80877103, 80877104}
"""SSLRequest and GSSENCRequest: one byte answers, and another message without a type follows."""
_CHUNK = 65_536
_SERVER_FINISHES_WITHIN_SECONDS = 10.0


class Fault(enum.Enum):
    """What happens at a message."""

    CUT_BEFORE = "cut before it"
    """The server never sees it."""
    CUT_AFTER = "cut after it"
    """The server acts on it, and the answer is lost."""
    GONE_BEFORE = "gone before it"
    """Cut before, and nobody can connect until ``heal``."""
    GONE_AFTER = "gone after it"
    """Cut after, and nobody can connect until ``heal``."""
    LATE = "gone, and it arrives later"
    """Gone before it for the client; the server gets it all the same, at ``deliver``."""
    HELD = "held up"
    """It and what follows on that connection wait until ``deliver``; nobody is told."""
    SILENCE = "held up with everything else"
    """The same on every connection, new ones too: the network swallows what is sent."""


_FOR_GOOD = {Fault.GONE_BEFORE, Fault.GONE_AFTER, Fault.LATE}
_LOSES_THE_ANSWER = {Fault.CUT_AFTER, Fault.GONE_AFTER, Fault.LATE}


class CuttingProxy:
    """Forwards to ``port`` of loopback until told otherwise.

    Attributes:
        port: where to connect instead.
        count: messages of clients since the last ``arm``.
    """

    def __init__(self, port: int) -> None:
        self.port = 0
        self.count = 0
        self.held = asyncio.Event()
        """Set once a message is held up."""
        self._server_port = port
        self._faults: Mapping[int, Fault] = {}
        self._is_gone = self._is_silent = False
        self._deliver = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()
        self._pumps: set[asyncio.Task[None]] = set()
        self._late: set[asyncio.Task[None] | None] = set()

    def arm(self, faults: Mapping[int, Fault]) -> None:
        """Count anew, and let each fault happen at the message of its number (from 1)."""
        self._faults, self.count = dict(faults), 0
        self._is_gone = self._is_silent = False
        self._deliver, self.held = asyncio.Event(), asyncio.Event()

    def heal(self) -> None:
        """Let clients connect again; faults at later messages still happen."""
        self._is_gone = self._is_silent = False

    async def deliver(self) -> None:
        """Let what was held up arrive; return when the server did what nobody listens to."""
        self._deliver.set()
        while self._late:  # noqa: ASYNC110  # short
            await asyncio.sleep(0.005)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry one client's connection until either side or a fault ends it."""
        if self._is_gone:
            writer.close()
            return
        try:
            answers, server = await asyncio.open_connection("127.0.0.1", self._server_port)
        except OSError:
            writer.close()
            return
        self._open |= {writer, server}
        back = asyncio.create_task(_pump(answers, writer))
        there = asyncio.current_task()
        assert there is not None
        self._pumps |= {back, there}
        try:
            await self._carry(reader, writer, server)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client left
        finally:
            await self._let_go(writer, server, back)
            self._pumps -= {back, there}
            self._late.discard(there)

    async def _carry(
        self,
        reader: asyncio.StreamReader,
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
    ) -> None:
        started = False
        while True:
            message, started = await _next_message(reader, started=started)
            self.count += 1
            fault = self._faults.get(self.count)
            self._is_gone = self._is_gone or fault in _FOR_GOOD
            self._is_silent = self._is_silent or fault is Fault.SILENCE
            if fault is Fault.CUT_BEFORE or (self._is_gone and fault not in _LOSES_THE_ANSWER):
                return
            if fault in _LOSES_THE_ANSWER:
                client.transport.abort()
            if self._is_silent or fault in {Fault.HELD, Fault.LATE}:
                await self._hold()
            server.write(message)
            await server.drain()
            if fault in _LOSES_THE_ANSWER:
                return
            self._late.discard(asyncio.current_task())

    async def _hold(self) -> None:
        self._late.add(asyncio.current_task())
        self.held.set()
        await self._deliver.wait()

    async def _let_go(
        self,
        client: asyncio.StreamWriter,
        server: asyncio.StreamWriter,
        back: asyncio.Task[None],
    ) -> None:
        """Close both sides; the server gets to finish what reached it."""
        with suppress(OSError):
            server.write_eof()
        await asyncio.wait({back}, timeout=_SERVER_FINISHES_WITHIN_SECONDS)
        back.cancel()
        for writer in (client, server):
            writer.close()
            self._open.discard(writer)

    async def close(self) -> None:
        """Drop every connection, and what was held up with it."""
        for writer in self._open:
            writer.transport.abort()
        self._deliver.set()
        if self._pumps:
            await asyncio.wait(self._pumps)


@asynccontextmanager
async def opened(port: int) -> AsyncIterator[CuttingProxy]:
    """Serve a proxy to ``port`` of loopback on a free port."""
    proxy = CuttingProxy(port)
    server = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()


async def _next_message(reader: asyncio.StreamReader, *, started: bool) -> tuple[bytes, bool]:
    """Return the client's next message, and whether what follows it has a type byte."""
    kind = await reader.readexactly(1) if started else b""
    length = await reader.readexactly(_LENGTH.size)
    body = await reader.readexactly(_LENGTH.unpack(length)[0] - _LENGTH.size)
    asks_first = not started and _LENGTH.unpack(body[: _LENGTH.size])[0] in _ASKS_ENCRYPTION
    return kind + length + body, not asks_first


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry the server's bytes; go on reading when nobody listens any more."""
    with suppress(ConnectionError):
        while data := await reader.read(_CHUNK):
            if not writer.is_closing():
                writer.write(data)
    writer.close()
