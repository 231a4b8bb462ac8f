"""A published network as a frozen function that gradients pass through.

The format is TensorFlow.js's graph model: a JSON file of operations and a file of weights, no code.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from reage.errors import ConfigError


class GraphModel:
    """Computes chosen tensors of a TensorFlow.js graph model.

    Args:
        path: Its JSON file, with the file of its weights beside it.
        outputs: Names of the nodes to return; of none, the one on which no other depends.
        remedy: What to do if the file is not what was expected, for the error message.

    Raises:
        ConfigError: If it cannot be read, lacks an output, or holds an operation that is not known.
    """

    def __init__(self, path: Path, *, outputs: Sequence[str] = (), remedy: str) -> None:
        nodes, weights = _read(path, remedy)
        self._outputs = tuple(outputs) or (_last(nodes),)
        absent = sorted(set(self._outputs) - nodes.keys())
        if absent:
            raise ConfigError(path, f"has no tensor {absent[0]}", remedy)
        self._nodes = _sorted(nodes, self._outputs)
        unknown = {node["op"] for node in self._nodes} - _OPERATIONS.keys() - _INPUTS
        if unknown:
            raise ConfigError(path, f"holds the unknown operation {min(unknown)}", remedy)
        used = {node["name"] for node in self._nodes if node["op"] == "Const"}
        self._constants = {
            name: value if value.dtype.kind == "i" else ops.convert_to_tensor(value)
            for name, value in weights.items()
            if name in used
        }

    def __call__(self, pixels: Any) -> list[Any]:
        """The outputs for `pixels` (N, H, W, 3), in the range that the network was trained on."""
        values: dict[str, Any] = dict(self._constants)
        for node in self._nodes:
            if node["op"] == "Placeholder":
                values[node["name"]] = pixels
            elif node["op"] != "Const":
                inputs = [values[source] for source in _sources(node)]
                values[node["name"]] = _OPERATIONS[node["op"]](node, *inputs)
        return [values[name] for name in self._outputs]


def _read(path: Path, remedy: str) -> tuple[dict[str, dict[str, Any]], dict[str, NDArray[Any]]]:
    """The nodes of a graph model by name, and its weights."""
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
        nodes = {node["name"]: node for node in model["modelTopology"]["node"]}
        (manifest,) = model["weightsManifest"]
        data = b"".join((path.parent / name).read_bytes() for name in manifest["paths"])
        return nodes, _unpack(data, manifest["weights"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(path, "is no TensorFlow.js graph model", remedy) from error


def _unpack(data: bytes, entries: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    weights, offset = {}, 0
    for entry in entries:
        stored = np.dtype(entry.get("quantization", entry)["dtype"])
        count = int(np.prod(entry["shape"]))
        values = np.frombuffer(data, stored, count, offset)
        weights[entry["name"]] = values.reshape(entry["shape"]).astype(entry["dtype"])
        offset += values.nbytes
    return weights


def _sources(node: dict[str, Any]) -> list[str]:
    return [name.split(":")[0] for name in node.get("input", ())]


def _last(nodes: dict[str, dict[str, Any]]) -> str:
    used = {source for node in nodes.values() for source in _sources(node)}
    return max(nodes.keys() - used)


def _sorted(nodes: dict[str, dict[str, Any]], outputs: Sequence[str]) -> list[dict[str, Any]]:
    """What the outputs need, each node after its inputs."""
    done: dict[str, dict[str, Any]] = {}

    def visit(name: str) -> None:
        for source in _sources(nodes[name]):
            if source not in done:
                visit(source)
        done[name] = nodes[name]

    for name in outputs:
        visit(name)
    return list(done.values())


def _strides(node: dict[str, Any]) -> tuple[int, int]:
    _, down, across, _ = (int(value) for value in node["attr"]["strides"]["list"]["i"])
    return down, across


def _padding(node: dict[str, Any]) -> str:
    return base64.b64decode(node["attr"]["padding"]["s"]).decode().lower()


def _mean(node: dict[str, Any], a: Any, axes: NDArray[Any]) -> Any:
    return ops.mean(a, axis=axes.tolist(), keepdims=node["attr"]["keep_dims"]["b"])


def _conv(node: dict[str, Any], a: Any, kernel: Any) -> Any:
    return ops.conv(a, kernel, strides=_strides(node), padding=_padding(node))


def _depthwise_conv(node: dict[str, Any], a: Any, kernel: Any) -> Any:
    return ops.depthwise_conv(a, kernel, strides=_strides(node), padding=_padding(node))


def _fused(operation: Callable[..., Any]) -> Callable[..., Any]:
    """The operation, then a bias, then what else the node names: at most a ReLU."""

    def run(node: dict[str, Any], a: Any, kernel: Any, bias: Any) -> Any:
        names = [base64.b64decode(name) for name in node["attr"]["fused_ops"]["list"]["s"]]
        value = operation(node, a, kernel) + bias
        return ops.relu(value) if b"Relu" in names else value

    return run


_INPUTS = {"Const", "Placeholder"}
_OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": lambda _, a, b: a + b,
    "AddV2": lambda _, a, b: a + b,
    "Sub": lambda _, a, b: a - b,
    "Mul": lambda _, a, b: a * b,
    "Maximum": lambda _, a, b: ops.maximum(a, b),
    "Minimum": lambda _, a, b: ops.minimum(a, b),
    "Relu6": lambda _, a: ops.relu6(a),
    "Mean": _mean,
    "MatMul": lambda _, a, b: ops.matmul(a, b),
    "Pad": lambda _, a, pads: ops.pad(a, pads.tolist()),
    "Reshape": lambda _, a, shape: ops.reshape(a, shape.tolist()),
    "Conv2D": _conv,
    "DepthwiseConv2dNative": _depthwise_conv,
    "_FusedConv2D": _fused(_conv),
    "FusedDepthwiseConv2dNative": _fused(_depthwise_conv),
}
