"""Keeping Pillow's warnings about odd files away from the user's screen."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager


class _Silence:
    """`catch_warnings` that threads may overlap in.

    It swaps the interpreter's one list of filters: of two threads that overlap, the one that leaves
    last would put back the other's list, and silence warnings for good. So the first one in swaps
    it, the last one out puts it back, and nobody waits.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def enter(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings()
                self._filters.__enter__()
                warnings.simplefilter("ignore")
            self._inside += 1

    def leave(self) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(None, None, None)


_SILENCE = _Silence()


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignores warnings while any thread is inside such a block."""
    _SILENCE.enter()
    try:
        yield
    finally:
        _SILENCE.leave()
