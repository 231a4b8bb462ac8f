"""The published architecture in the same trainer, as its preset configures it."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from keras import ops

from reage.ages import NUM_GROUPS
from reage.models.published import IMAGE_SIZE
from reage.training import initial
from reage.training.config import TrainConfig, load_config, preset_path
from reage.training.generator_terms import TaughtCritic
from reage.training.limits import IMAGE_SIZES, PUBLISHED
from reage.training.networks import make_critic, make_generator
from reage.training.stage import build_gan, initialise


def batch() -> dict[str, Any]:
    codes = np.eye(NUM_GROUPS, dtype=np.float32)
    arrays = {
        "image": np.random.default_rng(0).uniform(-1, 1, (2, 200, 200, 3)).astype(np.float32),
        "source_group": np.array([3, 9]),
        "source_code": codes[[3, 9]],
        "target_code": codes[[11, 2]],
        "wrong_code": codes[[6, 6]],
        "is_self": np.zeros(2, np.float32),
    }
    return {name: ops.convert_to_tensor(value) for name, value in arrays.items()}


def test_one_step_trains_the_generator_and_leaves_the_classifier() -> None:
    config = load_config(preset_path("published"), ("width=0.02",))
    (stage,) = config.stages
    critic = make_critic(config)
    gan = build_gan(config, stage, [TaughtCritic(critic, np.eye(NUM_GROUPS, dtype=np.float32))])
    assert gan.discriminator is critic
    before = [variable.numpy().copy() for variable in (*critic.variables, *gan.generator.variables)]
    logs = gan.train_step(batch())
    after = [variable.numpy() for variable in (*critic.variables, *gan.generator.variables)]
    same = [np.array_equal(a, b) for a, b in zip(before, after, strict=True)]
    count = len(critic.variables)
    assert all(same[:count])
    assert not all(same[count:])
    assert all(np.isfinite(float(value)) for value in logs.values())
    assert not any(name.startswith("d_") for name in logs)


def test_its_size_is_the_one_that_a_configuration_may_have() -> None:
    assert IMAGE_SIZES[PUBLISHED] == (IMAGE_SIZE,)


def test_other_architectures_take_other_sizes() -> None:
    generator = make_generator(TrainConfig(width=0.1), 32)
    assert generator.input_shape[0][1:] == (32, 32, 3)


def test_initial_weights_do_not_replace_the_classifier_that_teaches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = load_config(preset_path("published"), ("width=0.02",))
    critic = make_critic(config)
    targets = np.eye(NUM_GROUPS, dtype=np.float32)
    gan = build_gan(config, config.stages[0], [TaughtCritic(critic, targets)])
    other = {v.path: np.zeros(v.shape, np.float32) for v in critic.variables}
    monkeypatch.setattr(initial, "read_initial", lambda _: {"discriminator": other})
    before = [variable.numpy().copy() for variable in critic.variables]
    initialise(gan, None, critic, "another run")
    assert all(np.array_equal(a, b) for a, b in zip(before, critic.variables, strict=True))
