"""Write a run's age critic as the age estimator, with probabilities that mean what they say."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from reage.ages import age_quantile
from reage.data.pipeline import Faces
from reage.errors import ExportError
from reage.export.onnx import convert
from reage.onnx_session import open_session
from reage.scratch import scratch_folder

ESTIMATOR_FILE: Final = "age_estimator.onnx"
COVERAGE: Final = 0.8
TOLERANCE: Final = 5e-3
CHECKED: Final = 64
_TEMPERATURES = np.geomspace(0.1, 3.0, 69)


def fit_temperature(
    logits: NDArray[np.float32], ages: NDArray[np.float32], coverage: float
) -> float:
    """The temperature at which the central interval holds the true age as often as it claims.

    Guo et al. 2017, "On Calibration of Modern Neural Networks", with coverage as the measure.

    Args:
        logits: (N, 14), of faces that were not trained on.
        ages: (N,) true ages, years.
        coverage: Wanted share of ages inside the interval.
    """

    def miss(temperature: float) -> float:
        probabilities = np.asarray(ops.softmax(logits / temperature, axis=-1))
        low = age_quantile(probabilities, (1 - coverage) / 2)
        high = age_quantile(probabilities, (1 + coverage) / 2)
        return abs(float(((ages >= np.floor(low)) & (ages <= high)).mean()) - coverage)

    return float(min(_TEMPERATURES, key=miss))


def estimator_model(critic: Any, temperature: float) -> Any:
    """A critic with softmax: `image` (N, S, S, 3) in [-1, 1] to `probabilities` (N, 14)."""
    image = keras.Input(critic.input_shape[1:], name="image")
    logits = critic(image)["age_logits"] / temperature
    return keras.Model(image, ops.softmax(logits, axis=-1), name="age_estimator")


def export_estimator(critic: Any, faces: Faces, folder: Path, licence: str) -> float:
    """Writes a critic as `age_estimator.onnx`.

    Args:
        critic: A trained critic, of dtype policy float32.
        faces: Faces that were not trained on, of the critic's image size.
        folder: Receives the file.
        licence: Terms under which the weights may be used, for the metadata.

    Returns:
        The largest absolute difference of probabilities between ONNX Runtime and Keras.

    Raises:
        ExportError: If that difference is more than `TOLERANCE`.
        MissingExtraError: If tf2onnx is not installed.
    """
    images = faces.images.astype(np.float32) / 127.5 - 1.0
    logits = critic.predict(images, batch_size=64, verbose=0)["age_logits"]
    estimator = estimator_model(critic, fit_temperature(logits, faces.ages, COVERAGE))
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder) as temporary:
        path = temporary / ESTIMATOR_FILE
        convert(estimator, ["probabilities"], path, {"licence": licence, "coverage": str(COVERAGE)})
        (exported,) = open_session(path.read_bytes()).run(None, {"image": images[:CHECKED]})
        expected = np.asarray(estimator(images[:CHECKED], training=False))
        difference = float(np.abs(exported - expected).max())
        if not difference <= TOLERANCE:
            raise ExportError(
                folder,
                f"the age estimator differs from Keras by {difference:.2g}, more than {TOLERANCE}",
                "report this with the versions of tensorflow, tf2onnx and onnxruntime",
            )
        path.replace(folder / ESTIMATOR_FILE)
    return difference
