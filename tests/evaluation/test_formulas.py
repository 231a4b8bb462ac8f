from __future__ import annotations

import numpy as np
import pytest

from reage.evaluation.frechet import distance_of_means, frechet_distance, kernel_distance
from reage.evaluation.reference import impostor_distances
from reage.evaluation.scores import (
    mean_change,
    peak_signal_to_noise,
    score_ages,
    spearman,
    verification_rate,
    verification_threshold,
)


def gaussian(mean: list[float], scales: list[float], count: int = 20000) -> np.ndarray:
    """Points with exactly this mean and a diagonal covariance of exactly these squares."""
    x = np.random.default_rng(0).normal(size=(count, len(mean)))
    x -= x.mean(axis=0)
    white = x @ np.linalg.inv(np.linalg.cholesky(np.cov(x, rowvar=False))).T
    return white * scales + mean


def test_frechet_distance_of_known_gaussians() -> None:
    a = gaussian([0, 0, 0], [1, 2, 3])
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-6)
    # Equal covariances: the squared distance of the means.
    assert frechet_distance(a, a + np.array([3.0, 0, 4.0])) == pytest.approx(25.0, rel=1e-6)
    assert distance_of_means(a, a + np.array([3.0, 0, 4.0])) == pytest.approx(25.0, rel=1e-6)
    # Commuting covariances: the sum of squared differences of the standard deviations.
    b = gaussian([0, 0, 0], [2, 2, 5])
    assert frechet_distance(a, b) == pytest.approx(1 + 0 + 4, rel=1e-6)
    assert distance_of_means(a, b) == pytest.approx(0.0, abs=1e-9)
    # A rotation that swaps two axes: the same as swapping the scales.
    assert frechet_distance(a, a[:, [1, 0, 2]]) == pytest.approx(1 + 1, rel=1e-6)


def test_frechet_distance_of_few_points_in_many_dimensions() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(10, 40)), rng.normal(size=(10, 40)) + 1
    covariances = [np.cov(x, rowvar=False) for x in (a, b)]
    eigenvalues = np.linalg.eigvals(covariances[0] @ covariances[1])
    root = np.sqrt(np.clip(eigenvalues.real, 0, None)).sum()
    shift = a.mean(axis=0) - b.mean(axis=0)
    expected = shift @ shift + np.trace(sum(covariances)) - 2 * root
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-4)
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-6)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-9)


def test_kernel_distance_by_hand() -> None:
    # k(x, y) = (x y + 1)^3 in one dimension: k(0,0) = k(0,y) = 1, k(1,2) = 27.
    a, b = np.array([[0.0], [0.0]]), np.array([[1.0], [2.0]])
    assert kernel_distance(a, b) == pytest.approx(1 + 27 - 2 * 1)


def test_kernel_distance_is_unbiased() -> None:
    rng = np.random.default_rng(2)
    values = [kernel_distance(*rng.normal(size=(2, 30, 4))) for _ in range(400)]
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(len(values))


def test_age_scores() -> None:
    judged = np.array([28.0, 33.0, 50.0, np.nan])
    score = score_ages(judged, np.full(4, 28.0))
    assert (score.count, score.failures) == (3, 1)
    assert score.mean_absolute_error == pytest.approx((0 + 5 + 22) / 3)
    assert score.bias == pytest.approx(9.0)
    # 28 is in 26-30, 33 in its neighbour, 50 two further; the failure counts as a miss.
    assert (score.group_accuracy, score.near_accuracy) == (0.25, 0.5)


def test_spearman() -> None:
    targets = np.array([2.5, 18.0, 45.5, 85.5])
    judged = np.array([[1, 2, 3, 4], [4, 3, 2, 1], [5, 5, 5, 5], [1, 3, 2, 4], [1, 2, np.nan, 4]])
    np.testing.assert_allclose(spearman(judged, targets), [1, -1, 0, 0.8, 0])
    # Ties share their mean rank: ranks (1, 2.5, 2.5, 4) against (1, 2, 3, 4).
    assert spearman(np.array([[1, 2, 2, 3]]), targets)[0] == pytest.approx(4.5 / np.sqrt(5 * 4.5))


def test_verification() -> None:
    impostors = np.linspace(0.0, 1.0, 1001)[1:]  # 0.001, 0.002, ..., 1.000
    threshold = verification_threshold(impostors, 1e-2)
    assert (impostors < threshold).sum() == 10
    assert verification_threshold(impostors, 1e-4) == pytest.approx(0.001)
    assert verification_rate(np.array([0.001, 0.2, np.nan]), threshold) == pytest.approx(1 / 3)


def test_impostor_distances() -> None:
    points = np.array([[0.0, 0.0], [3.0, 4.0], [0.0, 1.0]])
    np.testing.assert_allclose(impostor_distances(points), [5.0, 1.0, np.sqrt(18)])


def test_pixels() -> None:
    a = np.full((2, 4, 4, 3), 100, np.uint8)
    b = a.copy()
    b[1] += 10
    assert peak_signal_to_noise(a, b)[0] == np.inf
    assert peak_signal_to_noise(a, b)[1] == pytest.approx(20 * np.log10(255 / 10))
    np.testing.assert_allclose(mean_change(a, b), [0, 10])
