"""Which faces samples and figures show."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from reage.data.pipeline import Faces


def pick_faces(faces: Faces, count: int) -> NDArray[np.int64]:
    """Indices (count,) of faces spread evenly over the ages, that nobody picked."""
    order = np.argsort(faces.ages, kind="stable")
    places = np.linspace(0, len(order) - 1, count + 2).astype(int)[1:-1]
    return np.asarray(order[places])


def grid_faces(faces: Faces, columns: int = 10) -> Any:
    """The faces of sample grids, float32 in [-1, 1]; see `pick_faces`."""
    return to_float(faces.images[pick_faces(faces, columns)])


def to_float(images: Any) -> Any:
    """Pixels 0..255 as float32 in [-1, 1]."""
    return images.astype(np.float32) / 127.5 - 1.0
