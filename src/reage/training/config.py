"""Training configuration: frozen dataclasses, TOML files that hold only overrides, `--set`."""

from __future__ import annotations

import dataclasses
import difflib
import math
import tomllib
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from reage.data.pipeline import Sampling
from reage.errors import ConfigError
from reage.training.limits import check_limits, does_not_fit
from reage.training.loss_weights import LossWeights

_PRESETS: Final = Path(__file__).parent / "presets"


@dataclass(frozen=True)
class CriticConfig:
    """How the age critic is trained; lengths are in steps of one batch.

    Attributes:
        image_size: Side of its input, pixels.
        epsilon: Radius of the perturbation it is trained against, L2, images in [-1, 1].
        epsilon_ramp: Share of the steps over which the radius grows from 0.
        clean_share: Share of each batch that is not perturbed.
        label_sigma: Width of its soft ordinal labels, in groups.
        attribute_weight: What sex and ethnicity count beside age in its loss.
        power: Sampling of age groups; see `Sampling.power`.
        distorted: Whether it sees faces turned, scaled and partly hidden; see `augment.distort`.
        start_share: Share of its initial weights in what comes out of it, 0 to 1.
        init: Where its own initial weights come from, if not from `TrainConfig.init`.
    """

    image_size: int = 64
    batch_size: int = 32
    steps: int = 6000
    learning_rate: float = 1e-3
    epsilon: float = 3.0
    epsilon_ramp: float = 0.3
    clean_share: float = 0.5
    label_sigma: float = 0.8
    attribute_weight: float = 0.3
    power: float = 0.6
    ema_decay: float = 0.998
    distorted: bool = False
    start_share: float = 0.0
    init: str = ""


@dataclass(frozen=True)
class StageConfig:
    """One stage of generator training, at one image size; the next stage grows from it.

    Attributes:
        image_size: Side of the images, pixels.
        steps: Length of the stage, in steps of one batch.
        realism: Whether the discriminator takes part; without it the critic teaches alone.
        accumulate: Parts of a batch that are computed one after the other, to save memory.
        cycle_share: Share of each batch that takes the second pass, back to the source age.
        recognition_margin: Cosine distance to the source, by the face recogniser, that 30 years or
            less may cost.
        recognition_growth: How much more a longer time may cost where a child is involved; see
            `losses.excess_distance`.
        distance_emphasis: How much more the target age counts, and the way back less, at the other
            end of life than at the source age; see `losses.distance_emphasis`.
        teacher_gain: How much further than the network that the stage begins with, which then is
            its teacher, a face is to be changed between child and adult; see `losses.far_gain`.
        weights: Weights of the loss terms.
    """

    image_size: int = 64
    batch_size: int = 16
    steps: int = 10000
    accumulate: int = 1
    realism: bool = True
    cycle_share: float = 0.5
    generator_learning_rate: float = 2e-4
    discriminator_learning_rate: float = 4e-4
    projected_learning_rate: float = 1e-3
    r1_interval: int = 16
    ema_decay: float = 0.999
    augment_strength: float = 1.0
    recognition_margin: float = 0.0
    recognition_growth: float = 1.0
    distance_emphasis: float = 0.0
    teacher_gain: float = 1.0
    weights: LossWeights = field(default_factory=LossWeights)


@dataclass(frozen=True)
class TrainConfig:
    """Everything that decides a training run, except where its data and output are.

    Attributes:
        architecture: `reage`, or `published` for what came before it; see `models.published`.
        width: Factor on every channel count.
        precision: Keras dtype policy, `mixed_bfloat16` or `float32`.
        recogniser: Path of a face recogniser, see `training.recognition`, or nothing.
        features: Path of a feature network, see `training.features`, or nothing.
        critics: Folders of other runs whose age critics judge results, too; what pleases one critic
            alone is often no sign of age.
        distribution: `none`, `mirrored` or `multi-worker`; see `training.distribution`. Batch sizes
            are those of all devices together.
        init: Where the initial weights come from: a run's folder, `shipped`, or nowhere.
        log_every: Steps between lines of the log; also the length of an epoch.
        patience: Epochs without a better loss after which a stage ends early, see
            `training.callbacks.EarlyStop`; 0 never ends it.
        sample_every: Steps between sample grids.
        checkpoint_minutes: Minutes between checkpoints.
    """

    seed: int = 0
    architecture: str = "reage"
    width: float = 1.0
    precision: str = "mixed_bfloat16"
    recogniser: str = ""
    features: str = ""
    critics: tuple[str, ...] = ()
    distribution: str = "none"
    init: str = ""
    log_every: int = 100
    patience: int = 0
    sample_every: int = 500
    checkpoint_minutes: float = 10.0
    sampling: Sampling = field(default_factory=Sampling)
    critic: CriticConfig = field(default_factory=CriticConfig)
    stages: tuple[StageConfig, ...] = (StageConfig(),)


def preset_names() -> tuple[str, ...]:
    """The presets that come with the package, such as `cpu-128`."""
    return tuple(sorted(path.stem for path in _PRESETS.glob("*.toml")))


def preset_path(name: str) -> Path:
    """The TOML file of a preset.

    Raises:
        ConfigError: If there is no such preset.
    """
    names = preset_names()
    if name not in names:
        close = difflib.get_close_matches(name, names, n=1)
        remedy = f"the nearest is {close[0]}" if close else f"there are {', '.join(names)}"
        raise ConfigError(f"--preset {name}", "is unknown", remedy)
    return _PRESETS / f"{name}.toml"


def with_epochs(config: TrainConfig, epochs: int, faces: int) -> TrainConfig:
    """Lets the critic and every stage see each of `faces` training faces `epochs` times.

    What has no steps, as a critic that is to stay as it is, keeps none.
    """

    def resized(part: Any) -> Any:
        steps = math.ceil(epochs * faces / part.batch_size) if part.steps else 0
        return dataclasses.replace(part, steps=steps)

    return dataclasses.replace(
        config, critic=resized(config.critic), stages=tuple(map(resized, config.stages))
    )


def with_learning_rate(config: TrainConfig, rate: float) -> TrainConfig:
    """Trains the critic and the generator of the first stage at `rate`.

    All other rates, those of both discriminators and of the later stages, keep their ratio to that
    of the first stage's generator.

    Raises:
        ConfigError: If `rate` is no finite number above 0.
    """
    first = config.stages[0].generator_learning_rate

    def paced(stage: StageConfig) -> StageConfig:
        return dataclasses.replace(
            stage,
            generator_learning_rate=rate * (stage.generator_learning_rate / first),
            discriminator_learning_rate=rate * (stage.discriminator_learning_rate / first),
            projected_learning_rate=rate * (stage.projected_learning_rate / first),
        )

    paced_config = dataclasses.replace(
        config,
        critic=dataclasses.replace(config.critic, learning_rate=rate),
        stages=tuple(map(paced, config.stages)),
    )
    check_limits(paced_config, "--learning-rate")
    return paced_config


def load_config(path: Path | None = None, overrides: tuple[str, ...] = ()) -> TrainConfig:
    """Reads a TOML file of overrides, then applies `key=value` overrides in order.

    Args:
        path: TOML file, or None for the defaults.
        overrides: Such as `critic.steps=100` or `stages.0.weights.cycle=2.0`; values are TOML.

    Raises:
        ConfigError: If the file cannot be read, or a key or value does not fit.
    """
    values = _read_toml(path) if path else {}
    for override in overrides:
        _apply_override(values, override)
    sources = [*([str(path)] if path else []), *(["--set"] if overrides else [])]
    return from_dict(values, " with ".join(sources) or "defaults")


def from_dict(values: dict[str, Any], source: str) -> TrainConfig:
    """Builds a configuration from plain values; `source` names them in errors.

    Raises:
        ConfigError: If a key or value does not fit.
    """
    config = _build(TrainConfig, values, source, "")
    assert isinstance(config, TrainConfig)
    check_limits(config, source)
    return config


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(path, "cannot be read", "name a TOML file") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(path, f"is not valid TOML ({error})", "mend that line") from error


def _apply_override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise ConfigError(override, "is not of the form key=value", "write --set key=value")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    *parents, last = key.strip().split(".")
    node: Any = values
    for name in parents:
        place = _place(node, name, override)
        if isinstance(node, dict):
            node.setdefault(name, [{}] if name == "stages" else {})
        node = node[place]
    node[_place(node, last, override)] = value


def _place(node: Any, name: str, override: str) -> Any:
    """Where in a table or a list of tables `name` is: its key, or its index."""
    if isinstance(node, dict):
        return name
    if not isinstance(node, list):
        raise ConfigError(override, f"{node!r} has no part {name}", "leave it out")
    if not name.isdecimal() or int(name) >= len(node):
        raise ConfigError(override, f"there is no stage {name}", f"stages are 0..{len(node) - 1}")
    return int(name)


def _build(kind: Any, values: Any, source: str, prefix: str) -> Any:
    """Makes a value of type `kind` from TOML values, refusing what does not fit."""
    if dataclasses.is_dataclass(kind):
        return _build_dataclass(kind, values, source, prefix)
    if typing.get_origin(kind) is tuple:
        item = typing.get_args(kind)[0]
        if not isinstance(values, list):
            items = "tables" if dataclasses.is_dataclass(item) else "texts"
            raise does_not_fit(source, prefix, values, f"a list of {items}")
        return tuple(_build(item, v, source, f"{prefix}.{i}") for i, v in enumerate(values))
    if kind is float and isinstance(values, int) and not isinstance(values, bool):
        return float(values)
    if type(values) is not kind:
        raise does_not_fit(source, prefix, values, f"of type {kind.__name__}")
    return values


def _build_dataclass(kind: Any, values: Any, source: str, prefix: str) -> Any:
    if not isinstance(values, dict):
        raise does_not_fit(source, prefix, values, "a table")
    kinds = typing.get_type_hints(kind)
    dotted = f"{prefix}." if prefix else ""
    for key in values:
        if key not in kinds:
            close = difflib.get_close_matches(key, kinds, n=1)
            hint = f"did you mean {dotted}{close[0]}?" if close else f"known are {', '.join(kinds)}"
            raise ConfigError(source, f"there is no setting {dotted}{key}", hint.rstrip("."))
    return kind(
        **{key: _build(kinds[key], value, source, dotted + key) for key, value in values.items()}
    )


def as_dict(config: TrainConfig) -> dict[str, Any]:
    """The resolved configuration as plain values, to be saved beside a run."""
    return dataclasses.asdict(config)
