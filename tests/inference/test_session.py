from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from tiny_model import PER_YEAR, SIZE, write_tiny_model

from reage.errors import WeightsError
from reage.inference.session import AgingModel


def random_crops(count: int) -> np.ndarray:
    return np.random.default_rng(0).uniform(-1, 1, (count, SIZE, SIZE, 3)).astype(np.float32)


def test_delta_has_the_value_the_graph_computes(tmp_path: Path) -> None:
    model = AgingModel.from_folder(write_tiny_model(tmp_path, gain=0.1))
    crops = random_crops(2)

    delta = model.decode(model.encode(crops), 70)

    expected = (70 - 50) * PER_YEAR + 0.1 * crops.mean(axis=(1, 2), keepdims=True)
    assert delta.dtype == np.float32
    assert delta.shape == crops.shape
    np.testing.assert_allclose(delta, np.broadcast_to(expected, crops.shape), atol=1e-5)


def test_every_face_gets_its_own_age_in_more_than_one_batch(tmp_path: Path) -> None:
    model = AgingModel.from_folder(write_tiny_model(tmp_path, gain=0.1))
    crops, ages = random_crops(9), np.linspace(10, 90, 9)

    together = model.decode(model.encode(crops), ages)

    expected = (ages - 50) * PER_YEAR + 0.1 * crops[..., 0].mean(axis=(1, 2))
    np.testing.assert_allclose(together[:, 0, 0, 0], expected, atol=1e-5)


def test_metadata_tells_size_and_licence(tmp_path: Path) -> None:
    model = AgingModel.from_folder(write_tiny_model(tmp_path))
    assert model.image_size == SIZE
    assert model.metadata["licence"] == "Apache-2.0"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"age_groups": json.dumps([[0, 50], [51, 116]])}, "other age groups"),
        ({"template": json.dumps([[0.1, 0.1]] * 5)}, "another template"),
        ({"template": json.dumps([[0.1, 0.1]])}, "another template"),
        ({"format_version": "3"}, "has format 3"),
        ({"image_size": "large"}, "does not describe itself"),
        ({"age_groups": "not json"}, "does not describe itself"),
    ],
)
def test_model_of_other_conventions_is_refused(
    tmp_path: Path, change: dict[str, str], reason: str
) -> None:
    write_tiny_model(tmp_path, metadata=change)
    with pytest.raises(WeightsError, match=reason):
        AgingModel.from_folder(tmp_path)


def test_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere.*is missing; give a folder"):
        AgingModel.from_folder(tmp_path / "nowhere")


def test_damaged_file_is_named(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    (tmp_path / "generator_decoder.onnx").write_bytes(b"not a model")
    with pytest.raises(WeightsError, match=r"generator_decoder\.onnx: cannot be loaded"):
        AgingModel.from_folder(tmp_path)


def test_two_encoders_are_no_model(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    encoder = (tmp_path / "generator_encoder.onnx").read_bytes()
    (tmp_path / "generator_decoder.onnx").write_bytes(encoder)
    with pytest.raises(WeightsError, match="do not belong together"):
        AgingModel.from_folder(tmp_path)


def test_two_decoders_are_no_model(tmp_path: Path) -> None:
    write_tiny_model(tmp_path)
    decoder = (tmp_path / "generator_decoder.onnx").read_bytes()
    (tmp_path / "generator_encoder.onnx").write_bytes(decoder)
    with pytest.raises(WeightsError, match="does not describe itself"):
        AgingModel.from_folder(tmp_path)


def test_a_model_with_a_flow_gives_both_in_one_change(tmp_path: Path) -> None:
    model = AgingModel.from_folder(write_tiny_model(tmp_path, flow=(0.25, -0.125)))
    change = model.decode(model.encode(np.zeros((5, SIZE, SIZE, 3), np.float32)), 70)
    assert change.shape == (5, SIZE, SIZE, 5)
    np.testing.assert_allclose(change[..., :3], np.float32(change[0, 0, 0, 0]), atol=1e-6)
    np.testing.assert_array_equal(change[..., 3], np.float32(0.25))
    np.testing.assert_array_equal(change[..., 4], np.float32(-0.125))
    assert model.nothing().shape == (0, SIZE, SIZE, 5)


def test_a_format_that_promises_a_flow_must_keep_it(tmp_path: Path) -> None:
    write_tiny_model(tmp_path, metadata={"format_version": "2"})
    with pytest.raises(WeightsError, match="output is not delta and flow"):
        AgingModel.from_folder(tmp_path)
