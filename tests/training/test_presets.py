"""Presets, and the options that change a configuration as a whole."""

from __future__ import annotations

import pytest

from reage.errors import ConfigError
from reage.training.config import (
    CriticConfig,
    StageConfig,
    TrainConfig,
    load_config,
    preset_names,
    preset_path,
    with_epochs,
    with_learning_rate,
)


def test_the_presets() -> None:
    assert {
        "cpu-128",
        "cpu-128-identity",
        "fine-tune",
        "fine-tune-identity",
        "gpu-256",
        "published",
        "tiny",
    } == set(preset_names())
    for name in preset_names():
        config = load_config(preset_path(name))
        assert config != TrainConfig(), name
        assert config.architecture == ("published" if name == "published" else "reage")
    assert load_config(preset_path("gpu-256")).stages[-1].image_size == 256


def test_an_unknown_preset() -> None:
    with pytest.raises(ConfigError, match="--preset cpu128: is unknown; the nearest is cpu-128"):
        preset_path("cpu128")
    with pytest.raises(ConfigError, match="there are cpu-128, "):
        preset_path("../presets/..")


def test_epochs_become_steps_of_each_batch_size() -> None:
    config = TrainConfig(
        critic=CriticConfig(batch_size=32),
        stages=(StageConfig(batch_size=16), StageConfig(batch_size=100)),
    )
    longer = with_epochs(config, 3, 1000)
    assert longer.critic.steps == 94  # 3 * 1000 / 32 = 93.75.
    assert [stage.steps for stage in longer.stages] == [188, 30]


def test_a_learning_rate_for_all_keeps_the_discriminators_ratio() -> None:
    stage = StageConfig(generator_learning_rate=1e-4, discriminator_learning_rate=3e-4)
    config = with_learning_rate(TrainConfig(stages=(stage,)), 2e-3)
    assert config.critic.learning_rate == 2e-3
    assert config.stages[0].generator_learning_rate == 2e-3
    assert config.stages[0].discriminator_learning_rate == pytest.approx(6e-3)
