from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from reage.ages import AGE_GROUPS
from reage.errors import UsageError
from reage.images import read_photo
from reage.inference.ager import FaceAger
from reage.web.work import open_visit


@pytest.fixture(scope="module")
def ager(tiny_model: Path) -> FaceAger:
    return FaceAger(tiny_model, threads=1)


def test_opening_once_gives_what_ageing_gives(ager: FaceAger, astronaut_path: Path) -> None:
    opened = ager.open(astronaut_path)
    for to in (5, 70):
        expected = ager(astronaut_path, to=to, strength=0.5).pixels
        np.testing.assert_array_equal(opened.age(to, strength=0.5).pixels, expected)


def test_a_sweep_of_an_opened_photo_is_the_sweep_of_the_photo(
    ager: FaceAger, astronaut_path: Path
) -> None:
    expected = ager.sweep(astronaut_path, [10, 80])
    sweep = ager.open(astronaut_path).sweep([10, 80])
    assert sweep.ages == (10.0, 80.0)
    for index in range(2):
        np.testing.assert_array_equal(sweep.pixels(index), expected.pixels(index))


def test_without_faces_nothing_changes(ager: FaceAger, astronaut_path: Path) -> None:
    opened = ager.open(astronaut_path)
    aged = opened.age(70, faces=())
    assert aged.faces == ()
    np.testing.assert_array_equal(aged.pixels, opened.photo.pixels)


def test_what_cannot_be_meant_is_refused(ager: FaceAger, astronaut_path: Path) -> None:
    opened = ager.open(astronaut_path)
    for wrong in ({"faces": (1,)}, {"faces": (-1,)}, {"strength": 1.1}, {"strength": np.nan}):
        with pytest.raises(UsageError):
            opened.age(70, **wrong)
    with pytest.raises(UsageError):
        opened.age(AGE_GROUPS[-1].high + 1)
    with pytest.raises(UsageError):
        opened.sweep([])


def test_faces_found_in_one_size_fit_another(ager: FaceAger, astronaut_path: Path) -> None:
    photo = read_photo(astronaut_path)
    half = cv2.resize(photo.pixels, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    opened = ager.open(photo.pixels)
    small = opened.on(half)
    assert small.age(70).pixels.shape == half.shape
    # Edges scale, not centers: the pixel at 0 of the half lies at 0.5 of the whole.
    (whole_face,), (half_face,) = ([patch.face for patch in one.patches] for one in (opened, small))
    np.testing.assert_allclose(half_face.box, (whole_face.box + 0.5) / 2 - 0.5, atol=1e-3)
    np.testing.assert_allclose(
        half_face.landmarks, (whole_face.landmarks + 0.5) / 2 - 0.5, atol=1e-3
    )
    # The change itself is the same at both sizes.
    change = opened.age(90).pixels.astype(float) - photo.pixels
    small_change = small.age(90).pixels.astype(float) - half
    shrunk = cv2.resize(change, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    assert small_change.max() > 10
    assert np.abs(small_change - shrunk).mean() < 0.1
    # And the way back leads to where it began.
    back = small.on(photo)
    np.testing.assert_allclose(back.age(90).pixels, opened.age(90).pixels, atol=1)
    assert back.photo is photo


def test_black_and_white_photos_stay_so(astronaut_path: Path) -> None:
    shipped = FaceAger(threads=1)  # It learned from colour photos, and tints what it is given.
    colour = read_photo(astronaut_path).pixels
    grey = np.repeat(cv2.cvtColor(colour, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    opened = shipped.open(grey)
    small = opened.on(np.ascontiguousarray(grey[::2, ::2]))
    for aged in (opened.age(5).pixels, small.age(5).pixels):
        assert np.ptp(aged.astype(int), axis=-1).max() == 0
    np.testing.assert_array_equal(opened.age(5).pixels, shipped(grey, to=5).pixels)


def test_the_views_of_a_visit_hold_its_pixels_once(ager: FaceAger, astronaut_path: Path) -> None:
    visit, _ = open_visit(ager, astronaut_path.read_bytes(), 2_000_000)
    first, *others = (view.photo.pixels for view in visit.views.values())
    assert len(others) == 2
    assert all(np.shares_memory(first, pixels) for pixels in others)
