from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import onnx
import pytest
from typer.testing import CliRunner

from reage.ages import soft_code
from reage.cli.export import FormatOption, PrecisionOption
from reage.errors import ExportError, UsageError
from reage.export import quantize
from reage.export import run as export_run_module
from reage.export.difference import Difference, change_by_keras, difference
from reage.export.quantize import BOUNDS, Precision, export_precision
from reage.export.run import Format, _refusals_about, export_run
from reage.inference.session import AgingModel
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
def exports(generator, faces, tmp_path_factory) -> dict[Precision, tuple[Path, Difference]]:
    root = tmp_path_factory.mktemp("exports")
    calibration = np.random.default_rng(2).uniform(-1, 1, (8, 32, 32, 3)).astype(np.float32)
    return {
        precision: (
            root / precision,
            export_precision(
                generator,
                root / precision,
                faces,
                precision=precision,
                calibration=calibration,
                **TERMS,
            ),
        )
        for precision in Precision
    }


@pytest.mark.parametrize("precision", Precision)
def test_inference_reads_every_precision(exports, generator, faces, precision: Precision) -> None:
    folder, found = exports[precision]
    assert sorted(path.name for path in folder.iterdir()) == [
        "generator_decoder.onnx",
        "generator_encoder.onnx",
    ]
    model = AgingModel.from_folder(folder, threads=1)
    assert model.image_size == 32
    assert json.loads(model.metadata["age_groups"])[0] == [0, 5]
    for age in (2.5, 45.5):
        expected = change_by_keras(generator, faces, soft_code([age] * 3))
        gap = np.abs(model.decode(model.encode(faces), age) - expected)
        assert gap.max() <= found.max + 1e-5
        assert gap.max() < 0.3 * np.abs(expected).max()


def test_fewer_bits_are_further_from_keras(exports) -> None:
    gaps = {precision: found.mean for precision, (_, found) in exports.items()}
    assert 0 < gaps[Precision.FLOAT32] < 1e-6
    assert gaps[Precision.FLOAT32] <= gaps[Precision.FLOAT16] < gaps[Precision.INT8] < 1e-2


def test_int8_holds_its_weights_in_8_bits(exports) -> None:
    for name in ("generator_encoder.onnx", "generator_decoder.onnx"):
        initializers = onnx.load(exports[Precision.INT8][0] / name).graph.initializer
        sizes = {onnx.TensorProto.INT8: 0, onnx.TensorProto.FLOAT: 0}
        for tensor in initializers:
            if tensor.data_type in sizes:
                sizes[tensor.data_type] += int(np.prod(tensor.dims))
        assert sizes[onnx.TensorProto.INT8] > 5 * sizes[onnx.TensorProto.FLOAT]


def test_int8_overflows_on_no_processor(exports) -> None:
    # vpmaddubsw, which stands in for VNNI, adds two products of 8 bits in 16 bits and saturates.
    largest = 0
    for name in ("generator_encoder.onnx", "generator_decoder.onnx"):
        for tensor in onnx.load(exports[Precision.INT8][0] / name).graph.initializer:
            if tensor.data_type == onnx.TensorProto.INT8:
                weights = onnx.numpy_helper.to_array(tensor).astype(int)
                largest = max(largest, int(np.abs(weights).max(initial=0)))
    assert 2 * 255 * largest <= np.iinfo(np.int16).max
    assert largest > 60


def test_every_face_is_calibrated_on_at_every_age(generator, faces) -> None:
    names = ["features_32", "features_16", "features_8"]
    encoder = quantize.float32_graph(generator.get_layer("encoder"), names)
    feeds = quantize._decoder_feeds(encoder, [{"image": face[None]} for face in faces])
    assert all(sorted(feed) == sorted([*names, "age_code"]) for feed in feeds)
    codes = np.concatenate([feed["age_code"] for feed in feeds])
    np.testing.assert_array_equal(codes, np.tile(np.eye(14), (len(faces), 1)))


@pytest.mark.parametrize(
    ("precision", "part"),
    [(Precision.FLOAT32, "max"), (Precision.INT8, "max"), (Precision.INT8, "mean")],
)
def test_a_precision_above_its_bound_is_refused(
    generator, faces, tmp_path: Path, monkeypatch, precision: Precision, part: str
) -> None:
    bound = BOUNDS[precision]
    gap = Difference(**{"max": 0.0, "mean": 0.0, part: 1.01 * getattr(bound, part)})
    monkeypatch.setattr(quantize, "difference", lambda *_: gap)
    with pytest.raises(ExportError, match=f"ONNX in {precision} differs from Keras by"):
        export_precision(
            generator,
            tmp_path / "out",
            faces,
            precision=precision,
            calibration=faces,
            **TERMS,
        )
    assert list((tmp_path / "out").iterdir()) == []


def test_difference_is_taken_over_all_faces_and_ages(generator, faces) -> None:
    def off(images: np.ndarray, codes: np.ndarray) -> np.ndarray:
        change = np.array(change_by_keras(generator, images, codes))
        change[1, 2, 3, 0] += 0.5 * codes[1, 13]
        return change

    found = difference(generator, off, faces)
    assert found.max == pytest.approx(0.5, abs=1e-4)
    assert found.mean == pytest.approx(0.5 / (14 * faces.size * 5 / 3), abs=1e-6)
    assert not difference(generator, lambda *_: np.full((3, 32, 32, 5), np.nan), faces).within(
        Difference(1.0, 1.0)
    )


def test_precision_belongs_to_onnx(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="precision int8"):
        export_run(
            tmp_path, tmp_path, tmp_path, file_format=Format.LITERT, precision=Precision.INT8
        )


def test_a_refusal_names_the_folder_asked_for_and_not_the_scratch(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught, _refusals_about(tmp_path):
        raise ExportError(tmp_path / ".reage-1.tmp", "differs", "report it")
    assert str(caught.value) == f"{tmp_path}: differs; report it."


def test_the_command_passes_its_options_on(tmp_path: Path, monkeypatch) -> None:
    from reage.cli.app import app

    assert [*FormatOption] == [*Format]
    assert [*PrecisionOption] == [*Precision]
    calls = []

    def spy(*args, **kwargs) -> Difference:
        calls.append((args, kwargs))
        return Difference(0.125, 0.002)

    monkeypatch.setattr(export_run_module, "export_run", spy)
    run = str(tmp_path)
    done = CliRunner().invoke(app, ["export", run, "--precision", "int8", "--data", "faces"])
    assert done.exit_code == 0, done.output
    assert "at most 1.2e-01, 2.0e-03 on average" in done.output
    CliRunner().invoke(app, ["export", run, "--format", "savedmodel", "-o", "out"])
    assert calls == [
        (
            (tmp_path, Path("faces"), tmp_path / "export"),
            {"file_format": Format.ONNX, "precision": Precision.INT8},
        ),
        (
            (tmp_path, Path("prepared"), Path("out")),
            {"file_format": Format.SAVEDMODEL, "precision": None},
        ),
    ]
    assert CliRunner().invoke(app, ["export", run, "--format", "pickle"]).exit_code == 2
