import json
from importlib import resources

import numpy as np
import pytest

from reage import weights
from reage.errors import UsageError, WeightsError
from reage.onnx_session import open_session
from reage.weights import load_weights, weights_card

DETECTOR = "face_detection_short_range.onnx"


@pytest.fixture
def package_copy(tmp_path, monkeypatch):
    """A folder with the card and one model that stands in for the package."""
    source = resources.files(weights)
    for name in ("weights.json", DETECTOR):
        (tmp_path / name).write_bytes((source / name).read_bytes())
    monkeypatch.setattr(resources, "files", lambda _package: tmp_path)
    return tmp_path


def test_every_file_on_the_card_is_whole():
    card = weights_card()
    assert {DETECTOR, "face_detection_back.onnx", "face_landmark.onnx"} <= set(card)
    for name, entry in card.items():
        assert len(load_weights(name)) > 0
        assert {"sha256", "licence", "origin", "purpose", "input"} <= set(entry)


def test_tampered_weights_are_refused(package_copy):
    assert load_weights(DETECTOR)
    content = bytearray((package_copy / DETECTOR).read_bytes())
    content[len(content) // 2] ^= 1
    (package_copy / DETECTOR).write_bytes(content)
    with pytest.raises(WeightsError, match=r"damaged.*reinstall"):
        load_weights(DETECTOR)


def test_missing_weights_are_named(package_copy):
    (package_copy / DETECTOR).unlink()
    with pytest.raises(WeightsError, match=f"{DETECTOR}: is missing"):
        load_weights(DETECTOR)


def test_unlisted_weights_are_refused():
    with pytest.raises(WeightsError, match="not on the weights card"):
        load_weights("../errors.py")


@pytest.mark.parametrize("text", ["{", json.dumps([1])])
def test_damaged_card_is_an_error(package_copy, text):
    (package_copy / "weights.json").write_text(text)
    with pytest.raises(WeightsError):
        load_weights(DETECTOR)


def test_session_runs_a_packaged_model():
    session = open_session(load_weights(DETECTOR), threads=1)
    batch = np.zeros((1, 128, 128, 3), np.float32)
    regressors, logits = session.run(None, {session.get_inputs()[0].name: batch})
    assert regressors.shape == (1, 896, 16)
    assert logits.shape == (1, 896, 1)


def test_session_refuses_what_is_no_model():
    with pytest.raises(WeightsError, match="cannot be loaded"):
        open_session(b"not a model")


def test_session_refuses_no_threads():
    with pytest.raises(UsageError, match="threads 0"):
        open_session(b"", threads=0)
