"""What the face finder reports."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Face:
    """A face found in a photo; all coordinates are pixels of the photo, pixel centers at integers.

    Attributes:
        box: float32 (4,), `x0, y0, x1, y1` around the face's outline, within the photo.
        landmarks: float32 (5, 2), xy of right eye, left eye, nose tip, right and left mouth
            corner; "right" is the person's own right, on the left of an upright photo.
        oval: float32 (36, 2), xy of the face outline as a closed polygon that starts at the top
            of the forehead; it may leave the photo.
        score: How sure the detector and the landmark model are that this is a face, the product of
            their scores, 0..1.
    """

    box: NDArray[np.float32]
    landmarks: NDArray[np.float32]
    oval: NDArray[np.float32]
    score: float
