"""What judged ages, embeddings and pixels say about an ageing; pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from reage.ages import group_index

Array = NDArray[np.floating]


@dataclass(frozen=True)
class AgeScore:
    """How well judged ages meet target ages; failures (NaN) are counted, never left out silently.

    Attributes:
        count: Faces judged.
        failures: Faces without a judged age.
        mean_absolute_error: Years.
        bias: Mean of judged minus target, years.
        group_accuracy: Share judged to be of the target age's group; failures are misses.
        near_accuracy: Share judged to be of that group or a neighbour.
    """

    count: int
    failures: int
    mean_absolute_error: float
    bias: float
    group_accuracy: float
    near_accuracy: float


def score_ages(judged: Array, targets: Array) -> AgeScore:
    """Scores judged ages (N,) against target ages (N,), both in years."""
    seen = np.isfinite(judged)
    error = (judged - targets)[seen]
    distance = np.full(len(judged), 99)
    distance[seen] = np.abs(group_index(judged[seen]) - group_index(targets[seen]))
    return AgeScore(
        count=int(seen.sum()),
        failures=int((~seen).sum()),
        mean_absolute_error=float(np.abs(error).mean()) if seen.any() else float("nan"),
        bias=float(error.mean()) if seen.any() else float("nan"),
        group_accuracy=float((distance == 0).mean()),
        near_accuracy=float((distance <= 1).mean()),
    )


def spearman(judged: Array, targets: Array) -> Array:
    """Rank correlation of each face's judged ages (N, T) with the target ages (T,).

    Spearman 1904: Pearson's correlation of ranks, equal values sharing their mean rank. A face
    whose judged ages are all the same, or that failed once, gets 0.
    """
    goal = _ranks(np.asarray(targets, np.float64))
    rows = np.asarray(judged, np.float64)
    return np.array(
        [_correlation(_ranks(row), goal) if np.isfinite(row).all() else 0.0 for row in rows]
    )


def verification_threshold(impostor_distances: Array, false_match_rate: float) -> float:
    """The largest threshold at which at most a share of impostors is accepted.

    A pair is accepted when its distance is below the threshold.

    Args:
        impostor_distances: Distances between different people, (N,).
        false_match_rate: Share of them that may be accepted, such as 1e-3.
    """
    ordered = np.sort(np.asarray(impostor_distances, np.float64))
    return float(ordered[min(int(np.floor(false_match_rate * len(ordered))), len(ordered) - 1)])


def verification_rate(distances: Array, threshold: float) -> float:
    """Share of pairs (N,) whose distance is below `threshold`; failures (NaN) are misses."""
    return float((np.asarray(distances) < threshold).mean()) if len(distances) else float("nan")


def peak_signal_to_noise(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Array:
    """PSNR in dB of each pair of images (N, H, W, C), uint8; equal images give infinity."""
    difference = first.astype(np.float64) - second.astype(np.float64)
    error = np.square(difference).mean(axis=(1, 2, 3))
    with np.errstate(divide="ignore"):
        return np.asarray(10 * np.log10(255.0**2 / error))


def mean_change(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> Array:
    """Mean absolute difference of each pair of images (N, H, W, C), in levels of 0..255."""
    difference = first.astype(np.float64) - second.astype(np.float64)
    return np.asarray(np.abs(difference).mean(axis=(1, 2, 3)))


def _ranks(values: Array) -> Array:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    return np.asarray((last - (counts - 1) / 2)[inverse], np.float64)


def _correlation(a: Array, b: Array) -> float:
    if np.ptp(a) == 0 or np.ptp(b) == 0:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
