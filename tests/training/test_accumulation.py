"""A batch in parts takes the step of the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_gan import tiny_batch, tiny_gan, weights

from reage.training.gradients import mean_over_micro_batches


@pytest.fixture(autouse=True)
def float32_policy() -> None:
    keras.config.set_dtype_policy("float32")


def take_step(step: Callable[[Any], Any]) -> dict[str, float]:
    """One step, with R1; after several, a unit that rounding puts beyond a kink tells."""
    batch = {name: tf.constant(value) for name, value in tiny_batch(8).items()}
    return {name: float(value) for name, value in step(batch).items()}


def test_parts_take_the_step_of_the_whole() -> None:
    whole, parts = tiny_gan(), tiny_gan(accumulate=2)
    before = weights(whole)
    expected = take_step(whole.train_step)
    assert expected["d_r1"] > 0
    assert take_step(tf.function(parts.train_step, autograph=False)) == pytest.approx(
        expected, rel=1e-4
    )
    found = weights(parts)
    for name, value in weights(whole).items():
        np.testing.assert_allclose(found[name], value, atol=1e-5, err_msg=name)
    moved = [np.abs(before[name] - value).max() > 2e-5 for name, value in found.items()]
    assert np.mean(moved) > 0.8


def test_first_rows_of_the_parts_are_the_first_rows() -> None:
    batch = {"row": tf.range(12, dtype=tf.float32)}
    seen = []

    def first_half(part: dict[str, tf.Tensor]) -> tf.Tensor:
        seen.append(part["row"][: len(part["row"]) // 2].numpy())
        return tf.reduce_mean(part["row"])

    mean = mean_over_micro_batches(first_half, batch, 3, tf.zeros(()))
    assert float(mean) == pytest.approx(5.5)
    assert sorted(np.concatenate(seen)) == list(range(6))
