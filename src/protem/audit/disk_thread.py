"""One thread that does file work in order, and that nobody has to wait for.

Here: handing work to it. Not here: the work. A thread pool of the standard library would be joined
when the process stops, and a disk that hangs would then keep the process from stopping.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue

_Job = tuple[Callable[[], object], asyncio.Future[None]]


class DiskThread:
    """Runs what it is given, one at a time, on a daemon thread that starts with the first."""

    def __init__(self) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._thread: threading.Thread | None = None

    async def run(self, work: Callable[[], object]) -> None:
        """Run ``work`` after what was given before; a caller that is cancelled leaves it to finish.

        Raises:
            Exception: what ``work`` raises.
        """
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="protem-audit", daemon=True)
            self._thread.start()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._jobs.put((work, done))
        await done

    def _work(self) -> None:
        while True:
            work, done = self._jobs.get()
            error: Exception | None = None
            try:
                work()
            except Exception as raised:  # noqa: BLE001  # it is the caller's
                error = raised
            with suppress(RuntimeError):  # the loop is closed: nobody waits any more
                done.get_loop().call_soon_threadsafe(_tell, done, error)


def _tell(done: asyncio.Future[None], error: Exception | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)
