"""A picture of unpicked faces at several ages, to look at beside the figures."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reage.evaluation.systems import AgingSystem, Images

GRID_AGES: Final = (2.5, 8.0, 18.0, 28.0, 45.5, 65.5, 75.5, 85.5)
"""Centers of the groups 0-5, 6-10, 16-20, 26-30, 41-50, 61-70, 71-80 and 81-90."""
GRID_FACES: Final = 10


def grid(system: AgingSystem, images: Images) -> Image.Image:
    """Paints faces in the first row and each age of `GRID_AGES` in a row below.

    Args:
        system: What ages them.
        images: RGB (N, S, S, 3), uint8, N at least `GRID_FACES`: the first ones are shown, and what
            failed is left grey.
    """
    rows: list[NDArray[np.uint8]] = [images[:GRID_FACES]]
    for age in GRID_AGES:
        aged, present = system(images, np.full(len(images), age))
        row = aged[:GRID_FACES].copy()
        row[~present[:GRID_FACES]] = 128
        rows.append(row)
    side = images.shape[1]
    joined = np.stack(rows).transpose(0, 2, 1, 3, 4)
    return Image.fromarray(joined.reshape(len(rows) * side, -1, 3))
