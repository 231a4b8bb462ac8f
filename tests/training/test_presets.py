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


def test_epochs_leave_alone_what_is_not_to_be_trained() -> None:
    longer = with_epochs(load_config(preset_path("fine-tune")), 2, 1000)
    assert longer.critic.steps == 0
    assert [stage.steps for stage in longer.stages] == [125]


def rates(stage: StageConfig) -> tuple[float, float, float]:
    return (
        stage.generator_learning_rate,
        stage.discriminator_learning_rate,
        stage.projected_learning_rate,
    )


def test_a_learning_rate_scales_all_rates_of_all_stages() -> None:
    first = StageConfig(
        generator_learning_rate=1e-4, discriminator_learning_rate=3e-4, projected_learning_rate=5e-4
    )
    second = StageConfig(
        generator_learning_rate=2.5e-5,
        discriminator_learning_rate=7.5e-5,
        projected_learning_rate=1.25e-4,
    )
    config = with_learning_rate(TrainConfig(stages=(first, second)), 2e-3)
    assert config.critic.learning_rate == 2e-3
    assert config.stages[0].generator_learning_rate == 2e-3
    assert rates(config.stages[0]) == pytest.approx((2e-3, 6e-3, 1e-2))
    assert rates(config.stages[1]) == pytest.approx((5e-4, 1.5e-3, 2.5e-3))


def test_the_first_rate_of_a_preset_changes_nothing_but_the_critics() -> None:
    config = load_config(preset_path("cpu-128-identity"))
    assert rates(config.stages[0]) == (2e-4, 4e-4, 1e-3)
    paced = with_learning_rate(config, 2e-4)
    assert paced.critic.learning_rate == 2e-4
    for before, after in zip(config.stages, paced.stages, strict=True):
        assert rates(after) == pytest.approx(rates(before), rel=1e-12)


@pytest.mark.parametrize("rate", [0.0, -1e-3, float("nan"), float("inf")])
def test_what_is_no_learning_rate(rate: float) -> None:
    with pytest.raises(ConfigError, match=r"--learning-rate: critic\.learning_rate = .* above 0"):
        with_learning_rate(TrainConfig(), rate)
