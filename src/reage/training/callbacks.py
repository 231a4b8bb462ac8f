"""What happens beside a training run: checkpoints, early stopping, sample grids."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reage.ages import soft_code
from reage.errors import TrainingError
from reage.training.distribution import is_chief
from reage.training.log import read_log
from reage.training.state import DIVERGED_REMEDY, Owners, save_variables

SAMPLE_AGES = (2.5, 8.0, 18.0, 28.0, 45.5, 65.5, 75.5, 85.5)
WATCHED: Final = {
    "g_cycle": "pixels",
    "g_identity": "identity",
    "g_critic": "age",
    "g_teacher": "teacher",
}
"""The losses that `EarlyStop` watches, those that a stage has: how they are logged, and what they
tell of."""

STOPPED_FILE: Final = "stopped.json"
_WINDOW: Final = 5
_LEAST_GAIN: Final = 1e-3


class Checkpoint(keras.callbacks.Callback):  # type: ignore[misc]
    """Saves the whole training state at most every `minutes`, and at the end.

    Args:
        path: The state file; replaced whole.
        state: Gives the variables by owner.
        minutes: Least time between two saves.
    """

    def __init__(self, path: Path, state: Callable[[], Owners], minutes: float) -> None:
        super().__init__()
        self.path, self.state_of, self.minutes = path, state, minutes
        self.last = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Saves when the time has come."""
        if time.monotonic() - self.last >= 60 * self.minutes:
            self._save()

    def on_train_end(self, logs: Any = None) -> None:  # noqa: ARG002
        """Saves the final state."""
        self._save()

    def _save(self) -> None:
        save_variables(self.path, self.state_of())
        self.last = time.monotonic()


class StopAt(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends training at a step that need not be the end of an epoch, as after resuming amid one.

    Args:
        steps: The model's step count at which to stop.
    """

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.stop_at = steps

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Stops when the step is reached."""
        if int(self.model.steps.numpy()) >= self.stop_at:
            self.model.stop_training = True


class RefuseDivergence(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a run whose losses are no longer numbers, before it costs hours.

    Args:
        folder: Of the stage or the critic, for the message.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder = folder

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Looks at the means of the epoch.

        Raises:
            TrainingError: If one is not finite.
        """
        lost = [name for name, value in (logs or {}).items() if not np.isfinite(float(value))]
        if lost:
            step = int(self.model.steps.numpy())
            raise TrainingError(
                self.folder,
                f"diverged before step {step:,}: {lost[0]} is not finite",
                DIVERGED_REMEDY,
            )


class EarlyStop(keras.callbacks.Callback):  # type: ignore[misc]
    """Ends a stage when neither pixels nor identity nor age have become better for some epochs.

    The three pull against each other, so that one which still gains is reason to go on. The stop is
    said, and saved in `stopped.json`.

    Args:
        folder: Of the stage; its log tells what a resumed run has seen before.
        patience: Epochs; see `epochs_without_gain`.
    """

    def __init__(self, folder: Path, patience: int) -> None:
        super().__init__()
        self.folder, self.patience = folder, patience
        self.seen = read_log(folder / "log.csv")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Stops when patience is at its end."""
        if self.model.stop_training:
            # An epoch that was cut short is no measure.
            return
        now = {name: float(logs[name]) for name in WATCHED if name in logs}
        self.seen = {past: row for past, row in self.seen.items() if past < epoch} | {epoch: now}
        losses = np.array([[row[name] for name in now] for row in self.seen.values()])
        if epochs_without_gain(losses) < self.patience:
            return
        step = int(self.model.steps.numpy())
        since = epoch + 1 - self.patience
        reason = f"{', '.join(WATCHED[name] for name in now)}: no better since epoch {since}"
        report = {"step": step, "epoch": epoch, "reason": reason, "losses": now}
        if is_chief():
            temporary = self.folder / f".{STOPPED_FILE}"
            temporary.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
            temporary.replace(self.folder / STOPPED_FILE)
        print(f"{self.folder.name}: stopped at step {step:,}: {reason}", file=sys.stderr)
        self.model.stop_training = True


def epochs_without_gain(losses: NDArray[np.float64]) -> int:
    """How long ago any of several losses was last better than ever before.

    A loss counts as its mean over the last 5 epochs, for single ones are noise, and is better when
    that falls below its least so far by a thousandth of it.

    Args:
        losses: (epochs, losses), not negative.

    Returns:
        Epochs since then; 0 if the last one was better, or the only one.
    """
    ends = range(1, len(losses) + 1)
    means = np.stack([losses[max(0, end - _WINDOW) : end].mean(axis=0) for end in ends])
    least, last = means[0], 0
    for epoch, mean in enumerate(means):
        better = mean < least * (1 - _LEAST_GAIN)
        if better.any():
            last = epoch
        least = np.where(better, mean, least)
    return len(means) - 1 - last


class SampleGrid(keras.callbacks.Callback):  # type: ignore[misc]
    """Paints held-out faces at several ages, by the averaged generator.

    Args:
        folder: Receives `STEP.jpg` files.
        images: (N, S, S, 3) float32 in [-1, 1].
        every: Epochs between grids.
    """

    def __init__(self, folder: Path, images: NDArray[np.float32], every: int) -> None:
        super().__init__()
        self.folder, self.images, self.every = folder, images, max(1, every)
        folder.mkdir(parents=True, exist_ok=True)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
        """Writes a grid when it is due."""
        if (epoch + 1) % self.every:
            return
        grid = sample_grid(self.model.average, self.images)
        step = int(self.model.steps.numpy())
        grid.save(self.folder / f"{step:07d}.jpg", quality=92)


def sample_grid(generator: Any, images: NDArray[np.float32]) -> Image.Image:
    """Paints a grid: the faces in the first row, each `SAMPLE_AGES` target in a row below."""
    rows = [images]
    for age in SAMPLE_AGES:
        codes = np.repeat(soft_code([age]), len(images), axis=0)
        rows.append(keras.ops.convert_to_numpy(generator([images, codes], training=False)["image"]))
    return tile(np.stack(rows))


def tile(rows: NDArray[np.float32]) -> Image.Image:
    """Joins images (R, C, S, S, 3) in [-1, 1] to one picture of R rows and C columns."""
    count, columns, size = rows.shape[:3]
    levels = np.clip(np.rint((rows + 1.0) * 127.5), 0, 255).astype(np.uint8)
    joined = levels.transpose(0, 2, 1, 3, 4).reshape(count * size, columns * size, 3)
    return Image.fromarray(joined)
