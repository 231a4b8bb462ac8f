"""Batches for Keras on PyTorch are the batches of the steps."""

from __future__ import annotations

import numpy as np

from reage.data.pipeline import Faces, Sampling, training_batch
from reage.data.pydataset import FaceBatches


def test_batches_are_those_of_the_steps() -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 8, 8, 3), np.uint8)
    labels = np.zeros(7, np.int64)
    faces = Faces(images, np.arange(0, 70, 10, dtype=np.float32), labels, labels, ("",) * 7)
    settings = {"batch_size": 4, "seed": 3, "sampling": Sampling()}
    batches = FaceBatches(faces, 10, **settings)
    assert batches.num_batches is None
    expected = training_batch(faces, 12, **settings)
    for name, value in batches[2].items():
        np.testing.assert_array_equal(value, expected[name])
