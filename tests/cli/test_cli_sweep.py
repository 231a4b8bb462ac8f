from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from reage.cli.app import main

Run = Callable[..., int]


@pytest.fixture
def run(tiny_model: Path) -> Run:
    def run_sweep(*arguments: object) -> int:
        model = ["--model", str(tiny_model), "--threads", "1"]
        return main(["sweep", *map(str, arguments), *model])

    return run_sweep


@pytest.fixture
def photo(tmp_path: Path, astronaut_path: Path) -> Path:
    return Path(shutil.copy(astronaut_path, tmp_path / "me.png"))


def test_strip_beside_the_input(run: Run, photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(photo) == 0
    with Image.open(photo.parent / "me_ages.jpg") as strip:
        assert strip.format == "JPEG"
        assert strip.width > 5 * strip.height
    out = capsys.readouterr().out
    assert out.startswith(f"{photo} -> {photo.parent / 'me_ages.jpg'}: 6 ages, 1 face, ")


def test_options_of_the_strip(run: Run, photo: Path, tmp_path: Path) -> None:
    output = tmp_path / "strip.png"
    assert run(photo, "--ages", "10:91:40", "--whole", "--no-original", "-o", output) == 0
    with Image.open(output) as strip:
        assert strip.format == "PNG"
        assert strip.width == 3 * 384 + 4 * 8


def test_animation(run: Run, photo: Path, tmp_path: Path) -> None:
    assert run(photo, "--ages", "10,80", "-o", tmp_path / "me.gif") == 0
    with Image.open(tmp_path / "me.gif") as animation:
        assert animation.n_frames == 2


@pytest.mark.parametrize(
    ("options", "code", "words"),
    [
        (["--ages", "young"], 2, "is not a list of years"),
        (["--ages", "20,-1"], 2, "age -1"),
        (["--ages", "20,200"], 2, "age 200"),
        (["-o", "{folder}/nowhere/me.gif"], 1, "nowhere"),
        (["-o", "{folder}/me.png"], 1, "never replaced"),
    ],
)
def test_failure_is_one_sentence(
    run: Run,
    photo: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    code: int,
    words: str,
) -> None:
    assert run(photo, *(option.format(folder=photo.parent) for option in options)) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("reage: ")
    assert captured.err.count("\n") == 1
    assert words in captured.err
    assert [path.name for path in photo.parent.iterdir()] == ["me.png"]
