from __future__ import annotations

import math

import numpy as np
import pytest

from reage.faces.types import Face
from reage.inference.video.smoothing import (
    ExponentialAverage,
    FaceSmoother,
    OneEuroFilter,
    share,
)

RATE = 30.0


def run(smooth: OneEuroFilter, values: np.ndarray) -> np.ndarray:
    """Filters points (N, D) one after another, at `RATE` per second."""
    return np.stack([smooth(value[None], index / RATE)[0] for index, value in enumerate(values)])


def test_constant_stays_exactly_what_it_is() -> None:
    values = np.tile([3.25, -7.5], (50, 1))
    np.testing.assert_array_equal(run(OneEuroFilter(min_cutoff=1.0, beta=5.0), values), values)


def test_step_without_beta_is_a_first_order_low_pass() -> None:
    values = np.concatenate([np.zeros((1, 1)), np.ones((60, 1))])
    result = run(OneEuroFilter(min_cutoff=2.0, beta=0.0), values)[:, 0]
    ratio = 2 * math.pi * 2.0 / RATE
    expected = 1 - (1 / (1 + ratio)) ** np.arange(61)
    np.testing.assert_allclose(result, expected, atol=1e-12)


@pytest.mark.parametrize("beta", [0.1, 1.0, 10.0])
def test_step_is_followed_faster_with_beta_and_never_overshot(beta: float) -> None:
    values = np.concatenate([np.zeros((5, 1)), np.ones((60, 1))])
    slow = run(OneEuroFilter(min_cutoff=1.0, beta=0.0), values)[:, 0]
    fast = run(OneEuroFilter(min_cutoff=1.0, beta=beta), values)[:, 0]
    assert (fast[5:20] > slow[5:20]).all()
    assert (np.diff(fast) >= 0).all()
    assert fast[-1] == pytest.approx(1.0, abs=0.01)
    assert fast.max() <= 1.0


def test_noise_at_rest_is_damped_and_a_moving_point_is_kept_up_with() -> None:
    noise = np.random.default_rng(0).normal(0, 0.002, (400, 2))
    settings = {"min_cutoff": 0.8, "beta": 15.0, "speed_cutoff": 4.0}
    still = run(OneEuroFilter(**settings), noise)
    assert np.abs(np.diff(still, axis=0)).mean() < 0.4 * np.abs(np.diff(noise, axis=0)).mean()
    speed = 1.5
    moving = np.column_stack([speed * np.arange(400) / RATE, np.zeros(400)])
    lag = (moving - run(OneEuroFilter(**settings), moving))[200:, 0]
    # Far from rest the cutoff is beta * speed, and a ramp lags by speed / (2 pi cutoff).
    assert (lag > 0).all()
    assert (lag < 1 / (2 * math.pi * 15.0)).all()


def test_uneven_frames_are_weighed_by_the_time_between_them() -> None:
    dense, sparse = OneEuroFilter(min_cutoff=0.5), OneEuroFilter(min_cutoff=0.5)
    for smooth in (dense, sparse):
        smooth(np.zeros((1, 1)), 0.0)
    for step in range(1, 101):
        last = dense(np.ones((1, 1)), step / 100)
    gap = sparse(np.ones((1, 1)), 1.0)
    assert gap.item() == pytest.approx(share(0.5, 1.0))
    assert last.item() == pytest.approx(1 - math.exp(-math.pi), abs=0.01)


def test_all_points_of_a_shape_move_together() -> None:
    smooth = OneEuroFilter(min_cutoff=0.5, beta=3.0)
    shape = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    smooth(shape, 0.0)
    moved = smooth(shape + np.array([5.0, 1.0]), 0.04)
    np.testing.assert_allclose(moved - moved[0], shape, atol=1e-12)


def test_time_that_runs_backwards_starts_afresh() -> None:
    smooth = OneEuroFilter(min_cutoff=0.5)
    smooth(np.zeros((1, 1)), 1.0)
    assert smooth(np.full((1, 1), 8.0), 0.5).item() == 8.0


def test_average_forgets_one_share_of_e_per_time_constant() -> None:
    average = ExponentialAverage(0.2)
    np.testing.assert_array_equal(average(np.full(3, 4.0, np.float32), 0.0), 4.0)
    np.testing.assert_allclose(average(np.zeros(3, np.float32), 0.2), 4 / math.e, rtol=1e-6)
    for step in range(1, 5):
        last = average(np.zeros(3, np.float32), 0.2 + 0.05 * step)
    np.testing.assert_allclose(last, 4 / math.e**2, rtol=1e-5)
    assert last.dtype == np.float32


def test_face_smoother_measures_speed_in_faces_whatever_their_size() -> None:
    landmarks = np.array([[30, 30], [70, 30], [50, 55], [33, 70], [67, 70]], np.float32)
    oval = np.tile([50, 50], (36, 1)).astype(np.float32)
    results = []
    for scale in (1.0, 8.0):
        smooth = FaceSmoother()
        for step, shift in enumerate([0.0, 2.0, 1.0]):
            move = np.float32(scale * shift)
            box = np.array([0, 0, 100, 100], np.float32)
            face = Face(box, landmarks * np.float32(scale) + move, oval + move, 0.5)
            shown = smooth(face, step / RATE)
        results.append(shown.landmarks / scale)
        assert shown.score == 0.5
        assert shown.landmarks.dtype == shown.oval.dtype == np.float32
    np.testing.assert_allclose(results[0], results[1], rtol=1e-4)
    assert 0.5 < (results[0] - landmarks).mean() < 1.5
