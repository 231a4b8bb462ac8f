"""The only place that differentiates: by TensorFlow's tape, or by PyTorch's autograd.

The functions of this file mean the same on both of Keras's backends; the rest is `keras.ops`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops, tree

from reage.training.distribution import replica_count


def value_and_gradients(loss: Callable[[], tuple[Any, Any]], variables: list[Any]) -> Any:
    """Evaluates `loss() -> (scalar, auxiliary)` and its gradients by `variables`.

    Returns:
        `(scalar, auxiliary, gradients)`, one gradient per variable; none of them can be
        differentiated further. The gradients are divided by the number of replicas, because
        optimizers add them up over the replicas.
    """
    value, auxiliary, gradients, _ = value_and_all_gradients(lambda _: loss(), variables, [])
    return value, auxiliary, gradients


def value_and_all_gradients(
    loss: Callable[[list[Any]], tuple[Any, Any]], variables: list[Any], inputs: list[Any]
) -> Any:
    """As `value_and_gradients`, of `loss(inputs)`, and its gradients by the tensors `inputs` too.

    Returns:
        `(scalar, auxiliary, gradients, input_gradients)`. Those by the inputs are not divided: no
        optimizer gets them.
    """
    weights = [variable.value for variable in variables]
    if _on_torch():
        import torch

        inputs = [x.detach().requires_grad_() for x in inputs]
        value, auxiliary = loss(inputs)
        gradients = list(torch.autograd.grad(value, [*weights, *inputs]))
    else:
        import tensorflow as tf

        inputs = [tf.stop_gradient(x) for x in inputs]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch([*weights, *inputs])
            value, auxiliary = loss(inputs)
        gradients = tape.gradient(value, [*weights, *inputs])
    value, auxiliary = tree.map_structure(ops.stop_gradient, (value, auxiliary))
    by_weights, by_inputs = gradients[: len(weights)], gradients[len(weights) :]
    count = replica_count()
    if count > 1:
        by_weights = [gradient / count for gradient in by_weights]
    return value, auxiliary, by_weights, by_inputs


def input_gradient(function: Callable[[Any], Any], inputs: Any) -> Any:
    """Gradient of the sum of `function(inputs)` by `inputs`; differentiable itself.

    Args:
        function: Maps `inputs` to a tensor.
        inputs: A tensor or a list of tensors; the gradient has the same structure.
    """
    if _on_torch():
        import torch

        inputs = tree.map_structure(lambda x: x.detach().requires_grad_(), inputs)
        total = ops.sum(function(inputs))
        gradients = torch.autograd.grad(total, tree.flatten(inputs), create_graph=True)
        return tree.pack_sequence_as(inputs, gradients)
    import tensorflow as tf

    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(inputs)
        total = ops.sum(function(inputs))
    return tape.gradient(total, inputs)


def apply_gradients(optimizer: Any, gradients: list[Any], variables: list[Any]) -> None:
    """Takes one step of `optimizer`."""
    if _on_torch():
        import torch

        # Keras's optimizers write into the weights in place, which autograd must not record.
        with torch.no_grad():
            optimizer.apply(gradients, variables)
    else:
        optimizer.apply(gradients, variables)


def when(condition: Any, value: Callable[[], Any]) -> Any:
    """`value()`, a float32 scalar, where the scalar `condition` holds, else zero."""
    return ops.cond(condition, value, lambda: ops.zeros((), "float32"))


def mean_over_micro_batches(
    function: Callable[[Any], Any], batch: dict[str, Any], count: int, zeros: Any
) -> Any:
    """Mean of what `function` returns for each of `count` equal parts of a batch, one by one.

    Memory is that of one part: a part waits for the one before. Part `i` takes the rows `i`,
    `i + count`, ..., so that the first rows of all parts together are the first rows of the batch.

    Args:
        function: Maps a part of the batch to float32 tensors in a nested structure.
        batch: Tensors of the same first dimension, a multiple of `count`.
        count: Number of parts.
        zeros: Zeros of the structure and the shapes that `function` returns.
    """
    if count == 1:
        return function(batch)

    def add(index: Any, total: Any) -> Any:
        part = {name: _rows(value, index, count) for name, value in batch.items()}
        return tree.map_structure(lambda x, y: x + y, total, function(part))

    if _on_torch():
        total = zeros
        for index in range(count):
            total = add(index, total)
    else:
        import tensorflow as tf

        _, total = tf.while_loop(
            lambda index, _: index < count,
            lambda index, total: (index + 1, add(index, total)),
            (0, zeros),
            parallel_iterations=1,
        )
    return tree.map_structure(lambda x: x / count, total)


def _rows(value: Any, index: Any, count: int) -> Any:
    """The rows `index`, `index + count`, ... of a tensor."""
    apart = ops.reshape(value, (value.shape[0] // count, count, *value.shape[1:]))
    return ops.take(apart, index, axis=1)


def _on_torch() -> bool:
    return bool(keras.backend.backend() == "torch")
