"""The 14 age groups: bounds, names, and the soft code that makes any age a valid target."""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from reage.errors import AgeRangeError


class AgeGroup(NamedTuple):
    """An age group; both bounds belong to it, in whole years."""

    low: int
    high: int

    @property
    def name(self) -> str:
        """The bounds as text, e.g. `31-40`."""
        return f"{self.low}-{self.high}"

    @property
    def center(self) -> float:
        """The middle of the group, in years."""
        return (self.low + self.high) / 2


AGE_GROUPS: Final = (
    AgeGroup(0, 5),
    AgeGroup(6, 10),
    AgeGroup(11, 15),
    AgeGroup(16, 20),
    AgeGroup(21, 25),
    AgeGroup(26, 30),
    AgeGroup(31, 40),
    AgeGroup(41, 50),
    AgeGroup(51, 60),
    AgeGroup(61, 70),
    AgeGroup(71, 80),
    AgeGroup(81, 90),
    AgeGroup(91, 100),
    AgeGroup(101, 116),
)
NUM_GROUPS: Final = len(AGE_GROUPS)
MIN_AGE: Final = AGE_GROUPS[0].low
MAX_AGE: Final = AGE_GROUPS[-1].high
GROUP_CENTERS: Final = tuple(group.center for group in AGE_GROUPS)

_LOWS = np.array([group.low for group in AGE_GROUPS], np.float64)


def check_age(age: float) -> float:
    """Returns `age` in years as a float.

    Raises:
        AgeRangeError: If it is not a number from `MIN_AGE` to `MAX_AGE`.
    """
    value = float(age)
    if not MIN_AGE <= value <= MAX_AGE:
        raise AgeRangeError(
            f"age {age:g}",
            "lies outside the ages that the model knows",
            f"give a number of years from {MIN_AGE} to {MAX_AGE}",
        )
    return value


def group_index(ages: ArrayLike) -> NDArray[np.int64]:
    """Maps ages in years, any shape, to group indices 0..13 (same shape, int64).

    An age between two whole years belongs to the group of the year it has completed.
    """
    years = np.clip(np.asarray(ages, np.float64), MIN_AGE, MAX_AGE)
    return (np.searchsorted(_LOWS, np.floor(years), side="right") - 1).astype(np.int64)


def soft_code(ages: ArrayLike) -> NDArray[np.float32]:
    """Codes ages in years, shape (...), as weights over the groups, shape (..., 14), float32.

    An age at a group's center is that group's one-hot code; between two centers the two weights
    interpolate linearly, so that every age is a target and the code moves continuously. Below the
    first and above the last center the code is one-hot. Weights are in [0, 1] and sum to 1.
    """
    years = np.asarray(ages, np.float64)
    centers = np.asarray(GROUP_CENTERS)
    position = np.interp(years, centers, np.arange(NUM_GROUPS, dtype=np.float64))
    distance = np.abs(position[..., None] - np.arange(NUM_GROUPS))
    return np.clip(1.0 - distance, 0.0, 1.0).astype(np.float32)


def expected_age(probabilities: ArrayLike) -> NDArray[np.float64]:
    """The mean age in years, shape (...), of group probabilities, shape (..., 14)."""
    return np.asarray(np.asarray(probabilities, np.float64) @ np.asarray(GROUP_CENTERS))


def age_quantile(probabilities: ArrayLike, share: float) -> NDArray[np.float64]:
    """The age in years, shape (...), below which lies `share` of a distribution over the groups.

    Args:
        probabilities: Of the 14 groups, shape (..., 14), sums 1; even within each group.
        share: 0..1; 0.5 gives the median.
    """
    values = np.asarray(probabilities, np.float64)
    edges = np.append(_LOWS, MAX_AGE + 1.0)
    rows = values.reshape(-1, NUM_GROUPS)
    cumulative = np.concatenate([np.zeros((len(rows), 1)), np.cumsum(rows, axis=-1)], axis=-1)
    years = [np.interp(share * row[-1], row, edges) for row in cumulative]
    return np.asarray(years, np.float64).reshape(values.shape[:-1])
