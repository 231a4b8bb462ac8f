"""A bound on what photos that are aged side by side hold in memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager


class PixelBudget:
    """Pixels that may be held at a time; whoever wants more than are free waits.

    Attributes:
        limit: All of them. A photo of more takes them all, and is aged alone.
        free: Those that nobody holds.
    """

    def __init__(self, limit: int) -> None:
        self.limit = self.free = limit
        self._changed = threading.Condition()

    @contextmanager
    def holding(self, pixels: int) -> Iterator[None]:
        """Holds pixels inside the block."""
        wanted = min(pixels, self.limit)
        with self._changed:
            self._changed.wait_for(lambda: self.free >= wanted)
            self.free -= wanted
        try:
            yield
        finally:
            with self._changed:
                self.free += wanted
                self._changed.notify_all()
