"""Distances between two sets of images, by the features that a network sees in them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Features = NDArray[np.floating]

_CHUNK = 1024


def frechet_distance(first: Features, second: Features) -> float:
    """Frechet distance between Gaussians fitted to two sets of features.

    Heusel et al. 2017, "GANs Trained by a Two Time-Scale Update Rule Converge to a Local Nash
    Equilibrium": `|m1 - m2|^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2))`. With centred features A and B,
    `C1 = A'A` and `C2 = B'B`, the trace of the root is the sum of the singular values of `AB'`:
    for fewer images than feature dimensions that matrix is the smaller one by far. The distance
    grows as sets shrink: compare only distances between equal counts.

    Args:
        first: (N, D), N > 1.
        second: (M, D), M > 1.
    """
    of_means = distance_of_means(first, second)
    a, b = (_centred(np.asarray(x, np.float64)) for x in (first, second))
    if max(len(a), len(b)) <= a.shape[1]:
        roots = np.linalg.svd(a @ b.T, compute_uv=False)
    else:
        root = _symmetric_root(a.T @ a)
        squares = np.linalg.eigvalsh(root @ (b.T @ b) @ root)
        roots = np.sqrt(np.clip(squares, 0, None))
    return float(of_means + np.square(a).sum() + np.square(b).sum() - 2 * roots.sum())


def distance_of_means(first: Features, second: Features) -> float:
    """What of the Frechet distance all images of a set have in common: `|m1 - m2|^2`.

    Args:
        first: (N, D).
        second: (M, D).
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    return float(np.square(a.mean(axis=0) - b.mean(axis=0)).sum())


def kernel_distance(first: Features, second: Features) -> float:
    """Kernel Inception distance: the unbiased squared MMD under a cubic polynomial kernel.

    Binkowski et al. 2018, "Demystifying MMD GANs": `k(x, y) = (x.y / D + 1)^3`. Its expectation
    does not depend on the counts; for equal distributions it is zero and may come out negative.

    Args:
        first: (N, D), N > 1.
        second: (M, D), M > 1.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)

    def mean_of_different(x: NDArray[np.float64]) -> float:
        itself = ((np.square(x).sum(axis=1) / x.shape[1] + 1) ** 3).sum()
        return float((_kernel_sum(x, x) - itself) / (len(x) * (len(x) - 1)))

    across = _kernel_sum(a, b) / (len(a) * len(b))
    return mean_of_different(a) + mean_of_different(b) - 2 * across


def _kernel_sum(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """The sum of the kernel over all pairs, by chunks: all pairs at once may take gigabytes."""
    chunks = (x[start : start + _CHUNK] for start in range(0, len(x), _CHUNK))
    return float(sum(((chunk @ y.T / x.shape[1] + 1) ** 3).sum() for chunk in chunks))


def _symmetric_root(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.sqrt(np.clip(values, 0, None))) @ vectors.T)


def _centred(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Features less their mean, scaled so that their Gram matrix is the covariance."""
    return np.asarray((features - features.mean(axis=0)) / np.sqrt(len(features) - 1))
