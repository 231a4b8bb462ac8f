from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from reage.inference.strip import animate, arrange, make_tile, portrait_window


def test_window_leaves_room_for_hair_and_neck() -> None:
    window = portrait_window([(400, 300, 500, 400)], 1000, 1000)
    assert window == (350, 235, 550, 455)


def test_window_covers_all_faces_and_stays_in_the_photo() -> None:
    window = portrait_window([(10, 10, 60, 60), (180, 20, 280, 120)], 300, 200)
    assert window == (0, 0, 300, 175)


def test_tile_is_the_window_with_a_label_below() -> None:
    pixels = np.zeros((400, 600, 3), np.uint8)
    pixels[100:300, 200:500] = (10, 200, 30)
    tile = np.asarray(make_tile(pixels, (200, 100, 500, 300), "70"))
    assert tile.shape == (200 + 25, 300, 3)
    assert (tile[:200] == (10, 200, 30)).all()
    band = tile[200:]
    assert (band[:, :100] == 255).all()
    assert (band[:, 120:180] < 128).any()


@pytest.mark.parametrize(("side", "height"), [(2000, 384), (50, 192)])
def test_tile_height_suits_a_screen(side: int, height: int) -> None:
    pixels = np.zeros((side, side, 3), np.uint8)
    tile = make_tile(pixels, (0, 0, side, side), "5")
    assert tile.size == (height, height + height // 8)


@pytest.mark.parametrize(
    ("count", "columns", "rows"), [(1, 1, 1), (10, 10, 1), (11, 6, 2), (20, 10, 2), (21, 7, 3)]
)
def test_many_tiles_go_into_rows(count: int, columns: int, rows: int) -> None:
    tiles = [Image.new("RGB", (30, 20), (index, 0, 0)) for index in range(count)]
    strip = np.asarray(arrange(tiles))
    assert strip.shape == (8 + rows * 28, 8 + columns * 38, 3)
    last_row, last_column = divmod(count - 1, columns)
    assert strip[8 + last_row * 28 + 5, 8 + last_column * 38 + 5].tolist() == [count - 1, 0, 0]


def test_wide_tiles_keep_a_strip_within_a_screen_or_two() -> None:
    tiles = [Image.new("RGB", (900, 400)) for _ in range(10)]
    assert arrange(tiles).size == (8 + 2 * 908, 8 + 5 * 408)


def test_panorama_is_shown_whole() -> None:
    pixels = np.zeros((500, 5000, 3), np.uint8)
    assert make_tile(pixels, (0, 0, 5000, 500), "5").size == (1024, 102 + 24)


def test_animation_goes_forth_and_back_and_rests_at_both_ends() -> None:
    tiles = [Image.new("RGB", (40, 40), (60 * index, 0, 0)) for index in range(4)]
    with Image.open(io.BytesIO(animate(tiles, b"words"))) as animation:
        seen, durations = [], []
        for index in range(animation.n_frames):
            animation.seek(index)
            seen.append(animation.convert("RGB").getpixel((20, 20))[0])
            durations.append(animation.info["duration"])
    np.testing.assert_allclose(seen, [0, 60, 120, 180, 120, 60], atol=2)
    assert durations == [1200, 500, 500, 1200, 500, 500]


def test_animation_of_one_age_is_one_frame() -> None:
    with Image.open(io.BytesIO(animate([Image.new("RGB", (40, 40))], b"words"))) as animation:
        assert animation.n_frames == 1
