"""How faces change their shape with age."""

from __future__ import annotations

import io
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reage.weights import load_weights

SHAPE_FLOWS: Final = "shape_flows.npz"


def mean_shape_flows() -> NDArray[np.float32]:
    """The flows (14, F, F, 2) that make a mean face into one of each age group, in sides.

    Measured by benchmarks/measure_shapes.py.

    Raises:
        WeightsError: If the file is missing from the package or damaged.
    """
    with np.load(io.BytesIO(load_weights(SHAPE_FLOWS)), allow_pickle=False) as archive:
        return np.asarray(archive["flows"], np.float32)
