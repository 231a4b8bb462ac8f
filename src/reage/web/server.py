"""The server under the application, which does not wait for clients that keep it waiting."""

from __future__ import annotations

import asyncio
from typing import Final

import uvicorn
from starlette.applications import Starlette
from uvicorn.protocols.http.h11_impl import H11Protocol

from reage.web.limits import Limits

# With so many connections every request is answered 503, and what comes beyond `_CLOSE_BEYOND` is
# closed unanswered, so that neither memory nor file descriptors run out.
_BUSY_FROM: Final = 128
_CLOSE_BEYOND: Final = 512
_STOP_SECONDS: Final = 5


def make_server(app: Starlette, limits: Limits) -> uvicorn.Server:
    """The server of the page; `run(sockets=[listener])` serves until it is told to stop."""
    config = uvicorn.Config(
        app,
        http=PatientProtocol,
        log_level="warning",
        ws="none",
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=limits.idle_seconds,
        timeout_graceful_shutdown=_STOP_SECONDS,
        limit_concurrency=_BUSY_FROM,
    )
    return uvicorn.Server(config)


class PatientProtocol(H11Protocol):
    """HTTP whose patience ends: uvicorn's own waits for ever.

    A client has `timeout_keep_alive` seconds to send the whole head of a request, and as long to
    take some more of an answer. How long it may send a body, and wait for an answer, is the
    application's affair.
    """

    _watch: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts to watch a new connection, unless there are too many."""
        super().connection_made(transport)
        if len(self.connections) > _CLOSE_BEYOND:
            transport.abort()
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops watching."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        """Waits for the answer to be taken, and for the next request."""
        super().on_response_complete()
        self._wait()

    def _wait(self) -> None:
        self._stop_waiting()
        unsent = self.transport.get_write_buffer_size()
        self._watch = self.loop.call_later(self.timeout_keep_alive, self._look, unsent)

    def _stop_waiting(self) -> None:
        if self._watch is not None:
            self._watch.cancel()

    def _look(self, unsent: int) -> None:
        """Ends the connection if it is the client's turn and it did nothing.

        Args:
            unsent: Bytes that the client had not taken when the wait began.
        """
        left = self.transport.get_write_buffer_size()
        at_work = self.cycle is not None and not self.cycle.response_complete
        if left < unsent or (at_work and not left):
            self._wait()
        else:
            self.transport.abort()
