"""Export what a training run made."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from reage.data.pipeline import load_faces
from reage.data.prepare import read_dataset
from reage.errors import ExportError, UsageError
from reage.export.difference import Difference
from reage.export.estimator import ESTIMATOR_FILE, export_estimator
from reage.export.onnx import DECODER, ENCODER
from reage.export.quantize import Precision, export_precision
from reage.export.terms import terms_of
from reage.scratch import scratch_folder
from reage.training.limits import PUBLISHED
from reage.training.networks import make_generator
from reage.training.run import latest_generator, load_critic, load_run_config

PARITY_FACES = 16
CALIBRATION_FACES = 32


class Format(StrEnum):
    """File formats that a generator can be exported to."""

    ONNX = "onnx"
    SAVEDMODEL = "savedmodel"
    LITERT = "litert"


def export_run(
    run: Path,
    prepared: Path,
    folder: Path,
    *,
    file_format: Format = Format.ONNX,
    precision: Precision | None = None,
) -> Difference:
    """Exports the averaged generator of the latest stage, also of a run going on.

    As ONNX, which is what `reage age` reads, the critic is exported beside it as age estimator.

    Args:
        run: Folder of a training run.
        prepared: Prepared data, whose validation faces check the export.
        folder: Receives the files; made if need be.
        file_format: What to write.
        precision: Of ONNX; float16 if not given.

    Returns:
        The difference of the exported generator from Keras on validation faces.

    Raises:
        ExportError: If the run has no generator yet, or the export is too far from Keras.
        UsageError: If a precision is given for a format that has none.
    """
    if precision is not None and file_format is not Format.ONNX:
        raise UsageError(
            f"--precision {precision}", "is a choice of ONNX files only", "add --format onnx"
        )
    generator, faces, calibration = load_exportable(run, prepared)
    terms = terms_of(load_run_config(run), read_dataset(prepared)["source"])
    if file_format is Format.SAVEDMODEL:
        from reage.export.savedmodel import export_savedmodel

        return export_savedmodel(generator, folder, faces, **terms)
    if file_format is Format.LITERT:
        from reage.export.litert import export_litert

        return export_litert(generator, folder, faces, **terms)
    if precision is Precision.INT8 and not len(calibration):
        raise ExportError(
            prepared,
            f"holds too few validation faces to find the ranges of int8 on: {len(faces)}",
            f"prepare more than {PARITY_FACES}",
        )
    config = load_run_config(run)
    critic = load_critic(run, config)
    critic_faces = load_faces(prepared, "validation", config.critic.image_size)
    folder.mkdir(parents=True, exist_ok=True)
    with scratch_folder(folder) as whole, _refusals_about(folder):
        found = export_precision(
            generator,
            whole,
            faces,
            precision=precision or Precision.FLOAT16,
            calibration=calibration,
            **terms,
        )
        export_estimator(critic, critic_faces, whole, terms["licence"])
        for name in (ENCODER, DECODER, ESTIMATOR_FILE):
            (whole / name).replace(folder / name)
    return found


@contextmanager
def _refusals_about(folder: Path) -> Iterator[None]:
    """Names the folder that was asked for, and not the one that files are tried in."""
    try:
        yield
    except ExportError as error:
        raise ExportError(folder, error.reason, error.remedy) from error


def load_exportable(
    run: Path, prepared: Path
) -> tuple[Any, NDArray[np.float32], NDArray[np.float32]]:
    """The averaged generator of a run's latest stage, in float32, and faces to check it on.

    Returns:
        The generator, `PARITY_FACES` validation faces to check on, and `CALIBRATION_FACES` others,
        both (N, S, S, 3) float32 in [-1, 1].

    Raises:
        ExportError: If the run has no generator yet, or one of the published architecture.
    """
    config = load_run_config(run)
    if config.architecture == PUBLISHED:
        raise ExportError(
            run,
            "is of the published architecture, which has no delta",
            "use `reage evaluate` on it",
        )
    found = latest_generator(run, config)
    if found is None:
        raise ExportError(run, "has no generator yet", "run `reage train` first")
    stage, load = found
    keras.config.set_dtype_policy("float32")
    generator = make_generator(config, stage.image_size)
    load(generator)
    faces = load_faces(prepared, "validation", stage.image_size)
    images = faces.images[: PARITY_FACES + CALIBRATION_FACES].astype(np.float32) / 127.5 - 1.0
    return generator, images[:PARITY_FACES], images[PARITY_FACES:]
