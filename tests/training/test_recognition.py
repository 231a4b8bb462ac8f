from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_file import strided, write_graph

from reage.ages import NUM_GROUPS, soft_code
from reage.errors import ConfigError
from reage.models.discriminator import build_critic
from reage.models.presets import discriminator_size
from reage.training.config import StageConfig, TrainConfig
from reage.training.generator_terms import TaughtCritic
from reage.training.loss_weights import LossWeights
from reage.training.recognition import FaceRecogniser, cosine_distance
from reage.training.stage import build_gan, check_stages

RNG = np.random.default_rng(0)
WEIGHTS = {
    "kernel": RNG.normal(0, 0.02, (1, 1, 3, 2)).astype(np.float32),
    "pads": np.array([[0, 0], [1, 1], [0, 0], [0, 0]], np.int32),
    "spread": RNG.normal(0, 0.5, (1, 1, 2, 1)).astype(np.float32),
    "zero": np.float32(0.0),
    "shape": np.array([-1, 58 * 56 * 2], np.int32),
    "dense": RNG.normal(0, 0.01, (58 * 56 * 2, 5)).astype(np.float32),
}


def nodes() -> list[dict[str, Any]]:
    """A network of most kinds of operation, its nodes out of order."""
    return [
        {"name": "out", "op": "MatMul", "input": ["flat", "dense"]},
        {"name": "flat", "op": "Reshape", "input": ["relu", "shape"]},
        {"name": "relu", "op": "Maximum", "input": ["each", "zero"]},
        {
            "name": "each",
            "op": "DepthwiseConv2dNative",
            "input": ["pad", "spread"],
            "attr": strided(1),
        },
        {"name": "pad", "op": "Pad", "input": ["conv", "pads"]},
        {"name": "conv", "op": "Conv2D", "input": ["x:0", "kernel"], "attr": strided(2)},
        {"name": "x", "op": "Placeholder"},
    ]


def write(folder: Path) -> Path:
    return write_graph(folder, nodes(), WEIGHTS)


def test_a_graph_is_computed_as_numpy_does(tmp_path: Path) -> None:
    # One colour all over: framing then changes nothing but the range.
    levels = np.array([[0.5, -0.25, 1.0], [-1.0, 0.0, 0.25]], np.float32)
    images = np.broadcast_to(levels[:, None, None], (2, 128, 128, 3)).copy()
    found = np.asarray(FaceRecogniser(write(tmp_path))(images))
    mixed = 127.5 * (levels + 1) @ WEIGHTS["kernel"][0, 0]
    plane = np.broadcast_to(mixed[:, None, None], (2, 56, 56, 2))
    padded = np.pad(plane, WEIGHTS["pads"]) * WEIGHTS["spread"][0, 0, :, 0]
    expected = np.maximum(padded, 0).reshape(2, -1) @ WEIGHTS["dense"]
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_cosine_distance() -> None:
    a = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]], np.float32)
    b = np.array([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], np.float32)
    np.testing.assert_allclose(cosine_distance(a, b), [0.0, 1.0, 2.0], atol=1e-6)


def test_what_is_no_recogniser_is_named(tmp_path: Path) -> None:
    (tmp_path / "photo.json").write_text("{}")
    for path in (tmp_path / "absent.json", tmp_path / "photo.json"):
        with pytest.raises(ConfigError, match=f"{path.name}: is no TensorFlow.js graph model"):
            FaceRecogniser(path)


def test_a_run_asks_for_it_before_it_trains(tmp_path: Path) -> None:
    config = TrainConfig(recogniser=str(tmp_path / "absent.json"))
    with pytest.raises(ConfigError, match=r"absent\.json: is no TensorFlow\.js graph model"):
        check_stages(config)


def test_the_margin_of_a_stage_reaches_the_loss(tmp_path: Path) -> None:
    stage = StageConfig(
        image_size=32, realism=False, recognition_margin=0.25, weights=LossWeights(recognition=1.0)
    )
    config = TrainConfig(
        width=0.1, precision="float32", recogniser=str(write(tmp_path)), stages=(stage,)
    )
    critic = build_critic(discriminator_size(32, width=0.1))
    gan = build_gan(config, stage, [TaughtCritic(critic, np.eye(NUM_GROUPS, dtype=np.float32))])
    images = np.zeros((2, 32, 32, 3), np.float32)
    aged = images + 0.5
    # A cosine distance of 0.4 between source and result, for both faces.
    generator_terms = dataclasses.replace(
        gan.generator_terms,
        shape_flows=None,
        recogniser=lambda x: np.float32([[0.6, 0.8] if x is aged else [1.0, 0.0]] * 2),
    )
    batch = {
        "image": images,
        "source_code": soft_code([18.0, 18.0]),
        "target_code": soft_code([28.0, 78.0]),
        "is_self": np.zeros(2, np.float32),
        "self_weight": np.zeros(2, np.float32),
    }
    code = gan.generator([images, batch["target_code"]])["code"]
    first = {"image": aged, "delta": aged, "code": code}
    terms = generator_terms(gan.generator, batch, first, aged, np.ones(2, np.float32))
    # 10 years may cost 0.25, 60 years (to the centre of 71-80: 57.5) 0.25 * 57.5 / 30.
    excess = np.maximum(0.4 - np.array([0.25, 0.25 * 57.5 / 30]), 0.0)
    assert float(terms["recognition"]) == pytest.approx(excess.mean(), abs=1e-5)
