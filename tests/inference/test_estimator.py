from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import reage
from reage.ages import NUM_GROUPS, age_quantile
from reage.cli.app import main
from reage.errors import WeightsError
from reage.inference.ager import FaceAger
from reage.inference.estimator import AgeEstimator, interval
from reage.weights import weights_card

SIZE = 8


def left_reader(outputs: int = NUM_GROUPS) -> bytes:
    """A model whose probability of group g is 1 where column g of the image is bright, else 0."""
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", SIZE, SIZE, 3])
    result = helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", outputs])
    columns = np.zeros((SIZE, outputs), np.float32)
    columns[np.arange(SIZE), np.arange(SIZE)] = 1.0
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMax", ["image"], ["bright"], axes=[1, 3], keepdims=0),
            helper.make_node("MatMul", ["bright", "columns"], ["probabilities"]),
        ],
        "reader",
        [image],
        [result],
        [numpy_helper.from_array(columns, "columns")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"coverage": "0.5"})
    return model.SerializeToString()


def test_quantiles_are_linear_within_a_group() -> None:
    only_31_to_40 = np.eye(NUM_GROUPS)[6]
    assert age_quantile(only_31_to_40, 0.5) == pytest.approx(36.0)
    assert age_quantile(only_31_to_40, 0.1) == pytest.approx(32.0)
    halves = (np.eye(NUM_GROUPS)[0] + np.eye(NUM_GROUPS)[1]) / 2
    np.testing.assert_allclose(
        age_quantile(np.stack([halves, only_31_to_40]), 0.75), [6 + 5 / 2, 31 + 0.75 * 10]
    )


def test_interval_holds_the_claimed_share() -> None:
    middle, low, high = interval(np.eye(NUM_GROUPS, dtype=np.float32)[6], 0.8)
    assert (middle, low, high) == pytest.approx((36.0, 32.0, 40.0))


def test_probabilities_are_the_mean_over_both_mirrorings() -> None:
    estimator = AgeEstimator(left_reader(), source="reader", threads=1)
    assert (estimator.image_size, estimator.coverage) == (SIZE, 0.5)
    crop = np.zeros((1, SIZE, SIZE, 3), np.float32)
    crop[:, :, 2] = 1.0
    probabilities = estimator.probabilities(crop)
    expected = np.zeros(NUM_GROUPS)
    expected[[2, SIZE - 1 - 2]] = 0.5
    np.testing.assert_allclose(probabilities[0], expected)


def test_another_model_is_refused() -> None:
    with pytest.raises(WeightsError, match="no age estimator"):
        AgeEstimator(left_reader(outputs=9), source="x.onnx")


needs_estimator = pytest.mark.skipif(
    "age_estimator.onnx" not in weights_card(), reason="this build ships no estimator"
)


@needs_estimator
def test_a_woman_of_38_is_no_child_and_not_old(astronaut_path: Path) -> None:
    (estimate,) = FaceAger(threads=1).estimate(astronaut_path)
    assert 20 <= estimate.age <= 50
    assert estimate.low < estimate.age < estimate.high
    assert estimate.probabilities.sum() == pytest.approx(1.0, abs=1e-4)


@needs_estimator
def test_command_prints_each_face(astronaut_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["estimate", str(astronaut_path), "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    (face,) = answer["faces"]
    assert face["low"] < face["age"] < face["high"]
    assert main(["estimate", str(astronaut_path)]) == 0
    assert "about" in capsys.readouterr().out


@needs_estimator
def test_the_model_ages_what_its_estimator_sees(astronaut_path: Path) -> None:
    """The generator and the estimator that ship agree about which way time runs."""
    ager = reage.FaceAger(threads=1)
    judged = [ager.estimate(ager(astronaut_path, to=to).pixels)[0].age for to in (5, 30, 75)]
    assert judged[0] < judged[1] < judged[2]
