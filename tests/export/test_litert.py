from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from reage.ages import soft_code
from reage.errors import ExportError
from reage.export import litert
from reage.export.litert import export_litert, open_interpreter, open_litert
from reage.export.onnx import export_metadata
from reage.faces.change import delta_of, flow_of, join_change
from reage.models.generator import build_generator
from reage.models.presets import generator_size

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
    found = export_litert(generator, folder, faces, **TERMS)
    assert found.mean <= found.max <= 1e-3
    assert sorted(path.name for path in folder.iterdir()) == ["generator.json", "generator.tflite"]
    return folder / "generator.tflite"


def test_the_interpreter_computes_what_keras_does(exported: Path, generator, faces) -> None:
    changes = open_litert(exported)
    for age in (2.5, 33.0, 90.0):
        codes = soft_code([age] * 3)
        expected = generator([faces, codes], training=False)
        found = changes(faces, codes)
        np.testing.assert_allclose(delta_of(found), expected["delta"], atol=1e-3)
        flow = join_change(delta_of(found), np.asarray(expected["flow"]))[..., 3:]
        np.testing.assert_allclose(flow_of(found), flow, atol=1e-3)
        assert np.abs(delta_of(found)).max() > 0.01
        assert np.abs(flow).max() > 0.01


def test_signatures_encode_once_and_decode_per_age(exported: Path, faces) -> None:
    interpreter = open_interpreter(exported)
    signatures = interpreter.get_signature_list()
    assert sorted(signatures) == ["decode", "encode"]
    features = signatures["encode"]["outputs"]
    assert signatures["encode"]["inputs"] == ["image"]
    assert sorted(signatures["decode"]["inputs"]) == sorted(["age_code", *features])
    assert sorted(signatures["decode"]["outputs"]) == ["delta", "flow"]
    encode = interpreter.get_signature_runner("encode")
    decode = interpreter.get_signature_runner("decode")
    encoded = encode(image=faces[:1])
    young, old = (decode(**encoded, age_code=soft_code([age]))["delta"] for age in (5, 80))
    assert young.shape == (1, 32, 32, 3)
    assert np.abs(young - old).max() > 1e-4


def test_metadata_lies_beside_the_model(exported: Path, generator) -> None:
    found = json.loads(exported.with_suffix(".json").read_text(encoding="utf-8"))
    assert found == export_metadata(generator, **TERMS)


def test_an_export_that_lost_its_weights_is_not_kept(
    generator, faces, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr(litert, "open_litert", lambda _: lambda *_: np.full((3, 32, 32, 5), np.nan))
    with pytest.raises(ExportError, match="LiteRT model differs from Keras by nan"):
        export_litert(generator, tmp_path / "out", faces, **TERMS)
    assert list((tmp_path / "out").iterdir()) == []
