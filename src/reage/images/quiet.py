"""Keeping Pillow's warnings about odd files away from the user's screen."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

# `catch_warnings` swaps the interpreter's filter list: two threads that overlap in it could
# restore each other's list and silence warnings for good.
_FILTER_LOCK = threading.RLock()


@contextmanager
def quiet_pillow() -> Iterator[None]:
    """Ignores warnings inside the block; one thread at a time."""
    with _FILTER_LOCK, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
