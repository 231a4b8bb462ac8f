from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_file import fused, write_graph

from reage.errors import ConfigError
from reage.training.graph_model import GraphModel

RNG = np.random.default_rng(0)
# Halves of small whole numbers: exact in half precision.
WEIGHTS = {
    "kernel": RNG.integers(-4, 5, (1, 1, 3, 2)).astype(np.float32) / 2,
    "bias": np.array([0.5, -3.0], np.float32),
    "each": RNG.integers(-4, 5, (1, 1, 2, 1)).astype(np.float32) / 2,
    "each_bias": np.array([1.0, 0.0], np.float32),
    "axes": np.array([1, 2], np.int32),
}
NODES: list[dict[str, Any]] = [
    {"name": "x", "op": "Placeholder"},
    {
        "name": "mixed",
        "op": "_FusedConv2D",
        "input": ["x", "kernel", "bias"],
        "attr": fused(1, "BiasAdd", "Relu"),
    },
    {
        "name": "spread",
        "op": "FusedDepthwiseConv2dNative",
        "input": ["mixed", "each", "each_bias"],
        "attr": fused(1, "BiasAdd"),
    },
    {"name": "bound", "op": "Relu6", "input": ["spread"]},
    {
        "name": "pooled",
        "op": "Mean",
        "input": ["bound", "axes"],
        "attr": {"keep_dims": {"b": True}},
    },
    {"name": "gated", "op": "Mul", "input": ["bound", "pooled"]},
    {"name": "odd", "op": "TopKV2", "input": ["gated"]},
]
IMAGES = RNG.integers(-4, 5, (2, 4, 4, 3)).astype(np.float32)


@pytest.mark.parametrize("half", [False, True])
def test_the_chosen_tensors_are_what_numpy_computes(tmp_path: Path, half: bool) -> None:
    path = write_graph(tmp_path, NODES, WEIGHTS, half=half)
    spread, gated = GraphModel(path, outputs=("spread", "gated"), remedy="")(IMAGES)
    mixed = np.maximum(IMAGES @ WEIGHTS["kernel"][0, 0] + WEIGHTS["bias"], 0)
    expected = mixed * WEIGHTS["each"][0, 0, :, 0] + WEIGHTS["each_bias"]
    np.testing.assert_allclose(spread, expected, atol=1e-5)
    bound = np.clip(expected, 0, 6)
    np.testing.assert_allclose(gated, bound * bound.mean((1, 2), keepdims=True), rtol=1e-5)


def test_only_what_the_outputs_need_must_be_known(tmp_path: Path) -> None:
    path = write_graph(tmp_path, NODES, WEIGHTS)
    with pytest.raises(ConfigError, match=r"net\.json: holds the unknown operation TopKV2; try it"):
        GraphModel(path, remedy="try it")
    with pytest.raises(ConfigError, match=r"net\.json: has no tensor absent"):
        GraphModel(path, outputs=("mixed", "absent"), remedy="try it")
