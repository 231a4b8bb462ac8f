"""The mean and the spread of features: those of real faces, and what pulls results there."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops
from tiny_gan import tiny_batch, tiny_gan, weights

from reage.ages import GROUP_CENTERS, soft_code
from reage.data.pipeline import Faces
from reage.errors import ConfigError
from reage.training.config import from_dict
from reage.training.gradients import input_gradient
from reage.training.loss_weights import LossWeights
from reage.training.moments import (
    CELLS,
    MEMORY,
    FeatureMoments,
    cell_code,
    pooled,
    real_moments,
)


@pytest.fixture(autouse=True)
def _float32() -> None:
    keras.config.set_dtype_policy("float32")


def moments(mean: float, deviation: float) -> FeatureMoments:
    """Of one feature, the same for every cell."""
    shape = (CELLS, 1)
    known = (np.full(shape, value, np.float32) for value in (mean, deviation))
    return FeatureMoments(lambda _: [], *known)


def women_of(group: int, count: int) -> Any:
    return cell_code(soft_code(np.full(count, GROUP_CENTERS[group])), np.ones(count, np.int64))


def faces_of(values: list[int], sexes: list[int], ages: list[float]) -> Faces:
    """Faces of one brightness each."""
    images = np.array(values, np.uint8)[:, None, None, None] * np.ones((1, 4, 4, 3), np.uint8)
    count = len(values)
    return Faces(
        images=images,
        ages=np.array(ages, np.float32),
        sexes=np.array(sexes, np.int64),
        ethnicities=np.zeros(count, np.int64),
        files=("",) * count,
    )


def brightness(images: Any) -> Any:
    """(N, 1), in 0..255."""
    return 127.5 * (np.mean(images, axis=(1, 2, 3))[:, None] + 1.0)


def test_pooled_is_mean_and_deviation_of_each_channel() -> None:
    image = np.zeros((1, 2, 2, 2), np.float32)
    image[0, :, 0, 0] = 2.0
    image[..., 1] = 5.0
    np.testing.assert_allclose(pooled([image]), [[1.0, 5.0, 1.0, 0.0]], atol=2e-3)


def test_a_cell_is_an_age_of_a_sex() -> None:
    age = np.array([[0.25, 0.75] + [0.0] * 12] * 3, np.float32)
    code = np.asarray(cell_code(age, np.array([0, 1, -1])))
    assert code.shape == (3, CELLS)
    np.testing.assert_allclose(code[:, :2], age[:, :2] * [[1.0], [0.0], [0.5]])
    np.testing.assert_allclose(code[:, 14:16], age[:, :2] * [[0.0], [1.0], [0.5]])
    np.testing.assert_allclose(code.sum(axis=1), 1.0)


def test_real_moments_are_those_of_the_cell() -> None:
    boys, girls, women = [10, 30] * 10, [60] * 20, [100] * 20
    sexes, ages = [0] * 20 + [1] * 40, [2.0] * 40 + [50.0] * 20
    mean, deviation = real_moments(
        faces_of(boys + girls + women, sexes, ages), brightness, power=1.0
    )
    assert mean.shape == (CELLS, 1)
    assert mean[[0, 14, 14 + 8], 0] == pytest.approx([20.0, 60.0, 100.0])
    assert deviation[[0, 14], 0] == pytest.approx([10.0, 0.0], abs=1e-3)
    # Without enough faces: the nearest age of the sex.
    assert mean[[8, 14 + 1, 14 + 13], 0] == pytest.approx([20.0, 60.0, 100.0])


def test_faces_of_unknown_sex_count_for_both() -> None:
    faces = faces_of([10] * 20 + [40] * 20, [-1] * 20 + [0] * 20, [2.0] * 40)
    mean, _ = real_moments(faces, brightness, power=1.0)
    assert mean[[0, 14], 0] == pytest.approx([25.0, 10.0])


def test_few_faces_are_taken_together() -> None:
    mean, _ = real_moments(faces_of([10, 20], [0, 1], [2.0, 50.0]), brightness, power=1.0)
    assert mean[:, 0] == pytest.approx(15.0)


def test_ethnicities_count_as_among_the_faces_that_are_drawn() -> None:
    # Of boys a tenth, of men a half are of the second ethnicity; both ages are drawn alike.
    ethnicities = [0] * 36 + [1] * 4 + [0] * 10 + [1] * 10
    faces = faces_of([10] * 36 + [50] * 4 + [90] * 20, [0] * 60, [2.0] * 40 + [50.0] * 20)
    faces = dataclasses.replace(faces, ethnicities=np.array(ethnicities))
    mean, _ = real_moments(faces, brightness, power=0.0)
    assert mean[0, 0] == pytest.approx(0.7 * 10 + 0.3 * 50)


def test_no_pull_where_the_moments_are_right() -> None:
    features = tf.constant([[0.0], [3.0]])
    gradient = input_gradient(lambda x: moments(1.0, 2.0).loss(x, women_of(3, 2))[0], features)
    np.testing.assert_allclose(gradient, 0.0, atol=1e-6)


def test_the_pull_is_the_way_to_the_real_moments() -> None:
    known = moments(1.0, 2.0)
    known.mean.assign(np.full((CELLS, 1), 4.0))
    known.square.assign(np.full((CELLS, 1), 4.0**2 + 1.0**2))
    features = tf.constant([[4.0], [5.0]])
    gradient = input_gradient(lambda x: known.loss(x, women_of(3, 2))[0], features)
    # Transport takes 4 to 1, and 5, one deviation above the mean, to 1 + 2; both in real variances
    # of 4, as a mean over two faces.
    np.testing.assert_allclose(gradient, [[3 / 4 / 2], [2 / 4 / 2]], rtol=1e-5)
    distance = known.loss(features, women_of(3, 2))[1]
    assert float(distance) == pytest.approx((3 / 2) ** 2 + (1 / 2) ** 2, rel=1e-5)


def test_moments_follow_the_results_of_their_cell_alone() -> None:
    known = moments(0.0, 1.0)
    features = ops.convert_to_tensor(np.full((50, 1), 2.0, np.float32))
    known.update(known.sums(features, women_of(4, 50)))
    moved = 50 * 2.0 / (50 + MEMORY)
    assert float(known.mean[14 + 4, 0]) == pytest.approx(moved)
    assert float(known.square[14 + 4, 0]) == pytest.approx(1.0 + 50 * 3.0 / (50 + MEMORY))
    # Neither those of another age nor those of the other sex.
    assert float(known.mean[14 + 7, 0]) == float(known.mean[4, 0]) == 0.0


def test_results_end_at_the_moments_of_real_faces() -> None:
    known, noise = moments(3.0, 0.5), np.random.default_rng(0)
    shift, factor = 0.0, 2.0
    for _ in range(400):
        drawn = noise.normal(size=(64, 1)).astype(np.float32)
        features = tf.constant(shift + factor * drawn)
        gradient = input_gradient(lambda x: known.loss(x, women_of(9, 64))[0], features)
        known.update(known.sums(features, women_of(9, 64)))
        shift -= 0.02 * float(tf.reduce_sum(gradient))
        factor -= 0.02 * float(tf.reduce_sum(gradient * drawn))
    assert shift == pytest.approx(3.0, abs=0.1)
    assert factor == pytest.approx(0.5, abs=0.1)


def test_the_generator_learns_from_it() -> None:
    batch = {name: tf.constant(value) for name, value in tiny_batch(8).items()}
    learned = tiny_gan()
    other = tiny_gan(weights=dataclasses.replace(learned.loss_weights_, moments=0.0))
    logs = [gan.train_step(batch) for gan in (learned, other)]
    assert float(logs[0]["g_moments"]) == pytest.approx(float(logs[1]["g_moments"]), rel=1e-5)
    after, instead = weights(learned), weights(other)
    changed = {
        owner: max(np.abs(after[key] - instead[key]).max() for key in after if owner in key)
        for owner in ("generator/", "discriminator/")
    }
    assert changed["generator/"] > 1e-6
    assert changed["discriminator/"] < 1e-6


def test_moments_need_features() -> None:
    with pytest.raises(ConfigError, match=r"weights\.moments.*0 unless `features` is the path"):
        from_dict({"stages": [{"weights": dataclasses.asdict(LossWeights(moments=1.0))}]}, "x.toml")
