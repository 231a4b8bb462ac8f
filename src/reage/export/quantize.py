"""Write the generator as ONNX at a chosen precision of its weights and arithmetic.

float32  weights and arithmetic as trained
float16  weights stored in half the bytes, arithmetic in float32: `export_onnx`, the default
int8     weights in 7 of 8 bits, inputs of convolutions and dense layers in 8 (static quantisation)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from reage.ages import GROUP_CENTERS, soft_code
from reage.export.difference import Difference, Exported, difference, require
from reage.export.onnx import (
    DECODER,
    ENCODER,
    OUTPUTS,
    export_metadata,
    export_onnx,
    float32_graph,
)
from reage.faces.change import join_change
from reage.onnx_session import open_session
from reage.scratch import scratch_folder

Feeds = list[dict[str, NDArray[np.float32]]]


class Precision(StrEnum):
    """How weights are stored and computed with."""

    FLOAT32 = "float32"
    FLOAT16 = "float16"
    INT8 = "int8"


# For int8: 1.3 grey levels of 255 on average, 32 at the worst pixel of the worst face and age.
BOUNDS: Final = {
    Precision.FLOAT32: Difference(max=1e-3, mean=1e-4),
    Precision.INT8: Difference(max=0.25, mean=0.01),
}
_QUANTISED: Final = ["Conv", "Gemm", "MatMul"]


def export_precision(
    generator: Any,
    folder: Path,
    faces: NDArray[np.float32],
    *,
    precision: Precision,
    calibration: NDArray[np.float32],
    training_data: str,
    licence: str,
) -> Difference:
    """Exports a float32 generator as two ONNX files that appear together or not at all.

    Args:
        generator: `build_generator`, of dtype policy float32.
        folder: Receives the two files; made if need be.
        faces: (N, S, S, 3) real faces in [-1, 1] to check on, at several ages.
        precision: How weights are stored and computed with.
        calibration: (M, S, S, 3) other real faces in [-1, 1], from which int8 takes its ranges.
        training_data: What the model was trained on, for the metadata.
        licence: Terms under which the weights may be used, for the metadata.

    Returns:
        The difference from Keras, as ONNX Runtime computes it.

    Raises:
        ExportError: If the exported model differs from Keras by more than `BOUNDS`, or for float16
            than `reage.export.onnx.TOLERANCE`.
        MissingExtraError: If tf2onnx is not installed.
    """
    if precision is Precision.FLOAT16:
        export_onnx(generator, folder, faces, training_data=training_data, licence=licence)
        return difference(generator, open_onnx(folder), faces)
    folder.mkdir(parents=True, exist_ok=True)
    metadata = export_metadata(generator, training_data=training_data, licence=licence)
    encoder, decoder = generator.get_layer("encoder"), generator.get_layer("decoder")
    names = [tensor.name for tensor in decoder.inputs[:-1]]
    with scratch_folder(folder) as scratch:
        encode, decode = float32_graph(encoder, names), float32_graph(decoder, list(OUTPUTS))
        if precision is Precision.INT8:
            images: Feeds = [{"image": image[None]} for image in calibration]
            decoder_feeds = _decoder_feeds(encode, images)
            encode = quantised(encode, images, scratch)
            decode = quantised(decode, decoder_feeds, scratch)
        _write(encode, scratch / ENCODER, metadata)
        _write(decode, scratch / DECODER, metadata)
        found = difference(generator, open_onnx(scratch), faces)
        require(found, BOUNDS[precision], f"ONNX in {precision}", folder)
        for name in (ENCODER, DECODER):
            (scratch / name).replace(folder / name)
    return found


def open_onnx(folder: Path) -> Exported:
    """Opens the two ONNX files of a folder as a function of images and age codes to changes."""
    encode = open_session((folder / ENCODER).read_bytes())
    decode = open_session((folder / DECODER).read_bytes())
    names = [output.name for output in encode.get_outputs()]

    def changes(images: NDArray[np.float32], codes: NDArray[np.float32]) -> NDArray[np.float32]:
        features = dict(zip(names, encode.run(names, {"image": images}), strict=True))
        return join_change(*decode.run(list(OUTPUTS), {**features, "age_code": codes}))

    return changes


def quantised(graph: Any, feeds: Feeds, scratch: Path) -> Any:
    """Quantises convolutions and dense layers to 8 bits; ranges are the extremes over `feeds`.

    Static, not dynamic, quantisation: ranges found anew for each image halve the error, and make
    the model several times slower than float32. `docs/export.md` has the figures.

    Args:
        graph: A float32 `onnx.ModelProto`.
        feeds: Inputs to calibrate on.
        scratch: An existing folder for intermediate files.

    Returns:
        An `onnx.ModelProto` with QuantizeLinear and DequantizeLinear around those layers.
    """
    import onnx
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    source, simple, target = (scratch / f"{name}.onnx" for name in ("float", "simple", "int8"))
    onnx.save(graph, source)
    quant_pre_process(source, simple, skip_symbolic_shape=True)
    quantize_static(
        simple,
        target,
        _Reader(feeds),
        quant_format=QuantFormat.QDQ,
        op_types_to_quantize=_QUANTISED,
        per_channel=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        # Processors without VNNI add pairs of products in 16 bits, where 8 by 8 bits overflow
        # (ONNX Runtime, "Quantize ONNX models"): the error was two to three times as large.
        reduce_range=True,
    )
    return onnx.load(target)


class _Reader:
    """Hands out inputs one by one, as the quantiser asks for them."""

    def __init__(self, feeds: Feeds) -> None:
        self._feeds: Iterator[dict[str, NDArray[np.float32]]] = iter(feeds)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        return next(self._feeds, None)


def _decoder_feeds(encoder: Any, images: Feeds) -> Feeds:
    """What the decoder sees of each face at every age.

    The widest range of a layer may be that of one face at one age: with only some ages of each
    face, the largest difference from Keras is up to a third more.
    """
    session = open_session(encoder.SerializeToString())
    names = [output.name for output in session.get_outputs()]
    codes = soft_code(GROUP_CENTERS)[:, None]
    faces = [dict(zip(names, session.run(names, image), strict=True)) for image in images]
    return [{**features, "age_code": code} for features in faces for code in codes]


def _write(graph: Any, path: Path, metadata: Mapping[str, str]) -> None:
    import onnx

    onnx.helper.set_model_props(graph, dict(metadata))
    onnx.checker.check_model(graph)
    path.write_bytes(graph.SerializeToString())
