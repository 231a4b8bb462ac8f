"""Write the generator as a TensorFlow SavedModel with one signature, checked against Keras.

saved_model/{saved_model.pb, variables/, metadata.json}
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reage.export.difference import Difference, Exported, difference, require
from reage.export.onnx import OUTPUTS, export_metadata
from reage.faces.change import join_change
from reage.scratch import scratch_folder

SAVED_MODEL: Final = "saved_model"
METADATA: Final = "metadata.json"
SIGNATURE: Final = "serve"
BOUND: Final = Difference(max=1e-3, mean=1e-4)


def export_savedmodel(
    generator: Any,
    folder: Path,
    faces: NDArray[np.float32],
    *,
    training_data: str,
    licence: str,
) -> Difference:
    """Exports a float32 generator to `folder/saved_model`; it appears whole or not at all.

    Its signature `serve` maps `image` (N, S, S, 3), RGB in [-1, 1], and `age_code` (N, 14) to
    `image` (N, S, S, 3), clipped to [-1, 1], `delta` and `flow`, all float32.

    Args:
        generator: `build_generator`, of dtype policy float32.
        folder: Receives the SavedModel; made if need be. An earlier one is replaced.
        faces: (N, S, S, 3) real faces in [-1, 1] to check on, at several ages.
        training_data: What the model was trained on, for the metadata.
        licence: Terms under which the weights may be used, for the metadata.

    Returns:
        The difference from Keras of the SavedModel as loaded from disk.

    Raises:
        ExportError: If the exported model differs from Keras by more than `BOUND`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    metadata = export_metadata(generator, training_data=training_data, licence=licence)
    with scratch_folder(folder) as temporary:
        path = temporary / SAVED_MODEL
        module = holder(generator)
        tf.saved_model.save(module, str(path), signatures={SIGNATURE: serving(generator)})
        write_metadata(path / METADATA, metadata)
        found = difference(generator, open_savedmodel(path), faces)
        require(found, BOUND, "the SavedModel", folder)
        _replace(path, folder / SAVED_MODEL)
    return found


def open_savedmodel(path: Path) -> Exported:
    """Loads a SavedModel of this package as a function of images and age codes to changes."""
    loaded = tf.saved_model.load(str(path))

    def changes(images: NDArray[np.float32], codes: NDArray[np.float32]) -> NDArray[np.float32]:
        # `loaded` stays in the closure: a signature alone does not keep its variables alive.
        serve = loaded.signatures[SIGNATURE]
        outputs = serve(image=tf.constant(images), age_code=tf.constant(codes))
        return join_change(outputs["delta"].numpy(), outputs["flow"].numpy())

    return changes


def serving(generator: Any) -> Any:
    """The generator as a TensorFlow function of named arguments, for any batch size."""
    image, age_code = (
        tf.TensorSpec((None, *tensor.shape[1:]), tf.float32, name=tensor.name)
        for tensor in generator.inputs
    )

    @tf.function(input_signature=[image, age_code])  # type: ignore[untyped-decorator]
    def serve(image: Any, age_code: Any) -> dict[str, Any]:
        outputs = generator([image, age_code], training=False)
        return {name: outputs[name] for name in ("image", *OUTPUTS)}

    return serve


def holder(generator: Any) -> Any:
    """A module that owns the generator's variables.

    TensorFlow's own variables, not the Keras model: from that, the LiteRT converter takes no
    weights, without a word.
    """
    module: Any = tf.Module()
    module.weights = [variable.value for variable in generator.variables]
    return module


def write_metadata(path: Path, metadata: dict[str, str]) -> None:
    """Writes metadata as JSON."""
    path.write_text(json.dumps(metadata, indent=2) + "\n", encoding="utf-8")


def _replace(new: Path, target: Path) -> None:
    """Moves a folder to where another may be; the old one goes with `new`'s temporary parent."""
    old = new.with_name("replaced")
    if target.exists():
        target.rename(old)
    try:
        new.rename(target)
    except OSError:
        if old.exists():
            old.rename(target)
        raise
