"""A photo is replaced only where that was asked for, and then whole."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.images import read_photo


def pixels(path: Path) -> np.ndarray:
    return read_photo(path).pixels


@pytest.mark.parametrize("kind", ["itself", "dots", "symlink", "hard link"])
def test_an_output_that_is_the_input_is_refused(
    reage, photo: Path, tmp_path: Path, one_sentence, symlink, kind: str
) -> None:
    before = photo.read_bytes()
    output = tmp_path / "other.png"
    if kind == "itself":
        output = photo
    elif kind == "dots":
        (tmp_path / "sub").mkdir()
        output = tmp_path / "sub" / ".." / "me.png"
    elif kind == "symlink":
        symlink(output, photo)
    else:
        os.link(photo, output)
    assert reage("age", photo, "--to", 70, "-o", output) == 1
    one_sentence("is an input", "--in-place")
    assert photo.read_bytes() == before


def test_in_place_replaces_the_photo(reage, photo: Path, capsys) -> None:
    before = pixels(photo)
    photo.chmod(0o640)
    mode = photo.stat().st_mode
    assert reage("age", photo, "--to", 90, "--in-place") == 0
    assert capsys.readouterr().out.startswith(f"{photo} -> {photo} (replaced): 1 face, ")
    assert [path.name for path in photo.parent.iterdir()] == ["me.png"]
    after = pixels(photo)
    assert after.shape == before.shape
    assert (after != before).any()
    assert photo.stat().st_mode == mode


def test_in_place_through_a_link_keeps_the_link(
    reage, photo: Path, tmp_path: Path, symlink
) -> None:
    before = photo.read_bytes()
    link = tmp_path / "link.png"
    symlink(link, photo)
    assert reage("age", link, "--to", 90, "--in-place") == 0
    assert link.is_symlink()
    assert photo.read_bytes() != before


@pytest.mark.parametrize("fault", ["encode", "replace"])
def test_a_failure_in_place_leaves_the_photo(
    reage, photo: Path, monkeypatch: pytest.MonkeyPatch, one_sentence, fault: str
) -> None:
    before = photo.read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(*((Image.Image, "save") if fault == "encode" else (Path, "replace")), fail)
    assert reage("age", photo, "--to", 90, "--in-place") == 1
    one_sentence("No space left on device")
    assert photo.read_bytes() == before
    assert [path.name for path in photo.parent.iterdir()] == ["me.png"]


def test_in_place_never_drops_the_other_pictures_of_a_file(
    reage, photo: Path, tmp_path: Path, one_sentence
) -> None:
    moving = tmp_path / "moving.webp"
    with Image.open(photo) as face:
        face.save(moving, save_all=True, append_images=[face.rotate(3)])
    before = moving.read_bytes()
    assert reage("age", moving, "--to", 90, "--in-place") == 1
    one_sentence("more pictures or a film, which would be lost")
    assert moving.read_bytes() == before


def test_in_place_never_drops_the_film_of_a_motion_photo(
    reage, photo: Path, tmp_path: Path, one_sentence
) -> None:
    moving = tmp_path / "moving.jpg"
    with Image.open(photo) as face:
        face.convert("RGB").save(moving)
    before = moving.read_bytes() + b"\0\0\0\x18ftypmp42" + bytes(1000)
    moving.write_bytes(before)
    assert reage("age", moving, "--to", 90, "--in-place") == 1
    one_sentence("more pictures or a film, which would be lost")
    assert moving.read_bytes() == before


def test_in_place_goes_with_no_output_and_no_folder(reage, photo: Path, one_sentence) -> None:
    assert reage("age", photo, "--to", 70, "--in-place", "-o", "x.png") == 2
    one_sentence("--in-place", "-o")
    assert reage("age", photo.parent, "--to", 70, "--in-place") == 2
    one_sentence("--in-place", "folder")


def test_a_folder_whose_results_lead_to_photos_is_refused(
    reage, photo: Path, tmp_path: Path, one_sentence, symlink
) -> None:
    album, output = tmp_path / "album", tmp_path / "out"
    album.mkdir()
    output.mkdir()
    photo = photo.rename(album / "me.png")
    (album / "you.png").write_bytes(photo.read_bytes())
    before = photo.read_bytes()
    symlink(output / "you.png", photo)
    os.utime(photo, (1, 1))
    assert reage("age", album, "--to", 70, "-o", output) == 2
    one_sentence("you.png", "leads to one of the photos")
    assert photo.read_bytes() == before
