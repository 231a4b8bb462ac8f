"""Other ways to look at a photo: turned by quarters, and tile by tile."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from reage.faces.detector import Detections


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
