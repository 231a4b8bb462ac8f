"""What faces of each age look like on average, in the features of a frozen network.

A discriminator tells one face from the others. What is wrong with all results of an age together,
the mean and the spread of what a network sees in them, needs none: it can be counted. Matching it
is matching moments (Li et al. 2015, "Generative Moment Matching Networks"); the pull on each face
is that of the optimal transport between two normal distributions with diagonal covariances, whose
cost is the Frechet distance (Heusel et al. 2017, section 3).

Men and women have moments of their own, or all would be pulled to what is between them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from reage.ages import NUM_GROUPS
from reage.data.pipeline import Faces, group_probabilities

SEXES: Final = 2
CELLS: Final = SEXES * NUM_GROUPS
"""A cell is an age group of one sex; those of men come first."""

MEMORY: Final = 100.0
"""Over about how many results of a cell their moments are taken."""

_VARIANCE_FLOOR: Final = 1e-6
_MOST: Final = 200
_FEW: Final = 20
_TOGETHER: Final = 32


def pooled(maps: list[Any]) -> Any:
    """Mean and standard deviation of each channel over the image: (N, 2 C) of (N, H, W, C) maps."""
    means = [ops.mean(x, axis=(1, 2)) for x in maps]
    deviations = [ops.sqrt(ops.var(x, axis=(1, 2)) + _VARIANCE_FLOOR) for x in maps]
    return ops.concatenate([*means, *deviations], axis=-1)


def cell_code(age_code: Any, sex: Any) -> Any:
    """Soft age codes (N, 14) and sexes (N,), 0, 1 or -1 for unknown, as codes of cells (N, 28)."""
    women = ops.where(sex >= 0, ops.cast(sex, "float32"), 0.5)[:, None]
    return ops.concatenate([(1.0 - women) * age_code, women * age_code], axis=-1)


class FeatureMoments:
    """Follows the moments of results of each cell, and pulls them towards those of real faces.

    Args:
        features: Maps images to feature maps, such as a `features.FeatureNetwork`.
        real_mean: (28, D) float32, mean features of real faces of each cell.
        real_deviation: (28, D) float32, their standard deviations.
    """

    def __init__(
        self, features: Callable[[Any], list[Any]], real_mean: Any, real_deviation: Any
    ) -> None:
        self.features = features
        self.real_mean = ops.convert_to_tensor(real_mean, "float32")
        self.real_deviation = ops.convert_to_tensor(real_deviation, "float32")
        self.mean = _variable(real_mean, "mean")
        self.square = _variable(np.square(real_mean) + np.square(real_deviation), "square")

    @property
    def variables(self) -> list[Any]:
        """What resuming needs."""
        return [self.mean, self.square]

    def loss(self, features: Any, code: Any) -> tuple[Any, Any]:
        """What pulls results towards the moments of real faces of their cell.

        Args:
            features: (N, D), see `pooled`.
            code: Of the target ages, (N, 28), see `cell_code`.

        Returns:
            A scalar to take the gradient of, and the mean squared distance of the moments of
            results from those of real faces, in standard deviations.
        """
        deviation = _deviation(self.mean, self.square)
        mean, spread = ops.matmul(code, self.mean), ops.matmul(code, deviation)
        wanted = ops.matmul(code, self.real_mean)
        wanted_spread = ops.matmul(code, self.real_deviation)
        scale = 1.0 / (wanted_spread + _VARIANCE_FLOOR)
        around = (features - mean) * (wanted_spread / (spread + _VARIANCE_FLOOR))
        pull = ops.stop_gradient((features - wanted - around) * ops.square(scale))
        off = ops.square((mean - wanted) * scale) + ops.square((spread - wanted_spread) * scale)
        return ops.mean(pull * features), ops.mean(off)

    def sums(self, features: Any, code: Any) -> dict[str, Any]:
        """What `update` needs of some results: weights (28,), and sums (28, D) over them."""
        weights = ops.transpose(code)
        return {
            "count": ops.sum(weights, axis=1),
            "feature": ops.matmul(weights, features),
            "square": ops.matmul(weights, ops.square(features)),
        }

    def update(self, sums: dict[str, Any]) -> None:
        """Moves the moments towards those of the results of a step."""
        count = sums["count"][:, None]
        for variable, name in ((self.mean, "feature"), (self.square, "square")):
            step = (sums[name] - count * variable) / (count + MEMORY)
            variable.assign(variable + step)

    def zero_sums(self) -> dict[str, Any]:
        """Of no results."""
        zeros = ops.zeros_like(self.real_mean)
        return {"count": ops.zeros((CELLS,)), "feature": zeros, "square": zeros}


def real_moments(
    faces: Faces,
    features: Callable[[NDArray[np.float32]], Any],
    *,
    power: float,
    seed: int = 0,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Mean and standard deviation (28, D) of the features of real faces of each cell.

    In each, ethnicities count as among the faces that the generator is given: what a data set has
    fewer Indian elders of is no sign of age.

    Args:
        faces: Real faces. A cell that has few gets the moments of the nearest age that has enough,
            of that sex if there is one; faces of unknown sex count for both.
        features: Maps images (N, S, S, 3) float32 in [-1, 1] to (N, D).
        power: See `Sampling.power`.
        seed: Of the choice of faces, where there are more than are needed.
    """
    rng = np.random.default_rng(seed)
    share = _ethnicity_shares(faces, power)
    moments: dict[tuple[int, int], tuple[Any, Any]] = {}
    for sex in range(SEXES):
        of_sex = (faces.sexes == sex) | (faces.sexes < 0)
        for group in range(NUM_GROUPS):
            rows = rng.permutation(np.flatnonzero(of_sex & (faces.groups == group)))[:_MOST]
            if len(rows) >= _FEW:
                moments[sex, group] = _weighted_moments(faces, rows, features, share)
    if not moments:
        rows = rng.permutation(len(faces.groups))[:_MOST]
        moments[0, 0] = _weighted_moments(faces, rows, features, share)
    cells = [_nearest(moments, sex, group) for sex in range(SEXES) for group in range(NUM_GROUPS)]
    means, deviations = zip(*cells, strict=True)
    return np.stack(means).astype(np.float32), np.stack(deviations).astype(np.float32)


def _ethnicity_shares(faces: Faces, power: float) -> NDArray[np.float64]:
    """Share of each ethnicity among the faces that are drawn, unknown ones first."""
    counts = np.bincount(faces.groups, minlength=NUM_GROUPS)
    drawn = (group_probabilities(faces.groups, power) / np.maximum(counts, 1))[faces.groups]
    return np.bincount(faces.ethnicities + 1, weights=drawn).astype(np.float64)


def _weighted_moments(
    faces: Faces,
    rows: NDArray[np.int64],
    features: Callable[[NDArray[np.float32]], Any],
    share: NDArray[np.float64],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    parts = [
        ops.convert_to_numpy(features(faces.images[some].astype(np.float32) / 127.5 - 1.0))
        for some in np.array_split(rows, -(-len(rows) // _TOGETHER))
    ]
    values = np.concatenate(parts).astype(np.float64)
    kinds = faces.ethnicities[rows] + 1
    weights = (share / np.maximum(np.bincount(kinds, minlength=len(share)), 1))[kinds, None]
    weights /= weights.sum()
    mean = (weights * values).sum(axis=0)
    return mean, np.sqrt((weights * np.square(values - mean)).sum(axis=0))


def _nearest(moments: dict[tuple[int, int], Any], sex: int, group: int) -> Any:
    """The moments of the nearest age, those of the same sex first."""
    return moments[min(moments, key=lambda cell: (cell[0] != sex, abs(cell[1] - group)))]


def _deviation(mean: Any, square: Any) -> Any:
    return ops.sqrt(ops.maximum(square - ops.square(mean), 0.0) + _VARIANCE_FLOOR)


def _variable(value: Any, name: str) -> Any:
    return keras.Variable(value, dtype="float32", trainable=False, name=name)
