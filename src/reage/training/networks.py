"""The networks of a run, of the architecture and width that its configuration names."""

from __future__ import annotations

from typing import Any

from reage.models.discriminator import build_critic, build_discriminator
from reage.models.generator import build_generator
from reage.models.presets import discriminator_size, generator_size
from reage.models.published import build_published_critic, build_published_generator
from reage.training.config import StageConfig, TrainConfig
from reage.training.limits import PUBLISHED


def make_critic(config: TrainConfig) -> Any:
    """The age critic of a run; see `build_critic`."""
    if config.architecture == PUBLISHED:
        return build_published_critic(config.width)
    return build_critic(discriminator_size(config.critic.image_size, width=config.width))


def make_generator(config: TrainConfig, image_size: int) -> Any:
    """The generator of a run at `image_size` pixels; see `build_generator`."""
    if config.architecture == PUBLISHED:
        return build_published_generator(config.width)
    return build_generator(generator_size(image_size, width=config.width))


def make_discriminator(config: TrainConfig, stage: StageConfig, critic: Any) -> Any:
    """The discriminator of a stage: a new one, or `critic` where the architecture has no other."""
    if config.architecture == PUBLISHED:
        return critic
    return build_discriminator(discriminator_size(stage.image_size, width=config.width))
