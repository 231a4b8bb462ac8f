from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from reage.errors import ImageWriteError, NoFaceError, UsageError
from reage.inference.ager import FaceAger


@pytest.fixture(scope="module")
def ager(tiny_model: Path) -> FaceAger:
    return FaceAger(tiny_model, threads=1)


def test_frames_are_what_ageing_one_by_one_gives(ager: FaceAger, astronaut_path: Path) -> None:
    ages = [10, 42.5, 90]
    sweep = ager.sweep(astronaut_path, ages, source_age=30, strength=0.8)
    assert sweep.ages == (10, 42.5, 90)
    assert [faces[0].target_age for faces in sweep.faces] == ages
    for age, frame in zip(ages, sweep.frames, strict=True):
        alone = ager.age(astronaut_path, age, source_age=30, strength=0.8)
        np.testing.assert_array_equal(np.asarray(frame), alone.pixels)


def test_ages_may_come_from_a_range_or_a_generator(ager: FaceAger, astronaut_path: Path) -> None:
    assert ager.sweep(astronaut_path, range(10, 91, 40)).ages == (10, 50, 90)
    assert ager.sweep(astronaut_path, (age for age in (7, 8))).ages == (7, 8)


def test_no_ages_are_refused(ager: FaceAger, astronaut_path: Path) -> None:
    with pytest.raises(UsageError, match="is empty"):
        ager.sweep(astronaut_path, [])


def test_strip_shows_the_original_and_every_age(ager: FaceAger, astronaut_path: Path) -> None:
    sweep = ager.sweep(astronaut_path, [10, 50, 90])
    with_original, without = sweep.strip(), sweep.strip(original=False)
    tile = (with_original.width - without.width, without.height)
    assert without.width == pytest.approx(3 * tile[0], abs=8)
    # The tiny model darkens youth and brightens age.
    values = np.asarray(without.convert("L"), float)[: 3 * tile[1] // 4]
    brightness = [part.mean() for part in np.array_split(values, 3, axis=1)]
    assert brightness[0] < brightness[1] < brightness[2]


def test_whole_photo_in_a_strip_keeps_its_proportions(ager: FaceAger, astronaut_path: Path) -> None:
    strip = ager.sweep(astronaut_path, [20, 60]).strip(whole=True, original=False)
    pictures_width = strip.width - 3 * 8
    label = 384 // 8
    assert pictures_width == 2 * 384
    assert strip.height == 384 + label + 2 * 8


def test_strip_file_and_animation(ager: FaceAger, astronaut_path: Path, tmp_path: Path) -> None:
    sweep = ager.sweep(astronaut_path, [10, 50, 90])
    sweep.save(tmp_path / "strip.png")
    sweep.save(tmp_path / "sweep.GIF")

    with Image.open(tmp_path / "strip.png") as strip:
        np.testing.assert_array_equal(np.asarray(strip.convert("RGB")), np.asarray(sweep.strip()))
    with Image.open(tmp_path / "sweep.GIF") as animation:
        assert animation.format == "GIF"
        assert animation.n_frames == 4  # 10, 50, 90 and back over 50
        assert animation.info["loop"] == 0
    assert {path.name for path in tmp_path.iterdir()} == {"strip.png", "sweep.GIF"}


def test_strips_do_not_show_what_is_transparent(ager: FaceAger, astronaut_path: Path) -> None:
    with Image.open(astronaut_path) as opened:
        layered = opened.convert("RGBA")
    width, height = layered.size
    alpha = Image.new("L", layered.size, 255)
    alpha.paste(0, (0, 3 * height // 4, width, height))
    layered.putalpha(alpha)
    strip = ager.sweep(layered, [60]).strip(whole=True)
    hidden = np.asarray(strip.convert("RGB"))[8 + 300 : 8 + 380]
    pictures = hidden[:, np.r_[16:380, 408:770]]
    assert pictures.min() == 255
    assert np.asarray(strip.convert("L"))[8:280, 16:380].min() < 128


def test_a_face_below_transparency_is_not_found(ager: FaceAger, astronaut_path: Path) -> None:
    with Image.open(astronaut_path) as opened:
        layered = opened.convert("RGBA")
    layered.putalpha(0)
    with pytest.raises(NoFaceError):
        ager.sweep(layered, [60])


@pytest.mark.parametrize("name", ["sweep.gif", "sweep.png"])
def test_output_that_cannot_be_written_is_named(
    ager: FaceAger, astronaut_path: Path, tmp_path: Path, name: str
) -> None:
    sweep = ager.sweep(astronaut_path, [20])
    with pytest.raises(ImageWriteError, match="nowhere"):
        sweep.save(tmp_path / "nowhere" / name)
