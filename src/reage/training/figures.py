"""What a run looks like: its losses, what it makes of held-out faces, and its networks.

RUN/figures/losses.png          each loss of the generator as a layer, so that their sum shows
RUN/figures/transformation.png  held-out faces, each at other ages and back at its own
RUN/figures/{generator, encoder, age_modulator, decoder, critic}.png
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray

from reage.ages import AGE_GROUPS, soft_code
from reage.data.pipeline import load_faces
from reage.data.tfrecords import require_extra
from reage.errors import MissingExtraError, TrainingError
from reage.training.config import StageConfig, TrainConfig
from reage.training.log import read_log
from reage.training.networks import make_critic, make_generator
from reage.training.run import latest_generator, load_run_config, stage_folder
from reage.training.samples import pick_faces, to_float

TARGETS: Final = (8, 28, 65)
"""Ages that the transformation figure shows, years."""

_FACES: Final = 8
_DPI: Final = 120


def write_figures(run: Path, prepared: Path) -> list[Path]:
    """Draws losses and transformations of a run into RUN/figures, as far as it has been trained.

    Raises:
        MissingExtraError: If matplotlib is not installed.
        TrainingError: If the folder holds no run.
    """
    require_extra("matplotlib")
    config = load_run_config(run)
    figures = {
        "losses": loss_figure(run, config),
        "transformation": transformation_figure(run, config, prepared),
    }
    paths = []
    for name, figure in figures.items():
        if figure is not None:
            path = run / "figures" / f"{name}.png"
            _replace(path, partial(figure.savefig, dpi=_DPI))
            paths.append(path)
    return paths


def write_architecture(run: Path) -> list[Path]:
    """Draws the networks of a run, and the parts of its generator, into RUN/figures.

    Raises:
        MissingExtraError: If pydot or Graphviz is not installed.
        TrainingError: If the folder holds no run.
    """
    if find_spec("pydot") is None or shutil.which("dot") is None:
        raise MissingExtraError(
            "figures of the networks",
            "need pydot and the `dot` program of Graphviz",
            "install them with `pip install pydot` and, on Debian, `apt install graphviz`",
        )
    config = load_run_config(run)
    generator = make_generator(config, config.stages[-1].image_size)
    paths = []
    for network in (*_networks(generator), make_critic(config)):
        path = run / "figures" / f"{network.name}.png"
        draw = partial(keras.utils.plot_model, network, show_shapes=True, show_layer_names=True)
        _replace(path, partial(draw, dpi=_DPI // 2))
        paths.append(path)
    return paths


def loss_figure(run: Path, config: TrainConfig) -> Any:
    """The critic's loss, then for each stage the generator's terms on top of each other.

    Each term is drawn times its weight, so that the upper edge is the loss that was minimised.

    Returns:
        A matplotlib figure, or None if nothing has been logged yet.
    """
    from matplotlib.figure import Figure

    critic = read_log(run / "critic" / "log.csv")
    stages = [
        (stage, log)
        for index, stage in enumerate(config.stages)
        if (log := read_log(stage_folder(run, index, stage) / "log.csv"))
    ]
    count = bool(critic) + len(stages)
    if not count:
        return None
    figure = Figure(figsize=(1 + 4.5 * count, 4.5), layout="constrained")
    axes = list(figure.subplots(1, count, squeeze=False)[0])
    if critic:
        _draw_critic(axes.pop(0), critic, config.log_every)
    for axis, (stage, log) in zip(axes, stages, strict=True):
        _draw_stage(axis, stage, log, config.log_every)
    return figure


def transformation_figure(run: Path, config: TrainConfig, prepared: Path) -> Any:
    """Held-out faces: as they are, then for each of `TARGETS` aged, and from there back.

    Returns:
        A matplotlib figure, or None if the generator has no checkpoint yet.
    """
    from matplotlib.figure import Figure

    found = latest_generator(run, config)
    if found is None:
        return None
    stage, load = found
    generator = make_generator(config, stage.image_size)
    load(generator)
    faces = load_faces(prepared, "validation", stage.image_size)
    picked = pick_faces(faces, _FACES)
    ages = faces.ages[picked]
    rows = transformations(generator, to_float(faces.images[picked]), ages)
    names = ["source"] + [name for age in TARGETS for name in (f"at {age}", "back")]
    figure = Figure(figsize=(1 + 1.2 * len(picked), 1.25 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(picked), squeeze=False)
    for index, (row, images) in enumerate(zip(axes, rows, strict=True)):
        row[0].set_ylabel(names[index])
        for axis, image in zip(row, images, strict=True):
            axis.imshow((np.clip(image, -1.0, 1.0) + 1.0) / 2.0)
            axis.set(xticks=[], yticks=[])
    for axis, age in zip(axes[0], ages, strict=True):
        axis.set_title(f"{age:g}")
    return figure


def transformations(
    generator: Any, images: NDArray[np.float32], ages: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Ages faces and takes them back.

    Args:
        generator: `build_generator`.
        images: (N, S, S, 3) float32 in [-1, 1].
        ages: (N,) years.

    Returns:
        (1 + 2 * len(TARGETS), N, S, S, 3) float32: `images`, then for each target age the faces at
        that age, and these at their own age again.
    """
    rows = [images]
    for target in TARGETS:
        codes = np.repeat(soft_code([target]), len(images), axis=0)
        aged = keras.ops.convert_to_numpy(_aged(generator, images, codes))
        rows += [aged, keras.ops.convert_to_numpy(_aged(generator, aged, soft_code(ages)))]
    return np.stack(rows)


def _aged(generator: Any, images: NDArray[np.float32], codes: NDArray[np.float32]) -> Any:
    return generator([images, codes], training=False)["image"]


def _networks(network: Any) -> Iterator[Any]:
    """A network and the networks it is made of."""
    yield network
    for layer in network.layers:
        if isinstance(layer, keras.Model):
            yield from _networks(layer)


def _draw_critic(axis: Any, log: dict[int, dict[str, float]], log_every: int) -> None:
    steps = [(epoch + 1) * log_every for epoch in log]
    axis.plot(steps, [row["loss"] for row in log.values()], color="#0072b2")
    axis.set(title="age critic", xlabel="step", ylabel="loss", ylim=(0, None))
    accuracy = axis.twinx()
    accuracy.plot(steps, [row["accuracy"] for row in log.values()], color="#e69f00")
    accuracy.set(ylim=(0, 1))
    accuracy.set_ylabel(f"accuracy of {len(AGE_GROUPS)} groups", color="#e69f00")


def _draw_stage(
    axis: Any, stage: StageConfig, log: dict[int, dict[str, float]], log_every: int
) -> None:
    steps = [(epoch + 1) * log_every for epoch in log]
    names = [name.removeprefix("g_") for name in next(iter(log.values())) if name.startswith("g_")]
    weights = {name: getattr(stage.weights, name) for name in names}
    shown = [name for name in names if weights[name]]
    layers = [[weights[name] * row[f"g_{name}"] for row in log.values()] for name in shown]
    axis.stackplot(steps, layers, labels=shown, alpha=0.85)
    axis.set(title=f"generator, {stage.image_size} px", xlabel="step", ylabel="weighted losses")
    axis.legend(fontsize="small", loc="upper right", reverse=True)


def _replace(path: Path, write: Callable[[Path], Any]) -> None:
    """Has a picture written beside its place, then moves it there."""
    temporary = path.with_name(f".{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        temporary.replace(path)
    except OSError as error:
        raise TrainingError(path, f"cannot be written ({error})", "make room for it") from error
