"""Half the size of an ONNX file: weights stored as float16, computed with as float32."""

from __future__ import annotations

from typing import Any

import numpy as np

# Small layers sit at the inputs and outputs, where rounding shows most and saves least.
_SMALLEST = 30_000


def store_half(model: Any) -> None:
    """Replaces large float32 initializers by float16 ones and a cast; changes `model` in place.

    The runtime folds the casts when it loads the file, so that speed and memory stay the same and
    the only difference is the rounding of the weights, at most one part in 2048.

    Args:
        model: An `onnx.ModelProto`.
    """
    import onnx

    casts = []
    for tensor in model.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype != np.float32 or values.size < _SMALLEST:
            continue
        name = tensor.name
        stored = f"{name}__half"
        tensor.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), stored))
        casts.append(onnx.helper.make_node("Cast", [stored], [name], to=onnx.TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
