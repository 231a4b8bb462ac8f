"""What happens beside a training run: checkpoints, sample grids."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from reage.ages import soft_code
from reage.training.state import Owners, save_variables

SAMPLE_AGES = (2.5, 8.0, 18.0, 28.0, 45.5, 65.5, 75.5, 85.5)


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
        rows.append(np.asarray(generator([images, codes], training=False)["image"]))
    return tile(np.stack(rows))


def tile(rows: NDArray[np.float32]) -> Image.Image:
    """Joins images (R, C, S, S, 3) in [-1, 1] to one picture of R rows and C columns."""
    count, columns, size = rows.shape[:3]
    levels = np.clip(np.rint((rows + 1.0) * 127.5), 0, 255).astype(np.uint8)
    joined = levels.transpose(0, 2, 1, 3, 4).reshape(count * size, columns * size, 3)
    return Image.fromarray(joined)
