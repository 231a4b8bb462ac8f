"""Training runs: the age critic first, then the generator, stage by stage, in a run folder.

RUN/config.json      data.json
RUN/critic/        state.npz  critic.npz  report.json  ascent.jpg  log.csv  tensorboard/
RUN/generator/     stage_0_064/{state.npz, log.csv, samples/, tensorboard/, stopped.json}
RUN/figures/       see `training.figures`
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, Final

import keras

from reage.data.pipeline import Sampling, load_faces
from reage.data.prepare import read_dataset
from reage.errors import TrainingError
from reage.scratch import replacing
from reage.training.callbacks import STOPPED_FILE, EarlyStop, SampleGrid
from reage.training.config import StageConfig, TrainConfig, as_dict, from_dict
from reage.training.critic import build_critic_trainer, check_start, mix_in_start
from reage.training.critic_report import (
    ascent_figure,
    critic_report,
    faces_of_every_group,
    mean_predictions,
)
from reage.training.distribution import check_batch_size, distributed, is_chief, wait_for_all
from reage.training.fit import fit_from_saved_step
from reage.training.gan import FaceAgingGAN
from reage.training.generator_terms import TaughtCritic
from reage.training.initial import start_from
from reage.training.networks import make_critic
from reage.training.samples import grid_faces
from reage.training.stage import build_gan, check_stages, initialise
from reage.training.state import load_variables, save_variables, saved_steps

CONFIG_FILE: Final = "config.json"
SOURCE_FILE: Final = "data.json"


def start_run(run: Path, config: TrainConfig, *, resume: bool) -> None:
    """Makes the run folder and saves the resolved configuration in it.

    Raises:
        TrainingError: If the folder already holds a run and `resume` is off, or holds one of
            another configuration.
    """
    if not is_chief():
        return
    saved = run / CONFIG_FILE
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


@contextmanager
def started_run(run: Path, config: TrainConfig, *, resume: bool) -> Iterator[None]:
    """`start_run`, undone if what is done within fails before anything has been trained.

    So a command that could not work can be mended and given again, for the same folder.
    """
    made_folder, made_config = not run.exists(), not (run / CONFIG_FILE).exists()
    start_run(run, config, resume=resume)
    try:
        yield
    except BaseException:
        if is_chief() and made_config and not _has_state(run):
            (run / CONFIG_FILE).unlink(missing_ok=True)
            if made_folder:
                with suppress(OSError):
                    run.rmdir()
        raise


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
    check_start(config)
    faces = load_faces(prepared, "train", settings.image_size)
    validation = load_faces(prepared, "validation", settings.image_size)
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
    folder.mkdir(parents=True, exist_ok=True)
    _note_source(run, prepared)
    sampling = Sampling(power=settings.power)
    fit_from_saved_step(trainer, folder, faces, config, settings, sampling, [])
    if settings.start_share:
        mix_in_start(trainer.average, config)
    report = critic_report(trainer.average, validation)
    if is_chief():
        _write_json(folder / "report.json", report)
        ascent_figure(trainer.average, validation).save(folder / "ascent.jpg", quality=92)
        save_variables(folder / "critic.npz", {"critic": trainer.average.variables})
    wait_for_all()
    return report


@distributed
def check_generator(run: Path, prepared: Path, config: TrainConfig) -> None:  # noqa: ARG001
    """Checks what `train_generator` will need of the configuration, in a moment.

    Raises:
        ConfigError: See `check_stages`.
        TrainingError: If a run that `config.critics` names has no trained critic, or one of a size
            that the images of a stage cannot be halved to.
    """
    check_stages(config)
    for other in map(Path, config.critics):
        trained_as = load_run_config(other)
        load_critic(other, trained_as)
        _check_size(other, trained_as.critic.image_size, config)


@distributed
def train_generator(run: Path, prepared: Path, config: TrainConfig) -> None:
    """Trains the generator through all stages, or goes on with it.

    Raises:
        TrainingError: If the run has no trained critic, or diverges.
    """
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    critics = _load_critics(run, prepared, config)
    previous: FaceAgingGAN | None = None
    for index, stage in enumerate(config.stages):
        check_batch_size(stage.batch_size, stage.accumulate)
        folder = stage_folder(run, index, stage)
        done = _finished(folder, stage)
        faces = None if done else load_faces(prepared, "train", stage.image_size)
        gan = build_gan(config, stage, critics, faces)
        initialise(gan, previous, critics[0].network, config.init)
        if faces is None:
            load_variables(folder / "state.npz", gan.state())
        else:
            validation = load_faces(prepared, "validation", stage.image_size)
            folder.mkdir(parents=True, exist_ok=True)
            _note_source(run, prepared)
            every = config.sample_every // config.log_every
            grid = SampleGrid(folder / "samples", grid_faces(validation), every)
            painted = [grid] if is_chief() else []
            stop = [EarlyStop(folder, config.patience)] if config.patience else []
            fit_from_saved_step(gan, folder, faces, config, stage, config.sampling, painted + stop)
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


def _check_size(other: Path, size: int, config: TrainConfig) -> None:
    for index, stage in enumerate(config.stages):
        side = stage.image_size
        while side > size:
            side //= 2
        if side != size:
            raise TrainingError(
                other,
                f"has a critic of {size} pixels, and stages.{index} images of {stage.image_size}",
                "name a run with a critic of that size, or half, or a quarter of it",
            )


def _load_critics(run: Path, prepared: Path, config: TrainConfig) -> list[TaughtCritic]:
    """The run's own critic first, then those of the other runs that its configuration names."""
    others = [(Path(other), load_run_config(Path(other))) for other in config.critics]
    critics = []
    for folder, trained_as in [(run, config), *others]:
        network = load_critic(folder, trained_as)
        faces = faces_of_every_group(prepared, trained_as.critic.image_size)
        critics.append(TaughtCritic(network, mean_predictions(network, faces)))
    return critics


def load_run_config(run: Path) -> TrainConfig:
    """The configuration that a run was started with.

    Raises:
        TrainingError: If the folder holds no run, or the file is damaged.
        ConfigError: If the file holds what does not fit.
    """
    path = run / CONFIG_FILE
    if not path.exists():
        raise TrainingError(run, "holds no training run", "name the folder given to --run")
    return from_dict(_read_json(path, "put a copy back, or start another run"), str(path))


def data_source(run: Path) -> str:
    """What the training data of a run were prepared from; nothing if that was not noted."""
    path = run / SOURCE_FILE
    return str(_read_json(path, "remove it").get("source", "")) if path.exists() else ""


def _note_source(run: Path, prepared: Path) -> None:
    if is_chief():
        _write_json(run / SOURCE_FILE, {"source": read_dataset(prepared)["source"]})


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


def _load_average(path: Path, model: Any) -> None:
    load_variables(path, {"average": model.variables})


def stage_folder(run: Path, index: int, stage: StageConfig) -> Path:
    """Where a stage of a run lies."""
    return run / "generator" / f"stage_{index}_{stage.image_size:03d}"


def _finished(folder: Path, stage: StageConfig) -> bool:
    path = folder / "state.npz"
    return path.exists() and saved_steps(path) >= _last_step(folder, stage)


def _last_step(folder: Path, stage: StageConfig) -> int:
    """The step at which a stage ends, or was ended early."""
    path, remedy = folder / STOPPED_FILE, "remove it, and --resume goes on with the stage"
    if not path.exists():
        return stage.steps
    step = _read_json(path, remedy).get("step")
    if not isinstance(step, int):
        raise TrainingError(path, "is damaged", remedy)
    return step


def _has_state(run: Path) -> bool:
    return any(run.glob("critic/*.npz")) or any(run.glob("generator/*/*.npz"))


def _read_json(path: Path, remedy: str) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise TrainingError(path, "is damaged", remedy) from error
    if not isinstance(values, dict):
        raise TrainingError(path, "is damaged", remedy)
    return values


def _write_json(path: Path, value: Any) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")
