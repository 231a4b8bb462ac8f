"""The only place that differentiates: gradients of a loss by TensorFlow's tape."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf


def value_and_gradients(loss: Callable[[], tuple[Any, Any]], variables: list[Any]) -> Any:
    """Evaluates `loss() -> (scalar, auxiliary)` and its gradients by `variables`.

    Returns:
        `(scalar, auxiliary, gradients)`, one gradient per variable.
    """
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch([variable.value for variable in variables])
        value, auxiliary = loss()
    return value, auxiliary, tape.gradient(value, [variable.value for variable in variables])


def input_gradient(function: Callable[[Any], Any], inputs: Any) -> Any:
    """Gradient of the sum of `function(inputs)` by its inputs; differentiable itself."""
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        total = tf.reduce_sum(function(inputs))
    return tape.gradient(total, inputs)


def when(condition: Any, value: Callable[[], Any]) -> Any:
    """`value()`, a float32 scalar, where the scalar `condition` holds, else zero."""
    return tf.cond(condition, value, lambda: tf.zeros((), tf.float32))
