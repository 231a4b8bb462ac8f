"""Commands killed at the worst moments: started again, they give the uninterrupted result.

`tests/training/test_resume.py` does the same to training, `benchmarks/chaos.py` at random moments.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.cli.app import main

pytestmark = pytest.mark.skipif(os.name != "posix", reason="sends itself SIGKILL")

# Runs a command that kills itself at the N-th call of a function.
CHILD = """
import os, signal, sys
from importlib import import_module
from operator import attrgetter

module, owner, name, last, *arguments = sys.argv[1:]
holder = attrgetter(owner)(import_module(module)) if owner else import_module(module)
original, calls = getattr(holder, name), []

def die(*args, **options):
    calls.append(name)
    if len(calls) == int(last):
        os.kill(os.getpid(), signal.SIGKILL)
    return original(*args, **options)

setattr(holder, name, die)
from reage.cli.app import main
sys.exit(main(arguments))
"""


def run_and_kill(place: tuple[str, str, str, int], arguments: list[str]) -> None:
    command = [sys.executable, "-c", CHILD, *map(str, place), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def files_of(output: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in output.rglob("*") if path.name[0] != "."}


def same_files(first: Path, second: Path) -> bool:
    return files_of(first) == files_of(second)


def same_frames(first: Path, second: Path) -> bool:
    """Same times and near levels, for the encoder does not give the same bytes every time."""
    av = pytest.importorskip("av")
    frames = []
    for path in (first, second):
        with av.open(path) as container:
            frames.append({f.pts: f.to_ndarray(format="gray") for f in container.decode(video=0)})
    return frames[0].keys() == frames[1].keys() and all(
        np.abs(picture.astype(np.int16) - frames[1][time]).mean() <= 1.0
        for time, picture in frames[0].items()
    )


def check(
    arguments: Callable[[Path], list[str]],
    folder: Path,
    name: str,
    place: tuple[str, str, str, int],
    same: Callable[[Path, Path], bool] = same_files,
) -> None:
    whole, killed = folder / "whole" / name, folder / "killed" / name
    for output in (whole, killed):
        output.parent.mkdir()
    assert main(arguments(whole)) == 0
    run_and_kill(place, arguments(killed))
    assert not killed.exists() or len(files_of(killed)) < len(files_of(whole))
    assert list(killed.parent.rglob(".reage-*"))
    assert main(arguments(killed)) == 0
    assert same(killed, whole)
    assert list(killed.parent.rglob(".*")) == []


def test_a_folder_killed_between_writing_and_moving(
    photo: Path, tiny_model: Path, tmp_path: Path
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    with Image.open(photo) as face:
        for number in range(3):
            face.crop((number, 0, 240 + number, 240)).save(album / f"{number}.png")

    def age(output: Path) -> list[str]:
        model = ["--model", str(tiny_model)]
        return ["age", str(album), "--to", "70", "-o", str(output), *model]

    check(age, tmp_path, "out", ("pathlib", "Path", "replace", 2))


@pytest.mark.parametrize(
    "place",
    [
        ("reage.inference.video.writer", "ClipWriter", "write", 5),
        ("pathlib", "Path", "replace", 1),
    ],
    ids=["amid frames", "before moving"],
)
def test_a_killed_video(
    clip: Path, tiny_model: Path, tmp_path: Path, place: tuple[str, str, str, int]
) -> None:
    def age(output: Path) -> list[str]:
        model = ["--model", str(tiny_model), "--threads", "1"]
        return ["video", str(clip), "--to", "70", "-o", str(output), *model]

    check(age, tmp_path, "aged.mp4", place, same_frames)


def test_a_killed_preparation(tmp_path: Path) -> None:
    pytest.importorskip("tensorflow")
    faces = tmp_path / "faces"
    faces.mkdir()
    for number in range(30):
        noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
        name = f"{20 + number}_{number % 2}_{number % 5}_{20170101000000000 + number}.jpg.chip.jpg"
        Image.fromarray(noise).resize((200, 200), Image.Resampling.BICUBIC).save(faces / name)

    def prepare(output: Path) -> list[str]:
        return ["data", "prepare", str(faces), "-o", str(output)]

    check(prepare, tmp_path, "prepared", ("reage.data.prepare", "", "_swap", 1))
