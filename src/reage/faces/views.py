"""Other ways to look at a photo: smaller, turned by quarters, and tile by tile."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from reage.faces.detector import Detections

# How much larger than a copy the halving is that it is made from: nearer ones blur it.
_FINER: Final = 2


class Pyramid:
    """A photo and its halvings, of which a copy at any scale is made fast.

    Halving is several times faster than averaging over areas of any other size, and all scales at
    which a photo is searched share it.

    Attributes:
        width: Of the photo, pixels.
        height: Of the photo, pixels.
    """

    def __init__(self, pixels: NDArray[np.uint8], least_side: int) -> None:
        """Halves uint8 (H, W, 3) pixels for copies whose longer side is at least `least_side`."""
        self.height, self.width = pixels.shape[:2]
        self._levels = [np.ascontiguousarray(pixels)]
        while max(pixels.shape[:2]) >= 2 * _FINER * least_side and min(pixels.shape[:2]) >= 2:
            height, width = pixels.shape[0] // 2, pixels.shape[1] // 2
            even = pixels[: 2 * height, : 2 * width]
            pixels = np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA))
            self._levels.append(pixels)

    def scaled(self, scale: float, turns: int = 0) -> NDArray[np.uint8]:
        """The photo at a scale, after that many quarter turns counterclockwise, uint8.

        Odd rows and columns that halving leaves out shift it by up to half a pixel.
        """
        size = math.ceil(self.width * scale), math.ceil(self.height * scale)
        large = [level for level in self._levels if max(level.shape[:2]) >= _FINER * max(size)]
        source = large[-1] if large else self._levels[0]
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        view = cv2.resize(source, size, interpolation=method)
        return np.ascontiguousarray(np.rot90(view, turns), np.uint8)


def turn_back(candidates: Detections, turns: int, view_size: tuple[int, ...]) -> Detections:
    """Maps candidates of a view that `numpy.rot90(photo, turns)` gave back to the photo.

    Args:
        candidates: In pixels of the view.
        turns: Quarter turns counterclockwise, 0..3.
        view_size: Height and width of the view.
    """
    boxes, points = candidates.boxes.reshape(-1, 2, 2), candidates.keypoints
    height, width = view_size
    for _ in range(turns):
        # The photo was turned counterclockwise: its right edge became the top of the view.
        boxes, points = (
            np.stack([height - 1 - part[..., 1], part[..., 0]], axis=-1) for part in (boxes, points)
        )
        height, width = width, height
    low, high = boxes.min(axis=1), boxes.max(axis=1)
    return Detections(np.hstack([low, high]), points, candidates.scores)


def tile_origins(width: int, height: int, side: int, overlap: int) -> Iterator[tuple[int, int]]:
    """The top left corners of square tiles that cover an image evenly, row by row."""
    for y in _starts(height, side, overlap):
        for x in _starts(width, side, overlap):
            yield x, y


def _starts(length: int, side: int, overlap: int) -> list[int]:
    count = max(1, math.ceil((length - overlap) / (side - overlap)))
    return [round(start) for start in np.linspace(0, max(0, length - side), count)]


def not_cut_off(
    boxes: NDArray[np.float64],
    origin: tuple[int, int],
    tile_size: tuple[int, ...],
    image_size: tuple[int, int],
) -> NDArray[np.bool_]:
    """Whether each box stays clear of the tile's edges, save those that are the image's own.

    Args:
        boxes: (N, 4), pixels of the tile.
        origin: xy of the tile in the image.
        tile_size: Height and width of the tile.
        image_size: Width and height of the image.
    """
    low = np.where(np.asarray(origin) > 0, 0.0, -np.inf)
    size = np.array([tile_size[1], tile_size[0]])
    high = np.where(np.asarray(origin) + size < image_size, size - 1.0, np.inf)
    return np.asarray(((boxes[:, :2] >= low) & (boxes[:, 2:] <= high)).all(axis=1))
