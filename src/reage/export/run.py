"""Export what a training run made."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np

from reage.data.pipeline import load_faces
from reage.errors import ExportError
from reage.export.estimator import export_estimator
from reage.export.onnx import export_onnx
from reage.models.generator import build_generator
from reage.models.presets import generator_size
from reage.training.run import latest_generator, load_critic, load_run_config

PARITY_FACES = 16
LICENCE = "Non-commercial research use, as the UTKFace data; the code is Apache-2.0"


def export_run(run: Path, prepared: Path, folder: Path) -> float:
    """Exports the critic and the averaged generator of the latest stage, also of a run going on.

    Returns:
        The largest absolute difference of the generator between ONNX Runtime and Keras on
        validation faces.

    Raises:
        ExportError: If the run has no generator yet.
    """
    config = load_run_config(run)
    found = latest_generator(run, config)
    if found is None:
        raise ExportError(run, "has no generator yet", "run `reage train` first")
    stage, load = found
    keras.config.set_dtype_policy("float32")
    generator = build_generator(generator_size(stage.image_size, width=config.width))
    load(generator)
    faces = load_faces(prepared, "validation", stage.image_size)
    images = faces.images[:PARITY_FACES].astype(np.float32) / 127.5 - 1.0
    critic = load_critic(run, config)
    critic_faces = load_faces(prepared, "validation", config.critic.image_size)
    export_estimator(critic, critic_faces, folder, LICENCE)
    return export_onnx(
        generator,
        folder,
        images,
        training_data="UTKFace (aligned and cropped), training split of reage",
        licence=LICENCE,
    )
