"""Counts how often work on a photo was begun, to give up those that kill their workers."""

from __future__ import annotations

from collections import Counter
from typing import Final

# Machines are lost now and then: once or twice at the same photo is no proof against it.
MAX_STARTS: Final = 3


class Starts:
    """One actor for all workers. Knows only the photos that are in work, and so stays small."""

    def __init__(self) -> None:
        self._starts: Counter[str] = Counter()

    def begin(self, key: str) -> bool:
        """Counts a start; False if `MAX_STARTS` before it came to no end."""
        self._starts[key] += 1
        return self._starts[key] <= MAX_STARTS

    def end(self, key: str) -> None:
        """Forgets a photo that did not kill its worker."""
        self._starts.pop(key, None)
