"""Shipped weights that are not as they were shipped stop the command with one sentence."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

import pytest

from reage import weights
from reage.cli.app import main
from reage.weights import load_weights, weights_card


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that stands in for the packaged weights."""
    folder = tmp_path / "weights"
    folder.mkdir()
    source = resources.files(weights)
    for name in ("weights.json", *weights_card()):
        (folder / name).write_bytes((source / name).read_bytes())
    monkeypatch.setattr(resources, "files", lambda _package: folder)
    return folder


@pytest.mark.parametrize(
    "name", ["generator_encoder.onnx", "generator_decoder.onnx", "face_landmark.onnx"]
)
@pytest.mark.parametrize("fault", ["cut short", "one bit changed", "empty"])
def test_a_changed_file_is_named(
    package: Path, astronaut_path: Path, one_sentence, name: str, fault: str
) -> None:
    content = bytearray((package / name).read_bytes())
    if fault == "one bit changed":
        content[len(content) // 2] ^= 1
    (package / name).write_bytes(
        {"cut short": content[:-1], "empty": b""}.get(fault, bytes(content))
    )
    target = package / "old.png"

    assert main(["age", str(astronaut_path), "--to", "70", "-o", str(target)]) == 1

    one_sentence(name, "damaged or was changed", "reinstall")
    assert not target.exists()


def test_all_that_ships_is_on_the_card() -> None:
    shipped = {path.name for path in resources.files(weights).iterdir() if path.is_file()}
    assert shipped - {"__init__.py", "NOTICE.txt", "weights.json"} == set(weights_card())
    for name in weights_card():
        load_weights(name)
