"""A batch in parts takes the step of the whole."""

from __future__ import annotations

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


def test_parts_take_the_steps_of_the_whole() -> None:
    whole, parts = tiny_gan(), tiny_gan(accumulate=2)
    before = weights(whole)
    batch = {name: tf.constant(value) for name, value in tiny_batch(8).items()}
    in_parts = tf.function(parts.train_step, autograph=False)
    for _ in range(3):
        # Each step from the same weights: rounding may have put a unit beyond a kink.
        start_as(parts, whole)
        expected, found = (step(batch) for step in (whole.train_step, in_parts))
        # Divergences are small differences of large sums.
        assert numbers(found) == pytest.approx(numbers(expected), rel=1e-4, abs=1e-6)
        moved = weights(parts)
        for name, value in weights(whole).items():
            np.testing.assert_allclose(moved[name], value, atol=2e-5, err_msg=name)
    assert np.mean([np.abs(before[name] - moved[name]).max() > 1e-4 for name in moved]) > 0.8


def test_every_part_takes_one_face_there_and_back() -> None:
    batch = {name: tf.constant(value) for name, value in tiny_batch(4).items()}
    half, all_faces = (
        numbers(tiny_gan(accumulate=4, cycle_share=share).train_step(batch)) for share in (0.5, 1.0)
    )
    assert half == pytest.approx(all_faces, rel=1e-6)
    assert half["g_cycle"] > 0


def start_as(gan: Any, other: Any) -> None:
    state = other.state()
    for owner, variables in gan.state().items():
        for variable, value in zip(variables, state[owner], strict=True):
            variable.assign(value)


def numbers(logs: dict[str, Any]) -> dict[str, float]:
    return {name: float(value) for name, value in logs.items()}


def test_first_rows_of_the_parts_are_the_first_rows() -> None:
    batch = {"row": tf.range(12, dtype=tf.float32)}
    seen = []

    def first_half(part: dict[str, tf.Tensor]) -> tf.Tensor:
        seen.append(part["row"][: len(part["row"]) // 2].numpy())
        return tf.reduce_mean(part["row"])

    mean = mean_over_micro_batches(first_half, batch, 3, tf.zeros(()))
    assert float(mean) == pytest.approx(5.5)
    assert sorted(np.concatenate(seen)) == list(range(6))
