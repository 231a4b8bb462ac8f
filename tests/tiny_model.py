"""A pair of ONNX files with the interface of a real model, whose delta is known in closed form."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper, save

from reage.ages import AGE_GROUPS, GROUP_CENTERS, NUM_GROUPS
from reage.faces.align import TEMPLATE

SIZE = 64
PER_YEAR = 0.004
METADATA = {
    "image_size": str(SIZE),
    "age_groups": json.dumps([[group.low, group.high] for group in AGE_GROUPS]),
    "template": json.dumps(np.asarray(TEMPLATE).tolist()),
    "training_data": "none",
    "licence": "Apache-2.0",
}


def write_tiny_model(
    folder: Path,
    *,
    gain: float = 0.0,
    flow: tuple[float, float] | None = None,
    metadata: dict[str, str] | None = None,
) -> Path:
    """Writes a model with delta = (years - 50) * PER_YEAR + gain * (the crop's mean colour).

    Given a flow, x and y in sides of the crop, it is that of every pixel at every age.
    """
    folder.mkdir(parents=True, exist_ok=True)
    encoder, decoder = encoder_model(), decoder_model(gain, flow)
    version = {"format_version": "1" if flow is None else "2"}
    helper.set_model_props(encoder, METADATA | version | (metadata or {}))
    save(encoder, folder / "generator_encoder.onnx")
    save(decoder, folder / "generator_decoder.onnx")
    return folder


def encoder_model() -> ModelProto:
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", SIZE, SIZE, 3])
    skip = helper.make_tensor_value_info("skip", TensorProto.FLOAT, ["N", SIZE, SIZE, 3])
    mean = helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["N", 1, 1, 3])
    nodes = [
        helper.make_node("Identity", ["image"], ["skip"]),
        helper.make_node("ReduceMean", ["image"], ["mean"], axes=[1, 2], keepdims=1),
    ]
    return _model(helper.make_graph(nodes, "encoder", [image], [skip, mean]))


def decoder_model(gain: float, flow: tuple[float, float] | None = None) -> ModelProto:
    skip = helper.make_tensor_value_info("skip", TensorProto.FLOAT, ["N", SIZE, SIZE, 3])
    mean = helper.make_tensor_value_info("mean", TensorProto.FLOAT, ["N", 1, 1, 3])
    code = helper.make_tensor_value_info("age_code", TensorProto.FLOAT, ["N", NUM_GROUPS])
    delta = helper.make_tensor_value_info("delta", TensorProto.FLOAT, ["N", SIZE, SIZE, 3])
    per_group = ((np.asarray(GROUP_CENTERS) - 50.0) * PER_YEAR).astype(np.float32)
    constants = [
        numpy_helper.from_array(per_group[:, None], "per_group"),
        numpy_helper.from_array(np.float32([gain]), "gain"),
        numpy_helper.from_array(np.float32([0.0]), "zero"),
        numpy_helper.from_array(np.int64([1, 2]), "plane"),
    ]
    nodes = [
        helper.make_node("MatMul", ["age_code", "per_group"], ["years"]),
        helper.make_node("Unsqueeze", ["years", "plane"], ["change"]),
        helper.make_node("Mul", ["mean", "gain"], ["tint"]),
        helper.make_node("Add", ["change", "tint"], ["colour"]),
        helper.make_node("Mul", ["skip", "zero"], ["canvas"]),
        helper.make_node("Add", ["canvas", "colour"], ["delta"]),
    ]
    outputs = [delta]
    if flow is not None:
        outputs.append(helper.make_tensor_value_info("flow", TensorProto.FLOAT, ["N", 1, 1, 2]))
        constants.append(numpy_helper.from_array(np.float32([[0, 0], [0, 0], [0, 0]]), "none"))
        constants.append(numpy_helper.from_array(np.float32(flow), "there"))
        nodes.append(helper.make_node("MatMul", ["mean", "none"], ["still"]))
        nodes.append(helper.make_node("Add", ["still", "there"], ["flow"]))
    return _model(helper.make_graph(nodes, "decoder", [skip, mean, code], outputs, constants))


def _model(graph: object) -> ModelProto:
    return helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, producer_name="reage"
    )
