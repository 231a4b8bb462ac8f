import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps

from reage.faces.align import transform_points
from reage.faces.finder import FaceFinder

# Read off the picture by eye: pupils, nose tip, mouth corners.
ASTRONAUT = np.array([[203, 101], [246, 103], [223, 129], [202, 139], [245, 141]], float)


@pytest.fixture(scope="module")
def finder():
    return FaceFinder(threads=1)


@pytest.fixture(scope="module")
def astronaut(astronaut_path):
    return np.asarray(Image.open(astronaut_path).convert("RGB"))


def test_astronaut_is_found_where_she_is(finder, astronaut):
    (face,) = finder.find(astronaut)
    assert np.linalg.norm(face.landmarks - ASTRONAUT, axis=1).max() < 5
    assert 0.8 < face.score <= 1
    assert face.box.shape == (4,)
    assert face.landmarks.shape == (5, 2)
    assert face.oval.shape == (36, 2)
    assert {face.box.dtype, face.landmarks.dtype, face.oval.dtype} == {np.dtype(np.float32)}
    np.testing.assert_allclose(face.box, (178, 66, 272, 176), atol=8)
    assert cv2.contourArea(face.oval) > 0.6 * (face.box[2] - face.box[0]) * (
        face.box[3] - face.box[1]
    )
    assert face.oval[0, 1] == pytest.approx(face.box[1], abs=3)


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_landmarks_turn_with_the_photo(finder, astronaut, turns):
    (upright,) = finder.find(astronaut)
    (turned,) = finder.find(np.rot90(astronaut, turns))
    x, y = turned.landmarks.T
    side = astronaut.shape[0] - 1
    back = {1: (side - y, x), 2: (side - x, side - y), 3: (y, side - x)}[turns]
    assert np.linalg.norm(np.column_stack(back) - upright.landmarks, axis=1).max() < 3


@pytest.mark.parametrize("degrees", [-30, 20])
def test_landmarks_turn_with_a_tilted_head(finder, astronaut, degrees):
    (upright,) = finder.find(astronaut)
    matrix = cv2.getRotationMatrix2D((225, 115), degrees, 1)
    (tilted,) = finder.find(cv2.warpAffine(astronaut, matrix, (512, 512)))
    expected = transform_points(matrix, upright.landmarks)
    assert np.linalg.norm(tilted.landmarks - expected, axis=1).max() < 4


def test_faces_come_largest_first(finder, astronaut):
    small = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    photo = np.full((512, 800, 3), 128, np.uint8)
    photo[100:356, :256] = small
    photo[:, 288:] = astronaut
    first, second = finder.find(photo)
    np.testing.assert_allclose(first.landmarks, ASTRONAUT + np.array([288, 0]), atol=5)
    np.testing.assert_allclose(second.landmarks, ASTRONAUT / 2 + (0, 100), atol=3)


def test_threads_change_nothing(finder, astronaut):
    photo = np.hstack([astronaut, astronaut[:, ::-1], np.zeros_like(astronaut)])
    alone, together = finder.find(photo), FaceFinder(threads=3).find(photo)
    assert len(alone) == len(together) == 2
    for face, same in zip(alone, together, strict=True):
        np.testing.assert_allclose(same.landmarks, face.landmarks, atol=1e-3)
        assert same.score == pytest.approx(face.score, abs=1e-5)


def test_a_small_face_in_a_large_photo_is_found(finder, astronaut):
    photo = np.full((1200, 1600, 3), (90, 120, 150), np.uint8)
    photo[700:956, 1100:1356] = cv2.resize(astronaut, (256, 256), interpolation=cv2.INTER_AREA)
    (face,) = finder.find(photo)
    np.testing.assert_allclose(face.landmarks, ASTRONAUT / 2 + (1100, 700), atol=3)


def test_a_face_that_fills_the_photo_is_found(finder, astronaut):
    (face,) = finder.find(astronaut[70:172, 175:275])
    np.testing.assert_allclose(face.landmarks, ASTRONAUT - (175, 70), atol=6)


def test_box_stays_within_the_photo(finder, astronaut):
    (face,) = finder.find(astronaut[70:, :230])
    assert (face.box >= 0).all()
    assert face.box[2] <= 229
    assert face.oval[:, 0].max() > 230


def test_noise_and_blank_photos_hold_no_face(finder):
    noise = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    assert finder.find(noise) == []
    for shape in ((1, 1, 3), (7, 300, 3), (256, 256, 3)):
        assert finder.find(np.full(shape, 127, np.uint8)) == []


@pytest.mark.shared
@pytest.mark.parametrize(
    "name", ["87_no_face__grass.jpg", "09_cmyk_jpeg_noface__pil_sample_cmyk.jpg"]
)
def test_photos_without_a_face_hold_none(finder, shared_data, name):
    photo = np.asarray(Image.open(shared_data / "photos" / name).convert("RGB"))
    assert finder.find(photo) == []


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("07_pixel_rot_face_90__r90.jpg", 1),
        ("43_group_3__2008_001322.jpg", 3),
        ("45_group_selfie__selfie-many-people.jpg", 7),
        ("50_group_5_film__multiface.jpg", 6),
        ("55_profile__left_face.jpeg", 1),
        ("65_partial_face__obama_partial_face.jpg", 1),
        ("67_mask_worn__mask.png", 1),
        ("76_low_res_group__01.jpg", 4),
    ],
)
def test_every_person_is_found_once(finder, shared_data, name, count):
    photo = ImageOps.exif_transpose(Image.open(shared_data / "photos" / name)).convert("RGB")
    assert len(finder.find(np.asarray(photo))) == count
