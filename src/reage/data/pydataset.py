"""Training batches without TensorFlow: for Keras on PyTorch."""

from __future__ import annotations

import keras

from reage.data.pipeline import Batch, Faces, Sampling, training_batch


class FaceBatches(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of steps `start_step`, `start_step + 1`, ..., without end; see `training_batch`.

    Args:
        faces: The training split.
        start_step: Step of the first batch.
        batch_size: Faces in a batch.
        seed: Seed of the run.
        sampling: How faces and target ages are drawn.
    """

    def __init__(
        self, faces: Faces, start_step: int, *, batch_size: int, seed: int, sampling: Sampling
    ) -> None:
        super().__init__()
        self.faces, self.start_step = faces, start_step
        self.batch_size, self.seed, self.sampling = batch_size, seed, sampling

    @property
    def num_batches(self) -> None:
        """None: there is no end."""
        return

    def __getitem__(self, index: int) -> Batch:
        return training_batch(
            self.faces,
            self.start_step + index,
            batch_size=self.batch_size,
            seed=self.seed,
            sampling=self.sampling,
        )
