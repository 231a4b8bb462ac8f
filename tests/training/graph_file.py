"""Writes TensorFlow.js graph models as small as a test needs."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write_graph(
    folder: Path, nodes: list[dict[str, Any]], weights: Mapping[str, Any], *, half: bool = False
) -> Path:
    """Writes `net.json` and `net.bin`; `half` stores float weights in half the bytes."""
    arrays = {name: np.asarray(value) for name, value in weights.items()}
    entries, chunks = [], []
    for name, value in arrays.items():
        entry = {"name": name, "shape": list(value.shape), "dtype": value.dtype.name}
        if half and value.dtype == np.float32:
            entry["quantization"] = {"dtype": "float16", "original_dtype": "float32"}
            value = value.astype(np.float16)
        entries.append(entry)
        chunks.append(value.tobytes())
    constants = [{"name": name, "op": "Const"} for name in arrays]
    topology = {"modelTopology": {"node": nodes + constants}}
    manifest = {"weightsManifest": [{"paths": ["net.bin"], "weights": entries}]}
    (folder / "net.bin").write_bytes(b"".join(chunks))
    path = folder / "net.json"
    path.write_text(json.dumps(topology | manifest))
    return path


def text(value: str) -> dict[str, str]:
    """A string attribute."""
    return {"s": base64.b64encode(value.encode()).decode()}


def strided(step: int) -> dict[str, Any]:
    """The attributes of a convolution with padding at its borders."""
    return {"padding": text("SAME"), "strides": {"list": {"i": ["1", str(step), str(step), "1"]}}}


def fused(step: int, *names: str) -> dict[str, Any]:
    """The attributes of a convolution with something after it."""
    return strided(step) | {"fused_ops": {"list": {"s": [text(name)["s"] for name in names]}}}
