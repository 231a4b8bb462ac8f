"""Notices where a video cuts from one shot to the next."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE: Final = 32
_SAMPLES: Final = 128
# In levels of 0..255, mean over the thumbnail: below it even a jump is no cut.
_MIN_CHANGE: Final = 20.0
# A cut changes this many times more than the frames before did; a fast pan does not.
_MIN_RATIO: Final = 4.0
_MEMORY: Final = 0.8


class CutDetector:
    """Compares a thumbnail of each frame with that of the frame before."""

    def __init__(self) -> None:
        self._last: NDArray[np.float32] | None = None
        self._usual = 0.0

    def __call__(self, pixels: NDArray[np.uint8]) -> bool:
        """Whether a new shot begins with this frame, uint8 (H, W, 3), RGB; true for the first."""
        thumbnail = shrink(pixels)
        last, self._last = self._last, thumbnail
        if last is None:
            return True
        change = float(np.abs(thumbnail - last).mean())
        if change > max(_MIN_CHANGE, _MIN_RATIO * self._usual):
            self._usual = 0.0
            return True
        self._usual = _MEMORY * self._usual + (1 - _MEMORY) * change
        return False


def shrink(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """A thumbnail, float32 (32, 32, 3), levels 0..255."""
    step = max(1, min(pixels.shape[:2]) // _SAMPLES)
    sampled = np.ascontiguousarray(pixels[::step, ::step])
    small = cv2.resize(sampled, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)
