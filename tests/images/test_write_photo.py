from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from picture_makers import corners, encode, noise

from reage.errors import ImageWriteError
from reage.images import check_output_path, format_for_path, read_photo, write_photo


def test_the_ending_decides_and_without_one_the_photo(tmp_path: Path) -> None:
    photo = read_photo(encode(corners(), "WEBP"))
    for name, format in (
        ("a.png", "PNG"),
        ("a.JPG", "JPEG"),
        ("a.tif", "TIFF"),
        ("a.avif", "AVIF"),
        ("a", "WEBP"),
    ):
        write_photo(tmp_path / name, photo, photo.pixels)
        assert read_photo(tmp_path / name).format == format
    write_photo(str(tmp_path / "b.jpg"), photo, photo.pixels, format="PNG")
    assert read_photo(tmp_path / "b.jpg").format == "PNG"
    assert format_for_path("x.HEIC") == "HEIF"
    assert format_for_path("folder.d/x") is None


def expect_refusal(path: Path, words: str) -> None:
    photo = read_photo(noise())
    with pytest.raises(ImageWriteError, match=words) as caught:
        write_photo(path, photo, photo.pixels)
    assert str(path) in str(caught.value)
    with pytest.raises(ImageWriteError, match=words):
        check_output_path(path)


def test_places_that_cannot_be_written_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expect_refusal(tmp_path / "none" / "a.png", "which does not exist; create it first")
    expect_refusal(tmp_path / "a.xyz", "ends in .xyz")
    expect_refusal(tmp_path, "is a folder")
    if os.name == "posix":
        expect_refusal(Path("/dev/null"), "is no regular file")
    monkeypatch.setattr(os, "access", lambda *_: False)
    expect_refusal(tmp_path / "a.png", "may not be written; check permissions")


def test_a_failed_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    photo = read_photo(noise())

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(ImageWriteError, match=r"a\.png: cannot be written \(No space left"):
        write_photo(path, photo, photo.pixels)

    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_overwriting_keeps_permissions_and_follows_links(
    tmp_path: Path, symlink: Callable[[Path, Path], None]
) -> None:
    path, link = tmp_path / "a.png", tmp_path / "link.png"
    path.write_bytes(b"old")
    path.chmod(0o600)
    mode = path.stat().st_mode
    symlink(link, path)
    photo = read_photo(noise())

    write_photo(link, photo, photo.pixels)

    assert link.is_symlink()
    assert path.stat().st_mode == mode
    assert np.array_equal(read_photo(path).pixels, noise())
