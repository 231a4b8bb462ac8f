"""What a generator does to a face crop: colours that are added, then a flow that moves pixels.

Both travel as one array, so that scaling, differences and averages over time serve both alike: a
change (N, S, S, 5) holds the delta, RGB in units of an image in [-1, 1], and the flow, xy in sides
of the crop. A change (N, S, S, 3) is a delta alone.
"""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]

_COLOURS: Final = 3


def join_change(
    delta: NDArray[np.float32], flow: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """A delta and a flow as one change.

    Args:
        delta: float32 (N, S, S, 3).
        flow: float32 (N, F, F, 2), F at most S, in sides of the crop; None if nothing moves.

    Returns:
        float32 (N, S, S, 5), or the delta itself.
    """
    if flow is None:
        return delta
    side = delta.shape[1]
    fine = [cv2.resize(each, (side, side), interpolation=cv2.INTER_LINEAR) for each in flow]
    return np.concatenate([delta, np.stack(fine)], axis=-1, dtype=np.float32)


def delta_of(change: NDArray[np.float32]) -> NDArray[np.float32]:
    """The colours (..., 3) that are added."""
    return change[..., :_COLOURS]


def flow_of(change: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """From where each pixel is taken, relative to its own place, (..., 2); None if nowhere else."""
    return change[..., _COLOURS:] if change.shape[-1] > _COLOURS else None


def move_pixels(pixels: NDArray[np.uint8], x: Array, y: Array) -> NDArray[np.uint8]:
    """Takes pixels from places in an image, bicubically.

    At whole numbers it is the pixel's exact value, beyond the edge the edge's.

    Args:
        pixels: uint8 (H, W, 3), no side longer than 32,766.
        x: float32 (h, w), pixels from the left.
        y: float32 (h, w), pixels from the top.

    Returns:
        uint8 (h, w, 3).
    """
    moved = cv2.remap(pixels, x, y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(moved, np.uint8)
