from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from reage.ages import soft_code
from reage.errors import ExportError
from reage.export import savedmodel
from reage.export.difference import Difference
from reage.export.onnx import export_metadata
from reage.export.savedmodel import export_savedmodel, open_savedmodel
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
    found = export_savedmodel(generator, folder, faces, **TERMS)
    assert found.mean <= found.max <= 1e-3
    assert [path.name for path in folder.iterdir()] == ["saved_model"]
    return folder / "saved_model"


def test_one_signature_gives_image_delta_and_flow(exported: Path, generator, faces) -> None:
    import tensorflow as tf

    loaded = tf.saved_model.load(str(exported))
    assert list(loaded.signatures) == ["serve"]
    codes = soft_code([3.0, 33.0, 90.0])
    for count in (1, 3):
        outputs = loaded.signatures["serve"](
            image=tf.constant(faces[:count]), age_code=tf.constant(codes[:count])
        )
        assert sorted(outputs) == ["delta", "flow", "image"]
        expected = generator([faces[:count], codes[:count]], training=False)
        for name in outputs:
            np.testing.assert_allclose(outputs[name], expected[name], atol=1e-4)
        assert np.abs(outputs["delta"]).max() > 0.01
        assert np.abs(outputs["flow"]).max() > 0.01
        assert np.abs(outputs["image"]).max() <= 1


def test_weights_are_those_at_the_time_of_the_export(exported: Path, generator, faces) -> None:
    changes = open_savedmodel(exported)
    codes = soft_code([50.0] * 3)
    before = changes(faces, codes)
    variable = generator.variables[0]
    kept = variable.numpy()
    variable.assign(kept + 1)
    np.testing.assert_array_equal(changes(faces, codes), before)
    variable.assign(kept)


def test_metadata_lies_in_the_folder(exported: Path, generator) -> None:
    found = json.loads((exported / "metadata.json").read_text(encoding="utf-8"))
    assert found == export_metadata(generator, **TERMS)
    assert found["image_size"] == "32"


def test_an_export_replaces_an_earlier_one_whole(generator, faces, tmp_path: Path) -> None:
    (tmp_path / "saved_model").mkdir()
    (tmp_path / "saved_model" / "old").write_text("old")
    export_savedmodel(generator, tmp_path, faces, **TERMS)
    assert [path.name for path in tmp_path.iterdir()] == ["saved_model"]
    assert not (tmp_path / "saved_model" / "old").exists()


@pytest.mark.parametrize("gap", [0.5, float("nan")])
def test_an_export_that_differs_is_not_kept(
    generator, faces, tmp_path: Path, monkeypatch, gap: float
) -> None:
    (tmp_path / "saved_model").mkdir()
    monkeypatch.setattr(savedmodel, "difference", lambda *_: Difference(gap, gap))
    with pytest.raises(ExportError, match=f"SavedModel differs from Keras by {gap} at most"):
        export_savedmodel(generator, tmp_path, faces, **TERMS)
    assert [path.name for path in tmp_path.iterdir()] == ["saved_model"]
    assert list((tmp_path / "saved_model").iterdir()) == []
