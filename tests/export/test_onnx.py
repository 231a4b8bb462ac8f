from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest

from reage.ages import AGE_GROUPS, GROUP_CENTERS, soft_code
from reage.data.pipeline import Faces
from reage.errors import ExportError
from reage.export import onnx as onnx_module
from reage.export.difference import change_by_keras
from reage.export.estimator import export_estimator, fit_temperature
from reage.export.half import store_half
from reage.export.onnx import export_metadata, export_onnx
from reage.faces.align import TEMPLATE
from reage.faces.change import delta_of, flow_of
from reage.inference.estimator import AgeEstimator
from reage.inference.session import AgingModel
from reage.models.discriminator import build_discriminator
from reage.models.generator import build_generator
from reage.models.presets import discriminator_size, generator_size
from reage.onnx_session import open_session

TERMS = {"training_data": "random pictures", "licence": "none"}


@pytest.fixture(scope="module", autouse=True)
def float32_policy():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32")
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy(before)


@pytest.fixture(scope="module")
def generator():
    model = build_generator(generator_size(32, width=0.1))
    rng = np.random.default_rng(0)
    for variable in model.variables:
        variable.assign_add(rng.normal(0, 0.02, variable.shape))
    return model


@pytest.fixture(scope="module")
def faces() -> np.ndarray:
    return np.random.default_rng(1).uniform(-1, 1, (3, 32, 32, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def exported(generator, faces, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("export")
    difference = export_onnx(generator, folder, faces, **TERMS)
    assert 0 < difference <= 1e-3
    assert sorted(path.name for path in folder.iterdir()) == [
        "generator_decoder.onnx",
        "generator_encoder.onnx",
    ]
    return folder


def test_inference_computes_what_keras_does(exported: Path, generator, faces) -> None:
    model = AgingModel.from_folder(exported, threads=1)
    assert model.image_size == 32
    for age in (2.5, 33.0, 90.0):
        expected = change_by_keras(generator, faces, soft_code([age] * 3))
        found = model.decode(model.encode(faces), age)
        np.testing.assert_allclose(found, expected, atol=1e-3)
        assert min(np.abs(delta_of(found)).max(), np.abs(flow_of(found)).max()) > 0.01


def test_metadata_says_what_inference_must_know(exported: Path) -> None:
    metadata = AgingModel.from_folder(exported).metadata
    assert json.loads(metadata["age_groups"]) == [[g.low, g.high] for g in AGE_GROUPS]
    np.testing.assert_allclose(json.loads(metadata["template"]), TEMPLATE, atol=1e-6)
    assert metadata["training_data"] == "random pictures"
    assert metadata["licence"] == "none"


def test_an_export_that_differs_is_not_kept(generator, faces, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(onnx_module, "max_difference", lambda *_: 0.5)
    with pytest.raises(ExportError, match=r"differs from Keras by 0\.5"):
        export_onnx(generator, tmp_path / "out", faces, **TERMS)
    assert list((tmp_path / "out").iterdir()) == []


def test_weights_are_stored_in_half_the_bytes(generator) -> None:
    values = np.linspace(-1, 1, 40_000).astype(np.float32)
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Add", ["x", "w"], ["y"])],
        "add",
        [onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, [40_000])],
        [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [40_000])],
        [onnx.numpy_helper.from_array(values, "w")],
    )
    model = onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8
    )
    before = model.ByteSize()
    store_half(model)
    onnx.checker.check_model(model)
    assert model.ByteSize() < 0.6 * before
    session = open_session(model.SerializeToString(), threads=1)
    (y,) = session.run(None, {"x": np.zeros(40_000, np.float32)})
    np.testing.assert_allclose(y, values, rtol=2**-11, atol=1e-7)
    assert export_metadata(generator, **TERMS)["image_size"] == "32"


def test_temperature_gives_intervals_that_hold_what_they_claim() -> None:
    rng = np.random.default_rng(0)
    groups = rng.integers(2, 12, 4000)
    ages = np.array([rng.integers(AGE_GROUPS[g].low, AGE_GROUPS[g].high + 1) for g in groups])
    # Gaussian beliefs about a noisy reading of the true group, much too sure of themselves.
    reading = groups + rng.normal(0, 1.5, 4000)
    logits = -0.5 * ((np.arange(14)[None] - reading[:, None]) / 1.0) ** 2
    assert fit_temperature(logits.astype(np.float32), ages, 0.8) > 1.3
    assert fit_temperature((9 * logits).astype(np.float32), ages, 0.8) > 2.5


def test_estimator_is_the_critic_with_softmax(tmp_path: Path) -> None:
    critic = build_discriminator(discriminator_size(32, width=0.1))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (28, 32, 32, 3)).astype(np.uint8)
    ages = np.float32(GROUP_CENTERS * 2)
    zeros = np.zeros(28, np.int64)
    faces = Faces(images, ages, zeros, zeros, tuple(map(str, range(28))))
    assert export_estimator(critic, faces, tmp_path, "none") <= 5e-3
    estimator = AgeEstimator((tmp_path / "age_estimator.onnx").read_bytes(), source="x", threads=1)
    assert (estimator.image_size, estimator.coverage) == (32, 0.8)
    probabilities = estimator.probabilities(images[:2].astype(np.float32) / 127.5 - 1)
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1.0, atol=1e-4)
