import io
import itertools
import tarfile

import numpy as np
import pytest
from PIL import Image

from reage.faces.align import (
    TEMPLATE,
    crop_face,
    estimate_similarity,
    invert,
    template_pixels,
    transform_points,
)
from reage.faces.finder import FaceFinder


def similarity(scale, degrees, shift):
    turn = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear, shift])


def dots(shape, centers, sigma):
    """Bright blurred dots on black, uint8 (H, W, 3)."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = sum(np.exp(-((x - cx) ** 2 + (y - cy) ** 2) / (2 * sigma**2)) for cx, cy in centers)
    return np.repeat(np.rint(255 * np.clip(image, 0, 1)).astype(np.uint8)[..., None], 3, axis=2)


def centroid(image, near, radius):
    """The center of brightness around a point, xy."""
    x0, y0 = np.maximum(np.rint(near).astype(int) - radius, 0)
    x1, y1 = np.rint(near).astype(int) + radius + 1
    patch = image[y0:y1, x0:x1, 0].astype(float)
    y, x = np.mgrid[y0 : y0 + patch.shape[0], x0 : x0 + patch.shape[1]]
    return np.array([(patch * x).sum(), (patch * y).sum()]) / patch.sum()


@pytest.mark.parametrize(
    "matrix",
    [similarity(0.1, 0, (3, 4)), similarity(1, 37, (90, -20)), similarity(2.5, -170, (500, 300))],
)
def test_known_similarity_is_recovered(matrix):
    landmarks = transform_points(invert(matrix), template_pixels(128))
    found = estimate_similarity(landmarks, 128)
    assert found.shape == (2, 3)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, matrix, atol=1e-9)


def test_similarity_is_the_least_squares_fit():
    landmarks = np.random.default_rng(0).uniform(50, 250, (5, 2))
    x, y = landmarks.T
    one, zero = np.ones(5), np.zeros(5)
    # Unknowns a, b, tx, ty of x' = a x - b y + tx and y' = b x + a y + ty.
    equations = np.vstack([np.column_stack([x, -y, one, zero]), np.column_stack([y, x, zero, one])])
    target = template_pixels(200)
    a, b, tx, ty = np.linalg.lstsq(equations, target.T.ravel(), rcond=None)[0]
    np.testing.assert_allclose(
        estimate_similarity(landmarks, 200), [[a, -b, tx], [b, a, ty]], atol=1e-8
    )


def test_crops_of_two_sizes_show_the_same_framing():
    landmarks = transform_points(invert(similarity(0.5, 10, (20, 5))), template_pixels(64))
    small, large = estimate_similarity(landmarks, 64), estimate_similarity(landmarks, 256)
    corner = transform_points(invert(small), [(-0.5, -0.5)])
    np.testing.assert_allclose(transform_points(large, corner), [(-0.5, -0.5)], atol=1e-6)


@pytest.mark.parametrize("landmarks", [np.zeros((5, 2)), np.full((5, 2), np.nan)])
def test_landmarks_without_extent_are_refused(landmarks):
    with pytest.raises(ValueError, match="landmarks"):
        estimate_similarity(landmarks, 128)


def test_inverse_undoes_the_transform():
    matrix = similarity(0.37, 63, (12, 99))
    points = np.random.default_rng(0).uniform(0, 2000, (50, 2))
    there_and_back = transform_points(invert(matrix), transform_points(matrix, points))
    np.testing.assert_allclose(there_and_back, points, atol=1e-6)


@pytest.mark.parametrize(
    ("scale", "degrees"), list(itertools.product((0.13, 0.4, 1, 4), (0, 25, -120)))
)
def test_dots_land_within_half_a_pixel(scale, degrees):
    size = 128
    side = round(size / scale)
    shift = np.array([63.5, 63.5]) - similarity(scale, degrees, (0, 0))[:, :2] @ [
        side / 2,
        side / 2,
    ]
    matrix = similarity(scale, degrees, shift)
    in_crop = np.array([(40, 45), (88, 50), (64, 95)], float)
    sigma = 3 / scale
    photo = dots((side + 40, side + 40), transform_points(invert(matrix), in_crop), sigma)
    crop = crop_face(photo, matrix, size)
    assert crop.shape == (size, size, 3)
    assert crop.dtype == np.uint8
    for point in in_crop:
        assert np.abs(centroid(crop, point, 14) - point).max() < 0.5


def test_crop_without_motion_is_the_photo():
    photo = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(crop_face(photo, similarity(1, 0, (0, 0)), 64), photo)


@pytest.mark.parametrize("scale", [0.45, 0.3, 0.09])
def test_fine_stripes_turn_grey_when_shrunk(scale):
    photo = np.zeros((1500, 1500, 3), np.uint8)
    photo[:, ::2] = 255
    crop = crop_face(photo, similarity(scale, 0, (0, 0)), 120).astype(float)
    assert crop.std() < 6
    assert abs(crop.mean() - 127.5) < 2


def test_border_is_repeated_beyond_the_photo():
    photo = np.zeros((50, 50, 3), np.uint8)
    photo[:, :5] = (10, 200, 30)
    for scale in (0.4, 1.0, 2.0):
        crop = crop_face(photo, similarity(scale, 0, (40, 0)), 48)
        np.testing.assert_array_equal(crop[5, 10], (10, 200, 30))


def test_crop_wholly_beside_the_photo_repeats_its_corner():
    photo = np.full((20, 30, 3), 77, np.uint8)
    assert (crop_face(photo, similarity(0.5, 0, (500, 500)), 32) == 77).all()


@pytest.mark.shared
def test_template_agrees_with_utkface(shared_data):
    finder = FaceFinder(threads=1)
    landmarks = []
    with tarfile.open(shared_data / "UTKFace.tar.gz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.name.endswith(".jpg") else None
            if file is not None:
                faces = finder.find(np.asarray(Image.open(io.BytesIO(file.read())).convert("RGB")))
                landmarks.extend(face.landmarks for face in faces[:1])
            if len(landmarks) == 60:
                break
    measured = (np.median(landmarks, axis=0) + 0.5) / 200
    assert np.abs(measured - np.array(TEMPLATE)).max() < 0.02
