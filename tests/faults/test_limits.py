"""Limits that a user can set: pixels, bytes, faces, length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.cli.options import parse_faces
from reage.cli.video import check_duration
from reage.errors import ImageReadError, UsageError
from reage.images import DEFAULT_MAX_BYTES, DEFAULT_MAX_PIXELS, Photo, read_photo


def test_a_file_of_too_many_bytes_is_never_opened(tmp_path: Path) -> None:
    path = tmp_path / "huge.jpg"
    with path.open("wb") as stream:
        stream.truncate(DEFAULT_MAX_BYTES + 1)
    with pytest.raises(ImageReadError, match="1,000,000,001 bytes, over the limit of"):
        read_photo(path)
    path.write_bytes(b"x" * 101)
    with pytest.raises(ImageReadError, match="has 101 bytes, over the limit of 100; make it"):
        read_photo(path, max_bytes=100)
    with pytest.raises(ImageReadError, match="<bytes>: has 101 bytes"):
        read_photo(b"x" * 101, max_bytes=100)


def test_a_photo_that_was_read_is_returned_as_it_is() -> None:
    photo = read_photo(np.zeros((4, 4, 3), np.uint8))
    assert isinstance(photo, Photo)
    assert read_photo(photo) is photo


@pytest.mark.parametrize("command", ["age", "sweep"])
@pytest.mark.parametrize(
    ("option", "value", "words"),
    [
        ("--max-pixels", 256 * 256 - 1, "256 x 256 pixels, over the limit of 65,535"),
        ("--max-bytes", 10_000, "bytes, over the limit of 10,000"),
    ],
)
def test_a_photo_over_the_limit_is_refused(
    reage, photo: Path, one_sentence, command: str, option: str, value: int, words: str
) -> None:
    years = ["--to", 70] if command == "age" else ["--ages", "5,70"]
    assert reage(command, photo, *years, option, value) == 1
    one_sentence(photo.name, words)
    assert [path.name for path in photo.parent.iterdir()] == ["me.png"]


@pytest.mark.parametrize("option", ["--max-pixels", "--max-bytes", "--max-faces"])
def test_no_limit_is_below_one(reage, photo: Path, one_sentence, option: str) -> None:
    assert reage("age", photo, "--to", 70, option, 0) == 2
    one_sentence(option)


def test_limits_hold_in_a_folder(reage, photo: Path, tmp_path: Path) -> None:
    (tmp_path / "album").mkdir()
    photo.rename(tmp_path / "album" / "me.png")
    Image.new("RGB", (257, 256)).save(tmp_path / "album" / "wide.png")
    output = tmp_path / "out"
    limit = ["--max-pixels", 256 * 256]
    assert reage("age", tmp_path / "album", "--to", 70, "-o", output, *limit) == 1
    assert {path.name for path in output.iterdir()} == {"me.png", "failures.csv"}
    assert "257 x 256 pixels, over the limit" in (output / "failures.csv").read_text()


def test_all_faces_are_at_most_so_many(reage, tmp_path: Path, photo: Path, capsys) -> None:
    with Image.open(photo) as face:
        pair = np.hstack([np.asarray(face.convert("RGB"))] * 2)
    Image.fromarray(pair).save(tmp_path / "pair.png")
    for limit, faces in ((1, "1 face"), (2, "2 faces"), (500, "2 faces")):
        assert reage("age", tmp_path / "pair.png", "--to", 70, "--max-faces", limit) == 0
        assert f": {faces}, " in capsys.readouterr().out
    assert parse_faces("all", 7) == 7
    assert parse_faces("largest", 7) == "largest"
    assert parse_faces("9", 7) == 9


def test_a_video_over_the_limit_is_refused(reage, clip: Path, one_sentence) -> None:
    before = set(clip.parent.iterdir())
    assert reage("video", clip, "--to", 70, "--max-duration", "300ms") == 2
    one_sentence("clip.mp4: lasts 0.32 s, over the limit of 0.3 s", "--max-duration")
    assert set(clip.parent.iterdir()) == before
    assert reage("video", clip, "--to", 70, "--max-duration", "300ms", "--preview", "200ms") == 0


def test_the_limit_of_a_video_is_the_longest_that_is_taken() -> None:
    with pytest.raises(UsageError, match=r"lasts 3600\.50 s, over the limit of 3600 s"):
        check_duration(Path("a.mp4"), 3600.5, 3600.0)
    check_duration(Path("a.mp4"), 3600.0, 3600.0)


def test_the_default_limit_is_below_that_of_pillow() -> None:
    assert Image.MAX_IMAGE_PIXELS is not None
    assert 2 * Image.MAX_IMAGE_PIXELS == 178_956_970 >= DEFAULT_MAX_PIXELS
