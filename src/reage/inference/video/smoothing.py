"""Filters over time, for frames that need not be evenly spaced."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

from reage.faces.align import estimate_similarity, scale_of
from reage.faces.types import Face

# Chosen on clips of talking heads: at rest the landmarks tremble a quarter as much, in movement
# they lag by 1 % of the crop's side (2 % where a head is thrown about).
_MIN_CUTOFF_HZ: Final = 0.8
_BETA: Final = 15.0
_SPEED_CUTOFF_HZ: Final = 4.0
# Long against the noise of a delta, short against a turn of the head.
DELTA_TIME_CONSTANT: Final = 0.16


class OneEuroFilter:
    """The one-euro filter: steady on what rests, quick on what moves (Casiez et al. 2012).

    A low-pass filter of first order whose cutoff rises with speed: `min_cutoff + beta * speed`. All
    values of an array share the cutoff, so that a shape keeps its form while it moves.
    """

    def __init__(
        self, *, min_cutoff: float = 1.0, beta: float = 0.0, speed_cutoff: float = 1.0
    ) -> None:
        """Sets the filter up.

        Args:
            min_cutoff: Cutoff at rest, in Hz.
            beta: How much the cutoff rises, in Hz per unit of speed.
            speed_cutoff: Cutoff of the low-pass filter on the speed itself, in Hz.
        """
        self._min_cutoff = min_cutoff
        self._beta = beta
        self._speed_cutoff = speed_cutoff
        self._state: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._velocity: NDArray[np.float64] = np.zeros(())
        self._seconds = -math.inf

    def __call__(
        self, value: NDArray[np.floating], seconds: float, *, unit: float = 1.0
    ) -> NDArray[np.float64]:
        """Takes the value at a time and returns the filtered one.

        Args:
            value: (..., D), points of D coordinates each.
            seconds: When; a time that is not later than the last starts the filter afresh.
            unit: Speed is measured in this many units of `value` per second.
        """
        raw = np.asarray(value, np.float64)
        step = seconds - self._seconds
        self._seconds = seconds
        if self._state is None or step <= 0:
            self._state, self._velocity = (raw, raw), np.zeros_like(raw)
            return raw
        last_raw, last = self._state
        velocity = (raw - last_raw) / (step * unit)
        self._velocity = self._velocity + share(self._speed_cutoff, step) * (
            velocity - self._velocity
        )
        speed = math.sqrt(float((self._velocity**2).sum(axis=-1).mean()))
        smooth = last + share(self._min_cutoff + self._beta * speed, step) * (raw - last)
        self._state = raw, smooth
        return smooth


def share(cutoff: float, step: float) -> float:
    """The weight of a new value in a first-order low-pass filter of this cutoff in Hz."""
    ratio = 2 * math.pi * cutoff * step
    return ratio / (ratio + 1)


class ExponentialAverage:
    """A mean over time that forgets: what is one time constant old counts 1 / e."""

    def __init__(self, time_constant: float) -> None:
        self._time_constant = time_constant
        self._mean: NDArray[np.float32] | None = None
        self._seconds = -math.inf

    def __call__(self, value: NDArray[np.float32], seconds: float) -> NDArray[np.float32]:
        """Takes the value at a time, in seconds, and returns the mean."""
        step = seconds - self._seconds
        self._seconds = seconds
        if self._mean is None or step <= 0:
            self._mean = value
        else:
            weight = np.float32(1 - math.exp(-step / self._time_constant))
            self._mean = self._mean + weight * (value - self._mean)
        return self._mean


class FaceSmoother:
    """Keeps a face's landmarks and outline from trembling."""

    def __init__(self) -> None:
        self._filter = OneEuroFilter(
            min_cutoff=_MIN_CUTOFF_HZ, beta=_BETA, speed_cutoff=_SPEED_CUTOFF_HZ
        )

    def __call__(self, face: Face, seconds: float) -> Face:
        """The face as it is shown at a time, in seconds; box and score are left as they are."""
        side = 1 / scale_of(estimate_similarity(face.landmarks, 1))
        points = self._filter(np.vstack([face.landmarks, face.oval]), seconds, unit=side)
        count = len(face.landmarks)
        landmarks, oval = points[:count].astype(np.float32), points[count:].astype(np.float32)
        return Face(face.box, landmarks, oval, face.score)
