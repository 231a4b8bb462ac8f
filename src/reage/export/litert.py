"""Write the generator for LiteRT (formerly TensorFlow Lite), checked against Keras.

generator.tflite   signatures `encode`, run once per face, and `decode`, run once per age
generator.json     metadata
"""

from __future__ import annotations

import warnings
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from reage.export.difference import Difference, Exported, difference, require
from reage.export.onnx import OUTPUTS, export_metadata
from reage.export.savedmodel import holder, write_metadata
from reage.faces.change import join_change
from reage.scratch import scratch_folder

MODEL: Final = "generator.tflite"
METADATA: Final = "generator.json"
ENCODE: Final = "encode"
DECODE: Final = "decode"
BOUND: Final = Difference(max=1e-3, mean=1e-4)


def export_litert(
    generator: Any,
    folder: Path,
    faces: NDArray[np.float32],
    *,
    training_data: str,
    licence: str,
) -> Difference:
    """Exports a float32 generator for one face at a time; both files appear or neither does.

    Weights are stored as float32: the converter would round those of small layers to float16 too,
    and miss the tolerance.

    Args:
        generator: `build_generator`, of dtype policy float32.
        folder: Receives the two files; made if need be.
        faces: (N, S, S, 3) real faces in [-1, 1] to check on, at several ages.
        training_data: What the model was trained on, for the metadata.
        licence: Terms under which the weights may be used, for the metadata.

    Returns:
        The difference from Keras, as LiteRT's interpreter computes it.

    Raises:
        ExportError: If the exported model differs from Keras by more than `BOUND`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    metadata = export_metadata(generator, training_data=training_data, licence=licence)
    with scratch_folder(folder) as temporary:
        path = temporary / MODEL
        path.write_bytes(_convert(generator, temporary / "saved_model"))
        write_metadata(path.with_name(METADATA), metadata)
        found = difference(generator, open_litert(path), faces)
        require(found, BOUND, "the LiteRT model", folder)
        for name in (METADATA, MODEL):
            path.with_name(name).replace(folder / name)
    return found


def open_litert(path: Path) -> Exported:
    """Opens a LiteRT file of this package as a function of images and age codes to changes."""
    interpreter = open_interpreter(path)
    encode = interpreter.get_signature_runner(ENCODE)
    decode = interpreter.get_signature_runner(DECODE)

    def changes(images: NDArray[np.float32], codes: NDArray[np.float32]) -> NDArray[np.float32]:
        pairs = zip(images[:, None], codes[:, None], strict=True)
        outputs = [decode(**encode(image=image), age_code=code) for image, code in pairs]
        return np.concatenate([join_change(found["delta"], found["flow"]) for found in outputs])

    return changes


def open_interpreter(path: Path, *, threads: int = 1) -> Any:
    """LiteRT's interpreter where it is installed, else the one that TensorFlow still carries."""
    try:
        interpreter = import_module("ai_edge_litert.interpreter").Interpreter
    except ImportError:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*tf.lite.Interpreter is deprecated")
            return tf.lite.Interpreter(model_path=str(path), num_threads=threads)
    return interpreter(model_path=str(path), num_threads=threads)


def _convert(generator: Any, scratch: Path) -> bytes:
    encode, decode = _signatures(generator)
    tf.saved_model.save(
        holder(generator), str(scratch), signatures={ENCODE: encode, DECODE: decode}
    )
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(scratch), signature_keys=[ENCODE, DECODE]
    )
    return bytes(converter.convert())


def _signatures(generator: Any) -> tuple[Any, Any]:
    """Encoder and decoder as TensorFlow functions of named arguments, for a batch of one.

    A fixed batch lets every shape be known when the file is loaded.
    """
    encoder, decoder = generator.get_layer("encoder"), generator.get_layer("decoder")
    names = [tensor.name for tensor in decoder.inputs[:-1]]

    @tf.function(input_signature=_specs(encoder))  # type: ignore[untyped-decorator]
    def encode(image: Any) -> dict[str, Any]:
        return dict(zip(names, encoder(image, training=False), strict=True))

    @tf.function(input_signature=_specs(decoder))  # type: ignore[untyped-decorator]
    def decode(*inputs: Any) -> dict[str, Any]:
        return dict(zip(OUTPUTS, decoder(list(inputs), training=False), strict=True))

    return encode, decode


def _specs(model: Any) -> list[Any]:
    return [
        tf.TensorSpec((1, *tensor.shape[1:]), tf.float32, name=tensor.name)
        for tensor in model.inputs
    ]
