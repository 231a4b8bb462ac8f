"""What the generator learns of the shape of faces, and learns alone."""

from __future__ import annotations

import dataclasses

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import SIZE, WIDTH, tiny_batch, tiny_gan

from reage.ages import NUM_GROUPS, soft_code
from reage.models.generator import FLOW_LIMIT, FLOW_RESOLUTION, build_generator
from reage.models.presets import generator_size
from reage.training.loss_weights import LossWeights
from reage.training.shape import mean_shape_flows


@pytest.fixture(autouse=True)
def float32_policy() -> None:
    keras.config.set_dtype_policy("float32")


def test_mean_shapes_are_those_of_children_and_the_old() -> None:
    flows = mean_shape_flows()
    assert flows.shape == (NUM_GROUPS, FLOW_RESOLUTION, FLOW_RESOLUTION, 2)
    # The same left and right, but for the direction.
    np.testing.assert_allclose(flows, flows[:, :, ::-1] * (-1, 1), atol=1e-4)
    # Small children differ most from the mean face, and nothing moves at the corners.
    length = np.linalg.norm(flows, axis=-1)
    assert length.mean(axis=(1, 2)).argmax() == 0
    assert 0.02 < length.max() < 0.05
    assert length[:, [0, 0, -1, -1], [0, -1, 0, -1]].max() < 0.004
    # A child's nose is shorter: its tip is taken from further down.
    tip = flows[0, 8, 7:9, 1]
    assert (tip > 0.01).all()


def test_the_shape_is_learned_without_a_change_of_the_painting() -> None:
    zero = {field.name: 0.0 for field in dataclasses.fields(LossWeights)}
    gan = tiny_gan(realism=False, weights=LossWeights(**(zero | {"shape": 1.0})))
    batch = {name: tf.constant(value) for name, value in tiny_batch(8).items()}
    inputs = [batch["image"], batch["target_code"]]
    before = {name: np.asarray(value) for name, value in gan.generator(inputs).items()}
    lost = []
    for _ in range(30):
        gan.trackers["g_shape"].reset_state()
        lost.append(float(gan.train_step(batch)["g_shape"]))
    after = gan.generator(inputs)
    for name in ("image", "delta", "code"):
        np.testing.assert_array_equal(after[name], before[name])
    assert lost[-1] < 0.8 * lost[0]


def test_a_flow_is_bounded_whatever_the_picture() -> None:
    generator = build_generator(generator_size(SIZE, width=WIDTH))
    for variable in generator.variables:
        variable.assign(np.random.default_rng(0).normal(0, 3, variable.shape))
    white = np.ones((1, SIZE, SIZE, 3), np.float32)
    flow = np.abs(generator([white, soft_code([2.0])])["flow"])
    assert flow.max() <= FLOW_LIMIT
    assert flow.max() > 0.9 * FLOW_LIMIT
