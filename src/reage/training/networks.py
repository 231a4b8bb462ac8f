"""The networks of a run, of the architecture and width that its configuration names."""

from __future__ import annotations

import difflib
from typing import Any, Final

from reage.errors import ConfigError
from reage.models.discriminator import build_critic, build_discriminator
from reage.models.generator import build_generator
from reage.models.presets import discriminator_size, generator_size
from reage.models.published import IMAGE_SIZE, build_published_critic, build_published_generator
from reage.training.config import StageConfig, TrainConfig

PUBLISHED: Final = "published"
ARCHITECTURES: Final = ("reage", PUBLISHED)


def make_critic(config: TrainConfig) -> Any:
    """The age critic of a run; see `build_critic`.

    Raises:
        ConfigError: If there is no such architecture, or not of this image size.
    """
    if _is_published(config, config.critic.image_size):
        return build_published_critic(config.width)
    return build_critic(discriminator_size(config.critic.image_size, width=config.width))


def make_generator(config: TrainConfig, image_size: int) -> Any:
    """The generator of a run at `image_size` pixels; see `build_generator`.

    Raises:
        ConfigError: As `make_critic`.
    """
    if _is_published(config, image_size):
        return build_published_generator(config.width)
    return build_generator(generator_size(image_size, width=config.width))


def make_discriminator(config: TrainConfig, stage: StageConfig, critic: Any) -> Any:
    """The discriminator of a stage: a new one, or `critic` where the architecture has no other.

    Raises:
        ConfigError: As `make_critic`, or if the stage wants a discriminator where there is none.
    """
    if _is_published(config, stage.image_size):
        if stage.realism:
            raise ConfigError(
                "realism", "is nothing that the published architecture judges", "set it to false"
            )
        return critic
    return build_discriminator(discriminator_size(stage.image_size, width=config.width))


def _is_published(config: TrainConfig, image_size: int) -> bool:
    name = config.architecture
    if name not in ARCHITECTURES:
        close = difflib.get_close_matches(name, ARCHITECTURES, n=1)
        remedy = f"the nearest is {close[0]}" if close else f"choose {' or '.join(ARCHITECTURES)}"
        raise ConfigError(f"architecture = {name}", "is unknown", remedy)
    if name == PUBLISHED and image_size != IMAGE_SIZE:
        raise ConfigError(
            f"image_size = {image_size}",
            "is no size of the published architecture",
            f"set it to {IMAGE_SIZE}",
        )
    return name == PUBLISHED
