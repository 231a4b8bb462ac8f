"""Black-and-white photos stay black and white."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from reage.faces.change import delta_of

# JPEG files that hold grey pictures as colour are off by a level or two.
_MAX_COLOUR: Final = 4 / 127.5
_MOST: Final = 0.9


def are_grey(crops: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which of N crops, float32 (N, S, S, 3) in [-1, 1], show a face without colour, (N,).

    Most of the middle half must be grey: posters put grey people on coloured grounds.
    """
    quarter = crops.shape[1] // 4
    middle = crops[:, quarter : -quarter or None, quarter : -quarter or None]
    colour = np.quantile(np.ptp(middle, axis=-1), _MOST, axis=(1, 2))
    return np.asarray(colour <= _MAX_COLOUR)


def keep_grey(changes: NDArray[np.float32], grey: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Takes the colour out of the changes (N, S, S, 3 or 5) of crops that are grey, (N,)."""
    if not grey.any():
        return changes
    kept = np.array(changes, np.float32)
    deltas = delta_of(kept)
    deltas[grey] = deltas[grey].mean(axis=-1, keepdims=True)
    return kept
