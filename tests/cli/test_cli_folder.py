from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.cli.app import main
from reage.images import Photo
from reage.inference import folder as folder_module
from reage.inference.ager import FaceAger
from reage.inference.folder import Job, find_jobs, run_jobs

Run = Callable[..., int]


@pytest.fixture
def run(tiny_model: Path) -> Run:
    def run_age(*arguments: object) -> int:
        return main(["age", *map(str, arguments), "--to", "70", "--model", str(tiny_model)])

    return run_age


@pytest.fixture
def album(tmp_path: Path, astronaut_path: Path) -> Path:
    """Two good photos, one without a face, one broken, and a file that is no photo."""
    root = tmp_path / "album"
    deep = root / "a year" / "in june"
    deep.mkdir(parents=True)
    shutil.copy(astronaut_path, root / "one.png")
    shutil.copy(astronaut_path, deep / "-two é.png")
    Image.new("RGB", (64, 64)).save(root / "sky.jpg")
    (deep / "broken.jpg").write_bytes(b"\xff\xd8 no more")
    (root / "notes.txt").write_text("x")
    return root


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


def test_a_folder_is_mirrored_and_failures_are_listed(
    run: Run, album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    assert run(album, "-o", output) == 1
    assert tree(output) == ["a year/in june/-two é.png", "failures.csv", "one.png"]
    with (output / "failures.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    names = [str(album / "a year" / "in june" / "broken.jpg"), str(album / "sky.jpg")]
    assert [row["file"] for row in rows] == names
    assert "no face" in rows[1]["reason"]
    captured = capsys.readouterr()
    assert captured.out.endswith("2 aged, 0 there already, 2 failed, 1 other files\n")
    assert captured.err.count("reage: ") == 2
    before, after = (np.asarray(Image.open(p / "one.png").convert("RGB")) for p in (album, output))
    assert before.shape == after.shape
    assert (before != after).any()


def test_an_empty_file_is_called_empty(
    run: Run, album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (album / "empty.heic").write_bytes(b"")
    assert run(album, "-o", tmp_path / "out") == 1
    assert "empty.heic: is empty (0 bytes)" in capsys.readouterr().err


def test_finished_results_are_left_alone(
    run: Run, album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = tmp_path / "out"
    run(album, "-o", output)
    written = (output / "one.png").stat().st_mtime_ns
    os.utime(album / "a year" / "in june" / "-two é.png")  # A photo that changed since.
    for name in ("sky.jpg", "a year/in june/broken.jpg"):
        (album / name).unlink()
    capsys.readouterr()
    assert run(album, "-o", output) == 0
    assert (output / "one.png").stat().st_mtime_ns == written
    assert "1 aged, 1 there already, 0 failed" in capsys.readouterr().out
    assert not (output / "failures.csv").exists()


@pytest.mark.parametrize("age_of_file", [-1000, 1000])
def test_what_is_no_result_is_neither_replaced_nor_taken_for_one(
    run: Run,
    album: Path,
    tmp_path: Path,
    age_of_file: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output = tmp_path / "out"
    output.mkdir()
    other = output / "one.png"
    Image.new("RGB", (8, 8), "red").save(other)
    before = other.read_bytes()
    moment = (album / "one.png").stat().st_mtime + age_of_file
    os.utime(other, (moment, moment))
    assert run(album, "-o", output) == 1
    assert other.read_bytes() == before
    captured = capsys.readouterr()
    assert "1 aged, 0 there already, 3 failed" in captured.out
    assert f"{other}: is another picture, and not replaced; move it" in captured.err


def test_a_file_of_the_name_of_the_list_of_failures_is_kept(
    run: Run, album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mine = tmp_path / "out" / "failures.csv"
    mine.parent.mkdir()
    mine.write_text("day,failures\n")
    assert run(album, "-o", mine.parent) == 2
    assert tree(mine.parent) == ["failures.csv"]
    assert mine.read_text() == "day,failures\n"
    assert "failures.csv: is not a list of failures" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (MemoryError(), "one.png: does not fit into memory; make it smaller"),
        (RuntimeError("odd"), "one.png: met a fault of reage's own (RuntimeError odd); please"),
    ],
)
def test_no_error_stops_the_rest(
    run: Run,
    album: Path,
    tmp_path: Path,
    error: Exception,
    sentence: str,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    aged = FaceAger.age

    def failing(ager: FaceAger, photo: Photo, *arguments: object, **options: object) -> object:
        if Path(photo.name).name == "one.png":
            raise error
        return aged(ager, photo, *arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(FaceAger, "age", failing)
    assert run(album, "-o", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert "1 aged, 0 there already, 3 failed" in captured.out
    assert sentence in captured.err


def test_a_strength_that_cannot_be_meant_is_said_once(
    run: Run, album: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(album, "-o", tmp_path / "out", "--strength", 2) == 2
    assert capsys.readouterr().err.count("strength 2") == 1
    assert not (tmp_path / "out").exists()


def test_results_inside_the_folder_are_not_aged_again(run: Run, album: Path) -> None:
    output = album / "out"
    run(album, "-o", output)
    first = tree(output)
    run(album, "-o", output)
    assert tree(output) == first


def test_a_loop_of_links_ends(
    album: Path, tmp_path: Path, symlink: Callable[[Path, Path], None]
) -> None:
    symlink(album / "loop", album)
    jobs, others = find_jobs(album, tmp_path / "out", lambda path: path.suffix)
    assert (len(jobs), others) == (4, 1)


@pytest.mark.parametrize("output", [None, "album", "file"])
def test_folders_that_cannot_be_meant(
    run: Run, album: Path, tmp_path: Path, output: str | None
) -> None:
    (tmp_path / "file").write_text("x")
    before = tree(album)
    assert run(album, *([] if output is None else ["-o", tmp_path / output])) == 2
    assert tree(album) == before


def test_only_a_few_photos_are_in_work_at_a_time(tmp_path: Path) -> None:
    source = tmp_path / "photo.jpg"
    source.write_bytes(b"")
    taken = 0

    class Counting(list[Job]):
        def __iter__(self):
            nonlocal taken
            for job in super().__iter__():
                taken += 1
                yield job

    jobs = Counting(Job(source, tmp_path / "out" / f"{index}.jpg") for index in range(100))
    outcomes = run_jobs(jobs, lambda _source, target: target.touch(), workers=1)
    next(outcomes)
    assert taken <= 1 + folder_module._AHEAD
    outcomes.close()
    assert len(list((tmp_path / "out").iterdir())) <= 1 + folder_module._AHEAD
