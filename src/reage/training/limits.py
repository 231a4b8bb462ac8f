"""What each setting may be: beyond it, training would fail late or teach nonsense in silence."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from reage.ages import NUM_GROUPS
from reage.errors import ConfigError
from reage.training.loss_weights import LossWeights

if TYPE_CHECKING:
    from reage.training.config import StageConfig, TrainConfig

PUBLISHED: Final = "published"
IMAGE_SIZES: Final = {"reage": (32, 64, 128, 256), PUBLISHED: (200,)}
"""Sides of the images, pixels, that the networks of each architecture can be built for."""


@dataclass(frozen=True)
class Limit:
    """A condition on one value, and its name in "it must be ..."."""

    fits: Callable[[Any], bool]
    wanted: str


def _from_to(least: float, most: float) -> Limit:
    return Limit(lambda value: least <= value <= most, f"from {least} to {most}")


def _one_of(*names: str) -> Limit:
    return Limit(lambda value: value in names, _choice(names))


def _choice(values: tuple[object, ...]) -> str:
    *others, last = map(str, values)
    return f"{', '.join(others)} or {last}" if others else last


# Comparisons with nan are false, so that none of these lets it through.
_COUNT: Final = Limit(lambda value: value >= 1, "at least 1")
_LENGTH: Final = Limit(lambda value: value >= 0, "at least 0")
_AMOUNT: Final = Limit(lambda value: 0 <= value < math.inf, "a finite number of at least 0")
_POSITIVE: Final = Limit(lambda value: 0 < value < math.inf, "a finite number above 0")
_SHARE: Final = _from_to(0, 1)
_SOME: Final = Limit(lambda value: 0 < value <= 1, "above 0 and at most 1")

LIMITS: Final = {
    "seed": _from_to(0, 2**32 - 1),
    "architecture": _one_of(*IMAGE_SIZES),
    "width": _POSITIVE,
    "precision": _one_of("mixed_bfloat16", "float32"),
    "distribution": _one_of("none", "mirrored", "multi-worker"),
    "log_every": _COUNT,
    "patience": _LENGTH,
    "sample_every": _COUNT,
    "checkpoint_minutes": _AMOUNT,
    "sampling.power": _SHARE,
    "sampling.self_fraction": _SHARE,
    # Faces of the middle groups have no group that is further away.
    "sampling.wrong_gap": _from_to(1, NUM_GROUPS // 2),
    "critic.batch_size": _COUNT,
    "critic.steps": _LENGTH,
    "critic.learning_rate": _POSITIVE,
    "critic.epsilon": _AMOUNT,
    "critic.epsilon_ramp": _SHARE,
    "critic.clean_share": _SHARE,
    "critic.label_sigma": _POSITIVE,
    "critic.attribute_weight": _AMOUNT,
    "critic.power": _SHARE,
    "critic.ema_decay": _SHARE,
    "critic.start_share": _SHARE,
    "stages.batch_size": _COUNT,
    "stages.steps": _LENGTH,
    "stages.accumulate": _COUNT,
    "stages.cycle_share": _SOME,
    "stages.generator_learning_rate": _POSITIVE,
    "stages.discriminator_learning_rate": _POSITIVE,
    "stages.projected_learning_rate": _POSITIVE,
    "stages.r1_interval": _COUNT,
    "stages.ema_decay": _SHARE,
    # An image cannot be shifted by its whole side, which a strength of 16 would do.
    "stages.augment_strength": _from_to(0, 15),
    # No cosine distance is larger.
    "stages.recognition_margin": _from_to(0, 2),
    "stages.recognition_growth": _from_to(0, 40),
    "stages.distance_emphasis": _AMOUNT,
    "stages.teacher_gain": _AMOUNT,
} | {f"stages.weights.{field.name}": _AMOUNT for field in dataclasses.fields(LossWeights)}
"""By the name of the setting, without the number of the stage; `check_limits` has the sizes."""

_TERM_OF: Final = {
    "recognition_margin": "recognition",
    "recognition_growth": "recognition",
    "teacher_gain": "teacher",
}
"""Settings of a stage that do nothing unless a term of the loss has a weight."""


def check_limits(config: TrainConfig, source: str) -> None:
    """Checks every value of a configuration, and that they go together.

    Args:
        config: The configuration.
        source: Where it is from, for the error message.

    Raises:
        ConfigError: If one does not fit.
    """
    for key, value in settings_of(config):
        limit = LIMITS.get(_without_number(key))
        if limit and not limit.fits(value):
            raise does_not_fit(source, key, value, limit.wanted)
    if not config.stages:
        raise does_not_fit(source, "stages", [], "a list of at least one table")
    _check_size(config, source, "critic.image_size", config.critic.image_size)
    if config.critic.start_share and not (config.critic.init or config.init):
        wanted = "0 unless init or critic.init names initial weights"
        raise does_not_fit(source, "critic.start_share", config.critic.start_share, wanted)
    judged = any(stage.weights.critic or stage.weights.attributes for stage in config.stages)
    if config.critics and not judged:
        wanted = "[] unless a stage has weights.critic or weights.attributes above 0"
        raise does_not_fit(source, "critics", list(config.critics), wanted)
    for index, stage in enumerate(config.stages):
        _check_size(config, source, f"stages.{index}.image_size", stage.image_size)
        _check_stage(config, source, f"stages.{index}", stage)


def settings_of(value: Any, key: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value of a configuration with its dotted name, as `stages.0.weights.cycle`."""
    if dataclasses.is_dataclass(value):
        parts = [(field.name, getattr(value, field.name)) for field in dataclasses.fields(value)]
    elif isinstance(value, tuple):
        parts = [(str(index), item) for index, item in enumerate(value)]
    else:
        yield key, value
        return
    for name, part in parts:
        yield from settings_of(part, f"{key}.{name}" if key else name)


def does_not_fit(source: str, key: str, value: object, wanted: str) -> ConfigError:
    """The error of a setting whose value is of the wrong type or out of range."""
    return ConfigError(source, f"{key} = {value!r} does not fit", f"it must be {wanted}")


def _without_number(key: str) -> str:
    return re.sub(r"^stages\.[0-9]+", "stages", key)


def _check_size(config: TrainConfig, source: str, key: str, size: int) -> None:
    sizes = IMAGE_SIZES[config.architecture]
    if size not in sizes:
        wanted = f"{_choice(sizes)} for architecture {config.architecture}"
        raise does_not_fit(source, key, size, wanted)


def _check_stage(config: TrainConfig, source: str, key: str, stage: StageConfig) -> None:
    """Checks what a stage needs of its other settings, and of those of the run."""
    size, weights = config.critic.image_size, stage.weights
    if stage.image_size < size:
        wanted = f"at least critic.image_size, {size}"
        raise does_not_fit(source, f"{key}.image_size", stage.image_size, wanted)
    if stage.batch_size % stage.accumulate:
        wanted = f"a divisor of batch_size, {stage.batch_size}"
        raise does_not_fit(source, f"{key}.accumulate", stage.accumulate, wanted)
    if stage.realism and config.architecture == PUBLISHED:
        wanted = f"false for architecture {PUBLISHED}, which judges none"
        raise does_not_fit(source, f"{key}.realism", stage.realism, wanted)
    if weights.recognition and not config.recogniser:
        wanted = "0 unless `recogniser` is the path of a face recogniser"
        raise does_not_fit(source, f"{key}.weights.recognition", weights.recognition, wanted)
    for name in ("projected", "moments"):
        if getattr(weights, name) and not config.features:
            wanted = "0 unless `features` is the path of a feature network"
            raise does_not_fit(source, f"{key}.weights.{name}", getattr(weights, name), wanted)
    for name, term in _TERM_OF.items():
        value, unused = getattr(stage, name), getattr(type(stage), name)
        if value != unused and not getattr(weights, term):
            wanted = f"{unused:g} unless weights.{term} is above 0"
            raise does_not_fit(source, f"{key}.{name}", value, wanted)
