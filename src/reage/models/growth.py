"""Carry a trained network over to a finer one without changing what it computes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray


def grow(coarse: Any, fine: Any) -> list[str]:
    """Copies the weights of `coarse` into `fine`, a network of the same family at twice the size.

    Layers are matched by path and shape. The layers through which the new, finest level enters the
    trained ones (`down_*_in` of the level below it) are set to zero, so that right after growing
    the fine network equals the coarse one on the halved image (Karras et al. 2018, "Progressive
    Growing of GANs", without the fade). That holds from 64 px on, where levels have no block of
    their own.

    Returns:
        Paths of the variables of `fine` that keep their own initial value.
    """
    return fill(fine, {variable.path: variable.numpy() for variable in coarse.variables})


def fill(network: Any, weights: Mapping[str, NDArray[Any]]) -> list[str]:
    """Sets the variables of a network to `weights`, by path; for the rest see `grow`.

    Returns:
        Paths of the variables that keep their own initial value.
    """
    new = []
    for variable in network.variables:
        source = weights.get(variable.path)
        if source is not None and source.shape == tuple(variable.shape):
            variable.assign(source)
        elif "/down_" in f"/{variable.path}" and "_in/" in variable.path:
            variable.assign(np.zeros(variable.shape, np.float32))
        else:
            new.append(variable.path)
    return new
