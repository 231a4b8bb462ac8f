"""Photos that visitors are working on: in memory, few, and not for long."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from reage.inference.opened import OpenedPhoto
from reage.inference.patches import MaskChoice
from reage.web.limits import RefusalError, busy

# A photo that was not used for so long may make room for another.
_PAUSE_SECONDS: Final = 60.0


@dataclass(frozen=True)
class Visit:
    """A visitor's photo.

    Attributes:
        original: The bytes that were uploaded.
        views: A smaller copy for quick answers, by what of its faces may change.
        size: Bytes of memory that all of it takes.
    """

    original: bytes
    views: Mapping[MaskChoice, OpenedPhoto]
    size: int


class VisitStore:
    """Keeps photos under names that nobody can guess."""

    def __init__(
        self, limit: int, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Makes an empty store.

        Args:
            limit: Bytes that all photos may take.
            seconds: How long an unused photo is kept.
            clock: Gives the time in seconds.
        """
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._visits: OrderedDict[str, tuple[float, Visit]] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, visit: Visit) -> str:
        """Keeps a photo and returns its name.

        Where there is no room, photos that were not used for a minute go, the oldest first.

        Raises:
            RefusalError: If too much of what is kept is in use, or the photo is too large for an
                empty store. Nothing is forgotten then.
        """
        name = secrets.token_urlsafe(24)
        with self._lock:
            self._forget_unused()
            self._make_room(visit.size)
            self._visits[name] = (self._clock(), visit)
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

    def _make_room(self, size: int) -> None:
        if size > self._limit:
            raise RefusalError(413, "This photo takes too much memory. Please send a smaller one.")
        for name in self._in_the_way(size):
            del self._visits[name]

    def _in_the_way(self, size: int) -> list[str]:
        """Which idle photos must go for a new one; the errors are `add`'s."""
        paused = self._clock() - _PAUSE_SECONDS
        free = self._limit - sum(visit.size for _, visit in self._visits.values())
        going = []
        for name, (used, visit) in self._visits.items():
            if free >= size or used >= paused:
                break
            going.append(name)
            free += visit.size
        if free < size:
            raise busy()
        return going
