"""The age estimator: how old a face looks, as a distribution over the age groups."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray

from reage.ages import NUM_GROUPS, age_quantile
from reage.errors import WeightsError
from reage.faces.types import Face
from reage.onnx_session import open_session
from reage.weights import load_weights, weights_card

ESTIMATOR_FILE: Final = "age_estimator.onnx"


@dataclass(frozen=True, eq=False)
class AgeEstimate:
    """How old a face looks. It is no proof of anybody's age.

    Attributes:
        face: The face, in pixels of the upright photo.
        age: Estimated age in years: the median of the distribution.
        low: Lower end of the interval, years.
        high: Upper end of the interval, years.
        probabilities: Of the 14 age groups, (14,).
    """

    face: Face
    age: float
    low: float
    high: float
    probabilities: NDArray[np.float32]


class AgeEstimator:
    """Tells the age group of face crops.

    Attributes:
        image_size: Side of the square crops it works on, in pixels.
        coverage: Share of faces whose true age its intervals were calibrated to hold.
    """

    def __init__(self, model: bytes, *, source: str, threads: int | None = None) -> None:
        """Opens an ONNX file from memory; `source` names it in errors.

        Raises:
            WeightsError: If it is damaged or is no age estimator.
        """
        self._session: Any = open_session(model, threads=threads)
        inputs, outputs = self._session.get_inputs(), self._session.get_outputs()
        if [entry.name for entry in inputs] != ["image"] or outputs[0].shape[-1] != NUM_GROUPS:
            raise WeightsError(source, "is no age estimator", "export it with `reage export`")
        self.image_size = int(inputs[0].shape[1])
        metadata = self._session.get_modelmeta().custom_metadata_map
        self.coverage = float(metadata.get("coverage", "0.8"))

    @classmethod
    def from_package(cls, *, threads: int | None = None) -> Self:
        """Opens the estimator that ships inside the package.

        Raises:
            WeightsError: If it is missing or damaged.
        """
        if ESTIMATOR_FILE not in weights_card():
            raise WeightsError(
                "the age estimator", "is not part of this installation", "reinstall the package"
            )
        source = os.path.join("reage", "weights", ESTIMATOR_FILE)  # noqa: PTH118 - a name only
        return cls(load_weights(ESTIMATOR_FILE), source=source, threads=threads)

    def probabilities(self, crops: NDArray[np.float32]) -> NDArray[np.float32]:
        """Probabilities of the 14 groups, (N, 14), of RGB crops (N, S, S, 3) in [-1, 1].

        Each is the mean over the crop and its mirror image: people age the same in both.
        """
        mirrored = np.ascontiguousarray(crops[:, :, ::-1])
        both = [self._session.run(None, {"image": images})[0] for images in (crops, mirrored)]
        return np.asarray((both[0] + both[1]) / 2, np.float32)


def interval(probabilities: NDArray[np.float32], coverage: float) -> tuple[float, float, float]:
    """Median and both ends of the central interval of one distribution, in years."""
    shares = (0.5, (1 - coverage) / 2, (1 + coverage) / 2)
    middle, low, high = (float(age_quantile(probabilities, share)) for share in shares)
    return middle, low, high
