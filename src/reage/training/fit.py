"""Training of one model from its last saved step to its last one, with log and checkpoints."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import keras

from reage.data.pipeline import Faces, Sampling
from reage.training.callbacks import Checkpoint, RefuseDivergence, StopAt
from reage.training.config import CriticConfig, StageConfig, TrainConfig
from reage.training.distribution import is_chief, training_input
from reage.training.interruption import StopOnSignal
from reage.training.log import epochs_left, forget_epochs
from reage.training.state import load_variables


def fit_from_saved_step(
    model: Any,
    folder: Path,
    faces: Faces,
    config: TrainConfig,
    settings: CriticConfig | StageConfig,
    sampling: Sampling,
    callbacks: list[Any],
) -> None:
    """Fits from the step saved in `folder`, if any, to `settings.steps`.

    Epochs end at the steps at which those of a run that nobody stopped end. Of an epoch that a stop
    has cut in two, the log has the means over the steps after the stop.

    Raises:
        TrainingError: If the model diverges, or what is saved is damaged.
    """
    path, log = folder / "state.npz", folder / "log.csv"
    if path.exists():
        load_variables(path, model.state())
    done = int(model.steps.numpy())
    if done >= settings.steps:
        return
    length = min(config.log_every, settings.steps)
    if is_chief() and done:
        forget_epochs(log, done // length, [metric.name for metric in model.metrics])
    with StopOnSignal() as stop:
        watching = [*callbacks, StopAt(settings.steps), stop, RefuseDivergence(folder)]
        watching += _writers(model, folder, config, append=done > 0) if is_chief() else []
        for epochs in epochs_left(done, settings.steps, length):
            if model.stop_training:
                break
            batches = training_input(
                faces,
                int(model.steps.numpy()),
                batch_size=settings.batch_size,
                seed=config.seed,
                sampling=sampling,
            )
            model.fit(
                batches,
                initial_epoch=epochs.first,
                epochs=epochs.end,
                steps_per_epoch=epochs.steps,
                verbose="auto" if sys.stderr.isatty() else 2,
                shuffle=False,
                callbacks=watching,
            )
    stop.leave_if_received(int(model.steps.numpy()))


def _writers(model: Any, folder: Path, config: TrainConfig, *, append: bool) -> list[Any]:
    """The callbacks that write files."""
    writers = [
        keras.callbacks.CSVLogger(str(folder / "log.csv"), append=append),
        Checkpoint(folder / "state.npz", model.state, config.checkpoint_minutes),
    ]
    # Keras writes TensorBoard's files with TensorFlow, on whatever backend.
    if find_spec("tensorflow"):
        board = keras.callbacks.TensorBoard(str(folder / "tensorboard"), write_graph=False)
        writers.append(board)
    return writers
