"""Training runs: the age critic first, then the generator, stage by stage, in a run folder.

RUN/config.json
RUN/critic/        state.npz  critic.npz  report.json  ascent.jpg  log.csv  tensorboard/
RUN/generator/     stage_0_064/{state.npz, log.csv, samples/, tensorboard/, stopped.json}
RUN/figures/       see `training.figures`
"""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras
import numpy as np

from reage.data.pipeline import Faces, load_faces
from reage.errors import TrainingError
from reage.scratch import replacing
from reage.training.callbacks import (
    STOPPED_FILE,
    Checkpoint,
    EarlyStop,
    RefuseDivergence,
    SampleGrid,
    StopAt,
)
from reage.training.config import StageConfig, TrainConfig, as_dict, from_dict
from reage.training.critic import build_critic_trainer
from reage.training.critic_report import ascent_figure, critic_report, mean_predictions
from reage.training.distribution import (
    check_batch_size,
    distributed,
    is_chief,
    training_input,
    wait_for_all,
)
from reage.training.gan import FaceAgingGAN
from reage.training.initial import start_from
from reage.training.interruption import StopOnSignal
from reage.training.networks import make_critic
from reage.training.samples import grid_faces
from reage.training.stage import build_gan, initialise
from reage.training.state import load_variables, save_variables


def start_run(run: Path, config: TrainConfig, *, resume: bool) -> None:
    """Makes the run folder and saves the resolved configuration in it.

    Raises:
        TrainingError: If the folder already holds a run and `resume` is off, or holds one of
            another configuration.
    """
    if not is_chief():
        return
    saved = run / "config.json"
    if saved.exists():
        if not resume:
            raise TrainingError(run, "already holds a run", "add --resume, or name another folder")
        started = dataclasses.replace(load_run_config(run), distribution=config.distribution)
        if started != config:
            raise TrainingError(
                run,
                "was started with another configuration",
                f"see {saved}, or name another folder",
            )
    run.mkdir(parents=True, exist_ok=True)
    _write_json(saved, as_dict(config))


@distributed
def train_critic(run: Path, prepared: Path, config: TrainConfig) -> dict[str, Any]:
    """Trains the age critic, or goes on with it, and reports on the validation split.

    Returns:
        The report: see `critic_report`.

    Raises:
        TrainingError: If it diverges.
    """
    settings, folder = config.critic, run / "critic"
    check_batch_size(settings.batch_size)
    folder.mkdir(parents=True, exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    trainer = build_critic_trainer(config)
    for network in (trainer.critic, trainer.average):
        start_from(settings.init or config.init, {"critic": network})
    schedule = keras.optimizers.schedules.CosineDecay(
        settings.learning_rate, max(1, settings.steps)
    )
    trainer.compile(
        optimizer=keras.optimizers.Adam(schedule, beta_1=0.9, beta_2=0.99), jit_compile=False
    )
    trainer.optimizer.build(trainer.heads.trainable_variables)
    faces = load_faces(prepared, "train", settings.image_size)
    sampling = type(config.sampling)(power=settings.power)
    _fit(trainer, trainer.state, folder, faces, config, settings, sampling, [])
    if settings.start_share:
        _mix_in_start(trainer.average, config)
    validation = load_faces(prepared, "validation", settings.image_size)
    report = critic_report(trainer.average, validation)
    if is_chief():
        _write_json(folder / "report.json", report)
        ascent_figure(trainer.average, validation).save(folder / "ascent.jpg", quality=92)
        save_variables(folder / "critic.npz", {"critic": trainer.average.variables})
    wait_for_all()
    return report


@distributed
def train_generator(run: Path, prepared: Path, config: TrainConfig) -> None:
    """Trains the generator through all stages, or goes on with it.

    Raises:
        TrainingError: If the run has no trained critic, or diverges.
    """
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    critic = load_critic(run, config)
    critic_faces = load_faces(prepared, "validation", config.critic.image_size)
    targets = mean_predictions(critic, critic_faces)
    previous: FaceAgingGAN | None = None
    for index, stage in enumerate(config.stages):
        check_batch_size(stage.batch_size, stage.accumulate)
        folder = stage_folder(run, index, stage)
        (folder / "samples").mkdir(parents=True, exist_ok=True)
        gan = build_gan(config, stage, critic, targets)
        initialise(gan, previous, critic, config.init)
        if _finished(folder, stage):
            load_variables(folder / "state.npz", gan.state())
        else:
            validation = load_faces(prepared, "validation", stage.image_size)
            every = config.sample_every // config.log_every
            grid = SampleGrid(folder / "samples", grid_faces(validation), every)
            painted = [grid] if is_chief() else []
            stop = [EarlyStop(folder, config.patience)] if config.patience else []
            faces = load_faces(prepared, "train", stage.image_size)
            _fit(gan, gan.state, folder, faces, config, stage, config.sampling, painted + stop)
        previous = gan


def load_critic(run: Path, config: TrainConfig) -> Any:
    """The trained critic of a run.

    Raises:
        TrainingError: If it has none.
    """
    path = run / "critic" / "critic.npz"
    if not path.exists():
        raise TrainingError(run, "has no trained critic", "run `reage train critic` first")
    critic = make_critic(config)
    load_variables(path, {"critic": critic.variables})
    return critic


def load_run_config(run: Path) -> TrainConfig:
    """The configuration that a run was started with.

    Raises:
        TrainingError: If the folder holds no run.
    """
    path = run / "config.json"
    if not path.exists():
        raise TrainingError(run, "holds no training run", "name the folder given to --run")
    return from_dict(json.loads(path.read_text(encoding="utf-8")), str(path))


def latest_generator(
    run: Path, config: TrainConfig
) -> tuple[StageConfig, Callable[[Any], None]] | None:
    """The latest stage of a run that has a checkpoint, and a function that loads its average.

    Returns:
        `(stage, load)`, where `load(generator)` fills a generator of that stage's size; None
        before the first checkpoint.
    """
    for index, stage in reversed(list(enumerate(config.stages))):
        path = stage_folder(run, index, stage) / "state.npz"
        if path.exists():
            return stage, partial(_load_average, path)
    return None


def _mix_in_start(critic: Any, config: TrainConfig) -> None:
    """Gives the critic's initial weights their share in it.

    Wortsman et al. 2022, "Robust fine-tuning of zero-shot models": the mean of a network and of
    what it was trained on to is often better than both.
    """
    start = make_critic(config)
    start_from(config.critic.init or config.init, {"critic": start})
    for variable, before in zip(critic.variables, start.variables, strict=True):
        share = config.critic.start_share
        variable.assign(share * before.value + (1.0 - share) * variable.value)


def _fit(
    model: Any,
    state: Any,
    folder: Path,
    faces: Faces,
    config: TrainConfig,
    settings: Any,
    sampling: Any,
    callbacks: list[Any],
) -> None:
    """Fits from the saved step, if any, to `settings.steps`."""
    path = folder / "state.npz"
    if path.exists():
        load_variables(path, state())
    done = int(model.steps.numpy())
    if done >= settings.steps:
        return
    batches = training_input(
        faces, done, batch_size=settings.batch_size, seed=config.seed, sampling=sampling
    )
    log_every = min(config.log_every, settings.steps)
    files = [
        keras.callbacks.CSVLogger(str(folder / "log.csv"), append=done > 0),
        Checkpoint(path, state, config.checkpoint_minutes),
    ]
    # Keras writes TensorBoard's files with TensorFlow, on whatever backend.
    if find_spec("tensorflow"):
        board = keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False)
        files.append(board)
    with StopOnSignal() as stop:
        model.fit(
            batches,
            initial_epoch=done // log_every,
            epochs=-(-settings.steps // log_every),
            steps_per_epoch=log_every,
            verbose="auto" if sys.stderr.isatty() else 2,
            shuffle=False,
            callbacks=[
                *callbacks,
                StopAt(settings.steps),
                stop,
                RefuseDivergence(folder),
                *(files if is_chief() else ()),
            ],
        )
    stop.leave_if_received(int(model.steps.numpy()))


def _load_average(path: Path, model: Any) -> None:
    load_variables(path, {"average": model.variables})


def stage_folder(run: Path, index: int, stage: StageConfig) -> Path:
    """Where a stage of a run lies."""
    return run / "generator" / f"stage_{index}_{stage.image_size:03d}"


def _finished(folder: Path, stage: StageConfig) -> bool:
    path, stopped = folder / "state.npz", folder / STOPPED_FILE
    if not path.exists():
        return False
    report = json.loads(stopped.read_text(encoding="utf-8")) if stopped.exists() else {}
    with np.load(path, allow_pickle=False) as archive:
        return int(archive["steps/0000/steps"]) >= int(report.get("step", stage.steps))


def _write_json(path: Path, value: Any) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
