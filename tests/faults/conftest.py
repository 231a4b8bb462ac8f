from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from reage.cli.app import main

Reage = Callable[..., int]


@pytest.fixture
def reage(tiny_model: Path) -> Reage:
    """Runs a command with the tiny model on one thread; returns its exit code."""

    def run(command: str, *arguments: object) -> int:
        model = ["--model", str(tiny_model), "--threads", "1"]
        return main([command, *model, *map(str, arguments)])

    return run


@pytest.fixture
def photo(tmp_path: Path, astronaut_path: Path) -> Path:
    """A face in 256 x 256 pixels, small because many tests age it."""
    with Image.open(astronaut_path) as whole:
        whole.convert("RGB").crop((100, 0, 356, 256)).save(tmp_path / "me.png")
    return tmp_path / "me.png"


@pytest.fixture
def clip(photo: Path, tmp_path: Path) -> Path:
    """Eight frames of a face that drifts to the left, 0.32 s."""
    av = pytest.importorskip("av")
    with Image.open(photo) as face, av.open(tmp_path / "clip.mp4", "w") as container:
        stream = container.add_stream("libx264", rate=25)
        stream.width = stream.height = 192
        stream.pix_fmt = "yuv420p"
        for number in range(8):
            view = face.crop((30 + number, 20, 222 + number, 212))
            container.mux(stream.encode(av.VideoFrame.from_image(view)))
        container.mux(stream.encode(None))
    return tmp_path / "clip.mp4"


@pytest.fixture
def one_sentence(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Checks that nothing but one sentence with these words was printed as an error."""

    def check(*words: str) -> str:
        error = capsys.readouterr().err
        assert error.startswith("reage: ")
        assert error.endswith(".\n")
        assert error.count("\n") == 1, error
        for word in words:
            assert word in error
        return error

    return check
