"""Write the averaged generator of a run as two ONNX files, checked against Keras.

Two files, because a sweep over ages runs the encoder once: `generator_encoder.onnx` turns an image
into feature maps, `generator_decoder.onnx` turns those and an age code into a delta and a flow.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reage.ages import AGE_GROUPS
from reage.errors import ExportError, MissingExtraError
from reage.export.half import store_half
from reage.export.parity import max_difference
from reage.faces.align import TEMPLATE
from reage.scratch import scratch_folder

ENCODER: Final = "generator_encoder.onnx"
DECODER: Final = "generator_decoder.onnx"
FORMAT_VERSION: Final = "2"
OUTPUTS: Final = ("delta", "flow")
OPSET: Final = 17
TOLERANCE: Final = 2e-3


def export_onnx(
    generator: Any,
    folder: Path,
    faces: NDArray[np.float32],
    *,
    training_data: str,
    licence: str,
) -> float:
    """Exports a float32 generator; both files appear together or not at all.

    Args:
        generator: `build_generator`, of dtype policy float32.
        folder: Receives the two files; made if need be.
        faces: (N, S, S, 3) real faces in [-1, 1] to check on, at several ages.
        training_data: What the model was trained on, for the metadata.
        licence: Terms under which the weights may be used, for the metadata.

    Returns:
        The largest absolute difference from Keras.

    Raises:
        ExportError: If the exported model differs from Keras by more than `TOLERANCE`.
        MissingExtraError: If tf2onnx is not installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    metadata = export_metadata(generator, training_data=training_data, licence=licence)
    encoder, decoder = generator.get_layer("encoder"), generator.get_layer("decoder")
    feature_names = [tensor.name for tensor in decoder.inputs[:-1]]
    with scratch_folder(folder) as temporary:
        paths = {name: temporary / name for name in (ENCODER, DECODER)}
        convert(encoder, feature_names, paths[ENCODER], metadata)
        convert(decoder, list(OUTPUTS), paths[DECODER], metadata)
        difference = max_difference(
            generator, paths[ENCODER].read_bytes(), paths[DECODER].read_bytes(), faces
        )
        if not difference <= TOLERANCE:
            raise ExportError(
                folder,
                f"ONNX differs from Keras by {difference:.2g}, more than {TOLERANCE}",
                "report this with the versions of tensorflow, tf2onnx and onnxruntime",
            )
        for name, path in paths.items():
            path.replace(folder / name)
    return difference


def export_metadata(generator: Any, *, training_data: str, licence: str) -> dict[str, str]:
    """What inference must know of a model, stored in the ONNX files themselves."""
    return {
        "format_version": FORMAT_VERSION,
        "image_size": str(generator.inputs[0].shape[1]),
        "age_groups": json.dumps([list(group) for group in AGE_GROUPS]),
        "template": json.dumps(np.round(np.asarray(TEMPLATE, np.float64), 6).tolist()),
        "training_data": training_data,
        "licence": licence,
        "input": "RGB, NHWC, float32 in [-1, 1], aligned to template (units of the side)",
        "output": "delta to be added, then clipped; flow by which the sum is moved, in sides",
    }


def convert(model: Any, outputs: list[str], path: Path, metadata: Mapping[str, str]) -> None:
    """Writes a float32 Keras model as ONNX, its weights stored as float16.

    Args:
        model: A functional model.
        outputs: Names for its outputs, in order.
        path: The file to write.
        metadata: Stored in the file.

    Raises:
        MissingExtraError: If tf2onnx is not installed.
    """
    proto = float32_graph(model, outputs)
    import onnx

    store_half(proto)
    onnx.helper.set_model_props(proto, dict(metadata))
    onnx.checker.check_model(proto)
    path.write_bytes(proto.SerializeToString())


def float32_graph(model: Any, outputs: list[str]) -> Any:
    """Converts a float32 functional Keras model, for any batch size, to an `onnx.ModelProto`.

    Args:
        model: The model.
        outputs: Names for its outputs, in order.

    Raises:
        MissingExtraError: If tf2onnx is not installed.
    """
    try:
        import tf2onnx
    except ImportError as error:
        raise MissingExtraError(
            "reage export", "needs tf2onnx", "install it with `pip install 'reage[export]'`"
        ) from error
    import tensorflow as tf

    signature = [
        tf.TensorSpec((None, *tensor.shape[1:]), tf.float32, name=tensor.name)
        for tensor in model.inputs
    ]

    @tf.function(input_signature=signature)  # type: ignore[untyped-decorator]
    def call(*inputs: Any) -> dict[str, Any]:
        results = model(list(inputs) if len(inputs) > 1 else inputs[0], training=False)
        results = results if isinstance(results, list) else [results]
        return dict(zip(outputs, results, strict=True))

    proto, _ = tf2onnx.convert.from_function(call, input_signature=signature, opset=OPSET)
    return proto
