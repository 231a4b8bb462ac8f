"""The queue: a few requests are worked on, some wait, and the rest are refused."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from starlette.concurrency import run_in_threadpool

from reage.web.limits import busy

Result = TypeVar("Result")


class Room:
    """Counts who is inside, and refuses everybody else once it is full."""

    def __init__(self, places: int) -> None:
        self._free = places

    def enter(self) -> None:
        """Takes a place.

        Raises:
            RefusalError: If there is none.
        """
        if self._free <= 0:
            raise busy()
        self._free -= 1

    def leave(self) -> None:
        """Gives a place back."""
        self._free += 1

    @contextlib.contextmanager
    def place(self) -> Iterator[None]:
        """Holds a place; the errors are `enter`'s."""
        self.enter()
        try:
            yield
        finally:
            self.leave()


class Workers:
    """Works on a few requests at a time in threads, lets some wait, and refuses the rest."""

    def __init__(self, at_once: int, waiting: int, seconds: float) -> None:
        self._room = Room(at_once + waiting)
        self._turn = asyncio.Semaphore(at_once)
        self._seconds = seconds

    async def run(self, function: Callable[..., Result], *arguments: Any) -> Result:
        """Calls a function once it is its turn.

        Raises:
            RefusalError: If too many wait already.
            TimeoutError: If its turn does not come, or it is not done, in time.
        """
        self._room.enter()
        try:
            await asyncio.wait_for(self._turn.acquire(), self._seconds)
        except BaseException:
            self._room.leave()
            raise
        work = asyncio.ensure_future(run_in_threadpool(function, *arguments))
        work.add_done_callback(self._done)
        # A thread cannot be stopped. The visitor need not wait for it, but the next one must:
        # otherwise slow requests would pile up behind the back of the queue.
        return await asyncio.wait_for(asyncio.shield(work), self._seconds)

    def _done(self, work: asyncio.Future[Any]) -> None:
        if not work.cancelled():
            work.exception()  # Looked at here, as nobody may be waiting for it any more.
        self._turn.release()
        self._room.leave()
