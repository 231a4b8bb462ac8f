import numpy as np
import pytest

from reage.faces.align import invert, template_pixels, transform_points
from reage.faces.blend import face_mask, paste_change
from reage.faces.types import Face

SIZE = 64


def matrix_of(scale, degrees=0.0, at=(0.0, 0.0)):
    """Photo -> crop, where the crop's origin lies at `at` in the photo."""
    turn = np.deg2rad(degrees)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    return np.column_stack([linear, -linear @ at])


def face_in(matrix, size=SIZE):
    """A face whose crop through `matrix` shows it as the template has it."""
    angles = np.linspace(-np.pi / 2, 1.5 * np.pi, 36, endpoint=False)
    oval = np.array([0.49, 0.52]) + np.column_stack([0.36 * np.cos(angles), 0.42 * np.sin(angles)])
    back = invert(matrix)
    landmarks = transform_points(back, template_pixels(size)).astype(np.float32)
    outline = transform_points(back, oval * size - 0.5).astype(np.float32)
    box = np.concatenate([outline.min(axis=0), outline.max(axis=0)])
    return Face(box, landmarks, outline, 1.0)


@pytest.fixture
def noise():
    return np.random.default_rng(0).integers(0, 256, (180, 200, 3), dtype=np.uint8)


@pytest.fixture
def strong():
    return np.random.default_rng(1).uniform(-2, 2, (SIZE, SIZE, 3)).astype(np.float32)


def test_mask_covers_the_face_and_fades_out():
    matrix = matrix_of(0.3, 20, (50, 10))
    mask = face_mask(face_in(matrix, 128), matrix, 128)
    assert mask.shape == (128, 128)
    assert mask.dtype == np.float32
    assert mask.min() == 0
    assert mask.max() <= 1
    assert mask[90:100, 60:70].min() > 0.99
    assert mask[:15, :15].max() == 0
    border = np.concatenate([mask[:2].ravel(), mask[-2:].ravel(), mask[:, :2].T.ravel()])
    assert border.max() == 0
    assert mask[:, -2:].max() == 0


def test_mask_has_no_hard_edge():
    matrix = matrix_of(1)
    mask = face_mask(face_in(matrix, 128), matrix, 128)
    assert max(np.abs(np.diff(mask, axis=0)).max(), np.abs(np.diff(mask, axis=1)).max()) < 0.15


def test_mask_reaches_above_the_outline_to_the_hairline():
    matrix = matrix_of(1)
    face = face_in(matrix, 128)
    lower = Face(face.box, face.landmarks, face.oval + np.float32([0, 12]), 1.0)
    top = int(lower.oval[:, 1].min())
    assert face_mask(lower, matrix, 128)[top - 2, 62] > 0.5


@pytest.mark.parametrize("degrees", [33, 90, 180])
def test_mask_turns_with_the_face(degrees):
    straight, turned = matrix_of(0.5), matrix_of(0.5, degrees, (300, 200))
    difference = face_mask(face_in(straight), straight, SIZE) - face_mask(
        face_in(turned), turned, SIZE
    )
    assert np.abs(difference).max() < 0.02


def test_pasting_in_place_changes_the_photo_itself(noise, strong):
    matrix = matrix_of(0.6, 15, (40, 20))
    mask = face_mask(face_in(matrix), matrix, SIZE)
    expected = paste_change(noise, strong, mask, matrix)
    assert (expected != noise).any()
    assert paste_change(noise, strong, mask, matrix, in_place=True) is noise
    np.testing.assert_array_equal(noise, expected)


def test_zero_delta_changes_nothing(noise):
    matrix = matrix_of(0.6, 15, (40, 20))
    mask = face_mask(face_in(matrix), matrix, SIZE)
    result = paste_change(noise, np.zeros((SIZE, SIZE, 3), np.float32), mask, matrix)
    np.testing.assert_array_equal(result, noise)
    assert not np.shares_memory(result, noise)


@pytest.mark.parametrize("scale", [0.17, 0.6, 1.0, 2.3])
def test_pixels_outside_the_mask_keep_their_values(noise, strong, scale):
    matrix = matrix_of(scale, -12, (30, 40))
    before = noise.copy()
    mask = face_mask(face_in(matrix), matrix, SIZE)
    result = paste_change(noise, strong, mask, matrix)
    np.testing.assert_array_equal(noise, before)
    reach = reach_of(mask, matrix, noise.shape)
    changed = (result != noise).any(axis=2).ravel()
    assert not changed[reach == 0].any()
    assert changed[reach > 2].mean() > 0.9


def reach_of(mask, matrix, shape):
    """Sum of the mask's four pixels around each pixel of a photo; zero is out of reach."""
    y, x = np.mgrid[: shape[0], : shape[1]]
    in_crop = transform_points(matrix, np.column_stack([x.ravel(), y.ravel()]))
    padded = np.pad(mask, 1)
    corner = np.clip(np.floor(in_crop).astype(int) + 1, 0, SIZE)
    return sum(padded[corner[:, 1] + dy, corner[:, 0] + dx] for dx in (0, 1) for dy in (0, 1))


@pytest.mark.parametrize(("scale", "degrees"), [(1 / 6, 30), (0.5, -75), (1, 10), (1.8, 140)])
def test_a_dot_lands_within_half_a_pixel(scale, degrees):
    side = round(2 * SIZE / scale)
    middle = np.array([side / 2, side / 2])
    matrix = matrix_of(scale, degrees)
    matrix[:, 2] = (SIZE - 1) / 2 - matrix[:, :2] @ middle
    y, x = np.mgrid[:SIZE, :SIZE]
    dot = np.exp(-((x - 40.0) ** 2 + (y - 25.0) ** 2) / (2 * 2.5**2))
    delta = np.repeat(dot[..., None], 3, axis=2).astype(np.float32)
    photo = np.zeros((side, side, 3), np.uint8)
    pasted = paste_change(photo, delta, np.ones((SIZE, SIZE), np.float32), matrix)[..., 0]
    rows, columns = np.mgrid[:side, :side]
    total = pasted.astype(float).sum()
    found = np.array([(pasted * columns).sum(), (pasted * rows).sum()]) / total
    expected = transform_points(invert(matrix), [(40, 25)])[0]
    assert np.abs(found - expected).max() < 0.5


def test_delta_counts_in_units_of_half_the_range():
    photo = np.full((SIZE, SIZE, 3), 100, np.uint8)
    delta = np.full((SIZE, SIZE, 3), (0.16, -0.16, 2.0), np.float32)
    matrix = matrix_of(1)
    mask = face_mask(face_in(matrix), matrix, SIZE)
    result = paste_change(photo, delta, mask, matrix)
    np.testing.assert_array_equal(result[36, 32], (120, 80, 255))


def test_delta_is_enlarged_smoothly():
    photo = np.zeros((6 * SIZE, 6 * SIZE, 3), np.uint8)
    ramp = np.linspace(0, 1, SIZE, dtype=np.float32)
    delta = np.broadcast_to(ramp[None, :, None], (SIZE, SIZE, 3)).copy()
    matrix = matrix_of(1 / 6)
    pasted = paste_change(photo, delta, np.ones((SIZE, SIZE), np.float32), matrix)
    steps = np.diff(pasted[200, 60:320, 0].astype(int))
    assert set(steps) <= {0, 1}
    assert steps.sum() > 80


def test_overlapping_faces_add_up():
    photo = np.full((200, 200, 3), 90, np.uint8)
    delta = np.full((SIZE, SIZE, 3), 0.2, np.float32)
    matrices = matrix_of(0.5, 0, (20, 20)), matrix_of(0.5, 10, (60, 30))
    masks = [face_mask(face_in(matrix), matrix, SIZE) for matrix in matrices]
    first, second = (
        paste_change(photo, delta, mask, matrix)
        for mask, matrix in zip(masks, matrices, strict=True)
    )
    both = paste_change(first, delta, masks[1], matrices[1])
    expected = first.astype(int) + second - photo
    assert (np.logical_and(first != photo, second != photo)).any()
    assert np.abs(both - expected).max() <= 1


def test_face_beside_the_photo_changes_nothing(noise, strong):
    matrix = matrix_of(1, 0, (500, 500))
    mask = face_mask(face_in(matrix), matrix, SIZE)
    np.testing.assert_array_equal(paste_change(noise, strong, mask, matrix), noise)


def test_empty_mask_changes_nothing(noise, strong):
    mask = np.zeros((SIZE, SIZE), np.float32)
    np.testing.assert_array_equal(paste_change(noise, strong, mask, matrix_of(1)), noise)


@pytest.mark.parametrize(("scale", "degrees"), [(1 / 6, 30), (0.5, -75), (1, 10), (1.8, 140)])
def test_a_flow_moves_the_photos_own_pixels(scale, degrees):
    side = round(2 * SIZE / scale)
    middle = np.array([side / 2, side / 2])
    matrix = matrix_of(scale, degrees)
    matrix[:, 2] = (SIZE - 1) / 2 - matrix[:, :2] @ middle
    # In the crop, what is seen at (40, 25) was at (43, 21).
    at = transform_points(invert(matrix), [(43, 21)])[0]
    rows, columns = np.mgrid[:side, :side]
    sigma = 2.5 / scale
    dot = 200 * np.exp(-((columns - at[0]) ** 2 + (rows - at[1]) ** 2) / (2 * sigma**2))
    photo = np.repeat(np.rint(dot)[..., None], 3, axis=2).astype(np.uint8)
    change = np.zeros((SIZE, SIZE, 5), np.float32)
    change[..., 3:] = np.float32([3, -4]) / SIZE
    pasted = paste_change(photo, change, np.ones((SIZE, SIZE), np.float32), matrix)[..., 0]
    total = pasted.astype(float).sum()
    found = np.array([(pasted * columns).sum(), (pasted * rows).sum()]) / total
    expected = transform_points(invert(matrix), [(40, 25)])[0]
    assert np.abs(found - expected).max() < 0.5


def test_a_flow_fades_out_with_the_mask_and_leaves_the_rest_exact(noise):
    matrix = matrix_of(0.5, 20, (40, 30))
    mask = face_mask(face_in(matrix), matrix, SIZE)
    change = np.zeros((SIZE, SIZE, 5), np.float32)
    change[..., 3] = 0.03
    result = paste_change(noise, change, mask, matrix)
    reach = reach_of(mask, matrix, noise.shape)
    changed = (result != noise).any(axis=2).ravel()
    assert not changed[reach == 0].any()
    assert changed[reach > 2].mean() > 0.9


def test_no_flow_and_no_delta_change_nothing(noise):
    matrix = matrix_of(0.5, 20, (40, 30))
    mask = face_mask(face_in(matrix), matrix, SIZE)
    result = paste_change(noise, np.zeros((SIZE, SIZE, 5), np.float32), mask, matrix)
    np.testing.assert_array_equal(result, noise)
