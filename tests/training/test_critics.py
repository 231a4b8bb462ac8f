"""Several age critics that judge results together."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny_gan import tiny_batch

from reage.ages import NUM_GROUPS
from reage.errors import TrainingError
from reage.models.discriminator import build_critic
from reage.models.presets import discriminator_size
from reage.training.config import StageConfig, TrainConfig
from reage.training.generator_terms import TaughtCritic
from reage.training.run import check_generator, start_run, train_critic, train_generator
from reage.training.stage import build_gan


@pytest.fixture(autouse=True)
def float32_policy() -> None:
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)


def taught(size: int) -> TaughtCritic:
    """A critic that is sure of something else than its neighbour."""
    network = build_critic(discriminator_size(size, width=0.1))
    for variable in network.variables:
        variable.assign_add(np.random.default_rng(size).normal(0, 0.2, variable.shape))
    return TaughtCritic(network, np.eye(NUM_GROUPS, dtype=np.float32) * 0.9 + 0.1 / NUM_GROUPS)


def terms(critics: list[TaughtCritic]) -> dict[str, float]:
    keras.utils.set_random_seed(0)
    stage = StageConfig(image_size=64, realism=False)
    config = TrainConfig(width=0.1, precision="float32", stages=(stage,))
    gan = build_gan(config, stage, critics)
    data = {name: keras.ops.convert_to_tensor(value) for name, value in tiny_batch(2).items()}
    data["image"] = keras.ops.image.resize(data["image"], (64, 64))
    first = gan.generator([data["image"], data["target_code"]])
    # What the generator makes at first is its input, of which no critic thinks otherwise.
    seen = keras.ops.flip(data["image"], axis=1)
    emphasis = np.ones(2, np.float32)
    data["self_weight"] = data["is_self"]
    values = gan.generator_terms(gan.generator, data, first, seen, emphasis)
    return {name: float(values[name]) for name in ("critic", "attributes")}


def test_each_critic_has_the_same_say_whatever_its_size() -> None:
    small, large = taught(32), taught(64)
    alone = [terms([small]), terms([large])]
    together = terms([small, large])
    for name, value in together.items():
        assert alone[0][name] != pytest.approx(alone[1][name], rel=0.01)
        assert value == pytest.approx((alone[0][name] + alone[1][name]) / 2, rel=1e-5)


def test_the_critic_of_another_run_takes_part(
    prepared: Path, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    critic = dataclasses.replace(tiny_config.critic, steps=1)
    stages = (dataclasses.replace(tiny_config.stages[0], steps=1),)
    config = dataclasses.replace(tiny_config, critic=critic, stages=stages)
    for name in ("first", "second"):
        seeded = dataclasses.replace(config, seed=len(name))
        start_run(tmp_path / name, seeded, resume=False)
        train_critic(tmp_path / name, prepared, seeded)
    shutil.copytree(tmp_path / "first", tmp_path / "both")
    train_generator(tmp_path / "first", prepared, config)
    joined = dataclasses.replace(config, critics=(str(tmp_path / "second"),))
    train_generator(tmp_path / "both", prepared, joined)
    states = [saved_arrays(tmp_path / name) for name in ("first", "both")]
    assert states[0].keys() == states[1].keys()
    assert any(not np.array_equal(states[0][key], states[1][key]) for key in states[0])


def saved_arrays(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / "generator" / "stage_0_032" / "state.npz") as archive:
        return {key: archive[key] for key in archive.files if key.startswith("generator/")}


def test_a_run_without_a_critic_is_named_before_anything_is_trained(
    prepared: Path, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    config = dataclasses.replace(tiny_config, critics=(str(tmp_path / "absent"),))
    with pytest.raises(TrainingError, match="absent: holds no training run"):
        check_generator(tmp_path, prepared, config)


def test_a_critic_of_another_size_is_named_before_anything_is_trained(
    prepared: Path, tiny_config: TrainConfig, tmp_path: Path
) -> None:
    large = dataclasses.replace(tiny_config.critic, image_size=64, steps=0)
    stages = (dataclasses.replace(tiny_config.stages[0], image_size=64),)
    other = dataclasses.replace(tiny_config, critic=large, stages=stages)
    start_run(tmp_path / "other", other, resume=False)
    train_critic(tmp_path / "other", prepared, other)
    config = dataclasses.replace(tiny_config, critics=(str(tmp_path / "other"),))
    with pytest.raises(TrainingError, match=r"critic of 64 pixels, and stages\.0 images of 32"):
        check_generator(tmp_path, prepared, config)
