from __future__ import annotations

from itertools import islice

import numpy as np
import pytest

from reage.ages import NUM_GROUPS
from reage.data.pipeline import (
    Faces,
    Sampling,
    as_dataset,
    group_probabilities,
    training_batch,
    training_batches,
)

AGES = np.array([2, 8, 28, 29, 45, 70, 85, 110], np.float32)


@pytest.fixture(scope="module")
def faces() -> Faces:
    images = np.random.default_rng(0).integers(0, 256, (len(AGES), 8, 8, 3)).astype(np.uint8)
    zeros = np.zeros(len(AGES), np.int64)
    return Faces(images, AGES, zeros, zeros, tuple(map(str, AGES)))


def draw(faces: Faces, step: int, seed: int = 0, **sampling: float) -> dict[str, np.ndarray]:
    return training_batch(faces, step, batch_size=64, seed=seed, sampling=Sampling(**sampling))


def test_a_batch_is_a_function_of_seed_and_step(faces: Faces) -> None:
    first, again = draw(faces, 3), draw(faces, 3)
    for key in first:
        np.testing.assert_array_equal(first[key], again[key])
    assert np.abs(first["image"] - draw(faces, 4)["image"]).max() > 0
    assert np.abs(first["image"] - draw(faces, 3, seed=1)["image"]).max() > 0


def test_batches_go_on_where_they_are_told_to(faces: Faces) -> None:
    settings = {"batch_size": 4, "seed": 0, "sampling": Sampling()}
    all_of_them = list(islice(training_batches(faces, 0, **settings), 5))
    from_three = next(training_batches(faces, 3, **settings))
    np.testing.assert_array_equal(all_of_them[3]["image"], from_three["image"])
    fed = as_dataset(training_batches(faces, 0, **settings)).take(5).as_numpy_iterator()
    for expected, found in zip(all_of_them, fed, strict=True):
        np.testing.assert_array_equal(found["image"], expected["image"])
        assert found["target_code"].dtype == np.float32


def test_faces_are_shown_as_they_are_or_mirrored(faces: Faces) -> None:
    levels = np.rint((draw(faces, 0)["image"] + 1) * 127.5).astype(np.uint8)
    known = np.concatenate([faces.images, faces.images[:, :, ::-1]])
    kinds = [int(np.flatnonzero((known == image).all(axis=(1, 2, 3)))[0]) for image in levels]
    assert {kind < len(AGES) for kind in kinds} == {True, False}


def test_targets(faces: Faces) -> None:
    batch = draw(faces, 0, self_fraction=0.5, wrong_gap=3)
    itself = batch["is_self"] == 1
    assert 0 < itself.sum() < 64
    np.testing.assert_array_equal(batch["target_code"][itself], batch["source_code"][itself])
    wrong = batch["wrong_code"].argmax(axis=-1)
    assert (np.abs(wrong - batch["source_group"]) >= 3).all()
    for key in ("source_code", "target_code", "wrong_code"):
        np.testing.assert_allclose(batch[key].sum(axis=-1), 1.0, atol=1e-6)


def test_group_probabilities() -> None:
    groups = np.array([0] * 4 + [5] * 16)
    expected = np.zeros(NUM_GROUPS)
    expected[[0, 5]] = [1 / 3, 2 / 3]
    np.testing.assert_allclose(group_probabilities(groups, 0.5), expected)
    expected[[0, 5]] = 0.5
    np.testing.assert_allclose(group_probabilities(groups, 0.0), expected)
