"""A stage that imitates the network it began with, and takes it further."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
from tiny_gan import tiny_batch

from reage.ages import NUM_GROUPS, soft_code
from reage.models.discriminator import build_critic
from reage.models.presets import discriminator_size
from reage.training.config import StageConfig, TrainConfig
from reage.training.gan import FaceAgingGAN
from reage.training.generator_terms import TaughtCritic
from reage.training.loss_weights import LossWeights
from reage.training.stage import build_gan, initialise

ONLY_TEACHER = LossWeights(teacher=1.0, critic=0.0, attributes=0.0)


@pytest.fixture(autouse=True)
def float32_policy() -> None:
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)


def started(weights: LossWeights, gain: float = 1.0) -> FaceAgingGAN:
    """A stage after one that had learned something."""
    stage = StageConfig(image_size=32, realism=False, teacher_gain=gain, weights=weights)
    config = TrainConfig(width=0.1, precision="float32", stages=(stage,))
    critic = build_critic(discriminator_size(32, width=0.1))
    previous, gan = (
        build_gan(config, stage, [TaughtCritic(critic, np.eye(NUM_GROUPS, dtype=np.float32))])
        for _ in range(2)
    )
    for variable in previous.generator.variables:
        variable.assign_add(np.random.default_rng(1).normal(0, 0.05, variable.shape))
    initialise(gan, previous, critic, "")
    return gan


def batch() -> dict[str, Any]:
    codes = {"source_code": soft_code([50.0, 20.0]), "target_code": soft_code([2.5, 80.0])}
    data = tensors(tiny_batch(2) | codes)
    return data | {"self_weight": data["is_self"]}


def tensors(data: dict[str, Any]) -> dict[str, Any]:
    return {name: keras.ops.convert_to_tensor(value) for name, value in data.items()}


def terms(gan: FaceAgingGAN, data: dict[str, Any]) -> dict[str, Any]:
    first = gan.generator([data["image"], data["target_code"]])
    emphasis = np.ones(2, np.float32)
    return gan.generator_terms(gan.generator, data, first, first["image"], emphasis)


def test_a_gain_asks_for_more_of_a_far_change_of_a_child_alone() -> None:
    data = batch()
    gan = started(ONLY_TEACHER, gain=1.5)
    delta = gan.generator([data["image"], data["target_code"]])["delta"].numpy()
    # The second face is no child at either age.
    expected = 0.5 * np.abs(delta[0]).mean() / 2
    assert expected > 0
    assert float(terms(gan, data)["teacher"]) == pytest.approx(expected, rel=1e-4)
    assert float(terms(started(ONLY_TEACHER), data)["teacher"]) == pytest.approx(0.0, abs=1e-7)


def test_the_teacher_stays_as_it_is() -> None:
    gan = started(ONLY_TEACHER, gain=1.5)
    teacher = gan.generator_terms.teacher
    before = [variable.numpy().copy() for variable in teacher.variables]
    learned = [variable.numpy().copy() for variable in gan.generator.variables]
    gan.train_step(tensors(tiny_batch(2)))
    assert all(np.array_equal(a, b) for a, b in zip(before, teacher.variables, strict=True))
    assert any(
        not np.array_equal(a, b) for a, b in zip(learned, gan.generator.variables, strict=True)
    )


def test_terms_that_have_no_weight_need_no_network() -> None:
    names = started(ONLY_TEACHER).generator_terms.names
    assert "teacher" in names
    assert not {"critic", "attributes", "recognition"} & set(names)
    assert {"critic", "attributes"} <= set(started(LossWeights()).generator_terms.names)
    assert "teacher" not in started(LossWeights()).generator_terms.names
