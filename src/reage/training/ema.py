"""Exponential moving average of a network's weights: the average is what ships."""

from __future__ import annotations

from typing import Any

from keras import ops


def update_average(average: Any, network: Any, decay: float, step: Any) -> None:
    """Moves the weights of `average` towards those of `network`, a network of the same build.

    Args:
        average: Receives `decay * average + (1 - decay) * network`.
        network: The network in training.
        decay: Limit of the decay; early on it is `(1 + step) / (10 + step)`, so that the random
            start does not linger.
        step: Number of updates so far, scalar tensor.
    """
    count = ops.cast(step, "float32")
    factor = ops.minimum(decay, (1.0 + count) / (10.0 + count))
    for mean, value in zip(average.variables, network.variables, strict=True):
        mean.assign(value + factor * (mean - value))
