import numpy as np
import pytest
from PIL import Image

from reage.faces.finder import FaceFinder


@pytest.fixture(scope="module")
def finder():
    return FaceFinder(threads=1)


@pytest.fixture(scope="module")
def photo(astronaut_path):
    return np.asarray(Image.open(astronaut_path).convert("RGB"))


@pytest.mark.parametrize("shift", [(0, 0), (12, 0), (-9, 15)])
def test_face_that_moved_is_found_where_it_is_now(finder, photo, shift):
    (face,) = finder.find(photo)
    moved = np.roll(photo, shift, axis=(1, 0))
    # As in a video, the frames after the first are followed from one to the next.
    found = finder.follow(moved, finder.follow(moved, face))
    np.testing.assert_allclose(found.landmarks, face.landmarks + shift, atol=2)
    np.testing.assert_allclose(found.oval, face.oval + shift, atol=3)
    assert 0.9 < found.score <= 1


def test_face_that_is_gone_is_not_found(finder, photo):
    (face,) = finder.find(photo)
    assert finder.follow(np.full_like(photo, 90), face) is None
    assert finder.follow(photo[::-1].copy(), face) is None


def test_face_that_left_the_frame_is_not_found(finder, photo):
    (face,) = finder.find(photo)
    left = photo[:, 262:]
    gone = type(face)(
        face.box - np.float32([262, 0, 262, 0]),
        face.landmarks - np.float32([262, 0]),
        face.oval - np.float32([262, 0]),
        face.score,
    )
    assert finder.follow(left, gone) is None


def test_quick_search_finds_an_upright_face_just_as_the_thorough_one(finder, photo):
    (face,) = finder.find(photo)
    (quick,) = finder.find(photo, quick=True)
    np.testing.assert_array_equal(quick.landmarks, face.landmarks)
    assert finder.find(np.full_like(photo, 90), quick=True) == []
