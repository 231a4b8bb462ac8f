"""Carry a trained network over to a finer one without changing what it computes."""

from __future__ import annotations

from typing import Any

import numpy as np


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
    trained = {variable.path: variable for variable in coarse.variables}
    new = []
    for variable in fine.variables:
        source = trained.get(variable.path)
        if source is not None and source.shape == variable.shape:
            variable.assign(source.numpy() if hasattr(source, "numpy") else np.asarray(source))
        elif "/down_" in f"/{variable.path}" and "_in/" in variable.path:
            variable.assign(np.zeros(variable.shape, np.float32))
        else:
            new.append(variable.path)
    return new
