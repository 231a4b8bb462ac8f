"""Photos that visitors are working on: in memory, few, and not for long."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from reage.inference.opened import OpenedPhoto


@dataclass(frozen=True)
class Visit:
    """A visitor's photo.

    Attributes:
        original: The bytes that were uploaded.
        opened: A smaller copy for quick answers.
    """

    original: bytes
    opened: OpenedPhoto


class VisitStore:
    """Keeps the newest photos under names that nobody can guess."""

    def __init__(
        self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Makes an empty store.

        Args:
            limit: How many photos are kept; the one unused for longest goes first.
            seconds: How long an unused photo is kept.
            clock: Gives the time in seconds.
        """
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._visits: OrderedDict[str, tuple[float, Visit]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, visit: Visit) -> str:
        """Keeps a photo and returns its name."""
        name = secrets.token_urlsafe(24)
        with self._lock:
            self._forget_unused()
            self._visits[name] = (self._clock(), visit)
            while len(self._visits) > self._limit:
                self._visits.popitem(last=False)
        return name

    def get(self, name: str) -> Visit | None:
        """The photo of that name, if it is still kept."""
        with self._lock:
            self._forget_unused()
            if name not in self._visits:
                return None
            visit = self._visits[name][1]
            self._visits[name] = (self._clock(), visit)
            self._visits.move_to_end(name)
            return visit

    def drop(self, name: str) -> None:
        """Forgets a photo."""
        with self._lock:
            self._visits.pop(name, None)

    def forget_unused(self) -> None:
        """Forgets every photo whose time is over."""
        with self._lock:
            self._forget_unused()

    def __len__(self) -> int:
        """How many photos are held in memory."""
        return len(self._visits)

    def _forget_unused(self) -> None:
        oldest = self._clock() - self._seconds
        for name in [name for name, (used, _) in self._visits.items() if used < oldest]:
            del self._visits[name]
